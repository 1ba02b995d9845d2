/* SPDX-License-Identifier: BSD-2-Clause
 *
 * event: see event.h.
 */
#include "audit/event.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/verifier_json.h"

static const struct {
    const char *name;
    bool is_text;
} columns[] = {
#define INT false
#define TEXT true
#define X(id, name, kind, sql) [AUDIT_##id] = {name, kind},
    AUDIT_COLUMNS(X)
#undef X
#undef INT
#undef TEXT
};

static const char *const kind_words[] = {[AUDIT_KIND_NONE] = "",
#define X(id, word, text) [AUDIT_KIND_##id] = word,
                                         AUDIT_KINDS(X)
#undef X
};

const char *audit_kind_word(enum audit_kind kind)
{
    return (unsigned)kind < AUDIT_KIND_COUNT ? kind_words[kind] : "";
}

const char *audit_column_name(enum audit_column column)
{
    return columns[column].name;
}

bool audit_column_is_text(enum audit_column column)
{
    return columns[column].is_text;
}

struct audit_event *audit_event_new(void)
{
    struct audit_event *event = calloc(1, sizeof(*event));

    if (event != NULL)
        event->bytes = sizeof(*event);
    return event;
}

void audit_event_free(struct audit_event **event)
{
    if (*event == NULL)
        return;
    for (unsigned i = 0; i < AUDIT_COLUMN_COUNT; i++)
        free((*event)->v[i].text);
    free(*event);
    *event = NULL;
}

void audit_event_take(struct audit_event *event, enum audit_column column, char *text)
{
    if (text == NULL)
        return;
    if (event->v[column].text != NULL) {
        event->bytes -= strlen(event->v[column].text) + 1;
        free(event->v[column].text);
    }
    event->v[column].text = text;
    event->bytes += strlen(text) + 1;
}

/* SQLite's text ends at a NUL for many of its functions, and terminals stumble over it. */
static json_t *event_without_nul(struct dive_span text)
{
    char *copy = malloc(text.n * 3 + 1);
    size_t n = 0;
    json_t *value;

    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\0') {
            copy[n++] = text.p[i];
            continue;
        }
        memcpy(copy + n, "\xef\xbf\xbd", 3);
        n += 3;
    }
    value = verifier_json_text(dive_span(copy, n));
    free(copy);
    return value;
}

int audit_event_text(struct audit_event *event, enum audit_column column, struct dive_span text)
{
    json_t *value;
    char *copy;

    if (text.p == NULL)
        return 0;
    if (text.n > AUDIT_TEXT_MAX)
        text.n = AUDIT_TEXT_MAX;
    value =
        memchr(text.p, '\0', text.n) != NULL ? event_without_nul(text) : verifier_json_text(text);
    copy = value != NULL ? strdup(json_string_value(value)) : NULL;
    json_decref(value);
    if (copy == NULL)
        return DIVE_E_NOMEM;
    audit_event_take(event, column, copy);
    return 0;
}

int audit_event_string(struct audit_event *event, enum audit_column column, const char *text)
{
    return text != NULL ? audit_event_text(event, column, dive_span_str(text)) : 0;
}

/* The members `name` of an array's objects, each once, ", " between them; `second` behind it, with
 * a "=", if it is given. malloc'd; NULL when there are none. */
static char *event_join(const json_t *array, const char *name, const char *second)
{
    char *joined = NULL;
    size_t n = 0, i;
    FILE *f = open_memstream(&joined, &n);
    const json_t *object;
    const char *last = "";

    if (f == NULL)
        return NULL;
    json_array_foreach(array, i, object)
    {
        const char *word = json_string_value(json_object_get(object, name));
        const char *value =
            second != NULL ? json_string_value(json_object_get(object, second)) : NULL;

        if (word == NULL || (second == NULL && strcmp(word, last) == 0))
            continue;
        fprintf(f, "%s%s", *last != '\0' ? ", " : "", word);
        if (value != NULL)
            fprintf(f, "=%s", value);
        last = word;
    }
    if (fclose(f) != 0 || n == 0 || n > AUDIT_TEXT_MAX) {
        free(joined);
        return NULL;
    }
    return joined;
}

void audit_event_derive(struct audit_event *event)
{
    json_t *proof, *trace;

    if (event->v[AUDIT_PROOF].text == NULL)
        return;
    proof = json_loads(event->v[AUDIT_PROOF].text, 0, NULL);
    trace = json_object_get(proof, "trace");
    if (event->v[AUDIT_KEY_IDS].text == NULL)
        audit_event_take(event, AUDIT_KEY_IDS,
                         event_join(json_object_get(trace, "entries"), "key-id", NULL));
    if (event->v[AUDIT_DIGESTS].text == NULL)
        audit_event_take(event, AUDIT_DIGESTS,
                         event_join(json_object_get(trace, "digests"), "algorithm", "computed"));
    json_decref(proof);
}
