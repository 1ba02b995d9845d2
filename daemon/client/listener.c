/* SPDX-License-Identifier: BSD-2-Clause
 *
 * listener: see listener.h.
 */
#include "client/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/connection.h"
#include "client/original_destination.h"
#include "core/log.h"

#define LISTENER_BACKLOG 4096
#define LISTENER_BATCH 32 /* accepted in a row before connections have their turn */
#define LISTENER_PAUSE_MS 100

static void listener_pause(struct listener *listener, const char *why)
{
    metrics_add(&metrics.accept_pauses, 1);
    log_warning("client", "accepting pauses for %d ms: %s", LISTENER_PAUSE_MS, why);
    event_del(listener->event);
    loop_timer_set(&listener->resume, LISTENER_PAUSE_MS);
}

static void listener_on_resume(void *arg)
{
    struct listener *listener = arg;

    if (listener->fd >= 0)
        (void)event_add(listener->event, NULL);
}

/* Which errors of accept(2) mean that something has run out here, and not that one peer has gone.
 */
static bool listener_is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void listener_on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    struct worker *worker = listener->worker;

    for (int i = 0; i < LISTENER_BATCH && listener->fd >= 0; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);
        int one = 1, client;

        if (atomic_load_explicit(&worker->shared->connections, memory_order_relaxed) >=
            (int)worker->runtime->config->limits.connections) {
            listener_pause(listener, "limits.connections is reached");
            return;
        }
        client =
            accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) {
            if (listener_is_exhausted(errno))
                listener_pause(listener, strerror(errno));
            return;
        }
        (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
        client_connection_open(worker, listener->index, client, &peer);
    }
}

int listener_bind(const struct config_listener *how, bool shared)
{
    const struct config_address *address = &how->address;
    int one = 1, saved;
    int fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0) ||
        (address->addr.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) ||
        (how->tproxy && original_destination_allow_foreign(fd, address->addr.ss_family) != 0) ||
        bind(fd, (const struct sockaddr *)&address->addr, address->len) != 0 ||
        listen(fd, LISTENER_BACKLOG) != 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int listener_open(struct worker *worker, unsigned index, const struct config_address *address,
                  int fd)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL) {
        close(fd);
        return DIVE_E_NOMEM;
    }
    listener->worker = worker;
    listener->index = index;
    listener->fd = fd;
    listener->address = address->addr;
    listener->address_length = address->len;
    loop_timer_init(&listener->resume, &worker->loop, listener_on_resume, listener);
    listener->event =
        event_new(worker->loop.base, fd, EV_READ | EV_PERSIST, listener_on_connection, listener);
    if (listener->event == NULL || event_add(listener->event, NULL) != 0) {
        if (listener->event != NULL)
            event_free(listener->event);
        close(fd);
        free(listener);
        return DIVE_E_NOMEM;
    }
    TAILQ_INSERT_TAIL(&worker->listeners, listener, link);
    return 0;
}

int listener_allow_foreign(struct listener *listener)
{
    return original_destination_allow_foreign(listener->fd, listener->address.ss_family);
}

void listener_hold(struct listener *listener, bool held)
{
    loop_timer_stop(&listener->resume);
    if (held)
        event_del(listener->event);
    else
        (void)event_add(listener->event, NULL);
}

static void listener_destroy(struct loop_node *node)
{
    struct listener *listener = (struct listener *)((char *)node - offsetof(struct listener, node));

    event_free(listener->event);
    free(listener);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    event_del(listener->event);
    loop_timer_stop(&listener->resume);
    close(listener->fd);
    listener->fd = -1;
    TAILQ_REMOVE(&listener->worker->listeners, listener, link);
    loop_later(&listener->worker->loop, &listener->node, listener_destroy);
}
