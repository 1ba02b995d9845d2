/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_head: heads for the tests of the cache, written as text.
 */
#ifndef DIVED_TEST_CACHE_HEAD_H
#define DIVED_TEST_CACHE_HEAD_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "http/date.h"
#include "http/head.h"

enum { NOW = 1700000000 };

/* `fields` are lines with "\r\n" at each end. */
__attribute__((unused)) static struct http_head response_of(int status, const char *fields)
{
    char text[70000];
    struct http_head head;
    struct http_scan scan = {0};
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    size_t consumed;
    int n = snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%s\r\n", status, fields);

    limits.fields = 2000;
    cr_assert(http_head_parse_response(&head, text, (size_t)n, dive_span_str("GET"), &limits, &scan,
                                       &consumed) == HTTP_DONE,
              "%s", text);
    return head;
}

__attribute__((unused)) static struct http_head request_of(const char *method, const char *fields)
{
    char text[70000];
    struct http_head head;
    struct http_scan scan = {0};
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    size_t consumed;
    int n =
        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a.example\r\n%s\r\n", method, fields);

    cr_assert(http_head_parse_request(&head, text, (size_t)n, &limits, &scan, &consumed) ==
                  HTTP_DONE,
              "%s", text);
    return head;
}

/* "%D+10%" in `in` becomes the HTTP-date of NOW + 10. */
__attribute__((unused)) static const char *dated(const char *in)
{
    static char out[4096];
    size_t n = 0;

    while (*in != '\0' && n + HTTP_DATE_SIZE < sizeof(out)) {
        if (strncmp(in, "%D", 2) == 0) {
            char *end;
            http_date_format(out + n, NOW + strtoll(in + 2, &end, 10));
            n += HTTP_DATE_SIZE - 1;
            in = end + 1;
        } else {
            out[n++] = *in++;
        }
    }
    out[n] = '\0';
    return out;
}

/* All lines of a field joined with "|", or "-" when it isn't there. */
__attribute__((unused)) static const char *lines_of(const struct http_head *head, const char *name)
{
    static char out[4096];
    size_t n = 0;

    for (size_t i = 0; i < head->n_fields; i++) {
        const struct dive_field *f = &head->fields[i];
        if (dive_span_caseeq(f->name, dive_span_str(name)))
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%.*s", n > 0 ? "|" : "",
                                  (int)f->value.n, f->value.p);
    }
    if (n == 0)
        return http_field_get(head, name) != NULL ? "" : "-";
    return out;
}

#endif
