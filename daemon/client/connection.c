/* SPDX-License-Identifier: BSD-2-Clause
 *
 * connection: see connection.h.
 */
#include "client/connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/census.h"
#include "client/proxy_protocol.h"
#include "client/transparent.h"
#include "client/tunnel.h"
#include "core/log.h"
#include "exchange/access_log.h"
#include "exchange/error_page.h"
#include "tls/failure.h"

#define LINGER_MS 2000
#define LINGER_BYTES_MAX (256 * 1024)

static const char *const client_state_words[] = {
#define X(id, word) [CLIENT_##id] = word,
    CLIENT_STATES(X)
#undef X
};

static void client_on_event(void *arg, unsigned events);
static void client_read_head(struct client_connection *c);
static void client_read_proxy_header(struct client_connection *c);

void client_connection_set_state(struct client_connection *c, enum client_state next)
{
    assert(c->state != CLIENT_CLOSED);
    log_debug("client", "%s %s -> %s", c->peer_text, client_state_words[c->state],
              client_state_words[next]);
    c->state = next;
}

static void client_destroy(struct loop_node *node)
{
    struct client_connection *c =
        (struct client_connection *)((char *)node - offsetof(struct client_connection, node));

    assert(c->state == CLIENT_CLOSED && c->exchange == NULL && c->tunnel_start == NULL &&
           !loop_timer_is_set(&c->timer));
    http_head_clear(&c->head);
    runtime_unref(&c->runtime);
    free(c);
}

static void client_end(struct client_connection *c, bool in_order, const char *why)
{
    if (c->state == CLIENT_CLOSED)
        return;
    log_debug("client", "%s closed: %s", c->peer_text, why);
    client_connection_set_state(c, CLIENT_CLOSED);
    exchange_abort(&c->exchange, why);
    tunnel_abort(&c->tunnel_start, why);
    authentication_clear(&c->authentication);
    loop_timer_stop(&c->timer);
    loop_cancel(&c->worker->loop, &c->node);
    if (in_order)
        stream_close(&c->channel.stream);
    else
        stream_abort(&c->channel.stream);
    channel_release(&c->channel);
    TAILQ_REMOVE(&c->worker->clients, c, link);
    if (c->counted)
        census_leave((const struct sockaddr *)&c->peer);
    atomic_fetch_sub_explicit(&c->worker->shared->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&metrics.connections, 1, memory_order_relaxed);
    loop_later(&c->worker->loop, &c->node, client_destroy);
}

void client_connection_close(struct client_connection *c, const char *why)
{
    client_end(c, false, why);
}

/* ---- the end ---- */

/* RFC 9112 section 9.6: what was sent must arrive although the client is still sending; so read on
 * for a little while, and throw it away. */
static void client_linger_on(struct client_connection *c)
{
    for (int i = 0; i < 16; i++) {
        ssize_t n = stream_read(&c->channel.stream, c->worker->io_buffer, WORKER_IO_BUFFER);

        if (n == STREAM_WAIT) {
            stream_want(&c->channel.stream, STREAM_READ);
            return;
        }
        if (n > 0)
            c->lingered += (size_t)n;
        if (n <= 0 || c->lingered > LINGER_BYTES_MAX) {
            client_end(c, true, "done");
            return;
        }
    }
}

static void client_linger(struct client_connection *c)
{
    client_connection_set_state(c, CLIENT_LINGER);
    stream_set_owner(&c->channel.stream, client_on_event, c);
    loop_timer_set(&c->timer, LINGER_MS);
    stream_shutdown_write(&c->channel.stream);
    client_linger_on(c);
}

static void client_flush_then_linger(struct client_connection *c)
{
    int r = channel_flush(&c->channel);

    if (r == STREAM_WAIT) {
        stream_want(&c->channel.stream, STREAM_WRITE);
        return;
    }
    if (r == 1)
        client_linger(c);
    else
        client_end(c, false, "the client left");
}

void client_connection_finish(struct client_connection *c, enum exchange_fate fate)
{
    if (fate == EXCHANGE_ABORT) {
        client_end(c, false, "aborted");
        return;
    }
    client_connection_set_state(c, CLIENT_LINGER);
    stream_set_owner(&c->channel.stream, client_on_event, c);
    loop_timer_set(&c->timer, c->runtime->config->timeouts.client_write_ms);
    client_flush_then_linger(c);
}

/* ---- requests ---- */

static void client_on_timeout(void *arg)
{
    struct client_connection *c = arg;

    if (c->state == CLIENT_CLOSED)
        return;
    if (c->state == CLIENT_HEAD && buffer_length(&c->channel.in) > 0) {
        struct error_page page = {
            .status = 408,
            .error_type = "http_request_error",
            .text = "the request head did not arrive in time (timeouts.client-head)",
            .close = true,
            .now = worker_now(c->worker),
        };

        if (error_page_write(&c->channel.out, &c->worker->scratch, &page) == 0) {
            metrics_request(c->listener, 408);
            client_connection_finish(c, EXCHANGE_LINGER);
            return;
        }
    }
    client_end(c, true, "timeout");
}

static void client_on_exchange_done(void *arg, enum exchange_fate fate)
{
    struct client_connection *c = arg;

    c->exchange = NULL;
    if (c->state == CLIENT_CLOSED)
        return;
    if (fate == EXCHANGE_ABORT) {
        client_end(c, false, "the exchange was broken off");
    } else if (fate == EXCHANGE_KEEP) {
        client_connection_read_requests(c);
    } else if (fate == EXCHANGE_CLOSE && buffer_length(&c->channel.in) == 0 &&
               stream_is_quiet(&c->channel.stream)) {
        client_end(c, true, "done");
    } else {
        client_linger(c);
    }
}

/* A head that can't be parsed gets its answer, a line in the log, and is the connection's last. */
static void client_refuse(struct client_connection *c, int error)
{
    struct error_page page = {
        .status = http_error_status(error),
        .error_type = "http_request_error",
        .text = http_error_text(error),
        .close = true,
        .now = worker_now(c->worker),
    };
    char id[EXCHANGE_ID_SIZE];
    struct access_entry entry = {
        .started_unix_ms = page.now * 1000,
        .exchange = id,
        .client = c->peer_text,
        .status = page.status,
        .error = page.text,
        .listener = c->listener,
    };

    shared_exchange_id(c->worker->shared, id);
    page.exchange = id;
    if (c->in_tunnel)
        page.host = entry.host = c->tunnel.host;
    access_log_entry(&c->worker->log_line, &entry);
    if (error_page_write(&c->channel.out, &c->worker->scratch, &page) != 0)
        client_end(c, false, "out of memory");
    else
        client_connection_finish(c, EXCHANGE_LINGER);
}

/* Where the client of a transparent listener connected to, as host and port. */
static void client_destination(const struct client_connection *c, struct http_authority *out)
{
    *out = (struct http_authority){
        .kind = strchr(c->route, ':') != NULL ? HTTP_HOST_IPV6 : HTTP_HOST_IPV4,
        .port = c->tunnel.port,
    };
    snprintf(out->host, sizeof(out->host), "%s", c->route);
}

static void client_start_exchange(struct client_connection *c, struct http_head *head)
{
    struct http_authority destination;
    struct exchange_start start = {
        .worker = c->worker,
        .runtime = c->runtime,
        .user = c->authentication.user,
        .client = &c->channel,
        .head = head,
        .peer = &c->peer,
        .peer_text = c->peer_text,
        .number = c->number,
        .listener = c->listener,
        .listener_name = c->listener_name,
        .tls = c->tls,
        .siblings = c->counted ? census_count((const struct sockaddr *)&c->peer) : NULL,
        .fixed = c->in_tunnel ? &c->tunnel : NULL,
        .route = c->in_tunnel || c->transparent ? c->route : NULL,
        .done = client_on_exchange_done,
        .arg = c,
    };

    if (c->transparent) {
        client_destination(c, &destination);
        start.destination = &destination;
    }
    client_connection_set_state(c, CLIENT_EXCHANGE);
    if (exchange_start(&c->exchange, &start) != 0) {
        http_head_clear(head);
        client_end(c, false, "out of memory");
    }
}

static void client_start_admitted(struct client_connection *c, struct http_head *head)
{
    if (dive_span_eq(head->method, "CONNECT") && !c->in_tunnel && !c->transparent) {
        client_connection_set_state(c, CLIENT_TUNNEL);
        tunnel_start(c, head);
        return;
    }
    client_start_exchange(c, head);
}

static void client_on_authenticated(void *arg, enum authentication_result result)
{
    struct client_connection *c = arg;
    struct http_head head = c->head;

    c->head = (struct http_head){0};
    loop_timer_stop(&c->timer);
    if (result == AUTHENTICATION_PASSED)
        client_start_admitted(c, &head);
    else
        client_connection_challenge(c, &head);
}

static void client_start_request(struct client_connection *c, struct http_head *head)
{
    const struct authentication_request request = {
        .worker = c->worker,
        .runtime = c->worker->runtime,
        .client = (const struct sockaddr *)&c->peer,
        .client_text = c->peer_text,
        .in_tunnel = c->in_tunnel || c->transparent,
        .head = head,
    };
    enum authentication_result result;

    c->requests++;
    loop_timer_stop(&c->timer);
    if (c->runtime != c->worker->runtime) {
        runtime_unref(&c->runtime);
        c->runtime = runtime_ref(c->worker->runtime);
    }
    result = authentication_ask(&c->authentication, &request, client_on_authenticated, c);
    if (result == AUTHENTICATION_PASSED) {
        client_start_admitted(c, head);
    } else if (result == AUTHENTICATION_REFUSED) {
        client_connection_challenge(c, head);
    } else {
        c->head = *head;
        client_connection_set_state(c, CLIENT_AUTHENTICATE);
        stream_want(&c->channel.stream, 0);
        loop_timer_set(&c->timer, c->runtime->config->timeouts.client_head_ms);
    }
}

void client_connection_flush_then_read(struct client_connection *c)
{
    int r = channel_flush(&c->channel);

    if (c->state != CLIENT_AUTHENTICATE)
        client_connection_set_state(c, CLIENT_AUTHENTICATE);
    if (r == STREAM_WAIT) {
        loop_timer_set(&c->timer, c->runtime->config->timeouts.client_write_ms);
        stream_want(&c->channel.stream, STREAM_WRITE);
    } else if (r == 1) {
        client_connection_read_requests(c);
    } else {
        client_end(c, false, "the client left");
    }
}

/* One head; more than one in a row only by way of the loop. */
static void client_read_head(struct client_connection *c)
{
    const struct http_limits *limits = &c->runtime->http_limits;

    for (;;) {
        struct http_head head;
        size_t consumed = 0;
        bool had_some = buffer_length(&c->channel.in) > 0;
        int r = HTTP_NEED_MORE;
        ssize_t n;

        if (had_some)
            r = http_head_parse_request(&head, buffer_data(&c->channel.in),
                                        buffer_length(&c->channel.in), limits, &c->scan, &consumed);
        if (r < 0) {
            client_refuse(c, r);
            return;
        }
        if (r == HTTP_DONE) {
            /* Passwords don't stay where they were read. */
            if (http_field_get(&head, "Proxy-Authorization") != NULL)
                explicit_bzero(c->channel.in.memory + c->channel.in.start, consumed);
            buffer_consume(&c->channel.in, consumed);
            c->scan = (struct http_scan){0};
            client_start_request(c, &head);
            return;
        }
        n = channel_fill(&c->channel, limits->head + CHANNEL_READ_SIZE);
        if (n == STREAM_WAIT) {
            stream_want(&c->channel.stream, STREAM_READ);
            return;
        }
        if (n <= 0) {
            client_end(c, n == STREAM_EOF, "the client left");
            return;
        }
        if (!had_some)
            loop_timer_set(&c->timer, c->runtime->config->timeouts.client_head_ms);
    }
}

static void client_read_later(struct loop_node *node)
{
    struct client_connection *c =
        (struct client_connection *)((char *)node - offsetof(struct client_connection, node));

    if (c->state == CLIENT_HEAD)
        client_read_head(c);
}

void client_connection_read_requests(struct client_connection *c)
{
    const struct config *config = c->runtime->config;

    client_connection_set_state(c, CLIENT_HEAD);
    stream_set_owner(&c->channel.stream, client_on_event, c);
    c->scan = (struct http_scan){0};
    if (c->worker->draining && !c->worker->patient && buffer_length(&c->channel.in) == 0) {
        client_end(c, true, "draining");
        return;
    }
    loop_timer_set(&c->timer, c->requests > 0 ? config->timeouts.client_idle_ms
                                              : config->timeouts.client_head_ms);
    if (buffer_length(&c->channel.in) > 0) {
        /* A pipelined request: from the loop, so that a thousand of them can't nest. */
        loop_timer_set(&c->timer, config->timeouts.client_head_ms);
        loop_later(&c->worker->loop, &c->node, client_read_later);
        return;
    }
    channel_trim(&c->channel);
    stream_want(&c->channel.stream, STREAM_READ);
}

/* ---- TLS: a listener's, and inside a tunnel ---- */

static void client_handshake(struct client_connection *c)
{
    int r = stream_handshake(&c->channel.stream);
    struct tls_failure why;

    if (r == STREAM_WAIT)
        return;
    if (r == 1) {
        c->requests = 0;
        if (!c->in_tunnel && authentication_take_certificate(
                                 &c->authentication, c->channel.stream.ssl, c->peer_text) != 0)
            client_end(c, false, "out of memory");
        else
            client_connection_read_requests(c);
        return;
    }
    tls_failure_read(&why, c->channel.stream.ssl, -1);
    log_info("tls", "%s: the client's handshake for %s failed: %s%s", c->peer_text,
             c->in_tunnel ? c->tunnel.host : "the proxy", why.text,
             c->in_tunnel && why.kind == TLS_FAILURE_ALERT ? " (does it trust the interception CA?)"
                                                           : "");
    client_end(c, false, "TLS handshake failed");
}

void client_connection_accept_tls(struct client_connection *c)
{
    client_connection_set_state(c, CLIENT_HANDSHAKE);
    stream_set_owner(&c->channel.stream, client_on_event, c);
    loop_timer_set(&c->timer, c->runtime->config->timeouts.tls_handshake_ms);
    client_handshake(c);
}

static void client_on_event(void *arg, unsigned events)
{
    struct client_connection *c = arg;

    switch (c->state) {
    case CLIENT_PROXY_HEADER:
        client_read_proxy_header(c);
        break;
    case CLIENT_HEAD:
        client_read_head(c);
        break;
    case CLIENT_HANDSHAKE:
        client_handshake(c);
        break;
    case CLIENT_AUTHENTICATE:
        if (events & STREAM_GONE)
            client_end(c, false, "the client left");
        else if (events & STREAM_WRITE)
            client_connection_flush_then_read(c);
        break;
    case CLIENT_LINGER:
        if (buffer_length(&c->channel.out) > 0)
            client_flush_then_linger(c);
        else
            client_linger_on(c);
        break;
    case CLIENT_EXCHANGE:
    case CLIENT_TUNNEL:
    case CLIENT_CLOSED:
        break; /* somebody else's, or nobody's */
    }
}

/* ---- the beginning ---- */

static void client_name_peer(struct client_connection *c)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&c->peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&c->peer;
    char address[INET6_ADDRSTRLEN] = "?";

    if (c->peer.ss_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, address, sizeof(address));
    else
        inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof(address));
    snprintf(c->peer_text, sizeof(c->peer_text), "%s", address);
}

/* The listener speaks TLS itself; what is in `in` is its beginning. */
static void client_begin_tls(struct client_connection *c, SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);

    if (ssl == NULL || stream_start_tls(&c->channel.stream, ssl, buffer_data(&c->channel.in),
                                        buffer_length(&c->channel.in)) != 0) {
        SSL_free(ssl);
        client_end(c, false, "out of memory");
        return;
    }
    buffer_release(&c->channel.in);
    SSL_set_accept_state(ssl);
    client_connection_accept_tls(c);
}

/* It is known who the client is. `destination`: what a PROXY header says, or NULL. */
static void client_begin(struct client_connection *c, const struct sockaddr_storage *destination)
{
    const struct config_listener *how = &c->runtime->config->listeners.v[c->listener];
    const struct access *access = c->runtime->access;
    bool transparent = how->mode == CONFIG_LISTENER_TRANSPARENT;

    /* Who doesn't know of a proxy can't say to it who they are. */
    c->authentication.demanded = how->authenticate_given && how->authenticate;
    c->authentication.exempt = transparent || (how->authenticate_given && !how->authenticate);
    if (transparent) {
        client_connection_set_state(c, CLIENT_TUNNEL);
        transparent_start(c, destination);
    } else if (c->listener < access->n_tls && access->tls[c->listener] != NULL) {
        client_begin_tls(c, access->tls[c->listener]);
    } else {
        client_connection_read_requests(c);
    }
}

/* The header is consumed; what follows in `in` is the client's. */
static void client_take_proxy_header(struct client_connection *c, const struct proxy_header *header)
{
    if (header->has_addresses) {
        log_debug("client", "%s speaks for another", c->peer_text);
        c->peer = header->source;
        client_name_peer(c);
    }
    c->counted = census_enter((const struct sockaddr *)&c->peer,
                              c->runtime->config->limits.connections_per_client);
    if (!c->counted) {
        metrics_add(&metrics.connections_refused, 1);
        client_end(c, false, "limits.connections-per-client");
        return;
    }
    client_begin(c, header->has_addresses ? &header->destination : NULL);
}

static void client_read_proxy_header(struct client_connection *c)
{
    struct proxy_header header;
    ssize_t n = channel_fill(&c->channel, PROXY_HEADER_MAX + CHANNEL_READ_SIZE);

    switch (
        proxy_header_parse(buffer_data(&c->channel.in), buffer_length(&c->channel.in), &header)) {
    case PROXY_HEADER_OK:
        loop_timer_stop(&c->timer);
        buffer_consume(&c->channel.in, header.length);
        client_take_proxy_header(c, &header);
        return;
    case PROXY_HEADER_MORE:
        if (n == STREAM_EOF || n == STREAM_ERROR)
            client_end(c, n == STREAM_EOF, "the client left");
        else
            stream_want(&c->channel.stream, STREAM_READ);
        return;
    case PROXY_HEADER_MALFORMED:
        break;
    }
    log_info("client", "%s: closed: its connection does not begin with a PROXY protocol header",
             c->peer_text);
    metrics_add(&metrics.connections_refused, 1);
    client_end(c, false, "no PROXY protocol header");
}

/* Takes no part in the census yet: it is the load balancer's connection, not a client's. */
static void client_await_proxy_header(struct client_connection *c)
{
    client_connection_set_state(c, CLIENT_PROXY_HEADER);
    loop_timer_set(&c->timer, c->runtime->config->timeouts.client_head_ms);
    stream_want(&c->channel.stream, STREAM_READ);
}

/* False: the connection is closed, nobody vouches for who is behind it. */
static bool client_may_speak_for_others(const struct config_listener *how, int fd,
                                        const struct sockaddr_storage *peer)
{
    struct client_connection named = {.peer = *peer};

    if (config_networks_match(&how->proxy_protocol, (const struct sockaddr *)peer))
        return true;
    client_name_peer(&named);
    log_info("client", "%s: closed: not in listeners[].proxy-protocol of %s", named.peer_text,
             how->address.text);
    metrics_add(&metrics.connections_refused, 1);
    close(fd);
    return false;
}

void client_connection_open(struct worker *worker, unsigned listener, int fd,
                            const struct sockaddr_storage *peer)
{
    const struct config_listener *how = &worker->runtime->config->listeners.v[listener];
    struct client_connection *c = NULL;
    unsigned max = worker->runtime->config->limits.connections_per_client;
    bool by_header = how->proxy_protocol.n > 0;

    if (by_header && !client_may_speak_for_others(how, fd, peer))
        return;
    if (!by_header && !census_enter((const struct sockaddr *)peer, max)) {
        static const char answer[] = "HTTP/1.1 429 Too Many Requests\r\n"
                                     "Proxy-Status: dived; error=connection_limit_reached; "
                                     "details=\"limits.connections-per-client\"\r\n"
                                     "Content-Length: 0\r\nConnection: close\r\n\r\n";

        metrics_add(&metrics.connections_refused, 1);
        if (how->mode != CONFIG_LISTENER_TRANSPARENT) /* who knows what is spoken there */
            (void)!write(fd, answer, sizeof(answer) - 1);
        close(fd);
        return;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        if (!by_header)
            census_leave((const struct sockaddr *)peer);
        close(fd);
        return;
    }
    c->worker = worker;
    c->number = ++worker->clients_ever;
    c->runtime = runtime_ref(worker->runtime);
    c->listener = listener;
    if (listener < c->runtime->config->listeners.n)
        snprintf(c->listener_name, sizeof(c->listener_name), "%s",
                 c->runtime->config->listeners.v[listener].name);
    c->peer = *peer;
    c->counted = !by_header;
    client_name_peer(c);
    loop_timer_init(&c->timer, &worker->loop, client_on_timeout, c);
    stream_init(&c->channel.stream, &worker->loop, fd, client_on_event, c);
    TAILQ_INSERT_TAIL(&worker->clients, c, link);
    atomic_fetch_add_explicit(&worker->shared->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metrics.connections, 1, memory_order_relaxed);
    if (by_header)
        client_await_proxy_header(c);
    else
        client_begin(c, NULL);
}

bool client_connection_drain(struct client_connection *c)
{
    bool idle = c->state == CLIENT_HEAD || c->state == CLIENT_PROXY_HEADER ||
                (c->state == CLIENT_TUNNEL && tunnel_is_untouched(c->tunnel_start));

    if (!idle || buffer_length(&c->channel.in) > 0)
        return false;
    client_end(c, true, "draining");
    return true;
}
