/* SPDX-License-Identifier: BSD-2-Clause
 *
 * range: see range.h. RFC 9110 sections 14.1.1 to 14.2 for what is parsed, 15.5.17 for what is
 * refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/chars.h"
#include "http/range.h"

enum {
    VALUE_MAX = 128, /* of a single range's field */
    SET_MAX = 1024,
    GAP_MIN = 128, /* about what the framing of one part takes */
};

/* 1*DIGIT; a number beyond 64 bits is as good as the largest. False when it is none. */
static bool parse_number(uint64_t *out, struct dive_span in)
{
    uint64_t number = 0;

    if (!http_all(in, HTTP_CHAR_DIGIT))
        return false;
    for (size_t i = 0; i < in.n; i++) {
        uint64_t digit = (uint64_t)(in.p[i] - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    *out = number;
    return true;
}

/* "first-last", "first-" or "-n" against a content of `length`. */
static enum http_range_result parse_spec(struct dive_span spec, uint64_t length,
                                         struct http_range *out)
{
    uint64_t first = 0, last = UINT64_MAX;
    const char *dash = spec.n > 0 ? memchr(spec.p, '-', spec.n) : NULL;

    if (dash == NULL)
        return HTTP_RANGE_IGNORE;
    struct dive_span before = dive_span(spec.p, (size_t)(dash - spec.p));
    struct dive_span after = dive_span(dash + 1, spec.n - before.n - 1);
    if (after.n > 0 && !parse_number(&last, after))
        return HTTP_RANGE_IGNORE;

    if (before.n == 0) { /* "-n": the last n bytes */
        if (after.n == 0)
            return HTTP_RANGE_IGNORE;
        if (last == 0)
            return HTTP_RANGE_UNSATISFIABLE;
        if (length == 0) /* satisfiable in words (14.1.2), but no Content-Range can say so */
            return HTTP_RANGE_IGNORE;
        first = last < length ? length - last : 0;
        last = length - 1;
    } else {
        if (!parse_number(&first, before) || first > last)
            return HTTP_RANGE_IGNORE;
        if (first >= length)
            return HTTP_RANGE_UNSATISFIABLE;
        if (last > length - 1)
            last = length - 1;
    }
    *out = (struct http_range){first, last};
    return HTTP_RANGE_PARTIAL;
}

/* What stands behind "bytes=", or nothing. */
static struct dive_span bytes_set(struct dive_span value, size_t max)
{
    value = http_trim(value);
    if (value.n > max || value.n < 6 || !http_is_name(dive_span(value.p, 6), "bytes="))
        return dive_span(NULL, 0);
    return http_trim(dive_span(value.p + 6, value.n - 6));
}

enum http_range_result http_range_parse(struct dive_span value, uint64_t length,
                                        struct http_range *out)
{
    *out = (struct http_range){0, 0};
    return parse_spec(bytes_set(value, VALUE_MAX), length, out);
}

static int compare(const void *a, const void *b)
{
    const struct http_range *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

/* Merges what overlaps, touches, or lies closer together than a part's framing. If there is none of
 * that, the order stays as the client gave it. */
static void coalesce(struct http_range_set *set)
{
    struct http_range sorted[HTTP_RANGES_MAX];
    size_t n = 0;

    memcpy(sorted, set->v, set->n * sizeof(sorted[0]));
    if (set->n > 1)
        qsort(sorted, set->n, sizeof(sorted[0]), compare);
    for (size_t i = 0; i < set->n; i++) {
        if (n > 0 && (sorted[i].first <= sorted[n - 1].last ||
                      sorted[i].first - sorted[n - 1].last <= GAP_MIN)) {
            if (sorted[i].last > sorted[n - 1].last)
                sorted[n - 1].last = sorted[i].last;
        } else {
            sorted[n++] = sorted[i];
        }
    }
    if (n == set->n)
        return;
    memcpy(set->v, sorted, n * sizeof(sorted[0]));
    set->n = n;
}

enum http_range_result http_range_set_parse(struct dive_span value, uint64_t length,
                                            struct http_range_set *out)
{
    struct dive_span rest = bytes_set(value, SET_MAX), spec;
    size_t asked = 0;

    *out = (struct http_range_set){.n = 0};
    while (http_list_next(&rest, &spec)) {
        struct http_range range;
        enum http_range_result result = parse_spec(spec, length, &range);
        if (++asked > HTTP_RANGES_MAX || result == HTTP_RANGE_IGNORE) {
            out->n = 0;
            return HTTP_RANGE_IGNORE;
        }
        if (result == HTTP_RANGE_PARTIAL)
            out->v[out->n++] = range;
    }
    if (out->n == 0)
        return asked > 0 ? HTTP_RANGE_UNSATISFIABLE : HTTP_RANGE_IGNORE;
    coalesce(out);
    if (asked > 1 && out->n == 1 && out->v[0].first == 0 && out->v[0].last == length - 1) {
        out->n = 0;
        return HTTP_RANGE_IGNORE;
    }
    return HTTP_RANGE_PARTIAL;
}

enum http_range_result http_range_set_from_request(const struct http_head *head, uint64_t length,
                                                   struct http_range_set *out)
{
    const struct dive_span *value = http_field_get(head, "range");

    *out = (struct http_range_set){.n = 0};
    if (value == NULL || http_field_count(head, "range") != 1)
        return HTTP_RANGE_IGNORE;
    return http_range_set_parse(*value, length, out);
}

enum http_range_result http_range_from_request(const struct http_head *head, uint64_t length,
                                               struct http_range *out)
{
    const struct dive_span *value = http_field_get(head, "range");

    *out = (struct http_range){0, 0};
    if (value == NULL || http_field_count(head, "range") != 1)
        return HTTP_RANGE_IGNORE;
    return http_range_parse(*value, length, out);
}

void http_content_range(char out[HTTP_CONTENT_RANGE_SIZE], const struct http_range *range,
                        uint64_t length)
{
    if (range == NULL)
        snprintf(out, HTTP_CONTENT_RANGE_SIZE, "bytes */%" PRIu64, length);
    else
        snprintf(out, HTTP_CONTENT_RANGE_SIZE, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                 range->first, range->last, length);
}
