/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The index file: a large one is read while requests are served. What they find, replace and purge
 * meanwhile is right, and stays so when it has been read.
 */
#include "tests/daemon/store_lab.h"

#define OBJECTS 24000u /* their index is larger than what is read at once */
#define BATCH 2000u    /* fewer than may wait to be written */
#define LARGE 16u      /* among them, with content of their own or shared */

static struct lab lab;

static struct lab_item item_of(unsigned n)
{
    struct lab_item item = {.n = n, .seed = n, .size = 40};

    if (n < LARGE) {
        item.size = STORE_INLINE + 1 + n / 2; /* two and two have one content */
        item.seed = n / 2;
        item.key_id = "key";
    }
    return item;
}

static void setup(void)
{
    char path[128];
    struct stat st;

    lab_start(&lab);
    lab.options.max_size = UINT64_C(1) << 40;
    lab_open(&lab);
    for (unsigned n = 0; n < OBJECTS; n++) {
        lab_put(&lab, item_of(n));
        if (n % BATCH == BATCH - 1)
            lab_settle(&lab);
    }
    store_free(&lab.store);
    snprintf(path, sizeof(path), "%s/index", lab.directory);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_gt(st.st_size, 1024 * 1024);
}

static void teardown(void)
{
    lab_end(&lab);
}

TestSuite(store_index, .init = setup, .fini = teardown, .timeout = 300);

Test(store_index, a_large_one_is_read_while_requests_are_served)
{
    struct store_key purged = lab_key(3), purged_small = lab_key(OBJECTS - 2);
    struct lab_item replaced = {.n = OBJECTS - 1, .seed = 1, .size = 50},
                    replaced_large = {.n = 5, .seed = 77, .size = 100000, .key_id = "key"};
    struct object *dropped;

    lab_open(&lab);
    cr_assert(lab_stats(&lab).indexing);
    lab_put(&lab, replaced);
    lab_put(&lab, replaced_large);
    cr_assert_eq(store_purge(lab.store, &purged), 1);
    cr_assert_eq(store_purge(lab.store, &purged_small), 1);
    dropped = lab_find(&lab, 7, 0);
    cr_assert_not_null(dropped);
    store_drop(lab.store, dropped, "a test");
    object_unref(&dropped);
    for (int turn = 0; turn < 2; turn++) {
        for (unsigned n = 0; n < OBJECTS; n += n < LARGE ? 1 : 499) {
            if (n == 3 || n == 7)
                lab_expect_none(&lab, n);
            else if (n != 5)
                lab_expect(&lab, item_of(n));
        }
        lab_expect_none(&lab, OBJECTS - 2);
        lab_expect(&lab, replaced);
        lab_expect(&lab, replaced_large);
        lab_settle(&lab); /* and again, when all is known */
    }
    cr_assert_eq(lab_stats(&lab).objects, OBJECTS - 3);
    cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0);
    cr_assert_eq(lab_files(&lab, "o").n, OBJECTS - 3);
    /* 1 has what 0 has, and so on; 5 has another, and 2, 4 and 6 keep theirs. */
    cr_assert_eq(lab_files(&lab, "c").n, LARGE / 2 + 1);
}

Test(store_index, an_end_while_it_is_read_loses_nothing)
{
    for (int i = 0; i < 3; i++) {
        lab_open(&lab);
        store_free(&lab.store);
    }
    lab_open(&lab);
    lab_settle(&lab);
    cr_assert_eq(lab_stats(&lab).objects, OBJECTS);
    for (unsigned n = 0; n < LARGE; n++) {
        struct object *object = lab_find(&lab, n, 0);

        cr_assert(object != NULL && object_is_checked(object), "%u: nothing happened to it", n);
        object_unref(&object);
    }
}
