/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_walk: what goes because somebody says so, and what there is.
 */
#include <string.h>
#include <time.h>

#include "cache/store_private.h"
#include "core/log.h"

#define INDEXING_SECONDS 600 /* that a purge by host waits for at most */

/* ---- dropping ---- */

void store_drop(struct store *store, const struct object *object, const char *why)
{
    struct index_entry *e;
    uint32_t id;

    pthread_mutex_lock(&store->lock);
    id = store_find(store, &object->meta.key, object->meta.variant);
    e = index_at(store->index, id);
    if (e != NULL && (e->object == object || e->generation == object->generation))
        store_remove(store, id);
    else
        e = NULL;
    pthread_mutex_unlock(&store->lock);
    if (e != NULL)
        log_info("cache", "%s: dropped: %s", object->meta.url, why);
}

size_t store_purge(struct store *store, const struct store_key *key)
{
    struct object *object;
    bool indexing;
    size_t n = 0;
    uint32_t id;

    pthread_mutex_lock(&store->lock);
    indexing = store->indexing;
    pthread_mutex_unlock(&store->lock);
    /* What isn't indexed yet comes into the index by being looked at. */
    if (indexing && (object = store_find_unindexed(store, key, NULL, NULL)) != NULL)
        object_unref(&object);
    pthread_mutex_lock(&store->lock);
    while ((id = index_first(store->index, key)) != 0) {
        store_remove(store, id);
        n++;
    }
    pthread_mutex_unlock(&store->lock);
    return n;
}

/* An object of the entry, from memory or read for this; NULL when there is none. */
static struct object *peek_entry(struct store *store, uint32_t id, bool *in_memory, bool *on_disk)
{
    struct object *object = NULL;
    struct store_key key = {0};
    uint64_t variant = 0;
    struct index_entry *e;

    pthread_mutex_lock(&store->lock);
    e = index_at(store->index, id);
    *in_memory = e != NULL && e->object != NULL;
    *on_disk = e != NULL && e->on_disk;
    if (*in_memory)
        object = object_ref(e->object);
    if (e != NULL) {
        key = e->key;
        variant = e->variant;
    }
    pthread_mutex_unlock(&store->lock);
    if (object == NULL && *on_disk)
        (void)store_load(store, &key, variant, &object, NULL);
    return object;
}

static uint32_t entries_limit(struct store *store)
{
    uint32_t limit;

    pthread_mutex_lock(&store->lock);
    limit = index_limit(store->index);
    pthread_mutex_unlock(&store->lock);
    return limit;
}

void store_each(struct store *store, store_each_fn *fn, void *arg)
{
    uint32_t limit = entries_limit(store);
    bool more = true;

    for (uint32_t id = 1; id < limit && more; id++) {
        bool in_memory, on_disk;
        struct object *object = peek_entry(store, id, &in_memory, &on_disk);

        if (object == NULL)
            continue;
        more = fn(arg, &object->meta, in_memory, on_disk);
        object_unref(&object);
    }
}

/* While the directory is being indexed, there are objects that only their names are known of. */
static void await_indexed(struct store *store)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000000};

    for (int i = 0; i < 100 * INDEXING_SECONDS; i++) {
        bool indexing;

        pthread_mutex_lock(&store->lock);
        indexing = store->indexing && store->disk_usable && !store->stopping;
        pthread_mutex_unlock(&store->lock);
        if (!indexing)
            return;
        nanosleep(&pause, NULL);
    }
}

/* Does the object belong to those that are to be purged? */
typedef bool purge_fn(const struct object_meta *meta, const char *text);

static bool has_host(const struct object_meta *meta, const char *host)
{
    return dive_span_caseeq(store_host_of(meta->url), dive_span_str(host));
}

static bool has_key_id(const struct object_meta *meta, const char *key_id)
{
    return meta->verdict.key_id != NULL && strcmp(meta->verdict.key_id, key_id) == 0;
}

static size_t purge_by(struct store *store, uint32_t hash, bool by_host, purge_fn *fn,
                       const char *text)
{
    uint32_t limit;
    size_t n = 0;

    await_indexed(store);
    limit = entries_limit(store);
    for (uint32_t id = 1; id < limit; id++) {
        bool in_memory, on_disk, candidate;
        const struct index_entry *e;
        struct object *object;

        pthread_mutex_lock(&store->lock);
        e = index_at(store->index, id);
        candidate = e != NULL && (by_host ? e->host : e->key_id) == hash;
        pthread_mutex_unlock(&store->lock);
        object = candidate ? peek_entry(store, id, &in_memory, &on_disk) : NULL;
        if (object == NULL)
            continue;
        if (fn(&object->meta, text)) {
            pthread_mutex_lock(&store->lock);
            if (store_find(store, &object->meta.key, object->meta.variant) == id) {
                store_remove(store, id);
                n++;
            }
            pthread_mutex_unlock(&store->lock);
        }
        object_unref(&object);
    }
    return n;
}

size_t store_purge_host(struct store *store, const char *host)
{
    return purge_by(store, store_text_hash(host, strlen(host)), true, has_host, host);
}

size_t store_purge_key_id(struct store *store, const char *key_id)
{
    return purge_by(store, store_text_hash(key_id, strlen(key_id)), false, has_key_id, key_id);
}
