/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sniff: see sniff.h.
 */
#include "client/sniff.h"

#include <string.h>

#define SNIFF_LINE_MAX 16384

/* A request line has " HTTP/" before its end; the HTTP/2 preface has it too, and is refused later.
 */
static enum sniff_result sniff_http(const char *p, size_t n)
{
    const char *end = memchr(p, '\n', n < SNIFF_LINE_MAX ? n : SNIFF_LINE_MAX);
    size_t line = end != NULL ? (size_t)(end - p) : n;

    if (memmem(p, line, " HTTP/", 6) != NULL)
        return SNIFF_HTTP;
    if (end != NULL)
        return SNIFF_OTHER;
    for (size_t i = 0; i < line; i++)
        if ((unsigned char)p[i] < 0x20 && p[i] != '\r')
            return SNIFF_OTHER;
    /* A method is letters; the empty line that may stand before it is allowed for. */
    if (!((p[0] >= 'A' && p[0] <= 'Z') || (p[0] >= 'a' && p[0] <= 'z') || p[0] == '\r'))
        return SNIFF_OTHER;
    if (n < SNIFF_LINE_MAX)
        return SNIFF_MORE;
    /* A request line of any length stays one (and is refused as one): taken for another protocol,
     * what answers it would pass unseen. */
    return memchr(p, ' ', line) != NULL ? SNIFF_HTTP : SNIFF_OTHER;
}

enum sniff_result sniff(const void *data, size_t n, struct client_hello *hello)
{
    const char *p = data;

    if (n == 0)
        return SNIFF_MORE;
    switch (client_hello_parse(data, n, hello, NULL)) {
    case CLIENT_HELLO_OK:
        return SNIFF_TLS;
    case CLIENT_HELLO_NEED_MORE:
        return SNIFF_MORE;
    case CLIENT_HELLO_NOT_TLS:
        break;
    case CLIENT_HELLO_MALFORMED:
    default:
        return SNIFF_BAD;
    }
    if (n >= 2 && p[0] == '\r' && p[1] == '\n')
        return n == 2 ? SNIFF_MORE : sniff_http(p + 2, n - 2);
    return sniff_http(p, n);
}

bool sniff_is_tls_record(unsigned char first)
{
    return first >= 20 && first <= 24;
}
