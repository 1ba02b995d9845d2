/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_format: see sign_format.h.
 *
 * What a server's configuration would read as something else (a variable, a line end, a parameter
 * that is longer than it takes) is refused: a snippet either means what it says or isn't made.
 */
#include "cmd/sign_format.h"

#include <ctype.h>
#include <stdbool.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NGINX_PARAMETER_MAX 4000 /* nginx reads at most 4096 bytes of one */

int sign_format_from_name(const char *name, enum sign_format *out)
{
    static const struct {
        const char *name;
        enum sign_format format;
    } known[] = {
#define X(id, text) {text, SIGN_FORMAT_##id},
        SIGN_FORMATS(X)
#undef X
    };

    *out = SIGN_FORMAT_FIELDS;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].format;
            return 0;
        }
    }
    return DIVE_E_UNSUPPORTED;
}

/* Writes `text` with a backslash before each byte of `special`. */
static void put_escaped(FILE *f, const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL)
            fputc('\\', f);
        fputc(*text, f);
    }
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

static void put_lines(FILE *f, const struct sign_format_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s: %s\n", fields[i].name, fields[i].value);
}

/* Without `always`: only successes and redirections get the fields. */
static void put_nginx(FILE *f, const char *path, const struct sign_format_field *fields, size_t n)
{
    fputs("location = \"", f);
    put_escaped(f, path, "\"\\");
    fputs("\" {\n    gzip off;\n", f);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "    add_header %s '", fields[i].name);
        put_escaped(f, fields[i].value, "'\\");
        fputs("';\n", f);
    }
    fputs("}\n", f);
}

/* A byte of a path inside of a regular expression inside of a quoted argument. */
static void put_apache_path(FILE *f, const char *path)
{
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;

        if (c == '"' || c == '\\')
            fprintf(f, "\\x%02x", c); /* neither has to be quoted twice */
        else if (isalnum(c) || c == '/' || c == '_' || c == '-' || c >= 0x80)
            fputc(c, f);
        else
            fprintf(f, "\\x%02x", c);
    }
}

static void put_apache(FILE *f, const char *path, const struct sign_format_field *fields, size_t n)
{
    fputs("<LocationMatch \"^", f);
    put_apache_path(f, path);
    fputs("$\">\n", f);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "    Header set %s \"", fields[i].name);
        put_escaped(f, fields[i].value, "\"\\");
        fputs("\" \"expr=%{REQUEST_STATUS} == 200\"\n", f);
    }
    fputs("</LocationMatch>\n", f);
}

static void put_json(FILE *f, const char *file, const char *path,
                     const struct sign_format_field *fields, size_t n)
{
    json_t *object = json_object(), *members = json_object();
    bool whole = true;

    for (size_t i = 0; i < n; i++)
        whole = json_object_set_new(members, fields[i].name, json_string(fields[i].value)) == 0 &&
                whole;
    whole = json_object_set_new(object, "file", json_string(file)) == 0 && whole;
    if (path != NULL)
        whole = json_object_set_new(object, "path", json_string(path)) == 0 && whole;
    whole = json_object_set(object, "fields", members) == 0 && whole;
    if (whole)
        whole = json_dumpf(object, f, JSON_COMPACT) == 0;
    if (whole)
        fputc('\n', f);
    json_decref(members);
    json_decref(object);
}

char *sign_path_encode(const char *path)
{
    char *encoded = malloc(3 * strlen(path) + 1), *to = encoded;

    for (; encoded != NULL && *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;

        if (isalnum(c) || strchr("/-._~!$&'()*+,;=:@", c) != NULL)
            *to++ = (char)c;
        else
            to += sprintf(to, "%%%02X", c);
    }
    if (encoded != NULL)
        *to = '\0';
    return encoded;
}

static const char *check(enum sign_format format, const char *path,
                         const struct sign_format_field *fields, size_t n)
{
    if (format != SIGN_FORMAT_NGINX && format != SIGN_FORMAT_APACHE)
        return NULL;
    if (path == NULL)
        return "its URL isn't known: --root, or \"path\" in a manifest";
    if (has_control(path))
        return "a control character in its path";
    if (format == SIGN_FORMAT_NGINX && strlen(path) > NGINX_PARAMETER_MAX / 2)
        return "its path is longer than nginx takes";
    for (size_t i = 0; i < n; i++) {
        if (strpbrk(fields[i].value, "$%") != NULL)
            return "a field's value has $ or %, which the server would replace";
        if (format == SIGN_FORMAT_NGINX && strlen(fields[i].value) > NGINX_PARAMETER_MAX)
            return "a field's value is longer than nginx takes";
    }
    return NULL;
}

char *sign_format_text(enum sign_format format, const char *file, const char *path,
                       const struct sign_format_field *fields, size_t n, const char **why)
{
    char *text = NULL, *encoded = NULL;
    size_t len = 0;
    FILE *f;
    bool whole;

    *why = check(format, path, fields, n);
    if (*why != NULL)
        return NULL;
    f = open_memstream(&text, &len);
    if (f == NULL)
        return NULL;
    if (format == SIGN_FORMAT_NGINX) {
        put_nginx(f, path, fields, n);
    } else if (format == SIGN_FORMAT_APACHE) {
        put_apache(f, path, fields, n);
    } else if (format == SIGN_FORMAT_JSON) {
        encoded = path != NULL ? sign_path_encode(path) : NULL;
        if (path == NULL || encoded != NULL)
            put_json(f, file, encoded, fields, n);
    } else {
        put_lines(f, fields, n);
    }
    whole = ferror(f) == 0;
    whole = fclose(f) == 0 && whole;
    if (whole && len > 0 && text[len - 1] == '\n') {
        free(encoded);
        return text;
    }
    if (whole && format == SIGN_FORMAT_JSON && (path == NULL || encoded != NULL))
        *why = "its name is not UTF-8, which JSON needs";
    free(encoded);
    free(text);
    return NULL;
}
