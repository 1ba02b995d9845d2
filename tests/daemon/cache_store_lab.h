/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_store_lab: responses for the store's tests, and a directory for them to lie in.
 */
#ifndef TESTS_DAEMON_CACHE_STORE_LAB_H
#define TESTS_DAEMON_CACHE_STORE_LAB_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/store.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* What a test wants of a response; zeroed: of https://a.example/, without variant or verdict. */
struct lab_response {
    unsigned n; /* tells keys apart */
    const char *url;
    const char *vary; /* with `variant` */
    uint64_t variant;
    size_t size;
    char fill; /* every byte of the content */
    const char *key_id;
    uint8_t digest; /* every byte of its SHA-256; 0: DIVE didn't cover it */
};

static inline struct store_key lab_key(unsigned n)
{
    struct store_key key = {{0}};

    /* Spread over the folders and the buckets, as a digest would. */
    key.bytes[0] = (uint8_t)(n * 37);
    memcpy(key.bytes + 1, &n, sizeof(n));
    return key;
}

static inline void lab_meta(struct object_meta *meta, const struct lab_response *r)
{
    static const struct dive_field fields[] = {{{"etag", 4}, {"\"1\"", 3}},
                                               {{"content-type", 12}, {"text/plain", 10}}};
    const struct http_head from = {.status = 200,
                                   .minor = 1,
                                   .reason = {"OK", 2},
                                   .framing = HTTP_BODY_LENGTH,
                                   .content_length = (int64_t)r->size,
                                   .keep_alive = true};

    *meta = (struct object_meta){.key = lab_key(r->n),
                                 .url = strdup(r->url != NULL ? r->url : "https://a.example/"),
                                 .vary = strdup(r->vary != NULL ? r->vary : ""),
                                 .variant = r->variant,
                                 .request_time = 1000,
                                 .response_time = 1001,
                                 .size = r->size};
    cr_assert_eq(http_head_with_fields(&meta->head, &from, fields, 2), 0);
    if (r->digest == 0 && r->key_id == NULL)
        return;
    meta->verdict.domain = strdup("a.example");
    meta->verdict.key_id = strdup(r->key_id != NULL ? r->key_id : "key1");
    meta->verdict.key = malloc(32);
    memset(meta->verdict.key, 7, 32);
    meta->verdict.key_n = 32;
    meta->verdict.draft = 1;
    if (r->digest != 0) {
        meta->verdict.n_digests = 1;
        meta->verdict.digests[0].hash = DIVE_HASH_SHA256;
        memset(meta->verdict.digests[0].bytes, r->digest, 32);
    }
}

static inline struct object_new lab_new(const struct lab_response *r)
{
    struct object_new new = {.fd = -1};

    lab_meta(&new.meta, r);
    if (r->size > 0) {
        new.memory = malloc(r->size);
        memset(new.memory, r->fill, r->size);
    }
    return new;
}

/* All of the content is `fill`, read from memory or from the file. */
static inline bool lab_holds(const struct object *object, char fill)
{
    uint64_t at = 0, size = object_meta(object)->size;

    while (at < size) {
        char piece[4096];
        const void *p;
        size_t n;
        off_t position;
        uint64_t left;
        int fd;

        object_peek(object, at, &p, &n);
        if (n == 0) {
            object_file(object, at, &fd, &position, &left);
            n = left < sizeof(piece) ? (size_t)left : sizeof(piece);
            if (n == 0 || pread(fd, piece, n, position) != (ssize_t)n)
                return false;
            p = piece;
        }
        for (size_t i = 0; i < n; i++)
            if (((const char *)p)[i] != fill)
                return false;
        at += n;
    }
    return true;
}

#endif
