/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log: lines are put together here; log_writer.c has them written. See log_sink.h for the files of
 * it.
 *
 * What isn't taken is counted, and said once a minute as soon as the error log takes lines again.
 */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log_sink.h"

#define LINE_MAX_BYTES 4096    /* of the error log, newline included */
#define MESSAGE_MAX_BYTES 2048 /* before escaping */
#define WARN_INTERVAL 60       /* seconds */

static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_int access_shape = LOG_SHAPE_JSON;
static atomic_bool access_off = true;
static atomic_ulong reported;                     /* of the lost lines */
static atomic_llong last_report = -WARN_INTERVAL; /* CLOCK_MONOTONIC, seconds */

/* A reload by divectl opens logs on the admin's thread, SIGUSR1 reopens them on the main one. Taken
 * before the locks of log_writer.c, whose thread never takes it. */
static pthread_mutex_t target_lock = PTHREAD_MUTEX_INITIALIZER;
static char *access_target, *error_target; /* what runs, for log_reopen() */

/* ---- opening ---- */

static int remember(char **target, const char *now)
{
    char *copy = now != NULL ? strdup(now) : NULL;

    if (now != NULL && copy == NULL)
        return -1;
    free(*target);
    *target = copy;
    return 0;
}

static void swap(enum log_stream stream, struct log_sink *opened)
{
    log_writer_swap(stream, opened);
    log_sink_close(opened);
}

static int open_targets(const char *access_path, const char *error_path)
{
    struct log_sink access_sink, error_sink = {.fd = -1};
    int r = -1;

    if (log_sink_open(&access_sink, access_path, STDOUT_FILENO) ||
        log_sink_open(&error_sink, error_path ? error_path : "-", STDERR_FILENO) ||
        remember(&access_target, access_path) || remember(&error_target, error_path))
        goto out;
    log_flush(); /* what was logged before goes where it was meant to go */
    atomic_store(&access_off, access_path == NULL);
    atomic_store(&access_shape,
                 access_sink.kind == SINK_JOURNALD ? LOG_SHAPE_JOURNALD : LOG_SHAPE_JSON);
    swap(LOG_STREAM_ACCESS, &access_sink);
    swap(LOG_STREAM_ERROR, &error_sink);
    r = 0;
out:
    if (r != 0) {
        log_sink_close(&access_sink);
        log_sink_close(&error_sink);
    }
    return r;
}

int log_open(const char *access_path, const char *error_path)
{
    int r;

    pthread_mutex_lock(&target_lock);
    r = open_targets(access_path, error_path);
    pthread_mutex_unlock(&target_lock);
    return r;
}

static int reopen_targets(void)
{
    char *access_path = access_target, *error_path = error_target;
    int r;

    access_target = error_target = NULL; /* open_targets() takes copies, and frees what it finds */
    r = open_targets(access_path, error_path);
    if (r == 0) {
        free(access_path);
        free(error_path);
        return 0;
    }
    free(access_target);
    access_target = access_path;
    error_target = error_path;
    return r;
}

int log_reopen(void)
{
    int r;

    pthread_mutex_lock(&target_lock);
    r = reopen_targets();
    pthread_mutex_unlock(&target_lock);
    return r;
}

void log_close(void)
{
    struct log_sink off = {.fd = -1};
    struct log_sink standard = {.fd = STDERR_FILENO, .kind = SINK_POLL};

    log_flush();
    log_stop_writer();
    pthread_mutex_lock(&target_lock);
    atomic_store(&access_off, true);
    swap(LOG_STREAM_ACCESS, &off);
    swap(LOG_STREAM_ERROR, &standard);
    (void)!remember(&access_target, NULL);
    (void)!remember(&error_target, NULL);
    pthread_mutex_unlock(&target_lock);
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

static void write_line(enum log_level level, const char *area, const char *message, bool cut)
{
    char line[LINE_MAX_BYTES];
    size_t room = sizeof(line) - sizeof("...");
    size_t n = put_stamp(line, sizeof(line)), text;
    struct log_line out = {.p = line, .level = (uint8_t)level, .stream = LOG_STREAM_ERROR};

    n += (size_t)snprintf(line + n, sizeof(line) - n, "%s ", level_words[level]);
    text = n;
    cut |= !put_escaped(line, room, &n, area) || !put_escaped(line, room, &n, ": ") ||
           !put_escaped(line, room, &n, message);
    if (cut) {
        memcpy(line + n, "...", 3);
        n += 3;
    }
    line[n++] = '\n';
    out.n = (uint32_t)n;
    out.text = (uint16_t)text;
    log_writer_put(&out);
}

/* One thread of those that come here at a time. */
void log_report_losses(void)
{
    int access_why, error_why;
    unsigned long access_lost = log_writer_lost(LOG_STREAM_ACCESS, &access_why);
    unsigned long lost = access_lost + log_writer_lost(LOG_STREAM_ERROR, &error_why);
    long long last = atomic_load(&last_report);
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
             lost - before, strerror(access_why ? access_why : error_why));
    write_line(LOG_LEVEL_WARNING, "log", message, false);
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
    log_report_losses();
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

enum log_shape log_access_shape(void)
{
    return (enum log_shape)atomic_load_explicit(&access_shape, memory_order_relaxed);
}

void log_access_entry(const char *line, size_t n, enum log_shape shape, enum log_level level)
{
    struct log_line out = {.p = line,
                           .n = (uint32_t)n,
                           .level = (uint8_t)level,
                           .shape = (uint8_t)shape,
                           .stream = LOG_STREAM_ACCESS};
    int saved = errno;

    if (atomic_load_explicit(&access_off, memory_order_relaxed) || shape != log_access_shape())
        return; /* it has changed meanwhile */
    log_writer_put(&out);
    if (log_lost_lines() != atomic_load_explicit(&reported, memory_order_relaxed))
        log_report_losses();
    errno = saved;
}

void log_access(const char *line, size_t n)
{
    log_access_entry(line, n, LOG_SHAPE_JSON, LOG_LEVEL_INFO);
}

unsigned long log_lost_lines(void)
{
    int why;

    return log_writer_lost(LOG_STREAM_ACCESS, &why) + log_writer_lost(LOG_STREAM_ERROR, &why);
}
