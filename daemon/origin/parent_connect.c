/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_connect: see parent_connect.h.
 *
 *   TOKEN -> (TLS) HANDSHAKE -> SEND -> HEAD (1xx: again) -> DONE -(next loop turn)-> told, freed
 *     |               `-----------`--------`--failed----------^
 *     `--failed, or no tunnel is asked for--------------------^
 *
 * TOKEN is for parents that are sent Negotiate alone.
 *
 * On a plain connection not a byte beyond the answer's head may be taken off the socket, since the
 * socket is given away: what has arrived is looked at first (MSG_PEEK), and only what belongs to
 * the head is read.
 */
#include "origin/parent_connect.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "http/via.h"
#include "http/writer.h"
#include "origin/parent_bridge.h"
#include "origin/parent_kerberos.h"
#include "tls/connect.h"

#define REQUEST_MAX (PARENT_VIA_MAX + PARENT_TOKEN_MAX + 4096)

enum state { TOKEN, HANDSHAKE, SEND, HEAD, DONE };

struct parent_connect {
    struct loop *loop;
    struct parent_bridges *bridges;
    const struct parent *parent;
    const char *authority, *via; /* the caller's */
    struct parent_token *asked;  /* TOKEN */
    char *token;
    enum state state;
    struct channel *channel;
    struct buffer head; /* of the answer, read off a plain connection */
    struct http_scan scan;
    unsigned interim;
    struct loop_node node;
    enum dial_result result;
    int fd; /* OK: for the user */
    char detail[256];
    parent_connect_fn *cb;
    void *arg;
};

/* ---- ending ---- */

static void connect_drop(struct parent_connect *c)
{
    if (c->channel == NULL)
        return;
    stream_close(&c->channel->stream);
    channel_release(c->channel);
    free(c->channel);
    c->channel = NULL;
}

static void connect_tell(struct loop_node *node)
{
    struct parent_connect *c =
        (struct parent_connect *)((char *)node - offsetof(struct parent_connect, node));

    connect_drop(c);
    buffer_release(&c->head);
    if (c->authority != NULL || c->result != DIAL_OK)
        parent_token_free(&c->token);
    c->cb(c->arg, c->result, c->fd, c->token, c->detail);
    free(c);
}

static void __attribute__((format(printf, 3, 4)))
connect_end(struct parent_connect *c, enum dial_result result, const char *format, ...)
{
    va_list args;

    if (c->state == DONE)
        return;
    va_start(args, format);
    vsnprintf(c->detail, sizeof(c->detail), format, args);
    va_end(args);
    c->state = DONE;
    c->result = result;
    stream_want(&c->channel->stream, 0);
    loop_later(c->loop, &c->node, connect_tell);
}

void parent_connect_cancel(struct parent_connect **connect)
{
    struct parent_connect *c = *connect;

    *connect = NULL;
    if (c == NULL)
        return;
    loop_cancel(c->loop, &c->node);
    parent_token_cancel(&c->asked);
    parent_token_free(&c->token);
    if (c->fd >= 0)
        close(c->fd);
    connect_drop(c);
    buffer_release(&c->head);
    free(c); /* cb is called on the way to free() only */
}

/* ---- the answer ---- */

static void connect_done(struct parent_connect *c)
{
    c->state = DONE;
    c->result = DIAL_OK;
    loop_later(c->loop, &c->node, connect_tell);
}

static void connect_open(struct parent_connect *c)
{
    if (c->parent->tls) {
        c->fd = parent_bridge_start(c->bridges, c->loop, c->channel);
        if (c->fd < 0) {
            connect_end(c, DIAL_INTERNAL, "no descriptor or memory is left");
            return;
        }
        c->channel = NULL; /* the bridge's */
    } else {
        c->fd = stream_detach(&c->channel->stream);
    }
    connect_done(c);
}

static void connect_refused(struct parent_connect *c, const struct http_head *head)
{
    enum dial_result result = DIAL_PARENT_FAILED;
    const char *what = "can't reach the origin";

    switch (head->status) {
    case 407:
        result = DIAL_PARENT_AUTH;
        what = parent_refusal(c->parent);
        break;
    case 400:
    case 401:
    case 403:
    case 405:
    case 451:
        result = DIAL_PARENT_DENIED;
        what = "denies the connection";
        break;
    case 504:
        result = DIAL_PARENT_SLOW;
        what = "got no answer from the origin in time";
        break;
    case 508:
        result = DIAL_PARENT_LOOP;
        what = "has seen this connection before: proxies in a ring";
        break;
    default:
        break;
    }
    /* What the parent says of itself goes to our log; the client gets our words. */
    log_info("origin", "parent proxy %s answered CONNECT with %d %.*s", c->parent->name,
             head->status, (int)head->reason.n, head->reason.p);
    connect_end(c, result, "%s (status %d)", what, head->status);
}

/* Looks at what has arrived of the answer. */
static void connect_parse(struct parent_connect *c, struct buffer *in)
{
    static const struct http_limits limits = {.head = PARENT_HEAD_MAX, .fields = PARENT_FIELDS_MAX};
    struct http_head head;
    size_t consumed;

    while (c->state == HEAD) {
        int r = http_head_parse_response(&head, buffer_data(in), buffer_length(in),
                                         dive_span_str("CONNECT"), &limits, &c->scan, &consumed);

        if (r == HTTP_NEED_MORE)
            return;
        if (r < 0) {
            connect_end(c, DIAL_PARENT_PROTOCOL, "its answer to CONNECT is not acceptable: %s",
                        http_error_text(r));
            return;
        }
        buffer_consume(in, consumed);
        c->scan = (struct http_scan){0};
        if (head.status >= 200 && head.status <= 299)
            connect_open(c);
        else if (head.status >= 200)
            connect_refused(c, &head);
        else if (head.status == 101 || ++c->interim > PARENT_INTERIM_MAX)
            connect_end(c, DIAL_PARENT_PROTOCOL, "answers CONNECT with %d without end",
                        head.status);
        http_head_clear(&head);
        if (buffer_length(in) == 0)
            return;
    }
}

/* How many of `n` bytes that follow what is in `head` belong to it: up to and with its empty line,
 * or all. */
static size_t bytes_of_head(const struct buffer *head, const char *next, size_t n)
{
    static const char end[] = "\r\n\r\n";
    const char *before = buffer_data(head);
    size_t length = buffer_length(head), matched = 0;

    for (size_t i = length > 3 ? length - 3 : 0; i < length; i++)
        matched = before[i] == end[matched] ? matched + 1 : before[i] == '\r';
    for (size_t i = 0; i < n; i++) {
        matched = next[i] == end[matched] ? matched + 1 : next[i] == '\r';
        if (matched == 4)
            return i + 1;
    }
    return n;
}

/* STREAM_WAIT, STREAM_EOF, STREAM_ERROR, or the count; nothing beyond the head is taken. */
static ssize_t connect_read_plain(struct parent_connect *c)
{
    char bytes[4096], *to;
    ssize_t n;

    do
        n = recv(c->channel->stream.fd, bytes, sizeof(bytes), MSG_PEEK);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n == 0 ? STREAM_EOF : errno == EAGAIN ? STREAM_WAIT : STREAM_ERROR;
    n = (ssize_t)bytes_of_head(&c->head, bytes, (size_t)n);
    to = buffer_reserve(&c->head, (size_t)n, PARENT_HEAD_MAX + sizeof(bytes));
    if (to == NULL)
        return STREAM_ERROR;
    n = stream_read(&c->channel->stream, to, (size_t)n);
    if (n > 0)
        buffer_written(&c->head, (size_t)n);
    return n;
}

static void connect_read(struct parent_connect *c)
{
    while (c->state == HEAD) {
        ssize_t n = c->parent->tls ? channel_fill(c->channel, PARENT_HEAD_MAX + CHANNEL_READ_SIZE)
                                   : connect_read_plain(c);

        if (n == STREAM_WAIT) {
            stream_want(&c->channel->stream, STREAM_READ);
            return;
        }
        if (n == STREAM_EOF || n == STREAM_ERROR) {
            connect_end(c, DIAL_PARENT_CLOSED,
                        "closed the connection instead of an answer to CONNECT");
            return;
        }
        connect_parse(c, c->parent->tls ? &c->channel->in : &c->head);
    }
}

/* ---- the request ---- */

static void connect_send(struct parent_connect *c)
{
    int r = channel_flush(c->channel);

    if (r == STREAM_WAIT) {
        stream_want(&c->channel->stream, STREAM_WRITE);
        return;
    }
    /* An error shows again when the answer is read, which may be there all the same. */
    c->state = HEAD;
    connect_read(c);
}

static void connect_handshake(struct parent_connect *c)
{
    int r = stream_handshake(&c->channel->stream);
    struct tls_failure why;

    if (r == STREAM_WAIT)
        return;
    if (r == 1 && tls_connect_is_verified(c->channel->stream.ssl)) {
        c->state = SEND;
        connect_send(c);
        return;
    }
    tls_failure_read(&why, c->channel->stream.ssl, -1);
    connect_end(c, DIAL_PARENT_TLS, "TLS: %s", why.text);
}

static void connect_on_event(void *arg, unsigned events)
{
    struct parent_connect *c = arg;

    if (c->state == HANDSHAKE)
        connect_handshake(c);
    else if (c->state == SEND && (events & STREAM_GONE))
        connect_end(c, DIAL_PARENT_CLOSED, "closed the connection");
    else if (c->state == SEND)
        connect_send(c);
    else if (c->state == HEAD)
        connect_read(c);
}

/* RFC 9110 section 9.3.6 and, for Via, 7.6.3: it is passed on, so that a ring of proxies is seen.
 */
static int connect_queue_request(struct parent_connect *c)
{
    const char *via = c->via;
    char ours[PARENT_VIA_MAX + 64];
    struct dive_field field = {{"Via", 3}, {ours, 0}};
    struct http_write write = {
        .add = &field,
        .n_add = 1,
        .framing = HTTP_BODY_NONE,
        .content_length = -1,
        .proxy_authorization = c->token != NULL ? c->token : c->parent->authorization,
    };
    struct http_buffer head;
    int r;

    field.value.n = (size_t)snprintf(ours, sizeof(ours), "%s%s1.1 %s", via != NULL ? via : "",
                                     via != NULL && via[0] != '\0' ? ", " : "", http_via_name());
    http_buffer_init(&head, REQUEST_MAX);
    r = http_write_request(&head, dive_span_str("CONNECT"), dive_span_str(c->authority),
                           dive_span_str(c->authority), &write);
    if (r == 0 && buffer_append(&c->channel->out, head.p, head.n, REQUEST_MAX) != 0)
        r = HTTP_E_NOMEM;
    if (head.p != NULL)
        OPENSSL_cleanse(head.p, head.n);
    http_buffer_clear(&head);
    parent_token_free(&c->token);
    return r == 0 ? 0 : r == HTTP_E_NOMEM ? DIVE_E_NOMEM : DIVE_E_INTERNAL;
}

/* The request is queued, and TLS begins if the parent wants it: the next state, or a DIVE_E*. */
static int connect_prepare(struct parent_connect *c)
{
    SSL *ssl = NULL;
    int r = connect_queue_request(c);

    if (r != 0 || !c->parent->tls)
        return r != 0 ? r : SEND;
    r = tls_connect_new(c->parent->context, c->parent->host, &ssl);
    if (r != 0)
        return r;
    if (stream_start_tls(&c->channel->stream, ssl, NULL, 0) != 0) {
        SSL_free(ssl);
        return DIVE_E_NOMEM;
    }
    return HANDSHAKE;
}

static void connect_begin(struct loop_node *node)
{
    struct parent_connect *c =
        (struct parent_connect *)((char *)node - offsetof(struct parent_connect, node));

    if (c->state == HANDSHAKE)
        connect_handshake(c);
    else
        connect_send(c);
}

/* ---- the token ---- */

static void connect_on_token(void *arg, char *token, const char *why)
{
    struct parent_connect *c = arg;
    int r;

    c->asked = NULL;
    c->token = token;
    if (token == NULL) {
        connect_end(c, DIAL_PARENT_TICKET, "no Kerberos ticket for it: %s", why);
        return;
    }
    if (c->authority == NULL) {
        c->fd = stream_detach(&c->channel->stream);
        connect_done(c);
        return;
    }
    r = connect_prepare(c);
    if (r < 0) {
        connect_end(c, DIAL_INTERNAL, "%s", dive_strerror(r));
        return;
    }
    c->state = (enum state)r;
    connect_begin(&c->node);
}

const char *parent_connect_overdue(const struct parent_connect *c)
{
    return c->state == TOKEN ? "there was no Kerberos ticket for it in time"
                             : "did not answer CONNECT in time";
}

int parent_connect_start(struct parent_connect **out, struct loop *loop,
                         struct parent_bridges *bridges, const struct parent_token_maker *tokens,
                         const struct parent *parent, const char *authority, const char *via,
                         int fd, parent_connect_fn *cb, void *arg)
{
    struct parent_connect *c = calloc(1, sizeof(*c));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    if (c != NULL)
        c->channel = calloc(1, sizeof(*c->channel));
    if (c == NULL || c->channel == NULL) {
        close(fd);
        free(c);
        return DIVE_E_NOMEM;
    }
    c->loop = loop;
    c->bridges = bridges;
    c->parent = parent;
    c->authority = authority;
    c->via = via;
    c->fd = -1;
    c->cb = cb;
    c->arg = arg;
    stream_init(&c->channel->stream, loop, fd, connect_on_event, c);
    r = via != NULL && strlen(via) > PARENT_VIA_MAX ? DIVE_E_LIMIT : 0;
    if (r != 0)
        goto out;
    if (parent->kerberos != NULL) {
        r = tokens->start(tokens->arg, parent->kerberos, parent->host, connect_on_token, c,
                          &c->asked);
    } else if ((r = connect_prepare(c)) >= 0) {
        c->state = (enum state)r;
        loop_later(loop, &c->node, connect_begin);
    }
    if (r < 0)
        goto out;
    *out = c;
    c = NULL;
    r = 0;
out:
    parent_connect_cancel(&c);
    return r;
}
