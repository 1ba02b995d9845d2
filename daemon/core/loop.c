/* SPDX-License-Identifier: BSD-2-Clause
 *
 * loop: see loop.h. The later-queue hangs on one timer of zero length: it is due at once, but only
 * after libevent has polled again, so work that queues itself anew cannot starve the sockets.
 */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

/* Far beyond any timeout of ours; keeps deadlines and timevals from overflowing. */
#define TIMER_MAX_MS (INT64_C(10) * 365 * 24 * 3600 * 1000)

static const struct timeval at_once = {0, 0};

/* Runs the nodes that are queued now; what they queue in turn waits for the next turn. The marker
 * ends the round, so that loop_cancel() may unlink any node meanwhile. */
static void run_queue(struct loop *loop)
{
    struct loop_node marker = {.queued = true};

    TAILQ_INSERT_TAIL(&loop->queue, &marker, link);
    for (;;) {
        struct loop_node *node = TAILQ_FIRST(&loop->queue);

        TAILQ_REMOVE(&loop->queue, node, link);
        if (node == &marker)
            return;
        node->queued = false;
        node->fn(node);
    }
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    run_queue(loop);
    if (!TAILQ_EMPTY(&loop->queue))
        event_add(loop->later, &at_once);
}

int loop_init(struct loop *loop)
{
    struct event_config *config = event_config_new();
    int r = -1;

    loop->base = NULL;
    loop->later = NULL;
    loop->gone = (struct gone_watcher){.epoll = -1};
    TAILQ_INIT(&loop->queue);
    if (!config) {
        errno = ENOMEM;
        return -1;
    }
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) ||
        event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST))
        goto out;
    errno = ENOMEM; /* unless libevent knows better, e.g. EMFILE */
    loop->base = event_base_new_with_config(config);
    if (!loop->base)
        goto out;
    loop->later = evtimer_new(loop->base, on_later, loop);
    if (!loop->later)
        goto out;
    /* One add here and one del give the timer heap its first allocation: the adds in loop_later(),
     * which cannot report failure, then find room. */
    if (event_add(loop->later, &at_once) || event_del(loop->later) ||
        gone_watcher_init(&loop->gone, loop->base))
        goto out;
    r = 0;
out:
    event_config_free(config);
    if (r) {
        if (loop->later)
            event_free(loop->later);
        if (loop->base)
            event_base_free(loop->base);
        loop->later = NULL;
        loop->base = NULL;
    }
    return r;
}

void loop_flush(struct loop *loop)
{
    while (!TAILQ_EMPTY(&loop->queue))
        run_queue(loop);
}

void loop_destroy(struct loop *loop)
{
    if (!loop->base)
        return;
    loop_flush(loop);
    gone_watcher_destroy(&loop->gone);
    event_free(loop->later);
    event_base_free(loop->base);
    loop->later = NULL;
    loop->base = NULL;
}

int loop_run(struct loop *loop)
{
    return event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -1 : 0;
}

void loop_stop(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

void loop_later(struct loop *loop, struct loop_node *node, void (*fn)(struct loop_node *node))
{
    if (node->queued)
        return;
    node->queued = true;
    node->fn = fn;
    TAILQ_INSERT_TAIL(&loop->queue, node, link);
    if (!evtimer_pending(loop->later, NULL) && event_add(loop->later, &at_once)) {
        /* No room in the timer heap. Activating needs no memory; it runs in this same turn, but
         * still with no other callback on the stack. */
        event_active(loop->later, EV_TIMEOUT, 0);
    }
}

void loop_cancel(struct loop *loop, struct loop_node *node)
{
    if (!node->queued)
        return;
    TAILQ_REMOVE(&loop->queue, node, link);
    node->queued = false;
}

int64_t loop_now_ms(const struct loop *loop)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t loop_unix_time(const struct loop *loop)
{
    return (int64_t)time(NULL);
}

static void timer_arm(struct loop_timer *timer, int64_t ms)
{
    struct timeval in = {ms / 1000, (ms % 1000) * 1000};

    timer->armed = true;
    if (event_add(&timer->event, &in) == 0)
        return;
    /* No memory for the heap. A timer that never fires would hang its owner; one that fires early
     * ends something that would have failed anyway. */
    timer->deadline_ms = loop_now_ms(timer->loop);
    event_active(&timer->event, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *timer = arg;
    int64_t left;

    timer->armed = false;
    if (timer->deadline_ms == 0)
        return;
    left = timer->deadline_ms - loop_now_ms(timer->loop);
    if (left > 0) {
        timer_arm(timer, left);
        return;
    }
    timer->deadline_ms = 0;
    timer->fn(timer->arg);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fn)(void *arg), void *arg)
{
    evtimer_assign(&timer->event, loop->base, on_timer, timer);
    timer->loop = loop;
    timer->deadline_ms = 0;
    timer->fn = fn;
    timer->arg = arg;
    timer->armed = false;
}

void loop_timer_set(struct loop_timer *timer, int64_t ms_from_now)
{
    int64_t ms = ms_from_now < 0 ? 0 : ms_from_now > TIMER_MAX_MS ? TIMER_MAX_MS : ms_from_now;
    int64_t deadline = loop_now_ms(timer->loop) + ms;
    /* The event is due no later than the old deadline: pushing that forward needs no system call
     * and no heap. The event then fires early, once, and arms itself for the rest. */
    bool later = timer->armed && deadline >= timer->deadline_ms;

    timer->deadline_ms = deadline;
    if (!later)
        timer_arm(timer, ms);
}

void loop_timer_stop(struct loop_timer *timer)
{
    timer->deadline_ms = 0;
    if (!timer->armed)
        return;
    timer->armed = false;
    event_del(&timer->event);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->deadline_ms != 0;
}
