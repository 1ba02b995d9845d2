/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The allocator of the unit tests: see failing_malloc.h. Not static: it takes the place of libc's.
 */
#include "failing_malloc.h"

#if FAILING_MALLOC

#include <errno.h>
#include <stdatomic.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static long countdown = -1; /* how many allocations still succeed; -1: all */
static bool stays;
static unsigned long failures, calls;
static atomic_long held; /* the tests of threads allocate in them */

void failing_malloc_start(long at, bool sticky)
{
    failures = calls = 0;
    stays = sticky;
    countdown = at;
}

unsigned long failing_malloc_stop(void)
{
    countdown = -1;
    return failures;
}

unsigned long failing_malloc_calls(void)
{
    return calls;
}

long failing_malloc_held(void)
{
    return held;
}

static bool fails(void)
{
    if (countdown < 0)
        return false;
    calls++;
    if (countdown > 0) {
        countdown--;
        return false;
    }
    if (!stays)
        countdown = -1;
    failures++;
    errno = ENOMEM;
    return true;
}

static void *count(void *p)
{
    if (p)
        held++;
    return p;
}

void *malloc(size_t n)
{
    return fails() ? NULL : count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    if (p == NULL)
        return malloc(n);
    return fails() ? NULL : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return realloc(p, bytes);
}

void free(void *p)
{
    if (p)
        held--;
    __libc_free(p);
}

#endif
