/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: see pool.h.
 */
#include "origin/pool.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "origin/parent_connect.h"
#include "origin/parent_kerberos.h"
#include "tls/connect.h"

#define ORIGIN_BUCKETS 1024

TAILQ_HEAD(origin_list, origin_connection);

/* Each bucket lists what is IDLE or ownerless, latest used first; `busy` has all others. */
struct origin_pool {
    struct loop *loop;
    struct origin_list bucket[ORIGIN_BUCKETS];
    struct origin_list busy;
    struct origin_list unused; /* what is in the buckets, unused longest first */
    unsigned n_unused;
    unsigned bound; /* connections that are bound to a client's */
    struct parent_bridges bridges;
    struct parent_token_maker tokens;
};

static const char *const origin_state_words[] = {
#define X(id, word) [ORIGIN_##id] = word,
    ORIGIN_STATES(X)
#undef X
};

static void origin_set_state(struct origin_connection *c, enum origin_state next)
{
    assert(c->state != ORIGIN_CLOSED);
    assert(next != ORIGIN_DIALING);
    assert(next != ORIGIN_IDLE || c->state == ORIGIN_READY || c->state == ORIGIN_HANDSHAKE);
    assert(next != ORIGIN_FAILED || c->state == ORIGIN_DIALING || c->state == ORIGIN_HANDSHAKE);
    log_debug("origin", "%s:%u %s -> %s", c->host, c->port, origin_state_words[c->state],
              origin_state_words[next]);
    c->state = next;
}

static uint32_t origin_hash(const struct origin_target *target)
{
    uint32_t hash = 2166136261u ^ target->port ^ (target->tls ? 0x10000u : 0u);

    for (const char *p = target->host; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    return hash;
}

static const char *origin_route(const struct origin_target *target)
{
    return target->route != NULL ? target->route : target->host;
}

static bool origin_is_for(const struct origin_connection *c, const struct origin_target *target)
{
    return c->tls == target->tls && c->port == target->port && strcmp(c->host, target->host) == 0 &&
           strcmp(c->route, origin_route(target)) == 0 && c->parent == target->parent;
}

static struct origin_list *origin_bucket(struct origin_pool *pool, uint32_t hash)
{
    return &pool->bucket[hash % ORIGIN_BUCKETS];
}

/* Ownerless: in its bucket, to be found by origin_open(). */
static bool origin_is_ownerless(const struct origin_connection *c)
{
    return c->state == ORIGIN_IDLE || (c->state != ORIGIN_READY && c->ready == NULL);
}

static void origin_unlink(struct origin_connection *c)
{
    if (!origin_is_ownerless(c)) {
        TAILQ_REMOVE(&c->pool->busy, c, link);
        return;
    }
    TAILQ_REMOVE(origin_bucket(c->pool, c->hash), c, link);
    TAILQ_REMOVE(&c->pool->unused, c, unused);
    c->pool->n_unused--;
}

static void origin_close(struct origin_connection *c);

/* It is ownerless now. */
static void origin_link_unused(struct origin_connection *c)
{
    struct origin_pool *pool = c->pool;

    TAILQ_INSERT_HEAD(origin_bucket(pool, c->hash), c, link);
    TAILQ_INSERT_TAIL(&pool->unused, c, unused);
    if (++pool->n_unused > ORIGIN_UNUSED_MAX)
        origin_close(TAILQ_FIRST(&pool->unused));
}

static void origin_destroy(struct loop_node *node)
{
    struct origin_connection *c =
        (struct origin_connection *)((char *)node - offsetof(struct origin_connection, node));

    assert(c->state == ORIGIN_CLOSED && c->dial == NULL && !loop_timer_is_set(&c->timer));
    runtime_unref(&c->runtime);
    free(c);
}

static void origin_close(struct origin_connection *c)
{
    if (c->state == ORIGIN_CLOSED)
        return;
    origin_unlink(c);
    origin_set_state(c, ORIGIN_CLOSED);
    if (c->bound != 0)
        c->pool->bound--;
    dial_cancel(&c->dial);
    loop_timer_stop(&c->timer);
    loop_cancel(c->pool->loop, &c->node);
    stream_close(&c->channel.stream);
    channel_release(&c->channel);
    parent_token_free(&c->token);
    c->ready = NULL;
    loop_later(c->pool->loop, &c->node, origin_destroy);
}

static void origin_fail(struct origin_connection *c, const struct origin_failure *failure)
{
    origin_ready_fn *ready = c->ready;
    void *arg = c->arg;

    log_info("origin", "%s:%u: %s", c->host, c->port, failure->details);
    if (ready != NULL) {
        origin_close(c);
        ready(arg, NULL, failure);
        return;
    }
    origin_set_state(c, ORIGIN_FAILED); /* stays in its bucket: it has no owner */
    c->failure = *failure;
    stream_close(&c->channel.stream);
    loop_timer_set(&c->timer, ORIGIN_FAILURE_MS);
}

/* Tells the owner that asked for a connection which had failed before it asked. */
static void origin_tell_failure(struct loop_node *node)
{
    struct origin_connection *c =
        (struct origin_connection *)((char *)node - offsetof(struct origin_connection, node));
    struct origin_failure failure = c->failure;
    origin_ready_fn *ready = c->ready;
    void *arg = c->arg;

    origin_close(c);
    ready(arg, NULL, &failure);
}

static void origin_become_idle(struct origin_connection *c)
{
    struct origin_list *bucket = origin_bucket(c->pool, c->hash);
    struct origin_connection *other, *last = NULL;
    struct origin_target target = {c->tls, c->host, c->port, c->route, c->parent, NULL, 0};
    unsigned idle = 0;

    origin_unlink(c);
    origin_set_state(c, ORIGIN_IDLE);
    c->ready = NULL;
    origin_link_unused(c);
    channel_trim(&c->channel);
    loop_timer_set(&c->timer, c->runtime->config->timeouts.origin_pool_idle_ms);
    stream_want(&c->channel.stream, STREAM_READ);
    TAILQ_FOREACH (other, bucket, link) {
        if (other->state == ORIGIN_IDLE && origin_is_for(other, &target)) {
            idle++;
            last = other;
        }
    }
    if (idle > c->runtime->config->origins.pool_size_per_host && last != NULL)
        origin_close(last);
}

static void origin_become_ready(struct origin_connection *c)
{
    origin_ready_fn *ready = c->ready;
    void *arg = c->arg;

    loop_timer_stop(&c->timer);
    if (ready == NULL) {
        origin_become_idle(c);
        return;
    }
    origin_set_state(c, ORIGIN_READY); /* stays in `busy` */
    c->ready = NULL;
    ready(arg, c, NULL);
}

static void origin_handshake(struct origin_connection *c)
{
    int r = stream_handshake(&c->channel.stream);
    struct origin_failure failure = {.status = 502};
    struct tls_failure why;

    if (r == STREAM_WAIT)
        return;
    if (r == 1 && tls_connect_is_verified(c->channel.stream.ssl)) {
        origin_become_ready(c);
        return;
    }
    tls_failure_read(&why, c->channel.stream.ssl, -1);
    failure.error_type = tls_failure_word(why.kind);
    if (c->absolute)
        snprintf(failure.details, sizeof(failure.details), "parent proxy %s: TLS: %s",
                 c->parent->name, why.text);
    else
        snprintf(failure.details, sizeof(failure.details), "%s", why.text);
    origin_fail(c, &failure);
}

static void origin_on_event(void *arg, unsigned events)
{
    struct origin_connection *c = arg;

    if (c->state == ORIGIN_HANDSHAKE)
        origin_handshake(c);
    else if (c->state == ORIGIN_IDLE && !stream_is_quiet(&c->channel.stream))
        origin_close(c); /* closed by the origin, or it spoke unasked: of no use either way */
}

static void origin_on_timeout(void *arg)
{
    struct origin_connection *c = arg;
    struct origin_failure failure = {504, "connection_timeout", ""};

    if (c->state == ORIGIN_IDLE || c->state == ORIGIN_FAILED) {
        origin_close(c);
        return;
    }
    snprintf(failure.details, sizeof(failure.details), "TLS handshake not finished in time");
    origin_fail(c, &failure);
}

static void origin_connected(struct origin_connection *c, int fd)
{
    struct origin_failure failure = {500, "proxy_internal_error", "out of memory"};
    const char *peer = c->absolute ? c->parent->host : c->host;
    SSL *ssl = NULL;

    stream_init(&c->channel.stream, c->pool->loop, fd, origin_on_event, c);
    if (c->absolute ? !c->parent->tls : !c->tls) {
        origin_become_ready(c);
        return;
    }
    if (tls_connect_new(c->runtime->connect_context, peer, &ssl) != 0) {
        origin_fail(c, &failure);
        return;
    }
    if (stream_start_tls(&c->channel.stream, ssl, NULL, 0) != 0) {
        SSL_free(ssl);
        origin_fail(c, &failure);
        return;
    }
    origin_set_state(c, ORIGIN_HANDSHAKE);
    loop_timer_set(&c->timer, c->runtime->config->timeouts.tls_handshake_ms);
    origin_handshake(c);
}

static void origin_on_dialed(void *arg, const struct dial_outcome *outcome)
{
    struct origin_connection *c = arg;
    struct origin_failure failure;

    c->dial = NULL;
    if (outcome->result == DIAL_OK) {
        c->peer = outcome->peer;
        c->token = outcome->token;
        origin_connected(c, outcome->fd);
        return;
    }
    failure.status = dial_result_status(outcome->result);
    failure.error_type = dial_result_error_type(outcome->result);
    snprintf(failure.details, sizeof(failure.details), "%s", outcome->detail);
    origin_fail(c, &failure);
}

static struct origin_connection *origin_new(struct origin_pool *pool, struct runtime *runtime,
                                            const struct origin_target *target,
                                            origin_ready_fn *ready, void *arg)
{
    struct origin_connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->pool = pool;
    c->runtime = runtime_ref(runtime);
    c->channel.stream.fd = -1;
    c->tls = target->tls;
    c->port = target->port;
    snprintf(c->host, sizeof(c->host), "%s", target->host);
    snprintf(c->route, sizeof(c->route), "%s", origin_route(target));
    c->parent = target->parent;
    c->hash = origin_hash(target);
    c->ready = ready;
    c->arg = arg;
    loop_timer_init(&c->timer, pool->loop, origin_on_timeout, c);
    if (ready != NULL)
        TAILQ_INSERT_HEAD(&pool->busy, c, link);
    else
        origin_link_unused(c);
    return c;
}

/* One of another runtime was let through and verified by another configuration. */
static struct origin_connection *origin_find_bound(struct origin_pool *pool,
                                                   const struct runtime *runtime,
                                                   const struct origin_target *target, bool fresh,
                                                   uint64_t bound)
{
    struct origin_connection *c, *next;

    for (c = TAILQ_FIRST(origin_bucket(pool, origin_hash(target))); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->runtime != runtime || c->bound != bound || !origin_is_for(c, target) ||
            (fresh && c->reused))
            continue;
        if (c->state == ORIGIN_IDLE && !stream_is_quiet(&c->channel.stream)) {
            origin_close(c);
            continue;
        }
        return c;
    }
    return NULL;
}

/* The client's own first: the origin is in the middle of asking who it is. */
static struct origin_connection *origin_find(struct origin_pool *pool,
                                             const struct runtime *runtime,
                                             const struct origin_target *target, bool fresh)
{
    struct origin_connection *c = NULL;

    if (pool->bound > 0 && target->client != 0)
        c = origin_find_bound(pool, runtime, target, fresh, target->client);
    return c != NULL ? c : origin_find_bound(pool, runtime, target, fresh, 0);
}

static int origin_start_dial(struct origin_pool *pool, struct runtime *runtime,
                             struct resolver *resolver, const struct origin_target *target,
                             bool absolute, dial_fn *cb, void *arg, struct dial **dial)
{
    int64_t timeout_ms = runtime->config->origins.connect_timeout_ms;
    /* In absolute-form the parent goes where the URL says, whatever way the client chose. */
    const char *to = absolute ? target->host : origin_route(target);
    struct dial_through through = {target->parent, &pool->bridges, &pool->tokens, !absolute,
                                   absolute ? NULL : target->via};

    if (target->parent == NULL)
        return dial_start(pool->loop, resolver, runtime->guard, to, target->port, timeout_ms, cb,
                          arg, dial);
    return dial_start_parent(pool->loop, resolver, runtime->guard, &through, to, target->port,
                             timeout_ms, cb, arg, dial);
}

int origin_dial(struct origin_pool *pool, struct runtime *runtime, struct resolver *resolver,
                const struct origin_target *target, dial_fn *cb, void *arg, struct dial **dial)
{
    return origin_start_dial(pool, runtime, resolver, target, false, cb, arg, dial);
}

int origin_open(struct origin_pool *pool, struct runtime *runtime, struct resolver *resolver,
                const struct origin_target *target, bool fresh, origin_ready_fn *ready, void *arg,
                struct origin_connection **out)
{
    struct origin_connection *c = origin_find(pool, runtime, target, fresh);
    int r;

    *out = NULL;
    if (c != NULL) {
        origin_unlink(c);
        TAILQ_INSERT_HEAD(&pool->busy, c, link);
        *out = c;
        if (c->state == ORIGIN_IDLE) {
            loop_timer_stop(&c->timer);
            stream_want(&c->channel.stream, 0);
            origin_set_state(c, ORIGIN_READY);
            return 1;
        }
        c->ready = ready;
        c->arg = arg;
        if (c->state == ORIGIN_FAILED) {
            loop_timer_stop(&c->timer);
            loop_later(pool->loop, &c->node, origin_tell_failure);
        }
        return 0;
    }
    c = origin_new(pool, runtime, target, ready, arg);
    if (c == NULL)
        return DIVE_E_NOMEM;
    c->absolute = target->parent != NULL && !target->tls;
    r = origin_start_dial(pool, runtime, resolver, target, c->absolute, origin_on_dialed, c,
                          &c->dial);
    if (r != 0) {
        origin_close(c);
        return r;
    }
    *out = c;
    return 0;
}

void origin_cancel(struct origin_connection **connection)
{
    if (*connection != NULL)
        origin_close(*connection);
    *connection = NULL;
}

void origin_adopt(struct origin_pool *pool, struct runtime *runtime,
                  const struct origin_target *target, int fd, const struct sockaddr_storage *peer)
{
    struct origin_connection *c = origin_new(pool, runtime, target, NULL, NULL);

    if (c == NULL) {
        close(fd);
        return;
    }
    c->peer = *peer;
    if (!c->tls) {
        /* READY is the only way to IDLE, and it needs no owner for a moment. */
        stream_init(&c->channel.stream, pool->loop, fd, origin_on_event, c);
        origin_set_state(c, ORIGIN_HANDSHAKE);
        origin_become_ready(c);
        return;
    }
    origin_connected(c, fd);
}

void origin_note_failure(struct origin_pool *pool, struct runtime *runtime,
                         const struct origin_target *target, const struct origin_failure *failure)
{
    struct origin_connection *c = origin_new(pool, runtime, target, NULL, NULL);

    if (c != NULL)
        origin_fail(c, failure);
}

bool origin_pool_has_idle(struct origin_pool *pool, const struct runtime *runtime,
                          const struct origin_target *target)
{
    const struct origin_connection *c = origin_find(pool, runtime, target, false);

    return c != NULL && c->state == ORIGIN_IDLE;
}

const char *origin_authorization(const struct origin_connection *c)
{
    return c->token != NULL ? c->token : c->parent->authorization;
}

void origin_authorized(struct origin_connection *c)
{
    parent_token_free(&c->token);
}

void origin_bind(struct origin_connection *c, uint64_t client)
{
    assert(c->state == ORIGIN_READY);
    if (c->bound == 0)
        c->pool->bound++;
    c->bound = client != 0 ? client : UINT64_MAX;
}

bool origin_is_bound(const struct origin_connection *c)
{
    return c->bound != 0;
}

void origin_release(struct origin_connection **connection, bool reusable)
{
    struct origin_connection *c = *connection;

    *connection = NULL;
    if (c == NULL)
        return;
    assert(c->state == ORIGIN_READY);
    if (!reusable || (c->absolute && c->parent->kerberos != NULL) ||
        buffer_length(&c->channel.in) > 0 || buffer_length(&c->channel.out) > 0 ||
        !stream_is_open(&c->channel.stream)) {
        origin_close(c);
        return;
    }
    c->reused = true;
    stream_set_owner(&c->channel.stream, origin_on_event, c);
    origin_become_idle(c);
}

int origin_pool_new(struct origin_pool **out, struct loop *loop)
{
    struct origin_pool *pool = calloc(1, sizeof(*pool));

    *out = NULL;
    if (pool == NULL)
        return DIVE_E_NOMEM;
    pool->loop = loop;
    for (unsigned i = 0; i < ORIGIN_BUCKETS; i++)
        TAILQ_INIT(&pool->bucket[i]);
    TAILQ_INIT(&pool->unused);
    TAILQ_INIT(&pool->busy);
    parent_bridges_init(&pool->bridges);
    pool->tokens = (struct parent_token_maker){parent_token_block, loop};
    *out = pool;
    return 0;
}

void origin_pool_set_tokens(struct origin_pool *pool, const struct parent_token_maker *tokens)
{
    pool->tokens = *tokens;
}

void origin_pool_flush(struct origin_pool *pool)
{
    for (unsigned i = 0; i < ORIGIN_BUCKETS; i++) {
        struct origin_connection *c;

        while ((c = TAILQ_FIRST(&pool->bucket[i])) != NULL)
            origin_close(c);
    }
}

void origin_pool_free(struct origin_pool **pool)
{
    if (*pool == NULL)
        return;
    origin_pool_flush(*pool);
    assert(TAILQ_EMPTY(&(*pool)->busy));
    parent_bridges_close(&(*pool)->bridges);
    free(*pool);
    *pool = NULL;
}
