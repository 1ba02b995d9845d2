/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The store of a process that is killed again and again while it stores, replaces, updates and
 * drops: what comes back afterwards is whole, and nothing but whole files is found.
 *
 * STORE_CRASHES=1000 makes it a long run.
 */
#include <signal.h>
#include <sys/wait.h>

#include "tests/daemon/store_lab.h"

#define CRASHES 100
#define URLS 60u

static struct lab lab;
static uint64_t random_state;

static void setup(void)
{
    lab_start(&lab);
    lab.options.max_size = 8 << 20; /* so that it evicts too */
    lab.options.object_max = 1 << 20;
    lab.options.memory = 1 << 20;
}

static void teardown(void)
{
    lab_end(&lab);
}

TestSuite(store_crash, .init = setup, .fini = teardown, .timeout = 3600);

static unsigned any(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % n;
}

static struct lab_item any_item(void)
{
    static const size_t sizes[] = {0, 10, 5000, 60000, 70000, 300000};
    struct lab_item item = {.n = any(URLS), .seed = any(40), .size = sizes[any(6)]};

    item.key_id = any(2) ? "key" : NULL;
    item.in_file = item.size > STORE_INLINE && any(2);
    return item;
}

/* Whether all that can be had is right; what isn't known to be whole is checked, and has to be. */
static bool all_is_right(unsigned *found)
{
    for (unsigned n = 0; n < URLS; n++) {
        struct object *object = lab_find(&lab, n, 0);
        bool ok = object == NULL || (lab_is_right(object) && lab_check(object));

        *found += object != NULL;
        if (ok && object != NULL && any(2) == 0)
            object_set_checked(object);
        object_unref(&object);
        if (!ok)
            return false;
    }
    return true;
}

static void update(struct object *object)
{
    struct object_meta meta;

    if (object_meta_copy(&meta, object_meta(object)) == 0)
        (void)!store_update(lab.store, object, &meta, NULL);
}

/* Until it is killed. What it finds wrong is its exit status. */
static void work(void)
{
    unsigned found = 0;

    lab_open(&lab);
    if (any(4) == 0 && !all_is_right(&found))
        _exit(3);
    for (;;) {
        struct lab_item item = any_item();
        struct object *object;
        struct store_key key = lab_key(item.n);

        switch (any(8)) {
        case 0:
            (void)store_purge(lab.store, &key);
            break;
        case 1:
        case 2:
            object = lab_find(&lab, item.n, 0);
            if (object != NULL && !lab_is_right(object))
                _exit(4);
            if (object != NULL)
                update(object);
            object_unref(&object);
            break;
        default:
            if (item.in_file && !store_takes_files(lab.store))
                break;
            (void)!lab_put_object(&lab, &item, NULL);
        }
        if (any(20) == 0)
            lab_pause();
    }
}

static void crash_once(void)
{
    const struct timespec pause = {.tv_nsec = (long)any(40000) * 1000};
    pid_t child = fork();
    int status;

    if (child == 0)
        work();
    cr_assert_gt(child, 0);
    nanosleep(&pause, NULL);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "the child found something wrong: %d", WEXITSTATUS(status));
}

Test(store_crash, killed_again_and_again)
{
    const char *text = getenv("STORE_CRASHES");
    unsigned crashes = text != NULL ? (unsigned)atoi(text) : CRASHES, found = 0;

    random_state = (uint64_t)getpid() << 20 ^ (uint64_t)time(NULL);
    fprintf(stderr, "store_crash: %u times, from state %llu\n", crashes,
            (unsigned long long)random_state);
    for (unsigned i = 0; i < crashes; i++) {
        (void)any(2); /* the child goes on from another state each time */
        crash_once();
        if (any(3) == 0)
            continue; /* killed again without an end in order between */
        lab_open(&lab);
        cr_assert(lab_stats(&lab).disk_usable);
        cr_assert(all_is_right(&found), "after %u crashes", i + 1);
        lab_settle(&lab);
        cr_assert(all_is_right(&found), "after %u crashes, indexed", i + 1);
        cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0, "no torn file is left");
        cr_assert_leq((uint64_t)lab_files(&lab, "c").size + (uint64_t)lab_files(&lab, "o").size,
                      lab.options.max_size);
        store_free(&lab.store);
    }
    cr_assert_gt(found, 0, "something was stored at all");
}
