/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shared: see shared.h.
 */
#include "worker/shared.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "access/pool.h"

#define TOKENS_END_MS 500

static void shared_lock(void *arg)
{
    pthread_mutex_lock(arg);
}

static void shared_unlock(void *arg)
{
    pthread_mutex_unlock(arg);
}

static struct store_options shared_store_options(const struct config *config)
{
    return (struct store_options){
        .directory = config->cache.directory,
        .max_size = (uint64_t)config->cache.max_size,
        .memory = (uint64_t)config->cache.memory,
        .object_max = (uint64_t)config->cache.max_object,
    };
}

static int shared_make_store(struct shared *shared, const struct config *config)
{
    struct store_options options = shared_store_options(config);

    if (options.max_size == 0 && options.memory == 0)
        return 0;
    return store_new(&shared->store, &options);
}

static struct audit_options shared_audit_options(const struct config *config)
{
    return (struct audit_options){
        .file = config->audit.file,
        .max_size = config->audit.max_size,
        .max_age_ms = config->audit.max_age_ms,
        .queue = config->audit.queue,
        .head_ms = config->audit.head_interval_ms,
    };
}

int shared_start_audit(struct shared *shared, const struct config *config, bool succeeds, char *why,
                       size_t why_size)
{
    struct audit_options options = shared_audit_options(config);

    options.succeeds = succeeds;
    return audit_start(&shared->audit, &options, why, why_size);
}

bool shared_reload_audit(struct shared *shared, const struct config *config)
{
    const struct audit_options options = shared_audit_options(config);

    return audit_reload(shared->audit, &options);
}

bool shared_reload(struct shared *shared, const struct config *config)
{
    struct store_options options = shared_store_options(config);

    hold_account_set_max(&shared->hold, (uint64_t)config->hold.max_total);
    if (shared->store == NULL)
        return options.max_size == 0 && options.memory == 0;
    return store_set_options(shared->store, &options);
}

int shared_init(struct shared *shared, const struct config *config)
{
    struct dive_lock lock = {shared_lock, shared_unlock, &shared->records_lock};
    struct dive_lock policies = {shared_lock, shared_unlock, &shared->policies_lock};
    int r = DIVE_E_INTERNAL;

    *shared = (struct shared){0};
    pthread_mutex_init(&shared->records_lock, NULL);
    pthread_mutex_init(&shared->policies_lock, NULL);
    hold_account_init(&shared->hold, (uint64_t)config->hold.max_total);
    if (RAND_bytes((unsigned char *)&shared->exchange_prefix, sizeof(shared->exchange_prefix)) != 1)
        return DIVE_E_INTERNAL;
    if ((r = dive_record_cache_new(&shared->records, RECORD_CACHE_ENTRIES, &lock)) != 0 ||
        (r = dive_memory_new(&shared->policies, POLICY_MEMORY_ENTRIES, &policies)) != 0 ||
        (r = trace_ring_new(&shared->traces, config->trace.entries)) != 0 ||
        (r = report_limiter_new(&shared->report_limiter)) != 0 ||
        (r = access_process_init(&shared->access)) != 0 ||
        (r = access_pool_new(&shared->tokens)) != 0 || (r = flights_new(&shared->flights)) != 0 ||
        (r = remember_new(&shared->remember)) != 0 || (r = shared_make_store(shared, config)) != 0)
        shared_destroy(shared);
    return r;
}

void shared_destroy(struct shared *shared)
{
    audit_stop(&shared->audit);
    access_process_destroy(&shared->access);
    /* The library can't be told to stop asking a KDC that is silent, for most of a minute. */
    shared->left_thread = !access_pool_leave(&shared->tokens, TOKENS_END_MS);
    trace_ring_free(&shared->traces); /* what is in it may have records */
    dive_record_cache_free(&shared->records);
    dive_memory_free(&shared->policies);
    report_limiter_free(&shared->report_limiter);
    flights_free(&shared->flights);
    remember_free(&shared->remember);
    store_free(&shared->store);
    pthread_mutex_destroy(&shared->records_lock);
    pthread_mutex_destroy(&shared->policies_lock);
}

void shared_exchange_id(struct shared *shared, char out[EXCHANGE_ID_SIZE])
{
    uint64_t n = atomic_fetch_add_explicit(&shared->next_exchange, 1, memory_order_relaxed);

    snprintf(out, EXCHANGE_ID_SIZE, "%08x%016llx", shared->exchange_prefix, (unsigned long long)n);
}
