/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What keys say together: contradictions, risks, and defaults that give way.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

struct expectation {
    const char *text; /* after "version: 1\n" */
    unsigned line, column;
    const char *says;
};

static void expect(const struct expectation *expectation, bool warning)
{
    struct config_problems problems = {0};
    struct config *cfg;
    char text[2048];
    int r;

    snprintf(text, sizeof(text), "version: 1\n%s", expectation->text);
    r = config_parse("t", NULL, text, strlen(text), &cfg, &problems);
    cr_assert_eq(r, warning ? 0 : DIVE_E_SYNTAX, "%s", expectation->text);
    cr_assert_eq(problems.n, 1, "%s: %zu problems", expectation->text, problems.n);
    cr_assert_eq(problems.v[0].warning, warning);
    cr_assert(strstr(problems.v[0].text, expectation->says), "%s: %s", expectation->text,
              problems.v[0].text);
    cr_assert_eq(problems.v[0].line, expectation->line, "%s: line %u", expectation->text,
                 problems.v[0].line);
    cr_assert_eq(problems.v[0].column, expectation->column, "%s: column %u", expectation->text,
                 problems.v[0].column);
    config_unref(&cfg);
    config_problems_free(&problems);
}

Test(test_config_check, contradictions)
{
    static const struct expectation cases[] = {
        {"listeners: []\n", 2, 12, "at least one"},
        {"log: {access: /tmp}\n", 2, 15, "log.access: /tmp is a folder"},
        {"log: {error: /tmp}\n", 2, 14, "log.error: /tmp is a folder"},
        {"audit: {file: /tmp}\n", 2, 15, "audit.file: /tmp is a folder"},
        {"listeners: [{address: 127.0.0.1:1}, {address: 127.0.0.1:1}]\n", 2, 47,
         "listeners[1].address: 127.0.0.1:1 is that of listeners[0] already"},
        {"listeners: [{address: \"[::1]:1\"}, {address: \"[0::1]:1\"}]\n", 2, 45, "already"},
        {"listeners: [{address: 127.0.0.1:1, other: close}]\n", 2, 43,
         "listeners[0].other: says something about transparent listeners only"},
        {"listeners: [{address: 127.0.0.1:1, mode: explicit, tproxy: true}]\n", 2, 60,
         "write mode: transparent"},
        {"admin: {http: 127.0.0.1:3128}\n", 2, 15, "is that of listeners[0]"},
        {"interception: {ca-certificate: a}\n", 2, 32, "only ca-certificate is given"},
        {"interception: {ca-key: a}\n", 2, 24, "only ca-key is given"},
        {"interception: {ca-certificate: a, ca-key: a}\n", 2, 32, "are one file"},
        {"interception: {ca-certificate: null, ca-key: null}\n", 2, 32, "enabled without"},
        {"interception: {enabled: true, ca-certificate: c, ca-key: null}\n", 2, 47,
         "enabled without ca-key"},
        {"origins: {parent: \"http://u@p.example:3128\"}\n", 2, 19,
         "origins.parent: names a user, whose password is to be in origins.parent-password-file"},
        {"origins: {parent: \"http://p.example:3128\", parent-principal: dived}\n", 2, 62,
         "origins.parent-principal: needs origins.parent-keytab"},
        {"origins: {parent: \"http://192.0.2.1:3128\", parent-keytab: k}\n", 2, 19,
         "origins.parent: 192.0.2.1 is an address, and Kerberos (origins.parent-keytab) needs"},
        {"origins: {parent: \"https://[2001:db8::1]:3128\", parent-keytab: k}\n", 2, 19,
         "origins.parent: 2001:db8::1 is an address"},
        {"origins: {parent-keytab: k}\n"
         "rules: [{host: a.example, parent: \"http://192.0.2.1:3128\"}]\n",
         3, 35, "rules[0].parent: 192.0.2.1 is an address"},
        {"dns: {trust-anchor-file: a, trust-anchor-auto: b}\n", 2, 48, "exclude each other"},
        {"dns: {trust-anchor-file: null}\n", 2, 26, "nothing can be validated"},
        {"dns: {forward-tls: d.example}\n", 2, 20, "needs servers in dns.forward"},
        {"dns: {forward: [9.9.9.9, 9.9.9.9@53]}\n", 2, 16, "9.9.9.9@53 is listed twice"},
        {"dns: {forward: [9.9.9.9], stub: [{zone: ., address: 1.1.1.1}]}\n", 2, 41,
         "the root is what dns.forward is for"},
        {"dns: {stub: [{zone: a, address: 1.1.1.1}, {zone: A., address: 1.1.1.1@53}]}\n", 2, 43,
         "the same as dns.stub[0]"},
        {"dive: {versions: []}\n", 2, 18, "at least one"},
        {"dive: {scopes: [{name: x-a}]}\n", 2, 17, "needs a host, a path or a media-type"},
        {"rules: [{mode: off}]\n", 2, 9, "needs a criterion"},
        {"rules: [{host: a.example}]\n", 2, 9, "does nothing"},
        {"rules: [{host: a.example, deny: true, mode: off}]\n", 2, 33, "what is denied"},
        {"hold: {max-size: 2GiB, max-total: 1GiB}\n", 2, 18,
         "hold.max-size: 2GiB is more than hold.max-total, which is 1GiB"},
        {"hold: {memory: 2MiB, max-size: 1MiB}\n", 2, 16, "more than hold.max-size, which is 1MiB"},
        {"hold: {keepalive: 20s, timeout: 10s}\n", 2, 19, "more than hold.timeout"},
        {"limits: {connections: 10, connections-per-client: 11}\n", 2, 51,
         "11 is more than limits.connections, which is 10"},
        {"limits: {connections-per-client: 20001}\n", 2, 34, "20000 by default"},
        {"limits: {head-size: 1KiB, url-length: 2KiB}\n", 2, 39, "more than limits.head-size"},
        {"access: {connect-ports: [443, 80, 443]}\n", 2, 25, "443 is listed twice"},
        {"log: {access: /a, error: /a}\n", 2, 26, "are one file"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(&cases[i], false);
}

Test(test_config_check, risks)
{
    static const struct expectation cases[] = {
        {"admin: {http: 0.0.0.0:9128}\n", 2, 15, "is no loopback address"},
        {"admin: {http: \"[::]:9128\"}\n", 2, 15, "is no loopback address"},
        {"interception: {splice: [\"*\"]}\n", 2, 24, "all TLS unseen"},
        {"origins: {allow-networks: [0.0.0.0/0]}\n", 2, 27, "internal network"},
        {"dns: {unbound: {val-permissive-mode: true}}\n", 2, 17, "DNSSEC validation"},
        {"access: {clients: []}\n", 2, 19, "no client will be served"},
        {"log: {access: /nonexistent/a.log}\n", 2, 15, "there is no folder /nonexistent;"},
        {"audit: {file: /nonexistent/a.db}\n", 2, 15, "there is no folder /nonexistent;"},
        {"access: {clients: [\"::/0\"]}\n", 2, 19, "open proxy"},
        {"rules: [{host: \"*\", mode: off}, {host: a.example, mode: off}]\n", 2, 33,
         "the rule in t:2 matches everything"},
        {"rules:\n  - {host: a.example, path: /x, mode: off}\n  - {host: b.example, mode: off}\n"
         "  - {path: /x, host: A.example, deny: true}\n",
         5, 5, "never reached: the rule in t:3 has the same criteria"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(&cases[i], true);
}

static struct config *parse(const char *text)
{
    struct config_problems problems = {0};
    struct config *cfg = NULL;
    int r = config_parse("test.yaml", NULL, text, strlen(text), &cfg, &problems);

    cr_assert_eq(r, 0, "%s", problems.n ? problems.v[0].text : "no memory");
    cr_assert_eq(problems.n, 0, "%s", problems.v[0].text);
    config_problems_free(&problems);
    return cfg;
}

Test(test_config_check, defaults_give_way)
{
    struct config *cfg = parse("version: 1\nhold: {max-total: 1GiB}\n");

    cr_assert_eq(cfg->hold.max_size, 1 << 30);
    cr_assert_eq(cfg->hold.memory, 256 << 10);
    config_unref(&cfg);

    cfg = parse("version: 1\nhold: {max-size: 100GiB}\n");
    cr_assert_eq(cfg->hold.max_size, 100LL << 30);
    cr_assert_eq(cfg->hold.max_total, 100LL << 30);
    config_unref(&cfg);

    cfg = parse("version: 1\nhold: {max-size: 1000}\nlimits: {head-size: 8KiB, connections: 5}\n");
    cr_assert_eq(cfg->hold.memory, 1000);
    cr_assert_eq(cfg->limits.url_length, 8192);
    cr_assert_eq(cfg->limits.connections_per_client, 5);
    config_unref(&cfg);
}

Test(test_config_check, what_only_looks_wrong)
{
    struct config *cfg = parse(
        "version: 1\n"
        "listeners: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0}, {address: \"[::1]:0\"}]\n"
        "admin: {http: 127.0.0.1:0}\n"
        "interception: {enabled: false, ca-certificate: null, ca-key: null}\n"
        "dns: {forward: [9.9.9.9, 9.9.9.10], stub: [{zone: a, address: 1.1.1.1},"
        " {zone: a, address: 1.1.1.2}, {zone: b, address: 1.1.1.1}]}\n"
        "hold: {max-size: 1GiB, max-total: 1GiB, memory: 1GiB, keepalive: 1h}\n"
        "limits: {connections: 7, connections-per-client: 7}\n"
        "rules: [{host: \"*\", path: /x, mode: off}, {host: a.example, client: 10.0.0.0/8, deny: "
        "true},"
        " {host: a.example, deny: false}]\n");

    config_unref(&cfg);
}

/* Far more entries than what is compared pairwise. */
Test(test_config_check, many_rules_in_little_time, .timeout = 20)
{
    static char text[1024 * 1024];
    size_t n = (size_t)sprintf(text, "version: 1\nrules:\n");
    struct config_problems problems = {0};
    struct config *cfg;

    for (int i = 0; i < 20000; i++)
        n += (size_t)sprintf(text + n, "- {host: h%d.example, mode: off}\n", i);
    cr_assert_eq(config_parse("t", NULL, text, n, &cfg, &problems), 0);
    cr_assert_eq(problems.n, 0);
    cr_assert_eq(cfg->rules.n, 20000);
    cr_assert_eq(config_rule_match(cfg, &(struct config_subject){.host = "h19999.example"}),
                 &cfg->rules.v[19999]);
    config_unref(&cfg);
    config_problems_free(&problems);
}

Test(test_config_check, anchors_as_options)
{
    struct config *cfg = parse("version: 1\ndns: {trust-anchor-file: null,"
                               " unbound: {trust-anchor: \"example. DS 1 15 2 00\"}}\n");

    cr_assert_null(cfg->dns.trust_anchor_file);
    cr_assert_null(cfg->dns.trust_anchor_auto);
    config_unref(&cfg);
}

static int socket_of(size_t length, struct config_problems *problems)
{
    char text[256];
    struct config *cfg;
    int r;

    snprintf(text, sizeof(text), "version: 1\nadmin: {socket: /%0*d}\n", (int)length - 1, 0);
    r = config_parse("t", NULL, text, strlen(text), &cfg, problems);
    config_unref(&cfg);
    return r;
}

Test(test_config_check, the_socket_s_path_is_bounded)
{
    struct config_problems problems = {0};

    cr_assert_eq(socket_of(107, &problems), 0);
    cr_assert_eq(socket_of(108, &problems), DIVE_E_SYNTAX);
    cr_assert(strstr(problems.v[0].text, "is 108 bytes long"));
    config_problems_free(&problems);
}

static int listeners(size_t count, struct config_problems *problems)
{
    char text[8192] = "version: 1\nlisteners:\n";
    struct config *cfg;
    int r;

    for (size_t i = 0; i < count; i++)
        sprintf(text + strlen(text), "- {address: 127.0.0.1:%zu}\n", i + 1);
    r = config_parse("t", NULL, text, strlen(text), &cfg, problems);
    config_unref(&cfg);
    return r;
}

Test(test_config_check, listeners_are_bounded)
{
    struct config_problems problems = {0};

    cr_assert_eq(listeners(64, &problems), 0);
    cr_assert_eq(listeners(65, &problems), DIVE_E_SYNTAX);
    cr_assert(strstr(problems.v[0].text, "more than 64"));
    config_problems_free(&problems);
}
