/* SPDX-License-Identifier: BSD-2-Clause
 *
 * loop: one worker's event loop, and the two things that libevent leaves to us: work to be done
 * between loop turns (frees and deferred answers), and timers that are cheap to push forward.
 *
 * Nothing is freed inside a callback: x_close() unlinks and hands the object to loop_later(), whose
 * function runs when no callback of the object can be on the stack. A start that has its answer at
 * once defers the answer the same way, so no callback runs before its start has returned.
 */
#ifndef DIVED_CORE_LOOP_H
#define DIVED_CORE_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/gone.h"

/* Embedded in the object that is to be freed or called later. Zeroed memory is "not queued". */
struct loop_node {
    TAILQ_ENTRY(loop_node) link;
    void (*fn)(struct loop_node *node);
    bool queued;
};

TAILQ_HEAD(loop_queue, loop_node);

struct loop {
    struct event_base *base;
    struct event *later;
    struct loop_queue queue;
    struct gone_watcher gone;
};

/* 0 or -1 (errno). The loop's memory is the caller's. */
int loop_init(struct loop *loop) __attribute__((warn_unused_result));
/* Runs what is queued until nothing is: before something goes that queued work still needs. */
void loop_flush(struct loop *loop);
/* Runs what is still queued, then frees the base. */
void loop_destroy(struct loop *loop);
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* `fn(node)` is called between loop turns, once; queueing a queued node changes nothing. */
void loop_later(struct loop *loop, struct loop_node *node, void (*fn)(struct loop_node *node));
void loop_cancel(struct loop *loop, struct loop_node *node);

/* Milliseconds of CLOCK_MONOTONIC as of this loop turn (for deadlines); Unix seconds as of now. */
int64_t loop_now_ms(const struct loop *loop);
int64_t loop_unix_time(const struct loop *loop);

/* A deadline that is pushed forward far more often than it fires: setting it later costs a store.
 */
struct loop_timer {
    struct event event;
    struct loop *loop;
    int64_t deadline_ms; /* 0: stopped */
    void (*fn)(void *arg);
    void *arg;
    bool armed;
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *timer, int64_t ms_from_now);
/* After it `fn` isn't called. Must be called before the memory goes. */
void loop_timer_stop(struct loop_timer *timer);
/* Removes the event from the base; asserts in destructors that a timer is off. */
bool loop_timer_is_set(const struct loop_timer *timer);

#endif
