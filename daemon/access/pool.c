/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: see pool.h. A worker that ends has cancelled its jobs before, so a job that is done always
 * finds its worker.
 */
#include "access/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define POOL_THREADS 2
#define POOL_NICE 5

TAILQ_HEAD(access_queue, access_job);

struct access_pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct access_queue queue;
    unsigned queued;
    unsigned threads;
    bool ending;
    pthread_t thread[POOL_THREADS];
};

int access_pool_new(struct access_pool **out)
{
    struct access_pool *pool = calloc(1, sizeof(*pool));

    *out = pool;
    if (pool == NULL)
        return DIVE_E_NOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    TAILQ_INIT(&pool->queue);
    return 0;
}

static void pool_tell(struct worker_post *post)
{
    struct access_job *job =
        (struct access_job *)((char *)post - offsetof(struct access_job, post));

    job->done(job);
}

/* Locked. */
static void pool_run(struct access_pool *pool, struct access_job *job)
{
    TAILQ_REMOVE(&pool->queue, job, link);
    pool->queued--;
    job->state = ACCESS_JOB_RUNNING;
    pthread_mutex_unlock(&pool->lock);
    job->work(job);
    pthread_mutex_lock(&pool->lock);
    if (job->state == ACCESS_JOB_ORPHAN) {
        job->release(job);
        return;
    }
    job->state = ACCESS_JOB_DONE;
    job->post.fn = pool_tell;
    worker_post(job->worker, &job->post);
}

static void *pool_thread(void *arg)
{
    struct access_pool *pool = arg;
    struct access_job *job;

    /* On Linux this is the thread's own. */
    (void)setpriority(PRIO_PROCESS, 0, POOL_NICE);
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending) {
        job = TAILQ_FIRST(&pool->queue);
        if (job == NULL)
            pthread_cond_wait(&pool->wanted, &pool->lock);
        else
            pool_run(pool, job);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Locked. Is there room for one more of this client's? The queue is short enough to be counted. */
static bool pool_has_room(const struct access_pool *pool, uint64_t client)
{
    const struct access_job *job;
    unsigned own = 0;

    if (pool->queued >= ACCESS_POOL_QUEUE || pool->ending)
        return false;
    TAILQ_FOREACH (job, &pool->queue, link)
        own += job->client == client;
    return own < ACCESS_POOL_SHARE;
}

int access_pool_submit(struct access_pool *pool, struct access_job *job)
{
    int r = 0;

    pthread_mutex_lock(&pool->lock);
    while (pool->threads < POOL_THREADS &&
           pthread_create(&pool->thread[pool->threads], NULL, pool_thread, pool) == 0)
        pool->threads++;
    if (pool->threads == 0)
        r = DIVE_E_NOMEM;
    else if (!pool_has_room(pool, job->client))
        r = DIVE_E_LIMIT;
    if (r == 0) {
        job->pool = pool;
        job->state = ACCESS_JOB_QUEUED;
        TAILQ_INSERT_TAIL(&pool->queue, job, link);
        pool->queued++;
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    return r;
}

void access_pool_cancel(struct access_job **cancelled)
{
    struct access_job *job = *cancelled;
    struct access_pool *pool;

    *cancelled = NULL;
    if (job == NULL)
        return;
    pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    if (job->state == ACCESS_JOB_RUNNING) {
        job->state = ACCESS_JOB_ORPHAN;
        job = NULL;
    } else if (job->state == ACCESS_JOB_QUEUED) {
        TAILQ_REMOVE(&pool->queue, job, link);
        pool->queued--;
    } else {
        worker_unpost(job->worker, &job->post);
    }
    pthread_mutex_unlock(&pool->lock);
    if (job != NULL)
        job->release(job);
}

static void pool_end(struct access_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
}

static void pool_destroy(struct access_pool *pool)
{
    assert(TAILQ_EMPTY(&pool->queue));
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void access_pool_free(struct access_pool **freed)
{
    struct access_pool *pool = *freed;

    *freed = NULL;
    if (pool == NULL)
        return;
    pool_end(pool);
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    pool_destroy(pool);
}

bool access_pool_leave(struct access_pool **left, int64_t within_ms)
{
    struct access_pool *pool = *left;
    bool all = true;
    struct timespec until;

    *left = NULL;
    if (pool == NULL)
        return true;
    pool_end(pool);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(within_ms % 1000) * 1000000;
    until.tv_sec += within_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    for (unsigned i = 0; i < pool->threads; i++) {
        if (pthread_clockjoin_np(pool->thread[i], NULL, CLOCK_MONOTONIC, &until) == 0)
            continue;
        (void)pthread_detach(pool->thread[i]);
        all = false;
    }
    if (all)
        pool_destroy(pool);
    return all;
}
