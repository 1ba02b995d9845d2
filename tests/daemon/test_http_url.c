/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_url: hosts, targets in their four forms, and what must not pass as either.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/url.h"

struct host_row {
    const char *in;
    int expect;
    const char *host;
    enum http_host_kind kind;
    int port;
};

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

/* clang-format off */
static const struct host_row hosts[] = {
    {"example.com", 0, "example.com", HTTP_HOST_NAME, 0},
    {"EXAMPLE.Com:8080", 0, "example.com", HTTP_HOST_NAME, 8080},
    {"example.com.", 0, "example.com", HTTP_HOST_NAME, 0},
    {"example.com.:443", 0, "example.com", HTTP_HOST_NAME, 443},
    {"a_b-c.x", 0, "a_b-c.x", HTTP_HOST_NAME, 0},
    {"xn--bcher-kva.example", 0, "xn--bcher-kva.example", HTTP_HOST_NAME, 0},
    {"localhost", 0, "localhost", HTTP_HOST_NAME, 0},
    {"1.example", 0, "1.example", HTTP_HOST_NAME, 0},
    {"1a", 0, "1a", HTTP_HOST_NAME, 0},
    {L63 ".x", 0, L63 ".x", HTTP_HOST_NAME, 0},
    {L63 "l.x", HTTP_E_HOST, "", 0, 0},
    {L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi", 0, /* 253 */
     L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi", HTTP_HOST_NAME, 0},
    {L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi.:65535", 0,
     L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi", HTTP_HOST_NAME, 65535},
    {L63 "." L63 "." L63 "." "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij", HTTP_E_HOST, "", 0, 0},
    {"", HTTP_E_HOST, "", 0, 0},
    {".", HTTP_E_HOST, "", 0, 0},
    {".a", HTTP_E_HOST, "", 0, 0},
    {"a..b", HTTP_E_HOST, "", 0, 0},
    {"a..", HTTP_E_HOST, "", 0, 0},
    {"a b", HTTP_E_HOST, "", 0, 0},
    {"u@a", HTTP_E_HOST, "", 0, 0},
    {"a/b", HTTP_E_HOST, "", 0, 0},
    {"a%2eb", HTTP_E_HOST, "", 0, 0},
    {"a,b", HTTP_E_HOST, "", 0, 0},
    {"b\xc3\xbc.example", HTTP_E_HOST, "", 0, 0},
    {"*.example", HTTP_E_HOST, "", 0, 0},
    {"a:1", 0, "a", HTTP_HOST_NAME, 1},
    {"a:65535", 0, "a", HTTP_HOST_NAME, 65535},
    {"a:65536", HTTP_E_HOST, "", 0, 0},
    {"a:100000", HTTP_E_HOST, "", 0, 0},
    {"a:0", HTTP_E_HOST, "", 0, 0},
    {"a:080", HTTP_E_HOST, "", 0, 0},
    {"a:", HTTP_E_HOST, "", 0, 0},
    {":80", HTTP_E_HOST, "", 0, 0},
    {"a:+80", HTTP_E_HOST, "", 0, 0},
    {"a:80:80", HTTP_E_HOST, "", 0, 0},
    {"a:8x", HTTP_E_HOST, "", 0, 0},
    {"127.0.0.1", 0, "127.0.0.1", HTTP_HOST_IPV4, 0},
    {"127.0.0.1:1", 0, "127.0.0.1", HTTP_HOST_IPV4, 1},
    {"255.255.255.255", 0, "255.255.255.255", HTTP_HOST_IPV4, 0},
    {"256.0.0.1", HTTP_E_HOST, "", 0, 0},
    {"127.1", HTTP_E_HOST, "", 0, 0},
    {"2130706433", HTTP_E_HOST, "", 0, 0},
    {"0177.0.0.1", HTTP_E_HOST, "", 0, 0},
    {"127.0.0.01", HTTP_E_HOST, "", 0, 0},
    {"0x7f.0.0.1", HTTP_E_HOST, "", 0, 0},
    {"0x7f000001", HTTP_E_HOST, "", 0, 0},
    {"a.0x", HTTP_E_HOST, "", 0, 0},
    {"a.0xg", 0, "a.0xg", HTTP_HOST_NAME, 0},
    {"127.0.0.1.", HTTP_E_HOST, "", 0, 0},
    {"1.2.3.4.5", HTTP_E_HOST, "", 0, 0},
    {"1111111111111111", HTTP_E_HOST, "", 0, 0},
    {L63 L63 L63 L63 L63, HTTP_E_HOST, "", 0, 0},
    {"example.1", HTTP_E_HOST, "", 0, 0},
    {"[::1]", 0, "::1", HTTP_HOST_IPV6, 0},
    {"[::1]:443", 0, "::1", HTTP_HOST_IPV6, 443},
    {"[2001:DB8:0:0:0:0:0:1]", 0, "2001:db8::1", HTTP_HOST_IPV6, 0},
    {"[::ffff:127.0.0.1]", 0, "::ffff:127.0.0.1", HTTP_HOST_IPV6, 0},
    {"::1", HTTP_E_HOST, "", 0, 0},
    {"[::1", HTTP_E_HOST, "", 0, 0},
    {"[]", HTTP_E_HOST, "", 0, 0},
    {"[::1]x", HTTP_E_HOST, "", 0, 0},
    {"[::1]:", HTTP_E_HOST, "", 0, 0},
    {"[fe80::1%25eth0]", HTTP_E_HOST, "", 0, 0},
    {"[fe80::1%eth0]", HTTP_E_HOST, "", 0, 0},
    {"[v1.x]", HTTP_E_HOST, "", 0, 0},
    {"[127.0.0.1]", HTTP_E_HOST, "", 0, 0},
};
/* clang-format on */

Test(http_url, hosts)
{
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        const struct host_row *row = &hosts[i];
        struct http_authority authority;
        cr_expect_eq(http_authority_parse(&authority, dive_span_str(row->in)), row->expect, "%s",
                     row->in);
        cr_expect_str_eq(authority.host, row->host, "%s", row->in);
        cr_expect_eq(authority.kind, row->kind, "%s", row->in);
        cr_expect_eq(authority.port, row->port, "%s", row->in);
    }
    struct http_authority authority;
    cr_expect_eq(http_authority_parse(&authority, dive_span("a\0b", 3)), HTTP_E_HOST);
    cr_expect_eq(http_authority_parse(&authority, dive_span("[::1\0]", 6)), HTTP_E_HOST);
    cr_assert_eq(http_authority_parse(&authority, dive_span_str("a.")), 0);
    cr_expect(authority.trailing_dot);
}

struct target_row {
    const char *method, *target, *host; /* host NULL: HTTP/1.0 without one */
    int expect;
    const char *url;       /* as http_url_string() gives it */
    const char *authority; /* normalised */
    const char *sent;      /* origin-form */
};

/* clang-format off */
static const struct target_row targets[] = {
    {"GET", "http://a/b?c", "a", 0, "http://a/b?c", "a", "/b?c"},
    {"GET", "HTTP://A.X:80/", "a.x", 0, "http://a.x/", "a.x", "/"},
    {"GET", "http://a.x.:80/", "a.x", 0, "http://a.x/", "a.x", "/"},
    {"GET", "http://a:8080/%7Eb", "a:8080", 0, "http://a:8080/%7Eb", "a:8080", "/%7Eb"},
    {"GET", "http://a:8080/", "a", HTTP_E_HOST_DISAGREES, "", "", ""},
    {"GET", "http://a/", "b", HTTP_E_HOST_DISAGREES, "", "", ""},
    {"GET", "http://a/", "a:80", 0, "http://a/", "a", "/"},
    {"GET", "http://a/", "a:443", HTTP_E_HOST_DISAGREES, "", "", ""},
    {"GET", "https://a/", "a:443", 0, "https://a/", "a", "/"},
    {"GET", "https://a:443/", "a", 0, "https://a/", "a", "/"},
    {"GET", "https://a:80/", "a:80", 0, "https://a:80/", "a:80", "/"},
    {"GET", "http://a", "a", 0, "http://a/", "a", "/"},
    {"GET", "http://a?b", "a", 0, "http://a/?b", "a", "/?b"},
    {"GET", "http://a/?", "a", 0, "http://a/?", "a", "/?"},
    {"GET", "http://a//b/../c", "a", 0, "http://a//b/../c", "a", "//b/../c"},
    {"GET", "http://a/b", NULL, 0, "http://a/b", "a", "/b"},
    {"GET", "http://[::1]:81/b", "[::1]:81", 0, "http://[::1]:81/b", "[::1]:81", "/b"},
    {"GET", "http://[0::1]/", "[::1]", 0, "http://[::1]/", "[::1]", "/"},
    {"OPTIONS", "http://a", "a", 0, "http://a", "a", "*"},
    {"OPTIONS", "http://a/", "a", 0, "http://a/", "a", "/"},
    {"OPTIONS", "*", "a", 0, "http://a", "a", "*"},
    {"GET", "*", "a", HTTP_E_TARGET, "", "", ""},
    {"OPTIONS", "**", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http://u@a/", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http://u:p@a/", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http:///b", "a", HTTP_E_HOST, "", "", ""},
    {"GET", "http://", "a", HTTP_E_HOST, "", "", ""},
    {"GET", "http:/a", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http:a", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "ftp://a/", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "file:///etc/passwd", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "ws://a/", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http://a\\@b/", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http://a\\b/", "a", HTTP_E_HOST, "", "", ""},
    {"GET", "http://a#b", "a", HTTP_E_HOST, "", "", ""},
    {"GET", "http://a/#b", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http://a/?b#c", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "http://a/@b", "a", 0, "http://a/@b", "a", "/@b"},
    {"GET", "http://a?@b", "a", 0, "http://a/?@b", "a", "/?@b"},
    {"GET", "/b?c", "a", 0, "http://a/b?c", "a", "/b?c"},
    {"GET", "/b", "A.:80", 0, "http://a/b", "a", "/b"},
    {"GET", "/b", NULL, HTTP_E_HOST_MISSING, "", "", ""},
    {"GET", "//b/c", "a", 0, "http://a//b/c", "a", "//b/c"},
    {"GET", "/a\\b", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "/a#b", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "/%", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "/%4", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "/%4g", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "/%4?a", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "/%41%2f%00", "a", 0, "http://a/%41%2f%00", "a", "/%41%2f%00"},
    {"GET", "/?100%", "a", 0, "http://a/?100%", "a", "/?100%"},
    {"GET", "/a|b{c}[d]^`<e>\"", "a", 0, "http://a/a|b{c}[d]^`<e>\"", "a", "/a|b{c}[d]^`<e>\""},
    {"GET", "b", "a", HTTP_E_TARGET, "", "", ""},
    {"GET", "?b", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "a:443", "a:443", 0, "a:443", "a", ""},
    {"CONNECT", "A:8443", "a:8443", 0, "a:8443", "a:8443", ""},
    {"CONNECT", "a:443", "a", 0, "a:443", "a", ""},
    {"CONNECT", "a:8443", "a", 0, "a:8443", "a:8443", ""},
    {"CONNECT", "a:443", "a:444", HTTP_E_HOST_DISAGREES, "", "", ""},
    {"CONNECT", "a:443", "b:443", HTTP_E_HOST_DISAGREES, "", "", ""},
    {"CONNECT", "a:443", NULL, 0, "a:443", "a", ""},
    {"CONNECT", "[::1]:443", "[::1]:443", 0, "[::1]:443", "[::1]", ""},
    {"CONNECT", "a", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "a:", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "a:0", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "https://a:443", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "/", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "u@a:443", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "a:443/", "a", HTTP_E_TARGET, "", "", ""},
    {"CONNECT", "*", "a", HTTP_E_TARGET, "", "", ""},
};
/* clang-format on */

static struct http_head request(const char *method, const char *target, struct dive_field *host,
                                const char *value)
{
    struct http_head head = {.method = dive_span_str(method), .target = dive_span_str(target)};

    if (value != NULL) {
        *host = (struct dive_field){dive_span_str("Host"), dive_span_str(value)};
        head.fields = host;
        head.n_fields = 1;
    }
    return head;
}

Test(http_url, targets)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        const struct target_row *row = &targets[i];
        static const struct http_url empty;
        struct dive_field host;
        struct http_head head = request(row->method, row->target, &host, row->host);
        struct http_url url;
        int r = http_url_from_request(&url, &head, false, NULL);
        cr_expect_eq(r, row->expect, "%s %s: %d", row->method, row->target, r);
        if (r != 0) {
            cr_expect_eq(memcmp(&url, &empty, sizeof(url)), 0, "%s: not empty", row->target);
            continue;
        }
        char *text = http_url_string(&url, false);
        cr_expect_str_eq(text, row->url, "%s %s", row->method, row->target);
        cr_expect_str_eq(url.authority, row->authority, "%s", row->target);
        cr_expect_str_eq(url.target, row->sent, "%s", row->target);
        cr_expect_eq(url.path.n + url.query.n, strlen(url.target));
        free(text);
        http_url_clear(&url);
    }
}

Test(http_url, parts)
{
    struct dive_field host;
    struct http_head head = request("GET", "/p/q?r?s", &host, "h:8443");
    struct http_authority fallback;
    struct http_url url;

    cr_assert_eq(http_url_from_request(&url, &head, true, NULL), 0);
    cr_expect(url.https);
    cr_expect_eq(url.form, HTTP_TARGET_ORIGIN);
    cr_expect_eq(url.at.port, 8443);
    cr_expect(dive_span_eq(url.path, "/p/q"));
    cr_expect(dive_span_eq(url.query, "?r?s"));
    struct dive_request seen = http_dive_request(&head, &url);
    cr_expect(dive_span_eq(seen.scheme, "https"));
    cr_expect(dive_span_eq(seen.authority, "h:8443"));
    cr_expect(dive_span_eq(seen.path, "/p/q"));
    cr_expect(dive_span_eq(seen.query, "?r?s"));
    cr_expect(dive_span_eq(seen.target, "/p/q?r?s"));
    cr_expect_eq(seen.fields.n, 1);
    char *text = http_url_string(&url, true);
    cr_expect_str_eq(text, "https://h:8443/p/q?...");
    free(text);
    http_url_clear(&url);

    head = request("GET", "/p", &host, NULL);
    cr_assert_eq(http_authority_parse(&fallback, dive_span_str("192.0.2.1:81")), 0);
    cr_assert_eq(http_url_from_request(&url, &head, false, &fallback), 0);
    cr_expect_str_eq(url.authority, "192.0.2.1:81");
    cr_expect_eq(url.query.n, 0);
    text = http_url_string(&url, true);
    cr_expect_str_eq(text, "http://192.0.2.1:81/p");
    free(text);
    http_url_clear(&url);
}

Test(http_url, typed)
{
    struct http_url url;

    cr_assert_eq(http_url_parse(&url, dive_span_str("https://Example.COM/a?b")), 0);
    cr_expect_str_eq(url.at.host, "example.com");
    cr_expect_eq(url.at.port, 443);
    http_url_clear(&url);
    cr_expect_eq(http_url_parse(&url, dive_span_str("example.com")), HTTP_E_TARGET);
    cr_expect_eq(http_url_parse(&url, dive_span_str("")), HTTP_E_TARGET);
    cr_expect_eq(http_url_parse(&url, dive_span_str("https://a/b c")), HTTP_E_TARGET);
    cr_expect_eq(http_url_parse(&url, dive_span_str("https://a/b\r\nX: y")), HTTP_E_TARGET);
    cr_expect_eq(http_url_parse(&url, dive_span("https://a/\0b", 12)), HTTP_E_TARGET);
    cr_expect_eq(http_url_parse(&url, dive_span("https://a?\0b", 12)), HTTP_E_TARGET);
    cr_expect_null(url.target);
}

struct agree_row {
    const char *target, *host;
    int default_port;
    bool agrees;
};

Test(http_url, host_agrees)
{
    static const struct agree_row rows[] = {
        {"a", "a", 80, true},
        {"a:80", "a", 80, true},
        {"a", "a:80", 80, true},
        {"a:81", "a:81", 80, true},
        {"a:81", "a", 80, false},
        {"a", "A.", 80, true},
        {"a", "b", 80, false},
        {"a", "", 80, false},
        {"a:443", "a", 0, true},
        {"a:443", "a:443", 0, true},
        {"a:443", "a:80", 0, false},
        {"127.0.0.1", "127.1", 80, false},
        {"[::1]", "[0:0::1]", 80, true},
        {"a", "a b", 80, false},
        {"a.b", "b", 80, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_authority target;
        cr_assert_eq(http_authority_parse(&target, dive_span_str(rows[i].target)), 0);
        cr_expect_eq(
            http_host_agrees(&target, dive_span_str(rows[i].host), (uint16_t)rows[i].default_port),
            rows[i].agrees, "%s %s", rows[i].target, rows[i].host);
    }
}
