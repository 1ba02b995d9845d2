/* SPDX-License-Identifier: BSD-2-Clause
 *
 * chunked: decoder of the chunked transfer coding (RFC 9112 section 7.1). It works on the caller's
 * buffers and copies nothing: content is returned as spans of what was fed.
 */
#ifndef DIVED_HTTP_CHUNKED_H
#define DIVED_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "http/error.h"

enum {
    HTTP_CHUNK_EXTENSIONS_MAX = 4096, /* bytes of chunk extensions in one message */
    HTTP_TRAILER_MAX = 8192,          /* bytes of the trailer section */
    HTTP_TRAILER_FIELDS_MAX = 64,
};

/* Zeroed is the start of a body. No memory to free. */
struct http_chunked {
    int state;           /* private */
    unsigned digits;     /* of the chunk size */
    uint64_t left;       /* bytes of the current chunk that are to come */
    uint64_t total;      /* content returned so far, plus left */
    uint32_t extensions; /* bytes of chunk extensions so far */
    uint32_t trailer;    /* bytes of trailer section so far */
    uint32_t trailer_fields;
};

/* Decodes up to the next span of content.
 * HTTP_DATA: *content is that span, inside `data`, never empty.
 * HTTP_NEED_MORE: all was consumed. HTTP_DONE: the last byte of the body (its trailer section is
 * checked and dropped) was consumed; what follows in `data` belongs to the next message. Negative:
 * enum http_error, for good (every further call fails too). In each case the first *consumed bytes
 * of `data` are dealt with; feed the rest again after HTTP_DATA. An end of the connection before
 * HTTP_DONE is an incomplete message (RFC 9112 section 8). */
int http_chunked_feed(struct http_chunked *c, const char *data, size_t n, size_t *consumed,
                      struct dive_span *content) DIVE_MUST_USE;

/* Encoding: "<size>\r\n" into `buf`, its length returned. The content and "\r\n" follow it;
 * "0\r\n\r\n" (http_chunk_last) ends the body. `n` must not be 0. */
enum { HTTP_CHUNK_HEADER_MAX = 18 };
size_t http_chunk_header(char buf[HTTP_CHUNK_HEADER_MAX], size_t n);
#define HTTP_CHUNK_END "\r\n"
#define HTTP_CHUNK_LAST "0\r\n\r\n"

#endif
