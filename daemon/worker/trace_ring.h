/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace_ring: the traces of the latest verdicts, by exchange id, for `divectl trace`. Bounded in
 * entries and in bytes; thread-safe.
 */
#ifndef DIVED_WORKER_TRACE_RING_H
#define DIVED_WORKER_TRACE_RING_H

#include <stddef.h>

#include "lib/error.h"

#define TRACE_RING_BYTES_MAX                                                                       \
    (64 * 1024)                         /* of one trace, NUL included; a longer one is not kept    \
                                         */
#define TRACE_RING_TOTAL_MAX (32 << 20) /* bytes of all of them */
#define TRACE_RING_ID_SIZE 64           /* of an id, NUL included; a longer one is not kept */

struct trace_ring;

/* `entries` 0: nothing is kept. */
int trace_ring_new(struct trace_ring **out, size_t entries) DIVE_MUST_USE;
void trace_ring_free(struct trace_ring **ring);
/* Takes over `json` (malloc'd). The oldest entries go when there are too many or too large ones.
 * Without memory, and past the limits of one trace, nothing is kept and nothing goes. */
void trace_ring_put(struct trace_ring *ring, const char *id, char *json);

/* A trace that is made when it is asked for: of most nobody ever asks. */
struct trace_source {
    char *(*render)(void *arg); /* malloc'd JSON, or NULL; from any thread, one at a time */
    void (*free)(void *arg);    /* from any thread */
    void *arg;
    size_t size; /* bytes that it takes, for the limit of all */
};
/* As trace_ring_put(); takes over `source->arg`, and may free it before it returns. */
void trace_ring_put_source(struct trace_ring *ring, const char *id,
                           const struct trace_source *source);
/* A malloc'd copy, the caller's; NULL when there is none of that id, or no memory. Of several with
 * one id: the latest. */
char *trace_ring_get(struct trace_ring *ring, const char *id);

#endif
