/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace_ring: the traces of the latest verdicts, by exchange id, for `divectl trace`. Bounded in
 * entries and in bytes; thread-safe.
 */
#ifndef DIVED_WORKER_TRACE_RING_H
#define DIVED_WORKER_TRACE_RING_H

#include <stddef.h>

#include "lib/error.h"

#define TRACE_RING_BYTES_MAX (64 * 1024) /* of one trace; a longer one is not kept */

struct trace_ring;

/* `entries` 0: nothing is kept. */
int trace_ring_new(struct trace_ring **out, size_t entries) DIVE_MUST_USE;
void trace_ring_free(struct trace_ring **ring);
/* Takes over `json` (malloc'd). The oldest entry goes. */
void trace_ring_put(struct trace_ring *ring, const char *id, char *json);
/* A malloc'd copy, the caller's; NULL when there is none of that id. */
char *trace_ring_get(struct trace_ring *ring, const char *id);

#endif
