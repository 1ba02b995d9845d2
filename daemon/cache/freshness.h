/* SPDX-License-Identifier: BSD-2-Clause
 *
 * freshness: may a response be stored (RFC 9111 section 3), how long is it fresh, how old is it
 * (4.2), and may it answer this request now (4, 5.2.1). We are a shared cache.
 *
 * What follows from a response alone is worked out once (freshness_of()); a request then costs a
 * comparison of numbers. Times are Unix seconds and come from the caller. None of these functions
 * calls back, allocates or fails.
 */
#ifndef DIVED_CACHE_FRESHNESS_H
#define DIVED_CACHE_FRESHNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/control.h"
#include "http/head.h"

/* clang-format off */
/*  X(symbol, word) : why a response is not stored; the word is for traces and Cache-Status */
#define STORABLE_RESULTS(X) \
    X(YES,           "storable") \
    X(METHOD,        "method")           /* not GET, or a request with content */ \
    X(STATUS,        "status")           /* interim, partial, 304, or not understood */ \
    X(NO_STORE,      "no-store")         /* the request's or the response's */ \
    X(PRIVATE,       "private") \
    X(AUTHORIZATION, "authorization")    /* RFC 9111 section 3.5 */ \
    X(VARY,          "vary")             /* "*", or more than we compare */ \
    X(RANGE,         "range")            /* Content-Range or multipart/byteranges in it */ \
    X(NO_FRESHNESS,  "no-freshness")     /* no explicit lifetime, and no heuristic for the status */ \
    X(USELESS,       "useless")          /* stale from the start and nothing to validate it by */
/* clang-format on */

enum storable {
#define STORABLE_ENUM(symbol, word) STORABLE_##symbol,
    STORABLE_RESULTS(STORABLE_ENUM)
#undef STORABLE_ENUM
};

/* Static, never NULL. */
const char *storable_word(enum storable storable);

enum freshness_source {
    FRESHNESS_FROM_NOTHING = 0, /* lifetime 0 */
    FRESHNESS_FROM_S_MAXAGE,
    FRESHNESS_FROM_MAX_AGE,
    FRESHNESS_FROM_EXPIRES,
    FRESHNESS_FROM_HEURISTIC, /* a tenth of the time since Last-Modified, a day at most */
};

/* What follows from a response and when it came. A plain value; zeroed it is stale and must be
 * validated. */
struct freshness {
    enum freshness_source source;
    int64_t lifetime;               /* seconds since it was generated; 0..CONTROL_SECONDS_MAX */
    int64_t initial_age;            /* seconds: corrected_initial_age of RFC 9111 section 4.2.3 */
    int64_t response_time;          /* when the age was that */
    int64_t stale_while_revalidate; /* seconds beyond `lifetime`; 0 without */
    int64_t stale_if_error;
    bool may_reuse;     /* false: each use needs a validation (no-cache) */
    bool may_be_stale;  /* false: must-revalidate, proxy-revalidate, s-maxage, no-cache */
    bool immutable;     /* a client's reload needs no validation while it is fresh */
    bool has_validator; /* ETag or a valid Last-Modified */
};

/* `request_time` and `response_time`: when the request was sent and its response's head came. After
 * a 304: of the validation and the freshened head (validate.h). */
void freshness_of(struct freshness *out, const struct http_head *response, int64_t request_time,
                  int64_t response_time);

/* May the response to `request` be stored? `freshness` is that of `response`. RFC 9111 section 3:
 * final statuses that we understand, GET only. The content must be complete, which is for the
 * caller to know. Set-Cookie doesn't forbid it: the RFC leaves that to the origin's Cache-Control,
 * but a response with it isn't stored by heuristics, only by explicit freshness. */
enum storable freshness_may_store(const struct http_head *request, const struct http_head *response,
                                  const struct freshness *freshness);

enum freshness_use {
    FRESHNESS_VALIDATE = 0, /* not without a validation (or a new response) first */
    FRESHNESS_FRESH,
    FRESHNESS_STALE_WHILE_REVALIDATE, /* send it, validate it meanwhile (RFC 5861 section 3) */
    FRESHNESS_STALE_ACCEPTED,         /* stale, and the client takes it so (max-stale) */
};

struct freshness_decision {
    enum freshness_use use;
    int64_t age; /* seconds: for the Age field; 0..CONTROL_SECONDS_MAX */
    int64_t ttl; /* seconds of freshness left; negative when stale */
    /* VALIDATE because the client's directives say so, though it is fresh: fwd=request, not
     * fwd=stale. */
    bool by_request;
    /* If the validation ends in a 500, 502, 503 or 504, or in no answer, it may be sent after all
     * (RFC 5861 section 4). */
    bool if_error;
    /* The same if the origin can't be reached at all: RFC 9111 section 4.2.4 lets a disconnected
     * cache do so unless a directive forbids it. Implied by if_error. */
    bool if_disconnected;
};

/* Whether the stored response may answer a request with these directives at `now`. only-if-cached
 * isn't looked at: with VALIDATE the caller answers 504. A clock that went back counts as no time
 * gone by for the age, but nothing is fresh whose response_time is more than a minute ahead of
 * `now`. */
void freshness_decide(struct freshness_decision *out, const struct freshness *freshness,
                      const struct cache_control *request, int64_t now);

/* Statuses whose responses may be stored without explicit freshness (RFC 9110 section 15.1). */
bool freshness_is_heuristic_status(int status);
/* "must-understand": statuses whose caching rules are implemented here. */
bool freshness_is_understood_status(int status);

#endif
