/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dialling: literals, names, races between families, and each way to fail.
 */
#include "origin/dial.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "dns_lab.h"

struct fixture {
    struct loop loop;
    struct guard *guard;
    struct dns_lab lab;
    struct resolver *resolver;
};

struct seen {
    int calls;
    struct dial_outcome outcome;
    char detail[320];
    char peer[INET6_ADDRSTRLEN];
    struct dial *dial;
    bool cancel_self;
};

static void begin(struct fixture *f, bool open)
{
    struct guard_network allow[2];

    cr_assert_eq(loop_init(&f->loop), 0);
    cr_assert_eq(guard_network_parse("127.0.0.0/8", &allow[0]), 0);
    cr_assert_eq(guard_network_parse("::1", &allow[1]), 0);
    cr_assert_eq(guard_new(&f->guard, allow, open ? 2 : 0, NULL, 0), 0);
}

static void end(struct fixture *f)
{
    guard_free(&f->guard);
    loop_destroy(&f->loop);
}

static void begin_dns(struct fixture *f, bool open)
{
    char error[256];

    begin(f, open);
    lab_start(&f->lab, &f->loop);
    cr_assert_eq(resolver_new(&f->resolver, &f->loop, &f->lab.config, error, sizeof error), 0);
}

static void end_dns(struct fixture *f)
{
    cr_assert_eq(resolver_pending(f->resolver), 0);
    resolver_free(&f->resolver);
    lab_stop(&f->lab);
    end(f);
}

static void on_dial(void *arg, const struct dial_outcome *outcome)
{
    struct seen *seen = arg;

    seen->calls++;
    seen->outcome = *outcome;
    snprintf(seen->detail, sizeof seen->detail, "%s", outcome->detail);
    if (outcome->peer.ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&outcome->peer)->sin_addr, seen->peer,
                  sizeof seen->peer);
    if (outcome->peer.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&outcome->peer)->sin6_addr, seen->peer,
                  sizeof seen->peer);
    if (seen->cancel_self)
        dial_cancel(&seen->dial);
    seen->dial = NULL;
}

static void dial(struct fixture *f, struct seen *seen, const char *host, unsigned port,
                 int64_t timeout_ms)
{
    *seen = (struct seen){0};
    cr_assert_eq(dial_start(&f->loop, f->resolver, f->guard, host, port, timeout_ms, on_dial, seen,
                            &seen->dial),
                 0, "%s", host);
    cr_assert_eq(seen->calls, 0, "called back before the start returned");
    cr_assert_not_null(seen->dial);
    cr_assert(lab_until(&f->loop, &seen->calls, 1, timeout_ms + 2000), "%s: no result", host);
    cr_assert_null(seen->dial);
}

static void expect(struct seen *seen, enum dial_result result)
{
    cr_assert_eq(seen->outcome.result, result, "%s: %s", dial_result_word(seen->outcome.result),
                 seen->detail);
    cr_assert(seen->detail[0] != '\0');
    cr_assert_eq(seen->outcome.fd >= 0, result == DIAL_OK);
    if (seen->outcome.fd >= 0)
        close(seen->outcome.fd);
}

/* A listening socket on loopback; `backlog` 0 and two clients nobody accepts make a black hole. */
static int serve(int family, unsigned *port, int backlog)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    in.sin_port = in6.sin6_port = htons((uint16_t)*port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
             family == AF_INET ? sizeof in : sizeof in6) != 0 ||
        listen(fd, backlog) != 0 || getsockname(fd, (struct sockaddr *)&bound, &n) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                    : ((struct sockaddr_in6 *)&bound)->sin6_port);
    for (int i = 0; backlog == 0 && i < 3; i++) {
        int client = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        (void)!connect(client, (struct sockaddr *)&bound, n); /* stays open until the test ends */
    }
    return fd;
}

static void need_ipv6(void)
{
    unsigned port = 0;
    int fd = serve(AF_INET6, &port, 1);

    if (fd < 0) {
        fprintf(stderr, "SKIPPED: this machine has no IPv6 loopback address\n");
        cr_skip_test("no IPv6");
    }
    close(fd);
}

Test(dial, literal_connects, .timeout = 20)
{
    struct fixture f = {0};
    struct seen seen;
    unsigned port = 0;
    int server = serve(AF_INET, &port, 5), on = 0;
    socklen_t n = sizeof on;

    begin(&f, true);
    dial(&f, &seen, "127.0.0.1", port, 2000);
    cr_assert_eq(seen.outcome.result, DIAL_OK, "%s", seen.detail);
    cr_assert(fcntl(seen.outcome.fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(seen.outcome.fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(getsockopt(seen.outcome.fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
    cr_assert_neq(on, 0);
    cr_assert_str_eq(seen.peer, "127.0.0.1");
    cr_assert_eq(((struct sockaddr_in *)&seen.outcome.peer)->sin_port, htons((uint16_t)port));
    expect(&seen, DIAL_OK);
    dial(&f, &seen, "::ffff:127.0.0.1", port, 2000);
    expect(&seen, DIAL_OK);
    close(server);
    dial(&f, &seen, "127.0.0.1", port, 2000);
    expect(&seen, DIAL_REFUSED);
    cr_assert(strstr(seen.detail, "127.0.0.1"));
    end(&f);
}

Test(dial, guard_stands_before_the_first_packet, .timeout = 20)
{
    struct fixture f = {0};
    struct seen seen;
    unsigned port = 0;
    int server = serve(AF_INET, &port, 5);
    static const char *const hosts[] = {"127.0.0.1", "::ffff:127.0.0.1", "[::ffff:7f00:1]",
                                        "0.0.0.0"};

    begin(&f, false);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        dial(&f, &seen, hosts[i], port, 2000);
        cr_assert_neq(seen.outcome.guard, GUARD_ALLOWED);
        expect(&seen, DIAL_GUARDED);
    }
    fcntl(server, F_SETFL, O_NONBLOCK);
    cr_assert_lt(accept(server, NULL, NULL), 0);
    cr_assert_eq(errno, EAGAIN);
    close(server);
    end(&f);
}

Test(dial, fixed_address, .timeout = 20)
{
    struct fixture f = {0};
    struct seen seen = {0};
    unsigned port = 0;
    int server = serve(AF_INET, &port, 5);
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    begin(&f, true);
    cr_assert_eq(dial_start_address(&f.loop, f.guard, (struct sockaddr *)&in, sizeof in, 2000,
                                    on_dial, &seen, &seen.dial),
                 0);
    cr_assert_eq(seen.calls, 0);
    cr_assert(lab_until(&f.loop, &seen.calls, 1, 3000));
    expect(&seen, DIAL_OK);
    cr_assert_eq(dial_start_address(&f.loop, f.guard, (struct sockaddr *)&in, 4, 2000, on_dial,
                                    &seen, &seen.dial),
                 DIVE_E_SYNTAX);
    in.sin_family = AF_UNIX;
    cr_assert_eq(dial_start_address(&f.loop, f.guard, (struct sockaddr *)&in, sizeof in, 2000,
                                    on_dial, &seen, &seen.dial),
                 DIVE_E_SYNTAX);
    close(server);
    end(&f);
}

Test(dial, black_hole_times_out, .timeout = 20)
{
    struct fixture f = {0};
    struct seen seen;
    unsigned port = 0;
    int server = serve(AF_INET, &port, 0);
    int64_t start;

    begin(&f, true);
    start = loop_now_ms(&f.loop);
    dial(&f, &seen, "127.0.0.1", port, 400);
    expect(&seen, DIAL_TIMEOUT);
    cr_assert(loop_now_ms(&f.loop) - start >= 400 && loop_now_ms(&f.loop) - start < 10000);
    cr_assert_str_eq(seen.peer, "127.0.0.1");
    close(server);
    end(&f);
}

Test(dial, what_is_no_host_is_refused, .timeout = 20)
{
    static const char *const bad[] = {
        "",          "127.1",       "0x7f000001", "2130706433", "0177.0.0.1", "a.0x7f",
        "a.1.",      "[127.0.0.1]", "[]",         "[::1",       "::1%lo",     "[fe80::1%1]",
        "1.2.3.4.5", "::g",         "a b",        "a..b",       "0x"};
    struct fixture f = {0};
    struct seen seen = {0};
    struct resolver_config config = {0};
    char error[256];
    int server_port = 80;

    begin(&f, true);
    cr_assert_eq(resolver_new(&f.resolver, &f.loop, &config, error, sizeof error), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(dial_start(&f.loop, f.resolver, f.guard, bad[i], (unsigned)server_port, 1000,
                                on_dial, &seen, &seen.dial),
                     DIVE_E_SYNTAX, "%s", bad[i]);
    cr_expect_eq(dial_start(&f.loop, NULL, f.guard, "::1", 0, 1000, on_dial, &seen, &seen.dial),
                 DIVE_E_SYNTAX);
    cr_expect_eq(dial_start(&f.loop, NULL, f.guard, "::1", 65536, 1000, on_dial, &seen, &seen.dial),
                 DIVE_E_SYNTAX);
    cr_expect_eq(dial_start(&f.loop, NULL, f.guard, "::1", 65535, 1000, on_dial, &seen, &seen.dial),
                 0);
    dial_cancel(&seen.dial);
    cr_expect_eq(
        dial_start(&f.loop, NULL, f.guard, "a.example", 80, 1000, on_dial, &seen, &seen.dial),
        DIVE_E_STATE);
    cr_assert_eq(seen.calls, 0);
    resolver_free(&f.resolver);
    end(&f);
}

Test(dial, cancelled_at_any_point, .timeout = 20)
{
    struct fixture f = {0};
    struct seen seen = {0};
    unsigned port = 0, hole_port = 0;
    int server = serve(AF_INET, &port, 5), hole = serve(AF_INET, &hole_port, 0), peer;
    char byte;

    begin(&f, true);
    for (int turns = 0; turns < 3; turns++) {
        cr_assert_eq(
            dial_start(&f.loop, NULL, f.guard, "127.0.0.1", port, 2000, on_dial, &seen, &seen.dial),
            0);
        for (int i = 0; i < turns && seen.calls == 0; i++)
            event_base_loop(f.loop.base, EVLOOP_NONBLOCK);
        if (seen.calls)
            break;
        dial_cancel(&seen.dial);
        cr_assert_null(seen.dial);
        lab_turn(&f.loop, 20);
        cr_assert_eq(seen.calls, 0);
        fcntl(server, F_SETFL, O_NONBLOCK);
        peer = accept(server, NULL, NULL);
        if (peer >= 0) {
            cr_assert_leq(read(peer, &byte, 1), 0, "the connection must be closed");
            close(peer);
        }
    }
    if (seen.outcome.fd > 0)
        close(seen.outcome.fd);
    seen = (struct seen){0};
    cr_assert_eq(
        dial_start(&f.loop, NULL, f.guard, "127.0.0.1", hole_port, 100, on_dial, &seen, &seen.dial),
        0);
    lab_turn(&f.loop, 30);
    dial_cancel(&seen.dial);
    dial_cancel(&seen.dial);
    lab_turn(&f.loop, 150);
    cr_assert_eq(seen.calls, 0);
    seen = (struct seen){.cancel_self = true};
    cr_assert_eq(
        dial_start(&f.loop, NULL, f.guard, "127.0.0.1", port, 2000, on_dial, &seen, &seen.dial), 0);
    cr_assert(lab_until(&f.loop, &seen.calls, 1, 3000));
    expect(&seen, DIAL_OK);
    close(server);
    close(hole);
    end(&f);
}

Test(dial, no_descriptor_left, .timeout = 20)
{
    struct fixture f = {0};
    struct seen seen;
    struct rlimit old, low;

    begin(&f, true);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = 3;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    dial(&f, &seen, "127.0.0.1", 9, 1000);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    expect(&seen, DIAL_FD_EXHAUSTED);
    end(&f);
}

Test(dial, names, .timeout = 60)
{
    static struct fixture f;
    struct seen seen;
    unsigned port = 0;
    int server = serve(AF_INET, &port, 5);

    begin_dns(&f, true);
    dial(&f, &seen, "v4.lab.example", port, 4000);
    cr_assert_eq(seen.outcome.security, DIVE_DNS_SECURE);
    expect(&seen, DIAL_OK);
    dial(&f, &seen, "WWW.plain.lab.example.", port, 4000);
    cr_assert_eq(seen.outcome.security, DIVE_DNS_INSECURE);
    expect(&seen, DIAL_OK);
    dial(&f, &seen, "loop.lab.example", port, 4000); /* ::1 refuses, 127.0.0.1 answers */
    cr_assert_str_eq(seen.peer, "127.0.0.1");
    expect(&seen, DIAL_OK);
    dial(&f, &seen, "localhost", port, 4000);
    expect(&seen, DIAL_OK);
    dial(&f, &seen, "www.bogus.example", port, 4000);
    expect(&seen, DIAL_DNS_BOGUS);
    dial(&f, &seen, "nothing.lab.example", port, 4000);
    cr_assert_eq(seen.outcome.rcode, 3);
    expect(&seen, DIAL_NO_ADDRESSES);
    dial(&f, &seen, "two.lab.example", port, 4000);
    cr_assert_eq(seen.outcome.rcode, 0);
    expect(&seen, DIAL_NO_ADDRESSES);
    dial(&f, &seen, "www.lab.example", port, 4000);
    cr_assert_eq(seen.outcome.guard, GUARD_DOCUMENTATION);
    expect(&seen, DIAL_GUARDED);
    close(server);
    dial(&f, &seen, "v4.lab.example", port, 4000);
    expect(&seen, DIAL_REFUSED);
    end_dns(&f);
}

Test(dial, rebinding_names_are_guarded, .timeout = 60)
{
    static struct fixture f;
    struct seen seen;

    begin_dns(&f, false);
    dial(&f, &seen, "loop.lab.example", 80, 4000);
    cr_assert_eq(seen.outcome.guard, GUARD_LOOPBACK);
    expect(&seen, DIAL_GUARDED);
    dial(&f, &seen, "localhost", 80, 4000);
    expect(&seen, DIAL_GUARDED);
    end_dns(&f);
}

Test(dial, dns_that_fails_or_is_silent, .timeout = 60)
{
    static struct fixture f;
    struct seen seen;
    unsigned port = 0;
    int server = serve(AF_INET, &port, 5);
    int64_t start;

    begin_dns(&f, true);
    f.lab.fault = LAB_SERVFAIL;
    snprintf(f.lab.fault_name, sizeof f.lab.fault_name, "broken.");
    dial(&f, &seen, "broken.lab.example", port, 4000);
    expect(&seen, DIAL_DNS_FAILED);
    f.lab.fault = LAB_DROP;
    snprintf(f.lab.fault_name, sizeof f.lab.fault_name, "silent.");
    dial(&f, &seen, "silent.lab.example", port, 600);
    expect(&seen, DIAL_DNS_TIMEOUT);
    /* AAAA lost: the A answer waits 50 ms for it, no longer */
    snprintf(f.lab.fault_name, sizeof f.lab.fault_name, "v4.");
    f.lab.fault_type = 28;
    start = loop_now_ms(&f.loop);
    dial(&f, &seen, "v4.lab.example", port, 20000);
    expect(&seen, DIAL_OK);
    cr_assert(loop_now_ms(&f.loop) - start >= 50 && loop_now_ms(&f.loop) - start < 9000);
    close(server);
    end_dns(&f);
}

Test(dial, families_race, .timeout = 120)
{
    static struct fixture f;
    struct seen seen;
    unsigned port = 0;
    int server, server6;
    int64_t start;

    need_ipv6();
    server = serve(AF_INET, &port, 5);
    server6 = serve(AF_INET6, &port, 5);
    cr_assert(server >= 0 && server6 >= 0);
    begin_dns(&f, true);
    dial(&f, &seen, "loop.lab.example", port, 20000);
    cr_assert_str_eq(seen.peer, "::1", "IPv6 goes first");
    expect(&seen, DIAL_OK);
    dial(&f, &seen, "six.lab.example", port, 20000);
    expect(&seen, DIAL_OK);
    dial(&f, &seen, "[::1]", port, 20000);
    expect(&seen, DIAL_OK);
    close(server6);
    server6 = serve(AF_INET6, &port, 0);
    cr_assert_geq(server6, 0);
    start = loop_now_ms(&f.loop);
    dial(&f, &seen, "loop.lab.example", port, 20000);
    cr_assert_str_eq(seen.peer, "127.0.0.1", "IPv6 is a black hole");
    /* After the attempt delay, and long before the kernel gives IPv6 up; how long before is the
     * machine's affair. */
    cr_assert(loop_now_ms(&f.loop) - start >= 250 && loop_now_ms(&f.loop) - start < 15000);
    expect(&seen, DIAL_OK);
    close(server);
    close(server6);
    end_dns(&f);
}

Test(dial, results_are_a_table)
{
    for (int i = 0; i < DIAL_RESULT_COUNT; i++) {
        cr_expect(dial_result_word((enum dial_result)i)[0] != '\0');
        cr_expect(i == DIAL_OK || dial_result_error_type((enum dial_result)i)[0] != '\0');
        cr_expect(i == DIAL_OK || dial_result_status((enum dial_result)i) >= 500);
    }
    cr_assert_str_eq(dial_result_word(DIAL_GUARDED), "guarded");
    cr_assert_eq(dial_result_status(DIAL_TIMEOUT), 504);
    cr_assert_eq(dial_result_status(DIAL_RESULT_COUNT), 500);
}
