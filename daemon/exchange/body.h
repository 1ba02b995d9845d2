/* SPDX-License-Identifier: BSD-2-Clause
 *
 * body: the content of one message as its framing delimits it in a channel's incoming bytes
 * (RFC 9112 section 6): what is content, what is framing, and where it ends. A connection that ends
 * before the framing says so leaves the body incomplete, for ever.
 */
#ifndef DIVED_EXCHANGE_BODY_H
#define DIVED_EXCHANGE_BODY_H

#include "core/channel.h"
#include "http/chunked.h"
#include "http/head.h"

struct body {
    enum http_body framing;
    uint64_t left;  /* LENGTH: content bytes that are to come */
    uint64_t taken; /* content bytes so far */
    struct http_chunked chunked;
    bool complete; /* set by body.c alone */
    bool failed;   /* malformed, or ended early */
    int error;     /* enum http_error when malformed; 0 when it ended early */
};

void body_init(struct body *body, enum http_body framing, int64_t content_length);

/* The next content in `in`, not consumed yet: HTTP_DATA (a span; call body_taken() for what was
 * used of it), HTTP_NEED_MORE, HTTP_DONE, or negative (malformed). Framing bytes are consumed. */
int body_next(struct body *body, struct buffer *in, struct dive_span *content) DIVE_MUST_USE;
void body_taken(struct body *body, struct buffer *in, size_t n);

/* How many content bytes may be read straight from the stream into memory elsewhere, the incoming
 * queue being empty; 0: they have to go through the queue. body_read_direct() counts them. */
uint64_t body_direct(const struct body *body, const struct buffer *in);
void body_read_direct(struct body *body, size_t n);

/* The connection ended in order: completes a body that is delimited by it, else the body has
 * failed. */
void body_end_of_stream(struct body *body);

#endif
