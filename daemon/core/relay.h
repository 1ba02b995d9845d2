/* SPDX-License-Identifier: BSD-2-Clause
 *
 * relay: bytes both ways between two channels, unseen, with backpressure and half-close: a tunnel.
 */
#ifndef DIVED_CORE_RELAY_H
#define DIVED_CORE_RELAY_H

#include "core/channel.h"

/* `clean`: both sides ended in order. Called once, not before relay_start() has returned. */
typedef void relay_done_fn(void *arg, bool clean);

struct relay {
    struct channel *side[2];
    bool ended[2]; /* that side sent its last byte */
    bool shut[2];  /* and the other side was told */
    struct loop_timer timer;
    struct loop_node node;
    int64_t idle_ms;
    uint64_t bytes[2]; /* received from that side */
    relay_done_fn *done;
    void *arg;
    bool running;
};

/* Takes over the callbacks of both streams until `done`. What is in the channels' queues is passed
 * on first: `in` to the other side. The channels stay the caller's. */
void relay_start(struct relay *relay, struct loop *loop, struct channel *a, struct channel *b,
                 int64_t idle_ms, relay_done_fn *done, void *arg);
/* `done` isn't called. Fine when it isn't running. */
void relay_stop(struct relay *relay);

#endif
