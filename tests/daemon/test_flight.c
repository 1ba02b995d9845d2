/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_flight: who leads and who follows, what followers see and when they are woken, and a reader
 * on another thread that must see every byte in order while the leader writes.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/flight.h"
#include "exchange/source.h"

static struct flights *flights;
static struct hold_account account;
static struct hold_limits limits = {.memory = 64 * 1024, .max_size = 1u << 30, .directory = "/tmp"};
static const struct store_key key = {{1, 2, 3}}, other_key = {{9}};
static _Atomic unsigned woken;

static void on_wake(struct flight_waiter *waiter)
{
    atomic_fetch_add(&woken, 1);
}

static void setup(void)
{
    cr_assert_eq(flights_new(&flights), 0);
    hold_account_init(&account, UINT64_C(1) << 40);
    atomic_store(&woken, 0);
}

static void teardown(void)
{
    flights_free(&flights);
    cr_assert_eq(hold_account_bytes(&account), 0u);
}

TestSuite(flight, .init = setup, .fini = teardown);

static struct object_meta a_meta(void)
{
    return (struct object_meta){
        .key = key, .url = strdup("https://a.example/"), .vary = strdup("")};
}

static struct hold *a_hold(void)
{
    struct hold *hold;

    cr_assert_eq(hold_new(&hold, &account, &limits, HOLD_SIZE_UNKNOWN), HOLD_OK);
    return hold;
}

Test(flight, the_first_leads_and_others_follow)
{
    struct flight_waiter waiter = {.wake = on_wake};
    struct flight *leader, *follower, *elsewhere;

    cr_assert_eq(flights_join(flights, &key, &waiter, &leader), FLIGHT_LEAD);
    cr_assert_eq(flights_join(flights, &key, &waiter, &follower), FLIGHT_FOLLOW);
    cr_assert_eq(leader, follower);
    cr_assert_eq(flight_followers(leader), 1u);
    cr_assert_eq(flights_join(flights, &other_key, &waiter, &elsewhere), FLIGHT_LEAD);
    flight_release(elsewhere);
    flight_leave(&elsewhere, NULL);
    flight_leave(&follower, &waiter);
    cr_assert_null(follower);
    cr_assert_eq(flight_followers(leader), 0u);
    flight_done(leader, NULL);
    cr_assert(flight_has_ended(leader));
    flight_leave(&leader, NULL);
    /* It has ended: the next one leads again. */
    cr_assert_eq(flights_join(flights, &key, &waiter, &leader), FLIGHT_LEAD);
    flight_release(leader);
    flight_leave(&leader, NULL);
}

Test(flight, a_follower_is_woken_once_a_look)
{
    struct flight_failure failure = {.status = 502, .error_type = "connection_refused"};
    struct flight_waiter waiter = {.wake = on_wake};
    struct object_meta meta = a_meta();
    struct flight *leader, *follower;
    struct hold *hold = a_hold();
    struct flight_view view;

    cr_assert_eq(flights_join(flights, &key, NULL, &leader), FLIGHT_LEAD);
    cr_assert_eq(flights_join(flights, &key, &waiter, &follower), FLIGHT_FOLLOW);
    flight_look(follower, &waiter, &view);
    cr_assert_eq(view.state, FLIGHT_PENDING);
    cr_assert_null(view.meta);
    flight_set_head(leader, &meta, &hold);
    cr_assert_null(meta.url, "it was taken over");
    cr_assert_null(hold);
    cr_assert_eq(woken, 1u);
    flight_progress(leader);
    cr_assert_eq(woken, 1u, "it hasn't looked again");
    flight_look(follower, NULL, &view);
    cr_assert_eq(view.state, FLIGHT_STREAMING);
    cr_assert_str_eq(view.meta->url, "https://a.example/");
    cr_assert_not(flight_is_awaited(leader));
    flight_look(follower, &waiter, &view);
    cr_assert(flight_is_awaited(leader));
    flight_fail(leader, &failure);
    cr_assert_eq(woken, 2u);
    flight_look(follower, NULL, &view);
    cr_assert_eq(view.state, FLIGHT_FAILED);
    cr_assert_eq(view.failure->status, 502);
    flight_leave(&leader, NULL);
    flight_leave(&follower, &waiter);
}

Test(flight, what_is_held_has_a_head_and_no_content)
{
    struct flight_waiter waiter = {.wake = on_wake};
    struct object_meta meta = a_meta();
    struct flight *leader, *follower;
    struct flight_view view;

    cr_assert_eq(flights_join(flights, &key, NULL, &leader), FLIGHT_LEAD);
    cr_assert_eq(flights_join(flights, &key, &waiter, &follower), FLIGHT_FOLLOW);
    flight_set_head(leader, &meta, NULL);
    flight_look(follower, NULL, &view);
    cr_assert_eq(view.state, FLIGHT_HELD);
    cr_assert_eq(view.published, 0u);
    cr_assert_null(flight_hold(leader));
    flight_done(leader, NULL);
    flight_leave(&leader, NULL);
    flight_leave(&follower, &waiter);
}

/* ---- across threads ---- */

#define SHARED_SIZE (3u << 20)

struct reader {
    struct flight *flight;
    struct flight_waiter waiter;
    uint64_t read;
    bool wrong;
};

static unsigned char pattern(uint64_t i)
{
    return (unsigned char)(i % 251 ^ i / 65521);
}

static void *read_along(void *arg)
{
    struct reader *reader = arg;
    struct flight_view view;
    char piece[32768];

    for (;;) {
        flight_look(reader->flight, &reader->waiter, &view);
        if (view.state == FLIGHT_PENDING)
            continue;
        while (reader->read < view.published) {
            struct source source = {
                .hold = flight_hold(reader->flight), .shared = true, .published = view.published};
            uint64_t left = view.published - reader->read;
            size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);

            if (source_read(&source, reader->read, piece, n) != 0)
                reader->wrong = true;
            for (size_t i = 0; i < n && !reader->wrong; i++)
                reader->wrong = (unsigned char)piece[i] != pattern(reader->read + i);
            if (reader->wrong)
                return NULL;
            reader->read += n;
        }
        if (view.state == FLIGHT_DONE)
            return NULL;
    }
}

Test(flight, readers_on_other_threads_see_every_byte, .timeout = 60)
{
    struct reader readers[3] = {0};
    struct object_meta meta = a_meta();
    struct flight *leader;
    pthread_t thread[3];
    struct hold *hold = a_hold();
    uint64_t at = 0;

    cr_assert_eq(flights_join(flights, &key, NULL, &leader), FLIGHT_LEAD);
    for (int i = 0; i < 3; i++) {
        readers[i].waiter.wake = on_wake;
        cr_assert_eq(flights_join(flights, &key, &readers[i].waiter, &readers[i].flight),
                     FLIGHT_FOLLOW);
        cr_assert_eq(pthread_create(&thread[i], NULL, read_along, &readers[i]), 0);
    }
    flight_set_head(leader, &meta, &hold);
    while (at < SHARED_SIZE) {
        void *to;
        size_t n;

        cr_assert_eq(hold_space(flight_hold(leader), &to, &n), HOLD_OK);
        n = n < 7919 ? n : 7919;
        for (size_t i = 0; i < n; i++)
            ((unsigned char *)to)[i] = pattern(at + i);
        cr_assert_eq(hold_commit(flight_hold(leader), n), HOLD_OK);
        at += n;
        if (at % 3 == 0)
            cr_assert_eq(hold_publish(flight_hold(leader)), HOLD_OK);
        flight_progress(leader);
    }
    cr_assert_eq(hold_finish(flight_hold(leader)), HOLD_OK);
    flight_done(leader, NULL);
    flight_leave(&leader, NULL);
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        cr_assert_not(readers[i].wrong);
        cr_assert_eq(readers[i].read, at);
        flight_leave(&readers[i].flight, &readers[i].waiter);
    }
}

Test(flight, a_hold_becomes_one_block_or_one_file)
{
    struct hold *hold = a_hold();
    char *block, back[16];
    uint64_t size = 200 * 1024;
    int fd;

    cr_assert_null(hold_copy_memory(hold), "not finished");
    cr_assert_eq(hold_append(hold, "0123456789", 10), HOLD_OK);
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    cr_assert_eq(hold_take_file(hold), -1, "there is none");
    block = hold_copy_memory(hold);
    cr_assert_arr_eq(block, "0123456789", 10);
    free(block);
    hold_free(&hold);
    hold = a_hold();
    for (uint64_t i = 0; i < size; i++)
        cr_assert_eq(hold_append(hold, &(char){(char)pattern(i)}, 1), HOLD_OK);
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    cr_assert_null(hold_copy_memory(hold), "some of it is in the file");
    fd = hold_take_file(hold);
    cr_assert(fd >= 0);
    cr_assert_eq(lseek(fd, 0, SEEK_END), (off_t)size);
    for (uint64_t i = 0; i + sizeof(back) <= size; i += 997) {
        cr_assert_eq(pread(fd, back, sizeof(back), (off_t)i), (ssize_t)sizeof(back));
        for (size_t k = 0; k < sizeof(back); k++)
            cr_assert_eq((unsigned char)back[k], pattern(i + k));
    }
    close(fd);
    hold_free(&hold);
}

Test(flight, a_reservation_is_kept_and_given_back)
{
    struct hold *hold, *greedy;
    size_t n;
    void *to;

    hold_account_set_max(&account, 1000);
    hold = a_hold();
    greedy = a_hold();
    cr_assert_eq(hold_space(hold, &to, &n), HOLD_OK);
    cr_assert_eq(hold_reserve(hold, 1001), HOLD_TOTAL);
    cr_assert_eq(hold_error(hold), HOLD_OK, "nothing is spoilt by asking");
    cr_assert_eq(hold_reserve(hold, 1000), HOLD_OK);
    cr_assert_eq(hold_append(greedy, "x", 1), HOLD_TOTAL);
    cr_assert_eq(hold_commit(hold, 400), HOLD_OK);
    cr_assert_eq(hold_account_bytes(&account), 400u);
    cr_assert_eq(hold_space(hold, &to, &n), HOLD_OK);
    cr_assert_eq(hold_reserve(hold, 600), HOLD_OK);
    cr_assert_eq(hold_commit(hold, 0), HOLD_OK);
    cr_assert_eq(hold_account_bytes(&account), 400u);
    hold_free(&hold);
    hold_free(&greedy);
}
