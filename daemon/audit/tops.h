/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tops: the busiest names (hosts, clients) of late, in a table of fixed size: the rarest gives its
 * place to a newcomer, which inherits its count (the "space saving" counter of Metwally et al.), so
 * whoever makes more than one in TOPS_ENTRIES of all requests is always in it. Every minute all
 * counts are halved. No lock of its own.
 */
#ifndef DIVED_AUDIT_TOPS_H
#define DIVED_AUDIT_TOPS_H

#include <stddef.h>
#include <stdint.h>

#define TOPS_ENTRIES 128
#define TOPS_NAME 256
#define TOPS_HALF_MS 60000

struct tops_entry {
    char name[TOPS_NAME];
    uint64_t weight;                  /* decides who stays */
    uint64_t requests, bytes, failed; /* since it came into the table; never halved */
};

struct tops {
    uint64_t hash[TOPS_ENTRIES]; /* of the names; 0: free */
    struct tops_entry entry[TOPS_ENTRIES];
    int64_t halved_ms;
};

/* `now_ms`: any clock that doesn't jump. NULL or "" as name does nothing; a longer one is cut. */
void tops_add(struct tops *tops, const char *name, uint64_t bytes, int failed, int64_t now_ms);
/* The `n` heaviest into `out`, heaviest first; how many there were. */
size_t tops_list(const struct tops *tops, struct tops_entry *out, size_t n);

#endif
