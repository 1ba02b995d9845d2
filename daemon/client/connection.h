/* SPDX-License-Identifier: BSD-2-Clause
 *
 * connection: one client connection, request after request.
 *
 *               +------------------ next request --------------------+
 *               v                                                    |
 *   accept -> HEAD --request--> EXCHANGE ----------------------------+--> LINGER --> CLOSED
 *               |                                                    |
 *               +--> AUTHENTICATE: a password is being checked; then as from HEAD, or 407
 *               |
 *               +--CONNECT--> TUNNEL (tunnel.c) --TLS--> HANDSHAKE --> HEAD (within the tunnel)
 *                               `--relayed until both sides are done--> CLOSED
 *
 * Before HEAD there may be PROXY_HEADER (listeners[].proxy-protocol). On a transparent listener
 * TUNNEL comes first.
 */
#ifndef DIVED_CLIENT_CONNECTION_H
#define DIVED_CLIENT_CONNECTION_H

#include "access/authenticate.h"
#include "exchange/exchange.h"

/* clang-format off */
#define CLIENT_STATES(X)         \
    X(PROXY_HEADER, "proxy-header") \
    X(HEAD, "head")              \
    X(AUTHENTICATE, "authenticate") \
    X(EXCHANGE, "exchange")      \
    X(TUNNEL, "tunnel")          \
    X(HANDSHAKE, "handshake")    \
    X(LINGER, "linger")          \
    X(CLOSED, "closed")
/* clang-format on */

enum client_state {
#define X(id, word) CLIENT_##id,
    CLIENT_STATES(X)
#undef X
};

struct client_connection {
    struct channel channel;
    struct worker *worker;
    struct runtime *runtime; /* of when it was accepted, or of the latest request */
    enum client_state state;
    struct sockaddr_storage peer;
    char peer_text[64];
    uint64_t number; /* among all of the worker's, from 1 on */
    unsigned listener;
    char listener_name[CONFIG_NAME_MAX + 1]; /* of when it was accepted */

    struct authentication authentication; /* who it is */
    struct http_head head;                /* AUTHENTICATE: whose credentials are being checked */

    bool tls;                     /* we accepted TLS in a tunnel */
    bool counted;                 /* by the census */
    bool in_tunnel;               /* and/or it is the inside of a CONNECT, or of TLS that came by a
                                   * transparent listener */
    struct http_authority tunnel; /* then: what every request in it must be for */
    char route[HTTP_HOST_MAX];    /* and the host that CONNECT named */
    /* Connected to `route`, an address, and tunnel.port; the firewall sent it to us instead. In the
     * clear (not in_tunnel) each request says in its Host whom it is for. */
    bool transparent;

    struct http_scan scan;
    unsigned requests;
    size_t lingered; /* bytes discarded while closing */
    struct exchange *exchange;
    struct tunnel *tunnel_start; /* CONNECT under way (tunnel.c) */
    struct loop_timer timer;
    struct loop_node node;
    TAILQ_ENTRY(client_connection) link;
};

/* Takes over `fd`, accepted and non-blocking, whatever the result. */
void client_connection_open(struct worker *worker, unsigned listener, int fd,
                            const struct sockaddr_storage *peer);
/* Idempotent; aborts what runs. The memory goes between loop turns. */
void client_connection_close(struct client_connection *c, const char *why);
/* The worker ends: nothing new is begun on it; true if it was idle and is closed now. */
bool client_connection_drain(struct client_connection *c);

/* ---- for tunnel.c ---- */
void client_connection_set_state(struct client_connection *c, enum client_state next);
/* Takes the stream's callback back and reads requests (inside a tunnel, if in_tunnel is set). */
void client_connection_read_requests(struct client_connection *c);
/* Goes on with the TLS handshake that was started on the stream; then reads requests. */
void client_connection_accept_tls(struct client_connection *c);
/* Authentication has refused the request of `head` (cleared): answers it, and goes on with the next
 * one if it can (challenge.c). */
void client_connection_challenge(struct client_connection *c, struct http_head *head);
/* Writes what is queued; then reads requests again. */
void client_connection_flush_then_read(struct client_connection *c);
/* Ends after an answer of our own that is queued in `out`. */
void client_connection_finish(struct client_connection *c, enum exchange_fate fate);

#endif
