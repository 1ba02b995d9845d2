/* SPDX-License-Identifier: BSD-2-Clause
 *
 * contents: see the header.
 */
#include "cache/contents.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 256u

struct contents {
    struct content *v;
    uint32_t limit, room, free, buckets, count;
    uint32_t *bucket;
    uint64_t bytes;
};

int contents_new(struct contents **out)
{
    struct contents *contents = calloc(1, sizeof(*contents));

    *out = contents;
    if (contents == NULL)
        return DIVE_E_NOMEM;
    contents->limit = 1;
    contents->buckets = BUCKETS_MIN;
    contents->bucket = calloc(contents->buckets, sizeof(*contents->bucket));
    if (contents->bucket == NULL)
        contents_free(out);
    return *out != NULL ? 0 : DIVE_E_NOMEM;
}

void contents_free(struct contents **contents)
{
    if (*contents == NULL)
        return;
    free((*contents)->v);
    free((*contents)->bucket);
    free(*contents);
    *contents = NULL;
}

struct content *contents_at(struct contents *contents, uint32_t id)
{
    return id != 0 && id < contents->limit && contents->v[id].used ? &contents->v[id] : NULL;
}

/* Digests and chance are as good as a hash. */
static uint32_t hash_of(const uint8_t name[CONTENT_NAME])
{
    uint32_t hash;

    memcpy(&hash, name + 1, sizeof(hash));
    return hash;
}

uint32_t contents_find(const struct contents *contents, const uint8_t name[CONTENT_NAME])
{
    uint32_t id = contents->bucket[hash_of(name) & (contents->buckets - 1)];

    while (id != 0 && memcmp(contents->v[id].name, name, CONTENT_NAME) != 0)
        id = contents->v[id].chain;
    return id;
}

static void contents_grow(struct contents *contents)
{
    uint32_t buckets = contents->buckets * 2;
    uint32_t *bucket = calloc(buckets, sizeof(*bucket));

    if (bucket == NULL)
        return; /* longer chains */
    for (uint32_t id = 1; id < contents->limit; id++) {
        uint32_t at = hash_of(contents->v[id].name) & (buckets - 1);

        if (!contents->v[id].used)
            continue;
        contents->v[id].chain = bucket[at];
        bucket[at] = id;
    }
    free(contents->bucket);
    contents->bucket = bucket;
    contents->buckets = buckets;
}

static uint32_t content_new(struct contents *contents)
{
    uint32_t id = contents->free;

    if (id != 0) {
        contents->free = contents->v[id].chain;
        return id;
    }
    if (contents->limit >= contents->room) {
        uint32_t room =
            contents->room + 256 + contents->room / 16; /* moved by the kernel, not copied */
        struct content *v = realloc(contents->v, room * sizeof(*v));

        if (v == NULL)
            return 0;
        contents->v = v;
        contents->room = room;
    }
    return contents->limit++;
}

uint32_t contents_add(struct contents *contents, const uint8_t name[CONTENT_NAME], uint64_t size)
{
    uint32_t id = content_new(contents), *bucket;

    if (id == 0)
        return 0;
    if (contents->count >= contents->buckets)
        contents_grow(contents);
    bucket = &contents->bucket[hash_of(name) & (contents->buckets - 1)];
    contents->v[id] =
        (struct content){.size = size, .references = 1, .chain = *bucket, .used = true};
    memcpy(contents->v[id].name, name, CONTENT_NAME);
    *bucket = id;
    contents->count++;
    contents->bytes += size;
    return id;
}

void contents_remove(struct contents *contents, uint32_t id)
{
    struct content *content = &contents->v[id];
    uint32_t *at = &contents->bucket[hash_of(content->name) & (contents->buckets - 1)];

    while (*at != id)
        at = &contents->v[*at].chain;
    *at = content->chain;
    contents->bytes -= content->size;
    contents->count--;
    *content = (struct content){.chain = contents->free};
    contents->free = id;
}

void content_note(struct content *content, const struct stat *st)
{
    content->inode = st->st_ino;
    content->changed_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
    content->checked = (uint64_t)st->st_size == content->size;
}

bool content_is_intact(const struct content *content, const struct stat *st)
{
    return content->checked && content->inode == st->st_ino &&
           content->size == (uint64_t)st->st_size &&
           content->changed_ns == (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

uint32_t contents_limit(const struct contents *contents)
{
    return contents->limit;
}

uint64_t contents_bytes(const struct contents *contents)
{
    return contents->bytes;
}

uint64_t contents_footprint(const struct contents *contents)
{
    return contents->room * sizeof(struct content) + contents->buckets * sizeof(uint32_t);
}
