/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gone: see gone.h.
 */
#include "core/gone.h"

#include <sys/epoll.h>
#include <unistd.h>

#define GONE_BATCH 64 /* told in a row before connections have their turn */

/* One at a time: what is told of one may end another, whose node goes. */
static void gone_on_events(evutil_socket_t fd, short what, void *arg)
{
    struct epoll_event event;

    for (int i = 0; i < GONE_BATCH && epoll_wait(fd, &event, 1, 0) == 1; i++) {
        struct gone_node *node = event.data.ptr;

        node->fn(node);
    }
}

int gone_watcher_init(struct gone_watcher *watcher, struct event_base *base)
{
    watcher->event = NULL;
    watcher->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (watcher->epoll < 0)
        return -1;
    watcher->event = event_new(base, watcher->epoll, EV_READ | EV_PERSIST, gone_on_events, NULL);
    if (watcher->event != NULL && event_add(watcher->event, NULL) == 0)
        return 0;
    gone_watcher_destroy(watcher);
    return -1;
}

void gone_watcher_destroy(struct gone_watcher *watcher)
{
    if (watcher->event != NULL)
        event_free(watcher->event);
    if (watcher->epoll >= 0)
        close(watcher->epoll);
    watcher->event = NULL;
    watcher->epoll = -1;
}

/* EPOLLERR and EPOLLHUP come unasked (epoll_ctl(2)). */
int gone_watch(struct gone_watcher *watcher, int fd, struct gone_node *node)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = node};

    return epoll_ctl(watcher->epoll, EPOLL_CTL_ADD, fd, &event);
}

void gone_unwatch(struct gone_watcher *watcher, int fd)
{
    (void)epoll_ctl(watcher->epoll, EPOLL_CTL_DEL, fd, NULL);
}
