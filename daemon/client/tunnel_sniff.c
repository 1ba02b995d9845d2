/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tunnel_sniff: SNIFF, the state of a tunnel in which nobody knows yet what is in it. The client's
 * first bytes say it (client/sniff.h); an origin that speaks first is passed on meanwhile.
 */
#include "client/sniff.h"
#include "client/transparent.h"
#include "client/tunnel_private.h"

static void tunnel_decide(struct tunnel *t, enum sniff_result kind,
                          const struct client_hello *hello)
{
    if (t->dial != NULL) {
        t->decided = true; /* tunnel_on_dialed() comes back to it */
        stream_want(&t->client->channel.stream, 0);
        return;
    }
    if (kind != SNIFF_OTHER && (t->origin_spoke || buffer_length(&t->origin.in) > 0)) {
        tunnel_break(t, "the origin spoke first, and then the client spoke %s",
                     kind == SNIFF_TLS ? "TLS" : "HTTP");
        return;
    }
    if (t->how != NULL)
        transparent_decide(t, kind, hello);
    else if (kind == SNIFF_TLS)
        tunnel_intercept(t, hello);
    else if (kind == SNIFF_HTTP)
        tunnel_become_plain(t);
    else
        tunnel_relay(t);
}

/* Passes on what an origin says that speaks first (a banner). True: go on. */
static bool tunnel_pass_banner(struct tunnel *t)
{
    struct channel *client = &t->client->channel;
    ssize_t n;

    if (!stream_is_open(&t->origin.stream))
        return true;
    n = channel_fill(&t->origin, CHANNEL_READ_SIZE);
    if (n == STREAM_EOF && t->origin_spoke && t->how != NULL) {
        /* It has said all that it had to say, to a client that only listens. */
        t->relayed = true;
        tunnel_end(t, true);
        client_connection_finish(t->client, EXCHANGE_LINGER);
        return false;
    }
    if ((n == STREAM_ERROR || n == STREAM_EOF) && t->origin_spoke) {
        tunnel_break(t, "the origin closed the connection before the client said anything");
        return false;
    }
    if (n == STREAM_ERROR || n == STREAM_EOF) {
        /* As if it hadn't been reached: the client is told inside of what it is about to begin. */
        t->failure = (struct origin_failure){502, "connection_terminated",
                                             "the origin closed the connection at once"};
        stream_close(&t->origin.stream);
        loop_timer_set(&t->timer, TUNNEL_LAST_WORDS_MS);
        return true;
    }
    if (buffer_length(&t->origin.in) == 0)
        return true;
    if (sniff_is_tls_record((unsigned char)buffer_data(&t->origin.in)[0])) {
        tunnel_break(t, "the origin spoke TLS before the client did");
        return false;
    }
    if (!t->origin_spoke) {
        enum sniff_result kind =
            sniff_banner(buffer_data(&t->origin.in), buffer_length(&t->origin.in));

        if (kind == SNIFF_HTTP ||
            (kind == SNIFF_MORE && buffer_length(&t->origin.in) >= CHANNEL_READ_SIZE)) {
            tunnel_break(t, "the origin sent an HTTP response before the client sent a request");
            return false;
        }
        if (kind == SNIFF_MORE)
            return true;
    }
    t->origin_spoke = true;
    if (t->how != NULL)
        loop_timer_set(&t->timer, t->client->runtime->config->timeouts.tunnel_idle_ms);
    if (buffer_append(&client->out, buffer_data(&t->origin.in), buffer_length(&t->origin.in),
                      CHANNEL_IN_MAX) != 0) {
        tunnel_break(t, "the origin says too much before the client says anything");
        return false;
    }
    buffer_consume(&t->origin.in, buffer_length(&t->origin.in));
    return true;
}

void tunnel_sniff(struct tunnel *t)
{
    struct channel *client = &t->client->channel;
    struct client_hello hello;
    enum sniff_result kind;
    ssize_t n = channel_fill(client, CLIENT_HELLO_MAX + CHANNEL_READ_SIZE);
    int flushed;

    kind = sniff(buffer_data(&client->in), buffer_length(&client->in), &hello);
    if (kind != SNIFF_MORE) {
        if (kind == SNIFF_BAD)
            tunnel_break(t, "the client's first bytes are no protocol's");
        else
            tunnel_decide(t, kind, &hello);
        return;
    }
    if (n == STREAM_EOF || n == STREAM_ERROR) {
        tunnel_break(t, "the client left");
        return;
    }
    if (t->how != NULL && buffer_length(&client->in) > 0)
        transparent_client_spoke(t);
    if (!tunnel_pass_banner(t))
        return;
    flushed = channel_flush(client);
    if (flushed == STREAM_ERROR) {
        tunnel_break(t, "the client left");
        return;
    }
    stream_want(&client->stream, STREAM_READ | (flushed == STREAM_WAIT ? STREAM_WRITE : 0));
    if (stream_is_open(&t->origin.stream))
        stream_want(&t->origin.stream, flushed == STREAM_WAIT ? 0 : STREAM_READ);
}
