/* SPDX-License-Identifier: BSD-2-Clause
 *
 * held: HOLD and VERDICT. Content that a policy covers is kept back, hashed where it lies, until
 * the verdict; then it goes out whole (or the range that was asked for), or not at all. What
 * hold.release lets go earlier is early.c's.
 */
#include <string.h>

#include "exchange/private.h"

#define HOLD_ROUNDS 32 /* reads in a row before others have their turn */

/* It has failed a moment ago, whole, under the same strong validator: it isn't loaded again to find
 * that out. */
int hold_block_again(struct exchange *x, enum dive_reason reason)
{
    exchange_drop_origin(x, false);
    x->concluded = true;
    x->failed_before = true;
    x->verdict = VERDICT_FAILED;
    x->action = ACTION_BLOCKED;
    x->reason = reason;
    return exchange_refuse(x, 403, "dive_verification_failed", "%s", dive_reason_text(reason));
}

int hold_block(struct exchange *x)
{
    if (x->response_body.complete)
        keep_remember_rejection(x);
    exchange_drop_origin(x, false);
    verify_conclude(x, true);
    x->action = ACTION_BLOCKED;
    return exchange_refuse(x, 403, "dive_verification_failed", "%s",
                           dive_reason_text(dive_verifier_reason(x->verifier)));
}

static int hold_failed(struct exchange *x, enum hold_error error)
{
    char why[256] = "";

    if (x->hold != NULL)
        hold_describe(x->hold, why, sizeof(why));
    exchange_drop_origin(x, false);
    if (error == HOLD_TOO_LARGE)
        return exchange_refuse(x, 502, "http_response_body_size",
                               "the content is larger than hold.max-size");
    return exchange_refuse(x, 503, "proxy_internal_error", "the content could not be held: %s%s%s",
                           hold_error_word(error), why[0] != '\0' ? ": " : "", why);
}

static int hold_incomplete(struct exchange *x)
{
    if (resume_begin(x))
        return EXCHANGE_CONNECT;
    exchange_drop_origin(x, false);
    return exchange_refuse(x, 502, "http_response_incomplete",
                           "the origin closed the connection before the content was complete");
}

/* Reads content from the stream straight into the hold: 1, or as a stage. */
static int hold_read_direct(struct exchange *x, uint64_t most)
{
    enum hold_error error;
    size_t room;
    ssize_t n;
    void *to;

    error = hold_space(x->hold, &to, &room);
    if (error != HOLD_OK)
        return hold_failed(x, error);
    n = stream_read(&x->origin->channel.stream, to, room < most ? room : (size_t)most);
    if (n == STREAM_WAIT) {
        x->want_origin |= STREAM_READ;
        return EXCHANGE_WAIT;
    }
    if (n <= 0) {
        if (n == STREAM_EOF)
            body_end_of_stream(&x->response_body);
        return x->response_body.complete ? 1 : hold_incomplete(x);
    }
    dive_verifier_body(x->verifier, to, (size_t)n);
    error = hold_commit(x->hold, (size_t)n);
    if (error != HOLD_OK)
        return hold_failed(x, error);
    body_read_direct(&x->response_body, (size_t)n);
    return 1;
}

/* Content out of the connection's queue (behind the head, or between chunk framing): as above. */
static int hold_read_queued(struct exchange *x)
{
    struct channel *origin = &x->origin->channel;
    struct dive_span content;
    enum hold_error error;
    ssize_t n;
    int r = body_next(&x->response_body, &origin->in, &content);

    if (r < 0) {
        exchange_drop_origin(x, false);
        return exchange_refuse(x, 502, "http_protocol_error",
                               "the origin's content is malformed: %s", http_error_text(r));
    }
    if (r == HTTP_DATA) {
        dive_verifier_body(x->verifier, content.p, content.n);
        error = hold_append(x->hold, content.p, content.n);
        if (error != HOLD_OK)
            return hold_failed(x, error);
        body_taken(&x->response_body, &origin->in, content.n);
        return 1;
    }
    if (r == HTTP_DONE)
        return 1;
    n = channel_fill(origin, CHANNEL_IN_MAX);
    if (n > 0)
        return 1;
    if (n == STREAM_WAIT) {
        x->want_origin |= STREAM_READ;
        return EXCHANGE_WAIT;
    }
    return hold_incomplete(x);
}

static void hold_deadline(struct exchange *x)
{
    const struct config *config = x->runtime->config;
    int64_t left = x->hold_until_ms - loop_now_ms(&x->worker->loop);

    if (left < 1)
        left = 1;
    exchange_deadline(x, left < config->timeouts.origin_idle_ms ? left
                                                                : config->timeouts.origin_idle_ms);
}

/* hold.keepalive: an interim response now and then, so that a client's read timer doesn't fire. RFC
 * 9110 section 15.2: a client parses any number of them, asked for or not; HTTP/1.0 doesn't know
 * them. */
void hold_keep_alive(void *arg)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct exchange *x = arg;

    if (x->closing || x->head_sent || x->client == NULL ||
        (x->state != EXCHANGE_HOLD && x->state != EXCHANGE_VERDICT && !resume_is_under_way(x)))
        return;
    /* A client that doesn't even read these gets no more of them; that it has left is told
     * otherwise. */
    if (buffer_length(&x->client->out) == 0 &&
        buffer_append(&x->client->out, interim, sizeof(interim) - 1, CHANNEL_IN_MAX) == 0)
        (void)!channel_flush(x->client);
    loop_timer_set(&x->keepalive, x->runtime->config->hold.keepalive_ms);
}

/* apt (2.6 and before, at least) takes what follows an interim response for a malformed field. */
static bool hold_may_interim(const struct exchange *x)
{
    const struct dive_span *agent = http_field_get(&x->request, "User-Agent");

    return x->request.minor > 0 &&
           (agent == NULL || memmem(agent->p, agent->n, "APT-HTTP/", 9) == NULL);
}

static int hold_begin(struct exchange *x)
{
    enum hold_error error = hold_new(
        &x->hold, &x->worker->shared->hold, keep_limits(x),
        x->response.content_length >= 0 ? (uint64_t)x->response.content_length : HOLD_SIZE_UNKNOWN);

    x->hold_until_ms = loop_now_ms(&x->worker->loop) + x->runtime->config->hold.timeout_ms;
    if (x->runtime->config->hold.keepalive_ms > 0 && hold_may_interim(x))
        loop_timer_set(&x->keepalive, x->runtime->config->hold.keepalive_ms);
    early_begin(x);
    return error == HOLD_OK ? EXCHANGE_HOLD : hold_failed(x, error);
}

/* What there is to be read, up to the content's end. As a stage. */
static int hold_fill(struct exchange *x)
{
    int r;

    for (unsigned round = exchange_rounds(x, HOLD_ROUNDS); round > 0; round--) {
        uint64_t direct;

        /* Answers came in meanwhile: what can't be accepted any more isn't worth loading. */
        if (dive_verifier_verdict(x->verifier) == DIVE_REJECT)
            return hold_block(x);
        if (x->response_body.complete) {
            enum hold_error error = hold_finish(x->hold);

            return error == HOLD_OK ? EXCHANGE_VERDICT : hold_failed(x, error);
        }
        direct = body_direct(&x->response_body, &x->origin->channel.in);
        r = direct > 0 ? hold_read_direct(x, direct) : hold_read_queued(x);
        if (r != 1)
            return r;
        hold_deadline(x);
    }
    x->yields = true;
    return EXCHANGE_WAIT;
}

int hold_content(struct exchange *x)
{
    int next;

    if (x->hold == NULL) {
        next = hold_begin(x);
        if (next != EXCHANGE_HOLD)
            return next;
        hold_deadline(x);
    }
    next = hold_fill(x);
    return next == EXCHANGE_WAIT ? early_send(x) : next;
}

int hold_verdict(struct exchange *x)
{
    if (x->complete_us == 0) {
        if (verify_end(x) != 0)
            return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
        response_release_origin(x);
        /* Each lookup ends by itself; one verification may need two in a row. A second fence. */
        exchange_deadline(x, x->runtime->config->dns.timeout_ms * 4);
    }
    switch (dive_verifier_verdict(x->verifier)) {
    case DIVE_ACCEPT:
        break;
    case DIVE_REJECT:
        return hold_block(x);
    case DIVE_UNDECIDED:
        return EXCHANGE_WAIT;
    case DIVE_NOT_COVERED:
    case DIVE_NOT_SUPPORTED:
    default:
        /* It was covered when it was held: not a state that releases anything. */
        return exchange_refuse(x, 500, "proxy_internal_error", "the verifier contradicts itself");
    }
    verify_conclude(x, false);
    x->action = ACTION_RELEASED;
    keep_settle(x);
    x->source = (struct source){.hold = x->hold};
    if (x->head_sent) { /* and some of the content: see early.c */
        x->send_end = hold_size(x->hold);
        exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
    }
    return x->client != NULL ? EXCHANGE_RELEASE : EXCHANGE_END;
}
