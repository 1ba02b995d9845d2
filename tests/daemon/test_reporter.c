/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reports on their way to a receiver: a TLS server in a thread, which answers requests one by one
 * from a script. An empty answer closes the connection.
 */
#include "report/reporter.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>

#include "report/delivery.h"
#include "test_tls_lab.h"
#include "tls/mint.h"

#define SCRIPT_MAX 8
#define REQUEST_MAX 65536

struct receiver {
    struct lab lab;
    SSL_CTX *context;
    int listening;
    uint16_t port;
    pthread_t thread;
    const char *const *script; /* ends with NULL: from there on, silence */
    _Atomic unsigned requests, connections;
    atomic_bool stop;
    char request[REQUEST_MAX]; /* the latest */
};

/* One request, whole. False: the client has gone. */
static bool receiver_read(struct receiver *r, SSL *ssl)
{
    size_t n = 0, want = REQUEST_MAX - 1;

    while (n < want) {
        int got = SSL_read(ssl, r->request + n, (int)(REQUEST_MAX - 1 - n));
        const char *end, *length;

        if (got <= 0)
            return false;
        n += (size_t)got;
        r->request[n] = '\0';
        end = strstr(r->request, "\r\n\r\n");
        length = strstr(r->request, "Content-Length: ");
        if (end != NULL && length != NULL)
            want = (size_t)(end + 4 - r->request) + strtoul(length + 16, NULL, 10);
    }
    return true;
}

static void receiver_serve(struct receiver *r, SSL *ssl)
{
    if (SSL_accept(ssl) != 1)
        return;
    while (receiver_read(r, ssl)) {
        unsigned i = r->requests++;
        const char *answer = r->script[i];

        if (answer == NULL) {
            while (!r->stop)
                usleep(2000);
            return;
        }
        if (*answer == '\0')
            return;
        if (SSL_write(ssl, answer, (int)strlen(answer)) <= 0)
            return;
    }
}

static void *receiver_run(void *arg)
{
    struct receiver *r = arg;

    while (!r->stop) {
        struct pollfd wait = {.fd = r->listening, .events = POLLIN};
        struct timeval patience = {.tv_sec = 5};
        SSL *ssl;
        int fd;

        if (poll(&wait, 1, 20) <= 0)
            continue;
        fd = accept(r->listening, NULL, NULL);
        if (fd < 0)
            continue;
        r->connections++;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        ssl = SSL_new(r->context);
        SSL_set_fd(ssl, fd);
        receiver_serve(r, ssl);
        SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
    return NULL;
}

static void receiver_start(struct receiver *r, const char *const *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct tls_mint *mint = NULL;
    X509 *certificate = NULL;

    memset(r, 0, sizeof(*r));
    r->script = script;
    signal(SIGPIPE, SIG_IGN);
    lab_open(&r->lab);
    cr_assert_eq(tls_mint_new(&mint, r->lab.ca, 24), 0);
    cr_assert_eq(tls_mint_certificate(mint, "127.0.0.1", time(NULL), &certificate), 0);
    r->context = SSL_CTX_new(TLS_server_method());
    cr_assert_not_null(r->context);
    cr_assert_eq(SSL_CTX_use_certificate(r->context, certificate), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(r->context, tls_mint_key(mint)), 1);
    X509_free(certificate);
    tls_mint_free(&mint);
    r->listening = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(r->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(r->listening, 8), 0);
    cr_assert_eq(getsockname(r->listening, (struct sockaddr *)&address, &length), 0);
    r->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&r->thread, NULL, receiver_run, r), 0);
}

static void receiver_stop(struct receiver *r)
{
    r->stop = true;
    pthread_join(r->thread, NULL);
    close(r->listening);
    SSL_CTX_free(r->context);
    lab_close(&r->lab);
}

/* The side under test, as a worker has it. */
struct sender {
    struct loop loop;
    struct loop_timer tick;
    int64_t until_ms;
    struct runtime *runtime;
    struct origin_pool *origins;
    struct report_limiter *limiter;
    struct reporter *reporter;
    char url[64];
};

static void sender_open(struct sender *s, struct receiver *r, bool guarded)
{
    static const char text[] = "version: 1\nadmin: {http: null, socket: null}\n"
                               "interception: {enabled: false}\n";
    struct config_problems problems = {0};
    struct guard_network loopback;
    char why[256];

    memset(s, 0, sizeof(*s));
    cr_assert_eq(loop_init(&s->loop), 0);
    s->runtime = calloc(1, sizeof(*s->runtime));
    s->runtime->references = 1;
    cr_assert_eq(config_parse("test", NULL, text, sizeof(text) - 1, &s->runtime->config, &problems),
                 0);
    config_problems_free(&problems);
    cr_assert_eq(guard_network_parse("127.0.0.0/8", &loopback), 0);
    cr_assert_eq(guard_new(&s->runtime->guard, &loopback, guarded ? 0 : 1, NULL, 0), 0);
    cr_assert_eq(
        tls_connect_context_new(&s->runtime->connect_context, r->lab.certificate, why, sizeof(why)),
        0, "%s", why);
    cr_assert_eq(origin_pool_new(&s->origins, &s->loop), 0);
    cr_assert_eq(report_limiter_new(&s->limiter), 0);
    cr_assert_eq(reporter_new(&s->reporter, &s->loop, NULL, s->origins, s->limiter), 0);
    snprintf(s->url, sizeof(s->url), "https://127.0.0.1:%u/in?a=b", r->port);
}

static void sender_close(struct sender *s)
{
    reporter_free(&s->reporter);
    origin_pool_free(&s->origins);
    loop_timer_stop(&s->tick);
    loop_destroy(&s->loop);
    report_limiter_free(&s->limiter);
    runtime_unref(&s->runtime);
}

static void sender_on_tick(void *arg)
{
    struct sender *s = arg;

    if (reporter_pending(s->reporter) == 0 || loop_now_ms(&s->loop) >= s->until_ms)
        loop_stop(&s->loop);
    else
        loop_timer_set(&s->tick, 5);
}

/* Runs until nothing is pending, at most so long. */
static void sender_run(struct sender *s, int64_t ms)
{
    s->until_ms = loop_now_ms(&s->loop) + ms;
    loop_timer_init(&s->tick, &s->loop, sender_on_tick, s);
    loop_timer_set(&s->tick, 5);
    cr_assert_eq(loop_run(&s->loop), 0);
}

static void submit(struct sender *s, const char *subject)
{
    reporter_submit(s->reporter, s->runtime, s->url, strdup("{\"a\":1}"), subject);
}

static unsigned count(enum report_result result)
{
    return (unsigned)metrics.reports[result];
}

#define OK "HTTP/1.1 204 No Content\r\n\r\n"
#define INTERIM "HTTP/1.1 103 Early Hints\r\n\r\n"
#define INTERIM4 INTERIM INTERIM INTERIM INTERIM

/* Two reports one after the other, the second of which is always taken. */
static const struct row {
    const char *name, *answer[3];
    bool sent;            /* the first report */
    unsigned connections; /* for both */
} rows[] = {
    {"no content", {OK, OK}, true, 1},
    {"length", {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", OK}, true, 1},
    {"empty", {"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", OK}, true, 1},
    {"chunked",
     {"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", OK},
     true,
     1},
    {"more than its length", {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhello", OK}, true, 2},
    {"broken chunk",
     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n", OK},
     true,
     2},
    {"close", {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", OK}, true, 2},
    {"until close", {"HTTP/1.1 200 OK\r\n\r\nhello", OK}, true, 2},
    {"redirect",
     {"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", OK},
     false,
     1},
    {"client error", {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", OK}, false, 1},
    {"server error", {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", OK}, false, 1},
    {"malformed", {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", OK}, false, 2},
    {"not HTTP", {"220 mail.example ESMTP\r\n", OK}, false, 2},
    {"interim", {INTERIM4 INTERIM4 OK, OK}, true, 1},
    {"interim without end", {INTERIM4 INTERIM4 INTERIM OK, OK}, false, 2},
    {"upgrade",
     {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", OK},
     false,
     2},
};

Test(reporter, answers)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct receiver receiver;
        struct sender sender;
        unsigned sent = count(REPORT_SENT), failed = count(REPORT_FAILED);

        receiver_start(&receiver, rows[i].answer);
        sender_open(&sender, &receiver, false);
        submit(&sender, "one");
        cr_assert_eq(receiver.requests, 0, "nothing happens within submit");
        sender_run(&sender, 5000);
        submit(&sender, "two");
        sender_run(&sender, 5000);
        cr_assert_eq(count(REPORT_SENT) - sent, rows[i].sent ? 2 : 1, "%s", rows[i].name);
        cr_assert_eq(count(REPORT_FAILED) - failed, rows[i].sent ? 0 : 1, "%s", rows[i].name);
        cr_assert_eq(receiver.connections, rows[i].connections, "%s: %u connections", rows[i].name,
                     receiver.connections);
        sender_close(&sender);
        receiver_stop(&receiver);
    }
}

Test(reporter, request_says_what_it_must)
{
    static struct receiver receiver;
    const char *const script[] = {OK, NULL};
    struct sender sender;
    char host[64];

    receiver_start(&receiver, script);
    sender_open(&sender, &receiver, false);
    submit(&sender, "one");
    sender_run(&sender, 5000);
    snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", receiver.port);
    cr_assert_eq(strncmp(receiver.request, "POST /in?a=b HTTP/1.1\r\n", 23), 0);
    cr_assert_not_null(strstr(receiver.request, host));
    cr_assert_not_null(strstr(receiver.request, "\r\nContent-Type: application/json\r\n"));
    cr_assert_not_null(strstr(receiver.request, "\r\nContent-Length: 7\r\n"));
    cr_assert_not_null(strstr(receiver.request, "\r\nUser-Agent: dived/"));
    cr_assert_not_null(strstr(receiver.request, "\r\n\r\n{\"a\":1}"));
    sender_close(&sender);
    receiver_stop(&receiver);
}

/* Content of a response that is read to keep the connection, and one byte more. */
Test(reporter, content_has_a_limit)
{
    for (unsigned over = 0; over <= 1; over++) {
        static struct receiver receiver;
        static char answer[DELIVERY_CONTENT_MAX + 256];
        const char *const script[] = {answer, OK, NULL};
        size_t length = DELIVERY_CONTENT_MAX + over;
        struct sender sender;
        int n = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                         length);

        memset(answer + n, 'x', length);
        answer[(size_t)n + length] = '\0';
        receiver_start(&receiver, script);
        sender_open(&sender, &receiver, false);
        submit(&sender, "one");
        sender_run(&sender, 5000);
        submit(&sender, "two");
        sender_run(&sender, 5000);
        cr_assert_eq(receiver.connections, 1 + over);
        sender_close(&sender);
        receiver_stop(&receiver);
    }
    cr_assert_eq(count(REPORT_SENT), 4);
}

Test(reporter, retries_once)
{
    static struct receiver receiver;
    const char *const script[] = {"", OK, "", "", NULL};
    struct sender sender;

    receiver_start(&receiver, script);
    sender_open(&sender, &receiver, false);
    submit(&sender, "one");
    sender_run(&sender, DELIVERY_RETRY_MS / 2);
    cr_assert_eq(reporter_pending(sender.reporter), 1, "it waits");
    cr_assert_eq(receiver.requests, 1);
    sender_run(&sender, 5000);
    cr_assert_eq(receiver.requests, 2);
    cr_assert_eq(count(REPORT_SENT), 1);
    submit(&sender, "two");
    sender_run(&sender, 8000);
    cr_assert_eq(receiver.requests, 4, "and no third time");
    cr_assert_eq(count(REPORT_FAILED), 1);
    sender_close(&sender);
    receiver_stop(&receiver);
}

Test(reporter, guard_applies)
{
    static struct receiver receiver;
    const char *const script[] = {OK, NULL};
    struct sender sender;

    receiver_start(&receiver, script);
    sender_open(&sender, &receiver, true);
    submit(&sender, "one");
    sender_run(&sender, 1000); /* and isn't tried again */
    cr_assert_eq(reporter_pending(sender.reporter), 0);
    cr_assert_eq(receiver.connections, 0);
    cr_assert_eq(count(REPORT_FAILED), 1);
    sender_close(&sender);
    receiver_stop(&receiver);
}

Test(reporter, bad_urls_and_limits)
{
    static const char *const urls[] = {
        "http://127.0.0.1/x", "ftp://a.example/", "https://", "", "https://user@a.example/", "x"};
    static struct receiver receiver;
    const char *const script[] = {NULL};
    struct sender sender;
    char subject[16];
    unsigned n = sizeof(urls) / sizeof(urls[0]);

    receiver_start(&receiver, script);
    sender_open(&sender, &receiver, false);
    for (unsigned i = 0; i < n; i++)
        reporter_submit(sender.reporter, sender.runtime, urls[i], strdup("{}"), "s");
    cr_assert_eq(count(REPORT_FAILED), n);
    cr_assert_eq(reporter_pending(sender.reporter), 0);
    for (int i = 0; i < REPORT_BURST + 1; i++) {
        snprintf(subject, sizeof(subject), "%d", i);
        submit(&sender, subject);
    }
    submit(&sender, "0");
    cr_assert_eq(reporter_pending(sender.reporter), REPORT_BURST);
    cr_assert_eq(count(REPORT_RATE_LIMITED), 1);
    cr_assert_eq(count(REPORT_DUPLICATE), 1);
    sender_close(&sender);
    receiver_stop(&receiver);
}

Test(reporter, queue_has_a_limit)
{
    static struct receiver receiver;
    const char *const script[] = {NULL};
    struct sender sender;
    unsigned most = REPORTER_QUEUE_MAX + REPORTER_RUNNING_MAX;
    char url[64];

    receiver_start(&receiver, script);
    sender_open(&sender, &receiver, false);
    for (unsigned i = 0; i < most + 1; i++) {
        snprintf(url, sizeof(url), "https://127.0.%u.%u:1/", i / 200, i % 200 + 1);
        reporter_submit(sender.reporter, sender.runtime, url, strdup("{}"), "s");
    }
    /* The table of destinations may have been full for one set; the queue is never over its limit.
     */
    cr_assert_leq(reporter_pending(sender.reporter), most);
    cr_assert_eq(reporter_pending(sender.reporter) + count(REPORT_FAILED) +
                     count(REPORT_RATE_LIMITED),
                 most + 1);
    sender_close(&sender);
    receiver_stop(&receiver);
}

/* Freed in each state that a delivery can be seen in. */
Test(reporter, ends_while_reports_are_under_way)
{
    static const int64_t after_ms[] = {0, 1, 5, 300};

    for (size_t i = 0; i < sizeof(after_ms) / sizeof(after_ms[0]); i++) {
        static struct receiver receiver;
        const char *const script[] = {NULL};
        struct sender sender;
        char subject[16];

        receiver_start(&receiver, script);
        sender_open(&sender, &receiver, false);
        for (int j = 0; j < 6; j++) {
            snprintf(subject, sizeof(subject), "%d", j);
            submit(&sender, subject);
        }
        if (after_ms[i] > 0)
            sender_run(&sender, after_ms[i]);
        cr_assert_eq(reporter_pending(sender.reporter), 6);
        sender_close(&sender);
        receiver_stop(&receiver);
    }
}
