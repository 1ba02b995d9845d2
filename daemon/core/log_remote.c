/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log_remote: journald by its native protocol, and syslog (RFC 5424) over a Unix socket, UDP
 * (RFC 5426) or TCP with octet counting (RFC 6587 section 3.4.1).
 *
 * A peer that isn't there costs one attempt to connect a second; a peer that is slow costs the
 * writer's thread at most SEND_MS, and nobody else.
 */
#include <errno.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/log_sink.h"

#define JOURNALD_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET "/dev/log"
#define FACILITY 3 /* system daemons */
#define SEND_MS 200
#define RETRY_MS 1000
#define STAMP_LENGTH 24 /* "2026-11-24T12:00:00.000Z" */
#define HEADER_MAX 400

static const int priorities[] = {3, 4, 6, 7}; /* by enum log_level */

bool log_target_is_remote(const char *target)
{
    return strcmp(target, "journald") == 0 || strncmp(target, "journald:", 9) == 0 ||
           strcmp(target, "syslog") == 0 || strncmp(target, "syslog:", 7) == 0;
}

/* ---- where ---- */

static int set_path(struct log_sink *sink, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&sink->address;

    if (path[0] != '/' || strlen(path) >= sizeof(un->sun_path))
        return -1;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    sink->address_length = sizeof(*un);
    sink->socket_type = SOCK_DGRAM;
    return 0;
}

static int set_network(struct log_sink *sink, const char *text, int type)
{
    int length = sizeof(sink->address);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&sink->address;

    /* The port is at the same place in both families. */
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&sink->address, &length) != 0 ||
        v4->sin_port == 0)
        return -1;
    sink->address_length = (socklen_t)length;
    sink->socket_type = type;
    sink->framed = type == SOCK_STREAM;
    return 0;
}

/* "journald", "journald:/path", "syslog", "syslog:/path", "syslog:udp:ip:port",
 * "syslog:tcp:ip:port" */
static int set_target(struct log_sink *sink, const char *target)
{
    const char *rest = strchr(target, ':');

    sink->kind = target[0] == 'j' ? SINK_JOURNALD : SINK_SYSLOG;
    if (rest == NULL)
        return set_path(sink, sink->kind == SINK_JOURNALD ? JOURNALD_SOCKET : SYSLOG_SOCKET);
    rest++;
    if (sink->kind == SINK_SYSLOG && strncmp(rest, "udp:", 4) == 0)
        return set_network(sink, rest + 4, SOCK_DGRAM);
    if (sink->kind == SINK_SYSLOG && strncmp(rest, "tcp:", 4) == 0)
        return set_network(sink, rest + 4, SOCK_STREAM);
    return set_path(sink, rest);
}

bool log_target_is_known(const char *target)
{
    struct log_sink sink = {.fd = -1};

    return !log_target_is_remote(target) || set_target(&sink, target) == 0;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits at most SEND_MS for `fd`; 0, or -1 with errno. */
static int wait_for(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);

    if (poll(&wait, 1, SEND_MS) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return 0;
    errno = error;
    return -1;
}

static void disconnect(struct log_sink *sink)
{
    int saved = errno;

    if (sink->fd >= 0)
        close(sink->fd);
    sink->fd = -1;
    sink->retry_ms = now_ms() + RETRY_MS;
    errno = saved;
}

/* 0, or -1 with errno set. */
static int connect_now(struct log_sink *sink)
{
    if (sink->fd >= 0)
        return 0;
    if (now_ms() < sink->retry_ms) {
        errno = sink->why != 0 ? sink->why : ENOTCONN;
        return -1;
    }
    sink->fd = socket(sink->address.ss_family, sink->socket_type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sink->fd >= 0 &&
        (connect(sink->fd, (struct sockaddr *)&sink->address, sink->address_length) == 0 ||
         (errno == EINPROGRESS && wait_for(sink->fd) == 0)))
        return 0;
    disconnect(sink);
    return -1;
}

/* A peer that isn't there yet is no fault: services start in any order. */
int log_remote_open(struct log_sink *sink, const char *target)
{
    sink->owned = true;
    if (set_target(sink, target) != 0) {
        errno = EINVAL;
        return -1;
    }
    (void)connect_now(sink);
    return 0;
}

/* ---- what ---- */

/* The parts of one message; `header` is the caller's buffer. */
struct message {
    struct iovec iov[3];
    size_t n, bytes;
};

static void message_add(struct message *m, const char *p, size_t n)
{
    m->iov[m->n++] = (struct iovec){(void *)(uintptr_t)p, n};
    m->bytes += n;
}

/* An access line was put together as journald wants it; one of the error log is a field. */
static void message_for_journald(struct message *m, const struct log_line *line, char *header)
{
    if (line->shape == LOG_SHAPE_JOURNALD) {
        message_add(m, line->p, line->n);
        return;
    }
    snprintf(header, HEADER_MAX, "SYSLOG_IDENTIFIER=dived\nPRIORITY=%d\nDIVED_AREA=%.*s\nMESSAGE=",
             priorities[line->level], (int)strcspn(line->p + line->text, ":\n"),
             line->p + line->text);
    message_add(m, header, strlen(header));
    message_add(m, line->p + line->text, line->n - line->text);
}

static const char *host_name(void)
{
    static char name[256];

    if (name[0] == '\0' && (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0'))
        snprintf(name, sizeof(name), "-");
    return name;
}

/* RFC 5424 section 6. The line's own time is used; it stands at the same place in all of them. */
static void message_for_syslog(struct message *m, const struct log_line *line, bool framed,
                               char *header)
{
    static const size_t json_stamp = sizeof("{\"ts\":\"") - 1;
    bool access = line->stream == LOG_STREAM_ACCESS;
    const char *stamp = line->p + (access ? json_stamp : 0);
    char head[HEADER_MAX - 24];
    size_t length;
    int n = snprintf(head, sizeof(head), "<%d>1 %.*s %s dived %ld %s - ",
                     FACILITY * 8 + priorities[line->level], STAMP_LENGTH, stamp, host_name(),
                     (long)getpid(), access ? "access" : "error");

    length = (size_t)n + line->n - line->text - 1; /* without the newline */
    if (framed)
        snprintf(header, HEADER_MAX, "%zu %s", length, head);
    else
        snprintf(header, HEADER_MAX, "%s", head);
    message_add(m, header, strlen(header));
    message_add(m, line->p + line->text, line->n - line->text - 1);
}

/* ---- sending ---- */

/* Streams: what a message's beginning has gone out of must come, or the framing is lost. */
static int send_rest(struct log_sink *sink, const struct message *m, size_t sent)
{
    for (size_t i = 0; i < m->n; i++) {
        const char *p = m->iov[i].iov_base;
        size_t n = m->iov[i].iov_len;

        if (sent >= n) {
            sent -= n;
            continue;
        }
        p += sent;
        n -= sent;
        sent = 0;
        while (n > 0) {
            ssize_t done = send(sink->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

            if (done < 0 && errno != EAGAIN && errno != EINTR)
                return -1;
            if (done < 0 && wait_for(sink->fd) != 0) {
                errno = ETIMEDOUT;
                return -1;
            }
            p += done > 0 ? done : 0;
            n -= done > 0 ? (size_t)done : 0;
        }
    }
    return 0;
}

/* 0; -1 with errno: EAGAIN, it would have to wait; else it is lost. */
static int send_message(struct log_sink *sink, const struct message *m)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)m->iov, .msg_iovlen = m->n};
    ssize_t sent;

    if (connect_now(sink) != 0)
        return -1;
    do
        sent = sendmsg(sink->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EMSGSIZE))
        return -1;
    if (sent >= 0 && ((size_t)sent == m->bytes || send_rest(sink, m, (size_t)sent) == 0))
        return 0;
    disconnect(sink);
    return -1;
}

size_t log_remote_write(struct log_sink *sink, const struct log_line *lines, size_t n,
                        bool may_wait)
{
    for (size_t i = 0; i < n; i++) {
        const struct log_line *line = &lines[i];
        char header[HEADER_MAX];
        struct message m = {.n = 0};
        bool fits = (line->shape == LOG_SHAPE_JOURNALD) <= (sink->kind == SINK_JOURNALD);

        if (sink->kind == SINK_JOURNALD)
            message_for_journald(&m, line, header);
        else if (fits)
            message_for_syslog(&m, line, sink->framed, header);
        if (fits && send_message(sink, &m) == 0)
            continue;
        if (fits && errno == EAGAIN && may_wait)
            return i;
        log_sink_count_lost(sink, 1, fits ? errno : EINVAL);
    }
    return n;
}
