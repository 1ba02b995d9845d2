/* SPDX-License-Identifier: BSD-2-Clause
 *
 * stream: one non-blocking connection, plain or TLS, on a worker's loop. It moves bytes between the
 * socket and memory of the caller and says when to try again; it owns no buffer and makes no
 * decision.
 *
 *      PLAIN --start_tls--> HANDSHAKE --handshake() == DONE--> TLS
 *        |                      |                               |
 *        +----------------------+----close / abort--------------+--> CLOSED
 *
 * Interest in reading is lazy: switching it off costs nothing until the peer does send (a request
 * and its response then need no epoll_ctl at all), and a peer that leaves while nobody wants to
 * read is still noticed (STREAM_GONE).
 */
#ifndef DIVED_CORE_STREAM_H
#define DIVED_CORE_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/loop.h"

/* What stream_want() asks for, and what the callback is told. */
#define STREAM_READ 0x1u
#define STREAM_WRITE 0x2u
#define STREAM_GONE 0x4u /* callback only: the peer closed or reset while reading wasn't wanted */

/* Results of read and write besides a positive count. */
#define STREAM_EOF 0    /* the peer ended its side (TLS: with close_notify) */
#define STREAM_WAIT -1  /* nothing now; the callback comes when it is worth trying again */
#define STREAM_ERROR -2 /* the connection is unusable; TLS without close_notify is this too */

struct stream {
    struct loop *loop;
    int fd; /* -1: closed */
    SSL *ssl;
    SSL *outer; /* TLS within TLS: what `ssl` runs in; else NULL */
    struct event read_event, write_event;
    struct gone_node gone;
    struct loop_node wake;
    unsigned wanted, armed;
    bool gone_told; /* that the peer left stays true: told to an owner once, or the loop would spin
                     */
    bool
        tls_may_hold_data; /* decrypted bytes may wait inside OpenSSL, where epoll can't see them */
    bool tls_read_needs_write; /* TLS's own business (key update) inverts what is waited for */
    bool tls_write_needs_read;
    void (*on_event)(void *arg, unsigned events);
    void *arg;
};

/* Takes over `fd`, which is non-blocking. `on_event` is called from the loop only, never from
 * within a call of this file. */
void stream_init(struct stream *s, struct loop *loop, int fd,
                 void (*on_event)(void *arg, unsigned events), void *arg);
/* Hands the stream to another owner. */
void stream_set_owner(struct stream *s, void (*on_event)(void *arg, unsigned events), void *arg);

/* Starts TLS, or TLS within the TLS that there is (once); takes over `ssl` (its role already set).
 * The `n` bytes at `prefix` were read from the socket before and are what the peer said first; they
 * are copied. 0, or -1 when memory is out. */
int stream_start_tls(struct stream *s, SSL *ssl, const void *prefix, size_t n)
    __attribute__((warn_unused_result));
/* Goes on with the handshake: 1 done, STREAM_WAIT (interest is set), STREAM_ERROR (OpenSSL's error
 * queue says why). */
int stream_handshake(struct stream *s) __attribute__((warn_unused_result));

/* What the owner wants to be told of from now on; replaces what it wanted before. */
void stream_want(struct stream *s, unsigned events);

ssize_t stream_read(struct stream *s, void *to, size_t n) __attribute__((warn_unused_result));
/* May write less than `n`. After STREAM_WAIT the next write must begin with the same bytes. */
ssize_t stream_write(struct stream *s, const void *from, size_t n)
    __attribute__((warn_unused_result));
/* Plain streams only: file to socket inside the kernel. *offset moves on. */
ssize_t stream_sendfile(struct stream *s, int file, off_t *offset, size_t n)
    __attribute__((warn_unused_result));

bool stream_is_tls(const struct stream *s);
bool stream_is_open(const struct stream *s);
/* Has the peer left, or sent something, on a connection that should be silent? Looks at the socket.
 */
bool stream_is_quiet(struct stream *s);

/* TLS: sends close_notify; plain: FIN for what we send. Reading stays possible on a plain stream.
 */
void stream_shutdown_write(struct stream *s);
/* Ends the stream without ending the connection: the descriptor is the caller's. Plain streams
 * only. */
int stream_detach(struct stream *s);
/* Ends in order (close_notify, FIN). Idempotent. */
void stream_close(struct stream *s);
/* Ends so that the peer can't mistake it for an end in order: RST, no close_notify. Idempotent. */
void stream_abort(struct stream *s);

#endif
