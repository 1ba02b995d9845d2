/* SPDX-License-Identifier: BSD-2-Clause
 *
 * redirect: see redirect.h.
 */
#include "cmd/redirect.h"

#include <stdlib.h>

#include "http/chars.h"
#include "http/writer.h"

#define REDIRECT_MAX (64 * 1024) /* bytes of a resolved URL; heads are no longer */

bool redirect_is_one(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool redirect_same_origin(const struct http_url *a, const struct http_url *b)
{
    return a->https == b->https && a->at.port == b->at.port && strcmp(a->at.host, b->at.host) == 0;
}

/* Does `location` begin with a scheme (RFC 3986 section 3.1)? Then it is no relative reference. */
static bool has_scheme(struct dive_span location)
{
    for (size_t i = 0; i < location.n; i++) {
        char c = location.p[i];

        if (c == ':')
            return i > 0;
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (i > 0 && (http_is(c, HTTP_CHAR_DIGIT) || c == '+' || c == '-' || c == '.'))))
            return false;
    }
    return false;
}

/* RFC 3986 section 5.2.4, in place. */
static void remove_dots(struct http_url *url)
{
    char *path = url->target;
    size_t n = url->path.n, to = 0, i = 0;

    while (i < n) { /* path[i] is a "/" */
        size_t end = i + 1, length;

        while (end < n && path[end] != '/')
            end++;
        length = end - i - 1;
        if (length == 1 && path[i + 1] == '.') {
            if (end == n)
                path[to++] = '/';
        } else if (length == 2 && path[i + 1] == '.' && path[i + 2] == '.') {
            while (to > 0 && path[--to] != '/')
                ;
            if (end == n)
                path[to++] = '/';
        } else {
            memmove(path + to, path + i, end - i);
            to += end - i;
        }
        i = end;
    }
    memmove(path + to, path + n, url->query.n + 1);
    url->path = dive_span(path, to);
    url->query = dive_span(path + to, url->query.n);
}

/* The path of a relative reference, merged with the base's (section 5.2.3). */
static int merge_path(struct http_buffer *text, const struct http_url *base, struct dive_span path)
{
    size_t folder = base->path.n;
    int r;

    while (folder > 0 && base->path.p[folder - 1] != '/')
        folder--;
    if (path.p[0] == '/' || folder == 0)
        r = path.p[0] == '/' ? 0 : http_buffer_add(text, "/", 1);
    else
        r = http_buffer_add(text, base->path.p, folder);
    return r == 0 ? http_buffer_add(text, path.p, path.n) : r;
}

/* Writes the absolute URL of a relative reference. */
static int write_relative(struct http_buffer *text, const struct http_url *base,
                          struct dive_span location)
{
    const char *mark = location.n > 0 ? memchr(location.p, '?', location.n) : NULL;
    struct dive_span path = {location.p, mark != NULL ? (size_t)(mark - location.p) : location.n};
    int r = http_buffer_addf(text, "http%s:", base->https ? "s" : "");

    if (r == 0 && location.n >= 2 && location.p[0] == '/' && location.p[1] == '/')
        return http_buffer_add(text, location.p, location.n);
    if (r == 0)
        r = http_buffer_addf(text, "//%s", base->authority);
    if (r == 0 && path.n > 0)
        r = merge_path(text, base, path);
    else if (r == 0)
        r = http_buffer_add(text, base->path.p, base->path.n);
    if (r == 0 && mark != NULL)
        r = http_buffer_add(text, mark, location.n - path.n);
    else if (r == 0 && path.n == 0)
        r = http_buffer_add(text, base->query.p != NULL ? base->query.p : "", base->query.n);
    return r;
}

int redirect_resolve(struct http_url *out, const struct http_url *base, struct dive_span location)
{
    const char *fragment = location.n > 0 ? memchr(location.p, '#', location.n) : NULL;
    struct http_buffer text;
    int r = HTTP_E_INTERNAL;

    *out = (struct http_url){0};
    if (fragment != NULL)
        location.n = (size_t)(fragment - location.p);
    http_buffer_init(&text, REDIRECT_MAX);
    r = has_scheme(location) ? http_buffer_add(&text, location.p, location.n)
                             : write_relative(&text, base, location);
    if (r == 0)
        r = http_url_parse(out, dive_span(text.p, text.n));
    if (r == 0)
        remove_dots(out);
    http_buffer_clear(&text);
    return r;
}
