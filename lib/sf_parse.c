/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_parse: the containers of structured fields (RFC 9651 sections 4.2, 4.2.1, 4.2.2, 4.2.3) and
 * the memory that a parsed field lives in.
 *
 * One allocation holds everything. A count of the separators bounds what the text can contain, so
 * that each array below has its final size before the first byte is parsed:
 *
 *      struct dive_sf | members | parameters | items of inner lists | copy of the text, NUL
 *
 * Parameters of one item, and items of one inner list, lie side by side because nothing of the same
 * sort is begun before they are complete. Keys and values point into the copy, which is decoded in
 * place. Separators inside strings make the bound too high, at most some 40 bytes for each byte of
 * text, in memory that is then never touched.
 *
 * Repeated keys are found by sf_keys.c.
 */
#include <stdlib.h>

#include "sf_private.h"

/* struct dive_sf_keys steps over these by their keys. */
_Static_assert(offsetof(struct dive_sf_member, key) == 0, "the key comes first");
_Static_assert(offsetof(struct dive_sf_param, key) == 0, "the key comes first");

struct dive_sf_arena {
    struct dive_sf sf;
    struct dive_sf_member members[]; /* and the rest: see above */
};

struct parser {
    struct dive_sf_reader in;
    struct dive_sf_member *members;
    size_t n_members;
    struct dive_sf_param *params; /* the next free one */
    struct dive_sf_item *items;   /* the next free one */
    unsigned upper;               /* SF_UPPER when the keys of members may have it, else 0 */
    uint32_t seed;
    uint16_t *member_slots, *param_slots;
};

static void skip_sp(struct dive_sf_reader *in)
{
    while (*in->p == ' ')
        in->p++;
}

static void skip_ows(struct dive_sf_reader *in)
{
    while (*in->p == ' ' || *in->p == '\t')
        in->p++;
}

/* Section 4.2.3.3. `upper` is SF_UPPER or 0. */
static int read_key(struct dive_sf_reader *in, unsigned upper, struct dive_span *out)
{
    char *start = in->p;
    char *p = start;

    if (!dive_sf_is(*p, SF_KEY_START | upper))
        return DIVE_E_SYNTAX;
    for (p++; dive_sf_is(*p, SF_KEY_REST | upper);)
        p++;
    in->p = p;
    *out = dive_span(start, (size_t)(p - start));
    return 0;
}

/* Section 4.2.3.2. */
static int read_params(struct parser *ps, struct dive_sf_params *out)
{
    struct dive_sf_reader *in = &ps->in;
    struct dive_sf_param *v = ps->params;
    struct dive_sf_keys keys = {.array = (const char *)v,
                                .stride = sizeof *v,
                                .slots = ps->param_slots,
                                .mask = SF_PARAM_SLOTS - 1,
                                .seed = ps->seed};
    int r = DIVE_E_INTERNAL;

    while (*in->p == ';') {
        struct dive_span key;
        struct dive_sf_bare value = {.type = DIVE_SF_BOOLEAN, .boolean = true};
        size_t at;

        in->p++;
        skip_sp(in);
        r = read_key(in, 0, &key);
        if (r != 0)
            return r;
        at = dive_sf_keys_position(&keys, key);
        if (at == DIVE_SF_PARAMS_MAX) {
            in->p -= key.n;
            return DIVE_E_LIMIT;
        }
        if (*in->p == '=') {
            in->p++;
            r = dive_sf_read_bare(in, &value);
            if (r != 0)
                return r;
        }
        v[at] = (struct dive_sf_param){.key = key, .value = value};
        if (at == keys.n)
            keys.n++;
    }
    ps->params += keys.n;
    *out = (struct dive_sf_params){.v = keys.n != 0 ? v : NULL, .n = keys.n};
    return 0;
}

/* Section 4.2.3. */
static int read_item(struct parser *ps, struct dive_sf_bare *bare, struct dive_sf_params *params)
{
    int r = dive_sf_read_bare(&ps->in, bare);

    return r != 0 ? r : read_params(ps, params);
}

/* Section 4.2.1.2. */
static int read_inner_list(struct parser *ps, struct dive_sf_member *m)
{
    struct dive_sf_reader *in = &ps->in;
    int r = DIVE_E_INTERNAL;

    in->p++; /* "(" */
    m->is_inner_list = true;
    m->items = ps->items;
    for (;;) {
        struct dive_sf_item item = {0};

        skip_sp(in);
        if (*in->p == ')')
            break;
        if (m->n_items == DIVE_SF_INNER_ITEMS_MAX)
            return DIVE_E_LIMIT;
        r = read_item(ps, &item.bare, &item.params);
        if (r != 0)
            return r;
        if (*in->p != ' ' && *in->p != ')')
            return DIVE_E_SYNTAX;
        m->items[m->n_items++] = item;
    }
    in->p++;
    ps->items += m->n_items;
    if (m->n_items == 0)
        m->items = NULL;
    return read_params(ps, &m->params);
}

/* Section 4.2.1.1. */
static int read_item_or_inner_list(struct parser *ps, struct dive_sf_member *m)
{
    if (*ps->in.p == '(')
        return read_inner_list(ps, m);
    return read_item(ps, &m->bare, &m->params);
}

/* Between two members (sections 4.2.1 and 4.2.2). *more is false at the end of the field. */
static int read_comma(struct parser *ps, bool *more)
{
    struct dive_sf_reader *in = &ps->in;

    skip_ows(in);
    *more = in->p != in->end;
    if (!*more)
        return 0;
    if (*in->p != ',')
        return DIVE_E_SYNTAX;
    in->p++;
    skip_ows(in);
    return in->p == in->end ? DIVE_E_SYNTAX : 0; /* a trailing comma */
}

/* Section 4.2.1. */
static int read_list(struct parser *ps)
{
    int r = DIVE_E_INTERNAL;
    bool more = ps->in.p != ps->in.end;

    while (more) {
        struct dive_sf_member *m = &ps->members[ps->n_members];

        if (ps->n_members == DIVE_SF_MEMBERS_MAX)
            return DIVE_E_LIMIT;
        *m = (struct dive_sf_member){0};
        r = read_item_or_inner_list(ps, m);
        if (r == 0)
            r = read_comma(ps, &more);
        if (r != 0)
            return r;
        ps->n_members++;
    }
    return 0;
}

/* Section 4.2.2. */
static int read_dictionary(struct parser *ps)
{
    struct dive_sf_reader *in = &ps->in;
    struct dive_sf_keys keys = {.array = (const char *)ps->members,
                                .stride = sizeof ps->members[0],
                                .slots = ps->member_slots,
                                .mask = SF_MEMBER_SLOTS - 1,
                                .seed = ps->seed};
    int r = DIVE_E_INTERNAL;
    bool more = in->p != in->end;

    while (more) {
        struct dive_sf_member *m;
        struct dive_span key;
        size_t at;

        r = read_key(in, ps->upper, &key);
        if (r != 0)
            return r;
        at = dive_sf_keys_position(&keys, key);
        if (at == DIVE_SF_MEMBERS_MAX) {
            in->p -= key.n;
            return DIVE_E_LIMIT;
        }
        if (at == keys.n)
            keys.n++;
        m = &ps->members[at];
        *m = (struct dive_sf_member){.key = key};
        if (*in->p == '=') {
            in->p++;
            r = read_item_or_inner_list(ps, m);
        } else {
            m->bare = (struct dive_sf_bare){.type = DIVE_SF_BOOLEAN, .boolean = true};
            r = read_params(ps, &m->params);
        }
        if (r == 0)
            r = read_comma(ps, &more);
        if (r != 0)
            return r;
    }
    ps->n_members = keys.n;
    return 0;
}

static int read_field(struct parser *ps, enum dive_sf_kind kind)
{
    int r = DIVE_E_INTERNAL;

    skip_sp(&ps->in);
    switch (kind) {
    case DIVE_SF_ITEM:
        ps->members[0] = (struct dive_sf_member){0};
        ps->n_members = 1;
        r = read_item(ps, &ps->members[0].bare, &ps->members[0].params);
        break;
    case DIVE_SF_LIST:
        r = read_list(ps);
        break;
    case DIVE_SF_DICTIONARY:
        r = read_dictionary(ps);
        break;
    }
    if (r != 0)
        return r;
    skip_sp(&ps->in);
    return ps->in.p == ps->in.end ? 0 : DIVE_E_SYNTAX;
}

/* What a separator announces: each member but the first follows a comma, each parameter a
 * semicolon, each item of an inner list a parenthesis or a space. Three counters in one word make
 * the count a look-up and an addition a byte; DIVE_SF_INPUT_MAX fits each of them. */
#define COUNT_BITS 21
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define MEMBER UINT64_C(1)
#define PARAM (UINT64_C(1) << COUNT_BITS)
#define INNER_ITEM (UINT64_C(1) << 2 * COUNT_BITS)

_Static_assert(DIVE_SF_INPUT_MAX < COUNT_MASK, "a counter can't overflow into the next");

static const uint64_t announced[256] = {
    [','] = MEMBER, [';'] = PARAM, ['('] = INNER_ITEM, [' '] = INNER_ITEM};

/* Makes the arena for `in` and points `ps` into it; NULL when memory ran out. */
static struct dive_sf_arena *arena_new(struct parser *ps, struct dive_span in)
{
    struct dive_sf_arena *arena;
    size_t members, params, items;
    uint64_t counts = MEMBER;
    char *text;

    for (size_t i = 0; i < in.n; i++)
        counts += announced[(uint8_t)in.p[i]];
    members = counts & COUNT_MASK;
    params = counts >> COUNT_BITS & COUNT_MASK;
    items = counts >> 2 * COUNT_BITS;
    if (members > DIVE_SF_MEMBERS_MAX)
        members = DIVE_SF_MEMBERS_MAX;
    arena = malloc(sizeof *arena + members * sizeof(struct dive_sf_member) +
                   params * sizeof(struct dive_sf_param) + items * sizeof(struct dive_sf_item) +
                   in.n + 1);
    if (arena == NULL)
        return NULL;
    ps->members = arena->members;
    ps->params = (struct dive_sf_param *)(void *)(ps->members + members);
    ps->items = (struct dive_sf_item *)(void *)(ps->params + params);
    text = (char *)(ps->items + items);
    if (in.n != 0)
        memcpy(text, in.p, in.n);
    text[in.n] = '\0';
    ps->in = (struct dive_sf_reader){.p = text, .end = text + in.n};
    ps->seed = (uint32_t)((uintptr_t)arena >> 4);
    return arena;
}

int dive_sf_parse(struct dive_sf **out, enum dive_sf_kind kind, struct dive_span in, unsigned flags,
                  size_t *error_at)
{
    int r = DIVE_E_INTERNAL;
    uint16_t member_slots[SF_MEMBER_SLOTS], param_slots[SF_PARAM_SLOTS];
    struct parser ps = {.upper = (flags & DIVE_SF_UPPER_KEYS) != 0 ? SF_UPPER : 0,
                        .member_slots = member_slots,
                        .param_slots = param_slots};
    struct dive_sf_arena *arena = NULL;
    size_t failed_at = 0;

    *out = NULL;
    if (in.n > DIVE_SF_INPUT_MAX) {
        failed_at = DIVE_SF_INPUT_MAX;
        r = DIVE_E_LIMIT;
        goto out;
    }
    arena = arena_new(&ps, in);
    if (arena == NULL) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    r = read_field(&ps, kind);
    if (r != 0) {
        failed_at = in.n - (size_t)(ps.in.end - ps.in.p);
        goto out;
    }
    arena->sf = (struct dive_sf){
        .kind = kind, .members = arena->members, .n = ps.n_members, .arena = arena};
    *out = &arena->sf;
    arena = NULL;
    r = 0;
out:
    free(arena);
    if (error_at != NULL)
        *error_at = failed_at;
    return r;
}

void dive_sf_free(struct dive_sf **sf)
{
    if (*sf == NULL)
        return;
    free((*sf)->arena);
    *sf = NULL;
}

const struct dive_sf_member *dive_sf_get(const struct dive_sf *sf, const char *key)
{
    struct dive_span wanted = dive_span_str(key);

    if (sf->kind != DIVE_SF_DICTIONARY)
        return NULL;
    for (size_t i = 0; i < sf->n; i++) {
        if (dive_sf_same(sf->members[i].key, wanted))
            return &sf->members[i];
    }
    return NULL;
}

const struct dive_sf_bare *dive_sf_param(const struct dive_sf_params *params, const char *key)
{
    struct dive_span wanted = dive_span_str(key);

    for (size_t i = 0; i < params->n; i++) {
        if (dive_sf_same(params->v[i].key, wanted))
            return &params->v[i].value;
    }
    return NULL;
}
