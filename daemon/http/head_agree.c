/* SPDX-License-Identifier: BSD-2-Clause
 *
 * head_agree: llhttp reads the head that our own scan has already accepted, and must find the same
 * start line, the same fields and the same framing. It is what most servers written in JavaScript
 * read with, and an independent implementation: a mistake in our scan that would let a field be
 * read in two ways has to be made twice to matter.
 *
 * Not compared: the connection flags, because llhttp counts Proxy-Connection as Connection; and the
 * method, because llhttp has a closed list of them where a proxy has to forward any (RFC 9110
 * section 9.1), so that an unknown one is read as PUT.
 */
#include <llhttp.h>

#include "http/chars.h"
#include "http/head_parse.h"

struct reading {
    llhttp_t parser; /* first: its callbacks get no other argument */
    const struct http_head *head;
    size_t names;  /* field names seen */
    size_t values; /* and values */
    bool differs;
    bool complete;
};

static bool same(struct dive_span span, const char *at, size_t n)
{
    struct dive_span other = http_trim(dive_span(at, n));

    return span.n == other.n && (span.n == 0 || span.p == other.p);
}

static int on_target(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *reading = (struct reading *)parser;

    if (!same(reading->head->target, at, n))
        reading->differs = true;
    return reading->differs ? -1 : 0;
}

static int on_reason(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *reading = (struct reading *)parser;

    if (!same(http_trim(reading->head->reason), at, n))
        reading->differs = true;
    return reading->differs ? -1 : 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *reading = (struct reading *)parser;
    const struct http_head *head = reading->head;
    size_t i = reading->names++;

    if (i >= head->n_fields || !same(head->fields[i].name, at, n))
        reading->differs = true;
    return reading->differs ? -1 : 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
    struct reading *reading = (struct reading *)parser;
    const struct http_head *head = reading->head;
    size_t i = reading->values++;

    if (i + 1 != reading->names || !same(head->fields[i].value, at, n))
        reading->differs = true;
    return reading->differs ? -1 : 0;
}

static int on_head(llhttp_t *parser)
{
    struct reading *reading = (struct reading *)parser;

    reading->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_status = on_reason,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
};

/* The methods that llhttp treats as plain requests, or as CONNECT. */
static bool is_known(struct dive_span method)
{
    static const char *const known[] = {"GET",    "HEAD",    "POST",    "PUT",
                                        "DELETE", "CONNECT", "OPTIONS", "PATCH"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (dive_span_eq(method, known[i]))
            return true;
    }
    return false;
}

static bool framing_agrees(const struct reading *reading, bool is_request)
{
    const llhttp_t *parser = &reading->parser;
    const struct http_head *head = reading->head;
    bool chunked = (parser->flags & F_CHUNKED) != 0;
    bool length = (parser->flags & F_CONTENT_LENGTH) != 0;

    if (parser->http_major != 1 || parser->http_minor != head->minor)
        return false;
    if (!is_request && parser->status_code != head->status)
        return false;
    if (length != (head->content_length >= 0) ||
        (length && parser->content_length != (uint64_t)head->content_length))
        return false;
    /* A coding in a message without content says nothing (RFC 9112 section 6.1). */
    return chunked == (head->framing == HTTP_BODY_CHUNKED) || head->framing == HTTP_BODY_NONE;
}

int http_head_agree(const struct http_head *head, bool is_request, const char *bytes, size_t n)
{
    struct reading reading = {.head = head};
    llhttp_errno_t error = HPE_OK;

    llhttp_init(&reading.parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    if (is_request && !is_known(head->method)) {
        error = llhttp_execute(&reading.parser, "PUT", 3);
        bytes += head->method.n;
        n -= head->method.n;
    }
    if (error == HPE_OK)
        error = llhttp_execute(&reading.parser, bytes, n);
    if (error == HPE_INVALID_URL)
        return HTTP_E_TARGET;
    if (error != HPE_PAUSED || !reading.complete || reading.differs)
        return HTTP_E_DISAGREE;
    if (reading.names != head->n_fields || reading.values != head->n_fields)
        return HTTP_E_DISAGREE;
    return framing_agrees(&reading, is_request) ? 0 : HTTP_E_DISAGREE;
}
