/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_writer: what leaves, what stays behind, what can't be injected; and that a head survives
 * being read, written and read again.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/status.h"
#include "http/writer.h"
#include "http/via.h"

static struct http_head read_head(const char *method, const char *bytes)
{
    struct http_limits most = HTTP_LIMITS_DEFAULT;
    struct http_scan scan = {0};
    struct http_head head;
    size_t consumed = 0, n = strlen(bytes);
    int r = method == NULL ? http_head_parse_request(&head, bytes, n, &most, &scan, &consumed)
                           : http_head_parse_response(&head, bytes, n, dive_span_str(method), &most,
                                                      &scan, &consumed);

    cr_assert_eq(r, HTTP_DONE, "%s: %s", bytes, http_error_name(r));
    return head;
}

/* The request `received` as it is sent on by `w`; the caller frees. */
static char *forward_request(const char *received, struct http_write w)
{
    struct http_head head = read_head(NULL, received);
    struct http_buffer b;

    http_buffer_init(&b, 4096);
    w.from = &head;
    cr_assert_eq(http_write_request(&b, head.method, head.target, dive_span_str("h"), &w), 0);
    cr_assert_eq(http_buffer_add(&b, "", 1), 0);
    http_head_clear(&head);
    return b.p;
}

static char *forward_response(const char *received, struct http_write w)
{
    struct http_head head = read_head("GET", received);
    struct http_buffer b;

    http_buffer_init(&b, 4096);
    w.from = &head;
    cr_assert_eq(http_write_response(&b, head.status, head.reason, &w), 0);
    cr_assert_eq(http_buffer_add(&b, "", 1), 0);
    http_head_clear(&head);
    return b.p;
}

/* "dived" in Via stands for this process's name. */
static void expect_text(char *sent, const char *expected)
{
    char *named = NULL;
    const char *via = strstr(expected, " dived\r\n");

    if (via != NULL) {
        cr_assert_geq(asprintf(&named, "%.*s %s%s", (int)(via - expected), expected,
                               http_via_name(), via + strlen(" dived")),
                      0);
        expected = named;
    }
    cr_expect_str_eq(sent, expected);
    free(sent);
    free(named);
}

Test(http_writer, request)
{
    expect_text(forward_request("GET /a?b HTTP/1.1\r\nhost: x\r\nAccept: */*\r\nvia: 1.0 up\r\n"
                                "X: 1\r\nx:\r\n\r\n",
                                (struct http_write){.content_length = -1, .via = true}),
                "GET /a?b HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nvia: 1.0 up\r\nX: 1\r\nx: \r\n"
                "Via: 1.1 dived\r\n\r\n");
    expect_text(forward_request("PUT / HTTP/1.0\r\nContent-Length: 05\r\n\r\n",
                                (struct http_write){.framing = HTTP_BODY_LENGTH,
                                                    .content_length = 5,
                                                    .via = true,
                                                    .close = true}),
                "PUT / HTTP/1.1\r\nHost: h\r\nVia: 1.0 dived\r\nContent-Length: 5\r\n"
                "Connection: close\r\n\r\n");
    expect_text(forward_request("PUT / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n",
                                (struct http_write){.framing = HTTP_BODY_CHUNKED}),
                "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/* RFC 9110 section 7.6.1 */
Test(http_writer, hop_by_hop_fields_stay_behind)
{
    static const char received[] =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop,\tkeep-alive\r\n"
        "connection: X-Other, Upgrade\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\n"
        "Proxy-Authorization: Basic eA==\r\nProxy-Authenticate: Basic\r\nTE: trailers\r\n"
        "Trailer: X\r\nUpgrade: websocket\r\nx-hop: 1\r\nX-OTHER: 2\r\nX-Hop: 3\r\n"
        "X-Hopper: 4\r\nAuthorization: Basic eA==\r\n\r\n";

    expect_text(forward_request(received, (struct http_write){.content_length = -1}),
                "GET / HTTP/1.1\r\nHost: h\r\nX-Hopper: 4\r\nAuthorization: Basic eA==\r\n\r\n");
    expect_text(forward_request(received, (struct http_write){.upgrade = true}),
                "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nX-Hopper: 4\r\n"
                "Authorization: Basic eA==\r\nConnection: Upgrade\r\n\r\n");
}

Test(http_writer, drop_and_add)
{
    static const char *const drop[] = {"Range", "x", NULL};
    struct dive_field add[] = {{dive_span_str("X"), dive_span_str("new")},
                               {dive_span_str("Y"), dive_span_str("")}};

    expect_text(forward_request("GET / HTTP/1.1\r\nHost: x\r\nX: old\r\nrange: bytes=0-\r\n\r\n",
                                (struct http_write){.drop = drop, .add = add, .n_add = 2}),
                "GET / HTTP/1.1\r\nHost: h\r\nX: new\r\nY: \r\n\r\n");
}

Test(http_writer, response)
{
    expect_text(forward_response("HTTP/1.0 404 Pas l\xe0\r\nContent-Length: 3\r\nA: b\r\n\r\n",
                                 (struct http_write){.framing = HTTP_BODY_LENGTH,
                                                     .content_length = 3,
                                                     .via = true,
                                                     .date = true,
                                                     .now = 784111777}),
                "HTTP/1.1 404 Pas l\xe0\r\nA: b\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                "Via: 1.0 dived\r\nContent-Length: 3\r\n\r\n");
    expect_text(
        forward_response(
            "HTTP/1.1 200\r\nDATE: today\r\n\r\n",
            (struct http_write){.framing = HTTP_BODY_UNTIL_CLOSE, .close = true, .date = true}),
        "HTTP/1.1 200 OK\r\nDATE: today\r\nConnection: close\r\n\r\n");
    expect_text(forward_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
                                 (struct http_write){.content_length = 9}),
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
}

/* A message that can't have content says nothing about its length, zeroed `struct http_write` or
 * not. */
Test(http_writer, no_length_where_none_may_be)
{
    struct http_write w = {.content_length = 0};
    struct http_buffer b;

    expect_text(forward_request("GET / HTTP/1.1\r\nHost: x\r\n\r\n", w),
                "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_text(forward_response("HTTP/1.1 204 No Content\r\n\r\n", w),
                "HTTP/1.1 204 No Content\r\n\r\n");
    expect_text(forward_response("HTTP/1.1 100 Continue\r\n\r\n", w),
                "HTTP/1.1 100 Continue\r\n\r\n");
    http_buffer_init(&b, 100);
    cr_assert_eq(http_write_response(&b, 200, dive_span_str("Connection established"), &w), 0);
    cr_expect_eq(b.n, strlen("HTTP/1.1 200 Connection established\r\n\r\n"));
    http_buffer_clear(&b);
}

struct injection {
    const char *name, *method, *target, *host, *field, *value;
    size_t value_n;
};

/* clang-format off */
static const struct injection injections[] = {
    {"CRLF in a value", "GET", "/", "h", "X", "a\r\nEvil: b", 10},
    {"LF in a value", "GET", "/", "h", "X", "a\nb", 3},
    {"CR in a value", "GET", "/", "h", "X", "a\rb", 3},
    {"NUL in a value", "GET", "/", "h", "X", "a\0b", 3},
    {"DEL in a value", "GET", "/", "h", "X", "\x7f", 1},
    {"empty name", "GET", "/", "h", "", "a", 1},
    {"space in a name", "GET", "/", "h", "X Y", "a", 1},
    {"colon in a name", "GET", "/", "h", "X:", "a", 1},
    {"CRLF in a name", "GET", "/", "h", "X\r\nY", "a", 1},
    {"empty method", "", "/", "h", "X", "a", 1},
    {"space in the method", "GET /", "/", "h", "X", "a", 1},
    {"empty target", "GET", "", "h", "X", "a", 1},
    {"space in the target", "GET", "/ HTTP/1.1", "h", "X", "a", 1},
    {"CRLF in the target", "GET", "/\r\n", "h", "X", "a", 1},
    {"CRLF in the host", "GET", "/", "h\r\nX: y", "X", "a", 1},
    {"empty host", "GET", "/", "", "X", "a", 1},
};
/* clang-format on */

Test(http_writer, nothing_is_injected)
{
    for (size_t i = 0; i < sizeof(injections) / sizeof(injections[0]); i++) {
        const struct injection *row = &injections[i];
        struct dive_field field = {dive_span_str(row->field), dive_span(row->value, row->value_n)};
        struct http_write w = {.add = &field, .n_add = 1};
        struct http_buffer b;
        http_buffer_init(&b, 1000);
        cr_assert_eq(http_buffer_add(&b, "before", 6), 0);
        cr_expect_eq(http_write_request(&b, dive_span_str(row->method), dive_span_str(row->target),
                                        dive_span_str(row->host), &w),
                     HTTP_E_INTERNAL, "%s", row->name);
        cr_expect_eq(b.n, 6, "%s: something was left", row->name);
        http_buffer_clear(&b);
    }
    struct http_write w = {.content_length = -1};
    struct http_buffer b;
    http_buffer_init(&b, 1000);
    cr_expect_eq(http_write_response(&b, 200, dive_span_str("a\r\nb"), &w), HTTP_E_INTERNAL);
    cr_expect_eq(http_write_response(&b, 99, dive_span_str(""), &w), HTTP_E_INTERNAL);
    cr_expect_eq(http_write_response(&b, 600, dive_span_str(""), &w), HTTP_E_INTERNAL);
    w.framing = HTTP_BODY_LENGTH;
    cr_expect_eq(http_write_response(&b, 200, dive_span_str(""), &w), HTTP_E_INTERNAL, "no length");
    w.framing = HTTP_BODY_UNTIL_CLOSE;
    cr_expect_eq(http_write_response(&b, 200, dive_span_str(""), &w), HTTP_E_INTERNAL, "no close");
    cr_expect_eq(b.n, 0);
    http_buffer_clear(&b);
}

Test(http_writer, connection_options_are_bounded)
{
    for (int more = 0; more <= 1; more++) {
        char received[1024] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close";
        struct http_write w = {.content_length = -1};
        struct http_buffer b;
        for (int i = 0; i < 32 + more; i++)
            snprintf(received + strlen(received), 16, ",x%d", i);
        strcat(received, "\r\n\r\n");
        struct http_head head = read_head(NULL, received);
        http_buffer_init(&b, 1000);
        w.from = &head;
        cr_expect_eq(http_write_request(&b, head.method, head.target, dive_span_str("h"), &w),
                     more ? HTTP_E_CONNECTION : 0);
        http_buffer_clear(&b);
        http_head_clear(&head);
    }
}

Test(http_writer, buffer_has_a_maximum)
{
    struct http_buffer b;
    char bytes[600] = {0};

    http_buffer_init(&b, 1000);
    cr_expect_eq(http_buffer_add(&b, bytes, 600), 0);
    cr_expect_eq(http_buffer_add(&b, bytes, 401), HTTP_E_BUFFER_FULL);
    cr_expect_eq(b.n, 600);
    cr_expect_eq(http_buffer_add(&b, bytes, 400), 0);
    cr_expect_eq(http_buffer_add(&b, bytes, 1), HTTP_E_BUFFER_FULL);
    cr_expect_eq(http_buffer_add(&b, bytes, SIZE_MAX), HTTP_E_BUFFER_FULL);
    cr_expect_leq(b.capacity, 1000);
    http_buffer_clear(&b);
    cr_expect_eq(b.max, 1000);

    http_buffer_init(&b, 10);
    cr_expect_eq(http_buffer_addf(&b, "%s", "123456789"), 0);
    cr_expect_eq(http_buffer_addf(&b, "%s", "0"), HTTP_E_BUFFER_FULL, "room for the NUL is needed");
    cr_expect_eq(memcmp(b.p, "123456789", 9), 0);
    struct http_write w = {.content_length = -1};
    cr_expect_eq(http_write_response(&b, 200, dive_span_str(""), &w), HTTP_E_BUFFER_FULL);
    cr_expect_eq(b.n, 9);
    http_buffer_clear(&b);
}

static bool same(struct dive_span a, struct dive_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static const struct dive_span nothing;

/* parse(write(parse(x))) == parse(x), for what has no hop-by-hop field and its fields in our order.
 */
static void round_trip(const char *method, const char *bytes)
{
    struct http_head first = read_head(method, bytes);
    const struct dive_span *host = http_field_get(&first, "host");
    struct http_write w = {.from = &first,
                           .framing = first.framing,
                           .content_length = first.content_length,
                           .close = !first.keep_alive};
    struct http_buffer b;

    http_buffer_init(&b, 65536);
    int r = method == NULL ? http_write_request(&b, first.method, first.target, *host, &w)
                           : http_write_response(&b, first.status, first.reason, &w);
    cr_assert_eq(r, 0, "%s", bytes);
    cr_assert_eq(http_buffer_add(&b, "", 1), 0);
    struct http_head second = read_head(method, b.p);
    cr_expect(same(first.method, second.method) && same(first.target, second.target));
    cr_expect(first.reason.n == 0 || same(first.reason, second.reason), "%s", bytes);
    cr_expect_eq(first.status, second.status);
    cr_expect_eq(first.framing, second.framing, "%s", bytes);
    cr_expect_eq(first.content_length, second.content_length, "%s", bytes);
    cr_expect_eq(first.keep_alive, second.keep_alive, "%s", bytes);
    cr_assert_eq(first.n_fields, second.n_fields, "%s\n%s", bytes, b.p);
    for (size_t i = 0; i < first.n_fields; i++) {
        cr_expect(same(first.fields[i].name, second.fields[i].name), "%s", bytes);
        cr_expect(same(first.fields[i].value, second.fields[i].value), "%s", bytes);
    }
    http_head_clear(&first);
    http_head_clear(&second);
    http_buffer_clear(&b);
}

Test(http_writer, round_trips)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: a:81\r\n\r\n",
        "GET http://a/b?c HTTP/1.1\r\nHost:a\r\nX:  y \t z \r\nX:\r\nx: \xff\r\n\r\n",
        "FROB /%20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nA: b\r\nContent-Length: 5\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nUser-Agent: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    static const char *const responses[] = {
        "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 Very  well \r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 304 \r\nETag: \"a,b\"\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 204 x\r\nSignature-Input: a=(\"content-digest\");keyid=\"b\"\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        round_trip(NULL, requests[i]);
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
        round_trip("GET", responses[i]);
    cr_expect(http_value_is_valid(nothing));
    cr_expect_not(http_name_is_valid(nothing));
}

/* No field is both, or the Connection of an honest sender would be refused. */
Test(http_writer, field_classes)
{
    static const char *const hop[] = {
        "Connection",       "keep-alive",          "TE",
        "Trailer",          "Transfer-Encoding",   "Upgrade",
        "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate"};
    static const char *const end[] = {"Host",
                                      "Content-Length",
                                      "Content-Digest",
                                      "SIGNATURE",
                                      "Signature-Input",
                                      "DIVE-Sig",
                                      "Cache-Control",
                                      "Vary"};

    for (size_t i = 0; i < sizeof(hop) / sizeof(hop[0]); i++) {
        cr_expect(http_field_is_hop_by_hop(dive_span_str(hop[i])), "%s", hop[i]);
        cr_expect_not(http_field_is_end_to_end(dive_span_str(hop[i])), "%s", hop[i]);
    }
    for (size_t i = 0; i < sizeof(end) / sizeof(end[0]); i++) {
        cr_expect(http_field_is_end_to_end(dive_span_str(end[i])), "%s", end[i]);
        cr_expect_not(http_field_is_hop_by_hop(dive_span_str(end[i])), "%s", end[i]);
    }
    cr_expect_not(http_field_is_hop_by_hop(dive_span_str("te2")));
    cr_expect_not(http_field_is_hop_by_hop(dive_span_str("")));
}

Test(http_writer, reasons)
{
    cr_expect_str_eq(http_reason(200), "OK");
    cr_expect_str_eq(http_reason(421), "Misdirected Request");
    cr_expect_str_eq(http_reason(431), "Request Header Fields Too Large");
    cr_expect_str_eq(http_reason(299), "Unknown");
#define HAS_REASON(symbol, name, code, status, text)                                               \
    cr_expect_str_neq(http_reason(status), "Unknown", "%s", name);
    HTTP_ERRORS(HAS_REASON)
#undef HAS_REASON
}
