/* SPDX-License-Identifier: BSD-2-Clause
 *
 * error_page: see error_page.h.
 */
#include "exchange/error_page.h"

#include <jansson.h>
#include <stdlib.h>

#include "http/html.h"
#include "http/status.h"

#define ERROR_PAGE_MAX 16384

/* `text` as the inside of an sf-string (RFC 9651 section 3.3.3): printable ASCII, quotes escaped.
 */
static void error_page_quote(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; *text != '\0' && n + 3 < size; text++) {
        if (*text == '"' || *text == '\\')
            out[n++] = '\\';
        out[n++] = *text >= 0x20 && *text < 0x7f ? *text : '?';
    }
    out[n] = '\0';
}

static int error_page_html(struct http_buffer *b, const struct error_page *page, const char *title)
{
    const char *const part[] = {
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\"><title>",
        title,
        "</title>\n<body style=\"font-family:sans-serif;max-width:40em;margin:3em auto;"
        "padding:0 1em;overflow-wrap:anywhere\">\n<h1>",
        title,
        "</h1>\n<p>",
        page->text,
        "</p>\n<p><small>Host: ",
        page->host != NULL ? page->host : "-",
        "<br>Exchange: ",
        page->exchange != NULL ? page->exchange : "-",
        "<br>This answer comes from the proxy (dived), not from the host.</small></p>\n",
    };
    int r = 0;

    /* Every other part is text from elsewhere. */
    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]) && r == 0; i++)
        r = i % 2 == 0 ? http_buffer_add(b, part[i], strlen(part[i])) : http_html_text(b, part[i]);
    return r;
}

static int error_page_json(struct http_buffer *b, const struct error_page *page, const char *title)
{
    json_t *object =
        json_pack("{s:s, s:i, s:s, s:s?, s:s?, s:s?, s:s?}", "title", title, "status", page->status,
                  "detail", page->text, "reason", page->dive_reason, "host", page->host, "exchange",
                  page->exchange, "error", page->error_type);
    char *text = object != NULL ? json_dumps(object, JSON_ENSURE_ASCII | JSON_INDENT(2)) : NULL;
    int r = HTTP_E_NOMEM;

    json_decref(object);
    if (text != NULL)
        r = http_buffer_addf(b, "%s\n", text);
    free(text);
    return r;
}

int error_page_write(struct buffer *out, struct http_buffer *scratch, const struct error_page *page)
{
    char title[128], status_text[640], quoted[512];
    struct http_buffer body;
    struct dive_field fields[5 + ERROR_PAGE_ADD_MAX] = {
        {dive_span_str("Proxy-Status"), {0}},
        {dive_span_str("Cache-Control"), dive_span_str("no-store")},
        {dive_span_str("Content-Type"),
         dive_span_str(page->html ? "text/html; charset=utf-8" : "application/problem+json")},
        {dive_span_str("Content-Language"), dive_span_str("en")},
        {dive_span_str("Cache-Status"), {0}},
    };
    struct http_write write = {
        .add = fields,
        .n_add = page->cache_status != NULL ? 5 : 4,
        .framing = page->head_only ? HTTP_BODY_NONE : HTTP_BODY_LENGTH,
        .close = page->close,
        .date = true,
        .now = page->now,
    };
    int r;

    http_buffer_init(&body, ERROR_PAGE_MAX);
    if (page->dive_reason != NULL)
        snprintf(title, sizeof(title), "Blocked by DIVE: %s", page->dive_reason);
    else
        snprintf(title, sizeof(title), "%s", http_reason(page->status));
    error_page_quote(quoted, sizeof(quoted),
                     page->dive_reason != NULL ? page->dive_reason : page->text);
    if (page->error_type != NULL)
        snprintf(status_text, sizeof(status_text), "dived; error=%s; details=\"%s\"",
                 page->error_type, quoted);
    else
        snprintf(status_text, sizeof(status_text), "dived");
    if (page->cache_status != NULL)
        fields[4].value = dive_span_str(page->cache_status);
    fields[0].value = dive_span_str(status_text);
    for (size_t i = 0; i < page->n_add && i < ERROR_PAGE_ADD_MAX; i++)
        fields[write.n_add++] = page->add[i];
    r = page->html ? error_page_html(&body, page, title) : error_page_json(&body, page, title);
    if (r != 0)
        goto out;
    write.content_length = (int64_t)body.n;
    scratch->n = 0;
    r = http_write_response(scratch, page->status, dive_span_str(title), &write);
    if (r == 0)
        r = buffer_append(out, scratch->p, scratch->n, SIZE_MAX / 2);
    if (r == 0 && !page->head_only)
        r = buffer_append(out, body.p, body.n, SIZE_MAX / 2);
out:
    http_buffer_clear(&body);
    return r;
}
