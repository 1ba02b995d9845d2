/* SPDX-License-Identifier: BSD-2-Clause
 *
 * writer: see writer.h. A head is written in one go; if anything in it is out of grammar, or
 * doesn't fit, the buffer is cut back to where it was.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/chars.h"
#include "http/date.h"
#include "http/status.h"
#include "http/via.h"
#include "http/writer.h"

void http_buffer_init(struct http_buffer *b, size_t max)
{
    *b = (struct http_buffer){.max = max};
}

void http_buffer_clear(struct http_buffer *b)
{
    free(b->p);
    http_buffer_init(b, b->max);
}

/* Room for `n` more bytes. */
static int reserve(struct http_buffer *b, size_t n)
{
    size_t capacity = b->capacity < 512 ? 512 : b->capacity;
    char *p = NULL;

    if (n > b->max || b->n > b->max - n)
        return HTTP_E_BUFFER_FULL;
    if (b->capacity - b->n >= n)
        return 0;
    while (capacity < b->n + n)
        capacity = capacity > b->max / 2 ? b->max : capacity * 2;
    if (capacity > b->max)
        capacity = b->max;
    p = realloc(b->p, capacity);
    if (p == NULL)
        return HTTP_E_NOMEM;
    b->p = p;
    b->capacity = capacity;
    return 0;
}

int http_buffer_add(struct http_buffer *b, const void *p, size_t n)
{
    int r = reserve(b, n);

    if (r == 0 && n > 0) {
        memcpy(b->p + b->n, p, n);
        b->n += n;
    }
    return r;
}

int http_buffer_addf(struct http_buffer *b, const char *format, ...)
{
    va_list arguments, again;
    int r = HTTP_E_INTERNAL, n = 0;

    va_start(arguments, format);
    va_copy(again, arguments);
    n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (n < 0)
        goto out;
    /* A byte more than is kept: vsnprintf() ends with a NUL. */
    r = reserve(b, (size_t)n + 1);
    if (r != 0)
        goto out;
    vsnprintf(b->p + b->n, (size_t)n + 1, format, again);
    b->n += (size_t)n;
out:
    va_end(again);
    return r;
}

/* Lower-case names with their lengths: most comparisons end there. */
#define NAME(s)                                                                                    \
    {                                                                                              \
        (s), sizeof(s) - 1                                                                         \
    }

static bool is_in(struct dive_span name, const struct dive_span *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (name.n == list[i].n && http_caseeq(name, list[i].p, list[i].n))
            return true;
    }
    return false;
}

bool http_field_is_hop_by_hop(struct dive_span name)
{
    static const struct dive_span names[] = {
        NAME("connection"),
        NAME("keep-alive"),
        NAME("te"),
        NAME("trailer"),
        NAME("transfer-encoding"),
        NAME("upgrade"),
        NAME("proxy-connection"),
        NAME("proxy-authorization"),
        NAME("proxy-authenticate"),
        NAME("proxy-authentication-info"),
    };

    return is_in(name, names, sizeof(names) / sizeof(names[0]));
}

/* clang-format off */
bool http_field_is_end_to_end(struct dive_span name)
{
    static const struct dive_span names[] = {
        /* routing and framing */
        NAME("host"), NAME("content-length"), NAME("via"), NAME("expect"),
        /* what the verdict rests on */
        NAME("content-digest"), NAME("repr-digest"), NAME("digest"), NAME("want-content-digest"),
        NAME("want-repr-digest"), NAME("signature"), NAME("signature-input"),
        NAME("accept-signature"), NAME("dive-sig"), NAME("sec-fetch-mode"),
        /* what the content is */
        NAME("content-type"), NAME("content-encoding"), NAME("content-range"),
        NAME("content-location"), NAME("content-disposition"), NAME("location"),
        /* what steers caches and clients */
        NAME("date"), NAME("age"), NAME("expires"), NAME("cache-control"), NAME("pragma"),
        NAME("vary"), NAME("etag"), NAME("last-modified"), NAME("range"), NAME("if-range"),
        NAME("if-match"), NAME("if-none-match"), NAME("if-modified-since"),
        NAME("if-unmodified-since"), NAME("accept"), NAME("accept-encoding"),
        NAME("accept-ranges"), NAME("authorization"), NAME("www-authenticate"), NAME("cookie"),
        NAME("set-cookie"), NAME("strict-transport-security"), NAME("content-security-policy"),
    };

    return is_in(name, names, sizeof(names) / sizeof(names[0]));
}
/* clang-format on */

bool http_name_is_valid(struct dive_span name)
{
    return http_all(name, HTTP_CHAR_TOKEN);
}

bool http_value_is_valid(struct dive_span value)
{
    return value.n == 0 || http_all(value, HTTP_CHAR_TEXT);
}

/* What can't come from a parsed head is a bug of ours: it fails the one message and not the daemon.
 */
static int check(bool valid)
{
    return valid ? 0 : HTTP_E_INTERNAL;
}

static int add_span(struct http_buffer *b, struct dive_span span)
{
    return http_buffer_add(b, span.p, span.n);
}

static int add_field(struct http_buffer *b, struct dive_span name, struct dive_span value)
{
    int r = check(http_name_is_valid(name) && http_value_is_valid(value));

    if (r == 0)
        r = reserve(b, name.n + value.n + 4);
    if (r != 0)
        return r;
    char *p = b->p + b->n;
    memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = ':';
    *p++ = ' ';
    if (value.n > 0)
        memcpy(p, value.p, value.n);
    p += value.n;
    *p++ = '\r';
    *p++ = '\n';
    b->n += name.n + value.n + 4;
    return 0;
}

static int add_text_field(struct http_buffer *b, const char *name, const char *value)
{
    return add_field(b, dive_span_str(name), dive_span_str(value));
}

/* The received Connection fields' options, gathered once: most heads name none that is a field
 * here. */
enum { NAMED_MAX = 32 };
struct named {
    struct dive_span v[NAMED_MAX];
    size_t n;
};

/* More than 32 options are more than anybody needs: HTTP_E_CONNECTION. */
static int gather_named(struct named *named, const struct http_head *from)
{
    struct dive_span rest, option;

    for (size_t i = 0; i < from->n_fields; i++) {
        if (!http_is_name(from->fields[i].name, "connection"))
            continue;
        rest = from->fields[i].value;
        while (http_list_next(&rest, &option)) {
            if (http_is_name(option, "close") || http_field_is_hop_by_hop(option))
                continue;
            if (named->n == NAMED_MAX)
                return HTTP_E_CONNECTION;
            named->v[named->n++] = option;
        }
    }
    return 0;
}

static bool is_dropped(const struct http_write *w, const struct named *named, struct dive_span name)
{
    if (http_is_name(name, "upgrade"))
        return !w->upgrade;
    if (http_is_name(name, "host") || http_is_name(name, "content-length") ||
        http_field_is_hop_by_hop(name))
        return true;
    for (size_t i = 0; w->drop != NULL && w->drop[i] != NULL; i++) {
        if (dive_span_caseeq(name, dive_span_str(w->drop[i])))
            return true;
    }
    for (size_t i = 0; i < named->n; i++) {
        if (dive_span_caseeq(name, named->v[i]))
            return true;
    }
    return false;
}

static int add_received(struct http_buffer *b, const struct http_write *w)
{
    struct named named = {.n = 0};
    int r = 0;

    if (w->from == NULL)
        return 0;
    r = gather_named(&named, w->from);
    for (size_t i = 0; r == 0 && i < w->from->n_fields; i++) {
        const struct dive_field *field = &w->from->fields[i];
        if (!is_dropped(w, &named, field->name))
            r = add_field(b, field->name, field->value);
    }
    return r;
}

/* A message without content declares a length only if it passes on another's (HEAD, 304): never a
 * request, and never 1xx or 204 (RFC 9110 section 8.6). `status` is 0 for requests. */
static int add_framing(struct http_buffer *b, const struct http_write *w, int status)
{
    bool may_declare = w->from != NULL && status >= 200 && status != 204;

    switch (w->framing) {
    case HTTP_BODY_CHUNKED:
        return add_text_field(b, "Transfer-Encoding", "chunked");
    case HTTP_BODY_LENGTH:
        if (w->content_length < 0)
            return check(false);
        return http_buffer_addf(b, "Content-Length: %lld\r\n", (long long)w->content_length);
    case HTTP_BODY_NONE:
        if (w->content_length < 0 || !may_declare)
            return 0;
        return http_buffer_addf(b, "Content-Length: %lld\r\n", (long long)w->content_length);
    case HTTP_BODY_UNTIL_CLOSE:
        return check(w->close);
    }
    return check(false);
}

/* Everything behind the start line, the empty line included. */
static int add_section(struct http_buffer *b, const struct http_write *w, int status)
{
    int r = add_received(b, w);

    for (size_t i = 0; r == 0 && i < w->n_add; i++)
        r = add_field(b, w->add[i].name, w->add[i].value);
    if (r == 0 && status > 0 && w->date &&
        (w->from == NULL || http_field_get(w->from, "date") == NULL))
        r = add_text_field(b, "Date", http_date_cached(w->now));
    if (r == 0 && w->via)
        r = http_buffer_addf(b, "Via: 1.%d %s\r\n", w->from != NULL ? w->from->minor : 1,
                             http_via_name());
    if (r == 0 && w->proxy_authorization != NULL)
        r = add_text_field(b, "Proxy-Authorization", w->proxy_authorization);
    if (r == 0)
        r = add_framing(b, w, status);
    if (r == 0 && (w->close || w->upgrade))
        r = add_text_field(b, "Connection", w->upgrade ? "Upgrade" : "close");
    return r == 0 ? http_buffer_add(b, "\r\n", 2) : r;
}

int http_write_request(struct http_buffer *b, struct dive_span method, struct dive_span target,
                       struct dive_span host, const struct http_write *w)
{
    size_t start = b->n;
    int r = check(http_all(method, HTTP_CHAR_TOKEN) && http_all(target, HTTP_CHAR_VCHAR) &&
                  http_all(host, HTTP_CHAR_VCHAR) && w->framing != HTTP_BODY_UNTIL_CLOSE);

    if (r == 0)
        r = add_span(b, method);
    if (r == 0)
        r = http_buffer_add(b, " ", 1);
    if (r == 0)
        r = add_span(b, target);
    if (r == 0)
        r = http_buffer_add(b, " HTTP/1.1\r\n", 11);
    if (r == 0)
        r = add_field(b, dive_span("Host", 4), host);
    if (r == 0)
        r = add_section(b, w, 0);
    if (r != 0)
        b->n = start;
    return r;
}

int http_write_response(struct http_buffer *b, int status, struct dive_span reason,
                        const struct http_write *w)
{
    size_t start = b->n;
    int r = check(status >= 100 && status <= 599 && http_value_is_valid(reason));

    if (reason.n == 0)
        reason = dive_span_str(http_reason(status));
    if (r == 0)
        r = http_buffer_addf(b, "HTTP/1.1 %d ", status);
    if (r == 0)
        r = add_span(b, reason);
    if (r == 0)
        r = http_buffer_add(b, "\r\n", 2);
    if (r == 0)
        r = add_section(b, w, status);
    if (r != 0)
        b->n = start;
    return r;
}
