/* SPDX-License-Identifier: BSD-2-Clause
 *
 * log_writer: between who logs and what is written to. Without the thread (divectl, the start, unit
 * tests) a line is written at once, or lost. With it a line is copied into a queue of bounded size,
 * so that no disk, pipe or peer ever makes a worker wait; what doesn't fit is counted and dropped.
 *
 * The thread is woken by the first line of a batch and then waits a moment for more: one wake-up
 * and one write for many lines. A line of the error log is not kept waiting.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log_sink.h"

#define QUEUE_MAX ((size_t)4 << 20) /* bytes of each log */
#define GATHER_MS 10
#define RETRY_MS 20 /* of what would have had to wait */
#define FLUSH_MS 2000
#define LINES_AT_ONCE 256
#define SAY_SECONDS 10 /* between two lines about one log that comes and goes */

/* In the queue each line follows its header. */
struct queue {
    char *bytes;
    size_t used, room;
};

struct stream {
    pthread_mutex_t lock; /* of the sink */
    struct log_sink sink;
    struct queue pending; /* under queue_lock */
    struct queue writing; /* the thread's alone */
    size_t written;       /* of `writing` */
};

static struct stream streams[LOG_STREAMS] = {
    [LOG_STREAM_ACCESS] = {.lock = PTHREAD_MUTEX_INITIALIZER, .sink = {.fd = -1}},
    [LOG_STREAM_ERROR] = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .sink = {.fd = STDERR_FILENO, .kind = SINK_POLL}},
};
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_wake = PTHREAD_COND_INITIALIZER; /* the thread */
static pthread_cond_t queue_idle = PTHREAD_COND_INITIALIZER; /* who flushes */
static pthread_t thread;
static bool has_thread, stopping, is_idle; /* under queue_lock */
static unsigned urgent;                    /* lines that aren't to wait; under queue_lock */

/* ---- the queue; locked ---- */

static bool queue_add(struct queue *queue, const struct log_line *line)
{
    size_t want = queue->used + sizeof(*line) + line->n;

    if (want > QUEUE_MAX)
        return false;
    if (want > queue->room) {
        size_t room = want * 2 < 65536 ? 65536 : want * 2;
        char *grown = realloc(queue->bytes, room);

        if (grown == NULL)
            return false;
        queue->bytes = grown;
        queue->room = room;
    }
    memcpy(queue->bytes + queue->used, line, sizeof(*line));
    memcpy(queue->bytes + queue->used + sizeof(*line), line->p, line->n);
    queue->used = want;
    return true;
}

/* Up to LINES_AT_ONCE lines from *at on, which is moved behind them. */
static size_t queue_read(const struct queue *queue, size_t *at, struct log_line *lines)
{
    size_t n = 0;

    while (n < LINES_AT_ONCE && *at < queue->used) {
        struct log_line *line = &lines[n++];

        memcpy(line, queue->bytes + *at, sizeof(*line));
        line->p = queue->bytes + *at + sizeof(*line);
        *at += sizeof(*line) + line->n;
    }
    return n;
}

/* ---- writing ---- */

/* A sink that lost lines takes them again: how many it were, if that is to be said now. Locked. */
static unsigned long recovered(struct log_sink *sink, int *why)
{
    unsigned long lost = atomic_load(&sink->lost), n = lost - sink->lost_at_good;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (n == 0 || (sink->said_at != 0 && now.tv_sec - sink->said_at < SAY_SECONDS))
        return 0;
    sink->lost_at_good = lost;
    sink->said_at = now.tv_sec;
    *why = atomic_load(&sink->why);
    return n;
}

/* False: the rest has to wait. */
static bool write_stream(struct stream *stream, bool may_wait)
{
    struct log_line lines[LINES_AT_ONCE];
    unsigned long back = 0;
    bool all = true;
    int why = 0;

    pthread_mutex_lock(&stream->lock);
    while (all && stream->written < stream->writing.used) {
        unsigned long lost = atomic_load(&stream->sink.lost);
        size_t at = stream->written, done, n = queue_read(&stream->writing, &at, lines);

        done = log_sink_write(&stream->sink, lines, n, may_wait);
        all = done == n;
        for (size_t i = 0; i < done; i++)
            stream->written += sizeof(lines[i]) + lines[i].n;
        if (done > 0 && atomic_load(&stream->sink.lost) == lost && stream->sink.fd >= 0)
            back += recovered(&stream->sink, &why);
    }
    pthread_mutex_unlock(&stream->lock);
    if (back > 0)
        log_warning("log", "the %s log takes lines again; %lu were lost (%s)",
                    stream == &streams[LOG_STREAM_ACCESS] ? "access" : "error", back,
                    strerror(why));
    return all;
}

/* ---- the thread ---- */

static void wait_ms(pthread_cond_t *condition, int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(condition, &queue_lock, &until);
}

static bool is_empty(void)
{
    return streams[LOG_STREAM_ACCESS].pending.used == 0 &&
           streams[LOG_STREAM_ERROR].pending.used == 0;
}

/* Waits for lines and takes them. False: there are none, and there will be none. */
static bool take_lines(bool waiting)
{
    pthread_mutex_lock(&queue_lock);
    if (waiting)
        wait_ms(&queue_wake, RETRY_MS);
    while (!waiting && is_empty() && !stopping) {
        is_idle = true;
        pthread_cond_broadcast(&queue_idle);
        pthread_cond_wait(&queue_wake, &queue_lock);
    }
    is_idle = false;
    if (!waiting && urgent == 0 && !stopping)
        wait_ms(&queue_wake, GATHER_MS);
    urgent = 0;
    for (unsigned i = 0; i < LOG_STREAMS; i++) {
        struct stream *stream = &streams[i];
        struct queue empty = stream->writing;

        if (stream->written < stream->writing.used)
            continue; /* there is something left */
        stream->written = 0;
        empty.used = 0;
        stream->writing = stream->pending;
        stream->pending = empty;
    }
    waiting |= !stopping;
    pthread_mutex_unlock(&queue_lock);
    return waiting || streams[0].writing.used > 0 || streams[1].writing.used > 0;
}

static bool is_stopping(void)
{
    bool stop;

    pthread_mutex_lock(&queue_lock);
    stop = stopping;
    pthread_mutex_unlock(&queue_lock);
    return stop;
}

static void *run(void *arg)
{
    bool waiting = false;

    while (take_lines(waiting)) {
        bool may_wait = !is_stopping();

        waiting = false;
        for (unsigned i = 0; i < LOG_STREAMS; i++)
            waiting |= !write_stream(&streams[i], may_wait);
        log_report_losses();
    }
    return NULL;
}

int log_start_writer(void)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&queue_lock);
    r = pthread_create(&thread, NULL, run, NULL);
    has_thread = r == 0;
    stopping = is_idle = false;
    pthread_mutex_unlock(&queue_lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        pthread_setname_np(thread, "dived-log");
    errno = r;
    return r == 0 ? 0 : -1;
}

void log_stop_writer(void)
{
    bool had;

    pthread_mutex_lock(&queue_lock);
    had = has_thread;
    has_thread = false; /* lines that come now are written at once */
    stopping = true;
    pthread_cond_signal(&queue_wake);
    pthread_mutex_unlock(&queue_lock);
    if (had)
        pthread_join(thread, NULL);
    for (unsigned i = 0; i < LOG_STREAMS; i++) {
        free(streams[i].pending.bytes);
        free(streams[i].writing.bytes);
        streams[i].pending = streams[i].writing = (struct queue){0};
        streams[i].written = 0;
    }
}

void log_flush(void)
{
    pthread_mutex_lock(&queue_lock);
    if (has_thread && !pthread_equal(thread, pthread_self())) {
        urgent++;
        pthread_cond_signal(&queue_wake);
        for (int i = 0; i < FLUSH_MS / RETRY_MS && !(is_idle && is_empty()); i++)
            wait_ms(&queue_idle, RETRY_MS);
    }
    pthread_mutex_unlock(&queue_lock);
}

/* ---- for log.c ---- */

void log_writer_put(const struct log_line *line)
{
    struct stream *stream = &streams[line->stream];
    bool queued = false, has, wake;

    pthread_mutex_lock(&queue_lock);
    has = has_thread;
    if (has) {
        wake = is_idle;
        queued = queue_add(&stream->pending, line);
        if (line->stream == LOG_STREAM_ERROR && urgent++ == 0)
            wake = true;
        is_idle = false;
        if (wake)
            pthread_cond_signal(&queue_wake);
    }
    pthread_mutex_unlock(&queue_lock);
    if (queued)
        return;
    if (has) {
        log_sink_count_lost(&stream->sink, 1, EAGAIN);
        return;
    }
    pthread_mutex_lock(&stream->lock);
    (void)log_sink_write(&stream->sink, line, 1, false);
    pthread_mutex_unlock(&stream->lock);
}

void log_writer_swap(enum log_stream which, struct log_sink *opened)
{
    struct stream *stream = &streams[which];
    struct log_sink old;

    pthread_mutex_lock(&stream->lock);
    old = stream->sink;
    opened->lost = old.lost; /* counted on */
    opened->why = old.why;
    opened->lost_at_good = old.lost_at_good;
    opened->said_at = old.said_at;
    stream->sink = *opened;
    *opened = old;
    pthread_mutex_unlock(&stream->lock);
}

unsigned long log_writer_lost(enum log_stream which, int *why)
{
    *why = atomic_load(&streams[which].sink.why);
    return atomic_load(&streams[which].sink.lost);
}
