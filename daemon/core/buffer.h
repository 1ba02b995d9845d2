/* SPDX-License-Identifier: BSD-2-Clause
 *
 * buffer: a byte queue of bounded size: appended at the end, consumed at the front, contiguous. It
 * holds no memory while it is empty and released, so that an idle connection costs none.
 */
#ifndef DIVED_CORE_BUFFER_H
#define DIVED_CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *memory;
    size_t start, end, capacity;
};

static inline const char *buffer_data(const struct buffer *b)
{
    return b->memory != NULL ? b->memory + b->start : "";
}

static inline size_t buffer_length(const struct buffer *b)
{
    return b->end - b->start;
}

/* At least `n` writable bytes at the end (moving or growing what is there), or NULL when memory is
 * out or the content would pass `max`. buffer_written() makes them content. */
char *buffer_reserve(struct buffer *b, size_t n, size_t max);
void buffer_written(struct buffer *b, size_t n);
/* The writable bytes that are there without growing. */
size_t buffer_room(const struct buffer *b);

/* 0, or -1 when memory is out or the content would pass `max`; then nothing was appended. */
int buffer_append(struct buffer *b, const void *data, size_t n, size_t max)
    __attribute__((warn_unused_result));
void buffer_consume(struct buffer *b, size_t n);

/* Frees the memory, content included. The buffer can be used again. */
void buffer_release(struct buffer *b);

#endif
