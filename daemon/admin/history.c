/* SPDX-License-Identifier: BSD-2-Clause
 *
 * history: see history.h.
 */
#include "admin/history.h"

#include <string.h>

static uint64_t history_read(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void history_verdicts(struct history_totals *out)
{
    for (unsigned v = 0; v < VERDICT_COUNT; v++) {
        for (unsigned r = 0; r < DIVE_REASON_COUNT; r++) {
            for (unsigned a = 0; a < ACTION_COUNT; a++) {
                uint64_t n = history_read(&metrics.verdicts[v][r][a]);

                out->verdicts[v] += n;
                if (v == VERDICT_FAILED)
                    out->reasons[r] += n;
                if (a == ACTION_BLOCKED)
                    out->blocked += n;
                if (a == ACTION_REPORTED)
                    out->reported += n;
            }
        }
    }
    out->verified = out->verdicts[VERDICT_VERIFIED];
    out->failed = out->verdicts[VERDICT_FAILED];
}

void history_totals(struct history_totals *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < METRICS_LISTENERS; i++)
        for (unsigned code = 0; code < sizeof(metrics.requests[0]) / sizeof(metrics.requests[0][0]);
             code++)
            out->requests += history_read(&metrics.requests[i][code]);
    history_verdicts(out);
    out->cache_hits = history_read(&metrics.cache_hits);
    out->cache_misses = history_read(&metrics.cache_misses);
    for (size_t type = 0; type < sizeof(metrics.dns) / sizeof(metrics.dns[0]); type++) {
        out->dns_unanswered += history_read(&metrics.dns[type][DIVE_DNS_NO_ANSWER]);
        for (unsigned s = DIVE_DNS_NO_ANSWER + 1; s <= DIVE_DNS_SECURE; s++)
            out->dns_answers += history_read(&metrics.dns[type][s]);
    }
}

void history_add(struct history *h, int64_t now_ms, uint64_t connections, uint64_t held_bytes)
{
    struct history_totals totals;

    history_totals(&totals);
    h->sample[h->next] = (struct history_sample){
        .time_ms = now_ms,
        .requests = totals.requests - h->last.requests,
        .verified = totals.verified - h->last.verified,
        .failed = totals.failed - h->last.failed,
        .blocked = totals.blocked - h->last.blocked,
        .connections = connections,
        .held_bytes = held_bytes,
    };
    h->last = totals;
    h->next = (h->next + 1) % HISTORY_SAMPLES;
    if (h->n < HISTORY_SAMPLES)
        h->n++;
}

const struct history_sample *history_at(const struct history *h, unsigned i)
{
    return &h->sample[(h->next + HISTORY_SAMPLES - h->n + i) % HISTORY_SAMPLES];
}
