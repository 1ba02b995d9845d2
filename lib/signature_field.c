/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_field: the component value of a field (RFC 9421 section 2.1): as it is, serialised
 * strictly
 * (;sf), one member of a dictionary (;key), or each line wrapped as a byte sequence (;bs).
 */
#include "signature_component.h"

#include <stdlib.h>

#include "field_type.h"
#include "span.h"

#define FIELD_VALUE_MAX 65536

/* A run of white space at `s` and, if it is one, the rest of the obs-fold that begins with it (RFC
 * 9112 section 5.2: OWS CRLF RWS). Returns how many bytes; *folded says which of the two. */
static size_t space_run(struct dive_span s, bool *folded)
{
    size_t i = 0;

    *folded = false;
    while (i < s.n && span_is_space(s.p[i]))
        i++;
    if (s.n - i < 3 || s.p[i] != '\r' || s.p[i + 1] != '\n' || !span_is_space(s.p[i + 2]))
        return i;
    *folded = true;
    i += 3;
    while (i < s.n && span_is_space(s.p[i]))
        i++;
    return i;
}

/* How many octets at the start of `s` need no second look: VCHAR, and with `binary` obs-text and
 * the controls that can't end a line. */
static size_t plain_run(struct dive_span s, bool binary)
{
    size_t i = 0;

    for (; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (span_is_space(s.p[i]) || c == '\r' || c == '\n' || c == '\0')
            break;
        if (!binary && (c < 0x20 || c > 0x7e))
            break;
    }
    return i;
}

/* One field line, white space around it removed and obs-folds within made one space. With `binary`,
 * any octet that HTTP lets through is taken, to be wrapped; else only what the grammar of the base
 * takes (RFC 9421 section 2.5: no obs-text). Never a line end: it would forge a line of the base.
 */
static int add_line(struct buffer *out, struct dive_span line, bool binary)
{
    line = span_trim(line);
    while (line.n > 0) {
        bool folded = false;
        size_t n = plain_run(line, binary);

        if (n == 0)
            n = space_run(line, &folded);
        if (n == 0)
            return DIVE_E_SYNTAX;
        if (folded)
            buffer_add(out, " ", 1);
        else
            buffer_add(out, line.p, n);
        line = dive_span(line.p + n, line.n - n);
    }
    return out->error;
}

static int add_wrapped_line(struct buffer *out, struct dive_span line)
{
    int r = DIVE_E_INTERNAL;
    struct buffer raw = BUFFER_INIT(FIELD_VALUE_MAX);
    struct dive_sf_item item = {.bare = {.type = DIVE_SF_BYTES}};
    char *text = NULL;
    size_t len;

    r = add_line(&raw, line, true);
    if (r != 0)
        goto out;
    item.bare.text = dive_span(raw.p, raw.n);
    r = dive_sf_serialize_item(&item, &text, &len);
    if (r != 0)
        goto out;
    buffer_add(out, text, len);
    r = out->error;
out:
    free(text);
    buffer_free(&raw);
    return r;
}

/* All lines of the field, in order, joined with ", ". */
static int add_lines(struct buffer *out, const struct dive_component *component,
                     const struct dive_fields *fields)
{
    int r = DIVE_E_INTERNAL;
    size_t lines = 0;

    for (size_t i = 0; i < fields->n; i++) {
        if (!dive_span_caseeq(fields->v[i].name, component->name))
            continue;
        if (lines++ > 0)
            buffer_add(out, ", ", 2);
        r = component->bs ? add_wrapped_line(out, fields->v[i].value)
                          : add_line(out, fields->v[i].value, false);
        if (r != 0)
            return r;
    }
    return lines > 0 ? out->error : DIVE_E_NOT_FOUND;
}

static int serialize(const struct dive_sf *sf, const struct dive_component *component, char **text,
                     size_t *len)
{
    if (component->key == NULL)
        return dive_sf_serialize(sf, text, len);
    for (size_t i = 0; i < sf->n; i++) {
        if (span_same(sf->members[i].key, *component->key))
            return dive_sf_serialize_member(&sf->members[i], text, len);
    }
    return DIVE_E_NOT_FOUND;
}

static int add_structured(struct buffer *out, const struct dive_component *component,
                          enum dive_sf_kind kind, const struct dive_fields *fields)
{
    int r = DIVE_E_INTERNAL;
    struct buffer raw = BUFFER_INIT(FIELD_VALUE_MAX);
    struct dive_sf *sf = NULL;
    unsigned flags = 0;
    char *text = NULL;
    size_t len;

    /* The two fields whose labels may be in upper case are parsed alike wherever they are parsed.
     */
    if (dive_span_eq(component->name, "signature") ||
        dive_span_eq(component->name, "signature-input"))
        flags = DIVE_SF_UPPER_KEYS;
    r = add_lines(&raw, component, fields);
    if (r != 0)
        goto out;
    r = dive_sf_parse(&sf, kind, dive_span(raw.p, raw.n), flags, NULL);
    if (r != 0)
        goto out;
    r = serialize(sf, component, &text, &len);
    if (r != 0)
        goto out;
    buffer_add(out, text, len);
    r = out->error;
out:
    free(text);
    dive_sf_free(&sf);
    buffer_free(&raw);
    return r;
}

int dive_component_field_value(struct buffer *out, const struct dive_component *component,
                               const struct dive_fields *fields)
{
    enum dive_sf_kind kind;
    bool known;

    if (!component->sf && component->key == NULL)
        return add_lines(out, component, fields);
    known = dive_field_type(component->name, &kind) == 0;
    if (component->sf && !known)
        return DIVE_E_UNSUPPORTED;
    if (component->key != NULL) {
        /* A field that nobody has told us about is a dictionary if its signer says so and it parses
         * as one: nothing but this signature depends on it. */
        if (known && kind != DIVE_SF_DICTIONARY)
            return DIVE_E_UNSUPPORTED;
        kind = DIVE_SF_DICTIONARY;
    }
    return add_structured(out, component, kind, fields);
}
