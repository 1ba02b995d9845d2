/* SPDX-License-Identifier: BSD-2-Clause
 *
 * counts: see counts.h. Open addressing; nothing is ever removed but all of it.
 */
#include "audit/counts.h"

#include <assert.h>
#include <string.h>

/* Looking for a free slot has to end. */
static_assert(VERDICT_COUNT * DIVE_REASON_COUNT * ACTION_COUNT < COUNTS_SLOTS / 2,
              "COUNTS_OTHER has a row for all words");

static uint32_t counts_hash(const char *domain, unsigned words)
{
    uint32_t hash = 2166136261u ^ words;

    for (; *domain != '\0'; domain++)
        hash = (hash ^ (unsigned char)*domain) * 16777619u;
    return hash ^ (hash >> 15);
}

static struct counts_row *counts_find(struct counts *counts, const char *domain,
                                      enum verdict_word verdict, enum dive_reason reason,
                                      enum action_word action)
{
    uint32_t at = counts_hash(domain, (unsigned)verdict * 64 + (unsigned)reason * 8 + action);

    for (;; at++) {
        struct counts_row *row = &counts->slot[at % COUNTS_SLOTS];

        if (row->n == 0 || (row->verdict == verdict && row->reason == reason &&
                            row->action == action && strcmp(row->domain, domain) == 0))
            return row;
    }
}

void counts_add(struct counts *counts, const char *domain, enum verdict_word verdict,
                enum dive_reason reason, enum action_word action)
{
    struct counts_row *row;

    if (domain == NULL)
        domain = "";
    row = counts_find(counts, domain, verdict, reason, action);
    /* The other half is left for the rows of COUNTS_OTHER: there are fewer words. */
    if (row->n == 0 && counts->used >= COUNTS_SLOTS / 2) {
        domain = COUNTS_OTHER;
        row = counts_find(counts, domain, verdict, reason, action);
    }
    if (row->n++ > 0)
        return;
    counts->used++;
    strncpy(row->domain, domain, sizeof(row->domain) - 1);
    row->verdict = verdict;
    row->reason = reason;
    row->action = action;
}

void counts_clear(struct counts *counts)
{
    memset(counts, 0, sizeof(*counts));
}
