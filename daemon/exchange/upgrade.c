/* SPDX-License-Identifier: BSD-2-Clause
 *
 * upgrade: UPGRADE. The origin agreed to another protocol (101, RFC 9110 section 15.2.2) that the
 * client had offered: its head is passed on, then bytes both ways.
 */
#include "exchange/private.h"

static void upgrade_on_done(void *arg, bool clean)
{
    struct exchange *x = arg;

    if (x->closing)
        return;
    x->bytes_out = x->relay.bytes[1];
    x->fate = clean ? EXCHANGE_CLOSE : EXCHANGE_ABORT;
    x->upgrade_over = true;
    exchange_run(x);
}

int upgrade_relay(struct exchange *x)
{
    if (x->upgrade_over)
        return EXCHANGE_END;
    if (x->head_sent)
        return EXCHANGE_WAIT;
    if (response_queue_head(x, &x->response, 101, HTTP_BODY_NONE, -1, NULL, 0, NULL) != 0)
        return exchange_break(x, "out of memory");
    x->head_sent = true;
    x->status = 101;
    x->action = ACTION_STREAMED;
    x->verdict = x->exempt ? VERDICT_EXEMPT : VERDICT_NOT_COVERED;
    x->concluded = true;
    loop_timer_stop(&x->timer);
    relay_start(&x->relay, &x->worker->loop, x->client, &x->origin->channel,
                x->runtime->config->timeouts.tunnel_idle_ms, upgrade_on_done, x);
    return EXCHANGE_WAIT;
}
