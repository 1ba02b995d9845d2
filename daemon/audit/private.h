/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The object of audit.c, for its writer's thread too.
 */
#ifndef DIVED_AUDIT_PRIVATE_H
#define DIVED_AUDIT_PRIVATE_H

#include <pthread.h>

#include "audit/audit.h"
#include "audit/store.h"

STAILQ_HEAD(audit_queue, audit_event);

/* What the writer alone touches. */
struct audit_writer {
    struct audit_store *store;
    struct audit_queue batch; /* taken from the queue, not yet committed */
    unsigned n_batch;
    size_t batch_bytes;
    struct counts *counts; /* the same */
    bool has_counts;
    int64_t counts_day;
    bool failing; /* told once */
    uint64_t lost_told;
    int64_t counts_due_ms, head_due_ms, age_due_ms; /* CLOCK_MONOTONIC */
    int64_t wall_ms, mono_ms;                       /* of the last look at the clocks */
    int64_t age_from_ms; /* monotonic: no pruning by age before, a clock has jumped */
    struct chain_link head_told;
};

struct audit {
    char *file; /* NULL: no thread */
    pthread_t thread;
    pthread_cond_t wake;
    pthread_mutex_t lock;         /* of all that follows */
    struct audit_options options; /* without file */
    struct audit_queue queue;
    unsigned n_queue; /* with the writer's batch */
    size_t queue_bytes;
    struct counts *counts;
    struct tops hosts, clients;
    struct audit_recent recent[AUDIT_RECENT];
    unsigned next_recent, n_recent;
    struct chain_link head;
    uint64_t lost;
    bool failing, stopping;

    struct audit_writer writer;
};

/* Monotonic and Unix milliseconds. */
int64_t audit_mono_ms(void);
int64_t audit_wall_ms(void);

/* The thread. */
void *audit_writer_run(void *arg);
/* May rows go by age now? Looks at both clocks: one that jumps must not empty the store. */
bool audit_writer_trusts_clock(struct audit_writer *w, int64_t wall_ms, int64_t mono_ms,
                               int64_t newest_ms, int64_t max_age_ms);

#endif
