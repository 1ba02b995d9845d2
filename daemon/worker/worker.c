/* SPDX-License-Identifier: BSD-2-Clause
 *
 * worker: see worker.h.
 */
#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/connection.h"
#include "client/listener.h"
#include "core/log.h"
#include "core/metrics.h"
#include "exchange/private.h"
#include "origin/pool.h"
#include "report/reporter.h"
#include "worker/token_job.h"

#define WORKER_HEAD_MAX                                                                            \
    (1024 * 1024) /* a head as sent; heads as received are bounded by limits.head-size */
#define HOUSEKEEPING_MS 1000
#define DRAIN_TICK_MS 50
#define POSTS_PER_TURN 256

int64_t worker_now(const struct worker *worker)
{
    return loop_unix_time(&worker->loop);
}

/* Adds what the resolver has counted since the last time. */
static void worker_count_dns(struct worker *worker)
{
    const struct resolver_counters *counters = resolver_counters(worker->resolver);

    for (int type = 0; type < RESOLVER_TYPE_COUNT; type++) {
        for (int security = 0; security <= DIVE_DNS_SECURE; security++) {
            uint64_t *told = &worker->dns_told[type][security];

            metrics_add(&metrics.dns[type][security], counters->answers[type][security] - *told);
            *told = counters->answers[type][security];
        }
    }
}

/* ---- drain ---- */

static bool worker_is_idle(const struct worker *worker)
{
    return TAILQ_EMPTY(&worker->clients) && TAILQ_EMPTY(&worker->exchanges) &&
           reporter_pending(worker->reporter) == 0;
}

static void worker_drain_step(struct worker *worker)
{
    bool late = loop_now_ms(&worker->loop) >= worker->drain_until_ms;
    struct client_connection *c, *next;

    for (c = TAILQ_FIRST(&worker->clients); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if ((worker->patient || !client_connection_drain(c)) && late)
            client_connection_close(c, "timeouts.drain has passed");
    }
    if (late || worker_is_idle(worker))
        loop_stop(&worker->loop);
}

static void worker_housekeeping(void *arg)
{
    struct worker *worker = arg;

    atomic_store_explicit(&worker->turned_ms, loop_now_ms(&worker->loop), memory_order_relaxed);
    worker_count_dns(worker);
    if (worker->draining)
        worker_drain_step(worker);
    loop_timer_set(&worker->housekeeping, worker->draining ? DRAIN_TICK_MS : HOUSEKEEPING_MS);
}

static void worker_begin_drain(struct worker *worker, bool patient, int64_t within_ms)
{
    struct listener *listener;
    int64_t until = loop_now_ms(&worker->loop) + within_ms;

    if (!worker->draining || until < worker->drain_until_ms)
        worker->drain_until_ms = until;
    worker->patient = patient && (!worker->draining || worker->patient);
    worker->draining = true;
    while ((listener = TAILQ_FIRST(&worker->listeners)) != NULL)
        listener_close(listener);
    loop_timer_stop(&worker->housekeeping);
    loop_timer_set(&worker->housekeeping, 1);
}

static void worker_set_held(struct worker *worker, bool held)
{
    struct listener *listener;

    if (held == atomic_load(&worker->held))
        return;
    TAILQ_FOREACH (listener, &worker->listeners, link)
        listener_hold(listener, held);
    atomic_store(&worker->held, held);
}

/* ---- reload ---- */

static bool listener_is_at(const struct listener *listener, const struct config_address *address)
{
    return listener->address_length == address->len &&
           memcmp(&listener->address, &address->addr, address->len) == 0;
}

/* Those that are open already go on under the number that they have in the configuration of now;
 * what it doesn't have any more is closed. */
static void worker_keep_listeners(struct worker *worker)
{
    const struct config *config = worker->runtime->config;
    struct listener *listener, *next;

    for (listener = TAILQ_FIRST(&worker->listeners); listener != NULL; listener = next) {
        size_t i = 0;

        next = TAILQ_NEXT(listener, link);
        while (i < config->listeners.n &&
               !listener_is_at(listener, &config->listeners.v[i].address))
            i++;
        if (i == config->listeners.n) {
            listener_close(listener);
            continue;
        }
        listener->index = (unsigned)i;
        if (config->listeners.v[i].tproxy && listener_allow_foreign(listener) != 0)
            log_error("worker", "%s: tproxy: %s", config->listeners.v[i].address.text,
                      strerror(errno));
    }
}

/* Opens the sockets that are new, closes what the configuration doesn't have any more. There may be
 * several at one address. */
static void worker_set_listeners(struct worker *worker, const int *sockets, size_t count)
{
    const struct config *config = worker->runtime->config;

    worker_keep_listeners(worker);
    for (size_t i = 0; i < count; i++) {
        unsigned index = (unsigned)(i % config->listeners.n);
        const struct config_address *address = &config->listeners.v[index].address;

        if (sockets[i] >= 0 && listener_open(worker, index, address, sockets[i]) != 0)
            log_error("worker", "%s: out of memory, not listening", address->text);
    }
}

static void worker_switch_runtime(struct worker *worker, struct runtime *runtime,
                                  const int *sockets, size_t count)
{
    char why[256];

    if (resolver_reconfigure(worker->resolver, &runtime->resolver.resolver, why, sizeof(why)) != 0)
        log_error("worker", "the new dns configuration could not be used, the old one stays: %s",
                  why);
    runtime_unref(&worker->runtime);
    worker->runtime = runtime;
    origin_pool_flush(worker->origins); /* verified against the old CA bundle */
    worker_set_listeners(worker, sockets, count);
}

/* ---- the mailbox ---- */

static void worker_wake(struct worker *worker)
{
    uint64_t one = 1;

    (void)!write(worker->mailbox_fd, &one, sizeof(one));
}

/* Some of them; others have their turn before the rest. */
static void worker_run_posts(struct worker *worker)
{
    struct worker_post *post;
    bool more;

    for (unsigned i = 0; i < POSTS_PER_TURN; i++) {
        pthread_mutex_lock(&worker->mailbox_lock);
        post = TAILQ_FIRST(&worker->mailbox_posts);
        if (post != NULL) {
            TAILQ_REMOVE(&worker->mailbox_posts, post, link);
            post->posted = false;
        }
        pthread_mutex_unlock(&worker->mailbox_lock);
        if (post == NULL)
            return;
        post->fn(post);
    }
    pthread_mutex_lock(&worker->mailbox_lock);
    more = !TAILQ_EMPTY(&worker->mailbox_posts);
    pthread_mutex_unlock(&worker->mailbox_lock);
    if (more)
        worker_wake(worker);
}

static void worker_on_mail(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct runtime *runtime;
    uint64_t count;
    int *sockets;
    size_t n;
    bool drain, patient, hold;
    int64_t within_ms;

    (void)!read(fd, &count, sizeof(count));
    pthread_mutex_lock(&worker->mailbox_lock);
    runtime = worker->mailbox_runtime;
    sockets = worker->mailbox_listen;
    n = worker->mailbox_listen_count;
    drain = worker->mailbox_drain;
    patient = worker->mailbox_patient;
    hold = worker->mailbox_hold;
    within_ms = worker->mailbox_drain_ms;
    worker->mailbox_drain = false;
    worker->mailbox_runtime = NULL;
    worker->mailbox_listen = NULL;
    worker->mailbox_listen_count = 0;
    pthread_mutex_unlock(&worker->mailbox_lock);
    if (runtime != NULL)
        worker_switch_runtime(worker, runtime, sockets, n);
    free(sockets);
    worker_set_held(worker, hold);
    if (drain)
        worker_begin_drain(worker, patient, within_ms);
    worker_run_posts(worker);
}

/* From the mailbox, locked: the socket that an unread reload was to open at `address`, or -1. */
static int worker_take_unread_socket(struct worker *worker, const struct config_address *address)
{
    for (size_t i = 0; i < worker->mailbox_listen_count; i++) {
        const struct config *config = worker->mailbox_runtime->config;
        const struct config_address *other = &config->listeners.v[i % config->listeners.n].address;
        int fd = worker->mailbox_listen[i];

        if (fd >= 0 && other->len == address->len &&
            memcmp(&other->addr, &address->addr, address->len) == 0) {
            worker->mailbox_listen[i] = -1;
            return fd;
        }
    }
    return -1;
}

int worker_reload(struct worker *worker, struct runtime *runtime, const int *sockets, size_t count)
{
    int *copy = calloc(count + 1, sizeof(*copy));

    if (copy == NULL)
        return DIVE_E_NOMEM;
    memcpy(copy, sockets, count * sizeof(*copy));
    pthread_mutex_lock(&worker->mailbox_lock);
    /* One that wasn't even looked at: the newer one replaces it. Sockets that it was to open are
     * still to be opened where the newer one counts on them. */
    for (size_t i = 0; i < count; i++)
        if (copy[i] < 0)
            copy[i] = worker_take_unread_socket(
                worker, &runtime->config->listeners.v[i % runtime->config->listeners.n].address);
    for (size_t i = 0; i < worker->mailbox_listen_count; i++)
        if (worker->mailbox_listen[i] >= 0)
            close(worker->mailbox_listen[i]);
    free(worker->mailbox_listen);
    runtime_unref(&worker->mailbox_runtime);
    worker->mailbox_runtime = runtime_ref(runtime);
    worker->mailbox_listen = copy;
    worker->mailbox_listen_count = count;
    pthread_mutex_unlock(&worker->mailbox_lock);
    worker_wake(worker);
    return 0;
}

void worker_post(struct worker *worker, struct worker_post *post)
{
    bool wake = false;

    pthread_mutex_lock(&worker->mailbox_lock);
    if (!post->posted) {
        post->posted = true;
        wake = TAILQ_EMPTY(&worker->mailbox_posts);
        TAILQ_INSERT_TAIL(&worker->mailbox_posts, post, link);
    }
    pthread_mutex_unlock(&worker->mailbox_lock);
    if (wake)
        worker_wake(worker);
}

void worker_unpost(struct worker *worker, struct worker_post *post)
{
    pthread_mutex_lock(&worker->mailbox_lock);
    if (post->posted)
        TAILQ_REMOVE(&worker->mailbox_posts, post, link);
    post->posted = false;
    pthread_mutex_unlock(&worker->mailbox_lock);
}

int64_t worker_stuck_ms(const struct worker *worker)
{
    return loop_now_ms(&worker->loop) -
           atomic_load_explicit(&worker->turned_ms, memory_order_relaxed);
}

bool worker_has_ended(const struct worker *worker)
{
    return atomic_load(&worker->ended);
}

void worker_hold(struct worker *worker, bool held)
{
    pthread_mutex_lock(&worker->mailbox_lock);
    worker->mailbox_hold = held;
    pthread_mutex_unlock(&worker->mailbox_lock);
    worker_wake(worker);
}

bool worker_is_held(const struct worker *worker)
{
    return atomic_load(&worker->held);
}

void worker_drain(struct worker *worker, bool patient, int64_t within_ms)
{
    pthread_mutex_lock(&worker->mailbox_lock);
    worker->mailbox_drain = true;
    worker->mailbox_patient = patient;
    worker->mailbox_drain_ms = within_ms;
    pthread_mutex_unlock(&worker->mailbox_lock);
    worker_wake(worker);
}

/* ---- life ---- */

static void worker_free(struct worker **worker)
{
    struct worker *w = *worker;

    *worker = NULL;
    if (w == NULL)
        return;
    reporter_free(&w->reporter);
    origin_pool_free(&w->origins);
    if (w->loop.base != NULL) {
        loop_timer_stop(&w->housekeeping);
        if (w->mailbox_event != NULL)
            event_free(w->mailbox_event);
        loop_flush(&w->loop);
    }
    resolver_free(&w->resolver);
    if (w->loop.base != NULL)
        loop_destroy(&w->loop);
    if (w->mailbox_fd >= 0)
        close(w->mailbox_fd);
    pthread_mutex_destroy(&w->mailbox_lock);
    http_buffer_clear(&w->scratch);
    buffer_release(&w->log_line);
    free(w->io_buffer);
    runtime_unref(&w->mailbox_runtime);
    free(w->mailbox_listen);
    runtime_unref(&w->runtime);
    free(w);
}

int worker_new(struct worker **out, unsigned index, struct shared *shared, struct runtime *runtime,
               char *why, size_t why_size)
{
    struct worker *w = calloc(1, sizeof(*w));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "out of memory or descriptors");
    if (w == NULL)
        return DIVE_E_NOMEM;
    w->index = index;
    w->shared = shared;
    w->runtime = runtime_ref(runtime);
    TAILQ_INIT(&w->listeners);
    TAILQ_INIT(&w->clients);
    TAILQ_INIT(&w->exchanges);
    TAILQ_INIT(&w->mailbox_posts);
    pthread_mutex_init(&w->mailbox_lock, NULL);
    http_buffer_init(&w->scratch, WORKER_HEAD_MAX);
    w->io_buffer = malloc(WORKER_IO_BUFFER);
    w->mailbox_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->io_buffer == NULL || w->mailbox_fd < 0 || loop_init(&w->loop) != 0)
        goto out;
    loop_timer_init(&w->housekeeping, &w->loop, worker_housekeeping, w);
    w->mailbox_event =
        event_new(w->loop.base, w->mailbox_fd, EV_READ | EV_PERSIST, worker_on_mail, w);
    if (w->mailbox_event == NULL || event_add(w->mailbox_event, NULL) != 0)
        goto out;
    r = resolver_new(&w->resolver, &w->loop, &runtime->resolver.resolver, why, why_size);
    if (r != 0)
        goto out;
    if ((r = origin_pool_new(&w->origins, &w->loop)) != 0 ||
        (r = reporter_new(&w->reporter, &w->loop, w->resolver, w->origins,
                          shared->report_limiter)) != 0)
        goto out;
    origin_pool_set_tokens(w->origins, &(struct parent_token_maker){token_job_start, w});
    *out = w;
    w = NULL;
out:
    worker_free(&w);
    return r;
}

static void *worker_thread(void *arg)
{
    struct worker *worker = arg;
    struct client_connection *c;
    struct exchange *x;
    char name[16]; /* with its end */

    /* By itself: another thread would write to /proc, which the sandbox forbids. */
    snprintf(name, sizeof(name), "dived-%u", worker->index);
    pthread_setname_np(pthread_self(), name);
    loop_timer_set(&worker->housekeeping, HOUSEKEEPING_MS);
    if (loop_run(&worker->loop) != 0)
        log_error("worker", "the event loop failed");
    while ((c = TAILQ_FIRST(&worker->clients)) != NULL)
        client_connection_close(c, "the daemon ends");
    while ((x = TAILQ_FIRST(&worker->exchanges)) != NULL)
        exchange_abort(&x, "the daemon ends");
    worker_count_dns(worker);
    atomic_store(&worker->ended, true);
    return NULL;
}

int worker_start(struct worker *worker, const int *sockets, size_t count)
{
    worker_set_listeners(worker, sockets, count);
    atomic_store(&worker->turned_ms, loop_now_ms(&worker->loop));
    return pthread_create(&worker->thread, NULL, worker_thread, worker) == 0 ? 0 : DIVE_E_NOMEM;
}

void worker_join(struct worker **worker)
{
    if (*worker == NULL)
        return;
    if ((*worker)->thread != 0)
        pthread_join((*worker)->thread, NULL);
    worker_free(worker);
}
