/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl top: what the running daemon is doing, over and over: rates between two looks, the
 * busiest hosts and clients. On a terminal the screen is drawn anew; anything else gets one report
 * after the other.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"

#define TOP_INTERVAL 2
#define TOP_INTERVAL_MAX 3600
#define TOP_ROWS 10
#define TOP_HOME "\033[H"
#define TOP_CLEAR_LINE "\033[K"
#define TOP_CLEAR_BELOW "\033[J"

static volatile sig_atomic_t top_ends;

static void top_on_signal(int number)
{
    top_ends = number;
}

struct top {
    struct command_options options;
    bool draws;  /* standard output is a terminal */
    json_t *now; /* the daemon's answer */
    json_t *before;
    double seconds; /* between them; 0: there is no answer before */
};

static void top_line_end(const struct top *top)
{
    puts(top->draws ? TOP_CLEAR_LINE : "");
}

static void top_bytes(int width, long long n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    char text[32];
    size_t i = 0;

    for (; value >= 1024 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
        value /= 1024;
    snprintf(text, sizeof(text), i > 0 && value < 10 ? "%.1f %s" : "%.0f %s", value, units[i]);
    printf("%*s", width, text);
}

static long long top_counter(const json_t *answer, const char *group, const char *name)
{
    const json_t *counters = json_object_get(answer, "counters");

    if (group != NULL)
        counters = json_object_get(counters, group);
    return command_number(counters, name);
}

/* Since the answer before, a second; of the first answer, since the daemon's start. */
static double top_rate(const struct top *top, const char *group, const char *name)
{
    long long n = top_counter(top->now, group, name);
    long long uptime = command_number(top->now, "uptime_s");

    if (top->seconds > 0)
        return (double)(n - top_counter(top->before, group, name)) / top->seconds;
    return uptime > 0 ? (double)n / (double)uptime : 0;
}

static void top_print_process(const struct top *top)
{
    const json_t *s = top->now;
    long long up = command_number(s, "uptime_s");

    printf("dived %s, pid %lld, up %lld d %02lld:%02lld:%02lld, mode %s, ",
           command_string(s, "version"), command_number(s, "pid"), up / 86400, up / 3600 % 24,
           up / 60 % 60, up % 60, command_string(s, "mode"));
    if (json_is_true(json_object_get(s, "ready")))
        printf("ready");
    else
        printf("not ready: %s", command_string(s, "not_ready"));
    top_line_end(top);
}

static void top_print_rates(const struct top *top)
{
    const json_t *cache = json_object_get(top->now, "cache");
    long long hits = command_number(cache, "hits"), misses = command_number(cache, "misses");

    printf("requests/s %.1f   verified/s %.1f   failed/s %.1f   blocked/s %.1f%s",
           top_rate(top, NULL, "requests"), top_rate(top, "verdicts", "verified"),
           top_rate(top, "verdicts", "failed"), top_rate(top, NULL, "blocked"),
           top->seconds > 0 ? "" : "   (since the start)");
    top_line_end(top);
    printf("connections %lld   held ", command_number(top->now, "connections"));
    top_bytes(0, command_number(top->now, "held_bytes"));
    if (hits + misses > 0)
        printf("   cache hits %.1f %%", 100.0 * (double)hits / (double)(hits + misses));
    else
        printf("   cache hits -");
    printf("   stored ");
    top_bytes(0, command_number(cache, "memory_bytes") + command_number(cache, "disk_bytes"));
    top_line_end(top);
}

static void top_print_audit(const struct top *top)
{
    const json_t *audit = json_object_get(top->now, "audit");

    if (!json_is_true(json_object_get(audit, "on"))) {
        printf("audit store off");
    } else {
        printf("audit rows %lld   queued %lld   lost %lld%s", command_number(audit, "rows"),
               command_number(audit, "queued"), command_number(audit, "lost"),
               json_is_true(json_object_get(audit, "failing")) ? "   CAN'T BE WRITTEN" : "");
    }
    top_line_end(top);
}

/* The same name's requests in the answer before; -1: it wasn't in it. */
static long long top_before(const struct top *top, const char *list, const char *name)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(top->before, list), i, entry)
    {
        if (strcmp(command_string(entry, "name"), name) == 0)
            return command_number(entry, "requests");
    }
    return -1;
}

static void top_print_list(const struct top *top, const char *list, const char *title,
                           unsigned rows)
{
    const json_t *entry;
    size_t i;

    top_line_end(top);
    printf("%10s %10s %8s  %10s  %s", "REQUESTS/S", "REQUESTS", "FAILED", "BYTES", title);
    top_line_end(top);
    json_array_foreach(json_object_get(top->now, list), i, entry)
    {
        long long n = command_number(entry, "requests");
        long long before = top_before(top, list, command_string(entry, "name"));
        char rate[32] = "-";

        if (i >= rows)
            break;
        if (top->seconds > 0 && n >= before)
            snprintf(rate, sizeof(rate), "%.1f",
                     (double)(n - (before < 0 ? 0 : before)) / top->seconds);
        printf("%10s %10lld %8lld  ", rate, n, command_number(entry, "failed"));
        top_bytes(10, command_number(entry, "bytes"));
        printf("  ");
        command_print_text(command_string(entry, "name"));
        top_line_end(top);
    }
}

/* Both lists and the six lines around them have to fit. */
static unsigned top_rows(const struct top *top)
{
    struct winsize size;

    if (!top->draws || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 14)
        return top->draws ? 3 : TOP_ROWS;
    return size.ws_row >= 2 * TOP_ROWS + 10 ? TOP_ROWS : (unsigned)(size.ws_row - 10) / 2;
}

static void top_print(const struct top *top)
{
    unsigned rows = top_rows(top);

    if (top->draws)
        fputs(TOP_HOME, stdout);
    top_print_process(top);
    top_print_rates(top);
    top_print_audit(top);
    top_print_list(top, "hosts", "HOST", rows);
    top_print_list(top, "clients", "CLIENT", rows);
    if (top->draws)
        fputs(TOP_CLEAR_BELOW, stdout);
    else
        putchar('\n');
    fflush(stdout);
}

static int top_ask(struct top *top)
{
    json_t *answer = NULL;
    int r = command_ask(&top->options, "top", NULL, &answer);

    if (r != COMMAND_OK)
        return r;
    if (!json_is_true(json_object_get(answer, "ok"))) {
        command_error("%s", command_string(answer, "error"));
        json_decref(answer);
        return COMMAND_NO;
    }
    json_decref(top->before);
    top->before = top->now;
    top->now = json_incref(json_object_get(answer, "top"));
    json_decref(answer);
    top->seconds = 0;
    /* Another process: its counters are others. */
    if (top->before != NULL &&
        command_number(top->before, "pid") == command_number(top->now, "pid"))
        top->seconds =
            (double)(command_number(top->now, "time_ms") - command_number(top->before, "time_ms")) /
            1000;
    return COMMAND_OK;
}

static int top_show(struct top *top)
{
    if (!top->options.json) {
        top_print(top);
        return COMMAND_OK;
    }
    if (json_dumpf(top->now, stdout, JSON_COMPACT) != 0)
        return EX_OSERR;
    putchar('\n');
    return fflush(stdout) == 0 ? COMMAND_OK : EX_IOERR;
}

static int top_run(struct top *top, long interval, bool once)
{
    int r = top_ask(top);

    if (r == COMMAND_OK && once && !top->options.json) {
        /* Rates need two looks. */
        const struct timespec moment = {.tv_sec = 1};

        nanosleep(&moment, NULL);
        r = top_ask(top);
    }
    if (r == COMMAND_OK && top->draws)
        fputs(TOP_HOME TOP_CLEAR_BELOW, stdout);
    while (r == COMMAND_OK) {
        const struct timespec wait = {.tv_sec = interval};

        r = top_show(top);
        if (once || r != COMMAND_OK || top_ends || nanosleep(&wait, NULL) != 0 || top_ends)
            break;
        r = top_ask(top);
    }
    return r;
}

int command_top(const struct command *command, int argc, char **argv)
{
    const char *once = NULL, *interval = NULL;
    const struct command_option own[] = {
        {"once", false, &once}, {"interval", true, &interval, NULL, "SECONDS"}, {NULL}};
    struct sigaction action = {.sa_handler = top_on_signal}; /* no SA_RESTART: the sleep ends */
    struct top top = {0};
    long seconds = TOP_INTERVAL;
    char *end;
    int r = command_parse(command, argc, argv, own, 0, 0, &top.options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    if (interval != NULL) {
        seconds = strtol(interval, &end, 10);
        if (end == interval || *end != '\0' || seconds < 1 || seconds > TOP_INTERVAL_MAX) {
            command_error("--interval takes 1 to %d seconds", TOP_INTERVAL_MAX);
            return COMMAND_USAGE;
        }
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    top.draws = once == NULL && !top.options.json && isatty(STDOUT_FILENO);
    r = top_run(&top, seconds, once != NULL);
    json_decref(top.now);
    json_decref(top.before);
    return r;
}
