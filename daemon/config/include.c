/* SPDX-License-Identifier: BSD-2-Clause
 *
 * include: see include.h. An included file holds rules and nothing else: what else it could say
 * would depend on the order in which files are read.
 */
#include "config/include.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "config/read_file.h"

#define HAS_WILDCARD "*?["

struct files {
    const char *path[CONFIG_INCLUDES_MAX];
    const struct node *rules[CONFIG_INCLUDES_MAX]; /* a list, or NULL */
    size_t n;
};

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_file(struct loader *l, struct files *files, const char *path)
{
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->path[i], path) == 0)
            return; /* named by two globs */
    if (files->n == CONFIG_INCLUDES_MAX) {
        problems_error(l->problems, l->places[schema_index("include")],
                       "include: more than %d files", CONFIG_INCLUDES_MAX);
        return;
    }
    files->path[files->n] = arena_strndup(&l->own->arena, path, strlen(path));
    if (files->path[files->n])
        files->n++;
    else
        l->nomem = true;
}

/* A folder that can't be read is an error, not one without files. */
static int glob_failed(const char *path, int error)
{
    return error != ENOENT && error != ENOTDIR;
}

static void add_glob(struct loader *l, struct files *files, const char *pattern)
{
    struct place place = l->places[schema_index("include")];
    glob_t found = {0};
    int r;

    if (!strpbrk(pattern, HAS_WILDCARD)) {
        add_file(l, files, pattern);
        return;
    }
    r = glob(pattern, GLOB_NOSORT, glob_failed, &found);
    if (r == GLOB_NOSPACE)
        l->nomem = true;
    else if (r != 0 && r != GLOB_NOMATCH)
        problems_error(l->problems, place, "include: %s: a folder on its way cannot be read",
                       pattern);
    if (r == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof(char *), compare_paths);
        for (size_t i = 0; i < found.gl_pathc && !l->nomem; i++)
            add_file(l, files, found.gl_pathv[i]);
    }
    globfree(&found);
}

static const struct node *rules_of(struct loader *l, const struct node *root)
{
    const struct node *rules = NULL;

    if (root && root->kind != NODE_MAP) {
        problems_error(l->problems, root->place,
                       "an included file is a map with the key rules, not %s",
                       node_kind_word(root));
        return NULL;
    }
    for (const struct node *child = root ? root->first : NULL; child; child = child->next) {
        if (strcmp(child->key, "rules") == 0)
            rules = child;
        else if (strcmp(child->key, "version") == 0)
            load_value(l, schema_index("version"), "version", child, NULL);
        else if (schema_find("", child->key) >= 0)
            problems_error(l->problems, child->key_place,
                           "\"%.60s\" may not stand in an included file, only rules; it belongs "
                           "into %s",
                           child->key, l->cfg->file);
        else
            load_unknown_key(l, "", child);
    }
    if (!rules || (rules->kind == NODE_SCALAR && node_is_null(rules)))
        return NULL;
    if (rules->kind == NODE_LIST)
        return rules;
    if (rules->kind != NODE_REFUSED)
        problems_error(l->problems, rules->place,
                       "rules: must be a list of maps, not %s; the empty one is []",
                       node_kind_word(rules));
    return NULL;
}

static const struct node *read_one(struct loader *l, struct arena *nodes, const char *path)
{
    const struct node *rules = NULL;
    struct node *root;
    char *text;
    size_t n;
    int r = config_read_file(path, CONFIG_FILE_MAX, &text, &n, l->problems,
                             l->places[schema_index("include")]);

    if (r == 0)
        r = tree_parse(nodes, path, text, n, &root, l->problems);
    free(text);
    l->nomem |= r == DIVE_E_NOMEM;
    if (r == 0)
        rules = rules_of(l, root);
    return rules;
}

static void set_places(struct config_rule *rule, const struct node *item, const char *file)
{
    for (; item; item = item->next, rule++) {
        rule->file = file;
        rule->line = item->place.line;
        rule->column = item->place.column;
    }
}

/* One array for all, in which each file's rules are read where they will stay. */
static void load_rules(struct loader *l, const struct files *files)
{
    size_t own = l->cfg->rules.n, total = own, at = own;
    struct config_rule *v;

    for (size_t i = 0; i < files->n; i++)
        total += files->rules[i] ? files->rules[i]->n : 0;
    if (total > CONFIG_RULES_MAX) {
        problems_error(l->problems, l->places[schema_index("include")],
                       "include: more than %d rules in all files", CONFIG_RULES_MAX);
        return;
    }
    if (total == own)
        return;
    v = arena_array(&l->own->arena, total, sizeof(*v));
    if (!v) {
        l->nomem = true;
        return;
    }
    if (own > 0)
        memcpy(v, l->cfg->rules.v, own * sizeof(*v));
    for (size_t i = 0; i < files->n; i++) {
        const struct node *rules = files->rules[i];

        if (!rules)
            continue;
        load_entries(l, schema_index("rules"), rules, v + at);
        set_places(v + at, rules->first, files->path[i]);
        l->sources[l->n_sources++] = (struct rule_source){rules->first, at, rules->n};
        at += rules->n;
    }
    l->cfg->rules.v = v;
    l->cfg->rules.n = total;
}

void include_load(struct loader *l, struct arena *nodes)
{
    struct files *files = calloc(1, sizeof(*files));
    const struct node *own = load_items_of(l, NULL, "rules");

    l->sources = arena_array(nodes, CONFIG_INCLUDES_MAX + 1, sizeof(*l->sources));
    if (!files || !l->sources) {
        l->nomem = true;
        goto out;
    }
    if (own) {
        set_places(l->cfg->rules.v, own, l->cfg->file);
        l->sources[l->n_sources++] = (struct rule_source){own, 0, l->cfg->rules.n};
    }
    for (size_t i = 0; i < l->cfg->include.n && !l->nomem; i++)
        if (l->cfg->include.v[i])
            add_glob(l, files, l->cfg->include.v[i]);
    for (size_t i = 0; i < files->n && !l->nomem; i++)
        files->rules[i] = read_one(l, nodes, files->path[i]);
    if (!l->nomem)
        load_rules(l, files);
out:
    free(files);
}
