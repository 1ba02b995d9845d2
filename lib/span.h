/* SPDX-License-Identifier: BSD-2-Clause
 *
 * span: small moves on byte spans that several parsers of field values share. Private to libdive.
 */
#ifndef DIVE_SPAN_H
#define DIVE_SPAN_H

#include <stdbool.h>

#include "error.h"

/* White space in field values (RFC 9110 section 5.6.3). */
static inline bool span_is_space(char c)
{
    return c == ' ' || c == '\t';
}

static inline struct dive_span span_trim(struct dive_span s)
{
    while (s.n > 0 && span_is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && span_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static inline bool span_same(struct dive_span a, struct dive_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Splits `s` at the first `c`: what stands before goes to *head, what follows stays in *s. False,
 * and then *head is the whole and *s empty, when there is no `c`. */
static inline bool span_split(struct dive_span *s, char c, struct dive_span *head)
{
    const char *at = s->n > 0 ? (const char *)memchr(s->p, c, s->n) : NULL;

    *head = *s;
    if (at == NULL) {
        *s = dive_span(NULL, 0);
        return false;
    }
    head->n = (size_t)(at - s->p);
    *s = dive_span(at + 1, s->n - head->n - 1);
    return true;
}

#endif
