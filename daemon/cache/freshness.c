/* SPDX-License-Identifier: BSD-2-Clause
 *
 * freshness: see freshness.h.
 */
#include "cache/freshness.h"
#include "cache/vary.h"
#include "http/chars.h"
#include "http/date.h"

enum { DAY = 86400, CLOCK_TOLERANCE = 60 };

const char *storable_word(enum storable storable)
{
    static const char *const words[] = {
#define STORABLE_WORD(symbol, word) word,
        STORABLE_RESULTS(STORABLE_WORD)
#undef STORABLE_WORD
    };

    return (size_t)storable < sizeof(words) / sizeof(words[0]) ? words[storable] : "unknown";
}

static bool is_one_of(int status, const int *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == status)
            return true;
    }
    return false;
}

bool freshness_is_heuristic_status(int status)
{
    /* 206 is in the RFC's list, too, for caches that store parts. */
    static const int list[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};

    return is_one_of(status, list, sizeof(list) / sizeof(list[0]));
}

bool freshness_is_understood_status(int status)
{
    static const int list[] = {200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403,
                               404, 405, 406, 410, 414, 451, 500, 501, 502, 503, 504};

    return is_one_of(status, list, sizeof(list) / sizeof(list[0]));
}

static int64_t clamp(int64_t seconds)
{
    if (seconds < 0)
        return 0;
    return seconds > CONTROL_SECONDS_MAX ? CONTROL_SECONDS_MAX : seconds;
}

static bool date_of(int64_t *out, const struct http_head *head, const char *name, int64_t now)
{
    const struct dive_span *value = http_field_get(head, name);

    *out = 0;
    return value != NULL && http_date_parse(out, *value, now) == 0;
}

/* Exactly one number. RFC 9111 section 5.1 would take the first of several and ignore what is none:
 * a response that is younger than it looks to be. We can't tell how old it is: false. */
static bool age_of(int64_t *out, const struct http_head *response)
{
    const struct dive_span *value = http_field_get(response, "age");

    *out = 0;
    if (value == NULL)
        return true;
    return http_field_count(response, "age") == 1 && control_seconds(out, *value);
}

/* Of several Expires the earliest; what is no date is in the past (RFC 9111 section 5.3). */
static int64_t lifetime_by_expires(const struct http_head *response, int64_t date, int64_t now)
{
    int64_t lifetime = CONTROL_SECONDS_MAX, expires;

    for (size_t i = 0; i < response->n_fields; i++) {
        if (!http_is_name(response->fields[i].name, "expires"))
            continue;
        if (http_date_parse(&expires, response->fields[i].value, now) != 0)
            return 0;
        if (expires - date < lifetime)
            lifetime = expires - date;
    }
    return clamp(lifetime);
}

/* RFC 9111 section 4.2.2. What sets a cookie is for somebody: not without the origin saying so. */
static int64_t lifetime_by_heuristic(const struct http_head *response, unsigned flags, int64_t date,
                                     int64_t now)
{
    int64_t modified, lifetime;

    if (!freshness_is_heuristic_status(response->status) && (flags & CONTROL_PUBLIC) == 0)
        return 0;
    if (http_field_get(response, "set-cookie") != NULL ||
        !date_of(&modified, response, "last-modified", now) || modified >= date)
        return 0;
    lifetime = (date - modified) / 10;
    return lifetime > DAY ? DAY : lifetime;
}

static void set_lifetime(struct freshness *out, const struct http_head *response,
                         const struct cache_control *control, int64_t date)
{
    if (control->s_maxage != CONTROL_ABSENT) {
        out->source = FRESHNESS_FROM_S_MAXAGE;
        out->lifetime = control->s_maxage;
    } else if (control->max_age != CONTROL_ABSENT) {
        out->source = FRESHNESS_FROM_MAX_AGE;
        out->lifetime = control->max_age;
    } else if (http_field_get(response, "expires") != NULL) {
        out->source = FRESHNESS_FROM_EXPIRES;
        out->lifetime = lifetime_by_expires(response, date, out->response_time);
    } else {
        out->lifetime = lifetime_by_heuristic(response, control->flags, date, out->response_time);
        if (out->lifetime > 0)
            out->source = FRESHNESS_FROM_HEURISTIC;
    }
}

void freshness_of(struct freshness *out, const struct http_head *response, int64_t request_time,
                  int64_t response_time)
{
    struct cache_control control;
    int64_t date, age, modified, delay = clamp(response_time - request_time);

    control_of_response(&control, response);
    *out = (struct freshness){.response_time = response_time};
    if (!date_of(&date, response, "date", response_time))
        date = response_time;
    out->may_reuse = (control.flags & CONTROL_NO_CACHE) == 0;
    out->may_be_stale = out->may_reuse && control.s_maxage == CONTROL_ABSENT &&
                        (control.flags & (CONTROL_MUST_REVALIDATE | CONTROL_PROXY_REVALIDATE)) == 0;
    out->immutable = (control.flags & CONTROL_IMMUTABLE) != 0;
    out->has_validator = http_field_get(response, "etag") != NULL ||
                         date_of(&modified, response, "last-modified", response_time);

    bool known_age = age_of(&age, response);
    int64_t apparent = clamp(response_time - date), corrected = clamp(age + delay);
    out->initial_age = apparent > corrected ? apparent : corrected;
    if (!known_age)
        return;
    set_lifetime(out, response, &control, date);
    out->stale_while_revalidate = clamp(control.stale_while_revalidate);
    out->stale_if_error = clamp(control.stale_if_error);
}

/* "bytes 0-99/100" on a 200 is the word of an origin that answered with a part. One that isn't in
 * the grammar means nothing (RFC 9110 section 14.4). */
static bool is_part(const struct http_head *response)
{
    const struct dive_span *range = http_field_get(response, "content-range");
    const struct dive_span *type = http_field_get(response, "content-type");

    if (response->status == 206)
        return true;
    if (range != NULL && range->n > 6 && http_is_name(dive_span(range->p, 6), "bytes ") &&
        http_is(range->p[6], HTTP_CHAR_DIGIT))
        return true;
    return type != NULL && type->n >= 20 &&
           http_is_name(dive_span(type->p, 20), "multipart/byteranges");
}

/* Answers to one request's own conditions, credentials for us, or expectations are for nobody else,
 * however long they are said to be fresh. */
static bool is_storable_status(const struct http_head *response, unsigned flags)
{
    static const int never[] = {206, 304, 407, 412, 416, 417, 426};

    if (response->status < 200 ||
        is_one_of(response->status, never, sizeof(never) / sizeof(never[0])))
        return false;
    return (flags & CONTROL_MUST_UNDERSTAND) == 0 ||
           freshness_is_understood_status(response->status);
}

static bool has_content(const struct http_head *request)
{
    return request->framing != HTTP_BODY_NONE &&
           !(request->framing == HTTP_BODY_LENGTH && request->content_length == 0);
}

/* RFC 9111 section 3: what permits it at all. */
static bool is_permitted(const struct http_head *response, const struct cache_control *control)
{
    return (control->flags & CONTROL_PUBLIC) != 0 || control->s_maxage != CONTROL_ABSENT ||
           control->max_age != CONTROL_ABSENT || http_field_get(response, "expires") != NULL ||
           freshness_is_heuristic_status(response->status);
}

enum storable freshness_may_store(const struct http_head *request, const struct http_head *response,
                                  const struct freshness *freshness)
{
    struct cache_control asked, control;
    char vary[VARY_SIZE];

    control_of_request(&asked, request);
    control_of_response(&control, response);
    if (!dive_span_eq(request->method, "GET") || has_content(request))
        return STORABLE_METHOD;
    if (!is_storable_status(response, control.flags))
        return STORABLE_STATUS;
    if (is_part(response))
        return STORABLE_RANGE;
    /* must-understand with a status that is understood cancels no-store (section 5.2.2.3). */
    if ((asked.flags & CONTROL_NO_STORE) != 0 ||
        (control.flags & (CONTROL_NO_STORE | CONTROL_MUST_UNDERSTAND)) == CONTROL_NO_STORE)
        return STORABLE_NO_STORE;
    if ((control.flags & CONTROL_PRIVATE) != 0)
        return STORABLE_PRIVATE;
    if (http_field_get(request, "authorization") != NULL && control.s_maxage == CONTROL_ABSENT &&
        (control.flags & (CONTROL_PUBLIC | CONTROL_MUST_REVALIDATE)) == 0)
        return STORABLE_AUTHORIZATION;
    if (vary_of_response(vary, response) != 0)
        return STORABLE_VARY;
    if (!is_permitted(response, &control))
        return STORABLE_NO_FRESHNESS;
    if (!freshness->has_validator && freshness->stale_while_revalidate == 0 &&
        freshness->stale_if_error == 0 && (freshness->lifetime == 0 || !freshness->may_reuse))
        return STORABLE_USELESS;
    return STORABLE_YES;
}

/* Whether the client's directives refuse what would otherwise be served. A reload (max-age=0, as
 * browsers send) doesn't count against a fresh immutable response, no-cache does (RFC 8246
 * section 2). max-age=0 is a wish for a validation, even within the first second. */
static bool is_refused(const struct cache_control *request, const struct freshness *freshness,
                       const struct freshness_decision *d)
{
    bool reload_counts = !(freshness->immutable && d->ttl > 0);

    if ((request->flags & CONTROL_NO_CACHE) != 0)
        return true;
    if (request->max_age != CONTROL_ABSENT && reload_counts &&
        (request->max_age == 0 || d->age > request->max_age))
        return true;
    return request->min_fresh != CONTROL_ABSENT && d->ttl < request->min_fresh;
}

static enum freshness_use use_of(const struct freshness *freshness,
                                 const struct cache_control *request,
                                 const struct freshness_decision *d)
{
    int64_t staleness = -d->ttl;

    if (d->ttl > 0)
        return FRESHNESS_FRESH;
    if (!freshness->may_be_stale)
        return FRESHNESS_VALIDATE;
    if (freshness->stale_while_revalidate > 0 && staleness <= freshness->stale_while_revalidate)
        return FRESHNESS_STALE_WHILE_REVALIDATE;
    if (request->max_stale != CONTROL_ABSENT && staleness <= request->max_stale)
        return FRESHNESS_STALE_ACCEPTED;
    return FRESHNESS_VALIDATE;
}

void freshness_decide(struct freshness_decision *out, const struct freshness *freshness,
                      const struct cache_control *request, int64_t now)
{
    int64_t ahead = freshness->response_time - now;
    bool clock_is_sane = ahead <= CLOCK_TOLERANCE;
    bool refused;

    *out = (struct freshness_decision){.use = FRESHNESS_VALIDATE};
    out->age = clamp(freshness->initial_age + clamp(-ahead));
    out->ttl = freshness->lifetime - out->age;
    if (!clock_is_sane && out->ttl > 0)
        out->ttl = 0;
    refused = is_refused(request, freshness, out);
    out->by_request = refused && freshness->may_reuse && out->ttl > 0;
    if (freshness->may_reuse && clock_is_sane && !refused)
        out->use = use_of(freshness, request, out);

    /* A client that insists on a validation gets what a failed one leaves only if it said so. */
    int64_t staleness = out->ttl < 0 ? -out->ttl : 0;
    if (freshness->may_be_stale) {
        out->if_error =
            (!refused && freshness->stale_if_error > 0 && staleness <= freshness->stale_if_error) ||
            (request->stale_if_error != CONTROL_ABSENT && staleness <= request->stale_if_error);
        out->if_disconnected = out->if_error || !refused;
    }
}
