/* SPDX-License-Identifier: BSD-2-Clause
 *
 * head_parse: the stages of reading a head, private to this folder.
 *
 *     bytes --> http_scan_head()      where does it end; no byte that can't be in it (head_scan.c)
 *           --> http_head_parse_*()   start line and field lines, into one allocation   (head.c)
 *           --> http_head_frame()     framing and persistence (head_frame.c)
 *           --> http_head_agree()     llhttp's second reading (head_agree.c)
 */
#ifndef DIVED_HTTP_HEAD_PARSE_H
#define DIVED_HTTP_HEAD_PARSE_H

#include "http/head.h"

enum {
    HTTP_METHOD_MAX = 64, /* the registry's longest has 16 */
};

/* Finds the end of the head. HTTP_DONE: *end is the offset behind its last byte, and buf[0..*end)
 * has only CRLF line ends, no control character but HTAB, at least one line before the empty one
 * and no more field lines than allowed. HTTP_NEED_MORE, or an error. */
int http_scan_head(const char *buf, size_t n, bool is_request, const struct http_limits *limits,
                   struct http_scan *s, size_t *end) DIVE_MUST_USE;

/* Sets framing, content_length, keep_alive, expects_continue and is_upgrade from the fields, or
 * says what contradicts itself. `request_method` is the method of the request in both cases. */
int http_head_frame(struct http_head *head, bool is_request,
                    struct dive_span request_method) DIVE_MUST_USE;

/* Has llhttp read the same bytes. 0 when it read the same thing; HTTP_E_DISAGREE or HTTP_E_TARGET.
 * The spans of `head` must point into `bytes`. */
int http_head_agree(const struct http_head *head, bool is_request, const char *bytes,
                    size_t n) DIVE_MUST_USE;

#endif
