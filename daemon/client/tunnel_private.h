/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tunnel_private: a tunnel's own state, shared by tunnel.c, tunnel_sniff.c and transparent.c and by
 * nobody else.
 */
#ifndef DIVED_CLIENT_TUNNEL_PRIVATE_H
#define DIVED_CLIENT_TUNNEL_PRIVATE_H

#include "client/sniff.h"
#include "client/tunnel.h"
#include "core/relay.h"
#include "origin/pool.h"

/* How long a client may take to say something in a tunnel that leads nowhere, so that it can be
 * told. */
#define TUNNEL_LAST_WORDS_MS 3000

/* clang-format off */
#define TUNNEL_STATES(X)      \
    X(CHECK, "check")         \
    X(DIAL, "dial")           \
    X(REPLY, "reply")         \
    X(SNIFF, "sniff")         \
    X(RELAY, "relay")         \
    X(END, "end")
/* clang-format on */

enum tunnel_state {
#define X(id, word) TUNNEL_##id,
    TUNNEL_STATES(X)
#undef X
};

struct tunnel {
    struct client_connection *client;
    enum tunnel_state state;
    struct http_head head;
    struct http_url url; /* authority-form */
    char id[EXCHANGE_ID_SIZE];
    int64_t started_ms, started_unix;
    const struct parent *parent;
    const struct parent *dialed_parent; /* through which the latest dial went, or NULL */
    bool spliced; /* a rule or interception.splice says so, or interception is off */
    const struct config_rule *rule;  /* that decided about the tunnel as a whole, or NULL */
    const struct config_rule *first; /* the first that fits, whatever an earlier one may have to say
                                      * of a request inside: for what can't wait for that */
    const struct config_rule *denies; /* what isn't opened here: an earlier rule may let some of
                                       * the requests inside pass */
    bool origin_spoke;                /* before the client did */
    bool relayed;                     /* bytes were passed on unseen */
    bool decided; /* what the client speaks is known; the dial's end is waited for */
    const struct config_listener *how; /* no CONNECT: the transparent listener; else NULL */
    bool silent;                       /* transparent: the client may still be the first to speak */
    struct origin_failure failure;     /* status 0: none so far */
    struct dial *dial;
    struct channel origin; /* connected, unseen so far; fd -1 when a pooled connection will do */
    struct sockaddr_storage origin_peer;
    struct relay relay;
    struct loop_timer timer;
    struct loop_node node;
    int status;
    const struct config_rule *denied_by; /* the rule that refuses it; NULL: none does */
    char error[400];
};

/* ---- tunnel.c ---- */
/* A tunnel of `c`, in CHECK, that has the stream's callback; NULL without memory. */
struct tunnel *tunnel_new(struct client_connection *c);
void tunnel_set_state(struct tunnel *t, enum tunnel_state next);
/* `logged`: it was refused or relayed; what is intercepted logs each request instead. */
void tunnel_end(struct tunnel *t, bool logged);
/* Without an answer: the client sees its connection break. */
void tunnel_break(struct tunnel *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, for this rule's sake. */
void tunnel_break_denied(struct tunnel *t, const struct config_rule *rule);
/* For CONNECT's host, or for the name in a ClientHello. Sets t->rule, t->first and t->denies: what
 * one name was denied stays so under another. True: TLS isn't to be opened. */
bool tunnel_apply_rules(struct tunnel *t, const char *host);
/* Starts to connect to where `url` says; tunnel_sniff() goes on when that has an end. False:
 * without memory, and nothing was started. */
bool tunnel_dial_origin(struct tunnel *t);
/* The ends of a tunnel that is open: bytes both ways, requests in the clear, TLS. The name of the
 * ClientHello must have been taken before TLS: false says that it isn't one. */
void tunnel_relay(struct tunnel *t);
void tunnel_become_plain(struct tunnel *t);
bool tunnel_take_name(struct tunnel *t, const char *sni);
void tunnel_intercept(struct tunnel *t, const struct client_hello *hello);

/* ---- tunnel_sniff.c ---- */
/* Looks at what the client has said so far. */
void tunnel_sniff(struct tunnel *t);

#endif
