/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mint: makes the end-entity certificates that intercepted clients see, one for each exact host
 * name.
 *
 * All certificates of one mint share one P-256 key pair, made when the mint is: the CA vouches for
 * the names either way, and a mint costs one signature instead of a key generation and a signature.
 * The key never touches a disk. The CA's own key is in another process, which makes the
 * certificates (tls_ca_remote()): whoever reads this process's memory can impersonate hosts towards
 * clients until the certificates expire, but can't make more.
 */
#ifndef DIVED_TLS_MINT_H
#define DIVED_TLS_MINT_H

#include "tls/ca.h"

struct tls_mint;

#define TLS_MINT_POINT 65     /* bytes of an uncompressed P-256 point */
#define TLS_MINT_NAME_MAX 253 /* characters: a DNS name, or an IP literal without brackets */
#define TLS_MINT_LIFETIME_MAX (397 * 24) /* hours: what clients accept of a leaf */
#define TLS_MINT_BACKDATE 3600           /* seconds that notBefore lies in the past: clock skew */

/* `lifetime_hours` of the certificates, 1 to TLS_MINT_LIFETIME_MAX (DIVE_E_LIMIT). Takes its own
 * reference of `ca`. */
int tls_mint_new(struct tls_mint **out, struct tls_ca *ca, unsigned lifetime_hours) DIVE_MUST_USE;
/* The same for a leaf key that somebody else has: only its public half, an uncompressed P-256
 * point. DIVE_E_TYPE: it isn't one. */
int tls_mint_new_for(struct tls_mint **out, struct tls_ca *ca,
                     const unsigned char point[TLS_MINT_POINT],
                     unsigned lifetime_hours) DIVE_MUST_USE;
void tls_mint_free(struct tls_mint **mint);

/* The key of every certificate of this mint; of one by tls_mint_new_for() the public half.
 * Borrowed.
 */
EVP_PKEY *tls_mint_key(const struct tls_mint *mint);
struct tls_ca *tls_mint_ca(const struct tls_mint *mint); /* borrowed */

/* A certificate for exactly `name`: a DNS name in normal form (lib/domain.h), or an IPv4 or IPv6
 * literal without brackets. Only the SAN counts (RFC 9525); CN is there too where it fits (64).
 * Validity is the lifetime, from TLS_MINT_BACKDATE (or half of the lifetime, if that is less)
 * before `now` on, clipped to the CA's own. *out is the caller's (X509_free). Safe from any thread
 * at any time. With a remote CA the time is that of the process that has the key, whatever `now`
 * says. DIVE_E_SYNTAX: no such name (a wildcard is none). DIVE_E_LIMIT: the CA has expired.
 * DIVE_E_STATE: who has the key doesn't answer. DIVE_E_NOMEM, DIVE_E_INTERNAL. */
int tls_mint_certificate(const struct tls_mint *mint, const char *name, time_t now,
                         X509 **out) DIVE_MUST_USE;

#endif
