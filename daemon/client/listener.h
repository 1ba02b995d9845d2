/* SPDX-License-Identifier: BSD-2-Clause
 *
 * listener: one worker's socket for one listening address. Accepting pauses when descriptors or
 * connections run out, and goes on when they are back; it never ends.
 */
#ifndef DIVED_CLIENT_LISTENER_H
#define DIVED_CLIENT_LISTENER_H

#include "worker/worker.h"

struct listener {
    struct worker *worker;
    unsigned index; /* in the configuration, for the metrics */
    int fd;
    struct sockaddr_storage address;
    socklen_t address_length;
    struct event *event;
    struct loop_timer resume;
    struct loop_node node;
    TAILQ_ENTRY(listener) link;
};

/* A bound, listening socket; `shared`: with SO_REUSEPORT. -1 with errno set (EPERM: `tproxy`
 * without CAP_NET_ADMIN). Not shared it can't be had while anybody listens there, another process
 * of ours with SO_REUSEPORT included. */
int listener_bind(const struct config_listener *how, bool shared);

/* Takes over `fd`. 0 or a negative DIVE_E*. */
int listener_open(struct worker *worker, unsigned index, const struct config_address *address,
                  int fd) DIVE_MUST_USE;
/* `tproxy` was switched on by a reload. -1 with errno set. */
int listener_allow_foreign(struct listener *listener);
/* Connections wait in the socket, for another process that has it too, until it isn't held any
 * more. */
void listener_hold(struct listener *listener, bool held);
void listener_close(struct listener *listener);

#endif
