/* SPDX-License-Identifier: BSD-2-Clause
 *
 * event: one row of the audit store in memory: what was decided about an exchange, and the proof.
 *
 *      exchange/audit_note.c -> audit_event -> audit.c (queue, writer) -> store.c (a row)
 *
 *   event.c    the row, and its canonical form    audit.c    queue, thread, limits, live view
 *   chain.c    the hash chain over rows           counts.c   daily counts between two writes
 *   store.c    SQLite, written                    tops.c     busiest hosts and clients
 *   query.c    SQLite, read (divectl audit)       report.c   what a report consists of
 *
 * The table below is the row: it yields the SQL, the canonical form, and the members of the JSON
 * that `divectl audit` prints. A new column comes at its end, with a new AUDIT_SCHEMA.
 */
#ifndef DIVED_AUDIT_EVENT_H
#define DIVED_AUDIT_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/error.h"
#include "lib/span.h"

/* X(identifier, column, INT or TEXT, SQL type) */
/* clang-format off */
#define AUDIT_COLUMNS(X)                            \
    X(TIME, "time_ms", INT, "INTEGER")              \
    X(EXCHANGE, "exchange", TEXT, "TEXT")           \
    X(KIND, "kind", TEXT, "TEXT")                   \
    X(CLIENT, "client", TEXT, "TEXT")               \
    X(USER, "user", TEXT, "TEXT")                   \
    X(METHOD, "method", TEXT, "TEXT")               \
    X(URL, "url", TEXT, "TEXT")                     \
    X(HOST, "host", TEXT, "TEXT")                   \
    X(PORT, "port", INT, "INTEGER")                 \
    X(LISTENER, "listener", TEXT, "TEXT")           \
    X(MODE, "mode", TEXT, "TEXT")                   \
    X(BROWSER, "browser", INT, "INTEGER")           \
    X(VERDICT, "verdict", TEXT, "TEXT")             \
    X(REASON, "reason", TEXT, "TEXT")               \
    X(ACTION, "action", TEXT, "TEXT")               \
    X(WOULD_BLOCK, "would_block", INT, "INTEGER")   \
    X(STATUS, "status", INT, "INTEGER")             \
    X(POLICY_DOMAIN, "policy_domain", TEXT, "TEXT") \
    X(DNSSEC, "dnssec", TEXT, "TEXT")               \
    X(DRAFT, "draft", TEXT, "TEXT")                 \
    X(KEY_IDS, "key_ids", TEXT, "TEXT")             \
    X(DIGESTS, "digests", TEXT, "TEXT")             \
    X(RULE, "rule", TEXT, "TEXT")                   \
    X(ERROR, "error", TEXT, "TEXT")                 \
    X(PROOF, "proof", TEXT, "TEXT")
/* clang-format on */

#define AUDIT_SCHEMA 1

enum audit_column {
#define X(id, name, kind, sql) AUDIT_##id,
    AUDIT_COLUMNS(X)
#undef X
        AUDIT_COLUMN_COUNT
};

/* Why an exchange is in the store. */
/* clang-format off */
#define AUDIT_KINDS(X)                                                                            \
    X(FAILED, "failed", "content that a policy covers was not verified")                          \
    X(BOGUS, "bogus", "the policy's DNS answer failed validation")                                \
    X(NO_ANSWER, "no-answer", "DNS gave no answer about the policy")                              \
    X(POLICY_LOST, "policy-lost", "a policy that was seen before is gone without a proof")        \
    X(DENIED, "denied", "a rule refused the request")
/* clang-format on */

enum audit_kind {
    AUDIT_KIND_NONE, /* nothing to be kept */
#define X(id, word, text) AUDIT_KIND_##id,
    AUDIT_KINDS(X)
#undef X
        AUDIT_KIND_COUNT
};

const char *audit_kind_word(enum audit_kind kind); /* "" for NONE */
const char *audit_column_name(enum audit_column column);
bool audit_column_is_text(enum audit_column column);

#define AUDIT_TEXT_MAX (8 * 1024)    /* bytes of one column; the rest is cut */
#define AUDIT_PROOF_MAX (512 * 1024) /* of the proof; a longer trace is left out, and said so */

struct audit_event {
    STAILQ_ENTRY(audit_event) link;
    size_t bytes; /* that it takes, about */
    struct {
        int64_t number;
        char *text; /* malloc'd UTF-8, or NULL: absent */
    } v[AUDIT_COLUMN_COUNT];
};

/* NULL without memory. */
struct audit_event *audit_event_new(void);
void audit_event_free(struct audit_event **event);
/* Text of any bytes: what isn't UTF-8 is read as Latin-1, a NUL becomes U+FFFD, and what is longer
 * than AUDIT_TEXT_MAX is cut. NULL as text sets nothing. DIVE_E_NOMEM. */
int audit_event_text(struct audit_event *event, enum audit_column column,
                     struct dive_span text) DIVE_MUST_USE;
int audit_event_string(struct audit_event *event, enum audit_column column,
                       const char *text) DIVE_MUST_USE;
/* Takes over `text`, malloc'd UTF-8, as it is; NULL sets nothing. */
void audit_event_take(struct audit_event *event, enum audit_column column, char *text);
/* Key ids and digests out of the trace in its proof (docs/trace.md). Nothing happens where there is
 * none. Costs a parse: for the writer's thread. */
void audit_event_derive(struct audit_event *event);

#endif
