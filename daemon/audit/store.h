/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store: the audit store's file, as its one writer sees it: a SQLite database in WAL mode. Opened
 * by the main thread, then used by the writer's alone; every call may block on the disk.
 *
 *      PATH        the database         PATH-wal, PATH-shm   SQLite's, beside it
 *      PATH.lock   locked as long as a daemon writes PATH
 *      PATH.damaged-N   what was set aside because SQLite could make no sense of it
 *
 * Rows are appended and chained (chain.h), and go from the oldest end only, in segments of
 * STORE_SEGMENT rows; the last row that went is kept as the chain's anchor.
 */
#ifndef DIVED_AUDIT_STORE_H
#define DIVED_AUDIT_STORE_H

#include "audit/chain.h"
#include "audit/counts.h"

#define STORE_SEGMENT 256        /* rows that go together */
#define STORE_DAMAGED_MAX 8      /* files set aside; with as many nothing is written any more */
#define STORE_DOMAINS_A_DAY 5000 /* domains that are counted by name */
#define STORE_DAYS_MAX 4000      /* days that counts are kept without audit.max-age */

struct audit_store;

/* Makes the file (0600) if it isn't there, and checks that it is one of ours. A damaged one is set
 * aside, which is logged, and a new one begun. `succeeds`: the daemon that writes it is about to
 * end; this one writes beside it, and takes the lock when it is let go. What can't be read or
 * written just now (no room on the disk, a lock of another program's) is no failure: the store is
 * there, not attached, and audit_store_begin() tries again. DIVE_E_STATE: another
 * daemon writes it; DIVE_E_SYNTAX: a database that is no audit store, or of a newer version;
 * DIVE_E_INTERNAL: anything else; `why` has a sentence. *out is NULL then. */
int audit_store_open(struct audit_store **out, const char *path, bool succeeds, char *why,
                     size_t why_size) DIVE_MUST_USE;
void audit_store_close(struct audit_store **store);
/* Is the file open? */
bool audit_store_is_attached(const struct audit_store *store);

/* A transaction around what follows: rows, counts. On failure nothing of it has happened, and the
 * same may be tried again later. audit_store_why() has a sentence. */
int audit_store_begin(struct audit_store *store) DIVE_MUST_USE;
int audit_store_append(struct audit_store *store, const struct audit_event *event) DIVE_MUST_USE;
/* Adds to the counts of `day` (days since 1970, UTC). */
int audit_store_count(struct audit_store *store, int64_t day,
                      const struct counts *counts) DIVE_MUST_USE;
int audit_store_commit(struct audit_store *store) DIVE_MUST_USE;
void audit_store_rollback(struct audit_store *store);

/* Removes whole segments from the oldest end: as long as the file takes more than `max_size`, and
 * those all of whose rows are older than `before_ms` (Unix; 0: none). At most `segments` of them.
 * *pruned: rows that went. */
int audit_store_prune(struct audit_store *store, int64_t max_size, int64_t before_ms,
                      unsigned segments, uint64_t *pruned) DIVE_MUST_USE;

/* The last failure was damage: the file is to be set aside (audit_store_restart()). */
bool audit_store_is_damaged(const struct audit_store *store);
/* Sets the file aside (unless somebody has taken it away) and begins a new one, in the same object;
 * its chain goes on where the old one ended. Logs what it did. */
int audit_store_restart(struct audit_store *store) DIVE_MUST_USE;

const char *audit_store_why(const struct audit_store *store);
void audit_store_head(const struct audit_store *store, struct chain_link *out);
/* Bytes of the database that are in use, rows that are in it, and the newest row's time (Unix ms, 0
 * without rows), as of the last commit. */
void audit_store_size(const struct audit_store *store, uint64_t *bytes, uint64_t *rows,
                      int64_t *newest_ms);

#endif
