/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_list: see sign_list.h.
 */
#include "cmd/sign_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/sign_name.h"

static int no_memory(void)
{
    command_error("no memory");
    return EX_OSERR;
}

/* Does a segment of the path mean another place? */
static bool has_dots(const char *path)
{
    while (*path != '\0') {
        size_t n = strcspn(path, "/");

        if ((n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
            return true;
        path += n;
        path += *path == '/';
    }
    return false;
}

/* The URL's path of a file below the root; NULL when there is none, or without memory: both are
 * told when the path is needed. */
static char *path_of(const struct sign_list *list, const char *file)
{
    const char *rest = file;
    char *path;

    if (list->root != NULL) {
        size_t n = strlen(list->root);

        while (n > 0 && list->root[n - 1] == '/')
            n--;
        if (strncmp(file, list->root, n) != 0 || file[n] != '/')
            return NULL;
        rest = file + n;
    }
    while (strncmp(rest, "./", 2) == 0)
        rest += 2;
    rest += strspn(rest, "/");
    if (has_dots(rest) ||
        asprintf(&path, "%s/%s", list->prefix != NULL ? list->prefix : "", rest) < 0)
        return NULL;
    return path;
}

/* The next item, zeroed; NULL, told, without memory or past the maximum. */
static struct sign_item *next_item(struct sign_list *list, int *r)
{
    if (list->n == SIGN_FILES_MAX) {
        command_error("more than %d files", SIGN_FILES_MAX);
        *r = EX_DATAERR;
        return NULL;
    }
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        struct sign_item *v = reallocarray(list->v, capacity, sizeof(*v));

        if (v == NULL) {
            *r = no_memory();
            return NULL;
        }
        list->v = v;
        list->capacity = capacity;
    }
    list->v[list->n] = (struct sign_item){0};
    *r = COMMAND_OK;
    return &list->v[list->n++];
}

int sign_list_add(struct sign_list *list, const char *file)
{
    int r;
    struct sign_item *item = next_item(list, &r);

    if (item == NULL)
        return r;
    item->file = strdup(file);
    if (item->file == NULL)
        return no_memory();
    item->path = path_of(list, file);
    return COMMAND_OK;
}

/* Calls `take` for each line; an empty one is passed over. */
static int read_lines(struct sign_list *list, const char *from, char end,
                      int (*take)(struct sign_list *list, const char *line, size_t n,
                                  const char *from, size_t number))
{
    FILE *f = strcmp(from, "-") == 0 ? stdin : fopen(from, "re");
    char *line = NULL;
    size_t size = 0, number = 0;
    ssize_t n;
    int r = COMMAND_OK;

    if (f == NULL) {
        command_error("%s: %s", from, strerror(errno));
        return errno == EACCES ? EX_NOPERM : EX_NOINPUT;
    }
    while (r == COMMAND_OK && (n = getdelim(&line, &size, end, f)) > 0) {
        number++;
        if (line[n - 1] == end)
            line[--n] = '\0';
        if (n > SIGN_LINE_MAX || memchr(line, '\0', (size_t)n) != NULL) {
            command_error("%s:%zu: %s", from, number,
                          n > SIGN_LINE_MAX ? "the line is too long" : "a NUL in a name");
            r = EX_DATAERR;
        } else if (n > 0) {
            r = take(list, line, (size_t)n, from, number);
        }
    }
    if (r == COMMAND_OK && ferror(f)) {
        command_error("%s: %s", from, strerror(errno));
        r = EX_NOINPUT;
    }
    free(line);
    if (f != stdin)
        fclose(f);
    return r;
}

static int take_name(struct sign_list *list, const char *line, size_t n, const char *from,
                     size_t number)
{
    (void)n;
    (void)from;
    (void)number;
    return sign_list_add(list, line);
}

int sign_list_read_names(struct sign_list *list, const char *from, bool nul)
{
    return read_lines(list, from, nul ? '\0' : '\n', take_name);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes a URL's path in place. False: not one. */
static bool decode_path(char *path)
{
    char *to = path;

    if (path[0] != '/')
        return false;
    for (const char *at = path; *at != '\0'; at++) {
        int high, low;

        if (*at == '?' || *at == '#')
            return false;
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        high = hex_value(at[1]);
        low = high < 0 ? -1 : hex_value(at[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(16 * high + low);
        at += 2;
    }
    *to = '\0';
    return !has_dots(path + 1);
}

static const char *take_path(struct sign_item *item, const json_t *value)
{
    free(item->path);
    item->path = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
    return item->path != NULL && decode_path(item->path)
               ? NULL
               : "path: not the path of a URL, without query and dot segments";
}

static const char *take_hash(struct sign_item *item, const json_t *value)
{
    size_t n = json_array_size(value);

    if (json_is_string(value) && sign_hashes_parse(json_string_value(value), &item->hashes) == 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(value, i));
        unsigned one;

        if (name == NULL || sign_hashes_parse(name, &one) != 0)
            return "hash: not a hash that DIVE permits";
        item->hashes |= one;
    }
    return n > 0 ? NULL : "hash: not a hash that DIVE permits";
}

static const char *take_components(struct sign_item *item, const json_t *value)
{
    size_t n = json_array_size(value);

    if (!json_is_array(value) || n > SIGN_ITEM_COMPONENTS_MAX)
        return "component: not an array of at most 32";
    item->components = calloc(n + 1, sizeof(*item->components));
    for (size_t i = 0; i < n && item->components != NULL; i++) {
        const char *text = json_string_value(json_array_get(value, i));

        item->components[i] = text != NULL ? strdup(text) : NULL;
        if (item->components[i] == NULL)
            return "component: not a string";
        item->n_components++;
    }
    return item->components != NULL ? NULL : "no memory";
}

static const char *take_time(const json_t *value, bool *has, int64_t *out)
{
    *has = true;
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0 ? NULL : "created, expires: not Unix seconds";
}

/* NULL, or what is wrong. */
static const char *take_member(struct sign_item *item, const char *name, const json_t *value)
{
    if (strcmp(name, "file") == 0) {
        item->file = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
        return item->file != NULL ? NULL : "file: not a string";
    }
    if (strcmp(name, "path") == 0)
        return take_path(item, value);
    if (strcmp(name, "hash") == 0)
        return take_hash(item, value);
    if (strcmp(name, "component") == 0)
        return take_components(item, value);
    if (strcmp(name, "created") == 0)
        return take_time(value, &item->has_created, &item->created);
    if (strcmp(name, "expires") == 0)
        return take_time(value, &item->has_expires, &item->expires);
    /* What --format json adds: its output can be signed anew. */
    return strcmp(name, "fields") == 0 ? NULL : "an unknown member";
}

static int take_manifest_line(struct sign_list *list, const char *line, size_t n, const char *from,
                              size_t number)
{
    json_error_t error;
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error), *value;
    const char *name, *wrong = NULL;
    int r;
    struct sign_item *item = next_item(list, &r);

    if (item == NULL) {
        json_decref(object);
        return r;
    }
    if (!json_is_object(object))
        wrong = object == NULL ? error.text : "not an object";
    json_object_foreach(object, name, value)
    {
        if (wrong == NULL)
            wrong = take_member(item, name, value);
    }
    if (wrong == NULL && item->file == NULL)
        wrong = "no \"file\"";
    if (wrong != NULL)
        command_error("%s:%zu: %s", from, number, wrong);
    else if (item->path == NULL)
        item->path = path_of(list, item->file);
    json_decref(object);
    return wrong == NULL ? COMMAND_OK : EX_DATAERR;
}

int sign_list_read_manifest(struct sign_list *list, const char *from)
{
    return read_lines(list, from, '\n', take_manifest_line);
}

void sign_list_free(struct sign_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        struct sign_item *item = &list->v[i];

        for (size_t k = 0; k < item->n_components; k++)
            free(item->components[k]);
        free(item->components);
        free(item->file);
        free(item->path);
        free(item->text);
        free(item->error);
    }
    free(list->v);
    *list = (struct sign_list){0};
}
