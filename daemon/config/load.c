/* SPDX-License-Identifier: BSD-2-Clause
 *
 * load: a file becomes a configuration.
 *
 *      defaults, each read from its text in the table
 *      file -> tree -> root -> sections -> keys, lists of entries -> keys     (fixed depth)
 *      check_config(): what keys say together
 *      any error: no configuration
 */
#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/value.h"

#define KEY_BUF 128       /* a key in messages */
#define PIPE_WAIT_MS 5000 /* for a file that turns out to be a pipe */

/* ---- unknown keys ---- */

/* A slip of a key that belongs here, or a key that belongs elsewhere. */
static void unknown_key(struct loader *l, const char *prefix, const struct node *node)
{
    const char *leaves[SCHEMA_KEYS_MAX] = {NULL};
    const char *closest;
    size_t n = 0;
    size_t shown = strlen(prefix);

    for (size_t i = 0; i < schema_count; i++)
        if (schema_leaf(&schema[i], prefix))
            leaves[n++] = schema_leaf(&schema[i], prefix);
    closest = value_closest(node->key, leaves, n);
    for (size_t i = 0; i < schema_count && !closest; i++) {
        const char *dot = strrchr(schema[i].path, '.');

        if (!strchr(schema[i].path, '[') && strcmp(dot ? dot + 1 : schema[i].path, node->key) == 0)
            closest = schema[i].path;
    }
    problems_error(l->problems, node->key_place, "unknown key \"%.60s\"%s%.*s%s%s%s", node->key,
                   shown ? " in " : "", (int)(shown ? shown - 1 : 0), prefix,
                   closest ? "; did you mean " : "", closest ? closest : "", closest ? "?" : "");
}

/* ---- keys, entries, sections ---- */

static void mark_given(struct loader *l, size_t index, struct place place)
{
    l->own->given[index] = true;
    l->places[index] = place;
}

/* One entry of a list: a map of keys below `prefix` ("rules[].") into `item`. */
static void load_item(struct loader *l, const char *prefix, const char *name,
                      const struct node *node, char *item)
{
    char full[2 * KEY_BUF], inner[KEY_BUF];

    if (node->kind == NODE_REFUSED)
        return;
    if (node->kind != NODE_MAP) {
        problems_error(l->problems, node->place, "%s: must be a map, key: value, not %s", name,
                       node_kind_word(node));
        return;
    }
    for (const struct node *child = node->first; child; child = child->next) {
        int index = schema_find(prefix, child->key);

        if (index < 0) {
            unknown_key(l, prefix, child);
            continue;
        }
        snprintf(full, sizeof(full), "%s.%s", name, child->key);
        if (schema[index].type == SCHEMA_SECTION) {
            snprintf(inner, sizeof(inner), "%s.", schema[index].path);
            load_item(l, inner, full, child, item); /* as deep as the table, not as the file */
            continue;
        }
        load_value(l, (size_t)index, full, child, item + schema[index].offset);
    }
    for (size_t i = 0; i < schema_count; i++) {
        const char *leaf = schema_leaf(&schema[i], prefix);

        if (leaf && (schema[i].flags & SCHEMA_REQUIRED) && !node_get(node, leaf))
            problems_error(l->problems, node->place, "%s: \"%s\" is missing", name, leaf);
    }
}

static void load_items(struct loader *l, size_t index, const struct node *node)
{
    const struct schema_key *key = &schema[index];
    struct config_list list = {NULL, node->n};
    char prefix[KEY_BUF];
    char name[KEY_BUF];
    size_t i = 0;

    if (node->kind == NODE_REFUSED)
        return;
    if (node->kind != NODE_LIST) {
        problems_error(l->problems, node->place,
                       "%s: must be a list of maps, not %s; the empty one is []", key->path,
                       node_kind_word(node));
        return;
    }
    list.v = arena_array(&l->own->arena, list.n, key->item_size);
    if (!list.v) {
        l->nomem = true;
        return;
    }
    snprintf(prefix, sizeof(prefix), "%s[].", key->path);
    for (const struct node *child = node->first; child; child = child->next, i++) {
        snprintf(name, sizeof(name), "%s[%zu]", key->path, i);
        load_item(l, prefix, name, child, (char *)list.v + i * key->item_size);
    }
    memcpy((char *)l->cfg + key->offset, &list, sizeof(list));
}

static void load_key(struct loader *l, size_t index, const struct node *node)
{
    if (schema[index].type == SCHEMA_ITEMS)
        load_items(l, index, node);
    else
        load_value(l, index, schema[index].path, node, (char *)l->cfg + schema[index].offset);
}

/* A section: a map of keys; one of them may be a section. */
static void load_section(struct loader *l, size_t section, const struct node *node)
{
    char prefix[KEY_BUF];

    if (node->kind == NODE_REFUSED || (node->kind == NODE_SCALAR && node_is_null(node)))
        return; /* `dns:` with everything below it commented out */
    if (node->kind != NODE_MAP) {
        problems_error(l->problems, node->place, "%s: must be a map, key: value, not %s",
                       schema[section].path, node_kind_word(node));
        return;
    }
    snprintf(prefix, sizeof(prefix), "%s.", schema[section].path);
    for (const struct node *child = node->first; child; child = child->next) {
        int index = schema_find(prefix, child->key);

        if (index < 0) {
            unknown_key(l, prefix, child);
            continue;
        }
        mark_given(l, (size_t)index, child->place);
        if (schema[index].type == SCHEMA_SECTION)
            load_section(l, (size_t)index, child); /* as deep as the table, not as the file */
        else
            load_key(l, (size_t)index, child);
    }
}

static void load_root(struct loader *l, const struct node *root)
{
    if (root && root->kind != NODE_MAP) {
        if (root->kind != NODE_REFUSED)
            problems_error(l->problems, root->place, "a configuration is a map, key: value, not %s",
                           node_kind_word(root));
        return;
    }
    for (const struct node *child = root ? root->first : NULL; child; child = child->next) {
        int index = schema_find("", child->key);

        if (index < 0) {
            unknown_key(l, "", child);
            continue;
        }
        mark_given(l, (size_t)index, child->place);
        if (schema[index].type == SCHEMA_SECTION)
            load_section(l, (size_t)index, child);
        else
            load_key(l, (size_t)index, child);
    }
    if (!root || !node_get(root, "version"))
        problems_error(l->problems, (struct place){1, 1},
                       "\"version\" is missing; write version: 1 as the first line");
}

/* Every default is read from its text as it would be from a file. */
static void load_defaults(struct loader *l)
{
    struct arena arena = {0};

    for (size_t i = 0; i < schema_count && !l->nomem; i++) {
        const char *text = schema[i].standard;
        struct node *node = NULL;
        int r;

        if (!text)
            continue;
        r = tree_parse(&arena, text, strlen(text), &node, l->problems);
        if (r == DIVE_E_NOMEM)
            l->nomem = true;
        else if (r == 0 && node)
            load_key(l, i, node);
    }
    arena_free(&arena);
}

const struct node *load_items_of(const struct loader *l, const char *section, const char *key)
{
    const struct node *map = section ? node_get(l->root, section) : l->root;
    const struct node *list = node_get(map, key);

    return list && list->kind == NODE_LIST ? list->first : NULL;
}

/* ---- the whole ---- */

static int config_new(struct config **out)
{
    struct arena arena = {0};
    struct config *cfg = calloc(1, sizeof(*cfg));

    *out = NULL;
    if (!cfg)
        return DIVE_E_NOMEM;
    cfg->private_ = arena_alloc(&arena, sizeof(*cfg->private_));
    if (!cfg->private_) {
        free(cfg);
        return DIVE_E_NOMEM;
    }
    cfg->private_->arena = arena;
    atomic_init(&cfg->private_->refs, 1);
    *out = cfg;
    return 0;
}

static int load_all(struct loader *l, struct arena *nodes, const char *name, const char *text,
                    size_t n)
{
    struct node *root;
    int r;

    l->cfg->file = arena_strndup(&l->own->arena, name, strlen(name));
    if (!l->cfg->file)
        return DIVE_E_NOMEM;
    load_defaults(l);
    if (l->nomem)
        return DIVE_E_NOMEM;
    r = tree_parse(nodes, text, n, &root, l->problems);
    if (r)
        return r;
    l->root = root;
    load_root(l, root);
    if (!l->nomem)
        check_config(l);
    if (l->nomem)
        return DIVE_E_NOMEM;
    return l->problems->errors > 0 ? DIVE_E_SYNTAX : 0;
}

int config_parse(const char *name, const char *folder, const char *text, size_t n,
                 struct config **out, struct config_problems *problems)
{
    struct loader l = {.problems = problems, .folder = folder};
    struct arena nodes = {0};
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (!problems->file)
        problems->file = strdup(name);
    if (n > CONFIG_FILE_MAX) {
        problems_error(problems, (struct place){0}, "is larger than %d bytes", CONFIG_FILE_MAX);
        return DIVE_E_LIMIT;
    }
    r = config_new(&l.cfg);
    if (r)
        return r;
    l.own = l.cfg->private_;
    r = load_all(&l, &nodes, name, text, n);
    arena_free(&nodes);
    problems_sort(problems);
    if (r)
        config_unref(&l.cfg);
    *out = l.cfg;
    return r;
}

/* The whole file, one byte past the maximum at most; malloc'd. */
static int read_file(const char *path, char **out, size_t *len, struct config_problems *problems)
{
    struct place nowhere = {0};
    char *buf = NULL;
    size_t n = 0;
    int r = DIVE_E_INTERNAL;
    struct stat st;
    /* Nonblocking: a pipe without a writer, named by mistake, must not stop a reload for good. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *out = NULL;
    *len = 0;
    if (fd < 0 || fstat(fd, &st)) {
        problems_error(problems, nowhere, "cannot be opened: %s", strerror(errno));
        r = DIVE_E_NOT_FOUND;
        goto out;
    }
    if (S_ISDIR(st.st_mode)) {
        problems_error(problems, nowhere, "is a folder; name the file in it");
        r = DIVE_E_NOT_FOUND;
        goto out;
    }
    buf = malloc(CONFIG_FILE_MAX + 1);
    if (!buf) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    while (n < CONFIG_FILE_MAX + 1) {
        ssize_t got = read(fd, buf + n, CONFIG_FILE_MAX + 1 - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN &&
            poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PIPE_WAIT_MS) > 0)
            continue;
        if (got < 0) {
            problems_error(problems, nowhere, "cannot be read: %s", strerror(errno));
            r = DIVE_E_NOT_FOUND;
            goto out;
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *out = buf;
    *len = n;
    buf = NULL;
    r = 0;
out:
    free(buf);
    if (fd >= 0)
        close(fd);
    return r;
}

int config_load(const char *path, struct config **out, struct config_problems *problems)
{
    char *folder = NULL;
    char *copy = NULL;
    char *text = NULL;
    size_t n = 0;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    problems->file = strdup(path);
    copy = strdup(path);
    if (!problems->file || !copy) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    r = read_file(path, &text, &n, problems);
    if (r)
        goto out;
    folder = realpath(dirname(copy), NULL);
    if (!folder) {
        problems_error(problems, (struct place){0}, "its folder cannot be named: %s",
                       strerror(errno));
        r = DIVE_E_NOT_FOUND;
        goto out;
    }
    r = config_parse(path, folder, text, n, out, problems);
out:
    free(text);
    free(copy);
    free(folder);
    return r;
}
