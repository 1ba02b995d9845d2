/* SPDX-License-Identifier: BSD-2-Clause
 *
 * head_scan: finds where a head ends, however slowly it arrives, and refuses on the way what no
 * head can contain. Each byte is looked at once: a head that comes byte by byte costs what it costs
 * in one piece. Checks go by position, so that the result doesn't depend on how the bytes were
 * split.
 */
#include "http/chars.h"
#include "http/head_parse.h"

/* Beside the target a request line has a method, two spaces, the version and CRLF. */
enum { REQUEST_LINE_REST = HTTP_METHOD_MAX + 1 + 1 + 8 + 2 };

/* The offset that must not be reached without the current stage being over. */
static size_t bound(const struct http_scan *s, bool is_request, const struct http_limits *limits)
{
    size_t most = limits->head;

    if (is_request && s->lines == 0 && limits->target + REQUEST_LINE_REST < most)
        most = limits->target + REQUEST_LINE_REST;
    return s->skipped + most;
}

static int too_large(const struct http_scan *s, bool is_request)
{
    return is_request && s->lines == 0 ? HTTP_E_TARGET_TOO_LONG : HTTP_E_HEAD_TOO_LARGE;
}

/* RFC 9112 section 2.2: a server should ignore an empty line before the request line. One, since
 * that is what old clients send after a body; more is somebody trying something. */
static int skip_empty_line(const char *buf, size_t n, struct http_scan *s)
{
    if (n == 0)
        return HTTP_NEED_MORE;
    if (buf[0] != '\r')
        return HTTP_DONE;
    if (n == 1)
        return HTTP_NEED_MORE;
    if (buf[1] != '\n')
        return HTTP_E_BARE_CR;
    s->scanned = s->skipped = s->line = 2;
    return HTTP_DONE;
}

/* At a CRLF whose CR is at `cr`: HTTP_DONE at the empty line that ends the head. */
static int end_line(struct http_scan *s, size_t cr, const struct http_limits *limits)
{
    if (cr == s->line)
        return s->lines == 0 ? HTTP_E_START_LINE : HTTP_DONE;
    s->lines++;
    s->line = cr + 2;
    return s->lines - 1 > limits->fields ? HTTP_E_TOO_MANY_FIELDS : HTTP_NEED_MORE;
}

int http_scan_head(const char *buf, size_t n, bool is_request, const struct http_limits *limits,
                   struct http_scan *s, size_t *end)
{
    int r = HTTP_E_INTERNAL;

    *end = 0;
    if (is_request && s->scanned == 0) {
        r = skip_empty_line(buf, n, s);
        if (r != HTTP_DONE)
            return r;
    }
    size_t most = bound(s, is_request, limits);
    size_t stop = n < most ? n : most;
    size_t i = s->scanned;
    while (i < stop) {
        if (http_is(buf[i], HTTP_CHAR_TEXT)) {
            i++;
            continue;
        }
        if (buf[i] != '\r')
            return buf[i] == '\n' ? HTTP_E_BARE_LF : HTTP_E_CONTROL;
        if (i + 1 == stop)
            break;
        if (buf[i + 1] != '\n')
            return HTTP_E_BARE_CR;
        r = end_line(s, i, limits);
        i += 2;
        s->scanned = i;
        if (r == HTTP_DONE)
            *end = i;
        if (r != HTTP_NEED_MORE)
            return r;
        most = bound(s, is_request, limits);
        stop = n < most ? n : most;
    }
    s->scanned = i;
    return n >= most ? too_large(s, is_request) : HTTP_NEED_MORE;
}
