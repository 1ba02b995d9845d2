/* SPDX-License-Identifier: BSD-2-Clause
 *
 * original_destination: whom the client of a transparent listener meant to connect to.
 */
#ifndef DIVED_CLIENT_ORIGINAL_DESTINATION_H
#define DIVED_CLIENT_ORIGINAL_DESTINATION_H

#include <stdbool.h>
#include <sys/socket.h>

#include "http/url.h"

/* `fd` was accepted. `tproxy`: the kernel gave it to us under the client's destination as local
 * address (TPROXY). Else the connection's NAT entry is asked (SO_ORIGINAL_DST,
 * IP6T_SO_ORIGINAL_DST) and, where there is none, the local address is what the client connected
 * to: our own. False: the socket has no address any more. */
bool original_destination(int fd, bool tproxy, struct sockaddr_storage *out);

/* The same as host and port. False: not an IP address, or port 0. */
bool original_destination_authority(const struct sockaddr_storage *address,
                                    struct http_authority *out);

/* Lets a socket, bound or not yet, be given connections to foreign addresses: TPROXY. Needs
 * CAP_NET_ADMIN. -1 with errno set. */
int original_destination_allow_foreign(int fd, int family);

#endif
