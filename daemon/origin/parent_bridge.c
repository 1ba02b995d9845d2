/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_bridge: see parent_bridge.h.
 *
 * A user that only ends its sending side and one that closed its end look alike to a reader. The
 * relay takes both for the first, and would wait for a parent that has nothing more to say: so the
 * end is looked at from time to time.
 */
#include "origin/parent_bridge.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/relay.h"

#define BRIDGE_LOOK_MS 5000
/* The user of the connection has deadlines of its own, all shorter. */
#define BRIDGE_IDLE_MS (8LL * 24 * 3600 * 1000)

struct parent_bridge {
    struct parent_bridges *bridges;
    struct loop *loop;
    struct channel *parent, user;
    struct relay relay;
    struct loop_timer look;
    struct loop_node node;
    bool closed;
    TAILQ_ENTRY(parent_bridge) link;
};

void parent_bridges_init(struct parent_bridges *bridges)
{
    TAILQ_INIT(&bridges->list);
}

static void bridge_destroy(struct loop_node *node)
{
    struct parent_bridge *bridge = (void *)((char *)node - offsetof(struct parent_bridge, node));

    free(bridge->parent);
    free(bridge);
}

static void bridge_close(struct parent_bridge *bridge)
{
    if (bridge->closed)
        return;
    bridge->closed = true;
    TAILQ_REMOVE(&bridge->bridges->list, bridge, link);
    relay_stop(&bridge->relay);
    loop_timer_stop(&bridge->look);
    stream_close(&bridge->parent->stream);
    stream_close(&bridge->user.stream);
    channel_release(bridge->parent);
    channel_release(&bridge->user);
    loop_later(bridge->loop, &bridge->node, bridge_destroy);
}

void parent_bridges_close(struct parent_bridges *bridges)
{
    struct parent_bridge *bridge;

    while ((bridge = TAILQ_FIRST(&bridges->list)) != NULL)
        bridge_close(bridge);
}

/* A socket pair has no reset to tell an end that is none: whoever needs to know has TLS inside. */
static void bridge_on_done(void *arg, bool clean)
{
    struct parent_bridge *bridge = arg;

    bridge_close(bridge);
}

static void bridge_on_look(void *arg)
{
    struct parent_bridge *bridge = arg;
    struct pollfd look = {.fd = bridge->user.stream.fd};

    if (bridge->closed)
        return;
    if (poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)))
        bridge_close(bridge);
    else
        loop_timer_set(&bridge->look, BRIDGE_LOOK_MS);
}

/* Nothing can happen before the relay has them, which it has at once. */
static void bridge_on_event(void *arg, unsigned events)
{
    (void)arg;
    (void)events;
}

int parent_bridge_start(struct parent_bridges *bridges, struct loop *loop, struct channel *parent)
{
    struct parent_bridge *bridge = calloc(1, sizeof(*bridge));
    int ends[2] = {-1, -1};

    if (bridge == NULL)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        free(bridge);
        return -1;
    }
    bridge->bridges = bridges;
    bridge->loop = loop;
    bridge->parent = parent;
    stream_init(&bridge->user.stream, loop, ends[0], bridge_on_event, bridge);
    loop_timer_init(&bridge->look, loop, bridge_on_look, bridge);
    loop_timer_set(&bridge->look, BRIDGE_LOOK_MS);
    TAILQ_INSERT_HEAD(&bridges->list, bridge, link);
    relay_start(&bridge->relay, loop, bridge->parent, &bridge->user, BRIDGE_IDLE_MS, bridge_on_done,
                bridge);
    return ends[1];
}
