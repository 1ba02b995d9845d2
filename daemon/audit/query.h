/* SPDX-License-Identifier: BSD-2-Clause
 *
 * query: the audit store as `divectl audit` reads it: read only, while a daemon writes it or from a
 * copy. Every call blocks on the disk.
 */
#ifndef DIVED_AUDIT_QUERY_H
#define DIVED_AUDIT_QUERY_H

#include <jansson.h>

#include "audit/chain.h"

struct audit_query;

/* DIVE_E_NOT_FOUND: no such file; DIVE_E_SYNTAX: no audit store of this version; DIVE_E_INTERNAL.
 * *out is NULL then and `why` has a sentence. */
int audit_query_open(struct audit_query **out, const char *path, char *why,
                     size_t why_size) DIVE_MUST_USE;
void audit_query_close(struct audit_query **query);
const char *audit_query_path(const struct audit_query *query);

/* All that is given must hold. Zeroed memory: every row. */
struct audit_filter {
    int64_t since_ms, until_ms; /* Unix, the first inclusive; 0: open */
    const char *host, *client;  /* exact, or with "*" for any run of characters */
    const char *reason;         /* a reason, a kind or an action */
    const char *exchange;       /* its id, or a row's number in digits */
    unsigned limit;             /* rows; 0: no limit */
};

/* Calls `row` for each, the newest first, with an object that it borrows: number, hash and all
 * columns by their names, `proof` parsed, `time` as RFC 3339. Non-zero ends the walk and is
 * returned. Negative DIVE_E* when the store can't be read. */
int audit_query_rows(struct audit_query *query, const struct audit_filter *filter,
                     int (*row)(void *arg, const json_t *event), void *arg) DIVE_MUST_USE;

/* The recorded head. */
int audit_query_head(struct audit_query *query, struct chain_link *out) DIVE_MUST_USE;

struct audit_verdict {
    struct chain_walk walk;         /* fault, row */
    struct chain_link anchor, head; /* as recorded */
    uint64_t rows;                  /* that were walked */
};
/* Walks the whole chain, in one snapshot. `through` (may be NULL) is a head that was logged: the
 * chain must go through it, or it must have been pruned. 0 when the walk was done, whatever it
 * found. */
int audit_query_verify(struct audit_query *query, const struct chain_link *through,
                       struct audit_verdict *out) DIVE_MUST_USE;

/* What happened in a time: report.c. A new object (docs/audit.md has its members), or NULL when the
 * store can't be read or memory is out. */
#define AUDIT_REPORT_DOMAINS 100
#define AUDIT_REPORT_CLIENTS 20
#define AUDIT_REPORT_HOSTS 100
json_t *audit_report(struct audit_query *query, int64_t since_ms, int64_t until_ms);

/* "2026-11-24T13:00:00Z" */
#define AUDIT_TIME_TEXT 32
void audit_time_text(int64_t unix_ms, char out[AUDIT_TIME_TEXT]);

/* For report.c: runs `sql` with the times bound to ?1 and ?2 as `first` and `second`, and calls
 * `row` with each row. 0 or DIVE_E_INTERNAL. */
struct sqlite3_stmt;
int audit_query_each(struct audit_query *query, const char *sql, int64_t first, int64_t second,
                     int (*row)(void *arg, struct sqlite3_stmt *statement),
                     void *arg) DIVE_MUST_USE;

#endif
