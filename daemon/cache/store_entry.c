/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_entry: entries of the index and what belongs to them: content files, texts of Vary,
 * objects in memory, weight in the budgets. All with the lock held.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/store_private.h"

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
struct dive_span store_host_of(const char *url)
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
    struct dive_span host = store_host_of(url);

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

void store_unref_content(struct store *store, uint32_t id)
{
    struct content *content = contents_at(store->contents, id);

    if (content != NULL && --content->references == 0)
        store_queue_removal(store, content->name);
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
void store_unlist(struct store *store, uint32_t id)
{
    struct index_entry *e = index_at(store->index, id);

    leave_disk(store, id, false);
    store_unref_content(store, e->content);
    e->content = 0;
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

/* The oldest variant of a URL that has too many goes. */
void store_limit_variants(struct store *store, const struct store_key *key)
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

void store_fill_entry(struct store *store, struct index_entry *e, const struct object *object,
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

uint32_t store_adopt(struct store *store, const struct object *object, size_t bytes)
{
    const struct object_meta *meta = &object->meta;
    uint32_t vary = store_vary(store, meta->vary), id;
    struct index_entry *e;

    id = vary != UINT32_MAX ? index_add(store->index, &meta->key, meta->variant) : 0;
    e = index_at(store->index, id);
    if (e == NULL)
        return 0;
    store_fill_entry(store, e, object, vary);
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
