/* SPDX-License-Identifier: BSD-2-Clause
 *
 * census: how many connections each client address has, over all workers:
 * limits.connections-per-client. An IPv6 client is its /64, which is what one subscriber has.
 */
#ifndef DIVED_CLIENT_CENSUS_H
#define DIVED_CLIENT_CENSUS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Counts one more unless that would pass `max`; false then, or without memory. Thread-safe. */
bool census_enter(const struct sockaddr *client, unsigned max);
void census_leave(const struct sockaddr *client);
/* How many the client has now: changes as they come and go, to be read by any thread. For one that
 * has entered, and valid until it leaves; NULL for one that is not counted. */
const _Atomic unsigned *census_count(const struct sockaddr *client);

#endif
