/* SPDX-License-Identifier: BSD-2-Clause
 *
 * query: see query.h.
 */
#include "audit/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/schema.h"

#define QUERY_BUSY_MS 5000

struct audit_query {
    char *path;
    sqlite3 *db;
};

void audit_time_text(int64_t unix_ms, char out[AUDIT_TIME_TEXT])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(out, AUDIT_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, AUDIT_TIME_TEXT, "-");
}

/* The path as a URI of SQLite's: only so may it be told that nobody writes the file. */
static char *query_uri(const char *path)
{
    char *uri = malloc(strlen(path) * 3 + 64), *to = uri;

    if (uri == NULL)
        return NULL;
    to += sprintf(to, "file:");
    for (; *path != '\0'; path++) {
        if (*path == '%' || *path == '?' || *path == '#')
            to += sprintf(to, "%%%02x", (unsigned char)*path);
        else
            *to++ = *path;
    }
    strcpy(to, "?immutable=1");
    return uri;
}

static int query_is_readable(struct audit_query *q)
{
    return sqlite3_exec(q->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
}

/* A copy on a medium that can't be written has no place for SQLite's shared memory. */
static int query_attach(struct audit_query *q)
{
    char *uri;
    int code = sqlite3_open_v2(q->path, &q->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(q->db, QUERY_BUSY_MS);
        code = query_is_readable(q);
    }
    if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY)
        return code;
    uri = query_uri(q->path);
    if (uri == NULL)
        return SQLITE_NOMEM;
    sqlite3_close(q->db);
    q->db = NULL;
    code = sqlite3_open_v2(uri, &q->db,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
    free(uri);
    return code == SQLITE_OK ? query_is_readable(q) : code;
}

static int query_on_number(void *arg, struct sqlite3_stmt *statement)
{
    *(int64_t *)arg = sqlite3_column_int64(statement, 0);
    return 0;
}

static int query_check(struct audit_query *q, char *why, size_t why_size)
{
    int64_t id = 0, version = 0;

    if (audit_query_each(q, "PRAGMA application_id", 0, 0, query_on_number, &id) != 0 ||
        audit_query_each(q, "PRAGMA user_version", 0, 0, query_on_number, &version) != 0) {
        snprintf(why, why_size, "%s: %s", q->path, sqlite3_errmsg(q->db));
        return DIVE_E_INTERNAL;
    }
    if (id == AUDIT_APPLICATION_ID && version == AUDIT_SCHEMA)
        return 0;
    snprintf(why, why_size, "%s: %s", q->path,
             id == AUDIT_APPLICATION_ID ? "an audit store of another version of dived"
                                        : "this is no audit store");
    return DIVE_E_SYNTAX;
}

int audit_query_open(struct audit_query **out, const char *path, char *why, size_t why_size)
{
    struct audit_query *q = calloc(1, sizeof(*q));
    int r = DIVE_E_NOMEM, code;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (q == NULL)
        return DIVE_E_NOMEM;
    q->path = strdup(path);
    if (q->path == NULL)
        goto out;
    if (access(path, R_OK) != 0) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        r = DIVE_E_NOT_FOUND;
        goto out;
    }
    code = query_attach(q);
    if (code != SQLITE_OK) {
        snprintf(why, why_size, "%s: %s", path,
                 q->db != NULL ? sqlite3_errmsg(q->db) : sqlite3_errstr(code));
        r = code == SQLITE_NOTADB ? DIVE_E_SYNTAX : DIVE_E_INTERNAL;
        goto out;
    }
    r = query_check(q, why, why_size);
out:
    if (r != 0)
        audit_query_close(&q);
    *out = q;
    return r;
}

void audit_query_close(struct audit_query **query)
{
    if (*query == NULL)
        return;
    sqlite3_close((*query)->db);
    free((*query)->path);
    free(*query);
    *query = NULL;
}

const char *audit_query_path(const struct audit_query *query)
{
    return query->path;
}

int audit_query_each(struct audit_query *q, const char *sql, int64_t first, int64_t second,
                     int (*row)(void *arg, struct sqlite3_stmt *statement), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int r = DIVE_E_INTERNAL, code;

    if (sqlite3_prepare_v2(q->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return DIVE_E_INTERNAL;
    if (sqlite3_bind_parameter_count(statement) > 0)
        sqlite3_bind_int64(statement, 1, first);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, second);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        r = row(arg, statement);
        if (r != 0)
            goto out;
    }
    r = code == SQLITE_DONE ? 0 : DIVE_E_INTERNAL;
out:
    sqlite3_finalize(statement);
    return r;
}

/* ---- rows ---- */

static json_t *query_member(const struct audit_event *event, enum audit_column column)
{
    const char *text = event->v[column].text;
    json_t *value;

    if (!audit_column_is_text(column)) {
        if (column == AUDIT_BROWSER || column == AUDIT_WOULD_BLOCK)
            return json_boolean(event->v[column].number != 0);
        return json_integer(event->v[column].number);
    }
    if (text == NULL)
        return json_null();
    value = column == AUDIT_PROOF ? json_loads(text, 0, NULL) : json_string(text);
    return value != NULL ? value : json_string("(this is no text: the file was tampered with)");
}

static json_t *query_object(const struct chain_link *link, const struct audit_event *event)
{
    char hex[CHAIN_HEX], time_text[AUDIT_TIME_TEXT];
    json_t *object;

    chain_hex(link->hash, hex);
    audit_time_text(event->v[AUDIT_TIME].number, time_text);
    object = json_pack("{s:I, s:s, s:s}", "number", (json_int_t)link->number, "hash", hex, "time",
                       time_text);
    for (unsigned i = 0; object != NULL && i < AUDIT_COLUMN_COUNT; i++) {
        if (json_object_set_new(object, audit_column_name(i), query_member(event, i)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static void query_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    if (text != NULL)
        sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

#define QUERY_ROWS                                                                                 \
    AUDIT_SQL_SELECT " WHERE (?1 = 0 OR time_ms >= ?1) AND (?2 = 0 OR time_ms < ?2)"               \
                     " AND (?3 IS NULL OR host GLOB ?3) AND (?4 IS NULL OR client GLOB ?4)"        \
                     " AND (?5 IS NULL OR reason = ?5 OR kind = ?5 OR action = ?5)"                \
                     " AND (?6 IS NULL OR exchange = ?6 OR CAST(number AS TEXT) = ?6)"             \
                     " ORDER BY number DESC LIMIT ?7"

int audit_query_rows(struct audit_query *q, const struct audit_filter *filter,
                     int (*row)(void *arg, const json_t *event), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int r = DIVE_E_INTERNAL, code;

    if (sqlite3_prepare_v2(q->db, QUERY_ROWS, -1, &statement, NULL) != SQLITE_OK)
        return DIVE_E_INTERNAL;
    sqlite3_bind_int64(statement, 1, filter->since_ms);
    sqlite3_bind_int64(statement, 2, filter->until_ms);
    query_bind_text(statement, 3, filter->host);
    query_bind_text(statement, 4, filter->client);
    query_bind_text(statement, 5, filter->reason);
    query_bind_text(statement, 6, filter->exchange);
    sqlite3_bind_int64(statement, 7, filter->limit > 0 ? (int64_t)filter->limit : -1);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct audit_event *event;
        struct chain_link link;
        uint8_t before[CHAIN_HASH];
        json_t *object = NULL;

        r = audit_schema_row(statement, &link, before, &event);
        if (event != NULL)
            object = query_object(&link, event);
        audit_event_free(&event);
        r = object != NULL ? row(arg, object) : DIVE_E_NOMEM;
        json_decref(object);
        if (r != 0)
            goto out;
    }
    r = code == SQLITE_DONE ? 0 : DIVE_E_INTERNAL;
out:
    sqlite3_finalize(statement);
    return r;
}

/* ---- the chain ---- */

int audit_query_head(struct audit_query *q, struct chain_link *out)
{
    return audit_schema_link(q->db, "head", out);
}

struct query_walk {
    struct audit_verdict *out;
    const struct chain_link *through;
    bool passed; /* the chain went through it */
};

static int query_on_link(void *arg, struct sqlite3_stmt *statement)
{
    struct query_walk *walk = arg;
    struct audit_event *event;
    struct chain_link link;
    uint8_t before[CHAIN_HASH];
    int r = audit_schema_row(statement, &link, before, &event), error = 0;

    if (event == NULL)
        return r;
    /* Hashes of another size are zeros here, and so those of no row. */
    if (chain_walk_row(&walk->out->walk, link.number, event, before, link.hash, &error))
        walk->out->rows++;
    audit_event_free(&event);
    if (walk->through != NULL && link.number == walk->through->number &&
        walk->out->walk.fault == CHAIN_NONE)
        walk->passed = memcmp(link.hash, walk->through->hash, CHAIN_HASH) == 0;
    if (error != 0)
        return error;
    return walk->out->walk.fault != CHAIN_NONE ? 1 : 0;
}

static int query_walk(struct audit_query *q, const struct chain_link *through,
                      struct audit_verdict *out)
{
    struct query_walk walk = {.out = out, .through = through};
    int r = audit_schema_link(q->db, "anchor", &out->anchor);

    if (r == 0)
        r = audit_schema_link(q->db, "head", &out->head);
    if (r != 0)
        return r;
    chain_walk_init(&out->walk, &out->anchor);
    r = audit_query_each(q, AUDIT_SQL_SELECT " ORDER BY number", 0, 0, query_on_link, &walk);
    if (r < 0)
        return r;
    chain_walk_end(&out->walk, &out->head);
    if (through == NULL || out->walk.fault != CHAIN_NONE)
        return 0;
    if (through->number == out->anchor.number)
        walk.passed = memcmp(through->hash, out->anchor.hash, CHAIN_HASH) == 0;
    if (through->number >= out->anchor.number && !walk.passed) {
        out->walk.fault = CHAIN_HEAD;
        out->walk.at = through->number;
    }
    return 0;
}

int audit_query_verify(struct audit_query *q, const struct chain_link *through,
                       struct audit_verdict *out)
{
    int r = DIVE_E_INTERNAL;

    *out = (struct audit_verdict){0};
    if (sqlite3_exec(q->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return DIVE_E_INTERNAL;
    r = query_walk(q, through, out);
    (void)sqlite3_exec(q->db, "COMMIT", NULL, NULL, NULL);
    return r;
}
