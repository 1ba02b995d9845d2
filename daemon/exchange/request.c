/* SPDX-License-Identifier: BSD-2-Clause
 *
 * request: SEND, and the request's content beside all later stages. The head that goes out is
 * rebuilt from the parsed one; the content streams with backpressure, framed anew.
 */
#include <stdlib.h>
#include <string.h>

#include "exchange/private.h"

#define REQUEST_ROUNDS 16
#define REQUEST_CHUNK_MAX (16 * 1024)

/* A change to another version of HTTP or to TLS inside the connection would take the response out
 * of our sight: such an offer stays here (RFC 9110 section 7.8 allows to ignore it). So does one
 * with content, which could still be on its way when the connection is the other protocol's
 * already. */
static bool request_may_upgrade(const struct exchange *x)
{
    const struct dive_span *upgrade = http_field_get(&x->request, "Upgrade");
    struct dive_span rest, protocol;

    if (!x->request.is_upgrade || upgrade == NULL || x->request.minor == 0 ||
        http_field_count(&x->request, "Upgrade") != 1 || !x->request_body.complete)
        return false;
    rest = *upgrade;
    while (http_list_next(&rest, &protocol)) {
        const char *slash = memchr(protocol.p, '/', protocol.n);
        struct dive_span name = {protocol.p,
                                 slash != NULL ? (size_t)(slash - protocol.p) : protocol.n};

        if (dive_span_caseeq(name, dive_span_str("h2c")) ||
            dive_span_caseeq(name, dive_span_str("http")) ||
            dive_span_caseeq(name, dive_span_str("h2")) ||
            dive_span_caseeq(name, dive_span_str("tls")))
            return false;
    }
    return true;
}

/* RFC 4559 section 6: what authenticates a connection, and so all that comes on it after. */
static bool request_authenticates_connection(const struct http_head *head)
{
    const struct dive_span *value = http_field_get(head, "Authorization");
    size_t n = 0;

    if (value == NULL)
        return false;
    while (n < value->n && value->p[n] != ' ' && value->p[n] != '\t' && value->p[n] != ',')
        n++;
    return http_field_count(head, "Authorization") > 1 ||
           dive_span_caseeq(dive_span(value->p, n), dive_span_str("NTLM")) ||
           dive_span_caseeq(dive_span(value->p, n), dive_span_str("Negotiate"));
}

static int request_queue_head(struct exchange *x)
{
    static const char *const range_fields[] = {"Range", "If-Range", NULL};
    struct http_buffer *scratch = &x->worker->scratch;
    struct dive_field rest[2];
    struct validate_fields conditions = {0};
    char *target = NULL;
    struct http_write write = {
        .from = &x->request,
        .drop = x->take_whole ? range_fields : NULL,
        .framing = x->request_body.framing,
        .content_length =
            x->request_body.framing == HTTP_BODY_LENGTH ? x->request.content_length : -1,
        .upgrade = request_may_upgrade(x),
        .via = true,
    };
    int r;

    x->request_time = worker_now(x->worker);
    if (resume_is_under_way(x)) {
        write.drop = validate_drop;
        write.add = rest;
        write.n_add = resume_fields(x, rest);
    } else if (x->stale != NULL) {
        validate_request(&conditions, &object_meta(x->stale)->head, x->request_time);
        x->validates = conditions.n > 0;
        if (x->validates)
            write.drop = validate_drop;
        write.add = conditions.v;
        write.n_add = conditions.n;
    }
    x->asks_upgrade = write.upgrade;
    scratch->n = 0;
    if (x->origin->absolute) {
        target = http_url_string(&x->url, false); /* RFC 9112 section 3.2.2 */
        if (target == NULL)
            return HTTP_E_NOMEM;
        write.proxy_authorization = origin_authorization(x->origin);
        write.close = x->origin->token != NULL && !write.upgrade;
    }
    r = http_write_request(scratch, x->request.method,
                           dive_span_str(target != NULL ? target : x->url.target),
                           dive_span_str(x->url.authority), &write);
    free(target);
    if (r == 0)
        r = buffer_append(&x->origin->channel.out, scratch->p, scratch->n, SIZE_MAX / 2);
    if (x->origin->absolute)
        origin_authorized(x->origin);
    if (request_authenticates_connection(&x->request))
        origin_bind(x->origin, x->client_number);
    return r;
}

int request_send(struct exchange *x)
{
    int r;

    if (!x->request_queued) {
        if (request_queue_head(x) != 0)
            return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
        x->request_queued = true;
        x->scan = (struct http_scan){0};
        exchange_deadline(x, x->runtime->config->timeouts.origin_head_ms);
    }
    r = channel_flush(&x->origin->channel);
    if (r == STREAM_WAIT) {
        x->want_origin |= STREAM_WRITE;
        return EXCHANGE_WAIT;
    }
    /* An error shows again when the response is read, which may be there all the same. */
    x->pumping = !x->request_body.complete;
    return EXCHANGE_HEAD;
}

/* Queues or writes one span of content. 1: taken (*n bytes), STREAM_WAIT, STREAM_ERROR. */
static int request_pass_on(struct exchange *x, struct dive_span content, size_t *n)
{
    struct channel *origin = &x->origin->channel;
    char header[HTTP_CHUNK_HEADER_MAX];
    ssize_t r;

    if (x->request_body.framing != HTTP_BODY_CHUNKED) {
        r = stream_write(&origin->stream, content.p, content.n);
        *n = r > 0 ? (size_t)r : 0;
        return r > 0 ? 1 : (int)r;
    }
    *n = content.n < REQUEST_CHUNK_MAX ? content.n : REQUEST_CHUNK_MAX;
    if (buffer_append(&origin->out, header, http_chunk_header(header, *n), CHANNEL_IN_MAX) != 0 ||
        buffer_append(&origin->out, content.p, *n, CHANNEL_IN_MAX) != 0 ||
        buffer_append(&origin->out, HTTP_CHUNK_END, strlen(HTTP_CHUNK_END), CHANNEL_IN_MAX) != 0)
        return STREAM_ERROR;
    return 1;
}

/* The client's content is malformed or ended early. */
static int request_content_failed(struct exchange *x, int error)
{
    if (error == 0)
        return exchange_client_left(x);
    exchange_drop_origin(x, false);
    if (x->head_sent)
        return exchange_break(x, "request content: %s", http_error_text(error));
    return exchange_refuse(x, http_error_status(error), "http_request_error", "request content: %s",
                           http_error_text(error));
}

static bool request_is_too_large(const struct exchange *x)
{
    int64_t max = x->runtime->config->limits.request_body_size;

    return max > 0 && x->request_body.taken > (uint64_t)max;
}

/* All content was passed to the connection. False: what is queued still waits. */
static bool request_finish(struct exchange *x)
{
    struct channel *origin = &x->origin->channel;

    if (!x->request_ended && x->request_body.framing == HTTP_BODY_CHUNKED &&
        buffer_append(&origin->out, HTTP_CHUNK_LAST, strlen(HTTP_CHUNK_LAST), CHANNEL_IN_MAX) != 0)
        return true; /* the origin will miss the end and say so, or time out */
    x->request_ended = true;
    if (channel_flush(origin) == STREAM_WAIT) {
        x->want_origin |= STREAM_WRITE;
        return false;
    }
    if (!x->head_sent)
        exchange_deadline(x, x->runtime->config->timeouts.origin_head_ms);
    return true;
}

/* More content from the client: 1, or as a stage. */
static int request_fill(struct exchange *x)
{
    ssize_t n = channel_fill_all(x->client, CHANNEL_IN_MAX);

    if (buffer_length(&x->client->in) > 0)
        return 1;
    if (n != STREAM_WAIT)
        return request_content_failed(x, 0);
    x->want_client |= STREAM_READ;
    return EXCHANGE_WAIT;
}

int request_pump(struct exchange *x)
{
    for (unsigned round = exchange_rounds(x, REQUEST_ROUNDS); round > 0; round--) {
        struct dive_span content = {0};
        size_t n = 0;
        int r = channel_flush(&x->origin->channel);

        if (r == 1) {
            r = body_next(&x->request_body, &x->client->in, &content);
            if (r < 0)
                return request_content_failed(x, r);
            if (r == HTTP_DONE) {
                x->pumping = !request_finish(x);
                return EXCHANGE_WAIT;
            }
            if (r == HTTP_NEED_MORE) {
                r = request_fill(x);
                if (r != 1)
                    return r;
                continue;
            }
            r = request_pass_on(x, content, &n);
        }
        if (r == STREAM_WAIT) {
            x->want_origin |= STREAM_WRITE;
            return EXCHANGE_WAIT;
        }
        if (r == STREAM_ERROR) {
            /* It doesn't read any more; its response may be there all the same. */
            x->pumping = false;
            return EXCHANGE_WAIT;
        }
        body_taken(&x->request_body, &x->client->in, n);
        if (request_is_too_large(x)) {
            exchange_drop_origin(x, false);
            return x->head_sent ? exchange_break(x, "request content over limits.request-body-size")
                                : exchange_refuse(x, 413, "http_request_error",
                                                  "request content over limits.request-body-size");
        }
        if (!x->head_sent)
            exchange_deadline(x, x->runtime->config->timeouts.client_body_ms);
    }
    /* More is there, but others have their turn first. */
    x->want_origin |= STREAM_WRITE;
    return EXCHANGE_WAIT;
}
