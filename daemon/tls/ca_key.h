/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ca_key: the interception CA's private key: out of a PEM file, or left on a PKCS#11 token. All
 * that it can do is sign certificates.
 */
#ifndef DIVED_TLS_CA_KEY_H
#define DIVED_TLS_CA_KEY_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct ca_key;

/* `from`: the path of a PEM file without a passphrase that its group and others can't access;
 * credential:NAME, which is such a file in $CREDENTIALS_DIRECTORY (it may have an ACL, which looks
 * like a group that may read); or a pkcs11: URI whose PIN, if it needs one, is in the file of
 * pin-source. Returns as tls_ca_load() does;
 * *out is the caller's. Blocks on the file or the token's module. */
int ca_key_load(struct ca_key **out, const char *from, char *why, size_t why_size) DIVE_MUST_USE;
/* Is it a path, so that the key can be made there? */
bool ca_key_is_file(const char *from);
/* A credential, in a process that systemd has given none? */
bool ca_key_is_out_of_reach(const char *from);
void ca_key_free(struct ca_key **key); /* NULLs *key */

/* Is it the other half of `public_key`? A token whose public key isn't there is asked for a
 * signature. */
bool ca_key_matches(struct ca_key *key, EVP_PKEY *public_key);

/* Signs with SHA-256: ECDSA, or RSA with PKCS#1 v1.5 padding (RFC 5758, RFC 4055). `public_key` is
 * the CA's. One thread at a time for one certificate. DIVE_E_NOMEM, DIVE_E_INTERNAL; DIVE_E_STATE:
 * the token refused, see token_sign(). */
int ca_key_sign(struct ca_key *key, EVP_PKEY *public_key, X509 *certificate) DIVE_MUST_USE;

/* The whole of a file of at most 1 MiB; *out is the caller's (BIO_free), of secure memory for a
 * secret, whose mode is checked on the descriptor that is read. */
int ca_key_read_file(BIO **out, const char *path, bool is_secret, char *why,
                     size_t why_size) DIVE_MUST_USE;

#endif
