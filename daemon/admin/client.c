/* SPDX-License-Identifier: BSD-2-Clause
 *
 * client: one connection to the admin thread. One request is answered an activation, so that a
 * client that pipelines shares the thread with the others; its next request isn't read before its
 * answer was taken.
 *
 *      READING --whole request--> ANSWERING --all of it written--> READING
 *         |                           |
 *         +------end, limit, idle-----+----------> CLOSED
 */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/private.h"

/* clang-format off */
#define CLIENT_STATES(X)                                                                           \
    X(READING, "reading")                                                                          \
    X(ANSWERING, "answering")                                                                      \
    X(LAST, "last answer")                                                                         \
    X(CLOSED, "closed")
/* clang-format on */

enum client_state {
#define X(id, word) CLIENT_##id,
    CLIENT_STATES(X)
#undef X
};

static const char *const client_words[] = {
#define X(id, word) [CLIENT_##id] = word,
    CLIENT_STATES(X)
#undef X
};

struct admin_client {
    TAILQ_ENTRY(admin_client) link;
    struct admin *admin;
    enum admin_kind kind;
    enum client_state state;
    struct channel channel;
    struct http_scan scan;
    struct loop_timer idle;
    struct loop_node again, node;
};

static void client_set_state(struct admin_client *c, enum client_state next)
{
    assert(c->state != CLIENT_CLOSED && next != c->state);
    log_debug("admin", "client %s -> %s", client_words[c->state], client_words[next]);
    c->state = next;
}

static void client_destroy(struct loop_node *node)
{
    struct admin_client *c =
        (struct admin_client *)((char *)node - offsetof(struct admin_client, node));

    assert(c->state == CLIENT_CLOSED && !loop_timer_is_set(&c->idle));
    free(c);
}

static void client_close(struct admin_client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    client_set_state(c, CLIENT_CLOSED);
    TAILQ_REMOVE(&c->admin->clients, c, link);
    c->admin->client_count--;
    loop_timer_stop(&c->idle);
    loop_cancel(&c->admin->loop, &c->again);
    stream_close(&c->channel.stream);
    channel_release(&c->channel);
    loop_later(&c->admin->loop, &c->node, client_destroy);
}

static enum admin_step client_step(struct admin_client *c)
{
    if (buffer_length(&c->channel.in) == 0)
        return ADMIN_STEP_MORE;
    if (c->kind == ADMIN_CONTROL)
        return admin_control_step(c->admin, &c->channel.in, &c->channel.out);
    return admin_http_step(c->admin, &c->scan, &c->channel.in, &c->channel.out);
}

static void client_on_again(struct loop_node *node);

static void client_write(struct admin_client *c)
{
    int r = channel_flush(&c->channel);

    if (r == STREAM_WAIT) {
        stream_want(&c->channel.stream, STREAM_WRITE);
        return;
    }
    if (r == STREAM_ERROR || c->state == CLIENT_LAST) {
        client_close(c);
        return;
    }
    client_set_state(c, CLIENT_READING);
    loop_timer_set(&c->idle, ADMIN_IDLE_MS);
    stream_want(&c->channel.stream, STREAM_READ);
    if (buffer_length(&c->channel.in) > 0)
        loop_later(&c->admin->loop, &c->again, client_on_again);
    else
        channel_trim(&c->channel);
}

/* True: the state changed. */
static bool client_try_step(struct admin_client *c)
{
    enum admin_step step = client_step(c);

    if (step == ADMIN_STEP_MORE)
        return false;
    if (step == ADMIN_STEP_FAILED) {
        client_close(c);
        return true;
    }
    client_set_state(c, step == ADMIN_STEP_LAST ? CLIENT_LAST : CLIENT_ANSWERING);
    loop_timer_set(&c->idle, ADMIN_IDLE_MS); /* anew: the answer may have taken its time */
    client_write(c);
    return true;
}

/* The steps answer or fail before `in` is full, so a full one can't stop the reading. */
static void client_read(struct admin_client *c)
{
    for (;;) {
        ssize_t n;

        if (client_try_step(c))
            return;
        n = channel_fill(&c->channel, ADMIN_LINE_MAX);
        if (n == STREAM_WAIT) {
            stream_want(&c->channel.stream, STREAM_READ);
            return;
        }
        if (n <= 0) {
            client_close(c);
            return;
        }
    }
}

static void client_on_event(void *arg, unsigned events)
{
    struct admin_client *c = arg;

    if (c->state == CLIENT_READING)
        client_read(c);
    else if (c->state != CLIENT_CLOSED)
        client_write(c);
}

static void client_on_again(struct loop_node *node)
{
    struct admin_client *c =
        (struct admin_client *)((char *)node - offsetof(struct admin_client, again));

    if (c->state == CLIENT_READING)
        client_read(c);
}

static void client_on_idle(void *arg)
{
    client_close(arg);
}

void admin_client_open(struct admin *admin, enum admin_kind kind, int fd)
{
    struct admin_client *c = NULL;

    if (admin->client_count < ADMIN_CLIENTS_MAX)
        c = calloc(1, sizeof(*c));
    if (c == NULL) {
        close(fd);
        return;
    }
    c->admin = admin;
    c->kind = kind;
    stream_init(&c->channel.stream, &admin->loop, fd, client_on_event, c);
    loop_timer_init(&c->idle, &admin->loop, client_on_idle, c);
    TAILQ_INSERT_TAIL(&admin->clients, c, link);
    admin->client_count++;
    loop_timer_set(&c->idle, ADMIN_IDLE_MS);
    stream_want(&c->channel.stream, STREAM_READ);
}

void admin_clients_close(struct admin *admin)
{
    struct admin_client *c;

    while ((c = TAILQ_FIRST(&admin->clients)) != NULL)
        client_close(c);
}
