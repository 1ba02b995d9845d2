/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_state: what outlives the process keeps its times; a file that isn't wholly good is ignored.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/state.h"

#define NOW 1700000000

static struct shared shared;
static char directory[] = "/tmp/dived-state-XXXXXX", path[64], why[256];

static void renew(void)
{
    dive_record_cache_free(&shared.records);
    dive_memory_free(&shared.policies);
    cr_assert_eq(dive_record_cache_new(&shared.records, 16, NULL), 0);
    cr_assert_eq(dive_memory_new(&shared.policies, 16, NULL), 0);
}

static int load(int64_t now)
{
    renew();
    return state_load(&shared, directory, now, why, sizeof(why));
}

static void saved(void)
{
    struct dive_span txt = dive_span_str("some text");
    struct dive_answer answer = {.security = DIVE_DNS_SECURE, .txt = &txt, .n = 1};

    cr_assert(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/" STATE_FILE, directory);
    renew();
    cr_assert_eq(dive_record_cache_put(shared.records, "_dive.a", &answer, NOW, 100), 0);
    cr_assert_eq(dive_record_cache_put(shared.records, "_dive.b", &answer, NOW, 0), 0);
    cr_assert_eq(dive_memory_put(shared.policies, "a.example", "a.example", 1, NOW), 0);
    cr_assert_eq(state_save(&shared, directory, NOW, why, sizeof(why)), 0, "%s", why);
}

static void done(void)
{
    unlink(path);
    rmdir(directory);
    dive_record_cache_free(&shared.records);
    dive_memory_free(&shared.policies);
}

Test(state, keeps_what_is_left_of_the_lifetimes)
{
    struct dive_record *record;
    struct stat st;

    saved();
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(load(NOW + 60), 0, "%s", why);
    cr_assert_eq(dive_record_cache_entries(shared.records), 1);
    record = dive_record_cache_get(shared.records, "_dive.a", NOW + 60);
    cr_assert(record);
    cr_assert_eq(record->answer.ttl, 40);
    cr_assert_eq(record->stored, NOW);
    cr_assert(dive_span_eq(record->answer.txt[0], "some text"));
    dive_record_free(&record);
    cr_assert(dive_memory_get(shared.policies, "a.example", NOW + 60, 60, NULL, NULL));
    cr_assert_not(dive_memory_get(shared.policies, "a.example", NOW + 61, 60, NULL, NULL));
    cr_assert_eq(load(NOW + 100), 0);
    cr_assert_eq(dive_record_cache_entries(shared.records), 0, "expired");
    cr_assert_eq(load(NOW - 1), 0);
    cr_assert_eq(dive_record_cache_entries(shared.records), 0, "from the future");
    cr_assert_eq(dive_memory_entries(shared.policies), 1);
    done();
}

Test(state, a_damaged_or_foreign_file_is_ignored_whole)
{
    struct stat st;
    FILE *f;

    saved();
    cr_assert_eq(stat(path, &st), 0);
    for (long at = 0; at < st.st_size; at++) {
        int c;

        f = fopen(path, "r+");
        fseek(f, at, SEEK_SET);
        c = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(c ^ 1, f);
        fclose(f);
        cr_assert_lt(load(NOW), 0, "byte %ld", at);
        cr_assert_eq(dive_memory_entries(shared.policies), 0);
        cr_assert_eq(dive_record_cache_entries(shared.records), 0);
        f = fopen(path, "r+");
        fseek(f, at, SEEK_SET);
        fputc(c, f);
        fclose(f);
    }
    cr_assert_eq(load(NOW), 0);
    chmod(path, 0620);
    cr_assert_eq(load(NOW), DIVE_E_STATE);
    chmod(path, 0600);
    cr_assert_eq(truncate(path, st.st_size - 1), 0);
    cr_assert_lt(load(NOW), 0);
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(load(NOW), DIVE_E_LIMIT);
    unlink(path);
    cr_assert_eq(load(NOW), DIVE_E_NOT_FOUND);
    done();
}

Test(state, an_unwritable_place_is_told)
{
    renew();
    cr_assert_eq(state_save(&shared, "/proc/nowhere", NOW, why, sizeof(why)), DIVE_E_STATE);
    cr_assert(why[0] != '\0');
    dive_record_cache_free(&shared.records);
    dive_memory_free(&shared.policies);
}
