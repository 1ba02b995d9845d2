/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_slow: a second implementation of Structured Fields for the tests, as slow and as plain as the
 * algorithms of RFC 9651 are written: the input is eaten octet by octet, every text grows by one
 * octet at a time, every key is looked for from the start. It shares nothing with lib/sf_*.c but
 * the question, so that a mistake has to be made twice to go unseen.
 *
 * This file reads; sf_slow_compare.h writes, and holds both against libdive.
 *
 * It stops where one of the limits of sf.h is passed, and then says `over`.
 */
#ifndef SF_SLOW_H
#define SF_SLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sf.h"

#define SLOW_UNUSED __attribute__((unused))

struct slow_text {
    char *p;
    size_t n;
};

struct slow_bare {
    enum dive_sf_type type;
    long long number; /* INTEGER, DATE; DECIMAL: thousandths; BOOLEAN: 0 or 1 */
    struct slow_text text;
};

struct slow_param {
    struct slow_text key;
    struct slow_bare value;
};

struct slow_params {
    struct slow_param *v;
    size_t n;
};

struct slow_item {
    struct slow_bare bare;
    struct slow_params params;
};

struct slow_member {
    struct slow_text key;
    bool is_inner_list;
    struct slow_bare bare;
    struct slow_item *items;
    size_t n_items;
    struct slow_params params;
};

struct slow {
    const unsigned char *p; /* what is left of input_string */
    size_t n;
    bool upper; /* DIVE_SF_UPPER_KEYS */
    bool over;
    struct slow_member *members;
    size_t n_members;
    void **blocks; /* everything that was allocated */
    size_t n_blocks;
};

/* The array with room for one element more, zeroed; it doubles when `n` is a power of two. Old ones
 * stay until slow_free(). */
static void *slow_grow(struct slow *s, void *old, size_t n, size_t size)
{
    size_t room = n == 0 ? 1 : 2 * n;
    void **blocks;
    char *grown;

    if ((n & (n - 1)) != 0)
        return old;
    grown = calloc(room, size);
    blocks = realloc(s->blocks, (s->n_blocks + 1) * sizeof *blocks);
    if (!grown || !blocks)
        abort();
    if (n > 0)
        memcpy(grown, old, n * size);
    s->blocks = blocks;
    s->blocks[s->n_blocks++] = grown;
    return grown;
}

static void slow_append(struct slow *s, struct slow_text *text, int octet)
{
    text->p = slow_grow(s, text->p, text->n, 1);
    text->p[text->n++] = (char)octet;
}

static bool slow_same(struct slow_text a, struct slow_text b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool slow_over(struct slow *s)
{
    s->over = true;
    return false;
}

/* The first character, or -1; and the same, taken away. */
static int slow_first(const struct slow *s)
{
    return s->n > 0 ? s->p[0] : -1;
}

static int slow_consume(struct slow *s)
{
    if (s->n == 0)
        return -1;
    s->n--;
    return *s->p++;
}

static bool slow_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool slow_lcalpha(int c)
{
    return c >= 'a' && c <= 'z';
}

static bool slow_alpha(int c)
{
    return slow_lcalpha(c) || (c >= 'A' && c <= 'Z');
}

static bool slow_one_of(int c, const char *set)
{
    return c > 0 && strchr(set, c) != NULL;
}

static void slow_discard(struct slow *s, const char *set)
{
    while (slow_one_of(slow_first(s), set))
        slow_consume(s);
}

/* Section 4.2.3.3. */
static bool slow_key(struct slow *s, bool upper, struct slow_text *out)
{
    if (!slow_lcalpha(slow_first(s)) && slow_first(s) != '*' &&
        !(upper && slow_alpha(slow_first(s))))
        return false;
    while (slow_lcalpha(slow_first(s)) || slow_digit(slow_first(s)) ||
           slow_one_of(slow_first(s), "_-.*") || (upper && slow_alpha(slow_first(s))))
        slow_append(s, out, slow_consume(s));
    return true;
}

/* Section 4.2.4. */
static bool slow_number(struct slow *s, struct slow_bare *out)
{
    struct slow_text number = {NULL, 0};
    bool negative = false, decimal = false;
    size_t point = 0;

    if (slow_first(s) == '-') {
        slow_consume(s);
        negative = true;
    }
    if (!slow_digit(slow_first(s)))
        return false;
    while (s->n > 0) {
        if (slow_digit(slow_first(s))) {
            slow_append(s, &number, slow_consume(s));
        } else if (!decimal && slow_first(s) == '.') {
            if (number.n > 12)
                return false;
            point = number.n;
            slow_append(s, &number, slow_consume(s));
            decimal = true;
        } else {
            break;
        }
        if ((!decimal && number.n > 15) || (decimal && number.n > 16))
            return false;
    }
    if (decimal && (number.p[number.n - 1] == '.' || number.n - point - 1 > 3))
        return false;
    if (decimal) /* 1.5 is 1500 thousandths */
        while (number.n - point - 1 < 3)
            slow_append(s, &number, '0');
    out->type = decimal ? DIVE_SF_DECIMAL : DIVE_SF_INTEGER;
    out->number = 0;
    for (size_t i = 0; i < number.n; i++)
        if (number.p[i] != '.')
            out->number = out->number * 10 + (number.p[i] - '0');
    if (negative)
        out->number = -out->number;
    return true;
}

/* Section 4.2.5. */
static bool slow_string(struct slow *s, struct slow_bare *out)
{
    out->type = DIVE_SF_STRING;
    slow_consume(s);
    while (s->n > 0) {
        int c = slow_consume(s);

        if (c == '\\') {
            c = slow_consume(s);
            if (c != '"' && c != '\\')
                return false;
            slow_append(s, &out->text, c);
        } else if (c == '"') {
            return true;
        } else if (c <= 0x1f || c >= 0x7f) {
            return false;
        } else {
            slow_append(s, &out->text, c);
        }
    }
    return false;
}

/* Section 4.2.6; tchar is RFC 9110's (section 5.6.2). */
static bool slow_token(struct slow *s, struct slow_bare *out)
{
    out->type = DIVE_SF_TOKEN;
    while (slow_alpha(slow_first(s)) || slow_digit(slow_first(s)) ||
           slow_one_of(slow_first(s), "!#$%&'*+-.^_`|~:/"))
        slow_append(s, &out->text, slow_consume(s));
    return true;
}

/* Section 4.2.7. Padding may be absent and pad bits needn't be zero; padding that is there has to
 * be all of it, at the end (RFC 4648 sections 3.2 and 4: there our reading is the strict one). */
static bool slow_bytes(struct slow *s, struct slow_bare *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct slow_text digits = {NULL, 0};
    size_t padding = 0;
    unsigned bits = 0;

    out->type = DIVE_SF_BYTES;
    slow_consume(s);
    while (s->n > 0 && slow_first(s) != ':') {
        int c = slow_consume(s);

        if (c == '=')
            padding++;
        else if (!slow_one_of(c, alphabet) || padding > 0)
            return false;
        else
            slow_append(s, &digits, c);
    }
    if (slow_consume(s) != ':' || digits.n % 4 == 1 ||
        (padding > 0 && (padding > 2 || (digits.n + padding) % 4 != 0)))
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        bits = bits << 6 | (unsigned)(strchr(alphabet, digits.p[i]) - alphabet);
        if (i % 4 != 0)
            slow_append(s, &out->text, (int)(bits >> (6 - 2 * (i % 4)) & 0xff));
    }
    return true;
}

/* Section 4.2.8. */
static bool slow_boolean(struct slow *s, struct slow_bare *out)
{
    int c;

    slow_consume(s);
    c = slow_consume(s);
    out->type = DIVE_SF_BOOLEAN;
    out->number = c == '1';
    return c == '0' || c == '1';
}

/* Section 4.2.9. */
static bool slow_date(struct slow *s, struct slow_bare *out)
{
    slow_consume(s);
    if (!slow_number(s, out) || out->type == DIVE_SF_DECIMAL)
        return false;
    out->type = DIVE_SF_DATE;
    return true;
}

/* RFC 3629, by the code points: the shortest form, no surrogate, at most U+10FFFF. */
static bool slow_utf8(struct slow_text text)
{
    for (size_t i = 0; i < text.n;) {
        unsigned char lead = (unsigned char)text.p[i];
        size_t more = lead < 0x80             ? 0
                      : (lead & 0xe0) == 0xc0 ? 1
                      : (lead & 0xf0) == 0xe0 ? 2
                      : (lead & 0xf8) == 0xf0 ? 3
                                              : 4;
        static const unsigned long least[] = {0, 0x80, 0x800, 0x10000};
        unsigned long point = more == 0 ? lead : lead & (0x3fu >> more);

        if (more == 4 || text.n - i <= more)
            return false;
        for (size_t k = 1; k <= more; k++) {
            if (((unsigned char)text.p[i + k] & 0xc0) != 0x80)
                return false;
            point = point << 6 | ((unsigned char)text.p[i + k] & 0x3f);
        }
        if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return false;
        i += more + 1;
    }
    return true;
}

/* Section 4.2.10. */
static bool slow_display(struct slow *s, struct slow_bare *out)
{
    out->type = DIVE_SF_DISPLAY;
    slow_consume(s);
    if (slow_consume(s) != '"')
        return false;
    while (s->n > 0) {
        int c = slow_consume(s);

        if (c <= 0x1f || c >= 0x7f)
            return false;
        if (c == '%') {
            int octet = 0;

            for (int i = 0; i < 2; i++) {
                static const char hex[] = "0123456789abcdef";

                c = slow_consume(s);
                if (!slow_one_of(c, hex))
                    return false;
                octet = octet * 16 + (int)(strchr(hex, c) - hex);
            }
            slow_append(s, &out->text, octet);
        } else if (c == '"') {
            return slow_utf8(out->text);
        } else {
            slow_append(s, &out->text, c);
        }
    }
    return false;
}

/* Section 4.2.3.1. */
static bool slow_bare_item(struct slow *s, struct slow_bare *out)
{
    int c = slow_first(s);

    if (c == '-' || slow_digit(c))
        return slow_number(s, out);
    if (c == '"')
        return slow_string(s, out);
    if (slow_alpha(c) || c == '*')
        return slow_token(s, out);
    if (c == ':')
        return slow_bytes(s, out);
    if (c == '?')
        return slow_boolean(s, out);
    if (c == '@')
        return slow_date(s, out);
    return c == '%' && slow_display(s, out);
}

/* Section 4.2.3.2. */
static bool slow_parameters(struct slow *s, struct slow_params *out)
{
    while (slow_first(s) == ';') {
        struct slow_param param = {.value = {.type = DIVE_SF_BOOLEAN, .number = 1}};
        size_t at = 0;

        slow_consume(s);
        slow_discard(s, " ");
        if (!slow_key(s, false, &param.key))
            return false;
        while (at < out->n && !slow_same(out->v[at].key, param.key))
            at++;
        if (at == DIVE_SF_PARAMS_MAX)
            return slow_over(s);
        if (slow_first(s) == '=') {
            slow_consume(s);
            param.value = (struct slow_bare){0};
            if (!slow_bare_item(s, &param.value))
                return false;
        }
        if (at == out->n)
            out->v = slow_grow(s, out->v, out->n++, sizeof *out->v);
        out->v[at] = param;
    }
    return true;
}

/* Section 4.2.3. */
static bool slow_item(struct slow *s, struct slow_bare *bare, struct slow_params *params)
{
    return slow_bare_item(s, bare) && slow_parameters(s, params);
}

/* Section 4.2.1.2. */
static bool slow_inner_list(struct slow *s, struct slow_member *out)
{
    out->is_inner_list = true;
    slow_consume(s);
    while (s->n > 0) {
        struct slow_item item = {0};

        slow_discard(s, " ");
        if (slow_first(s) == ')') {
            slow_consume(s);
            return slow_parameters(s, &out->params);
        }
        if (out->n_items == DIVE_SF_INNER_ITEMS_MAX)
            return slow_over(s);
        if (!slow_item(s, &item.bare, &item.params))
            return false;
        out->items = slow_grow(s, out->items, out->n_items, sizeof *out->items);
        out->items[out->n_items++] = item;
        if (slow_first(s) != ' ' && slow_first(s) != ')')
            return false;
    }
    return false;
}

/* Section 4.2.1.1. */
static bool slow_item_or_inner_list(struct slow *s, struct slow_member *out)
{
    return slow_first(s) == '(' ? slow_inner_list(s, out) : slow_item(s, &out->bare, &out->params);
}

/* Sections 4.2.1 and 4.2.2. */
static bool slow_members(struct slow *s, bool dictionary)
{
    while (s->n > 0) {
        struct slow_member m = {0};
        size_t at = s->n_members;

        if (dictionary && !slow_key(s, s->upper, &m.key))
            return false;
        for (size_t i = 0; dictionary && i < s->n_members && at == s->n_members; i++)
            if (slow_same(s->members[i].key, m.key))
                at = i;
        if (at == DIVE_SF_MEMBERS_MAX)
            return slow_over(s);
        if (!dictionary || slow_first(s) == '=') {
            if (dictionary)
                slow_consume(s);
            if (!slow_item_or_inner_list(s, &m))
                return false;
        } else {
            m.bare = (struct slow_bare){.type = DIVE_SF_BOOLEAN, .number = 1};
            if (!slow_parameters(s, &m.params))
                return false;
        }
        if (at == s->n_members)
            s->members = slow_grow(s, s->members, s->n_members++, sizeof *s->members);
        s->members[at] = m;
        slow_discard(s, " \t");
        if (s->n == 0)
            return true;
        if (slow_consume(s) != ',')
            return false;
        slow_discard(s, " \t");
        if (s->n == 0)
            return false; /* a trailing comma */
    }
    return true;
}

/* Section 4.2. *s is to be freed whatever the result. */
SLOW_UNUSED static bool slow_parse(struct slow *s, enum dive_sf_kind kind, const void *in, size_t n,
                                   bool upper)
{
    bool ascii = true, good;

    *s = (struct slow){.p = in, .n = n, .upper = upper};
    if (n > DIVE_SF_INPUT_MAX)
        return slow_over(s);
    for (size_t i = 0; i < n; i++)
        ascii = ascii && s->p[i] <= 0x7f;
    slow_discard(s, " ");
    if (kind == DIVE_SF_ITEM) {
        s->members = slow_grow(s, NULL, 0, sizeof *s->members);
        s->n_members = 1;
        good = slow_item(s, &s->members[0].bare, &s->members[0].params);
    } else {
        good = slow_members(s, kind == DIVE_SF_DICTIONARY);
    }
    slow_discard(s, " ");
    return good && ascii && s->n == 0;
}

SLOW_UNUSED static void slow_free(struct slow *s)
{
    for (size_t i = 0; i < s->n_blocks; i++)
        free(s->blocks[i]);
    free(s->blocks);
    *s = (struct slow){0};
}

#endif
