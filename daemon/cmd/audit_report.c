/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit_report: the report of the audit store for a terminal.
 */
#include <stdio.h>

#include "cmd/audit.h"
#include "cmd/command.h"

#define BAR_MAX 40

/* Percent of `all`, 0 without any. */
static double percent(long long n, long long all)
{
    return all > 0 ? 100.0 * (double)n / (double)all : 0;
}

static void print_totals(const json_t *report)
{
    const json_t *t = json_object_get(report, "totals"), *e = json_object_get(report, "events");
    long long covered = command_number(t, "verified") + command_number(t, "failed");

    printf("exchanges            %lld\n", command_number(t, "exchanges"));
    printf("domains with policy  %lld\n", command_number(t, "domains"));
    printf("covered              %lld (%.1f %%)\n", covered,
           percent(covered, command_number(t, "exchanges")));
    printf("  verified           %lld (%.1f %% of them)\n", command_number(t, "verified"),
           percent(command_number(t, "verified"), covered));
    printf("  failed             %lld\n", command_number(t, "failed"));
    printf("blocked              %lld\n", command_number(e, "blocked"));
    printf("would be blocked     %lld\n", command_number(e, "would_block"));
    printf("denied by rules      %lld\n", command_number(e, "denied"));
    printf("without policy       %lld\n", command_number(t, "not_supported"));
    printf("exempt               %lld\n", command_number(t, "exempt"));
}

static void print_days(const json_t *days)
{
    const json_t *day;
    long long most = 1;
    size_t i;

    if (json_array_size(days) == 0)
        return;
    puts("\nDAY         VERIFIED   FAILED  EXCHANGES");
    json_array_foreach(days, i, day) if (command_number(day, "failed") > most) most =
        command_number(day, "failed");
    json_array_foreach(days, i, day)
    {
        long long failed = command_number(day, "failed");

        printf("%s %9lld %8lld %10lld  %.*s\n", command_string(day, "day"),
               command_number(day, "verified"), failed, command_number(day, "exchanges"),
               (int)(failed * BAR_MAX / most), "########################################");
    }
}

static void print_domains(const json_t *domains)
{
    const json_t *domain;
    size_t i;

    if (json_array_size(domains) == 0)
        return;
    puts("\nVERIFIED   FAILED NOT COVERED  DOMAIN");
    json_array_foreach(domains, i, domain)
    {
        printf("%8lld %8lld %11lld  ", command_number(domain, "verified"),
               command_number(domain, "failed"), command_number(domain, "not_covered"));
        command_print_text(command_string(domain, "domain"));
        putchar('\n');
    }
}

static void print_groups(const json_t *list, const char *name, const char *title)
{
    const json_t *group;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    printf("\n   TOTAL  BLOCKED    WOULD  %s\n", title);
    json_array_foreach(list, i, group)
    {
        printf("%8lld %8lld %8lld  ", command_number(group, "n"), command_number(group, "blocked"),
               command_number(group, "would_block"));
        command_print_text(command_string(group, name));
        putchar('\n');
    }
}

static void print_hosts(const json_t *list, const char *title)
{
    const json_t *host;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    printf("\n%s\n", title);
    json_array_foreach(list, i, host)
    {
        printf("%8lld  ", command_number(host, "n"));
        command_print_text(command_string(host, "host"));
        printf(": ");
        command_print_text(command_string(host, "reasons"));
        printf(" (%lld client%s)\n", command_number(host, "clients"),
               command_number(host, "clients") == 1 ? "" : "s");
    }
    puts("Rules that would let these pass, still reported (rules: of the configuration):");
    json_array_foreach(list, i, host)
    {
        printf("  ");
        command_print_text(command_string(host, "rule"));
        putchar('\n');
    }
}

void audit_report_print(const json_t *report)
{
    printf("From %s to %s, ", command_string(report, "since"), command_string(report, "until"));
    command_print_text(command_string(report, "file"));
    puts("\n");
    print_totals(report);
    print_days(json_object_get(report, "days"));
    print_domains(json_object_get(report, "domains"));
    print_groups(json_object_get(report, "reasons"), "reason", "REASON");
    print_groups(json_object_get(report, "clients"), "client", "CLIENT");
    print_hosts(json_object_get(report, "would_block"), "Enforce would have blocked, by host:");
    print_hosts(json_object_get(report, "blocked"), "Blocked, by host:");
}
