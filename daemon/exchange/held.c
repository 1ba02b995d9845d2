/* SPDX-License-Identifier: BSD-2-Clause
 *
 * held: HOLD, VERDICT and RELEASE. Content that a policy covers is kept back, hashed where it lies,
 * until the verdict; then it goes out whole (or the range that was asked for), or not at all.
 */
#include <string.h>

#include "exchange/private.h"

#define HOLD_ROUNDS 32    /* reads in a row before others have their turn */
#define RELEASE_ROUNDS 16 /* writes */

int hold_block(struct exchange *x)
{
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

    if (x->closing || x->head_sent || (x->state != EXCHANGE_HOLD && x->state != EXCHANGE_VERDICT))
        return;
    /* A client that doesn't even read these gets no more of them; that it has left is told
     * otherwise. */
    if (buffer_length(&x->client->out) == 0 &&
        buffer_append(&x->client->out, interim, sizeof(interim) - 1, CHANNEL_IN_MAX) == 0)
        (void)!channel_flush(x->client);
    loop_timer_set(&x->keepalive, x->runtime->config->hold.keepalive_ms);
}

static int hold_begin(struct exchange *x)
{
    enum hold_error error = hold_new(
        &x->hold, &x->worker->shared->hold, &x->runtime->hold_limits,
        x->response.content_length >= 0 ? (uint64_t)x->response.content_length : HOLD_SIZE_UNKNOWN);

    x->hold_until_ms = loop_now_ms(&x->worker->loop) + x->runtime->config->hold.timeout_ms;
    if (x->runtime->config->hold.keepalive_ms > 0 && x->request.minor > 0)
        loop_timer_set(&x->keepalive, x->runtime->config->hold.keepalive_ms);
    return error == HOLD_OK ? EXCHANGE_HOLD : hold_failed(x, error);
}

int hold_content(struct exchange *x)
{
    int r;

    if (x->hold == NULL) {
        r = hold_begin(x);
        if (r != EXCHANGE_HOLD)
            return r;
        hold_deadline(x);
    }
    for (unsigned round = 0; round < HOLD_ROUNDS; round++) {
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
    return EXCHANGE_RELEASE;
}

/* RFC 9110 section 13.1.5: does If-Range name the representation that we hold? */
static bool release_range_applies(const struct exchange *x)
{
    const struct dive_span *condition = http_field_get(&x->request, "If-Range");
    const struct dive_span *own;

    if (condition == NULL)
        return true;
    if (http_field_count(&x->request, "If-Range") > 1 || condition->n == 0)
        return false;
    if (condition->p[0] == '"')
        own = http_field_get(&x->response, "ETag");
    else if (condition->n > 2 && condition->p[0] == 'W')
        return false;
    else
        own = http_field_get(&x->response, "Last-Modified");
    return own != NULL && own->n == condition->n && memcmp(own->p, condition->p, own->n) == 0;
}

/* Queues the head; sets what is to be released. 0 or negative. */
static int release_queue_head(struct exchange *x)
{
    /* Of a part it would be wrong: RFC 9530 section 2 is about this message's content. The whole's
     * is Repr-Digest's (section 3). */
    static const char *const partial_drop[] = {"Content-Digest", "Repr-Digest", NULL};
    const struct dive_span *digest = http_field_get(&x->response, "Content-Digest");
    uint64_t size = hold_size(x->hold);
    char content_range[HTTP_CONTENT_RANGE_SIZE];
    struct http_range range = {0};
    struct dive_field add[3] = {
        {dive_span_str("Cache-Status"), dive_span_str("dived; fwd=bypass")},
        {dive_span_str("Content-Range"), {0}},
        {dive_span_str("Repr-Digest"), {0}},
    };
    enum http_range_result result = HTTP_RANGE_IGNORE;

    x->release_offset = 0;
    x->release_end = size;
    x->status = 200;
    if (x->take_whole && release_range_applies(x))
        result = http_range_from_request(&x->request, size, &range);
    if (result == HTTP_RANGE_IGNORE)
        return response_queue_head(x, 200, HTTP_BODY_LENGTH, (int64_t)size, add, 1, NULL);
    if (result == HTTP_RANGE_UNSATISFIABLE) {
        x->status = 416;
        x->release_end = 0;
        http_content_range(content_range, NULL, size);
    } else {
        x->status = 206;
        x->release_offset = range.first;
        x->release_end = range.last + 1;
        http_content_range(content_range, &range, size);
    }
    add[1].value = dive_span_str(content_range);
    if (digest != NULL)
        add[2].value = *digest;
    return response_queue_head(x, x->status, HTTP_BODY_LENGTH,
                               (int64_t)(x->release_end - x->release_offset), add,
                               digest != NULL ? 3 : 2, partial_drop);
}

/* Writes some of the held content: the count, STREAM_WAIT or STREAM_ERROR. */
static ssize_t release_write(struct exchange *x)
{
    struct stream *stream = &x->client->stream;
    uint64_t left = x->release_end - x->release_offset;
    const void *memory;
    uint64_t in_file;
    off_t position;
    size_t n;
    int file;

    hold_peek(x->hold, x->release_offset, &memory, &n);
    if (n > 0)
        return stream_write(stream, memory, n < left ? n : (size_t)left);
    if (!stream_is_tls(stream)) {
        hold_file(x->hold, x->release_offset, &file, &position, &in_file);
        if (in_file == 0)
            return STREAM_ERROR;
        return stream_sendfile(stream, file, &position, in_file < left ? in_file : (size_t)left);
    }
    if (hold_read(x->hold, x->release_offset, x->worker->io_buffer,
                  left < WORKER_IO_BUFFER ? (size_t)left : WORKER_IO_BUFFER, &n) != HOLD_OK ||
        n == 0)
        return STREAM_ERROR;
    /* What doesn't go out now is read again: the page cache is nearer than another buffer. */
    for (size_t done = 0;;) {
        ssize_t r = stream_write(stream, x->worker->io_buffer + done, n - done);

        if (r > 0)
            done += (size_t)r;
        if (r <= 0 || done == n)
            return done > 0 ? (ssize_t)done : r;
    }
}

int hold_release(struct exchange *x)
{
    if (!x->head_sent) {
        x->client_body = HTTP_BODY_LENGTH;
        if (release_queue_head(x) != 0)
            return exchange_break(x, "out of memory");
        x->head_sent = true;
        exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
        /* A small body goes out with its head: one write, one record. */
        if (x->release_end - x->release_offset <= CHANNEL_READ_SIZE) {
            const void *memory;
            size_t n;

            hold_peek(x->hold, x->release_offset, &memory, &n);
            if (n >= x->release_end - x->release_offset && n > 0 &&
                buffer_append(&x->client->out, memory, x->release_end - x->release_offset,
                              SIZE_MAX / 2) == 0) {
                x->bytes_out = x->release_end - x->release_offset;
                x->release_offset = x->release_end;
            }
        }
    }
    for (unsigned round = 0; round < RELEASE_ROUNDS; round++) {
        ssize_t n = channel_flush(x->client);

        if (n == 1 && x->release_offset == x->release_end) {
            x->fate = exchange_fate_of(x);
            return EXCHANGE_END;
        }
        if (n == 1)
            n = release_write(x);
        if (n == STREAM_WAIT)
            break;
        if (n <= 0)
            return exchange_client_left(x);
        x->release_offset += (uint64_t)n;
        x->bytes_out += (uint64_t)n;
        hold_read_done(x->hold, x->release_offset);
        exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
    }
    x->want_client |= STREAM_WRITE;
    return EXCHANGE_WAIT;
}
