/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object: one stored response: its meta (head, times, what DIVE said) and its content. Immutable
 * and reference-counted, so a transfer goes on with what it began with, whatever becomes of the
 * store's entry. References are taken and given back from any thread.
 */
#ifndef DIVED_CACHE_OBJECT_H
#define DIVED_CACHE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http/head.h"
#include "lib/content_digest.h"

/* The first bytes of the SHA-256 of the cache key: method, scheme, authority and target as sent. */
struct store_key {
    uint8_t bytes[16];
};

#define OBJECT_DIGESTS_MAX 6 /* one a hash algorithm */

/* What DIVE said when it was verified; `domain` NULL: nothing covered it then. For people, for
 * purges and for content addressing; a reuse is judged by the verifier itself, by today's records.
 */
struct object_verdict {
    char *domain; /* of the policy */
    char *key_id; /* as in keyid, with "@fqdn" if it had one */
    uint8_t *key; /* the public key's bytes */
    size_t key_n;
    unsigned draft;                                       /* enum dive_version */
    struct dive_known_digest digests[OBJECT_DIGESTS_MAX]; /* of the content: they matched */
    size_t n_digests;
};

struct object_meta {
    struct store_key key;
    char *url;             /* absolute, without fragment; whole, query included */
    char *vary;            /* lower case names, sorted, comma-separated; "" */
    uint64_t variant;      /* hash of the request's fields that `vary` names; 0 without */
    struct http_head head; /* of the response, as it may be sent again (no connection fields) */
    int64_t request_time;  /* Unix seconds: RFC 9111 section 4.2.3 */
    int64_t response_time;
    uint64_t size; /* content bytes */
    struct object_verdict verdict;
};

/* Frees what it owns and zeroes it. Fine on a zeroed one. */
void object_meta_clear(struct object_meta *meta);

/* A copy that shares nothing. 0, or DIVE_E_NOMEM and *out is zeroed. */
int object_meta_copy(struct object_meta *out, const struct object_meta *meta) DIVE_MUST_USE;

/* A response to be stored. Content is in `memory` (malloc'd) or in `fd` (from store_temporary(),
 * bytes 0 to meta.size), the other is NULL or -1. Content of size 0: neither. */
struct object_new {
    struct object_meta meta;
    char *memory;
    int fd;
};

struct object;

struct object *object_ref(struct object *object);
void object_unref(struct object **object); /* NULLs; NULL is fine */

const struct object_meta *object_meta(const struct object *object); /* as long as the reference */

/* Content, as of a hold: a piece in memory at `offset`, or a piece in a file; *len is 0 when it is
 * not there or `offset` is the end. Borrowed for as long as the reference. */
void object_peek(const struct object *object, uint64_t offset, const void **ptr, size_t *len);
void object_file(const struct object *object, uint64_t offset, int *fd, off_t *position,
                 uint64_t *len);

/* Is the content known to be what was stored? Yes from store_put() on, and after a restart that
 * followed an end in order, while inode, size and change time of the file are the recorded ones.
 * Otherwise whoever uses it first checks it: by the digests of its verdict, or, without any, by
 * object_check_*; then says so, or drops it. */
bool object_is_checked(const struct object *object);
void object_set_checked(struct object *object);
/* The checksum that was taken when it was stored, computed again over content given in order. */
struct object_check;
struct object_check *object_check_new(void); /* NULL: no memory */
void object_check_update(struct object_check *check, const void *data, size_t n);
/* Frees it. True: `object`'s content is the same. */
bool object_check_end(struct object_check **check, const struct object *object);

#endif
