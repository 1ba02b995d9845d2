/* SPDX-License-Identifier: BSD-2-Clause
 *
 * message: several field lines of one name are one value (RFC 9110 section 5.3).
 */
#include "message.h"

#include <stdlib.h>

static const struct dive_span separator = {", ", 2};

/* The length of the joined value; *lines is how many there are. */
static int measure(const struct dive_fields *fields, struct dive_span name, size_t *len,
                   size_t *lines)
{
    *len = 0;
    *lines = 0;
    for (size_t i = 0; i < fields->n; i++) {
        const struct dive_field *f = &fields->v[i];
        size_t n = *lines == 0 ? 0 : separator.n;

        if (!dive_span_caseeq(f->name, name))
            continue;
        /* Neither subtraction can wrap: *len never exceeds the maximum. */
        if (n > DIVE_FIELD_JOINED_MAX - *len || f->value.n > DIVE_FIELD_JOINED_MAX - *len - n)
            return DIVE_E_LIMIT;
        *len += n + f->value.n;
        ++*lines;
    }
    return *lines == 0 ? DIVE_E_NOT_FOUND : 0;
}

static char *append(char *to, struct dive_span from)
{
    if (from.n != 0)
        memcpy(to, from.p, from.n);
    return to + from.n;
}

int dive_fields_join(const struct dive_fields *fields, const char *name, char **out, size_t *len)
{
    struct dive_span wanted = dive_span_str(name);
    size_t n, lines;
    char *to;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    *len = 0;
    r = measure(fields, wanted, &n, &lines);
    if (r != 0)
        return r;
    to = malloc(n + 1);
    if (to == NULL)
        return DIVE_E_NOMEM;
    *out = to;
    *len = n;
    for (size_t i = 0; lines != 0; i++) {
        if (!dive_span_caseeq(fields->v[i].name, wanted))
            continue;
        to = append(to, fields->v[i].value);
        if (--lines != 0)
            to = append(to, separator);
    }
    *to = '\0';
    return 0;
}
