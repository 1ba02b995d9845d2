/* SPDX-License-Identifier: BSD-2-Clause
 *
 * chain: what makes the audit store tamper-evident. Each row holds the hash of the row before it
 * and its own:
 *
 *      hash(n) = SHA-256(hash(n-1) | n | each column of row n, with its type and length)
 *
 * The row before the first one has number 0 and a hash of zeros; after pruning, the last row that
 * went is the anchor instead. Who rewrites the whole chain ends at another head: the daemon logs
 * heads, and a log that is kept elsewhere shows it.
 */
#ifndef DIVED_AUDIT_CHAIN_H
#define DIVED_AUDIT_CHAIN_H

#include "audit/event.h"

#define CHAIN_HASH 32
#define CHAIN_HEX (2 * CHAIN_HASH + 1)

/* A row's number and hash: the head of the chain, or its anchor. Zeroed memory: the beginning. */
struct chain_link {
    int64_t number;
    uint8_t hash[CHAIN_HASH];
};

/* The hash of row `number` that follows `before`. 0 or DIVE_E_INTERNAL. */
int chain_hash(const uint8_t before[CHAIN_HASH], int64_t number, const struct audit_event *row,
               uint8_t out[CHAIN_HASH]) DIVE_MUST_USE;

void chain_hex(const uint8_t hash[CHAIN_HASH], char out[CHAIN_HEX]);
/* "NUMBER:HEX" as chain_text() writes it. DIVE_E_SYNTAX. */
int chain_parse(struct chain_link *out, const char *text) DIVE_MUST_USE;
#define CHAIN_TEXT (CHAIN_HEX + 24)
void chain_text(const struct chain_link *link, char out[CHAIN_TEXT]);

/* The walk: every row in turn, from the anchor on. */
/* clang-format off */
#define CHAIN_FAULTS(X)                                                                            \
    X(NONE, "none", "the chain is whole")                                                          \
    X(ALTERED, "altered", "this row is not what was recorded")                                     \
    X(REMOVED, "removed", "this row is missing, and perhaps more behind it")                         \
    X(INSERTED, "inserted", "this row was not there when the next one was recorded")               \
    X(CUT, "cut", "rows at the end are missing")                                                   \
    X(ADDED, "added", "this row was put behind the recorded head")                                 \
    X(HEAD, "head", "the chain doesn't go through the head that was given")
/* clang-format on */

enum chain_fault {
#define X(id, word, text) CHAIN_##id,
    CHAIN_FAULTS(X)
#undef X
};

const char *chain_fault_word(enum chain_fault fault);
const char *chain_fault_text(enum chain_fault fault);

struct chain_walk {
    struct chain_link last;          /* the row before the next one */
    uint8_t before_hash[CHAIN_HASH]; /* of the row before that: to tell an insertion */
    bool started;                    /* a row was seen */
    enum chain_fault fault;          /* the first one; then the walk has ended */
    int64_t at;                      /* its row */
};

void chain_walk_init(struct chain_walk *walk, const struct chain_link *anchor);
/* The next row, with the hashes that it holds. False: a fault was found, or *error
 * (negative) says that the hash couldn't be computed. */
bool chain_walk_row(struct chain_walk *walk, int64_t number, const struct audit_event *row,
                    const uint8_t before[CHAIN_HASH], const uint8_t hash[CHAIN_HASH], int *error);
/* After the last row: is it the recorded head? */
void chain_walk_end(struct chain_walk *walk, const struct chain_link *head);

#endif
