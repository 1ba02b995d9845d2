/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_status: our member of the Cache-Status field (RFC 9211), and the Age field.
 */
#ifndef DIVED_CACHE_STATUS_H
#define DIVED_CACHE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

/* clang-format off */
/*  X(symbol, word) : RFC 9211 section 2.2 */
#define CACHE_FORWARDS(X) \
    X(NONE,      "")          /* not forwarded: a hit, or answered by us (only-if-cached) */ \
    X(BYPASS,    "bypass")    /* configured not to handle it */ \
    X(METHOD,    "method")    /* the method's semantics */ \
    X(URI_MISS,  "uri-miss") \
    X(VARY_MISS, "vary-miss") \
    X(MISS,      "miss")      /* no stored response, for another reason */ \
    X(REQUEST,   "request")   /* fresh, but the request's directives want it anew */ \
    X(STALE,     "stale") \
    X(PARTIAL,   "partial")
/* clang-format on */

enum cache_forward {
#define CACHE_FORWARD_ENUM(symbol, word) CACHE_FORWARD_##symbol,
    CACHE_FORWARDS(CACHE_FORWARD_ENUM)
#undef CACHE_FORWARD_ENUM
};

/* Static, never NULL. */
const char *cache_forward_word(enum cache_forward forward);

struct cache_status {
    bool hit; /* answered from what was stored, without forwarding; `forward` is NONE then */
    enum cache_forward forward;
    int forward_status; /* of the origin's response, if it isn't the one sent: 304; 0 leaves it out
                         */
    bool has_ttl;
    int64_t ttl; /* seconds of freshness left; may be negative */
    bool stored;
    bool collapsed;
    const char *detail; /* or NULL: a token where it can be one ("no-store"), else a string */
};

enum { CACHE_STATUS_SIZE = 256 };

/* "dived; hit; ttl=376" as a structured-field list member, to be appended as a field line of its
 * own (RFC 9211 section 2: after those of caches nearer the origin). NUL-terminated. `detail` is
 * cut to what fits, characters other than printable ASCII become "?". Returns the length. */
size_t cache_status_format(char out[CACHE_STATUS_SIZE], const struct cache_status *status);

enum { CACHE_AGE_SIZE = 16 };
/* Age (RFC 9111 section 5.1): 0..2147483648. NUL-terminated. */
void cache_age_format(char out[CACHE_AGE_SIZE], int64_t age);

#endif
