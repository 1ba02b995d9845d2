/* SPDX-License-Identifier: BSD-2-Clause
 *
 * early: what hold.release lets go before the verdict, for clients that don't wait for it.
 *
 * Nothing leaves before policy, key and signature have been verified, so that what is left open is
 * only whether the content has the digest that was signed: with draft-00, where that can't be known
 * earlier than the content's end, nothing leaves at all. The last hold.tail bytes of what has
 * arrived stay in any case, and with them the content's end: a client that was given unverified
 * bytes never has the whole of them before ACCEPT. After any other verdict the connection is broken
 * off (a reset; no final chunk, fewer bytes than Content-Length says), which is an error to every
 * client.
 *
 * A part, an answer to conditions, and content whose end a client can't tell from a broken
 * connection (HTTP/1.0 without a length) are held until the verdict.
 */
#include "exchange/private.h"

#define EARLY_PIECE 1024 /* bytes for each hold.trickle-interval */

static bool early_is_allowed(const struct exchange *x)
{
    static const char *const conditions[] = {"Range", "If-None-Match", "If-Modified-Since"};

    if ((x->release != CONFIG_RELEASE_TAIL && x->release != CONFIG_RELEASE_TRICKLE) ||
        x->client == NULL || x->response.status != 200 ||
        (x->response.content_length < 0 && x->request.minor == 0) ||
        !dive_verifier_awaits_content(x->verifier))
        return false;
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (http_field_get(&x->request, conditions[i]) != NULL)
            return false;
    return true;
}

/* How much of the content may have left by now. */
static uint64_t early_limit(const struct exchange *x)
{
    uint64_t size = hold_size(x->hold), tail = (uint64_t)x->runtime->config->hold.tail;
    uint64_t limit = size > tail ? size - tail : 0;

    return x->release == CONFIG_RELEASE_TRICKLE && limit > x->trickled ? x->trickled : limit;
}

void early_begin(struct exchange *x)
{
    if (x->release == CONFIG_RELEASE_TRICKLE && x->client != NULL)
        loop_timer_set(&x->trickle, x->runtime->config->hold.trickle_interval_ms);
}

void early_tick(void *arg)
{
    struct exchange *x = arg;

    if (x->closing || x->client == NULL || x->state == EXCHANGE_VERDICT ||
        x->state == EXCHANGE_RELEASE || x->state == EXCHANGE_REFUSE)
        return;
    x->trickled += EARLY_PIECE;
    loop_timer_set(&x->trickle, x->runtime->config->hold.trickle_interval_ms);
    if (x->state == EXCHANGE_HOLD) /* else a broken transfer is being resumed */
        exchange_run(x);
}

int early_send(struct exchange *x)
{
    uint64_t limit;
    int r;

    if (!early_is_allowed(x) || (limit = early_limit(x)) == 0)
        return EXCHANGE_WAIT;
    if (!x->head_sent) {
        x->source = (struct source){.hold = x->hold};
        r = release_begin(x, x->response.content_length);
        if (r != 1)
            return r;
    }
    r = send_content(x, limit);
    if (r == 1)
        r = channel_flush(x->client);
    if (r == STREAM_ERROR && !exchange_detach_client(x, "the client left"))
        return exchange_client_left(x);
    if (r == STREAM_WAIT)
        x->want_client |= STREAM_WRITE;
    return EXCHANGE_WAIT;
}
