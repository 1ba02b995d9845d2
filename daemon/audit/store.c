/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store: see store.h.
 *
 * A POSIX lock on the database would go with the first descriptor of it that this process closes,
 * so the lock against a second daemon is on a file of its own, which nobody else opens.
 */
#include "audit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/schema.h"
#include "core/log.h"

#define STORE_BUSY_MS 1000
#define STORE_WAL_MAX "4194304" /* bytes that the write-ahead log keeps after a checkpoint */
#define STORE_MS_A_DAY 86400000

enum store_statement {
    STORE_INSERT,
    STORE_SET_LINK,
    STORE_KNOWS_DOMAIN,
    STORE_ADD_COUNT,
    STORE_NTH_NUMBER,
    STORE_DELETE,
    STORE_STATEMENTS
};

static const char *const store_sql[STORE_STATEMENTS] = {
    [STORE_INSERT] = AUDIT_SQL_INSERT,
    [STORE_SET_LINK] = "UPDATE chain SET number = ?2, hash = ?3 WHERE place = ?1",
    [STORE_KNOWS_DOMAIN] = "SELECT 1 FROM day_count WHERE day = ?1 AND domain = ?2 LIMIT 1",
    [STORE_ADD_COUNT] = ("INSERT INTO day_count VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO "
                         "UPDATE SET n = n + excluded.n"),
    /* The last row of the oldest segment. */
    [STORE_NTH_NUMBER] =
        "SELECT number, hash, time_ms FROM event ORDER BY number LIMIT 1 OFFSET ?1",
    [STORE_DELETE] = "DELETE FROM event WHERE number <= ?1",
};

struct audit_store {
    char *path;
    int lock_fd;
    bool has_lock; /* false: a predecessor still writes too */
    sqlite3 *db;
    sqlite3_stmt *statement[STORE_STATEMENTS];
    dev_t device; /* of the file that is open */
    ino_t inode;
    struct chain_link head, committed; /* with and without the open transaction */
    uint64_t rows, rows_committed;
    int64_t newest_ms;
    uint64_t bytes;
    int64_t day; /* whose domains are counted here */
    int64_t day_domains;
    bool damaged;
    bool passing; /* the last failure was one of the disk or of a lock: it may be over later */
    char why[256];
};

static bool store_has_no_room(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static int store_fail(struct audit_store *s, const char *what)
{
    int code = s->db != NULL ? sqlite3_errcode(s->db) : SQLITE_NOMEM;

    s->damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    s->passing = code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_BUSY ||
                 code == SQLITE_LOCKED ||
                 (code == SQLITE_CANTOPEN && store_has_no_room(sqlite3_system_errno(s->db)));
    snprintf(s->why, sizeof(s->why), "%s: %s", what,
             s->db != NULL ? sqlite3_errmsg(s->db) : "out of memory");
    return DIVE_E_INTERNAL;
}

/* ---- opening ---- */

/* For people, should another daemon want the file. */
static void store_sign_lock(struct audit_store *s)
{
    char pid[32];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    s->has_lock = true;
    if (ftruncate(s->lock_fd, 0) == 0)
        (void)!pwrite(s->lock_fd, pid, (size_t)n, 0);
}

static int store_lock(struct audit_store *s, bool succeeds)
{
    char *path = NULL, pid[32];

    if (asprintf(&path, "%s.lock", s->path) < 0)
        return DIVE_E_NOMEM;
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0) {
        snprintf(s->why, sizeof(s->why), "%s: %s", path, strerror(errno));
        free(path);
        return DIVE_E_INTERNAL;
    }
    free(path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        store_sign_lock(s);
    } else if (!succeeds) {
        ssize_t got = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);

        pid[got > 0 ? got : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        snprintf(s->why, sizeof(s->why),
                 "another daemon (process %.20s) writes this audit store; each needs a file of its "
                 "own",
                 pid[0] != '\0' ? pid : "unknown");
        return DIVE_E_STATE;
    }
    return 0;
}

static int store_exec(struct audit_store *s, const char *sql)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_fail(s, "the audit store can't be written");
    return 0;
}

/* One number, `otherwise` on any failure. */
static int64_t store_number(struct audit_store *s, const char *sql, int64_t otherwise)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = otherwise;

    if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static int store_read_head(struct audit_store *s)
{
    struct chain_link anchor, last;
    int r = audit_schema_link(s->db, "head", &s->head);

    if (r == 0)
        r = audit_schema_link(s->db, "anchor", &anchor);
    if (r == 0)
        r = audit_schema_last(s->db, &last, &s->newest_ms);
    if (r != 0)
        return store_fail(s, "the audit store can't be read");
    if (last.number == 0)
        last = anchor;
    if (last.number != s->head.number || memcmp(last.hash, s->head.hash, CHAIN_HASH) != 0) {
        log_error("audit",
                  "%s: its last row is not the recorded head: rows were altered, removed or added "
                  "while nothing ran (divectl audit verify)",
                  s->path);
        if (last.number > s->head.number)
            s->head = last;
    }
    s->committed = s->head;
    return 0;
}

static void store_measure(struct audit_store *s)
{
    int64_t pages = store_number(s, "PRAGMA page_count", 0);
    int64_t unused = store_number(s, "PRAGMA freelist_count", 0);

    s->bytes = (uint64_t)((pages - unused) * store_number(s, "PRAGMA page_size", 4096));
}

static int store_prepare(struct audit_store *s)
{
    for (unsigned i = 0; i < STORE_STATEMENTS; i++)
        if (sqlite3_prepare_v3(s->db, store_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statement[i],
                               NULL) != SQLITE_OK)
            return store_fail(s, "the audit store can't be used");
    return 0;
}

/* Is it ours, of this version? An empty one becomes so. `anchor`: where a new chain begins. */
static int store_check(struct audit_store *s, const struct chain_link *anchor)
{
    int64_t id, version;

    /* The first look at the file: what is no database shows here. */
    if (store_exec(s, "PRAGMA schema_version") != 0)
        return DIVE_E_INTERNAL;
    id = store_number(s, "PRAGMA application_id", -1);
    version = store_number(s, "PRAGMA user_version", -1);
    if (id == 0 && version == 0 && store_number(s, "SELECT count(*) FROM sqlite_schema", 1) == 0) {
        if (store_exec(s, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;") != 0 ||
            audit_schema_create(s->db, anchor) != 0)
            return store_fail(s, "the audit store can't be made");
        return 0;
    }
    if (id == AUDIT_APPLICATION_ID && version == AUDIT_SCHEMA)
        return 0;
    if (id == AUDIT_APPLICATION_ID)
        snprintf(s->why, sizeof(s->why), "this audit store is of another version of dived");
    else
        snprintf(s->why, sizeof(s->why),
                 "this is a database, but no audit store; it is left alone");
    s->damaged = s->passing = false;
    return DIVE_E_SYNTAX;
}

static void store_detach(struct audit_store *s)
{
    for (unsigned i = 0; i < STORE_STATEMENTS; i++) {
        sqlite3_finalize(s->statement[i]);
        s->statement[i] = NULL;
    }
    sqlite3_close(s->db);
    s->db = NULL;
}

static int store_attach(struct audit_store *s, const struct chain_link *anchor)
{
    struct stat st;
    int fd, r;

    s->damaged = s->passing = false;
    /* Made here, for its mode. */
    fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        s->passing = fd < 0 && store_has_no_room(errno);
        snprintf(s->why, sizeof(s->why), "%s",
                 fd < 0 ? strerror(errno) : "this is not a regular file");
        if (fd >= 0)
            close(fd);
        return DIVE_E_INTERNAL;
    }
    close(fd);
    s->device = st.st_dev;
    s->inode = st.st_ino;
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return store_fail(s, "the audit store can't be opened");
    sqlite3_busy_timeout(s->db, STORE_BUSY_MS);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    r = store_check(s, anchor);
    if (r == 0)
        r = store_exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          "PRAGMA trusted_schema = 0; PRAGMA wal_autocheckpoint = 500;"
                          "PRAGMA journal_size_limit = " STORE_WAL_MAX);
    if (r == 0)
        r = store_read_head(s);
    if (r == 0)
        r = store_prepare(s);
    if (r != 0)
        return r;
    s->rows = s->rows_committed = (uint64_t)store_number(s, "SELECT count(*) FROM event", 0);
    s->day = -1;
    store_measure(s);
    return 0;
}

/* Renames what can't be read. It is somebody's evidence: nothing is deleted. */
static int store_set_aside(struct audit_store *s)
{
    static const char *const parts[] = {"", "-wal", "-shm"};

    for (unsigned n = 1; n <= STORE_DAMAGED_MAX; n++) {
        char from[4200], to[4200];

        snprintf(to, sizeof(to), "%s.damaged-%u", s->path, n);
        if (access(to, F_OK) == 0)
            continue;
        for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            snprintf(from, sizeof(from), "%s%s", s->path, parts[i]);
            snprintf(to, sizeof(to), "%s.damaged-%u%s", s->path, n, parts[i]);
            if (rename(from, to) != 0 && (i == 0 || errno != ENOENT)) {
                snprintf(s->why, sizeof(s->why), "the damaged file can't be renamed: %s",
                         strerror(errno));
                return DIVE_E_INTERNAL;
            }
        }
        log_error("audit", "%s was damaged (%s): it is %s.damaged-%u now, and a new one is begun",
                  s->path, s->why, s->path, n);
        return 0;
    }
    snprintf(s->why, sizeof(s->why), "it is damaged, and %d damaged ones are here already",
             STORE_DAMAGED_MAX);
    return DIVE_E_LIMIT;
}

int audit_store_restart(struct audit_store *s)
{
    const struct chain_link anchor = s->committed;
    struct stat st;
    int r = 0;

    store_detach(s);
    if (stat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
        r = store_set_aside(s);
    else
        log_error("audit", "%s was removed or replaced while it was written: a new one is begun",
                  s->path);
    if (r == 0)
        r = store_attach(s, &anchor);
    if (r != 0)
        store_detach(s);
    return r;
}

int audit_store_open(struct audit_store **out, const char *path, bool succeeds, char *why,
                     size_t why_size)
{
    static const struct chain_link beginning;
    struct audit_store *s = calloc(1, sizeof(*s));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (s == NULL)
        return DIVE_E_NOMEM;
    s->lock_fd = -1;
    s->path = strdup(path);
    if (s->path == NULL)
        goto out;
    r = store_lock(s, succeeds);
    if (r == 0)
        r = store_attach(s, &beginning);
    if (r != 0 && s->damaged)
        r = audit_store_restart(s);
    if (r != 0 && s->passing) {
        store_detach(s); /* audit_store_begin() attaches */
        r = 0;
    }
out:
    if (r != 0) {
        snprintf(why, why_size, "audit.file: %s: %s", path, s->why);
        audit_store_close(&s);
    }
    *out = s;
    return r;
}

void audit_store_close(struct audit_store **store)
{
    struct audit_store *s = *store;

    if (s == NULL)
        return;
    store_detach(s);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->path);
    free(s);
    *store = NULL;
}

/* ---- writing ---- */

static bool store_is_ours(const struct audit_store *s)
{
    struct stat st;

    return stat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode;
}

/* Within a transaction: the head as it is now. Somebody else may have appended or pruned: during an
 * upgrade two processes do. */
static int store_follow(struct audit_store *s)
{
    struct chain_link anchor;
    int r = audit_schema_link(s->db, "head", &s->head);

    if (r == 0)
        r = audit_schema_link(s->db, "anchor", &anchor);
    if (r != 0) {
        r = store_fail(s, "the audit store can't be read");
        audit_store_rollback(s);
        return r;
    }
    if (s->head.number < s->committed.number)
        s->head = s->committed; /* the record of it was turned back: the chain isn't */
    s->rows = (uint64_t)(s->head.number - anchor.number);
    return 0;
}

bool audit_store_is_attached(const struct audit_store *s)
{
    return s->db != NULL;
}

int audit_store_begin(struct audit_store *s)
{
    if (s->db == NULL && store_attach(s, &s->committed) != 0) {
        store_detach(s);
        return DIVE_E_INTERNAL;
    }
    if (!store_is_ours(s)) {
        snprintf(s->why, sizeof(s->why), "the file was removed or replaced");
        s->damaged = true;
        return DIVE_E_INTERNAL;
    }
    if (!s->has_lock && flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        store_sign_lock(s);
    if (store_exec(s, "BEGIN IMMEDIATE") != 0)
        return DIVE_E_INTERNAL;
    return store_follow(s);
}

/* Runs a bound statement that gives no row, and makes it ready for the next time. */
static int store_run(struct audit_store *s, enum store_statement which)
{
    int code = sqlite3_step(s->statement[which]);
    int r = code == SQLITE_DONE ? 0 : store_fail(s, "the audit store can't be written");

    sqlite3_reset(s->statement[which]);
    sqlite3_clear_bindings(s->statement[which]);
    return r;
}

static int store_set_link(struct audit_store *s, const char *place, const struct chain_link *link)
{
    sqlite3_stmt *statement = s->statement[STORE_SET_LINK];

    sqlite3_bind_text(statement, 1, place, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, link->number);
    sqlite3_bind_blob(statement, 3, link->hash, CHAIN_HASH, SQLITE_STATIC);
    return store_run(s, STORE_SET_LINK);
}

int audit_store_append(struct audit_store *s, const struct audit_event *event)
{
    sqlite3_stmt *statement = s->statement[STORE_INSERT];
    struct chain_link next = {.number = s->head.number + 1};
    int r = chain_hash(s->head.hash, next.number, event, next.hash);

    if (r != 0)
        return r;
    sqlite3_bind_int64(statement, 1, next.number);
    sqlite3_bind_blob(statement, 2, s->head.hash, CHAIN_HASH, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 3, next.hash, CHAIN_HASH, SQLITE_STATIC);
    for (unsigned i = 0; i < AUDIT_COLUMN_COUNT; i++) {
        if (!audit_column_is_text(i))
            sqlite3_bind_int64(statement, (int)i + 4, event->v[i].number);
        else if (event->v[i].text != NULL)
            sqlite3_bind_text(statement, (int)i + 4, event->v[i].text, -1, SQLITE_STATIC);
    }
    r = store_run(s, STORE_INSERT);
    if (r != 0)
        return r;
    s->head = next;
    s->rows++;
    s->newest_ms = event->v[AUDIT_TIME].number;
    return 0;
}

/* The name that a domain is counted under: a day has a bounded number of them. */
static const char *store_domain(struct audit_store *s, int64_t day, const char *domain)
{
    sqlite3_stmt *statement = s->statement[STORE_KNOWS_DOMAIN];
    bool known;

    if (day != s->day) {
        char sql[96];

        snprintf(sql, sizeof(sql), "SELECT count(DISTINCT domain) FROM day_count WHERE day = %lld",
                 (long long)day);
        s->day_domains = store_number(s, sql, STORE_DOMAINS_A_DAY);
        s->day = day;
    }
    sqlite3_bind_int64(statement, 1, day);
    sqlite3_bind_text(statement, 2, domain, -1, SQLITE_STATIC);
    known = sqlite3_step(statement) == SQLITE_ROW;
    sqlite3_reset(statement);
    if (known)
        return domain;
    if (s->day_domains >= STORE_DOMAINS_A_DAY)
        return COUNTS_OTHER;
    s->day_domains++;
    return domain;
}

int audit_store_count(struct audit_store *s, int64_t day, const struct counts *counts)
{
    sqlite3_stmt *statement = s->statement[STORE_ADD_COUNT];

    for (unsigned i = 0; i < COUNTS_SLOTS; i++) {
        const struct counts_row *row = &counts->slot[i];

        if (row->n == 0)
            continue;
        sqlite3_bind_int64(statement, 1, day);
        sqlite3_bind_text(statement, 2, store_domain(s, day, row->domain), -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, verdict_word(row->verdict), -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 4, dive_reason_word(row->reason), -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 5, action_word(row->action), -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 6, (int64_t)row->n);
        if (store_run(s, STORE_ADD_COUNT) != 0)
            return DIVE_E_INTERNAL;
    }
    return 0;
}

int audit_store_commit(struct audit_store *s)
{
    int r = store_set_link(s, "head", &s->head);

    if (r == 0)
        r = store_exec(s, "COMMIT");
    if (r != 0) {
        audit_store_rollback(s);
        return r;
    }
    s->committed = s->head;
    s->rows_committed = s->rows;
    store_measure(s);
    return 0;
}

void audit_store_rollback(struct audit_store *s)
{
    if (s->db != NULL && sqlite3_get_autocommit(s->db) == 0)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->head = s->committed;
    s->rows = s->rows_committed;
    s->day = -1;
}

/* ---- pruning ---- */

/* The last row of the oldest segment: 1, 0 when there is no whole segment, or negative. */
static int store_oldest_segment(struct audit_store *s, struct chain_link *last, int64_t *time_ms)
{
    sqlite3_stmt *statement = s->statement[STORE_NTH_NUMBER];
    int code, r = 0;

    *last = (struct chain_link){0};
    sqlite3_bind_int64(statement, 1, STORE_SEGMENT - 1);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_bytes(statement, 1) == CHAIN_HASH) {
        last->number = sqlite3_column_int64(statement, 0);
        memcpy(last->hash, sqlite3_column_blob(statement, 1), CHAIN_HASH);
        *time_ms = sqlite3_column_int64(statement, 2);
        r = 1;
    } else if (code != SQLITE_DONE) {
        r = store_fail(s, "the audit store can't be pruned");
    }
    sqlite3_reset(statement);
    return r;
}

/* Is there a whole segment at the oldest end that has to go? As store_oldest_segment(). */
static int store_find_prunable(struct audit_store *s, int64_t max_size, int64_t before_ms,
                               struct chain_link *last)
{
    int64_t time_ms = 0;
    int r = store_oldest_segment(s, last, &time_ms);

    return r > 0 && s->bytes <= (uint64_t)max_size && time_ms >= before_ms ? 0 : r;
}

/* Within a transaction: the segment that ends there goes, and is the anchor. */
static int store_drop_segment(struct audit_store *s, const struct chain_link *last, uint64_t *gone)
{
    int r;

    sqlite3_bind_int64(s->statement[STORE_DELETE], 1, last->number);
    r = store_run(s, STORE_DELETE);
    if (r != 0)
        return r;
    *gone = (uint64_t)sqlite3_changes(s->db);
    s->rows -= s->rows >= *gone ? *gone : s->rows;
    return store_set_link(s, "anchor", last);
}

/* One segment: 1, 0 when none has to go, or negative. The first look spares an idle store the
 * transaction; what it saw may have gone by then, by another process during an upgrade, and an
 * anchor that moved back would look like rows that were removed: only the second look counts. */
static int store_prune_segment(struct audit_store *s, int64_t max_size, int64_t before_ms,
                               uint64_t *gone)
{
    struct chain_link last;
    int r = store_find_prunable(s, max_size, before_ms, &last);

    *gone = 0;
    if (r <= 0)
        return r;
    r = audit_store_begin(s);
    if (r != 0)
        return r;
    store_measure(s);
    r = store_find_prunable(s, max_size, before_ms, &last);
    if (r > 0) {
        r = store_drop_segment(s, &last, gone);
        if (r == 0)
            r = audit_store_commit(s);
        if (r == 0)
            return 1;
        *gone = 0;
    }
    audit_store_rollback(s);
    return r;
}

int audit_store_prune(struct audit_store *s, int64_t max_size, int64_t before_ms, unsigned segments,
                      uint64_t *pruned)
{
    int r = 0;

    *pruned = 0;
    if (s->db == NULL)
        return 0;
    for (unsigned i = 0; i < segments; i++) {
        uint64_t gone;

        r = store_prune_segment(s, max_size, before_ms, &gone);
        if (r <= 0)
            break;
        r = 0;
        *pruned += gone;
    }
    if (*pruned > 0) {
        char sql[96];

        snprintf(sql, sizeof(sql), "DELETE FROM day_count WHERE day < %lld",
                 (long long)(before_ms > 0 ? before_ms / STORE_MS_A_DAY : 0));
        if (before_ms > 0 && r == 0)
            r = store_exec(s, sql);
        if (r == 0)
            r = store_exec(s, "PRAGMA incremental_vacuum");
    }
    return r;
}

/* ---- what it is ---- */

bool audit_store_is_damaged(const struct audit_store *s)
{
    return s->damaged;
}

const char *audit_store_why(const struct audit_store *s)
{
    return s->why;
}

void audit_store_head(const struct audit_store *s, struct chain_link *out)
{
    *out = s->committed;
}

void audit_store_size(const struct audit_store *s, uint64_t *bytes, uint64_t *rows,
                      int64_t *newest_ms)
{
    *bytes = s->bytes;
    *rows = s->rows_committed;
    *newest_ms = s->newest_ms;
}
