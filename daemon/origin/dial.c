/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dial: the race for one connection (RFC 8305).
 *
 *      RESOLVING --(A first)--> DELAYING --(AAAA, or 50 ms)--> RACING --(one connects, or none
 * left, |                                                     ^       or time is up)--> DONE
 *          +--(AAAA first, or the only answer, or a literal)-----+
 *
 *      DONE -> (next loop turn) DELIVERING: the callback runs -> freed
 *
 * With a parent proxy the race is for a connection to that one, and TUNNELLING comes between RACING
 * and DONE: the parent is asked for a tunnel, or a token for it is made, or both.
 *
 * Within a family the order of the DNS answer is kept, families alternate, IPv6 begins. An address
 * without a route fails at once and costs no delay, which is what sorting by RFC 6724 rule 1 is
 * for.
 */
#include "origin/dial.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "origin/dial_private.h"
#include "origin/literal.h"
#include "origin/parent_connect.h"
#include "origin/parent_kerberos.h"

#define RESOLUTION_DELAY_MS 50 /* RFC 8305 section 3 */
#define ATTEMPT_DELAY_MS 250   /* RFC 8305 section 5 */
#define DETAIL_SIZE 320
#define HOST_SIZE 256

enum state { RESOLVING, DELAYING, RACING, TUNNELLING, DONE, DELIVERING };

enum family { V6, V4, FAMILIES };

struct candidate {
    struct sockaddr_storage address;
    socklen_t length;
    enum dive_security security;
};

struct attempt {
    struct dial *dial;
    const struct candidate *candidate;
    struct event event;
    int fd; /* -1: over */
};

struct dial {
    struct loop *loop;
    const struct guard *guard;
    uint16_t port;
    enum state state;
    struct resolver_query *query[FAMILIES];
    struct candidate candidate[FAMILIES][DIAL_ADDRESSES_MAX];
    size_t candidates[FAMILIES]; /* known */
    size_t tried[FAMILIES];      /* of them */
    enum family next;
    struct attempt attempt[DIAL_ADDRESSES_MAX];
    size_t attempts; /* made */
    size_t running;  /* of them */
    struct loop_timer deadline;
    struct loop_timer pace;
    const struct parent *parent; /* NULL: the race is for the origin itself */
    struct parent_bridges *bridges;
    const struct parent_token_maker *tokens;
    char *authority; /* what the parent is asked for; NULL: it is only connected to */
    char *via;
    bool refused; /* by the guard, before the parent heard of it */
    struct parent_connect *tunnel;
    struct loop_node step;
    struct dial_outcome outcome; /* the weightiest failure so far; at the end, the result */
    char detail[DETAIL_SIZE];
    dial_fn *cb;
    void *arg;
};

/* When several things went wrong, the one that says most is reported. What happened to a connection
 * weighs more than what happened in DNS for the other family. */
static int weight(enum dial_result result)
{
    static const enum dial_result order[] = {
        DIAL_NO_ADDRESSES, DIAL_DNS_FAILED, DIAL_DNS_TIMEOUT, DIAL_DNS_BOGUS,    DIAL_UNREACHABLE,
        DIAL_TIMEOUT,      DIAL_REFUSED,    DIAL_GUARDED,     DIAL_FD_EXHAUSTED, DIAL_INTERNAL,
    };

    for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++) {
        if (order[i] == result)
            return i + 1;
    }
    return 0;
}

static void print_address(const struct sockaddr_storage *address, char out[INET6_ADDRSTRLEN])
{
    const void *bytes = address->ss_family == AF_INET
                            ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;

    if (!inet_ntop(address->ss_family, bytes, out, INET6_ADDRSTRLEN))
        snprintf(out, INET6_ADDRSTRLEN, "?");
}

static void step_later(struct dial *dial);

/* ---- failures ---- */

/* True: this failure is the one to report, and its detail is to be written. */
static bool note(struct dial *dial, enum dial_result result)
{
    if (dial->outcome.result != DIAL_OK && weight(result) <= weight(dial->outcome.result))
        return false;
    dial->outcome = (struct dial_outcome){.result = result, .fd = -1};
    snprintf(dial->detail, sizeof dial->detail, "%s", dial_result_text(result));
    return true;
}

static void note_address(struct dial *dial, const struct candidate *candidate,
                         enum dial_result result, enum guard_reason guard, const char *why)
{
    char text[INET6_ADDRSTRLEN];

    if (!note(dial, result))
        return;
    dial->outcome.peer = candidate->address;
    dial->outcome.peer_length = candidate->length;
    dial->outcome.security = candidate->security;
    dial->outcome.guard = guard;
    print_address(&candidate->address, text);
    snprintf(dial->detail, sizeof dial->detail, "%s %s", text, why);
}

static enum dial_result result_of(int error, int family)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN: /* connect(2): no port left, for some kernels */
        return DIAL_FD_EXHAUSTED;
    case EADDRNOTAVAIL: /* no local port; for IPv6 much more likely no local address */
        return family == AF_INET ? DIAL_FD_EXHAUSTED : DIAL_UNREACHABLE;
    case ECONNREFUSED:
    case ECONNRESET:
        return DIAL_REFUSED;
    case ETIMEDOUT:
        return DIAL_TIMEOUT;
    default: /* no route, an ICMP error, a firewall's EPERM */
        return DIAL_UNREACHABLE;
    }
}

static void note_errno(struct dial *dial, const struct candidate *candidate, int error)
{
    char why[128];

    snprintf(why, sizeof why, "could not be connected to: %s", strerror(error));
    note_address(dial, candidate, result_of(error, candidate->address.ss_family), GUARD_ALLOWED,
                 why);
}

/* ---- ending ---- */

static void close_attempt(struct attempt *attempt, bool keep_fd)
{
    if (attempt->fd < 0)
        return;
    event_del(&attempt->event);
    if (!keep_fd)
        close(attempt->fd);
    attempt->fd = -1;
    attempt->dial->running--;
}

/* Everything but the connection that has won, and the deadline. */
static void halt_race(struct dial *dial)
{
    loop_timer_stop(&dial->pace);
    for (int f = 0; f < FAMILIES; f++)
        resolver_cancel(&dial->query[f]);
    for (size_t i = 0; i < dial->attempts; i++)
        close_attempt(&dial->attempt[i], false);
    assert(dial->running == 0);
}

static void halt(struct dial *dial)
{
    loop_timer_stop(&dial->deadline);
    parent_connect_cancel(&dial->tunnel);
    halt_race(dial);
}

static void finish(struct dial *dial)
{
    halt(dial);
    dial->state = DONE;
    step_later(dial);
}

static void on_tunnel(void *arg, enum dial_result result, int fd, char *token, const char *detail)
{
    struct dial *dial = arg;

    dial->tunnel = NULL;
    dial->outcome.result = result;
    dial->outcome.fd = fd;
    dial->outcome.token = token;
    snprintf(dial->detail, sizeof dial->detail, "%s", detail);
    finish(dial);
}

/* `fd` is connected to the parent. */
static void ask_parent(struct dial *dial, int fd)
{
    halt_race(dial);
    dial->state = TUNNELLING;
    if (parent_connect_start(&dial->tunnel, dial->loop, dial->bridges, dial->tokens, dial->parent,
                             dial->authority, dial->via, fd, on_tunnel, dial) == 0)
        return;
    dial->outcome.result = DIAL_OK; /* whatever happened to others of its addresses */
    note(dial, DIAL_INTERNAL);
    finish(dial);
}

static void win(struct dial *dial, struct attempt *attempt)
{
    const struct candidate *candidate = attempt->candidate;
    int fd = attempt->fd;

    close_attempt(attempt, true);
    dial->outcome = (struct dial_outcome){.result = DIAL_OK,
                                          .fd = fd,
                                          .peer = candidate->address,
                                          .peer_length = candidate->length,
                                          .security = candidate->security};
    snprintf(dial->detail, sizeof dial->detail, "%s", dial_result_text(DIAL_OK));
    if (dial->authority || (dial->parent && dial->parent->kerberos)) {
        dial->outcome.fd = -1;
        ask_parent(dial, fd);
        return;
    }
    finish(dial);
}

/* ---- racing ---- */

static const struct candidate *next_candidate(struct dial *dial)
{
    enum family f = dial->next;

    if (dial->attempts == DIAL_ADDRESSES_MAX)
        return NULL;
    if (dial->tried[f] == dial->candidates[f])
        f = f == V6 ? V4 : V6;
    if (dial->tried[f] == dial->candidates[f])
        return NULL;
    dial->next = f == V6 ? V4 : V6;
    return &dial->candidate[f][dial->tried[f]++];
}

static void on_writable(evutil_socket_t fd, short what, void *arg);

/* 1: under way. 0: it failed at once (noted). -1: it is connected already, and has won. */
static int attempt_start(struct dial *dial, const struct candidate *candidate)
{
    const struct sockaddr *address = (const struct sockaddr *)&candidate->address;
    struct attempt *attempt = &dial->attempt[dial->attempts];
    enum guard_reason guard = guard_check(dial->guard, address);
    int on = 1, fd, r;

    /* The configuration names the parent: it may be anywhere, but not here. */
    if (dial->parent && guard != GUARD_OWN_LISTENER)
        guard = GUARD_ALLOWED;
    if (guard != GUARD_ALLOWED) {
        note_address(dial, candidate, DIAL_GUARDED, guard, guard_reason_text(guard));
        return 0;
    }
    fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
        note_errno(dial, candidate, errno);
        return 0;
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        log_debug("origin", "TCP_NODELAY: %s", strerror(errno)); /* slower, not wrong */
    r = connect(fd, address, candidate->length);
    if (r != 0 && errno != EINPROGRESS) {
        note_errno(dial, candidate, errno);
        close(fd);
        return 0;
    }
    dial->attempts++;
    *attempt = (struct attempt){.dial = dial, .candidate = candidate, .fd = fd};
    event_assign(&attempt->event, dial->loop->base, fd, EV_WRITE, on_writable, attempt);
    dial->running++;
    if (r == 0) {
        win(dial, attempt);
        return -1;
    }
    if (event_add(&attempt->event, NULL) != 0) {
        close_attempt(attempt, false);
        note_address(dial, candidate, DIAL_INTERNAL, GUARD_ALLOWED, "could not be waited for");
        return 0;
    }
    return 1;
}

/* Starts the next attempt, and when there is nothing left to wait for, ends the dial. */
static void race(struct dial *dial)
{
    const struct candidate *candidate;

    dial->state = RACING;
    while ((candidate = next_candidate(dial))) {
        int r = attempt_start(dial, candidate);

        if (r < 0)
            return;
        if (r > 0) {
            loop_timer_set(&dial->pace, ATTEMPT_DELAY_MS);
            return;
        }
    }
    loop_timer_stop(&dial->pace);
    if (dial->running > 0 || dial->query[V4] || dial->query[V6])
        return;
    if (dial->outcome.result == DIAL_OK)
        note(dial, DIAL_INTERNAL); /* cannot be: nothing failed and nothing is left */
    finish(dial);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct attempt *attempt = arg;
    struct dial *dial = attempt->dial;
    int error = 0;
    socklen_t n = sizeof error;

    if (dial->state != RACING)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error == 0) {
        win(dial, attempt);
        return;
    }
    close_attempt(attempt, false);
    note_errno(dial, attempt->candidate, error);
    race(dial); /* RFC 8305 section 5: a failure starts the next attempt at once */
}

static void on_pace(void *arg)
{
    struct dial *dial = arg;

    if (dial->state == DELAYING || dial->state == RACING)
        race(dial);
}

static void on_deadline(void *arg)
{
    struct dial *dial = arg;

    if (dial->state == TUNNELLING) {
        dial->outcome.result = DIAL_OK;
        note(dial, DIAL_PARENT_SLOW);
        snprintf(dial->detail, sizeof dial->detail, "%s", parent_connect_overdue(dial->tunnel));
    } else if (dial->running > 0) {
        for (size_t i = 0; i < dial->attempts; i++) {
            if (dial->attempt[i].fd >= 0)
                note_address(dial, dial->attempt[i].candidate, DIAL_TIMEOUT, GUARD_ALLOWED,
                             "did not answer in time");
        }
    } else if (dial->outcome.result == DIAL_OK || dial->query[V4] || dial->query[V6]) {
        note(dial, DIAL_DNS_TIMEOUT);
    }
    finish(dial);
}

/* ---- addresses ---- */

static void add_candidate(struct dial *dial, int family, const uint8_t *bytes,
                          enum dive_security security)
{
    enum family f = family == AF_INET ? V4 : V6;
    struct candidate *candidate = &dial->candidate[f][dial->candidates[f]];

    if (dial->candidates[f] == DIAL_ADDRESSES_MAX)
        return;
    memset(candidate, 0, sizeof *candidate);
    candidate->security = security;
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&candidate->address;

        in->sin_family = AF_INET;
        in->sin_port = htons(dial->port);
        memcpy(&in->sin_addr, bytes, 4);
        candidate->length = sizeof *in;
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&candidate->address;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(dial->port);
        memcpy(&in6->sin6_addr, bytes, 16);
        candidate->length = sizeof *in6;
    }
    dial->candidates[f]++;
}

static void note_dns(struct dial *dial, const struct resolver_addresses *answer)
{
    enum dial_result result = answer->security == DIVE_DNS_BOGUS       ? DIAL_DNS_BOGUS
                              : answer->timeout                        ? DIAL_DNS_TIMEOUT
                              : answer->security == DIVE_DNS_NO_ANSWER ? DIAL_DNS_FAILED
                                                                       : DIAL_NO_ADDRESSES;

    if (!note(dial, result))
        return;
    dial->outcome.rcode = answer->rcode;
    dial->outcome.security = answer->security;
    if (answer->why)
        snprintf(dial->detail, sizeof dial->detail, "%s: %s", dial_result_text(result),
                 answer->why);
}

static void on_addresses(void *arg, const struct resolver_addresses *answer)
{
    struct dial *dial = arg;
    enum family f = answer->family == AF_INET ? V4 : V6;
    bool other_pending = dial->query[f == V4 ? V6 : V4] != NULL;

    dial->query[f] = NULL;
    for (size_t i = 0; i < answer->n; i++)
        add_candidate(dial, answer->family, answer->address[i], answer->security);
    if (answer->n == 0)
        note_dns(dial, answer);
    if (dial->state == RACING && dial->running > 0 && loop_timer_is_set(&dial->pace))
        return; /* they take their turn */
    if (dial->state == RESOLVING && other_pending && answer->n == 0)
        return;
    if (dial->state == RESOLVING && other_pending && f == V4) {
        dial->state = DELAYING;
        loop_timer_set(&dial->pace, RESOLUTION_DELAY_MS);
        return;
    }
    race(dial);
}

/* ---- starting ---- */

static void dial_free(struct dial *dial)
{
    free(dial->authority);
    free(dial->via);
    free(dial);
}

static void on_step(struct loop_node *node)
{
    struct dial *dial = (void *)((char *)node - offsetof(struct dial, step));
    char named[DETAIL_SIZE + HOST_SIZE + 32];

    if (dial->state != DONE) {
        race(dial);
        return;
    }
    dial->state = DELIVERING;
    dial->outcome.detail = dial->detail;
    if (dial->parent && dial->outcome.result != DIAL_OK && !dial->refused) {
        snprintf(named, sizeof named, "parent proxy %s: %s", dial->parent->name, dial->detail);
        dial->outcome.detail = named;
    }
    dial->cb(dial->arg, &dial->outcome);
    dial_free(dial);
}

static void step_later(struct dial *dial)
{
    loop_later(dial->loop, &dial->step, on_step);
}

void dial_cancel(struct dial **dial)
{
    struct dial *d = *dial;

    *dial = NULL;
    if (!d || d->state == DELIVERING)
        return;
    halt(d);
    loop_cancel(d->loop, &d->step);
    if (d->state == DONE && d->outcome.result == DIAL_OK)
        close(d->outcome.fd);
    parent_token_free(&d->outcome.token);
    dial_free(d); /* no callback of ours calls out: it can't be on the stack */
}

static struct dial *dial_new(struct loop *loop, const struct guard *guard, int64_t timeout_ms,
                             dial_fn *cb, void *arg)
{
    struct dial *dial = calloc(1, sizeof *dial);

    if (!dial)
        return NULL;
    dial->loop = loop;
    dial->guard = guard;
    dial->cb = cb;
    dial->arg = arg;
    dial->outcome.fd = -1;
    loop_timer_init(&dial->deadline, loop, on_deadline, dial);
    loop_timer_init(&dial->pace, loop, on_pace, dial);
    loop_timer_set(&dial->deadline, timeout_ms);
    return dial;
}

static int start_names(struct dial *dial, struct resolver *resolver, const char *host)
{
    static const int families[FAMILIES] = {[V6] = AF_INET6, [V4] = AF_INET};
    int r = DIVE_E_INTERNAL;

    for (int f = 0; f < FAMILIES; f++) {
        r = resolver_addresses(resolver, host, families[f], on_addresses, dial, &dial->query[f]);
        if (r)
            return r;
    }
    return 0;
}

int dial_start(struct loop *loop, struct resolver *resolver, const struct guard *guard,
               const char *host, unsigned port, int64_t timeout_ms, dial_fn *cb, void *arg,
               struct dial **dial)
{
    struct dial *d;
    uint8_t bytes[16];
    int family = AF_UNSPEC, r;

    *dial = NULL;
    if (port < 1 || port > 65535)
        return DIVE_E_SYNTAX;
    r = literal_parse(host, &family, bytes);
    if (r < 0)
        return r;
    if (r == 0 && !resolver)
        return DIVE_E_STATE;
    d = dial_new(loop, guard, timeout_ms, cb, arg);
    if (!d)
        return DIVE_E_NOMEM;
    d->port = (uint16_t)port;
    if (r == 1) {
        add_candidate(d, family, bytes, DIVE_DNS_NO_ANSWER);
        step_later(d);
        r = 0;
    } else {
        r = start_names(d, resolver, host);
    }
    if (r) {
        dial_cancel(&d);
        return r;
    }
    *dial = d;
    return 0;
}

int dial_start_address(struct loop *loop, const struct guard *guard, const struct sockaddr *address,
                       socklen_t length, int64_t timeout_ms, dial_fn *cb, void *arg,
                       struct dial **dial)
{
    struct dial *d;

    *dial = NULL;
    if ((address->sa_family != AF_INET || length < sizeof(struct sockaddr_in)) &&
        (address->sa_family != AF_INET6 || length < sizeof(struct sockaddr_in6)))
        return DIVE_E_SYNTAX;
    if (length > sizeof d->candidate[0][0].address)
        return DIVE_E_SYNTAX;
    d = dial_new(loop, guard, timeout_ms, cb, arg);
    if (!d)
        return DIVE_E_NOMEM;
    memcpy(&d->candidate[V4][0].address, address, length);
    d->candidate[V4][0].length = length;
    d->candidates[V4] = 1;
    step_later(d);
    *dial = d;
    return 0;
}

/* ---- for dial_parent.c ---- */

int dial_through(struct dial *dial, const struct dial_through *through, const char *authority)
{
    const char *via = through->via;

    dial->parent = through->parent;
    dial->bridges = through->bridges;
    dial->tokens = through->tokens;
    dial->authority = authority ? strdup(authority) : NULL;
    dial->via = via ? strdup(via) : NULL;
    return (authority && !dial->authority) || (via && !dial->via) ? DIVE_E_NOMEM : 0;
}

void dial_refuse(struct dial *dial, const struct sockaddr_storage *address, socklen_t length,
                 enum guard_reason reason)
{
    struct candidate target = {*address, length, DIVE_DNS_NO_ANSWER};

    dial->refused = true;
    note_address(dial, &target, DIAL_GUARDED, reason, guard_reason_text(reason));
    finish(dial);
}
