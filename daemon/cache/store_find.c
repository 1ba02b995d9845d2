/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_find: the way from a key to an object, by memory or by the disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/object_file.h"
#include "cache/store_private.h"
#include "core/log.h"

static enum store_loaded open_content(struct disk *disk, struct object *object)
{
    struct stat st;
    int error = disk_open_content(disk, object->content_name, &object->fd, &st);

    if (error == 0)
        return (uint64_t)st.st_size == object->meta.size ? STORE_LOADED : STORE_CORRUPT;
    return error == ENOENT || error == EFBIG || error == EIO ? STORE_CORRUPT : STORE_FAILED;
}

static enum store_loaded read_object(struct disk *disk, const struct store_key *key,
                                     uint64_t variant, struct object **out, size_t *size)
{
    char *bytes = NULL;
    int error = disk_read_object(disk, key, variant, &bytes, size), r;

    if (error == ENOENT)
        return STORE_GONE;
    if (error != 0)
        return error == EFBIG || error == EIO ? STORE_CORRUPT : STORE_FAILED;
    r = object_file_decode(out, bytes, *size);
    free(bytes);
    if (r != 0)
        return r == DIVE_E_NOMEM ? STORE_FAILED : STORE_CORRUPT;
    if (memcmp((*out)->meta.key.bytes, key->bytes, sizeof(key->bytes)) != 0 ||
        (*out)->meta.variant != variant)
        return STORE_CORRUPT;
    return (*out)->has_content_file ? open_content(disk, *out) : STORE_LOADED;
}

enum store_loaded store_load(struct store *store, const struct store_key *key, uint64_t variant,
                             struct object **out, size_t *bytes)
{
    struct disk *disk = store_disk(store);
    enum store_loaded result = STORE_FAILED;
    size_t size = 0;

    *out = NULL;
    if (disk != NULL)
        result = read_object(disk, key, variant, out, &size);
    disk_close(&disk);
    if (result != STORE_LOADED)
        object_unref(out);
    else
        store_set_of_object(*out, store);
    if (bytes != NULL)
        *bytes = size;
    return result;
}

/* Locked. Is the content file the one that we know to be intact? */
static void note_intact(struct store *store, const struct index_entry *e, struct object *object)
{
    struct content *content = contents_at(store->contents, e->content);
    struct stat st;

    if (!object->has_content_file || content == NULL || fstat(object->fd, &st) != 0)
        return;
    if (content_is_intact(content, &st))
        atomic_store(&object->checked, true);
    else
        content->checked = false; /* nothing else that comes relies on it */
}

void store_note_checked(struct store *store, const struct object *object)
{
    struct stat st;

    pthread_mutex_lock(&store->lock);
    if (store->contents != NULL && object->fd >= 0 && fstat(object->fd, &st) == 0) {
        struct content *content =
            contents_at(store->contents, contents_find(store->contents, object->content_name));

        if (content != NULL && content->size == object->meta.size)
            content_note(content, &st);
    }
    pthread_mutex_unlock(&store->lock);
}

void store_log_corrupt(const struct store *store)
{
    log_warning("cache", "an object in %s is not what was written: removed", store->directory);
}

/* What was read is the entry's object, if the entry is still there; from its second use on it stays
 * in memory. Locked. */
static void install(struct store *store, uint32_t id, uint32_t generation, struct object *object)
{
    struct index_entry *e = index_at(store->index, id);

    if (e == NULL || e->generation != generation)
        return;
    object->entry = id;
    object->generation = generation;
    note_intact(store, e, object);
    if (e->object != NULL || e->tier[INDEX_DISK].uses < 2 ||
        object_weight(object) > store->options.memory / 4 ||
        (object->fd >= 0 && store->descriptors >= STORE_DESCRIPTORS))
        return;
    e->object = object_ref(object);
    if (object->fd >= 0)
        store->descriptors++;
    index_enter(store->index, INDEX_MEMORY, id, object_weight(object));
    store_evict(store);
}

/* Reads the entry's object. NULL: it can't be had; an entry whose file is gone or corrupt goes too,
 * unless it is another one by now: then *again. */
static struct object *load_entry(struct store *store, uint32_t id, uint32_t generation,
                                 const struct store_key *key, uint64_t variant, bool *again)
{
    struct object *object;
    enum store_loaded loaded = store_load(store, key, variant, &object, NULL);
    bool same, corrupt;
    struct index_entry *e;

    pthread_mutex_lock(&store->lock);
    e = index_at(store->index, id);
    same = e != NULL && e->generation == generation && e->object == NULL;
    corrupt = same && loaded == STORE_CORRUPT;
    *again = !same && object == NULL;
    if (object != NULL)
        install(store, id, generation, object);
    else if (same && loaded != STORE_FAILED)
        store_remove(store, id);
    store->count.dropped_corrupt += corrupt;
    pthread_mutex_unlock(&store->lock);
    if (corrupt)
        store_log_corrupt(store);
    return object;
}

/* Locked. The newest entry of the key whose variant is the request's. */
static uint32_t select_entry(struct store *store, const struct store_key *key,
                             store_variant_fn *variant, void *arg)
{
    uint32_t best = 0, last_vary = 0;
    uint64_t hash = 0;

    for (uint32_t id = index_first(store->index, key); id != 0; id = index_next(store->index, id)) {
        const struct index_entry *e = index_at(store->index, id);

        if (e->vary != 0 && e->vary != last_vary) {
            hash = variant(arg, store->vary[e->vary].text);
            last_vary = e->vary;
        }
        if (e->vary != 0 && e->variant != hash)
            continue;
        if (best == 0 || e->generation > index_at(store->index, best)->generation)
            best = id;
    }
    return best;
}

#define GET_ATTEMPTS 3 /* of a reader that is overtaken by writers */

static struct object *get_once(struct store *store, const struct store_key *key,
                               store_variant_fn *variant, void *arg, bool *again)
{
    struct object *object = NULL;
    const struct index_entry *e;
    bool unindexed, on_disk = false;
    uint32_t id, generation = 0;
    uint64_t which = 0;

    *again = false;
    pthread_mutex_lock(&store->lock);
    id = select_entry(store, key, variant, arg);
    e = index_at(store->index, id);
    unindexed = store->indexing && store->disk_usable && key->bytes[0] >= store->indexed;
    if (e != NULL) {
        index_touch(store->index, id);
        generation = e->generation;
        which = e->variant;
        on_disk = e->on_disk;
        if (e->object != NULL)
            object = object_ref(e->object);
    }
    pthread_mutex_unlock(&store->lock);
    if (object == NULL && on_disk)
        object = load_entry(store, id, generation, key, which, again);
    if (object == NULL && id == 0 && unindexed)
        object = store_find_unindexed(store, key, variant, arg);
    return object;
}

struct object *store_get(struct store *store, const struct store_key *key,
                         store_variant_fn *variant, void *arg)
{
    struct object *object = NULL;
    bool again = true;

    for (int i = 0; i < GET_ATTEMPTS && again; i++)
        object = get_once(store, key, variant, arg, &again);
    return object;
}
