/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sandbox: see sandbox.h.
 */
#include "core/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* What was allowed when Landlock came into force: copies, for sandbox_allows(). One sandbox a
 * process: it is the process's state, as in the kernel. */
static struct {
    bool landlock;
    struct sandbox_path *paths;
    size_t n;
} in_force;

int sandbox_harden(char *why, size_t why_size)
{
    const struct rlimit none = {0, 0};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        (!SANITIZED && (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0))) {
        snprintf(why, why_size, "the process can't be hardened: %s", strerror(errno));
        return DIVE_E_STATE;
    }
    return 0;
}

/* Before Landlock: afterwards nothing may fail that leaves it without an account of its paths. */
static int remember(const struct sandbox_options *options)
{
    in_force.paths = calloc(options->n + 1, sizeof(*in_force.paths));
    if (in_force.paths == NULL)
        return DIVE_E_NOMEM;
    for (in_force.n = 0; in_force.n < options->n; in_force.n++) {
        struct sandbox_path *copy = &in_force.paths[in_force.n];

        copy->path = strdup(options->paths[in_force.n].path);
        copy->writes = options->paths[in_force.n].writes;
        if (copy->path == NULL)
            return DIVE_E_NOMEM;
    }
    return 0;
}

int sandbox_enter(const struct sandbox_options *options, char *why, size_t why_size)
{
    int r = sandbox_harden(why, why_size), abi = 0;

    if (r != 0)
        return r;
    if (SANITIZED && (options->seccomp || options->landlock)) {
        log_warning("sandbox", "built with a sanitizer: no seccomp filter and no Landlock");
        return 0;
    }
    if (options->landlock) {
        snprintf(why, why_size, "out of memory");
        r = remember(options);
        abi = r == 0 ? sandbox_landlock(options, why, why_size) : r;
        if (abi < 0)
            return abi;
        in_force.landlock = abi > 0;
    }
    if (options->landlock && abi == 0)
        log_warning("sandbox", "this kernel has no Landlock that is of use (Linux 5.19): files are "
                               "only protected by their permissions");
    r = options->seccomp ? sandbox_seccomp(why, why_size) : 0;
    if (r != 0)
        return r;
    log_info("sandbox", "seccomp %s, Landlock %s", options->seccomp ? "on" : "off",
             abi > 0 ? "on" : "off");
    why[0] = '\0';
    return 0;
}

static bool is_below(const char *path, const char *directory)
{
    size_t n = strlen(directory);

    return strncmp(path, directory, n) == 0 &&
           (path[n] == '\0' || path[n] == '/' || (n > 0 && directory[n - 1] == '/'));
}

bool sandbox_allows(const struct sandbox_options *options, char *why, size_t why_size)
{
    for (size_t i = 0; in_force.landlock && i < options->n; i++) {
        const struct sandbox_path *wanted = &options->paths[i];
        bool found = false;

        for (size_t j = 0; j < in_force.n && !found; j++)
            found = (in_force.paths[j].writes || !wanted->writes) &&
                    is_below(wanted->path, in_force.paths[j].path);
        if (!found) {
            snprintf(why, why_size,
                     "%s is outside of what the sandbox opened for %s at the start: it takes a "
                     "restart",
                     wanted->path, wanted->writes ? "writing" : "reading");
            return false;
        }
    }
    return true;
}
