/* SPDX-License-Identifier: BSD-2-Clause
 *
 * schema: see schema.h.
 */
#include "audit/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_COLUMN(id, name, kind, sql) ", " name " " sql

static const char schema_tables[] =
    "CREATE TABLE event(number INTEGER PRIMARY KEY, before BLOB NOT NULL, hash BLOB NOT "
    "NULL" AUDIT_COLUMNS(
        SCHEMA_COLUMN) ");"
                       "CREATE INDEX event_time ON event(time_ms);"
                       "CREATE TABLE chain(place TEXT PRIMARY KEY, number INTEGER NOT NULL, hash "
                       "BLOB NOT NULL)"
                       " WITHOUT ROWID;"
                       "CREATE TABLE day_count(day INTEGER NOT NULL, domain TEXT NOT NULL, verdict "
                       "TEXT NOT NULL,"
                       " reason TEXT NOT NULL, action TEXT NOT NULL, n INTEGER NOT NULL,"
                       " PRIMARY KEY(day, domain, verdict, reason, action)) WITHOUT ROWID;";

int audit_schema_create(sqlite3 *db, const struct chain_link *anchor)
{
    char hex[CHAIN_HEX], *sql = NULL;
    int r;

    chain_hex(anchor->hash, hex);
    if (asprintf(&sql,
                 "BEGIN IMMEDIATE; %s INSERT INTO chain VALUES('anchor', %lld, x'%s'), "
                 "('head', %lld, x'%s'); PRAGMA application_id = %d; PRAGMA user_version = %d; "
                 "COMMIT;",
                 schema_tables, (long long)anchor->number, hex, (long long)anchor->number, hex,
                 AUDIT_APPLICATION_ID, AUDIT_SCHEMA) < 0)
        return DIVE_E_NOMEM;
    r = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : DIVE_E_INTERNAL;
    free(sql);
    return r;
}

static int schema_link_of(sqlite3_stmt *statement, struct chain_link *out)
{
    if (sqlite3_column_type(statement, 1) != SQLITE_BLOB ||
        sqlite3_column_bytes(statement, 1) != CHAIN_HASH)
        return DIVE_E_TYPE;
    out->number = sqlite3_column_int64(statement, 0);
    memcpy(out->hash, sqlite3_column_blob(statement, 1), CHAIN_HASH);
    return 0;
}

int audit_schema_link(sqlite3 *db, const char *place, struct chain_link *out)
{
    sqlite3_stmt *statement = NULL;
    int r = DIVE_E_INTERNAL, code;

    *out = (struct chain_link){0};
    if (sqlite3_prepare_v2(db, "SELECT number, hash FROM chain WHERE place = ?1", -1, &statement,
                           NULL) != SQLITE_OK)
        return DIVE_E_INTERNAL;
    sqlite3_bind_text(statement, 1, place, -1, SQLITE_STATIC);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        r = schema_link_of(statement, out);
    else if (code == SQLITE_DONE)
        r = DIVE_E_NOT_FOUND;
    sqlite3_finalize(statement);
    return r;
}

int audit_schema_last(sqlite3 *db, struct chain_link *out, int64_t *time_ms)
{
    sqlite3_stmt *statement = NULL;
    int r = DIVE_E_INTERNAL, code;

    *out = (struct chain_link){0};
    if (sqlite3_prepare_v2(db,
                           "SELECT number, hash, time_ms FROM event ORDER BY number DESC LIMIT 1",
                           -1, &statement, NULL) != SQLITE_OK)
        return DIVE_E_INTERNAL;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        r = schema_link_of(statement, out);
        if (time_ms != NULL)
            *time_ms = sqlite3_column_int64(statement, 2);
    } else if (code == SQLITE_DONE) {
        r = 0;
    }
    sqlite3_finalize(statement);
    return r;
}

static int schema_hash(sqlite3_stmt *statement, int column, uint8_t out[CHAIN_HASH])
{
    if (sqlite3_column_bytes(statement, column) != CHAIN_HASH)
        return DIVE_E_TYPE;
    memcpy(out, sqlite3_column_blob(statement, column), CHAIN_HASH);
    return 0;
}

int audit_schema_row(sqlite3_stmt *statement, struct chain_link *link, uint8_t before[CHAIN_HASH],
                     struct audit_event **row)
{
    struct audit_event *event = audit_event_new();
    int r = DIVE_E_NOMEM;

    *row = NULL;
    *link = (struct chain_link){.number = sqlite3_column_int64(statement, 0)};
    memset(before, 0, CHAIN_HASH);
    if (event == NULL)
        return DIVE_E_NOMEM;
    for (unsigned i = 0; i < AUDIT_COLUMN_COUNT; i++) {
        int column = (int)i + 3;
        const char *text;
        char *copy;

        if (!audit_column_is_text(i)) {
            event->v[i].number = sqlite3_column_int64(statement, column);
            continue;
        }
        text = (const char *)sqlite3_column_text(statement, column);
        if (text == NULL)
            continue;
        copy = strdup(text);
        if (copy == NULL)
            goto out;
        audit_event_take(event, i, copy);
    }
    r = schema_hash(statement, 1, before);
    if (r == 0)
        r = schema_hash(statement, 2, link->hash);
    *row = event; /* with DIVE_E_TYPE too: what is left of it can be shown */
    event = NULL;
out:
    audit_event_free(&event);
    return r;
}
