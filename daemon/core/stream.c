/* SPDX-License-Identifier: BSD-2-Clause
 *
 * stream: see stream.h.
 */
#include "core/stream.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/prefix_bio.h"

/* Calls back, once the peer's bytes or its leaving are known to be of interest. */
static void stream_tell(struct stream *s, unsigned events)
{
    if (s->fd >= 0 && events != 0)
        s->on_event(s->arg, events);
}

static void stream_watch_gone(struct stream *s)
{
    if (!(s->armed & STREAM_GONE) && !s->gone_told &&
        gone_watch(&s->loop->gone, s->fd, &s->gone) == 0)
        s->armed |= STREAM_GONE;
}

static void stream_unwatch_gone(struct stream *s)
{
    if (s->armed & STREAM_GONE)
        gone_unwatch(&s->loop->gone, s->fd);
    s->armed &= ~STREAM_GONE;
}

static void stream_disarm_read(struct stream *s)
{
    event_del(&s->read_event);
    s->armed &= ~STREAM_READ;
    stream_watch_gone(s);
}

static bool stream_peer_has_left(struct stream *s)
{
    char byte;
    ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void stream_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    unsigned events = 0;

    if (s->fd < 0)
        return;
    if (s->tls_write_needs_read && (s->wanted & STREAM_WRITE)) {
        s->tls_write_needs_read = false;
        events |= STREAM_WRITE;
    }
    if (s->wanted & STREAM_READ) {
        events |= STREAM_READ;
    } else if (events == 0) {
        stream_disarm_read(s);
        if (!s->gone_told && stream_peer_has_left(s)) {
            s->gone_told = true;
            events |= STREAM_GONE;
        }
    }
    stream_tell(s, events);
}

static void stream_on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    unsigned events = s->wanted & STREAM_WRITE;

    if (s->fd < 0)
        return;
    if (s->tls_read_needs_write) {
        s->tls_read_needs_write = false;
        events |= s->wanted & STREAM_READ;
    }
    if (!(s->wanted & STREAM_WRITE)) {
        event_del(&s->write_event);
        s->armed &= ~STREAM_WRITE;
    }
    stream_tell(s, events);
}

static void stream_on_gone(struct gone_node *node)
{
    struct stream *s = (struct stream *)((char *)node - offsetof(struct stream, gone));

    if (s->fd < 0)
        return;
    stream_unwatch_gone(s);
    s->gone_told = true;
    if (!(s->wanted & STREAM_READ))
        stream_tell(s, STREAM_GONE);
}

static void stream_on_wake(struct loop_node *node)
{
    struct stream *s = (struct stream *)((char *)node - offsetof(struct stream, wake));

    if (s->fd >= 0 && (s->wanted & STREAM_READ))
        stream_tell(s, STREAM_READ);
}

void stream_init(struct stream *s, struct loop *loop, int fd,
                 void (*on_event)(void *arg, unsigned events), void *arg)
{
    *s = (struct stream){.loop = loop, .fd = fd, .on_event = on_event, .arg = arg};
    event_assign(&s->read_event, loop->base, fd, EV_READ | EV_PERSIST, stream_on_readable, s);
    event_assign(&s->write_event, loop->base, fd, EV_WRITE | EV_PERSIST, stream_on_writable, s);
    s->gone.fn = stream_on_gone;
}

void stream_set_owner(struct stream *s, void (*on_event)(void *arg, unsigned events), void *arg)
{
    s->on_event = on_event;
    s->arg = arg;
    s->gone_told = false;
}

int stream_start_tls(struct stream *s, SSL *ssl, const void *prefix, size_t n)
{
    BIO *bio =
        s->ssl != NULL ? prefix_bio_new_tls(s->ssl, prefix, n) : prefix_bio_new(s->fd, prefix, n);

    assert(s->outer == NULL);
    if (bio == NULL)
        return -1;
    SSL_set_bio(ssl, bio, bio);
    s->outer = s->ssl;
    s->ssl = ssl;
    s->tls_may_hold_data = true;
    return 0;
}

int stream_handshake(struct stream *s)
{
    int r, error;

    if (s->fd < 0)
        return STREAM_ERROR;
    ERR_clear_error();
    r = SSL_do_handshake(s->ssl);
    if (r == 1) {
        s->tls_may_hold_data = true;
        stream_want(s, 0);
        return 1;
    }
    error = SSL_get_error(s->ssl, r);
    if (error == SSL_ERROR_WANT_READ) {
        s->tls_may_hold_data = false;
        stream_want(s, STREAM_READ);
        return STREAM_WAIT;
    }
    if (error == SSL_ERROR_WANT_WRITE) {
        stream_want(s, STREAM_WRITE);
        return STREAM_WAIT;
    }
    return STREAM_ERROR;
}

static void stream_arm(struct stream *s, unsigned flag, struct event *event)
{
    if (!(s->armed & flag) && event_add(event, NULL) == 0)
        s->armed |= flag;
}

void stream_want(struct stream *s, unsigned events)
{
    s->wanted = events;
    if (s->fd < 0)
        return;
    if ((events & STREAM_READ) || ((events & STREAM_WRITE) && s->tls_write_needs_read)) {
        stream_unwatch_gone(s);
        stream_arm(s, STREAM_READ, &s->read_event);
    } else if (!(s->armed & STREAM_READ)) {
        stream_watch_gone(s);
    }
    if (((events & STREAM_WRITE) && !s->tls_write_needs_read) ||
        ((events & STREAM_READ) && s->tls_read_needs_write)) {
        stream_arm(s, STREAM_WRITE, &s->write_event);
    } else if (s->armed & STREAM_WRITE) {
        event_del(&s->write_event);
        s->armed &= ~STREAM_WRITE;
    }
    if ((events & STREAM_READ) && s->ssl != NULL && s->tls_may_hold_data &&
        (SSL_has_pending(s->ssl) || (s->outer != NULL && SSL_has_pending(s->outer))))
        loop_later(s->loop, &s->wake, stream_on_wake);
}

static ssize_t stream_tls_result(struct stream *s, int r, bool reading)
{
    switch (SSL_get_error(s->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        if (reading)
            s->tls_may_hold_data = false;
        else
            s->tls_write_needs_read = true;
        return STREAM_WAIT;
    case SSL_ERROR_WANT_WRITE:
        if (reading)
            s->tls_read_needs_write = true;
        return STREAM_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return reading ? STREAM_EOF : STREAM_ERROR;
    default:
        ERR_clear_error();
        return STREAM_ERROR;
    }
}

ssize_t stream_read(struct stream *s, void *to, size_t n)
{
    ssize_t r;

    if (s->fd < 0)
        return STREAM_ERROR;
    if (s->ssl != NULL) {
        ERR_clear_error();
        r = SSL_read(s->ssl, to, n > INT_MAX ? INT_MAX : (int)n);
        if (r <= 0)
            return stream_tls_result(s, (int)r, true);
        s->tls_may_hold_data = true;
        return r;
    }
    do
        r = recv(s->fd, to, n, 0);
    while (r < 0 && errno == EINTR);
    if (r >= 0)
        return r;
    return errno == EAGAIN ? STREAM_WAIT : STREAM_ERROR;
}

ssize_t stream_write(struct stream *s, const void *from, size_t n)
{
    ssize_t r;

    if (s->fd < 0)
        return STREAM_ERROR;
    if (s->ssl != NULL) {
        ERR_clear_error();
        r = SSL_write(s->ssl, from, n > INT_MAX ? INT_MAX : (int)n);
        return r > 0 ? r : stream_tls_result(s, (int)r, false);
    }
    do
        r = send(s->fd, from, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r >= 0)
        return r;
    return errno == EAGAIN ? STREAM_WAIT : STREAM_ERROR;
}

ssize_t stream_sendfile(struct stream *s, int file, off_t *offset, size_t n)
{
    ssize_t r;

    assert(s->ssl == NULL);
    if (s->fd < 0)
        return STREAM_ERROR;
    do
        r = sendfile(s->fd, file, offset, n);
    while (r < 0 && errno == EINTR);
    if (r > 0)
        return r;
    /* 0: the file is shorter than its owner believes; the peer must not be told it was all. */
    return r < 0 && errno == EAGAIN ? STREAM_WAIT : STREAM_ERROR;
}

bool stream_is_tls(const struct stream *s)
{
    return s->ssl != NULL;
}

bool stream_is_open(const struct stream *s)
{
    return s->fd >= 0;
}

bool stream_is_quiet(struct stream *s)
{
    char byte;

    if (s->fd < 0)
        return false;
    if (s->ssl != NULL && SSL_is_init_finished(s->ssl)) {
        int r;

        /* TLS's own messages (session tickets behind the handshake) are taken in, and are no
         * speech. */
        ERR_clear_error();
        r = SSL_peek(s->ssl, &byte, 1);
        s->tls_may_hold_data = r > 0;
        if (r > 0 || SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ) {
            ERR_clear_error();
            return false;
        }
    }
    return recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void stream_shutdown_write(struct stream *s)
{
    if (s->fd < 0)
        return;
    if (s->ssl != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(s->ssl);
        if (s->outer != NULL)
            (void)SSL_shutdown(s->outer);
        ERR_clear_error();
    }
    shutdown(s->fd, SHUT_WR);
}

static void stream_unregister(struct stream *s)
{
    if (s->armed & STREAM_READ)
        event_del(&s->read_event);
    if (s->armed & STREAM_WRITE)
        event_del(&s->write_event);
    stream_unwatch_gone(s);
    s->armed = s->wanted = 0;
    loop_cancel(s->loop, &s->wake);
}

static void stream_release(struct stream *s)
{
    stream_unregister(s);
    SSL_free(s->ssl);
    SSL_free(s->outer);
    s->ssl = s->outer = NULL;
    close(s->fd);
    s->fd = -1;
}

int stream_detach(struct stream *s)
{
    int fd = s->fd;

    assert(s->ssl == NULL);
    if (fd >= 0)
        stream_unregister(s);
    s->fd = -1;
    return fd;
}

void stream_close(struct stream *s)
{
    if (s->fd < 0)
        return;
    if (s->ssl != NULL && SSL_is_init_finished(s->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(s->ssl);
        if (s->outer != NULL)
            (void)SSL_shutdown(s->outer);
        ERR_clear_error();
    }
    stream_release(s);
}

void stream_abort(struct stream *s)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (s->fd < 0)
        return;
    (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (s->ssl != NULL)
        SSL_set_quiet_shutdown(s->ssl, 1);
    if (s->outer != NULL)
        SSL_set_quiet_shutdown(s->outer, 1);
    stream_release(s);
}
