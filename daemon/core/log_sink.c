/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log_sink: a descriptor and how it is written to.
 *
 * No line may ever stop the service. Files and pipes are written without waiting where the system
 * allows it: what we open ourselves is opened nonblocking; standard output that is a pipe or
 * terminal is opened anew through /proc, since the flag would otherwise reach every process that
 * shares it; a socket is sent to with MSG_DONTWAIT; whatever is left is asked with poll() first.
 *
 * The process ignores SIGPIPE (main.c): a pipe without reader is EPIPE here, and a loss like
 * others.
 *
 * A line that went out in part (disk full, pipe full) is closed with a newline before the next one.
 */
#include "core/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640 /* URLs are nobody else's business */
#define LINES_AT_ONCE 256

/* ---- opening ---- */

/* Standard output or error, in a way that can't make us wait. */
static int open_standard(int standard, enum sink_kind *kind, bool *owned)
{
    char name[32];
    struct stat st;
    int fd;

    *kind = SINK_POLL;
    *owned = false;
    if (fstat(standard, &st))
        return -1;
    if (S_ISSOCK(st.st_mode))
        *kind = SINK_SEND;
    if (S_ISREG(st.st_mode))
        *kind = SINK_WRITE; /* its offset is shared with whoever opened it: no second opening */
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return standard;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", standard);
    fd = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return standard;
    *kind = SINK_WRITE;
    *owned = true;
    return fd;
}

static int open_path(struct log_sink *out, const char *path, int standard)
{
    struct stat st;

    if (strcmp(path, "-") == 0) {
        out->fd = open_standard(standard, &out->kind, &out->owned);
    } else {
        out->kind = SINK_WRITE;
        out->owned = true;
        out->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
                       FILE_MODE);
    }
    if (out->fd < 0)
        return -1;
    /* Other processes may write to the same pipe, and what is longer is torn apart by theirs. */
    out->at_once = fstat(out->fd, &st) == 0 && S_ISREG(st.st_mode) ? SIZE_MAX : PIPE_BUF;
    return 0;
}

int log_sink_open(struct log_sink *out, const char *target, int standard)
{
    *out = (struct log_sink){.fd = -1};
    if (target == NULL)
        return 0;
    out->target = strdup(target);
    if (out->target == NULL)
        return -1;
    return log_target_is_remote(target) ? log_remote_open(out, target)
                                        : open_path(out, target, standard);
}

void log_sink_close(struct log_sink *sink)
{
    int saved = errno;

    if (sink->fd >= 0 && sink->owned)
        close(sink->fd);
    free(sink->target);
    *sink = (struct log_sink){.fd = -1};
    errno = saved;
}

/* ---- writing ---- */

void log_sink_count_lost(struct log_sink *sink, unsigned long n, int why)
{
    atomic_store_explicit(&sink->why, why, memory_order_relaxed);
    atomic_fetch_add_explicit(&sink->lost, n, memory_order_relaxed);
}

static ssize_t write_once(struct log_sink *sink, const struct iovec *iov, size_t n)
{
    struct pollfd pfd = {.fd = sink->fd, .events = POLLOUT};
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
    ssize_t done;

    if (sink->kind == SINK_POLL && (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLOUT))) {
        errno = pfd.revents & (POLLERR | POLLHUP) ? EPIPE : EAGAIN;
        return -1;
    }
    do {
        if (sink->kind == SINK_SEND)
            done = sendmsg(sink->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            done = writev(sink->fd, iov, (int)n);
    } while (done < 0 && errno == EINTR);
    return done;
}

/* How many lines go into one write. */
static size_t fitting(const struct log_sink *sink, const struct log_line *lines, size_t n)
{
    size_t bytes = 0, i;

    for (i = 0; i < n && i < LINES_AT_ONCE; i++) {
        if (i > 0 && bytes + lines[i].n > sink->at_once)
            break;
        bytes += lines[i].n;
    }
    return i;
}

/* Done with how many of the lines: those that went out whole, and one that went out in part, which
 * is lost. */
static size_t count_done(struct log_sink *sink, const struct log_line *lines, size_t n, size_t done)
{
    size_t i = 0;

    if (sink->torn && done > 0) {
        sink->torn = false;
        done--;
    }
    while (i < n && done >= lines[i].n)
        done -= lines[i++].n;
    if (i < n && done > 0) {
        sink->torn = true;
        log_sink_count_lost(sink, 1, ENOSPC);
        i++;
    }
    return i;
}

static size_t write_some(struct log_sink *sink, const struct log_line *lines, size_t n)
{
    static const char newline = '\n';
    struct iovec iov[LINES_AT_ONCE + 1];
    size_t at = 0;
    ssize_t done;

    if (sink->torn)
        iov[at++] = (struct iovec){(void *)(uintptr_t)&newline, 1};
    for (size_t i = 0; i < n; i++)
        iov[at++] = (struct iovec){(void *)(uintptr_t)lines[i].p, lines[i].n};
    done = write_once(sink, iov, at);
    return done > 0 ? count_done(sink, lines, n, (size_t)done) : 0;
}

size_t log_sink_write(struct log_sink *sink, const struct log_line *lines, size_t n, bool may_wait)
{
    size_t at = 0;

    if (sink->kind == SINK_JOURNALD || sink->kind == SINK_SYSLOG)
        return log_remote_write(sink, lines, n, may_wait);
    if (sink->fd < 0)
        return n;
    while (at < n) {
        size_t done = write_some(sink, lines + at, fitting(sink, lines + at, n - at));

        at += done;
        if (done > 0)
            continue;
        if (errno == EAGAIN && may_wait)
            return at;
        log_sink_count_lost(sink, n - at, errno);
        return n;
    }
    return at;
}
