/* SPDX-License-Identifier: BSD-2-Clause
 *
 * privileges: which user a process is and which capabilities (capabilities(7)) it keeps. Of root's
 * powers two are of use to a proxy that runs: to listen on ports below 1024 and to accept for
 * addresses that aren't its own (TPROXY); it keeps them only if it has such listeners.
 */
#ifndef DIVED_CORE_PRIVILEGES_H
#define DIVED_CORE_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/error.h"

#define PRIVILEGE_LOW_PORTS 1u   /* CAP_NET_BIND_SERVICE */
#define PRIVILEGE_TRANSPARENT 2u /* CAP_NET_RAW, or CAP_NET_ADMIN where only that is there */

/* Plain value; zeroed memory is "stay who you are, keep nothing". */
struct privileges {
    bool change;
    uid_t uid;
    gid_t gid;
    unsigned keep; /* set of PRIVILEGE_* */
};

/* Looks up names or numbers; NULL: none given. A user alone brings its own group; the other groups
 * it is in come with it. *out is changed but for `keep`. DIVE_E_NOT_FOUND and `why`: no such user
 * or group. Blocks on the name service. */
int privileges_find(struct privileges *out, const char *user, const char *group, char *why,
                    size_t why_size) DIVE_MUST_USE;

/* Becomes that user and drops every capability that isn't in `keep`, out of all sets, the bounding
 * set too. What isn't there to be kept is no failure. Of the calling thread: to be called before
 * there is another. DIVE_E_STATE and `why`: it may not, and then the process must end. */
int privileges_drop(const struct privileges *privileges, char *why, size_t why_size) DIVE_MUST_USE;

#endif
