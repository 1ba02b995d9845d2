/* SPDX-License-Identifier: BSD-2-Clause
 *
 * head: the start line and header section of one HTTP/1 message (RFC 9112), read strictly, and what
 * follows from it: the framing of the content and the fate of the connection.
 *
 * Whatever two parsers could read in two ways is malformed here, in requests and in responses. The
 * bytes are scanned by our own rules first; llhttp then reads the same head and has to agree on
 * every field and on the framing (HTTP_E_DISAGREE). None of these functions calls back.
 */
#ifndef DIVED_HTTP_HEAD_H
#define DIVED_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/message.h"
#include "http/error.h"

enum http_body {
    HTTP_BODY_NONE, /* no content follows, whatever the fields say (HEAD, 1xx, 204, 304, CONNECT) */
    HTTP_BODY_LENGTH,      /* exactly content_length bytes, 0 included */
    HTTP_BODY_CHUNKED,     /* RFC 9112 section 7.1: http/chunked.h */
    HTTP_BODY_UNTIL_CLOSE, /* responses only: until the connection (TLS: close_notify) ends */
};

struct http_limits {
    size_t head;   /* bytes of start line and header section, final CRLF included */
    size_t target; /* bytes of the request target */
    size_t fields; /* field lines */
};
/* clang-format off */
#define HTTP_LIMITS_DEFAULT ((struct http_limits){.head = 65536, .target = 16384, .fields = 256})
/* clang-format on */

/* How far a head that hasn't all arrived was scanned. Zeroed for each new message; the buffer given
 * with it must begin with the same bytes every time (it may move). */
struct http_scan {
    size_t scanned; /* bytes checked */
    size_t skipped; /* 2 when an empty line preceded a request line (RFC 9112 section 2.2) */
    size_t lines;   /* line ends seen, the start line's included */
    size_t line;    /* where the current line begins */
};

struct http_head {
    struct dive_span method; /* requests; case-sensitive */
    struct dive_span target; /* requests; not yet parsed, VCHAR only: see http/url.h */
    int status;              /* responses: 100..599 */
    struct dive_span reason; /* responses; may be empty */
    int minor;               /* of HTTP/1.x: 0 or 1 */

    /* In order of arrival, values trimmed. In a response to CONNECT and in 1xx and 204,
     * Content-Length and Transfer-Encoding are left out: they must not be sent (RFC 9110
     * section 8.6) and mean nothing. */
    struct dive_field *fields;
    size_t n_fields;

    enum http_body framing;
    int64_t content_length; /* of the field, or -1; in HEAD and 304 too, where none follows */
    bool keep_alive;        /* the sender lets the connection persist after this message (RFC 9112
                               section 9.3) */
    bool expects_continue;  /* HTTP/1.1 request with content and Expect: 100-continue */
    bool is_upgrade;        /* Connection: upgrade and an Upgrade field; of responses: a 101 too */

    char *bytes; /* private: the one allocation behind it all */
    size_t n_bytes;
};

/* Parses the head at the start of `buf`. HTTP_DONE: *out is set, owns a copy of everything (`buf`
 * may go), to be cleared with http_head_clear(), and *consumed is the length of the head in `buf`.
 * HTTP_NEED_MORE: call again with the same bytes and more, and the same `resume`. Negative: an
 * enum http_error; the connection can't be used further. *out is empty and *consumed 0 in both
 * cases. What was split over calls gives the result of the same bytes in one call.
 *
 * Requests: RFC 9112 sections 2-6, Host (3.2) included; at most one empty line before the request
 * line is skipped. Anything but exactly one "chunked" as Transfer-Encoding is refused, and so is
 * content in TRACE or CONNECT. */
int http_head_parse_request(struct http_head *out, const char *buf, size_t n,
                            const struct http_limits *limits, struct http_scan *resume,
                            size_t *consumed) DIVE_MUST_USE;

/* `request_method` decides on the framing (RFC 9112 section 6.3). 1xx responses are returned one by
 * one, like any other; after a 101, or a 2xx to CONNECT, the bytes that follow are no HTTP.
 * Transfer-Encoding in 1xx and 204 is refused; a Content-Length there is refused unless it is 0. */
int http_head_parse_response(struct http_head *out, const char *buf, size_t n,
                             struct dive_span request_method, const struct http_limits *limits,
                             struct http_scan *resume, size_t *consumed) DIVE_MUST_USE;

/* Frees and zeroes; fine on a zeroed or cleared one. */
void http_head_clear(struct http_head *head);

/* A deep copy, for what outlives the exchange. 0, or HTTP_E_NOMEM and *out is empty. */
int http_head_copy(struct http_head *out, const struct http_head *head) DIVE_MUST_USE;

/* The message of `from` with these fields instead of its own: start line, framing and
 * content_length are its. A deep copy, independent of both. 0, or HTTP_E_NOMEM and *out is empty.
 */
int http_head_with_fields(struct http_head *out, const struct http_head *from,
                          const struct dive_field *fields, size_t n) DIVE_MUST_USE;

/* Field names compare case-insensitively everywhere. The value of the first field line of that
 * name, or NULL; borrowed from the head. */
const struct dive_span *http_field_get(const struct http_head *head, const char *name);
size_t http_field_count(const struct http_head *head, const char *name);
/* Whether the list in the field (all lines of it, RFC 9110 section 5.6.1) has the member `token`,
 * case-insensitively. Parameters are not looked through: "a;q=1" has no member "a". */
bool http_field_has_token(const struct http_head *head, const char *name, const char *token);
/* Takes all lines of that name out; how many there were. */
size_t http_head_remove(struct http_head *head, const char *name);
/* The same, and their values are overwritten before. */
void http_head_remove_secret(struct http_head *head, const char *name);

/* For dive_request and dive_response. */
static inline struct dive_fields http_head_fields(const struct http_head *head)
{
    return (struct dive_fields){head->fields, head->n_fields};
}

/* Iterates over the members of one comma-separated value, empty ones skipped, quoted strings kept
 * whole, white space trimmed. `*rest` starts as the value. False at the end. */
bool http_list_next(struct dive_span *rest, struct dive_span *member);

#endif
