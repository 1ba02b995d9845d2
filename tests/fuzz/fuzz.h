/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fuzz: what the fuzz targets share: a check that no build leaves out, and the way from one input
 * to several arguments.
 */
#ifndef DIVE_FUZZ_H
#define DIVE_FUZZ_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The invariant of a target; libFuzzer and the replay both take abort() as a finding. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* What is left of the input. */
struct fuzz {
    const uint8_t *p;
    size_t n;
};

/* The next byte, 0 at the end. */
static inline uint8_t fuzz_byte(struct fuzz *f)
{
    if (f->n == 0)
        return 0;
    f->n--;
    return *f->p++;
}

/* Everything up to the next `stop` byte, which is skipped. */
static inline struct dive_span fuzz_until(struct fuzz *f, char stop)
{
    const uint8_t *end = f->n > 0 ? memchr(f->p, stop, f->n) : NULL;
    size_t len = end ? (size_t)(end - f->p) : f->n;
    struct dive_span s = dive_span(len > 0 ? (const void *)f->p : "", len);

    f->p += len + (end != NULL);
    f->n -= len + (end != NULL);
    return s;
}

/* A copy in a block of exactly its size, so that the sanitizer sees a read past its end. free(3).
 */
static inline char *fuzz_copy(const void *p, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);

    CHECK(copy != NULL);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

static inline bool fuzz_same(struct dive_span a, struct dive_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#endif
