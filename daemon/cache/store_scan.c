/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_scan: how the index comes into being. After an end in order there is an index file, which
 * is read at once; after any other, none. Either way the directory is then walked in the
 * background: what the index doesn't know yet is read and taken in, what isn't ours is removed.
 * Meanwhile a key that the index doesn't know is looked for on disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/object_file.h"
#include "cache/store_private.h"
#include "core/log.h"

#define MAGIC "DIVEDIX1"

/* ---- the index file: header, vary texts, contents, entries; oldest entries first ---- */

struct index_header {
    char magic[8];
    uint64_t checksum; /* of all that follows */
    uint32_t n_vary, n_contents, n_entries, padding;
};

struct index_content {
    uint64_t size, inode;
    int64_t changed_ns;
    uint8_t name[CONTENT_NAME];
    uint8_t checked;
    uint8_t padding[6];
};

struct index_record {
    struct store_key key;
    uint64_t variant, bytes; /* bytes: of the object file */
    uint32_t vary, content;  /* numbers in this file; content: 1 is the first, 0 none */
    uint32_t host, key_id;
    uint8_t queue, uses;
    uint8_t padding[6];
};

struct bytes {
    char *p;
    size_t n, room;
    bool failed;
};

static void bytes_add(struct bytes *b, const void *p, size_t n)
{
    if (b->failed)
        return;
    if (b->n + n > b->room) {
        size_t room = (b->n + n) * 2;
        char *grown = realloc(b->p, room);

        if (grown == NULL) {
            b->failed = true;
            return;
        }
        b->p = grown;
        b->room = room;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void add_contents(struct store *store, struct bytes *b, struct index_header *header,
                         uint32_t *number)
{
    for (uint32_t id = 1; id < contents_limit(store->contents); id++) {
        const struct content *content = contents_at(store->contents, id);
        struct index_content out = {0};

        if (content == NULL || content->references == 0)
            continue;
        out.size = content->size;
        out.inode = content->inode;
        out.changed_ns = content->changed_ns;
        out.checked = content->checked;
        memcpy(out.name, content->name, CONTENT_NAME);
        bytes_add(b, &out, sizeof(out));
        number[id] = ++header->n_contents;
    }
}

static uint64_t object_file_bytes(struct store *store, const struct index_entry *e)
{
    const struct content *content = contents_at(store->contents, e->content);
    uint64_t all = (uint64_t)e->tier[INDEX_DISK].units * INDEX_UNIT;

    return content != NULL ? all - store_disk_weight(0, content->size) : all;
}

static void add_entries(struct store *store, struct bytes *b, struct index_header *header,
                        const uint32_t *number, enum index_queue queue)
{
    for (uint32_t id = index_walk(store->index, INDEX_DISK, queue, 0); id != 0;
         id = index_walk(store->index, INDEX_DISK, queue, id)) {
        const struct index_entry *e = index_at(store->index, id);
        struct index_record out = {
            .key = e->key,
            .variant = e->variant,
            .bytes = object_file_bytes(store, e),
            .vary = e->vary,
            .content = e->content != 0 ? number[e->content] : 0,
            .host = e->host,
            .key_id = e->key_id,
            .queue = (uint8_t)queue,
            .uses = e->tier[INDEX_DISK].uses,
        };

        bytes_add(b, &out, sizeof(out));
        header->n_entries++;
    }
}

void store_write_index(struct store *store)
{
    struct index_header header = {.magic = MAGIC};
    struct bytes b = {0};
    uint32_t *number;
    int error = ENOMEM;

    pthread_mutex_lock(&store->lock);
    number = calloc(contents_limit(store->contents) + 1, sizeof(*number));
    header.n_vary = store->n_vary;
    bytes_add(&b, &header, sizeof(header));
    for (uint32_t i = 0; i < store->n_vary; i++)
        bytes_add(&b, store->vary[i].text, strlen(store->vary[i].text) + 1);
    if (number != NULL) {
        add_contents(store, &b, &header, number);
        add_entries(store, &b, &header, number, INDEX_SMALL);
        add_entries(store, &b, &header, number, INDEX_MAIN);
    }
    pthread_mutex_unlock(&store->lock);
    /* It vouches for content, so that must not come later than it. */
    if (number != NULL && !b.failed && store->linked)
        error = disk_sync(store->disk);
    else if (number != NULL && !b.failed)
        error = 0;
    if (error == 0) {
        memcpy(b.p, &header, sizeof(header));
        header.checksum = object_checksum(b.p + 16, b.n - 16);
        memcpy(b.p, &header, sizeof(header));
        error = disk_write_index(store->disk, b.p, b.n);
    }
    if (error != 0)
        log_warning("cache", "%s: the index could not be written, the next start takes longer: %s",
                    store->directory, strerror(error));
    free(number);
    free(b.p);
}

/* What is left of the file while it is read. */
struct source_bytes {
    const char *p;
    size_t left;
};

static const char *take(struct source_bytes *b, size_t n)
{
    const char *p = b->p;

    if (n > b->left)
        return NULL;
    b->p += n;
    b->left -= n;
    return p;
}

static bool read_vary(struct store *store, struct source_bytes *b, uint32_t n, uint32_t *number)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *end = memchr(b->p, '\0', b->left);

        if (end == NULL)
            return false;
        number[i] = store_vary(store, b->p);
        if (number[i] != UINT32_MAX)
            store->vary[number[i]].references++; /* until the entries are there */
        (void)take(b, (size_t)(end - b->p) + 1);
    }
    return true;
}

static bool read_contents(struct store *store, struct source_bytes *b, uint32_t n, uint32_t *number)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *p = take(b, sizeof(struct index_content));
        struct index_content in;
        struct content *content;

        if (p == NULL)
            return false;
        memcpy(&in, p, sizeof(in));
        number[i + 1] = contents_add(store->contents, in.name, in.size);
        content = contents_at(store->contents, number[i + 1]);
        if (content == NULL)
            return false;
        content->inode = in.inode;
        content->changed_ns = in.changed_ns;
        content->checked = in.checked;
    }
    return true;
}

static bool read_entries(struct store *store, struct source_bytes *b,
                         const struct index_header *header, const uint32_t *vary,
                         const uint32_t *contents)
{
    for (uint32_t i = 0; i < header->n_entries; i++) {
        const char *p = take(b, sizeof(struct index_record));
        struct index_record in;
        struct index_entry *e;
        uint32_t id;

        if (p == NULL)
            return false;
        memcpy(&in, p, sizeof(in));
        if (in.vary >= header->n_vary || in.content > header->n_contents ||
            vary[in.vary] == UINT32_MAX || store_find(store, &in.key, in.variant) != 0)
            continue;
        id = index_add(store->index, &in.key, in.variant);
        e = index_at(store->index, id);
        if (e == NULL)
            return false;
        e->vary = vary[in.vary];
        store->vary[e->vary].references++;
        store_ref_content(store, e, contents[in.content]);
        e->host = in.host;
        e->key_id = in.key_id;
        e->on_disk = true;
        store_enter_disk(store, id, in.bytes, in.queue == INDEX_MAIN ? INDEX_MAIN : INDEX_SMALL,
                         in.uses);
    }
    return true;
}

/* Content that no entry came for. */
static void remove_unreferenced(struct store *store)
{
    for (uint32_t id = 1; id < contents_limit(store->contents); id++) {
        const struct content *content = contents_at(store->contents, id);

        if (content != NULL && content->references == 0)
            store_queue_removal(store, content->name);
    }
}

static bool read_index(struct store *store, const char *bytes, size_t n)
{
    struct index_header header;
    struct source_bytes b = {bytes, n};
    const char *p = take(&b, sizeof(header));
    uint32_t *vary = NULL, *contents = NULL;
    bool ok = false;

    if (p == NULL)
        return false;
    memcpy(&header, p, sizeof(header));
    if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0 ||
        header.checksum != object_checksum(bytes + 16, n - 16))
        return false;
    vary = calloc(header.n_vary + 1, sizeof(*vary));
    contents = calloc(header.n_contents + 1, sizeof(*contents));
    if (vary != NULL && contents != NULL) {
        for (uint32_t i = 0; i < header.n_vary; i++)
            vary[i] = UINT32_MAX;
        ok = read_vary(store, &b, header.n_vary, vary) &&
             read_contents(store, &b, header.n_contents, contents) &&
             read_entries(store, &b, &header, vary, contents);
        for (uint32_t i = 0; i < header.n_vary; i++)
            if (vary[i] != UINT32_MAX)
                store->vary[vary[i]].references--;
    }
    remove_unreferenced(store);
    free(vary);
    free(contents);
    return ok;
}

void store_read_index(struct store *store)
{
    char *bytes = NULL;
    size_t n;
    int error = disk_take_index(store->disk, &bytes, &n);

    if (error == ENOENT)
        return;
    pthread_mutex_lock(&store->lock);
    if (error != 0 || !read_index(store, bytes, n))
        log_warning("cache", "%s: the index can't be read; the directory is looked through",
                    store->directory);
    store_evict(store);
    pthread_mutex_unlock(&store->lock);
    free(bytes);
}

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
