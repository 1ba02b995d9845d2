/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dial: from a host name to a connected TCP socket, after RFC 8305 ("Happy Eyeballs"): A and AAAA
 * asked at once, families interleaved, attempts staggered and raced; the first connection wins.
 * Each address is put to the guard just before it is connected to.
 *
 * One callback a dial, never before the start has returned; none after dial_cancel().
 */
#ifndef DIVED_ORIGIN_DIAL_H
#define DIVED_ORIGIN_DIAL_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/loop.h"
#include "dns/resolver.h"
#include "origin/guard.h"

/* word; RFC 9209 section 2.3 proxy error type; status code that goes with it; text */
/* clang-format off */
#define DIAL_RESULTS(X)                                                                                    \
    X(OK,           "ok",           "",                          200, "connected")                         \
    X(DNS_FAILED,   "dns-failed",   "dns_error",                 502, "the name could not be resolved")    \
    X(DNS_TIMEOUT,  "dns-timeout",  "dns_timeout",               504, "DNS did not answer in time")        \
    X(DNS_BOGUS,    "dns-bogus",    "dns_error",                 502, "the name's addresses fail DNSSEC validation") \
    X(NO_ADDRESSES, "no-addresses", "dns_error",                 502, "the name does not exist or has no address")   \
    X(GUARDED,      "guarded",      "destination_ip_prohibited", 502, "the address is not one to connect to")        \
    X(REFUSED,      "refused",      "connection_refused",        502, "the connection was refused")        \
    X(UNREACHABLE,  "unreachable",  "destination_ip_unroutable", 502, "the address is unreachable")        \
    X(TIMEOUT,      "timeout",      "connection_timeout",        504, "no connection in time")             \
    X(FD_EXHAUSTED, "fd-exhausted", "connection_limit_reached",  503, "no file descriptor or port is left") \
    X(PARENT_AUTH,  "parent-auth",  "proxy_configuration_error", 502, "the parent proxy wants another password")      \
    X(PARENT_TICKET, "parent-ticket", "proxy_configuration_error", 502, "no Kerberos ticket for the parent proxy")    \
    X(PARENT_DENIED, "parent-denied", "http_request_denied",     502, "the parent proxy denies the connection")       \
    X(PARENT_FAILED, "parent-failed", "destination_unavailable", 502, "the parent proxy can't reach the origin")      \
    X(PARENT_SLOW,  "parent-slow",  "connection_timeout",        504, "the parent proxy did not answer in time")      \
    X(PARENT_LOOP,  "parent-loop",  "proxy_loop_detected",       508, "the parent proxy has seen this connection")    \
    X(PARENT_PROTOCOL, "parent-protocol", "http_protocol_error", 502, "the parent proxy's answer is malformed")       \
    X(PARENT_CLOSED, "parent-closed", "connection_terminated",   502, "the parent proxy closed the connection")       \
    X(PARENT_TLS,   "parent-tls",   "tls_certificate_error",     502, "the parent proxy's TLS can't be trusted")      \
    X(INTERNAL,     "internal",     "proxy_internal_error",      500, "internal error")
/* clang-format on */

enum dial_result {
#define X(id, word, error_type, status, text) DIAL_##id,
    DIAL_RESULTS(X)
#undef X
        DIAL_RESULT_COUNT
};

const char *dial_result_word(enum dial_result result);
const char *dial_result_error_type(enum dial_result result); /* "" for OK */
int dial_result_status(enum dial_result result);
const char *dial_result_text(enum dial_result result);

/* Valid during the callback only. */
struct dial_outcome {
    enum dial_result result;
    int fd; /* OK: connected, non-blocking, close-on-exec, TCP_NODELAY; the callback's. Else -1 */
    /* OK: the address connected to. Otherwise the one that the result is about, or ss_family 0. */
    struct sockaddr_storage peer;
    socklen_t peer_length;
    enum guard_reason guard; /* GUARDED: why */
    enum dive_security
        security;       /* of the answer that brought the address; NO_ANSWER for literals */
    int rcode;          /* DNS_FAILED, NO_ADDRESSES: DNS response code (0: no such records) */
    const char *detail; /* one sentence for log and error page, never NULL */
    /* OK, to a parent that is sent Negotiate, without a tunnel: Proxy-Authorization of the first
     * request on it, the callback's, for parent_token_free(). Else NULL. */
    char *token;
};

struct dial;
struct parent;
struct parent_bridges;
struct parent_token_maker;

typedef void dial_fn(void *arg, const struct dial_outcome *outcome);

#define DIAL_ADDRESSES_MAX 32 /* tried for one dial; more are dropped */

/* `host`: a name, an IPv4 literal in dotted form, or an IPv6 literal with or without brackets (no
 * zone identifier). Other numeric forms ("127.1", "0x7f000001") are DIVE_E_SYNTAX. `port`: 1 to
 * 65535. `timeout_ms` bounds everything, DNS included. `loop`, `resolver` and `guard` are borrowed
 * until the end; `resolver` may be NULL when `host` is a literal. A guarded literal is reported by
 * `cb` like any other result. `*dial` is the caller's until `cb` runs, which should clear the
 * caller's copy. 0, DIVE_E_SYNTAX, DIVE_E_LIMIT, DIVE_E_NOMEM; unless 0, `cb` won't run. */
int dial_start(struct loop *loop, struct resolver *resolver, const struct guard *guard,
               const char *host, unsigned port, int64_t timeout_ms, dial_fn *cb, void *arg,
               struct dial **dial) DIVE_MUST_USE;

/* The same to one fixed address (transparent mode: the client's original destination). */
int dial_start_address(struct loop *loop, const struct guard *guard, const struct sockaddr *address,
                       socklen_t length, int64_t timeout_ms, dial_fn *cb, void *arg,
                       struct dial **dial) DIVE_MUST_USE;

/* How a parent proxy is used. All borrowed until the end of the dial, `via` during the call. */
struct dial_through {
    const struct parent *parent;
    struct parent_bridges *bridges; /* tunnels only */
    const struct parent_token_maker *tokens;
    /* CONNECT: what comes of the dial leads to the origin (origin/parent_connect.h). Else to the
     * parent itself, for requests in absolute-form. */
    bool tunnel;
    const char *via; /* tunnels: Via of the request that this is for, or NULL */
};

/* Connects to the parent instead of `host`, of which nothing is looked up here. To the parent's own
 * address the guard only says no if it is ours (own-listener). An address literal in `host` has to
 * pass the guard as ever, and so has "localhost" with all names below it, as the addresses that
 * they mean (RFC 6761 section 6.3). A failure's detail names the parent. As dial_start();
 * DIVE_E_LIMIT: `via` is too long. */
int dial_start_parent(struct loop *loop, struct resolver *resolver, const struct guard *guard,
                      const struct dial_through *through, const char *host, unsigned port,
                      int64_t timeout_ms, dial_fn *cb, void *arg, struct dial **dial) DIVE_MUST_USE;

/* Closes what is under way; `cb` never runs. `*dial` becomes NULL; NULL in it is fine. */
void dial_cancel(struct dial **dial);

#endif
