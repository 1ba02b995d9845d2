/* SPDX-License-Identifier: BSD-2-Clause
 *
 * arena: blocks of at least 16 KiB, filled from the front.
 */
#include "config/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (16 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

void *arena_alloc(struct arena *arena, size_t n)
{
    struct arena_block *block = arena->blocks;

    if (n > SIZE_MAX / 2)
        return NULL;
    n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (n == 0)
        n = alignof(max_align_t);
    if (!block || block->size - block->used < n) {
        size_t size = n > BLOCK_SIZE ? n : BLOCK_SIZE;

        block = calloc(1, sizeof(*block) + size);
        if (!block)
            return NULL;
        block->size = size;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    block->used += n;
    return block->bytes + block->used - n;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    return arena_alloc(arena, n);
}

char *arena_strndup(struct arena *arena, const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? arena_alloc(arena, n + 1) : NULL;

    if (copy && n > 0)
        memcpy(copy, s, n);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    char *copy = NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n >= 0)
        copy = arena_alloc(arena, (size_t)n + 1);
    if (!copy)
        return NULL;
    va_start(ap, format);
    vsnprintf(copy, (size_t)n + 1, format, ap);
    va_end(ap);
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
}
