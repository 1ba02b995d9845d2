/* SPDX-License-Identifier: BSD-2-Clause
 *
 * anchor: see anchor.h. Of the zone-file syntax (RFC 1035 section 5) it knows comments, parentheses
 * and white space; $-directives are refused, the records' own syntax is left to libunbound.
 */
#include "dns/anchor.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 8192

/* Does the record say DS or DNSKEY among its first fields (name, TTL, class, type in some order)?
 */
static bool is_anchor(const char *line)
{
    char copy[LINE_MAX_BYTES];
    char *rest = copy, *word;

    snprintf(copy, sizeof copy, "%s", line);
    for (int i = 0; i < 4 && (word = strtok_r(rest, " ", &rest)); i++) {
        if (i > 0 && (strcasecmp(word, "DS") == 0 || strcasecmp(word, "DNSKEY") == 0))
            return true;
    }
    return false;
}

static int add_line(struct anchor_list *out, const char *line, const char *name, unsigned number,
                    char *error, size_t error_size)
{
    if (!is_anchor(line)) {
        snprintf(error, error_size, "%s:%u: no DS or DNSKEY record: '%.60s'", name, number, line);
        return DIVE_E_SYNTAX;
    }
    if (out->n == ANCHOR_MAX) {
        snprintf(error, error_size, "%s: more than %d records", name, ANCHOR_MAX);
        return DIVE_E_LIMIT;
    }
    out->line[out->n] = strdup(line);
    if (!out->line[out->n]) {
        snprintf(error, error_size, "out of memory");
        return DIVE_E_NOMEM;
    }
    out->n++;
    return 0;
}

int anchor_parse(const char *text, size_t n, const char *name, struct anchor_list *out, char *error,
                 size_t error_size)
{
    char line[LINE_MAX_BYTES];
    size_t length = 0, depth = 0;
    unsigned number = 1;
    bool comment = false;

    out->n = 0;
    for (size_t i = 0; i <= n; i++) {
        char c = i < n ? text[i] : '\n';

        if (c == '\n')
            comment = false;
        if (c == ';')
            comment = true;
        if (comment)
            continue;
        if (c == '\0' || (c == ')' && depth == 0)) {
            snprintf(error, error_size, "%s:%u: malformed", name, number);
            return DIVE_E_SYNTAX;
        }
        depth += c == '(';
        depth -= c == ')';
        if (c == '\n' && depth == 0) {
            while (length > 0 && line[length - 1] == ' ')
                length--;
            line[length] = '\0';
            if (length > 0) {
                int r = add_line(out, line, name, number, error, error_size);

                if (r)
                    return r;
            }
            length = 0;
        } else if (strchr(" \t\r\n()", c)) {
            if (length > 0 && line[length - 1] != ' ')
                line[length++] = ' ';
        } else {
            line[length++] = c;
        }
        number += c == '\n';
        if (length >= sizeof line - 1) {
            snprintf(error, error_size, "%s:%u: record too long", name, number);
            return DIVE_E_LIMIT;
        }
    }
    if (depth > 0 || out->n == 0) {
        snprintf(error, error_size, "%s: %s", name,
                 depth > 0 ? "unclosed parenthesis" : "holds no trust anchor");
        return DIVE_E_SYNTAX;
    }
    return 0;
}

int anchor_read(const char *path, struct anchor_list *out, char *error, size_t error_size)
{
    FILE *file = NULL;
    char *text = NULL;
    size_t n;
    int r = DIVE_E_INTERNAL;

    out->n = 0;
    file = fopen(path, "re");
    if (!file) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        r = DIVE_E_NOT_FOUND;
        goto out;
    }
    text = malloc(ANCHOR_FILE_MAX + 1);
    if (!text) {
        snprintf(error, error_size, "out of memory");
        r = DIVE_E_NOMEM;
        goto out;
    }
    n = fread(text, 1, ANCHOR_FILE_MAX + 1, file);
    if (ferror(file)) { /* a directory, for example */
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        r = DIVE_E_NOT_FOUND;
        goto out;
    }
    if (n > ANCHOR_FILE_MAX) {
        snprintf(error, error_size, "%s: larger than %d bytes", path, ANCHOR_FILE_MAX);
        r = DIVE_E_LIMIT;
        goto out;
    }
    r = anchor_parse(text, n, path, out, error, error_size);
out:
    free(text);
    if (file)
        fclose(file);
    return r;
}

void anchor_clear(struct anchor_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->line[i]);
    list->n = 0;
}
