/* SPDX-License-Identifier: BSD-2-Clause
 *
 * source: where the content that goes to the client is read from: a hold of this exchange, a hold
 * that another exchange fills, or a stored object. A plain value; it borrows what it points to.
 */
#ifndef DIVED_EXCHANGE_SOURCE_H
#define DIVED_EXCHANGE_SOURCE_H

#include "cache/object.h"
#include "hold/hold.h"

struct source {
    struct hold *hold;           /* ours, or another's (`shared`); or NULL */
    const struct object *object; /* or NULL */
    bool shared;
    uint64_t published; /* shared: what could be read when that was last looked at */
};

/* Content bytes that can be read now. */
uint64_t source_size(const struct source *source);
/* As hold_peek() and hold_file(). */
void source_peek(const struct source *source, uint64_t offset, const void **ptr, size_t *len);
void source_file(const struct source *source, uint64_t offset, int *fd, off_t *position,
                 uint64_t *len);
/* Copies exactly `n` bytes that are there. 0, or an errno. */
int source_read(const struct source *source, uint64_t offset, void *to, size_t n) DIVE_MUST_USE;
/* Bytes before `offset` were sent, and nobody else needs them from memory. A hint. */
void source_read_done(const struct source *source, uint64_t offset);

#endif
