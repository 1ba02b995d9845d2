/* SPDX-License-Identifier: BSD-2-Clause
 *
 * record_cache_store: the record cache (record_cache.h) for a store that outlives the process. Not
 * public: the daemon's state file alone uses it.
 */
#ifndef DIVE_RECORD_CACHE_STORE_H
#define DIVE_RECORD_CACHE_STORE_H

#include "record_cache.h"

/* each: every live entry, the one used least recently first,
 * so that restoring in that order keeps it; `each` borrows what it gets, runs under the cache's
 * lock and must not call the cache; what it returns other than 0 ends the walk and is returned.
 * restore: as put, with the times that each() gave; an entry from the future, one that has expired,
 * and one that would live longer than any may, is left out. The lifetimes go on as if nothing had
 * happened.
 */
#define DIVE_RECORD_LIFETIME_MAX 86400 /* seconds; no draft lets any record live longer */
int dive_record_cache_each(struct dive_record_cache *cache, int64_t now,
                           int (*each)(void *arg, const char *name,
                                       const struct dive_answer *answer, int64_t stored,
                                       int64_t expires),
                           void *arg) DIVE_MUST_USE;
int dive_record_cache_restore(struct dive_record_cache *cache, const char *name,
                              const struct dive_answer *answer, int64_t stored, int64_t expires,
                              int64_t now) DIVE_MUST_USE;

#endif
