/* SPDX-License-Identifier: BSD-2-Clause
 *
 * report: what happened in a time, as one JSON object: counts a day and a domain, reasons, clients,
 * and what was or would have been blocked, with the rule that lets it through. The printers of
 * `divectl audit report` know no more than what is in here.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/query.h"

#define REPORT_MS_A_DAY 86400000
#define REPORT_TEXT(x) REPORT_TEXT_(x)
#define REPORT_TEXT_(x) #x

/* Adds the row as an object by its columns' names. */
static int report_on_row(void *arg, struct sqlite3_stmt *statement)
{
    json_t *list = arg, *object = json_object();

    for (int i = 0; object != NULL && i < sqlite3_column_count(statement); i++) {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        json_t *value;

        if (sqlite3_column_type(statement, i) == SQLITE_INTEGER)
            value = json_integer(sqlite3_column_int64(statement, i));
        else
            value = text != NULL ? json_string(text) : json_null();
        if (value == NULL)
            value = json_string("?");
        if (json_object_set_new(object, sqlite3_column_name(statement, i), value) != 0) {
            json_decref(object);
            return DIVE_E_NOMEM;
        }
    }
    return json_array_append_new(list, object) == 0 ? 0 : DIVE_E_NOMEM;
}

/* New list of the rows of a statement, NULL on failure. */
static json_t *report_list(struct audit_query *q, const char *sql, int64_t first, int64_t second)
{
    json_t *list = json_array();

    if (list != NULL && audit_query_each(q, sql, first, second, report_on_row, list) != 0) {
        json_decref(list);
        list = NULL;
    }
    return list;
}

/* Sums over day_count; `covered` is what a policy's scopes cover. */
#define REPORT_SUMS                                                                                \
    "sum(n) AS exchanges,"                                                                         \
    "sum(CASE verdict WHEN 'verified' THEN n ELSE 0 END) AS verified,"                             \
    "sum(CASE verdict WHEN 'failed' THEN n ELSE 0 END) AS failed,"                                 \
    "sum(CASE WHEN verdict = 'failed' AND action = 'blocked' THEN n ELSE 0 END) AS blocked,"       \
    "sum(CASE verdict WHEN 'not-covered' THEN n ELSE 0 END) AS not_covered,"                       \
    "sum(CASE verdict WHEN 'not-supported' THEN n ELSE 0 END) AS not_supported,"                   \
    "sum(CASE verdict WHEN 'exempt' THEN n ELSE 0 END) AS exempt,"                                 \
    "sum(CASE verdict WHEN 'none' THEN n ELSE 0 END) AS undecided"
#define REPORT_DAYS " FROM day_count WHERE day BETWEEN ?1 AND ?2"
#define REPORT_EVENTS " FROM event WHERE time_ms >= ?1 AND time_ms < ?2"

/* The host's own rule; JSON's strings are YAML's too. */
static int report_add_rule(json_t *entry)
{
    json_t *host = json_object_get(entry, "host");
    char *quoted = json_dumps(host, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    json_t *rule = quoted != NULL ? json_sprintf("- {host: %s, mode: report-only}", quoted) : NULL;

    free(quoted);
    return json_object_set_new(entry, "rule", rule);
}

static json_t *report_with_rules(json_t *list)
{
    json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        if (report_add_rule(entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Grouped by host: what an exemption would be about. */
static json_t *report_hosts(struct audit_query *q, const char *which, int64_t since, int64_t until)
{
    char sql[1024];

    snprintf(sql, sizeof(sql),
             "SELECT host, policy_domain, count(*) AS n, count(DISTINCT client) AS clients,"
             " replace(group_concat(DISTINCT coalesce(reason, kind)), ',', ', ') AS reasons, "
             "min(url) AS url,"
             " min(time_ms) AS first_ms, max(time_ms) AS last_ms" REPORT_EVENTS
             " AND host IS NOT NULL AND %s"
             " GROUP BY host, policy_domain ORDER BY n DESC, host LIMIT " REPORT_TEXT(
                 AUDIT_REPORT_HOSTS),
             which);
    return report_with_rules(report_list(q, sql, since, until));
}

static json_t *report_first(json_t *list)
{
    json_t *first = json_incref(json_array_get(list, 0));

    json_decref(list);
    return first;
}

static int report_fill(struct audit_query *q, json_t *report, int64_t since, int64_t until)
{
    int64_t first = since / REPORT_MS_A_DAY, last = (until - 1) / REPORT_MS_A_DAY;
    int r = 0;

    r |= json_object_set_new(
        report, "totals",
        report_first(report_list(q,
                                 "SELECT count(DISTINCT CASE WHEN domain <> '' THEN domain END) AS "
                                 "domains," REPORT_SUMS REPORT_DAYS,
                                 first, last)));
    r |= json_object_set_new(
        report, "events",
        report_first(report_list(
            q,
            "SELECT count(*) AS recorded, coalesce(sum(action = 'blocked'), 0) AS blocked,"
            " coalesce(sum(would_block), 0) AS would_block,"
            " coalesce(sum(kind = 'denied'), 0) AS denied" REPORT_EVENTS,
            since, until)));
    r |= json_object_set_new(
        report, "days",
        report_list(q,
                    "SELECT date(day * 86400, 'unixepoch') AS day," REPORT_SUMS REPORT_DAYS
                    " GROUP BY day_count.day ORDER BY day_count.day",
                    first, last));
    r |= json_object_set_new(
        report, "domains",
        report_list(q,
                    "SELECT domain," REPORT_SUMS REPORT_DAYS
                    " AND domain <> '' GROUP BY domain ORDER BY exchanges DESC, domain"
                    " LIMIT " REPORT_TEXT(AUDIT_REPORT_DOMAINS),
                    first, last));
    r |= json_object_set_new(
        report, "reasons",
        report_list(
            q,
            "SELECT coalesce(reason, kind) AS reason, count(*) AS n,"
            " sum(action = 'blocked') AS blocked, sum(would_block) AS would_block" REPORT_EVENTS
            " GROUP BY 1 ORDER BY n DESC, 1 LIMIT 50",
            since, until));
    r |= json_object_set_new(
        report, "reasons_by_day",
        report_list(q,
                    "SELECT date(time_ms / 1000, 'unixepoch') AS day,"
                    " coalesce(reason, kind) AS reason, count(*) AS n" REPORT_EVENTS
                    " GROUP BY 1, 2 ORDER BY 1, 2",
                    since, until));
    r |= json_object_set_new(
        report, "clients",
        report_list(q,
                    "SELECT client, count(*) AS n, sum(action = 'blocked') AS blocked,"
                    " sum(would_block) AS would_block, count(DISTINCT host) AS hosts" REPORT_EVENTS
                    " GROUP BY client ORDER BY n DESC, client"
                    " LIMIT " REPORT_TEXT(AUDIT_REPORT_CLIENTS),
                    since, until));
    r |= json_object_set_new(report, "would_block", report_hosts(q, "would_block", since, until));
    r |=
        json_object_set_new(report, "blocked", report_hosts(q, "action = 'blocked'", since, until));
    return r;
}

json_t *audit_report(struct audit_query *q, int64_t since_ms, int64_t until_ms)
{
    char since[AUDIT_TIME_TEXT], until[AUDIT_TIME_TEXT];
    json_t *report;

    audit_time_text(since_ms, since);
    audit_time_text(until_ms, until);
    report = json_pack("{s:i, s:s, s:s, s:s}", "audit-report-version", 1, "file",
                       audit_query_path(q), "since", since, "until", until);
    if (report != NULL && report_fill(q, report, since_ms, until_ms) != 0) {
        json_decref(report);
        report = NULL;
    }
    return report;
}
