/* SPDX-License-Identifier: BSD-2-Clause
 *
 * path: see path.h.
 */
#include "http/path.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that `p`, of `n` bytes, begins with in percent-encoding; -1: none. */
static int encoded(const char *p, size_t n)
{
    int high, low;

    if (n < 3 || p[0] != '%')
        return -1;
    high = digit(p[1]);
    low = digit(p[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* `out` has room for all of `in`. Returns the length. */
static size_t decode(char *out, struct dive_span in)
{
    size_t n = 0;

    for (size_t i = 0; i < in.n; i++) {
        int byte = encoded(in.p + i, in.n - i);

        if (byte < 0) {
            out[n++] = in.p[i];
            continue;
        }
        if (byte < 0x20 || byte == 0x7f) {
            out[n++] = '%';
            out[n++] = (char)toupper((unsigned char)in.p[i + 1]);
            out[n++] = (char)toupper((unsigned char)in.p[i + 2]);
        } else {
            out[n++] = (char)byte;
        }
        i += 2;
    }
    return n;
}

/* The segments of `path` that are left, in its own place, each with the "/" before it. Returns the
 * length. */
static size_t resolve(char *path, size_t n)
{
    size_t out = 0, next;
    bool folder = false; /* it ends with "/" */

    for (size_t i = 0; i < n; i = next) {
        const char *segment = path + i + 1, *slash = memchr(segment, '/', n - i - 1);
        size_t length = slash != NULL ? (size_t)(slash - segment) : n - i - 1;
        bool dot = length == 1 && segment[0] == '.';
        bool dots = length == 2 && segment[0] == '.' && segment[1] == '.';

        next = i + 1 + length;
        folder = length == 0 || dot || dots;
        if (dots)
            while (out > 0 && path[--out] != '/')
                continue;
        if (folder)
            continue;
        memmove(path + out, path + i, 1 + length);
        out += 1 + length;
    }
    if (folder)
        path[out++] = '/';
    return out;
}

char *http_path_meaning(struct dive_span path)
{
    char *out = malloc(path.n + 2);
    size_t n;

    if (out == NULL)
        return NULL;
    n = decode(out, path);
    if (path.n > 0 && path.p[0] == '/')
        n = resolve(out, n);
    out[n] = '\0';
    return out;
}

bool http_path_can_fit(const char *pattern)
{
    size_t n = strlen(pattern);

    for (size_t i = 0; i < n; i++) {
        const char *rest = pattern + i;
        size_t segment = rest[0] == '/' ? strcspn(rest + 1, "/") : 0;
        bool last = rest[0] == '/' && rest[1 + segment] == '\0';

        if (encoded(rest, n - i) >= 0x20 && encoded(rest, n - i) != 0x7f)
            return false;
        if (rest[0] == '/' && ((segment == 0 && !last) || strncmp(rest + 1, "./", 2) == 0 ||
                               strncmp(rest + 1, "../", 3) == 0 || strcmp(rest + 1, ".") == 0 ||
                               strcmp(rest + 1, "..") == 0))
            return false;
    }
    return true;
}
