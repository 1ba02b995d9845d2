/* SPDX-License-Identifier: BSD-2-Clause
 *
 * exchange: one request and its response, from the request's head to the response's last byte.
 *
 *   exchange.c    the states, the run loop, the end: which stage comes when
 *   check.c       CHECK:   is the request allowed, who decides about it, in which mode
 *   verify.c      the verifier of this exchange and its DNS lookups
 *   destination.c transparent: does the address belong to the name, so that the cache may help
 *   connect.c     POLICY, CONNECT: what must be known before the origin hears of it; a connection
 *   request.c     SEND:    request head and content towards the origin
 *   response.c    HEAD, JUDGE: the response's head, and what is to become of its content
 *   stream.c      STREAM:  content that passes as it comes
 *   held.c        HOLD, VERDICT, RELEASE: content that is kept back until the verdict
 *   refuse.c      REFUSE:  an answer of our own instead
 *   upgrade.c     UPGRADE: 101, then bytes both ways
 *   body.c        where content begins and ends; error_page.c, access_log.c: what they say
 */
#ifndef DIVED_EXCHANGE_EXCHANGE_H
#define DIVED_EXCHANGE_EXCHANGE_H

#include "core/channel.h"
#include "http/head.h"
#include "http/url.h"
#include "worker/worker.h"

struct exchange;

/* What becomes of the client's connection. */
enum exchange_fate {
    EXCHANGE_KEEP,   /* the next request may come */
    EXCHANGE_CLOSE,  /* close in order: everything was said */
    EXCHANGE_LINGER, /* close, but the client may still be sending: let it read our answer */
    EXCHANGE_ABORT,  /* so that the client can't take what it got for the whole */
};

typedef void exchange_done_fn(void *arg, enum exchange_fate fate);

/* Everything borrowed unless it says otherwise, until `done` has been called. */
struct exchange_start {
    struct worker *worker;
    struct runtime *runtime;
    struct channel *client; /* its callback is the exchange's until `done` */
    struct http_head *head; /* taken over and cleared */
    const struct sockaddr_storage *peer;
    const char *peer_text;
    uint64_t number; /* of the client's connection, among all of the worker's; not 0 */
    const _Atomic unsigned *siblings; /* how many connections the client has; NULL: not known */
    const char *user;                 /* who asks, or NULL; copied */
    unsigned listener;
    const char *listener_name;          /* of rules; NULL: none */
    bool tls;                           /* the client speaks TLS with us */
    const struct http_authority *fixed; /* inside a tunnel: the only authority there; else NULL */
    const char *route; /* inside a tunnel: the host that CONNECT named; else NULL */
    /* By a transparent listener: the address that the client connected to, which is the route; else
     * NULL. Copied. */
    const struct http_authority *destination;
    exchange_done_fn *done;
    void *arg;
};

/* Starts; `done` is called once, never before this has returned. Negative: DIVE_E_NOMEM, and `done`
 * is never called. */
int exchange_start(struct exchange **out, const struct exchange_start *start) DIVE_MUST_USE;
/* The client connection is going away for another reason (drain deadline): `done` isn't called. */
void exchange_abort(struct exchange **exchange, const char *why);

#endif
