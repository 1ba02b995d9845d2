/* SPDX-License-Identifier: BSD-2-Clause
 *
 * keeper_process: waits for the daemon to want a signer, and forks one. It reads nothing else,
 * keeps no key, and ends with the daemon.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/log.h"
#include "keeper/private.h"

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
    (void)signal(SIGCHLD, SIG_IGN); /* no signer is waited for */
}

/* The signer's end of a socket to it, or -1: there is none. */
static int fork_signer(int keeper_fd, const struct keeper_options *options)
{
    pid_t parent = getpid(), pid;
    int pair[2];

    if (options->ca_key == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        (void)dup3(pair[1], keeper_fd, O_CLOEXEC);
        signer_process(leave_only(keeper_fd), options);
    }
    close(pair[1]);
    if (pid > 0)
        return pair[0];
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
        int signer = fork_signer(fd, options);
        const struct keeper_reply reply = {WIRE_MAGIC, signer >= 0 ? 0 : DIVE_E_STATE};

        if (wire_send_descriptor(fd, &reply, sizeof(reply), signer) != 0)
            _exit(1);
        if (signer >= 0)
            close(signer);
    }
    _exit(n == 0 ? 0 : 1);
}
