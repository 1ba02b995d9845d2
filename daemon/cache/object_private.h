/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object_private: what the store makes of an object, for this folder only.
 */
#ifndef DIVED_CACHE_OBJECT_PRIVATE_H
#define DIVED_CACHE_OBJECT_PRIVATE_H

#include <stdatomic.h>

#include "cache/object.h"

struct store;

/* How a content file is called: its kind (0: by chance; 1 + hash algorithm: by the content's
 * digest), then 32 bytes of the digest or of chance. */
#define CONTENT_NAME 33

struct object {
    _Atomic unsigned references;
    _Atomic bool checked;
    struct object_meta meta;
    char *memory;      /* all of the content, or NULL */
    int fd;            /* of a file with all of it, or -1 */
    uint64_t checksum; /* of the content; valid if has_checksum, which the store's thread may set */
    _Atomic bool has_checksum;
    bool has_content_file; /* named by: */
    uint8_t content_name[CONTENT_NAME];
    uint32_t entry, generation; /* of the index */
    bool is_update;             /* of an object that was there, whose content it shares */
    struct store *store;        /* a reference: its index is told of a check; NULL: nobody's */
};

/* Takes over everything in `new`; one reference. NULL without memory, and then all is freed. */
struct object *object_make(struct object_new *new);
/* Of the object in memory, head included. */
uint64_t object_weight(const struct object *object);
/* Do digests vouch for its content? */
static inline bool object_has_digests(const struct object *object)
{
    return object->meta.verdict.domain != NULL && object->meta.verdict.n_digests > 0;
}
/* Frees the check: what it came to. */
struct object_check;
uint64_t object_check_value(struct object_check **check);
/* The checksum of `n` bytes. */
uint64_t object_checksum(const void *data, size_t n);

#endif
