/* SPDX-License-Identifier: BSD-2-Clause
 *
 * upgrade: see upgrade.h. Channel and request are SOCK_SEQPACKET sockets: messages keep their
 * bounds, and the end of the peer shows.
 *
 * A request is a message of its numbers and names with the channel's end, then as many messages
 * with descriptors as it takes (the kernel passes at most 253 at once).
 */
#include "core/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/inherit.h"

#define CHANNEL_VARIABLE "DIVED_UPGRADE_FD"
#define FIRST_FD 3
#define FDS_AT_ONCE 200
#define NAMES_MAX ((size_t)16 * INHERIT_MAX)
#define PROGRAM_MAX 4096

static int launcher_fd = -1; /* the daemon's end */
static pid_t launcher_pid;

struct request {
    uint32_t n;     /* descriptors that follow */
    uint32_t names; /* bytes of names behind this */
};

/* ---- descriptors over a socket ---- */

static int send_with(int to, const void *bytes, size_t size, const int *fds, size_t n)
{
    union {
        char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct cmsghdr *header;
    ssize_t sent;

    if (n > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(header), fds, n * sizeof(int));
    }
    do
        sent = sendmsg(to, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size ? 0 : -1;
}

/* The size of the message; *n: descriptors that came with it, at most FDS_AT_ONCE. -1: none came.
 */
static ssize_t receive_with(int from, void *bytes, size_t size, int *fds, size_t *n)
{
    union {
        char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header;
    ssize_t got;

    *n = 0;
    do
        got = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(header), *n * sizeof(int));
    }
    return got;
}

/* ---- the launcher ---- */

/* Its own executable file and arguments; what a request brings is numbers and names alone. */
struct launcher {
    int fd;
    char program[PROGRAM_MAX];
    char **argv;
};

static void set_variable(const char *name, long value)
{
    char text[24];

    snprintf(text, sizeof(text), "%ld", value);
    setenv(name, text, 1);
}

/* In the grandchild: descriptors to 3 and on, the channel behind them, everything else closed. */
static void __attribute__((noreturn))
run_program(const struct launcher *launcher, int *fds, size_t n, int channel, const char *names)
{
    static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGPIPE, SIGCHLD};
    sigset_t none;

    /* All of them out of the way first: a target may be somebody's source. */
    for (size_t i = 0; i <= n; i++) {
        int *fd = i < n ? &fds[i] : &channel;

        *fd = fcntl(*fd, F_DUPFD, FIRST_FD + (int)n + 1);
        if (*fd < 0)
            _exit(127);
    }
    for (size_t i = 0; i < n; i++)
        if (dup2(fds[i], FIRST_FD + (int)i) < 0)
            _exit(127);
    if (dup2(channel, FIRST_FD + (int)n) < 0 ||
        close_range(FIRST_FD + (unsigned)n + 1, ~0U, 0) != 0)
        _exit(127);
    set_variable("LISTEN_PID", (long)getpid());
    set_variable("LISTEN_FDS", (long)n);
    setenv("LISTEN_FDNAMES", names, 1);
    set_variable(CHANNEL_VARIABLE, FIRST_FD + (long)n);
    if (getenv("WATCHDOG_PID") != NULL)
        set_variable("WATCHDOG_PID", (long)getpid());
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(launcher->program, launcher->argv);
    (void)!send_with(FIRST_FD + (int)n, strerror(errno), strlen(strerror(errno)), NULL, 0);
    _exit(127);
}

/* Twice: the successor is nobody's child but of who takes in orphans, as if it had been started
 * there. */
static void launch(const struct launcher *launcher, int *fds, size_t n, int channel,
                   const char *names)
{
    pid_t pid = fork();

    if (pid == 0) {
        pid_t successor = fork();

        if (successor == 0)
            run_program(launcher, fds, n, channel, names);
        _exit(0);
    }
    if (pid > 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
}

static bool names_are_harmless(const char *names)
{
    return strspn(names, "abcdefghijklmnopqrstuvwxyz:") == strlen(names);
}

/* False: the daemon is gone, or talks nonsense. */
static bool serve_request(const struct launcher *launcher)
{
    static char bytes[sizeof(struct request) + NAMES_MAX + 1];
    static int fds[INHERIT_MAX + FDS_AT_ONCE];
    const char *names = bytes + sizeof(struct request);
    struct request request;
    size_t n, have = 0;
    int first[FDS_AT_ONCE], channel = -1;
    ssize_t got = receive_with(launcher->fd, bytes, sizeof(bytes) - 1, first, &n);
    bool ok = got >= (ssize_t)sizeof(request) && n == 1;

    if (!ok)
        return false;
    channel = first[0];
    bytes[got] = '\0';
    memcpy(&request, bytes, sizeof(request));
    ok = request.n <= INHERIT_MAX && names_are_harmless(names);
    while (ok && have < request.n) {
        char byte;

        ok = receive_with(launcher->fd, &byte, 1, fds + have, &n) == 1 && n > 0;
        have += n;
    }
    if (ok)
        launch(launcher, fds, have, channel, names);
    for (size_t i = 0; i < have; i++)
        close(fds[i]);
    close(channel);
    return ok;
}

static void __attribute__((noreturn)) run_launcher(struct launcher *launcher)
{
    static const int ignored[] = {SIGHUP, SIGUSR1, SIGUSR2};

    /* Whoever signals by the program's name means the daemon. */
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    (void)prctl(PR_SET_NAME, "dived-launcher");
    /* Sockets that were handed to the daemon would stay open for as long as this lives. */
    if (launcher->fd != FIRST_FD && dup2(launcher->fd, FIRST_FD) < 0)
        _exit(1);
    launcher->fd = FIRST_FD;
    (void)close_range(FIRST_FD + 1, ~0U, 0);
    while (serve_request(launcher)) {
    }
    _exit(0);
}

int upgrade_launcher_start(char **argv)
{
    struct launcher launcher = {.argv = argv};
    ssize_t n = readlink("/proc/self/exe", launcher.program, sizeof(launcher.program) - 1);
    int ends[2];
    pid_t pid;

    if (n <= 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return DIVE_E_STATE;
    launcher.fd = ends[1];
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_launcher(&launcher);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return DIVE_E_NOMEM;
    }
    launcher_fd = ends[0];
    launcher_pid = pid;
    return 0;
}

void upgrade_launcher_stop(void)
{
    if (launcher_fd < 0)
        return;
    close(launcher_fd); /* it reads the end */
    launcher_fd = -1;
    while (waitpid(launcher_pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* ---- the daemon's side ---- */

static int send_request(const int *fds, size_t n, const char *names, int channel)
{
    struct request request = {.n = (uint32_t)n, .names = (uint32_t)strlen(names)};
    char *bytes = malloc(sizeof(request) + request.names);
    int r = -1;

    if (bytes == NULL)
        return -1;
    memcpy(bytes, &request, sizeof(request));
    memcpy(bytes + sizeof(request), names, request.names);
    r = send_with(launcher_fd, bytes, sizeof(request) + request.names, &channel, 1);
    for (size_t i = 0; r == 0 && i < n; i += FDS_AT_ONCE)
        r = send_with(launcher_fd, "", 1, fds + i, n - i < FDS_AT_ONCE ? n - i : FDS_AT_ONCE);
    free(bytes);
    return r;
}

int upgrade_launch(const int *fds, size_t n, const char *names, int *channel, char *why,
                   size_t why_size)
{
    int ends[2];

    *channel = -1;
    if (launcher_fd < 0 || n > INHERIT_MAX || strlen(names) > NAMES_MAX) {
        snprintf(why, why_size, "%s",
                 launcher_fd < 0 ? "the process that would start it could not be started"
                                 : "there are too many listening sockets");
        return DIVE_E_STATE;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        snprintf(why, why_size, "%s", strerror(errno));
        return DIVE_E_STATE;
    }
    if (send_request(fds, n, names, ends[1]) != 0) {
        snprintf(why, why_size, "the process that would start it is gone: %s", strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return DIVE_E_STATE;
    }
    close(ends[1]);
    *channel = ends[0];
    return 0;
}

/* ---- the channel ---- */

int upgrade_channel(void)
{
    const char *text = getenv(CHANNEL_VARIABLE);
    int fd = text != NULL ? atoi(text) : -1, type = 0;
    socklen_t size = sizeof(type);

    unsetenv(CHANNEL_VARIABLE);
    if (fd < FIRST_FD || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_SEQPACKET || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return -1;
    return fd;
}

int upgrade_send(int channel, const char *format, ...)
{
    char text[UPGRADE_MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return send_with(channel, text, strlen(text), NULL, 0);
}

int upgrade_receive(int channel, char out[UPGRADE_MESSAGE_MAX], int timeout_ms)
{
    struct pollfd wait = {.fd = channel, .events = POLLIN};
    ssize_t n;
    int r;

    out[0] = '\0';
    do
        r = poll(&wait, 1, timeout_ms);
    while (r < 0 && errno == EINTR);
    if (r <= 0)
        return -1;
    n = recv(channel, out, UPGRADE_MESSAGE_MAX - 1, MSG_DONTWAIT);
    if (n <= 0) {
        out[0] = '\0';
        return 0;
    }
    out[n] = '\0';
    return (int)n;
}
