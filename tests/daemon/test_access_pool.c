/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pool of slow checks: every job ends in done() or in release(), whenever it is cancelled; and
 * the queue is bounded. The worker is a mailbox alone.
 */
#include <criterion/criterion.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "access/pool.h"

static struct worker worker;
static struct access_pool *pool;
static sem_t gate, begun;
static _Atomic unsigned worked, released;
static unsigned done;

static void setup(void)
{
    pthread_mutex_init(&worker.mailbox_lock, NULL);
    TAILQ_INIT(&worker.mailbox_posts);
    worker.mailbox_fd = eventfd(0, EFD_CLOEXEC);
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    cr_assert_eq(access_pool_new(&pool), 0);
}

static void teardown(void)
{
    access_pool_free(&pool);
    cr_assert_null(pool);
    close(worker.mailbox_fd);
}

TestSuite(test_access_pool, .init = setup, .fini = teardown, .timeout = 60);

static void work(struct access_job *job)
{
    worked++;
    sem_post(&begun);
    sem_wait(&gate);
}

static void on_done(struct access_job *job)
{
    done++;
    free(job);
}

static void release(struct access_job *job)
{
    released++;
    free(job);
}

static struct access_job *new_job(uint64_t client)
{
    struct access_job *job = calloc(1, sizeof(*job));

    cr_assert_not_null(job);
    job->worker = &worker;
    job->work = work;
    job->done = on_done;
    job->release = release;
    job->client = client;
    return job;
}

static struct access_job *submit(uint64_t client)
{
    struct access_job *job = new_job(client);

    cr_assert_eq(access_pool_submit(pool, job), 0);
    return job;
}

/* What the worker's thread does with its mail; waits for some. */
static void read_mail(void)
{
    uint64_t count;

    cr_assert_eq(read(worker.mailbox_fd, &count, sizeof(count)), (ssize_t)sizeof(count));
    for (;;) {
        struct worker_post *post;

        pthread_mutex_lock(&worker.mailbox_lock);
        post = TAILQ_FIRST(&worker.mailbox_posts);
        if (post != NULL) {
            TAILQ_REMOVE(&worker.mailbox_posts, post, link);
            post->posted = false;
        }
        pthread_mutex_unlock(&worker.mailbox_lock);
        if (post == NULL)
            return;
        post->fn(post);
    }
}

Test(test_access_pool, jobs_are_done)
{
    for (unsigned i = 0; i < 100; i++) {
        (void)submit(1);
        sem_post(&gate);
    }
    while (done < 100)
        read_mail();
    cr_assert_eq(worked, 100u);
    cr_assert_eq(released, 0u);
}

/* One that can't be hurried isn't waited for; it still ends well, whenever that is. */
Test(test_access_pool, left_with_a_job_that_runs)
{
    static struct access_pool *kept; /* what the thread still uses is no leak */
    struct access_job *job = submit(1);

    kept = pool;
    sem_wait(&begun);
    access_pool_cancel(&job);
    cr_assert_not(access_pool_leave(&pool, 10));
    cr_assert_null(pool);
    cr_assert_eq(released, 0u);
    sem_post(&gate);
    while (released < 1)
        usleep(1000);
    cr_assert_not_null(kept);
}

Test(test_access_pool, left_when_nothing_runs)
{
    (void)submit(1);
    sem_post(&gate);
    while (done < 1)
        read_mail();
    cr_assert(access_pool_leave(&pool, 60000));
    cr_assert_null(pool);
    cr_assert(access_pool_leave(&pool, 0), "there is none any more");
}

Test(test_access_pool, cancelled_in_each_state)
{
    struct access_job *running[2] = {submit(1), submit(1)}, *queued, *over, *nobody = NULL;

    sem_wait(&begun);
    sem_wait(&begun);
    queued = submit(1);
    access_pool_cancel(&queued);
    cr_assert_null(queued);
    cr_assert_eq(released, 1u, "who only waited goes at once");
    access_pool_cancel(&running[0]);
    cr_assert_eq(released, 1u, "what runs is let run");
    sem_post(&gate);
    sem_post(&gate);
    while (released < 2)
        usleep(1000);
    while (done < 1)
        read_mail();
    cr_assert_eq(done, 1u);
    /* Done, and its mail not read yet. */
    over = submit(1);
    sem_post(&gate);
    for (;;) {
        bool posted;

        pthread_mutex_lock(&worker.mailbox_lock);
        posted = over->post.posted;
        pthread_mutex_unlock(&worker.mailbox_lock);
        if (posted)
            break;
        usleep(1000);
    }
    access_pool_cancel(&over);
    cr_assert_eq(released, 3u);
    cr_assert(TAILQ_EMPTY(&worker.mailbox_posts));
    access_pool_cancel(&nobody);
    cr_assert_eq(worked, 3u);
}

Test(test_access_pool, the_queue_is_bounded_and_shared)
{
    struct access_job *jobs[ACCESS_POOL_QUEUE], *running[2] = {submit(99), submit(99)};
    struct access_job *more = new_job(0);

    sem_wait(&begun);
    sem_wait(&begun);
    for (unsigned i = 0; i < ACCESS_POOL_SHARE; i++)
        jobs[i] = submit(0);
    cr_assert_eq(access_pool_submit(pool, more), DIVE_E_LIMIT, "one client's share");
    for (unsigned i = ACCESS_POOL_SHARE; i < ACCESS_POOL_QUEUE; i++)
        jobs[i] = submit(1 + i % 4);
    more->client = 77;
    cr_assert_eq(access_pool_submit(pool, more), DIVE_E_LIMIT, "the whole");
    access_pool_cancel(&jobs[0]);
    cr_assert_eq(access_pool_submit(pool, more), 0, "there is room again");
    access_pool_cancel(&more);
    for (unsigned i = 1; i < ACCESS_POOL_QUEUE; i++)
        access_pool_cancel(&jobs[i]);
    cr_assert_eq(released, (unsigned)ACCESS_POOL_QUEUE + 1);
    access_pool_cancel(&running[0]);
    access_pool_cancel(&running[1]);
    sem_post(&gate);
    sem_post(&gate);
    access_pool_free(&pool); /* waits for both */
    cr_assert_eq(released, (unsigned)ACCESS_POOL_QUEUE + 3);
    cr_assert_eq(done, 0u);
}
