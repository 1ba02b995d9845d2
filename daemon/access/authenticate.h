/* SPDX-License-Identifier: BSD-2-Clause
 *
 * authenticate: who asks. Proxy-Authorization and Proxy-Authenticate (RFC 9110 section 11.7) for
 * Basic (RFC 7617) and Negotiate (RFC 4559), and what a client certificate said before.
 *
 *   - A certificate names the user of the whole connection; credentials aren't looked at then.
 *   - Negotiate names the user of the connection's further requests too, until the ticket ends.
 *   - Basic counts for the one request, or for the tunnel that it opens.
 *
 * Requests in a tunnel inherit its user. What would be refused anyway (a client outside of
 * access.clients) isn't asked for a password, nor is who asks the proxy itself (origin-form).
 * Whatever the outcome, Proxy-Authorization is overwritten in the head and taken out of it.
 */
#ifndef DIVED_ACCESS_AUTHENTICATE_H
#define DIVED_ACCESS_AUTHENTICATE_H

#include "access/pool.h"
#include "access/text.h"
#include "http/head.h"

enum authentication_how {
    AUTHENTICATION_NONE = 0,
    AUTHENTICATION_BASIC,
    AUTHENTICATION_NEGOTIATE,
    AUTHENTICATION_CERTIFICATE,
};

enum authentication_result {
    AUTHENTICATION_REFUSED = 0, /* a->refusal says how to answer */
    AUTHENTICATION_PASSED,      /* a->user is who asks, or NULL where nobody need say */
    AUTHENTICATION_WAITS,       /* done() comes */
};

/* A refusal that the client can do something about has the challenges with it. */
struct authentication_refusal {
    int status;           /* 407, 400, 403, 429, 503 */
    const char *text;     /* static: for the client and the log */
    char *token;          /* Negotiate: our token for the client, base64; or NULL. Owned */
    unsigned retry_after; /* seconds; 0: not said */
    bool close;           /* the connection's last answer */
};

typedef void authentication_done_fn(void *arg, enum authentication_result result);

struct authentication_job;
struct negotiation;

/* One client connection's; zeroed memory is nobody's. */
struct authentication {
    char *user; /* owned, or NULL */
    enum authentication_how how;
    bool unnamed;          /* it has a certificate that names nobody */
    int64_t until_ms;      /* NEGOTIATE: when the ticket ends, monotonic */
    bool demanded, exempt; /* listeners[].authenticate true or false; neither: access.require */
    struct negotiation *negotiation; /* between two tokens */
    struct authentication_job *job;
    struct authentication_refusal refusal;
    authentication_done_fn *done;
    void *arg;
};

/* Everything borrowed for the call. */
struct authentication_request {
    struct worker *worker;
    struct runtime *runtime;
    const struct sockaddr *client;
    const char *client_text;
    bool in_tunnel;
    struct http_head *head;
};

/* May this request be made, and by whom? PASSED or REFUSED at once, or WAITS: `done` is called
 * later, by the same thread and never before this has returned, unless authentication_cancel()
 * comes first. One at a time. */
enum authentication_result authentication_ask(struct authentication *a,
                                              const struct authentication_request *request,
                                              authentication_done_fn *done,
                                              void *arg) DIVE_MUST_USE;
/* The TLS handshake of a listener is complete: takes the user from the certificate, if there is
 * one. 0, or DIVE_E_NOMEM. */
int authentication_take_certificate(struct authentication *a, const SSL *ssl,
                                    const char *client_text) DIVE_MUST_USE;
/* What runs is cancelled, everything given back. */
void authentication_clear(struct authentication *a);

#define AUTHENTICATION_CHALLENGES 2
/* The Proxy-Authenticate fields for a->refusal, strongest scheme first; how many. Their values are
 * in `*memory` (malloc'd, the caller's); 0 fields and NULL without memory. */
size_t authentication_challenges(const struct authentication *a, const struct runtime *runtime,
                                 struct dive_field out[AUTHENTICATION_CHALLENGES], char **memory);

#endif
