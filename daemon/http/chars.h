/* SPDX-License-Identifier: BSD-2-Clause
 *
 * chars: the byte classes of the HTTP grammar in one table, so that reader, writer and URL can't
 * have different ideas of them; and ASCII case folding that knows no locale.
 */
#ifndef DIVED_HTTP_CHARS_H
#define DIVED_HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

/* clang-format off */
enum {
    HTTP_CHAR_TOKEN = 0x01, /* tchar, RFC 9110 section 5.6.2 */
    HTTP_CHAR_TEXT  = 0x02, /* HTAB, SP, VCHAR, obs-text: what a field value is made of (5.5) */
    HTTP_CHAR_VCHAR = 0x04, /* 0x21..0x7e */
    HTTP_CHAR_DIGIT = 0x08,
    HTTP_CHAR_HEX   = 0x10,
    HTTP_CHAR_HOST  = 0x20, /* letters, digits, "-", "_" : inside a label */
    HTTP_CHAR_PATH  = 0x40, /* see http/url.c */
};
/* clang-format on */

extern const uint8_t http_chars[256];

static inline bool http_is(char c, int classes)
{
    return (http_chars[(unsigned char)c] & classes) != 0;
}

static inline char http_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Whether `span` isn't empty and all its bytes are of one of the classes. */
bool http_all(struct dive_span span, int classes);
/* `lower` is in lower case. */
bool http_caseeq(struct dive_span span, const char *lower, size_t n);
/* Without SP and HTAB at both ends. */
struct dive_span http_trim(struct dive_span span);

static inline bool http_is_name(struct dive_span span, const char *lower)
{
    return http_caseeq(span, lower, strlen(lower));
}

#endif
