/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reporter: delivers failure reports (draft-01 section 7.6) by the daemon's own HTTPS client: POST,
 * application/json, off the data path. What can't be delivered is logged and dropped: a report
 * never changes what happens to a download.
 *
 *      submit -> limiter -> queue (bounded) -> connection from the pool -> POST -> status -> done
 *                                              delivery.c: one retry when the connection fails
 *
 * Any 2xx means that the report was taken; redirects aren't followed.
 */
#ifndef DIVED_REPORT_REPORTER_H
#define DIVED_REPORT_REPORTER_H

#include "origin/pool.h"
#include "report/limiter.h"

#define REPORTER_QUEUE_MAX 256    /* waiting, a worker; the newest is dropped past it */
#define REPORTER_RUNNING_MAX 4    /* under way at once, a worker */
#define REPORTER_TIMEOUT_MS 15000 /* of each of at most two attempts */

struct reporter;

/* All borrowed; they must outlive the reporter. */
int reporter_new(struct reporter **out, struct loop *loop, struct resolver *resolver,
                 struct origin_pool *origins, struct report_limiter *limiter) DIVE_MUST_USE;
/* Drops what is queued and under way: no connection of the pool is in use after it. Not from within
 * a callback of the reporter's own. */
void reporter_free(struct reporter **reporter);

/* Takes over `json` (malloc'd). `url`: the policy's report-to; anything but an https URL is
 * dropped. `subject` as in report_limiter_admit(). Counts the result in the metrics. Calls nothing
 * back. */
void reporter_submit(struct reporter *reporter, struct runtime *runtime, const char *url,
                     char *json, const char *subject);

/* Queued or under way. */
size_t reporter_pending(const struct reporter *reporter);

#endif
