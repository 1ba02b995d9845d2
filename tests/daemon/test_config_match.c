/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Globs, networks, rules and custom scopes.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <string.h>

#include "config/config.h"

static struct config *parse(const char *text)
{
    struct config_problems problems = {0};
    struct config *cfg = NULL;
    int r = config_parse("test.yaml", NULL, text, strlen(text), &cfg, &problems);

    cr_assert_eq(r, 0, "%s", problems.n ? problems.v[0].text : "no memory");
    config_problems_free(&problems);
    return cfg;
}

static const struct sockaddr *address(const char *text)
{
    static struct sockaddr_storage addr;
    struct sockaddr_in *in = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr;

    memset(&addr, 0, sizeof(addr));
    addr.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    cr_assert_eq(
        inet_pton(addr.ss_family, text,
                  addr.ss_family == AF_INET6 ? (void *)&in6->sin6_addr : (void *)&in->sin_addr),
        1);
    return (const struct sockaddr *)&addr;
}

Test(test_config_match, host_globs)
{
    static const struct {
        const char *glob;
        const char *host;
        bool matches;
    } cases[] = {
        {"*", "example.com", true},
        {"*", "", true},
        {"*", "127.0.0.1", true},
        {"*.example.com", "a.example.com", true},
        {"*.example.com", "a.b.c.example.com", true},
        {"*.example.com", "A.Example.COM", true},
        {"*.example.com", "a.example.com.", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", ".example.com", false},
        {"*.example.com", "badexample.com", false},
        {"*.example.com", "a.example.com.evil.example", false},
        {"*.example.com", "a.example.org", false},
        {"*.example.com", "", false},
        {"*.com", "example.com", true},
        {".example.com", "example.com", true},
        {".example.com", "Example.com.", true},
        {".example.com", "a.b.example.com", true},
        {".example.com", ".example.com", false},
        {".example.com", "badexample.com", false},
        {".example.com", "example.com.evil.example", false},
        {"cdn*.example.com", "CDN-7.a.example.com.", true},
        {"cdn*.example.com", "cdn.example.com", true},
        {"cdn*.example.com", "xcdn.example.com", false},
        {"cdn*.example.com", "cdn.example.com.evil.example", false},
        {"www.*", "www.a.example", true},
        {"*a*", "b.example", true},
        {"*.x.*.example", "a.x.b.example", true},
        {"*.x.*.example", "x.b.example", false},
        {"example.com", "example.com", true},
        {"example.com", "EXAMPLE.com.", true},
        {"example.com", "a.example.com", false},
        {"example.com", "example.co", false},
        {"example.com", "example.com..", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"192.0.2.1", "[::ffff:c000:201]", true},
        {"192.0.2.1", "192.0.2.11", false},
        {"2001:db8::1", "[2001:db8::1]", true},
        {"2001:db8::1", "[2001:DB8:0:0:0:0:0:1]", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"::1", "[", false},
        {"::1", "[]", false},
        {"::1", "", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(config_host_glob_match(cases[i].glob, cases[i].host), cases[i].matches,
                     "%s with %s", cases[i].glob, cases[i].host);
}

Test(test_config_match, path_globs)
{
    static const struct {
        const char *glob;
        const char *path;
        bool matches;
    } cases[] = {
        {"*", "/", true},
        {"*", "", true},
        {"/", "/", true},
        {"/", "/a", false},
        {"/pool/*", "/pool/", true},
        {"/pool/*", "/pool/main/a.deb", true},
        {"/pool/*", "/pool", false},
        {"/pool/*", "/Pool/a", false},
        {"*.deb", "/pool/a.deb", true},
        {"*.deb", "/pool/a.deb.asc", false},
        {"/*/a*b/*", "/x/y/aab/z", true},
        {"/a*a*a", "/aa", false},
        {"/a*a*a", "/aaa", true},
        {"/a**b", "/ab", true},
        {"/[a]", "/a", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(config_path_glob_match(cases[i].glob, cases[i].path), cases[i].matches,
                     "%s with %s", cases[i].glob, cases[i].path);
}

/* A pattern that makes a backtracking matcher take years. */
Test(test_config_match, path_globs_take_no_exponential_time, .timeout = 10)
{
    char path[4000];

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cr_assert_not(config_path_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
}

Test(test_config_match, networks)
{
    struct config *cfg = parse("version: 1\naccess: {clients: [10.0.0.0/8, 192.0.2.128/25, "
                               "192.0.2.5/32, \"2001:db8::/33\", \"::1/128\"]}\n");
    static const struct {
        const char *address;
        bool matches;
    } cases[] = {
        {"10.255.0.1", true},
        {"11.0.0.1", false},
        {"9.255.255.255", false},
        {"192.0.2.128", true},
        {"192.0.2.255", true},
        {"192.0.2.127", false},
        {"192.0.2.5", true},
        {"192.0.2.4", false},
        {"::ffff:10.1.1.1", true},
        {"::1", true},
        {"::2", false},
        {"2001:db8:7fff::1", true},
        {"2001:db8:8000::", false},
        {"::ffff:11.0.0.1", false},
        {"a00::", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(config_networks_match(&cfg->access.clients, address(cases[i].address)),
                     cases[i].matches, "%s", cases[i].address);
    cr_assert_not(
        config_networks_match(&cfg->access.clients, &(struct sockaddr){.sa_family = AF_UNIX}));
    cr_assert_not(
        config_networks_match(&cfg->access.clients, &(struct sockaddr){.sa_family = AF_UNSPEC}));
    config_unref(&cfg);
}

Test(test_config_match, all_addresses_of_one_family)
{
    struct config *cfg = parse("version: 1\naccess: {clients: [0.0.0.0/0]}\n");

    cr_assert(config_networks_match(&cfg->access.clients, address("203.0.113.9")));
    cr_assert(config_networks_match(&cfg->access.clients, address("::ffff:203.0.113.9")));
    cr_assert_not(config_networks_match(&cfg->access.clients, address("2001:db8::1")));
    cr_assert_not(
        config_networks_match(&cfg->access.clients, &(struct sockaddr){.sa_family = AF_UNSPEC}));
    config_unref(&cfg);
}

static const struct config_rule *match(const struct config *cfg, const char *host,
                                       const struct sockaddr *client, const char *path)
{
    struct config_subject subject = {.host = host, .client = client, .path = path};

    return config_rule_match(cfg, &subject);
}

Test(test_config_match, first_rule_wins)
{
    struct config *cfg = parse("version: 1\n"
                               "rules:\n"
                               "  - {host: a.example.com, path: \"/x/*\", mode: off}\n"
                               "  - {host: \"*.example.com\", client: 10.0.0.0/8, deny: true}\n"
                               "  - {host: \"*.example.com\", mode: report-only}\n"
                               "  - {client: 10.0.0.0/8, browsers: enforce}\n");
    const struct config_rule *v = cfg->rules.v;

    cr_assert_eq(cfg->rules.n, 4);
    cr_assert_eq(match(cfg, "a.example.com", address("10.0.0.1"), "/x/y"), &v[0]);
    cr_assert_eq(match(cfg, "a.example.com", address("10.0.0.1"), "/y"), &v[1]);
    cr_assert_eq(match(cfg, "a.example.com", address("10.0.0.1"), NULL), &v[1]);
    cr_assert_eq(match(cfg, "a.example.com", address("192.0.2.1"), "/y"), &v[2]);
    cr_assert_eq(match(cfg, "b.example.com", NULL, "/x/y"), &v[2]);
    cr_assert_eq(match(cfg, "other.example", address("10.0.0.1"), "/"), &v[3]);
    cr_assert_eq(match(cfg, NULL, address("10.0.0.1"), NULL), &v[3]);
    cr_assert_null(match(cfg, "other.example", address("192.0.2.1"), "/"));
    cr_assert_null(match(cfg, "example.com", NULL, NULL));
    cr_assert_eq(v[0].mode, CONFIG_MODE_OFF);
    cr_assert_eq(v[0].line, 3);
    cr_assert(v[1].deny);
    cr_assert_eq(v[1].mode, CONFIG_MODE_UNSET);
    cr_assert_eq(v[2].mode, CONFIG_MODE_REPORT_ONLY);
    cr_assert_not(v[2].deny);
    cr_assert_eq(v[3].browsers, CONFIG_BROWSERS_ENFORCE);
    config_unref(&cfg);
}

Test(test_config_match, custom_scopes)
{
    struct config *cfg =
        parse("version: 1\n"
              "dive:\n"
              "  scopes:\n"
              "    - {name: x-packages, host: \"*.example.com\", path: \"/pool/*\"}\n"
              "    - {name: x-packages, media-type: Application/*}\n"
              "    - {name: x-text, media-type: text/plain}\n");
    static const struct {
        const char *name, *host, *path, *type;
        bool in;
    } cases[] = {
        {"x-packages", "a.example.com", "/pool/a", NULL, true},
        {"x-packages", "a.example.com", "/other", NULL, false},
        {"x-packages", "a.example.org", "/pool/a", "text/html", false},
        {"x-packages", "a.example.org", "/", "application/octet-stream", true},
        {"x-packages", "a.example.org", "/", "APPLICATION/zip; x=y", true},
        {"x-packages", "a.example.org", "/", "applications/zip", false},
        {"x-packages", "a.example.org", "/", "application/", false},
        {"x-packages", NULL, NULL, NULL, false},
        {"x-text", "a.example.com", "/pool/a", "text/plain ;charset=utf-8", true},
        {"x-text", "a.example.com", "/pool/a", "text/plainer", false},
        {"x-text", "a.example.com", "/pool/a", NULL, false},
        {"x-other", "a.example.com", "/pool/a", "text/plain", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(
            config_scope_match(cfg, cases[i].name, cases[i].host, cases[i].path, cases[i].type),
            cases[i].in, "case %zu", i);
    config_unref(&cfg);
}

Test(test_config_match, ports_and_splice)
{
    struct config *cfg = parse("version: 1\naccess: {connect-ports: [443, 65535]}\n"
                               "interception: {splice: [\"*.bank.example\", x.example]}\n");

    cr_assert(config_port_allowed(cfg, 443));
    cr_assert(config_port_allowed(cfg, 65535));
    cr_assert_not(config_port_allowed(cfg, 80));
    cr_assert_not(config_port_allowed(cfg, 0));
    cr_assert(config_hosts_match(&cfg->interception.splice, "a.bank.example"));
    cr_assert(config_hosts_match(&cfg->interception.splice, "x.example"));
    cr_assert_not(config_hosts_match(&cfg->interception.splice, "bank.example"));
    config_unref(&cfg);
}
