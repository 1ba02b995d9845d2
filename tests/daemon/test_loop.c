/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The loop's own promises: deferred work runs once and after its caller, timers fire when they
 * should.
 */
#include "core/loop.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <unistd.h>

struct note {
    struct loop_node node; /* first: cast back */
    struct loop *loop;
    int runs;
    struct note *then; /* queued, or cancelled, by this one's function */
};

static void count(struct loop_node *node)
{
    ((struct note *)node)->runs++;
}

static void count_and_queue(struct loop_node *node)
{
    struct note *note = (struct note *)node;

    note->runs++;
    loop_later(note->loop, &note->then->node, count);
}

static void count_and_cancel(struct loop_node *node)
{
    struct note *note = (struct note *)node;

    note->runs++;
    loop_cancel(note->loop, &note->then->node);
}

static void requeue_for_ever(struct loop_node *node)
{
    struct note *note = (struct note *)node;

    note->runs++;
    loop_later(note->loop, node, requeue_for_ever);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run_for(struct loop *loop, int64_t ms)
{
    struct loop_timer timer;

    loop_timer_init(&timer, loop, stop, loop);
    loop_timer_set(&timer, ms);
    cr_assert_eq(loop_run(loop), 0);
    loop_timer_stop(&timer);
}

Test(loop, later_runs_once_and_not_at_once)
{
    struct loop loop;
    struct note a = {.loop = &loop};

    cr_assert_eq(loop_init(&loop), 0);
    loop_later(&loop, &a.node, count);
    loop_later(&loop, &a.node, count);
    cr_assert_eq(a.runs, 0);
    run_for(&loop, 5);
    cr_assert_eq(a.runs, 1);
    cr_assert_not(a.node.queued);
    loop_destroy(&loop);
    cr_assert_eq(a.runs, 1);
}

Test(loop, what_is_cancelled_does_not_run)
{
    struct loop loop;
    struct note a = {.loop = &loop}, b = {.loop = &loop};

    cr_assert_eq(loop_init(&loop), 0);
    a.then = &b;
    loop_later(&loop, &a.node, count_and_cancel);
    loop_later(&loop, &b.node, count);
    run_for(&loop, 5);
    cr_assert_eq(a.runs, 1);
    cr_assert_eq(b.runs, 0);
    loop_cancel(&loop, &b.node); /* not queued: nothing */
    loop_destroy(&loop);
}

Test(loop, destroy_runs_the_rest_and_what_it_queues)
{
    struct loop loop;
    struct note a = {.loop = &loop}, b = {.loop = &loop};

    cr_assert_eq(loop_init(&loop), 0);
    a.then = &b;
    loop_later(&loop, &a.node, count_and_queue);
    loop_destroy(&loop);
    cr_assert_eq(a.runs, 1);
    cr_assert_eq(b.runs, 1);
    loop_destroy(&loop); /* again: nothing */
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    loop_stop(arg);
}

Test(loop, work_that_requeues_itself_starves_nobody, .timeout = 10)
{
    struct loop loop;
    struct note a = {.loop = &loop};
    struct event *readable;
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(loop_init(&loop), 0);
    readable = event_new(loop.base, fds[0], EV_READ, on_readable, &loop);
    event_add(readable, NULL);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    loop_later(&loop, &a.node, requeue_for_ever);
    cr_assert_eq(loop_run(&loop), 0);
    loop_cancel(&loop, &a.node);
    event_free(readable);
    loop_destroy(&loop);
    close(fds[0]);
    close(fds[1]);
}

struct firing {
    struct loop *loop;
    int64_t at;
    int times;
};

static void fired(void *arg)
{
    struct firing *firing = arg;

    firing->at = loop_now_ms(firing->loop);
    firing->times++;
}

Test(loop, timer_pushed_forward_fires_at_the_last_deadline)
{
    struct loop loop;
    struct loop_timer timer;
    struct firing firing = {.loop = &loop};
    int64_t start;

    cr_assert_eq(loop_init(&loop), 0);
    loop_timer_init(&timer, &loop, fired, &firing);
    start = loop_now_ms(&loop);
    loop_timer_set(&timer, 10);
    loop_timer_set(&timer, 60);
    cr_assert(loop_timer_is_set(&timer));
    run_for(&loop, 200);
    cr_assert_eq(firing.times, 1);
    cr_assert_geq(firing.at - start, 60);
    cr_assert_not(loop_timer_is_set(&timer));
    loop_destroy(&loop);
}

Test(loop, timer_pulled_back_fires_earlier)
{
    struct loop loop;
    struct loop_timer timer;
    struct firing firing = {.loop = &loop};

    cr_assert_eq(loop_init(&loop), 0);
    loop_timer_init(&timer, &loop, fired, &firing);
    loop_timer_set(&timer, 100000);
    loop_timer_set(&timer, 10);
    run_for(&loop, 150);
    cr_assert_eq(firing.times, 1);
    loop_timer_set(&timer, INT64_MAX); /* clamped, doesn't overflow into the past */
    run_for(&loop, 20);
    cr_assert_eq(firing.times, 1);
    loop_timer_set(&timer, -5); /* due at once */
    run_for(&loop, 50);
    cr_assert_eq(firing.times, 2);
    loop_destroy(&loop);
}

Test(loop, stopped_timer_never_fires)
{
    struct loop loop;
    struct loop_timer timer;
    struct firing firing = {.loop = &loop};

    cr_assert_eq(loop_init(&loop), 0);
    loop_timer_init(&timer, &loop, fired, &firing);
    loop_timer_set(&timer, 10);
    loop_timer_stop(&timer);
    loop_timer_stop(&timer);
    cr_assert_not(loop_timer_is_set(&timer));
    run_for(&loop, 40);
    cr_assert_eq(firing.times, 0);
    loop_timer_set(&timer, 10); /* usable again */
    run_for(&loop, 60);
    cr_assert_eq(firing.times, 1);
    loop_destroy(&loop);
}

Test(loop, unix_time_is_now)
{
    struct loop loop;
    int64_t before = (int64_t)time(NULL);

    cr_assert_eq(loop_init(&loop), 0);
    cr_assert_geq(loop_unix_time(&loop), before);
    cr_assert_leq(loop_unix_time(&loop), before + 5);
    loop_destroy(&loop);
}
