/* SPDX-License-Identifier: BSD-2-Clause
 *
 * paths: which files a configuration names, by the table: a new key with a path is among them
 * without a word here. And those in libunbound's own options.
 */
#include <stdio.h>
#include <string.h>

#include "config/load.h"
#include "core/log.h"

#define PREFIX_BUF 128

struct walk {
    config_path_fn *fn;
    void *arg;
};

/* One key's value, or all of a list's: `base` is the structure that the key's offset counts from.
 */
static void visit(const struct walk *walk, const struct schema_key *key, const char *base)
{
    struct config_list list = {NULL, 1};
    const char *const *paths = (const char *const *)(const void *)(base + key->offset);

    if ((key->flags & SCHEMA_LIST) != 0) {
        memcpy(&list, base + key->offset, sizeof(list));
        paths = list.v;
    }
    for (size_t i = 0; i < list.n; i++)
        if (paths[i] != NULL && strcmp(paths[i], "-") != 0 &&
            (key->type != SCHEMA_LOG_PATH || !log_target_is_remote(paths[i])))
            walk->fn(walk->arg, paths[i], key->flags);
}

/* A key of an entry, also one in a section of it ("listeners[].tls.key"): its offset is the
 * entry's. */
static bool is_in_entry(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(path, prefix, n) == 0 && strchr(path + n, '[') == NULL;
}

static void visit_entries(const struct walk *walk, const struct schema_key *items,
                          const struct config *cfg)
{
    char prefix[PREFIX_BUF];
    struct config_list list;

    memcpy(&list, (const char *)cfg + items->offset, sizeof(list));
    snprintf(prefix, sizeof(prefix), "%s[].", items->path);
    for (size_t i = 0; i < schema_count; i++) {
        if (schema[i].type != SCHEMA_PATH || !is_in_entry(schema[i].path, prefix))
            continue;
        for (size_t j = 0; j < list.n; j++)
            visit(walk, &schema[i], (const char *)list.v + j * items->item_size);
    }
}

/* Options of libunbound name files of its own: root-hints, trust-anchor-file, tls-cert-bundle, and
 * more of them in each release. So by their values: nothing else in them begins with a slash. */
static void visit_unbound(const struct walk *walk, const struct config *cfg)
{
    static const char *const written[] = {"auto-trust-anchor-file", "logfile"};

    for (size_t i = 0; i < cfg->dns.unbound.n; i++) {
        const struct config_option *option = &cfg->dns.unbound.v[i];
        unsigned flags = 0;

        if (option->name == NULL || option->value == NULL || option->value[0] != '/')
            continue;
        for (size_t j = 0; j < sizeof(written) / sizeof(written[0]); j++)
            if (strcmp(option->name, written[j]) == 0)
                flags = SCHEMA_WRITTEN;
        if (strspn(option->value, "/") < strlen(option->value)) /* never all there is */
            walk->fn(walk->arg, option->value, flags);
    }
}

void config_each_path(const struct config *cfg, config_path_fn *fn, void *arg)
{
    const struct walk walk = {fn, arg};

    fn(arg, cfg->file, 0);
    visit_unbound(&walk, cfg);
    for (size_t i = 0; i < schema_count; i++) {
        const struct schema_key *key = &schema[i];

        if (strchr(key->path, '[') != NULL)
            continue;
        if (key->type == SCHEMA_ITEMS)
            visit_entries(&walk, key, cfg);
        else if (key->type == SCHEMA_PATH || key->type == SCHEMA_LOG_PATH)
            visit(&walk, key, (const char *)cfg);
    }
}
