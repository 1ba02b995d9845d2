/* SPDX-License-Identifier: BSD-2-Clause
 *
 * history: what happened in the last hour, for the plots of the admin page: the process's counters,
 * looked at every HISTORY_STEP seconds. The admin thread's alone.
 */
#ifndef DIVED_ADMIN_HISTORY_H
#define DIVED_ADMIN_HISTORY_H

#include <stdint.h>

#include "core/metrics.h"

#define HISTORY_STEP 10 /* seconds */
#define HISTORY_SAMPLES 360

/* Since the process began. */
struct history_totals {
    uint64_t requests, verified, failed, blocked, reported;
    uint64_t verdicts[VERDICT_COUNT], reasons[DIVE_REASON_COUNT];
    uint64_t cache_hits, cache_misses;
    uint64_t dns_answers, dns_unanswered;
};

struct history_sample {
    int64_t time_ms;                              /* Unix */
    uint64_t requests, verified, failed, blocked; /* since the sample before */
    uint64_t connections, held_bytes;
};

struct history {
    struct history_sample sample[HISTORY_SAMPLES];
    unsigned next, n;
    struct history_totals last;
};

void history_totals(struct history_totals *out);
void history_add(struct history *history, int64_t now_ms, uint64_t connections,
                 uint64_t held_bytes);
/* The `i`th, the oldest first. */
const struct history_sample *history_at(const struct history *history, unsigned i);

#endif
