/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_policy: what the files of this harness share: a trace, and policies that are shown it.
 */
#ifndef BENCH_CACHE_POLICY_H
#define BENCH_CACHE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace {
    const char *name;
    uint32_t *request; /* object numbers */
    size_t n;
    uint32_t *size; /* bytes, by object */
    uint32_t objects;
    uint64_t footprint; /* bytes of all objects that are asked for */
    uint32_t *next;     /* by request: when its object is asked for again; UINT32_MAX: never */
};

struct hits {
    uint64_t objects, bytes;
};

/* Shows the whole trace to the policy in a cache of `capacity` bytes, empty at first. */
typedef void policy_fn(struct hits *hits, const struct trace *trace, uint64_t capacity);

policy_fn policy_lru, policy_tinylfu, policy_gdsf, policy_belady, policy_belady_size;

/* Reproducible chance. */
uint64_t chance(uint64_t *state);
void *zeroed(size_t n, size_t size); /* ends the process without memory */

/* cache_start.c: prints the memory of the index, and what a start takes. 0, or 1 with a message. */
int measure_start(uint32_t objects, const char *directory);

#endif
