/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_bare: reads one bare item (RFC 9651 sections 4.2.3.1 and 4.2.4 to 4.2.10).
 *
 * Every reader leaves in->p behind what it consumed or, when it fails, at the byte that can't stand
 * where it stands (the sentinel, when the text ended too early). The sentinel is in no class of
 * bytes, so none of the loops needs a second test for the end.
 */
#include "sf_private.h"

/* Sections 4.2.4 and, with `integer_only`, the number in 4.2.9. */
static int read_number(struct dive_sf_reader *in, struct dive_sf_bare *out, bool integer_only)
{
    const int max_digits = 15, max_before_point = 12, max_after_point = 3;
    char *p = in->p;
    bool negative = *p == '-';
    int64_t value = 0;
    int digits = 0;

    if (negative)
        p++;
    for (; dive_sf_is(*p, SF_DIGIT); p++) {
        in->p = p;
        if (++digits > max_digits)
            return DIVE_E_SYNTAX;
        value = value * 10 + (*p - '0');
    }
    in->p = p;
    if (digits == 0)
        return DIVE_E_SYNTAX;
    if (*p != '.') {
        out->type = DIVE_SF_INTEGER;
        out->integer = negative ? -value : value;
        return 0;
    }
    if (integer_only || digits > max_before_point)
        return DIVE_E_SYNTAX;

    digits = 0;
    for (p++; dive_sf_is(*p, SF_DIGIT); p++) {
        in->p = p;
        if (++digits > max_after_point)
            return DIVE_E_SYNTAX;
        value = value * 10 + (*p - '0');
    }
    in->p = p;
    if (digits == 0)
        return DIVE_E_SYNTAX;
    for (; digits < max_after_point; digits++)
        value *= 10;
    out->type = DIVE_SF_DECIMAL;
    out->thousandths = negative ? -value : value;
    return 0;
}

/* Section 4.2.9. */
static int read_date(struct dive_sf_reader *in, struct dive_sf_bare *out)
{
    int r = DIVE_E_INTERNAL;

    in->p++; /* "@" */
    r = read_number(in, out, true);
    if (r != 0)
        return r;
    out->type = DIVE_SF_DATE;
    return 0;
}

/* Section 4.2.5. Without an escape, which is nearly always, nothing is moved. */
static int read_string(struct dive_sf_reader *in, struct dive_sf_bare *out)
{
    char *p = in->p + 1; /* DQUOTE */
    char *start = p;
    char *to;

    while (dive_sf_is(*p, SF_PLAIN))
        p++;
    for (to = p; *p == '\\';) {
        p++;
        if (*p != '"' && *p != '\\') {
            in->p = p;
            return DIVE_E_SYNTAX;
        }
        *to++ = *p++;
        while (dive_sf_is(*p, SF_PLAIN))
            *to++ = *p++;
    }
    in->p = p;
    if (*p != '"')
        return DIVE_E_SYNTAX;
    in->p++;
    out->type = DIVE_SF_STRING;
    out->text = dive_span(start, (size_t)(to - start));
    return 0;
}

/* Section 4.2.6. The caller has seen that the first byte can start a token. */
static int read_token(struct dive_sf_reader *in, struct dive_sf_bare *out)
{
    char *start = in->p;
    char *p = start + 1;

    while (dive_sf_is(*p, SF_TOKEN_REST))
        p++;
    in->p = p;
    out->type = DIVE_SF_TOKEN;
    out->text = dive_span(start, (size_t)(p - start));
    return 0;
}

/* The last group of a byte sequence: `n` (0 to 3) characters from `p` on, then padding or none. */
static char *read_base64_tail(struct dive_sf_reader *in, char *p, size_t n, char *to)
{
    const uint8_t *value = dive_sf_base64_value;
    size_t padding = 0;
    unsigned a, b, c;

    in->p = p + n;
    while (n > 1 && n + padding < 4 && *in->p == '=') {
        in->p++;
        padding++;
    }
    if (n == 1 || (padding != 0 && n + padding != 4) || *in->p != ':')
        return NULL;
    if (n >= 2) {
        a = value[(uint8_t)p[0]] & 0x3f;
        b = value[(uint8_t)p[1]] & 0x3f;
        c = n == 3 ? value[(uint8_t)p[2]] & 0x3f : 0;
        *to++ = (char)(a << 2 | b >> 4);
        if (n == 3)
            *to++ = (char)(b << 4 | c >> 2);
    }
    return to;
}

/* Section 4.2.7, which says that a parser SHOULD NOT fail when the padding is not present, nor when
 * the pad bits aren't zero (it allows that only to those who can't configure their base64 library):
 * so both are accepted. That one value then has several spellings does no harm here: what is
 * compared and verified is the decoded value, and a signature base holds either the spelling as it
 * was received or, with ;sf, the canonical one. Where the text leaves room we are strict: padding
 * that is there has to be right, a length that no octets can have fails, and so does any byte
 * outside the alphabet. */
static int read_bytes(struct dive_sf_reader *in, struct dive_sf_bare *out)
{
    const uint8_t *value = dive_sf_base64_value;
    char *p = in->p + 1; /* ":" */
    char *start = p;
    char *to = p;
    size_t left = 0;

    while (in->end - p >= 4) {
        unsigned a = value[(uint8_t)p[0]], b = value[(uint8_t)p[1]];
        unsigned c = value[(uint8_t)p[2]], d = value[(uint8_t)p[3]];

        if ((a & b & c & d & SF_BASE64_VALID) == 0)
            break;
        to[0] = (char)(a << 2 | (b & 0x3f) >> 4);
        to[1] = (char)(b << 4 | (c & 0x3f) >> 2);
        to[2] = (char)(c << 6 | (d & 0x3f));
        to += 3;
        p += 4;
    }
    while (left < 3 && value[(uint8_t)p[left]] != 0)
        left++;
    to = read_base64_tail(in, p, left, to);
    if (to == NULL)
        return DIVE_E_SYNTAX;
    in->p++;
    out->type = DIVE_SF_BYTES;
    out->text = dive_span(start, (size_t)(to - start));
    return 0;
}

/* Section 4.2.8. */
static int read_boolean(struct dive_sf_reader *in, struct dive_sf_bare *out)
{
    in->p++; /* "?" */
    if (*in->p != '0' && *in->p != '1')
        return DIVE_E_SYNTAX;
    out->type = DIVE_SF_BOOLEAN;
    out->boolean = *in->p == '1';
    in->p++;
    return 0;
}

/* Lower case only (section 4.2.10, step 8.2). -1 for any other byte. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Section 4.2.10. */
static int read_display(struct dive_sf_reader *in, struct dive_sf_bare *out)
{
    struct dive_sf_utf8 utf8 = {0};
    char *p = in->p + 1; /* "%" */
    char *start = p + 1;
    char *to = start;

    in->p = p;
    if (*p != '"')
        return DIVE_E_SYNTAX;
    for (p++; *p != '"'; p++) {
        uint8_t byte = (uint8_t)*p;

        in->p = p;
        if (*p == '%') {
            int high = hex_digit(p[1]);
            int low = high < 0 ? -1 : hex_digit(p[2]);

            if (low < 0) {
                in->p = p + (high < 0 ? 1 : 2);
                return DIVE_E_SYNTAX;
            }
            byte = (uint8_t)(high << 4 | low);
            p += 2;
        } else if (!dive_sf_is(*p, SF_DISPLAY)) {
            return DIVE_E_SYNTAX;
        }
        if (!dive_sf_utf8_next(&utf8, byte))
            return DIVE_E_SYNTAX;
        *to++ = (char)byte;
    }
    in->p = p;
    if (utf8.need != 0)
        return DIVE_E_SYNTAX;
    in->p++;
    out->type = DIVE_SF_DISPLAY;
    out->text = dive_span(start, (size_t)(to - start));
    return 0;
}

int dive_sf_read_bare(struct dive_sf_reader *in, struct dive_sf_bare *out)
{
    switch (*in->p) {
    case '"':
        return read_string(in, out);
    case ':':
        return read_bytes(in, out);
    case '?':
        return read_boolean(in, out);
    case '@':
        return read_date(in, out);
    case '%':
        return read_display(in, out);
    case '-':
        return read_number(in, out, false);
    default:
        if (dive_sf_is(*in->p, SF_DIGIT))
            return read_number(in, out, false);
        if (dive_sf_is(*in->p, SF_TOKEN_START))
            return read_token(in, out);
        return DIVE_E_SYNTAX;
    }
}
