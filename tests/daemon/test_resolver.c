/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The resolver against a real signed hierarchy: the four results, freshness, cancellation, its
 * configuration's errors.
 */
#include "dns/resolver.h"

#include <criterion/criterion.h>

#include "dns_lab.h"

struct seen {
    int calls;
    bool started; /* the start call has returned */
    bool early;
    enum dive_security security;
    size_t n;
    uint32_t ttl;
    char text[2][128];
    bool why;
    struct resolver_query *query;
    bool cancel_self;
};

struct fixture {
    struct loop loop;
    struct dns_lab lab;
    struct resolver *resolver;
};

static void begin(struct fixture *f)
{
    char error[512] = "";

    cr_assert_eq(loop_init(&f->loop), 0);
    lab_start(&f->lab, &f->loop);
    cr_assert_eq(resolver_new(&f->resolver, &f->loop, &f->lab.config, error, sizeof error), 0, "%s",
                 error);
}

static void end(struct fixture *f)
{
    cr_assert_eq(resolver_pending(f->resolver), 0);
    resolver_free(&f->resolver);
    cr_assert_null(f->resolver);
    lab_stop(&f->lab);
    loop_destroy(&f->loop);
}

static void on_txt(void *arg, const struct dive_answer *answer)
{
    struct seen *seen = arg;

    seen->calls++;
    seen->early |= !seen->started;
    seen->security = answer->security;
    seen->n = answer->n;
    seen->ttl = answer->ttl;
    seen->why = answer->why != NULL;
    for (size_t i = 0; i < answer->n && i < 2; i++)
        snprintf(seen->text[i], sizeof seen->text[i], "%.*s", (int)answer->txt[i].n,
                 answer->txt[i].p);
    if (seen->cancel_self)
        resolver_cancel(&seen->query);
    seen->query = NULL;
}

static void ask(struct fixture *f, struct seen *seen, const char *name, bool fresh)
{
    *seen = (struct seen){0};
    cr_assert_eq(resolver_txt(f->resolver, name, fresh, on_txt, seen, &seen->query), 0);
    cr_assert_not_null(seen->query);
    seen->started = true;
}

static void ask_and_wait(struct fixture *f, struct seen *seen, const char *name, bool fresh)
{
    ask(f, seen, name, fresh);
    cr_assert(lab_until(&f->loop, &seen->calls, 1, 8000), "no answer for %s", name);
    cr_assert_not(seen->early);
}

Test(resolver, four_results, .timeout = 60)
{
    static struct fixture f;
    struct seen seen;
    const struct resolver_counters *counters;

    begin(&f);
    ask_and_wait(&f, &seen, "_dive.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_SECURE);
    cr_assert_eq(seen.n, 1);
    cr_assert_str_eq(seen.text[0], "v=\"dive-draft-01\", scopes=(\"strict\")");
    cr_assert(seen.ttl > 290 && seen.ttl <= 300);

    ask_and_wait(&f, &seen, "two.lab.example.", false);
    cr_assert_eq(seen.n, 2);

    ask_and_wait(&f, &seen, "k._divekey.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_SECURE, "validated absence");
    cr_assert_eq(seen.n, 0);
    cr_assert(seen.ttl > 50 && seen.ttl <= 60, "negative TTL %u", seen.ttl);

    ask_and_wait(&f, &seen, "www.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_SECURE, "NODATA");
    cr_assert_eq(seen.n, 0);

    ask_and_wait(&f, &seen, "_dive.plain.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_INSECURE);
    cr_assert_eq(seen.n, 0, "insecure records are never handed out");

    ask_and_wait(&f, &seen, "_dive.free.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_INSECURE);

    ask_and_wait(&f, &seen, "_dive.bogus.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_BOGUS);
    cr_assert_eq(seen.n, 0);
    cr_assert(seen.why);

    ask_and_wait(&f, &seen, "alias.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_INSECURE, "an alias out of a signed zone");

    counters = resolver_counters(f.resolver);
    cr_assert_eq(counters->answers[RESOLVER_TXT][DIVE_DNS_SECURE], 4);
    cr_assert_eq(counters->answers[RESOLVER_TXT][DIVE_DNS_INSECURE], 3);
    cr_assert_eq(counters->answers[RESOLVER_TXT][DIVE_DNS_BOGUS], 1);
    cr_assert_eq(counters->answers[RESOLVER_TXT][DIVE_DNS_NO_ANSWER], 0);
    end(&f);
}

static void fault(struct fixture *f, enum lab_fault kind, const char *name, int type)
{
    f->lab.fault = kind;
    f->lab.fault_type = type;
    snprintf(f->lab.fault_name, sizeof f->lab.fault_name, "%s", name);
}

Test(resolver, no_answer_fails_closed_unless_provably_insecure, .timeout = 90)
{
    static struct fixture f;
    struct seen seen;

    begin(&f);
    fault(&f, LAB_SERVFAIL, "_dive.", 0);
    ask_and_wait(&f, &seen, "_dive.www.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_NO_ANSWER);
    cr_assert(seen.why);
    ask_and_wait(&f, &seen, "_dive.www.plain.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_INSECURE);
    ask_and_wait(&f, &seen, "_dive.www.free.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_INSECURE);

    /* www.free.example is unsigned, the alias to it is signed: nothing below the alias may be
     * declared insecure on the strength of where it points */
    ask_and_wait(&f, &seen, "_dive.alias.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_NO_ANSWER);
    end(&f);
}

Test(resolver, lost_queries, .timeout = 90)
{
    static struct fixture f;
    struct seen seen, other;
    int64_t start;

    begin(&f);
    ask_and_wait(&f, &seen, "two.lab.example", false); /* warm */
    fault(&f, LAB_DROP, "_dive.", 0);
    start = loop_now_ms(&f.loop);
    ask(&f, &seen, "_dive.www.lab.example", false);
    ask(&f, &other, "_dive.www.plain.lab.example", false);
    cr_assert(lab_until(&f.loop, &seen.calls, 1, 8000));
    cr_assert(lab_until(&f.loop, &other.calls, 1, 8000));
    cr_assert_eq(seen.security, DIVE_DNS_NO_ANSWER);
    cr_assert_eq(other.security, DIVE_DNS_INSECURE);
    cr_assert_leq(loop_now_ms(&f.loop) - start, 3000 + 700, "doubt doubled the wait");
    cr_assert_geq(resolver_counters(f.resolver)->timeouts, 1);

    /* everything lost: nothing is proven */
    fault(&f, LAB_DROP, "", 0);
    snprintf(f.lab.fault_name, sizeof f.lab.fault_name, "_");
    ask(&f, &seen, "_x.free.example", false);
    fault(&f, LAB_DROP, "free", 0);
    snprintf(f.lab.fault_name, sizeof f.lab.fault_name, "%s", "");
    event_del(f.lab.event); /* the server is deaf now */
    cr_assert(lab_until(&f.loop, &seen.calls, 1, 8000));
    cr_assert_eq(seen.security, DIVE_DNS_NO_ANSWER);
    end(&f);
}

Test(resolver, fresh_answers_ask_the_server_and_leave_the_cache_alone, .timeout = 60)
{
    static struct fixture f;
    struct seen seen, second;

    begin(&f);
    snprintf(f.lab.count_name, sizeof f.lab.count_name, "fresh.lab.example.");
    ask_and_wait(&f, &seen, "fresh.lab.example", false);
    cr_assert_eq(f.lab.count, 1);
    ask_and_wait(&f, &seen, "fresh.lab.example", false);
    cr_assert_eq(f.lab.count, 1, "the cache must answer");
    ask_and_wait(&f, &seen, "fresh.lab.example", true);
    cr_assert_eq(f.lab.count, 2, "the cache must not answer");
    cr_assert_eq(seen.security, DIVE_DNS_SECURE);
    cr_assert(seen.ttl > 290 && seen.ttl <= 300);
    ask_and_wait(&f, &seen, "fresh.lab.example", true);
    cr_assert_eq(f.lab.count, 3, "nor may the last fresh context's");
    ask_and_wait(&f, &seen, "fresh.lab.example", false);
    cr_assert_eq(f.lab.count, 3);
    /* a new name in the shared context still gets its TTL: no global was changed */
    ask_and_wait(&f, &seen, "other.lab.example", false);
    cr_assert(seen.ttl > 290 && seen.ttl <= 300);
    /* two of one turn share a context, and both are answered */
    ask(&f, &seen, "fresh.lab.example", true);
    ask(&f, &second, "_dive.bogus.example", true);
    cr_assert(lab_until(&f.loop, &seen.calls, 1, 8000));
    cr_assert(lab_until(&f.loop, &second.calls, 1, 8000));
    cr_assert_eq(f.lab.count, 4);
    cr_assert_eq(second.security, DIVE_DNS_BOGUS);
    end(&f);
}

Test(resolver, fresh_contexts_are_limited_and_the_rest_waits, .timeout = 90)
{
    static struct fixture f;
    struct seen stuck[20], last;
    struct resolver_query *none = NULL;

    begin(&f);
    fault(&f, LAB_DROP, "stuck.", 0);
    for (int i = 0; i < 20; i++) {
        ask(&f, &stuck[i], "stuck.lab.example", true);
        lab_turn(&f.loop, 5); /* another turn, another context */
    }
    ask(&f, &last, "fresh.lab.example", true);
    lab_turn(&f.loop, 300);
    cr_assert_eq(last.calls, 0, "16 contexts are in use: it must wait");
    resolver_cancel(&stuck[19].query); /* one that waits */
    for (int i = 0; i < 5; i++)
        resolver_cancel(&stuck[i].query);
    cr_assert(lab_until(&f.loop, &last.calls, 1, 8000));
    cr_assert_eq(last.security, DIVE_DNS_SECURE);
    for (int i = 5; i < 19; i++)
        resolver_cancel(&stuck[i].query);
    resolver_cancel(&none);
    lab_turn(&f.loop, 50);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(stuck[i].calls, 0);
    cr_assert_eq(resolver_counters(f.resolver)->cancelled, 20);
    end(&f);
}

Test(resolver, cancelled_queries_are_never_heard_of, .timeout = 60)
{
    static struct fixture f;
    struct seen a, b, c;

    begin(&f);
    ask(&f, &a, "_dive.lab.example", false);
    ask(&f, &b, "_dive.lab.example", false);
    resolver_cancel(&a.query);
    cr_assert_null(a.query);
    cr_assert(lab_until(&f.loop, &b.calls, 1, 8000));
    cr_assert_eq(b.security, DIVE_DNS_SECURE);
    cr_assert_eq(a.calls, 0);

    /* answered from the cache, cancelled before the deferred callback */
    ask(&f, &a, "_dive.lab.example", false);
    resolver_cancel(&a.query);
    /* cancels itself: no effect */
    c = (struct seen){.started = true, .cancel_self = true};
    cr_assert_eq(resolver_txt(f.resolver, "_dive.lab.example", false, on_txt, &c, &c.query), 0);
    cr_assert(lab_until(&f.loop, &c.calls, 1, 8000));
    cr_assert_eq(a.calls, 0);

    /* a late answer, and a context that goes with a question under way */
    fault(&f, LAB_DROP, "late.", 0);
    ask(&f, &a, "late.lab.example", false);
    ask(&f, &b, "late.lab.example", true);
    lab_turn(&f.loop, 100);
    resolver_cancel(&a.query);
    resolver_cancel(&b.query);
    f.lab.fault = LAB_NONE;
    lab_turn(&f.loop, 2500);
    cr_assert_eq(a.calls + b.calls, 0);
    end(&f);
}

Test(resolver, reconfigured_under_way, .timeout = 60)
{
    static struct fixture f;
    struct seen a, b, fresh;
    struct resolver_config bad;
    char error[256] = "";

    begin(&f);
    ask(&f, &a, "_dive.lab.example", false);
    ask(&f, &fresh, "_dive.lab.example", true);
    bad = f.lab.config;
    bad.trust_anchor_file = "/nonexistent/root.key";
    cr_assert_neq(resolver_reconfigure(f.resolver, &bad, error, sizeof error), 0);
    cr_assert(strstr(error, "/nonexistent/root.key") && strstr(error, "trust-anchor-file"));
    bad.trust_anchor_file = NULL;
    cr_assert_eq(resolver_reconfigure(f.resolver, &bad, error, sizeof error), 0);
    ask(&f, &b, "_dive.lab.example", false);
    cr_assert(lab_until(&f.loop, &a.calls, 1, 8000));
    cr_assert(lab_until(&f.loop, &b.calls, 1, 8000));
    cr_assert(lab_until(&f.loop, &fresh.calls, 1, 8000));
    cr_assert_eq(a.security, DIVE_DNS_SECURE, "asked under the old configuration");
    cr_assert_eq(b.security, DIVE_DNS_INSECURE, "no anchor any more");
    cr_assert_eq(fresh.security, DIVE_DNS_SECURE);
    lab_turn(&f.loop, 20);
    end(&f);
}

struct addresses_seen {
    int calls;
    struct resolver_addresses answer;
    uint8_t first[16];
    struct resolver_query *query;
};

static void on_addresses(void *arg, const struct resolver_addresses *answer)
{
    struct addresses_seen *seen = arg;

    seen->calls++;
    seen->answer = *answer;
    if (answer->n)
        memcpy(seen->first, answer->address[0], 16);
}

static void addresses(struct fixture *f, struct addresses_seen *seen, const char *host, int family)
{
    *seen = (struct addresses_seen){0};
    cr_assert_eq(resolver_addresses(f->resolver, host, family, on_addresses, seen, &seen->query),
                 0);
    cr_assert_eq(seen->calls, 0);
    cr_assert(lab_until(&f->loop, &seen->calls, 1, 8000));
    cr_assert_eq(seen->answer.family, family);
}

Test(resolver, addresses, .timeout = 60)
{
    static struct fixture f;
    struct addresses_seen seen;

    begin(&f);
    addresses(&f, &seen, "www.lab.example", AF_INET);
    cr_assert_eq(seen.answer.security, DIVE_DNS_SECURE);
    cr_assert_eq(seen.answer.n, 2);
    cr_assert_eq(memcmp(seen.first, "\xc0\0\2", 3), 0);
    addresses(&f, &seen, "www.lab.example", AF_INET6);
    cr_assert_eq(seen.answer.n, 1);
    cr_assert_eq(memcmp(seen.first, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16), 0);
    addresses(&f, &seen, "local.lab.example", AF_INET);
    cr_assert_eq(seen.answer.n, 2, "through an alias");
    cr_assert_leq(seen.answer.ttl, 30, "the alias lives for 30 s");
    addresses(&f, &seen, "alias.lab.example", AF_INET);
    cr_assert_eq(seen.answer.security, DIVE_DNS_INSECURE);
    cr_assert_eq(seen.answer.n, 1);
    addresses(&f, &seen, "nothing.lab.example", AF_INET);
    cr_assert(seen.answer.nxdomain);
    cr_assert_eq(seen.answer.security, DIVE_DNS_SECURE);
    addresses(&f, &seen, "v4.lab.example", AF_INET6);
    cr_assert_not(seen.answer.nxdomain);
    cr_assert_eq(seen.answer.n, 0);
    addresses(&f, &seen, "www.bogus.example", AF_INET);
    cr_assert_eq(seen.answer.security, DIVE_DNS_BOGUS);
    cr_assert_eq(seen.answer.n, 0, "bogus addresses are not to be used");
    addresses(&f, &seen, "www.lab.test", AF_INET);
    cr_assert_eq(seen.answer.n, 1, "the stub must win over libunbound's own test. zone");
    addresses(&f, &seen, "www.other.invalid", AF_INET);
    cr_assert(seen.answer.nxdomain);
    end(&f);
}

Test(resolver, forward_asks_the_named_server, .timeout = 60)
{
    static struct fixture f;
    struct seen seen;
    struct resolver_config config;
    const char *forward[1];
    char error[256] = "";

    begin(&f);
    forward[0] = f.lab.address;
    config = (struct resolver_config){.trust_anchor_file = f.lab.anchor,
                                      .forward = forward,
                                      .forward_count = 1,
                                      .timeout_ms = 3000};
    cr_assert_eq(resolver_reconfigure(f.resolver, &config, error, sizeof error), 0, "%s", error);
    ask_and_wait(&f, &seen, "_dive.lab.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_SECURE);
    ask_and_wait(&f, &seen, "_dive.bogus.example", false);
    cr_assert_eq(seen.security, DIVE_DNS_BOGUS);
    end(&f);
}

/* ---- without a server ---- */

static struct resolver *bare(struct loop *loop, const struct resolver_config *config)
{
    struct resolver *resolver = NULL;
    char error[512] = "";

    cr_assert_eq(loop_init(loop), 0);
    cr_assert_eq(resolver_new(&resolver, loop, config, error, sizeof error), 0, "%s", error);
    return resolver;
}

Test(resolver, localhost_is_loopback, .timeout = 20)
{
    static const struct resolver_config none;
    struct loop loop;
    struct fixture f = {.resolver = bare(&loop, &none)};
    struct addresses_seen seen;

    f.loop = loop;
    TAILQ_INIT(&f.loop.queue);
    resolver_free(&f.resolver);
    loop_destroy(&loop);
    f.resolver = bare(&f.loop, &none);
    addresses(&f, &seen, "localhost", AF_INET);
    cr_assert_eq(seen.answer.security, DIVE_DNS_INSECURE);
    cr_assert_eq(memcmp(seen.first, "\x7f\0\0\1", 4), 0);
    addresses(&f, &seen, "a.b.LocalHost.", AF_INET6);
    cr_assert_eq(seen.answer.n, 1);
    cr_assert_eq(memcmp(seen.first, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16), 0);
    resolver_free(&f.resolver);
    loop_destroy(&f.loop);
}

Test(resolver, what_is_no_name_is_refused, .timeout = 20)
{
    static const struct resolver_config none;
    static const char *const bad[] = {
        "", ".", "a..b", ".a", "::1", "a\\046b", "a b.example", "a/b", "\xc3\xa4.example"};
    struct loop loop;
    struct resolver *resolver = bare(&loop, &none);
    struct resolver_query *query = (void *)&loop;
    char label[70];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(resolver_txt(resolver, bad[i], false, on_txt, NULL, &query), DIVE_E_SYNTAX,
                     "%s", bad[i]);
        cr_assert_null(query);
    }
    memset(label, 'a', 64);
    label[64] = '\0';
    cr_assert_eq(resolver_txt(resolver, label, false, on_txt, NULL, &query), DIVE_E_SYNTAX);
    label[63] = '\0';
    cr_assert_eq(resolver_txt(resolver, label, false, on_txt, NULL, &query), 0);
    resolver_cancel(&query);
    cr_assert_eq(resolver_addresses(resolver, "a.example", AF_UNIX, on_addresses, NULL, &query),
                 DIVE_E_UNSUPPORTED);
    cr_assert_eq(resolver_pending(resolver), 0);
    resolver_free(&resolver);
    loop_destroy(&loop);
}

Test(resolver, configuration_errors_say_where, .timeout = 60)
{
    static const char *const forward_bad[] = {"ns.example@53"};
    static const char *const forward_port[] = {"192.0.2.1@65536"};
    static const char *const forward_good[] = {"192.0.2.1@65535", "2001:db8::1"};
    static const struct resolver_stub stub_zone[] = {{"a..b", "127.0.0.1@53"}};
    static const struct resolver_stub stub_address[] = {{"a.example", "127.0.0.1#53"}};
    static const struct resolver_option unknown[] = {{"nonsense", "yes"}};
    static const struct resolver_option value[] = {{"do-ip6:", "perhaps"}};
    static const struct resolver_option permissive[] = {{"val-permissive-mode", "yes"}};
    static const struct resolver_option stale[] = {{"serve-expired", "yes"}};
    static const struct resolver_option minimum[] = {{"cache-min-ttl", "60"}};
    static const struct resolver_option modules[] = {{"module-config", "iterator"}};
    static const struct resolver_option good[] = {{"do-ip6", "no"}, {"prefer-ip6:", "no"}};
    static const struct {
        struct resolver_config config;
        const char *says; /* NULL: accepted */
    } cases[] = {
        {{.trust_anchor_file = "/nonexistent"}, "dns.trust-anchor-file: /nonexistent: No such"},
        {{.trust_anchor_file = "/tmp"}, "dns.trust-anchor-file: /tmp: "},
        {{.trust_anchor_file = "/dev/null"}, "holds no trust anchor"},
        {{.trust_anchor_file = "/etc/passwd"}, "no DS or DNSKEY record"},
        {{.trust_anchor_auto = "/nonexistent"}, "dns.trust-anchor-auto: /nonexistent: No such"},
        {{.forward = forward_bad, .forward_count = 1}, "dns.forward: 'ns.example@53'"},
        {{.forward = forward_port, .forward_count = 1}, "dns.forward: '192.0.2.1@65536'"},
        {{.stub = stub_zone, .stub_count = 1}, "dns.stub: 'a..b'"},
        {{.stub = stub_address, .stub_count = 1}, "dns.stub: '127.0.0.1#53'"},
        {{.option = unknown, .option_count = 1}, "nonsense"},
        {{.option = value, .option_count = 1}, "do-ip6: perhaps"},
        {{.option = permissive, .option_count = 1}, "val-permissive-mode must be 'no'"},
        {{.option = stale, .option_count = 1}, "serve-expired must be 'no'"},
        {{.option = minimum, .option_count = 1}, "cache-min-ttl must be '0'"},
        {{.option = modules, .option_count = 1}, "validator"},
        {{.option = good, .option_count = 2}, NULL},
        {{.forward = forward_good, .forward_count = 2}, NULL},
    };
    struct loop loop;

    cr_assert_eq(loop_init(&loop), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct resolver *resolver = (void *)&loop;
        char error[512] = "";
        int r = resolver_new(&resolver, &loop, &cases[i].config, error, sizeof error);

        if (!cases[i].says) {
            cr_assert_eq(r, 0, "case %zu: %s", i, error);
            resolver_free(&resolver);
            continue;
        }
        cr_assert_lt(r, 0, "case %zu was accepted", i);
        cr_assert_null(resolver);
        cr_assert_not_null(strstr(error, cases[i].says), "case %zu says: %s", i, error);
    }
    loop_destroy(&loop);
}

Test(resolver, a_broken_anchor_is_named, .timeout = 20)
{
    char path[] = "/tmp/dived-anchor.XXXXXX", error[512] = "";
    int fd = mkstemp(path);
    struct resolver_config config = {.trust_anchor_file = path};
    struct resolver *resolver;
    struct loop loop;

    cr_assert_geq(fd, 0);
    cr_assert_gt(write(fd, "a.example. DS 1 15 2 zz\n", 24), 0);
    cr_assert_eq(loop_init(&loop), 0);
    cr_assert_lt(resolver_new(&resolver, &loop, &config, error, sizeof error), 0);
    cr_assert_not_null(strstr(error, "a.example. DS 1 15 2 zz"), "%s", error);
    cr_assert_lt(resolver_new(&resolver, &loop, &config, NULL, 0), 0);
    loop_destroy(&loop);
    close(fd);
    unlink(path);
}
