/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tee: TEE. Content that passes as it comes and is kept on its way: into the hold of a flight, from
 * where the client, the followers and the cache take it. The origin's pace is its own: a client
 * that is slower than it reads from the hold, and one that leaves doesn't end what others wait for.
 */
#include <string.h>

#include "exchange/private.h"

#define TEE_ROUNDS 16 /* reads in a row before others have their turn */

/* What a step says beside 1 (go on), 0 and STREAM_*. */
enum {
    TEE_HOLD_FAILED = -10, /* nothing is lost: the rest can pass without the hold */
    TEE_MALFORMED = -11,
    TEE_INCOMPLETE = -12,
};

static void tee_hash(struct exchange *x, const void *p, size_t n)
{
    if (x->verifier != NULL && dive_verifier_needs_body(x->verifier))
        dive_verifier_body(x->verifier, p, n);
}

static int tee_read_direct(struct exchange *x, struct hold *hold, uint64_t most)
{
    size_t room;
    ssize_t n;
    void *to;

    if (hold_space(hold, &to, &room) != HOLD_OK)
        return TEE_HOLD_FAILED;
    if (room > most)
        room = (size_t)most;
    if (hold_reserve(hold, room) != HOLD_OK)
        return TEE_HOLD_FAILED;
    n = stream_read(&x->origin->channel.stream, to, room);
    if (n <= 0 && hold_commit(hold, 0) != HOLD_OK)
        return TEE_HOLD_FAILED;
    if (n == STREAM_WAIT)
        return STREAM_WAIT;
    if (n <= 0) {
        if (n == STREAM_EOF)
            body_end_of_stream(&x->response_body);
        return x->response_body.complete ? 1 : TEE_INCOMPLETE;
    }
    tee_hash(x, to, (size_t)n);
    body_read_direct(&x->response_body, (size_t)n);
    return hold_commit(hold, (size_t)n) == HOLD_OK ? 1 : TEE_INCOMPLETE; /* reserved: it is OK */
}

static int tee_read_queued(struct exchange *x, struct hold *hold)
{
    struct channel *origin = &x->origin->channel;
    struct dive_span content;
    ssize_t n;
    int r = body_next(&x->response_body, &origin->in, &content);

    if (r < 0)
        return TEE_MALFORMED;
    if (r == HTTP_DONE)
        return 1;
    if (r == HTTP_DATA) {
        uint64_t before = hold_size(hold), taken;
        enum hold_error error = hold_append(hold, content.p, content.n);

        taken = hold_size(hold) - before;
        tee_hash(x, content.p, (size_t)taken);
        body_taken(&x->response_body, &origin->in, (size_t)taken);
        return error == HOLD_OK ? 1 : TEE_HOLD_FAILED;
    }
    n = channel_fill(origin, CHANNEL_IN_MAX);
    if (n > 0)
        return 1;
    if (n == STREAM_WAIT)
        return STREAM_WAIT;
    if (n == STREAM_EOF)
        body_end_of_stream(&x->response_body);
    return x->response_body.complete ? 1 : TEE_INCOMPLETE;
}

/* The content is whole: the followers have it, and the cache gets it. */
static int tee_complete(struct exchange *x, struct hold *hold)
{
    if (hold_finish(hold) != HOLD_OK)
        return TEE_HOLD_FAILED;
    if (verify_end(x) != 0)
        return TEE_INCOMPLETE;
    response_release_origin(x);
    x->send_end = x->ranged ? x->send_end : hold_size(hold);
    x->complete = true;
    keep_settle(x);
    return 1;
}

/* The hold can't go on. What is in it still goes to the client, and then the rest as it comes. */
static void tee_spoil(struct exchange *x, struct hold *hold)
{
    char why[256];

    hold_describe(hold, why, sizeof(why));
    keep_give_up(x, why);
    x->spoiled = true;
}

static int tee_origin_failed(struct exchange *x, int how)
{
    if (how == TEE_INCOMPLETE && resume_begin(x))
        return EXCHANGE_CONNECT;
    if (how == TEE_MALFORMED)
        return exchange_break(x, "the origin's content is malformed");
    return exchange_break(x, "the origin closed the connection before the content was complete");
}

/* One read. 1: progress, STREAM_WAIT, or one of the failures above. */
static int tee_fill(struct exchange *x, struct hold *hold)
{
    uint64_t direct;
    int r;

    if (x->response_body.complete)
        return tee_complete(x, hold);
    direct = body_direct(&x->response_body, &x->origin->channel.in);
    r = direct > 0 ? tee_read_direct(x, hold, direct) : tee_read_queued(x, hold);
    if (r == 1)
        x->origin_due_ms =
            loop_now_ms(&x->worker->loop) + x->runtime->config->timeouts.origin_idle_ms;
    /* Stored before the last bytes go out: a client that has everything and asks again finds it. */
    return r == 1 && x->response_body.complete ? tee_complete(x, hold) : r;
}

/* Followers that have read everything shouldn't wait for the staging buffer to be full. */
static int tee_publish(struct exchange *x, struct hold *hold)
{
    if (x->flight == NULL || x->complete || flight_has_ended(x->flight))
        return 1;
    if (hold_published(hold) < hold_size(hold) && flight_is_awaited(x->flight) &&
        hold_publish(hold) != HOLD_OK)
        return TEE_HOLD_FAILED;
    if (hold_published(hold) > x->published) {
        x->published = hold_published(hold);
        flight_progress(x->flight);
    }
    return 1;
}

/* The earlier of what the origin and what the client have left. */
static void tee_deadline(struct exchange *x)
{
    int64_t now = loop_now_ms(&x->worker->loop), due = INT64_MAX;

    if (!x->complete && !x->spoiled)
        due = x->origin_due_ms;
    if (x->client != NULL && (x->want_client & STREAM_WRITE)) {
        if (x->client_due_ms == 0)
            x->client_due_ms = now + x->runtime->config->timeouts.client_write_ms;
        if (x->client_due_ms < due)
            due = x->client_due_ms;
    }
    if (due != INT64_MAX)
        exchange_deadline(x, due > now ? due - now : 1);
}

/* Something of the client's: 1 it has all that there is, STREAM_WAIT, 0 not yet, or as a stage. */
static int tee_send(struct exchange *x, struct hold *hold)
{
    int r;

    if (x->client == NULL)
        return 1;
    r = send_content(x, hold_size(hold));
    if (r == 1)
        r = x->complete && x->send_offset >= x->send_end ? send_last(x) : channel_flush(x->client);
    return r;
}

/* Everything is said to everybody, or to the client at least. */
static bool tee_is_over(const struct exchange *x)
{
    return x->complete && (x->client == NULL || (x->send_offset >= x->send_end && x->send_ended));
}

int tee_timeout(struct exchange *x)
{
    int64_t now = loop_now_ms(&x->worker->loop);

    if (x->client != NULL && x->client_due_ms != 0 && now >= x->client_due_ms) {
        if (exchange_detach_client(x, "the client doesn't read"))
            return EXCHANGE_TEE;
        return exchange_client_left(x);
    }
    if (!x->complete && now >= x->origin_due_ms) {
        if (resume_begin(x))
            return EXCHANGE_CONNECT;
        return exchange_break(x, "the origin stopped sending");
    }
    return EXCHANGE_TEE;
}

int tee_content(struct exchange *x)
{
    struct hold *hold = flight_hold(x->flight);
    int filled = 1, sent = 1;

    for (unsigned round = exchange_rounds(x, TEE_ROUNDS); round > 0; round--) {
        if (!x->complete && !x->spoiled)
            filled = tee_fill(x, hold);
        if (filled == TEE_HOLD_FAILED)
            tee_spoil(x, hold);
        else if (filled <= TEE_MALFORMED)
            return tee_origin_failed(x, filled);
        sent = tee_send(x, hold);
        if (sent == STREAM_ERROR) {
            if (!exchange_detach_client(x, "the client left"))
                return exchange_client_left(x);
            sent = 1;
        }
        if (x->spoiled && (x->client == NULL || x->ranged))
            return exchange_break(x, "the content could not be kept, and nothing else has it");
        if (x->spoiled && sent == 1 && x->send_offset >= hold_size(hold))
            return EXCHANGE_STREAM;
        if (tee_is_over(x)) {
            x->fate = exchange_fate_of(x);
            return EXCHANGE_AFTER;
        }
        if ((x->complete || x->spoiled || filled == STREAM_WAIT) && sent != 0)
            break;
    }
    if (tee_publish(x, hold) == TEE_HOLD_FAILED)
        tee_spoil(x, hold);
    if (sent == STREAM_WAIT)
        x->want_client |= STREAM_WRITE;
    if (filled == STREAM_WAIT && !x->complete)
        x->want_origin |= STREAM_READ;
    else if (!x->complete || sent == 0)
        x->yields = true;
    tee_deadline(x);
    return EXCHANGE_WAIT;
}
