/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shared: what all workers of the process share, whatever the configuration: the record cache, the
 * account of held bytes, the ring of traces, the process's name for exchanges.
 */
#ifndef DIVED_WORKER_SHARED_H
#define DIVED_WORKER_SHARED_H

#include <pthread.h>
#include <stdatomic.h>

#include "access/access.h"
#include "audit/audit.h"
#include "cache/flight.h"
#include "cache/remember.h"
#include "cache/store.h"
#include "config/config.h"
#include "hold/hold.h"
#include "lib/memory.h"
#include "lib/record_cache.h"
#include "report/limiter.h"
#include "worker/trace_ring.h"

#define RECORD_CACHE_ENTRIES 65536
#define POLICY_MEMORY_ENTRIES 16384

struct shared {
    struct dive_record_cache *records;
    pthread_mutex_t records_lock;
    struct dive_memory *policies; /* domains that had a policy */
    pthread_mutex_t policies_lock;
    struct hold_account hold;
    struct store *store; /* NULL: nothing is stored */
    struct flights *flights;
    struct remember *remember;
    struct access_process access;
    struct access_pool *tokens; /* worker/token_job.h */
    bool left_thread;           /* shared_destroy() left one of these behind: end by _exit() */
    struct trace_ring *traces;
    struct audit *audit; /* main's: made before the workers, gone after them; NULL in tests */
    struct report_limiter *report_limiter;
    _Atomic uint64_t next_exchange;
    uint32_t exchange_prefix; /* random: exchange ids of two runs differ */
    _Atomic int connections;
    _Atomic bool draining;  /* the end has begun */
    _Atomic bool listening; /* every worker was started with its listeners */
};

/* 0 or a negative DIVE_E*. */
int shared_init(struct shared *shared, const struct config *config) DIVE_MUST_USE;
/* Takes over the limits of another configuration. False: the cache's directory, or a cache where
 * there was none, takes a restart. */
bool shared_reload(struct shared *shared, const struct config *config);
void shared_destroy(struct shared *shared);
/* The audit store, as `config` has it; `succeeds`: in the place of a process that still runs.
 * Errors as audit_start(). */
int shared_start_audit(struct shared *shared, const struct config *config, bool succeeds, char *why,
                       size_t why_size) DIVE_MUST_USE;
/* Takes over other limits. False: another audit.file takes a restart. */
bool shared_reload_audit(struct shared *shared, const struct config *config);

#define EXCHANGE_ID_SIZE 25
/* A name for an exchange, unique across restarts: 24 hex digits. */
void shared_exchange_id(struct shared *shared, char out[EXCHANGE_ID_SIZE]);

#endif
