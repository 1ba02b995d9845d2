/* SPDX-License-Identifier: BSD-2-Clause
 *
 * contain: in which order the daemon gives up what it came with.
 *
 *      configuration read   contain_begin()   the keeper is forked (keeper/keeper.h); user and
 *                                             capabilities are dropped (core/privileges.h)
 *      sockets bound        contain_enter()   the sandbox (core/sandbox.h); threads only after it
 *      another one read     contain_begin()   can it be applied inside?
 *      end                  contain_end()
 *
 * Main thread, but for contain_begin() at a reload.
 */
#ifndef DIVED_PROCESS_CONTAIN_H
#define DIVED_PROCESS_CONTAIN_H

#include <signal.h>

#include "config/config.h"
#include "keeper/keeper.h"

/* Zeroed memory is one that hasn't begun. */
struct contain {
    struct keeper *keeper; /* NULL until contain_begin() */
    bool entered;
};

/* With a configuration that was loaded, before anything is made of it. The first time, or when it
 * is another one: whether what it names is within reach. 0, or a negative DIVE_E* and `why`: the
 * configuration can't be used. */
int contain_begin(struct contain *contain, const struct config *config, char *why,
                  size_t why_size) DIVE_MUST_USE;
/* The same for a configuration that is only checked: are there such a user and group? */
int contain_check(const struct config *config, char *why, size_t why_size) DIVE_MUST_USE;
/* 0, or a negative DIVE_E* and `why`: the process must end. */
int contain_enter(struct contain *contain, const struct config *config, char *why,
                  size_t why_size) DIVE_MUST_USE;
/* Now and then: is what can't be done without gone, so that the process must end? Logs it. */
bool contain_is_broken(struct contain *contain);
/* When no runtime is left. */
void contain_end(struct contain *contain);

#endif
