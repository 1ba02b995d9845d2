/* SPDX-License-Identifier: BSD-2-Clause
 *
 * worker: one thread with a loop of its own, and everything that belongs to it alone.
 *
 *      main -- shared (all workers)      record cache, held bytes, traces
 *           `- worker (one a thread)
 *                +- loop               events, timers, what is to be done between loop turns
 *                +- runtime (shared, counted reference)   config, guard, TLS contexts
 *                +- resolver           libunbound on this loop
 *                +- origin_pool        connections to origins
 *                +- listeners          one SO_REUSEPORT socket an address
 *                +- client_connections each with at most one exchange
 *                `- reporter           failure reports under way
 *
 * Other threads reach a worker through its mailbox only.
 */
#ifndef DIVED_WORKER_WORKER_H
#define DIVED_WORKER_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "core/buffer.h"
#include "core/loop.h"
#include "http/writer.h"
#include "lib/domain.h"
#include "worker/runtime.h"
#include "worker/shared.h"

#define WORKER_IO_BUFFER (64 * 1024)

/* Something that another thread wants this worker to do: see worker_post(). Zeroed memory is "not
 * posted". */
struct worker_post {
    TAILQ_ENTRY(worker_post) link;
    void (*fn)(struct worker_post *post);
    bool posted;
};

struct client_connection;
struct listener;
struct origin_pool;
struct reporter;
struct tunnel;
struct exchange;

struct worker {
    struct loop loop;
    unsigned index;
    struct shared *shared;
    struct runtime *runtime;
    struct resolver *resolver;
    struct origin_pool *origins;
    struct reporter *reporter;
    TAILQ_HEAD(, listener) listeners;
    TAILQ_HEAD(client_list, client_connection) clients;
    uint64_t clients_ever;            /* connections of clients up to now */
    TAILQ_HEAD(, exchange) exchanges; /* those too that have given their client back */
    struct http_buffer scratch;       /* heads are written here before they are queued */
    struct buffer log_line;           /* a line of the access log is put together here */
    char *io_buffer; /* WORKER_IO_BUFFER bytes between a held file and TLS; empty between calls */
    struct loop_timer housekeeping;
    uint64_t dns_told[4][4]; /* counters already added to the metrics */
    char
        fault_domain[DIVE_DOMAIN_BUF]; /* whose faulty policy was logged last (exchange/verify.c) */
    int64_t fault_quiet_until_ms;
    bool draining;
    bool patient; /* while draining: idle connections may have one more request */
    int64_t drain_until_ms;
    _Atomic int64_t turned_ms; /* when the loop was seen to turn last, CLOCK_MONOTONIC */
    _Atomic bool held;         /* accepts nothing */
    _Atomic bool ended;

    pthread_t thread;
    struct event *mailbox_event;
    int mailbox_fd;
    pthread_mutex_t mailbox_lock;
    struct runtime *mailbox_runtime; /* to be switched to */
    int *mailbox_listen;             /* sockets of that runtime's listeners, in their order */
    size_t mailbox_listen_count;
    bool mailbox_drain, mailbox_patient, mailbox_hold;
    int64_t mailbox_drain_ms;
    TAILQ_HEAD(post_list, worker_post) mailbox_posts;
};

/* Makes everything but the listeners; doesn't start the thread. `why` gets a sentence on failure.
 */
int worker_new(struct worker **out, unsigned index, struct shared *shared, struct runtime *runtime,
               char *why, size_t why_size) DIVE_MUST_USE;
/* Starts the thread; `sockets` are bound, listening sockets in the order of the config's listeners
 * (a second, third ... row of them may follow; -1: none) and become the worker's. */
int worker_start(struct worker *worker, const int *sockets, size_t count) DIVE_MUST_USE;

/* From another thread. The new runtime is used for new connections and exchanges. -1 in `sockets`:
 * the listener at that address is open already and stays. */
int worker_reload(struct worker *worker, struct runtime *runtime, const int *sockets,
                  size_t count) DIVE_MUST_USE;
/* From another thread: stop accepting, finish what runs, end after `within_ms` at the latest.
 * `patient`: connections without a request stay open for one more, which is answered with
 * "Connection: close"; otherwise they are closed. May be called again with less patience. */
void worker_drain(struct worker *worker, bool patient, int64_t within_ms);
/* From another thread: accept no connections until told otherwise; they wait in the sockets. Done
 * when worker_is_held() says so. */
void worker_hold(struct worker *worker, bool held);
bool worker_is_held(const struct worker *worker);
/* From any thread: since when its loop hasn't been seen to turn, in milliseconds. About a second is
 * usual. */
int64_t worker_stuck_ms(const struct worker *worker);
/* From any thread: has its thread come to its end? */
bool worker_has_ended(const struct worker *worker);
/* From any thread: `post->fn(post)` is called by the worker's thread, soon and once; posting what
 * is posted changes nothing. The memory is the caller's and must stay until it has been called, or
 * worker_unpost() has taken it back (in the worker's own thread only). */
void worker_post(struct worker *worker, struct worker_post *post);
void worker_unpost(struct worker *worker, struct worker_post *post);
/* Waits for the thread and frees the worker. */
void worker_join(struct worker **worker);

/* Unix seconds and milliseconds as of now, of this worker's loop. */
int64_t worker_now(const struct worker *worker);

#endif
