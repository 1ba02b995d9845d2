/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hold: every boundary one below, at and one above; every error; and the account back at zero.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold/hold.h"
#include "hold/hold_file.h"

#define MEMORY ((size_t)256 * 1024)
#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static char dir[64];
static struct hold_account account;
static struct hold_limits limits;
static struct hold *hold;

static void setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/dived-hold.XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    hold_account_init(&account, 1024 * MIB);
    limits = (struct hold_limits){MEMORY, 1024 * MIB, dir};
}

static void expect_empty_account(void)
{
    cr_assert_eq(hold_account_bytes(&account), 0u);
    cr_assert_eq(atomic_load(&account.memory), 0u);
    cr_assert_eq(atomic_load(&account.file), 0u);
}

static void teardown(void)
{
    hold_free(&hold);
    cr_assert_null(hold);
    expect_empty_account();
    cr_assert_eq(rmdir(dir), 0, "no file has a name: %s", strerror(errno));
}

TestSuite(hold, .init = setup, .fini = teardown);

static void new_hold(void)
{
    cr_assert_eq(hold_new(&hold, &account, &limits, HOLD_SIZE_UNKNOWN), HOLD_OK);
}

/* Byte `i` of every body. No power of two is its period. */
static unsigned char pattern(uint64_t i)
{
    return (unsigned char)(i % 251 ^ i / 65521);
}

/* As from the network: `step` bytes at most in one piece, straight into the hold. */
static enum hold_error fill(size_t n, size_t step)
{
    enum hold_error error = HOLD_OK;
    uint64_t at = hold_size(hold);
    size_t len, i;
    void *ptr;

    while (n > 0 && error == HOLD_OK) {
        error = hold_space(hold, &ptr, &len);
        if (error != HOLD_OK)
            break;
        cr_assert(len >= 1);
        len = len < n ? len : n;
        len = len < step ? len : step;
        for (i = 0; i < len; i++)
            ((unsigned char *)ptr)[i] = pattern(at + i);
        error = hold_commit(hold, len);
        at += len;
        n -= len;
    }
    return error;
}

static void expect_bytes(const void *p, size_t n, uint64_t at)
{
    const unsigned char *bytes = p;
    size_t i;

    for (i = 0; i < n; i++)
        if (bytes[i] != pattern(at + i))
            cr_assert_fail("byte %zu is wrong", (size_t)at + i);
}

/* All of it, by pointer and by descriptor, in order and without a gap. */
static void expect_content(uint64_t n)
{
    uint64_t at = 0, in_file;
    const void *ptr;
    char *copy;
    off_t position;
    size_t len;
    int fd;

    cr_assert_eq(hold_size(hold), n);
    cr_assert_eq(hold_account_bytes(&account), n);
    cr_assert_eq(atomic_load(&account.memory) + atomic_load(&account.file), n);
    while (at < n) {
        hold_peek(hold, at, &ptr, &len);
        hold_file(hold, at, &fd, &position, &in_file);
        cr_assert((len > 0) != (in_file > 0), "one of the two");
        if (len > 0) {
            expect_bytes(ptr, len, at);
            at += len;
        } else {
            copy = malloc(in_file);
            cr_assert_eq(pread(fd, copy, in_file, position), (ssize_t)in_file);
            expect_bytes(copy, in_file, at);
            free(copy);
            at += in_file;
        }
    }
    cr_assert_eq(at, n);
    hold_peek(hold, n, &ptr, &len);
    hold_file(hold, n, &fd, &position, &in_file);
    cr_assert(len == 0 && in_file == 0 && fd == -1);
}

static void expect_read(uint64_t offset, size_t n, size_t wanted)
{
    char *buf = malloc(n ? n : 1);
    size_t got = 999;

    cr_assert_eq(hold_read(hold, offset, buf, n, &got), HOLD_OK);
    cr_assert_eq(got, wanted, "%zu", got);
    expect_bytes(buf, got, offset);
    free(buf);
}

static int open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

Test(hold, empty)
{
    new_hold();
    expect_content(0);
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    expect_content(0);
    expect_read(0, 10, 0);
    cr_assert_eq(hold_append(hold, "", 0), HOLD_STATE, "finished is finished");
}

Test(hold, a_small_body_takes_a_small_chunk)
{
    void *ptr;
    size_t len;

    new_hold();
    cr_assert_eq(hold_space(hold, &ptr, &len), HOLD_OK);
    cr_assert_eq(len, 16 * KIB);
    cr_assert_eq(hold_commit(hold, 0), HOLD_OK);
    expect_content(0);
}

Test(hold, every_boundary_of_chunks_memory_and_staging)
{
    static const size_t memories[] = {0, 1, 16 * KIB, 40000, 64 * KIB, 100000, MEMORY};
    size_t m, b, d, memory, n, bounds[8];

    for (m = 0; m < sizeof memories / sizeof memories[0]; m++) {
        memory = limits.memory = memories[m];
        bounds[0] = 1, bounds[1] = 16 * KIB, bounds[2] = 64 * KIB, bounds[3] = 128 * KIB;
        bounds[4] = memory ? memory : 1;
        bounds[5] = memory + HOLD_STAGING;
        bounds[6] = memory + 2 * HOLD_STAGING;
        bounds[7] = 300 * KIB;
        for (b = 0; b < 8; b++) {
            for (d = 0; d < 3; d++) {
                n = bounds[b] + d - 1;
                new_hold();
                cr_assert_eq(fill(n, 5000 + d), HOLD_OK);
                expect_content(n);
                cr_assert_eq(hold_finish(hold), HOLD_OK);
                cr_assert_eq(hold_finish(hold), HOLD_OK);
                expect_content(n);
                cr_assert_eq(hold_memory_size(hold), n < memory ? n : memory);
                cr_assert_eq(atomic_load(&account.file), n > memory ? n - memory : 0);
                expect_read(0, n + 10, n);
                expect_read(n / 2, 10, n - n / 2 < 10 ? n - n / 2 : 10);
                hold_free(&hold);
                expect_empty_account();
            }
        }
    }
}

Test(hold, append_and_space_mixed_in_all_step_sizes)
{
    static unsigned char body[700 * KIB];
    static const size_t steps[] = {1021, 16 * KIB, 16 * KIB + 1, 99991, 700 * KIB};
    size_t i, at, n;

    for (i = 0; i < sizeof body; i++)
        body[i] = pattern(i);
    for (i = 0; i < 5; i++) {
        new_hold();
        for (at = 0; at < sizeof body; at += n) {
            n = sizeof body - at < steps[i] ? sizeof body - at : steps[i];
            if (at / steps[i] % 2)
                cr_assert_eq(hold_append(hold, body + at, n), HOLD_OK);
            else
                cr_assert_eq(fill(n, SIZE_MAX), HOLD_OK);
        }
        expect_content(sizeof body);
        cr_assert_eq(hold_finish(hold), HOLD_OK);
        expect_content(sizeof body);
        hold_free(&hold);
    }
}

Test(hold, reading_back_across_memory_file_and_staging)
{
    size_t n = MEMORY + HOLD_STAGING + 1000;

    new_hold();
    cr_assert_eq(fill(n, SIZE_MAX), HOLD_OK);
    expect_read(0, n, n);
    expect_read(MEMORY - 1, 2, 2);
    expect_read(MEMORY + HOLD_STAGING - 1, 2, 2);
    expect_read(n - 1, 2, 1);
    expect_read(n, 1, 0);
    expect_read(n + 1, 1, 0);
    expect_read(UINT64_MAX, 1, 0);
    cr_assert_eq(fill(10, SIZE_MAX), HOLD_OK, "reading doesn't end writing");
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    cr_assert(hold_is_finished(hold));
    expect_read(0, n + 10, n + 10);
    hold_read_done(hold, n);
    expect_read(0, n, n);
}

Test(hold, max_size)
{
    size_t d;

    limits.max_size = MEMORY + 5000;
    for (d = 0; d < 3; d++) {
        new_hold();
        cr_assert_eq(fill(MEMORY + 5000 + d - 1, 1234), d == 2 ? HOLD_TOO_LARGE : HOLD_OK);
        cr_assert_eq(hold_finish(hold), d == 2 ? HOLD_TOO_LARGE : HOLD_OK, "an error stays");
        cr_assert_eq(hold_error(hold), d == 2 ? HOLD_TOO_LARGE : HOLD_OK);
        cr_assert_not(d == 2 && hold_is_finished(hold));
        hold_free(&hold);
        expect_empty_account();
    }
    cr_assert_eq(hold_new(&hold, &account, &limits, MEMORY + 5000), HOLD_OK);
    hold_free(&hold);
    cr_assert_eq(hold_new(&hold, &account, &limits, MEMORY + 5001), HOLD_TOO_LARGE);
    cr_assert_null(hold);
    limits.max_size = 0;
    new_hold();
    cr_assert_eq(fill(1, 1), HOLD_TOO_LARGE);
}

Test(hold, max_total_over_all_holds)
{
    struct hold *first;
    size_t d;

    hold_account_set_max(&account, 500 * KIB);
    new_hold();
    cr_assert_eq(fill(400 * KIB, SIZE_MAX), HOLD_OK);
    first = hold;
    cr_assert_eq(hold_new(&hold, &account, &limits, 100 * KIB + 1), HOLD_TOTAL);
    cr_assert_null(hold);
    for (d = 0; d < 3; d++) {
        cr_assert_eq(hold_new(&hold, &account, &limits, 100 * KIB), HOLD_OK);
        cr_assert_eq(fill(100 * KIB + d - 1, 999), d == 2 ? HOLD_TOTAL : HOLD_OK);
        cr_assert_eq(hold_error(hold), d == 2 ? HOLD_TOTAL : HOLD_OK);
        hold_free(&hold);
        cr_assert_eq(hold_account_bytes(&account), 400 * KIB);
    }
    hold_account_set_max(&account, 100);
    cr_assert_eq(hold_new(&hold, &account, &limits, 1), HOLD_TOTAL);
    hold_free(&first);
}

Test(hold, calls_out_of_order)
{
    void *ptr;
    size_t len;

    new_hold();
    cr_assert_eq(hold_commit(hold, 1), HOLD_STATE, "without space");
    cr_assert_eq(hold_error(hold), HOLD_STATE);
    cr_assert_eq(hold_append(hold, "x", 1), HOLD_STATE);
    hold_free(&hold);

    new_hold();
    cr_assert_eq(hold_space(hold, &ptr, &len), HOLD_OK);
    cr_assert_eq(hold_commit(hold, len + 1), HOLD_STATE, "more than was given");
    hold_free(&hold);

    new_hold();
    cr_assert_eq(hold_space(hold, &ptr, &len), HOLD_OK);
    cr_assert_eq(hold_commit(hold, 1), HOLD_OK);
    cr_assert_eq(hold_commit(hold, 1), HOLD_STATE, "twice for one space");
    hold_free(&hold);

    new_hold();
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    cr_assert_eq(hold_space(hold, &ptr, &len), HOLD_STATE);
    cr_assert(ptr == NULL && len == 0);
    hold_free(&hold);
    hold_free(&hold);
}

Test(hold, directory_missing)
{
    char why[256] = "";

    cr_assert(hold_check_directory(dir, why, sizeof why), "%s", why);
    limits.directory = "/tmp/dived-hold-no-such-directory";
    cr_assert_not(hold_check_directory(limits.directory, why, sizeof why));
    cr_assert_not_null(strstr(why, limits.directory), "%s", why);
    cr_assert_not_null(strstr(why, "create it"), "%s", why);

    new_hold();
    cr_assert_eq(fill(MEMORY, SIZE_MAX), HOLD_OK, "memory alone needs none");
    cr_assert_eq(fill(1, 1), HOLD_IO);
    hold_describe(hold, why, sizeof why);
    cr_assert_not_null(strstr(why, limits.directory), "%s", why);
    cr_assert_not_null(strstr(why, "No such file"), "%s", why);
    cr_assert_str_eq(hold_error_word(hold_error(hold)), "io-error");
    expect_content(MEMORY);
}

Test(hold, directory_not_writable)
{
    char why[256];

    if (geteuid() == 0 && seteuid(65534) != 0)
        cr_skip_test("can't stop being root");
    if (geteuid() == 65534) {
        cr_assert_not(hold_check_directory(dir, why, sizeof why));
        cr_assert_not_null(strstr(why, "Permission denied"), "%s", why);
        cr_assert_eq(seteuid(0), 0);
    } else {
        cr_assert_eq(chmod(dir, 0500), 0);
        cr_assert_not(hold_check_directory(dir, why, sizeof why));
        cr_assert_eq(chmod(dir, 0700), 0);
    }
}

static void expect_disk_full(void)
{
    char why[256];

    new_hold();
    cr_assert_eq(fill(4 * MIB, SIZE_MAX), HOLD_DISK_FULL);
    cr_assert_eq(hold_finish(hold), HOLD_DISK_FULL);
    cr_assert_not(hold_is_finished(hold));
    hold_describe(hold, why, sizeof why);
    cr_assert_not_null(strstr(why, "no space is left"), "%s", why);
    expect_read(0, 16, 16);
    hold_free(&hold);
    expect_empty_account();
}

Test(hold, disk_full)
{
    /* In a mount namespace of this test's process: nothing stays mounted, however it ends. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=1m") != 0) {
        fprintf(stderr, "hold/disk_full: skipped, no tmpfs can be mounted: %s\n", strerror(errno));
        cr_skip_test("no tmpfs can be mounted");
    }
    expect_disk_full();
    expect_disk_full(); /* the first gave the space back */
    cr_assert_eq(umount(dir), 0);
}

Test(hold, file_size_limit)
{
    struct rlimit limit = {MIB, MIB}, old;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_disk_full();
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
}

Test(hold, a_file_that_lost_bytes_is_an_error)
{
    char buf[10];
    uint64_t len;
    off_t position;
    size_t got;
    int fd;

    new_hold();
    cr_assert_eq(fill(MEMORY + 1000, SIZE_MAX), HOLD_OK);
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    hold_file(hold, MEMORY, &fd, &position, &len);
    cr_assert(fd >= 0 && position == MEMORY && len == 1000);
    cr_assert_eq(ftruncate(fd, 500), 0);
    cr_assert_eq(hold_read(hold, MEMORY + 495, buf, 10, &got), HOLD_IO);
    cr_assert_eq(hold_error(hold), HOLD_OK);
}

Test(hold, the_file_is_private_and_without_a_name)
{
    struct stat st;
    uint64_t len;
    off_t position;
    int fd, i, before = open_descriptors();

    umask(0);
    new_hold();
    cr_assert_eq(fill(MEMORY + HOLD_STAGING + 1, SIZE_MAX), HOLD_OK);
    hold_file(hold, MEMORY, &fd, &position, &len);
    for (i = 0; i < 2; i++) {
        cr_assert(fd >= 0);
        cr_assert_eq(fstat(fd, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0600u);
        cr_assert_eq(st.st_nlink, 0u);
        cr_assert_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        if (i == 1)
            close(fd);
        else
            fd = hold_file_open_by_name(dir);
    }
    hold_free(&hold);
    cr_assert_eq(open_descriptors(), before);
}

static size_t resident_kib(void)
{
    char line[128];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %zu", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

Test(hold, a_large_body_does_not_move_the_resident_set, .timeout = 60)
{
    static char piece[128 * KIB];
    size_t before, after, i, got;

    memset(piece, 'x', sizeof piece);
    new_hold();
    cr_assert_eq(fill(MEMORY + 1, SIZE_MAX), HOLD_OK);
    before = resident_kib();
    for (i = 0; i < 200 * MIB; i += sizeof piece)
        cr_assert_eq(hold_append(hold, piece, sizeof piece), HOLD_OK);
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    for (i = 0; i < 200 * MIB; i += sizeof piece) {
        cr_assert_eq(hold_read(hold, i, piece, sizeof piece, &got), HOLD_OK);
        cr_assert_eq(got, sizeof piece);
        hold_read_done(hold, i);
    }
    after = resident_kib();
    cr_assert(after < before + 1024, "%zu KiB, then %zu", before, after);
}

static void *worker(void *arg)
{
    static char piece[20000];
    struct hold *own = NULL;
    int i, k;

    for (i = 0; i < 50; i++) {
        if (hold_new(&own, &account, &limits, HOLD_SIZE_UNKNOWN) != HOLD_OK)
            return arg;
        for (k = 0; k < i; k++)
            if (hold_append(own, piece, sizeof piece) == HOLD_TOTAL)
                break;
        if (i % 2 == 0 && hold_error(own) == HOLD_OK && hold_finish(own) != HOLD_OK)
            return arg;
        if (hold_account_bytes(&account) > atomic_load(&account.max_total))
            return arg;
        hold_free(&own);
    }
    return NULL;
}

Test(hold, workers_share_the_account)
{
    pthread_t thread[4];
    void *failed;
    size_t i;

    hold_account_set_max(&account, 1500 * KIB);
    for (i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, worker, &account), 0);
    for (i = 0; i < 4; i++) {
        pthread_join(thread[i], &failed);
        cr_assert_null(failed);
    }
    expect_empty_account();
}

/* Followers of a transfer read on when the leader's configuration has been freed. */
Test(hold, limits_are_needed_no_longer_than_the_call)
{
    const struct hold_limits kept = limits;
    char content[100] = "content";
    const void *piece;
    uint64_t in_file;
    off_t position;
    size_t n;
    int fd;

    limits.memory = 60;
    new_hold();
    limits = (struct hold_limits){0};
    cr_assert_eq(hold_append(hold, content, sizeof content), HOLD_OK);
    cr_assert_eq(hold_finish(hold), HOLD_OK);
    hold_shared_peek(hold, hold_published(hold), 0, &piece, &n);
    cr_assert_eq(n, 60u);
    cr_assert_str_eq(piece, "content");
    hold_shared_file(hold, hold_published(hold), 60, &fd, &position, &in_file);
    cr_assert_geq(fd, 0);
    cr_assert_eq(in_file, 40u);
    limits = kept;
}

Test(hold, error_words)
{
    cr_assert_str_eq(hold_error_word(HOLD_TOO_LARGE), "too-large");
    cr_assert_str_eq(hold_error_word(HOLD_TOTAL), "total-exceeded");
    cr_assert_str_eq(hold_error_word(HOLD_DISK_FULL), "disk-full");
    cr_assert_str_eq(hold_error_word(HOLD_IO), "io-error");
    cr_assert_str_eq(hold_error_word(HOLD_NO_MEMORY), "no-memory");
    cr_assert_not_null(hold_error_word((enum hold_error)1000));
}
