/* SPDX-License-Identifier: BSD-2-Clause
 *
 * contents: see the header.
 */
#include "cache/contents.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 256u
#define CHUNK 4096u       /* contents; a chunk never moves */
#define CHUNKS_MAX 16384u /* 64 Mi contents */

struct contents {
    struct content *chunk[CHUNKS_MAX];
    uint32_t limit, free, buckets, count;
    uint32_t *bucket;
};

static struct content *content_of(const struct contents *contents, uint32_t id)
{
    return &contents->chunk[id / CHUNK][id % CHUNK];
}

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
    for (uint32_t i = 0; i < CHUNKS_MAX && (*contents)->chunk[i] != NULL; i++)
        free((*contents)->chunk[i]);
    free((*contents)->bucket);
    free(*contents);
    *contents = NULL;
}

struct content *contents_at(struct contents *contents, uint32_t id)
{
    return id != 0 && id < contents->limit && content_of(contents, id)->used
               ? content_of(contents, id)
               : NULL;
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

    while (id != 0 && memcmp(content_of(contents, id)->name, name, CONTENT_NAME) != 0)
        id = content_of(contents, id)->chain;
    return id;
}

static void contents_grow(struct contents *contents)
{
    uint32_t buckets = contents->buckets * 2;
    uint32_t *bucket = calloc(buckets, sizeof(*bucket));

    if (bucket == NULL)
        return; /* longer chains */
    for (uint32_t id = 1; id < contents->limit; id++) {
        struct content *content = content_of(contents, id);
        uint32_t at = hash_of(content->name) & (buckets - 1);

        if (!content->used)
            continue;
        content->chain = bucket[at];
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
        contents->free = content_of(contents, id)->chain;
        return id;
    }
    id = contents->limit;
    if (id / CHUNK >= CHUNKS_MAX)
        return 0;
    if (contents->chunk[id / CHUNK] == NULL) {
        contents->chunk[id / CHUNK] = calloc(CHUNK, sizeof(struct content));
        if (contents->chunk[id / CHUNK] == NULL)
            return 0;
    }
    contents->limit++;
    return id;
}

uint32_t contents_add(struct contents *contents, const uint8_t name[CONTENT_NAME], uint64_t size)
{
    uint32_t id = content_new(contents), *bucket;

    if (id == 0)
        return 0;
    if (contents->count >= contents->buckets)
        contents_grow(contents);
    bucket = &contents->bucket[hash_of(name) & (contents->buckets - 1)];
    *content_of(contents, id) = (struct content){.size = size, .chain = *bucket, .used = true};
    memcpy(content_of(contents, id)->name, name, CONTENT_NAME);
    *bucket = id;
    contents->count++;
    return id;
}

void contents_remove(struct contents *contents, uint32_t id)
{
    struct content *content = content_of(contents, id);
    uint32_t *at = &contents->bucket[hash_of(content->name) & (contents->buckets - 1)];

    while (*at != id)
        at = &content_of(contents, *at)->chain;
    *at = content->chain;
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

uint64_t contents_footprint(const struct contents *contents)
{
    uint64_t chunks = (contents->limit + CHUNK - 1) / CHUNK;

    return sizeof(*contents) + chunks * CHUNK * sizeof(struct content) +
           contents->buckets * sizeof(uint32_t);
}
