/* SPDX-License-Identifier: BSD-2-Clause
 *
 * failing_malloc: a malloc for the unit tests that passes through to glibc's until it is told to
 * fail. glibc lets a program bring its own; a sanitizer, which does the same, doesn't: then
 * FAILING_MALLOC is 0 and the tests that need it are skipped.
 */
#ifndef FAILING_MALLOC_H
#define FAILING_MALLOC_H

#include <stdbool.h>
#include <stdlib.h>

#define FAILING_MALLOC 1
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#undef FAILING_MALLOC
#define FAILING_MALLOC 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#undef FAILING_MALLOC
#define FAILING_MALLOC 0
#endif

#if FAILING_MALLOC
/* `at` allocations succeed from now on, the next fails; with `sticky` all that follow it too. */
void failing_malloc_start(long at, bool sticky);
/* All succeed again. Returns how many have failed since the start. */
unsigned long failing_malloc_stop(void);
/* How many allocations have been made since the start, and how many the process holds. */
unsigned long failing_malloc_calls(void);
long failing_malloc_held(void);
#endif

#endif
