/* SPDX-License-Identifier: BSD-2-Clause
 *
 * file_name: see file_name.h.
 */
#include "cmd/file_name.h"

#include <jansson.h>

#include "http/chars.h"

static unsigned hex(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(http_lower(c) - 'a' + 10);
}

/* Control characters, C1 in UTF-8 included: they would reach somebody's terminal. */
static bool has_control(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < n && (unsigned char)name[i + 1] < 0xa0))
            return true;
    }
    return false;
}

static bool is_utf8(const char *name, size_t n)
{
    json_t *string = json_stringn(name, n); /* refuses what isn't */

    json_decref(string);
    return string != NULL;
}

int file_name_from_path(struct dive_span path, char out[FILE_NAME_SIZE])
{
    char name[FILE_NAME_SIZE] = "";
    size_t n = 0, i = path.n;

    out[0] = '\0';
    while (i > 0 && path.p[i - 1] != '/')
        i--;
    if (i == path.n)
        return DIVE_E_NOT_FOUND;
    while (i < path.n) {
        char c = path.p[i++];

        if (c == '%') {
            if (path.n - i < 2 || !http_all(dive_span(path.p + i, 2), HTTP_CHAR_HEX))
                return DIVE_E_SYNTAX;
            c = (char)(hex(path.p[i]) << 4 | hex(path.p[i + 1]));
            i += 2;
        }
        if (c == '/')
            return DIVE_E_SYNTAX;
        if (n == FILE_NAME_MAX)
            return DIVE_E_LIMIT;
        name[n++] = c;
    }
    if (name[0] == '.' || name[0] == '-' || has_control(name, n) || !is_utf8(name, n))
        return DIVE_E_SYNTAX;
    memcpy(out, name, n);
    out[n] = '\0';
    return 0;
}
