/* SPDX-License-Identifier: BSD-2-Clause
 *
 * control: one line of the control socket to one line of answer.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/private.h"
#include "core/log.h"

#ifndef DIVED_VERSION
#define DIVED_VERSION "unknown"
#endif

/* Each returns a new object, or NULL without memory. */
json_t *admin_control_failed(const char *error)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

/* Who has the answer finds in the logs what came before. */
static json_t *control_status(struct admin *admin, const json_t *request)
{
    struct admin_status status = {0};

    log_flush();
    admin->hooks.status(admin->hooks.arg, &status);
    status.ca_fingerprint[sizeof(status.ca_fingerprint) - 1] = '\0';
    return json_pack(
        "{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s?}", "ok", 1, "version",
        DIVED_VERSION, "pid", (json_int_t)getpid(), "uptime_s",
        (json_int_t)((loop_now_ms(&admin->loop) - admin->started_ms) / 1000), "workers",
        (json_int_t)status.workers, "connections", (json_int_t)admin->shared->connections,
        "held_bytes", (json_int_t)hold_account_bytes(&admin->shared->hold), "record_cache_entries",
        (json_int_t)dive_record_cache_entries(admin->shared->records), "log_lines_lost",
        (json_int_t)log_lost_lines(), "config", admin->config->file, "ca_fingerprint",
        status.ca_fingerprint[0] != '\0' ? status.ca_fingerprint : NULL);
}

static json_t *control_top(struct admin *admin, const json_t *request)
{
    return json_pack("{s:b, s:o}", "ok", 1, "top", admin_overview(admin, false));
}

static json_t *control_trace(struct admin *admin, const json_t *request)
{
    const char *id = json_string_value(json_object_get(request, "id"));
    json_t *trace;
    char *text;

    if (id == NULL)
        return admin_control_failed("trace needs the \"id\" of an exchange, a string");
    text = trace_ring_get(admin->shared->traces, id);
    if (text == NULL)
        return admin_control_failed(
            "no trace of that exchange: it is too old, it needed no verification, "
            "or trace.entries is 0");
    trace = json_loads(text, 0, NULL);
    free(text);
    if (trace == NULL)
        return admin_control_failed("the trace can't be read");
    return json_pack("{s:b, s:s, s:o}", "ok", 1, "id", id, "trace", trace);
}

/* The lines of `text` as strings; cuts `text` up. */
static json_t *control_lines(char *text)
{
    json_t *lines = json_array();
    char *rest = text, *line;

    while (lines != NULL && (line = strsep(&rest, "\n")) != NULL) {
        if (*line == '\0')
            continue;
        if (json_array_append_new(lines, json_string(line)) != 0)
            (void)json_array_append_new(lines, json_string("(a line that can't be shown)"));
    }
    return lines;
}

static json_t *control_reload(struct admin *admin, const json_t *request)
{
    char *problems = NULL;
    int r = admin->hooks.reload(admin->hooks.arg, &problems);
    json_t *lines = control_lines(problems), *answer;

    if (r == 0)
        answer = json_pack("{s:b, s:o}", "ok", 1, "problems", lines);
    else
        answer = json_pack("{s:b, s:s, s:o}", "ok", 0, "error",
                           "the configuration was not applied; the old one stays in force",
                           "problems", lines);
    free(problems);
    return answer;
}

/* The other process answers from now on, but for this one answer. */
static json_t *control_upgrade(struct admin *admin, const json_t *request)
{
    char *why = NULL;
    pid_t pid = 0;
    json_t *answer;

    if (admin->hooks.upgrade == NULL)
        return admin_control_failed("another process can't take over here");
    if (admin->hooks.upgrade(admin->hooks.arg, &pid, &why) == 0)
        answer = json_pack("{s:b, s:I}", "ok", 1, "pid", (json_int_t)pid);
    else
        answer = admin_control_failed(why != NULL ? why : "out of memory");
    free(why);
    return answer;
}

#define POLICY_LIST_MAX                                                                            \
    10000 /* of one answer: with the longest of names within ADMIN_ANSWER_MAX                      \
           */
#define POLICY_LIST_CUT 1

static int control_add_policy(void *arg, const char *name, const char *group, int64_t value,
                              int64_t seen)
{
    json_t *list = arg;

    if (json_array_size(list) >= POLICY_LIST_MAX)
        return POLICY_LIST_CUT;
    return json_array_append_new(list, json_pack("{s:s, s:I, s:b}", "domain", name, "seen",
                                                 (json_int_t)seen, "report_only",
                                                 value == DIVE_REMEMBERED_REPORT_ONLY));
}

/* A crash must not bring it back, so what is kept over a restart is written before the answer. */
static json_t *control_forget_policy(struct admin *admin, const char *domain)
{
    bool saved;

    if (!dive_memory_forget(admin->shared->policies, domain, time(NULL)))
        return admin_control_failed("no policy of that domain is remembered");
    saved = admin->hooks.save == NULL || admin->hooks.save(admin->hooks.arg) == 0;
    return json_pack("{s:b, s:b}", "ok", 1, "saved", saved);
}

/* Without "id" all of them, with one: that domain is forgotten. */
static json_t *control_policies(struct admin *admin, const json_t *request)
{
    const char *domain = json_string_value(json_object_get(request, "id"));
    json_t *list;
    int r;

    if (domain != NULL)
        return control_forget_policy(admin, domain);
    list = json_array();
    if (list == NULL)
        return NULL;
    r = dive_memory_each(admin->shared->policies, control_add_policy, list);
    if (r != 0 && r != POLICY_LIST_CUT) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:b, s:o, s:b}", "ok", 1, "policies", list, "more", r == POLICY_LIST_CUT);
}

static const struct {
    const char *name;
    json_t *(*answer)(struct admin *admin, const json_t *request);
} control_commands[] = {
    {"status", control_status},
    {"trace", control_trace},
    {"reload", control_reload},
    {"cache-stats", admin_cache_stats},
    {"cache-list", admin_cache_list},
    {"cache-show", admin_cache_show},
    {"purge", admin_cache_purge},
    {"policies", control_policies},
    {"top", control_top},
    {"upgrade", control_upgrade},
};

static json_t *control_answer(struct admin *admin, const char *line, size_t n)
{
    json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(request, "command"));
    json_t *answer = NULL;

    if (command == NULL) {
        json_decref(request);
        return admin_control_failed("a request is a JSON object with the string \"command\"");
    }
    for (size_t i = 0; i < sizeof(control_commands) / sizeof(control_commands[0]); i++) {
        if (strcmp(command, control_commands[i].name) == 0) {
            answer = control_commands[i].answer(admin, request);
            json_decref(request);
            return answer;
        }
    }
    json_decref(request);
    return admin_control_failed("unknown command");
}

static int control_dump(const char *bytes, size_t n, void *arg)
{
    return buffer_append(arg, bytes, n, ADMIN_ANSWER_MAX);
}

static enum admin_step control_put(struct buffer *out, json_t *answer, enum admin_step step)
{
    int r = -1;

    if (answer != NULL)
        r = json_dump_callback(answer, control_dump, out, JSON_COMPACT);
    json_decref(answer);
    if (r != 0 || buffer_append(out, "\n", 1, ADMIN_ANSWER_MAX) != 0)
        return ADMIN_STEP_FAILED;
    return step;
}

enum admin_step admin_control_step(struct admin *admin, struct buffer *in, struct buffer *out)
{
    size_t n = buffer_length(in);
    const char *end = memchr(buffer_data(in), '\n', n);
    json_t *answer;

    if (end == NULL && n < ADMIN_LINE_MAX)
        return ADMIN_STEP_MORE;
    if (end == NULL)
        return control_put(out, admin_control_failed("the request is too long"), ADMIN_STEP_LAST);
    n = (size_t)(end - buffer_data(in));
    answer = control_answer(admin, buffer_data(in), n);
    buffer_consume(in, n + 1);
    return control_put(out, answer, ADMIN_STEP_ANSWER);
}
