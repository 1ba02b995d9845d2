/* SPDX-License-Identifier: BSD-2-Clause
 *
 * buffer: see buffer.h. Always holds one byte more than it counts, for the NUL.
 */
#include "buffer.h"

#include <stdlib.h>

#define BUFFER_FIRST 512

static int grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_FIRST;
    char *p;

    while (capacity < needed)
        capacity *= 2; /* `needed` is at most max + 1: no overflow */
    p = realloc(buffer->p, capacity);
    if (p == NULL)
        return DIVE_E_NOMEM;
    buffer->p = p;
    buffer->capacity = capacity;
    return 0;
}

void buffer_add(struct buffer *buffer, const void *data, size_t n)
{
    if (buffer->error != 0)
        return;
    if (n > buffer->max - buffer->n) {
        buffer->error = DIVE_E_LIMIT;
        return;
    }
    if (buffer->n + n + 1 > buffer->capacity) {
        buffer->error = grow(buffer, buffer->n + n + 1);
        if (buffer->error != 0)
            return;
    }
    if (n > 0)
        memcpy(buffer->p + buffer->n, data, n);
    buffer->n += n;
}

void buffer_add_str(struct buffer *buffer, const char *s)
{
    buffer_add(buffer, s, strlen(s));
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->p);
    buffer->p = NULL;
    buffer->n = buffer->capacity = 0;
}

int buffer_take(struct buffer *buffer, char **out, size_t *len)
{
    *out = NULL;
    *len = 0;
    buffer_add(buffer, NULL, 0); /* room for the NUL even if nothing was ever added */
    if (buffer->error != 0)
        return buffer->error;
    buffer->p[buffer->n] = '\0';
    *out = buffer->p;
    *len = buffer->n;
    buffer->p = NULL;
    buffer->n = buffer->capacity = 0;
    return 0;
}
