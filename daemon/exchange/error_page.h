/* SPDX-License-Identifier: BSD-2-Clause
 *
 * error_page: an answer of our own: the status line, Proxy-Status (RFC 9209), and a body that says
 * what happened, as application/problem+json (RFC 9457) or as HTML. The reason phrase says it too:
 * it is all that some clients print.
 */
#ifndef DIVED_EXCHANGE_ERROR_PAGE_H
#define DIVED_EXCHANGE_ERROR_PAGE_H

#include "core/buffer.h"
#include "http/writer.h"

#define ERROR_PAGE_ADD_MAX 4

struct error_page {
    int status;
    const char *dive_reason;      /* the word of a DIVE block ("signature-mismatch"), or NULL */
    const char *error_type;       /* RFC 9209 section 2.3, a token; NULL: it is no error */
    const char *text;             /* a sentence */
    const char *host;             /* or NULL */
    const char *exchange;         /* id, or NULL */
    const char *cache_status;     /* our member of Cache-Status, or NULL */
    const struct dive_field *add; /* further fields: challenges, Retry-After */
    size_t n_add;                 /* at most ERROR_PAGE_ADD_MAX */
    bool html;                    /* the client prefers it */
    bool head_only;               /* answering HEAD */
    bool close;
    int64_t now; /* Unix seconds */
};

/* Appends the whole response to `out`, by way of `scratch`. 0 or negative (memory). */
int error_page_write(struct buffer *out, struct http_buffer *scratch,
                     const struct error_page *page) DIVE_MUST_USE;

#endif
