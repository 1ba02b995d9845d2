/* SPDX-License-Identifier: BSD-2-Clause
 *
 * writer: message heads as we send them. One place decides what is hop-by-hop (RFC 9110
 * section 7.6.1) and one place writes framing, so that the framing sent is always ours and never
 * what was received.
 */
#ifndef DIVED_HTTP_WRITER_H
#define DIVED_HTTP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/head.h"

/* Growable bytes with a hard maximum. */
struct http_buffer {
    char *p; /* owned */
    size_t n;
    size_t capacity;
    size_t max;
};

void http_buffer_init(struct http_buffer *b, size_t max);
void http_buffer_clear(struct http_buffer *b); /* frees; usable again with the same maximum */
/* 0, HTTP_E_NOMEM or HTTP_E_BUFFER_FULL; on failure nothing was added. */
int http_buffer_add(struct http_buffer *b, const void *p, size_t n) DIVE_MUST_USE;
int http_buffer_addf(struct http_buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* What is sent, beside the start line. */
struct http_write {
    /* Fields to pass on, or NULL. Left out of them: Connection and what it names, Keep-Alive,
     * Proxy-Connection, Proxy-Authorization, Proxy-Authenticate, Proxy-Authentication-Info, TE,
     * Trailer, Transfer-Encoding, Upgrade; and Host and Content-Length, which are written from
     * below. */
    const struct http_head *from;
    const char *const *drop;      /* names to leave out too, NULL-terminated; or NULL */
    const struct dive_field *add; /* written after them */
    size_t n_add;

    enum http_body framing; /* of what is sent: Content-Length, Transfer-Encoding or neither */
    /* LENGTH: required. NONE: written if >= 0, there is a `from`, and the status allows it (the
     * length declared in answers to HEAD and in 304). */
    int64_t content_length;
    bool close;   /* Connection: close */
    bool upgrade; /* Connection: Upgrade, and `from`'s Upgrade field is passed on */
    bool via;     /* append "Via: 1.<from->minor> " and our name (http/via.h) */
    const char *proxy_authorization; /* ours, towards a parent proxy; or NULL */
    bool date;   /* responses: add Date (with `now`) if `from` has none (RFC 9110 section 6.6.1) */
    int64_t now; /* Unix seconds */
};

/* Appends a whole head, always HTTP/1.1. `host` is the Host field's value, written first. Whatever
 * is written is checked against the grammar, so that nothing can be injected: a value with CR, LF,
 * NUL or another control character, a method, name, target or host out of grammar, a framing
 * without its length (or UNTIL_CLOSE without `close`) is HTTP_E_INTERNAL. Else 0, HTTP_E_NOMEM or
 * HTTP_E_BUFFER_FULL; HTTP_E_CONNECTION if `from` names more than 32 fields in Connection. On
 * failure `b` holds what it held. */
int http_write_request(struct http_buffer *b, struct dive_span method, struct dive_span target,
                       struct dive_span host, const struct http_write *w) DIVE_MUST_USE;
/* An empty `reason` is replaced by the standard one (http/status.h). 101 keeps `upgrade`. */
int http_write_response(struct http_buffer *b, int status, struct dive_span reason,
                        const struct http_write *w) DIVE_MUST_USE;

/* Whether a field of that name concerns one connection only and is never passed on. */
bool http_field_is_hop_by_hop(struct dive_span name);
/* Whether a Connection field may not name it: fields that all recipients need (RFC 9110
 * section 7.6.1 and every field that DIVE's verdict rests on). Heads that do are refused when
 * parsed (HTTP_E_CONNECTION), so that nobody on the path can have a signature stripped by naming it
 * there. */
bool http_field_is_end_to_end(struct dive_span name);

/* field-name and field-value of RFC 9110 sections 5.1 and 5.5, for fields of our own making. */
bool http_name_is_valid(struct dive_span name);
bool http_value_is_valid(struct dive_span value);

#endif
