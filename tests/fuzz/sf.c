/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Structured Fields. Invariants: what parses serialises, parses again and serialises to the same
 * bytes; every array and text that is reachable lies within the one block that the parse made; no
 * key stands twice; a failure leaves nothing and points into the input.
 *
 * Input: one byte (kind, flags), then the field.
 */
#include "lib/sf.h"

#include <malloc.h>

#include "tests/fuzz/fuzz.h"

struct block {
    const char *from, *to;
};

static void inside(const struct block *b, const void *p, size_t n)
{
    const char *at = p;

    if (n > 0)
        CHECK(at >= b->from && at <= b->to && n <= (size_t)(b->to - at));
}

static void check_bare(const struct block *b, const struct dive_sf_bare *bare)
{
    CHECK(bare->type >= DIVE_SF_INTEGER && bare->type <= DIVE_SF_DISPLAY);
    if ((bare->type >= DIVE_SF_STRING && bare->type <= DIVE_SF_BYTES) ||
        bare->type == DIVE_SF_DISPLAY)
        inside(b, bare->text.p, bare->text.n);
}

static void check_params(const struct block *b, const struct dive_sf_params *params)
{
    CHECK(params->n <= DIVE_SF_PARAMS_MAX);
    inside(b, params->v, params->n * sizeof *params->v);
    for (size_t i = 0; i < params->n; i++) {
        inside(b, params->v[i].key.p, params->v[i].key.n);
        check_bare(b, &params->v[i].value);
        for (size_t j = 0; j < i; j++)
            CHECK(!fuzz_same(params->v[i].key, params->v[j].key));
    }
}

static void check_member(const struct block *b, const struct dive_sf_member *m)
{
    if (m->is_inner_list) {
        CHECK(m->n_items <= DIVE_SF_INNER_ITEMS_MAX);
        inside(b, m->items, m->n_items * sizeof *m->items);
        for (size_t i = 0; i < m->n_items; i++) {
            check_bare(b, &m->items[i].bare);
            check_params(b, &m->items[i].params);
        }
    } else {
        check_bare(b, &m->bare);
    }
    check_params(b, &m->params);
}

static void check_structure(const struct dive_sf *sf)
{
    const char *arena = (const char *)sf->arena;
    struct block b = {arena, arena + malloc_usable_size(sf->arena)};

    CHECK(sf->n <= DIVE_SF_MEMBERS_MAX && (sf->kind != DIVE_SF_ITEM || sf->n == 1));
    inside(&b, sf->members, sf->n * sizeof *sf->members);
    for (size_t i = 0; i < sf->n; i++) {
        check_member(&b, &sf->members[i]);
        if (sf->kind != DIVE_SF_DICTIONARY)
            continue;
        inside(&b, sf->members[i].key.p, sf->members[i].key.n);
        for (size_t j = 0; j < i && i < 64; j++)
            CHECK(!fuzz_same(sf->members[i].key, sf->members[j].key));
    }
}

static void check_round_trip(const struct dive_sf *sf, unsigned flags, size_t n)
{
    struct dive_sf *again;
    char *out, *out_again;
    size_t len, len_again;
    int r = dive_sf_serialize(sf, &out, &len);

    if (r != 0) {
        CHECK((flags & DIVE_SF_UPPER_KEYS) && r == DIVE_E_TYPE && out == NULL);
        return;
    }
    CHECK(len <= 2 * n + 4);
    CHECK(dive_sf_parse(&again, sf->kind, dive_span(out, len), 0, NULL) == 0);
    CHECK(again->n == sf->n);
    CHECK(dive_sf_serialize(again, &out_again, &len_again) == 0);
    CHECK(fuzz_same(dive_span(out, len), dive_span(out_again, len_again)));
    free(out);
    free(out_again);
    dive_sf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    uint8_t mode = fuzz_byte(&f);
    enum dive_sf_kind kind = DIVE_SF_ITEM + (mode & 3) % 3;
    unsigned flags = mode & 4 ? DIVE_SF_UPPER_KEYS : 0;
    char *in = fuzz_copy(f.p, f.n);
    size_t at = SIZE_MAX;
    struct dive_sf *sf;
    int r = dive_sf_parse(&sf, kind, dive_span(in, f.n), flags, &at);

    memset(in, '!', f.n);
    free(in);
    if (r != 0) {
        CHECK(sf == NULL && at <= f.n);
        return 0;
    }
    check_structure(sf);
    check_round_trip(sf, flags, f.n);
    dive_sf_free(&sf);
    CHECK(sf == NULL);
    return 0;
}
