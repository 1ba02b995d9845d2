/* SPDX-License-Identifier: BSD-2-Clause
 *
 * delivery: one failure report on its way: a connection, a POST, the response.
 */
#ifndef DIVED_REPORT_DELIVERY_H
#define DIVED_REPORT_DELIVERY_H

#include "http/url.h"
#include "origin/pool.h"

#define DELIVERY_RETRY_MS 2000 /* before the second and last attempt */
#define DELIVERY_CONTENT_MAX                                                                       \
    (64 * 1024) /* of a response, read and dropped to keep the connection */
#define DELIVERY_REPORT_MAX (1024 * 1024) /* bytes of a report */
#define DELIVERY_INTERIM_MAX 8            /* 1xx responses before the final one */

struct delivery;

/* `failure`: NULL when the receiver took the report (2xx), else a sentence, valid during the call.
 * The delivery is gone after it. Called once, from the loop, never from delivery_start(). */
typedef void delivery_done_fn(void *arg, const char *failure);

/* All borrowed until the end. */
struct delivery_context {
    struct loop *loop;
    struct resolver *resolver;
    struct origin_pool *origins;
};

/* Takes over `url` (an https URL; cleared) and `json` (malloc'd) unless it fails; takes its own
 * reference of `runtime`. `timeout_ms` bounds each of at most two attempts. DIVE_E_NOMEM,
 * DIVE_E_LIMIT (json longer than DELIVERY_REPORT_MAX). */
int delivery_start(struct delivery **out, const struct delivery_context *context,
                   struct runtime *runtime, struct http_url *url, char *json, int64_t timeout_ms,
                   delivery_done_fn *done, void *arg) DIVE_MUST_USE;

/* Ends it; `done` isn't called. Its connection is back in the pool, or closed, when this returns.
 */
void delivery_cancel(struct delivery **delivery);

#endif
