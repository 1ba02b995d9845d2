/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_chars: the classes of bytes in structured fields (RFC 9651 section 3), the base64 alphabet and
 * the UTF-8 check. One look-up in a table decides about a byte, for the parser and the serialiser
 * alike, so that they can't disagree.
 */
#include "sf_private.h"

/* Letters and digits stand for themselves in strings of both kinds. */
#define TEXT (SF_PLAIN | SF_DISPLAY)
#define MARK (SF_TOKEN_MARK | TEXT)

/* clang-format off */
const uint8_t dive_sf_class[256] = {
    [' '] = TEXT,
    ['!'] = MARK,
    ['"'] = 0,
    ['#'] = MARK, ['$'] = MARK,
    ['%'] = SF_TOKEN_MARK | SF_PLAIN,
    ['&'] = MARK, ['\''] = MARK,
    ['('] = TEXT, [')'] = TEXT,
    ['*'] = SF_STAR | TEXT,
    ['+'] = MARK,
    [','] = TEXT,
    ['-'] = SF_KEY_MARK | TEXT, ['.'] = SF_KEY_MARK | TEXT,
    ['/'] = MARK,
    ['0' ... '9'] = SF_DIGIT | TEXT,
    [':'] = MARK,
    [';'] = TEXT, ['<'] = TEXT, ['='] = TEXT, ['>'] = TEXT, ['?'] = TEXT, ['@'] = TEXT,
    ['A' ... 'Z'] = SF_UPPER | TEXT,
    ['['] = TEXT,
    ['\\'] = SF_DISPLAY,
    [']'] = TEXT,
    ['^'] = MARK,
    ['_'] = SF_KEY_MARK | TEXT,
    ['`'] = MARK,
    ['a' ... 'z'] = SF_LOWER | TEXT,
    ['{'] = TEXT,
    ['|'] = MARK,
    ['}'] = TEXT,
    ['~'] = MARK,
};

const char dive_sf_base64[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/',
};

const uint8_t dive_sf_base64_value[256] = {
    ['A'] = 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c,
            0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    ['a'] = 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66,
            0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73,
    ['0'] = 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d,
    ['+'] = 0x7e,
    ['/'] = 0x7f,
};
/* clang-format on */

/* The leading byte says how many follow, and narrows the first of them (RFC 3629 section 4). */
static bool leading(struct dive_sf_utf8 *u, uint8_t byte)
{
    u->lo = 0x80;
    u->hi = 0xbf;
    if (byte < 0x80) {
        u->need = 0;
    } else if (byte >= 0xc2 && byte <= 0xdf) {
        u->need = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        u->need = 2;
        if (byte == 0xe0)
            u->lo = 0xa0;
        if (byte == 0xed)
            u->hi = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        u->need = 3;
        if (byte == 0xf0)
            u->lo = 0x90;
        if (byte == 0xf4)
            u->hi = 0x8f;
    } else {
        return false;
    }
    return true;
}

bool dive_sf_utf8_next(struct dive_sf_utf8 *u, uint8_t byte)
{
    if (u->need == 0)
        return leading(u, byte);
    if (byte < u->lo || byte > u->hi)
        return false;
    u->lo = 0x80;
    u->hi = 0xbf;
    u->need--;
    return true;
}
