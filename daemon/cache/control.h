/* SPDX-License-Identifier: BSD-2-Clause
 *
 * control: the Cache-Control field of a request or response (RFC 9111 section 5.2; RFC 5861; RFC
 * 8246) as one plain value, read once and asked often. Unknown directives are ignored; targeted
 * fields (RFC 9213: CDN-Cache-Control and others) are meant for other caches and not looked at.
 *
 * Whatever can be read in two ways is read in the way that reuses less: of several values of one
 * directive the most restrictive one counts, and a freshness lifetime that is no number is 0 (RFC
 * 9111 section 4.2.1). None of these functions calls back or allocates.
 */
#ifndef DIVED_CACHE_CONTROL_H
#define DIVED_CACHE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "http/head.h"

/* clang-format off */
/*  X(symbol, directive) : those without an argument, or where the argument makes no difference */
#define CONTROL_FLAGS(X) \
    X(NO_STORE,         "no-store") \
    X(NO_CACHE,         "no-cache") \
    X(NO_TRANSFORM,     "no-transform") \
    X(ONLY_IF_CACHED,   "only-if-cached") \
    X(MUST_REVALIDATE,  "must-revalidate") \
    X(PROXY_REVALIDATE, "proxy-revalidate") \
    X(MUST_UNDERSTAND,  "must-understand") \
    X(PRIVATE,          "private") \
    X(PUBLIC,           "public") \
    X(IMMUTABLE,        "immutable")
/* clang-format on */

enum control_position {
#define CONTROL_POSITION(symbol, directive) CONTROL_AT_##symbol,
    CONTROL_FLAGS(CONTROL_POSITION)
#undef CONTROL_POSITION
        CONTROL_FLAGS_N,
};

enum control_flag {
#define CONTROL_FLAG(symbol, directive) CONTROL_##symbol = 1 << CONTROL_AT_##symbol,
    CONTROL_FLAGS(CONTROL_FLAG)
#undef CONTROL_FLAG
    /* no-cache="a, b" and private="a, b" stand for these fields only. Set instead of NO_CACHE and
     * PRIVATE, and only where the fields can be left out of what is stored: see
     * control_names_field(). */
    CONTROL_NO_CACHE_FIELDS = 1 << CONTROL_FLAGS_N,
    CONTROL_PRIVATE_FIELDS = 2 << CONTROL_FLAGS_N,
};

#define CONTROL_ABSENT (-1)
/* Delta-seconds beyond this are this (RFC 9111 section 1.2.2); max-stale without a value, too. */
#define CONTROL_SECONDS_MAX INT64_C(2147483648)

struct cache_control {
    bool present;   /* there is a Cache-Control field, whatever is in it */
    unsigned flags; /* of enum control_flag */
    /* Seconds, or CONTROL_ABSENT. */
    int64_t max_age;
    int64_t s_maxage;
    int64_t max_stale; /* requests */
    int64_t min_fresh; /* requests */
    int64_t stale_while_revalidate;
    int64_t stale_if_error;
};

/* "Pragma: no-cache" counts as no-cache where there is no Cache-Control (RFC 9111 section 5.4). */
void control_of_request(struct cache_control *out, const struct http_head *request);
/* Pragma means nothing here. A qualified no-cache or private is treated as an unqualified one, as
 * RFC 9111 section 5.2.2.4 allows, if it names nothing, or a field without which the response is
 * another one (framing, coding, caching, validators), or if the response is signed: a stored head
 * must stay the one that was. */
void control_of_response(struct cache_control *out, const struct http_head *response);

/* Whether the response's no-cache="..." or private="..." names this field (any case). Fields it
 * names are not stored. */
bool control_names_field(const struct http_head *response, struct dive_span name);

/* 1*DIGIT, saturating at CONTROL_SECONDS_MAX; false and *out 0 when it is anything else. */
bool control_seconds(int64_t *out, struct dive_span in);

#endif
