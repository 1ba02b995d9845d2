/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sandbox_seccomp: system calls. Three kinds: what a daemon that runs needs is allowed; what only
 * an intruder would call ends the process at once; anything else doesn't exist (ENOSYS), which is
 * what libraries expect of a kernel older than they are, and go another way.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sandbox.h"

/* clang-format off */
/* Names, not numbers: libseccomp knows what this architecture calls them, and skips what it lacks. */
static const char *const both_need[] = {
    "brk", "clock_gettime", "clock_getres", "close", "exit", "exit_group", "fstat", "futex", "futex_waitv",
    "getpid", "getrandom", "gettid", "gettimeofday", "madvise", "mremap", "munmap", "newfstatat",
    "poll", "ppoll", "read", "recvfrom", "recvmsg", "restart_syscall", "rt_sigprocmask", "rt_sigreturn",
    "sched_yield", "sendmsg", "sendto", "time", "write",
};

static const char *const daemon_needs[] = {
    /* files */
    "access", "faccessat", "faccessat2", "copy_file_range", "dup", "dup2", "dup3", "fadvise64", "fallocate", "fcntl", "fdatasync",
    "flock", "fstatfs", "fsync", "ftruncate", "truncate", "getcwd", "getdents", "getdents64", "lseek",
    "link", "linkat", "lstat", "memfd_create", "mkdir", "mkdirat", "pread64",
    "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "readahead", "readlink", "readlinkat", "readv",
    "rename", "renameat", "renameat2", "rmdir", "sendfile", "splice", "stat", "statfs", "statx",
    "symlink", "symlinkat", "sync_file_range", "syncfs", "tee", "umask", "unlink", "unlinkat", "utimensat",
    "vmsplice", "writev", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    /* sockets and events */
    "accept", "accept4", "bind", "connect", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "eventfd2", "getpeername", "getsockname", "getsockopt", "listen", "pipe",
    "pipe2", "pselect6", "recvmmsg", "select", "sendmmsg", "setsockopt", "shutdown", "signalfd4",
    "timerfd_create", "timerfd_gettime", "timerfd_settime",
    /* threads, time, signals */
    "clock_nanosleep", "nanosleep", "get_robust_list", "set_robust_list", "getcpu", "getitimer", "setitimer",
    "membarrier", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "sched_setaffinity", "set_tid_address", "sigaltstack", "alarm", "pause",
    "times", "wait4", "waitid",
    /* who and where */
    "getegid", "geteuid", "getgid", "getgroups", "getpgrp", "getppid", "getpriority", "getresgid",
    "getresuid", "getrlimit", "getrusage", "getsid", "getuid", "sysinfo", "uname", "capget",
    /* memory */
    "mincore", "mlock", "mlock2", "msync", "munlock",
};

/* No library that dived has calls these, and none that is well: whoever does is somebody else. */
static const char *const intruders_need[] = {
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "pidfd_getfd", "kcmp", "mount", "umount2", "move_mount", "open_tree", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "pivot_root", "chroot", "unshare", "setns",
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid",
    "setgroups", "capset", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "reboot", "swapon", "swapoff", "iopl", "ioperm", "modify_ldt", "personality",
    "keyctl", "add_key", "request_key", "open_by_handle_at", "name_to_handle_at", "acct", "quotactl",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
    "syslog", "vhangup", "mknod", "mknodat", "pkey_mprotect", "remap_file_pages",
};

/* clang-format on */

static int each(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);

        if (number < 0) /* not on this architecture, or younger than libseccomp */
            continue;
        if (seccomp_rule_add(filter, action, number, 0) != 0)
            return -1;
    }
    return 0;
}

#define EACH(filter, action, names) each(filter, action, names, sizeof(names) / sizeof((names)[0]))
#define ALLOW(filter, name, ...)                                                                   \
    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(name), __VA_ARGS__)

/* Memory, but none that is executable. */
static int allow_memory(scmp_filter_ctx filter)
{
    if (ALLOW(filter, mmap, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0 ||
        ALLOW(filter, mprotect, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(mmap), 1,
                         SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) != 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(mprotect), 1,
                         SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) != 0)
        return -1;
    return 0;
}

/* Threads, but no processes. clone3() has its flags in memory, where a filter can't see them: the C
 * library uses clone() when there is none. */
static int allow_threads(scmp_filter_ctx filter)
{
    if (ALLOW(filter, clone, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) != 0 ||
        seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                         SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) != 0)
        return -1;
    return 0;
}

/* TCP, UDP and Unix sockets, and the one of netlink that getifaddrs(3) opens: nothing that sees or
 * makes packets. */
static int allow_sockets(scmp_filter_ctx filter)
{
    static const int domains[] = {AF_UNIX, AF_INET, AF_INET6};
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
        for (size_t j = 0; j < sizeof(types) / sizeof(types[0]); j++)
            if (ALLOW(filter, socket, 2, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)domains[i]),
                      SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)types[j])) != 0)
                return -1;
    if (ALLOW(filter, socket, 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, 0)) != 0 ||
        ALLOW(filter, socketpair, 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX)) != 0)
        return -1;
    return 0;
}

/* Files, but none that would run as its owner: that could be root. openat2() has its mode in
 * memory.
 */
static int allow_modes(scmp_filter_ctx filter)
{
    const scmp_datum_t bits = S_ISUID | S_ISGID;

    if (ALLOW(filter, open, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, bits, 0)) != 0 ||
        ALLOW(filter, openat, 1, SCMP_A3(SCMP_CMP_MASKED_EQ, bits, 0)) != 0 ||
        ALLOW(filter, chmod, 1, SCMP_A1(SCMP_CMP_MASKED_EQ, bits, 0)) != 0 ||
        ALLOW(filter, fchmod, 1, SCMP_A1(SCMP_CMP_MASKED_EQ, bits, 0)) != 0 ||
        ALLOW(filter, fchmodat, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, bits, 0)) != 0)
        return -1;
    return 0;
}

/* Calls that do many things: the ones of these that are of use. */
static int allow_parts(scmp_filter_ctx filter)
{
    static const unsigned ioctls[] = {0x5401 /* TCGETS: isatty(3) */,
                                      0x5413 /* TIOCGWINSZ */,
                                      0x541b /* FIONREAD */,
                                      0x5421 /* FIONBIO */,
                                      0x5450 /* FIONCLEX */,
                                      0x5451 /* FIOCLEX */,
                                      0x5411 /* TIOCOUTQ, SIOCOUTQ */};
    static const int prctls[] = {15 /* PR_SET_NAME */, 16 /* PR_GET_NAME */,
                                 3 /* PR_GET_DUMPABLE */, 39 /* PR_GET_NO_NEW_PRIVS */,
                                 23 /* PR_CAPBSET_READ */};
    pid_t self = getpid();

    for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
        if (ALLOW(filter, ioctl, 1, SCMP_A1(SCMP_CMP_EQ, ioctls[i])) != 0)
            return -1;
    for (size_t i = 0; i < sizeof(prctls) / sizeof(prctls[0]); i++)
        if (ALLOW(filter, prctl, 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)prctls[i])) != 0)
            return -1;
    /* A thread's own priority (passwords are hashed behind the rest), signals to itself (abort(3)),
     * limits of its own. */
    if (ALLOW(filter, setpriority, 2, SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS),
              SCMP_A1(SCMP_CMP_EQ, 0)) != 0 ||
        ALLOW(filter, kill, 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self)) != 0 ||
        ALLOW(filter, tgkill, 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self)) != 0 ||
        ALLOW(filter, prlimit64, 1, SCMP_A0(SCMP_CMP_EQ, 0)) != 0)
        return -1;
    return 0;
}

static int load(scmp_filter_ctx filter, int added, char *why, size_t why_size)
{
    int r = filter == NULL ? -ENOMEM : added;

    if (r == 0)
        (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    if (r == 0)
        return 0;
    snprintf(why, why_size,
             "the seccomp filter can't be loaded (%s); sandbox.seccomp: false does without",
             strerror(-r));
    return DIVE_E_STATE;
}

int sandbox_seccomp(char *why, size_t why_size)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int added = -ENOMEM;

    if (filter != NULL && EACH(filter, SCMP_ACT_ALLOW, both_need) == 0 &&
        EACH(filter, SCMP_ACT_ALLOW, daemon_needs) == 0 &&
        EACH(filter, SCMP_ACT_KILL_PROCESS, intruders_need) == 0 && allow_memory(filter) == 0 &&
        allow_threads(filter) == 0 && allow_sockets(filter) == 0 && allow_modes(filter) == 0 &&
        allow_parts(filter) == 0)
        added = 0;
    return load(filter, added, why, why_size);
}

int sandbox_confine_signer(char *why, size_t why_size)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0; /* sandbox_enter() has said so */
#else
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int added = -ENOMEM;

    if (filter != NULL && EACH(filter, SCMP_ACT_ALLOW, both_need) == 0 && allow_memory(filter) == 0)
        added = 0;
    return load(filter, added, why, why_size);
#endif
}
