/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store: its life, and what is put into it. See store.h for what the calls promise and
 * store_private.h for who does what.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/object_file.h"
#include "cache/store_private.h"

/* ---- coming ---- */

/* The name of the content's file, as of its strongest digest, or by chance. */
static bool name_content(struct object *object)
{
    const struct object_verdict *verdict = &object->meta.verdict;
    size_t best = 0;

    if (object->has_content_file)
        return true; /* an update: it has one */
    object->has_content_file = true;
    if (!object_has_digests(object)) {
        object->content_name[0] = 0;
        return RAND_bytes(object->content_name + 1, CONTENT_NAME - 1) == 1;
    }
    for (size_t i = 1; i < verdict->n_digests; i++)
        if (dive_hash_bytes(verdict->digests[i].hash) >
            dive_hash_bytes(verdict->digests[best].hash))
            best = i;
    object->content_name[0] = (uint8_t)(1 + verdict->digests[best].hash);
    memcpy(object->content_name + 1, verdict->digests[best].bytes, CONTENT_NAME - 1);
    return true;
}

/* Locked. May it go to the disk, as far as the disk is concerned? */
static bool may_write(struct store *store, uint64_t size)
{
    return store->disk_usable && size <= store->options.object_max &&
           store_disk_weight(OBJECT_FILE_MAX / 64, size) <= store->options.max_size;
}

/* Locked. The entry of an object that came just now, still in no tier; NULL: there is no room. */
static struct index_entry *new_entry(struct store *store, struct object *object)
{
    const struct object_meta *meta = &object->meta;
    uint32_t vary = store_vary(store, meta->vary);
    uint32_t id = vary != UINT32_MAX ? index_add(store->index, &meta->key, meta->variant) : 0;
    struct index_entry *e = index_at(store->index, id);

    if (e == NULL)
        return NULL;
    store_fill_entry(store, e, object, vary);
    store_ref_content(store, e, store_find_content(store, object));
    object->entry = id;
    object->generation = e->generation;
    e->object = object_ref(object);
    if (object->fd >= 0)
        store->descriptors++;
    return e;
}

/* Locked. Takes out what has the object's place. Does its file still have the name? *content: the
 * number of what its file refers to. */
static bool make_place(struct store *store, const struct object_meta *meta, uint32_t *content)
{
    uint32_t old = store_find(store, &meta->key, meta->variant);
    bool has_file = false;

    *content = 0;
    if (old != 0) {
        has_file = index_at(store->index, old)->on_disk || index_at(store->index, old)->queued;
        *content = index_at(store->index, old)->content;
        store_unlist(store, old);
    } else {
        store_limit_variants(store, &meta->key);
    }
    return has_file;
}

/* Locked. Has the content just lost its last entry? */
static bool is_unreferenced(struct store *store, uint32_t id)
{
    const struct content *content = contents_at(store->contents, id);

    return content != NULL && content->references == 0;
}

/* Locked. Lists the object; false: it fits nowhere. */
static bool store_list(struct store *store, struct object *object)
{
    const struct object_meta *meta = &object->meta;
    bool fits = object_weight(object) <= store->options.memory / 4;
    uint32_t content;
    bool replaced = make_place(store, meta, &content), writes = may_write(store, meta->size);
    struct index_entry *e = new_entry(store, object);

    if (e != NULL) {
        e->queued = writes && time(NULL) >= store->full_until && store_queue_write(store, object);
        if (writes && !e->queued)
            store->count.writes_skipped++;
        if (e->content != 0 && !object->is_update)
            store->count.deduplicated++;
        /* A file without a name on another disk is in nobody's budget. */
        fits = fits && (object->fd < 0 || e->queued);
        if (fits)
            index_enter(store->index, INDEX_MEMORY, object->entry, object_weight(object));
    }
    /* The old file stays until the new one takes its name; but not without its content. */
    if (replaced && (e == NULL || !e->queued || is_unreferenced(store, content)))
        (void)disk_remove_object(store->disk, &meta->key, meta->variant);
    if (e != NULL && !e->queued && !fits) {
        store_unlist(store, object->entry);
        e = NULL;
    }
    store_evict(store);
    return e != NULL;
}

void store_set_of_object(struct object *object, struct store *store)
{
    atomic_fetch_add_explicit(&store->references, 1, memory_order_relaxed);
    object->store = store;
}

static int put_object(struct store *store, struct object *object, struct object **out)
{
    bool in_file = object->meta.size > STORE_INLINE || object->fd >= 0, listed;

    if (in_file && object->meta.size > 0 && !name_content(object)) {
        object_unref(&object);
        return DIVE_E_INTERNAL;
    }
    store_set_of_object(object, store);
    pthread_mutex_lock(&store->lock);
    listed = store_list(store, object);
    pthread_mutex_unlock(&store->lock);
    if (out != NULL)
        *out = object;
    else
        object_unref(&object);
    return listed ? 0 : DIVE_E_LIMIT;
}

int store_put(struct store *store, struct object_new *new, struct object **out)
{
    struct object *object = object_make(new);

    if (out != NULL)
        *out = NULL;
    if (object == NULL)
        return DIVE_E_NOMEM;
    atomic_store(&object->checked, true);
    return put_object(store, object, out);
}

int store_update(struct store *store, const struct object *old, struct object_meta *meta,
                 struct object **out)
{
    struct object_new new = {.meta = *meta, .fd = -1};
    struct object *object;

    if (out != NULL)
        *out = NULL;
    *meta = (struct object_meta){0};
    new.meta.size = old->meta.size;
    if (old->memory != NULL && (new.memory = malloc(old->meta.size)) != NULL)
        memcpy(new.memory, old->memory, old->meta.size);
    if (old->memory == NULL && old->fd >= 0)
        new.fd = dup(old->fd);
    if (old->meta.size > 0 && new.memory == NULL &&new.fd < 0) {
        object_meta_clear(&new.meta);
        return DIVE_E_NOMEM;
    }
    object = object_make(&new);
    if (object == NULL)
        return DIVE_E_NOMEM;
    atomic_store(&object->checked, object_is_checked(old));
    object->has_content_file = old->has_content_file;
    memcpy(object->content_name, old->content_name, CONTENT_NAME);
    pthread_mutex_lock(&store->lock); /* the thread may be taking it just now */
    if (old->has_checksum) {          /* the store's thread sets it last */
        object->checksum = old->checksum;
        object->has_checksum = true;
    }
    pthread_mutex_unlock(&store->lock);
    object->is_update = true;
    return put_object(store, object, out);
}

/* ---- life ---- */

bool store_takes_files(struct store *store)
{
    bool usable;

    pthread_mutex_lock(&store->lock);
    usable = store->disk_usable;
    pthread_mutex_unlock(&store->lock);
    return usable;
}

struct disk *store_disk(struct store *store)
{
    struct disk *disk;

    pthread_mutex_lock(&store->lock);
    disk = store->disk != NULL ? disk_ref(store->disk) : NULL;
    pthread_mutex_unlock(&store->lock);
    return disk;
}

int store_temporary(struct store *store)
{
    struct disk *disk = store_takes_files(store) ? store_disk(store) : NULL;
    int fd = -1, error = ENODEV;

    if (disk != NULL) {
        fd = disk_temporary(disk);
        error = errno;
    }
    disk_close(&disk);
    errno = error;
    return fd;
}

void store_stats(struct store *store, struct store_stats *out)
{
    pthread_mutex_lock(&store->lock);
    *out = store->count;
    out->objects = index_count(store->index);
    out->memory_objects = index_count_in(store->index, INDEX_MEMORY);
    out->memory_bytes = index_bytes_in(store->index, INDEX_MEMORY);
    out->disk_bytes = index_bytes_in(store->index, INDEX_DISK);
    out->index_bytes = index_footprint(store->index) + contents_footprint(store->contents);
    out->queued = store->queued;
    out->disk_usable = store->disk_usable;
    out->indexing = store->indexing;
    pthread_mutex_unlock(&store->lock);
}

static uint64_t disk_budget(const struct store_options *options)
{
    return options->directory != NULL ? options->max_size : 0;
}

bool store_set_options(struct store *store, const struct store_options *options)
{
    bool same = options->directory == NULL
                    ? store->directory == NULL
                    : store->directory != NULL && strcmp(options->directory, store->directory) == 0;

    pthread_mutex_lock(&store->lock);
    store->options = *options;
    store->options.directory = store->directory;
    index_set_budget(store->index, INDEX_MEMORY, options->memory);
    index_set_budget(store->index, INDEX_DISK, store->directory != NULL ? options->max_size : 0);
    store_evict(store);
    pthread_mutex_unlock(&store->lock);
    return same;
}

void store_unref(struct store *store)
{
    if (atomic_fetch_sub_explicit(&store->references, 1, memory_order_acq_rel) > 1)
        return;
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* What is left is what objects need that are still referenced. */
static void store_destroy(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    if (store->index != NULL)
        for (uint32_t id = 1; id < index_limit(store->index); id++)
            if (index_at(store->index, id) != NULL)
                store_forget_object(store, index_at(store->index, id));
    index_free(&store->index);
    contents_free(&store->contents);
    disk_close(&store->disk);
    for (uint32_t i = 0; i < store->n_vary; i++)
        free(store->vary[i].text);
    free(store->vary);
    free(store->directory);
    pthread_mutex_unlock(&store->lock);
    store_unref(store);
}

int store_new(struct store **out, const struct store_options *options)
{
    uint64_t budget[INDEX_TIERS] = {disk_budget(options), options->memory};
    struct store *store = calloc(1, sizeof(*store));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    if (store == NULL)
        return DIVE_E_NOMEM;
    atomic_init(&store->references, 1);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->wake, NULL);
    STAILQ_INIT(&store->jobs);
    store->options = *options;
    if (budget[INDEX_DISK] > 0 && (store->directory = strdup(options->directory)) == NULL)
        goto out;
    store->options.directory = store->directory;
    store->vary = calloc(STORE_VARY_MAX, sizeof(*store->vary));
    if (store->vary == NULL || store_vary(store, "") != 0 ||
        (r = index_new(&store->index, budget)) != 0 || (r = contents_new(&store->contents)) != 0 ||
        (r = store_start_thread(store)) != 0)
        goto out;
    *out = store;
    store = NULL;
    r = 0;
out:
    if (store != NULL)
        store_destroy(store);
    return r;
}

void store_free(struct store **store)
{
    struct store *old = *store;

    *store = NULL;
    if (old == NULL)
        return;
    store_stop_thread(old);
    store_destroy(old);
}
