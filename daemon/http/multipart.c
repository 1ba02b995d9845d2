/* SPDX-License-Identifier: BSD-2-Clause
 *
 * multipart: see multipart.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/multipart.h"
#include "http/writer.h"

/* A stored Content-Type is as long as a head lets it be; it is repeated in every part. */
enum { TYPE_MAX = 256, FRAMING_MAX = HTTP_RANGES_MAX * (TYPE_MAX + 256) };

static void set_boundary(struct http_multipart *out, const uint8_t random[16])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(out->boundary + 2 * i, 3, "%02x", random[i]);
    snprintf(out->content_type, sizeof(out->content_type), "multipart/byteranges; boundary=%s",
             out->boundary);
}

static int add_part(struct http_multipart *out, struct http_buffer *b, struct dive_span type,
                    const struct http_range *range, uint64_t length)
{
    char content_range[HTTP_CONTENT_RANGE_SIZE];
    size_t start = b->n;
    int r = HTTP_E_INTERNAL;

    if (range->first > range->last || range->last >= length)
        return r;
    http_content_range(content_range, range, length);
    r = http_buffer_addf(b, "%s--%s\r\n", start > 0 ? "\r\n" : "", out->boundary);
    if (r == 0 && type.n > 0) {
        r = http_buffer_addf(b, "Content-Type: ");
        if (r == 0)
            r = http_buffer_add(b, type.p, type.n);
        if (r == 0)
            r = http_buffer_addf(b, "\r\n");
    }
    if (r == 0)
        r = http_buffer_addf(b, "Content-Range: %s\r\n\r\n", content_range);
    if (r != 0)
        return r;
    /* Where the literal is comes when the buffer moves no more. */
    out->segments[out->n++].literal.n = b->n - start;
    out->segments[out->n++].content = *range;
    out->content_length += range->last - range->first + 1;
    return 0;
}

int http_multipart_make(struct http_multipart *out, const struct http_range_set *ranges,
                        struct dive_span content_type, uint64_t length, const uint8_t random[16])
{
    struct http_buffer b;
    size_t at = 0;
    int r = HTTP_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    http_buffer_init(&b, FRAMING_MAX);
    if (ranges->n < 2 || ranges->n > HTTP_RANGES_MAX)
        goto out;
    set_boundary(out, random);
    if (content_type.n > TYPE_MAX || !http_value_is_valid(content_type))
        content_type = dive_span(NULL, 0);
    r = 0;
    for (size_t i = 0; r == 0 && i < ranges->n; i++)
        r = add_part(out, &b, content_type, &ranges->v[i], length);
    if (r != 0)
        goto out;
    at = b.n;
    r = http_buffer_addf(&b, "\r\n--%s--\r\n", out->boundary);
    if (r != 0)
        goto out;
    out->segments[out->n++].literal.n = b.n - at;
    out->bytes = b.p;
    out->content_length += b.n;
    at = 0;
    for (size_t i = 0; i < out->n; i += 2) {
        out->segments[i].literal.p = out->bytes + at;
        at += out->segments[i].literal.n;
    }
out:
    if (r != 0) {
        http_buffer_clear(&b);
        memset(out, 0, sizeof(*out));
    }
    return r;
}

void http_multipart_clear(struct http_multipart *multipart)
{
    free(multipart->bytes);
    memset(multipart, 0, sizeof(*multipart));
}
