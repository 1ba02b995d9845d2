/* SPDX-License-Identifier: BSD-2-Clause
 *
 * delivery: see delivery.h.
 *
 *                 +------------------------ WAIT <-----------------------+  connection failed, once
 *                 v                                                      |
 *      NEW --> CONNECT --> SEND --> HEAD (1xx: again) --> CONTENT --> CLOSED
 *
 * The response's status alone says whether the report arrived. Its content is read only so that the
 * connection can serve the next report. A report is sent a second time when the connection failed
 * before a byte of a response: it may then arrive twice, which does no harm (RFC 9110
 * section 9.2.2: the same report again says nothing new).
 */
#include "report/delivery.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "http/chunked.h"
#include "http/writer.h"

#ifndef DIVED_VERSION
#define DIVED_VERSION "unknown"
#endif

#define DELIVERY_HEAD_MAX (16 * 1024)

/* clang-format off */
#define DELIVERY_STATES(X)                                                                         \
    X(NEW, "new")                                                                                  \
    X(CONNECT, "connect")                                                                          \
    X(SEND, "send")                                                                                \
    X(HEAD, "head")                                                                                \
    X(CONTENT, "content")                                                                          \
    X(WAIT, "wait")                                                                                \
    X(CLOSED, "closed")
/* clang-format on */

enum delivery_state {
#define X(id, word) DELIVERY_##id,
    DELIVERY_STATES(X)
#undef X
        DELIVERY_STATE_COUNT
};

static const char *const delivery_words[] = {
#define X(id, word) [DELIVERY_##id] = word,
    DELIVERY_STATES(X)
#undef X
};

#define BIT(state) (1u << DELIVERY_##state)

/* Where each state may go. */
static const unsigned delivery_moves[DELIVERY_STATE_COUNT] = {
    [DELIVERY_NEW] = BIT(CONNECT) | BIT(CLOSED),
    [DELIVERY_CONNECT] = BIT(SEND) | BIT(WAIT) | BIT(CLOSED),
    [DELIVERY_SEND] = BIT(HEAD) | BIT(WAIT) | BIT(CLOSED),
    [DELIVERY_HEAD] = BIT(CONTENT) | BIT(WAIT) | BIT(CLOSED),
    [DELIVERY_CONTENT] = BIT(CLOSED),
    [DELIVERY_WAIT] = BIT(CONNECT) | BIT(CLOSED),
};

struct delivery {
    enum delivery_state state;
    struct delivery_context context;
    struct runtime *runtime;
    struct http_url url;
    char *json;
    size_t json_len;
    delivery_done_fn *done;
    void *arg;

    int64_t timeout_ms;
    unsigned attempts;
    struct loop_timer timer; /* WAIT: the next attempt; else the end of this one */
    struct loop_node begin, node;
    struct origin_connection *connection; /* CONNECT: being made; then READY */

    struct http_scan scan;
    unsigned interim;
    int status;
    enum http_body framing;
    bool keep_alive;
    int64_t length; /* LENGTH: bytes to come */
    size_t content; /* bytes read */
    struct http_chunked chunked;
};

static void delivery_set_state(struct delivery *d, enum delivery_state next)
{
    assert(delivery_moves[d->state] & (1u << next));
    log_debug("report", "%s: %s -> %s", d->url.at.host, delivery_words[d->state],
              delivery_words[next]);
    d->state = next;
}

static void delivery_destroy(struct loop_node *node)
{
    struct delivery *d = (struct delivery *)((char *)node - offsetof(struct delivery, node));

    assert(d->state == DELIVERY_CLOSED && d->connection == NULL && !loop_timer_is_set(&d->timer));
    runtime_unref(&d->runtime);
    http_url_clear(&d->url);
    free(d->json);
    free(d);
}

/* Gives the connection back, whatever it is doing. */
static void delivery_drop_connection(struct delivery *d, bool reusable)
{
    if (d->connection == NULL)
        return;
    if (d->state == DELIVERY_CONNECT)
        origin_cancel(&d->connection);
    else
        origin_release(&d->connection, reusable);
}

static void delivery_close(struct delivery *d, bool reusable)
{
    if (d->state == DELIVERY_CLOSED)
        return;
    delivery_drop_connection(d, reusable);
    loop_timer_stop(&d->timer);
    loop_cancel(d->context.loop, &d->begin);
    delivery_set_state(d, DELIVERY_CLOSED);
    loop_later(d->context.loop, &d->node, delivery_destroy);
}

static void delivery_end(struct delivery *d, bool reusable, const char *failure)
{
    delivery_done_fn *done = d->done;
    void *arg = d->arg;

    delivery_close(d, reusable);
    done(arg, failure);
}

/* The connection failed before any of the response came. */
static void delivery_retry(struct delivery *d, const char *failure)
{
    if (d->attempts >= 2) {
        delivery_end(d, false, failure);
        return;
    }
    delivery_drop_connection(d, false);
    delivery_set_state(d, DELIVERY_WAIT);
    loop_timer_set(&d->timer, DELIVERY_RETRY_MS);
}

/* The whole response has been read, or as much of it as we care for. */
static void delivery_finish(struct delivery *d, bool reusable)
{
    char failure[64];

    snprintf(failure, sizeof(failure), "the receiver answered with status %d", d->status);
    delivery_end(d, reusable, d->status / 100 == 2 ? NULL : failure);
}

/* Drops what has arrived of the content. 1: that was all of it, 0: more is to come, -1: the
 * connection can't be used again. */
static int delivery_drop_content(struct delivery *d)
{
    struct buffer *in = &d->connection->channel.in;
    size_t n = buffer_length(in);
    size_t consumed = 0;
    struct dive_span span;
    int r = HTTP_DATA;

    d->content += n;
    if (d->content > DELIVERY_CONTENT_MAX)
        return -1;
    if (d->framing == HTTP_BODY_LENGTH) {
        if ((uint64_t)n > (uint64_t)d->length)
            return -1;
        d->length -= (int64_t)n;
        buffer_consume(in, n);
        return d->length == 0;
    }
    while (r == HTTP_DATA) {
        r = http_chunked_feed(&d->chunked, buffer_data(in), buffer_length(in), &consumed, &span);
        buffer_consume(in, consumed);
    }
    return r == HTTP_DONE ? 1 : r == HTTP_NEED_MORE ? 0 : -1;
}

static void delivery_read_content(struct delivery *d)
{
    for (;;) {
        int r = delivery_drop_content(d);
        ssize_t n;

        if (r != 0) {
            delivery_finish(d, r == 1);
            return;
        }
        n = channel_fill(&d->connection->channel, CHANNEL_IN_MAX);
        if (n == STREAM_WAIT) {
            stream_want(&d->connection->channel.stream, STREAM_READ);
            return;
        }
        if (n <= 0) {
            delivery_finish(d, false);
            return;
        }
    }
}

static void delivery_head_done(struct delivery *d, const struct http_head *head)
{
    d->status = head->status;
    d->framing = head->framing;
    d->keep_alive = head->keep_alive;
    d->length = head->content_length;
    delivery_set_state(d, DELIVERY_CONTENT);
    if (!d->keep_alive || d->framing == HTTP_BODY_UNTIL_CLOSE)
        delivery_finish(d, false);
    else if (d->framing == HTTP_BODY_NONE)
        delivery_finish(d, true);
    else
        delivery_read_content(d);
}

/* HTTP_DONE: the final head was read (and the delivery may be over); HTTP_NEED_MORE; or negative,
 * and then the delivery is over. */
static int delivery_parse_head(struct delivery *d)
{
    static const struct http_limits limits = {.head = DELIVERY_HEAD_MAX, .fields = 128};
    struct buffer *in = &d->connection->channel.in;
    struct http_head head;
    char failure[160];
    size_t consumed;
    int r;

    for (;;) {
        r = http_head_parse_response(&head, buffer_data(in), buffer_length(in),
                                     dive_span_str("POST"), &limits, &d->scan, &consumed);
        if (r == HTTP_NEED_MORE)
            return r;
        if (r < 0) {
            snprintf(failure, sizeof(failure), "malformed response: %s", http_error_text(r));
            delivery_end(d, false, failure);
            return r;
        }
        buffer_consume(in, consumed);
        d->scan = (struct http_scan){0};
        if (head.status >= 200)
            break;
        r = head.status == 101 || ++d->interim > DELIVERY_INTERIM_MAX ? -1 : 0;
        http_head_clear(&head);
        if (r != 0) {
            delivery_end(d, false, "interim responses without an end, or a change of protocol");
            return r;
        }
    }
    delivery_head_done(d, &head);
    http_head_clear(&head);
    return HTTP_DONE;
}

static void delivery_read_head(struct delivery *d)
{
    for (;;) {
        ssize_t n;

        if (buffer_length(&d->connection->channel.in) > 0 &&
            delivery_parse_head(d) != HTTP_NEED_MORE)
            return;
        n = channel_fill(&d->connection->channel, CHANNEL_IN_MAX);
        if (n == STREAM_WAIT) {
            stream_want(&d->connection->channel.stream, STREAM_READ);
            return;
        }
        if (n > 0)
            continue;
        if (buffer_length(&d->connection->channel.in) == 0 && d->interim == 0)
            delivery_retry(d, "the connection ended before the response");
        else
            delivery_end(d, false, "the connection ended within the response's head");
        return;
    }
}

/* Whether there is something of the response, its end included, and not just TLS's own messages. */
static bool delivery_has_response(struct delivery *d, unsigned events)
{
    return (events & (STREAM_READ | STREAM_GONE)) &&
           channel_fill(&d->connection->channel, CHANNEL_IN_MAX) != STREAM_WAIT;
}

/* A receiver may answer before it has read everything: what it says is read, and the rest of the
 * report isn't sent. */
static void delivery_send(struct delivery *d, unsigned events)
{
    int r = channel_flush(&d->connection->channel);

    if (r == STREAM_ERROR) {
        delivery_retry(d, "the connection failed while the report was sent");
        return;
    }
    if (r == STREAM_WAIT && !delivery_has_response(d, events)) {
        stream_want(&d->connection->channel.stream, STREAM_WRITE | STREAM_READ);
        return;
    }
    delivery_set_state(d, DELIVERY_HEAD);
    delivery_read_head(d);
}

static void delivery_on_event(void *arg, unsigned events)
{
    struct delivery *d = arg;

    if (d->state == DELIVERY_CLOSED)
        return;
    if (d->state == DELIVERY_SEND)
        delivery_send(d, events);
    else if (d->state == DELIVERY_HEAD)
        delivery_read_head(d);
    else if (d->state == DELIVERY_CONTENT)
        delivery_read_content(d);
}

static int delivery_write_request(struct delivery *d)
{
    static const struct dive_field fields[] = {
        {{"Content-Type", 12}, {"application/json", 16}},
        {{"User-Agent", 10}, {"dived/" DIVED_VERSION, sizeof("dived/" DIVED_VERSION) - 1}},
    };
    struct http_write write = {
        .add = fields,
        .n_add = sizeof(fields) / sizeof(fields[0]),
        .framing = HTTP_BODY_LENGTH,
        .content_length = (int64_t)d->json_len,
    };
    struct buffer *out = &d->connection->channel.out;
    struct http_buffer head;
    int r;

    http_buffer_init(&head, DELIVERY_HEAD_MAX);
    r = http_write_request(&head, dive_span_str("POST"), dive_span_str(d->url.target),
                           dive_span_str(d->url.authority), &write);
    if (r == 0 &&
        (buffer_append(out, head.p, head.n, DELIVERY_HEAD_MAX + DELIVERY_REPORT_MAX) != 0 ||
         buffer_append(out, d->json, d->json_len, DELIVERY_HEAD_MAX + DELIVERY_REPORT_MAX) != 0))
        r = HTTP_E_NOMEM;
    http_buffer_clear(&head);
    return r;
}

static void delivery_connected(struct delivery *d)
{
    int r;

    delivery_set_state(d, DELIVERY_SEND);
    stream_set_owner(&d->connection->channel.stream, delivery_on_event, d);
    r = delivery_write_request(d);
    if (r != 0) {
        /* What is in `out` closes the connection when it is given back. */
        delivery_end(d, false, http_error_text(r));
        return;
    }
    delivery_send(d, 0);
}

static void delivery_on_connection(void *arg, struct origin_connection *connection,
                                   const struct origin_failure *failure)
{
    struct delivery *d = arg;
    char text[512];

    if (d->state != DELIVERY_CONNECT)
        return;
    d->connection = connection;
    if (connection != NULL) {
        delivery_connected(d);
        return;
    }
    snprintf(text, sizeof(text), "%s", failure->details);
    if (strcmp(failure->error_type, "destination_ip_prohibited") == 0)
        delivery_end(d, false, text); /* the guard won't change its mind in two seconds */
    else
        delivery_retry(d, text);
}

static void delivery_connect(struct delivery *d)
{
    struct origin_target target = {.tls = true,
                                   .host = d->url.at.host,
                                   .port = d->url.at.port,
                                   .parent = runtime_parent_of_url(d->runtime, &d->url)};
    int r;

    delivery_set_state(d, DELIVERY_CONNECT);
    d->attempts++;
    d->scan = (struct http_scan){0};
    d->interim = 0;
    loop_timer_set(&d->timer, d->timeout_ms);
    r = origin_open(d->context.origins, d->runtime, d->context.resolver, &target, d->attempts > 1,
                    delivery_on_connection, d, &d->connection);
    if (r < 0)
        delivery_retry(d, dive_strerror(r));
    else if (r == 1)
        delivery_connected(d);
}

static void delivery_on_timer(void *arg)
{
    struct delivery *d = arg;

    if (d->state == DELIVERY_CLOSED)
        return;
    if (d->state == DELIVERY_WAIT)
        delivery_connect(d);
    else if (d->state == DELIVERY_CONTENT)
        delivery_finish(d, false);
    else
        delivery_end(d, false, "no response in time");
}

static void delivery_on_begin(struct loop_node *node)
{
    struct delivery *d = (struct delivery *)((char *)node - offsetof(struct delivery, begin));

    if (d->state == DELIVERY_NEW)
        delivery_connect(d);
}

int delivery_start(struct delivery **out, const struct delivery_context *context,
                   struct runtime *runtime, struct http_url *url, char *json, int64_t timeout_ms,
                   delivery_done_fn *done, void *arg)
{
    size_t len = strlen(json);
    struct delivery *d;

    *out = NULL;
    if (len > DELIVERY_REPORT_MAX)
        return DIVE_E_LIMIT;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return DIVE_E_NOMEM;
    d->context = *context;
    d->runtime = runtime_ref(runtime);
    d->url = *url;
    *url = (struct http_url){0};
    d->json = json;
    d->json_len = len;
    d->timeout_ms = timeout_ms;
    d->done = done;
    d->arg = arg;
    loop_timer_init(&d->timer, context->loop, delivery_on_timer, d);
    loop_later(context->loop, &d->begin, delivery_on_begin);
    *out = d;
    return 0;
}

void delivery_cancel(struct delivery **delivery)
{
    if (*delivery != NULL)
        delivery_close(*delivery, false);
    *delivery = NULL;
}
