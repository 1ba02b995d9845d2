/* SPDX-License-Identifier: BSD-2-Clause
 *
 * disk: the store's directory, and nothing of what it means.
 *
 *      cache.directory/
 *          dived-cache        says that the directory is ours, and locks it against other daemons
 *          index              what is there, from an end in order to the next start
 *          o/xx/KEY-VARIANT   object files; xx: the first byte of KEY
 *          c/xx/NAME          content files; xx: the first byte of the digest or of chance
 *          t/                 files on their way to their name; emptied at the start
 *
 * Files come to their name by rename or link, whole: a process that is killed leaves none that is
 * torn. Every call gives 0 or an errno.
 */
#ifndef DIVED_CACHE_DISK_H
#define DIVED_CACHE_DISK_H

#include <sys/stat.h>

#include "cache/object_private.h"

struct disk;

/* Opens the directory, making what is missing in it; its own last component too, if its parent is
 * there. EEXIST: it has files and isn't ours. EWOULDBLOCK: another daemon has it. */
int disk_open(struct disk **out, const char *directory) DIVE_MUST_USE;
struct disk *disk_ref(struct disk *disk);
void disk_close(struct disk **disk); /* gives a reference back; the last one closes it */
/* Another process may have it from now on, though somebody here still reads from it. */
void disk_unlock(struct disk *disk);

/* A file without a name. The descriptor, or -1 and errno. */
int disk_temporary(struct disk *disk);
/* Is the directory still the one that it was? */
bool disk_is_there(const struct disk *disk);

/* An object file is written in two steps: whole, in t/; then moved to its name, replacing another.
 * A stage that is not committed is dropped. */
struct disk_stage {
    char name[24];
};
int disk_stage(struct disk *disk, const char *bytes, size_t n,
               struct disk_stage *out) DIVE_MUST_USE;
int disk_commit_object(struct disk *disk, const struct disk_stage *stage,
                       const struct store_key *key, uint64_t variant) DIVE_MUST_USE;
void disk_drop_stage(struct disk *disk, const struct disk_stage *stage);
/* *bytes is the caller's. ENOENT: there is none; EFBIG: it can't be one of ours (too large, or no
 * regular file). */
int disk_read_object(struct disk *disk, const struct store_key *key, uint64_t variant, char **bytes,
                     size_t *n) DIVE_MUST_USE;
int disk_remove_object(struct disk *disk, const struct store_key *key, uint64_t variant);

/* Gives the file behind `fd` (from disk_temporary(), or a content file) this name. EEXIST: the name
 * is taken; ENOENT: the file had a name once and has none any more. */
int disk_link_content(struct disk *disk, int fd, const uint8_t name[CONTENT_NAME]) DIVE_MUST_USE;
/* The same, in the place of what has the name now. */
int disk_replace_content(struct disk *disk, int fd, const uint8_t name[CONTENT_NAME]) DIVE_MUST_USE;
int disk_open_content(struct disk *disk, const uint8_t name[CONTENT_NAME], int *fd,
                      struct stat *st) DIVE_MUST_USE;
int disk_remove_content(struct disk *disk, const uint8_t name[CONTENT_NAME]);

/* Bytes of the index file; 0: there is none. */
uint64_t disk_index_size(const struct disk *disk);
/* The index of the last end in order. *bytes is the caller's; the file is gone after it, for good:
 * it doesn't come back with a loss of power either. */
int disk_take_index(struct disk *disk, char **bytes, size_t *n) DIVE_MUST_USE;
int disk_write_index(struct disk *disk, const char *bytes, size_t n) DIVE_MUST_USE;
/* All that was written is on the medium when this returns. */
int disk_sync(struct disk *disk) DIVE_MUST_USE;

/* One folder of 256: calls for each file in o/xx (or c/xx) with its name taken apart; what has no
 * name of ours is removed (*removed counts). False from `fn` ends it. */
typedef bool disk_object_fn(void *arg, const struct store_key *key, uint64_t variant);
typedef bool disk_content_fn(void *arg, const uint8_t name[CONTENT_NAME]);
int disk_each_object(struct disk *disk, unsigned folder, disk_object_fn *fn, void *arg,
                     unsigned *removed) DIVE_MUST_USE;
int disk_each_content(struct disk *disk, unsigned folder, disk_content_fn *fn, void *arg,
                      unsigned *removed) DIVE_MUST_USE;

#endif
