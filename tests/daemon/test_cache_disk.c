/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_cache_disk: the store's directory takes nothing for its own that isn't, and follows nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>

#include "cache/disk.h"
#include "tests/daemon/cache_store_lab.h"

static char dir[64], path[160];
static struct disk *disk;

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_dir(name), "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static int remove_one(const char *name, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(name);
}

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/dived-disk.XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    disk_close(&disk);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(unsigned n, const char *text)
{
    struct store_key key = lab_key(n);
    struct disk_stage stage;

    cr_assert_eq(disk_stage(disk, text, strlen(text), &stage), 0);
    cr_assert_eq(disk_commit_object(disk, &stage, &key, 0), 0);
}

static int get(unsigned n)
{
    struct store_key key = lab_key(n);
    char *bytes;
    size_t size;
    int error = disk_read_object(disk, &key, 0, &bytes, &size);

    free(bytes);
    return error;
}

static bool count(void *arg, const struct store_key *key, uint64_t variant)
{
    (void)key, (void)variant;
    ++*(unsigned *)arg;
    return true;
}

TestSuite(cache_disk, .init = setup, .fini = teardown);

Test(cache_disk, is_made_for_us_alone)
{
    struct stat st;

    cr_assert_eq(disk_open(&disk, in_dir("new")), 0);
    cr_assert(stat(in_dir("new"), &st) == 0 && (st.st_mode & 0777) == 0700);
    cr_assert(stat(in_dir("new/dived-cache"), &st) == 0 && (st.st_mode & 0777) == 0600);
    cr_assert(stat(in_dir("new/o/ff"), &st) == 0 && (st.st_mode & 0777) == 0700);
    put(0, "x");
    cr_assert(stat(in_dir("new/o/00/00000000000000000000000000000000-0000000000000000"), &st) == 0);
    cr_assert_eq(st.st_mode & 0777, 0600u);
    cr_assert(disk_is_there(disk));
    rename(in_dir("new"), strcat(strcpy((char[200]){0}, dir), "/old"));
    cr_assert_not(disk_is_there(disk));
}

Test(cache_disk, its_parent_must_be_there)
{
    cr_assert_eq(disk_open(&disk, in_dir("a/b")), ENOENT);
    cr_assert_null(disk);
}

Test(cache_disk, one_of_somebody_elses)
{
    write_file("letter", "to grandma");
    cr_assert_eq(disk_open(&disk, dir), EEXIST);
    cr_assert_eq(access(in_dir("letter"), F_OK), 0);
    cr_assert_eq(access(in_dir("dived-cache"), F_OK), -1);
    unlink(in_dir("letter"));
    cr_assert_eq(mkdir(in_dir("lost+found"), 0700), 0);
    cr_assert_eq(disk_open(&disk, dir), 0, "a file system of its own");
}

Test(cache_disk, marker)
{
    write_file("dived-cache", "");
    cr_assert_eq(disk_open(&disk, dir), 0, "killed before it was written");
    disk_close(&disk);
    cr_assert_eq(disk_open(&disk, dir), 0);
    disk_close(&disk);
    write_file("dived-cache", "dived cache 2\n");
    cr_assert_eq(disk_open(&disk, dir), EEXIST);
    unlink(in_dir("dived-cache"));
    cr_assert_eq(symlink("/etc/passwd", in_dir("dived-cache")), 0);
    cr_assert_eq(disk_open(&disk, dir), ELOOP);
}

Test(cache_disk, two_do_not_share_it)
{
    struct disk *other;

    cr_assert_eq(disk_open(&disk, dir), 0);
    cr_assert_eq(disk_open(&other, dir), EWOULDBLOCK);
    cr_assert_null(other);
    disk_close(&disk);
    cr_assert_eq(disk_open(&disk, dir), 0);
}

Test(cache_disk, links_are_not_followed)
{
    static const uint8_t name[CONTENT_NAME] = {0};
    static const char object[] = "o/00/00000000000000000000000000000000-0000000000000000";
    char content[] = "c/00/000000000000000000000000000000000000000000000000000000000000000000";
    struct stat st;
    char *bytes;
    size_t n;
    int fd;

    cr_assert_eq(disk_open(&disk, dir), 0);
    cr_assert_eq(symlink("/etc/passwd", in_dir(object)), 0);
    cr_assert_eq(get(0), EFBIG);
    put(0, "x"); /* the link is replaced, not what it points to */
    cr_assert_eq(get(0), 0);
    cr_assert_eq(symlink("/etc/passwd", in_dir(content)), 0);
    cr_assert_eq(disk_open_content(disk, name, &fd, &st), EFBIG);
    cr_assert_eq(fd, -1);
    cr_assert_eq(disk_remove_content(disk, name), 0);
    cr_assert_eq(mkfifo(in_dir(content), 0600), 0);
    cr_assert_neq(disk_open_content(disk, name, &fd, &st), 0, "a pipe, without waiting");
    cr_assert_eq(symlink("/etc/passwd", in_dir("index")), 0);
    cr_assert_eq(disk_take_index(disk, &bytes, &n), ELOOP);
    disk_close(&disk);
    nftw(in_dir("t"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    cr_assert_eq(symlink("/tmp", in_dir("t")), 0);
    cr_assert_neq(disk_open(&disk, dir), 0, "nor is a folder's");
    cr_assert_eq(access("/etc/passwd", F_OK), 0);
}

Test(cache_disk, foreign_names_are_removed)
{
    unsigned found = 0, removed = 0;

    cr_assert_eq(disk_open(&disk, dir), 0);
    put(0, "x");
    write_file("o/00/readme", "");
    write_file("o/00/.hidden", "");
    write_file("o/00/00000000000000000000000000000000-000000000000000", "short");
    write_file("o/00/0000000000000000000000000000000A-0000000000000000", "upper case");
    write_file("o/00/01000000000000000000000000000000-0000000000000000", "in another's folder");
    cr_assert_eq(mkdir(in_dir("o/00/folder"), 0700), 0);
    cr_assert_eq(disk_each_object(disk, 0, count, &found, &removed), 0);
    cr_assert_eq(found, 1u);
    cr_assert_eq(removed, 5u);
    cr_assert_eq(access(in_dir("o/00/folder"), F_OK), 0, "a folder stays");
}

Test(cache_disk, the_index_is_taken_once)
{
    char *bytes;
    size_t n;

    cr_assert_eq(disk_open(&disk, dir), 0);
    cr_assert_eq(disk_take_index(disk, &bytes, &n), ENOENT);
    cr_assert_eq(disk_write_index(disk, "abc", 3), 0);
    cr_assert_eq(disk_take_index(disk, &bytes, &n), 0);
    cr_assert(n == 3 && memcmp(bytes, "abc", 3) == 0);
    free(bytes);
    cr_assert_eq(disk_take_index(disk, &bytes, &n), ENOENT);
}

Test(cache_disk, what_was_on_its_way_is_gone_at_the_next_start)
{
    struct disk_stage stage;

    cr_assert_eq(disk_open(&disk, dir), 0);
    cr_assert_eq(disk_stage(disk, "x", 1, &stage), 0);
    cr_assert_eq(access(in_dir("t/0"), F_OK), 0);
    disk_close(&disk);
    cr_assert_eq(disk_open(&disk, dir), 0);
    cr_assert_eq(access(in_dir("t/0"), F_OK), -1);
}
