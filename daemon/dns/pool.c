/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: see pool.h.
 */
#include "dns/pool.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"

static int add(struct pool *pool, struct context_settings *settings, bool fresh,
               struct pool_context **out, char *error, size_t error_size)
{
    struct pool_context *context = calloc(1, sizeof *context);
    int r;

    *out = NULL;
    if (!context) {
        snprintf(error, error_size, "out of memory");
        return DIVE_E_NOMEM;
    }
    r = context_create(&context->ub, pool->loop, settings, fresh, error, error_size);
    if (r) {
        free(context);
        return r;
    }
    context->settings = context_settings_hold(settings);
    context->pool = pool;
    context->fresh = fresh;
    TAILQ_INSERT_TAIL(&pool->contexts, context, link);
    pool->fresh_count += fresh;
    pool->fresh_made += fresh;
    *out = context;
    return 0;
}

static void discard(struct pool_context *context)
{
    struct pool *pool = context->pool;

    loop_cancel(pool->loop, &context->reap);
    TAILQ_REMOVE(&pool->contexts, context, link);
    pool->fresh_count -= context->fresh;
    context_delete(&context->ub);
    context_settings_free(&context->settings);
    free(context);
}

static void on_reap(struct loop_node *node)
{
    struct pool_context *context = (void *)((char *)node - offsetof(struct pool_context, reap));
    struct pool *pool = context->pool;
    bool room = context->fresh;

    assert(context->users == 0);
    discard(context);
    if (room)
        pool->on_room(pool->arg);
}

static void reap_if_idle(struct pool_context *context)
{
    struct pool *pool = context->pool;

    if (context->users == 0 && (context->retired || context->fresh) && pool->batch != context)
        loop_later(pool->loop, &context->reap, on_reap);
}

static void close_batch(struct pool *pool)
{
    struct pool_context *context = pool->batch;

    pool->batch = NULL;
    if (context)
        reap_if_idle(context);
}

static void on_end_batch(struct loop_node *node)
{
    close_batch((void *)((char *)node - offsetof(struct pool, end_batch)));
}

void pool_init(struct pool *pool, struct loop *loop, void (*on_room)(void *arg), void *arg)
{
    *pool = (struct pool){.loop = loop, .on_room = on_room, .arg = arg};
    TAILQ_INIT(&pool->contexts);
}

void pool_destroy(struct pool *pool)
{
    struct pool_context *context;

    loop_cancel(pool->loop, &pool->end_batch);
    while ((context = TAILQ_FIRST(&pool->contexts)))
        discard(context);
    context_settings_free(&pool->settings);
    pool->shared = NULL;
    pool->batch = NULL;
}

int pool_configure(struct pool *pool, const struct resolver_config *config, char *error,
                   size_t error_size)
{
    struct context_settings *settings = NULL;
    struct pool_context *context = NULL, *old = pool->shared;
    int r;

    r = context_settings_new(&settings, pool->loop, config, error, error_size);
    if (r)
        return r;
    r = add(pool, settings, false, &context, error, error_size);
    if (r) {
        context_settings_free(&settings);
        return r;
    }
    context_settings_free(&pool->settings);
    pool->settings = settings;
    pool->shared = context;
    /* One that was made after the old settings: nobody may join it any more. */
    loop_cancel(pool->loop, &pool->end_batch);
    close_batch(pool);
    if (old) {
        old->retired = true;
        reap_if_idle(old);
    }
    return 0;
}

struct pool_context *pool_shared(struct pool *pool)
{
    pool->shared->users++;
    return pool->shared;
}

int pool_fresh(struct pool *pool, struct pool_context **out)
{
    char error[256];
    int r;

    *out = NULL;
    if (!pool->batch) {
        if (pool->fresh_count >= POOL_FRESH_MAX)
            return 0;
        r = add(pool, pool->settings, true, &pool->batch, error, sizeof error);
        if (r) {
            log_error("dns", "no context for a fresh answer: %s", error);
            return r;
        }
        loop_later(pool->loop, &pool->end_batch, on_end_batch);
    }
    pool->batch->users++;
    *out = pool->batch;
    return 0;
}

void pool_release(struct pool_context **context)
{
    struct pool_context *c = *context;

    *context = NULL;
    if (!c)
        return;
    assert(c->users > 0);
    c->users--;
    reap_if_idle(c);
}
