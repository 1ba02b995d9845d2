/* SPDX-License-Identifier: BSD-2-Clause
 *
 * schema: the tables of the audit store, for its writer and its readers.
 *
 *      event      the rows: number, hash of the row before, own hash, then AUDIT_COLUMNS
 *      chain      two links: `anchor`, the last row that was pruned, and `head`, the newest
 *      day_count  exchanges a day (since 1970, UTC), policy domain, verdict, reason, action
 */
#ifndef DIVED_AUDIT_SCHEMA_H
#define DIVED_AUDIT_SCHEMA_H

#include <sqlite3.h>

#include "audit/chain.h"

#define AUDIT_APPLICATION_ID 0x44495641 /* "DIVA" */

#define AUDIT_SQL_NAME(id, name, kind, sql) ", " name
#define AUDIT_SQL_VALUE(id, name, kind, sql) ", ?"
/* Parameters: number, before, hash, then the columns. */
#define AUDIT_SQL_INSERT                                                                           \
    "INSERT INTO event(number, before, hash" AUDIT_COLUMNS(                                        \
        AUDIT_SQL_NAME) ") VALUES(?, ?, ?" AUDIT_COLUMNS(AUDIT_SQL_VALUE) ")"
/* The result columns are those, in this order. */
#define AUDIT_SQL_SELECT "SELECT number, before, hash" AUDIT_COLUMNS(AUDIT_SQL_NAME) " FROM event"

/* All tables, in one transaction. A SQLite code is left in `db` on failure. */
int audit_schema_create(sqlite3 *db, const struct chain_link *anchor) DIVE_MUST_USE;
/* The link of that place. DIVE_E_NOT_FOUND, DIVE_E_INTERNAL. */
int audit_schema_link(sqlite3 *db, const char *place, struct chain_link *out) DIVE_MUST_USE;
/* The newest row's; number 0 when there is none. `time_ms` may be NULL. DIVE_E_INTERNAL. */
int audit_schema_last(sqlite3 *db, struct chain_link *out, int64_t *time_ms) DIVE_MUST_USE;
/* The columns of a row of AUDIT_SQL_SELECT. The texts are the caller's: audit_event_free().
 * DIVE_E_NOMEM; DIVE_E_TYPE: the hashes are not of their size; *row is there all the same. */
int audit_schema_row(sqlite3_stmt *statement, struct chain_link *link, uint8_t before[CHAIN_HASH],
                     struct audit_event **row) DIVE_MUST_USE;

#endif
