/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_lab: what the tests of the store share. A store in a directory of its own; responses whose
 * content follows from a number, so that whatever comes back can be told to be right.
 */
#ifndef DIVED_TEST_STORE_LAB_H
#define DIVED_TEST_STORE_LAB_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/key.h"
#include "cache/store_private.h"
#include "core/log.h"
#include "lib/policy_record.h"

#define LAB_HOST "files.example"
#define LAB_MEMORY ((uint64_t)16 << 20)
#define LAB_DISK ((uint64_t)64 << 20)

struct lab {
    char top[64];       /* removed with all that is in it */
    char directory[80]; /* of the store */
    struct store_options options;
    struct store *store;
};

/* A response. What isn't named is 0: content in memory, not covered, no Vary. */
struct lab_item {
    unsigned n;       /* of the URL */
    unsigned seed;    /* of the content */
    size_t size;      /* of the content */
    const char *host; /* NULL: LAB_HOST */
    const char *vary;
    uint64_t variant;
    const char *key_id; /* covered by DIVE, and verified by it */
    bool in_file;
};

static inline void lab_start(struct lab *lab)
{
    log_set_level(LOG_LEVEL_ERROR);
    snprintf(lab->top, sizeof(lab->top), "/tmp/dived-store.XXXXXX");
    cr_assert_not_null(mkdtemp(lab->top));
    snprintf(lab->directory, sizeof(lab->directory), "%s/cache", lab->top);
    lab->options = (struct store_options){.directory = lab->directory,
                                          .max_size = LAB_DISK,
                                          .memory = LAB_MEMORY,
                                          .object_max = LAB_DISK / 2};
}

static inline int lab_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline void lab_end(struct lab *lab)
{
    store_free(&lab->store);
    (void)nftw(lab->top, lab_unlink, 16, FTW_DEPTH | FTW_PHYS);
    cr_assert_neq(access(lab->top, F_OK), 0);
}

static inline void lab_open(struct lab *lab)
{
    cr_assert_eq(store_new(&lab->store, &lab->options), 0);
}

static inline void lab_pause(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    nanosleep(&pause, NULL);
}

static inline struct store_stats lab_stats(struct lab *lab)
{
    struct store_stats stats;

    store_stats(lab->store, &stats);
    return stats;
}

static inline bool lab_is_busy(struct store *store)
{
    bool busy;

    pthread_mutex_lock(&store->lock);
    busy = !STAILQ_EMPTY(&store->jobs) || (store->indexing && store->disk_usable);
    for (uint32_t id = 1; id < index_limit(store->index) && !busy; id++)
        busy = index_at(store->index, id) != NULL && index_at(store->index, id)->queued;
    for (uint32_t id = 1; id < contents_limit(store->contents) && !busy; id++)
        busy = contents_at(store->contents, id) != NULL &&
               contents_at(store->contents, id)->references == 0;
    pthread_mutex_unlock(&store->lock);
    return busy;
}

/* Until all is written, removed and indexed. */
static inline void lab_settle(struct lab *lab)
{
    for (int i = 0; lab_is_busy(lab->store); i++) {
        cr_assert(i < 60000, "the store doesn't come to rest");
        lab_pause();
    }
}

/* The next start finds no index, as after a crash. */
static inline void lab_forget_index(struct lab *lab)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/index", lab->directory);
    cr_assert_eq(unlink(path), 0, "%s: %s", path, strerror(errno));
}

static inline void lab_restart(struct lab *lab, bool with_index)
{
    store_free(&lab->store);
    if (!with_index)
        lab_forget_index(lab);
    lab_open(lab);
}

/* ---- responses ---- */

static inline char *lab_content(unsigned seed, size_t size)
{
    char *content = malloc(size + 8);
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    cr_assert_not_null(content);
    for (size_t i = 0; i < size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(content + i, &x, sizeof(x));
    }
    return content;
}

static inline struct store_key lab_key(unsigned n)
{
    struct store_key key;
    char text[16];
    struct dive_span piece = {text, (size_t)snprintf(text, sizeof(text), "%u", n)};

    cr_assert(key_of_pieces(&key, &piece, 1));
    return key;
}

static inline void lab_digest(struct dive_known_digest *out, enum dive_hash hash, const void *data,
                              size_t n)
{
    struct dive_digests *digests;

    cr_assert_eq(dive_digests_new(&digests, DIVE_HASH_BIT(hash)), 0);
    cr_assert_eq(dive_digests_update(digests, data, n), 0);
    cr_assert_eq(dive_digests_finish(digests), 0);
    out->hash = hash;
    memcpy(out->bytes, dive_digests_get(digests, hash), dive_hash_bytes(hash));
    dive_digests_free(&digests);
}

static inline void lab_verdict(struct object_verdict *out, const char *key_id, const char *content,
                               size_t size)
{
    static const uint8_t key[32] = {1, 2, 3, 0, 5};

    out->domain = strdup("example");
    out->key_id = strdup(key_id);
    out->key = malloc(sizeof(key));
    memcpy(out->key, key, sizeof(key));
    out->key_n = sizeof(key);
    out->draft = DIVE_VERSION_DRAFT_01;
    lab_digest(&out->digests[0], DIVE_HASH_SHA256, content, size);
    lab_digest(&out->digests[1], DIVE_HASH_SHA512, content, size);
    out->n_digests = 2;
}

static inline void lab_meta(struct object_meta *meta, const struct lab_item *item,
                            const char *content)
{
    char url[96], seed[16];
    struct dive_field fields[] = {{dive_span_str("Content-Type"), dive_span_str("text/plain")},
                                  {dive_span_str("X-Empty"), dive_span_str("")},
                                  {dive_span_str("X-Seed"), dive_span(seed, 0)}};
    const struct http_head from = {.status = 200,
                                   .minor = 1,
                                   .reason = dive_span_str("Fine"),
                                   .content_length = (int64_t)item->size};

    fields[2].value.n = (size_t)snprintf(seed, sizeof(seed), "%u", item->seed);
    snprintf(url, sizeof(url), "https://%s/%u?q", item->host != NULL ? item->host : LAB_HOST,
             item->n);
    *meta = (struct object_meta){
        .key = lab_key(item->n),
        .url = strdup(url),
        .vary = strdup(item->vary != NULL ? item->vary : ""),
        .variant = item->variant,
        .request_time = 1700000000,
        .response_time = 1700000001,
        .size = item->size,
    };
    cr_assert_eq(http_head_with_fields(&meta->head, &from, fields, 3), 0);
    if (item->key_id != NULL)
        lab_verdict(&meta->verdict, item->key_id, content, item->size);
}

static inline int lab_put_object(struct lab *lab, const struct lab_item *item, struct object **out)
{
    struct object_new new = {.fd = -1};
    char *content = lab_content(item->seed, item->size);

    lab_meta(&new.meta, item, content);
    if (item->in_file) {
        new.fd = store_temporary(lab->store);
        cr_assert_geq(new.fd, 0);
        cr_assert_eq(write(new.fd, content, item->size), (ssize_t)item->size);
    } else if (item->size > 0) {
        new.memory = content;
        content = NULL;
    }
    free(content);
    return store_put(lab->store, &new, out);
}

static inline void lab_put(struct lab *lab, struct lab_item item)
{
    cr_assert_eq(lab_put_object(lab, &item, NULL), 0);
}

/* The request has this hash for every Vary. */
static inline uint64_t lab_variant(void *arg, const char *vary)
{
    cr_assert_neq(vary[0], '\0', "nothing to hash");
    return *(const uint64_t *)arg;
}

static inline struct object *lab_find(struct lab *lab, unsigned n, uint64_t variant)
{
    struct store_key key = lab_key(n);

    return store_get(lab->store, &key, lab_variant, &variant);
}

/* ---- what came back ---- */

static inline char *lab_read(struct object *object)
{
    uint64_t size = object_meta(object)->size, len;
    char *content = malloc(size + 1);
    const void *p;
    off_t position;
    size_t n;
    int fd;

    object_peek(object, 0, &p, &n);
    object_file(object, 0, &fd, &position, &len);
    cr_assert_eq(n + len, size);
    if (n > 0)
        memcpy(content, p, n);
    if (len > 0)
        cr_assert_eq(pread(fd, content, len, position), (ssize_t)len);
    return content;
}

static inline unsigned lab_seed(const struct object *object)
{
    const struct dive_span *value = http_field_get(&object_meta(object)->head, "X-Seed");

    char text[16] = "";

    cr_assert_not_null(value);
    cr_assert_lt(value->n, sizeof(text));
    memcpy(text, value->p, value->n);
    return (unsigned)strtoul(text, NULL, 10);
}

/* Is the content the one that was stored with this head? Nothing is asserted of it. */
static inline bool lab_is_right(struct object *object)
{
    char *found = lab_read(object);
    char *right = lab_content(lab_seed(object), object_meta(object)->size);
    bool same = memcmp(found, right, object_meta(object)->size) == 0;

    free(found);
    free(right);
    return same;
}

/* What a user of an unchecked object does. True: it is what was stored. */
static inline bool lab_check(struct object *object)
{
    const struct object_meta *meta = object_meta(object);
    char *content = lab_read(object);
    bool ok;

    if (object_is_checked(object)) {
        ok = true;
    } else if (meta->verdict.n_digests > 0) {
        struct dive_known_digest digest;

        lab_digest(&digest, meta->verdict.digests[0].hash, content, meta->size);
        ok =
            memcmp(digest.bytes, meta->verdict.digests[0].bytes, dive_hash_bytes(digest.hash)) == 0;
    } else {
        struct object_check *check = object_check_new();

        cr_assert_not_null(check);
        object_check_update(check, content, meta->size / 2);
        object_check_update(check, content + meta->size / 2, meta->size - meta->size / 2);
        ok = object_check_end(&check, object);
    }
    free(content);
    return ok;
}

/* Everything about an object is as it was put. */
static inline void lab_expect_object(struct object *object, const struct lab_item *item)
{
    const struct object_meta *meta = object_meta(object);
    struct object_meta want = {0};
    char *content = lab_content(item->seed, item->size);

    lab_meta(&want, item, content);
    cr_assert_eq(memcmp(&meta->key, &want.key, sizeof(want.key)), 0);
    cr_assert_str_eq(meta->url, want.url);
    cr_assert_str_eq(meta->vary, want.vary);
    cr_assert_eq(meta->variant, want.variant);
    cr_assert_eq(meta->request_time, want.request_time);
    cr_assert_eq(meta->response_time, want.response_time);
    cr_assert_eq(meta->size, want.size);
    cr_assert_eq(meta->head.status, 200);
    cr_assert_eq(meta->head.minor, 1);
    cr_assert_eq(meta->head.content_length, want.head.content_length);
    cr_assert(dive_span_eq(meta->head.reason, "Fine"));
    cr_assert_eq(meta->head.n_fields, want.head.n_fields);
    for (size_t i = 0; i < want.head.n_fields; i++) {
        const struct dive_field *a = &meta->head.fields[i], *b = &want.head.fields[i];

        cr_assert(a->name.n == b->name.n && memcmp(a->name.p, b->name.p, a->name.n) == 0);
        cr_assert(a->value.n == b->value.n && memcmp(a->value.p, b->value.p, a->value.n) == 0);
    }
    cr_assert_eq(meta->verdict.domain != NULL, item->key_id != NULL);
    if (item->key_id != NULL) {
        cr_assert_str_eq(meta->verdict.domain, want.verdict.domain);
        cr_assert_str_eq(meta->verdict.key_id, want.verdict.key_id);
        cr_assert_eq(meta->verdict.key_n, want.verdict.key_n);
        cr_assert_eq(memcmp(meta->verdict.key, want.verdict.key, want.verdict.key_n), 0);
        cr_assert_eq(meta->verdict.draft, want.verdict.draft);
        cr_assert_eq(meta->verdict.n_digests, want.verdict.n_digests);
        for (size_t i = 0; i < want.verdict.n_digests; i++) {
            cr_assert_eq(meta->verdict.digests[i].hash, want.verdict.digests[i].hash);
            cr_assert_eq(memcmp(meta->verdict.digests[i].bytes, want.verdict.digests[i].bytes,
                                dive_hash_bytes(want.verdict.digests[i].hash)),
                         0);
        }
    }
    cr_assert(lab_is_right(object), "%u, %zu bytes", item->n, item->size);
    free(content);
    object_meta_clear(&want);
}

static inline void lab_expect(struct lab *lab, struct lab_item item)
{
    struct object *object = lab_find(lab, item.n, item.variant);

    cr_assert_not_null(object, "%u is there", item.n);
    lab_expect_object(object, &item);
    object_unref(&object);
}

static inline void lab_expect_none(struct lab *lab, unsigned n)
{
    struct object *object = lab_find(lab, n, 0);

    cr_assert_null(object, "%u isn't there", n);
}

/* ---- files ---- */

struct lab_files {
    unsigned n;
    char path[160]; /* of one of them */
    off_t size;
};
static struct lab_files *lab_counting;

static inline int lab_count(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    if (type == FTW_D || type == FTW_DP)
        return 0;
    lab_counting->n++;
    lab_counting->size += st->st_size;
    snprintf(lab_counting->path, sizeof(lab_counting->path), "%s", path);
    return 0;
}

/* Those below "o", "c" or "t". */
static inline struct lab_files lab_files(struct lab *lab, const char *folder)
{
    struct lab_files files = {0};
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", lab->directory, folder);
    lab_counting = &files;
    cr_assert_eq(nftw(path, lab_count, 16, FTW_PHYS), 0);
    return files;
}

static inline void lab_flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char c;

    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    cr_assert_eq(pread(fd, &c, 1, at), 1);
    c ^= 0x40;
    cr_assert_eq(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

#endif
