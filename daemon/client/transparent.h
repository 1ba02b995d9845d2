/* SPDX-License-Identifier: BSD-2-Clause
 *
 * transparent: the beginning of a connection that the firewall sent here on its way to another
 * (nft REDIRECT, TPROXY). No request says where it goes to: the kernel knows the address, the
 * client's first bytes say what it speaks and, in TLS, for which name.
 *
 *   SNIFF -+-> HTTP       requests in the clear, by their Host
 *          +-> TLS        by the server name: intercepted, or RELAY (splice, no-sni, ech)
 *          +-> other      RELAY, or closed (listeners[].other)
 *          `-> silence    an origin that speaks first is connected to; then as a CONNECT's
 *
 * Whatever is said, the connection goes to the address that the client chose. The origin isn't
 * connected to before it is known what the client wants, unless the client keeps silent: what the
 * cache has or a rule denies costs it nothing, and a flood of silent connections costs it only what
 * `other: pass` makes necessary.
 */
#ifndef DIVED_CLIENT_TRANSPARENT_H
#define DIVED_CLIENT_TRANSPARENT_H

#include "client/connection.h"
#include "client/sniff.h"

/* The connection's state is TUNNEL, its listener transparent. `destination`: as a PROXY header has
 * it; NULL: the kernel is asked. May close the connection before it returns. */
void transparent_start(struct client_connection *c, const struct sockaddr_storage *destination);

/* ---- for tunnel.c, of a tunnel that began here ---- */
/* What the client speaks is known, and no dial is under way. */
void transparent_decide(struct tunnel *t, enum sniff_result kind, const struct client_hello *hello);
/* The client has said something that doesn't tell yet what it speaks. */
void transparent_client_spoke(struct tunnel *t);
/* The tunnel's timer: false when it is the client that ran out of time. */
bool transparent_on_timeout(struct tunnel *t);

#endif
