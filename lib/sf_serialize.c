/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_serialize: structured fields to text, exactly as RFC 9651 section 4.1 has it: signature bases
 * (RFC 9421 sections 2.1.1, 2.1.2 and 2.3) are made of this text, so that one byte of difference is
 * a signature that doesn't verify.
 *
 * The writer remembers the first failure and ignores what is written after it; finish() reports it.
 */
#include <stdlib.h>

#include "sf_private.h"

#define INITIAL 256

struct writer {
    char *p;
    size_t n, size;
    int r; /* the first failure */
};

static void fail(struct writer *w, int r)
{
    if (w->r == 0)
        w->r = r;
}

/* Room for `n` more bytes, to be filled by the caller; NULL after any failure. */
static char *extend(struct writer *w, size_t n)
{
    char *at;

    if (w->r == 0 && n > DIVE_SF_OUTPUT_MAX - w->n)
        fail(w, DIVE_E_LIMIT);
    if (w->r != 0)
        return NULL;
    if (n >= w->size - w->n || w->p == NULL) { /* ">=": one byte stays for the NUL */
        size_t size = w->size == 0 ? INITIAL : w->size * 2;
        char *p;

        while (size - w->n <= n)
            size *= 2;
        p = realloc(w->p, size);
        if (p == NULL) {
            fail(w, DIVE_E_NOMEM);
            return NULL;
        }
        w->p = p;
        w->size = size;
    }
    at = w->p + w->n;
    w->n += n;
    return at;
}

static void put(struct writer *w, const char *data, size_t n)
{
    char *to = extend(w, n);

    if (to != NULL && n != 0)
        memcpy(to, data, n);
}

static void put_char(struct writer *w, char c)
{
    put(w, &c, 1);
}

static int finish(struct writer *w, char **out, size_t *len)
{
    if (extend(w, 0) == NULL) { /* makes the buffer of an empty field, too */
        free(w->p);
        return w->r;
    }
    w->p[w->n] = '\0';
    *out = w->p;
    *len = w->n;
    return 0;
}

/* Section 4.1.4, for a value known to be in range. */
static void write_digits(struct writer *w, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        put_char(w, '-');
    put(w, digits + at, sizeof digits - at);
}

static bool in_range(int64_t value)
{
    return value >= -SF_NUMBER_MAX && value <= SF_NUMBER_MAX;
}

/* Section 4.1.5. The value is a whole number of thousandths: there is nothing to round. */
static void write_decimal(struct writer *w, int64_t thousandths)
{
    uint64_t rest = thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths;
    unsigned fraction = (unsigned)(rest % 1000);
    char digits[3] = {(char)('0' + fraction / 100), (char)('0' + fraction / 10 % 10),
                      (char)('0' + fraction % 10)};
    size_t n = sizeof digits;

    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (thousandths < 0)
        put_char(w, '-');
    write_digits(w, (int64_t)(rest / 1000));
    put_char(w, '.');
    put(w, digits, n);
}

/* Section 4.1.6. */
static void write_string(struct writer *w, struct dive_span text)
{
    size_t from = 0;

    put_char(w, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (dive_sf_is(text.p[i], SF_PLAIN))
            continue;
        if (text.p[i] != '"' && text.p[i] != '\\') {
            fail(w, DIVE_E_TYPE);
            return;
        }
        put(w, text.p + from, i - from);
        put_char(w, '\\');
        from = i;
    }
    if (from != text.n)
        put(w, text.p + from, text.n - from);
    put_char(w, '"');
}

/* A key (section 4.1.1.3) or a token (4.1.7): one byte of the class `start`, then any of `rest`. */
static void write_word(struct writer *w, struct dive_span word, unsigned start, unsigned rest)
{
    bool good = word.n != 0 && dive_sf_is(word.p[0], start);

    for (size_t i = 1; good && i < word.n; i++)
        good = dive_sf_is(word.p[i], rest);
    if (!good)
        fail(w, DIVE_E_TYPE);
    put(w, word.p, word.n);
}

static void write_key(struct writer *w, struct dive_span key)
{
    write_word(w, key, SF_KEY_START, SF_KEY_REST);
}

/* Section 4.1.8. */
static void write_bytes(struct writer *w, struct dive_span bytes)
{
    const char *digit = dive_sf_base64;
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t left = bytes.n;
    char *to;

    if (bytes.n > DIVE_SF_OUTPUT_MAX) { /* before the sum below can wrap */
        fail(w, DIVE_E_LIMIT);
        return;
    }
    to = extend(w, 2 + (bytes.n + 2) / 3 * 4);
    if (to == NULL)
        return;
    *to++ = ':';
    for (; left >= 3; left -= 3, p += 3) {
        *to++ = digit[p[0] >> 2];
        *to++ = digit[(p[0] & 0x03) << 4 | p[1] >> 4];
        *to++ = digit[(p[1] & 0x0f) << 2 | p[2] >> 6];
        *to++ = digit[p[2] & 0x3f];
    }
    if (left != 0) {
        unsigned second = left == 2 ? p[1] : 0;

        *to++ = digit[p[0] >> 2];
        *to++ = digit[(p[0] & 0x03) << 4 | second >> 4];
        *to++ = left == 2 ? digit[(second & 0x0f) << 2] : '=';
        *to++ = '=';
    }
    *to = ':';
}

/* Section 4.1.11. */
static void write_display(struct writer *w, struct dive_span text)
{
    static const char hex[] = "0123456789abcdef";
    struct dive_sf_utf8 utf8 = {0};

    put(w, "%\"", 2);
    for (size_t i = 0; i < text.n; i++) {
        uint8_t byte = (uint8_t)text.p[i];

        if (!dive_sf_utf8_next(&utf8, byte)) {
            fail(w, DIVE_E_TYPE);
            return;
        }
        if (dive_sf_is(text.p[i], SF_DISPLAY)) {
            put_char(w, text.p[i]);
        } else {
            char escape[3] = {'%', hex[byte >> 4], hex[byte & 0xf]};

            put(w, escape, sizeof escape);
        }
    }
    if (utf8.need != 0)
        fail(w, DIVE_E_TYPE);
    put_char(w, '"');
}

/* Section 4.1.3.1. */
static void write_bare(struct writer *w, const struct dive_sf_bare *bare)
{
    switch (bare->type) {
    case DIVE_SF_INTEGER:
    case DIVE_SF_DATE:
        if (!in_range(bare->integer))
            break;
        if (bare->type == DIVE_SF_DATE)
            put_char(w, '@');
        write_digits(w, bare->integer);
        return;
    case DIVE_SF_DECIMAL:
        if (!in_range(bare->thousandths))
            break;
        write_decimal(w, bare->thousandths);
        return;
    case DIVE_SF_STRING:
        write_string(w, bare->text);
        return;
    case DIVE_SF_TOKEN:
        write_word(w, bare->text, SF_TOKEN_START, SF_TOKEN_REST);
        return;
    case DIVE_SF_BYTES:
        write_bytes(w, bare->text);
        return;
    case DIVE_SF_BOOLEAN:
        put(w, bare->boolean ? "?1" : "?0", 2);
        return;
    case DIVE_SF_DISPLAY:
        write_display(w, bare->text);
        return;
    }
    fail(w, DIVE_E_TYPE); /* out of range, or a type that there isn't */
}

static bool is_true(const struct dive_sf_bare *bare)
{
    return bare->type == DIVE_SF_BOOLEAN && bare->boolean;
}

/* Section 4.1.1.2. */
static void write_params(struct writer *w, const struct dive_sf_params *params)
{
    for (size_t i = 0; w->r == 0 && i < params->n; i++) {
        put_char(w, ';');
        write_key(w, params->v[i].key);
        if (is_true(&params->v[i].value))
            continue;
        put_char(w, '=');
        write_bare(w, &params->v[i].value);
    }
}

/* Section 4.1.3. */
static void write_item(struct writer *w, const struct dive_sf_item *item)
{
    write_bare(w, &item->bare);
    write_params(w, &item->params);
}

/* An item or an inner list (section 4.1.1.1), with its parameters. */
static void write_member(struct writer *w, const struct dive_sf_member *member)
{
    if (member->is_inner_list) {
        put_char(w, '(');
        for (size_t i = 0; w->r == 0 && i < member->n_items; i++) {
            if (i != 0)
                put_char(w, ' ');
            write_item(w, &member->items[i]);
        }
        put_char(w, ')');
    } else {
        write_bare(w, &member->bare);
    }
    write_params(w, &member->params);
}

/* Sections 4.1.1 and 4.1.2. */
static void write_members(struct writer *w, const struct dive_sf *sf)
{
    for (size_t i = 0; w->r == 0 && i < sf->n; i++) {
        const struct dive_sf_member *m = &sf->members[i];

        if (i != 0)
            put(w, ", ", 2);
        if (sf->kind == DIVE_SF_LIST) {
            write_member(w, m);
            continue;
        }
        write_key(w, m->key);
        if (!m->is_inner_list && is_true(&m->bare)) {
            write_params(w, &m->params);
            continue;
        }
        put_char(w, '=');
        write_member(w, m);
    }
}

int dive_sf_serialize(const struct dive_sf *sf, char **out, size_t *len)
{
    struct writer w = {0};

    *out = NULL;
    *len = 0;
    switch (sf->kind) {
    case DIVE_SF_ITEM:
        if (sf->n != 1 || sf->members[0].is_inner_list)
            fail(&w, DIVE_E_TYPE);
        else
            write_member(&w, &sf->members[0]);
        break;
    case DIVE_SF_LIST:
    case DIVE_SF_DICTIONARY:
        write_members(&w, sf);
        break;
    default:
        fail(&w, DIVE_E_TYPE);
    }
    return finish(&w, out, len);
}

int dive_sf_serialize_member(const struct dive_sf_member *member, char **out, size_t *len)
{
    struct writer w = {0};

    *out = NULL;
    *len = 0;
    write_member(&w, member);
    return finish(&w, out, len);
}

int dive_sf_serialize_item(const struct dive_sf_item *item, char **out, size_t *len)
{
    struct writer w = {0};

    *out = NULL;
    *len = 0;
    write_item(&w, item);
    return finish(&w, out, len);
}
