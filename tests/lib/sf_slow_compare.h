/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_slow_compare: the serialiser of the slow implementation of Structured Fields (sf_slow.h), and
 * slow_difference(), which holds libdive against it. Used by test_sf_slow.c and by the fuzz target
 * sf_slow.
 */
#ifndef SF_SLOW_COMPARE_H
#define SF_SLOW_COMPARE_H

#include "sf_slow.h"

/* Serialising (section 4.1). */

static void slow_put(struct slow *s, struct slow_text *out, const char *text)
{
    for (; *text; text++)
        slow_append(s, out, *text);
}

static void slow_put_text(struct slow *s, struct slow_text *out, struct slow_text text)
{
    for (size_t i = 0; i < text.n; i++)
        slow_append(s, out, text.p[i]);
}

/* Sections 4.1.4 and 4.1.5; a decimal has at least one digit after its point, and no zeros beyond
 * that. */
static void slow_put_number(struct slow *s, struct slow_text *out, const struct slow_bare *bare)
{
    unsigned long long value =
        (unsigned long long)(bare->number < 0 ? -bare->number : bare->number);
    char digits[32];
    int n;

    if (bare->type != DIVE_SF_DECIMAL) {
        snprintf(digits, sizeof digits, "%lld", bare->number);
        slow_put(s, out, digits);
        return;
    }
    n = snprintf(digits, sizeof digits, "%s%llu.%03llu", bare->number < 0 ? "-" : "", value / 1000,
                 value % 1000);
    while (digits[n - 1] == '0' && digits[n - 2] != '.')
        digits[--n] = '\0';
    slow_put(s, out, digits);
}

/* Section 4.1.8 and RFC 4648 section 4: six bits a digit, from the left. */
static void slow_put_bytes(struct slow *s, struct slow_text *out, struct slow_text bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t bits = bytes.n * 8, digits = 0;

    slow_append(s, out, ':');
    for (size_t at = 0; at < bits; at += 6, digits++) {
        unsigned six = 0;

        for (size_t i = at; i < at + 6; i++)
            six = six << 1 | (i < bits ? (unsigned char)bytes.p[i / 8] >> (7 - i % 8) & 1u : 0);
        slow_append(s, out, alphabet[six]);
    }
    for (; digits % 4 != 0; digits++)
        slow_append(s, out, '=');
    slow_append(s, out, ':');
}

/* Sections 4.1.6 and 4.1.11. */
static void slow_put_quoted(struct slow *s, struct slow_text *out, const struct slow_bare *bare)
{
    bool display = bare->type == DIVE_SF_DISPLAY;

    slow_put(s, out, display ? "%\"" : "\"");
    for (size_t i = 0; i < bare->text.n; i++) {
        unsigned char c = (unsigned char)bare->text.p[i];
        char escape[4];

        if (display && (c <= 0x1f || c >= 0x7f || c == '%' || c == '"')) {
            snprintf(escape, sizeof escape, "%%%02x", c);
            slow_put(s, out, escape);
            continue;
        }
        if (!display && (c == '"' || c == '\\'))
            slow_append(s, out, '\\');
        slow_append(s, out, c);
    }
    slow_append(s, out, '"');
}

/* Section 4.1.3.1. */
static void slow_put_bare(struct slow *s, struct slow_text *out, const struct slow_bare *bare)
{
    switch (bare->type) {
    case DIVE_SF_DATE:
        slow_append(s, out, '@');
        slow_put_number(s, out, bare);
        break;
    case DIVE_SF_INTEGER:
    case DIVE_SF_DECIMAL:
        slow_put_number(s, out, bare);
        break;
    case DIVE_SF_STRING:
    case DIVE_SF_DISPLAY:
        slow_put_quoted(s, out, bare);
        break;
    case DIVE_SF_TOKEN:
        slow_put_text(s, out, bare->text);
        break;
    case DIVE_SF_BYTES:
        slow_put_bytes(s, out, bare->text);
        break;
    case DIVE_SF_BOOLEAN:
        slow_put(s, out, bare->number ? "?1" : "?0");
        break;
    }
}

static bool slow_true(const struct slow_bare *bare)
{
    return bare->type == DIVE_SF_BOOLEAN && bare->number;
}

/* Section 4.1.1.2. */
static void slow_put_params(struct slow *s, struct slow_text *out, const struct slow_params *params)
{
    for (size_t i = 0; i < params->n; i++) {
        slow_append(s, out, ';');
        slow_put_text(s, out, params->v[i].key);
        if (slow_true(&params->v[i].value))
            continue;
        slow_append(s, out, '=');
        slow_put_bare(s, out, &params->v[i].value);
    }
}

/* Sections 4.1.1.1 and 4.1.3. */
static void slow_put_member(struct slow *s, struct slow_text *out, const struct slow_member *m)
{
    if (m->is_inner_list) {
        slow_append(s, out, '(');
        for (size_t i = 0; i < m->n_items; i++) {
            if (i > 0)
                slow_append(s, out, ' ');
            slow_put_bare(s, out, &m->items[i].bare);
            slow_put_params(s, out, &m->items[i].params);
        }
        slow_append(s, out, ')');
    } else {
        slow_put_bare(s, out, &m->bare);
    }
    slow_put_params(s, out, &m->params);
}

/* Sections 4.1.1 and 4.1.2. The text lives as long as *s. */
SLOW_UNUSED static struct slow_text slow_serialize(struct slow *s, enum dive_sf_kind kind)
{
    struct slow_text out = {NULL, 0};

    for (size_t i = 0; i < s->n_members; i++) {
        const struct slow_member *m = &s->members[i];

        if (i > 0)
            slow_put(s, &out, ", ");
        if (kind != DIVE_SF_DICTIONARY) {
            slow_put_member(s, &out, m);
            continue;
        }
        slow_put_text(s, &out, m->key);
        if (!m->is_inner_list && slow_true(&m->bare)) {
            slow_put_params(s, &out, &m->params);
            continue;
        }
        slow_append(s, &out, '=');
        slow_put_member(s, &out, m);
    }
    return out;
}

/* Comparing. */

static bool slow_text_is(struct slow_text a, struct dive_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool slow_bare_is(const struct slow_bare *a, const struct dive_sf_bare *b)
{
    if (a->type != b->type)
        return false;
    switch (b->type) {
    case DIVE_SF_INTEGER:
    case DIVE_SF_DATE:
        return a->number == b->integer;
    case DIVE_SF_DECIMAL:
        return a->number == b->thousandths;
    case DIVE_SF_BOOLEAN:
        return (a->number != 0) == b->boolean;
    default:
        return slow_text_is(a->text, b->text);
    }
}

static bool slow_params_are(const struct slow_params *a, const struct dive_sf_params *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!slow_text_is(a->v[i].key, b->v[i].key) ||
            !slow_bare_is(&a->v[i].value, &b->v[i].value))
            return false;
    return true;
}

static bool slow_member_is(const struct slow_member *a, const struct dive_sf_member *b)
{
    if (a->is_inner_list != b->is_inner_list || !slow_text_is(a->key, b->key) ||
        !slow_params_are(&a->params, &b->params))
        return false;
    if (!a->is_inner_list)
        return slow_bare_is(&a->bare, &b->bare);
    if (a->n_items != b->n_items)
        return false;
    for (size_t i = 0; i < a->n_items; i++)
        if (!slow_bare_is(&a->items[i].bare, &b->items[i].bare) ||
            !slow_params_are(&a->items[i].params, &b->items[i].params))
            return false;
    return true;
}

static const char *slow_difference_of_text(struct slow *slow, const struct dive_sf *sf, bool upper)
{
    struct slow_text expected = slow_serialize(slow, sf->kind);
    char *text = NULL;
    size_t len;
    int r = dive_sf_serialize(sf, &text, &len);
    bool same = r == 0 && slow_text_is(expected, dive_span(text, len));

    free(text);
    /* A key in upper case is read, but not written. */
    return same || (upper && r == DIVE_E_TYPE) ? NULL : "the serialisation";
}

/* dive_sf_parse() and dive_sf_serialize() on one input against all of the above: NULL, or in what
 * they differ. `n_members`, if it isn't NULL, becomes SIZE_MAX for what both refuse. */
SLOW_UNUSED static const char *slow_difference(enum dive_sf_kind kind, const void *in, size_t n,
                                               bool upper, size_t *n_members)
{
    struct dive_sf *sf = NULL;
    int r = dive_sf_parse(&sf, kind, dive_span(in, n), upper ? DIVE_SF_UPPER_KEYS : 0, NULL);
    struct slow slow;
    bool good = slow_parse(&slow, kind, in, n, upper);
    const char *what = NULL;

    if (n_members)
        *n_members = good ? slow.n_members : SIZE_MAX;
    if (slow.over || !good) {
        if (r != (slow.over ? DIVE_E_LIMIT : DIVE_E_SYNTAX))
            what = slow.over ? "beyond a limit" : "malformed";
        goto out;
    }
    if (r != 0) {
        what = "well-formed";
        goto out;
    }
    if (sf->n != slow.n_members)
        what = "the number of members";
    for (size_t i = 0; !what && i < sf->n; i++)
        if (!slow_member_is(&slow.members[i], &sf->members[i]))
            what = "a value";
    if (!what)
        what = slow_difference_of_text(&slow, sf, upper);
out:
    dive_sf_free(&sf);
    slow_free(&slow);
    return what;
}

#endif
