/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_connect: what comes before a new connection to a parent proxy can be used. Where the
 * parent is sent Negotiate, a token for this connection is made. Then CONNECT (RFC 9110
 * section 9.3.6), unless the parent is for requests in absolute-form: asks it for a tunnel to an
 * origin, reads the answer strictly, and gives back a socket that leads to the origin.
 *
 * TLS towards the parent stays here: what is given back is then one end of a socket pair, and a
 * bridge moves the bytes between the other end and the parent's TLS, for as long as both are open.
 * So the user of the socket needn't know, and may start TLS of its own inside.
 */
#ifndef DIVED_ORIGIN_PARENT_CONNECT_H
#define DIVED_ORIGIN_PARENT_CONNECT_H

#include <sys/queue.h>

#include "origin/dial.h"
#include "origin/parent.h"
#include "origin/parent_token.h"

#define PARENT_HEAD_MAX (16 * 1024) /* of its answer, interim ones not counted */
#define PARENT_FIELDS_MAX 64
#define PARENT_INTERIM_MAX 8
#define PARENT_VIA_MAX 4096 /* of what is passed on of Via */

/* DIAL_OK: `fd` leads to the origin (to the parent, where no tunnel was asked for), non-blocking
 * and close-on-exec, and is the callback's. Else -1. `token`: without a tunnel, for
 * parent_token_free(), the callback's too; or NULL. `detail`: one sentence without the parent's
 * name, printable ASCII, never NULL, valid during the call. */
typedef void parent_connect_fn(void *arg, enum dial_result result, int fd, char *token,
                               const char *detail);

/* The bridges of one thread. */
struct parent_bridges {
    TAILQ_HEAD(parent_bridge_list, parent_bridge) list;
};

void parent_bridges_init(struct parent_bridges *bridges);
/* Closes all: what was given back breaks. Before the loop goes. */
void parent_bridges_close(struct parent_bridges *bridges);

struct parent_connect;

/* Takes over `fd`, connected to `parent`, also on failure. `authority`: "host:port" of the origin,
 * an IPv6 address in brackets; NULL: no tunnel, a token alone. `tokens`: who makes it. `via`: Via
 * of the request that this is for, or NULL; our own name (http/via.h) is put behind it. Everything
 * else is borrowed until the end, `bridges` and `loop` beyond. `cb` is called once, never before
 * this has returned; there is no deadline here but the caller's parent_connect_cancel().
 * DIVE_E_NOMEM, DIVE_E_LIMIT (`via` is too long), and then `cb` isn't called. */
int parent_connect_start(struct parent_connect **out, struct loop *loop,
                         struct parent_bridges *bridges, const struct parent_token_maker *tokens,
                         const struct parent *parent, const char *authority, const char *via,
                         int fd, parent_connect_fn *cb, void *arg) DIVE_MUST_USE;
/* What is being waited for and didn't come in time, as one sentence like `detail`; static. */
const char *parent_connect_overdue(const struct parent_connect *connect);
/* `cb` isn't called. *connect becomes NULL; NULL in it is fine. */
void parent_connect_cancel(struct parent_connect **connect);

#endif
