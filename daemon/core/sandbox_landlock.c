/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sandbox_landlock: files by place. The C library has no calls for Landlock, so the three system
 * calls are made here (Linux, Documentation/userspace-api/landlock.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#define SCOPE_SIGNAL (1ULL << 1) /* LANDLOCK_SCOPE_SIGNAL, ABI 6 */

/* Headers are older than kernels: the attribute as of ABI 6. */
struct attribute {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

#define ABI_REFER 2
#define ABI_TRUNCATE 3
#define ABI_IOCTL_DEV 5
#define ABI_SCOPE 6

#define READ_ACCESS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_ACCESS                                                                               \
    (READ_ACCESS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)
/* What there is for something that is no directory. */
#define FILE_ACCESS                                                                                \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

/* What libraries read while they run: CA certificates, time zones, name services, Kerberos, what
 * the C library wants to know of the machine. */
static const struct sandbox_path system_paths[] = {
    {"/usr", false},
    {"/lib", false},
    {"/lib64", false},
    {"/etc/ssl", false},
    {"/etc/ca-certificates", false},
    {"/etc/pki", false},
    {"/etc/hosts", false},
    {"/etc/host.conf", false},
    {"/etc/gai.conf", false},
    {"/etc/resolv.conf", false},
    {"/run/systemd/resolve", false},
    {"/etc/nsswitch.conf", false},
    {"/etc/services", false},
    {"/etc/protocols", false},
    {"/etc/passwd", false},
    {"/etc/group", false},
    {"/etc/localtime", false},
    {"/etc/ld.so.cache", false},
    {"/etc/krb5.conf", false},
    {"/etc/krb5.conf.d", false},
    {"/etc/gss", false},
    {"/proc", false},
    {"/sys/devices/system/cpu", false},
    {"/dev/random", false},
    {"/dev/urandom", false},
    {"/dev/null", true},
};

/* All that this ABI can forbid. */
static uint64_t handled(int abi)
{
    uint64_t all = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1; /* ABI 1: every bit up to this one */

    all |= abi >= ABI_REFER ? LANDLOCK_ACCESS_FS_REFER : 0;
    all |= abi >= ABI_TRUNCATE ? LANDLOCK_ACCESS_FS_TRUNCATE : 0;
    all |= abi >= ABI_IOCTL_DEV ? LANDLOCK_ACCESS_FS_IOCTL_DEV : 0;
    return all;
}

/* What isn't there needs no rule: DIVE_E_NOT_FOUND. */
static int allow(int rules, int abi, const struct sandbox_path *path)
{
    struct landlock_path_beneath_attr rule = {.allowed_access =
                                                  path->writes ? WRITE_ACCESS : READ_ACCESS};
    struct stat st;
    int r = DIVE_E_STATE;

    rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return DIVE_E_NOT_FOUND;
    if (fstat(rule.parent_fd, &st) == 0) {
        rule.allowed_access &= handled(abi) & (S_ISDIR(st.st_mode) ? ~0ULL : FILE_ACCESS);
        if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
            r = 0;
    }
    close(rule.parent_fd);
    return r;
}

static int add_rules(int rules, int abi, const struct sandbox_path *paths, size_t n, char *why,
                     size_t why_size)
{
    for (size_t i = 0; i < n; i++) {
        if (allow(rules, abi, &paths[i]) != DIVE_E_STATE)
            continue;
        snprintf(why, why_size, "Landlock has no rule for %s: %s", paths[i].path, strerror(errno));
        return DIVE_E_STATE;
    }
    return 0;
}

int sandbox_landlock(const struct sandbox_options *options, char *why, size_t why_size)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct attribute attribute = {0};
    int rules, r;

    /* Without REFER no file can be linked or renamed into another directory: the cache does. */
    if (abi < ABI_REFER)
        return 0;
    attribute.handled_access_fs = handled((int)abi);
    attribute.scoped = abi >= ABI_SCOPE ? SCOPE_SIGNAL : 0;
    rules = (int)syscall(SYS_landlock_create_ruleset, &attribute,
                         abi >= ABI_SCOPE ? sizeof(attribute) : sizeof(uint64_t), 0);
    if (rules < 0) {
        snprintf(why, why_size, "Landlock: %s", strerror(errno));
        return DIVE_E_STATE;
    }
    r = add_rules(rules, (int)abi, system_paths, sizeof(system_paths) / sizeof(system_paths[0]),
                  why, why_size);
    if (r == 0)
        r = add_rules(rules, (int)abi, options->paths, options->n, why, why_size);
    if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0) {
        snprintf(why, why_size, "Landlock: %s", strerror(errno));
        r = DIVE_E_STATE;
    }
    close(rules);
    return r == 0 ? (int)abi : r;
}
