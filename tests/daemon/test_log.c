/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The log: its format, what it escapes, reopening, and that it never waits.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"

/* Each test is a process of its own; files are named after it. */
static char folder[] = "/tmp/dived-test-XXXXXX";

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int at;

    at = (at + 1) % 4;
    snprintf(paths[at], sizeof(paths[at]), "%s/%s", folder, name);
    return paths[at];
}

static void remove_folder(void)
{
    static const char *const names[] = {"access", "error", "error.1", "access.1", "fifo"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_folder(names[i]));
    rmdir(folder);
}

static const char *content(const char *name)
{
    static char buf[65536];
    FILE *file = fopen(in_folder(name), "r");
    size_t n;

    cr_assert_not_null(file);
    n = fread(buf, 1, sizeof(buf) - 1, file);
    buf[n] = '\0';
    fclose(file);
    return buf;
}

TestSuite(test_log, .init = make_folder, .fini = remove_folder);

Test(test_log, format_of_a_line)
{
    const char *line;
    int year, month, day, hour, minute, second, ms, end = 0;

    cr_assert_eq(log_open(NULL, in_folder("error")), 0);
    log_warning("dns", "%s has %d keys", "example.com", 2);
    line = content("error");
    cr_assert_eq(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour,
                        &minute, &second, &ms, &end),
                 7);
    cr_assert_eq(end, 25);
    cr_assert_str_eq(line + end, "warning dns: example.com has 2 keys\n");
    log_close();
}

Test(test_log, injected_lines_are_escaped)
{
    cr_assert_eq(log_open(NULL, in_folder("error")), 0);
    log_error("http", "host %s",
              "a\n2026-01-01T00:00:00.000Z error x: y\r\t\x1b[2J\x7f\\n\xc2\x9b");
    cr_assert(strstr(content("error"), "host a\\x0a2026-01-01T00:00:00.000Z error x: y\\x0d\\x09"
                                       "\\x1b[2J\\x7f\\\\n\\xc2\\x9b\n"));
    cr_assert_eq(strchr(content("error"), '\n')[1], '\0', "one line");
    log_close();
}

Test(test_log, long_messages_are_cut)
{
    char message[3000];
    const char *line;

    memset(message, 'a', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    cr_assert_eq(log_open(NULL, in_folder("error")), 0);
    log_error("x", "%s", message);
    line = content("error");
    cr_assert_lt(strlen(line), 2200);
    cr_assert_str_eq(line + strlen(line) - 5, "a...\n");
    log_close();

    memset(message, '\n', sizeof(message) - 1); /* four bytes each when escaped */
    cr_assert_eq(log_open(NULL, in_folder("error.1")), 0);
    log_error("x", "%s", message);
    line = content("error.1");
    cr_assert_leq(strlen(line), 4096);
    cr_assert_str_eq(line + strlen(line) - 7, "x0a...\n");
    log_close();
}

Test(test_log, levels)
{
    cr_assert_eq(log_open(NULL, in_folder("error")), 0);
    log_debug("x", "not by default");
    cr_assert_str_eq(content("error"), "");
    log_set_level(LOG_LEVEL_WARNING);
    log_info("x", "unwanted");
    cr_assert_str_eq(content("error"), "");
    cr_assert_not(log_enabled(LOG_LEVEL_INFO));
    log_warning("x", "wanted");
    cr_assert(strstr(content("error"), "warning x: wanted\n"));
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("x", "now");
    cr_assert(strstr(content("error"), "debug x: now\n"));
    log_close();
}

Test(test_log, errno_survives)
{
    cr_assert_eq(log_open("/dev/full", "/dev/full"), 0);
    errno = ENOENT;
    log_error("x", "y");
    log_access("a\n", 2);
    cr_assert_eq(errno, ENOENT);
    log_close();
}

Test(test_log, access_lines_are_appended)
{
    struct stat st;

    cr_assert_eq(log_open(in_folder("access"), "-"), 0);
    log_access("{\"a\":1}\n", 8);
    log_access("{\"a\":2}\n", 8);
    cr_assert_str_eq(content("access"), "{\"a\":1}\n{\"a\":2}\n");
    cr_assert_eq(stat(in_folder("access"), &st), 0);
    cr_assert_eq(st.st_mode & 0007, 0, "not for others");
    log_close();
    cr_assert_eq(log_open(in_folder("access"), "-"), 0);
    log_access("3\n", 2);
    cr_assert_str_eq(content("access"), "{\"a\":1}\n{\"a\":2}\n3\n");
    cr_assert_eq(log_open(NULL, "-"), 0);
    log_access("4\n", 2);
    cr_assert_eq(log_lost_lines(), 0, "off is no loss");
    log_close();
    log_access("5\n", 2);
    cr_assert_str_eq(content("access"), "{\"a\":1}\n{\"a\":2}\n3\n");
}

Test(test_log, reopening_follows_the_name)
{
    cr_assert_eq(log_open(in_folder("access"), in_folder("error")), 0);
    log_access("1\n", 2);
    log_error("x", "one");
    cr_assert_eq(rename(in_folder("access"), in_folder("access.1")), 0);
    cr_assert_eq(rename(in_folder("error"), in_folder("error.1")), 0);
    log_access("2\n", 2);
    cr_assert_eq(log_reopen(), 0);
    log_access("3\n", 2);
    log_error("x", "two");
    cr_assert_str_eq(content("access.1"), "1\n2\n");
    cr_assert_str_eq(content("access"), "3\n");
    cr_assert(strstr(content("error.1"), "one\n"));
    cr_assert_null(strstr(content("error.1"), "two\n"));
    cr_assert(strstr(content("error"), "two\n"));
    log_close();
}

Test(test_log, a_failed_open_changes_nothing)
{
    cr_assert_eq(log_open(in_folder("access"), in_folder("error")), 0);
    errno = 0;
    cr_assert_eq(log_open(in_folder("access.1"), "/nonexistent/error"), -1);
    cr_assert_eq(errno, ENOENT);
    log_access("1\n", 2);
    log_error("x", "still here");
    cr_assert_str_eq(content("access"), "1\n");
    cr_assert(strstr(content("error"), "still here"));
    log_close();
}

Test(test_log, a_full_disk_is_counted_and_said_once)
{
    const char *text;

    cr_assert_eq(log_open("/dev/full", in_folder("error")), 0);
    for (int i = 0; i < 5; i++)
        log_access("line\n", 5);
    cr_assert_eq(log_lost_lines(), 5);
    text = content("error");
    cr_assert(strstr(text, "warning log: 1 lines of the logs could not be written (No space left"));
    cr_assert_eq(strchr(text, '\n')[1], '\0', "once a minute");
    log_close();
}

Test(test_log, a_full_pipe_does_not_wait, .timeout = 20)
{
    static char line[1000];
    int reader;

    signal(SIGPIPE, SIG_IGN);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
    cr_assert_eq(log_open(in_folder("fifo"), in_folder("error")), -1, "nobody reads it");
    reader = open(in_folder("fifo"), O_RDONLY | O_NONBLOCK);
    cr_assert_geq(reader, 0);
    cr_assert_eq(log_open(in_folder("fifo"), in_folder("error")), 0);
    for (int i = 0; i < 200; i++) /* 200 kB, a pipe holds 64 KiB */
        log_access(line, sizeof(line));
    cr_assert_gt(log_lost_lines(), 100);
    cr_assert_lt(log_lost_lines(), 200);
    close(reader);
    log_access(line, sizeof(line));
    log_close();
}

/* What "-" is, is somebody else's: a pipe, or the socket of a service manager. */
static void fill_standard_output(int ends[2])
{
    static char line[1000];
    int saved = dup(STDOUT_FILENO);

    signal(SIGPIPE, SIG_IGN);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    dup2(ends[1], STDOUT_FILENO);
    cr_assert_eq(log_open("-", in_folder("error")), 0);
    for (int i = 0; i < 2000; i++)
        log_access(line, sizeof(line));
    cr_assert_gt(log_lost_lines(), 0);
    cr_assert_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0, "others share these flags");
    close(ends[0]);
    log_access(line, sizeof(line));
    log_close();
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[1]);
}

Test(test_log, a_full_standard_output_does_not_wait, .timeout = 20)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    fill_standard_output(ends);
}

Test(test_log, a_full_standard_socket_does_not_wait, .timeout = 20)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fill_standard_output(ends);
}

/* A pipe that takes only the beginning of a line: the next one begins on a line of its own. */
Test(test_log, a_torn_line_is_ended, .timeout = 20)
{
    static char line[200000];
    static char got[300000];
    ssize_t n, more;
    int reader;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    cr_assert_eq(mkfifo(in_folder("fifo"), 0600), 0);
    reader = open(in_folder("fifo"), O_RDONLY | O_NONBLOCK);
    cr_assert_eq(log_open(in_folder("fifo"), in_folder("error")), 0);
    log_access(line, sizeof(line));
    cr_assert_eq(log_lost_lines(), 1);
    for (n = 0; (more = read(reader, got + n, sizeof(got) - (size_t)n)) > 0;)
        n += more;
    cr_assert_gt(n, 1000);
    cr_assert_eq(got[n - 1], 'x');
    log_access("next\n", 5);
    n = read(reader, got, sizeof(got));
    cr_assert_eq(n, 6);
    cr_assert_arr_eq(got, "\nnext\n", 6);
    log_access("more\n", 5);
    cr_assert_eq(read(reader, got, sizeof(got)), 5);
    close(reader);
    log_close();
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 500; i++) {
        log_access("0123456789\n", 11);
        if (i % 50 == 0)
            log_info("thread", "%d", i);
    }
    return arg;
}

Test(test_log, threads_and_reopening)
{
    pthread_t threads[4];
    const char *text;
    size_t lines = 0;

    cr_assert_eq(log_open(in_folder("access"), in_folder("error")), 0);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_many, NULL), 0);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(log_reopen(), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (text = content("access"); *text; text += 11, lines++)
        cr_assert_eq(strncmp(text, "0123456789\n", 11), 0);
    cr_assert_eq(lines, 2000);
    log_close();
}

static void *open_many(void *arg)
{
    for (int i = 0; i < 300; i++)
        cr_assert_eq(log_open(arg, arg), 0);
    return NULL;
}

/* A reload and SIGUSR1 come on two threads. */
Test(test_log, opening_and_reopening_take_turns)
{
    static char paths[2][128];
    pthread_t threads[2];

    for (size_t i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s", in_folder(i == 0 ? "error" : "error.1"));
        cr_assert_eq(pthread_create(&threads[i], NULL, open_many, paths[i]), 0);
    }
    for (int i = 0; i < 300; i++)
        cr_assert_eq(log_reopen(), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    log_close();
}
