/* SPDX-License-Identifier: BSD-2-Clause
 *
 * invalidate: see invalidate.h. References are resolved by RFC 3986 section 5.2; the absolute URL
 * that comes out is read by http_url_parse(), so that there is one reading of hosts and targets.
 */
#include "cache/invalidate.h"
#include "http/chars.h"
#include "http/writer.h"

enum { URL_MAX = 32768 };

bool invalidate_is_safe_method(struct dive_span method)
{
    return dive_span_eq(method, "GET") || dive_span_eq(method, "HEAD") ||
           dive_span_eq(method, "OPTIONS") || dive_span_eq(method, "TRACE");
}

static struct dive_span without_fragment(struct dive_span in)
{
    const char *hash = in.n > 0 ? memchr(in.p, '#', in.n) : NULL;

    return hash != NULL ? dive_span(in.p, (size_t)(hash - in.p)) : in;
}

/* "scheme:" at its start (RFC 3986 section 3.1). */
static bool has_scheme(struct dive_span in)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = http_lower(in.p[i]);
        if (i > 0 && c == ':')
            return true;
        if (!(c >= 'a' && c <= 'z') &&
            !(i > 0 && (http_is(c, HTTP_CHAR_DIGIT) || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return false;
}

/* In place, on a path that begins with "/" (RFC 3986 section 5.2.4). */
static size_t remove_dots(char *path, size_t n)
{
    size_t in = 0, out = 0;

    while (in < n) {
        size_t end = in + 1;
        while (end < n && path[end] != '/')
            end++;
        struct dive_span segment = dive_span(path + in + 1, end - in - 1);
        if (dive_span_eq(segment, "..")) {
            while (out > 0 && path[--out] != '/')
                continue;
            if (end == n)
                path[out++] = '/';
        } else if (dive_span_eq(segment, ".")) {
            if (end == n)
                path[out++] = '/';
        } else {
            memmove(path + out, path + in, end - in);
            out += end - in;
        }
        in = end;
    }
    return out;
}

static int add(struct http_buffer *b, struct dive_span span)
{
    return http_buffer_add(b, span.p, span.n);
}

/* Path (and query) of a relative reference without authority, appended to `b`. */
static int add_relative(struct http_buffer *b, const struct http_url *base, struct dive_span in)
{
    size_t start = b->n, query_at = 0, n;
    int r = 0;

    if (in.n == 0)
        return add(b, dive_span_str(base->target));
    if (in.p[0] == '?') {
        r = add(b, base->path);
        return r == 0 ? add(b, in) : r;
    }
    if (in.p[0] != '/') {
        n = base->path.n;
        while (n > 0 && base->path.p[n - 1] != '/')
            n--;
        r = n > 0 ? http_buffer_add(b, base->path.p, n) : http_buffer_add(b, "/", 1);
    }
    while (query_at < in.n && in.p[query_at] != '?')
        query_at++;
    if (r == 0)
        r = http_buffer_add(b, in.p, query_at);
    if (r != 0)
        return r;
    b->n = start + remove_dots(b->p + start, b->n - start);
    if (b->n == start)
        r = http_buffer_add(b, "/", 1);
    return r == 0 ? http_buffer_add(b, in.p + query_at, in.n - query_at) : r;
}

/* 0 and *out set; HTTP_E_NOMEM; or another error when the reference names nothing that we know. */
static int resolve(struct http_url *out, const struct http_url *base, struct dive_span reference)
{
    struct dive_span in = without_fragment(http_trim(reference));
    struct http_buffer b;
    int r = HTTP_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    if (has_scheme(in))
        return http_url_parse(out, in);
    http_buffer_init(&b, URL_MAX);
    r = add(&b, dive_span_str(base->https ? "https:" : "http:"));
    if (r == 0 && in.n >= 2 && in.p[0] == '/' && in.p[1] == '/') {
        r = add(&b, in);
    } else if (r == 0) {
        r = http_buffer_add(&b, "//", 2);
        if (r == 0)
            r = add(&b, dive_span_str(base->authority));
        if (r == 0)
            r = add_relative(&b, base, in);
    }
    if (r == 0)
        r = http_url_parse(out, dive_span(b.p, b.n));
    http_buffer_clear(&b);
    return r;
}

static int copy_target(struct http_url *out, const struct http_url *target)
{
    char *text = strdup(target->target);

    memset(out, 0, sizeof(*out));
    if (text == NULL)
        return HTTP_E_NOMEM;
    *out = *target;
    out->target = text;
    if (target->path.p != NULL)
        out->path.p = text + (target->path.p - target->target);
    if (target->query.p != NULL)
        out->query.p = text + (target->query.p - target->target);
    return 0;
}

static bool is_new(const struct invalidate *all, const struct http_url *url)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->urls[i].target, url->target) == 0)
            return false;
    }
    return true;
}

static int add_reference(struct invalidate *out, const struct http_url *target,
                         const struct http_head *response, const char *name)
{
    const struct dive_span *value = http_field_get(response, name);
    struct http_url url;
    int r = 0;

    if (value == NULL || http_field_count(response, name) != 1)
        return 0;
    r = resolve(&url, target, *value);
    if (r != 0)
        return r == HTTP_E_NOMEM ? r : 0;
    /* Another site's responses are none of this one's business: it could purge them for everybody.
     */
    if (url.https == target->https && strcmp(url.authority, target->authority) == 0 &&
        is_new(out, &url))
        out->urls[out->n++] = url;
    else
        http_url_clear(&url);
    return 0;
}

int invalidate_of(struct invalidate *out, struct dive_span method, const struct http_url *target,
                  const struct http_head *response)
{
    int r = HTTP_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    if (invalidate_is_safe_method(method) || response->status < 200 || response->status > 399 ||
        (target->form != HTTP_TARGET_ORIGIN && target->form != HTTP_TARGET_ABSOLUTE))
        return 0;
    r = copy_target(&out->urls[0], target);
    if (r != 0)
        goto out;
    out->n = 1;
    r = add_reference(out, target, response, "location");
    if (r == 0)
        r = add_reference(out, target, response, "content-location");
out:
    if (r != 0)
        invalidate_clear(out);
    return r;
}

void invalidate_clear(struct invalidate *invalidate)
{
    for (size_t i = 0; i < invalidate->n; i++)
        http_url_clear(&invalidate->urls[i]);
    memset(invalidate, 0, sizeof(*invalidate));
}
