/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store: the calls. See store.h for what they promise and store_private.h for who does what.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/object_file.h"
#include "cache/store_private.h"
#include "core/log.h"

#define DISK_BLOCK 4096

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
    char *copy;

    for (uint32_t i = 0; i < store->n_vary; i++)
        if (strcmp(store->vary[i], vary) == 0)
            return i;
    if (store->n_vary == STORE_VARY_MAX || (copy = strdup(vary)) == NULL)
        return UINT32_MAX;
    store->vary[store->n_vary] = copy;
    return store->n_vary++;
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

static void content_unref(struct store *store, uint32_t id)
{
    struct content *content = contents_at(store->contents, id);

    if (content != NULL && --content->references == 0)
        store_queue_removal(store, content->name);
}

/* Out of the index; its object file stays where it is. */
static void store_unlist(struct store *store, uint32_t id)
{
    struct index_entry *e = index_at(store->index, id);

    content_unref(store, e->content);
    store_forget_object(store, e);
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

void store_evict(struct store *store)
{
    evict_from_memory(store);
    while (index_is_full(store->index, INDEX_DISK, 0)) {
        uint32_t id = index_victim(store->index, INDEX_DISK);

        if (id == 0)
            return;
        index_leave(store->index, INDEX_DISK, id, true);
        store->count.evicted++;
        store_remove(store, id);
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
    if (verdict->n_digests == 0) {
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

static uint32_t take_content(struct store *store, const struct object *object)
{
    uint32_t id =
        object->has_content_file ? contents_find(store->contents, object->content_name) : 0;
    struct content *content = contents_at(store->contents, id);

    if (content == NULL || content->size != object->meta.size)
        return 0;
    content->references++;
    return id;
}

static void fill_entry(struct index_entry *e, const struct object *object, uint32_t vary)
{
    const struct object_meta *meta = &object->meta;

    e->size = meta->size;
    e->vary = vary;
    e->host = store_host_hash(meta->url);
    e->key_id = meta->verdict.key_id != NULL
                    ? store_text_hash(meta->verdict.key_id, strlen(meta->verdict.key_id))
                    : 0;
}

/* Locked. Lists the object; false: it fits nowhere. */
static bool store_list(struct store *store, struct object *object, bool deduplicates)
{
    const struct object_meta *meta = &object->meta;
    uint32_t content = take_content(store, object), vary = store_vary(store, meta->vary), id, old;
    bool fits = object_weight(object) <= store->options.memory / 4;
    /* One that isn't indexed yet may lie there too. */
    bool replaced = store->indexing && store->disk_usable;
    struct index_entry *e;
    bool writes;

    old = store_find(store, &meta->key, meta->variant);
    if (old != 0) {
        replaced |= index_at(store->index, old)->on_disk || index_at(store->index, old)->queued;
        store_unlist(store, old);
    } else {
        limit_variants(store, &meta->key);
    }
    writes = store->disk_usable && meta->size <= store->options.object_max &&
             store_disk_weight(OBJECT_FILE_MAX / 64, meta->size) <= store->options.max_size;
    id = vary != UINT32_MAX ? index_add(store->index, &meta->key, meta->variant) : 0;
    e = index_at(store->index, id);
    if (e != NULL) {
        fill_entry(e, object, vary);
        e->content = content;
        content = 0;
        object->entry = id;
        object->generation = e->generation;
        e->object = object_ref(object);
        if (object->fd >= 0)
            store->descriptors++;
        e->queued = writes && store_queue_write(store, object);
        if (writes && !e->queued)
            store->count.writes_skipped++;
        if (e->content != 0 && deduplicates)
            store->count.deduplicated++;
        /* A file without a name on another disk is in nobody's budget. */
        fits = fits && (object->fd < 0 || e->queued);
        if (fits)
            index_enter(store->index, INDEX_MEMORY, id, object_weight(object));
    }
    content_unref(store, content);
    if (replaced && (e == NULL || !e->queued))
        (void)disk_remove_object(store->disk, &meta->key, meta->variant);
    if (e != NULL && !e->queued && !fits) {
        store_unlist(store, id);
        e = NULL;
    }
    store_evict(store);
    return e != NULL;
}

static int put_object(struct store *store, struct object *object, bool deduplicates,
                      struct object **out)
{
    bool listed;

    if (object->meta.size > STORE_INLINE && !name_content(object)) {
        object_unref(&object);
        return DIVE_E_INTERNAL;
    }
    object->store = store;
    pthread_mutex_lock(&store->lock);
    listed = store_list(store, object, deduplicates);
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
    return put_object(store, object, true, out);
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
    object->has_checksum = old->has_checksum;
    object->checksum = old->checksum;
    return put_object(store, object, false, out);
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
    fill_entry(e, object, vary);
    e->on_disk = true;
    e->content = take_content(store, object);
    if (object->has_content_file && e->content == 0)
        e->content = contents_add(store->contents, object->content_name, meta->size);
    index_enter(store->index, INDEX_DISK, id,
                store_disk_weight(bytes, object->has_content_file ? meta->size : 0));
    return id;
}

/* ---- finding ---- */

/* A want of our own, which says nothing about the file. */
static bool is_passing(int error)
{
    return error == ENOMEM || error == EMFILE || error == ENFILE || error == EINTR;
}

struct object *store_load(struct store *store, const struct store_key *key, uint64_t variant,
                          size_t *size, bool *corrupt, bool *gone)
{
    struct object *object = NULL;
    char *bytes = NULL;
    struct stat st;
    size_t n = 0;
    int error, r;

    *corrupt = *gone = false;
    error = disk_read_object(store->disk, key, variant, &bytes, &n);
    if (error != 0) {
        *corrupt = error == EFBIG || error == EIO;
        *gone = !is_passing(error);
        return NULL;
    }
    r = object_file_decode(&object, bytes, n);
    free(bytes);
    if (r == 0 && (memcmp(object->meta.key.bytes, key->bytes, sizeof(key->bytes)) != 0 ||
                   object->meta.variant != variant))
        r = DIVE_E_SYNTAX;
    if (r == 0 && object->has_content_file) {
        error = disk_open_content(store->disk, object->content_name, &object->fd, &st);
        if (is_passing(error))
            r = DIVE_E_NOMEM;
        else if (error != 0 || (uint64_t)st.st_size != object->meta.size)
            r = DIVE_E_SYNTAX;
    }
    *corrupt = *gone = r == DIVE_E_SYNTAX;
    if (r != 0)
        object_unref(&object);
    else
        object->store = store;
    if (size != NULL)
        *size = n;
    return object;
}

/* Locked. Is the content file the one that we know to be intact? */
static void note_intact(struct store *store, const struct index_entry *e, struct object *object)
{
    const struct content *content = contents_at(store->contents, e->content);
    struct stat st;

    if (object->has_content_file && content != NULL && fstat(object->fd, &st) == 0 &&
        content_is_intact(content, &st))
        atomic_store(&object->checked, true);
}

void store_note_checked(struct store *store, const struct object *object)
{
    struct stat st;

    pthread_mutex_lock(&store->lock);
    if (object->fd >= 0 && fstat(object->fd, &st) == 0) {
        struct content *content =
            contents_at(store->contents, contents_find(store->contents, object->content_name));

        if (content != NULL && content->size == object->meta.size)
            content_note(content, &st);
    }
    pthread_mutex_unlock(&store->lock);
}

static void drop_corrupt(struct store *store, const struct store_key *key, uint64_t variant)
{
    log_warning("cache", "an object file in %s is not what was written: removed", store->directory);
    (void)disk_remove_object(store->disk, key, variant);
    pthread_mutex_lock(&store->lock);
    store->count.dropped_corrupt++;
    pthread_mutex_unlock(&store->lock);
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

/* Reads the entry's object. NULL: it has gone, and so has the entry; or it can't be read just now.
 */
static struct object *load_entry(struct store *store, uint32_t id, uint32_t generation,
                                 const struct store_key *key, uint64_t variant)
{
    bool corrupt, gone;
    struct object *object = store_load(store, key, variant, NULL, &corrupt, &gone);
    struct index_entry *e;

    if (corrupt)
        drop_corrupt(store, key, variant);
    pthread_mutex_lock(&store->lock);
    e = index_at(store->index, id);
    if (object != NULL)
        install(store, id, generation, object);
    else if (gone && e != NULL && e->generation == generation && e->object == NULL)
        store_remove(store, id);
    pthread_mutex_unlock(&store->lock);
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
            hash = variant(arg, store->vary[e->vary]);
            last_vary = e->vary;
        }
        if (e->vary != 0 && e->variant != hash)
            continue;
        if (best == 0 || e->generation > index_at(store->index, best)->generation)
            best = id;
    }
    return best;
}

struct object *store_get(struct store *store, const struct store_key *key,
                         store_variant_fn *variant, void *arg)
{
    struct object *object = NULL;
    const struct index_entry *e;
    bool indexing, on_disk = false;
    uint32_t id, generation = 0;
    uint64_t which = 0;

    pthread_mutex_lock(&store->lock);
    id = select_entry(store, key, variant, arg);
    e = index_at(store->index, id);
    indexing = store->indexing && store->disk_usable;
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
        object = load_entry(store, id, generation, key, which);
    if (object == NULL && id == 0 && indexing)
        object = store_find_unindexed(store, key, variant, arg);
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
    indexing = store->indexing && store->disk_usable;
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
    bool corrupt, gone;

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
        object = store_load(store, &key, variant, NULL, &corrupt, &gone);
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
    uint32_t limit = entries_limit(store);
    size_t n = 0;

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

int store_temporary(struct store *store)
{
    if (store_takes_files(store))
        return disk_temporary(store->disk);
    errno = ENODEV;
    return -1;
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

static void store_destroy(struct store *store)
{
    if (store->index != NULL)
        for (uint32_t id = 1; id < index_limit(store->index); id++)
            if (index_at(store->index, id) != NULL)
                store_forget_object(store, index_at(store->index, id));
    index_free(&store->index);
    contents_free(&store->contents);
    disk_close(&store->disk);
    disk_close(&store->retired);
    for (uint32_t i = 0; i < store->n_vary; i++)
        free(store->vary[i]);
    free(store->vary);
    free(store->directory);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

int store_new(struct store **out, const struct store_options *options)
{
    uint64_t budget[INDEX_TIERS] = {disk_budget(options), options->memory};
    struct store *store = calloc(1, sizeof(*store));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    if (store == NULL)
        return DIVE_E_NOMEM;
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
