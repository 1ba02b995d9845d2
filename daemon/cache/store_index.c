/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_index: the index file. It is written at an end in order and taken away at the next start,
 * so that after any other end there is none. Reading a large one is the thread's work, a few
 * entries at a time: requests are served meanwhile, and may have brought newer entries, which stay.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/object_file.h"
#include "cache/store_private.h"
#include "core/log.h"

#define MAGIC "DIVEDIX1"

/* ---- the file: header, vary texts, contents, entries; oldest entries first ---- */

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

/* ---- reading ---- */

#define STEP 512             /* contents or entries read at a time with the lock held */
#define NOT_TAKEN UINT32_MAX /* a vary text or content that can't be had */

/* An index file that is being read. */
struct index_reader {
    char *bytes;
    const char *p; /* what is left of them */
    size_t left;
    struct index_header header;
    uint32_t n_vary, n_contents, n_entries; /* read so far */
    uint32_t *vary;     /* the number that a text has now, by its number in the file; referenced */
    uint32_t *contents; /* contents likewise */
};

static const char *take(struct index_reader *reader, size_t n)
{
    const char *p = reader->p;

    if (n > reader->left)
        return NULL;
    reader->p += n;
    reader->left -= n;
    return p;
}

/* What is read is referenced until the entries are there. */
static bool read_vary(struct store *store, struct index_reader *reader)
{
    for (; reader->n_vary < reader->header.n_vary; reader->n_vary++) {
        const char *end = memchr(reader->p, '\0', reader->left);
        uint32_t id;

        if (end == NULL)
            return false;
        id = store_vary(store, reader->p);
        if (id != NOT_TAKEN)
            store->vary[id].references++;
        reader->vary[reader->n_vary] = id;
        (void)take(reader, (size_t)(end - reader->p) + 1);
    }
    return true;
}

/* The number of the content that `in` describes. An object that was looked up meanwhile may have
 * brought it; what is known of it since then is newer. */
static uint32_t take_content(struct store *store, const struct index_content *in)
{
    uint32_t id = contents_find(store->contents, in->name);
    struct content *content;

    if (id == 0)
        id = contents_add(store->contents, in->name, in->size);
    content = contents_at(store->contents, id);
    if (content == NULL || content->size != in->size)
        return NOT_TAKEN;
    content->references++;
    if (!content->checked) {
        content->inode = in->inode;
        content->changed_ns = in->changed_ns;
        content->checked = in->checked;
    }
    return id;
}

static bool read_contents(struct store *store, struct index_reader *reader)
{
    for (int i = 0; i < STEP && reader->n_contents < reader->header.n_contents; i++) {
        const char *p = take(reader, sizeof(struct index_content));
        struct index_content in;

        if (p == NULL)
            return false;
        memcpy(&in, p, sizeof(in));
        reader->contents[reader->n_contents++] = take_content(store, &in);
    }
    return true;
}

static bool take_entry(struct store *store, const struct index_reader *reader,
                       const struct index_record *in)
{
    uint32_t vary = in->vary < reader->header.n_vary ? reader->vary[in->vary] : NOT_TAKEN;
    uint32_t content = in->content == 0 ? 0
                       : in->content <= reader->header.n_contents
                           ? reader->contents[in->content - 1]
                           : NOT_TAKEN;
    struct index_entry *e;
    uint32_t id;

    if (vary == NOT_TAKEN || content == NOT_TAKEN || store_find(store, &in->key, in->variant) != 0)
        return true; /* if it is on disk, the walk comes by */
    id = index_add(store->index, &in->key, in->variant);
    e = index_at(store->index, id);
    if (e == NULL)
        return false;
    e->vary = vary;
    store->vary[vary].references++;
    store_ref_content(store, e, content);
    e->host = in->host;
    e->key_id = in->key_id;
    e->on_disk = true;
    store_enter_disk(store, id, in->bytes, in->queue == INDEX_MAIN ? INDEX_MAIN : INDEX_SMALL,
                     in->uses);
    return true;
}

static bool read_entries(struct store *store, struct index_reader *reader)
{
    for (int i = 0; i < STEP && reader->n_entries < reader->header.n_entries; i++) {
        const char *p = take(reader, sizeof(struct index_record));
        struct index_record in;

        if (p == NULL)
            return false;
        memcpy(&in, p, sizeof(in));
        reader->n_entries++;
        if (!take_entry(store, reader, &in))
            return false;
    }
    return true;
}

static void reader_free(struct index_reader **reader)
{
    if (*reader != NULL) {
        free((*reader)->bytes);
        free((*reader)->vary);
        free((*reader)->contents);
    }
    free(*reader);
    *reader = NULL;
}

/* Takes the file from the directory. 0; ENOENT, EILSEQ (it isn't what was written), or another
 * errno. */
static int reader_open(struct index_reader **out, struct disk *disk)
{
    struct index_reader *reader = calloc(1, sizeof(*reader));
    struct index_header *header;
    int error = ENOMEM;

    *out = NULL;
    if (reader == NULL)
        return ENOMEM;
    header = &reader->header;
    error = disk_take_index(disk, &reader->bytes, &reader->left);
    if (error != 0)
        goto out;
    error = EILSEQ;
    if (reader->left < sizeof(*header))
        goto out;
    memcpy(header, reader->bytes, sizeof(*header));
    if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 ||
        header->checksum != object_checksum(reader->bytes + 16, reader->left - 16))
        goto out;
    reader->p = reader->bytes + sizeof(*header);
    reader->left -= sizeof(*header);
    error = ENOMEM;
    reader->vary = calloc((size_t)header->n_vary + 1, sizeof(*reader->vary));
    reader->contents = calloc((size_t)header->n_contents + 1, sizeof(*reader->contents));
    if (reader->vary == NULL || reader->contents == NULL)
        goto out;
    *out = reader;
    reader = NULL;
    error = 0;
out:
    reader_free(&reader);
    return error;
}

void store_end_index(struct store *store)
{
    struct index_reader *reader = store->reader;

    if (reader == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    for (uint32_t i = 0; i < reader->n_vary; i++)
        if (reader->vary[i] != NOT_TAKEN)
            store->vary[reader->vary[i]].references--;
    for (uint32_t i = 0; i < reader->n_contents; i++)
        if (reader->contents[i] != NOT_TAKEN)
            store_unref_content(store, reader->contents[i]);
    pthread_mutex_unlock(&store->lock);
    reader_free(&store->reader);
}

static void log_unreadable(const struct store *store, int error)
{
    log_warning("cache", "%s: the index can't be read (%s); the directory is looked through",
                store->directory, error == EILSEQ ? "it isn't what was written" : strerror(error));
}

bool store_read_index(struct store *store)
{
    struct index_reader *reader = store->reader;
    bool ok, more;
    int error;

    if (store->index_read)
        return false;
    if (reader == NULL) {
        error = reader_open(&store->reader, store->disk);
        store->index_read = error != 0;
        if (error != 0 && error != ENOENT)
            log_unreadable(store, error);
        return error == 0;
    }
    pthread_mutex_lock(&store->lock);
    ok = read_vary(store, reader) && read_contents(store, reader) &&
         (reader->n_contents < reader->header.n_contents || read_entries(store, reader));
    more = reader->n_contents < reader->header.n_contents ||
           reader->n_entries < reader->header.n_entries;
    store_evict(store);
    pthread_mutex_unlock(&store->lock);
    if (!ok)
        log_unreadable(store, EILSEQ);
    if (ok && more)
        return true;
    store_end_index(store);
    store->index_read = true;
    return false;
}
