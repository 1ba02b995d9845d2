/* SPDX-License-Identifier: BSD-2-Clause
 *
 * metrics: the process's counters and gauges, by relaxed atomics, and their Prometheus text.
 * Label sets are bounded by construction: each is an enum.
 */
#ifndef DIVED_CORE_METRICS_H
#define DIVED_CORE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/verifier.h"

/* What the access log's `verdict` and `action` say (docs/logs.md). */
/* clang-format off */
#define VERDICT_WORDS(X)                 \
    X(NONE, "none")                      \
    X(VERIFIED, "verified")              \
    X(FAILED, "failed")                  \
    X(NOT_COVERED, "not-covered")        \
    X(NOT_SUPPORTED, "not-supported")    \
    X(EXEMPT, "exempt")
/* clang-format on */

enum verdict_word {
#define X(id, word) VERDICT_##id,
    VERDICT_WORDS(X)
#undef X
        VERDICT_COUNT
};

/* clang-format off */
#define ACTION_WORDS(X)     \
    X(NONE, "none")         \
    X(RELEASED, "released") \
    X(BLOCKED, "blocked")   \
    X(REPORTED, "reported") \
    X(STREAMED, "streamed")
/* clang-format on */

enum action_word {
#define X(id, word) ACTION_##id,
    ACTION_WORDS(X)
#undef X
        ACTION_COUNT
};

const char *verdict_word(enum verdict_word verdict);
const char *action_word(enum action_word action);

/* clang-format off */
#define REPORT_RESULTS(X)         \
    X(SENT, "sent")               \
    X(FAILED, "failed")           \
    X(DUPLICATE, "duplicate")     \
    X(RATE_LIMITED, "rate-limited") \
    X(LOGGED, "logged")           \
    X(OFF, "off")
/* clang-format on */

enum report_result {
#define X(id, word) REPORT_##id,
    REPORT_RESULTS(X)
#undef X
        REPORT_COUNT
};

#define METRICS_LISTENERS 16 /* listeners counted by name; the rest share one */

struct metrics {
    _Atomic uint64_t requests[METRICS_LISTENERS][600]; /* by listener and status code */
    _Atomic uint64_t verdicts[VERDICT_COUNT][DIVE_REASON_COUNT][ACTION_COUNT];
    _Atomic uint64_t verify_bucket[16];   /* see metrics.c; the last is +Inf */
    _Atomic uint64_t verify_microseconds; /* the sum; the count is that of the buckets */
    _Atomic uint64_t reports[REPORT_COUNT];
    _Atomic uint64_t cache_hits, cache_misses; /* responses: from what was stored, or not */
    _Atomic uint64_t dns[4][4];                /* [enum resolver_type][enum dive_security] */
    _Atomic int64_t connections;
    _Atomic uint64_t connections_refused, accept_pauses;
    _Atomic uint64_t audit_events, audit_lost, audit_errors, audit_pruned;
    _Atomic uint64_t audit_queue, audit_rows, audit_bytes; /* gauges */
    _Atomic uint64_t policies_lost; /* exchanges whose domain had a policy that is gone unproven */
};

extern struct metrics metrics;

static inline void metrics_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void metrics_request(unsigned listener, int status);
/* `microseconds`: from the last byte that was needed to the verdict's release. */
void metrics_verify_duration(uint64_t microseconds);

/* Gauges that are kept elsewhere. */
struct metrics_gauges {
    uint64_t hold_bytes;
    uint64_t cache_memory_bytes, cache_disk_bytes, cache_objects;
};

/* The Prometheus text exposition (format 0.0.4), malloc'd and NUL-terminated, the caller's; NULL
 * without memory. `listener_names` has METRICS_LISTENERS entries, NULL where unused (their number
 * then stands for them). */
char *metrics_text(const char *const *listener_names, const struct metrics_gauges *gauges,
                   size_t *len);

#endif
