/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_scan: how the index comes into being. After an end in order there is an index file, which
 * is read first (store_index.c); after any other, none. Either way the directory is then walked:
 * what the index doesn't know yet is read and taken in, what isn't ours is removed. Meanwhile a key
 * that the index doesn't know is looked for on disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/object_file.h"
#include "cache/store_private.h"
#include "core/log.h"

/* ---- the walk ---- */

/* Reads one that the index doesn't have. */
static void scan_read(struct store *store, const struct store_key *key, uint64_t variant)
{
    struct object *object;
    size_t bytes;
    enum store_loaded loaded = store_load(store, key, variant, &object, &bytes);
    bool corrupt = loaded == STORE_CORRUPT;

    store->scan_incomplete |= loaded == STORE_FAILED;
    pthread_mutex_lock(&store->lock);
    if (store_find(store, key, variant) != 0)
        corrupt = false; /* that was another one */
    else if (corrupt)
        (void)disk_remove_object(store->disk, key, variant);
    else if (object != NULL)
        (void)store_adopt(store, object, bytes);
    store->count.dropped_corrupt += corrupt;
    store_evict(store);
    pthread_mutex_unlock(&store->lock);
    if (corrupt)
        store_log_corrupt(store);
    object_unref(&object);
}

static bool scan_object(void *arg, const struct store_key *key, uint64_t variant)
{
    struct store *store = arg;
    bool known, stopping;

    pthread_mutex_lock(&store->lock);
    known = store_find(store, key, variant) != 0;
    stopping = store->stopping;
    pthread_mutex_unlock(&store->lock);
    if (!known && !stopping)
        scan_read(store, key, variant);
    return !stopping;
}

/* Content that nothing refers to. All objects are known by now, and what comes to a name while we
 * run is linked by this very thread. */
static bool scan_content(void *arg, const uint8_t name[CONTENT_NAME])
{
    struct store *store = arg;
    bool known, stopping;

    pthread_mutex_lock(&store->lock);
    known = contents_find(store->contents, name) != 0;
    stopping = store->stopping;
    pthread_mutex_unlock(&store->lock);
    if (!known && !stopping)
        (void)disk_remove_content(store->disk, name);
    return !stopping;
}

bool store_scan_step(struct store *store)
{
    unsigned removed = 0, folder = store->scanned++;
    int error;

    if (folder >= 2 * STORE_FOLDERS || (folder >= STORE_FOLDERS && store->scan_incomplete))
        return false; /* content may belong to an object that could not be read */
    if (folder < STORE_FOLDERS)
        error = disk_each_object(store->disk, folder, scan_object, store, &removed);
    else
        error =
            disk_each_content(store->disk, folder - STORE_FOLDERS, scan_content, store, &removed);
    if (removed > 0) {
        log_warning("cache", "%s: %u files that are not of this cache were removed",
                    store->directory, removed);
        pthread_mutex_lock(&store->lock);
        store->count.dropped_corrupt += removed;
        pthread_mutex_unlock(&store->lock);
    }
    pthread_mutex_lock(&store->lock);
    if (!store->stopping) /* then it has been gone through */
        store->indexed = store->scanned;
    pthread_mutex_unlock(&store->lock);
    store->scan_incomplete |= error != 0 && error != ENOENT;
    if (error != 0 && error != ENOENT)
        log_warning("cache", "%s can't be looked through: %s", store->directory, strerror(error));
    return true;
}

/* ---- lookups meanwhile ---- */

struct unindexed {
    const struct store_key *key;
    uint64_t variant[STORE_VARIANTS_MAX];
    size_t n;
};

static bool unindexed_add(void *arg, const struct store_key *key, uint64_t variant)
{
    struct unindexed *found = arg;

    if (memcmp(key->bytes, found->key->bytes, sizeof(key->bytes)) == 0)
        found->variant[found->n++] = variant;
    return found->n < STORE_VARIANTS_MAX;
}

/* Reads one, and takes it into the index. */
static struct object *read_unindexed(struct store *store, const struct store_key *key,
                                     uint64_t variant)
{
    struct object *object;
    struct index_entry *e;
    size_t bytes;
    uint32_t id;

    if (store_load(store, key, variant, &object, &bytes) != STORE_LOADED)
        return NULL; /* the walk comes by */
    pthread_mutex_lock(&store->lock);
    id = store_find(store, key, variant);
    if (id == 0)
        id = store_adopt(store, object, bytes);
    e = index_at(store->index, id);
    if (e != NULL && e->object == NULL) { /* then it is the file's */
        object->entry = id;
        object->generation = e->generation;
    }
    pthread_mutex_unlock(&store->lock);
    return object;
}

struct object *store_find_unindexed(struct store *store, const struct store_key *key,
                                    store_variant_fn *variant, void *arg)
{
    struct unindexed found = {.key = key};
    struct disk *disk = store_disk(store);
    struct object *best = NULL;
    unsigned removed = 0;

    if (disk != NULL)
        (void)!disk_each_object(disk, key->bytes[0], unindexed_add, &found, &removed);
    disk_close(&disk);
    for (size_t i = 0; i < found.n; i++) {
        struct object *object = read_unindexed(store, key, found.variant[i]);
        bool matches;

        if (object == NULL)
            continue;
        matches = variant != NULL && (object->meta.vary[0] == '\0' ||
                                      variant(arg, object->meta.vary) == object->meta.variant);
        if (matches && (best == NULL || object->meta.response_time > best->meta.response_time)) {
            object_unref(&best);
            best = object;
        } else {
            object_unref(&object);
        }
    }
    return best;
}
