/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records_print: the report of `divectl records` for people, printed from its JSON. Everything that
 * DNS said goes through command_print_text().
 */
#include <stdio.h>
#include <string.h>

#include "cmd/records.h"

static void print(const json_t *object, const char *member)
{
    command_print_text(command_string(object, member));
}

static void print_finding(const json_t *finding, const char *indent)
{
    const json_t *parameter = json_object_get(finding, "parameter");

    printf("%s%s: ", indent, command_string(finding, "severity"));
    if (json_object_get(finding, "offset") != NULL) {
        if (json_is_string(parameter)) {
            print(finding, "parameter");
            putchar(' ');
        }
        print(finding, "text");
        printf(" (byte %lld)\n", command_number(finding, "offset"));
        return;
    }
    if (json_is_string(json_object_get(finding, "name"))) {
        print(finding, "name");
        printf(": ");
    }
    print(finding, "text");
    putchar('\n');
}

static void print_lifetime(const json_t *record, long long ttl)
{
    const char *bound = command_string(record, "lifetime-bound");
    long long lifetime = command_number(record, "lifetime");

    if (json_object_get(record, "lifetime") == NULL)
        return;
    printf("      kept for %lld s: cache %lld, TTL %lld, the draft's maximum %lld%s\n", lifetime,
           command_number(record, "cache"), ttl, command_number(record, "cap"),
           lifetime == 0 ? "; every verification asks the resolver, whose own cache keeps the TTL"
           : strcmp(bound, "ttl") == 0 ? "; the TTL is the least"
           : strcmp(bound, "cap") == 0 ? "; the maximum is the least"
                                       : "; cache is the least");
}

static void print_name(const json_t *name)
{
    const json_t *records = json_object_get(name, "records");
    const char *security = command_string(name, "security");
    const json_t *record, *fault;
    size_t i, j;

    printf("  ");
    print(name, "name");
    printf("  %s", security);
    if (json_array_size(records) > 0 || strcmp(security, "secure") == 0)
        printf(", ttl %lld", command_number(name, "ttl"));
    if (json_array_size(records) == 0 && strcmp(security, "secure") == 0)
        printf(", no such record");
    puts(json_is_true(json_object_get(name, "decides")) ? "  <- decides" : "");
    if (json_is_string(json_object_get(name, "why"))) {
        printf("    ");
        print(name, "why");
        putchar('\n');
    }
    json_array_foreach(records, i, record)
    {
        printf("    ");
        print(record, "text");
        putchar('\n');
        print_lifetime(record, command_number(name, "ttl"));
        json_array_foreach(json_object_get(record, "faults"), j, fault)
            print_finding(fault, "      ");
    }
}

static void print_names(const json_t *report, const char *kind, const char *title)
{
    const json_t *name;
    bool first = true;
    size_t i;

    json_array_foreach(json_object_get(report, "names"), i, name)
    {
        if (strcmp(command_string(name, "kind"), kind) != 0)
            continue;
        if (first)
            puts(title);
        first = false;
        print_name(name);
    }
}

void records_print(const json_t *report)
{
    const json_t *problem, *name;
    size_t i;

    print_names(report, "policy", "policy walk, closest level first:");
    print_names(report, "key", "keys:");
    if (json_array_size(json_object_get(report, "probes")) > 0)
        puts("random names, which only a wildcard can answer:");
    json_array_foreach(json_object_get(report, "probes"), i, name) print_name(name);
    printf("policy: %s", command_string(report, "state"));
    if (json_is_string(json_object_get(report, "policy-domain"))) {
        printf(" at ");
        print(report, "policy-domain");
    }
    printf(", %s\n", command_string(report, "security"));
    json_array_foreach(json_object_get(report, "problems"), i, problem) print_finding(problem, "");
    printf("%s: %lld errors, %lld warnings\n",
           json_is_true(json_object_get(report, "ok")) ? "good" : "not good",
           command_number(report, "errors"), command_number(report, "warnings"));
}
