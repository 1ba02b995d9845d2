/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of keys, the reference that is printed from it, and the files in conf/ say the same.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

static char *read_whole(const char *path)
{
    char *text = NULL;
    size_t n = 0;
    FILE *file = fopen(path, "r");

    cr_assert_not_null(file, "%s", path);
    if (getdelim(&text, &n, '\0', file) < 0)
        text[0] = '\0';
    fclose(file);
    return text;
}

Test(test_config_reference, docs_are_what_the_table_prints)
{
    char *printed = config_reference();
    char *stored = read_whole("docs/configuration.md");

    cr_assert_not_null(printed);
    cr_assert(strcmp(printed, stored) == 0,
              "write docs/configuration.md anew: dived --config-reference > docs/configuration.md");
    free(printed);
    free(stored);
}

Test(test_config_reference, every_key_is_explained)
{
    char *printed = config_reference();

    for (size_t i = 0; i < schema_count; i++) {
        char cell[128];

        snprintf(cell, sizeof(cell), "`%s`", schema[i].path);
        cr_assert(strstr(printed, cell), "%s", cell);
        cr_assert_gt(strlen(schema[i].help), 5, "%s", schema[i].path);
        cr_assert_null(strchr(schema[i].help, '|'), "%s breaks the table", schema[i].path);
    }
    free(printed);
}

Test(test_config_reference, the_table_is_sound)
{
    for (size_t i = 0; i < schema_count; i++) {
        const struct schema_key *key = &schema[i];
        bool in_list = strstr(key->path, "[]");
        bool none = key->flags & (SCHEMA_REQUIRED | SCHEMA_OPEN);

        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(key->path, schema[j].path);
        cr_assert_eq(schema_index(key->path), i);
        cr_assert_eq(key->type == SCHEMA_WORD || key->type == SCHEMA_VERSION, key->words != NULL,
                     "%s", key->path);
        cr_assert_eq(key->type == SCHEMA_ITEMS, key->item_size > 0, "%s", key->path);
        if (key->type == SCHEMA_SIZE || key->type == SCHEMA_DURATION ||
            key->type == SCHEMA_INTEGER || key->type == SCHEMA_WORKERS)
            cr_assert_lt(key->min, key->max, "%s", key->path);
        if (key->type == SCHEMA_INTEGER || key->type == SCHEMA_WORKERS)
            cr_assert(key->min >= 0 && key->max <= UINT32_MAX, "%s", key->path);
        if (!in_list && key->type != SCHEMA_SECTION && !none)
            cr_assert_not_null(key->standard, "%s has no default", key->path);
        if (in_list)
            cr_assert_null(key->standard, "%s: entries have no defaults", key->path);
    }
}

static bool same_text(const void *a, const void *b)
{
    const char *x, *y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x == y || (x && y && strcmp(x, y) == 0);
}

static bool same_value(const struct schema_key *key, const char *a, const char *b)
{
    size_t size = schema_type_size(key->type);

    switch (key->type) {
    case SCHEMA_ADDRESS:
        return same_text(a, b);
    case SCHEMA_OPTIONS:
    case SCHEMA_ITEMS:
    case SCHEMA_SECTION:
        return true;
    case SCHEMA_VERSION:
        return memcmp(a, b, sizeof(unsigned)) == 0;
    case SCHEMA_PATH:
    case SCHEMA_LOG_PATH:
    case SCHEMA_KEY_SOURCE:
    case SCHEMA_ACCOUNT:
    case SCHEMA_LABEL:
    case SCHEMA_USER_AGENT:
    case SCHEMA_HOST_GLOB:
    case SCHEMA_DNS_NAME:
    case SCHEMA_DNS_SERVER:
        return same_text(a, b);
    case SCHEMA_PARENT:
        return ((const struct config_parent *)a)->kind == ((const struct config_parent *)b)->kind &&
               same_text((const char *)a + offsetof(struct config_parent, host),
                         (const char *)b + offsetof(struct config_parent, host));
    default:
        return memcmp(a, b, size) == 0;
    }
}

static bool same_key(const struct schema_key *key, const struct config *a, const struct config *b)
{
    const char *x = (const char *)a + key->offset;
    const char *y = (const char *)b + key->offset;
    struct config_list p, q;

    if (!(key->flags & SCHEMA_LIST) || key->type == SCHEMA_VERSION)
        return same_value(key, x, y);
    memcpy(&p, x, sizeof(p));
    memcpy(&q, y, sizeof(q));
    if (p.n != q.n)
        return false;
    for (size_t i = 0; i < p.n && key->type != SCHEMA_ITEMS; i++) {
        size_t at = i * schema_type_size(key->type);

        if (!same_value(key, (const char *)p.v + at, (const char *)q.v + at))
            return false;
    }
    return true;
}

static struct config *load(const char *path)
{
    struct config_problems problems = {0};
    struct config *cfg = NULL;
    int r = config_load(path, &cfg, &problems);

    cr_assert_eq(r, 0, "%s", problems.n ? problems.v[0].text : "no memory");
    cr_assert_eq(problems.n, 0, "%s", problems.v[0].text);
    config_problems_free(&problems);
    return cfg;
}

Test(test_config_reference, conf_dived_is_the_defaults)
{
    static const char minimal[] = "version: 1\n";
    struct config_problems problems = {0};
    struct config *shipped = load("conf/dived.yaml");
    struct config *standard;

    cr_assert_eq(config_parse("x", NULL, minimal, strlen(minimal), &standard, &problems), 0);
    for (size_t i = 0; i < schema_count; i++) {
        const char *path = schema[i].path;

        if (strstr(path, "[]"))
            continue;
        cr_assert(same_key(&schema[i], shipped, standard), "%s differs", path);
        if (strncmp(path, "cache", 5) != 0 && strcmp(path, "dns.trust-anchor-auto") != 0)
            cr_assert(config_is_given(shipped, path), "%s is missing in conf/dived.yaml", path);
    }
    config_unref(&shipped);
    config_unref(&standard);
    config_problems_free(&problems);
}

/* A machine's root must not be needed: nothing that is written to may be outside of the file's
 * folder but for what everybody may write to. */
Test(test_config_reference, conf_developer_needs_no_root)
{
    struct config *cfg = load("conf/developer.yaml");
    char *conf = realpath("conf", NULL);
    size_t n = strlen(conf);

    cr_assert_eq(strncmp(cfg->admin.socket, conf, n), 0);
    cr_assert_eq(strncmp(cfg->interception.ca_certificate, conf, n), 0);
    cr_assert_eq(strncmp(cfg->interception.ca_key, conf, n), 0);
    cr_assert_eq(strncmp(cfg->state.directory, conf, n), 0);
    cr_assert_str_eq(cfg->hold.directory, "/var/tmp");
    cr_assert_str_eq(cfg->log.access, "-");
    cr_assert_str_eq(cfg->log.error, "-");
    free(conf);
    config_unref(&cfg);
}
