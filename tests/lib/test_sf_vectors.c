/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every case of the HTTP working group's structured-field-tests: what must parse, to which value,
 * what must fail, and the canonical text of what parsed. The files lie outside the tree
 * ($DIVE_VECTORS, by default
 * ../shared/vectors).
 */
#include <criterion/criterion.h>

#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/message.h"
#include "lib/sf.h"

#define FILES_EXPECTED 12 /* as of the copy that this was written against; more are welcome */
#define CASES_EXPECTED 198

struct where {
    const char *file, *name; /* for messages */
};

/* RFC 4648 section 6, as the vectors write bytes. Returns the length, or -1. */
static ssize_t base32_decode(const char *text, unsigned char *out, size_t size)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint64_t bits = 0;
    unsigned held = 0;
    size_t n = 0;

    for (; *text != '\0' && *text != '='; text++) {
        const char *digit = strchr(alphabet, *text);

        if (digit == NULL || n == size)
            return -1;
        bits = bits << 5 | (uint64_t)(digit - alphabet);
        held += 5;
        if (held >= 8) {
            held -= 8;
            out[n++] = (unsigned char)(bits >> held);
        }
    }
    return (ssize_t)n;
}

static void check_text(struct where at, struct dive_span actual, const void *text, size_t n)
{
    cr_assert(actual.n == n && (n == 0 || memcmp(actual.p, text, n) == 0), "%s: %s: text differs",
              at.file, at.name);
}

static void check_typed(struct where at, const struct dive_sf_bare *bare, const json_t *expected)
{
    const char *type = json_string_value(json_object_get(expected, "__type"));
    const json_t *value = json_object_get(expected, "value");
    unsigned char bytes[4096];
    ssize_t n;

    cr_assert_not_null(type, "%s: %s", at.file, at.name);
    if (strcmp(type, "date") == 0) {
        cr_assert_eq(bare->type, DIVE_SF_DATE, "%s: %s", at.file, at.name);
        cr_assert_eq(bare->integer, json_integer_value(value), "%s: %s", at.file, at.name);
    } else if (strcmp(type, "binary") == 0) {
        n = base32_decode(json_string_value(value), bytes, sizeof bytes);
        cr_assert_geq(n, 0, "%s: %s", at.file, at.name);
        cr_assert_eq(bare->type, DIVE_SF_BYTES, "%s: %s", at.file, at.name);
        check_text(at, bare->text, bytes, (size_t)n);
    } else {
        cr_assert(strcmp(type, "token") == 0 || strcmp(type, "displaystring") == 0, "%s", type);
        cr_assert_eq(bare->type, *type == 't' ? DIVE_SF_TOKEN : DIVE_SF_DISPLAY, "%s: %s", at.file,
                     at.name);
        check_text(at, bare->text, json_string_value(value), json_string_length(value));
    }
}

/* To the nearest: the vectors' decimals have at most three digits after the point. */
static int64_t thousandths(const json_t *real)
{
    double value = json_real_value(real) * 1000;

    return (int64_t)(value < 0 ? value - 0.5 : value + 0.5);
}

static void check_bare(struct where at, const struct dive_sf_bare *bare, const json_t *expected)
{
    switch (json_typeof(expected)) {
    case JSON_OBJECT:
        check_typed(at, bare, expected);
        return;
    case JSON_STRING:
        cr_assert_eq(bare->type, DIVE_SF_STRING, "%s: %s", at.file, at.name);
        check_text(at, bare->text, json_string_value(expected), json_string_length(expected));
        return;
    case JSON_INTEGER:
        cr_assert_eq(bare->type, DIVE_SF_INTEGER, "%s: %s", at.file, at.name);
        cr_assert_eq(bare->integer, json_integer_value(expected), "%s: %s", at.file, at.name);
        return;
    case JSON_REAL:
        cr_assert_eq(bare->type, DIVE_SF_DECIMAL, "%s: %s", at.file, at.name);
        cr_assert_eq(bare->thousandths, thousandths(expected), "%s: %s", at.file, at.name);
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        cr_assert_eq(bare->type, DIVE_SF_BOOLEAN, "%s: %s", at.file, at.name);
        cr_assert_eq(bare->boolean, json_is_true(expected), "%s: %s", at.file, at.name);
        return;
    default:
        cr_assert_fail("%s: %s: a value of no known type", at.file, at.name);
    }
}

static void check_params(struct where at, const struct dive_sf_params *params,
                         const json_t *expected)
{
    cr_assert_eq(params->n, json_array_size(expected), "%s: %s", at.file, at.name);
    for (size_t i = 0; i < params->n; i++) {
        const json_t *pair = json_array_get(expected, i);

        cr_assert(dive_span_eq(params->v[i].key, json_string_value(json_array_get(pair, 0))),
                  "%s: %s: key of a parameter", at.file, at.name);
        check_bare(at, &params->v[i].value, json_array_get(pair, 1));
    }
}

/* `expected`: [bare item or array of items, parameters]. */
static void check_member(struct where at, const struct dive_sf_member *m, const json_t *expected)
{
    const json_t *value = json_array_get(expected, 0);

    cr_assert_eq(json_array_size(expected), 2u, "%s: %s", at.file, at.name);
    check_params(at, &m->params, json_array_get(expected, 1));
    cr_assert_eq(m->is_inner_list, json_is_array(value), "%s: %s", at.file, at.name);
    if (!m->is_inner_list) {
        check_bare(at, &m->bare, value);
        return;
    }
    cr_assert_eq(m->n_items, json_array_size(value), "%s: %s", at.file, at.name);
    for (size_t i = 0; i < m->n_items; i++) {
        const json_t *item = json_array_get(value, i);

        check_bare(at, &m->items[i].bare, json_array_get(item, 0));
        check_params(at, &m->items[i].params, json_array_get(item, 1));
    }
}

static void check_field(struct where at, const struct dive_sf *sf, const json_t *expected)
{
    if (sf->kind == DIVE_SF_ITEM) {
        cr_assert_eq(sf->n, 1u);
        check_member(at, &sf->members[0], expected);
        return;
    }
    cr_assert_eq(sf->n, json_array_size(expected), "%s: %s", at.file, at.name);
    for (size_t i = 0; i < sf->n; i++) {
        const json_t *member = json_array_get(expected, i);

        if (sf->kind == DIVE_SF_DICTIONARY) {
            cr_assert(
                dive_span_eq(sf->members[i].key, json_string_value(json_array_get(member, 0))),
                "%s: %s: key", at.file, at.name);
            member = json_array_get(member, 1);
        }
        check_member(at, &sf->members[i], member);
    }
}

/* `canonical`: at most one line, or absent: then the text that was parsed was canonical. */
static void check_canonical(struct where at, const struct dive_sf *sf, const json_t *canonical,
                            struct dive_span raw)
{
    char *out;
    size_t len;

    cr_assert_eq(dive_sf_serialize(sf, &out, &len), 0, "%s: %s", at.file, at.name);
    cr_assert_eq(len, strlen(out));
    if (canonical != NULL) {
        const json_t *line = json_array_get(canonical, 0);

        raw = line == NULL ? dive_span("", 0)
                           : dive_span(json_string_value(line), json_string_length(line));
    }
    cr_assert(dive_span_eq(raw, out), "%s: %s: serialised as %s", at.file, at.name, out);
    free(out);
}

static enum dive_sf_kind kind_of(struct where at, const json_t *test)
{
    const char *type = json_string_value(json_object_get(test, "header_type"));

    if (strcmp(type, "item") == 0)
        return DIVE_SF_ITEM;
    if (strcmp(type, "list") == 0)
        return DIVE_SF_LIST;
    cr_assert_str_eq(type, "dictionary", "%s: %s", at.file, at.name);
    return DIVE_SF_DICTIONARY;
}

static void run_case(const char *file, const json_t *test)
{
    struct where at = {file, json_string_value(json_object_get(test, "name"))};
    const json_t *raw = json_object_get(test, "raw");
    const json_t *expected = json_object_get(test, "expected");
    struct dive_field lines[16];
    struct dive_fields fields = {lines, json_array_size(raw)};
    struct dive_sf *sf;
    size_t len, error_at = SIZE_MAX;
    char *joined;
    int r;

    cr_assert_leq(fields.n, sizeof lines / sizeof lines[0]);
    for (size_t i = 0; i < fields.n; i++) {
        const json_t *line = json_array_get(raw, i);

        lines[i] = (struct dive_field){
            dive_span_str("Test"), dive_span(json_string_value(line), json_string_length(line))};
    }
    cr_assert_eq(dive_fields_join(&fields, "test", &joined, &len), 0);
    r = dive_sf_parse(&sf, kind_of(at, test), dive_span(joined, len), 0, &error_at);
    if (json_is_true(json_object_get(test, "must_fail"))) {
        cr_assert_eq(r, DIVE_E_SYNTAX, "%s: %s: has to fail", at.file, at.name);
        cr_assert_null(sf);
        cr_assert_leq(error_at, len, "%s: %s", at.file, at.name);
    } else if (r != 0) {
        cr_assert(json_is_true(json_object_get(test, "can_fail")), "%s: %s: fails at %zu", at.file,
                  at.name, error_at);
    } else {
        cr_assert_not_null(expected, "%s: %s", at.file, at.name);
        check_field(at, sf, expected);
        check_canonical(at, sf, json_object_get(test, "canonical"), dive_span(joined, len));
    }
    dive_sf_free(&sf);
    free(joined);
}

static size_t run_file(const char *path)
{
    json_error_t error;
    json_t *tests = json_load_file(path, JSON_ALLOW_NUL, &error);
    size_t n = json_array_size(tests);

    cr_assert_not_null(tests, "%s:%d: %s", path, error.line, error.text);
    for (size_t i = 0; i < n; i++)
        run_case(strrchr(path, '/') + 1, json_array_get(tests, i));
    json_decref(tests);
    return n;
}

Test(sf_vectors, every_case)
{
    const char *root = getenv("DIVE_VECTORS");
    char directory[4096], pattern[4112];
    glob_t found = {0};
    size_t cases = 0;

    snprintf(directory, sizeof directory, "%s/structured-fields",
             root != NULL && *root != '\0' ? root : "../shared/vectors");
    if (access(directory, R_OK) != 0) {
        fprintf(stderr, "SKIPPED: structured field vectors: %s can't be read; set DIVE_VECTORS\n",
                directory);
        cr_skip_test("no test vectors in %s", directory);
    }
    snprintf(pattern, sizeof pattern, "%s/*.json", directory);
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        cases += run_file(found.gl_pathv[i]);
    cr_assert_geq(found.gl_pathc, (size_t)FILES_EXPECTED);
    cr_assert_geq(cases, (size_t)CASES_EXPECTED);
    globfree(&found);
}
