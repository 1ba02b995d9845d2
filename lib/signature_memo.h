/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_memo: remembers which signatures have verified. One file is fetched by many clients,
 * and an EdDSA check (80 µs) costs more than the rest of a small exchange; whether a key, a
 * signature and a message belong together never changes. What does change is asked for anew every
 * time: whether the key may still be used (DNS), and what the message says (the digest of this
 * content).
 *
 * An entry is the SHA-256 of (algorithm, key, signature, message) and is made by a successful check
 * alone: to be found here without one takes a collision. The table has a fixed size; a newer entry
 * takes the place of an older one. It is no secret and needs no constant time. Private to libdive.
 */
#ifndef DIVE_SIGNATURE_MEMO_H
#define DIVE_SIGNATURE_MEMO_H

#include "crypto.h"
#include "record_cache.h"

struct dive_signature_memo;

/* *out is the caller's. `lock` is copied, NULL: the memo belongs to one thread; it is held for a
 * few instructions, never while a signature is checked. DIVE_E_NOMEM. */
int dive_signature_memo_new(struct dive_signature_memo **out,
                            const struct dive_lock *lock) DIVE_MUST_USE;
void dive_signature_memo_free(struct dive_signature_memo **memo);

/* dive_signature_check(), with the same results, but for those that have verified before. `memo`
 * may be NULL. A failure of the memo itself only costs the check. */
int dive_signature_memo_check(struct dive_signature_memo *memo, enum dive_algorithm algorithm,
                              struct dive_span key, struct dive_span signature,
                              struct dive_span message) DIVE_MUST_USE;

/* How many checks it has saved. */
uint64_t dive_signature_memo_hits(struct dive_signature_memo *memo);

/* The signatures that verified under keys of this cache's users; it lives as long as the cache. */
struct dive_signature_memo *dive_record_cache_signatures(struct dive_record_cache *cache);

#endif
