/* SPDX-License-Identifier: BSD-2-Clause
 *
 * counts: how many exchanges ended how, by the policy's domain, between two writes of the audit
 * store: what a report says about coverage can't be told from failures alone. A table of fixed
 * size; what doesn't fit counts under the domain COUNTS_OTHER. No lock of its own.
 */
#ifndef DIVED_AUDIT_COUNTS_H
#define DIVED_AUDIT_COUNTS_H

#include "core/metrics.h"
#include "lib/domain.h"
#include "lib/error.h"

#define COUNTS_SLOTS                                                                               \
    1024 /* half for domains, the rest for COUNTS_OTHER: 6 * 8 * 5 rows at most                    \
          */
#define COUNTS_OTHER "(other)"

/* What is counted together. `domain` "": no policy applied. */
struct counts_row {
    char domain[DIVE_DOMAIN_BUF];
    enum verdict_word verdict;
    enum dive_reason reason;
    enum action_word action;
    uint64_t n; /* 0: the slot is free */
};

struct counts {
    struct counts_row slot[COUNTS_SLOTS];
    unsigned used;
};

/* `domain` NULL is "". */
void counts_add(struct counts *counts, const char *domain, enum verdict_word verdict,
                enum dive_reason reason, enum action_word action);
void counts_clear(struct counts *counts);

#endif
