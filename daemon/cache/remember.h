/* SPDX-License-Identifier: BSD-2-Clause
 *
 * remember: what was found out about a URL a moment ago and isn't worth finding out again for some
 * seconds: that its responses aren't stored (nobody needs to wait for another's transfer), or that
 * its content failed verification (a client that retries doesn't load a blocked gigabyte ten
 * times). A fixed table: an entry may be displaced by another, which costs a repetition, no more.
 * Thread-safe.
 */
#ifndef DIVED_CACHE_REMEMBER_H
#define DIVED_CACHE_REMEMBER_H

#include "cache/object.h"
#include "lib/verifier.h"

#define REMEMBER_UNSTORABLE_SECONDS 120
#define REMEMBER_REJECTED_SECONDS 10

struct remember;

int remember_new(struct remember **out) DIVE_MUST_USE;
void remember_free(struct remember **remember);

/* Responses of `key` aren't stored. */
void remember_unstorable(struct remember *remember, const struct store_key *key, int64_t now);
bool remember_is_unstorable(struct remember *remember, const struct store_key *key, int64_t now);

/* The content under this head (a hash of its strong validator and of all that the verdict rests on)
 * was complete, and failed for `reason`. */
void remember_rejected(struct remember *remember, const struct store_key *key, uint64_t head,
                       enum dive_reason reason, int64_t now);
/* The reason, or DIVE_REASON_NONE: not remembered. */
enum dive_reason remember_rejection(struct remember *remember, const struct store_key *key,
                                    uint64_t head, int64_t now);

#endif
