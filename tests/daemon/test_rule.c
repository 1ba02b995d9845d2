/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rules: each criterion by itself, what isn't known, what is decided about a tunnel, time windows.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config.h"
#include "config/time_window.h"

static struct config *parse(const char *rules)
{
    struct config_problems problems = {0};
    struct config *cfg = NULL;
    char text[4096];
    int r;

    snprintf(text, sizeof(text),
             "version: 1\n"
             "listeners: [{address: 127.0.0.1:1, name: staff}, {address: 127.0.0.1:2}]\n%s",
             rules);
    r = config_parse("test.yaml", NULL, text, strlen(text), &cfg, &problems);
    cr_assert_eq(r, 0, "%s", problems.n ? problems.v[0].text : "no memory");
    config_problems_free(&problems);
    return cfg;
}

static const struct sockaddr *address(const char *text)
{
    static struct sockaddr_storage addr[4];
    static unsigned turn;
    struct sockaddr_storage *out = &addr[turn++ % 4];

    cr_assert(config_host_address(text, out));
    return (const struct sockaddr *)out;
}

/* A subject that fits all the rules of the next test. */
static struct config_subject whole(void)
{
    return (struct config_subject){
        .host = "a.example",
        .port = 8443,
        .scheme = CONFIG_SCHEME_HTTPS,
        .client = address("10.0.0.1"),
        .destination = address("192.0.2.7"),
        .path = "/x/y",
        .method = dive_span_str("PUT"),
        .user = "joe",
        .listener = "staff",
        .now = 1000000000,
    };
}

Test(test_rule, each_criterion_alone)
{
    static const struct {
        const char *fits, *misses;
        enum config_criterion criterion;
        bool later; /* not known at CONNECT */
    } cases[] = {
        {"host: a.example", "host: b.example", CONFIG_CRITERION_HOST, false},
        {"host: [b.example, .example]", "host: [\"*.a.example\", b.example]", CONFIG_CRITERION_HOST,
         false},
        {"client: 10.0.0.0/8", "client: 11.0.0.0/8", CONFIG_CRITERION_CLIENT, false},
        {"client: [11.0.0.0/8, 10.0.0.1/32]", "client: [11.0.0.0/8, \"::/0\"]",
         CONFIG_CRITERION_CLIENT, false},
        {"destination: 192.0.2.0/24", "destination: 10.0.0.0/8", CONFIG_CRITERION_DESTINATION,
         false},
        {"port: 8443", "port: 443", CONFIG_CRITERION_PORT, false},
        {"port: [443, 8443]", "port: [80, 443]", CONFIG_CRITERION_PORT, false},
        {"scheme: https", "scheme: http", CONFIG_CRITERION_SCHEME, false},
        {"scheme: [http, https]", "scheme: [http]", CONFIG_CRITERION_SCHEME, false},
        {"path: \"/x/*\"", "path: /x", CONFIG_CRITERION_PATH, true},
        {"path: [/y, \"*y\"]", "path: [/y, /z]", CONFIG_CRITERION_PATH, true},
        {"method: PUT", "method: GET", CONFIG_CRITERION_METHOD, true},
        {"method: [GET, PUT]", "method: [GET, PU]", CONFIG_CRITERION_METHOD, true},
        {"user: joe", "user: jo", CONFIG_CRITERION_USER, false},
        {"user: \"*\"", "user: [ann, bob]", CONFIG_CRITERION_USER, false},
        {"listener: staff", "listener: 127.0.0.1:2", CONFIG_CRITERION_LISTENER, false},
        {"time: [sun 01:00-02:00, sat]", "time: sun", CONFIG_CRITERION_TIME, false},
    };

    setenv("TZ", "UTC", 1); /* 1000000000 is a Sunday, 01:46:40 */
    tzset();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool time = cases[i].criterion == CONFIG_CRITERION_TIME;
        struct config_subject subject = whole(), nothing = {0}, early = whole();
        const struct config_rule *pending;
        struct config *cfg;
        char text[256];
        bool unknown;

        snprintf(text, sizeof(text), "rules: [{%s, deny: true}]\n", cases[i].fits);
        cfg = parse(text);
        early.path = NULL;
        early.method = (struct dive_span){0};
        cr_assert_eq(config_rule_match(cfg, &subject), cfg->rules.v, "%s", text);
        cr_assert_null(config_rule_match(cfg, &nothing), "unknown fits %s", text);
        cr_assert_eq(config_rule_match_early(cfg, &early, &pending),
                     cases[i].later ? NULL : cfg->rules.v, "%s", text);
        cr_assert_eq(pending, cases[i].later ? cfg->rules.v : NULL, "%s", text);
        config_unref(&cfg);
        snprintf(text, sizeof(text), "rules: [{%s, deny: true}]\n",
                 time ? "time: mon-sat" : cases[i].misses);
        cfg = parse(text);
        cr_assert_null(config_rule_match(cfg, &subject), "%s", text);
        cr_assert_eq(config_rule_mismatch(cfg->rules.v, &subject, &unknown), cases[i].criterion);
        cr_assert_not(unknown);
        config_unref(&cfg);
    }
}

Test(test_rule, nobody_is_not_any_user)
{
    struct config *cfg = parse("rules: [{user: \"*\", deny: true}]\n");
    struct config_subject subject = whole();

    subject.user = NULL;
    cr_assert_null(config_rule_match(cfg, &subject));
    config_unref(&cfg);
}

/* An address in the URL is a destination in whatever way it is written. */
Test(test_rule, a_literal_is_its_own_destination)
{
    struct config *cfg =
        parse("rules: [{destination: [192.0.2.0/24, \"2001:db8::/32\"], deny: true}]\n");
    static const char *const within[] = {"192.0.2.1", "[::ffff:192.0.2.1]", "2001:db8::1",
                                         "[2001:DB8::1]"};
    static const char *const outside[] = {"192.0.3.1", "a.example", "[2001:db9::1]"};

    for (size_t i = 0; i < 4; i++)
        cr_assert(config_rule_match(cfg, &(struct config_subject){.host = within[i]}));
    for (size_t i = 0; i < 3; i++)
        cr_assert_null(config_rule_match(cfg, &(struct config_subject){.host = outside[i]}));
    cr_assert_null(config_rule_match(
        cfg, &(struct config_subject){.host = "192.0.2.1", .destination = address("10.0.0.1")}));
    config_unref(&cfg);
}

static void expect_tunnel(const char *rules, const char *host, bool unseen, int rule, int pending,
                          int denies)
{
    struct config *cfg = parse(rules);
    struct config_subject subject = {.host = host, .port = 443, .scheme = CONFIG_SCHEME_HTTPS};
    const struct config_rule *v = cfg->rules.v;
    struct config_tunnel t;

    config_rule_tunnel(cfg, &subject, &t);
    cr_assert_eq(t.unseen, unseen, "%s", rules);
    cr_assert_eq(t.rule, rule >= 0 ? v + rule : NULL, "%s", rules);
    cr_assert_eq(t.pending, pending >= 0 ? v + pending : NULL, "%s", rules);
    cr_assert_eq(t.denies, denies >= 0 ? v + denies : NULL, "%s", rules);
    config_unref(&cfg);
}

Test(test_rule, what_is_decided_about_a_tunnel)
{
    const char *deny = "rules: [{host: .example, deny: true}]\n";
    const char *splice = "rules: [{host: .example, splice: true}]\n";
    const char *path_deny = "rules: [{host: a.example, path: /x, mode: off},"
                            " {host: .example, deny: true}]\n";
    const char *path_splice = "rules: [{host: a.example, method: PUT, deny: true},"
                              " {host: .example, splice: true}]\n";
    const char *off = "interception: {enabled: false}\n"
                      "rules: [{host: a.example, path: /x, mode: off},"
                      " {host: .example, deny: true}]\n";
    const char *listed = "interception: {splice: [a.example]}\n";
    const char *opened = "interception: {splice: [.example]}\n"
                         "rules: [{host: a.example, splice: false}]\n";

    expect_tunnel(deny, "a.example", false, 0, -1, -1);
    expect_tunnel(deny, "a.test", false, -1, -1, -1);
    expect_tunnel(splice, "a.example", true, 0, -1, -1);
    /* the earlier rule may let a request pass: open it and see; but relay nothing else */
    expect_tunnel(path_deny, "a.example", false, -1, 0, 1);
    expect_tunnel(path_deny, "b.example", false, 1, -1, -1);
    /* the earlier rule could not be kept if the tunnel weren't opened */
    expect_tunnel(path_splice, "a.example", false, -1, 0, -1);
    expect_tunnel(path_splice, "b.example", true, 1, -1, -1);
    /* nothing will be opened: the first rule that fits all of it counts at once */
    expect_tunnel(off, "a.example", true, 1, 0, -1);
    expect_tunnel(listed, "a.example", true, -1, -1, -1);
    expect_tunnel(opened, "a.example", false, 0, -1, -1);
    expect_tunnel(opened, "b.example", true, -1, -1, -1);
}

Test(test_rule, actions_and_place)
{
    struct config *cfg =
        parse("rules:\n"
              "  - {host: a.example, mode: report-only, browsers: enforce, release: verdict,\n"
              "     require: true, cache: false, splice: false,\n"
              "     require-components: ['@path;req', '\"@authority\";req', content-type]}\n"
              "  - {host: b.example, cache: true, require: false}\n"
              "  - {host: c.example, deny: false}\n");
    const struct config_rule *v = cfg->rules.v;
    char place[CONFIG_RULE_PLACE];

    cr_assert_eq(v[0].mode, CONFIG_MODE_REPORT_ONLY);
    cr_assert_eq(v[0].browsers, CONFIG_BROWSERS_ENFORCE);
    cr_assert_eq(v[0].release, CONFIG_RELEASE_VERDICT);
    cr_assert_eq(v[0].require, CONFIG_SWITCH_ON);
    cr_assert_eq(v[0].cache, CONFIG_SWITCH_OFF);
    cr_assert_eq(v[0].splice, CONFIG_SWITCH_OFF);
    cr_assert_eq(v[0].require_components.n, 3);
    cr_assert_str_eq(v[0].require_components.v[0], "\"@path\";req");
    cr_assert_str_eq(v[0].require_components.v[1], "\"@authority\";req");
    cr_assert_str_eq(v[0].require_components.v[2], "\"content-type\"");
    cr_assert_not_null(v[0].components);
    cr_assert_eq(v[1].cache, CONFIG_SWITCH_ON);
    cr_assert_eq(v[1].require, CONFIG_SWITCH_OFF);
    cr_assert_eq(v[2].cache, CONFIG_SWITCH_UNSET);
    cr_assert_eq(v[2].release, CONFIG_RELEASE_UNSET);
    cr_assert_null(v[2].components);
    cr_assert_str_eq(config_rule_place(&v[1], place, sizeof(place)), "test.yaml:7");
    cr_assert_str_eq(config_rule_place(&v[1], place, 8), "test.ya");
    config_unref(&cfg);
}

static bool within(const char *window, const char *local)
{
    struct config_window w;
    struct value_why why;
    struct tm tm = {.tm_isdst = -1};

    cr_assert_eq(value_window(window, &w, &why), 0, "%s: %s", window, why.text);
    cr_assert_not_null(strptime(local, "%Y-%m-%d %H:%M:%S", &tm));
    return time_windows_match(&(struct config_windows){&w, 1}, mktime(&tm));
}

/* 2026-11-23 is a Monday. */
Test(test_rule, windows)
{
    static const struct {
        const char *window, *local;
        bool within;
    } cases[] = {
        {"mon-fri 08:00-18:00", "2026-11-23 07:59:59", false},
        {"mon-fri 08:00-18:00", "2026-11-23 08:00:00", true},
        {"mon-fri 08:00-18:00", "2026-11-27 17:59:59", true},
        {"mon-fri 08:00-18:00", "2026-11-27 18:00:00", false},
        {"mon-fri 08:00-18:00", "2026-11-28 12:00:00", false},
        {"Sat-Mon", "2026-11-22 00:00:00", true},
        {"sat-mon", "2026-11-23 23:59:59", true},
        {"sat-mon", "2026-11-24 00:00:00", false},
        {"wed", "2026-11-25 12:00:00", true},
        {"wed", "2026-11-26 00:00:00", false},
        {"00:00-24:00", "2026-11-26 23:59:59", true},
        {"22:00-06:00", "2026-11-26 23:00:00", true},
        {"22:00-06:00", "2026-11-26 05:59:59", true},
        {"22:00-06:00", "2026-11-26 06:00:00", false},
        {"fri 22:00-06:00", "2026-11-27 23:00:00", true},
        {"fri 22:00-06:00", "2026-11-28 05:00:00", true},
        {"fri 22:00-06:00", "2026-11-27 05:00:00", false},
        {"fri 22:00-06:00", "2026-11-28 23:00:00", false},
        {"sat 22:00-00:00", "2026-11-28 23:59:59", true},
        {"sat 22:00-00:00", "2026-11-29 00:00:00", false},
    };

    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(within(cases[i].window, cases[i].local), cases[i].within, "%s at %s",
                     cases[i].window, cases[i].local);
}

Test(test_rule, wrong_windows)
{
    static const char *const bad[] = {
        "",          "monday",          "mon-",           "mon-fri-sun",  "08:00",
        "8:00-9:00", "08:00-18:00 mon", "08:00-08:00",    "24:00-06:00",  "08:60-09:00",
        "mon,tue",   "08:00-25:00",     "mon08:00-09:00", "08:00-18:001", "-"};
    struct config_window w;
    struct value_why why;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_neq(value_window(bad[i], &w, &why), 0, "%s", bad[i]);
}
