/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pkcs11: a private key on a token, named by a URI (RFC 7512), that signs there by CKM_EDDSA
 * (PKCS#11 v3.0 section 2.3.14). p11-kit knows the modules of this machine and reads the URI.
 */
#ifndef DIVED_CMD_PKCS11_H
#define DIVED_CMD_PKCS11_H

#include "cmd/sign_key.h"

struct pkcs11_key;

/* Finds the one private key that `source->from` names, logging in with the PIN of pin_file, of the
 * URI's pin-source, or of a prompt. A URI with a pin-value is refused: the command line is no place
 * for a PIN. COMMAND_OK and *out is the caller's; else an exit code that was told. */
int pkcs11_key_open(const struct sign_key_source *source, struct pkcs11_key **out) DIVE_MUST_USE;
void pkcs11_key_close(struct pkcs11_key **key);

enum dive_algorithm pkcs11_key_algorithm(const struct pkcs11_key *key);
/* The raw public key, from the token's public key object of the same CKA_ID; n == 0: there is none.
 */
struct dive_span pkcs11_key_public(const struct pkcs11_key *key);
/* dive_sign_fn; calls from several threads take turns at the token's session. */
int pkcs11_key_sign(struct pkcs11_key *key, const void *message, size_t n, uint8_t *signature);

#endif
