/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl audit: what the audit store holds. Reads the file itself, so it works on a copy and
 * without a daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit/query.h"
#include "cmd/audit.h"
#include "cmd/command.h"

#define AUDIT_LIST 100
#define AUDIT_SECONDS_MAX (10000LL * 86400)

struct audit_run {
    struct command_options options;
    const char *file, *since, *until, *host, *client, *reason, *limit, *head, *html, *out;
    struct audit_query *query;
    int64_t now_ms;
};

/* ---- time ---- */

static int audit_time_ago(const char *text, int64_t now_ms, int64_t *out)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    char *end;
    long long n = strtoll(text, &end, 10);

    if (end == text || n < 0 || n > AUDIT_SECONDS_MAX || end[0] == '\0' || end[1] != '\0')
        return DIVE_E_SYNTAX;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (*end == units[i].unit && n * units[i].seconds <= AUDIT_SECONDS_MAX) {
            *out = now_ms - n * units[i].seconds * 1000;
            return 0;
        }
    }
    return DIVE_E_SYNTAX;
}

int audit_time_parse(const char *text, int64_t now_ms, int64_t *out)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};

    *out = 0;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, formats[i], &tm);

        if (end != NULL && *end == '\0') {
            *out = (int64_t)timegm(&tm) * 1000;
            return 0;
        }
    }
    return audit_time_ago(text, now_ms, out);
}

static int audit_take_time(struct audit_run *run, const char *option, const char *text,
                           int64_t *out)
{
    if (text == NULL || audit_time_parse(text, run->now_ms, out) == 0)
        return COMMAND_OK;
    command_error("--%s takes 30d, 12h, 90m, 2026-11-24 or 2026-11-24T13:00:00Z (UTC), not %s",
                  option, text);
    return COMMAND_USAGE;
}

/* ---- the store ---- */

static int audit_open(struct audit_run *run)
{
    struct config *config = NULL;
    const char *path = run->file;
    char why[512];
    int r = COMMAND_OK;

    if (path == NULL) {
        r = command_config(&run->options, &config);
        if (r != COMMAND_OK)
            return r;
        path = config != NULL ? config->audit.file : NULL;
    }
    if (path == NULL) {
        command_error("no audit store: audit.file of %s is not set; name one with --file",
                      config != NULL ? config->file : "the configuration");
        r = EX_CONFIG;
    } else if ((r = audit_query_open(&run->query, path, why, sizeof(why))) != 0) {
        command_error("%s", why);
        r = r == DIVE_E_NOT_FOUND && errno == EACCES ? EX_NOPERM
            : r == DIVE_E_SYNTAX                     ? EX_DATAERR
                                                     : EX_NOINPUT;
    }
    config_unref(&config);
    return r;
}

static int audit_unreadable(void)
{
    command_error("the audit store can't be read to its end: it is damaged, or memory is out");
    return EX_DATAERR;
}

/* ---- list, show ---- */

static void print_field(const json_t *event, const char *name, const char *before)
{
    const json_t *value = json_object_get(event, name);

    if (!json_is_string(value))
        return;
    fputs(before, stdout);
    command_print_text(json_string_value(value));
}

static int print_line(void *arg, const json_t *event)
{
    printf("%-6lld ", command_number(event, "number"));
    print_field(event, "time", "");
    print_field(event, "kind", " ");
    print_field(event, "action", " ");
    if (json_is_true(json_object_get(event, "would_block")))
        fputs(" would-block", stdout);
    print_field(event, "reason", " ");
    print_field(event, "client", " ");
    print_field(event, "method", " ");
    print_field(event, "url", " ");
    print_field(event, "rule", " rule ");
    putchar('\n');
    return 0;
}

static int print_json_line(void *arg, const json_t *event)
{
    if (json_dumpf(event, stdout, JSON_COMPACT) != 0)
        return DIVE_E_INTERNAL;
    putchar('\n');
    return 0;
}

static int audit_list(struct audit_run *run)
{
    struct audit_filter filter = {
        .host = run->host, .client = run->client, .reason = run->reason, .limit = AUDIT_LIST};
    int r = audit_take_time(run, "since", run->since, &filter.since_ms);
    char *end;

    if (r == COMMAND_OK)
        r = audit_take_time(run, "until", run->until, &filter.until_ms);
    if (r != COMMAND_OK)
        return r;
    if (run->limit != NULL) {
        long n = strtol(run->limit, &end, 10);

        if (*run->limit == '\0' || *end != '\0' || n < 0 || n > 100000000) {
            command_error("--limit takes a number of rows, 0 for all");
            return COMMAND_USAGE;
        }
        filter.limit = (unsigned)n;
    }
    r = audit_query_rows(run->query, &filter, run->options.json ? print_json_line : print_line,
                         NULL);
    return r == 0 ? COMMAND_OK : audit_unreadable();
}

/* Fields of the response that are the proof: [name, value] each. */
static void print_proof(const json_t *proof)
{
    const json_t *fields = json_object_get(proof, "fields"), *field, *trace;
    size_t i;

    if (!json_is_object(proof))
        return;
    if (json_array_size(fields) > 0)
        puts("response fields:");
    json_array_foreach(fields, i, field)
    {
        const char *name = json_string_value(json_array_get(field, 0));
        const char *value = json_string_value(json_array_get(field, 1));

        printf("  ");
        command_print_text(name != NULL ? name : "?");
        printf(": ");
        command_print_text(value != NULL ? value : "?");
        putchar('\n');
    }
    trace = json_object_get(proof, "trace");
    if (json_is_object(trace))
        command_print_trace(trace);
}

static int print_event(void *arg, const json_t *event)
{
    bool *found = arg;
    const char *name;
    json_t *value;

    if (*found)
        putchar('\n');
    *found = true;
    json_object_foreach((json_t *)(uintptr_t)event, name, value)
    {
        if (strcmp(name, "proof") == 0 || strcmp(name, "time_ms") == 0 || json_is_null(value))
            continue;
        printf("%-14s ", name);
        if (json_is_string(value))
            command_print_text(json_string_value(value));
        else if (json_is_integer(value))
            printf("%lld", (long long)json_integer_value(value));
        else
            fputs(json_is_true(value) ? "yes" : "no", stdout);
        putchar('\n');
    }
    print_proof(json_object_get(event, "proof"));
    return 0;
}

static int show_json(void *arg, const json_t *event)
{
    *(bool *)arg = true;
    return command_print_json(event) == COMMAND_OK ? 0 : DIVE_E_INTERNAL;
}

static int audit_show(struct audit_run *run)
{
    const struct audit_filter filter = {.exchange = run->options.argv[1]};
    bool found = false;

    if (audit_query_rows(run->query, &filter, run->options.json ? show_json : print_event,
                         &found) != 0)
        return audit_unreadable();
    if (found)
        return COMMAND_OK;
    command_error("no row of that exchange or number: it was plainly verified, or is pruned");
    return COMMAND_NO;
}

/* ---- verify, head ---- */

static json_t *chain_object(const struct chain_link *link)
{
    char text[CHAIN_TEXT];

    chain_text(link, text);
    return json_string(text);
}

static int audit_verify(struct audit_run *run)
{
    struct chain_link through;
    struct audit_verdict verdict;
    char head[CHAIN_TEXT];
    bool ok;

    if (run->head != NULL && chain_parse(&through, run->head) != 0) {
        command_error("--head takes what was logged: NUMBER:HASH");
        return COMMAND_USAGE;
    }
    if (audit_query_verify(run->query, run->head != NULL ? &through : NULL, &verdict) != 0)
        return audit_unreadable();
    ok = verdict.walk.fault == CHAIN_NONE;
    chain_text(&verdict.head, head);
    if (run->options.json) {
        json_t *object = json_pack("{s:b, s:s, s:s, s:I, s:I, s:o, s:s}", "ok", ok, "fault",
                                   chain_fault_word(verdict.walk.fault), "text",
                                   chain_fault_text(verdict.walk.fault), "row",
                                   (json_int_t)verdict.walk.at, "rows", (json_int_t)verdict.rows,
                                   "anchor", chain_object(&verdict.anchor), "head", head);
        int r = object != NULL ? command_print_json(object) : EX_OSERR;

        json_decref(object);
        return r == COMMAND_OK && !ok ? COMMAND_NO : r;
    }
    if (ok) {
        printf("%llu rows, from %lld on: none was altered, removed or inserted\nhead %s\n",
               (unsigned long long)verdict.rows, (long long)verdict.anchor.number + 1, head);
        if (run->head == NULL)
            puts("Compare the head with one that the daemon has logged: divectl audit verify "
                 "--head NUMBER:HASH");
        return COMMAND_OK;
    }
    printf("row %lld: %s: %s\n", (long long)verdict.walk.at, chain_fault_word(verdict.walk.fault),
           chain_fault_text(verdict.walk.fault));
    return COMMAND_NO;
}

static int audit_head(struct audit_run *run)
{
    struct audit_verdict verdict;
    json_t *object;
    char head[CHAIN_TEXT];
    int r;

    if (audit_query_head(run->query, &verdict.head) != 0)
        return audit_unreadable();
    chain_text(&verdict.head, head);
    if (!run->options.json) {
        puts(head);
        return COMMAND_OK;
    }
    object = json_pack("{s:s}", "head", head);
    r = object != NULL ? command_print_json(object) : EX_OSERR;
    json_decref(object);
    return r;
}

/* ---- report ---- */

/* The page gets its name when it is whole. */
static int report_to_file(const json_t *report, const char *path)
{
    char *temporary = NULL;
    FILE *f;
    int fd, r = EX_CANTCREAT;
    bool bad;

    if (path == NULL || strcmp(path, "-") == 0) {
        audit_html_write(stdout, report);
        return fflush(stdout) == 0 && !ferror(stdout) ? COMMAND_OK : EX_IOERR;
    }
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return EX_OSERR;
    fd = mkstemp(temporary);
    f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (f == NULL) {
        command_error("%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        goto out;
    }
    audit_html_write(f, report);
    bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad || rename(temporary, path) != 0)
        command_error("%s: %s", path, strerror(errno));
    else
        r = COMMAND_OK;
    if (r != COMMAND_OK)
        unlink(temporary);
out:
    free(temporary);
    return r;
}

static int audit_report_command(struct audit_run *run)
{
    int64_t since = run->now_ms - 30LL * 86400 * 1000, until = run->now_ms + 1000;
    int r = audit_take_time(run, "since", run->since, &since);
    json_t *report;

    if (r == COMMAND_OK)
        r = audit_take_time(run, "until", run->until, &until);
    if (r != COMMAND_OK)
        return r;
    if (run->out != NULL && run->html == NULL) {
        command_error("-o goes with --html");
        return COMMAND_USAGE;
    }
    report = audit_report(run->query, since, until);
    if (report == NULL)
        return audit_unreadable();
    if (run->html != NULL)
        r = report_to_file(report, run->out);
    else if (run->options.json)
        r = command_print_json(report);
    else
        audit_report_print(report);
    json_decref(report);
    return r;
}

static const struct {
    const char *name;
    int arguments; /* the name included */
    int (*run)(struct audit_run *run);
} audit_commands[] = {
    {"list", 1, audit_list},
    {"show", 2, audit_show},
    {"verify", 1, audit_verify},
    {"head", 1, audit_head},
    {"report", 1, audit_report_command},
};

int command_audit(const struct command *command, int argc, char **argv)
{
    struct audit_run run = {.now_ms = (int64_t)time(NULL) * 1000};
    const struct command_option own[] = {
        {"file", true, &run.file, NULL, "FILE"},
        {"since", true, &run.since, NULL, "TIME"},
        {"until", true, &run.until, NULL, "TIME"},
        {"host", true, &run.host, NULL, "HOST"},
        {"client", true, &run.client, NULL, "ADDRESS"},
        {"reason", true, &run.reason, NULL, "WORD"},
        {"limit", true, &run.limit, NULL, "ROWS"},
        {"head", true, &run.head, NULL, "NUMBER:HASH"},
        {"html", false, &run.html},
        {"o", true, &run.out, NULL, "FILE"},
        {NULL},
    };
    int r = command_parse(command, argc, argv, own, 1, 2, &run.options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    for (size_t i = 0; i < sizeof(audit_commands) / sizeof(audit_commands[0]); i++) {
        if (strcmp(run.options.argv[0], audit_commands[i].name) != 0 ||
            run.options.argc != audit_commands[i].arguments)
            continue;
        r = audit_open(&run);
        if (r == COMMAND_OK)
            r = audit_commands[i].run(&run);
        audit_query_close(&run.query);
        return r;
    }
    command_error("audit takes: list, show ID, verify, report, or head");
    return command_usage(command);
}
