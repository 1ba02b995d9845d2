/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The exposition text, read by a parser that takes nothing but the format's grammar: each family
 * has its HELP and TYPE once, before its samples, which stand together; no series twice; histograms
 * add up.
 */
#include "core/metrics.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/resolver.h"

#define SERIES_MAX 4096

struct exposition {
    char *text; /* cut up into lines */
    const char *series[SERIES_MAX];
    double value[SERIES_MAX];
    size_t n;
    char family[128], type[512];
    const char *seen[64];
    size_t n_seen;
};

static size_t name_length(const char *p)
{
    size_t n = 0;

    while (isalpha((unsigned char)p[n]) || p[n] == '_' || p[n] == ':' ||
           (n > 0 && isdigit((unsigned char)p[n])))
        n++;
    return n;
}

/* `{name="value",...}`; what follows it. */
static const char *parse_labels(const char *p)
{
    cr_assert_eq(*p++, '{');
    for (;;) {
        size_t n = name_length(p);

        cr_assert_gt(n, 0, "label name at %s", p);
        p += n;
        cr_assert_eq(*p++, '=');
        cr_assert_eq(*p++, '"');
        while (*p != '"') {
            cr_assert_neq(*p, '\0');
            if (*p == '\\') {
                p++;
                cr_assert(*p == '\\' || *p == '"' || *p == 'n', "escape at %s", p);
            }
            p++;
        }
        p++;
        if (*p == '}')
            return p + 1;
        cr_assert_eq(*p++, ',');
    }
}

static void parse_comment(struct exposition *e, char *line)
{
    char word[8], name[128], rest[512];

    cr_assert_eq(sscanf(line, "# %7s %127s %511[^\n]", word, name, rest), 3, "%s", line);
    if (strcmp(word, "HELP") == 0) {
        for (size_t i = 0; i < e->n_seen; i++)
            cr_assert_str_neq(e->seen[i], name, "family twice");
        cr_assert_lt(e->n_seen, 64);
        snprintf(e->family, sizeof(e->family), "%s", name);
        e->seen[e->n_seen++] = strdup(name);
        e->type[0] = '\0';
        return;
    }
    cr_assert_str_eq(word, "TYPE");
    cr_assert_str_eq(name, e->family);
    cr_assert_str_empty(e->type);
    cr_assert(strcmp(rest, "counter") == 0 || strcmp(rest, "gauge") == 0 ||
              strcmp(rest, "histogram") == 0 || strcmp(rest, "untyped") == 0);
    snprintf(e->type, sizeof(e->type), "%s", rest);
}

static void check_sample_name(const struct exposition *e, const char *name, size_t n)
{
    size_t family = strlen(e->family);

    cr_assert_geq(n, family);
    cr_assert_eq(memcmp(name, e->family, family), 0, "%s outside of its family %s", name,
                 e->family);
    if (strcmp(e->type, "histogram") == 0)
        cr_assert(strncmp(name + family, "_bucket", n - family) == 0 ||
                  strncmp(name + family, "_sum", n - family) == 0 ||
                  strncmp(name + family, "_count", n - family) == 0);
    else
        cr_assert_eq(n, family, "%s", name);
    if (strcmp(e->type, "counter") == 0)
        cr_assert_str_eq(e->family + family - 6, "_total");
}

static void parse_sample(struct exposition *e, char *line)
{
    size_t n = name_length(line);
    const char *p = line + n;
    char *end;

    cr_assert_str_not_empty(e->type, "a sample without a type: %s", line);
    check_sample_name(e, line, n);
    if (*p == '{')
        p = parse_labels(p);
    cr_assert_eq(*p, ' ');
    cr_assert_lt(e->n, SERIES_MAX);
    e->value[e->n] = strtod(p + 1, &end);
    cr_assert_eq(*end, '\0');
    line[p - line] = '\0';
    for (size_t i = 0; i < e->n; i++)
        cr_assert_str_neq(e->series[i], line, "series twice");
    e->series[e->n++] = line;
}

static void exposition_read(struct exposition *e, const char *const *names, uint64_t hold)
{
    size_t len = 0;
    char *line, *rest;

    memset(e, 0, sizeof(*e));
    rest = e->text = metrics_text(names, &(struct metrics_gauges){.hold_bytes = hold}, &len);
    cr_assert_not_null(e->text);
    cr_assert_eq(strlen(e->text), len);
    cr_assert_eq(e->text[len - 1], '\n');
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        if (*line == '#')
            parse_comment(e, line);
        else
            parse_sample(e, line);
    }
    cr_assert(rest == NULL || *rest == '\0', "an empty line inside");
}

/* -1: there is no such series. */
static double exposition_value(const struct exposition *e, const char *series)
{
    for (size_t i = 0; i < e->n; i++) {
        if (strcmp(e->series[i], series) == 0)
            return e->value[i];
    }
    return -1;
}

static void exposition_free(struct exposition *e)
{
    for (size_t i = 0; i < e->n_seen; i++)
        free((char *)e->seen[i]);
    free(e->text);
}

static const char *const no_names[METRICS_LISTENERS];

Test(metrics, fresh_text_is_well_formed)
{
    static struct exposition e;

    exposition_read(&e, no_names, 0);
    cr_assert_geq(e.n_seen, 11);
    cr_assert_eq(exposition_value(&e, "dived_connections"), 0);
    cr_assert_eq(exposition_value(&e, "dived_reports_total{result=\"rate-limited\"}"), 0);
    cr_assert_eq(exposition_value(&e, "dived_verify_duration_seconds_count"), 0);
    exposition_free(&e);
}

Test(metrics, everything_counted_is_there)
{
    static struct exposition e;
    const char *names[METRICS_LISTENERS] = {"127.0.0.1:3128", "a\"b\\c\nd"};

    metrics_request(0, 200);
    metrics_request(0, 200);
    metrics_request(1, 403);
    metrics_request(0, 0);
    metrics_request(2, 599);
    metrics_request(0, 600);
    metrics_request(0, -1);
    metrics_request(METRICS_LISTENERS + 5, 200);
    metrics_add(&metrics.verdicts[VERDICT_FAILED][DIVE_REASON_SIGNATURE_MISMATCH][ACTION_BLOCKED],
                3);
    metrics_add(&metrics.dns[RESOLVER_TXT][DIVE_DNS_SECURE], 4);
    metrics_add(&metrics.reports[REPORT_DUPLICATE], 5);
    metrics_add(&metrics.connections_refused, 6);
    atomic_fetch_add(&metrics.connections, 7);
    exposition_read(&e, names, UINT64_C(1) << 40);
    cr_assert_eq(
        exposition_value(&e, "dived_requests_total{listener=\"127.0.0.1:3128\",code=\"200\"}"), 2);
    cr_assert_eq(
        exposition_value(&e, "dived_requests_total{listener=\"127.0.0.1:3128\",code=\"0\"}"), 3,
        "what is no status code counts as none");
    cr_assert_eq(
        exposition_value(&e, "dived_requests_total{listener=\"a\\\"b\\\\c\\nd\",code=\"403\"}"), 1);
    cr_assert_eq(exposition_value(&e, "dived_requests_total{listener=\"2\",code=\"599\"}"), 1);
    cr_assert_eq(exposition_value(&e, "dived_requests_total{listener=\"15\",code=\"200\"}"), 1);
    cr_assert_eq(exposition_value(&e, "dived_verdicts_total{verdict=\"failed\",reason=\"signature-"
                                      "mismatch\",action=\"blocked\"}"),
                 3);
    cr_assert_eq(exposition_value(&e, "dived_dns_queries_total{type=\"TXT\",security=\"secure\"}"),
                 4);
    cr_assert_eq(exposition_value(&e, "dived_reports_total{result=\"duplicate\"}"), 5);
    cr_assert_eq(exposition_value(&e, "dived_connections_refused_total"), 6);
    cr_assert_eq(exposition_value(&e, "dived_connections"), 7);
    cr_assert_eq(exposition_value(&e, "dived_hold_bytes"), 1099511627776.0);
    exposition_free(&e);
}

Test(metrics, histogram_adds_up)
{
    static const struct {
        const char *le;
        double value;
    } rows[] = {{"0.0001", 2}, {"0.00025", 3}, {"0.005", 3}, {"10", 4}, {"+Inf", 5}};
    static struct exposition e;
    char series[128];
    double before = 0;

    metrics_verify_duration(0);
    metrics_verify_duration(100); /* a bound belongs to its bucket */
    metrics_verify_duration(101);
    metrics_verify_duration(10000000);
    metrics_verify_duration(10000001);
    exposition_read(&e, no_names, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(series, sizeof(series), "dived_verify_duration_seconds_bucket{le=\"%s\"}",
                 rows[i].le);
        cr_assert_eq(exposition_value(&e, series), rows[i].value, "%s", rows[i].le);
        cr_assert_geq(rows[i].value, before);
        before = rows[i].value;
    }
    cr_assert_eq(exposition_value(&e, "dived_verify_duration_seconds_count"), 5);
    cr_assert_float_eq(exposition_value(&e, "dived_verify_duration_seconds_sum"), 20.000202, 1e-9);
    exposition_free(&e);
}

Test(metrics, dns_types_are_the_resolvers)
{
    static struct exposition e;
    char series[128];

    for (unsigned type = 0; type < RESOLVER_TYPE_COUNT; type++)
        metrics_add(&metrics.dns[type][DIVE_DNS_BOGUS], type + 1);
    exposition_read(&e, no_names, 0);
    for (unsigned type = 0; type < RESOLVER_TYPE_COUNT; type++) {
        snprintf(series, sizeof(series), "dived_dns_queries_total{type=\"%s\",security=\"bogus\"}",
                 resolver_type_word(type));
        cr_assert_eq(exposition_value(&e, series), type + 1, "%s", series);
    }
    exposition_free(&e);
}

Test(metrics, words)
{
    cr_assert_str_eq(verdict_word(VERDICT_NOT_COVERED), "not-covered");
    cr_assert_str_eq(action_word(ACTION_STREAMED), "streamed");
    cr_assert_str_eq(verdict_word(VERDICT_COUNT), "none");
    cr_assert_str_eq(action_word(ACTION_COUNT), "none");
}
