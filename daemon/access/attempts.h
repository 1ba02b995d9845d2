/* SPDX-License-Identifier: BSD-2-Clause
 *
 * attempts: how many passwords may be tried: a token bucket for each client address (IPv6: its
 * /64) and one for each user name, over all workers. Thread-safe; the memory is what was allocated
 * at the start, and every call takes the same time.
 */
#ifndef DIVED_ACCESS_ATTEMPTS_H
#define DIVED_ACCESS_ATTEMPTS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/error.h"

/* A user may be tried from many addresses: so many times the allowance of one address. */
#define ATTEMPTS_USER_FACTOR 4

struct attempts;

/* 0, DIVE_E_NOMEM or DIVE_E_INTERNAL (no randomness). */
int attempts_new(struct attempts **out) DIVE_MUST_USE;
void attempts_free(struct attempts **attempts);

/* Takes one attempt of both buckets: `per_minute` in the long run, and as many at once. False:
 * there is none, and nothing was taken. `now_ms`: monotonic. `user` may be any bytes' string. */
bool attempts_take(struct attempts *attempts, const struct sockaddr *client, const char *user,
                   unsigned per_minute, int64_t now_ms) DIVE_MUST_USE;
/* The password was right: the attempt that was taken doesn't count. */
void attempts_give_back(struct attempts *attempts, const struct sockaddr *client, const char *user,
                        unsigned per_minute, int64_t now_ms);
/* Is there nothing left for this address? Takes nothing. */
bool attempts_are_spent(struct attempts *attempts, const struct sockaddr *client,
                        unsigned per_minute, int64_t now_ms);

#endif
