/* SPDX-License-Identifier: BSD-2-Clause
 *
 * error: the result codes and the byte span that every call of libdive shares.
 *
 * A call that can fail returns 0 or one of the negative codes below. A code is never a verdict:
 * whether a resource is authentic is said by enum dive_verdict alone (verifier.h).
 */
#ifndef DIVE_ERROR_H
#define DIVE_ERROR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIVE_MUST_USE __attribute__((warn_unused_result))

/* What stands between the two is the public interface: C names in C++ too, and exported. Everything
 * else is compiled with hidden visibility (lib/install.mk). */
/* clang-format off */
#ifdef __cplusplus
#define DIVE_API_BEGIN extern "C" { _Pragma("GCC visibility push(default)")
#define DIVE_API_END _Pragma("GCC visibility pop") }
#else
#define DIVE_API_BEGIN _Pragma("GCC visibility push(default)")
#define DIVE_API_END _Pragma("GCC visibility pop")
#endif
/* clang-format on */

DIVE_API_BEGIN

enum dive_error {
    DIVE_OK = 0,
    DIVE_E_INTERNAL = -1,    /* a bug, or a library below us failed for no stated reason */
    DIVE_E_NOMEM = -2,       /* allocation failed; nothing changed */
    DIVE_E_SYNTAX = -3,      /* the input is not in the grammar */
    DIVE_E_LIMIT = -4,       /* the input exceeds a documented maximum */
    DIVE_E_TYPE = -5,        /* well-formed, but a value of the wrong type or out of range */
    DIVE_E_UNSUPPORTED = -6, /* well-formed, but not something that we implement or permit */
    DIVE_E_NOT_FOUND = -7,   /* what was asked for isn't there */
    DIVE_E_MISMATCH = -8,    /* a signature or digest is not that of the data */
    DIVE_E_STATE = -9,       /* the call is not allowed in this state of the object */
};

/* One line of English for `error`; static storage, never NULL. */
const char *dive_strerror(int error);

/* Bytes that somebody else owns. Not NUL-terminated. `p` may be NULL only if `n` is 0. */
struct dive_span {
    const char *p;
    size_t n;
};

/* The `n` bytes at `p`, and the characters of the C string `s`. Borrowed. */
static inline struct dive_span dive_span(const void *p, size_t n)
{
    struct dive_span span = {(const char *)p, n};

    return span;
}

static inline struct dive_span dive_span_str(const char *s)
{
    struct dive_span span = {s, strlen(s)};

    return span;
}

/* 1 when `a` is the characters of `s`, byte for byte; else 0. */
static inline int dive_span_eq(struct dive_span a, const char *s)
{
    return a.n == strlen(s) && (a.n == 0 || memcmp(a.p, s, a.n) == 0);
}

/* ASCII case-insensitive equality, for field and host names: 1 when equal, else 0. */
int dive_span_caseeq(struct dive_span a, struct dive_span b);

DIVE_API_END

#endif
