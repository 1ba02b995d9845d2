/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_private: the store's own state, for this folder only.
 *
 *      store.c          the calls: find, put, drop, walk; what is in memory
 *      store_writer.c   the thread: writes objects, removes files, looks after the directory
 *      store_scan.c     the start and the end: index file, walk of the directory, lookups meanwhile
 *      index contents   what is where      disk object_file   how it lies there
 *
 * One lock guards everything but what belongs to the thread alone; no file is read or written under
 * it, but for the rename and unlink of an object file, which must go with the index.
 */
#ifndef DIVED_CACHE_STORE_PRIVATE_H
#define DIVED_CACHE_STORE_PRIVATE_H

#include <pthread.h>
#include <sys/queue.h>

#include "cache/contents.h"
#include "cache/disk.h"
#include "cache/index.h"
#include "cache/store.h"

#define STORE_INLINE (64 * 1024)       /* content up to this lies in the object file */
#define STORE_DESCRIPTORS 1024         /* files of hot objects kept open */
#define STORE_QUEUE_MAX 4096           /* objects that wait to be written */
#define STORE_QUEUE_BYTES (128u << 20) /* of content in memory among them */
#define STORE_VARY_MAX 4096            /* different Vary texts */

enum job_kind { JOB_WRITE, JOB_REMOVE_CONTENT };

struct store_job {
    STAILQ_ENTRY(store_job) link;
    enum job_kind kind;
    struct object *object;         /* WRITE: a reference */
    uint8_t content[CONTENT_NAME]; /* REMOVE_CONTENT */
};

struct store {
    pthread_mutex_t lock;
    struct store_options options;
    char *directory;
    struct index *index;
    struct contents *contents;
    char **vary; /* by number; [0] is "" */
    uint32_t n_vary;
    struct disk *disk;    /* NULL: there has been none yet */
    struct disk *retired; /* one that is gone; others may still be reading from it */
    bool disk_usable, indexing;
    unsigned descriptors; /* open, of objects in the memory tier */
    struct store_stats count;

    pthread_t thread;
    pthread_cond_t wake;
    STAILQ_HEAD(, store_job) jobs;
    uint64_t queued, queued_bytes;
    bool stopping;
    bool has_thread;
    time_t started, retry_at; /* the thread's */
    unsigned scanned;         /* folders, the thread's; 512: all of o/ and c/ */
    bool index_read;
};

/* ---- store.c; all with the lock held ---- */
uint32_t store_find(struct store *store, const struct store_key *key, uint64_t variant);
/* The number of a vary text; UINT32_MAX: there are too many, or no memory. */
uint32_t store_vary(struct store *store, const char *vary);
/* Takes an entry out, with its files. */
void store_remove(struct store *store, uint32_t id);
/* Makes room in both tiers. */
void store_evict(struct store *store);
/* An entry for what is on disk already; 0 without memory. `bytes`: of the object file. */
uint32_t store_adopt(struct store *store, const struct object *object, size_t bytes);
/* The entry isn't in memory any more. */
void store_forget_object(struct store *store, struct index_entry *entry);
/* Bytes of an object on disk, as the budget counts them. */
uint64_t store_disk_weight(uint64_t object_file, uint64_t content_file);
uint32_t store_text_hash(const char *p, size_t n); /* never 0 */
uint32_t store_host_hash(const char *url);

/* Without the lock: reads an object file, and opens its content. NULL: it isn't there, or not whole
 * (*gone; and *corrupt in the second case), or there is no memory or descriptor for it. `bytes` may
 * be NULL. */
struct object *store_load(struct store *store, const struct store_key *key, uint64_t variant,
                          size_t *bytes, bool *corrupt, bool *gone);
void store_note_checked(struct store *store, const struct object *object);

/* ---- store_writer.c ---- */
int store_start_thread(struct store *store) DIVE_MUST_USE;
void store_stop_thread(struct store *store);
/* Locked. False: it can't be queued. */
bool store_queue_write(struct store *store, struct object *object);
void store_queue_removal(struct store *store, const uint8_t name[CONTENT_NAME]);

/* ---- store_scan.c; the thread's ---- */
/* Reads the index of the last end in order. */
void store_read_index(struct store *store);
void store_write_index(struct store *store);
/* Looks through one more folder. False: there is none left. */
bool store_scan_step(struct store *store);
/* Without the lock, while the index isn't complete: looks for the key on disk. */
struct object *store_find_unindexed(struct store *store, const struct store_key *key,
                                    store_variant_fn *variant, void *arg);

#endif
