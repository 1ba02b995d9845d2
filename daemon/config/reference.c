/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reference: docs/configuration.md, written from the table of keys, so that neither can say what
 * the other doesn't.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/value.h"

static const char introduction[] =
    "# Configuration reference\n"
    "\n"
    "<!-- Written by `dived --config-reference` from daemon/config/schema.c; don't edit it here. "
    "-->\n"
    "\n"
    "`dived -c FILE` reads one YAML file. `dived --check -c FILE` reads it, says what is wrong "
    "with it\n"
    "and exits with 78 if anything is. SIGHUP reads it anew: a good one takes effect without "
    "dropping a\n"
    "connection, a bad one is reported and the old one stays.\n"
    "\n"
    "Every error is reported as `file:line:column: error: what is wrong and what to write`, up to "
    "20 at\n"
    "once. Unknown keys, keys given twice, values of the wrong type and contradictions are errors. "
    "What\n"
    "is legal but likely to surprise is a warning. Every key has a default except where it is "
    "marked as\n"
    "required; only `version` must be there.\n"
    "\n"
    "## Values\n"
    "\n"
    "- **Durations** are a whole number and a unit: `500ms`, `10s`, `5m`, `1h`. A number without a "
    "unit\n"
    "  is an error.\n"
    "- **Sizes** are a whole number and `KiB`, `MiB` or `GiB`; without a unit they are bytes.\n"
    "- **Booleans** are `true` and `false`.\n"
    "- **Addresses** are `ip:port`, with IPv6 in brackets and then in quotes: `\"[::1]:3128\"`. "
    "Names are\n"
    "  not looked up. Port 0 takes any free one.\n"
    "- **Networks** are `ip/bits`, without bits set past the prefix. An IPv4 network also covers "
    "its\n"
    "  v4-mapped IPv6 form.\n"
    "- **DNS servers** are `ip@port`; the port may be left out.\n"
    "- **Host globs** are `\"*\"` (every host), `\"*.example.com\"` (every name below example.com, "
    "at any\n"
    "  depth, but not example.com itself), or an exact name or IP address. They say nothing of "
    "ports.\n"
    "  A value that begins with `*` must be in quotes.\n"
    "- **Path globs** begin with `/` or `*`; each `*` stands for any characters, `/` too. The "
    "query isn't\n"
    "  looked at.\n"
    "- **Paths** of files are absolute, or relative to the folder of the configuration file. `~` "
    "and\n"
    "  variables are not expanded.\n"
    "- **null** stands for \"none\" where a key allows it.\n"
    "\n"
    "Of YAML there are maps, lists and scalars. Anchors, aliases, tags, several documents, more "
    "than\n"
    "1 MiB and nesting deeper than 16 are refused.\n"
    "\n"
    "## At the top\n";

static void print_range(FILE *out, const struct schema_key *key)
{
    char min[32], max[32];

    if (key->type == SCHEMA_DURATION) {
        value_format_duration(key->min, min, sizeof(min));
        value_format_duration(key->max, max, sizeof(max));
    } else if (key->type == SCHEMA_SIZE) {
        value_format_size(key->min, min, sizeof(min));
        value_format_size(key->max, max, sizeof(max));
    } else {
        snprintf(min, sizeof(min), "%lld", (long long)key->min);
        snprintf(max, sizeof(max), "%lld", (long long)key->max);
    }
    fprintf(out, ", %s to %s", min, max);
}

static void print_words(FILE *out, const char *const *words)
{
    const char *before = "";

    for (; *words; words++) {
        if (**words == '\0')
            continue;
        fprintf(out, "%s`%s`", before, *words);
        before = ", ";
    }
}

static void print_type(FILE *out, const struct schema_key *key)
{
    bool list = key->flags & SCHEMA_LIST;

    if (list)
        fprintf(out, "list of ");
    if (key->words)
        print_words(out, key->words);
    else
        fprintf(out, "%s", list ? schema_type_plural(key->type) : schema_type_word(key->type));
    if (key->max > key->min)
        print_range(out, key);
    if (key->flags & SCHEMA_NULLABLE)
        fprintf(out, ", or null");
}

static void print_key(FILE *out, const struct schema_key *key, bool *table)
{
    if (!*table)
        fprintf(out, "\n| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |\n");
    *table = true;
    fprintf(out, "| `%s` | ", key->path);
    print_type(out, key);
    if (key->flags & SCHEMA_REQUIRED)
        fprintf(out, " | required | ");
    else if (key->standard)
        fprintf(out, " | `%s` | ", key->standard);
    else
        fprintf(out, " | | ");
    fprintf(out, "%s |\n", key->help);
}

char *config_reference(void)
{
    char *text = NULL;
    size_t n = 0;
    bool table = false;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    fprintf(out, "%s", introduction);
    for (size_t i = 0; i < schema_count; i++) {
        const struct schema_key *key = &schema[i];
        bool top = !strchr(key->path, '.');

        if (top && (key->type == SCHEMA_SECTION || key->type == SCHEMA_ITEMS)) {
            fprintf(out, "\n## `%s`\n", key->path);
            table = false;
        }
        if (top && key->type == SCHEMA_SECTION)
            fprintf(out, "\n%s\n", key->help);
        else
            print_key(out, key, &table);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
