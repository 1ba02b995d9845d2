/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The store: what was put comes back, under its name and variant, from memory, from disk, after a
 * restart; and what was dropped, purged, replaced or evicted doesn't.
 */
#include "tests/daemon/store_lab.h"

static struct lab lab;

static void setup(void)
{
    lab_start(&lab);
    lab_open(&lab);
}

static void teardown(void)
{
    lab_end(&lab);
}

TestSuite(store, .init = setup, .fini = teardown, .timeout = 120);

static const size_t sizes[] = {0,      1, 4000, STORE_INLINE - 1, STORE_INLINE, STORE_INLINE + 1,
                               1000001};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Every size, from memory and from a file, covered and not. */
static struct lab_item item_of(unsigned n)
{
    return (struct lab_item){.n = n,
                             .seed = n,
                             .size = sizes[n / 4 % N_SIZES],
                             .key_id = n & 1 ? "key@keys.example" : NULL,
                             .in_file = (n & 2) && sizes[n / 4 % N_SIZES] > 0};
}

static void expect_all(void)
{
    for (unsigned n = 0; n < 4 * N_SIZES; n++)
        lab_expect(&lab, item_of(n));
}

Test(store, what_was_put_comes_back)
{
    for (unsigned n = 0; n < 4 * N_SIZES; n++)
        lab_put(&lab, item_of(n));
    expect_all();
    lab_settle(&lab);
    expect_all();
    cr_assert_eq(lab_stats(&lab).objects, 4 * N_SIZES);
    cr_assert_eq(lab_files(&lab, "o").n, 4 * N_SIZES);
    cr_assert_eq(lab_files(&lab, "t").n, 0);
    lab_expect_none(&lab, 1000);
}

Test(store, from_disk_alone)
{
    store_free(&lab.store);
    lab.options.memory = 0;
    lab_open(&lab);
    for (unsigned n = 0; n < 4 * N_SIZES; n++)
        lab_put(&lab, item_of(n));
    lab_settle(&lab);
    cr_assert_eq(lab_stats(&lab).memory_objects, 0);
    for (int i = 0; i < 4; i++)
        expect_all();
    cr_assert_eq(lab_stats(&lab).memory_objects, 0);
}

Test(store, after_a_restart_in_order)
{
    for (unsigned n = 0; n < 4 * N_SIZES; n++)
        lab_put(&lab, item_of(n));
    lab_restart(&lab, true); /* what is queued is written first */
    expect_all();
    for (unsigned n = 0; n < 4 * N_SIZES; n++) {
        struct object *object = lab_find(&lab, n, 0);

        cr_assert(object_is_checked(object), "%u: nothing has happened to it", n);
        object_unref(&object);
    }
    lab_settle(&lab);
    expect_all();
    cr_assert_eq(lab_stats(&lab).objects, 4 * N_SIZES);
    cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0);
}

Test(store, after_a_crash)
{
    for (unsigned n = 0; n < 4 * N_SIZES; n++)
        lab_put(&lab, item_of(n));
    lab_restart(&lab, false);
    expect_all(); /* while it is indexed, or after */
    lab_settle(&lab);
    cr_assert_eq(lab_stats(&lab).objects, 4 * N_SIZES);
    for (unsigned n = 0; n < 4 * N_SIZES; n++) {
        struct object *object = lab_find(&lab, n, 0), *again;

        cr_assert_eq(object_is_checked(object),
                     !item_of(n).in_file && item_of(n).size <= STORE_INLINE,
                     "%u: a content file isn't known to be whole", n);
        cr_assert(lab_check(object));
        object_set_checked(object);
        again = lab_find(&lab, n, 0);
        cr_assert(object_is_checked(again), "the next one needn't look again");
        object_unref(&object);
        object_unref(&again);
    }
    lab_restart(&lab, true);
    for (unsigned n = 0; n < 4 * N_SIZES; n++) {
        struct object *object = lab_find(&lab, n, 0);

        cr_assert(object_is_checked(object), "%u: that it was checked outlives a restart", n);
        object_unref(&object);
    }
}

Test(store, it_becomes_an_object_in_memory_by_its_second_use)
{
    lab_put(&lab, (struct lab_item){.n = 1, .seed = 1, .size = 1000});
    lab_restart(&lab, true);
    lab_settle(&lab);
    cr_assert_eq(lab_stats(&lab).memory_objects, 0);
    lab_expect(&lab, (struct lab_item){.n = 1, .seed = 1, .size = 1000});
    cr_assert_eq(lab_stats(&lab).memory_objects, 0);
    lab_expect(&lab, (struct lab_item){.n = 1, .seed = 1, .size = 1000});
    cr_assert_eq(lab_stats(&lab).memory_objects, 1);
    lab_expect(&lab, (struct lab_item){.n = 1, .seed = 1, .size = 1000});
}

Test(store, memory_only)
{
    struct lab_item item = {.n = 1, .seed = 1, .size = 100000}, large = {.n = 2, .size = 5 << 20};

    for (int i = 0; i < 2; i++) {
        store_free(&lab.store);
        lab.options.directory = i == 0 ? NULL : lab.directory;
        lab.options.max_size = i == 0 ? LAB_DISK : 0;
        lab_open(&lab);
        lab_put(&lab, item);
        lab_expect(&lab, item);
        cr_assert_not(lab_stats(&lab).disk_usable);
        cr_assert_not(store_takes_files(lab.store));
        cr_assert_eq(store_temporary(lab.store), -1);
        cr_assert_eq(lab_put_object(&lab, &large, NULL), DIVE_E_LIMIT, "past a quarter of it");
    }
}

/* ---- variants ---- */

Test(store, variants_live_side_by_side)
{
    struct lab_item a = {.n = 1, .seed = 10, .size = 100, .vary = "accept", .variant = 10};
    struct lab_item b = {.n = 1, .seed = 11, .size = 200, .vary = "accept", .variant = 11};
    struct lab_item c = {.n = 1, .seed = 12, .size = 300, .vary = "accept,cookie", .variant = 12};

    lab_put(&lab, a);
    lab_put(&lab, b);
    lab_put(&lab, c);
    for (int round = 0; round < 4; round++) {
        lab_expect(&lab, a);
        lab_expect(&lab, b);
        lab_expect(&lab, c);
        cr_assert_null(lab_find(&lab, 1, 13));
        lab_settle(&lab);
        if (round > 0)
            lab_restart(&lab, round == 1);
    }
    lab_settle(&lab);
    cr_assert_eq(lab_stats(&lab).objects, 3);
}

Test(store, the_newest_variant_that_fits_wins)
{
    struct lab_item varies = {.n = 1, .seed = 10, .size = 100, .vary = "accept", .variant = 10};
    struct lab_item plain = {.n = 1, .seed = 11, .size = 200};
    struct object *object;

    lab_put(&lab, varies);
    lab_put(&lab, plain);
    object = lab_find(&lab, 1, 10);
    cr_assert_eq(lab_seed(object), 11, "without Vary it fits every request");
    object_unref(&object);
    lab_put(&lab, varies);
    object = lab_find(&lab, 1, 10);
    cr_assert_eq(lab_seed(object), 10);
    object_unref(&object);
    object = lab_find(&lab, 1, 99);
    cr_assert_eq(lab_seed(object), 11);
    object_unref(&object);
}

Test(store, so_many_variants_of_one_url)
{
    struct lab_item item = {.n = 1, .size = 10, .vary = "accept"};

    for (unsigned i = 0; i < STORE_VARIANTS_MAX; i++) {
        item.seed = i;
        item.variant = 100 + i;
        lab_put(&lab, item);
    }
    for (unsigned i = 0; i < STORE_VARIANTS_MAX; i++) {
        item.seed = i;
        item.variant = 100 + i;
        lab_expect(&lab, item);
    }
    item.seed = 5;
    item.variant = 105;
    lab_put(&lab, item); /* one that is there replaces itself */
    cr_assert_eq(lab_stats(&lab).objects, STORE_VARIANTS_MAX);
    item.variant = 1000;
    lab_put(&lab, item);
    cr_assert_eq(lab_stats(&lab).objects, STORE_VARIANTS_MAX);
    cr_assert_null(lab_find(&lab, 1, 100), "the oldest went");
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "o").n, STORE_VARIANTS_MAX);
}

Test(store, texts_of_vary_can_be_used_up_and_come_back)
{
    struct store_key key;
    char vary[32];
    struct lab_item item = {.size = 1, .vary = vary, .variant = 1};

    for (item.n = 1; item.n < STORE_VARY_MAX; item.n++) {
        snprintf(vary, sizeof(vary), "x-%u", item.n);
        lab_put(&lab, item);
    }
    snprintf(vary, sizeof(vary), "x-more");
    cr_assert_eq(lab_put_object(&lab, &item, NULL), DIVE_E_LIMIT, "a different one too many");
    snprintf(vary, sizeof(vary), "x-%u", 1u);
    lab_put(&lab, item);
    key = lab_key(7);
    cr_assert_eq(store_purge(lab.store, &key), 1);
    item.n++;
    snprintf(vary, sizeof(vary), "x-more");
    lab_put(&lab, item);
    lab_expect(&lab, item);
}

/* ---- replacing ---- */

Test(store, a_new_response_takes_the_place)
{
    struct lab_item item = {.n = 1};

    for (item.seed = 0; item.seed < 40; item.seed++) {
        item.size = item.seed % 3 == 0 ? 100000 : 100;
        item.key_id = item.seed % 2 == 0 ? "key" : NULL;
        lab_put(&lab, item);
        lab_expect(&lab, item);
        if (item.seed % 5 == 0)
            lab_settle(&lab);
    }
    item.seed--;
    lab_settle(&lab);
    lab_expect(&lab, item);
    cr_assert_eq(lab_stats(&lab).objects, 1);
    cr_assert_eq(lab_files(&lab, "o").n, 1);
    cr_assert_eq(lab_files(&lab, "c").n, 1, "the content of those before is gone");
}

static struct object *updated(struct object *old, int status)
{
    struct object_meta meta;
    struct object *object;

    cr_assert_eq(object_meta_copy(&meta, object_meta(old)), 0);
    meta.head.status = status;
    cr_assert_eq(store_update(lab.store, old, &meta, &object), 0);
    cr_assert_null(meta.url, "taken over");
    return object;
}

Test(store, an_update_shares_the_content)
{
    for (unsigned i = 0; i < 3; i++) {
        struct lab_item item = {
            .n = i, .seed = i, .size = i == 0 ? 100 : 100000, .in_file = i == 2};
        struct object *old, *object;
        struct lab_files before, after;

        cr_assert_eq(lab_put_object(&lab, &item, &old), 0);
        if (i != 1)
            lab_settle(&lab);
        before = lab_files(&lab, "c");
        object = updated(old, 203);
        cr_assert_eq(object_meta(object)->size, item.size);
        cr_assert(lab_is_right(object));
        cr_assert_eq(object_meta(old)->head.status, 200, "an object doesn't change");
        cr_assert(lab_is_right(old));
        object_unref(&object);
        lab_settle(&lab);
        after = lab_files(&lab, "c");
        cr_assert(i == 1 || (before.n == after.n && before.size == after.size));
        object = lab_find(&lab, i, 0);
        cr_assert_eq(object_meta(object)->head.status, 203);
        object_unref(&object);
        object_unref(&old);
    }
    lab_restart(&lab, false);
    for (unsigned i = 0; i < 3; i++) {
        struct object *object = lab_find(&lab, i, 0);

        cr_assert_eq(object_meta(object)->head.status, 203);
        cr_assert(lab_is_right(object));
        cr_assert(lab_check(object));
        object_unref(&object);
    }
    cr_assert_eq(lab_stats(&lab).deduplicated, 0);
}

Test(store, an_update_of_what_is_gone_by_now)
{
    struct lab_item item = {.n = 1, .seed = 1, .size = 100000, .in_file = true};
    struct object *old, *object;

    cr_assert_eq(lab_put_object(&lab, &item, &old), 0);
    lab_settle(&lab);
    store_drop(lab.store, old, "a test");
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "c").n, 0);
    object = updated(old, 203);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "c").n, 1);
    cr_assert_eq(lab_stats(&lab).write_errors, 0);
    object_unref(&object);
    object_unref(&old);
    lab_restart(&lab, false);
    object = lab_find(&lab, 1, 0);
    cr_assert(lab_is_right(object));
    object_unref(&object);
}

/* ---- going ---- */

Test(store, a_drop_is_of_this_very_object)
{
    struct lab_item item = {.n = 1, .seed = 1, .size = 70000};
    struct object *first, *second, *loaded;

    cr_assert_eq(lab_put_object(&lab, &item, &first), 0);
    item.seed = 2;
    cr_assert_eq(lab_put_object(&lab, &item, &second), 0);
    store_drop(lab.store, first, "a test");
    lab_expect(&lab, item);
    store_drop(lab.store, second, "a test");
    lab_expect_none(&lab, 1);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "o").n + lab_files(&lab, "c").n, 0);
    cr_assert(lab_is_right(first) && lab_is_right(second), "a reference is good");
    object_unref(&first);
    object_unref(&second);

    lab_put(&lab, item);
    lab_restart(&lab, false);
    loaded = lab_find(&lab, 1, 0); /* indexed or not */
    store_drop(lab.store, loaded, "a test");
    object_unref(&loaded);
    lab_expect_none(&lab, 1);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "o").n + lab_files(&lab, "c").n, 0);
}

static void put_for_purges(void)
{
    for (unsigned n = 0; n < 40; n++)
        lab_put(&lab, (struct lab_item){.n = n,
                                        .seed = n,
                                        .size = n % 3 == 0 ? 70000 : 70,
                                        .host = n % 2 == 0 ? "even.example" : "odd.example:8443",
                                        .key_id = n % 4 < 2 ? "one" : "two@keys.example",
                                        .vary = n == 10 ? "accept" : ""});
}

static void purge_it_all(void)
{
    struct store_key key = lab_key(10), unknown = lab_key(1000);

    cr_assert_eq(store_purge(lab.store, &unknown), 0);
    cr_assert_eq(store_purge(lab.store, &key), 1);
    lab_expect_none(&lab, 10);
    cr_assert_eq(store_purge_host(lab.store, "example"), 0);
    cr_assert_eq(store_purge_host(lab.store, "even.example"), 19);
    lab_expect_none(&lab, 0);
    cr_assert_eq(store_purge_key_id(lab.store, "two"), 0);
    cr_assert_eq(store_purge_key_id(lab.store, "one"), 10);
    lab_expect_none(&lab, 1);
    cr_assert_eq(store_purge_key_id(lab.store, "two@keys.example"), 10);
    lab_settle(&lab);
    cr_assert_eq(lab_stats(&lab).objects, 0);
    cr_assert_eq(lab_stats(&lab).disk_bytes, 0);
    cr_assert_eq(lab_stats(&lab).memory_bytes, 0);
    cr_assert_eq(lab_files(&lab, "o").n + lab_files(&lab, "c").n, 0);
}

Test(store, purges)
{
    put_for_purges();
    purge_it_all(); /* while they wait to be written */
    put_for_purges();
    lab_settle(&lab);
    purge_it_all();
    put_for_purges();
    lab_restart(&lab, true);
    purge_it_all();
    put_for_purges();
    lab_restart(&lab, false); /* while they are indexed */
    purge_it_all();
}

Test(store, a_purge_of_all_variants)
{
    struct store_key key = lab_key(1);

    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++)
            lab_put(&lab, (struct lab_item){.n = 1, .size = 10, .vary = "accept", .variant = i});
        if (round == 1)
            lab_restart(&lab, false);
        cr_assert_eq(store_purge(lab.store, &key), 5);
        cr_assert_eq(lab_stats(&lab).objects, 0);
    }
}

struct walk {
    unsigned n, memory, disk, stop;
    uint64_t sum;
};

static bool walk_one(void *arg, const struct object_meta *meta, bool in_memory, bool on_disk)
{
    struct walk *walk = arg;

    walk->n++;
    walk->memory += in_memory;
    walk->disk += on_disk;
    walk->sum += meta->size;
    return walk->n != walk->stop;
}

Test(store, each)
{
    struct walk walk = {0};

    for (unsigned n = 0; n < 4 * N_SIZES; n++)
        lab_put(&lab, item_of(n));
    lab_settle(&lab);
    store_each(lab.store, walk_one, &walk);
    cr_assert_eq(walk.n, 4 * N_SIZES);
    cr_assert_eq(walk.memory, 4 * N_SIZES);
    cr_assert_eq(walk.disk, 4 * N_SIZES);
    lab_restart(&lab, true);
    walk = (struct walk){.stop = 3};
    store_each(lab.store, walk_one, &walk);
    cr_assert_eq(walk.n, 3);
    cr_assert_eq(walk.memory, 0);
}

/* ---- one content under many names ---- */

Test(store, content_that_is_covered_is_stored_once)
{
    struct lab_item item = {.seed = 7, .size = 1 << 20, .key_id = "key"};
    struct store_key key;

    for (item.n = 0; item.n < 10; item.n++) {
        item.in_file = item.n % 2;
        lab_put(&lab, item);
        if (item.n == 0)
            lab_settle(&lab);
    }
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "c").n, 1);
    cr_assert_eq(lab_stats(&lab).deduplicated, 9);
    cr_assert_lt(lab_stats(&lab).disk_bytes, 2u << 20);
    for (int round = 0; round < 2; round++) {
        for (item.n = 0; item.n < 10; item.n++)
            lab_expect(&lab, item);
        lab_restart(&lab, round == 0);
        lab_settle(&lab);
        cr_assert_eq(lab_files(&lab, "c").n, 1);
        cr_assert_lt(lab_stats(&lab).disk_bytes, 2u << 20, "counted once");
        cr_assert_gt(lab_stats(&lab).disk_bytes, 1u << 20);
    }
    for (item.n = 0; item.n < 9; item.n++) {
        key = lab_key(item.n);
        cr_assert_eq(store_purge(lab.store, &key), 1);
        lab_settle(&lab);
        cr_assert_gt(lab_stats(&lab).disk_bytes, 1u << 20, "whoever brought it");
    }
    lab_expect(&lab, item);
    key = lab_key(9);
    cr_assert_eq(store_purge(lab.store, &key), 1);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "c").n, 0);
    cr_assert_eq(lab_stats(&lab).disk_bytes, 0);
}

Test(store, the_same_content_twice_while_it_waits)
{
    struct lab_item item = {.seed = 7, .size = 1 << 20, .key_id = "key"};

    for (item.n = 0; item.n < 20; item.n++)
        lab_put(&lab, item);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "c").n, 1);
    cr_assert_eq(lab_stats(&lab).deduplicated, 19);
    for (item.n = 0; item.n < 20; item.n++)
        lab_expect(&lab, item);
}

Test(store, content_that_is_not_covered_has_a_file_each)
{
    struct lab_item item = {.seed = 7, .size = 1 << 20};

    for (item.n = 0; item.n < 3; item.n++)
        lab_put(&lab, item);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "c").n, 3);
    cr_assert_eq(lab_stats(&lab).deduplicated, 0);
}

/* ---- budgets ---- */

static uint64_t blocks_on_disk(void)
{
    struct lab_files o = lab_files(&lab, "o"), c = lab_files(&lab, "c");

    return (uint64_t)o.size + (uint64_t)c.size;
}

Test(store, the_disk_has_its_budget)
{
    struct lab_item item = {.size = 200000};

    store_free(&lab.store);
    lab.options.max_size = 4 << 20;
    lab.options.object_max = 1 << 20;
    lab.options.memory = 1 << 20;
    lab_open(&lab);
    for (item.n = item.seed = 0; item.n < 100; item.n++, item.seed++) {
        item.key_id = item.n % 3 == 0 ? "key" : NULL;
        item.size = item.n % 4 == 0 ? 2000 : 200000;
        lab_put(&lab, item);
        if (item.n % 10 == 0)
            lab_settle(&lab);
        cr_assert_leq(lab_stats(&lab).disk_bytes, lab.options.max_size);
        cr_assert_leq(lab_stats(&lab).memory_bytes, lab.options.memory + (1 << 20));
    }
    lab_settle(&lab);
    cr_assert_gt(lab_stats(&lab).evicted, 0);
    cr_assert_leq(blocks_on_disk(), lab.options.max_size);
    cr_assert_gt(blocks_on_disk(), lab.options.max_size / 2);
    cr_assert_leq(lab_stats(&lab).memory_bytes, lab.options.memory);
    lab.options.max_size = 1 << 20;
    cr_assert(store_set_options(lab.store, &lab.options));
    lab_settle(&lab);
    cr_assert_leq(blocks_on_disk(), 1 << 20, "a smaller budget has its effect at once");
}

/* Light entries must not keep heavy content beyond the budget. */
Test(store, the_disk_has_its_budget_when_content_is_shared)
{
    struct lab_item item = {.size = 400000, .key_id = "key"};

    store_free(&lab.store);
    lab.options.max_size = 4 << 20;
    lab.options.object_max = 1 << 20;
    lab_open(&lab);
    for (unsigned i = 0; i < 60; i++) {
        item.seed = i / 2;
        item.n = i;
        lab_put(&lab, item);
        lab_settle(&lab);
        if (i % 2 == 1) { /* the second name is in demand */
            lab_expect(&lab, item);
            lab_expect(&lab, item);
        }
        cr_assert_leq(blocks_on_disk(), lab.options.max_size);
    }
    cr_assert_gt(lab_stats(&lab).evicted, 0);
}

Test(store, another_directory_needs_a_restart)
{
    struct store_options other = lab.options;

    cr_assert(store_set_options(lab.store, &lab.options));
    other.directory = "/elsewhere";
    cr_assert_not(store_set_options(lab.store, &other));
    other.directory = NULL;
    cr_assert_not(store_set_options(lab.store, &other));
}

Test(store, too_large_for_anything_is_good_for_its_own_request)
{
    struct lab_item item = {.n = 1, .seed = 1, .size = 200000};
    struct object *object;

    store_free(&lab.store);
    lab.options.memory = 100000;
    lab.options.object_max = item.size;
    lab_open(&lab);
    lab_put(&lab, item);
    lab_settle(&lab);
    lab_expect(&lab, item);
    item.n = 2;
    item.size++;
    cr_assert_eq(lab_put_object(&lab, &item, &object), DIVE_E_LIMIT);
    cr_assert_not_null(object);
    lab_expect_object(object, &item);
    object_unref(&object);
    lab_expect_none(&lab, 2);
}

Test(store, an_object_outlives_entry_and_store)
{
    struct lab_item items[] = {{.n = 1, .seed = 1, .size = 100},
                               {.n = 2, .seed = 2, .size = 100000},
                               {.n = 3, .seed = 3, .size = 100000, .in_file = true}};
    struct object *object[3], *unchecked;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(lab_put_object(&lab, &items[i], &object[i]), 0);
    lab_restart(&lab, false);
    unchecked = lab_find(&lab, 3, 0);
    cr_assert_not(object_is_checked(unchecked));
    store_free(&lab.store);
    for (int i = 0; i < 3; i++) {
        lab_expect_object(object[i], &items[i]);
        object_unref(&object[i]);
    }
    lab_expect_object(unchecked, &items[2]);
    object_set_checked(unchecked);
    object_unref(&unchecked);
}
