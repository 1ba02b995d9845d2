/* SPDX-License-Identifier: BSD-2-Clause
 *
 * writer: the thread that writes the audit store. It takes what is queued, writes it in one
 * transaction, prunes, and logs the chain's head. A failure keeps the batch and is tried again;
 * meanwhile the queue fills, and what it can't take is lost, counted, and said when it is over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "audit/private.h"
#include "core/log.h"

#define WRITER_BATCH 256     /* events of one transaction */
#define WRITER_GATHER_MS 100 /* after the first event: others come along */
#define WRITER_RETRY_MS 1000
#define WRITER_COUNTS_MS 10000
#define WRITER_AGE_MS 60000
#define WRITER_SEGMENTS 8      /* pruned in a row before events have their turn */
#define WRITER_JUMP_MS 3600000 /* two clocks that differ by more: one has jumped */
#define WRITER_DISTRUST_MS 86400000
#define WRITER_MS_A_DAY 86400000

/* With the lock. */
static void writer_wait(struct audit *audit, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    if (!audit->stopping)
        (void)pthread_cond_timedwait(&audit->wake, &audit->lock, &until);
}

static int64_t writer_next_due(const struct audit_writer *w)
{
    int64_t due = w->counts_due_ms;

    if (w->age_due_ms < due)
        due = w->age_due_ms;
    if (w->head_due_ms > 0 && w->head_due_ms < due)
        due = w->head_due_ms;
    return due;
}

/* Waits for something to do, and takes it. True: the daemon ends, and this is the last turn. */
static bool writer_take(struct audit *audit)
{
    struct audit_writer *w = &audit->writer;
    struct audit_event *event;
    bool stopping;

    pthread_mutex_lock(&audit->lock);
    if (w->failing) {
        int64_t until = audit_mono_ms() + WRITER_RETRY_MS;

        while (!audit->stopping && audit_mono_ms() < until)
            writer_wait(audit, until);
    } else {
        while (!audit->stopping && STAILQ_EMPTY(&audit->queue) && w->n_batch == 0 &&
               audit_mono_ms() < writer_next_due(w))
            writer_wait(audit, writer_next_due(w));
        if (!audit->stopping && audit->n_queue < WRITER_BATCH) {
            int64_t until = audit_mono_ms() + WRITER_GATHER_MS;

            while (!audit->stopping && audit_mono_ms() < until && audit->n_queue < WRITER_BATCH)
                writer_wait(audit, until);
        }
    }
    while (w->n_batch < WRITER_BATCH && (event = STAILQ_FIRST(&audit->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&audit->queue, link);
        STAILQ_INSERT_TAIL(&w->batch, event, link);
        w->n_batch++;
        w->batch_bytes += event->bytes;
    }
    stopping = audit->stopping;
    if (!w->has_counts && (stopping || audit_mono_ms() >= w->counts_due_ms)) {
        struct counts *full = audit->counts;

        audit->counts = w->counts; /* cleared after its last write */
        w->counts = full;
        w->counts_day = audit_wall_ms() / WRITER_MS_A_DAY;
        w->has_counts = full->used > 0;
        w->counts_due_ms = audit_mono_ms() + WRITER_COUNTS_MS;
    }
    pthread_mutex_unlock(&audit->lock);
    return stopping;
}

static int writer_write(struct audit_writer *w)
{
    struct audit_event *event;
    int r;

    if (w->n_batch == 0 && !w->has_counts && audit_store_is_attached(w->store))
        return 0;
    r = audit_store_begin(w->store);
    if (r != 0)
        return r;
    STAILQ_FOREACH(event, &w->batch, link)
    {
        audit_event_derive(event);
        r = audit_store_append(w->store, event);
        if (r != 0)
            break;
    }
    if (r == 0 && w->has_counts)
        r = audit_store_count(w->store, w->counts_day, w->counts);
    if (r == 0)
        return audit_store_commit(w->store);
    audit_store_rollback(w->store);
    return r;
}

/* What is in the batch is in the store, or is given up. */
static void writer_drop_batch(struct audit *audit)
{
    struct audit_writer *w = &audit->writer;
    struct audit_event *event;

    pthread_mutex_lock(&audit->lock);
    audit->n_queue -= w->n_batch;
    audit->queue_bytes -= w->batch_bytes;
    atomic_store_explicit(&metrics.audit_queue, audit->n_queue, memory_order_relaxed);
    pthread_mutex_unlock(&audit->lock);
    while ((event = STAILQ_FIRST(&w->batch)) != NULL) {
        STAILQ_REMOVE_HEAD(&w->batch, link);
        audit_event_free(&event);
    }
    w->n_batch = 0;
    w->batch_bytes = 0;
    if (w->has_counts)
        counts_clear(w->counts);
    w->has_counts = false;
}

static void writer_tell_lost(struct audit *audit)
{
    struct audit_writer *w = &audit->writer;
    uint64_t lost;

    pthread_mutex_lock(&audit->lock);
    lost = audit->lost;
    pthread_mutex_unlock(&audit->lock);
    if (lost > w->lost_told)
        log_error("audit", "%llu events were lost: they couldn't be written in time",
                  (unsigned long long)(lost - w->lost_told));
    w->lost_told = lost;
}

static void writer_set_failing(struct audit *audit, bool failing)
{
    struct audit_writer *w = &audit->writer;

    if (failing && !w->failing)
        log_error("audit", "%s: %s; events wait in memory, and the service goes on", audit->file,
                  audit_store_why(w->store));
    else if (!failing && w->failing)
        log_info("audit", "%s is written again", audit->file);
    w->failing = failing;
    pthread_mutex_lock(&audit->lock);
    audit->failing = failing;
    pthread_mutex_unlock(&audit->lock);
}

static void writer_measure(struct audit *audit)
{
    struct audit_writer *w = &audit->writer;
    uint64_t bytes, rows;
    int64_t newest;

    audit_store_size(w->store, &bytes, &rows, &newest);
    atomic_store_explicit(&metrics.audit_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&metrics.audit_rows, rows, memory_order_relaxed);
    pthread_mutex_lock(&audit->lock);
    audit_store_head(w->store, &audit->head);
    pthread_mutex_unlock(&audit->lock);
}

bool audit_writer_trusts_clock(struct audit_writer *w, int64_t wall_ms, int64_t mono_ms,
                               int64_t newest_ms, int64_t max_age_ms)
{
    int64_t drift = (wall_ms - w->wall_ms) - (mono_ms - w->mono_ms);
    bool jumped = w->wall_ms != 0 && (drift > WRITER_JUMP_MS || drift < -WRITER_JUMP_MS);

    /* After a start too: is the newest row older than rows may get? */
    if (w->wall_ms == 0 && newest_ms > 0 && max_age_ms > 0 && wall_ms - newest_ms > max_age_ms)
        jumped = true;
    w->wall_ms = wall_ms;
    w->mono_ms = mono_ms;
    if (jumped) {
        w->age_from_ms = mono_ms + WRITER_DISTRUST_MS;
        log_warning("audit", "the clock has jumped: for a day no row goes because of its age");
    }
    return mono_ms >= w->age_from_ms;
}

/* 0, or negative and the store has said why. */
static int writer_prune(struct audit *audit)
{
    struct audit_writer *w = &audit->writer;
    int64_t max_size, max_age, newest, before = 0, now = audit_mono_ms();
    uint64_t pruned = 0, bytes, rows;
    int r;

    pthread_mutex_lock(&audit->lock);
    max_size = audit->options.max_size;
    max_age = audit->options.max_age_ms;
    pthread_mutex_unlock(&audit->lock);
    audit_store_size(w->store, &bytes, &rows, &newest);
    if (now >= w->age_due_ms) {
        int64_t wall = audit_wall_ms();

        w->age_due_ms = now + WRITER_AGE_MS;
        if (audit_writer_trusts_clock(w, wall, now, newest, max_age) && max_age > 0)
            before = wall - max_age;
    } else if (bytes <= (uint64_t)max_size) {
        return 0;
    }
    r = audit_store_prune(w->store, max_size, before, WRITER_SEGMENTS, &pruned);
    if (pruned > 0) {
        metrics_add(&metrics.audit_pruned, pruned);
        log_info("audit", "%llu of the oldest rows went, by audit.max-size or audit.max-age",
                 (unsigned long long)pruned);
    }
    return r;
}

static void writer_tell_head(struct audit *audit, bool last)
{
    struct audit_writer *w = &audit->writer;
    int64_t now = audit_mono_ms(), every;
    struct chain_link head;
    char text[CHAIN_TEXT];

    pthread_mutex_lock(&audit->lock);
    every = audit->options.head_ms;
    pthread_mutex_unlock(&audit->lock);
    if (!last && (every == 0 || now < w->head_due_ms))
        return;
    w->head_due_ms = every > 0 ? now + every : 0;
    audit_store_head(w->store, &head);
    if (head.number == w->head_told.number)
        return;
    w->head_told = head;
    chain_text(&head, text);
    log_info("audit", "head %s", text);
}

/* One attempt. 0 or negative. */
static int writer_turn(struct audit *audit)
{
    struct audit_writer *w = &audit->writer;
    int r = writer_write(w);

    if (r != 0 && audit_store_is_damaged(w->store)) {
        metrics_add(&metrics.audit_errors, 1);
        r = audit_store_restart(w->store);
        if (r == 0)
            r = writer_write(w);
    }
    if (r != 0)
        return r;
    metrics_add(&metrics.audit_events, w->n_batch);
    writer_drop_batch(audit);
    r = writer_prune(audit);
    writer_measure(audit);
    return r;
}

void *audit_writer_run(void *arg)
{
    struct audit *audit = arg;
    struct audit_writer *w = &audit->writer;
    bool last;

    w->counts_due_ms = audit_mono_ms() + WRITER_COUNTS_MS;
    do {
        int r;

        last = writer_take(audit);
        r = writer_turn(audit);
        if (r != 0)
            metrics_add(&metrics.audit_errors, 1);
        writer_set_failing(audit, r != 0);
        if (r == 0) {
            writer_tell_lost(audit);
            writer_tell_head(audit, false);
        }
        /* The end: all that is queued, as long as it can be written. */
        if (last && r == 0) {
            pthread_mutex_lock(&audit->lock);
            last = STAILQ_EMPTY(&audit->queue);
            pthread_mutex_unlock(&audit->lock);
        }
    } while (!last);
    if (w->failing) {
        pthread_mutex_lock(&audit->lock);
        audit->lost += audit->n_queue;
        metrics_add(&metrics.audit_lost, audit->n_queue);
        pthread_mutex_unlock(&audit->lock);
        writer_drop_batch(audit);
    }
    writer_tell_lost(audit);
    writer_tell_head(audit, true);
    return NULL;
}
