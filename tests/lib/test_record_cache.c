/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_record_cache: lifetimes, the bound, who goes first, and the purge of keys.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/record_cache.h"
#include "lib/record_cache_store.h"

#define NOW 1700000000

static struct dive_record_cache *cache;

static void new_cache(size_t max)
{
    cr_assert_eq(dive_record_cache_new(&cache, max, NULL), 0);
}

static void put(const char *name, const char *text, int64_t now, int64_t lifetime)
{
    struct dive_span txt = dive_span_str(text ? text : "");
    struct dive_answer answer = {
        .security = DIVE_DNS_SECURE, .txt = &txt, .n = text != NULL, .ttl = 77};

    cr_assert_eq(dive_record_cache_put(cache, name, &answer, now, lifetime), 0);
}

static bool has(const char *name, int64_t now)
{
    struct dive_record_peek peek;

    return dive_record_cache_peek(cache, name, now, &peek);
}

Test(record_cache, lives_for_its_lifetime)
{
    struct dive_record *record;

    new_cache(4);
    put("_dive.a", "text", NOW, 10);
    record = dive_record_cache_get(cache, "_dive.a", NOW + 9);
    cr_assert(record);
    cr_assert_eq(record->stored, NOW);
    cr_assert_eq(record->answer.ttl, 1);
    cr_assert_eq(record->answer.security, DIVE_DNS_SECURE);
    cr_assert_eq(record->answer.n, 1);
    cr_assert(dive_span_eq(record->answer.txt[0], "text"));
    dive_record_free(&record);
    cr_assert_null(record);
    cr_assert_null(dive_record_cache_get(cache, "_dive.a", NOW + 10));
    cr_assert_eq(dive_record_cache_entries(cache), 0, "what is stale goes on sight");
    dive_record_cache_free(&cache);
    cr_assert_null(cache);
    dive_record_cache_free(&cache);
}

Test(record_cache, an_entry_from_the_future_is_stale)
{
    new_cache(4);
    put("_dive.a", NULL, NOW, 10);
    cr_assert(has("_dive.a", NOW));
    cr_assert_not(has("_dive.a", NOW - 1));
    dive_record_cache_free(&cache);
}

Test(record_cache, peek_tells_what_get_would_bring)
{
    struct dive_record_peek peek;
    struct dive_answer insecure = {.security = DIVE_DNS_INSECURE, .ttl = 5};

    new_cache(4);
    put("_dive.a", "x", NOW, 10);
    put("_dive.b", NULL, NOW, 10);
    cr_assert_eq(dive_record_cache_put(cache, "_dive.c", &insecure, NOW, 5), 0);
    cr_assert(dive_record_cache_peek(cache, "_dive.a", NOW + 3, &peek));
    cr_assert_eq(peek.n, 1);
    cr_assert_eq(peek.ttl, 7);
    cr_assert_eq(peek.stored, NOW);
    cr_assert(dive_record_cache_peek(cache, "_dive.b", NOW, &peek));
    cr_assert_eq(peek.n, 0);
    cr_assert_eq(peek.security, DIVE_DNS_SECURE);
    cr_assert(dive_record_cache_peek(cache, "_dive.c", NOW, &peek));
    cr_assert_eq(peek.security, DIVE_DNS_INSECURE);
    cr_assert_not(dive_record_cache_peek(cache, "_dive.d", NOW, &peek));
    cr_assert_eq(peek.security, DIVE_DNS_NO_ANSWER);
    dive_record_cache_free(&cache);
}

Test(record_cache, a_lifetime_of_zero_drops)
{
    new_cache(4);
    put("_dive.a", "x", NOW, 10);
    put("_dive.a", "y", NOW, 0);
    cr_assert_not(has("_dive.a", NOW));
    put("_dive.a", "x", NOW, 10);
    put("_dive.a", "y", NOW, -1);
    cr_assert_eq(dive_record_cache_entries(cache), 0);
    dive_record_cache_free(&cache);
}

Test(record_cache, bogus_and_missing_answers_are_never_kept)
{
    struct dive_answer answer = {.security = DIVE_DNS_BOGUS};

    new_cache(4);
    put("_dive.a", "x", NOW, 10);
    cr_assert_eq(dive_record_cache_put(cache, "_dive.b", &answer, NOW, 10), 0);
    answer.security = DIVE_DNS_NO_ANSWER;
    cr_assert_eq(dive_record_cache_put(cache, "_dive.a", &answer, NOW, 10), 0);
    cr_assert_eq(dive_record_cache_entries(cache), 1);
    cr_assert(has("_dive.a", NOW));
    dive_record_cache_free(&cache);
}

Test(record_cache, an_insecure_answer_brings_no_records)
{
    struct dive_span txt = dive_span_str("v=\"dive-draft-01\"");
    struct dive_answer answer = {.security = DIVE_DNS_INSECURE, .txt = &txt, .n = 1};
    struct dive_record *record;

    new_cache(4);
    cr_assert_eq(dive_record_cache_put(cache, "_dive.a", &answer, NOW, 10), 0);
    record = dive_record_cache_get(cache, "_dive.a", NOW);
    cr_assert_eq(record->answer.n, 0);
    dive_record_free(&record);
    dive_record_cache_free(&cache);
}

Test(record_cache, names_are_told_apart_by_case)
{
    new_cache(4);
    put("k._divekey.a", "x", NOW, 10);
    cr_assert_not(has("K._divekey.a", NOW));
    dive_record_cache_free(&cache);
}

Test(record_cache, a_second_put_replaces)
{
    struct dive_record *record;

    new_cache(4);
    put("_dive.a", "x", NOW, 10);
    put("_dive.a", "y", NOW + 1, 100);
    cr_assert_eq(dive_record_cache_entries(cache), 1);
    record = dive_record_cache_get(cache, "_dive.a", NOW + 50);
    cr_assert(dive_span_eq(record->answer.txt[0], "y"));
    dive_record_free(&record);
    dive_record_cache_evict(cache, "_dive.a");
    dive_record_cache_evict(cache, "_dive.a");
    cr_assert_eq(dive_record_cache_entries(cache), 0);
    dive_record_cache_free(&cache);
}

Test(record_cache, the_least_recently_used_goes)
{
    new_cache(3);
    put("_dive.a", NULL, NOW, 10);
    put("_dive.b", NULL, NOW, 10);
    put("_dive.c", NULL, NOW, 10);
    cr_assert(has("_dive.a", NOW));
    put("_dive.d", NULL, NOW, 10);
    cr_assert_eq(dive_record_cache_entries(cache), 3);
    cr_assert_not(has("_dive.b", NOW));
    cr_assert(has("_dive.a", NOW));
    cr_assert(has("_dive.c", NOW));
    cr_assert(has("_dive.d", NOW));
    put("_dive.d", "again", NOW, 10); /* replacing pushes nobody out */
    cr_assert(has("_dive.a", NOW));
    dive_record_cache_free(&cache);
}

Test(record_cache, limits)
{
    cr_assert_eq(dive_record_cache_new(&cache, 0, NULL), DIVE_E_LIMIT);
    cr_assert_null(cache);
    cr_assert_eq(dive_record_cache_new(&cache, DIVE_RECORD_CACHE_MAX + 1, NULL), DIVE_E_LIMIT);
    new_cache(DIVE_RECORD_CACHE_MAX);
    dive_record_cache_free(&cache);
    new_cache(1);
    put("_dive.a", NULL, NOW, INT64_MAX); /* the end doesn't wrap around */
    cr_assert(has("_dive.a", NOW + 1000000));
    put("_dive.b", NULL, NOW, 10);
    cr_assert_eq(dive_record_cache_entries(cache), 1);
    dive_record_cache_free(&cache);
}

Test(record_cache, invalidate_drops_keys_of_the_domain_and_below)
{
    new_cache(32);
    put("k._divekey.dive.example", "x", NOW, 100);
    put("k._divekey.www.dive.example", NULL, NOW - 5, 100);
    put("later._divekey.dive.example", "x", NOW + 1, 100);
    put("k._divekey.ive.example", "x", NOW, 100);
    put("k._divekey.example", "x", NOW, 100);
    put("k._divekey.adive.example", "x", NOW, 100);
    put("_dive.dive.example", "x", NOW, 100);
    put("_dive.www.dive.example", "x", NOW, 100);
    cr_assert_eq(dive_record_cache_invalidate_keys(cache, "dive.example", NOW - 6), 0);
    cr_assert_eq(dive_record_cache_invalidate_keys(cache, "dive.example", NOW), 2);
    cr_assert_eq(dive_record_cache_entries(cache), 6);
    cr_assert_not(has("k._divekey.dive.example", NOW + 1));
    cr_assert_not(has("k._divekey.www.dive.example", NOW + 1));
    cr_assert(has("later._divekey.dive.example", NOW + 1));
    cr_assert(has("k._divekey.ive.example", NOW + 1));
    cr_assert(has("k._divekey.example", NOW + 1));
    cr_assert(has("k._divekey.adive.example", NOW + 1));
    cr_assert(has("_dive.dive.example", NOW + 1));
    dive_record_cache_free(&cache);
}

static int depth, calls;

static void lock(void *arg)
{
    cr_assert_eq(arg, &depth);
    cr_assert_eq(depth++, 0, "locked twice");
    calls++;
}

static void unlock(void *arg)
{
    depth--;
}

Test(record_cache, every_use_is_locked_once)
{
    struct dive_lock l = {lock, unlock, &depth};
    struct dive_record *record;

    cr_assert_eq(dive_record_cache_new(&cache, 2, &l), 0);
    put("_dive.a", "x", NOW, 10);
    put("_dive.a", "x", NOW, 0);
    put("_dive.a", "x", NOW, 10);
    has("_dive.a", NOW);
    record = dive_record_cache_get(cache, "_dive.a", NOW);
    dive_record_free(&record);
    dive_record_cache_evict(cache, "_dive.a");
    dive_record_cache_invalidate_keys(cache, "a", NOW);
    dive_record_cache_entries(cache);
    cr_assert_eq(depth, 0);
    cr_assert_eq(calls, 8);
    dive_record_cache_free(&cache);
}

/* Against a plain table, thousands of random uses. */
Test(record_cache, random_uses_agree_with_a_plain_table)
{
    enum { NAMES = 40, MAX = 16 };
    struct {
        int64_t stored, expires;
        unsigned long used;
    } plain[NAMES] = {0};
    unsigned long clock = 0;
    unsigned state = 1;
    int64_t now = NOW;

    new_cache(MAX);
    for (int i = 0; i < 20000; i++) {
        unsigned n, op, live = 0, oldest = NAMES;
        char name[32];

        state = state * 1103515245u + 12345u;
        n = (state >> 8) % NAMES;
        op = (state >> 16) % 4;
        if (op == 3)
            now += (state >> 20) % 2;
        snprintf(name, sizeof(name), "_dive.h%u", n);
        if (op == 0) {
            put(name, "x", now, 20);
            for (unsigned k = 0; k < NAMES; k++) {
                if (!plain[k].used || k == n)
                    continue;
                live++;
                if (oldest == NAMES || plain[k].used < plain[oldest].used)
                    oldest = k;
            }
            if (live >= MAX && !plain[n].used)
                plain[oldest].used = 0;
            plain[n].stored = now;
            plain[n].expires = now + 20;
            plain[n].used = ++clock;
        } else {
            bool expect = plain[n].used && now < plain[n].expires;

            cr_assert_eq(has(name, now), expect, "use %d", i);
            plain[n].used = expect ? ++clock : 0;
        }
    }
    dive_record_cache_free(&cache);
}

/* ---- a store that outlives the process ---- */

struct walk {
    char names[256]; /* in the order of the walk */
    int stop_after;  /* entries; 0: never */
    struct dive_record_cache *to;
    int64_t now;
};

static int walk_add(void *arg, const char *name, const struct dive_answer *answer, int64_t stored,
                    int64_t expires)
{
    struct walk *walk = arg;

    strcat(strcat(walk->names, name), " ");
    if (walk->to != NULL)
        cr_assert_eq(dive_record_cache_restore(walk->to, name, answer, stored, expires, walk->now),
                     0);
    return walk->stop_after > 0 && --walk->stop_after == 0 ? 7 : 0;
}

Test(record_cache, what_is_restored_lives_on_as_it_was)
{
    struct walk walk = {.now = NOW + 20};
    struct dive_record *record;

    new_cache(8);
    put("a", "text of a", NOW, 100);
    put("b", NULL, NOW, 60);
    put("gone", "text", NOW, 10);
    put("c", "text of c", NOW + 5, 100);
    record = dive_record_cache_get(cache, "a", NOW + 20);
    dive_record_free(&record);
    cr_assert_eq(dive_record_cache_new(&walk.to, 2, NULL), 0);
    cr_assert_eq(dive_record_cache_each(cache, NOW + 20, walk_add, &walk), 0);
    cr_assert_str_eq(walk.names, "b c a ", "the least recently used first, nothing stale");
    dive_record_cache_free(&cache);
    cache = walk.to;
    cr_assert_eq(dive_record_cache_entries(cache), 2);
    cr_assert_not(has("b", NOW + 20), "a smaller cache keeps what was used last");
    record = dive_record_cache_get(cache, "a", NOW + 99);
    cr_assert(record);
    cr_assert_eq(record->stored, NOW);
    cr_assert_eq(record->answer.ttl, 1);
    cr_assert(dive_span_eq(record->answer.txt[0], "text of a"));
    dive_record_free(&record);
    cr_assert_not(has("a", NOW + 100));
    cr_assert(has("c", NOW + 104));
    cr_assert_not(has("c", NOW + 105));
    dive_record_cache_free(&cache);
}

Test(record_cache, what_can_not_be_is_not_restored)
{
    struct dive_span txt = dive_span_str("text");
    struct dive_answer some = {.security = DIVE_DNS_SECURE, .txt = &txt, .n = 1};
    const struct dive_answer none = {.security = DIVE_DNS_SECURE};
    static const struct {
        int64_t stored, expires;
        bool kept, kept_absence;
    } rows[] = {
        {NOW, NOW + DIVE_RECORD_LIFETIME_MAX, true, false},
        {NOW, NOW + DIVE_RECORD_LIFETIME_MAX + 1, false, false},
        {NOW, NOW + DIVE_NEGATIVE_CAP, true, true},
        {NOW, NOW + DIVE_NEGATIVE_CAP + 1, true, false},
        {NOW + 1, NOW + 10, false, false},
        {NOW - 10, NOW, false, false},
        {NOW - 10, NOW + 1, true, true},
        {-1, NOW + 1, false, false},
        {NOW, INT64_MAX, false, false},
        {0, INT64_MAX, false, false},
        {NOW, INT64_MIN, false, false},
    };

    new_cache(2);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(
            dive_record_cache_restore(cache, "a", &some, rows[i].stored, rows[i].expires, NOW), 0);
        cr_assert_eq(
            dive_record_cache_restore(cache, "b", &none, rows[i].stored, rows[i].expires, NOW), 0);
        cr_assert_eq(has("a", NOW), rows[i].kept, "row %zu", i);
        cr_assert_eq(has("b", NOW), rows[i].kept_absence, "row %zu", i);
        dive_record_cache_evict(cache, "a");
        dive_record_cache_evict(cache, "b");
    }
    dive_record_cache_free(&cache);
}

Test(record_cache, a_walk_can_be_ended)
{
    struct walk walk = {.stop_after = 2};

    new_cache(4);
    put("a", "text", NOW, 10);
    put("b", "text", NOW, 10);
    put("c", "text", NOW, 10);
    cr_assert_eq(dive_record_cache_each(cache, NOW, walk_add, &walk), 7);
    cr_assert_str_eq(walk.names, "a b ");
    dive_record_cache_free(&cache);
}
