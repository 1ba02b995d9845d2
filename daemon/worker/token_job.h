/* SPDX-License-Identifier: BSD-2-Clause
 *
 * token_job: a worker's tokens for parent proxies, made by threads of a pool of their own, since
 * the KDC may take its time: shared->tokens, not the pool that looks at clients' passwords, which a
 * silent KDC would hold up.
 */
#ifndef DIVED_WORKER_TOKEN_JOB_H
#define DIVED_WORKER_TOKEN_JOB_H

#include "origin/parent_token.h"

/* parent_token_maker's start(); `worker` is a struct worker. */
int token_job_start(void *worker, struct parent_kerberos *kerberos, const char *host,
                    parent_token_fn *cb, void *cb_arg, struct parent_token **out) DIVE_MUST_USE;

#endif
