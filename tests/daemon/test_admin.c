/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The admin thread, asked over its real sockets.
 */
#include "admin/admin.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/metrics.h"

struct admin_lab {
    char dir[64], socket[96];
    uint16_t port;
    struct config *config;
    struct shared shared;
    struct admin *admin;
    char why[256];
    /* What the hook does next. */
    int reload_result;
    const char *reload_problems;
    struct config *reload_config;
    unsigned reloads, saves;
    int save_result;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static struct config *config_of(const char *admin)
{
    struct config_problems problems = {0};
    struct config *config = NULL;
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "version: 1\ninterception: {enabled: false}\nadmin: {%s}\n"
                     "trace: {entries: 8}\n",
                     admin);
    int r = config_parse("test.yaml", NULL, text, (size_t)n, &config, &problems);

    cr_assert_eq(r, 0, "%s", problems.n > 0 ? problems.v[0].text : "");
    config_problems_free(&problems);
    return config;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static struct config *lab_config(struct admin_lab *lab, const char *socket, uint16_t port)
{
    char text[256];

    snprintf(text, sizeof(text), "socket: \"%s\", http: \"127.0.0.1:%u\"", socket, port);
    return config_of(text);
}

static int on_reload(void *arg, char **problems)
{
    struct admin_lab *lab = arg;
    char why[128];

    lab->reloads++;
    if (lab->reload_config != NULL)
        cr_assert_eq(admin_reload(lab->admin, lab->reload_config, why, sizeof(why)), 0);
    if (lab->reload_problems != NULL)
        *problems = strdup(lab->reload_problems);
    return lab->reload_result;
}

static void on_status(void *arg, struct admin_status *out)
{
    out->workers = 3;
    snprintf(out->ca_fingerprint, sizeof(out->ca_fingerprint), "AB:CD");
}

static int on_save(void *arg)
{
    struct admin_lab *lab = arg;

    lab->saves++;
    return lab->save_result;
}

static void lab_make(struct admin_lab *lab)
{
    memset(lab, 0, sizeof(*lab));
    snprintf(lab->dir, sizeof(lab->dir), "/tmp/dived-admin.XXXXXX");
    cr_assert_not_null(mkdtemp(lab->dir));
    snprintf(lab->socket, sizeof(lab->socket), "%s/c.sock", lab->dir);
    lab->port = free_port();
    lab->config = lab_config(lab, lab->socket, lab->port);
    cr_assert_eq(shared_init(&lab->shared, lab->config), 0);
}

static int lab_start(struct admin_lab *lab)
{
    struct admin_hooks hooks = {lab, on_reload, on_status, on_save};

    return admin_start(&lab->admin, lab->config, &lab->shared, &hooks, lab->why, sizeof(lab->why));
}

static void lab_open(struct admin_lab *lab)
{
    lab_make(lab);
    cr_assert_eq(lab_start(lab), 0, "%s", lab->why);
}

static void lab_end(struct admin_lab *lab)
{
    admin_stop(&lab->admin);
    cr_assert_null(lab->admin);
    shared_destroy(&lab->shared);
    config_unref(&lab->config);
    nftw(lab->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int control_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int http_open(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Sends all, ends its side if `half_close`, reads until the end or `until` (may be NULL). Static.
 */
static const char *talk(int fd, const char *text, size_t n, bool half_close, const char *until)
{
    static char in[ADMIN_ANSWER_MAX + 1];
    size_t have = 0;

    cr_assert_geq(fd, 0);
    cr_assert_eq(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
    if (half_close)
        shutdown(fd, SHUT_WR);
    for (;;) {
        ssize_t got = recv(fd, in + have, sizeof(in) - 1 - have, 0);

        have += got > 0 ? (size_t)got : 0;
        in[have] = '\0';
        if (got <= 0 || (until != NULL && strstr(in, until) != NULL))
            return in;
    }
}

/* One control request over a connection of its own. */
static const char *ask(const char *path, const char *request)
{
    int fd = control_open(path);
    char line[512];
    const char *answer;

    snprintf(line, sizeof(line), "%s\n", request);
    answer = talk(fd, line, strlen(line), true, NULL);
    close(fd);
    return answer;
}

static const char *get(uint16_t port, const char *request)
{
    int fd = http_open(port);
    const char *answer = talk(fd, request, strlen(request), true, NULL);

    close(fd);
    return answer;
}

#define HAS(text, part) cr_assert_not_null(strstr(text, part), "%s", text)
#define STARTS(text, part) cr_assert_eq(strncmp(text, part, strlen(part)), 0, "%s", text)

Test(admin, status)
{
    struct admin_lab lab;
    const char *answer;

    lab_open(&lab);
    lab.shared.connections = 42;
    answer = ask(lab.socket, "{\"command\":\"status\"}");
    STARTS(answer, "{");
    HAS(answer, "\"ok\":true");
    HAS(answer, "\"workers\":3");
    HAS(answer, "\"connections\":42");
    HAS(answer, "\"config\":\"test.yaml\"");
    HAS(answer, "\"ca_fingerprint\":\"AB:CD\"");
    cr_assert_str_eq(answer + strlen(answer) - 2, "}\n");
    cr_assert_eq(strchr(answer, '\n'), answer + strlen(answer) - 1, "one line");
    lab_end(&lab);
}

Test(admin, trace)
{
    struct admin_lab lab;

    lab_open(&lab);
    trace_ring_put(lab.shared.traces, "0a", strdup("{\n \"host\": \"a\\nb\"\n}"));
    trace_ring_put(lab.shared.traces, "0b", strdup("{"));
    cr_assert_str_eq(ask(lab.socket, "{\"command\":\"trace\",\"id\":\"0a\"}"),
                     "{\"ok\":true,\"id\":\"0a\",\"trace\":{\"host\":\"a\\nb\"}}\n");
    STARTS(ask(lab.socket, "{\"command\":\"trace\",\"id\":\"0b\"}"), "{\"ok\":false");
    STARTS(ask(lab.socket, "{\"command\":\"trace\",\"id\":\"0c\"}"), "{\"ok\":false");
    STARTS(ask(lab.socket, "{\"command\":\"trace\",\"id\":7}"), "{\"ok\":false");
    STARTS(ask(lab.socket, "{\"command\":\"trace\"}"), "{\"ok\":false");
    lab_end(&lab);
}

Test(admin, reload_says_what_came_of_it)
{
    struct admin_lab lab;

    lab_open(&lab);
    cr_assert_str_eq(ask(lab.socket, "{\"command\":\"reload\"}"),
                     "{\"ok\":true,\"problems\":[]}\n");
    lab.reload_problems = "a:1:2: warning: w\n";
    cr_assert_str_eq(ask(lab.socket, "{\"command\":\"reload\"}"),
                     "{\"ok\":true,\"problems\":[\"a:1:2: warning: w\"]}\n");
    lab.reload_result = DIVE_E_SYNTAX;
    lab.reload_problems = "one\ntwo\xff";
    HAS(ask(lab.socket, "{\"command\":\"reload\"}"), "\"problems\":[\"one\",\"(");
    STARTS(ask(lab.socket, "{\"command\":\"reload\"}"), "{\"ok\":false,\"error\":");
    cr_assert_eq(lab.reloads, 4);
    lab_end(&lab);
}

Test(admin, a_forgotten_policy_is_saved_before_the_answer)
{
    static const char *const forget = "{\"command\":\"policies\",\"id\":\"a.example\"}";
    struct admin_lab lab;

    lab_open(&lab);
    STARTS(ask(lab.socket, forget), "{\"ok\":false");
    cr_assert_eq(lab.saves, 0);
    cr_assert_eq(dive_memory_put(lab.shared.policies, "a.example", "a.example", 1, 7), 0);
    cr_assert_str_eq(ask(lab.socket, "{\"command\":\"policies\"}"),
                     "{\"ok\":true,\"policies\":[{\"domain\":\"a.example\",\"seen\":7,"
                     "\"report_only\":false}],\"more\":false}\n");
    cr_assert_str_eq(ask(lab.socket, forget), "{\"ok\":true,\"saved\":true}\n");
    cr_assert_eq(lab.saves, 1);
    cr_assert_eq(dive_memory_entries(lab.shared.policies), 0);
    lab.save_result = DIVE_E_STATE;
    cr_assert_eq(dive_memory_put(lab.shared.policies, "a.example", "a.example", 1, 7), 0);
    cr_assert_str_eq(ask(lab.socket, forget), "{\"ok\":true,\"saved\":false}\n");
    lab_end(&lab);
}

/* The longest names that there are, as many as one answer takes, and one more. */
Test(admin, policies_are_listed_up_to_a_bound)
{
    struct admin_lab lab;
    char name[254];
    const char *answer;

    lab_open(&lab);
    for (int i = 0; i <= 10000; i++) {
        memset(name, 'x', sizeof(name) - 1);
        name[snprintf(name, sizeof(name), "%05d", i)] = '.';
        name[sizeof(name) - 1] = '\0';
        if (i == 10000) {
            answer = ask(lab.socket, "{\"command\":\"policies\"}");
            HAS(answer, "\"00000.");
            HAS(answer, "\"09999.");
            HAS(answer, "],\"more\":false}");
        }
        cr_assert_eq(dive_memory_put(lab.shared.policies, name, name, 1, 1700000000), 0);
    }
    answer = ask(lab.socket, "{\"command\":\"policies\"}");
    STARTS(answer, "{\"ok\":true");
    HAS(answer, "],\"more\":true}\n");
    lab_end(&lab);
}

Test(admin, nonsense_is_answered)
{
    static const char *const requests[] = {"",
                                           "{",
                                           "[]",
                                           "7",
                                           "{\"command\":7}",
                                           "{}",
                                           "{\"command\":\"no\"}",
                                           "\xff\xfe",
                                           "{\"command\":\"status\"} {}",
                                           "{\"command\":\"status\",\"command\":\"reload\"}"};
    struct admin_lab lab;

    lab_open(&lab);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        STARTS(ask(lab.socket, requests[i]), "{\"ok\":false,\"error\":");
    cr_assert_eq(lab.reloads, 0);
    lab_end(&lab);
}

Test(admin, many_requests_on_one_connection)
{
    static const char request[] = "{\"command\":\"no\"}\n";
    struct admin_lab lab;
    char all[64 * sizeof(request)] = "";
    const char *answer;
    unsigned lines = 0;
    int fd;

    lab_open(&lab);
    for (int i = 0; i < 64; i++)
        strcat(all, request);
    fd = control_open(lab.socket);
    answer = talk(fd, all, strlen(all), true, NULL);
    for (; *answer != '\0'; answer++)
        lines += *answer == '\n';
    cr_assert_eq(lines, 64);
    close(fd);
    /* In pieces, with pauses. */
    fd = control_open(lab.socket);
    cr_assert_eq(send(fd, request, 5, 0), 5);
    usleep(20000);
    STARTS(talk(fd, request + 5, sizeof(request) - 6, false, "\n"), "{\"ok\":false");
    STARTS(talk(fd, request, sizeof(request) - 1, false, "\n"), "{\"ok\":false");
    close(fd);
    lab_end(&lab);
}

Test(admin, a_line_has_a_limit)
{
    static char line[ADMIN_LINE_MAX + 1];
    struct admin_lab lab;
    int fd;

    lab_open(&lab);
    memset(line, ' ', sizeof(line));
    line[ADMIN_LINE_MAX - 1] = '\n';
    memcpy(line, "{\"command\":\"status\"}", 20);
    fd = control_open(lab.socket);
    HAS(talk(fd, line, ADMIN_LINE_MAX, false, "\n"), "\"ok\":true");
    close(fd);
    line[ADMIN_LINE_MAX - 1] = ' ';
    fd = control_open(lab.socket);
    HAS(talk(fd, line, ADMIN_LINE_MAX, false, NULL), "too long");
    close(fd);
    lab_end(&lab);
}

Test(admin, clients_have_a_limit)
{
    struct admin_lab lab;
    int fd[ADMIN_CLIENTS_MAX], extra;
    char byte;

    lab_open(&lab);
    for (int i = 0; i < ADMIN_CLIENTS_MAX; i++)
        STARTS(talk(fd[i] = control_open(lab.socket), "{}\n", 3, false, "\n"), "{\"ok\":false");
    extra = control_open(lab.socket);
    cr_assert_eq(recv(extra, &byte, 1, 0), 0, "closed at once");
    close(extra);
    close(fd[0]);
    usleep(50000);
    STARTS(ask(lab.socket, "{}"), "{\"ok\":false");
    for (int i = 1; i < ADMIN_CLIENTS_MAX; i++)
        close(fd[i]);
    lab_end(&lab);
}

Test(admin, socket_file_is_private_and_removed)
{
    struct admin_lab lab;
    struct stat st;

    umask(0);
    lab_open(&lab);
    cr_assert_eq(stat(lab.socket, &st), 0);
    cr_assert(S_ISSOCK(st.st_mode));
    cr_assert_eq(st.st_mode & 07777, 0600);
    admin_stop(&lab.admin);
    cr_assert_neq(lstat(lab.socket, &st), 0);
    lab_end(&lab);
}

Test(admin, stale_file_is_replaced_and_a_live_one_is_not)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct admin_lab lab;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    lab_make(&lab);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", lab.socket);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_neq(lab_start(&lab), 0);
    HAS(lab.why, "another process answers");
    cr_assert_null(lab.admin);
    close(fd); /* the file stays, and nobody answers */
    cr_assert_eq(lab_start(&lab), 0, "%s", lab.why);
    HAS(ask(lab.socket, "{\"command\":\"status\"}"), "\"ok\":true");
    lab_end(&lab);
}

Test(admin, what_is_no_socket_is_not_replaced)
{
    struct admin_lab lab;
    struct stat st;
    FILE *f;

    lab_make(&lab);
    f = fopen(lab.socket, "w");
    cr_assert_not_null(f);
    fclose(f);
    cr_assert_neq(lab_start(&lab), 0);
    HAS(lab.why, "no socket");
    cr_assert_eq(stat(lab.socket, &st), 0);
    cr_assert(S_ISREG(st.st_mode));
    lab_end(&lab);
}

Test(admin, file_of_another_is_not_removed)
{
    struct admin_lab lab;
    struct stat st;
    FILE *f;

    lab_open(&lab);
    cr_assert_eq(unlink(lab.socket), 0);
    f = fopen(lab.socket, "w");
    cr_assert_not_null(f);
    fclose(f);
    admin_stop(&lab.admin);
    cr_assert_eq(stat(lab.socket, &st), 0);
    lab_end(&lab);
}

Test(admin, port_in_use_leaves_nothing)
{
    struct admin_lab lab, other;
    struct stat st;

    lab_open(&lab);
    lab_make(&other);
    config_unref(&other.config);
    other.config = lab_config(&other, other.socket, lab.port);
    cr_assert_neq(lab_start(&other), 0);
    HAS(other.why, "admin.http");
    cr_assert_neq(lstat(other.socket, &st), 0, "the socket that was open already is gone");
    lab_end(&other);
    lab_end(&lab);
}

Test(admin, reload_moves_both_addresses)
{
    struct admin_lab lab;
    char other[128];
    struct stat st;
    uint16_t port = free_port();

    lab_open(&lab);
    snprintf(other, sizeof(other), "%s/other.sock", lab.dir);
    lab.reload_config = lab_config(&lab, other, port);
    HAS(ask(lab.socket, "{\"command\":\"reload\"}"), "\"ok\":true");
    HAS(ask(other, "{\"command\":\"status\"}"), "\"ok\":true");
    HAS(get(port, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), "200 OK");
    cr_assert_neq(lstat(lab.socket, &st), 0, "the old file is gone");
    cr_assert_eq(control_open(lab.socket), -1);
    cr_assert_eq(http_open(lab.port), -1);
    /* The same again keeps what is open. */
    HAS(ask(other, "{\"command\":\"reload\"}"), "\"ok\":true");
    HAS(ask(other, "{\"command\":\"status\"}"), "\"ok\":true");
    config_unref(&lab.reload_config);
    /* Nothing at all. */
    lab.reload_config = config_of("socket: null, http: null");
    HAS(ask(other, "{\"command\":\"reload\"}"), "\"ok\":true");
    usleep(50000);
    cr_assert_eq(control_open(other), -1);
    cr_assert_eq(http_open(port), -1);
    config_unref(&lab.reload_config);
    lab_end(&lab);
}

Test(admin, reloads_in_a_row_and_a_bad_one)
{
    struct admin_lab lab;
    struct config *bad = config_of("socket: /nowhere/at/all/c.sock, http: null");
    char path[128];

    lab_open(&lab);
    for (int i = 0; i < 20; i++) {
        struct config *config;

        snprintf(path, sizeof(path), "%s/%d.sock", lab.dir, i % 3);
        config = lab_config(&lab, path, lab.port);
        cr_assert_eq(admin_reload(lab.admin, config, lab.why, sizeof(lab.why)), 0, "%s", lab.why);
        config_unref(&config);
    }
    cr_assert_neq(admin_reload(lab.admin, bad, lab.why, sizeof(lab.why)), 0);
    HAS(lab.why, "/nowhere/at/all");
    HAS(ask(path, "{\"command\":\"status\"}"), "\"ok\":true");
    HAS(get(lab.port, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), "200 OK");
    config_unref(&bad);
    lab_end(&lab);
}

static const struct {
    const char *request, *answer;
} http_rows[] = {
    {"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET /healthz?x=y HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 421 Misdirected Request\r\n"},
    {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET / HTTP/1.1\r\nHost: 10.1.2.3:9\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET /api/status.json HTTP/1.1\r\nHost: [::1]\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
    {"GET http://evil.example/api/status.json HTTP/1.1\r\nHost: evil.example\r\n\r\n",
     "HTTP/1.1 421 Misdirected Request\r\n"},
    {"GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
    {"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n"},
    {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 405 Method Not Allowed\r\n"},
    {"GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
    {"POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
    {"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 405 Method Not Allowed\r\n"},
    {"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
     "HTTP/1.1 400 Bad Request\r\n"},
    {"POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400 Bad Request\r\n"},
    {"GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
    {"nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
};

Test(admin, http)
{
    struct admin_lab lab;
    const char *answer;

    lab_open(&lab);
    for (size_t i = 0; i < sizeof(http_rows) / sizeof(http_rows[0]); i++)
        STARTS(get(lab.port, http_rows[i].request), http_rows[i].answer);
    HAS(get(lab.port, http_rows[0].request), "\r\n\r\nok\n");
    HAS(get(lab.port, "POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), "Allow: GET, HEAD\r\n");
    metrics_request(0, 200);
    answer = get(lab.port, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    HAS(answer, "Content-Type: text/plain; version=0.0.4");
    HAS(answer, "dived_requests_total{listener=\"127.0.0.1:3128\",code=\"200\"} 1\n");
    answer = get(lab.port, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    STARTS(answer, "HTTP/1.1 200 OK\r\n");
    cr_assert_str_eq(answer + strlen(answer) - 4, "\r\n\r\n");
    lab_end(&lab);
}

Test(admin, http_connection_persists)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    struct admin_lab lab;
    int fd;

    lab_open(&lab);
    fd = http_open(lab.port);
    for (int i = 0; i < 3; i++)
        HAS(talk(fd, request, sizeof(request) - 1, false, "ok\n"), "200 OK");
    close(fd);
    lab_end(&lab);
}

Test(admin, http_head_has_a_limit)
{
    static char request[20000];
    struct admin_lab lab;
    int n = snprintf(request, sizeof(request), "GET /healthz HTTP/1.1\r\nHost: a\r\nX: ");
    int fd;

    lab_open(&lab);
    memset(request + n, 'x', 9000);
    fd = http_open(lab.port);
    STARTS(talk(fd, request, (size_t)n + 9000, false, "\r\n\r\n"), "HTTP/1.1 431 ");
    close(fd);
    lab_end(&lab);
}

Test(admin, stops_with_clients_connected)
{
    struct admin_lab lab;
    int control, http;

    lab_open(&lab);
    control = control_open(lab.socket);
    http = http_open(lab.port);
    cr_assert_eq(send(control, "{\"comm", 6, 0), 6);
    cr_assert_eq(send(http, "GET /", 5, 0), 5);
    usleep(20000);
    lab_end(&lab);
    close(control);
    close(http);
}
