/* SPDX-License-Identifier: BSD-2-Clause
 *
 * channel: a stream with a queue of bytes that came in and a queue of bytes that go out: what a
 * client connection and an origin connection have in common.
 */
#ifndef DIVED_CORE_CHANNEL_H
#define DIVED_CORE_CHANNEL_H

#include "core/buffer.h"
#include "core/stream.h"

#define CHANNEL_IN_MAX (64 * 1024)    /* content read ahead of what was passed on */
#define CHANNEL_READ_SIZE (16 * 1024) /* one TLS record */

struct channel {
    struct stream stream;
    struct buffer in, out;
};

/* Reads once into `in`, which grows to at most `max` bytes: the count, STREAM_EOF, STREAM_WAIT
 * (also when `in` is full) or STREAM_ERROR (also without memory). */
ssize_t channel_fill(struct channel *channel, size_t max) __attribute__((warn_unused_result));
/* Reads until `in` has `max` bytes or nothing more is there. As channel_fill(), of the last read;
 * what was read before an EOF or error is in `in`. */
ssize_t channel_fill_all(struct channel *channel, size_t max) __attribute__((warn_unused_result));

/* Writes what is in `out`: 1 when it is empty, STREAM_WAIT or STREAM_ERROR. */
int channel_flush(struct channel *channel) __attribute__((warn_unused_result));

/* Frees the queues' memory if they are empty: for connections that idle. */
void channel_trim(struct channel *channel);
void channel_release(struct channel *channel);

#endif
