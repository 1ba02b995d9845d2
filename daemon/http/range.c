/* SPDX-License-Identifier: BSD-2-Clause
 *
 * range: see range.h. RFC 9110 sections 14.1.1 to 14.2 for what is parsed, 15.5.17 for what is
 * refused.
 */
#include <inttypes.h>
#include <stdio.h>

#include "http/chars.h"
#include "http/range.h"

enum { VALUE_MAX = 128 };

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

enum http_range_result http_range_parse(struct dive_span value, uint64_t length,
                                        struct http_range *out)
{
    uint64_t first = 0, last = UINT64_MAX;

    *out = (struct http_range){0, 0};
    value = http_trim(value);
    if (value.n > VALUE_MAX || value.n < 6 || !http_is_name(dive_span(value.p, 6), "bytes="))
        return HTTP_RANGE_IGNORE;
    struct dive_span spec = http_trim(dive_span(value.p + 6, value.n - 6));
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
