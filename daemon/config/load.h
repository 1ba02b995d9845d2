/* SPDX-License-Identifier: BSD-2-Clause
 *
 * load: what the stages of reading one configuration share. Private to this folder.
 */
#ifndef DIVED_CONFIG_LOAD_H
#define DIVED_CONFIG_LOAD_H

#include <stdatomic.h>

#include "config/arena.h"
#include "config/config.h"
#include "config/problems.h"
#include "config/schema.h"
#include "config/tree.h"

struct rule_index;

struct config_private {
    atomic_uint refs;
    struct arena arena; /* of everything but struct config itself, this one included */
    bool given[SCHEMA_KEYS_MAX];
    struct rule_index *rules;
};

/* Every list in struct config has this shape. */
struct config_list {
    void *v;
    size_t n;
};

/* Some of the rules: those of one file. */
struct rule_source {
    const struct node *items; /* the first; the others are its siblings. NULL: the default */
    size_t first, n;          /* in config.rules */
};

struct loader {
    struct config *cfg;
    struct config_private *own; /* cfg->private_ */
    struct config_problems *problems;
    const char *folder;                   /* of relative paths; NULL: they stay as they are */
    const struct node *root;              /* of the file; NULL: empty */
    struct place places[SCHEMA_KEYS_MAX]; /* of the values; line 0: the default */
    struct rule_source *sources;          /* the file's own, then those of `include` */
    size_t n_sources;
    bool nomem;
};

/* Reads `node` as the value of schema[index] into `target`; `name` is its key for messages. What is
 * wrong is reported, and leaves `target` as it is. */
void load_value(struct loader *l, size_t index, const char *name, const struct node *node,
                void *target);

/* The entries of list `node` into the array `v`, which has room for them. */
void load_entries(struct loader *l, size_t index, const struct node *node, void *v);
/* Reports a key that isn't known below `prefix` ("", "dns.", "rules[]."). */
void load_unknown_key(struct loader *l, const char *prefix, const struct node *node);

/* rule_check.c: what the rules say that can't be, and what is in vain. */
void rule_check(struct loader *l);

/* All entries of list `key` as nodes, in the order of the configuration's array. NULL: default. */
const struct node *load_items_of(const struct loader *l, const char *section, const char *key);

/* Fills in what depends on other keys, and reports what no single key can tell. */
void check_config(struct loader *l);
/* A parent proxy that Kerberos would be for, but has no name (RFC 4120 section 6.2.1: a service's
 * principal is one of a host's name) is reported, at `place`; `what` is the key's path. */
void check_parent_name(struct loader *l, const struct config_parent *parent, struct place place,
                       const char *what);

#endif
