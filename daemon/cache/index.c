/* SPDX-License-Identifier: BSD-2-Clause
 *
 * index: see the header.
 *
 *   bucket[hash of key] -> entry -> entry ...      (chained; doubled when it gets crowded)
 *   tier:   small: oldest <-> ... <-> newest       main: the same
 *           ghosts: marks of those that left the small queue, by hash, with when they left
 */
#include "cache/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 4096u       /* entries */
#define CHUNKS_MAX 16384u /* 64 Mi entries */
#define BUCKETS_MIN 1024u
#define SMALL_PART 20 /* the small queue may have a twentieth of the budget */
#define USES_MAX 3
#define SECOND_CHANCE 1 /* uses in the small queue that lead into the main one */
#define LARGE 4         /* times the mean of its queue: has to be used once more than others */
#define HORIZON 8       /* times as many that left the small queue are remembered as main has */

struct queue {
    uint32_t oldest, newest;
    uint64_t units, count;
};

struct tier {
    uint64_t budget; /* units */
    uint64_t shared; /* units that more than one entry weighs in with */
    struct queue queue[3];
    uint32_t clock; /* how many have left the small queue */
};

/* One that has left: which tier's, its hash, and when. */
struct ghost {
    uint32_t hash, when;
};

struct index {
    struct index_entry *chunk[CHUNKS_MAX];
    uint32_t limit; /* entry numbers in use lie below */
    uint32_t free;  /* chained by `chain` */
    uint32_t *bucket;
    struct ghost *ghost[INDEX_TIERS];
    uint32_t buckets; /* a power of two; of the ghosts too */
    uint64_t count;
    uint32_t generation;
    struct tier tier[INDEX_TIERS];
};

static uint64_t units_of(uint64_t bytes)
{
    return (bytes + INDEX_UNIT - 1) / INDEX_UNIT;
}

int index_new(struct index **out, const uint64_t budget[INDEX_TIERS])
{
    struct index *index = calloc(1, sizeof(*index));

    *out = NULL;
    if (index == NULL)
        return DIVE_E_NOMEM;
    index->buckets = BUCKETS_MIN;
    index->bucket = calloc(index->buckets, sizeof(*index->bucket));
    for (int i = 0; i < INDEX_TIERS; i++) {
        index->ghost[i] = calloc(index->buckets, sizeof(*index->ghost[i]));
        index->tier[i].budget = budget[i] / INDEX_UNIT;
    }
    index->limit = 1; /* 0 means none */
    if (index->bucket == NULL || index->ghost[0] == NULL || index->ghost[1] == NULL) {
        index_free(&index);
        return DIVE_E_NOMEM;
    }
    *out = index;
    return 0;
}

void index_free(struct index **index)
{
    struct index *old = *index;

    *index = NULL;
    if (old == NULL)
        return;
    for (uint32_t i = 0; i < CHUNKS_MAX && old->chunk[i] != NULL; i++)
        free(old->chunk[i]);
    for (int i = 0; i < INDEX_TIERS; i++)
        free(old->ghost[i]);
    free(old->bucket);
    free(old);
}

void index_set_budget(struct index *index, enum index_tier tier, uint64_t budget)
{
    index->tier[tier].budget = budget / INDEX_UNIT;
}

static struct index_entry *entry_of(const struct index *index, uint32_t id)
{
    return &index->chunk[id / CHUNK][id % CHUNK];
}

struct index_entry *index_at(struct index *index, uint32_t id)
{
    if (id == 0 || id >= index->limit || entry_of(index, id)->generation == 0)
        return NULL;
    return entry_of(index, id);
}

/* The key is a digest already. */
static uint32_t hash_of(const struct store_key *key)
{
    uint32_t hash;

    memcpy(&hash, key->bytes, sizeof(hash));
    return hash;
}

static bool same_key(const struct store_key *a, const struct store_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static uint32_t chain_find(const struct index *index, uint32_t id, const struct store_key *key)
{
    while (id != 0 && !same_key(&entry_of(index, id)->key, key))
        id = entry_of(index, id)->chain;
    return id;
}

uint32_t index_first(const struct index *index, const struct store_key *key)
{
    return chain_find(index, index->bucket[hash_of(key) & (index->buckets - 1)], key);
}

uint32_t index_next(struct index *index, uint32_t id)
{
    const struct index_entry *e = entry_of(index, id);

    return chain_find(index, e->chain, &e->key);
}

/* Twice as many buckets. Without memory the chains get longer, that is all. */
static void index_grow(struct index *index)
{
    uint32_t buckets = index->buckets * 2;
    uint32_t *bucket = calloc(buckets, sizeof(*bucket));
    struct ghost *ghost[INDEX_TIERS];

    for (int i = 0; i < INDEX_TIERS; i++)
        ghost[i] = calloc(buckets, sizeof(*ghost[i]));
    if (bucket == NULL || ghost[0] == NULL || ghost[1] == NULL) {
        free(bucket);
        free(ghost[0]);
        free(ghost[1]);
        return;
    }
    for (uint32_t id = 1; id < index->limit; id++) {
        struct index_entry *e = entry_of(index, id);
        uint32_t at = hash_of(&e->key) & (buckets - 1);

        if (e->generation == 0)
            continue;
        e->chain = bucket[at];
        bucket[at] = id;
    }
    for (int i = 0; i < INDEX_TIERS; i++) {
        for (uint32_t k = 0; k < index->buckets; k++)
            ghost[i][index->ghost[i][k].hash & (buckets - 1)] = index->ghost[i][k];
        free(index->ghost[i]);
        index->ghost[i] = ghost[i];
    }
    free(index->bucket);
    index->bucket = bucket;
    index->buckets = buckets;
}

static uint32_t entry_new(struct index *index)
{
    uint32_t id = index->free;

    if (id != 0) {
        index->free = entry_of(index, id)->chain;
        return id;
    }
    id = index->limit;
    if (id / CHUNK >= CHUNKS_MAX)
        return 0;
    if (index->chunk[id / CHUNK] == NULL) {
        index->chunk[id / CHUNK] = calloc(CHUNK, sizeof(struct index_entry));
        if (index->chunk[id / CHUNK] == NULL)
            return 0;
    }
    index->limit++;
    return id;
}

uint32_t index_add(struct index *index, const struct store_key *key, uint64_t variant)
{
    uint32_t id = entry_new(index), *bucket;
    struct index_entry *e;

    if (id == 0)
        return 0;
    if (index->count >= index->buckets)
        index_grow(index);
    if (++index->generation == 0)
        index->generation = 1;
    bucket = &index->bucket[hash_of(key) & (index->buckets - 1)];
    e = entry_of(index, id);
    *e = (struct index_entry){
        .key = *key, .variant = variant, .generation = index->generation, .chain = *bucket};
    *bucket = id;
    index->count++;
    return id;
}

void index_remove(struct index *index, uint32_t id)
{
    struct index_entry *e = entry_of(index, id);
    uint32_t *at = &index->bucket[hash_of(&e->key) & (index->buckets - 1)];

    for (int i = 0; i < INDEX_TIERS; i++)
        index_leave(index, (enum index_tier)i, id, false);
    while (*at != id)
        at = &entry_of(index, *at)->chain;
    *at = e->chain;
    *e = (struct index_entry){.chain = index->free};
    index->free = id;
    index->count--;
}

/* ---- queues ---- */

static void queue_push(struct index *index, enum index_tier t, uint32_t id, enum index_queue which)
{
    struct queue *queue = &index->tier[t].queue[which];
    struct index_link *link = &entry_of(index, id)->tier[t];

    link->queue = (uint8_t)which;
    link->uses = 0;
    link->previous = queue->newest;
    link->next = 0;
    if (queue->newest != 0)
        entry_of(index, queue->newest)->tier[t].next = id;
    else
        queue->oldest = id;
    queue->newest = id;
    queue->units += link->units;
    queue->count++;
}

static void queue_take(struct index *index, enum index_tier t, uint32_t id)
{
    struct index_link *link = &entry_of(index, id)->tier[t];
    struct queue *queue = &index->tier[t].queue[link->queue];

    if (link->previous != 0)
        entry_of(index, link->previous)->tier[t].next = link->next;
    else
        queue->oldest = link->next;
    if (link->next != 0)
        entry_of(index, link->next)->tier[t].previous = link->previous;
    else
        queue->newest = link->previous;
    queue->units -= link->units;
    queue->count--;
    link->queue = INDEX_NOWHERE;
}

/* ---- those that left the small queue ---- */

/* HORIZON times as many are remembered as the main queue has entries, as far as the marks aren't
 * overwritten: what comes back rarely, but does, is worth more than what came once. */
static bool ghost_take(struct index *index, enum index_tier t, const struct index_entry *e)
{
    uint32_t hash = hash_of(&e->key) ^ (uint32_t)e->variant;
    struct ghost *ghost = &index->ghost[t][hash & (index->buckets - 1)];
    uint64_t horizon = HORIZON * index->tier[t].queue[INDEX_MAIN].count;

    if (ghost->hash != hash || ghost->when == 0 ||
        index->tier[t].clock - ghost->when > (horizon > 64 ? horizon : 64))
        return false;
    ghost->when = 0;
    return true;
}

static void ghost_put(struct index *index, enum index_tier t, const struct index_entry *e)
{
    uint32_t hash = hash_of(&e->key) ^ (uint32_t)e->variant;

    if (++index->tier[t].clock == 0)
        index->tier[t].clock = 1;
    index->ghost[t][hash & (index->buckets - 1)] =
        (struct ghost){.hash = hash, .when = index->tier[t].clock};
}

/* ---- tiers ---- */

void index_enter(struct index *index, enum index_tier t, uint32_t id, uint64_t bytes)
{
    struct index_entry *e = entry_of(index, id);
    uint64_t units = units_of(bytes);

    if (units > UINT32_MAX)
        units = UINT32_MAX;
    if (e->tier[t].queue != INDEX_NOWHERE) {
        struct queue *queue = &index->tier[t].queue[e->tier[t].queue];

        queue->units = queue->units - e->tier[t].units + units;
        e->tier[t].units = (uint32_t)units;
        return;
    }
    e->tier[t].units = (uint32_t)units;
    queue_push(index, t, id, ghost_take(index, t, e) ? INDEX_MAIN : INDEX_SMALL);
}

void index_restore(struct index *index, enum index_tier t, uint32_t id, uint64_t bytes,
                   enum index_queue queue, uint8_t uses)
{
    struct index_link *link = &entry_of(index, id)->tier[t];
    uint64_t units = units_of(bytes);

    link->units = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
    queue_push(index, t, id, queue == INDEX_MAIN ? INDEX_MAIN : INDEX_SMALL);
    link->uses = uses < USES_MAX ? uses : USES_MAX;
}

void index_leave(struct index *index, enum index_tier t, uint32_t id, bool remembered)
{
    struct index_entry *e = entry_of(index, id);
    bool small = e->tier[t].queue == INDEX_SMALL;

    if (e->tier[t].queue == INDEX_NOWHERE)
        return;
    queue_take(index, t, id);
    if (remembered && small)
        ghost_put(index, t, e);
}

void index_touch(struct index *index, uint32_t id)
{
    struct index_entry *e = entry_of(index, id);

    for (int t = 0; t < INDEX_TIERS; t++)
        if (e->tier[t].uses < USES_MAX)
            e->tier[t].uses++;
}

static uint64_t tier_units(const struct tier *tier)
{
    uint64_t units = tier->queue[INDEX_SMALL].units + tier->queue[INDEX_MAIN].units;

    return units > tier->shared ? units - tier->shared : 0;
}

void index_set_shared(struct index *index, enum index_tier t, uint64_t bytes)
{
    index->tier[t].shared = units_of(bytes);
}

bool index_is_full(const struct index *index, enum index_tier t, uint64_t more)
{
    return tier_units(&index->tier[t]) + units_of(more) > index->tier[t].budget;
}

/* One large thing takes the room of many small ones, each of which might be asked for. */
static bool is_large(const struct queue *queue, const struct index_link *link)
{
    return (uint64_t)link->units * queue->count > queue->units * LARGE;
}

/* The oldest of the small queue that wasn't used again; those that were move on to the main one. */
static uint32_t victim_of_small(struct index *index, enum index_tier t)
{
    struct queue *small = &index->tier[t].queue[INDEX_SMALL];

    while (small->oldest != 0) {
        uint32_t id = small->oldest;
        const struct index_link *link = &entry_of(index, id)->tier[t];

        if (link->uses < SECOND_CHANCE + is_large(small, link))
            return id;
        queue_take(index, t, id);
        queue_push(index, t, id, INDEX_MAIN);
    }
    return 0;
}

/* The oldest of the main queue whose uses are used up; each chance costs one, a large thing two. */
static uint32_t victim_of_main(struct index *index, enum index_tier t)
{
    struct queue *main = &index->tier[t].queue[INDEX_MAIN];

    while (main->oldest != 0) {
        uint32_t id = main->oldest;
        uint8_t uses = entry_of(index, id)->tier[t].uses;
        uint8_t price = 1 + (uses > 1 && is_large(main, &entry_of(index, id)->tier[t]));

        if (uses == 0)
            return id;
        queue_take(index, t, id);
        queue_push(index, t, id, INDEX_MAIN);
        entry_of(index, id)->tier[t].uses = (uint8_t)(uses - price);
    }
    return 0;
}

uint32_t index_victim(struct index *index, enum index_tier t)
{
    struct tier *tier = &index->tier[t];
    uint32_t id = 0;

    /* The newest stays, however large: otherwise a large thing could never come to its second use.
     */
    if (tier->queue[INDEX_SMALL].units >= tier->budget / SMALL_PART &&
        tier->queue[INDEX_SMALL].count > 1)
        id = victim_of_small(index, t);
    if (id == 0)
        id = victim_of_main(index, t);
    return id != 0 ? id : victim_of_small(index, t);
}

void index_spare(struct index *index, enum index_tier t, uint32_t id)
{
    enum index_queue which = (enum index_queue)entry_of(index, id)->tier[t].queue;

    if (which == INDEX_NOWHERE)
        return;
    queue_take(index, t, id);
    queue_push(index, t, id, which);
}

uint64_t index_bytes_in(const struct index *index, enum index_tier t)
{
    return tier_units(&index->tier[t]) * INDEX_UNIT;
}

uint64_t index_count_in(const struct index *index, enum index_tier t)
{
    return index->tier[t].queue[INDEX_SMALL].count + index->tier[t].queue[INDEX_MAIN].count;
}

uint64_t index_count(const struct index *index)
{
    return index->count;
}

uint64_t index_footprint(const struct index *index)
{
    uint64_t chunks = (index->limit + CHUNK - 1) / CHUNK;

    return sizeof(*index) + chunks * CHUNK * sizeof(struct index_entry) +
           index->buckets * (sizeof(uint32_t) + INDEX_TIERS * sizeof(struct ghost));
}

uint32_t index_limit(const struct index *index)
{
    return index->limit;
}

uint32_t index_walk(struct index *index, enum index_tier t, enum index_queue queue, uint32_t from)
{
    return from == 0 ? index->tier[t].queue[queue].oldest : entry_of(index, from)->tier[t].next;
}
