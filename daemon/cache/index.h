/* SPDX-License-Identifier: BSD-2-Clause
 *
 * index: what is stored, by key, and what goes first when room is needed. No I/O, no lock, no
 * clock: the store brings those.
 *
 * Entries have small numbers (0: none) instead of pointers, and live in chunks that never move.
 * Each is in up to two tiers, disk and memory, each with a budget of bytes and S3-FIFO as its
 * policy (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): what is new
 * goes through a small queue (a tenth of the budget), and only what is used again there, or comes
 * back soon after it left, gets into the main one. A scan of things used once runs through the
 * small queue and leaves the main one alone.
 */
#ifndef DIVED_CACHE_INDEX_H
#define DIVED_CACHE_INDEX_H

#include "cache/object.h"

enum index_tier { INDEX_DISK, INDEX_MEMORY, INDEX_TIERS };
enum index_queue { INDEX_NOWHERE = 0, INDEX_SMALL, INDEX_MAIN };

struct index_link {
    uint32_t previous, next;
    uint32_t units; /* what it weighs, in INDEX_UNIT bytes, rounded up */
    uint8_t queue;  /* enum index_queue */
    uint8_t uses;   /* since it came into the queue; up to 3 */
};

#define INDEX_UNIT 512

struct index_entry {
    struct store_key key;
    uint64_t variant;
    struct object *object; /* in memory; the store's reference; NULL: on disk only */
    struct index_link tier[INDEX_TIERS];
    uint32_t chain;        /* the next with the same hash */
    uint32_t generation;   /* of the response: another one of the same key has another */
    uint32_t vary;         /* number of the vary text; 0: "" */
    uint32_t content;      /* number of the content file, which it has a reference to; 0: none */
    uint32_t host, key_id; /* hashes; 0: none */
    bool on_disk;
    bool queued; /* waits to be written: stays in memory until it is */
};

struct index;

/* Budgets in bytes; 0: that tier is never in use. */
int index_new(struct index **out, const uint64_t budget[INDEX_TIERS]) DIVE_MUST_USE;
void index_free(struct index **index); /* the objects of its entries are the store's business */
void index_set_budget(struct index *index, enum index_tier tier, uint64_t budget);

/* The entry, valid until it is removed; NULL for 0. */
struct index_entry *index_at(struct index *index, uint32_t id);
/* The first with that key, and the next one after `id`; 0: none. */
uint32_t index_first(const struct index *index, const struct store_key *key);
uint32_t index_next(struct index *index, uint32_t id);
/* A new entry in no tier; 0 without memory. */
uint32_t index_add(struct index *index, const struct store_key *key, uint64_t variant);
/* Takes it out of its tiers too. */
void index_remove(struct index *index, uint32_t id);

/* Puts the entry into a tier (or changes its weight). Doesn't make room. */
void index_enter(struct index *index, enum index_tier tier, uint32_t id, uint64_t bytes);
/* As it was before a restart: at the new end of that queue. */
void index_restore(struct index *index, enum index_tier tier, uint32_t id, uint64_t bytes,
                   enum index_queue queue, uint8_t uses);
/* `remembered`: if it comes back soon, it wasn't a thing used once (evictions, not removals). */
void index_leave(struct index *index, enum index_tier tier, uint32_t id, bool remembered);
/* It was asked for. */
void index_touch(struct index *index, uint32_t id);
/* Bytes that exist once and are in the weight of several entries of the tier: they count once
 * against its budget. */
void index_set_shared(struct index *index, enum index_tier tier, uint64_t bytes);
/* Over its budget, with `more` bytes to come? */
bool index_is_full(const struct index *index, enum index_tier tier, uint64_t more);
/* Who goes next: still in the tier; the caller lets it leave. 0: nobody is there. */
uint32_t index_victim(struct index *index, enum index_tier tier);
/* Everything else has its turn before this victim, which can't go just now. */
void index_spare(struct index *index, enum index_tier tier, uint32_t id);

uint64_t index_bytes_in(const struct index *index, enum index_tier tier); /* shared: once */
uint64_t index_count_in(const struct index *index, enum index_tier tier);
uint64_t index_count(const struct index *index);
/* Memory of the index itself. */
uint64_t index_footprint(const struct index *index);
/* Entry numbers go up to this; holes answer with a NULL of index_at(). */
uint32_t index_limit(const struct index *index);
/* Oldest first, for a snapshot: *from starts as 0; 0 at the end. */
uint32_t index_walk(struct index *index, enum index_tier tier, enum index_queue queue,
                    uint32_t from);

#endif
