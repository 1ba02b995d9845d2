/* SPDX-License-Identifier: BSD-2-Clause
 *
 * certificate_cache: the minted certificates by exact name, least recently used ones dropped. One
 * for the process, shared by all workers; a new one comes with a new CA.
 *
 * Minting happens outside the lock: two workers that miss on one name at once both mint, and the
 * first certificate that is put in serves both.
 */
#ifndef DIVED_TLS_CERTIFICATE_CACHE_H
#define DIVED_TLS_CERTIFICATE_CACHE_H

#include "tls/mint.h"

struct certificate_cache;

#define CERTIFICATE_CACHE_MAX 1048576u /* entries that may be asked for */

/* `max_entries`: 1 to CERTIFICATE_CACHE_MAX (DIVE_E_LIMIT); an entry is about 2 KiB.
 * `lifetime_hours` as in tls_mint_new(). Takes its own reference of `ca`. */
int certificate_cache_new(struct certificate_cache **out, struct tls_ca *ca,
                          unsigned lifetime_hours, size_t max_entries) DIVE_MUST_USE;
/* Certificates that were handed out stay good. No other thread may be inside. */
void certificate_cache_free(struct certificate_cache **cache);

/* The certificate for exactly `name` (as tls_mint_certificate() wants it), minted if it isn't there
 * or if half of its lifetime is over at `now`. *out is a new reference, the caller's (X509_free).
 * Fails as tls_mint_certificate() does, and then nothing is cached. Thread-safe; blocks for a mint
 * (some 100 microseconds), never on I/O. */
int certificate_cache_get(struct certificate_cache *cache, const char *name, time_t now,
                          X509 **out) DIVE_MUST_USE;

/* The private key of all of them, and the CA. Borrowed. */
EVP_PKEY *certificate_cache_key(const struct certificate_cache *cache);
struct tls_ca *certificate_cache_ca(const struct certificate_cache *cache);

struct certificate_cache_stats {
    size_t entries;
    uint64_t hits, misses, evictions;
};
void certificate_cache_stats(struct certificate_cache *cache, struct certificate_cache_stats *out);

#endif
