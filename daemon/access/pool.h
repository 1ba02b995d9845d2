/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: a few threads for what is slow by design (password hashes) or waits for a disk (the replay
 * cache of Kerberos), so that no worker's loop waits for it. They yield to the workers (nice), are
 * started when they are first needed, and their queue is bounded.
 *
 *      submit() -> QUEUED -> RUNNING (work(), pool's thread) -> DONE -> done(), worker's thread
 *                    `----------`----------- cancel() -----------`--> release(), any thread
 */
#ifndef DIVED_ACCESS_POOL_H
#define DIVED_ACCESS_POOL_H

#include "worker/worker.h"

#define ACCESS_POOL_QUEUE 1024 /* jobs that wait */
#define ACCESS_POOL_SHARE 256  /* of them, of one client */

struct access_pool;

enum access_job_state {
    ACCESS_JOB_NEW = 0,
    ACCESS_JOB_QUEUED,
    ACCESS_JOB_RUNNING,
    ACCESS_JOB_ORPHAN, /* running, and nobody waits for it any more */
    ACCESS_JOB_DONE,
};

/* Embedded first in what is to be done; zeroed, with the members before `pool` set. */
struct access_job {
    struct worker *worker;                   /* who asks */
    void (*work)(struct access_job *job);    /* by a thread of the pool */
    void (*done)(struct access_job *job);    /* by the worker's thread, once; the job is its */
    void (*release)(struct access_job *job); /* frees a cancelled one */
    uint64_t client;                         /* whose it is: equal for equal clients */

    struct access_pool *pool;
    enum access_job_state state;
    TAILQ_ENTRY(access_job) link;
    struct worker_post post;
};

int access_pool_new(struct access_pool **out) DIVE_MUST_USE;
/* Waits for what runs. No worker may be left; what is queued was cancelled. */
void access_pool_free(struct access_pool **pool);
/* The same, but what runs is waited for until `within_ms` have passed. False: some of it still
 * does, in memory that stays its own. The process then has to end by _exit(): the destructors of
 * libraries would pull them from under that thread. */
bool access_pool_leave(struct access_pool **pool, int64_t within_ms) DIVE_MUST_USE;

/* DIVE_E_LIMIT: too many wait, of all clients or of this one; DIVE_E_NOMEM: no thread could be
 * started. The job is the caller's then. Otherwise `done` is called later, or the job is cancelled.
 */
int access_pool_submit(struct access_pool *pool, struct access_job *job) DIVE_MUST_USE;
/* In the worker's thread, before `done` was called; NULLs *job. `release` may come at once, or
 * later from a thread of the pool. */
void access_pool_cancel(struct access_job **job);

#endif
