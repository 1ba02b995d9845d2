/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_start: the memory that the index takes for many objects, and how long a store with as many
 * on disk takes until it serves, and until it has looked through its directory: with the index file
 * of an end in order, and without.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/contents.h"
#include "cache/disk.h"
#include "cache/index.h"
#include "cache/object_file.h"
#include "cache/store.h"
#include "tests/bench/cache_policy.h"

#define CONTENT_BYTES 1024
#define WAIT_SECONDS 300

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct store_key key_of(uint32_t number)
{
    uint64_t seed = number, half[2] = {chance(&seed), chance(&seed)};
    struct store_key key;

    memcpy(key.bytes, half, sizeof(key.bytes));
    return key;
}

/* `with_content`: each has a content file of its own, as objects of more than 64 KiB do. */
static int measure_memory(uint32_t objects, bool with_content)
{
    uint64_t budget[INDEX_TIERS] = {UINT64_MAX / 4, 0}, bytes;
    struct contents *contents = NULL;
    struct index *index = NULL;
    bool ok = index_new(&index, budget) == 0 && contents_new(&contents) == 0;

    for (uint32_t i = 0; ok && i < objects; i++) {
        struct store_key key = key_of(i);
        uint8_t name[CONTENT_NAME] = {1};
        uint32_t id = index_add(index, &key, 0);

        memcpy(name + 1, key.bytes, sizeof(key.bytes));
        if (id != 0)
            index_enter(index, INDEX_DISK, id, CONTENT_BYTES);
        ok = id != 0 && (!with_content || contents_add(contents, name, CONTENT_BYTES) != 0);
    }
    bytes = ok ? index_footprint(index) + contents_footprint(contents) : 0;
    printf("index: %u objects, %s: %.1f bytes each%s\n", objects,
           with_content ? "each with a content file" : "content in the object file",
           (double)bytes / objects, bytes <= 200 * (uint64_t)objects ? "" : "  MISSED");
    contents_free(&contents);
    index_free(&index);
    return ok ? 0 : 1;
}

/* ---- objects on disk ---- */

static int object_new_of(struct object_new *new, uint32_t number)
{
    struct http_head head = {.status = 200,
                             .minor = 1,
                             .framing = HTTP_BODY_LENGTH,
                             .content_length = CONTENT_BYTES,
                             .keep_alive = true,
                             .reason = dive_span_str("OK")};
    const struct dive_field fields[] = {
        {dive_span_str("Content-Type"), dive_span_str("application/octet-stream")},
        {dive_span_str("Date"), dive_span_str("Mon, 01 Jan 2024 00:00:00 GMT")},
        {dive_span_str("ETag"), dive_span_str("\"0123456789abcdef\"")},
        {dive_span_str("Cache-Control"), dive_span_str("max-age=86400")},
        {dive_span_str("Content-Length"), dive_span_str("1024")},
    };

    *new = (struct object_new){.fd = -1};
    new->meta.key = key_of(number);
    new->meta.size = CONTENT_BYTES;
    new->meta.vary = strdup("");
    new->memory = calloc(1, CONTENT_BYTES);
    if (asprintf(&new->meta.url, "http://h%u.example/%u", number % 100, number) < 0)
        new->meta.url = NULL;
    return new->meta.url == NULL || new->meta.vary == NULL || new->memory == NULL
               ? -1
               : http_head_with_fields(&new->meta.head, &head, fields,
                                       sizeof(fields) / sizeof(fields[0]));
}

static int write_objects(const char *directory, uint32_t objects)
{
    struct disk *disk;
    int error = disk_open(&disk, directory);

    for (uint32_t i = 0; error == 0 && i < objects; i++) {
        struct object_new new;
        struct object *object = NULL;
        struct disk_stage stage;
        struct store_key key = key_of(i);
        char *bytes = NULL;
        size_t n;

        error = ENOMEM;
        if (object_new_of(&new, i) == 0 && (object = object_make(&new)) != NULL &&
            (bytes = object_file_encode(object, true, &n)) != NULL)
            error = disk_stage(disk, bytes, n, &stage);
        if (error == 0)
            error = disk_commit_object(disk, &stage, &key, 0);
        object_unref(&object);
        free(bytes);
    }
    if (error != 0)
        fprintf(stderr, "cache_start: %s: %s\n", directory, strerror(error));
    disk_close(&disk);
    return error;
}

static void remove_tree(const char *directory)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    char path[4096];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (unlink(path) != 0 && (errno == EISDIR || errno == EPERM))
            remove_tree(path); /* three levels */
    }
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(directory);
}

static uint64_t variant_none(void *arg, const char *vary)
{
    return 0;
}

static int start(const char *directory, uint32_t objects, const char *what)
{
    const struct store_options options = {.directory = directory,
                                          .max_size = UINT64_C(1) << 44,
                                          .memory = 64 << 20,
                                          .object_max = UINT64_C(1) << 30};
    double began = now(), began_cpu = cpu(), ready, found, indexed, ended;
    struct store_key key = key_of(objects - 1);
    struct store_stats stats;
    struct object *object;
    struct store *store;

    if (store_new(&store, &options) != 0)
        return 1;
    ready = now() - began;
    object = store_get(store, &key, variant_none, NULL);
    found = now() - began - ready;
    if (object == NULL)
        fprintf(stderr, "cache_start: an object isn't found at once\n");
    do {
        usleep(10000);
        store_stats(store, &stats);
        indexed = now() - began;
    } while (stats.indexing && indexed < WAIT_SECONDS);
    began_cpu = cpu() - began_cpu;
    object_unref(&object);
    ended = now();
    store_free(&store);
    ended = now() - ended;
    printf("start: %u objects on disk, %s: serves after %.3f s (the first hit takes %.3f s), has "
           "looked "
           "through all after %.1f s (CPU %.1f s); end %.1f s%s\n",
           objects, what, ready, found, indexed, began_cpu, ended,
           stats.objects == objects ? "" : "  MISSED: not all are known");
    fflush(stdout);
    return stats.objects == objects ? 0 : 1;
}

int measure_start(uint32_t objects, const char *directory)
{
    double began = now();
    int r = 1;

    if (measure_memory(objects, false) != 0 || measure_memory(objects, true) != 0)
        return 1;
    fflush(stdout);
    remove_tree(directory);
    if (write_objects(directory, objects) != 0)
        goto out;
    printf("start: %u objects of 1 KiB written in %.1f s\n", objects, now() - began);
    r = start(directory, objects, "no index file") | start(directory, objects, "index file");
out:
    remove_tree(directory);
    return r;
}
