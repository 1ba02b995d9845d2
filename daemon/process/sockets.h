/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sockets: all listening sockets of the process, as the main thread knows them. A worker accepts
 * from duplicates, which are its own; what is kept here is handed to a successor (upgrade.c), with
 * the connections that wait in them.
 *
 *      bound here            one SO_REUSEPORT socket a worker and listener
 *      of a predecessor      its sockets, dealt out to the workers; more workers bind more
 *      of a service manager  as many as it gives, usually one: all workers accept from it
 */
#ifndef DIVED_PROCESS_SOCKETS_H
#define DIVED_PROCESS_SOCKETS_H

#include "config/config.h"
#include "core/inherit.h"

struct findings;

/* Zeroed memory has none. */
struct sockets {
    struct inherited *v;
    size_t n, room;
};

/* Takes what the environment hands over. 0 or a negative DIVE_E*, and `why`. */
int sockets_inherit(struct sockets *sockets, char *why, size_t why_size) DIVE_MUST_USE;

/* What the workers are to accept from: `rows` rows for each worker, a column for each listener of
 * `config`; -1 where there is nothing to be opened. */
struct sockets_plan {
    int *fd; /* [worker][row][listener]; those that aren't -1 are whose the plan is */
    size_t workers, rows, columns;
    size_t bound_from; /* entries from here on were made for this plan */
};

/* Binds what has to be bound. A listener that `old` (may be NULL) has too is open already. On
 * failure nothing has changed, and it was told. sockets_commit() or sockets_abandon() follows a
 * success. 0 or a negative DIVE_E*. */
int sockets_open(struct sockets *sockets, const struct config *config, const struct config *old,
                 unsigned workers, struct sockets_plan *plan,
                 struct findings *findings) DIVE_MUST_USE;
/* The descriptors of one worker, `rows` times `columns`: it takes them over. */
const int *sockets_of_worker(const struct sockets_plan *plan, unsigned worker);
/* The plan's descriptors have been taken over; what `config` doesn't listen on any more is closed,
 * but for what a service manager holds open anyway. */
void sockets_commit(struct sockets *sockets, const struct config *config,
                    struct sockets_plan *plan);
/* Nobody takes the plan's descriptors. */
void sockets_abandon(struct sockets *sockets, struct sockets_plan *plan);

/* A duplicate of a socket at that address; -1: there is none. *own: see struct inherited. */
int sockets_take(struct sockets *sockets, const struct sockaddr *address, bool *own);
/* Is there one at the address of `fd`? */
bool sockets_have(const struct sockets *sockets, int fd);
/* What a service manager handed over and is no address of the configuration: each is told. True:
 * there are some. A predecessor's socket of that kind is no fault: the configuration has changed
 * meanwhile, and sockets_commit() closes it. */
bool sockets_find_strangers(const struct sockets *sockets, const struct config *config,
                            struct findings *findings);
void sockets_close(struct sockets *sockets);

#endif
