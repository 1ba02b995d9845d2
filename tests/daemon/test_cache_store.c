/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_cache_store: what the store promises (cache/store.h), on real directories.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cache/store_private.h"
#include "core/log.h"
#include "tests/daemon/cache_store_lab.h"

static char dir[64];
static struct store *store;
static struct store_options options;

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/dived-store.XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    log_set_level(LOG_LEVEL_ERROR);
    options = (struct store_options){dir, 256 * MIB, 32 * MIB, 64 * MIB};
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void teardown(void)
{
    store_free(&store);
    cr_assert_null(store);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void start(void)
{
    cr_assert_eq(store_new(&store, &options), 0);
}

static void put(const struct lab_response *r)
{
    struct object_new new = lab_new(r);

    cr_assert_eq(store_put(store, &new, NULL), 0);
    cr_assert_null(new.memory);
    cr_assert_null(new.meta.url);
}

/* The request's variant is what `arg` points to. */
static uint64_t variant_of(void *arg, const char *vary)
{
    (void)vary;
    return arg != NULL ? *(uint64_t *)arg : 0;
}

static struct object *get_variant(unsigned n, uint64_t variant)
{
    struct store_key key = lab_key(n);

    return store_get(store, &key, variant_of, &variant);
}

static bool has(unsigned n)
{
    struct object *object = get_variant(n, 0);
    bool there = object != NULL;

    object_unref(&object);
    return there;
}

static size_t purge(unsigned n)
{
    struct store_key key = lab_key(n);

    return store_purge(store, &key);
}

static bool count_on_disk(void *arg, const struct object_meta *meta, bool in_memory, bool on_disk)
{
    (void)meta, (void)in_memory;
    *(size_t *)arg += on_disk;
    return true;
}

static size_t on_disk(void)
{
    size_t n = 0;

    store_each(store, count_on_disk, &n);
    return n;
}

static struct store_stats stats(void)
{
    struct store_stats s;

    store_stats(store, &s);
    return s;
}

/* Until `condition` has held, 10 s at most. It isn't looked at again: the thread goes on. */
#define WAIT(condition)                                                                            \
    do {                                                                                           \
        unsigned left_ = 2000;                                                                     \
        bool held_;                                                                                \
        while (!(held_ = (condition)) && left_-- > 0)                                              \
            nanosleep(&(struct timespec){0, 5000000}, NULL);                                       \
        cr_assert(held_, "%s", #condition);                                                        \
    } while (0)

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *at);
static size_t counted;
static int count_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)path, (void)st, (void)at;
    counted += kind == FTW_F || kind == FTW_SL;
    return 0;
}

static size_t files_in(const char *folder)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%s", dir, folder);
    counted = 0;
    nftw(path, count_one, 16, FTW_PHYS);
    return counted;
}

/* Puts these in a process that is gone before the store can end in order. */
static void put_and_crash(const struct lab_response *r, size_t n)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        start();
        for (size_t i = 0; i < n; i++)
            put(&r[i]);
        WAIT(on_disk() == n);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TestSuite(cache_store, .init = setup, .fini = teardown, .timeout = 60);

Test(cache_store, put_and_get_by_key)
{
    struct object *object;

    start();
    cr_assert_not(has(1));
    put(&(struct lab_response){.n = 1, .size = 100, .fill = 'a'});
    put(&(struct lab_response){.n = 2, .size = STORE_INLINE + 1, .fill = 'b'});
    put(&(struct lab_response){.n = 3});
    object = get_variant(1, 0);
    cr_assert(lab_holds(object, 'a') && object_is_checked(object));
    cr_assert_eq(object_meta(object)->head.n_fields, 2u);
    object_unref(&object);
    object = get_variant(2, 0);
    cr_assert(lab_holds(object, 'b') && object_is_checked(object));
    object_unref(&object);
    cr_assert(has(3), "no content is content too");
    cr_assert_not(has(4));
    WAIT(on_disk() == 3);
    cr_assert_eq(files_in("o"), 3u);
    cr_assert_eq(files_in("c"), 1u, "only what is larger than STORE_INLINE");
}

Test(cache_store, another_put_replaces_and_old_references_live)
{
    struct object *old, *new;

    start();
    put(&(struct lab_response){.n = 1, .size = MIB, .fill = 'a'});
    old = get_variant(1, 0);
    WAIT(on_disk() == 1);
    put(&(struct lab_response){.n = 1, .size = MIB, .fill = 'b'});
    new = get_variant(1, 0);
    cr_assert(lab_holds(old, 'a'));
    cr_assert(lab_holds(new, 'b'));
    cr_assert_eq(stats().objects, 1u);
    store_drop(store, old, "it has been replaced: nothing happens");
    cr_assert(has(1));
    store_drop(store, new, "a test");
    cr_assert_not(has(1));
    cr_assert(lab_holds(new, 'b'), "a reference outlives the entry");
    WAIT(files_in("c") == 0 && files_in("o") == 0);
    store_free(&store);
    cr_assert(lab_holds(old, 'a') && lab_holds(new, 'b'), "and the store");
    object_unref(&old);
    object_unref(&new);
}

Test(cache_store, the_oldest_of_too_many_variants_goes)
{
    struct object *object;

    start();
    for (uint64_t v = 1; v <= STORE_VARIANTS_MAX; v++)
        put(&(struct lab_response){.n = 1, .vary = "accept", .variant = v, .size = 10});
    cr_assert_eq(stats().objects, (unsigned)STORE_VARIANTS_MAX);
    object = get_variant(1, 1);
    cr_assert_not_null(object, "64 have room");
    object_unref(&object);
    put(&(struct lab_response){.n = 1, .vary = "accept", .variant = 64, .size = 11});
    object = get_variant(1, 1);
    cr_assert_not_null(object, "a replaced one takes no place");
    object_unref(&object);
    put(&(struct lab_response){.n = 1, .vary = "accept", .variant = 65, .size = 10});
    cr_assert_eq(stats().objects, (unsigned)STORE_VARIANTS_MAX);
    cr_assert_null(get_variant(1, 1), "the 65th pushes the first out");
    object = get_variant(1, 2);
    cr_assert_not_null(object);
    object_unref(&object);
    cr_assert_null(get_variant(1, 66), "no variant is taken for another");
    cr_assert_eq(purge(1), (size_t)STORE_VARIANTS_MAX);
    cr_assert_null(get_variant(1, 2));
}

Test(cache_store, update_keeps_the_content_and_what_it_weighs)
{
    struct object *old, *new, *after;
    struct object_meta meta;
    uint64_t weight;

    start();
    put(&(struct lab_response){.n = 1, .size = MIB, .fill = 'a'});
    WAIT(on_disk() == 1);
    weight = stats().disk_bytes;
    cr_assert_geq(weight, MIB);
    old = get_variant(1, 0);
    cr_assert_eq(object_meta_copy(&meta, object_meta(old)), 0);
    meta.response_time = 2000;
    cr_assert_eq(store_update(store, old, &meta, &new), 0);
    cr_assert_null(meta.url, "taken over");
    cr_assert_eq(object_meta(new)->response_time, 2000);
    cr_assert(lab_holds(new, 'a') && object_is_checked(new));
    after = get_variant(1, 0);
    cr_assert_eq(object_meta(after)->response_time, 2000);
    WAIT(stats().queued == 0 && on_disk() == 1);
    cr_assert_eq(stats().disk_bytes, weight, "the budget still knows the content");
    cr_assert_eq(files_in("c"), 1u);
    cr_assert_eq(stats().deduplicated, 0u);
    object_unref(&old);
    object_unref(&new);
    object_unref(&after);
}

Test(cache_store, purge_by_host_and_key_id)
{
    start();
    put(&(struct lab_response){.n = 1, .url = "https://a.example/x", .size = 10});
    put(&(struct lab_response){.n = 2, .url = "http://a.example:8080/", .size = MIB});
    put(&(struct lab_response){.n = 3, .url = "https://xa.example/", .key_id = "k1", .digest = 1});
    put(&(struct lab_response){.n = 4, .url = "https://b.example/", .key_id = "k1@c.example"});
    WAIT(on_disk() == 4);
    cr_assert_eq(store_purge_host(store, "nobody.example"), 0u);
    cr_assert_eq(store_purge_host(store, "a.example"), 2u);
    cr_assert(!has(1) && !has(2) && has(3) && has(4));
    cr_assert_eq(store_purge_key_id(store, "k2"), 0u);
    cr_assert_eq(store_purge_key_id(store, "k1"), 1u);
    cr_assert(!has(3) && has(4));
    cr_assert_eq(purge(4), 1u);
    cr_assert_eq(purge(4), 0u);
    WAIT(files_in("o") == 0 && files_in("c") == 0);
}

Test(cache_store, content_of_one_digest_lies_there_once)
{
    struct object *object;

    start();
    put(&(struct lab_response){.n = 1, .size = MIB, .fill = 'd', .digest = 9});
    WAIT(on_disk() == 1);
    for (unsigned n = 2; n <= 5; n++)
        put(&(struct lab_response){.n = n, .size = MIB, .fill = 'd', .digest = 9});
    WAIT(on_disk() == 5);
    cr_assert_eq(files_in("c"), 1u);
    cr_assert_eq(stats().deduplicated, 4u);
    cr_assert_geq(stats().disk_bytes, MIB);
    for (unsigned n = 1; n <= 4; n++)
        cr_assert_eq(purge(n), 1u);
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    cr_assert_eq(files_in("c"), 1u, "one still refers to it");
    cr_assert_geq(stats().disk_bytes, MIB, "and pays for it");
    object = get_variant(5, 0);
    cr_assert(lab_holds(object, 'd'));
    object_unref(&object);
    cr_assert_eq(purge(5), 1u);
    WAIT(files_in("c") == 0);
    cr_assert_eq(stats().disk_bytes, 0u);
}

Test(cache_store, an_end_in_order_is_remembered)
{
    struct object *object;

    start();
    for (unsigned n = 1; n <= 50; n++)
        put(&(struct lab_response){.n = n, .size = n % 2 ? 100 : MIB, .fill = (char)n});
    put(&(struct lab_response){.n = 99, .vary = "accept", .variant = 5, .size = 10});
    store_free(&store);
    cr_assert_eq(files_in("o"), 51u, "what was queued has been written");
    cr_assert_eq(files_in("index"), 1u);
    start();
    cr_assert_eq(files_in("index"), 0u, "it is good once");
    cr_assert_eq(stats().objects, 51u, "known at once, by the index");
    for (unsigned n = 1; n <= 50; n++) {
        object = get_variant(n, 0);
        cr_assert(object != NULL && lab_holds(object, (char)n));
        cr_assert(object_is_checked(object), "inode, size and change time are the recorded ones");
        object_unref(&object);
    }
    cr_assert_null(get_variant(99, 4));
    object = get_variant(99, 5);
    cr_assert_not_null(object);
    object_unref(&object);
    cr_assert_eq(stats().dropped_corrupt, 0u);
}

Test(cache_store, a_crash_loses_nothing_that_was_written)
{
    const struct lab_response r[] = {{.n = 1, .size = 100, .fill = 'a'},
                                     {.n = 2, .size = MIB, .fill = 'b'},
                                     {.n = 3, .size = MIB, .fill = 'c', .digest = 3}};
    struct object_check *check;
    struct object *object;
    char *content = malloc(MIB);

    put_and_crash(r, 3);
    cr_assert_eq(files_in("index"), 0u);
    start();
    object = get_variant(1, 0);
    cr_assert(object != NULL && object_is_checked(object), "its file has a checksum over all");
    object_unref(&object);
    object = get_variant(2, 0);
    cr_assert(object != NULL && !object_is_checked(object), "the power may have failed as well");
    memset(content, 'b', MIB);
    check = object_check_new();
    object_check_update(check, content, MIB);
    cr_assert(object_check_end(&check, object));
    content[17] ^= 1;
    check = object_check_new();
    object_check_update(check, content, MIB);
    cr_assert_not(object_check_end(&check, object));
    check = object_check_new();
    object_check_update(check, content, MIB - 1);
    cr_assert_not(object_check_end(&check, object));
    object_set_checked(object);
    object_unref(&object);
    WAIT(!stats().indexing);
    object = get_variant(2, 0);
    cr_assert(object_is_checked(object), "once is enough");
    object_unref(&object);
    object = get_variant(3, 0);
    cr_assert(object != NULL && !object_is_checked(object), "its digests will tell");
    cr_assert(object->has_checksum, "for those who have no verifier");
    cr_assert(lab_holds(object, 'c'));
    object_unref(&object);
    cr_assert_eq(stats().objects, 3u);
    free(content);
}

Test(cache_store, found_before_it_is_indexed_it_can_be_dropped)
{
    const struct lab_response r[] = {{.n = 1, .size = 100, .fill = 'a'},
                                     {.n = 2, .size = MIB, .fill = 'b'}};
    struct object *object;

    put_and_crash(r, 2);
    start();
    /* Whether the walk was faster or not. */
    for (unsigned n = 1; n <= 2; n++) {
        object = get_variant(n, 0);
        cr_assert_not_null(object);
        store_drop(store, object, "a test");
        object_unref(&object);
        cr_assert_not(has(n));
    }
    WAIT(!stats().indexing);
    cr_assert_eq(stats().objects, 0u);
    WAIT(files_in("o") == 0 && files_in("c") == 0);
}

/* The same without the thread, so that the walk is never the faster one. */
Test(cache_store, lookups_while_indexing)
{
    struct lab_response r[STORE_VARIANTS_MAX + 1];
    struct object *object;

    for (unsigned i = 0; i < STORE_VARIANTS_MAX; i++)
        r[i] = (struct lab_response){
            .n = 1, .vary = "accept", .variant = i + 1, .size = 10, .fill = (char)(i + 1)};
    r[STORE_VARIANTS_MAX] = (struct lab_response){.n = 2, .size = MIB, .fill = 'z'};
    put_and_crash(r, STORE_VARIANTS_MAX + 1);
    start();
    store_stop_thread(store);
    pthread_mutex_lock(&store->lock);
    for (uint32_t id = 1; id < index_limit(store->index); id++)
        if (index_at(store->index, id) != NULL) {
            index_at(store->index, id)->on_disk = false;
            store_remove(store, id);
        }
    store->indexing = true;
    store->indexed = 0; /* however far the walk had come */
    pthread_mutex_unlock(&store->lock);
    object = get_variant(1, 40);
    cr_assert(object != NULL && lab_holds(object, 40));
    cr_assert_eq(object_meta(object)->variant, 40u);
    object_unref(&object);
    cr_assert_eq(stats().objects, (unsigned)STORE_VARIANTS_MAX, "all variants are known now");
    cr_assert_null(get_variant(1, 65));
    object = get_variant(2, 0);
    cr_assert(object != NULL && lab_holds(object, 'z'));
    store_drop(store, object, "it can be dropped too");
    object_unref(&object);
    cr_assert_not(has(2));
    cr_assert_eq(files_in("o"), (size_t)STORE_VARIANTS_MAX);
    cr_assert_eq(purge(1), (size_t)STORE_VARIANTS_MAX);
    cr_assert_eq(files_in("o"), 0u);
}

Test(cache_store, a_memory_only_store)
{
    struct object_new new;
    struct object *object = NULL;

    options = (struct store_options){NULL, 0, MIB, MIB};
    start();
    cr_assert_not(store_takes_files(store));
    cr_assert_eq(store_temporary(store), -1);
    put(&(struct lab_response){.n = 1, .size = 1000, .fill = 'a'});
    cr_assert(has(1));
    new = lab_new(&(struct lab_response){.n = 2, .size = MIB, .fill = 'b'});
    cr_assert_eq(store_put(store, &new, &object), DIVE_E_LIMIT);
    cr_assert(object != NULL && lab_holds(object, 'b'), "good for whoever put it");
    object_unref(&object);
    cr_assert_not(has(2));
    for (unsigned n = 10; n < 200; n++)
        put(&(struct lab_response){.n = n, .size = 20000, .fill = 'c'});
    cr_assert_leq(stats().memory_bytes, MIB);
    cr_assert_gt(stats().evicted, 0u);
    cr_assert_eq(stats().disk_bytes, 0u);
    cr_assert_not(stats().disk_usable);
}

Test(cache_store, objects_larger_than_allowed_stay_away)
{
    struct object_new new;

    options.object_max = MIB;
    options.memory = MIB;
    start();
    put(&(struct lab_response){.n = 1, .size = MIB, .fill = 'a'});
    new = lab_new(&(struct lab_response){.n = 2, .size = MIB + 1, .fill = 'a'});
    cr_assert_eq(store_put(store, &new, NULL), DIVE_E_LIMIT);
    cr_assert(has(1) && !has(2));
}

Test(cache_store, other_budgets_count_at_once)
{
    start();
    for (unsigned n = 0; n < 40; n++)
        put(&(struct lab_response){.n = n, .size = MIB, .fill = 'a'});
    WAIT(on_disk() == 40);
    options.max_size = 10 * MIB;
    options.memory = 2 * MIB;
    cr_assert(store_set_options(store, &options));
    cr_assert_leq(stats().disk_bytes, 10 * MIB);
    cr_assert_leq(stats().memory_bytes, 2 * MIB);
    WAIT(files_in("c") == on_disk());
    cr_assert_leq(files_in("c"), 10u);
    options.directory = "/tmp/elsewhere";
    cr_assert_not(store_set_options(store, &options));
    options.directory = NULL;
    cr_assert_not(store_set_options(store, &options));
    put(&(struct lab_response){.n = 100, .size = 10});
    cr_assert(has(100), "it goes on where it was");
}

Test(cache_store, a_budget_of_updated_objects_is_kept)
{
    options.max_size = 8 * MIB;
    options.memory = MIB;
    start();
    for (unsigned n = 0; n < 30; n++) {
        struct object_meta meta;
        struct object *object;

        put(&(struct lab_response){.n = n, .size = MIB, .fill = 'a'});
        object = get_variant(n, 0);
        if (object == NULL)
            continue;
        lab_meta(&meta, &(struct lab_response){.n = n, .size = MIB});
        (void)!store_update(store, object, &meta, NULL);
        object_unref(&object);
        WAIT(stats().queued == 0);
    }
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    WAIT(files_in("c") <= 8);
}

Test(cache_store, a_full_queue_keeps_what_fits_in_memory)
{
    unsigned n;

    start();
    store_stop_thread(store); /* nobody takes anything out of the queue */
    store->stopping = false;
    store->options.memory = 1024 * MIB;
    index_set_budget(store->index, INDEX_MEMORY, 1024 * MIB);
    for (n = 0; n < STORE_QUEUE_MAX + 10; n++)
        put(&(struct lab_response){.n = n, .size = 10});
    cr_assert_eq(stats().queued, (unsigned)STORE_QUEUE_MAX);
    cr_assert_eq(stats().writes_skipped, 10u);
    cr_assert(has(0) && has(n - 1));
    while (!STAILQ_EMPTY(&store->jobs)) {
        struct store_job *job = STAILQ_FIRST(&store->jobs);

        STAILQ_REMOVE_HEAD(&store->jobs, link);
        object_unref(&job->object);
        free(job);
    }
}

struct walk {
    size_t n, in_memory, stop_at;
};

static bool walk_one(void *arg, const struct object_meta *meta, bool in_memory, bool disk)
{
    struct walk *walk = arg;

    (void)disk;
    cr_assert_str_eq(meta->url, "https://a.example/");
    walk->in_memory += in_memory;
    return ++walk->n != walk->stop_at;
}

Test(cache_store, each_walks_and_stops)
{
    struct walk all = {0}, some = {.stop_at = 3};

    start();
    for (unsigned n = 0; n < 10; n++)
        put(&(struct lab_response){.n = n, .size = 10});
    store_each(store, walk_one, &all);
    cr_assert_eq(all.n, 10u);
    cr_assert_eq(all.in_memory, 10u);
    store_each(store, walk_one, &some);
    cr_assert_eq(some.n, 3u);
    store_free(&store);
    start();
    all = (struct walk){0};
    store_each(store, walk_one, &all);
    cr_assert_eq(all.n, 10u, "read from disk");
    cr_assert_eq(all.in_memory, 0u);
}

Test(cache_store, a_directory_that_vanishes)
{
    start();
    put(&(struct lab_response){.n = 1, .size = 10});
    put(&(struct lab_response){.n = 2, .size = MIB, .fill = 'b'});
    WAIT(on_disk() == 2);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    for (unsigned n = 10; n < 20; n++)
        put(&(struct lab_response){.n = n, .size = 100});
    WAIT(!stats().disk_usable);
    cr_assert_eq(store_temporary(store), -1);
    for (unsigned n = 10; n < 20; n++)
        cr_assert(has(n), "what fits stays in memory");
    cr_assert_gt(stats().write_errors, 0u);
    (void)has(1);
    cr_assert_eq(access(dir, F_OK), -1, "it isn't made again behind the administrator's back");
}

/* Running out of descriptors says nothing about what lies there. */
Test(cache_store, no_descriptors_is_no_reason_to_drop)
{
    struct object *object;
    int held[64], n = 0;

    start();
    put(&(struct lab_response){.n = 1, .size = 10, .fill = 'a'});
    put(&(struct lab_response){.n = 2, .size = MIB, .fill = 'b'});
    store_free(&store);
    start();
    WAIT(!stats().indexing);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, 64}), 0);
    while (n < 64 && (held[n] = dup(0)) >= 0)
        n++;
    cr_assert(!has(1) && !has(2));
    close(held[--n]); /* enough for the object file, not for the content beside it */
    (void)has(1);
    (void)has(2);
    while (n > 0)
        close(held[--n]);
    object = get_variant(1, 0);
    cr_assert(object != NULL && lab_holds(object, 'a'));
    object_unref(&object);
    object = get_variant(2, 0);
    cr_assert(object != NULL && lab_holds(object, 'b'));
    object_unref(&object);
    cr_assert_eq(stats().dropped_corrupt, 0u);
}

static _Atomic bool enough, torn;

static void *hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    while (!atomic_load(&enough)) {
        unsigned n = (unsigned)rand_r(&seed) % 64, action = (unsigned)rand_r(&seed) % 16;
        size_t size = n % 4 == 0 ? 100 * KIB : 1000;
        struct object *object = get_variant(n, 0);

        if (object != NULL && !lab_holds(object, (char)n))
            atomic_store(&torn, true);
        if (object == NULL || action == 0) {
            struct object_new new =
                lab_new(&(struct lab_response){.n = n,
                                               .size = size,
                                               .fill = (char)n,
                                               .digest = n % 8 == 0 ? (uint8_t)(n + 1) : 0});

            (void)!store_put(store, &new, NULL);
        } else if (action == 1) {
            store_drop(store, object, "hammer");
        } else if (action == 2) {
            (void)purge(n);
        } else if (action == 3) {
            struct object_meta meta;

            if (object_meta_copy(&meta, object_meta(object)) == 0)
                (void)!store_update(store, object, &meta, NULL);
        } else if (action == 4) {
            object_set_checked(object);
            (void)on_disk();
        } else if (action == 5 && n == 0) {
            (void)store_purge_host(store, "a.example");
        }
        object_unref(&object);
    }
    return NULL;
}

Test(cache_store, many_threads)
{
    pthread_t thread[4];

    options.max_size = 4 * MIB;
    options.memory = 256 * KIB;
    start();
    for (uintptr_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, hammer, (void *)(i + 1)), 0);
    nanosleep(&(struct timespec){2, 0}, NULL);
    atomic_store(&enough, true);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    cr_assert_not(torn);
    cr_assert_eq(stats().dropped_corrupt, 0u);
    cr_assert_leq(stats().disk_bytes, 4 * MIB);
    cr_assert_leq(stats().memory_bytes, 256 * KIB);
    store_free(&store);
    cr_assert_leq(files_in("c"), 64u);
}
