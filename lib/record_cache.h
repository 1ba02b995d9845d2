/* SPDX-License-Identifier: BSD-2-Clause
 *
 * record_cache: DNS answers about `_dive` and `_divekey` names, kept for no longer than the draft,
 * the record's `cache` parameter and the DNS TTL all allow. Shared between verifiers; the caller
 * brings the lock.
 *
 * Positive answers live min(`cache`, the draft's cap, TTL) seconds. A proven absence or insecurity
 * may be kept as long as its TTL (at most DIVE_NEGATIVE_CAP), as the resolver's own cache would.
 * Bogus and missing answers are never kept. An entry "stored" in the future (a clock that jumped
 * back) is stale.
 */
#ifndef DIVE_RECORD_CACHE_H
#define DIVE_RECORD_CACHE_H

#include "verifier.h"

DIVE_API_BEGIN

#define DIVE_NEGATIVE_CAP 900 /* seconds */

/* How the caller's threads take turns. It is held for a look-up or a store, never across a call of
 * anything else. Both calls get `arg`, must not fail, and must not call back into libdive. */
struct dive_lock {
    void (*lock)(void *arg);
    void (*unlock)(void *arg);
    void *arg;
};

/* At most `max_entries` (1 to DIVE_RECORD_CACHE_MAX, DIVE_E_LIMIT otherwise); past it the entry
 * used least recently goes. *out is the caller's, NULL on failure (DIVE_E_NOMEM too). `lock` is
 * copied and called around every use; NULL: the cache belongs to one thread. */
#define DIVE_RECORD_CACHE_MAX (1u << 24)
int dive_record_cache_new(struct dive_record_cache **out, size_t max_entries,
                          const struct dive_lock *lock) DIVE_MUST_USE;
/* Frees it and clears *cache, which may be NULL already. No verifier may be using it. */
void dive_record_cache_free(struct dive_record_cache **cache);

/* Stores a copy of `answer` for `name` until now + lifetime seconds; a lifetime of 0 stores nothing
 * and drops what was there. A bogus or missing answer stores nothing and drops nothing. On
 * DIVE_E_NOMEM what was there stays. */
int dive_record_cache_put(struct dive_record_cache *cache, const char *name,
                          const struct dive_answer *answer, int64_t now,
                          int64_t lifetime) DIVE_MUST_USE;

/* A copy of the live entry, to be freed with dive_record_free(), or NULL (also when memory ran
 * out). The answer's ttl is what is left of the lifetime. */
struct dive_record {
    struct dive_answer answer;
    int64_t stored; /* Unix seconds */
};
struct dive_record *dive_record_cache_get(struct dive_record_cache *cache, const char *name,
                                          int64_t now);
void dive_record_free(struct dive_record **record);

/* A copy of `answer` with all that it points to, in one allocation, freed with dive_record_free().
 * What only a SECURE answer may carry is left out of any other. DIVE_E_NOMEM. */
int dive_record_new(struct dive_record **out, const struct dive_answer *answer,
                    int64_t stored) DIVE_MUST_USE;

/* What a live entry says, without its records: the way of almost every lookup of a host that has no
 * policy, so it allocates nothing. False: no live entry. Counts as a use of the entry. */
struct dive_record_peek {
    enum dive_security security; /* SECURE or INSECURE */
    size_t n;                    /* how many records dive_record_cache_get() would bring */
    uint32_t ttl;                /* seconds left */
    int64_t stored;              /* Unix seconds */
};
bool dive_record_cache_peek(struct dive_record_cache *cache, const char *name, int64_t now,
                            struct dive_record_peek *out);

/* Drops what is kept for `name`, if anything. */
void dive_record_cache_evict(struct dive_record_cache *cache, const char *name);

/* draft-01 section 5.3, `invalidate-keys-cache`: drops every key record of `domain` and the domains
 * below it that was stored at or before `timestamp`. Returns how many. */
size_t dive_record_cache_invalidate_keys(struct dive_record_cache *cache, const char *domain,
                                         int64_t timestamp);

/* How many names are kept, stale ones included. */
size_t dive_record_cache_entries(struct dive_record_cache *cache);

DIVE_API_END

#endif
