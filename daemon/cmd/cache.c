/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl cache, divectl purge: what the daemon has stored, and that some of it is to go.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"

/* "17 s", "3 h"; negative: ago. */
static void print_seconds(long long seconds)
{
    const char *sign = seconds < 0 ? "-" : "";
    long long n = seconds < 0 ? -seconds : seconds;

    if (n < 120)
        printf("%s%lld s", sign, n);
    else if (n < 7200)
        printf("%s%lld min", sign, n / 60);
    else if (n < 172800)
        printf("%s%lld h", sign, n / 3600);
    else
        printf("%s%lld d", sign, n / 86400);
}

static void print_stats(const json_t *s)
{
    printf("objects:        %lld, %lld of them in memory\n", command_number(s, "objects"),
           command_number(s, "memory_objects"));
    printf("on disk:        %lld bytes%s%s\n", command_number(s, "disk_bytes"),
           json_is_true(json_object_get(s, "disk_usable")) ? "" : " (the directory can't be used)",
           json_is_true(json_object_get(s, "indexing")) ? " (still being indexed)" : "");
    printf("in memory:      %lld bytes, and %lld of index\n", command_number(s, "memory_bytes"),
           command_number(s, "index_bytes"));
    printf("to be written:  %lld objects\n", command_number(s, "queued"));
    printf("evicted:        %lld\n", command_number(s, "evicted"));
    printf("same content:   %lld not stored twice\n", command_number(s, "deduplicated"));
    printf("corrupt:        %lld dropped\n", command_number(s, "dropped_corrupt"));
    printf("write errors:   %lld, and %lld objects not written\n",
           command_number(s, "write_errors"), command_number(s, "writes_skipped"));
}

static void print_object(const json_t *o)
{
    const json_t *dive = json_object_get(o, "dive");

    command_print_text(command_string(o, "url"));
    printf("\n    status %lld, %lld bytes, age ", command_number(o, "status"),
           command_number(o, "bytes"));
    print_seconds(command_number(o, "age"));
    printf(command_number(o, "ttl") >= 0 ? ", fresh for " : ", stale: ");
    print_seconds(command_number(o, "ttl"));
    printf(", %s%s%s\n", json_is_true(json_object_get(o, "memory")) ? "memory" : "",
           json_is_true(json_object_get(o, "memory")) && json_is_true(json_object_get(o, "disk"))
               ? " and "
               : "",
           json_is_true(json_object_get(o, "disk")) ? "disk" : "");
    if (*command_string(o, "vary") != '\0') {
        printf("    varies by ");
        command_print_text(command_string(o, "vary"));
        printf("\n");
    }
    if (json_is_object(dive)) {
        printf("    verified by the policy of ");
        command_print_text(command_string(dive, "policy_domain"));
        printf(", key ");
        command_print_text(command_string(dive, "key_id"));
        printf("\n");
    }
}

static void print_objects(const json_t *answer)
{
    const json_t *object;
    size_t i;

    json_array_foreach(json_object_get(answer, "objects"), i, object)
    {
        print_object(object);
    }
    if (json_is_true(json_object_get(answer, "more")))
        printf("(there are more; name the beginning of a URL)\n");
}

static void print_removed(const json_t *answer)
{
    printf("removed: %lld\n", command_number(answer, "removed"));
}

/* Asks, and prints by `print`. The exit code. */
static int cache_ask(const struct command_options *options, json_t *request,
                     void (*print)(const json_t *answer))
{
    json_t *answer = NULL;
    int r = command_request(options, request, &answer);

    if (r != COMMAND_OK)
        return r;
    if (!json_is_true(json_object_get(answer, "ok"))) {
        command_error("%s", command_string(answer, "error"));
        r = COMMAND_NO;
    } else if (options->json) {
        (void)json_object_del(answer, "ok");
        r = command_print_json(answer);
    } else {
        print(answer);
    }
    json_decref(answer);
    return r;
}

/* purge [URL] [--host HOST] [--key-id KEYID]: exactly one of them. */
static int cache_purge(const struct command *command, const struct command_options *options,
                       const char *url, const char *host, const char *key_id)
{
    json_t *request;

    if ((url != NULL) + (host != NULL) + (key_id != NULL) != 1) {
        command_error("purge takes one of: a URL, --host HOST, --key-id KEYID");
        return command_usage(command);
    }
    request = json_pack("{s:s, s:s}", "command", "purge",
                        url != NULL    ? "url"
                        : host != NULL ? "host"
                                       : "key-id",
                        url != NULL    ? url
                        : host != NULL ? host
                                       : key_id);
    return cache_ask(options, request, print_removed);
}

int command_purge(const struct command *command, int argc, char **argv)
{
    const char *host = NULL, *key_id = NULL;
    const struct command_option own[] = {
        {"host", true, &host}, {"key-id", true, &key_id}, {NULL, false, NULL}};
    struct command_options options;
    int r = command_parse(command, argc, argv, own, 0, 1, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    return cache_purge(command, &options, options.argc > 0 ? options.argv[0] : NULL, host, key_id);
}

int command_cache(const struct command *command, int argc, char **argv)
{
    const char *host = NULL, *key_id = NULL, *what, *argument;
    const struct command_option own[] = {
        {"host", true, &host}, {"key-id", true, &key_id}, {NULL, false, NULL}};
    struct command_options options;
    int r = command_parse(command, argc, argv, own, 1, 2, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    what = options.argv[0];
    argument = options.argc > 1 ? options.argv[1] : NULL;
    if (strcmp(what, "purge") == 0)
        return cache_purge(command, &options, argument, host, key_id);
    if (host != NULL || key_id != NULL) {
        command_error("--host and --key-id are for purge");
        return command_usage(command);
    }
    if (strcmp(what, "stats") == 0 && argument == NULL)
        return cache_ask(&options, json_pack("{s:s}", "command", "cache-stats"), print_stats);
    if (strcmp(what, "list") == 0)
        return cache_ask(&options,
                         json_pack("{s:s, s:s}", "command", "cache-list", "prefix",
                                   argument != NULL ? argument : ""),
                         print_objects);
    if (strcmp(what, "show") == 0 && argument != NULL)
        return cache_ask(&options,
                         json_pack("{s:s, s:s}", "command", "cache-show", "url", argument),
                         print_objects);
    command_error("cache takes: stats, list [PREFIX], show URL, or purge");
    return command_usage(command);
}
