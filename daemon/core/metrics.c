/* SPDX-License-Identifier: BSD-2-Clause
 *
 * metrics: see metrics.h. The text is the Prometheus exposition format 0.0.4. Series of large
 * tables (listener and status, verdict words) appear with their first event; the small ones are
 * there, at 0, from the start, so that an alert on their rate works on a daemon that has just
 * started.
 */
#include "core/metrics.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"

#ifndef DIVED_VERSION
#define DIVED_VERSION "unknown"
#endif

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct metrics metrics;

/* Upper bounds; the last bucket, without one, is +Inf. A verdict waits for microseconds of hashing
 * at best, for a DNS lookup at worst. */
static const struct {
    uint64_t microseconds;
    const char *seconds;
} verify_bounds[] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
    {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"}, {10000000, "10"},
};

#define VERIFY_BUCKETS LENGTH(metrics.verify_bucket)
static_assert(LENGTH(verify_bounds) + 1 == VERIFY_BUCKETS, "one bound each, and +Inf");

static const char *const verdict_words[] = {
#define X(id, word) [VERDICT_##id] = word,
    VERDICT_WORDS(X)
#undef X
};

static const char *const action_words[] = {
#define X(id, word) [ACTION_##id] = word,
    ACTION_WORDS(X)
#undef X
};

static const char *const report_words[] = {
#define X(id, word) [REPORT_##id] = word,
    REPORT_RESULTS(X)
#undef X
};

/* In the order of enum resolver_type, which this folder doesn't know. */
static const char *const dns_types[] = {"A", "AAAA", "TXT", "SOA"};

static_assert(LENGTH(dns_types) == LENGTH(metrics.dns), "a word for each type");
static_assert(DIVE_DNS_SECURE + 1 == LENGTH(metrics.dns[0]), "a column for each security");

const char *verdict_word(enum verdict_word verdict)
{
    return (unsigned)verdict < VERDICT_COUNT ? verdict_words[verdict] : verdict_words[VERDICT_NONE];
}

const char *action_word(enum action_word action)
{
    return (unsigned)action < ACTION_COUNT ? action_words[action] : action_words[ACTION_NONE];
}

void metrics_request(unsigned listener, int status)
{
    if (listener >= METRICS_LISTENERS)
        listener = METRICS_LISTENERS - 1;
    if (status < 0 || (size_t)status >= LENGTH(metrics.requests[0]))
        status = 0;
    metrics_add(&metrics.requests[listener][status], 1);
}

void metrics_verify_duration(uint64_t microseconds)
{
    size_t i = 0;

    while (i < LENGTH(verify_bounds) && microseconds > verify_bounds[i].microseconds)
        i++;
    metrics_add(&metrics.verify_bucket[i], 1);
    metrics_add(&metrics.verify_microseconds, microseconds);
}

static uint64_t metrics_read(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void text_family(FILE *f, const char *name, const char *type, const char *help)
{
    fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family of one series without labels. */
static void text_single(FILE *f, const char *name, const char *type, const char *help,
                        uint64_t value)
{
    text_family(f, name, type, help);
    fprintf(f, "%s %llu\n", name, (unsigned long long)value);
}

/* A label value: `\`, `"` and line feed are escaped. */
static void text_label(FILE *f, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            fputs("\\n", f);
        else if (*value == '\\' || *value == '"')
            fprintf(f, "\\%c", *value);
        else
            fputc(*value, f);
    }
}

static void text_requests(FILE *f, const char *const *listener_names)
{
    text_family(f, "dived_requests_total", "counter",
                "Requests and tunnels answered, by listener and status code; 0: nothing was sent.");
    for (unsigned i = 0; i < METRICS_LISTENERS; i++) {
        for (unsigned code = 0; code < LENGTH(metrics.requests[0]); code++) {
            uint64_t n = metrics_read(&metrics.requests[i][code]);

            if (n == 0)
                continue;
            fputs("dived_requests_total{listener=\"", f);
            if (listener_names[i] != NULL)
                text_label(f, listener_names[i]);
            else
                fprintf(f, "%u", i);
            fprintf(f, "\",code=\"%u\"} %llu\n", code, (unsigned long long)n);
        }
    }
}

static void text_verdicts(FILE *f)
{
    text_family(f, "dived_verdicts_total", "counter",
                "Entries of the access log by their verdict, reason and action.");
    for (unsigned v = 0; v < VERDICT_COUNT; v++) {
        for (unsigned r = 0; r < DIVE_REASON_COUNT; r++) {
            for (unsigned a = 0; a < ACTION_COUNT; a++) {
                uint64_t n = metrics_read(&metrics.verdicts[v][r][a]);

                if (n > 0)
                    fprintf(f,
                            "dived_verdicts_total{verdict=\"%s\",reason=\"%s\",action=\"%s\"}"
                            " %llu\n",
                            verdict_words[v], dive_reason_word(r), action_words[a],
                            (unsigned long long)n);
            }
        }
    }
}

/* The count is the sum of what was read for the buckets: the two then agree, whatever is counted
 * meanwhile. */
static void text_verify(FILE *f)
{
    uint64_t microseconds = metrics_read(&metrics.verify_microseconds);
    uint64_t count = 0;

    text_family(f, "dived_verify_duration_seconds", "histogram",
                "From the last byte of the content to its verdict.");
    for (size_t i = 0; i < VERIFY_BUCKETS; i++) {
        count += metrics_read(&metrics.verify_bucket[i]);
        fprintf(f, "dived_verify_duration_seconds_bucket{le=\"%s\"} %llu\n",
                i < LENGTH(verify_bounds) ? verify_bounds[i].seconds : "+Inf",
                (unsigned long long)count);
    }
    fprintf(f, "dived_verify_duration_seconds_sum %llu.%06u\n",
            (unsigned long long)(microseconds / 1000000), (unsigned)(microseconds % 1000000));
    fprintf(f, "dived_verify_duration_seconds_count %llu\n", (unsigned long long)count);
}

static void text_dns(FILE *f)
{
    text_family(f, "dived_dns_queries_total", "counter",
                "Answers of DNS by record type and DNSSEC validation.");
    for (size_t type = 0; type < LENGTH(dns_types); type++) {
        for (unsigned s = 0; s < LENGTH(metrics.dns[0]); s++)
            fprintf(f, "dived_dns_queries_total{type=\"%s\",security=\"%s\"} %llu\n",
                    dns_types[type], dive_security_word(s),
                    (unsigned long long)metrics_read(&metrics.dns[type][s]));
    }
}

static void text_reports(FILE *f)
{
    text_family(f, "dived_reports_total", "counter", "Failure reports by what became of them.");
    for (unsigned i = 0; i < REPORT_COUNT; i++)
        fprintf(f, "dived_reports_total{result=\"%s\"} %llu\n", report_words[i],
                (unsigned long long)metrics_read(&metrics.reports[i]));
}

static void text_cache(FILE *f, const struct metrics_gauges *gauges)
{
    uint64_t hits = metrics_read(&metrics.cache_hits);
    uint64_t misses = metrics_read(&metrics.cache_misses);

    text_single(f, "dived_cache_hits_total", "counter", "Responses that came from the cache.",
                hits);
    text_single(f, "dived_cache_misses_total", "counter",
                "Responses that the cache was asked for and didn't have.", misses);
    /* Their first names, which lack the suffix of a counter and so can't be typed as one. */
    text_single(f, "dived_cache_hits", "untyped", "The same as dived_cache_hits_total.", hits);
    text_single(f, "dived_cache_misses", "untyped", "The same as dived_cache_misses_total.",
                misses);
    text_family(f, "dived_cache_bytes", "gauge", "What is stored, by where.");
    fprintf(f, "dived_cache_bytes{tier=\"memory\"} %llu\n",
            (unsigned long long)gauges->cache_memory_bytes);
    fprintf(f, "dived_cache_bytes{tier=\"disk\"} %llu\n",
            (unsigned long long)gauges->cache_disk_bytes);
    text_single(f, "dived_cache_objects", "gauge", "Stored responses.", gauges->cache_objects);
}

static void text_audit(FILE *f)
{
    text_single(f, "dived_audit_events_total", "counter", "Events written to the audit store.",
                metrics_read(&metrics.audit_events));
    text_single(f, "dived_audit_lost_total", "counter",
                "Events that the audit store could not take in time.",
                metrics_read(&metrics.audit_lost));
    text_single(f, "dived_audit_errors_total", "counter",
                "Failed attempts to write the audit store.", metrics_read(&metrics.audit_errors));
    text_single(f, "dived_audit_pruned_total", "counter",
                "Rows removed from the audit store for its size or their age.",
                metrics_read(&metrics.audit_pruned));
    text_single(f, "dived_audit_queue", "gauge", "Events that wait to be written.",
                metrics_read(&metrics.audit_queue));
    text_single(f, "dived_audit_rows", "gauge", "Rows of the audit store.",
                metrics_read(&metrics.audit_rows));
    text_single(f, "dived_audit_bytes", "gauge", "Size of the audit store.",
                metrics_read(&metrics.audit_bytes));
}

static void text_all(FILE *f, const char *const *listener_names,
                     const struct metrics_gauges *gauges)
{
    int64_t connections = atomic_load_explicit(&metrics.connections, memory_order_relaxed);

    text_family(f, "dived_build_info", "gauge", "The running version; always 1.");
    fprintf(f, "dived_build_info{version=\"%s\",openssl=\"", DIVED_VERSION);
    text_label(f, OpenSSL_version(OPENSSL_VERSION_STRING));
    fputs("\"} 1\n", f);
    text_requests(f, listener_names);
    text_verdicts(f);
    text_verify(f);
    text_single(f, "dived_hold_bytes", "gauge",
                "Content kept back until its verdict, in memory and in files.", gauges->hold_bytes);
    text_cache(f, gauges);
    text_dns(f);
    text_single(f, "dived_policies_lost_total", "counter",
                "Requests to hosts whose policy, seen before, is gone without a proof.",
                metrics_read(&metrics.policies_lost));
    text_reports(f);
    text_audit(f);
    text_single(f, "dived_connections", "gauge", "Connections of clients.",
                connections > 0 ? (uint64_t)connections : 0);
    text_single(f, "dived_connections_refused_total", "counter",
                "Connections of clients closed at once by limits.connections-per-client.",
                metrics_read(&metrics.connections_refused));
    text_single(f, "dived_accept_pauses_total", "counter",
                "Times that a listener stopped accepting for want of descriptors or by a limit.",
                metrics_read(&metrics.accept_pauses));
    text_single(f, "dived_log_lines_lost_total", "counter",
                "Lines of both logs that could not be written.", log_lost_lines());
}

char *metrics_text(const char *const *listener_names, const struct metrics_gauges *gauges,
                   size_t *len)
{
    char *text = NULL;
    bool failed;
    FILE *f;

    *len = 0;
    f = open_memstream(&text, len);
    if (f == NULL)
        return NULL;
    text_all(f, listener_names, gauges);
    failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed) {
        free(text);
        *len = 0;
        return NULL;
    }
    return text;
}
