/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store: the calls. See store.h for what they promise and store_private.h for who does what.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/object_file.h"
#include "cache/store_private.h"
#include "core/log.h"

#define DISK_BLOCK 4096
#define INDEXING_SECONDS 600 /* that a purge by host waits for at most */

uint64_t store_disk_weight(uint64_t object_file, uint64_t content_file)
{
    return (object_file + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK +
           (content_file + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
}

uint32_t store_text_hash(const char *p, size_t n)
{
    uint32_t hash = (uint32_t)object_checksum(p, n);

    return hash != 0 ? hash : 1;
}

/* "https://host:port/path": where the host is. */
static struct dive_span host_of(const char *url)
{
    const char *p = strstr(url, "://"), *end;

    if (p == NULL)
        return dive_span("", 0);
    p += 3;
    end = *p == '[' ? strchr(p, ']') : NULL;
    end = end != NULL ? end + 1 : p + strcspn(p, ":/?");
    return dive_span(p, (size_t)(end - p));
}

uint32_t store_host_hash(const char *url)
{
    struct dive_span host = host_of(url);

    return store_text_hash(host.p, host.n);
}

uint32_t store_find(struct store *store, const struct store_key *key, uint64_t variant)
{
    uint32_t id = index_first(store->index, key);

    while (id != 0 && index_at(store->index, id)->variant != variant)
        id = index_next(store->index, id);
    return id;
}

uint32_t store_vary(struct store *store, const char *vary)
{
    uint32_t unused = store->n_vary;
    char *copy;

    for (uint32_t i = 0; i < store->n_vary; i++) {
        if (strcmp(store->vary[i].text, vary) == 0)
            return i;
        if (i > 0 && store->vary[i].references == 0)
            unused = i;
    }
    if (unused == STORE_VARY_MAX || (copy = strdup(vary)) == NULL)
        return UINT32_MAX;
    if (unused == store->n_vary)
        store->n_vary++;
    free(store->vary[unused].text);
    store->vary[unused] = (struct store_vary){.text = copy};
    return unused;
}

/* ---- leaving ---- */

void store_forget_object(struct store *store, struct index_entry *entry)
{
    if (entry->object == NULL)
        return;
    if (entry->object->fd >= 0)
        store->descriptors--;
    object_unref(&entry->object);
}

void store_ref_content(struct store *store, struct index_entry *e, uint32_t id)
{
    e->content = id;
    if (id != 0)
        contents_at(store->contents, id)->references++;
}

static void unref_content(struct store *store, struct index_entry *e)
{
    struct content *content = contents_at(store->contents, e->content);

    if (content != NULL && --content->references == 0)
        store_queue_removal(store, content->name);
    e->content = 0;
}

/* Every entry has its content in its weight: whichever goes last takes it along. What is counted
 * more than once is told to the index. */
void store_enter_disk(struct store *store, uint32_t id, uint64_t object_file,
                      enum index_queue queue, uint8_t uses)
{
    const struct index_entry *e = index_at(store->index, id);
    struct content *content = contents_at(store->contents, e->content);
    uint64_t size = content != NULL ? content->size : 0;

    if (content != NULL && content->weighed++ > 0) {
        store->shared += store_disk_weight(0, size);
        index_set_shared(store->index, INDEX_DISK, store->shared);
    }
    if (queue == INDEX_NOWHERE)
        index_enter(store->index, INDEX_DISK, id, store_disk_weight(object_file, size));
    else
        index_restore(store->index, INDEX_DISK, id, store_disk_weight(object_file, size), queue,
                      uses);
}

static void leave_disk(struct store *store, uint32_t id, bool remembered)
{
    const struct index_entry *e = index_at(store->index, id);
    struct content *content = contents_at(store->contents, e->content);

    if (e->tier[INDEX_DISK].queue == INDEX_NOWHERE)
        return;
    if (content != NULL && --content->weighed > 0) {
        store->shared -= store_disk_weight(0, content->size);
        index_set_shared(store->index, INDEX_DISK, store->shared);
    }
    index_leave(store->index, INDEX_DISK, id, remembered);
}

/* Out of the index; its object file stays where it is. */
static void store_unlist(struct store *store, uint32_t id)
{
    struct index_entry *e = index_at(store->index, id);

    leave_disk(store, id, false);
    unref_content(store, e);
    store_forget_object(store, e);
    store->vary[e->vary].references--;
    index_remove(store->index, id);
}

void store_remove(struct store *store, uint32_t id)
{
    struct index_entry *e = index_at(store->index, id);
    struct store_key key = e->key;
    uint64_t variant = e->variant;
    bool file = (e->on_disk || e->queued) && store->disk != NULL;

    store_unlist(store, id);
    if (file)
        (void)disk_remove_object(store->disk, &key, variant);
}

static void evict_from_memory(struct store *store)
{
    uint64_t spared = 0;

    while (index_is_full(store->index, INDEX_MEMORY, 0) || store->descriptors > STORE_DESCRIPTORS) {
        uint32_t id = index_victim(store->index, INDEX_MEMORY);
        struct index_entry *e = index_at(store->index, id);

        if (e == NULL || spared > index_count_in(store->index, INDEX_MEMORY))
            return;
        if (e->queued) {
            index_spare(store->index, INDEX_MEMORY, id);
            spared++;
            continue;
        }
        index_leave(store->index, INDEX_MEMORY, id, true);
        store_forget_object(store, e);
        if (!e->on_disk) {
            store->count.evicted++;
            store_unlist(store, id);
        }
    }
}

bool store_evict_from_disk(struct store *store)
{
    uint32_t id = index_victim(store->index, INDEX_DISK);

    if (id == 0)
        return false;
    leave_disk(store, id, true);
    store->count.evicted++;
    store_remove(store, id);
    return true;
}

void store_evict(struct store *store)
{
    evict_from_memory(store);
    while (index_is_full(store->index, INDEX_DISK, 0) && store_evict_from_disk(store)) {
    }
}

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

/* The oldest variant of a URL that has too many goes. */
static void limit_variants(struct store *store, const struct store_key *key)
{
    uint32_t oldest = 0, n = 0;

    for (uint32_t id = index_first(store->index, key); id != 0; id = index_next(store->index, id)) {
        n++;
        if (oldest == 0 ||
            index_at(store->index, id)->generation < index_at(store->index, oldest)->generation)
            oldest = id;
    }
    if (n >= STORE_VARIANTS_MAX)
        store_remove(store, oldest);
}

uint32_t store_find_content(struct store *store, const struct object *object)
{
    uint32_t id =
        object->has_content_file ? contents_find(store->contents, object->content_name) : 0;
    const struct content *content = contents_at(store->contents, id);

    if (content == NULL || content->size != object->meta.size ||
        (object_is_checked(object) && !content->checked))
        return 0;
    return id;
}

static void fill_entry(struct store *store, struct index_entry *e, const struct object *object,
                       uint32_t vary)
{
    const struct object_meta *meta = &object->meta;

    store->vary[vary].references++;
    e->vary = vary;
    e->host = store_host_hash(meta->url);
    e->key_id = meta->verdict.key_id != NULL
                    ? store_text_hash(meta->verdict.key_id, strlen(meta->verdict.key_id))
                    : 0;
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
    fill_entry(store, e, object, vary);
    store_ref_content(store, e, store_find_content(store, object));
    object->entry = id;
    object->generation = e->generation;
    e->object = object_ref(object);
    if (object->fd >= 0)
        store->descriptors++;
    return e;
}

/* Locked. Takes out what has the object's place. Does its file still have the name? */
static bool make_place(struct store *store, const struct object_meta *meta)
{
    uint32_t old = store_find(store, &meta->key, meta->variant);
    bool has_file = false;

    if (old != 0) {
        has_file = index_at(store->index, old)->on_disk || index_at(store->index, old)->queued;
        store_unlist(store, old);
    } else {
        limit_variants(store, &meta->key);
    }
    return has_file;
}

/* Locked. Lists the object; false: it fits nowhere. */
static bool store_list(struct store *store, struct object *object)
{
    const struct object_meta *meta = &object->meta;
    bool fits = object_weight(object) <= store->options.memory / 4;
    bool replaced = make_place(store, meta), writes = may_write(store, meta->size);
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
    if (replaced && (e == NULL || !e->queued))
        (void)disk_remove_object(store->disk, &meta->key, meta->variant);
    if (e != NULL && !e->queued && !fits) {
        store_unlist(store, object->entry);
        e = NULL;
    }
    store_evict(store);
    return e != NULL;
}

static void set_store(struct object *object, struct store *store)
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
    set_store(object, store);
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
    object->checksum = old->checksum;
    object->has_checksum = old->has_checksum;
    pthread_mutex_unlock(&store->lock);
    object->is_update = true;
    return put_object(store, object, out);
}

uint32_t store_adopt(struct store *store, const struct object *object, size_t bytes)
{
    const struct object_meta *meta = &object->meta;
    uint32_t vary = store_vary(store, meta->vary), id;
    struct index_entry *e;

    id = vary != UINT32_MAX ? index_add(store->index, &meta->key, meta->variant) : 0;
    e = index_at(store->index, id);
    if (e == NULL)
        return 0;
    fill_entry(store, e, object, vary);
    e->on_disk = true;
    if (object->has_content_file) {
        uint32_t content = contents_find(store->contents, object->content_name);

        if (content == 0)
            content = contents_add(store->contents, object->content_name, meta->size);
        store_ref_content(store, e, content);
    }
    store_enter_disk(store, id, bytes, INDEX_NOWHERE, 0);
    return id;
}

/* ---- finding ---- */

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
        set_store(*out, store);
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
    return dive_span_caseeq(host_of(meta->url), dive_span_str(host));
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
