/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit: the durable record of every exchange that wasn't plain "verified" or "not supported", and
 * a live view of the traffic for whoever looks at this daemon now.
 *
 *      workers -- audit_submit() --> queue (bounded) -- writer's thread --> store.h (SQLite)
 *              `- audit_count() ---> counts -----------'
 *                               `--> tops, recent        <-- admin thread (audit_view())
 *
 * No call of the data path waits for the disk. What the queue can't take is counted and logged: the
 * service never stops for its record. Without a file there is no thread, and the live view alone.
 */
#ifndef DIVED_AUDIT_AUDIT_H
#define DIVED_AUDIT_AUDIT_H

#include "audit/chain.h"
#include "audit/counts.h"
#include "audit/event.h"
#include "audit/tops.h"

#define AUDIT_QUEUE_BYTES (32 << 20) /* of all queued events */
#define AUDIT_RECENT 50
#define AUDIT_VIEW_TOPS 20

struct audit_options {
    const char *file;   /* NULL: nothing is recorded */
    int64_t max_size;   /* bytes of the database */
    int64_t max_age_ms; /* 0: as old as max_size lets them be */
    unsigned queue;     /* events */
    int64_t head_ms;    /* how often the chain's head is logged; 0: at the end only */
    /* Another process writes the file and drains while this one takes over: both write it, and each
     * takes the chain's head as it finds it. False: another writer is an error. */
    bool succeeds;
};

struct audit;

/* Opens the file and starts the writer's thread, which blocks all signals. `options` is copied. 0;
 * DIVE_E_STATE: another daemon writes the file; DIVE_E_SYNTAX: it is something else; DIVE_E_NOMEM,
 * DIVE_E_INTERNAL. *out is NULL then and `why` has a sentence. A file that can't be written at the
 * moment (disk full) is no failure: it is logged, and tried again. */
int audit_start(struct audit **out, const struct audit_options *options, char *why,
                size_t why_size) DIVE_MUST_USE;
/* Writes what is queued, if it can be written, and ends the thread. Fine with NULL in *audit. */
void audit_stop(struct audit **audit);
/* Other limits. False: another file takes a restart. */
bool audit_reload(struct audit *audit, const struct audit_options *options);

/* Is there a file? If not, an event's proof is of no use. */
bool audit_keeps(const struct audit *audit);
/* Takes over *event (NULL: there was no memory for it), which becomes NULL. Never waits for the
 * disk. Any thread. */
void audit_submit(struct audit *audit, struct audit_event **event);

struct audit_seen {
    const char *host, *client; /* NULL: not known */
    const char *domain;        /* of the policy; NULL: none applied */
    enum verdict_word verdict;
    enum dive_reason reason;
    enum action_word action;
    uint64_t bytes;
};
/* Every exchange and tunnel, once. Any thread; one lock, no allocation. */
void audit_count(struct audit *audit, const struct audit_seen *seen);

/* The live view: a copy. */
struct audit_recent {
    int64_t time_ms;
    char exchange[32], kind[16], client[64], method[16], host[256], url[256], reason[40],
        action[16];
};

struct audit_view {
    bool keeps, failing;
    uint64_t queued;
    struct chain_link head;
    struct audit_recent recent[AUDIT_RECENT]; /* newest first */
    size_t n_recent;
    struct tops_entry hosts[AUDIT_VIEW_TOPS], clients[AUDIT_VIEW_TOPS];
    size_t n_hosts, n_clients;
};

/* malloc'd, the caller's; NULL without memory. */
struct audit_view *audit_view(struct audit *audit);

#endif
