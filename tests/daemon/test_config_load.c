/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a file to a configuration: defaults, every key, and each kind of mistake with its place.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "lib/policy_record.h"

static struct config *parse_in(const char *folder, const char *text)
{
    struct config_problems problems = {0};
    struct config *cfg = NULL;
    int r = config_parse("test.yaml", folder, text, strlen(text), &cfg, &problems);

    cr_assert_eq(r, 0, "%s", problems.n ? problems.v[0].text : "no memory");
    cr_assert_eq(problems.errors, 0);
    config_problems_free(&problems);
    return cfg;
}

static struct config *parse(const char *text)
{
    return parse_in(NULL, text);
}

Test(test_config_load, defaults)
{
    struct config *cfg = parse("version: 1\n");

    cr_assert_str_eq(cfg->file, "test.yaml");
    cr_assert_eq(cfg->workers, 0);
    cr_assert_eq(cfg->listeners.n, 1);
    cr_assert_str_eq(cfg->listeners.v[0].address.text, "127.0.0.1:3128");
    cr_assert_eq(cfg->listeners.v[0].mode, CONFIG_LISTENER_EXPLICIT);
    cr_assert_str_eq(cfg->admin.socket, "/run/dived/control.sock");
    cr_assert_str_eq(cfg->admin.http.text, "127.0.0.1:9128");
    cr_assert(cfg->interception.enabled);
    cr_assert_str_eq(cfg->interception.ca_certificate, "/var/lib/dived/ca.crt");
    cr_assert_str_eq(cfg->interception.ca_key, "/var/lib/dived/ca.key");
    cr_assert_eq(cfg->interception.certificate_lifetime_ms, 168LL * 3600 * 1000);
    cr_assert_eq(cfg->interception.certificate_cache, 4096);
    cr_assert_eq(cfg->interception.splice.n, 0);
    cr_assert_str_eq(cfg->origins.ca_file, "/etc/ssl/certs/ca-certificates.crt");
    cr_assert_eq(cfg->origins.connect_timeout_ms, 10000);
    cr_assert_eq(cfg->origins.allow_networks.n, 0);
    cr_assert_eq(cfg->origins.pool_size_per_host, 32);
    cr_assert_eq(cfg->origins.parent.kind, CONFIG_PARENT_UNSET);
    cr_assert_str_eq(cfg->dns.trust_anchor_file, "/usr/share/dns/root.key");
    cr_assert_null(cfg->dns.trust_anchor_auto);
    cr_assert_eq(cfg->dns.forward.n + cfg->dns.stub.n + cfg->dns.unbound.n, 0);
    cr_assert_null(cfg->dns.forward_tls);
    cr_assert_eq(cfg->dns.timeout_ms, 10000);
    cr_assert_eq(cfg->dive.mode, CONFIG_MODE_ENFORCE);
    cr_assert_eq(cfg->dive.versions, DIVE_VERSIONS_ALL);
    cr_assert_eq(cfg->dive.unsupported, CONFIG_UNSUPPORTED_ALLOW);
    cr_assert_eq(cfg->dive.bogus, CONFIG_FAILURE_BLOCK);
    cr_assert_eq(cfg->dive.no_answer, CONFIG_FAILURE_BLOCK);
    cr_assert_eq(cfg->dive.https_required, CONFIG_HTTPS_REQUIRED_UPGRADE);
    cr_assert_eq(cfg->dive.other_success, CONFIG_OTHER_SUCCESS_BLOCK);
    cr_assert_eq(cfg->dive.error_bodies, CONFIG_ERROR_BODIES_PASS);
    cr_assert_eq(cfg->dive.browsers, CONFIG_BROWSERS_EXEMPT);
    cr_assert_eq(cfg->dive.reports, CONFIG_REPORTS_SEND);
    cr_assert_null(cfg->dive.user_agent);
    config_unref(&cfg);
    cr_assert_null(cfg);
}

Test(test_config_load, defaults_of_quantities)
{
    struct config *cfg = parse("version: 1\n");

    cr_assert_eq(cfg->hold.memory, 256 << 10);
    cr_assert_str_eq(cfg->hold.directory, "/var/cache/dived/hold");
    cr_assert_eq(cfg->hold.max_size, 16LL << 30);
    cr_assert_eq(cfg->hold.max_total, 64LL << 30);
    cr_assert_eq(cfg->hold.timeout_ms, 3600000);
    cr_assert_eq(cfg->hold.keepalive_ms, 0);
    cr_assert_eq(cfg->hold.release, CONFIG_RELEASE_VERDICT);
    cr_assert_eq(cfg->access.clients.n, 2);
    cr_assert_eq(cfg->access.connect_ports.n, 1);
    cr_assert_eq(cfg->access.connect_ports.v[0], 443);
    cr_assert_eq(cfg->rules.n, 0);
    cr_assert_eq(cfg->limits.head_size, 65536);
    cr_assert_eq(cfg->limits.header_count, 128);
    cr_assert_eq(cfg->limits.url_length, 16384);
    cr_assert_eq(cfg->limits.connections, 20000);
    cr_assert_eq(cfg->limits.connections_per_client, 2000);
    cr_assert_eq(cfg->limits.request_body_size, 0);
    cr_assert_eq(cfg->timeouts.client_head_ms, 30000);
    cr_assert_eq(cfg->timeouts.client_idle_ms, 120000);
    cr_assert_eq(cfg->timeouts.client_body_ms, 60000);
    cr_assert_eq(cfg->timeouts.client_write_ms, 120000);
    cr_assert_eq(cfg->timeouts.tls_handshake_ms, 15000);
    cr_assert_eq(cfg->timeouts.origin_head_ms, 60000);
    cr_assert_eq(cfg->timeouts.origin_idle_ms, 60000);
    cr_assert_eq(cfg->timeouts.origin_pool_idle_ms, 60000);
    cr_assert_eq(cfg->timeouts.tunnel_idle_ms, 900000);
    cr_assert_eq(cfg->timeouts.drain_ms, 30000);
    cr_assert_str_eq(cfg->log.access, "-");
    cr_assert_str_eq(cfg->log.error, "-");
    cr_assert_eq(cfg->log.level, LOG_LEVEL_INFO);
    cr_assert(cfg->log.redact_query);
    cr_assert_eq(cfg->trace.entries, 1024);
    config_unref(&cfg);
}

Test(test_config_load, values_reach_their_members)
{
    struct config *cfg = parse("version: 1\n"
                               "workers: 3\n"
                               "listeners: [{address: 0.0.0.0:8080}, {address: \"[::1]:8080\"}]\n"
                               "admin: {socket: null, http: ~}\n"
                               "interception: {enabled: false}\n"
                               "origins: {ca-file: null}\n"
                               "dns:\n"
                               "  trust-anchor-auto: /x/root.key\n"
                               "  forward: [9.9.9.9, \"::1@5300\"]\n"
                               "  forward-tls: DNS.example\n"
                               "  stub: [{zone: Lab.Example, address: 127.0.0.1@5300}]\n"
                               "  unbound: {do-ip6: false, so-rcvbuf: 4m, local-zone: [a, b]}\n"
                               "dive: {mode: off, versions: [dive-draft-01], user-agent: lab/1}\n"
                               "log: {access: null, level: debug, redact-query: false}\n"
                               "access: {clients: [], connect-ports: []}\n");

    cr_assert_eq(cfg->workers, 3);
    cr_assert_eq(cfg->listeners.n, 2);
    cr_assert_null(cfg->admin.socket);
    cr_assert_eq(cfg->admin.http.len, 0);
    cr_assert_not(cfg->interception.enabled);
    cr_assert_null(cfg->origins.ca_file);
    cr_assert_null(cfg->dns.trust_anchor_file);
    cr_assert_str_eq(cfg->dns.trust_anchor_auto, "/x/root.key");
    cr_assert_eq(cfg->dns.forward.n, 2);
    cr_assert_str_eq(cfg->dns.forward.v[0].text, "9.9.9.9@853");
    cr_assert_str_eq(cfg->dns.forward.v[1].text, "::1@5300");
    cr_assert_str_eq(cfg->dns.forward_tls, "dns.example");
    cr_assert_str_eq(cfg->dns.stub.v[0].zone, "lab.example.");
    cr_assert_str_eq(cfg->dns.stub.v[0].address, "127.0.0.1@5300");
    cr_assert_eq(cfg->dns.unbound.n, 4);
    cr_assert_str_eq(cfg->dns.unbound.v[0].name, "do-ip6");
    cr_assert_str_eq(cfg->dns.unbound.v[0].value, "no");
    cr_assert_str_eq(cfg->dns.unbound.v[1].value, "4m");
    cr_assert_str_eq(cfg->dns.unbound.v[3].name, "local-zone");
    cr_assert_str_eq(cfg->dns.unbound.v[3].value, "b");
    cr_assert_eq(cfg->dive.mode, CONFIG_MODE_OFF);
    cr_assert_eq(cfg->dive.versions, DIVE_VERSION_BIT(DIVE_VERSION_DRAFT_01));
    cr_assert_str_eq(cfg->dive.user_agent, "lab/1");
    cr_assert_null(cfg->log.access);
    cr_assert_eq(cfg->log.level, LOG_LEVEL_DEBUG);
    cr_assert_not(cfg->log.redact_query);
    cr_assert_eq(cfg->access.clients.n, 0);
    cr_assert_eq(cfg->access.connect_ports.n, 0);
    config_unref(&cfg);
}

/* design.md's example, but for what this version doesn't have. */
Test(test_config_load, the_whole_file)
{
    struct config *cfg = parse(
        "version: 1\n"
        "workers: auto\n"
        "listeners:\n"
        "  - {address: \"127.0.0.1:3128\", mode: explicit}\n"
        "admin: {socket: /run/dived/control.sock, http: \"127.0.0.1:9128\"}\n"
        "interception:\n"
        "  enabled: true\n"
        "  ca-certificate: /var/lib/dived/ca.crt\n"
        "  ca-key: /var/lib/dived/ca.key\n"
        "  splice: [\"*.bank.example\"]\n"
        "origins:\n"
        "  ca-file: /etc/ssl/certs/ca-certificates.crt\n"
        "  connect-timeout: 10s\n"
        "  allow-networks: []\n"
        "  parent: null\n"
        "dns:\n"
        "  trust-anchor-file: /usr/share/dns/root.key\n"
        "  forward: []\n"
        "  forward-tls: null\n"
        "  stub: [{zone: test., address: \"127.0.0.1@5300\"}]\n"
        "  unbound: {}\n"
        "dive:\n"
        "  mode: enforce\n"
        "  versions: [dive-draft-00, dive-draft-01]\n"
        "  unsupported: allow\n"
        "  bogus: block\n"
        "  no-answer: block\n"
        "  https-required: upgrade\n"
        "  other-success: block\n"
        "  browsers: exempt\n"
        "  reports: send\n"
        "hold: {memory: 256KiB, directory: /h, max-size: 16GiB, max-total: 64GiB, timeout: 1h}\n"
        "cache: {directory: /c, max-size: 10GiB, memory: 256MiB}\n"
        "access:\n"
        "  clients: [127.0.0.0/8, \"::1/128\"]\n"
        "  connect-ports: [443]\n"
        "rules:\n"
        "  - {host: \"*.example.com\", mode: report-only}\n"
        "log: {access: \"-\", format: json, level: info}\n");

    cr_assert_str_eq(cfg->interception.splice.v[0], "*.bank.example");
    cr_assert_eq(cfg->rules.n, 1);
    cr_assert_eq(cfg->cache.max_size, 10LL << 30);
    config_unref(&cfg);
}

Test(test_config_load, an_empty_section_is_all_defaults)
{
    struct config *cfg = parse("version: 1\ndns:\nhold: {}\nlog: ~\n");

    cr_assert_eq(cfg->dns.timeout_ms, 10000);
    config_unref(&cfg);
}

Test(test_config_load, relative_paths)
{
    struct config *cfg =
        parse_in("/etc/dived", "version: 1\n"
                               "admin: {socket: ./run/s}\n"
                               "interception: {ca-certificate: a.crt, ca-key: /k}\n"
                               "log: {access: -, error: \"e.log\"}\n");

    cr_assert_str_eq(cfg->admin.socket, "/etc/dived/run/s");
    cr_assert_str_eq(cfg->interception.ca_certificate, "/etc/dived/a.crt");
    cr_assert_str_eq(cfg->interception.ca_key, "/k");
    cr_assert_str_eq(cfg->log.access, "-");
    cr_assert_str_eq(cfg->log.error, "/etc/dived/e.log");
    cr_assert_str_eq(cfg->hold.directory, "/var/cache/dived/hold");
    config_unref(&cfg);
    cfg = parse_in("/", "version: 1\nhold: {directory: h}\n");
    cr_assert_str_eq(cfg->hold.directory, "/h");
    config_unref(&cfg);
}

Test(test_config_load, given_keys_are_known)
{
    struct config *cfg = parse("version: 1\nadmin: {http: null}\n");

    cr_assert(config_is_given(cfg, "admin.http"));
    cr_assert(config_is_given(cfg, "version"));
    cr_assert_not(config_is_given(cfg, "admin.socket"));
    cr_assert_not(config_is_given(cfg, "log.access"));
    config_unref(&cfg);
}

Test(test_config_load, references_are_counted)
{
    struct config *cfg = parse("version: 1\n");
    struct config *second = config_ref(cfg);
    struct config *none = NULL;

    cr_assert_eq(second, cfg);
    config_unref(&cfg);
    cr_assert_null(cfg);
    cr_assert_eq(second->workers, 0); /* a sanitizer would see it freed */
    config_unref(&second);
    config_unref(&none);
}

/* One mistake each: where it is, and what is said. */
Test(test_config_load, mistakes)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } cases[] = {
        {"", 1, 1, "\"version\" is missing"},
        {"workers: 1\n", 1, 1, "\"version\" is missing"},
        {"version: 2\n", 1, 10, "write 1"},
        {"version: \"1\"\n", 1, 10, "leave them out"},
        {"version: null\n", 1, 10, "must have a value"},
        {"- version: 1\n", 1, 1, "is a map, key: value, not a list"},
        {"version\n", 1, 1, "is a map, key: value"},
        {"version: 1\nworker: 2\n", 2, 1, "unknown key \"worker\"; did you mean workers?"},
        {"version: 1\nsocket: /x\n", 2, 1, "did you mean admin.socket?"},
        {"version: 1\nbanana: 1\n", 2, 1, "unknown key \"banana\""},
        {"version: 1\ndns: {timout: 1s}\n", 2, 7,
         "unknown key \"timout\" in dns; did you mean timeout?"},
        {"version: 1\ndive: {memory: 1}\n", 2, 8, "did you mean hold.memory?"},
        {"version: 1\n<<: {a: 1}\n", 2, 1, "unknown key \"<<\""},
        {"version: 1\nworkers: 0\n", 2, 10, "workers: \"0\" is out of range; it may be 1 to 256"},
        {"version: 1\nworkers: 257\n", 2, 10, "out of range"},
        {"version: 1\nworkers: many\n", 2, 10, "is no whole number"},
        {"version: 1\nworkers: [1]\n", 2, 10,
         "must be a single value (number or auto), not a list"},
        {"version: 1\ndns: [1]\n", 2, 6, "dns: must be a map, key: value, not a list"},
        {"version: 1\ndns: yes\n", 2, 6, "dns: must be a map"},
        {"version: 1\ndns: {timeout: 99ms}\n", 2, 16, "it may be 100ms to 5m"},
        {"version: 1\ndns: {timeout: 301s}\n", 2, 16, "it may be 100ms to 5m"},
        {"version: 1\ndns: {timeout: 10}\n", 2, 16, "write 10s"},
        {"version: 1\nhold: {memory: 2GiB}\n", 2, 16, "it may be 0 to 1GiB"},
        {"version: 1\nhold: {max-size: 64GB}\n", 2, 18, "write 64GiB"},
        {"version: 1\nhold: {directory: null}\n", 2, 19, "null is none"},
        {"version: 1\nhold: {directory: 5}\n", 2, 19, "is no path"},
        {"version: 1\nlog: {access: true}\n", 2, 15, "is no path"},
        {"version: 1\nlog: {redact-query: yes}\n", 2, 21, "write true"},
        {"version: 1\nlog: {redact-query: \"true\"}\n", 2, 21, "because of its quotes"},
        {"version: 1\nlog: {format: jsno}\n", 2, 15, "did you mean json?"},
        {"version: 1\nlog: {level: warn}\n", 2, 14, "did you mean"},
        {"version: 1\nlog: {level: 3}\n", 2, 14, "is not one of error, warning, info, debug"},
        {"version: 1\naccess: {clients: 127.0.0.0/8}\n", 2, 19, "write [127.0.0.0/8]"},
        {"version: 1\naccess: {clients: null}\n", 2, 19, "the empty one is []"},
        {"version: 1\naccess: {clients: {a: b}}\n", 2, 19, "must be a list of networks, not a map"},
        {"version: 1\naccess: {clients: [[a]]}\n", 2, 20, "must be a single value"},
        {"version: 1\naccess: {clients: [127.0.0.0/8, ~]}\n", 2, 33, "null is none"},
        {"version: 1\naccess: {connect-ports: [0]}\n", 2, 26, "1 to 65535"},
        {"version: 1\naccess: {connect-ports: [65536]}\n", 2, 26, "1 to 65535"},
        {"version: 1\naccess: {connect-ports: [https]}\n", 2, 26, "no whole number"},
        {"version: 1\nlisteners: {address: 1}\n", 2, 12, "must be a list of maps, not a map"},
        {"version: 1\nlisteners: [127.0.0.1:1]\n", 2, 13, "listeners[0]: must be a map"},
        {"version: 1\nlisteners: [{mode: explicit}]\n", 2, 13,
         "listeners[0]: \"address\" is missing"},
        {"version: 1\nlisteners:\n  - {address: 127.0.0.1:1, mod: x}\n", 3, 28,
         "unknown key \"mod\" in listeners[]; did you mean mode?"},
        {"version: 1\nlisteners: [{address: 127.0.0.1}]\n", 2, 23,
         "listeners[0].address: \"127.0.0.1\" has no port"},
        {"version: 1\nrules: [{host: a.example, mode: \"\"}]\n", 2, 33, "is not one of"},
        {"version: 1\nrules: [{host: a.example, client: 10.0.0.1, deny: true}]\n", 2, 35,
         "write 10.0.0.1/32"},
        {"version: 1\ndive: {versions: [dive-draft-02]}\n", 2, 19, "did you mean dive-draft-0"},
        {"version: 1\ndive: {versions: [dive-draft-00, dive-draft-00]}\n", 2, 34, "listed twice"},
        {"version: 1\ndive: {mode: reportonly}\n", 2, 14, "did you mean report-only?"},
        {"version: 1\ndns: {unbound: [a]}\n", 2, 16, "must be a map, option: value"},
        {"version: 1\ndns: {unbound: {a: {b: c}}}\n", 2, 20, "must be a value or a list of values"},
        {"version: 1\ndns: {unbound: {\"a:\": b}}\n", 2, 17, "ends in a colon"},
        {"version: 1\ndns: {unbound: {a: null}}\n", 2, 20, "not null"},
        {"version: 1\ninterception: {ca-key: ~/k, ca-certificate: c}\n", 2, 24, "not expanded"},
        {"version: 1\ndive: {user-agent: 5}\n", 2, 20, "quote it"},
        {"version: 1\nhold: {memory: 1MiB, memory: 2MiB}\n", 2, 22, "given twice"},
        {"version: 1\nversion: 1\n", 2, 1, "given twice"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_problems problems = {0};
        struct config *cfg = (struct config *)&problems;
        int r = config_parse("t", NULL, cases[i].text, strlen(cases[i].text), &cfg, &problems);

        cr_assert_eq(r, DIVE_E_SYNTAX, "%s", cases[i].text);
        cr_assert_null(cfg);
        cr_assert_eq(problems.errors, 1, "%s: %zu errors", cases[i].text, problems.errors);
        cr_assert(strstr(problems.v[0].text, cases[i].says), "%s: %s", cases[i].text,
                  problems.v[0].text);
        cr_assert_eq(problems.v[0].line, cases[i].line, "%s: line %u", cases[i].text,
                     problems.v[0].line);
        cr_assert_eq(problems.v[0].column, cases[i].column, "%s: column %u", cases[i].text,
                     problems.v[0].column);
        config_problems_free(&problems);
    }
}

Test(test_config_load, all_mistakes_at_once_in_order)
{
    static const char text[] =
        "listeners: []\nworkers: x\nbanana: 1\nhold: {memory: 1, max-size: q}\n"
        "version: 1\n";
    struct config_problems problems = {0};
    struct config *cfg;

    cr_assert_eq(config_parse("t", NULL, text, strlen(text), &cfg, &problems), DIVE_E_SYNTAX);
    cr_assert_eq(problems.errors, 4);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(problems.v[i].line, i + 1);
    config_problems_free(&problems);
}

static size_t kept_of(size_t mistakes)
{
    struct config_problems problems = {0};
    struct config *cfg;
    char text[2048] = "version: 1\n";
    size_t kept;

    for (size_t i = 0; i < mistakes; i++)
        sprintf(text + strlen(text), "x%zu: 1\n", i);
    cr_assert_eq(config_parse("t", NULL, text, strlen(text), &cfg, &problems), DIVE_E_SYNTAX);
    cr_assert_eq(problems.errors, mistakes);
    kept = problems.n;
    config_problems_free(&problems);
    return kept;
}

Test(test_config_load, kept_mistakes_are_bounded)
{
    cr_assert_eq(kept_of(CONFIG_PROBLEMS_MAX), CONFIG_PROBLEMS_MAX);
    cr_assert_eq(kept_of(CONFIG_PROBLEMS_MAX + 1), CONFIG_PROBLEMS_MAX);
}

/* ---- files ---- */

static char *write_file(const char *folder, const char *name, const char *text, size_t n)
{
    char *path;
    FILE *file;

    cr_assert_gt(asprintf(&path, "%s/%s", folder, name), 0);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, n, file), n);
    cr_assert_eq(fclose(file), 0);
    return path;
}

Test(test_config_load, from_a_file)
{
    static const char text[] = "version: 1\nhold: {directory: h}\n";
    char folder[] = "/tmp/dived-test-XXXXXX";
    struct config_problems problems = {0};
    struct config *cfg;
    char *path, *expected;

    cr_assert_not_null(mkdtemp(folder));
    path = write_file(folder, "c.yaml", text, strlen(text));
    cr_assert_eq(config_load(path, &cfg, &problems), 0);
    cr_assert_gt(asprintf(&expected, "%s/h", folder), 0);
    cr_assert_str_eq(cfg->hold.directory, expected);
    cr_assert_str_eq(cfg->file, path);
    config_unref(&cfg);
    config_problems_free(&problems);

    cr_assert_eq(config_load(folder, &cfg, &problems), DIVE_E_NOT_FOUND);
    cr_assert_null(cfg);
    cr_assert(strstr(problems.v[0].text, "folder"));
    config_problems_free(&problems);

    unlink(path);
    cr_assert_eq(config_load(path, &cfg, &problems), DIVE_E_NOT_FOUND);
    cr_assert_eq(problems.errors, 1);
    cr_assert(strstr(problems.v[0].text, "No such file"));
    config_problems_free(&problems);
    rmdir(folder);
    free(path);
    free(expected);
}

static int load_of_size(const char *folder, size_t n, struct config_problems *problems)
{
    char *text = malloc(n);
    struct config *cfg;
    char *path;
    int r;

    memset(text, '#', n);
    memcpy(text, "version: 1\n", 11);
    path = write_file(folder, "c.yaml", text, n);
    r = config_load(path, &cfg, problems);
    config_unref(&cfg);
    unlink(path);
    free(path);
    free(text);
    return r;
}

Test(test_config_load, files_are_bounded)
{
    char folder[] = "/tmp/dived-test-XXXXXX";
    struct config_problems problems = {0};

    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(load_of_size(folder, CONFIG_FILE_MAX, &problems), 0);
    config_problems_free(&problems);
    cr_assert_eq(load_of_size(folder, CONFIG_FILE_MAX + 1, &problems), DIVE_E_LIMIT);
    cr_assert_eq(problems.errors, 1);
    config_problems_free(&problems);
    rmdir(folder);
}

/* A pipe without a writer must not stop whoever reloads. */
Test(test_config_load, an_idle_pipe_is_an_empty_file, .timeout = 20)
{
    char folder[] = "/tmp/dived-test-XXXXXX";
    struct config_problems problems = {0};
    struct config *cfg;
    char *path;

    cr_assert_not_null(mkdtemp(folder));
    cr_assert_gt(asprintf(&path, "%s/fifo", folder), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(config_load(path, &cfg, &problems), DIVE_E_SYNTAX);
    cr_assert(strstr(problems.v[0].text, "version"));
    config_problems_free(&problems);
    unlink(path);
    rmdir(folder);
    free(path);
}
