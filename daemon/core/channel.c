/* SPDX-License-Identifier: BSD-2-Clause
 *
 * channel: see channel.h.
 */
#include "core/channel.h"

ssize_t channel_fill(struct channel *channel, size_t max)
{
    size_t length = buffer_length(&channel->in);
    size_t size = CHANNEL_READ_SIZE;
    ssize_t n;
    char *to;

    if (length >= max)
        return STREAM_WAIT;
    if (size > max - length)
        size = max - length;
    to = buffer_reserve(&channel->in, size, max);
    if (to == NULL)
        return STREAM_ERROR;
    n = stream_read(&channel->stream, to, size);
    if (n > 0)
        buffer_written(&channel->in, (size_t)n);
    return n;
}

ssize_t channel_fill_all(struct channel *channel, size_t max)
{
    ssize_t n;

    do
        n = channel_fill(channel, max);
    while (n > 0 && (stream_is_tls(&channel->stream) || n == CHANNEL_READ_SIZE));
    return n;
}

int channel_flush(struct channel *channel)
{
    while (buffer_length(&channel->out) > 0) {
        ssize_t n = stream_write(&channel->stream, buffer_data(&channel->out),
                                 buffer_length(&channel->out));

        if (n <= 0)
            return n == STREAM_WAIT ? STREAM_WAIT : STREAM_ERROR;
        buffer_consume(&channel->out, (size_t)n);
    }
    return 1;
}

void channel_trim(struct channel *channel)
{
    if (buffer_length(&channel->in) == 0)
        buffer_release(&channel->in);
    if (buffer_length(&channel->out) == 0)
        buffer_release(&channel->out);
}

void channel_release(struct channel *channel)
{
    buffer_release(&channel->in);
    buffer_release(&channel->out);
}
