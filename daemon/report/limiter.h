/* SPDX-License-Identifier: BSD-2-Clause
 *
 * limiter: which failure reports are worth sending: not the same one again within a while, and no
 * more than a destination can be expected to take. Shared by all workers; thread-safe; bounded.
 */
#ifndef DIVED_REPORT_LIMITER_H
#define DIVED_REPORT_LIMITER_H

#include "core/metrics.h"
#include "lib/error.h"

#define REPORT_DUPLICATE_SECONDS                                                                   \
    300                      /* the same failure of the same resource is not reported again */
#define REPORT_BURST 20      /* reports to one destination at once */
#define REPORT_PER_MINUTE 60 /* and in the long run */

struct report_limiter;

/* 0, DIVE_E_NOMEM or DIVE_E_INTERNAL (no randomness). */
int report_limiter_new(struct report_limiter **out) DIVE_MUST_USE;
void report_limiter_free(struct report_limiter **limiter);

/* May a report about `subject` (what makes two reports the same: URL, reason, headers) be sent to
 * `destination` (the report-to URL's host and port)? REPORT_SENT: yes, and it is remembered.
 * REPORT_DUPLICATE or REPORT_RATE_LIMITED: no, and nothing changes. REPORT_FAILED: no, for want of
 * memory. `now`: milliseconds, monotonic. Two destinations are two subjects. The memory is bounded:
 * among very many subjects an old one may be forgotten early, and among very many busy destinations
 * a new one may be limited at once. */
enum report_result report_limiter_admit(struct report_limiter *limiter, const char *destination,
                                        const char *subject, int64_t now);

#endif
