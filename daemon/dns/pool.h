/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: the libunbound contexts of one resolver and how long each lives.
 *
 *      shared    one, with the cache; until pool_configure() replaces it and its last user is gone
 *      fresh     a few, empty when made, for queries that must not see a cached answer; one serves
 * the queries of one loop turn (nothing can be cached before they were asked) and goes when its
 * last user is gone
 *
 * A context is deleted between loop turns, never with libunbound on the stack.
 */
#ifndef DIVED_DNS_POOL_H
#define DIVED_DNS_POOL_H

#include <stdbool.h>
#include <unbound.h>

#include "core/loop.h"
#include "dns/context.h"

#define POOL_FRESH_MAX 16 /* alive at once */

struct pool_context {
    TAILQ_ENTRY(pool_context) link;
    struct pool *pool;
    struct ub_ctx *ub;
    struct context_settings *settings; /* that it was made of, held */
    size_t users;
    bool fresh;
    bool retired;
    struct loop_node reap;
};

TAILQ_HEAD(pool_list, pool_context);

/* The resolver's own; zeroed, then pool_init(). */
struct pool {
    struct loop *loop;
    struct context_settings *settings;
    struct pool_list contexts;
    struct pool_context *shared;
    struct pool_context *batch; /* fresh, made in this loop turn: others may join */
    struct loop_node end_batch;
    size_t fresh_count;
    uint64_t fresh_made;
    void (*on_room)(void *arg); /* a fresh context has gone; between loop turns */
    void *arg;
};

void pool_init(struct pool *pool, struct loop *loop, void (*on_room)(void *arg), void *arg);
/* Deletes all contexts, used ones too: their users must not touch them again. */
void pool_destroy(struct pool *pool);

/* On failure nothing has changed. Not from within a callback of libunbound. */
int pool_configure(struct pool *pool, const struct resolver_config *config, char *error,
                   size_t error_size) DIVE_MUST_USE;

/* Each needs one pool_release() for each call. */
struct pool_context *pool_shared(struct pool *pool);
/* 0 with NULL in `*out`: all fresh contexts are in use, try again when on_room() is called. */
int pool_fresh(struct pool *pool, struct pool_context **out) DIVE_MUST_USE;
/* May be called from within a callback of libunbound. NULL in `*context` is fine. */
void pool_release(struct pool_context **context);

#endif
