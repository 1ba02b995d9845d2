/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf: Structured Field Values for HTTP (RFC 9651), whole: items, lists, dictionaries, inner lists,
 * parameters and every bare item type, parsed and serialised.
 *
 * One parse makes one struct dive_sf, which owns everything that is reachable from it (an arena; the
 * input may be freed after the parse). Nothing here recurses on input.
 */
#ifndef DIVE_SF_H
#define DIVE_SF_H

#include <stdbool.h>

#include "error.h"

enum dive_sf_type {
    DIVE_SF_INTEGER = 1, /* RFC 9651 section 3.3.1 */
    DIVE_SF_DECIMAL,     /* 3.3.2 */
    DIVE_SF_STRING,      /* 3.3.3 */
    DIVE_SF_TOKEN,       /* 3.3.4 */
    DIVE_SF_BYTES,       /* 3.3.5 */
    DIVE_SF_BOOLEAN,     /* 3.3.6 */
    DIVE_SF_DATE,        /* 3.3.7 */
    DIVE_SF_DISPLAY,     /* 3.3.8 */
};

struct dive_sf_bare {
    enum dive_sf_type type;
    union {
        int64_t integer;      /* INTEGER; DATE: Unix seconds */
        int64_t thousandths;  /* DECIMAL: the value times 1000 */
        struct dive_span text; /* STRING (unescaped), TOKEN, BYTES (decoded), DISPLAY (UTF-8) */
        bool boolean;
    };
};

struct dive_sf_param {
    struct dive_span key;
    struct dive_sf_bare value;
};

/* In order of first appearance; a repeated key keeps its place and takes the last value (4.2.3.2). */
struct dive_sf_params {
    struct dive_sf_param *v;
    size_t n;
};

struct dive_sf_item {
    struct dive_sf_bare bare;
    struct dive_sf_params params;
};

/* A member of a list or dictionary: an item, or an inner list with parameters of its own. */
struct dive_sf_member {
    struct dive_span key;       /* dictionaries only */
    bool is_inner_list;
    struct dive_sf_bare bare;   /* when it is no inner list */
    struct dive_sf_item *items; /* when it is one */
    size_t n_items;
    struct dive_sf_params params;
};

enum dive_sf_kind { DIVE_SF_ITEM = 1, DIVE_SF_LIST, DIVE_SF_DICTIONARY };

struct dive_sf_arena;

struct dive_sf {
    enum dive_sf_kind kind;
    struct dive_sf_member *members; /* ITEM: exactly one */
    size_t n;
    struct dive_sf_arena *arena; /* private */
};

/* Accept upper-case letters in keys, which RFC 9651 forbids but the example in section 5.4 of
 * draft-callec-dive-01 uses for signature labels. */
#define DIVE_SF_UPPER_KEYS 0x1u

/* Parses `in` as a field of `kind` (RFC 9651 section 4.2). Several field lines of one name are joined
 * with ", " by the caller first. At most 64 KiB of input (DIVE_E_LIMIT past it).
 * On success *out is the caller's, freed with dive_sf_free(). On failure *out is NULL and, if
 * `error_at` isn't NULL, *error_at is the offset of the byte at which parsing failed.
 * DIVE_E_SYNTAX, DIVE_E_LIMIT or DIVE_E_NOMEM. */
int dive_sf_parse(struct dive_sf **out, enum dive_sf_kind kind, struct dive_span in, unsigned flags,
                  size_t *error_at) DIVE_MUST_USE;

void dive_sf_free(struct dive_sf **sf);

/* The dictionary member or parameter of that key, or NULL. */
const struct dive_sf_member *dive_sf_get(const struct dive_sf *sf, const char *key);
const struct dive_sf_bare *dive_sf_param(const struct dive_sf_params *params, const char *key);

/* Serialises (RFC 9651 section 4.1): a whole field, one member's value (without its key), or one
 * item with its parameters, as the signature base needs them. *out is malloc'd, NUL-terminated, the
 * caller's. DIVE_E_TYPE when a value can't be serialised (a caller-made one out of range). */
int dive_sf_serialize(const struct dive_sf *sf, char **out, size_t *len) DIVE_MUST_USE;
int dive_sf_serialize_member(const struct dive_sf_member *member, char **out,
                             size_t *len) DIVE_MUST_USE;
int dive_sf_serialize_item(const struct dive_sf_item *item, char **out, size_t *len) DIVE_MUST_USE;

#endif
