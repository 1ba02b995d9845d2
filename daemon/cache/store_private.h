/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_private: the store's own state, for this folder only.
 *
 *      store.c          its life, and putting
 *      store_find.c     finding
 *      store_walk.c     dropping, purging, listing
 *      store_entry.c    entries of the index and what belongs to them
 *      store_writer.c   the thread: writes objects, removes files
 *      store_directory.c    whether there is a directory to work with
 *      store_index.c    the index file, read at the start and written at the end
 *      store_scan.c     the walk of the directory, lookups meanwhile
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

#define STORE_FOLDERS 256u             /* of o/, and of c/ */
#define STORE_INLINE (64 * 1024)       /* content up to this lies in the object file */
#define STORE_DESCRIPTORS 1024         /* files of hot objects kept open */
#define STORE_QUEUE_MAX 4096           /* objects that wait to be written */
#define STORE_QUEUE_BYTES (128u << 20) /* of content in memory among them */
#define STORE_QUEUE_FILES 256          /* among them with a descriptor */
#define STORE_VARY_MAX 4096            /* different Vary texts of what is stored at one time */

enum job_kind { JOB_WRITE, JOB_REMOVE_CONTENT };

struct store_job {
    STAILQ_ENTRY(store_job) link;
    enum job_kind kind;
    struct object *object;         /* WRITE: a reference */
    uint8_t content[CONTENT_NAME]; /* REMOVE_CONTENT */
};

struct store_vary {
    char *text;
    uint32_t references; /* of entries; 0: another text may take its place */
};

struct store {
    _Atomic unsigned references; /* the owner's, and one of each object that may call back */
    pthread_mutex_t lock;        /* index is NULL after store_free() */
    struct store_options options;
    char *directory;
    struct index *index;
    struct contents *contents;
    struct store_vary *vary; /* by number; [0] is "" */
    uint32_t n_vary;
    uint64_t shared; /* bytes of content that more than one entry of the disk tier weighs in with */
    struct disk *disk; /* NULL: there has been none yet; others than the thread: store_disk() */
    bool disk_usable, indexing;
    unsigned indexed;     /* folders of o/ that are in the index while `indexing` */
    unsigned descriptors; /* open, of objects in the memory tier */
    struct store_stats count;

    pthread_t thread;
    pthread_cond_t wake;
    STAILQ_HEAD(, store_job) jobs;
    uint64_t queued, queued_bytes, queued_files;
    bool stopping;
    bool released; /* the directory is another process's */
    bool has_thread;
    time_t retry_at;   /* a directory that can't be used is looked for again */
    time_t full_until; /* the disk was full, and room could not be made */

    /* The thread's alone. */
    unsigned scanned;            /* folders; 512: all of o/ and c/ */
    bool scan_incomplete;        /* there are objects that could not be read just then */
    struct index_reader *reader; /* of the index file, until index_read (store_index.c) */
    bool index_read;
    bool linked; /* content came to the disk since the start */
    time_t warned;
    unsigned not_warned; /* of writes that failed since */
};

/* What became of reading an object. */
enum store_loaded {
    STORE_LOADED,
    STORE_GONE,    /* there is no such file */
    STORE_CORRUPT, /* there is one, and it isn't what was written */
    STORE_FAILED,  /* it can't be told: no descriptor, no memory */
};

/* ---- store.c ---- */
void store_unref(struct store *store);
/* The object gets a reference to the store. */
void store_set_of_object(struct object *object, struct store *store);
/* A reference to the directory of now, to be closed; NULL: there has been none. Takes the lock. */
struct disk *store_disk(struct store *store);

/* ---- store_entry.c; all with the lock held ---- */
uint32_t store_find(struct store *store, const struct store_key *key, uint64_t variant);
/* The number of a vary text, good until the next call unless an entry takes it (its references are
 * counted then); UINT32_MAX: there are too many, or no memory. */
uint32_t store_vary(struct store *store, const char *vary);
/* Gives the entry a reference to the content; 0: none. The one who unlists the last entry has the
 * file removed. */
void store_ref_content(struct store *store, struct index_entry *entry, uint32_t content);
/* The same without an entry: one reference less. */
void store_unref_content(struct store *store, uint32_t content);
/* Puts an entry into the disk tier; its content, if it has one, is in it by now. `queue`: as it was
 * before a restart; INDEX_NOWHERE: it is new there. */
void store_enter_disk(struct store *store, uint32_t id, uint64_t object_file,
                      enum index_queue queue, uint8_t uses);
/* The oldest variant of a URL that has too many goes. */
void store_limit_variants(struct store *store, const struct store_key *key);
/* What the entry says of the object. */
void store_fill_entry(struct store *store, struct index_entry *entry, const struct object *object,
                      uint32_t vary);
/* Takes an entry out of the index; its object file stays where it is. */
void store_unlist(struct store *store, uint32_t id);
/* Takes an entry out, with its files. */
void store_remove(struct store *store, uint32_t id);
/* Makes room in both tiers. */
void store_evict(struct store *store);
/* The next one of the disk tier goes. False: it is empty. */
bool store_evict_from_disk(struct store *store);
/* An entry for what is on disk already; 0 without memory. `bytes`: of the object file. */
uint32_t store_adopt(struct store *store, const struct object *object, size_t bytes);
/* The entry isn't in memory any more. */
void store_forget_object(struct store *store, struct index_entry *entry);
/* Bytes of an object on disk, as the budget counts them. */
uint64_t store_disk_weight(uint64_t object_file, uint64_t content_file);
uint32_t store_text_hash(const char *p, size_t n); /* never 0 */
struct dive_span store_host_of(const char *url);   /* "https://host:port/path": where the host is */
uint32_t store_host_hash(const char *url);
/* The number of a content file that will do for this object, 0: none. Where the object's content is
 * known to be intact, the file's must be too. */
uint32_t store_find_content(struct store *store, const struct object *object);

/* ---- store_find.c; without the lock ---- */

/* Reads an object file, and opens its content. *out is NULL unless STORE_LOADED. `bytes` (of the
 * object file) may be NULL. */
enum store_loaded store_load(struct store *store, const struct store_key *key, uint64_t variant,
                             struct object **out, size_t *bytes);
void store_log_corrupt(const struct store *store);
void store_note_checked(struct store *store, const struct object *object);

/* ---- store_writer.c ---- */
int store_start_thread(struct store *store) DIVE_MUST_USE;
void store_stop_thread(struct store *store);
void store_drop_jobs(struct store *store); /* locked */
/* Locked. False: it can't be queued. */
bool store_queue_write(struct store *store, struct object *object);
/* Locked. Are all objects known, so that content without an entry is nobody's? Until then such a
 * file is left to the walk, which comes to c/ when it has been through o/. */
bool store_knows_contents(const struct store *store);
void store_queue_removal(struct store *store, const uint8_t name[CONTENT_NAME]);

/* ---- store_directory.c; the thread's ---- */
/* Is it time to look for the directory? */
bool store_wants_directory(struct store *store);
/* Opens it, if that is possible; then the walk begins anew. */
void store_open_directory(struct store *store);
/* After an error: is it still there? */
void store_check_directory(struct store *store);

/* ---- store_index.c; the thread's ---- */
/* Reads a part of the index of the last end in order. False: it is read, or there is none. */
bool store_read_index(struct store *store);
/* Stops reading; what has been read stays. */
void store_end_index(struct store *store);
void store_write_index(struct store *store);

/* ---- store_scan.c; the thread's ---- */
/* Looks through one more folder. False: there is none left. */
bool store_scan_step(struct store *store);
/* Without the lock, while the index isn't complete: looks for the key on disk. */
struct object *store_find_unindexed(struct store *store, const struct store_key *key,
                                    store_variant_fn *variant, void *arg);

#endif
