/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tls_forward: see tls_forward.h. A link joins libunbound's connection (inner) to the server's
 * (outer):
 *
 *      CONNECTING -> HANDSHAKE -> OPEN -> CLOSED (freed between loop turns)
 *
 * Each direction has one buffer; a full one stops the reader on the other side.
 */
#include "dns/tls_forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

#define BUFFER_SIZE 8192
#define OPEN_TIMEOUT_MS 5000  /* connect and handshake */
#define IDLE_TIMEOUT_MS 60000 /* libunbound keeps connections for reuse; RFC 7858 section 3.4 */
#define COMPLAINT_INTERVAL_MS 60000

enum state { CONNECTING, HANDSHAKE, OPEN, CLOSED };

struct buffer {
    size_t from, to;
    uint8_t bytes[BUFFER_SIZE];
};

struct link {
    TAILQ_ENTRY(link) entry;
    struct tls_forward *relay;
    enum state state;
    int inner, outer;
    short inner_events, outer_events; /* waited for */
    struct event inner_event, outer_event;
    SSL *ssl;
    short ssl_wants; /* EV_READ, EV_WRITE: what the last TLS call waits for */
    bool inner_end, outer_end;
    struct buffer up, down;
    struct loop_timer timer;
    struct loop_node reap;
};

TAILQ_HEAD(link_list, link);

struct tls_forward {
    struct loop *loop;
    struct sockaddr_storage server;
    socklen_t server_length;
    char name[256];
    char address[40];
    SSL_CTX *tls;
    int fd;
    struct event event;
    struct link_list links;
    size_t count;
    int64_t complained_ms;
};

static void on_inner(evutil_socket_t fd, short what, void *arg);
static void on_outer(evutil_socket_t fd, short what, void *arg);

static bool buffer_empty(const struct buffer *b)
{
    return b->from == b->to;
}

/* ---- ending a link ---- */

static void link_free(struct link *l)
{
    loop_cancel(l->relay->loop, &l->reap);
    TAILQ_REMOVE(&l->relay->links, l, entry);
    l->relay->count--;
    free(l);
}

static void on_reap(struct loop_node *node)
{
    link_free((void *)((char *)node - offsetof(struct link, reap)));
}

static void link_close(struct link *l)
{
    if (l->state == CLOSED)
        return;
    l->state = CLOSED;
    loop_timer_stop(&l->timer);
    if (l->inner_events)
        event_del(&l->inner_event);
    if (l->outer_events)
        event_del(&l->outer_event);
    SSL_free(l->ssl);
    l->ssl = NULL;
    close(l->inner);
    if (l->outer >= 0)
        close(l->outer);
    loop_later(l->relay->loop, &l->reap, on_reap);
}

/* A server that can't be authenticated is worth a line, not a line a query. */
static void complain(struct tls_forward *relay, const char *what, const char *why)
{
    int64_t now = loop_now_ms(relay->loop);

    if (relay->complained_ms && now - relay->complained_ms < COMPLAINT_INTERVAL_MS)
        return;
    relay->complained_ms = now;
    log_warning("dns", "DNS over TLS to %s: %s: %s", relay->name, what, why);
}

static void complain_tls(struct link *l)
{
    long verify = SSL_get_verify_result(l->ssl);
    unsigned long error = ERR_peek_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;

    complain(l->relay, "handshake failed",
             verify != X509_V_OK ? X509_verify_cert_error_string(verify)
             : reason            ? reason
                                 : "connection closed");
}

/* ---- moving bytes ---- */

/* Waits for `events`, and for nothing else, on one side. */
static bool want(struct link *l, struct event *event, int fd, short *current, short events,
                 event_callback_fn fn)
{
    if (*current == events)
        return true;
    if (*current)
        event_del(event);
    *current = 0;
    if (events == 0)
        return true;
    event_assign(event, l->relay->loop->base, fd, (short)(events | EV_PERSIST), fn, l);
    if (event_add(event, NULL) != 0)
        return false;
    *current = events;
    return true;
}

/* > 0 and 0 as read(2) and write(2); -1: would wait; -2: broken. */
static ssize_t plain_result(ssize_t n)
{
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? -1 : -2;
}

static ssize_t tls_result(struct link *l, int n)
{
    switch (n > 0 ? SSL_ERROR_NONE : SSL_get_error(l->ssl, n)) {
    case SSL_ERROR_NONE:
        return n;
    case SSL_ERROR_WANT_READ:
        l->ssl_wants |= EV_READ;
        return -1;
    case SSL_ERROR_WANT_WRITE:
        l->ssl_wants |= EV_WRITE;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return -2;
    }
}

static ssize_t read_into(struct link *l, struct buffer *b, bool tls)
{
    ssize_t n;

    ERR_clear_error();
    n = tls ? tls_result(l, SSL_read(l->ssl, b->bytes, sizeof b->bytes))
            : plain_result(read(l->inner, b->bytes, sizeof b->bytes));
    b->from = 0;
    b->to = n > 0 ? (size_t)n : 0;
    return n;
}

static ssize_t write_from(struct link *l, struct buffer *b, bool tls)
{
    size_t left = b->to - b->from;
    ssize_t n;

    ERR_clear_error();
    n = tls ? tls_result(l, SSL_write(l->ssl, b->bytes + b->from, (int)left))
            : plain_result(send(l->inner, b->bytes + b->from, left, MSG_NOSIGNAL));
    if (n > 0)
        b->from += (size_t)n;
    return n;
}

/* One direction as far as it goes. False: broken. It ends: libunbound, in this very thread, doesn't
 * read or write meanwhile, so one side or the other would soon wait. */
static bool move(struct link *l, struct buffer *b, bool from_tls, bool *end)
{
    for (;;) {
        ssize_t n;

        if (buffer_empty(b)) {
            if (*end)
                return true;
            n = read_into(l, b, from_tls);
            if (n == 0)
                *end = true;
            if (n == -2)
                return false;
            if (n <= 0)
                return true;
        }
        n = write_from(l, b, !from_tls);
        if (n == -1)
            return true;
        if (n <= 0)
            return false;
        loop_timer_set(&l->timer, IDLE_TIMEOUT_MS);
    }
}

static void pump(struct link *l)
{
    short inner, outer;

    l->ssl_wants = 0;
    if (!move(l, &l->up, false, &l->inner_end) || !move(l, &l->down, true, &l->outer_end) ||
        l->inner_end || (l->outer_end && buffer_empty(&l->down))) {
        link_close(l); /* libunbound asks again elsewhere, or over a new connection */
        return;
    }
    inner = (short)((buffer_empty(&l->up) ? EV_READ : 0) | (buffer_empty(&l->down) ? 0 : EV_WRITE));
    outer = l->ssl_wants;
    if (!want(l, &l->inner_event, l->inner, &l->inner_events, inner, on_inner) ||
        !want(l, &l->outer_event, l->outer, &l->outer_events, outer, on_outer))
        link_close(l);
}

static void handshake(struct link *l)
{
    ssize_t n;

    ERR_clear_error();
    l->ssl_wants = 0;
    n = tls_result(l, SSL_do_handshake(l->ssl));
    if (n > 0) {
        l->state = OPEN;
        loop_timer_set(&l->timer, IDLE_TIMEOUT_MS);
        pump(l);
        return;
    }
    if (n != -1) {
        complain_tls(l);
        link_close(l);
    } else if (!want(l, &l->outer_event, l->outer, &l->outer_events, l->ssl_wants, on_outer)) {
        link_close(l);
    }
}

static void on_inner(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;

    if (l->state == OPEN)
        pump(l);
}

static void on_outer(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;
    socklen_t n = sizeof(int);
    int error = 0;

    switch (l->state) {
    case CONNECTING:
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
            error = errno;
        if (error) {
            complain(l->relay, "connection failed", strerror(error));
            link_close(l);
            return;
        }
        l->state = HANDSHAKE;
        handshake(l);
        return;
    case HANDSHAKE:
        handshake(l);
        return;
    case OPEN:
        pump(l);
        return;
    case CLOSED:
        return;
    }
}

static void on_timer(void *arg)
{
    struct link *l = arg;

    if (l->state != OPEN)
        complain(l->relay, "no connection", "timed out");
    link_close(l);
}

/* ---- starting a link ---- */

static bool start_tls(struct link *l)
{
    l->ssl = SSL_new(l->relay->tls);
    if (!l->ssl || SSL_set1_host(l->ssl, l->relay->name) != 1 ||
        SSL_set_tlsext_host_name(l->ssl, l->relay->name) != 1 || SSL_set_fd(l->ssl, l->outer) != 1)
        return false;
    SSL_set_connect_state(l->ssl);
    return true;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct tls_forward *relay = arg;
    int inner = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    struct link *l;

    if (inner < 0)
        return;
    l = relay->count < TLS_FORWARD_LINKS_MAX ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        close(inner);
        return;
    }
    l->relay = relay;
    l->inner = inner;
    loop_timer_init(&l->timer, relay->loop, on_timer, l);
    TAILQ_INSERT_TAIL(&relay->links, l, entry);
    relay->count++;
    l->outer = socket(relay->server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->outer < 0 || setsockopt(l->outer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        (connect(l->outer, (struct sockaddr *)&relay->server, relay->server_length) != 0 &&
         errno != EINPROGRESS)) {
        complain(relay, "connection failed", strerror(errno));
        link_close(l);
        return;
    }
    loop_timer_set(&l->timer, OPEN_TIMEOUT_MS);
    if (!start_tls(l) ||
        !want(l, &l->outer_event, l->outer, &l->outer_events, EV_WRITE, on_outer)) {
        complain(relay, "connection failed", "out of memory");
        link_close(l);
    }
}

/* ---- the relay ---- */

static int make_tls(struct tls_forward *relay, const char *ca_file, char *error, size_t error_size)
{
    static const unsigned char alpn[] = "\3dot";

    relay->tls = SSL_CTX_new(TLS_client_method());
    if (!relay->tls || SSL_CTX_set_min_proto_version(relay->tls, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(relay->tls, alpn, sizeof alpn - 1) != 0) {
        snprintf(error, error_size, "dns.forward-tls: no TLS context");
        return DIVE_E_NOMEM;
    }
    SSL_CTX_set_verify(relay->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(relay->tls,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (ca_file ? SSL_CTX_load_verify_locations(relay->tls, ca_file, NULL) != 1
                : SSL_CTX_set_default_verify_paths(relay->tls) != 1) {
        snprintf(error, error_size, "dns.forward-tls: no CA certificates in %s",
                 ca_file ? ca_file : "the system's store");
        return DIVE_E_NOT_FOUND;
    }
    return 0;
}

static int make_listener(struct tls_forward *relay, char *error, size_t error_size)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;

    relay->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (relay->fd < 0 || bind(relay->fd, (struct sockaddr *)&in, sizeof in) != 0 ||
        listen(relay->fd, 64) != 0 || getsockname(relay->fd, (struct sockaddr *)&in, &n) != 0) {
        snprintf(error, error_size, "dns.forward-tls: no port on loopback: %s", strerror(errno));
        return DIVE_E_INTERNAL;
    }
    snprintf(relay->address, sizeof relay->address, "127.0.0.1@%d", ntohs(in.sin_port));
    event_assign(&relay->event, relay->loop->base, relay->fd, EV_READ | EV_PERSIST, on_accept,
                 relay);
    return event_add(&relay->event, NULL) == 0 ? 0 : DIVE_E_NOMEM;
}

int tls_forward_new(struct tls_forward **out, struct loop *loop, const struct sockaddr *server,
                    socklen_t length, const char *name, const char *ca_file, char *error,
                    size_t error_size)
{
    struct tls_forward *relay = calloc(1, sizeof *relay);
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (!relay) {
        snprintf(error, error_size, "out of memory");
        return DIVE_E_NOMEM;
    }
    relay->loop = loop;
    relay->fd = -1;
    TAILQ_INIT(&relay->links);
    event_assign(&relay->event, loop->base, -1, 0, on_accept, relay);
    memcpy(&relay->server, server, length);
    relay->server_length = length;
    snprintf(relay->name, sizeof relay->name, "%s", name);
    r = make_tls(relay, ca_file, error, error_size);
    if (r == 0)
        r = make_listener(relay, error, error_size);
    if (r)
        tls_forward_free(&relay);
    *out = relay;
    return r;
}

void tls_forward_free(struct tls_forward **relay)
{
    struct tls_forward *r = *relay;
    struct link *l;

    *relay = NULL;
    if (!r)
        return;
    while ((l = TAILQ_FIRST(&r->links))) {
        link_close(l);
        link_free(l);
    }
    event_del(&r->event);
    if (r->fd >= 0)
        close(r->fd);
    SSL_CTX_free(r->tls);
    free(r);
}

const char *tls_forward_address(const struct tls_forward *relay)
{
    return relay->address;
}
