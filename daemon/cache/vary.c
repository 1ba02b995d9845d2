/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vary: see vary.h. The values of a request are written out in a normal form that keeps apart what
 * an origin may tell apart, and that text is hashed: by SHA-256, since clients choose the values
 * and may not make theirs collide with another client's.
 */
#include <openssl/evp.h>
#include <stdlib.h>

#include "cache/vary.h"
#include "http/chars.h"
#include "http/writer.h"

enum { TEXT_MAX = 131072, SORT_MAX = 32 };

struct names {
    struct dive_span v[VARY_NAMES_MAX];
    size_t n;
};

static bool has_name(const struct names *names, struct dive_span name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (dive_span_caseeq(names->v[i], name))
            return true;
    }
    return false;
}

static int gather(struct names *names, const struct http_head *response)
{
    for (size_t i = 0; i < response->n_fields; i++) {
        struct dive_span rest = response->fields[i].value, member;
        if (!http_is_name(response->fields[i].name, "vary"))
            continue;
        while (http_list_next(&rest, &member)) {
            if (dive_span_eq(member, "*") || !http_name_is_valid(member))
                return HTTP_E_FIELD_NAME;
            if (has_name(names, member))
                continue;
            if (names->n == VARY_NAMES_MAX)
                return HTTP_E_TOO_MANY_FIELDS;
            names->v[names->n++] = member;
        }
    }
    return 0;
}

/* As lower case compares, and a prefix before what it begins. */
static int compare_names(const void *a, const void *b)
{
    const struct dive_span *x = a, *y = b;

    for (size_t i = 0; i < x->n && i < y->n; i++) {
        int d = (unsigned char)http_lower(x->p[i]) - (unsigned char)http_lower(y->p[i]);
        if (d != 0)
            return d;
    }
    return (x->n > y->n) - (x->n < y->n);
}

int vary_of_response(char out[VARY_SIZE], const struct http_head *response)
{
    struct names names = {.n = 0};
    size_t n = 0;
    int r = HTTP_E_INTERNAL;

    out[0] = '\0';
    r = gather(&names, response);
    if (r != 0)
        return r;
    if (names.n > 1)
        qsort(names.v, names.n, sizeof(names.v[0]), compare_names);
    for (size_t i = 0; i < names.n; i++) {
        if (n + names.v[i].n + 2 > VARY_SIZE) {
            out[0] = '\0';
            return HTTP_E_TOO_MANY_FIELDS;
        }
        if (i > 0)
            out[n++] = ',';
        for (size_t j = 0; j < names.v[i].n; j++)
            out[n++] = http_lower(names.v[i].p[j]);
    }
    out[n] = '\0';
    return 0;
}

/* How the value of a field may be rewritten without changing what it means. */
struct form {
    bool weighted; /* white space around ";" means nothing */
    bool fold;     /* nor does case */
    bool sort;     /* nor does order */
};

/* Accept-Language isn't sorted: origins do take the first of equals. Parameters of media types can
 * be case-sensitive. */
static struct form form_of(struct dive_span name)
{
    if (http_is_name(name, "accept-encoding") || http_is_name(name, "accept-charset"))
        return (struct form){true, true, true};
    if (http_is_name(name, "accept-language"))
        return (struct form){true, true, false};
    return (struct form){.weighted = http_is_name(name, "accept")};
}

/* The value with white space around separators left out, what is in quotes kept as it is. */
static int add_value(struct http_buffer *b, struct dive_span value, struct form form)
{
    char *text = malloc(value.n + 1);
    bool quoted = false;
    size_t n = 0;
    int r = HTTP_E_NOMEM;

    if (text == NULL)
        return r;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (quoted) {
            text[n++] = c;
            if (c == '\\' && i + 1 < value.n)
                text[n++] = value.p[++i];
            else if (c == '"')
                quoted = false;
        } else if (c == ',' || (c == ';' && form.weighted)) {
            while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
                n--;
            text[n++] = c;
            while (i + 1 < value.n && (value.p[i + 1] == ' ' || value.p[i + 1] == '\t'))
                i++;
        } else {
            quoted = c == '"';
            text[n++] = form.fold ? http_lower(c) : c;
        }
    }
    r = http_buffer_add(b, text, n);
    free(text);
    return r;
}

static int compare_members(const void *a, const void *b)
{
    const struct dive_span *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int d = n > 0 ? memcmp(x->p, y->p, n) : 0;

    return d != 0 ? d : (x->n > y->n) - (x->n < y->n);
}

/* Sorts the members of the list that begins at `start`; one with very many stays as it is. */
static int sort_members(struct http_buffer *b, size_t start)
{
    struct dive_span members[SORT_MAX], rest = dive_span(b->p + start, b->n - start);
    struct http_buffer sorted;
    size_t n = 0;
    int r = 0;

    while (n < SORT_MAX && http_list_next(&rest, &members[n]))
        n++;
    if (rest.n > 0 || n < 2)
        return 0;
    qsort(members, n, sizeof(members[0]), compare_members);
    http_buffer_init(&sorted, TEXT_MAX);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (i > 0)
            r = http_buffer_add(&sorted, ",", 1);
        if (r == 0)
            r = http_buffer_add(&sorted, members[i].p, members[i].n);
    }
    if (r == 0) {
        b->n = start;
        r = http_buffer_add(b, sorted.p, sorted.n);
    }
    http_buffer_clear(&sorted);
    return r;
}

/* "name+value\n" or "name-\n": no value holds a line end. */
static int add_field(struct http_buffer *b, const struct http_head *request, struct dive_span name)
{
    struct form form = form_of(name);
    bool any = false;
    size_t start = 0;
    int r = http_buffer_add(b, name.p, name.n);

    for (size_t i = 0; r == 0 && i < request->n_fields; i++) {
        if (!dive_span_caseeq(request->fields[i].name, name))
            continue;
        r = http_buffer_add(b, any ? "," : "+", 1);
        if (!any)
            start = b->n;
        any = true;
        if (r == 0)
            r = add_value(b, request->fields[i].value, form);
    }
    if (r == 0 && any && form.sort)
        r = sort_members(b, start);
    return r == 0 ? http_buffer_add(b, any ? "\n" : "-\n", any ? 1 : 2) : r;
}

static uint64_t hash_of(const struct http_buffer *b)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    uint64_t hash = 0;

    if (EVP_Digest(b->p, b->n, digest, &n, EVP_sha256(), NULL) != 1 || n < 8)
        return 0;
    for (size_t i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return hash == 0 ? 1 : hash;
}

uint64_t vary_hash(const struct http_head *request, const char *vary)
{
    struct dive_span rest = dive_span_str(vary), name;
    struct http_buffer b;
    uint64_t hash = 0;
    int r = 0;

    http_buffer_init(&b, TEXT_MAX);
    while (r == 0 && http_list_next(&rest, &name))
        r = add_field(&b, request, name);
    if (r == 0 && b.n > 0)
        hash = hash_of(&b);
    http_buffer_clear(&b);
    return hash;
}
