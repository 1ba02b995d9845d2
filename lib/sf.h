/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf: Structured Field Values for HTTP (RFC 9651), whole: items, lists, dictionaries, inner lists,
 * parameters and every bare item type, parsed and serialised.
 *
 * One parse makes one struct dive_sf, which owns everything that is reachable from it (an arena;
 * the input may be freed after the parse). Nothing here recurses on input.
 */
#ifndef DIVE_SF_H
#define DIVE_SF_H

#include <stdbool.h>

#include "error.h"

DIVE_API_BEGIN

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
        int64_t integer;       /* INTEGER; DATE: Unix seconds */
        int64_t thousandths;   /* DECIMAL: the value times 1000 */
        struct dive_span text; /* STRING (unescaped), TOKEN, BYTES (decoded), DISPLAY (UTF-8) */
        bool boolean;
    };
};

struct dive_sf_param {
    struct dive_span key;
    struct dive_sf_bare value;
};

/* In order of first appearance; a repeated key keeps its place and takes the last value. */
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
    struct dive_span key; /* dictionaries only */
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

/* What the parser accepts. RFC 9651 section 3 asks for no less: 1024 members, 256 items in an inner
 * list, 256 parameters. Lengths of keys, strings, tokens and byte sequences are bounded by the
 * input alone. Members and parameters with one key count once. */
#define DIVE_SF_INPUT_MAX 65536
#define DIVE_SF_MEMBERS_MAX 1024
#define DIVE_SF_INNER_ITEMS_MAX 256
#define DIVE_SF_PARAMS_MAX 256
#define DIVE_SF_OUTPUT_MAX 262144 /* bytes; what was parsed comes nowhere near */

/* Accept upper-case letters in the keys of a dictionary's members, which RFC 9651 forbids but the
 * example in "Key Identification and Multiple Signatures" of draft-callec-dive-01 uses for
 * signature labels. Keys of parameters stay lower case. Such a key is not serialised (DIVE_E_TYPE);
 * the member's value is. */
#define DIVE_SF_UPPER_KEYS 0x1u

/* Parses `in` as a field of `kind` (RFC 9651 section 4.2). Several field lines of one name are
 * joined with ", " by the caller first. DIVE_E_SYNTAX, DIVE_E_LIMIT (see the maxima above) or
 * DIVE_E_NOMEM. On success *out is the caller's, freed with dive_sf_free(); an empty list or
 * dictionary has n == 0. On failure *out is NULL and, if `error_at` isn't NULL, *error_at is the
 * offset of the byte at which parsing failed: the first that can't stand where it stands, in.n when
 * the input ended too early, the first of what is one too many (0 when memory ran out or nothing
 * failed). */
int dive_sf_parse(struct dive_sf **out, enum dive_sf_kind kind, struct dive_span in, unsigned flags,
                  size_t *error_at) DIVE_MUST_USE;

/* Frees what dive_sf_parse() made and clears *sf, which may be NULL already. */
void dive_sf_free(struct dive_sf **sf);

/* The dictionary member or parameter of that key (case-sensitive), or NULL. Borrowed. */
const struct dive_sf_member *dive_sf_get(const struct dive_sf *sf, const char *key);
const struct dive_sf_bare *dive_sf_param(const struct dive_sf_params *params, const char *key);

/* Serialises (RFC 9651 section 4.1): a whole field, one member's value (without its key), or one
 * item with its parameters, as the signature base needs them. *out is malloc'd, NUL-terminated, the
 * caller's; *len is without the NUL. An empty list or dictionary gives "" (RFC 9651: no field at
 * all). On failure *out is NULL and *len 0. DIVE_E_TYPE when a value or key can't be serialised (a
 * caller-made one out of range; DIVE_SF_UPPER_KEYS), DIVE_E_LIMIT past DIVE_SF_OUTPUT_MAX,
 * DIVE_E_NOMEM. */
int dive_sf_serialize(const struct dive_sf *sf, char **out, size_t *len) DIVE_MUST_USE;
int dive_sf_serialize_member(const struct dive_sf_member *member, char **out,
                             size_t *len) DIVE_MUST_USE;
int dive_sf_serialize_item(const struct dive_sf_item *item, char **out, size_t *len) DIVE_MUST_USE;

DIVE_API_END

#endif
