/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_chars: the table against the grammar of the RFCs, for all 256 bytes.
 */
#include <criterion/criterion.h>

#include "http/chars.h"

static bool in(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

Test(http_chars, classes)
{
    for (int c = 0; c < 256; c++) {
        bool digit = c >= '0' && c <= '9';
        bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool vchar = c > 0x20 && c < 0x7f;
        char byte = (char)c;
        cr_expect_eq(http_is(byte, HTTP_CHAR_TOKEN), digit || alpha || in(c, "!#$%&'*+-.^_`|~"),
                     "tchar 0x%02x", c);
        cr_expect_eq(http_is(byte, HTTP_CHAR_TEXT), vchar || in(c, " \t") || c >= 0x80,
                     "text 0x%02x", c);
        cr_expect_eq(http_is(byte, HTTP_CHAR_VCHAR), vchar, "VCHAR 0x%02x", c);
        cr_expect_eq(http_is(byte, HTTP_CHAR_DIGIT), digit, "DIGIT 0x%02x", c);
        cr_expect_eq(http_is(byte, HTTP_CHAR_HEX), digit || in(c, "abcdefABCDEF"), "HEX 0x%02x", c);
        cr_expect_eq(http_is(byte, HTTP_CHAR_HOST), digit || alpha || in(c, "-_"), "host 0x%02x",
                     c);
        cr_expect_eq(http_is(byte, HTTP_CHAR_PATH), vchar && !in(c, "#\\"), "path 0x%02x", c);
        cr_expect_eq(http_lower(byte), c >= 'A' && c <= 'Z' ? (char)(c + 32) : byte);
    }
}

Test(http_chars, spans)
{
    cr_expect_not(http_all(dive_span(NULL, 0), HTTP_CHAR_TOKEN), "nothing is no token");
    cr_expect(http_all(dive_span_str("a1"), HTTP_CHAR_TOKEN));
    cr_expect_not(http_all(dive_span_str("a 1"), HTTP_CHAR_TOKEN));
    cr_expect(http_is_name(dive_span_str("HoSt"), "host"));
    cr_expect_not(http_is_name(dive_span_str("Host"), "hosts"));
    cr_expect_not(http_is_name(dive_span_str("H\xcfst"), "host"));
    struct dive_span trimmed = http_trim(dive_span_str(" \t a b\t "));
    cr_expect(dive_span_eq(trimmed, "a b"));
    cr_expect_eq(http_trim(dive_span_str(" \t")).n, 0);
}
