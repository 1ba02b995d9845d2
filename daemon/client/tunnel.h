/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tunnel: CONNECT (RFC 9110 section 9.3.6), up to the point where it is known what is in it. What
 * comes by a transparent listener begins in SNIFF (transparent.h), without a request or an answer.
 *
 *   CHECK -> REPLY -> SNIFF -+-> intercepted   TLS: accepted here with a minted certificate
 *     |                |     +-> plain         HTTP in the clear: as if it had come without CONNECT
 *     |                |     +-> RELAY         another protocol
 *     +-> DIAL ->  REPLY ->  RELAY             a name in interception.splice, or no interception
 *     +---refused------+---------> END
 *
 * What will be looked into is answered with 200 at once, and dialled meanwhile: why an origin can't
 * be had is then told inside, where the client reads it. What is tunnelled unseen is answered when
 * it stands.
 *
 * The client's first bytes decide, never the origin's: an origin that speaks before the client must
 * not be able to talk its way past the interception.
 */
#ifndef DIVED_CLIENT_TUNNEL_H
#define DIVED_CLIENT_TUNNEL_H

#include "client/connection.h"

struct tunnel;

/* `head` is the CONNECT request's, taken over. The connection's state is TUNNEL until the tunnel
 * hands it back (client_connection_read_requests) or ends it (client_connection_finish, _close). */
void tunnel_start(struct client_connection *c, struct http_head *head);
/* Transparent, and neither side has said a word. */
bool tunnel_is_untouched(const struct tunnel *tunnel);
/* The connection is closing. NULLs *tunnel. */
void tunnel_abort(struct tunnel **tunnel, const char *why);

#endif
