/* SPDX-License-Identifier: BSD-2-Clause
 *
 * arena: memory that is freed at once: a configuration and all that it points to, or a tree of
 * nodes. Zeroed memory is an empty arena. Not thread-safe.
 */
#ifndef DIVED_CONFIG_ARENA_H
#define DIVED_CONFIG_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
};

/* Zeroed, aligned for any object, valid until arena_free(). NULL without memory. n may be 0. */
void *arena_alloc(struct arena *arena, size_t n);
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A NUL-terminated copy. */
char *arena_strndup(struct arena *arena, const char *s, size_t n);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);

#endif
