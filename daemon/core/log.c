/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log: two sinks, each a descriptor with a lock around its one write a line.
 *
 * No line may ever stop the service. Files and pipes are written without waiting where the system
 * allows it: what we open ourselves is opened nonblocking; standard output that is a pipe or
 * terminal is opened anew through /proc, since the flag would otherwise reach every process that
 * shares it; a socket is sent to with MSG_DONTWAIT; whatever is left is asked with poll() first.
 * What isn't taken is counted, and said once a minute as soon as the error log takes lines again.
 *
 * The process ignores SIGPIPE (main.c): a pipe without reader is EPIPE here, and a loss like
 * others.
 *
 * A line that went out in part (disk full, pipe full) is closed with a newline before the next one.
 */
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096    /* of the error log, newline included */
#define MESSAGE_MAX_BYTES 2048 /* before escaping */
#define WARN_INTERVAL 60       /* seconds */
#define FILE_MODE 0640         /* URLs are nobody else's business */

enum sink_way {
    SINK_WRITE = 0, /* it never waits */
    SINK_POLL,      /* ask first */
    SINK_SEND,      /* a socket */
};

struct sink {
    pthread_mutex_t lock;
    int fd; /* -1: off */
    bool owned;
    enum sink_way way;
    bool torn; /* the last line lacks its end */
    char *path;
    atomic_ulong lost;
    atomic_int why; /* errno of the last loss */
};

static struct sink access_sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};
static struct sink error_sink = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .way = SINK_POLL};
static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_ulong reported;                     /* of the lost lines */
static atomic_llong last_report = -WARN_INTERVAL; /* CLOCK_MONOTONIC, seconds */

/* ---- one sink ---- */

static ssize_t sink_once(struct sink *sink, const struct iovec *iov, size_t n)
{
    struct pollfd pfd = {.fd = sink->fd, .events = POLLOUT};
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};

    if (sink->way == SINK_SEND)
        return sendmsg(sink->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sink->way == SINK_POLL && (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLOUT))) {
        errno = pfd.revents & (POLLERR | POLLHUP) ? EPIPE : EAGAIN;
        return -1;
    }
    return writev(sink->fd, iov, (int)n);
}

/* False, and counted, unless the whole line went out. */
static bool sink_write(struct sink *sink, const char *line, size_t n)
{
    static const char newline = '\n';
    struct iovec iov[2] = {{(void *)(uintptr_t)&newline, 1}, {(void *)(uintptr_t)line, n}};
    bool whole = true;

    pthread_mutex_lock(&sink->lock);
    if (sink->fd >= 0) {
        size_t skip = sink->torn ? 0 : 1;
        size_t want = n + (1 - skip);
        ssize_t done;

        do
            done = sink_once(sink, iov + skip, 2 - skip);
        while (done < 0 && errno == EINTR);
        whole = done >= 0 && (size_t)done == want;
        if (done > 0)
            sink->torn = !whole;
        if (!whole) {
            atomic_store_explicit(&sink->why, done < 0 ? errno : ENOSPC, memory_order_relaxed);
            atomic_fetch_add_explicit(&sink->lost, 1, memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&sink->lock);
    return whole;
}

/* ---- opening ---- */

/* Standard output or error, in a way that can't make us wait. */
static int open_standard(int standard, enum sink_way *way, bool *owned)
{
    char name[32];
    struct stat st;
    int fd;

    *way = SINK_POLL;
    *owned = false;
    if (fstat(standard, &st))
        return -1;
    if (S_ISSOCK(st.st_mode))
        *way = SINK_SEND;
    if (S_ISREG(st.st_mode))
        *way = SINK_WRITE; /* and its offset is shared with whoever opened it: no second opening */
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return standard;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", standard);
    fd = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return standard;
    *way = SINK_WRITE;
    *owned = true;
    return fd;
}

static int open_path(const char *path, int standard, enum sink_way *way, bool *owned)
{
    if (strcmp(path, "-") == 0)
        return open_standard(standard, way, owned);
    *way = SINK_WRITE;
    *owned = true;
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, FILE_MODE);
}

/* What a sink will be, opened before anything of the old one is touched. */
struct opening {
    int fd;
    bool owned;
    enum sink_way way;
    char *path;
};

static int opening_make(struct opening *opening, const char *path, int standard)
{
    *opening = (struct opening){.fd = -1};
    if (!path)
        return 0;
    opening->path = strdup(path);
    if (!opening->path)
        return -1;
    opening->fd = open_path(path, standard, &opening->way, &opening->owned);
    return opening->fd < 0 ? -1 : 0;
}

static void opening_drop(struct opening *opening)
{
    int saved = errno;

    if (opening->fd >= 0 && opening->owned)
        close(opening->fd);
    free(opening->path);
    errno = saved;
}

/* The sink takes what was opened; what it had is left in `opening`. */
static void sink_swap(struct sink *sink, struct opening *opening)
{
    struct opening old;

    pthread_mutex_lock(&sink->lock);
    old = (struct opening){sink->fd, sink->owned, sink->way, sink->path};
    sink->fd = opening->fd;
    sink->owned = opening->owned;
    sink->way = opening->way;
    sink->path = opening->path;
    sink->torn = false;
    pthread_mutex_unlock(&sink->lock);
    *opening = old;
}

int log_open(const char *access_path, const char *error_path)
{
    struct opening access_opening, error_opening = {.fd = -1};
    int r = -1;

    if (opening_make(&access_opening, access_path, STDOUT_FILENO))
        goto out;
    if (opening_make(&error_opening, error_path ? error_path : "-", STDERR_FILENO))
        goto out;
    sink_swap(&access_sink, &access_opening);
    sink_swap(&error_sink, &error_opening);
    r = 0;
out:
    opening_drop(&access_opening);
    opening_drop(&error_opening);
    return r;
}

/* Paths change in log_open() alone, which the same thread calls: reading them needs no lock. */
int log_reopen(void)
{
    return log_open(access_sink.path, error_sink.path);
}

void log_close(void)
{
    struct opening off = {.fd = -1};
    struct opening standard = {.fd = STDERR_FILENO, .way = SINK_POLL};

    sink_swap(&access_sink, &off);
    opening_drop(&off);
    sink_swap(&error_sink, &standard);
    opening_drop(&standard);
}

/* ---- lines of the error log ---- */

static const char *const level_words[] = {"error", "warning", "info", "debug"};

static size_t put_stamp(char *out, size_t size)
{
    struct timespec now;
    struct tm tm;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &tm))
        memset(&tm, 0, sizeof(tm));
    n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    return n + (size_t)snprintf(out + n, size - n, ".%03ldZ ", now.tv_nsec / 1000000);
}

/* Control bytes, and what isn't ASCII (it may be a terminal's control too), as \xHH; the backslash
 * is doubled, so that nothing in a message can look like an escape of ours. False when `out` is
 * full. */
static bool put_escaped(char *out, size_t size, size_t *used, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char escape[8];
        int n;

        if (c == '\\')
            n = snprintf(escape, sizeof(escape), "\\\\");
        else if (c < 0x20 || c > 0x7e)
            n = snprintf(escape, sizeof(escape), "\\x%02x", c);
        else
            n = snprintf(escape, sizeof(escape), "%c", c);
        if (*used + (size_t)n > size)
            return false;
        memcpy(out + *used, escape, (size_t)n);
        *used += (size_t)n;
    }
    return true;
}

static bool write_line(enum log_level level, const char *area, const char *message, bool cut)
{
    char line[LINE_MAX_BYTES];
    size_t room = sizeof(line) - sizeof("...");
    size_t n = put_stamp(line, sizeof(line));

    n += (size_t)snprintf(line + n, sizeof(line) - n, "%s ", level_words[level]);
    cut |= !put_escaped(line, room, &n, area) || !put_escaped(line, room, &n, ": ") ||
           !put_escaped(line, room, &n, message);
    if (cut) {
        memcpy(line + n, "...", 3);
        n += 3;
    }
    line[n++] = '\n';
    return sink_write(&error_sink, line, n);
}

/* Says what was lost, once a minute; one thread of those that come here at a time. */
static void report_losses(void)
{
    unsigned long lost = log_lost_lines();
    long long last = atomic_load(&last_report);
    int why = atomic_load(&access_sink.why);
    struct timespec now;
    char message[160];
    unsigned long before;

    if (lost == atomic_load(&reported))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - last < WARN_INTERVAL ||
        !atomic_compare_exchange_strong(&last_report, &last, (long long)now.tv_sec))
        return;
    before = atomic_exchange(&reported, lost);
    snprintf(message, sizeof(message), "%lu lines of the logs could not be written (%s)",
             lost - before, strerror(why ? why : atomic_load(&error_sink.why)));
    if (!write_line(LOG_LEVEL_WARNING, "log", message, false))
        atomic_store(&reported, before); /* said again in a minute */
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
    char message[MESSAGE_MAX_BYTES];
    int saved = errno;
    va_list ap;
    int n;

    if (!log_enabled(level))
        return;
    va_start(ap, format);
    n = vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    if (n < 0)
        snprintf(message, sizeof(message), "(unprintable message)");
    write_line(level, area, message, n >= (int)sizeof(message));
    report_losses();
    errno = saved;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

void log_access(const char *line, size_t n)
{
    int saved = errno;

    if (!sink_write(&access_sink, line, n))
        report_losses();
    errno = saved;
}

unsigned long log_lost_lines(void)
{
    return atomic_load(&access_sink.lost) + atomic_load(&error_sink.lost);
}
