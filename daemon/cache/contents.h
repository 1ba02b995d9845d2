/* SPDX-License-Identifier: BSD-2-Clause
 *
 * contents: the content files that are on disk, how many entries of the index refer to each, and
 * what each looked like when it was last known to be intact. Numbers instead of pointers, 0: none.
 * No I/O, no lock.
 */
#ifndef DIVED_CACHE_CONTENTS_H
#define DIVED_CACHE_CONTENTS_H

#include <sys/stat.h>

#include "cache/object_private.h"

struct content {
    uint64_t size;
    uint64_t inode;
    int64_t changed_ns;  /* st_ctim: any write, link or rename since shows here */
    uint32_t references; /* of entries */
    uint32_t weighed;    /* of entries in the disk tier: each of them has the size in its weight */
    uint32_t chain;
    uint8_t name[CONTENT_NAME];
    bool checked; /* inode, size and changed_ns are those of an intact file */
    bool used;
};

struct contents;

int contents_new(struct contents **out) DIVE_MUST_USE;
void contents_free(struct contents **contents);

struct content *contents_at(struct contents *contents, uint32_t id);
uint32_t contents_find(const struct contents *contents, const uint8_t name[CONTENT_NAME]);
/* A new one without references; 0 without memory. */
uint32_t contents_add(struct contents *contents, const uint8_t name[CONTENT_NAME], uint64_t size);
void contents_remove(struct contents *contents, uint32_t id);

/* Takes over what the file looks like now. */
void content_note(struct content *content, const struct stat *st);
/* Is it that file, unchanged since it was noted, and was it intact then? */
bool content_is_intact(const struct content *content, const struct stat *st);

uint32_t contents_limit(const struct contents *contents);
uint64_t contents_footprint(const struct contents *contents);

#endif
