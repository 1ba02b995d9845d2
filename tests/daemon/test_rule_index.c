/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The index must find what a look at every rule, one after the other, finds; and fast.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config.h"

static uint32_t seed;

static unsigned draw(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static const char *pick(const char *const *list, size_t n)
{
    return list[draw((unsigned)n)];
}

#define PICK(list) pick(list, sizeof(list) / sizeof((list)[0]))

static const char *const globs[] = {"\"*\"",         "a.example",        "\"*.a.example\"",
                                    ".a.example",    ".example",         "b.example",
                                    "\"*.example\"", "\"x*.a.example\"", "\"*b.a.*\"",
                                    "192.0.2.1",     "\"::1\"",          "\"::ffff:192.0.2.2\"",
                                    "y.x.a.example", "\"*a*\"",          "\"*.*.example\""};
static const char *const networks[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32",
                                       "0.0.0.0/0",  "\"::/0\"",    "\"2001:db8::/32\"",
                                       "\"::1/128\""};
static const char *const hosts[] = {"a.example",
                                    "A.Example.",
                                    "x.a.example",
                                    "y.x.a.example",
                                    "xy.a.example",
                                    "b.example",
                                    "example",
                                    "c.test",
                                    "192.0.2.1",
                                    "192.0.2.2",
                                    "[::ffff:192.0.2.1]",
                                    "[::1]",
                                    "b.a.c",
                                    "",
                                    "."};
static const char *const clients[] = {"10.1.2.3",        "10.1.9.9",    "10.9.9.9", "11.0.0.1",
                                      "::ffff:10.1.2.3", "2001:db8::5", "::1"};
static const char *const paths[] = {"/x", "\"/x*\"", "/y"};

static struct config *random_config(void)
{
    static char text[65536];
    unsigned n = 1 + draw(12);
    size_t used = (size_t)sprintf(text, "version: 1\nrules:\n");
    struct config_problems problems = {0};
    struct config *cfg;

    for (unsigned i = 0; i < n; i++) {
        unsigned what = 1 + draw(7);

        used += (size_t)sprintf(text + used, "  - {deny: true");
        if (what & 1)
            used += (size_t)sprintf(text + used, ", host: [%s, %s]", PICK(globs), PICK(globs));
        if (what & 2)
            used +=
                (size_t)sprintf(text + used, ", client: [%s, %s]", PICK(networks), PICK(networks));
        if (what & 4)
            used += (size_t)sprintf(text + used, ", path: %s", PICK(paths));
        used += (size_t)sprintf(text + used, "}\n");
    }
    cr_assert_eq(config_parse("t", NULL, text, used, &cfg, &problems), 0, "%s\n%s",
                 problems.n ? problems.v[0].text : "", text);
    config_problems_free(&problems);
    return cfg;
}

static const struct config_rule *one_by_one(const struct config *cfg,
                                            const struct config_subject *subject,
                                            const struct config_rule **pending)
{
    bool unknown;

    *pending = NULL;
    for (size_t i = 0; i < cfg->rules.n; i++) {
        if (!config_rule_mismatch(&cfg->rules.v[i], subject, &unknown))
            return &cfg->rules.v[i];
        if (unknown && !*pending)
            *pending = &cfg->rules.v[i];
    }
    return NULL;
}

Test(test_rule_index, finds_what_a_linear_search_finds, .timeout = 60)
{
    size_t found = 0, waited = 0;

    for (seed = 1; seed < 400; seed++) {
        uint32_t round = seed;
        struct config *cfg = random_config();

        for (int i = 0; i < 60; i++) {
            struct sockaddr_storage client;
            struct config_subject s = {
                .host = draw(8) ? PICK(hosts) : NULL,
                .client = draw(8) ? (const struct sockaddr *)&client : NULL,
                .path = draw(2) ? "/x" : NULL,
            };
            const struct config_rule *expected_pending, *pending, *expected;

            cr_assert(config_host_address(PICK(clients), &client));
            expected = one_by_one(cfg, &s, &expected_pending);
            cr_assert_eq(config_rule_match_early(cfg, &s, &pending), expected,
                         "round %u, host %s, path %s", round, s.host ? s.host : "-",
                         s.path ? s.path : "-");
            cr_assert_eq(pending, expected_pending, "round %u, host %s", round,
                         s.host ? s.host : "-");
            found += expected != NULL;
            waited += pending != NULL;
        }
        config_unref(&cfg);
        seed = round;
    }
    cr_assert_gt(found, 1000);
    cr_assert_gt(waited, 1000);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nanoseconds a question, of one that fits the last rule and one that fits none. */
static double measure(const struct config *cfg, size_t n)
{
    struct sockaddr_storage client;
    struct config_subject last = {.path = "/"}, none = {.host = "www.other.example", .path = "/"};
    char host[64];
    double before;

    snprintf(host, sizeof(host), "www.h%zu.example", n - 1);
    last.host = host;
    cr_assert(config_host_address("10.1.2.3", &client));
    last.client = none.client = (const struct sockaddr *)&client;
    cr_assert_eq(config_rule_match(cfg, &last), &cfg->rules.v[n - 1]);
    before = seconds();
    for (int i = 0; i < 50000; i++) {
        last.path = none.path = i % 2 ? "/a" : "/b"; /* nothing to remember */
        cr_assert_not_null(config_rule_match(cfg, &last));
        cr_assert_null(config_rule_match(cfg, &none));
    }
    return (seconds() - before) / 100000 * 1e9;
}

static struct config *many(size_t n)
{
    char *text = malloc(n * 80 + 100);
    size_t used = (size_t)sprintf(text, "version: 1\nrules:\n");
    struct config_problems problems = {0};
    struct config *cfg;

    for (size_t i = 0; i < n; i++)
        used += (size_t)sprintf(text + used, "  - {host: .h%zu.example, mode: report-only}\n", i);
    cr_assert_eq(config_parse("t", NULL, text, used, &cfg, &problems), 0);
    cr_assert_eq(problems.warnings, 0);
    config_problems_free(&problems);
    free(text);
    return cfg;
}

/* CPU time, so that a busy machine doesn't count; a linear search would take a millisecond. */
Test(test_rule_index, a_hundred_thousand_rules_cost_a_question_no_more_than_ten, .timeout = 120)
{
    double before = seconds(), loading, few_ns, many_ns;
    struct config *cfg = many(100000);

    loading = seconds() - before;
    many_ns = measure(cfg, 100000);
    config_unref(&cfg);
    cfg = many(10);
    few_ns = measure(cfg, 10);
    config_unref(&cfg);
    fprintf(stderr,
            "rule_index: 100,000 rules load in %.2f s; a question takes %.0f ns, %.0f ns "
            "among 10\n",
            loading, many_ns, few_ns);
    cr_assert_lt(many_ns, 20000);
    cr_assert_lt(loading, 30);
}
