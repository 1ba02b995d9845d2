/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: a worker's connections to origins: dialled, TLS verified, used by one exchange at a time,
 * kept for the next one.
 *
 *      origin_open --> DIALING --> HANDSHAKE --> READY (an exchange has it) <--> IDLE --> CLOSED
 *      origin_adopt ------------------^   |                      |
 *      origin_note_failure --> FAILED <---+                      +--> CLOSED
 *                                 `--> told to the first origin_open(), or forgotten --> CLOSED
 *
 * A connection belongs to runtime, scheme, host, port, route and parent; its certificate was
 * verified for that host. Through a parent proxy, https goes by CONNECT; http on a connection to
 * the parent that is used for one host alone, with requests in absolute-form (RFC 9112
 * section 3.2.2), and for one request alone where the parent is sent Negotiate: what authenticates
 * it counts once. NTLM and Negotiate towards the origin authenticate a connection, not a request
 * (RFC 4559 section 6): one that has carried them is bound to one client's connection. One that is
 * being made by origin_adopt() has no owner yet: the first origin_open() for its target gets it, or
 * the reason why there is none.
 */
#ifndef DIVED_ORIGIN_POOL_H
#define DIVED_ORIGIN_POOL_H

#include <sys/queue.h>

#include "core/channel.h"
#include "origin/dial.h"
#include "origin/parent_token.h"
#include "worker/runtime.h"

#define ORIGIN_HOST_SIZE 256
#define ORIGIN_FAILURE_MS 2000
/* Of a worker's connections that nobody uses (idle, or made for who hasn't asked yet); beyond it
 * the one that has been unused longest goes. Clients choose hosts, and leave. */
#define ORIGIN_UNUSED_MAX 1024

struct origin_target {
    bool tls;
    const char *host; /* normal form; IP literals without brackets */
    uint16_t port;
    /* What is connected to, where a client chose another way to the host (CONNECT to an address,
     * SNI with the name); NULL: the host. */
    const char *route;
    const struct parent *parent; /* the runtime's; NULL: straight to the origin */
    const char *via; /* of the request that this is for, for CONNECT to a parent; or NULL */
    uint64_t client; /* the number of the client's connection; 0: only what is bound to none */
};

/* Why no connection could be had: what a 502 or 504 says (RFC 9209 section 2.3). */
struct origin_failure {
    int status;
    const char *error_type; /* static */
    char details[400];      /* printable ASCII */
};

struct origin_pool;
struct origin_connection;

/* Either `connection` is ready (and the callback's), or it is NULL and `failure` (valid during the
 * call) says why. */
typedef void origin_ready_fn(void *arg, struct origin_connection *connection,
                             const struct origin_failure *failure);

/* clang-format off */
#define ORIGIN_STATES(X)         \
    X(DIALING, "dialing")        \
    X(HANDSHAKE, "handshake")    \
    X(READY, "ready")            \
    X(IDLE, "idle")              \
    X(FAILED, "failed")          \
    X(CLOSED, "closed")
/* clang-format on */

enum origin_state {
#define X(id, word) ORIGIN_##id,
    ORIGIN_STATES(X)
#undef X
};

/* While READY, the stream's callback and both queues are its user's. */
struct origin_connection {
    struct channel channel;
    enum origin_state state;
    bool reused; /* an exchange has used it before: it may turn out to be closed already */
    bool tls;
    const struct parent *parent; /* NULL: none */
    bool absolute;               /* the peer is the parent: requests in absolute-form */
    char *token; /* absolute, with Negotiate: of its only request (origin_authorization()) */
    char host[ORIGIN_HOST_SIZE];
    char route[ORIGIN_HOST_SIZE];
    uint16_t port;
    struct sockaddr_storage peer;

    /* private to pool.c */
    struct origin_pool *pool;
    struct runtime *runtime;
    struct dial *dial;
    struct loop_timer timer;
    struct loop_node node;
    origin_ready_fn *ready;
    void *arg;
    struct origin_failure failure; /* FAILED: why */
    uint32_t hash;
    uint64_t bound; /* origin_bind(): to whom; 0: to nobody */
    TAILQ_ENTRY(origin_connection) link, unused;
};

int origin_pool_new(struct origin_pool **out, struct loop *loop) DIVE_MUST_USE;
/* Who makes tokens for parents. Without this call they are made by parent_token_block(). */
void origin_pool_set_tokens(struct origin_pool *pool, const struct parent_token_maker *tokens);
/* Closes what idles or is being made; no READY connection may be left (asserted). */
void origin_pool_free(struct origin_pool **pool);
/* Closes what idles: after a reload. */
void origin_pool_flush(struct origin_pool *pool);

/* 1: *out is READY. 0: `ready` will be called, not before this call has returned; until then *out
 * is for origin_cancel(). Negative: a DIVE_E*, nothing was started. `fresh`: no connection that was
 * used before. */
int origin_open(struct origin_pool *pool, struct runtime *runtime, struct resolver *resolver,
                const struct origin_target *target, bool fresh, origin_ready_fn *ready, void *arg,
                struct origin_connection **out) DIVE_MUST_USE;
/* A dial to `target`, through its parent if it has one (always by CONNECT), with this pool's
 * bridges and the runtime's guard and timeout. As dial_start(). */
int origin_dial(struct origin_pool *pool, struct runtime *runtime, struct resolver *resolver,
                const struct origin_target *target, dial_fn *cb, void *arg,
                struct dial **dial) DIVE_MUST_USE;

/* Stops waiting; `ready` isn't called. *connection becomes NULL. */
void origin_cancel(struct origin_connection **connection);

/* Takes over `fd`, connected to `target`, and starts TLS on it if the target says so, so that it is
 * ready when the first exchange asks. A failure is kept for that one, for ORIGIN_FAILURE_MS. */
void origin_adopt(struct origin_pool *pool, struct runtime *runtime,
                  const struct origin_target *target, int fd, const struct sockaddr_storage *peer);

/* The same when no connection could be made: the first exchange is told without dialling again. */
void origin_note_failure(struct origin_pool *pool, struct runtime *runtime,
                         const struct origin_target *target, const struct origin_failure *failure);

/* Is there a connection for `target` that could be used at once? */
bool origin_pool_has_idle(struct origin_pool *pool, const struct runtime *runtime,
                          const struct origin_target *target);

/* An `absolute` one: Proxy-Authorization of the request that is to be sent on it, borrowed; NULL:
 * none. To be followed by origin_authorized() when it has been written. */
const char *origin_authorization(const struct origin_connection *connection);
void origin_authorized(struct origin_connection *connection);

/* The origin may take who asks on a READY one for `client` from now on: nobody else gets
 * it, and nobody at all with 0. */
void origin_bind(struct origin_connection *connection, uint64_t client);

bool origin_is_bound(const struct origin_connection *connection);

/* The exchange is done with it. `reusable`: the last response was read to its end and both sides
 * let the connection persist. NULLs *connection. */
void origin_release(struct origin_connection **connection, bool reusable);

#endif
