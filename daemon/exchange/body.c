/* SPDX-License-Identifier: BSD-2-Clause
 *
 * body: see body.h.
 */
#include "exchange/body.h"

#include <assert.h>

static void body_update(struct body *body)
{
    if (body->framing == HTTP_BODY_NONE || (body->framing == HTTP_BODY_LENGTH && body->left == 0))
        body->complete = true;
}

void body_init(struct body *body, enum http_body framing, int64_t content_length)
{
    *body = (struct body){.framing = framing};
    if (framing == HTTP_BODY_LENGTH)
        body->left = (uint64_t)content_length;
    body_update(body);
}

static int body_next_chunked(struct body *body, struct buffer *in, struct dive_span *content)
{
    while (buffer_length(in) > 0) {
        size_t consumed = 0;
        /* An unconsumed span is found again by looking at the chunk that it belongs to: the decoder
         * is fed a copy of its state, and the state is advanced by body_taken(). */
        struct http_chunked ahead = body->chunked;
        int r = http_chunked_feed(&ahead, buffer_data(in), buffer_length(in), &consumed, content);

        if (r < 0) {
            body->failed = true;
            body->error = r;
            return r;
        }
        if (r == HTTP_DATA) {
            size_t framing = (size_t)(content->p - buffer_data(in));

            if (framing > 0) {
                struct dive_span none;
                size_t skipped = 0;

                /* Up to the content there is framing only, which yields nothing. */
                r = http_chunked_feed(&body->chunked, buffer_data(in), framing, &skipped, &none);
                assert(r == HTTP_NEED_MORE && skipped == framing);
                buffer_consume(in, framing);
                content->p = buffer_data(in);
            }
            return HTTP_DATA;
        }
        body->chunked = ahead;
        buffer_consume(in, consumed);
        if (r == HTTP_DONE) {
            body->complete = true;
            return HTTP_DONE;
        }
    }
    return HTTP_NEED_MORE;
}

int body_next(struct body *body, struct buffer *in, struct dive_span *content)
{
    size_t n = buffer_length(in);

    *content = (struct dive_span){0};
    if (body->failed)
        return body->error < 0 ? body->error : HTTP_E_FRAMING;
    if (body->complete)
        return HTTP_DONE;
    if (body->framing == HTTP_BODY_CHUNKED)
        return body_next_chunked(body, in, content);
    if (n == 0)
        return HTTP_NEED_MORE;
    if (body->framing == HTTP_BODY_LENGTH && n > body->left)
        n = (size_t)body->left;
    *content = dive_span(buffer_data(in), n);
    return HTTP_DATA;
}

void body_taken(struct body *body, struct buffer *in, size_t n)
{
    body->taken += n;
    if (body->framing == HTTP_BODY_CHUNKED) {
        struct dive_span content;
        size_t consumed = 0;
        int r = http_chunked_feed(&body->chunked, buffer_data(in), n, &consumed, &content);

        assert(n == 0 || (r == HTTP_DATA && consumed == n));
        (void)r;
    } else if (body->framing == HTTP_BODY_LENGTH) {
        assert(n <= body->left);
        body->left -= n;
    }
    buffer_consume(in, n);
    body_update(body);
}

uint64_t body_direct(const struct body *body, const struct buffer *in)
{
    if (body->complete || body->failed || buffer_length(in) > 0)
        return 0;
    if (body->framing == HTTP_BODY_LENGTH)
        return body->left;
    return body->framing == HTTP_BODY_UNTIL_CLOSE ? UINT64_MAX : 0;
}

void body_read_direct(struct body *body, size_t n)
{
    body->taken += n;
    if (body->framing == HTTP_BODY_LENGTH) {
        assert(n <= body->left);
        body->left -= n;
    }
    body_update(body);
}

void body_end_of_stream(struct body *body)
{
    if (body->complete)
        return;
    if (body->framing == HTTP_BODY_UNTIL_CLOSE && !body->failed)
        body->complete = true;
    else
        body->failed = true;
}
