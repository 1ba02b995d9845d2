/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl trace: how an exchange was judged, for people. The object's members are those of
 * docs/trace.md; what this version doesn't know is shown by --json only.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"

static bool has(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return value != NULL && !json_is_null(value);
}

/* The label and the value, if there is one. */
static void print_member(const json_t *object, const char *name, const char *label)
{
    const json_t *value = json_object_get(object, name);

    if (json_is_string(value)) {
        printf("%s", label);
        command_print_text(json_string_value(value));
    } else if (json_is_integer(value)) {
        printf("%s%lld", label, (long long)json_integer_value(value));
    }
}

static void print_words(const json_t *array, const char *label)
{
    const json_t *word;
    size_t i;

    if (json_array_size(array) == 0)
        return;
    printf("%s", label);
    json_array_foreach(array, i, word)
    {
        printf("%s", i > 0 ? ", " : "");
        command_print_text(json_is_string(word) ? json_string_value(word) : "?");
    }
}

static void print_fault(const json_t *fault, const char *indent)
{
    if (!json_is_object(fault))
        return;
    printf("%snot usable: ", indent);
    print_member(fault, "parameter", "parameter ");
    printf("%s", has(fault, "parameter") ? ": " : "");
    command_print_text(command_string(fault, "text"));
    printf(" (byte %lld)\n", command_number(fault, "offset"));
}

static void print_lookup(const json_t *lookup)
{
    const json_t *records = json_object_get(lookup, "records");
    const char *security = command_string(lookup, "security");
    const json_t *record;
    size_t i;

    print_member(lookup, "id", "  ");
    printf(". ");
    command_print_text(command_string(lookup, "name"));
    printf("  %s, %s", security, command_string(lookup, "source"));
    printf("%s", json_is_true(json_object_get(lookup, "fresh")) ? " past all caches" : "");
    print_member(lookup, "ttl", ", ttl ");
    if (strcmp(security, "secure") == 0 && json_array_size(records) == 0)
        printf(", no such record");
    putchar('\n');
    print_member(lookup, "why", "      ");
    printf("%s", has(lookup, "why") ? "\n" : "");
    json_array_foreach(records, i, record)
    {
        printf("      ");
        command_print_text(command_string(record, "text"));
        putchar('\n');
        print_fault(json_object_get(record, "fault"), "        ");
    }
}

static void print_policy(const json_t *policy)
{
    printf("policy: %s", command_string(policy, "state"));
    print_member(policy, "domain", " at ");
    print_member(policy, "security", ", ");
    putchar('\n');
    print_fault(json_object_get(policy, "fault"), "  ");
    if (!has(policy, "v"))
        return;
    print_member(policy, "v", "  v ");
    print_words(json_object_get(policy, "scopes"), "; scopes ");
    print_words(json_object_get(policy, "directives"), "; directives ");
    print_member(policy, "cache", "; cache ");
    print_member(policy, "invalidate-keys-cache", "; invalidate-keys-cache ");
    print_member(policy, "report-to", "; report-to ");
    putchar('\n');
}

static void print_response(const json_t *response)
{
    if (!json_is_object(response)) {
        puts("response: none");
        return;
    }
    printf("response: status %lld, %s", command_number(response, "status"),
           command_string(response, "coverage"));
    print_member(response, "scope", " by scope ");
    puts(json_is_true(json_object_get(response, "complete")) ? ", complete"
                                                             : ", not read to its end");
}

static void print_entry(const json_t *entry)
{
    printf("  ");
    print_member(entry, "label", "");
    printf("%skey ", has(entry, "label") ? ": " : "");
    command_print_text(command_string(entry, "key-id"));
    print_member(entry, "alg", ", ");
    print_member(entry, "hash", ", ");
    print_member(entry, "lookup", ", from lookup ");
    printf("\n      %s: ", command_string(entry, "outcome"));
    command_print_text(command_string(entry, "text"));
    print_member(entry, "fault", "; ");
    putchar('\n');
}

static void print_digest(const json_t *digest)
{
    const char *computed = command_string(digest, "computed");
    const char *listed = command_string(digest, "listed");

    printf("  ");
    command_print_text(command_string(digest, "algorithm"));
    if (has(digest, "computed") && has(digest, "listed"))
        printf("%s", strcmp(computed, listed) == 0 ? ", as listed" : ", NOT as listed");
    putchar('\n');
    print_member(digest, "computed", "      computed ");
    printf("%s", has(digest, "computed") ? "\n" : "");
    print_member(digest, "listed", "      listed   ");
    printf("%s", has(digest, "listed") ? "\n" : "");
}

static void print_list(const json_t *trace, const char *name, void (*print)(const json_t *))
{
    const json_t *array = json_object_get(trace, name);
    const json_t *member;
    size_t i;

    if (json_array_size(array) == 0)
        return;
    printf("%s:\n", name);
    json_array_foreach(array, i, member) print(member);
}

void command_print_trace(const json_t *trace)
{
    print_list(trace, "lookups", print_lookup);
    print_policy(json_object_get(trace, "policy"));
    print_response(json_object_get(trace, "response"));
    print_list(trace, "entries", print_entry);
    print_list(trace, "digests", print_digest);
    printf("verdict: %s", command_string(trace, "verdict"));
    if (strcmp(command_string(trace, "reason"), "none") != 0)
        print_member(trace, "reason", ", ");
    print_member(trace, "key-id", ", key ");
    print_member(trace, "note", "; ");
    print_member(trace, "error", "; error: ");
    putchar('\n');
    if (json_is_string(json_object_get(trace, "failed-before")))
        printf("blocked without loading it: this content failed within the last seconds, %s; the "
               "trace of that exchange has the proof\n",
               command_string(trace, "failed-before"));
}

static void print_trace(const json_t *answer)
{
    const json_t *trace = json_object_get(answer, "trace");

    printf("exchange ");
    command_print_text(command_string(answer, "id"));
    print_member(trace, "host", ", host ");
    print_member(trace, "rule", ", rule ");
    putchar('\n');
    command_print_trace(trace);
}

int command_trace(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    json_t *answer = NULL;
    int r = command_parse(command, argc, argv, NULL, 1, 1, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    r = command_ask(&options, "trace", options.argv[0], &answer);
    if (r != COMMAND_OK)
        return r;
    if (!json_is_true(json_object_get(answer, "ok"))) {
        command_error("%s", command_string(answer, "error"));
        r = COMMAND_NO;
    } else if (options.json) {
        r = command_print_json(json_object_get(answer, "trace"));
    } else {
        print_trace(answer);
    }
    json_decref(answer);
    return r;
}
