/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an intruder would do, done in a process that has entered the sandbox. Each test does it in a
 * child, and looks at how that ended.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static char open_to_write[] = "/tmp/dived-sandbox.XXXXXX";
static char open_to_read[] = "/tmp/dived-sandbox.XXXXXX";
static char shut[] = "/tmp/dived-sandbox.XXXXXX";

static void make_file(const char *directory)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/file", directory);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "x", 1), 1);
    close(fd);
}

static void setup(void)
{
    if (SANITIZED)
        cr_skip_test("a sanitizer build has no sandbox");
    cr_assert_not_null(mkdtemp(open_to_write));
    cr_assert_not_null(mkdtemp(open_to_read));
    cr_assert_not_null(mkdtemp(shut));
    make_file(open_to_write);
    make_file(open_to_read);
    make_file(shut);
}

static void teardown(void)
{
    char command[256];

    if (SANITIZED)
        return;
    snprintf(command, sizeof command, "rm -rf %s %s %s", open_to_write, open_to_read, shut);
    cr_assert_eq(system(command), 0);
}

TestSuite(sandbox, .init = setup, .fini = teardown);

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 2;
}

static void enter(bool seccomp, bool landlock)
{
    const struct sandbox_path paths[] = {{open_to_write, true}, {open_to_read, false}};
    const struct sandbox_options options = {seccomp, landlock, paths, 2};
    char why[256];

    if (sandbox_enter(&options, why, sizeof why) != 0)
        _exit(99);
}

/* How a child ends that does this inside: its exit code, or minus its signal. */
static int inside(int (*fn)(void), bool seccomp, bool landlock)
{
    int how = 0;
    pid_t pid = fork();

    if (pid == 0) {
        enter(seccomp, landlock);
        _exit(fn());
    }
    cr_assert_eq(waitpid(pid, &how, 0), pid);
    return WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
}

/* ---- system calls ---- */

static int do_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}

static int do_fork(void)
{
    return fork() == 0 ? 0 : 1;
}

static int do_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno;
}

static int do_setuid(void)
{
    return setuid(0) == 0 ? 0 : errno;
}

static int do_unshare(void)
{
    return (int)syscall(SYS_unshare, 0x10000000);
}

static int do_bpf(void)
{
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}

Test(sandbox, what_only_an_intruder_does_ends_the_process)
{
    int (*const deeds[])(void) = {do_exec, do_fork, do_ptrace, do_setuid, do_unshare, do_bpf};

    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
        cr_expect_eq(inside(deeds[i], true, false), -SIGSYS, "deed %zu", i);
}

static int do_packets(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int do_raw_ip(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 ? errno : 0;
}

static int do_unknown(void)
{
    return syscall(SYS_sync) < 0 ? errno : 0;
}

static int do_setuid_file(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s/file", open_to_write);
    return chmod(path, 04755) < 0 ? errno : 0;
}

static int do_kill_others(void)
{
    return kill(getppid(), 0) < 0 ? errno : 0;
}

Test(sandbox, what_is_not_needed_does_not_exist)
{
    int (*const deeds[])(void) = {do_packets, do_raw_ip, do_unknown, do_setuid_file,
                                  do_kill_others};

    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        cr_expect_eq(inside(deeds[i], true, false), ENOSYS, "deed %zu", i);
        cr_expect_neq(inside(deeds[i], false, false), ENOSYS, "deed %zu without", i);
    }
}

static int do_executable_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : 0;
}

static int do_make_executable(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

Test(sandbox, no_memory_becomes_executable)
{
    cr_expect_eq(inside(do_executable_memory, true, false), EACCES);
    cr_expect_eq(inside(do_make_executable, true, false), EACCES);
    cr_expect_eq(inside(do_make_executable, false, false), 0);
}

static void *in_thread(void *arg)
{
    return open("/dev/null", O_RDONLY) >= 0 && socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0
               ? arg
               : NULL;
}

static int do_work(void)
{
    pthread_t thread;
    void *result = NULL;
    char mark;

    return pthread_create(&thread, NULL, in_thread, &mark) == 0 &&
                   pthread_join(thread, &result) == 0 && result == &mark
               ? 0
               : 1;
}

Test(sandbox, work_goes_on)
{
    cr_expect_eq(inside(do_work, true, true), 0);
}

/* ---- files ---- */

static int open_in(const char *directory, int flags)
{
    char path[128];

    snprintf(path, sizeof path, "%s/file", directory);
    return open(path, flags) < 0 ? errno : 0;
}

static int read_open(void)
{
    return open_in(open_to_read, O_RDONLY);
}

static int write_read_only(void)
{
    return open_in(open_to_read, O_WRONLY);
}

static int write_open(void)
{
    return open_in(open_to_write, O_WRONLY | O_TRUNC);
}

static int read_shut(void)
{
    return open_in(shut, O_RDONLY);
}

static int read_shadow(void)
{
    return open("/etc/shadow", O_RDONLY) < 0 ? errno : 0;
}

static int run_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}

/* As the cache does: a file without a name gets one in another directory. */
static int link_elsewhere(void)
{
    char from[64], to[128];
    int fd = open(open_to_write, O_TMPFILE | O_RDWR, 0600);

    if (fd < 0)
        return errno;
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    snprintf(to, sizeof to, "%s/sub", open_to_write);
    if (mkdir(to, 0700) != 0 && errno != EEXIST)
        return errno;
    snprintf(to, sizeof to, "%s/sub/linked", open_to_write);
    return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) < 0 ? errno : 0;
}

Test(sandbox, files_by_place)
{
    if (!has_landlock())
        cr_skip_test("this kernel has no Landlock that is of use");
    cr_expect_eq(inside(read_open, false, true), 0);
    cr_expect_eq(inside(write_open, true, true), 0);
    cr_expect_eq(inside(link_elsewhere, true, true), 0);
    cr_expect_eq(inside(write_read_only, false, true), EACCES);
    cr_expect_eq(inside(read_shut, false, true), EACCES);
    cr_expect_eq(inside(read_shut, false, false), 0);
    cr_expect_eq(inside(read_shadow, false, true), EACCES);
    cr_expect_eq(inside(run_program, false, true), EACCES);
}

/* ---- what a reload asks ---- */

static int ask_for(const char *path, bool writes)
{
    const struct sandbox_path wanted = {path, writes};
    const struct sandbox_options options = {.paths = &wanted, .n = 1};
    char why[256] = "";

    if (sandbox_allows(&options, why, sizeof why))
        return 0;
    return strstr(why, path) != NULL && strstr(why, "restart") != NULL ? 1 : 2;
}

static int ask(void)
{
    char below[128], beside[128];

    snprintf(below, sizeof below, "%s/a/b", open_to_write);
    snprintf(beside, sizeof beside, "%sx", open_to_write);
    return ask_for(below, true) == 0 && ask_for(open_to_write, true) == 0 &&
                   ask_for(open_to_read, false) == 0 && ask_for(open_to_read, true) == 1 &&
                   ask_for(beside, false) == 1 && ask_for(shut, false) == 1
               ? 0
               : 1;
}

Test(sandbox, another_configuration_is_compared)
{
    if (!has_landlock())
        cr_skip_test("this kernel has no Landlock that is of use");
    cr_expect_eq(inside(ask, true, true), 0);
    cr_expect_eq(ask_for(shut, true), 0, "nothing is in force here");
}

/* ---- the signer's ---- */

static int how_it_ends(int (*fn)(void))
{
    char why[256];
    int how = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (sandbox_harden(why, sizeof why) != 0 || sandbox_confine_signer(why, sizeof why) != 0)
            _exit(99);
        _exit(fn());
    }
    cr_assert_eq(waitpid(pid, &how, 0), pid);
    return WIFSIGNALED(how) ? -WTERMSIG(how) : WEXITSTATUS(how);
}

static int do_allocate(void)
{
    char *p = malloc(10 << 20);

    return p != NULL && time(NULL) > 0 && getpid() > 0 ? 0 : 1;
}

static int do_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

Test(sandbox, a_signer_opens_nothing)
{
    cr_expect_eq(how_it_ends(do_allocate), 0);
    cr_expect_eq(how_it_ends(read_open), -SIGSYS);
    cr_expect_eq(how_it_ends(do_socket), -SIGSYS);
    cr_expect_eq(how_it_ends(do_exec), -SIGSYS);
    cr_expect_eq(how_it_ends(do_fork), -SIGSYS);
}
