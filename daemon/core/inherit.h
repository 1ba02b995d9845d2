/* SPDX-License-Identifier: BSD-2-Clause
 *
 * inherit: listening sockets that another process opened and hands over at the start, as systemd
 * does for socket units (sd_listen_fds(3)) and a running dived does for its successor
 * (core/upgrade.h): descriptors from 3 on, LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
 *
 * Which of them is which is told by their addresses, not by their names: an address is what an
 * administrator compares.
 */
#ifndef DIVED_CORE_INHERIT_H
#define DIVED_CORE_INHERIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib/error.h"

#define INHERIT_MAX 2048 /* descriptors */
#define INHERIT_NAME_OWN                                                                           \
    "own" /* of a predecessor: bound by a dived, and to be treated as if by this one */
#define INHERIT_ADDRESS_TEXT 160

struct inherited {
    int fd;
    bool own; /* named INHERIT_NAME_OWN: nobody but us holds it open */
    char name[64];
    struct sockaddr_storage address;
    socklen_t length;
};

/* Reads the environment and removes these variables from it, so that no child takes them for its
 * own. *out is malloc'd, the caller's, and so are the descriptors: close-on-exec and nonblocking by
 * now. Without anything handed over *n is 0. On failure all of them are closed, and `why` has a
 * sentence: what isn't a listening stream socket is an error. Before any thread is started. 0 or a
 * negative DIVE_E*. */
int inherit_read(struct inherited **out, size_t *n, char *why, size_t why_size) DIVE_MUST_USE;

/* The same place? Paths of Unix sockets are compared byte by byte. */
bool inherit_is_at(const struct sockaddr *a, const struct sockaddr *b);
/* "127.0.0.1:3128", "[::1]:3128" or a path. */
void inherit_address_text(const struct sockaddr_storage *address, socklen_t length,
                          char out[INHERIT_ADDRESS_TEXT]);

#endif
