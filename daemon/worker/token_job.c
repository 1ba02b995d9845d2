/* SPDX-License-Identifier: BSD-2-Clause
 *
 * token_job: see token_job.h. A job has a copy of all that it looks at, and a reference on the
 * keytab: who asked may be gone when the KDC answers.
 */
#include "worker/token_job.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "access/pool.h"
#include "origin/parent_kerberos.h"
#include "worker/worker.h"

struct token_job {
    struct access_job job; /* first */
    struct parent_token token;
    struct parent_kerberos *kerberos;
    char *host;
    parent_token_fn *cb;
    void *arg;

    char *made;
    char why[PARENT_KERBEROS_WHY_SIZE];
};

static void token_job_release(struct access_job *base)
{
    struct token_job *job = (struct token_job *)base;

    parent_kerberos_unref(&job->kerberos);
    parent_token_free(&job->made);
    free(job->host);
    free(job);
}

static void token_job_work(struct access_job *base)
{
    struct token_job *job = (struct token_job *)base;

    if (parent_kerberos_token(job->kerberos, job->host, &job->made, job->why, sizeof(job->why)) !=
        0)
        job->made = NULL;
}

static void token_job_done(struct access_job *base)
{
    struct token_job *job = (struct token_job *)base;
    char *made = job->made;

    job->made = NULL;
    job->cb(job->arg, made, job->why);
    token_job_release(base);
}

static void token_job_cancel(struct parent_token *token)
{
    struct access_job *job =
        &((struct token_job *)((char *)token - offsetof(struct token_job, token)))->job;

    access_pool_cancel(&job);
}

int token_job_start(void *worker, struct parent_kerberos *kerberos, const char *host,
                    parent_token_fn *cb, void *cb_arg, struct parent_token **out)
{
    struct token_job *job = calloc(1, sizeof(*job));
    struct worker *w = worker;
    int r = DIVE_E_NOMEM;

    *out = NULL;
    if (job == NULL)
        return r;
    /* Nobody's share of the queue: no client asks for these. */
    job->job = (struct access_job){.worker = w,
                                   .work = token_job_work,
                                   .done = token_job_done,
                                   .release = token_job_release,
                                   .client = (uint64_t)(uintptr_t)job};
    job->token.cancel = token_job_cancel;
    job->kerberos = parent_kerberos_ref(kerberos);
    job->cb = cb;
    job->arg = cb_arg;
    job->host = strdup(host);
    if (job->host != NULL)
        r = access_pool_submit(w->shared->tokens, &job->job);
    if (r != 0) {
        token_job_release(&job->job);
        return r;
    }
    *out = &job->token;
    return 0;
}
