/* SPDX-License-Identifier: BSD-2-Clause
 *
 * range: a client's Range field against a representation that we hold whole (RFC 9110 section 14).
 */
#ifndef DIVED_HTTP_RANGE_H
#define DIVED_HTTP_RANGE_H

#include <stdint.h>

#include "http/head.h"

enum http_range_result {
    HTTP_RANGE_IGNORE =
        0,              /* none, malformed, not bytes, several: answer 200 with everything (14.2) */
    HTTP_RANGE_PARTIAL, /* 206 with [first, last] */
    HTTP_RANGE_UNSATISFIABLE, /* 416 with "Content-Range: bytes * / length" (15.5.17) */
};

struct http_range {
    uint64_t first;
    uint64_t last; /* inclusive, < length */
};

/* Only GET has ranges (14.2); the caller checks that, and If-Range. Of two ranges or more none is
 * served: a server may ignore Range, and overlapping ranges are a known way to wear it out. */
enum http_range_result http_range_parse(struct dive_span value, uint64_t length,
                                        struct http_range *out);
/* From the head: a repeated Range field is ignored. */
enum http_range_result http_range_from_request(const struct http_head *head, uint64_t length,
                                               struct http_range *out);

/* Ranges that one request may ask for. Past this the field is ignored: a list of many small ranges
 * costs the server more than it costs the client (RFC 9110 section 14.2, 17.15). */
enum { HTTP_RANGES_MAX = 16 };

struct http_range_set {
    struct http_range v[HTTP_RANGES_MAX]; /* none overlaps or touches another */
    size_t n;
};

/* The whole grammar: a list of ranges. Unsatisfiable ones are passed over; those that overlap or
 * touch, or whose gap is smaller than the framing of a part takes (128 bytes), are coalesced (RFC
 * 9110 section 15.3.7.2), so that a response never exceeds the content by more than the framing of
 * HTTP_RANGES_MAX parts. Order is as asked for, if nothing was coalesced; ascending otherwise.
 * PARTIAL: out->n is 1 (an ordinary 206) or more (http/multipart.h). IGNORE for more than
 * HTTP_RANGES_MAX, and where the result is the whole content though several were asked for;
 * UNSATISFIABLE when none can be satisfied. */
enum http_range_result http_range_set_parse(struct dive_span value, uint64_t length,
                                            struct http_range_set *out);
/* From the head: a repeated Range field is ignored. */
enum http_range_result http_range_set_from_request(const struct http_head *head, uint64_t length,
                                                   struct http_range_set *out);

enum { HTTP_CONTENT_RANGE_SIZE = 72 };
/* "bytes 0-99/1000"; with `range` NULL "bytes * / 1000" without the spaces. NUL-terminated. */
void http_content_range(char out[HTTP_CONTENT_RANGE_SIZE], const struct http_range *range,
                        uint64_t length);

#endif
