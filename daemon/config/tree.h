/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tree: the YAML text as nodes that know where they stand. Only the part of YAML that a
 * configuration needs: one document of maps, lists and scalars; no anchors, aliases, tags or
 * directives (they make files that read differently from what they do, and small files that become
 * large).
 */
#ifndef DIVED_CONFIG_TREE_H
#define DIVED_CONFIG_TREE_H

#include "config/arena.h"
#include "config/problems.h"

#define TREE_DEPTH_MAX 16
#define TREE_NODES_MAX 4000000
#define TREE_KEYS_MAX 1024 /* of one map */

enum node_kind {
    NODE_REFUSED = 0, /* already reported: to be passed over */
    NODE_SCALAR,
    NODE_MAP,
    NODE_LIST,
};

struct node {
    enum node_kind kind;
    bool plain; /* a scalar without quotes or block style */
    struct place place;
    const char *text; /* scalar: NUL-terminated, no control characters */
    const char *key;  /* of this child of a map, else NULL */
    struct place key_place;
    struct node *first; /* children */
    struct node *last;
    struct node *next; /* sibling */
    size_t n;          /* children */
};

/* Parses `text`. *root is NULL for an empty document, and whenever something but 0 is returned.
 * DIVE_E_SYNTAX with errors in `problems`, DIVE_E_NOMEM. Nodes live in `arena`. Refused nodes and
 * keys given twice are reported and leave the rest usable: the caller looks at problems->errors.
 * `file` stands in places, borrowed; NULL for the configuration's own. */
int tree_parse(struct arena *arena, const char *file, const char *text, size_t n,
               struct node **root, struct config_problems *problems) DIVE_MUST_USE;

/* The plain words and signs that YAML reads as "nothing". */
bool node_is_null(const struct node *node);
/* The child of a map, or NULL. `map` may be NULL or no map. */
struct node *node_get(const struct node *map, const char *key);
/* "a map", "a list", "text", ... for messages */
const char *node_kind_word(const struct node *node);

#endif
