/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule_hosts: see rule_hosts.h.
 */
#include "config/rule_hosts.h"

#include <stdlib.h>
#include <string.h>

#include "config/host_map.h"
#include "config/read_file.h"
#include "config/value.h"

#define PRESENT 1
#define FILES_MAX 1024

struct rule_hosts {
    struct host_map map;
    size_t n;
};

struct hosts_file {
    const char *path;
    const struct rule_hosts *hosts; /* NULL: it couldn't be read, and that was said */
};

static size_t count_lines(const char *text, size_t n)
{
    size_t lines = 1;

    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* One line without its comment and the space around it. */
static int add_line(struct rule_hosts *hosts, struct arena *arena, const char *p, size_t n,
                    struct place place, struct config_problems *problems)
{
    char text[VALUE_HOST_BUF + 1], name[VALUE_HOST_BUF];
    struct sockaddr_storage addr;
    struct host_map_slot *slot;
    struct value_why why;
    size_t skip;
    char *copy;

    if (n >= sizeof(text) || memchr(p, '\0', n)) {
        problems_error(problems, place, "\"%.*s\" is no host name", (int)(n < 60 ? n : 60), p);
        return DIVE_E_SYNTAX;
    }
    memcpy(text, p, n);
    text[n] = '\0';
    if (value_host_glob(text, name, &why)) {
        problems_error(problems, place, "\"%.60s\" %s", text, why.text);
        return DIVE_E_SYNTAX;
    }
    skip = name[0] == '.' ? 1 : strncmp(name, "*.", 2) == 0 ? 2 : 0;
    if (strchr(name + skip, '*')) {
        problems_error(problems, place,
                       "\"%.60s\" has a \"*\" within; a line is a name, or \"*.\" or \".\" and a "
                       "name",
                       text);
        return DIVE_E_SYNTAX;
    }
    if (config_host_address(name, &addr))
        match_address_text(&addr, name);
    copy = arena_strndup(arena, name + skip, strlen(name + skip));
    if (!copy)
        return DIVE_E_NOMEM;
    slot = host_map_put(&hosts->map, copy, strlen(copy));
    if (skip != 2)
        slot->exact = PRESENT;
    if (skip > 0)
        slot->below = PRESENT;
    hosts->n++;
    return 0;
}

int rule_hosts_parse(struct rule_hosts **out, struct arena *arena, const char *file,
                     const char *text, size_t n, struct config_problems *problems)
{
    struct place place = {0, 1, file};
    size_t lines = count_lines(text, n);
    struct rule_hosts *hosts;
    const char *end = text + n;
    int r = 0;

    *out = NULL;
    if (lines > RULE_HOSTS_MAX) {
        problems_error(problems, (struct place){.file = file}, "has more than %d lines",
                       RULE_HOSTS_MAX);
        return DIVE_E_SYNTAX;
    }
    hosts = arena_alloc(arena, sizeof(*hosts));
    if (!hosts || !host_map_init(&hosts->map, arena, lines))
        return DIVE_E_NOMEM;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        const char *comment = memchr(text, '#', (size_t)(stop - text));
        const char *last = comment ? comment : stop;
        int one = 0;

        place.line++;
        while (text < last && is_space(*text))
            text++;
        while (last > text && is_space(last[-1]))
            last--;
        if (last > text)
            one = add_line(hosts, arena, text, (size_t)(last - text), place, problems);
        if (one == DIVE_E_NOMEM)
            return one;
        if (one)
            r = one;
        if (!newline)
            problems_warning(problems, place,
                             "the last line doesn't end; is the file still being written?");
        text = newline ? newline + 1 : end;
    }
    if (r == 0)
        *out = hosts;
    return r;
}

bool rule_hosts_match(const struct rule_hosts *hosts, const char *host)
{
    const struct host_map_slot *slot;
    struct sockaddr_storage addr;
    struct host_name name;
    char ip[INET6_ADDRSTRLEN];

    if (config_host_address(host, &addr)) { /* in the form that the list has it */
        slot = host_map_get(&hosts->map, ip, match_address_text(&addr, ip));
        return slot && slot->exact;
    }
    if (!host_name_init(&name, host))
        return false;
    for (size_t i = 0; i < name.labels; i++) {
        slot = host_map_suffix(&hosts->map, &name, i);
        if (slot && (i == 0 ? slot->exact : slot->below))
            return true;
    }
    return false;
}

size_t rule_hosts_count(const struct rule_hosts *hosts)
{
    return hosts->n;
}

/* ---- of a configuration ---- */

static const struct rule_hosts *load_file(struct loader *l, const char *path, struct place place)
{
    struct rule_hosts *hosts = NULL;
    char *text = NULL;
    size_t n;
    int r;

    r = config_read_file(path, RULE_HOSTS_FILE_MAX, &text, &n, l->problems, place);
    if (r == 0)
        r = rule_hosts_parse(&hosts, &l->own->arena, path, text, n, l->problems);
    free(text);
    l->nomem |= r == DIVE_E_NOMEM;
    if (hosts && hosts->n == 0)
        problems_warning(l->problems, place, "hosts-file: %s names no host", path);
    return hosts;
}

static const struct rule_hosts *find_file(struct loader *l, struct hosts_file *files, size_t *n,
                                          const char *path, struct place place)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(files[i].path, path) == 0)
            return files[i].hosts;
    if (*n == FILES_MAX) {
        problems_error(l->problems, place, "more than %d hosts-files", FILES_MAX);
        return NULL;
    }
    files[*n] = (struct hosts_file){path, load_file(l, path, place)};
    return files[(*n)++].hosts;
}

static const char *file_of(const struct loader *l, const struct config_rule *rule)
{
    return rule->file == l->cfg->file ? NULL : rule->file;
}

void rule_hosts_load(struct loader *l)
{
    struct hosts_file *files = calloc(FILES_MAX, sizeof(*files));
    size_t n = 0;

    l->nomem |= !files;
    for (size_t i = 0; i < l->cfg->rules.n && !l->nomem; i++) {
        struct config_rule *rule = &l->cfg->rules.v[i];

        if (rule->hosts_file.n == 0)
            continue;
        rule->hosts = arena_array(&l->own->arena, rule->hosts_file.n, sizeof(*rule->hosts));
        l->nomem |= !rule->hosts;
        for (size_t j = 0; j < rule->hosts_file.n && !l->nomem; j++)
            if (rule->hosts_file.v[j])
                rule->hosts[j] =
                    find_file(l, files, &n, rule->hosts_file.v[j],
                              (struct place){rule->line, rule->column, file_of(l, rule)});
    }
    free(files);
}
