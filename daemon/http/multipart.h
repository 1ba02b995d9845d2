/* SPDX-License-Identifier: BSD-2-Clause
 *
 * multipart: the multipart/byteranges content of a 206 with several ranges (RFC 9110 section
 * 15.3.7.2), as a list of segments to be sent in order: bytes of our own, and ranges of the
 * content.
 */
#ifndef DIVED_HTTP_MULTIPART_H
#define DIVED_HTTP_MULTIPART_H

#include <stddef.h>
#include <stdint.h>

#include "http/range.h"

/* One of the two. */
struct http_segment {
    struct dive_span literal;  /* n > 0: these bytes, borrowed from the multipart */
    struct http_range content; /* n == 0: these bytes of the content */
};

enum { HTTP_SEGMENTS_MAX = 2 * HTTP_RANGES_MAX + 1, HTTP_BOUNDARY_SIZE = 33 };

struct http_multipart {
    char *bytes; /* owned: all that is ours */
    struct http_segment segments[HTTP_SEGMENTS_MAX];
    size_t n;
    uint64_t content_length; /* of it all, exact */
    char boundary[HTTP_BOUNDARY_SIZE];
    char content_type[80]; /* "multipart/byteranges; boundary=..." for the response's head */
};

/* `ranges` as http_range_set_parse() made it, with two or more; `content_type` is the stored
 * response's (n == 0: none, the parts have none); `length` that of the whole content; `random` 16
 * unpredictable bytes, so that no content can hold the boundary on purpose. No callbacks. 0 and
 * *out is the caller's (http_multipart_clear()); HTTP_E_NOMEM, or HTTP_E_INTERNAL for ranges out of
 * `length`, and it is empty. */
int http_multipart_make(struct http_multipart *out, const struct http_range_set *ranges,
                        struct dive_span content_type, uint64_t length,
                        const uint8_t random[16]) DIVE_MUST_USE;
void http_multipart_clear(struct http_multipart *multipart);

#endif
