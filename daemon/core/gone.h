/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gone: which peers have left, of those that nobody reads from. It has an epoll instance of its
 * own, in the loop's one: libevent knows EPOLLRDHUP (EV_CLOSED), but takes a reset for
 * readable and writable; asked for neither, it tells nobody, and polls again at once, for as long
 * as the socket is open. Unread bytes in front of a reset are enough for that.
 */
#ifndef DIVED_CORE_GONE_H
#define DIVED_CORE_GONE_H

#include <event2/event.h>

struct gone_watcher {
    int epoll; /* -1: none */
    struct event *event;
};

/* Embedded in who wants to know. */
struct gone_node {
    void (*fn)(struct gone_node *node);
};

/* 0 or -1 (errno). `base` is borrowed, and goes after the watcher. */
int gone_watcher_init(struct gone_watcher *watcher, struct event_base *base)
    __attribute__((warn_unused_result));
/* Idempotent. Nothing may be watched any more. */
void gone_watcher_destroy(struct gone_watcher *watcher);

/* `fn(node)` is called from the loop, once, when the peer of the socket `fd` has closed its side or
 * reset the connection, or has by now. 0 or -1 (errno): it isn't watched. */
int gone_watch(struct gone_watcher *watcher, int fd, struct gone_node *node)
    __attribute__((warn_unused_result));
/* After gone_watch(), called back or not, and before `fd` is closed or given away. */
void gone_unwatch(struct gone_watcher *watcher, int fd);

#endif
