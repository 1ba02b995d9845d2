/* SPDX-License-Identifier: BSD-2-Clause
 *
 * relay: see relay.h. Each side's `in` queue is what waits for the other side; its `out` queue must
 * drain before.
 */
#include "core/relay.h"

#define RELAY_ROUNDS 4 /* reads in a row from one side, so that one tunnel can't hold the loop */

static void relay_finish(struct relay *relay, bool clean)
{
    relay_done_fn *done = relay->done;
    void *arg = relay->arg;

    relay_stop(relay);
    done(arg, clean);
}

/* Moves bytes from `from` to `to`. False: the relay is over. */
static bool relay_move(struct relay *relay, int from)
{
    struct channel *source = relay->side[from], *sink = relay->side[!from];

    for (int round = 0; round < RELAY_ROUNDS; round++) {
        ssize_t n;
        int r = channel_flush(sink);

        if (r == STREAM_ERROR)
            return false;
        if (r == STREAM_WAIT)
            return true;
        while (buffer_length(&source->in) > 0) {
            n = stream_write(&sink->stream, buffer_data(&source->in), buffer_length(&source->in));
            if (n == STREAM_WAIT)
                return true;
            if (n <= 0)
                return false;
            buffer_consume(&source->in, (size_t)n);
        }
        if (relay->ended[from]) {
            if (!relay->shut[from])
                stream_shutdown_write(&sink->stream);
            relay->shut[from] = true;
            return true;
        }
        n = channel_fill_all(source, CHANNEL_IN_MAX);
        if (n == STREAM_ERROR && buffer_length(&source->in) == 0)
            return false;
        if (n == STREAM_EOF)
            relay->ended[from] = true;
        else if (buffer_length(&source->in) == 0)
            return true;
        relay->bytes[from] += buffer_length(&source->in);
        loop_timer_set(&relay->timer, relay->idle_ms);
    }
    return true;
}

static void relay_run(struct relay *relay)
{
    for (int from = 0; from < 2; from++) {
        if (!relay_move(relay, from)) {
            relay_finish(relay, false);
            return;
        }
    }
    if (relay->shut[0] && relay->shut[1]) {
        relay_finish(relay, true);
        return;
    }
    for (int i = 0; i < 2; i++) {
        const struct channel *own = relay->side[i], *other = relay->side[!i];
        unsigned wanted = 0;

        if (!relay->ended[i] && buffer_length(&own->in) < CHANNEL_IN_MAX)
            wanted |= STREAM_READ;
        if (buffer_length(&own->out) > 0 || buffer_length(&other->in) > 0)
            wanted |= STREAM_WRITE;
        stream_want(&relay->side[i]->stream, wanted);
    }
}

static void relay_on_event(void *arg, unsigned events)
{
    struct relay *relay = arg;

    if (relay->running)
        relay_run(relay);
}

static void relay_on_timeout(void *arg)
{
    struct relay *relay = arg;

    if (relay->running)
        relay_finish(relay, false);
}

static void relay_begin(struct loop_node *node)
{
    struct relay *relay = (struct relay *)((char *)node - offsetof(struct relay, node));

    if (relay->running)
        relay_run(relay);
}

void relay_start(struct relay *relay, struct loop *loop, struct channel *a, struct channel *b,
                 int64_t idle_ms, relay_done_fn *done, void *arg)
{
    *relay = (struct relay){.side = {a, b}, .idle_ms = idle_ms, .done = done, .arg = arg};
    relay->running = true;
    relay->bytes[0] = buffer_length(&a->in);
    relay->bytes[1] = buffer_length(&b->in);
    loop_timer_init(&relay->timer, loop, relay_on_timeout, relay);
    loop_timer_set(&relay->timer, idle_ms);
    stream_set_owner(&a->stream, relay_on_event, relay);
    stream_set_owner(&b->stream, relay_on_event, relay);
    loop_later(loop, &relay->node, relay_begin);
}

void relay_stop(struct relay *relay)
{
    if (!relay->running)
        return;
    relay->running = false;
    loop_timer_stop(&relay->timer);
    loop_cancel(relay->side[0]->stream.loop, &relay->node);
    stream_want(&relay->side[0]->stream, 0);
    stream_want(&relay->side[1]->stream, 0);
}
