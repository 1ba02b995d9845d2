/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store: where stored responses live. Process-wide, shared by all workers, thread-safe.
 *
 *      memory   small and hot objects: the parsed head and the content in one block; and open
 *               descriptors of hot large ones. Budget: options.memory
 *      disk     every object that may be kept: one object file (head, and content up to
 *               STORE_INLINE bytes), and for larger content a content file beside it, named by its
 *               verified digest when DIVE covers it (one file under many names is stored once),
 *               by a random name otherwise. Budget: options.max_size
 *
 * What is judged, how fresh it is and who may have it is decided elsewhere (exchange/, freshness):
 * the store keeps bytes, finds them again, and knows whether they are still the ones it was given.
 *
 * Disk work that a request doesn't wait for (writing, linking, unlinking, indexing at the start)
 * runs in the store's own thread. Nothing is written in place: an object is there whole, under its
 * name, or not at all. Calls nothing back but what was handed to the very call.
 */
#ifndef DIVED_CACHE_STORE_H
#define DIVED_CACHE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache/object.h"
#include "lib/error.h"

#define STORE_VARIANTS_MAX 64 /* stored responses of one URL; past it the oldest goes */

struct store_options {
    const char *directory; /* NULL: memory only */
    uint64_t max_size;     /* bytes on disk, heads included; 0: memory only */
    uint64_t memory;       /* bytes in memory */
    uint64_t object_max;   /* bytes of one content on disk */
};

struct store;

/* Never fails for the disk's sake: a directory that can't be used (not ours, read-only, full) is
 * logged, and told by store_stats(); the store then works in memory, and looks for its directory
 * again now and then. DIVE_E_NOMEM. Returns at once: what the directory holds is served from the
 * first moment on, and indexed meanwhile. */
int store_new(struct store **out, const struct store_options *options) DIVE_MUST_USE;
/* Stops the thread, after it has written what is queued (for at most a few seconds), and writes the
 * index. Objects that are still referenced stay usable. */
void store_free(struct store **store);
/* For another process that is to have the directory: stops the thread as store_free() does, writes
 * the index, and lets the lock go. From then on nothing here touches the directory; the store is
 * empty, and works in memory. One call at a time, with store_resume(). */
void store_release(struct store *store);
bool store_is_released(struct store *store);
/* After store_release(), when that process doesn't come: takes the directory back, as store_new()
 * takes it. What came into memory meanwhile goes. 0 or DIVE_E_NOMEM: it stays as it is. */
int store_resume(struct store *store) DIVE_MUST_USE;
/* For a reload: budgets; another directory needs a restart (returns false, told to the caller). */
bool store_set_options(struct store *store, const struct store_options *options);

/* Of the request at hand, the hash of the fields that `vary` names ("accept,accept-encoding"). */
typedef uint64_t store_variant_fn(void *arg, const char *vary);

/* The stored response for `key` whose variant is the request's, the newest if several are; a
 * reference of the caller's, or NULL. May read the disk (an open and a read of the head). Counts as
 * a use. A file that turns out to be corrupt is dropped, logged, and not returned. */
struct object *store_get(struct store *store, const struct store_key *key,
                         store_variant_fn *variant, void *arg);

/* Stores a response: replaces the one of the same key and variant. Takes over everything in `new`
 * (on failure too). *out (may be NULL) gets a reference to the object, which is good whether it
 * could be kept or not. 0, DIVE_E_NOMEM; DIVE_E_LIMIT when it is too large for every budget. */
int store_put(struct store *store, struct object_new *new, struct object **out) DIVE_MUST_USE;

/* A 304 came, or the verdict was given anew: the same content under another meta. Takes over
 * `meta`. As store_put(). */
int store_update(struct store *store, const struct object *old, struct object_meta *meta,
                 struct object **out) DIVE_MUST_USE;

/* It must not be served any more. Logged with `why`. Does nothing when another object has taken its
 * place meanwhile. */
void store_drop(struct store *store, const struct object *object, const char *why);
/* All variants. Returns how many. */
size_t store_purge(struct store *store, const struct store_key *key);
/* Everything whose URL has this host (lower case), or that was verified by this Key ID (as
 * "keyid" or "keyid@fqdn" stands in it); reads heads from disk where it must. */
size_t store_purge_host(struct store *store, const char *host);
size_t store_purge_key_id(struct store *store, const char *key_id);

/* Can content be handed over in files just now? */
bool store_takes_files(struct store *store);
/* A descriptor of a new file without a name, on the disk of the store, for content on its way in;
 * -1 with errno when there is none. store_put() links it. */
int store_temporary(struct store *store);

/* One stored object, for lists; strings are valid during the call. False ends the walk. */
typedef bool store_each_fn(void *arg, const struct object_meta *meta, bool in_memory, bool on_disk);
/* Walks without holding a lock during calls; objects that come or go meanwhile may be missed.
 * Reads heads from disk: for divectl, not for the data path. */
void store_each(struct store *store, store_each_fn *fn, void *arg);

struct store_stats {
    uint64_t objects, memory_objects;
    uint64_t disk_bytes, memory_bytes, index_bytes;
    uint64_t evicted, dropped_corrupt, write_errors, writes_skipped; /* since the start */
    uint64_t deduplicated;                                           /* content that was there */
    uint64_t queued; /* objects that wait to be written */
    bool disk_usable, indexing;
};
void store_stats(struct store *store, struct store_stats *out);

#endif
