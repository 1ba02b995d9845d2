/* SPDX-License-Identifier: BSD-2-Clause
 *
 * buffer: bytes that grow up to a stated maximum. Private to libdive.
 *
 * The first failure sticks: later appends do nothing, and buffer_take() reports it. So a row of
 * appends needs one check at its end.
 */
#ifndef DIVE_BUFFER_H
#define DIVE_BUFFER_H

#include "error.h"

struct buffer {
    char *p; /* owned; not NUL-terminated before buffer_take() */
    size_t n, capacity, max;
    int error; /* 0, DIVE_E_NOMEM, or DIVE_E_LIMIT once `max` was exceeded */
};

#define BUFFER_INIT(max_bytes) ((struct buffer){.max = (max_bytes)})

void buffer_add(struct buffer *buffer, const void *data, size_t n);
void buffer_add_str(struct buffer *buffer, const char *s);
void buffer_free(struct buffer *buffer);

/* Hands the bytes over, NUL-terminated, malloc'd, the caller's; `buffer` is then empty. The error
 * that stuck otherwise, with *out NULL. */
int buffer_take(struct buffer *buffer, char **out, size_t *len) DIVE_MUST_USE;

#endif
