/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The store under many threads that put, find, update, drop, purge and list at once. What is found
 * is right, and in the end index and directory agree. Made for SANITIZER=thread.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/daemon/store_lab.h"

#define THREADS 6
#define URLS 48u

static struct lab lab;
static _Atomic unsigned wrong, found;
static unsigned rounds = 400;

static void setup(void)
{
    lab_start(&lab);
    lab.options.max_size = 6 << 20;
    lab.options.object_max = 1 << 20;
    lab.options.memory = 1 << 20;
    lab_open(&lab);
}

static void teardown(void)
{
    lab_end(&lab);
}

TestSuite(store_threads, .init = setup, .fini = teardown, .timeout = 600);

static unsigned any(uint64_t *state, unsigned n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)(*state >> 33) % n;
}

static void put_one(uint64_t *state)
{
    static const size_t sizes[] = {0, 10, 5000, 60000, 70000, 200000};
    struct lab_item item = {
        .n = any(state, URLS), .seed = any(state, 30), .size = sizes[any(state, 6)]};
    struct object *object;

    item.key_id = any(state, 2) ? "key" : NULL;
    item.vary = any(state, 3) == 0 ? "accept" : NULL;
    item.variant = item.vary != NULL ? 7 : 0;
    item.in_file = item.size > STORE_INLINE && any(state, 2);
    item.host = any(state, 2) ? "one.example" : "two.example";
    (void)!lab_put_object(&lab, &item, &object);
    if (object != NULL && !lab_is_right(object))
        wrong++;
    object_unref(&object);
}

static void use_one(uint64_t *state)
{
    struct object *object = lab_find(&lab, any(state, URLS), 7);
    struct object_meta meta;

    if (object == NULL)
        return;
    found++;
    if (!object_is_checked(object) && lab_check(object))
        object_set_checked(object);
    if (!lab_is_right(object))
        wrong++;
    if (any(state, 4) == 0 && object_meta_copy(&meta, object_meta(object)) == 0) {
        struct object *new;

        (void)!store_update(lab.store, object, &meta, &new);
        if (new != NULL && !lab_is_right(new))
            wrong++;
        object_unref(&new);
    } else if (any(state, 10) == 0) {
        store_drop(lab.store, object, "a test");
    }
    object_unref(&object);
}

static bool look(void *arg, const struct object_meta *meta, bool in_memory, bool on_disk)
{
    *(uint64_t *)arg += meta->size;
    return true;
}

static void *hammer(void *arg)
{
    uint64_t state = (uint64_t)(uintptr_t)arg * 7919 + 12345, sum = 0;
    struct store_stats stats;
    struct store_key key;

    for (unsigned i = 0; i < rounds; i++) {
        switch (any(&state, 40)) {
        case 0:
            key = lab_key(any(&state, URLS));
            (void)store_purge(lab.store, &key);
            break;
        case 1:
            store_each(lab.store, look, &sum);
            break;
        case 2:
            store_stats(lab.store, &stats);
            break;
        case 3:
            if (any(&state, 10) == 0)
                (void)store_purge_host(lab.store, "one.example");
            break;
        default:
            if (any(&state, 3) == 0)
                put_one(&state);
            else
                use_one(&state);
        }
    }
    return NULL;
}

static void hammer_all(void)
{
    pthread_t thread[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, hammer, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    cr_assert_eq(wrong, 0);
    cr_assert_gt(found, 0);
}

/* Files and entries are the same ones, and the budgets' counts are their sums. */
static void expect_agreement(void)
{
    unsigned on_disk = 0, contents = 0;
    uint64_t references = 0, held = 0;

    lab_settle(&lab);
    for (uint32_t id = 1; id < index_limit(lab.store->index); id++) {
        const struct index_entry *e = index_at(lab.store->index, id);

        if (e == NULL)
            continue;
        on_disk += e->on_disk;
        held += e->content != 0;
    }
    for (uint32_t id = 1; id < contents_limit(lab.store->contents); id++) {
        const struct content *content = contents_at(lab.store->contents, id);

        if (content == NULL)
            continue;
        contents++;
        references += content->references;
    }
    cr_assert_eq(lab_files(&lab, "o").n, on_disk);
    cr_assert_eq(lab_files(&lab, "c").n, contents);
    cr_assert_eq(lab_files(&lab, "t").n, 0);
    cr_assert_eq(references, held);
    cr_assert_leq(lab_stats(&lab).disk_bytes, lab.options.max_size);
    cr_assert_leq(lab_stats(&lab).memory_bytes, lab.options.memory);
    cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0);
    cr_assert_eq(lab_stats(&lab).write_errors, 0);
}

Test(store_threads, all_at_once)
{
    hammer_all();
    expect_agreement();
    lab_restart(&lab, false);
    hammer_all(); /* while it is indexed */
    expect_agreement();
    lab_restart(&lab, true);
    hammer_all();
    expect_agreement();
}

Test(store_threads, all_at_once_from_disk_alone)
{
    store_free(&lab.store);
    lab.options.memory = 0;
    lab_open(&lab);
    hammer_all();
    expect_agreement();
}

Test(store_threads, everything_is_counted_back)
{
    hammer_all();
    for (unsigned n = 0; n < URLS; n++) {
        struct store_key key = lab_key(n);

        (void)store_purge(lab.store, &key);
    }
    lab_settle(&lab);
    cr_assert_eq(lab_stats(&lab).objects, 0);
    cr_assert_eq(lab_stats(&lab).disk_bytes, 0);
    cr_assert_eq(lab_stats(&lab).memory_bytes, 0);
    cr_assert_eq(lab.store->shared, 0);
    cr_assert_eq(lab.store->descriptors, 0);
    cr_assert_eq(lab_files(&lab, "o").n + lab_files(&lab, "c").n, 0);
}
