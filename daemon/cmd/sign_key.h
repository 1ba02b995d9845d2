/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_key: a private key that `divectl sign` signs with: out of a file, of standard input, or left
 * on a PKCS#11 token (pkcs11.h). Secrets never come from the command line, which everybody on the
 * machine can read, and are wiped when the key is freed.
 */
#ifndef DIVED_CMD_SIGN_KEY_H
#define DIVED_CMD_SIGN_KEY_H

#include "cmd/command.h"
#include "lib/signer.h"

struct sign_key;

struct sign_key_source {
    const char *from;            /* a path, "-" for standard input, or a pkcs11: URI */
    const char *passphrase_file; /* of an encrypted PEM: its first line; NULL: asked for */
    const char *passphrase;      /* of an encrypted PEM, when it is known already; or NULL */
    const char *pin_file;        /* of a token: its first line; NULL: pin-source, or asked for */
    bool insecure_permissions;   /* others may read the key's file */
};

/* Reads the key. COMMAND_OK and *out is the caller's; else an exit code, and it was told why. */
int sign_key_load(const struct sign_key_source *source, struct sign_key **out) DIVE_MUST_USE;
void sign_key_free(struct sign_key **key);

enum dive_algorithm sign_key_algorithm(const struct sign_key *key);
/* The raw public key (RFC 8032), which lives as long as the key. n == 0: a token that doesn't tell.
 */
struct dive_span sign_key_public(const struct sign_key *key);
/* A dive_sign_fn with the key as its `arg`; any thread. */
int sign_key_sign(void *key, const void *message, size_t n, uint8_t *signature);

#endif
