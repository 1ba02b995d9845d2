/* SPDX-License-Identifier: BSD-2-Clause
 *
 * keeper_process: waits for the daemon to want a signer, and forks one; kills one that the daemon
 * has given up. It reads nothing else, keeps no key, and ends with the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "keeper/private.h"

/* Signers that run; under SIGCHLD, which takes out what has ended. So a number that is here is a
 * child of this process, and nobody else can be killed by it. */
static struct {
    volatile pid_t pid; /* 0: free */
    uint32_t id;
} signers[SIGNERS_MAX];
static uint32_t last_id;

static void on_child(int number)
{
    int saved = errno;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t i = 0; i < SIGNERS_MAX; i++)
            if (signers[i].pid == pid)
                signers[i].pid = 0;
    errno = saved;
}

static void hold_children(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    (void)sigprocmask(how, &set, NULL);
}

static void end_signer(uint32_t id)
{
    hold_children(SIG_BLOCK);
    for (size_t i = 0; i < SIGNERS_MAX; i++)
        if (signers[i].pid != 0 && signers[i].id == id)
            (void)kill(signers[i].pid, SIGKILL);
    hold_children(SIG_UNBLOCK);
}

/* Nothing of the daemon's may stay open here: sockets, channels, files. Standard error stays, for a
 * library or a sanitizer that has something to say. */
static int leave_only(int fd)
{
    int null = open("/dev/null", O_RDWR);

    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
    }
    if (fd != 3 && dup3(fd, 3, O_CLOEXEC) < 0)
        _exit(1);
    if (syscall(SYS_close_range, 4u, ~0u, 0u) != 0)
        for (int i = 4; i < 65536; i++)
            (void)close(i);
    return 3;
}

/* The signals that mean the daemon (a terminal's interrupt, a service manager that signals all
 * processes) don't mean this one: it ends when the daemon has ended. */
static void ignore_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)signal(numbers[i], SIG_IGN);
    (void)signal(SIGCHLD, on_child);
    hold_children(SIG_UNBLOCK);
}

/* With SIGCHLD held. The end of a socket to it, or -1: there is none. */
static int fork_signer(int keeper_fd, const struct keeper_options *options)
{
    pid_t parent = getpid(), pid;
    int pair[2];
    size_t at = 0;

    while (at < SIGNERS_MAX && signers[at].pid != 0)
        at++;
    if (options->ca_key == NULL || at == SIGNERS_MAX ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        (void)signal(SIGCHLD, SIG_DFL);
        hold_children(SIG_UNBLOCK);
        (void)dup3(pair[1], keeper_fd, O_CLOEXEC);
        signer_process(leave_only(keeper_fd), options);
    }
    close(pair[1]);
    if (pid > 0) {
        signers[at].pid = pid;
        signers[at].id = ++last_id;
        return pair[0];
    }
    close(pair[0]);
    return -1;
}

void keeper_process(int fd, const struct keeper_options *options)
{
    struct keeper_request request = {0};
    int n;

    (void)prctl(PR_SET_NAME, "dived-keeper");
    ignore_signals();
    fd = leave_only(fd);
    while ((n = wire_receive(fd, &request, sizeof(request))) == (int)sizeof(request) &&
           request.magic == WIRE_MAGIC) {
        struct keeper_reply reply = {WIRE_MAGIC, 0, 0};
        int signer = -1;

        if (request.end != 0) {
            end_signer(request.end);
        } else {
            hold_children(SIG_BLOCK);
            signer = fork_signer(fd, options);
            hold_children(SIG_UNBLOCK);
            reply.result = signer >= 0 ? 0 : DIVE_E_STATE;
            reply.id = signer >= 0 ? last_id : 0;
        }
        if (wire_send_descriptor(fd, &reply, sizeof(reply), signer) != 0)
            _exit(1);
        if (signer >= 0)
            close(signer);
    }
    _exit(n == 0 ? 0 : 1);
}
