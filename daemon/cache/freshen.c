/* SPDX-License-Identifier: BSD-2-Clause
 *
 * freshen: the heads that are made of stored ones: freshened by a 304, fit to be stored, and the
 * head of a 304 (see validate.h).
 */
#include <stdlib.h>

#include "cache/control.h"
#include "cache/validate.h"
#include "http/chars.h"
#include "http/writer.h"
#include "lib/sf.h"

struct fields {
    struct dive_field v[VALIDATE_FIELDS_MAX];
    size_t n;
    bool full;
};

static void add(struct fields *fields, const struct dive_field *field)
{
    if (fields->n < VALIDATE_FIELDS_MAX)
        fields->v[fields->n++] = *field;
    else
        fields->full = true;
}

static int finish(struct http_head *out, const struct http_head *from, const struct fields *fields)
{
    memset(out, 0, sizeof(*out));
    if (fields->full)
        return HTTP_E_TOO_MANY_FIELDS;
    return http_head_with_fields(out, from, fields->v, fields->n);
}

static bool is_in(struct dive_span name, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (http_is_name(name, *list))
            return true;
    }
    return false;
}

static bool is_connection_named(const struct http_head *head, struct dive_span name)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        struct dive_span rest = head->fields[i].value, option;
        if (!http_is_name(head->fields[i].name, "connection"))
            continue;
        while (http_list_next(&rest, &option)) {
            if (dive_span_caseeq(option, name))
                return true;
        }
    }
    return false;
}

static bool is_storable(const struct http_head *head, struct dive_span name)
{
    return !http_field_is_hop_by_hop(name) && !is_connection_named(head, name) &&
           !control_names_field(head, name);
}

int validate_storable_head(struct http_head *out, const struct http_head *response)
{
    struct fields fields = {.n = 0};

    for (size_t i = 0; i < response->n_fields; i++) {
        if (is_storable(response, response->fields[i].name))
            add(&fields, &response->fields[i]);
    }
    return finish(out, response, &fields);
}

int validate_304_head(struct http_head *out, const struct http_head *stored)
{
    static const char *const sent[] = {
        "cache-control", "content-location", "date", "etag", "expires", "vary", NULL};
    bool has_tag = http_field_get(stored, "etag") != NULL;
    struct fields fields = {.n = 0};
    int r = HTTP_E_INTERNAL;

    for (size_t i = 0; i < stored->n_fields; i++) {
        struct dive_span name = stored->fields[i].name;
        if (is_in(name, sent) || (!has_tag && http_is_name(name, "last-modified")))
            add(&fields, &stored->fields[i]);
    }
    r = finish(out, stored, &fields);
    if (r != 0)
        return r;
    out->status = 304;
    out->reason = dive_span(NULL, 0);
    out->framing = HTTP_BODY_NONE;
    out->content_length = -1;
    return 0;
}

/* What the verdict rests on; it changes as a whole or not at all. */
static const char *const signed_by[] = {"content-digest", "repr-digest", "signature-input",
                                        "signature",      "dive-sig",    NULL};

/* About the content that is stored, not about the 304. */
static const char *const kept[] = {
    "content-length", "content-encoding", "content-range", "content-md5", "etag", NULL};

/* Both have the same lines of that name, in the same order. */
static bool same_lines(const struct http_head *a, const struct http_head *b, const char *name)
{
    size_t i = 0, j = 0;

    for (;;) {
        while (i < a->n_fields && !http_is_name(a->fields[i].name, name))
            i++;
        while (j < b->n_fields && !http_is_name(b->fields[j].name, name))
            j++;
        if (i == a->n_fields || j == b->n_fields)
            return i == a->n_fields && j == b->n_fields;
        struct dive_span x = a->fields[i++].value, y = b->fields[j++].value;
        if (x.n != y.n || (x.n > 0 && memcmp(x.p, y.p, x.n) != 0))
            return false;
    }
}

/* The 304 brings a signature for the content that we have. */
static bool is_resigned(const struct http_head *not_modified, const struct http_head *stored)
{
    bool by_fields = http_field_get(not_modified, "signature") != NULL &&
                     http_field_get(not_modified, "signature-input") != NULL;

    if (!by_fields && http_field_get(not_modified, "dive-sig") == NULL)
        return false;
    return http_field_get(not_modified, "content-digest") == NULL ||
           same_lines(not_modified, stored, "content-digest");
}

static bool covers(const struct dive_sf *inputs, struct dive_span name)
{
    for (size_t i = 0; inputs != NULL && i < inputs->n; i++) {
        const struct dive_sf_member *member = &inputs->members[i];
        for (size_t j = 0; member->is_inner_list && j < member->n_items; j++) {
            const struct dive_sf_item *item = &member->items[j];
            if (item->bare.type == DIVE_SF_STRING && dive_span_caseeq(item->bare.text, name) &&
                dive_sf_param(&item->params, "req") == NULL)
                return true;
        }
    }
    return false;
}

/* *out is NULL when there is none, or none that can be read: such a signature covers nothing. */
static int parse_inputs(struct dive_sf **out, const struct http_head *stored)
{
    struct dive_fields fields = http_head_fields(stored);
    char *joined = NULL;
    size_t n = 0;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    r = dive_fields_join(&fields, "signature-input", &joined, &n);
    if (r == 0)
        r = dive_sf_parse(out, DIVE_SF_DICTIONARY, dive_span(joined, n), DIVE_SF_UPPER_KEYS, NULL);
    free(joined);
    return r == DIVE_E_NOMEM ? HTTP_E_NOMEM : 0;
}

static bool same_signatures(const struct http_head *a, const struct http_head *b)
{
    for (size_t i = 0; signed_by[i] != NULL; i++) {
        if (!same_lines(a, b, signed_by[i]))
            return false;
    }
    return true;
}

struct update {
    const struct http_head *stored, *not_modified;
    const struct dive_sf *inputs; /* of the stored signature, if that stays */
    bool resigned;
};

/* Whether the fields of that name come from the 304. */
static bool comes_new(const struct update *u, struct dive_span name)
{
    if (is_in(name, signed_by)) {
        if (http_is_name(name, "content-digest"))
            return false; /* equal, if it is there */
        return u->resigned;
    }
    if (is_in(name, kept) || covers(u->inputs, name))
        return false;
    if (http_is_name(name, "date") || http_is_name(name, "age"))
        return true; /* there or not */
    for (size_t i = 0; i < u->not_modified->n_fields; i++) {
        if (dive_span_caseeq(u->not_modified->fields[i].name, name))
            return is_storable(u->not_modified, name);
    }
    return false;
}

int validate_freshen(struct http_head *out, const struct http_head *stored,
                     const struct http_head *not_modified, bool *resigned)
{
    struct update u = {.stored = stored, .not_modified = not_modified};
    struct dive_sf *inputs = NULL;
    struct fields fields = {.n = 0};
    int r = HTTP_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    *resigned = false;
    u.resigned = is_resigned(not_modified, stored);
    if (!u.resigned) {
        r = parse_inputs(&inputs, stored);
        if (r != 0)
            goto out;
        u.inputs = inputs;
    }
    for (size_t i = 0; i < stored->n_fields; i++) {
        if (!comes_new(&u, stored->fields[i].name) &&
            !control_names_field(not_modified, stored->fields[i].name))
            add(&fields, &stored->fields[i]);
    }
    for (size_t i = 0; i < not_modified->n_fields; i++) {
        struct dive_span name = not_modified->fields[i].name;
        if (is_storable(not_modified, name) && comes_new(&u, name))
            add(&fields, &not_modified->fields[i]);
    }
    r = finish(out, stored, &fields);
    if (r == 0)
        *resigned = !same_signatures(out, stored);
out:
    dive_sf_free(&inputs);
    return r;
}
