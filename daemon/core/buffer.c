/* SPDX-License-Identifier: BSD-2-Clause
 *
 * buffer: see buffer.h.
 */
#include "core/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_MINIMUM 2048

static void buffer_compact(struct buffer *b)
{
    size_t length = buffer_length(b);

    if (b->start == 0)
        return;
    if (length > 0)
        memmove(b->memory, b->memory + b->start, length);
    b->start = 0;
    b->end = length;
}

char *buffer_reserve(struct buffer *b, size_t n, size_t max)
{
    size_t length = buffer_length(b);
    size_t capacity;
    char *memory;

    if (n > max || length > max - n)
        return NULL;
    if (b->capacity - b->end >= n && b->memory != NULL)
        return b->memory + b->end;
    buffer_compact(b);
    if (b->capacity - b->end >= n && b->memory != NULL)
        return b->memory + b->end;
    capacity = b->capacity > 0 ? b->capacity : BUFFER_MINIMUM;
    while (capacity < length + n)
        capacity = capacity > max / 2 ? max : capacity * 2;
    memory = realloc(b->memory, capacity);
    if (memory == NULL)
        return NULL;
    b->memory = memory;
    b->capacity = capacity;
    return b->memory + b->end;
}

void buffer_written(struct buffer *b, size_t n)
{
    assert(n <= b->capacity - b->end);
    b->end += n;
}

size_t buffer_room(const struct buffer *b)
{
    return b->capacity - b->end;
}

int buffer_append(struct buffer *b, const void *data, size_t n, size_t max)
{
    char *to;

    if (n == 0)
        return 0;
    to = buffer_reserve(b, n, max);
    if (to == NULL)
        return -1;
    memcpy(to, data, n);
    buffer_written(b, n);
    return 0;
}

void buffer_consume(struct buffer *b, size_t n)
{
    assert(n <= buffer_length(b));
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buffer_release(struct buffer *b)
{
    free(b->memory);
    *b = (struct buffer){0};
}
