/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mint: makes the end-entity certificates that intercepted clients see, one for each exact host
 * name.
 *
 * All certificates of one mint share one P-256 key pair, made when the mint is: the CA vouches for
 * the names either way, whoever reads this process's memory has the CA's key too, and a mint costs
 * one signature instead of a key generation and a signature. The key never touches a disk.
 */
#ifndef DIVED_TLS_MINT_H
#define DIVED_TLS_MINT_H

#include "tls/ca.h"

struct tls_mint;

#define TLS_MINT_NAME_MAX 253 /* characters: a DNS name, or an IP literal without brackets */
#define TLS_MINT_LIFETIME_MAX (397 * 24) /* hours: what clients accept of a leaf */
#define TLS_MINT_BACKDATE 3600           /* seconds that notBefore lies in the past: clock skew */

/* `lifetime_hours` of the certificates, 1 to TLS_MINT_LIFETIME_MAX (DIVE_E_LIMIT). Takes its own
 * reference of `ca`. */
int tls_mint_new(struct tls_mint **out, struct tls_ca *ca, unsigned lifetime_hours) DIVE_MUST_USE;
void tls_mint_free(struct tls_mint **mint);

/* The private key of every certificate of this mint. Borrowed. */
EVP_PKEY *tls_mint_key(const struct tls_mint *mint);
struct tls_ca *tls_mint_ca(const struct tls_mint *mint); /* borrowed */

/* A certificate for exactly `name`: a DNS name in normal form (lib/domain.h), or an IPv4 or IPv6
 * literal without brackets. Only the SAN counts (RFC 9525); CN is there too where it fits (64).
 * Validity is the lifetime, from TLS_MINT_BACKDATE (or half of the lifetime, if that is less)
 * before `now` on, clipped to the CA's own. *out is the caller's (X509_free). Safe from any thread
 * at any time. DIVE_E_SYNTAX: no such name (a wildcard is none). DIVE_E_LIMIT: the CA has expired.
 * DIVE_E_NOMEM, DIVE_E_INTERNAL. */
int tls_mint_certificate(const struct tls_mint *mint, const char *name, time_t now,
                         X509 **out) DIVE_MUST_USE;

#endif
