/* SPDX-License-Identifier: BSD-2-Clause
 *
 * stream: STREAM and AFTER. Content that passes as it comes: what no policy covers, and everything
 * in report-only, where it is hashed on its way and judged when it is gone.
 */
#include <string.h>

#include "exchange/private.h"

#define STREAM_ROUNDS 16 /* writes in a row before others have their turn */
/* What is copied behind the head, to be one write (one TLS record). */
#define STREAM_SMALL (16 * 1024)

static void stream_hash(struct exchange *x, const char *p, size_t n)
{
    if (x->verifier != NULL && dive_verifier_needs_body(x->verifier))
        dive_verifier_body(x->verifier, p, n);
}

/* Queues `content`, with its chunk framing if there is one. 1 or STREAM_ERROR. */
static int stream_queue(struct exchange *x, struct dive_span content, size_t *n)
{
    struct buffer *out = &x->client->out;
    char header[HTTP_CHUNK_HEADER_MAX];
    bool chunked = x->client_body == HTTP_BODY_CHUNKED;

    *n = content.n < STREAM_SMALL ? content.n : STREAM_SMALL;
    if ((chunked && buffer_append(out, header, http_chunk_header(header, *n), SIZE_MAX / 2) != 0) ||
        buffer_append(out, content.p, *n, SIZE_MAX / 2) != 0 ||
        (chunked && buffer_append(out, HTTP_CHUNK_END, strlen(HTTP_CHUNK_END), SIZE_MAX / 2) != 0))
        return STREAM_ERROR;
    return 1;
}

/* Passes some of `content` on. 1 and *n, STREAM_WAIT or STREAM_ERROR. */
static int stream_pass_on(struct exchange *x, struct dive_span content, size_t *n)
{
    struct channel *client = x->client;
    ssize_t r;

    *n = 0;
    if (x->client_body == HTTP_BODY_CHUNKED ||
        (buffer_length(&client->out) > 0 && content.n <= STREAM_SMALL)) {
        if (buffer_length(&client->out) >= STREAM_SMALL) {
            r = channel_flush(client);
            if (r != 1)
                return (int)r;
        }
        return stream_queue(x, content, n);
    }
    r = channel_flush(client);
    if (r != 1)
        return (int)r;
    r = stream_write(&client->stream, content.p, content.n);
    *n = r > 0 ? (size_t)r : 0;
    return r > 0 ? 1 : (int)r;
}

/* Events of others are no progress of the client's: they don't push its deadline. */
static int stream_wait_for_client(struct exchange *x)
{
    x->want_client |= STREAM_WRITE;
    if (!x->client_stalls)
        exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
    x->client_stalls = true;
    return EXCHANGE_WAIT;
}

/* Everything came in; what is queued still has to go out. */
static int stream_finish(struct exchange *x)
{
    int r;

    if (x->origin != NULL) {
        if (x->client_body == HTTP_BODY_CHUNKED &&
            buffer_append(&x->client->out, HTTP_CHUNK_LAST, strlen(HTTP_CHUNK_LAST),
                          SIZE_MAX / 2) != 0)
            return exchange_break(x, "out of memory");
        if (verify_end(x) != 0)
            return exchange_break(x, "out of memory");
        response_release_origin(x);
    }
    r = channel_flush(x->client);
    if (r == STREAM_ERROR)
        return exchange_client_left(x);
    if (r == STREAM_WAIT)
        return stream_wait_for_client(x);
    x->fate = exchange_fate_of(x);
    return EXCHANGE_AFTER;
}

/* More from the origin: 1, or as a stage. */
static int stream_fill(struct exchange *x)
{
    struct channel *origin = &x->origin->channel;
    ssize_t n;
    int r = channel_flush(x->client); /* nothing may wait here for content that isn't there yet */

    if (r == STREAM_ERROR)
        return exchange_client_left(x);
    n = channel_fill_all(origin, CHANNEL_IN_MAX);
    if (buffer_length(&origin->in) > 0)
        return 1;
    if (n == STREAM_WAIT) {
        x->want_origin |= STREAM_READ;
        x->want_client |= r == STREAM_WAIT ? STREAM_WRITE : 0;
        return EXCHANGE_WAIT;
    }
    if (n == STREAM_EOF)
        body_end_of_stream(&x->response_body);
    if (x->response_body.complete)
        return 1;
    return exchange_break(x, "the origin closed the connection before the content was complete");
}

int stream_content(struct exchange *x)
{
    const struct config *config = x->runtime->config;

    for (unsigned round = exchange_rounds(x, STREAM_ROUNDS); round > 0; round--) {
        struct dive_span content = {0};
        size_t n;
        int r = x->origin == NULL ? HTTP_DONE
                                  : body_next(&x->response_body, &x->origin->channel.in, &content);

        if (r < 0)
            return exchange_break(x, "the origin's content is malformed: %s", http_error_text(r));
        if (r == HTTP_DONE)
            return stream_finish(x);
        if (r == HTTP_NEED_MORE) {
            r = stream_fill(x);
            if (r != 1)
                return r;
            continue;
        }
        r = stream_pass_on(x, content, &n);
        if (r == STREAM_ERROR)
            return exchange_client_left(x);
        if (r == STREAM_WAIT)
            return stream_wait_for_client(x);
        x->client_stalls = false;
        stream_hash(x, content.p, n);
        body_taken(&x->response_body, &x->origin->channel.in, n);
        x->bytes_out += n;
        exchange_deadline(x, config->timeouts.origin_idle_ms);
    }
    return stream_wait_for_client(x); /* others have their turn first */
}

/* The client has everything and may go on; the verdict of report-only is waited for without it. */
int after_verdict(struct exchange *x)
{
    bool decided = x->verifier == NULL || dive_verifier_verdict(x->verifier) != DIVE_UNDECIDED;

    if (!decided) {
        exchange_give_back(x);
        exchange_deadline(x, x->runtime->config->dns.timeout_ms * 4);
        return EXCHANGE_WAIT;
    }
    if (!x->concluded)
        verify_conclude(x, false);
    if (x->verdict == VERDICT_FAILED)
        x->action = ACTION_REPORTED;
    if (x->from_store && x->verdict == VERDICT_FAILED &&
        x->reason != DIVE_REASON_DNSSEC_UNAVAILABLE)
        store_drop(x->worker->shared->store, x->object, dive_reason_text(x->reason));
    keep_settle(x);
    return EXCHANGE_END;
}
