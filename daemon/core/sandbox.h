/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sandbox: what the process takes from itself once it has what it needs, so that whoever breaks
 * into it gets little: no other program, no other files, no other system calls.
 *
 *      sandbox.c            the order; no new privileges, no core dumps, no look into its memory
 *      sandbox_landlock.c   files by place (Landlock, Linux 5.19 and later: ABI 2)
 *      sandbox_seccomp.c    system calls (seccomp): the daemon's, and the few of a signer
 *
 * All of it holds for the calling thread and those that it starts, and can't be undone. So it is
 * called when listening sockets are bound and there is no thread yet. What has to exec, fork or
 * read elsewhere later must be a process of its own that was forked before (keeper/keeper.h).
 *
 * A library that loads others by itself (dlopen) has to have done so before: no memory can be made
 * executable afterwards.
 *
 * In a program built with a sanitizer nothing of this is done but no_new_privs, and a warning says
 * so: its runtime needs what is forbidden.
 */
#ifndef DIVED_CORE_SANDBOX_H
#define DIVED_CORE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct sandbox_path {
    const char *path; /* absolute; a directory with all below it, or one file. Borrowed */
    bool writes;
};

struct sandbox_options {
    bool seccomp, landlock;
    const struct sandbox_path *paths; /* beside the system's own that libraries read */
    size_t n;
};

/* No new privileges (execve(2) of a set-user-ID program gives none), no core dumps, and other
 * processes of this user can't look into the memory, which may hold keys. 0, or DIVE_E_STATE and
 * `why`. */
int sandbox_harden(char *why, size_t why_size) DIVE_MUST_USE;

/* sandbox_harden() and the rest. A kernel without Landlock (or with its first version, which would
 * forbid to move files) is logged, once. DIVE_E_STATE and `why`: something failed half way, and the
 * process must end. */
int sandbox_enter(const struct sandbox_options *options, char *why, size_t why_size) DIVE_MUST_USE;

/* For a process that only answers on its sockets: everything but reading, writing and allocating
 * ends it. */
int sandbox_confine_signer(char *why, size_t why_size) DIVE_MUST_USE;

/* Are these options in force, or could they be: no path outside of those of sandbox_enter()?
 * Otherwise the first one that is goes to `why`. True always where Landlock isn't in force. */
bool sandbox_allows(const struct sandbox_options *options, char *why, size_t why_size);

/* Private to sandbox*.c. Returns the ABI that is in force; 0: the kernel has none that is of use.
 * Negative: DIVE_E*, and `why`. */
int sandbox_landlock(const struct sandbox_options *options, char *why,
                     size_t why_size) DIVE_MUST_USE;
int sandbox_seccomp(char *why, size_t why_size) DIVE_MUST_USE;

#endif
