/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The store and what can happen to its directory: damage to every byte of it, files of others, none
 * at all, no room, no permission, no descriptors. Nothing wrong is ever returned as right.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

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

TestSuite(store_disk, .init = setup, .fini = teardown, .timeout = 120);

static const struct lab_item small = {.n = 1, .seed = 1, .size = 50, .key_id = "key"};
static const struct lab_item large = {.n = 2, .seed = 2, .size = 100000};
static const struct lab_item covered = {.n = 3, .seed = 3, .size = 100000, .key_id = "key"};

static void path_in(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", lab.directory, name);
}

static void make_file(const char *name, const char *text)
{
    char path[192];
    int fd;

    path_in(path, sizeof(path), name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static bool exists(const char *name)
{
    char path[192];
    struct stat st;

    path_in(path, sizeof(path), name);
    return lstat(path, &st) == 0;
}

static void without_memory(void)
{
    store_free(&lab.store);
    lab.options.memory = 0;
    lab_open(&lab);
}

/* ---- damage ---- */

Test(store_disk, every_byte_of_an_object_file)
{
    uint64_t dropped = 0;

    without_memory();
    lab_put(&lab, small);
    lab_settle(&lab);
    for (off_t at = 0; at < lab_files(&lab, "o").size; at++) {
        lab_flip(lab_files(&lab, "o").path, at);
        lab_expect_none(&lab, small.n);
        cr_assert_eq(lab_stats(&lab).dropped_corrupt, ++dropped, "byte %ld", (long)at);
        cr_assert_eq(lab_files(&lab, "o").n, 0);
        lab_put(&lab, small);
        lab_settle(&lab);
        lab_expect(&lab, small);
    }
    cr_assert_gt(dropped, 300);
}

Test(store_disk, an_object_file_cut_anywhere_or_longer)
{
    off_t size;

    without_memory();
    lab_put(&lab, small);
    lab_settle(&lab);
    size = lab_files(&lab, "o").size;
    for (off_t n = 0; n <= size + 1; n++) {
        if (n == size)
            continue;
        cr_assert_eq(truncate(lab_files(&lab, "o").path, n), 0);
        lab_expect_none(&lab, small.n);
        lab_put(&lab, small);
        lab_settle(&lab);
    }
    lab_expect(&lab, small);
}

/* What the user of an object does with one that the store doesn't vouch for. */
static void use_and_expect(const struct lab_item *item, bool intact)
{
    struct object *object = lab_find(&lab, item->n, 0);

    cr_assert_not_null(object);
    cr_assert_not(object_is_checked(object));
    cr_assert_eq(lab_check(object), intact);
    cr_assert_eq(lab_is_right(object), intact);
    if (intact)
        object_set_checked(object);
    else
        store_drop(lab.store, object, "a test");
    object_unref(&object);
}

Test(store_disk, a_byte_of_a_content_file)
{
    for (int i = 0; i < 6; i++) {
        const struct lab_item *item = i % 2 == 0 ? &large : &covered;

        lab_put(&lab, *item);
        lab_settle(&lab);
        store_free(&lab.store);
        lab_flip(lab_files(&lab, "c").path, i < 2 ? 0 : i < 4 ? 99999 : 50000);
        lab_open(&lab); /* the index knows how the file looked */
        use_and_expect(item, false);
        lab_expect_none(&lab, item->n);
        lab_settle(&lab);
        cr_assert_eq(lab_files(&lab, "c").n + lab_files(&lab, "o").n, 0);
    }
}

Test(store_disk, content_that_is_shorter_or_gone)
{
    for (int i = 0; i < 4; i++) {
        const struct lab_item *item = i % 2 == 0 ? &large : &covered;

        lab_put(&lab, *item);
        lab_settle(&lab);
        lab_restart(&lab, i < 2);
        lab_settle(&lab);
        if (i < 2)
            cr_assert_eq(truncate(lab_files(&lab, "c").path, 99999), 0);
        else
            cr_assert_eq(unlink(lab_files(&lab, "c").path), 0);
        lab_expect_none(&lab, item->n);
        cr_assert_eq(lab_stats(&lab).dropped_corrupt, 1);
        lab_settle(&lab);
        cr_assert_eq(lab_files(&lab, "c").n + lab_files(&lab, "o").n, 0);
    }
}

/* A file that a crash left, or that was damaged, doesn't take the place of what arrived whole. */
Test(store_disk, damaged_content_is_mended_by_the_same_content)
{
    struct lab_item again = covered;

    again.n = 33;
    for (int i = 0; i < 3; i++) {
        struct object *object;

        lab_put(&lab, covered);
        lab_settle(&lab);
        store_free(&lab.store);
        lab_flip(lab_files(&lab, "c").path, 7);
        if (i > 0)
            lab_forget_index(&lab);
        lab_open(&lab);
        if (i != 2)
            lab_settle(&lab);
        object = lab_find(&lab, covered.n, 0); /* it is seen not to be the one that it was */
        cr_assert_not(object_is_checked(object));
        object_unref(&object);
        lab_put(&lab, again);
        lab_settle(&lab);
        cr_assert_eq(lab_files(&lab, "c").n, 1);
        lab_restart(&lab, true);
        lab_expect(&lab, again);
        lab_expect(&lab, covered);
        object = lab_find(&lab, again.n, 0);
        cr_assert(object_is_checked(object));
        object_unref(&object);
    }
}

Test(store_disk, an_object_under_the_name_of_another)
{
    char from[160], to[200];
    struct store_key key = lab_key(77);

    without_memory();
    lab_put(&lab, small);
    lab_settle(&lab);
    store_free(&lab.store);
    lab_forget_index(&lab);
    snprintf(from, sizeof(from), "%s", lab_files(&lab, "o").path);
    snprintf(to, sizeof(to), "%s/o/%02x/", lab.directory, key.bytes[0]);
    for (size_t i = 0; i < sizeof(key.bytes); i++)
        snprintf(to + strlen(to), 3, "%02x", key.bytes[i]);
    strcat(to, "-0000000000000000");
    cr_assert_eq(rename(from, to), 0, "%s", strerror(errno));
    lab_open(&lab);
    lab_expect_none(&lab, 77);
    lab_settle(&lab);
    lab_expect_none(&lab, 77);
    cr_assert_eq(lab_files(&lab, "o").n, 0);
}

Test(store_disk, every_byte_of_the_index)
{
    char path[128];
    struct stat st;

    path_in(path, sizeof(path), "index");
    lab_put(&lab, small);
    lab_put(&lab, large);
    lab_put(&lab, covered);
    lab_settle(&lab);
    store_free(&lab.store);
    for (off_t at = 0;; at += 7) {
        cr_assert_eq(stat(path, &st), 0);
        if (at >= st.st_size)
            break;
        lab_flip(path, at);
        lab_open(&lab);
        lab_expect(&lab, small);
        lab_expect(&lab, large);
        lab_expect(&lab, covered);
        lab_settle(&lab);
        cr_assert_eq(lab_stats(&lab).objects, 3);
        cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0);
        store_free(&lab.store);
    }
    for (off_t n = 0; n < st.st_size; n += 11) {
        cr_assert_eq(truncate(path, n), 0);
        lab_open(&lab);
        lab_settle(&lab);
        cr_assert_eq(lab_stats(&lab).objects, 3);
        store_free(&lab.store);
    }
    lab_open(&lab);
}

Test(store_disk, an_index_of_files_that_are_gone)
{
    char command[400];

    lab_put(&lab, small);
    lab_put(&lab, large);
    store_free(&lab.store);
    snprintf(command, sizeof(command), "rm -f %s/o/*/* %s/c/*/*", lab.directory, lab.directory);
    cr_assert_eq(system(command), 0);
    lab_open(&lab);
    lab_expect_none(&lab, small.n);
    lab_expect_none(&lab, large.n);
    cr_assert_eq(lab_stats(&lab).objects, 0);
    cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0);
    lab_settle(&lab);
}

/* ---- what isn't ours ---- */

Test(store_disk, files_of_others_in_our_folders)
{
    char path[192], long_name[128];

    lab_put(&lab, small);
    lab_put(&lab, large);
    lab_settle(&lab);
    store_free(&lab.store);
    make_file("o/00/README", "hello");
    make_file("o/00/0123456789abcdef0123456789abcdef-0000000000000000", "another folder's");
    make_file("o/01/0123456789abcdef0123456789abcdef-0000000000000000", "not an object");
    make_file("o/01/0123456789ABCDEF0123456789abcdef-0000000000000000", "capitals");
    make_file("c/00/README", "hello");
    snprintf(long_name, sizeof(long_name), "c/11/0011%062d", 5);
    make_file(long_name, "content of nothing");
    make_file("t/17", "from a crash");
    path_in(path, sizeof(path), "o/02/02000000000000000000000000000000-0000000000000000");
    cr_assert_eq(mkfifo(path, 0600), 0);
    path_in(path, sizeof(path), "o/03/03000000000000000000000000000000-0000000000000000");
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    lab_open(&lab);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "o").n, 2);
    cr_assert_eq(lab_files(&lab, "c").n, 1);
    cr_assert_eq(lab_files(&lab, "t").n, 0);
    cr_assert_eq(lab_stats(&lab).dropped_corrupt, 7);
    cr_assert_eq(lab_stats(&lab).objects, 2);
    lab_expect(&lab, small);
    lab_expect(&lab, large);
}

Test(store_disk, content_without_an_object)
{
    struct lab_files files;

    lab_put(&lab, large);
    lab_settle(&lab);
    store_free(&lab.store);
    cr_assert_eq(unlink(lab_files(&lab, "o").path), 0);
    lab_forget_index(&lab);
    lab_open(&lab);
    lab_settle(&lab);
    files = lab_files(&lab, "c");
    cr_assert_eq(files.n, 0, "%s", files.path);
}

Test(store_disk, the_directory_of_somebody_else)
{
    char command[400];

    store_free(&lab.store);
    snprintf(command, sizeof(command), "rm -r %s && mkdir -p %s/o/00 && touch %s/o/00/mine",
             lab.directory, lab.directory, lab.directory);
    cr_assert_eq(system(command), 0);
    lab_open(&lab);
    cr_assert_not(lab_stats(&lab).disk_usable);
    cr_assert_not(store_takes_files(lab.store));
    lab_put(&lab, small);
    lab_expect(&lab, small);
    store_free(&lab.store);
    cr_assert(exists("o/00/mine"));
    cr_assert_not(exists("c") || exists("t") || exists("dived-cache") || exists("index"));
    lab_open(&lab);
}

Test(store_disk, a_directory_of_another_format)
{
    char path[128];
    int fd;

    lab_put(&lab, small);
    store_free(&lab.store);
    path_in(path, sizeof(path), "dived-cache");
    fd = open(path, O_WRONLY | O_TRUNC);
    cr_assert_eq(write(fd, "dived cache 99\n", 15), 15);
    close(fd);
    lab_open(&lab);
    cr_assert_not(lab_stats(&lab).disk_usable);
    lab_expect_none(&lab, small.n);
    cr_assert_eq(lab_files(&lab, "o").n, 1, "not touched");
    store_free(&lab.store);
    cr_assert_eq(truncate(path, 0), 0); /* killed while it was made */
    lab_open(&lab);
    lab_expect(&lab, small);
}

Test(store_disk, two_stores_on_one_directory)
{
    struct store *second;
    struct store_stats stats;

    cr_assert_eq(store_new(&second, &lab.options), 0);
    store_stats(second, &stats);
    cr_assert_not(stats.disk_usable);
    cr_assert(lab_stats(&lab).disk_usable);
    lab_put(&lab, small);
    lab_settle(&lab);
    store_free(&second);
    cr_assert_eq(lab_files(&lab, "o").n, 1);
    cr_assert_not(exists("index"));
    lab_expect(&lab, small);
}

Test(store_disk, modes)
{
    char path[128];
    struct stat st;

    lab_put(&lab, small);
    lab_put(&lab, large);
    lab_settle(&lab);
    for (int i = 0; i < 5; i++) {
        static const char *const folders[] = {"", "o", "c", "t", "o/7f"};

        path_in(path, sizeof(path), folders[i]);
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0700, "%s", path);
    }
    cr_assert_eq(stat(lab_files(&lab, "o").path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(stat(lab_files(&lab, "c").path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
}

/* ---- no room, no directory, no descriptors ---- */

Test(store_disk, files_that_may_not_grow)
{
    struct rlimit limit, old;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    limit = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    lab_put(&lab, large);
    lab_put(&lab, (struct lab_item){.n = 10, .seed = 10, .size = 30000});
    lab_put(&lab, small);
    lab_settle(&lab);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    cr_assert_eq(lab_stats(&lab).write_errors, 2);
    cr_assert(lab_stats(&lab).disk_usable);
    cr_assert_eq(lab_files(&lab, "o").n, 1);
    cr_assert_eq(lab_files(&lab, "c").n + lab_files(&lab, "t").n, 0);
    lab_expect(&lab, large); /* from memory */
    lab_expect(&lab, small);
    lab_put(&lab, large);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "o").n, 2);
}

/* A file system of its own, of so many bytes; false: not possible here. */
static bool mount_small(const char *bytes)
{
    char options[64];

    snprintf(options, sizeof(options), "size=%s,mode=0700", bytes);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    store_free(&lab.store);
    if (mount("none", lab.directory, "tmpfs", 0, options) != 0)
        return false;
    lab_open(&lab);
    return true;
}

Test(store_disk, a_full_disk)
{
    struct lab_item item = {.size = 200000};

    if (!mount_small("4m")) {
        fprintf(stderr, "store_disk: a_full_disk: SKIPPED, it takes a mount (root)\n");
        return;
    }
    for (item.n = item.seed = 0; item.n < 60; item.n++, item.seed++) {
        item.size = item.n % 2 == 0 ? 200000 : 20000;
        lab_put(&lab, item);
        lab_settle(&lab);
    }
    cr_assert_gt(lab_stats(&lab).evicted, 0, "room is made");
    cr_assert_eq(lab_stats(&lab).write_errors, 0);
    cr_assert_gt(lab_files(&lab, "o").n, 10);
    lab_restart(&lab, false);
    for (item.n = item.seed = 0; item.n < 60; item.n++, item.seed++) {
        struct object *object = lab_find(&lab, item.n, 0);

        cr_assert(object == NULL || (lab_is_right(object) && lab_check(object)));
        object_unref(&object);
    }
    cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0);
    store_free(&lab.store);
    cr_assert_eq(umount(lab.directory), 0, "%s", strerror(errno));
    lab_open(&lab);
}

Test(store_disk, a_disk_that_others_have_filled)
{
    struct lab_item item = {.size = 300000};
    char path[128];
    static const char block[4096];
    int fd;

    if (!mount_small("8m")) {
        fprintf(stderr, "store_disk: a_disk_that_others_have_filled: SKIPPED (root)\n");
        return;
    }
    for (item.n = item.seed = 0; item.n < 5; item.n++, item.seed++)
        lab_put(&lab, item);
    lab_settle(&lab);
    path_in(path, sizeof(path), "dived-cache"); /* by a name that is ours, to be there at all */
    fd = open(path, O_WRONLY | O_APPEND);
    while (write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
        continue;
    for (; item.n < 40; item.n++, item.seed++) {
        item.size = 3000000; /* never fits */
        lab_put(&lab, item);
        lab_settle(&lab);
    }
    cr_assert_geq(lab_stats(&lab).write_errors + lab_stats(&lab).writes_skipped, 35);
    cr_assert_leq(lab_stats(&lab).evicted, 5 + 40, "it isn't emptied again and again");
    cr_assert_eq(lab_files(&lab, "t").n, 0);
    close(fd);
    store_free(&lab.store);
    cr_assert_eq(umount(lab.directory), 0, "%s", strerror(errno));
    lab_open(&lab);
}

static void look_again(void)
{
    pthread_mutex_lock(&lab.store->lock);
    lab.store->retry_at = 0;
    pthread_mutex_unlock(&lab.store->lock);
    for (int i = 0; !lab_stats(&lab).disk_usable; i++) {
        cr_assert(i < 10000, "it doesn't find its directory");
        lab_pause();
    }
}

Test(store_disk, the_directory_vanishes)
{
    char command[400];

    lab_put(&lab, small);
    lab_settle(&lab);
    snprintf(command, sizeof(command), "rm -r %s", lab.directory);
    cr_assert_eq(system(command), 0);
    lab_put(&lab, large);
    lab_settle(&lab);
    cr_assert_not(lab_stats(&lab).disk_usable);
    cr_assert_not(store_takes_files(lab.store));
    cr_assert_eq(store_temporary(lab.store), -1);
    lab_expect(&lab, small);
    lab_expect(&lab, large);
    look_again();
    lab_put(&lab, covered);
    lab_settle(&lab);
    cr_assert_eq(lab_files(&lab, "o").n, 1);
    lab_restart(&lab, true);
    lab_expect(&lab, covered);
    lab_expect_none(&lab, small.n);
}

Test(store_disk, the_directory_is_moved_away_and_back)
{
    char aside[100];

    snprintf(aside, sizeof(aside), "%s/aside", lab.top);
    lab_put(&lab, small);
    lab_settle(&lab);
    cr_assert_eq(rename(lab.directory, aside), 0);
    lab_put(&lab, large); /* files are still made there: by descriptor */
    lab_settle(&lab);
    pthread_mutex_lock(&lab.store->lock);
    lab.store->disk_usable = false; /* what the first failing write comes to */
    pthread_mutex_unlock(&lab.store->lock);
    cr_assert_eq(rename(aside, lab.directory), 0);
    look_again();
    lab_put(&lab, covered);
    lab_settle(&lab);
    lab_restart(&lab, false);
    lab_expect(&lab, small);
    lab_expect(&lab, large);
    lab_expect(&lab, covered);
}

Test(store_disk, without_descriptors_nothing_is_thrown_away)
{
    struct rlimit old, low;

    lab_put(&lab, small);
    lab_put(&lab, large);
    lab_restart(&lab, true);
    lab_settle(&lab);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    lab_expect_none(&lab, small.n);
    lab_expect_none(&lab, large.n);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    lab_expect(&lab, small);
    lab_expect(&lab, large);
    cr_assert_eq(lab_stats(&lab).dropped_corrupt, 0);
}

Test(store_disk, a_parent_that_is_missing)
{
    char directory[128];

    store_free(&lab.store);
    snprintf(directory, sizeof(directory), "%s/no/such", lab.top);
    lab.options.directory = directory;
    lab_open(&lab);
    cr_assert_not(lab_stats(&lab).disk_usable);
    lab_put(&lab, small);
    lab_expect(&lab, small);
    directory[strlen(directory) - strlen("/such")] = '\0';
    cr_assert_eq(mkdir(directory, 0700), 0);
    strcat(directory, "/such");
    look_again();
    lab_put(&lab, large);
    lab_settle(&lab);
    lab_restart(&lab, true);
    lab_expect(&lab, large);
}
