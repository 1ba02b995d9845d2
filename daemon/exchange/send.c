/* SPDX-License-Identifier: BSD-2-Clause
 *
 * send: moves content from a source to the client, as the client's framing wants it: by pointer
 * where it lies in memory, by sendfile from a file to a plain connection, by a copy into TLS.
 */
#include <string.h>

#include "exchange/private.h"

#define SEND_ROUNDS 16         /* writes in a row before others have their turn */
#define SEND_SMALL (16 * 1024) /* one TLS record; what is copied behind a head to be one write */

/* An auditor's verifier hashes what passes. */
static void send_hash(struct exchange *x, const void *p, size_t n)
{
    if (x->send_hashes && dive_verifier_needs_body(x->verifier))
        dive_verifier_body(x->verifier, p, n);
}

/* Copies up to SEND_SMALL bytes into the client's queue, framed if the content is chunked. */
static ssize_t send_queue(struct exchange *x, uint64_t left)
{
    struct buffer *out = &x->client->out;
    bool chunked = x->client_body == HTTP_BODY_CHUNKED;
    size_t n = left < SEND_SMALL ? (size_t)left : SEND_SMALL;
    char header[HTTP_CHUNK_HEADER_MAX];
    char *to;

    if (buffer_length(out) >= SEND_SMALL) {
        int r = channel_flush(x->client);

        if (r != 1)
            return r;
    }
    if (chunked && buffer_append(out, header, http_chunk_header(header, n), SIZE_MAX / 2) != 0)
        return STREAM_ERROR;
    to = buffer_reserve(out, n, SIZE_MAX / 2);
    if (to == NULL || source_read(&x->source, x->send_offset, to, n) != 0)
        return STREAM_ERROR;
    send_hash(x, to, n);
    buffer_written(out, n);
    if (chunked && buffer_append(out, HTTP_CHUNK_END, strlen(HTTP_CHUNK_END), SIZE_MAX / 2) != 0)
        return STREAM_ERROR;
    return (ssize_t)n;
}

/* From a file by way of the worker's buffer. What doesn't go out now is read again: the page cache
 * is nearer than another buffer. */
static ssize_t send_copied(struct exchange *x, uint64_t left)
{
    size_t n = left < WORKER_IO_BUFFER ? (size_t)left : WORKER_IO_BUFFER, done = 0;
    ssize_t r = STREAM_ERROR;

    if (source_read(&x->source, x->send_offset, x->worker->io_buffer, n) != 0)
        return STREAM_ERROR;
    while (done < n) {
        r = stream_write(&x->client->stream, x->worker->io_buffer + done, n - done);
        if (r <= 0)
            break;
        done += (size_t)r;
    }
    send_hash(x, x->worker->io_buffer, done);
    return done > 0 ? (ssize_t)done : r;
}

static ssize_t send_piece(struct exchange *x, uint64_t left)
{
    struct stream *stream = &x->client->stream;
    const void *memory;
    uint64_t in_file;
    off_t position;
    size_t n;
    ssize_t r;
    int fd;

    if (x->client_body == HTTP_BODY_CHUNKED)
        return send_queue(x, left);
    source_peek(&x->source, x->send_offset, &memory, &n);
    if (n > left)
        n = (size_t)left;
    if (n > 0 && n <= SEND_SMALL && buffer_length(&x->client->out) > 0)
        return send_queue(x, n);
    r = channel_flush(x->client);
    if (r != 1)
        return r;
    if (n > 0) {
        r = stream_write(stream, memory, n);
        if (r > 0)
            send_hash(x, memory, (size_t)r);
        return r;
    }
    source_file(&x->source, x->send_offset, &fd, &position, &in_file);
    if (in_file == 0)
        return STREAM_ERROR;
    if (in_file < left)
        left = in_file;
    if (stream_is_tls(stream) || x->send_hashes)
        return send_copied(x, left);
    return stream_sendfile(stream, fd, &position, (size_t)left);
}

int send_content(struct exchange *x, uint64_t limit)
{
    if (limit > x->send_end)
        limit = x->send_end;
    for (unsigned round = exchange_rounds(x, SEND_ROUNDS); round > 0; round--) {
        ssize_t n;

        if (x->send_offset >= limit)
            return 1;
        n = send_piece(x, limit - x->send_offset);
        if (n == STREAM_WAIT)
            return STREAM_WAIT;
        if (n <= 0)
            return STREAM_ERROR;
        x->send_offset += (uint64_t)n;
        x->bytes_out += (uint64_t)n;
        x->client_due_ms = 0;
        source_read_done(&x->source, x->send_offset);
    }
    x->yields = true;
    return 0;
}

int send_last(struct exchange *x)
{
    if (x->client_body == HTTP_BODY_CHUNKED && !x->send_ended &&
        buffer_append(&x->client->out, HTTP_CHUNK_LAST, strlen(HTTP_CHUNK_LAST), SIZE_MAX / 2) != 0)
        return STREAM_ERROR;
    x->send_ended = true;
    return channel_flush(x->client);
}
