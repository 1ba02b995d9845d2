/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_cache_index: who is found, who goes first, and what it costs.
 */
#include "cache/index.h"
#include "tests/daemon/cache_store_lab.h"

#define BUDGET ((uint64_t)100 * INDEX_UNIT)

static struct index *idx;
static const uint64_t budget[INDEX_TIERS] = {BUDGET, 0};

static void setup(void)
{
    cr_assert_eq(index_new(&idx, budget), 0);
}

static void teardown(void)
{
    index_free(&idx);
    cr_assert_null(idx);
}

/* Adds one of one unit, and lets go who has to. */
static uint32_t add(unsigned n)
{
    struct store_key key = lab_key(n);
    uint32_t id = index_add(idx, &key, 0);

    cr_assert_neq(id, 0u);
    index_enter(idx, INDEX_DISK, id, INDEX_UNIT);
    while (index_is_full(idx, INDEX_DISK, 0)) {
        uint32_t victim = index_victim(idx, INDEX_DISK);

        index_leave(idx, INDEX_DISK, victim, true);
        index_remove(idx, victim);
    }
    return id;
}

static uint32_t find(unsigned n)
{
    struct store_key key = lab_key(n);

    return index_first(idx, &key);
}

static unsigned queue_of(unsigned n)
{
    return index_at(idx, find(n))->tier[INDEX_DISK].queue;
}

TestSuite(cache_index, .init = setup, .fini = teardown);

Test(cache_index, a_scan_leaves_the_main_queue_alone)
{
    for (unsigned n = 1; n <= 90; n++) {
        add(n);
        index_touch(idx, find(n));
    }
    for (unsigned n = 1000; n < 3000; n++)
        add(n);
    for (unsigned n = 1; n <= 90; n++)
        cr_assert(find(n) != 0 && queue_of(n) == INDEX_MAIN, "%u", n);
    cr_assert_eq(index_bytes_in(idx, INDEX_DISK), BUDGET);
    cr_assert_eq(index_count_in(idx, INDEX_DISK), 100u);
}

Test(cache_index, what_comes_back_soon_is_no_scan)
{
    for (unsigned n = 1; n <= 101; n++)
        add(n);
    cr_assert_eq(find(1), 0u, "the first victim is the oldest");
    cr_assert_neq(find(2), 0u);
    add(1);
    cr_assert_eq(queue_of(1), (unsigned)INDEX_MAIN, "its ghost was there");
    for (unsigned n = 200; n < 1200; n++)
        add(n);
    cr_assert_neq(find(1), 0u);
    add(3);
    cr_assert_eq(queue_of(3), (unsigned)INDEX_SMALL, "ghosts are forgotten");
}

Test(cache_index, removed_ones_leave_no_ghost)
{
    add(1);
    index_remove(idx, find(1));
    add(1);
    cr_assert_eq(queue_of(1), (unsigned)INDEX_SMALL);
}

Test(cache_index, chances_in_the_main_queue_are_used_up)
{
    uint32_t a, b;

    index_set_budget(idx, INDEX_DISK, 2 * INDEX_UNIT);
    a = add(1);
    b = add(2);
    index_remove(idx, a);
    index_remove(idx, b);
    for (unsigned n = 1; n <= 2; n++) {
        struct store_key key = lab_key(n);

        index_restore(idx, INDEX_DISK, index_add(idx, &key, 0), INDEX_UNIT, INDEX_MAIN, n == 1);
    }
    cr_assert_eq(index_victim(idx, INDEX_DISK), find(2), "the older one had a use to give");
    index_remove(idx, find(2));
    cr_assert_eq(index_victim(idx, INDEX_DISK), find(1));
    index_remove(idx, find(1));
    cr_assert_eq(index_victim(idx, INDEX_DISK), 0u);
}

Test(cache_index, a_spared_one_has_its_turn_last)
{
    uint32_t a = add(1), b = add(2), c = add(3);

    cr_assert_eq(index_victim(idx, INDEX_DISK), a);
    index_spare(idx, INDEX_DISK, a);
    cr_assert_eq(index_victim(idx, INDEX_DISK), b);
    index_spare(idx, INDEX_DISK, b);
    index_spare(idx, INDEX_DISK, c);
    cr_assert_eq(index_victim(idx, INDEX_DISK), a);
    cr_assert_eq(index_walk(idx, INDEX_DISK, INDEX_SMALL, 0), a, "oldest first");
    cr_assert_eq(index_walk(idx, INDEX_DISK, INDEX_SMALL, a), b);
    cr_assert_eq(index_walk(idx, INDEX_DISK, INDEX_SMALL, c), 0u);
}

Test(cache_index, weights)
{
    uint32_t id = add(1);

    index_enter(idx, INDEX_DISK, id, INDEX_UNIT + 1);
    cr_assert_eq(index_bytes_in(idx, INDEX_DISK), 2u * INDEX_UNIT, "changed, and rounded up");
    cr_assert_eq(index_count_in(idx, INDEX_DISK), 1u);
    cr_assert_not(index_is_full(idx, INDEX_DISK, BUDGET - (uint64_t)2 * INDEX_UNIT));
    cr_assert(index_is_full(idx, INDEX_DISK, BUDGET - (uint64_t)2 * INDEX_UNIT + 1));
    index_remove(idx, id);
    cr_assert_eq(index_bytes_in(idx, INDEX_DISK), 0u);
}

Test(cache_index, a_hundred_thousand)
{
    enum { MANY = 100000 };
    uint32_t limit;

    index_set_budget(idx, INDEX_DISK, UINT64_MAX);
    for (unsigned n = 0; n < MANY; n++)
        add(n);
    cr_assert_eq(index_count(idx), (unsigned)MANY);
    cr_assert_lt(index_footprint(idx) / MANY, 200u);
    for (unsigned n = 0; n < MANY; n++)
        cr_assert_neq(find(n), 0u);
    for (unsigned n = 0; n < MANY; n += 2)
        index_remove(idx, find(n));
    limit = index_limit(idx);
    for (unsigned n = 0; n < MANY; n++)
        cr_assert_eq(find(n) != 0, n % 2 == 1);
    for (unsigned n = 0; n < MANY; n += 2)
        add(n);
    cr_assert_eq(index_limit(idx), limit, "numbers are used again");
    cr_assert_null(index_at(idx, limit));
    cr_assert_null(index_at(idx, 0));
}

Test(cache_index, variants_of_a_key)
{
    struct store_key key = lab_key(1);
    bool seen[10] = {false};
    unsigned n = 0;

    for (uint64_t v = 0; v < 10; v++)
        cr_assert_neq(index_add(idx, &key, v), 0u);
    add(2);
    for (uint32_t id = find(1); id != 0; id = index_next(idx, id), n++)
        seen[index_at(idx, id)->variant] = true;
    cr_assert_eq(n, 10u);
    for (unsigned i = 0; i < 10; i++)
        cr_assert(seen[i]);
}
