/* SPDX-License-Identifier: BSD-2-Clause
 *
 * x509_build: the steps that making a CA and minting a leaf have in common. All return 0, or
 * DIVE_E_NOMEM / DIVE_E_INTERNAL with OpenSSL's error queue untouched.
 */
#ifndef DIVED_TLS_X509_BUILD_H
#define DIVED_TLS_X509_BUILD_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <time.h>

#include "lib/error.h"

/* A P-256 key pair; *out is the caller's. */
int x509_build_key(EVP_PKEY **out) DIVE_MUST_USE;
/* Version 3, a random positive serial of 127 bits (RFC 5280 section 4.1.2.2), `key`, the validity.
 */
int x509_build_new(X509 **out, EVP_PKEY *key, time_t not_before, time_t not_after) DIVE_MUST_USE;
/* An extension in OpenSSL's configuration syntax. `value` must be ours, never from outside. */
int x509_build_extension(X509 *certificate, int nid, const char *value) DIVE_MUST_USE;
/* Signs with SHA-256. */
int x509_build_sign(X509 *certificate, EVP_PKEY *key) DIVE_MUST_USE;

#endif
