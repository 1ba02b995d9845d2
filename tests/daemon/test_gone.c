/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop.h"

struct watched {
    struct gone_node node;
    struct loop loop;
    struct loop_timer end;
    unsigned told;
};

static void on_gone(struct gone_node *node)
{
    ((struct watched *)((char *)node - offsetof(struct watched, node)))->told++;
}

static void on_end(void *arg)
{
    loop_stop(&((struct watched *)arg)->loop);
}

/* Two ends of a TCP connection, with a byte that the first one doesn't read. */
static void connection(int ends[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(bind(listener, (struct sockaddr *)&at, n), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(ends[1], (struct sockaddr *)&at, n), 0);
    ends[0] = accept(listener, NULL, NULL);
    cr_assert_geq(ends[0], 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    close(listener);
}

static unsigned told_of(bool close_it, bool reset, bool unwatch)
{
    const struct linger now = {.l_onoff = 1};
    struct watched w = {.node.fn = on_gone};
    int ends[2];

    cr_assert_eq(loop_init(&w.loop), 0);
    connection(ends);
    cr_assert_eq(gone_watch(&w.loop.gone, ends[0], &w.node), 0);
    if (reset)
        cr_assert_eq(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    if (close_it)
        close(ends[1]);
    if (unwatch)
        gone_unwatch(&w.loop.gone, ends[0]);
    loop_timer_init(&w.end, &w.loop, on_end, &w);
    loop_timer_set(&w.end, 100);
    cr_assert_eq(loop_run(&w.loop), 0);
    gone_unwatch(&w.loop.gone, ends[0]);
    close(ends[0]);
    if (!close_it)
        close(ends[1]);
    loop_destroy(&w.loop);
    return w.told;
}

Test(gone, unread_bytes_hide_neither_end_nor_reset, .timeout = 10)
{
    cr_assert_eq(told_of(true, false, false), 1, "FIN");
    cr_assert_eq(told_of(true, true, false), 1, "RST");
}

Test(gone, bytes_alone_and_what_is_not_watched_tell_nothing, .timeout = 10)
{
    cr_assert_eq(told_of(false, false, false), 0);
    cr_assert_eq(told_of(true, true, true), 0);
}
