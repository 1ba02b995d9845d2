/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_head: one row a form that a head can have, named after it. Every row is parsed in one piece,
 * byte by byte, and cut in two at every position: the result may not depend on it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/head.h"

#define TEXT(s) (s), sizeof(s) - 1

struct row {
    const char *name;
    const char *bytes;
    size_t n;
    int expect;
};

static struct http_limits limits(void)
{
    return HTTP_LIMITS_DEFAULT;
}

static int parse(struct http_head *head, const char *method, const char *bytes, size_t n,
                 const struct http_limits *most, struct http_scan *scan, size_t *consumed)
{
    if (method == NULL)
        return http_head_parse_request(head, bytes, n, most, scan, consumed);
    return http_head_parse_response(head, bytes, n, dive_span_str(method), most, scan, consumed);
}

static bool span_same(struct dive_span a, struct dive_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool head_same(const struct http_head *a, const struct http_head *b)
{
    if (!span_same(a->method, b->method) || !span_same(a->target, b->target) ||
        a->status != b->status || !span_same(a->reason, b->reason) || a->minor != b->minor ||
        a->n_fields != b->n_fields || a->framing != b->framing ||
        a->content_length != b->content_length || a->keep_alive != b->keep_alive ||
        a->expects_continue != b->expects_continue || a->is_upgrade != b->is_upgrade)
        return false;
    for (size_t i = 0; i < a->n_fields; i++) {
        if (!span_same(a->fields[i].name, b->fields[i].name) ||
            !span_same(a->fields[i].value, b->fields[i].value))
            return false;
    }
    return true;
}

static bool head_empty(const struct http_head *head)
{
    static const struct http_head empty;

    return memcmp(head, &empty, sizeof(empty)) == 0;
}

/* Gives the bytes up to `cut`, then to the end, each time from memory of exactly that size, so that
 * a sanitizer sees a read beyond it. */
static int parse_cut(struct http_head *head, const char *method, const struct row *row, size_t cut,
                     const struct http_limits *most, size_t *consumed)
{
    struct http_scan scan = {0};
    int r = HTTP_NEED_MORE;
    size_t sizes[2] = {cut, row->n};

    for (int i = 0; i < 2 && r == HTTP_NEED_MORE; i++) {
        char *copy = malloc(sizes[i] + 1);
        memcpy(copy, row->bytes, sizes[i]);
        char *exact = realloc(copy, sizes[i] > 0 ? sizes[i] : 1);
        r = parse(head, method, exact, sizes[i], most, &scan, consumed);
        if (r != HTTP_DONE)
            cr_assert(head_empty(head) && *consumed == 0, "%s: left something", row->name);
        free(exact);
    }
    return r;
}

static int parse_bytewise(struct http_head *head, const char *method, const struct row *row,
                          const struct http_limits *most, size_t *consumed)
{
    struct http_scan scan = {0};
    int r = HTTP_NEED_MORE;

    for (size_t n = 0; n <= row->n && r == HTTP_NEED_MORE; n++)
        r = parse(head, method, row->bytes, n, most, &scan, consumed);
    return r;
}

static void check_row(const struct row *row, const char *method, const struct http_limits *most)
{
    struct http_head whole, other;
    struct http_scan scan = {0};
    size_t consumed = 0, again = 0;
    int r = parse(&whole, method, row->bytes, row->n, most, &scan, &consumed);

    cr_expect_eq(r, row->expect, "%s: %d (%s), expected %d (%s)", row->name, r, http_error_name(r),
                 row->expect, http_error_name(row->expect));
    for (size_t cut = 0; cut <= row->n; cut++) {
        int cut_r = parse_cut(&other, method, row, cut, most, &again);
        cr_expect_eq(cut_r, r, "%s: cut at %zu: %d, whole %d", row->name, cut, cut_r, r);
        cr_expect(head_same(&whole, &other) && again == consumed, "%s: cut at %zu", row->name, cut);
        http_head_clear(&other);
    }
    int byte_r = parse_bytewise(&other, method, row, most, &again);
    cr_expect_eq(byte_r, r, "%s: byte by byte %d, whole %d", row->name, byte_r, r);
    cr_expect(head_same(&whole, &other) && again == consumed, "%s: byte by byte", row->name);
    http_head_clear(&other);
    http_head_clear(&whole);
}

/* clang-format off */
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define H "Host: a\r\n"
#define END "\r\n"

static const struct row requests[] = {
    {"plain", TEXT(GET H END), HTTP_DONE},
    {"nothing", TEXT(""), HTTP_NEED_MORE},
    {"without the last LF", TEXT(GET H "\r"), HTTP_NEED_MORE},
    {"without the last CRLF", TEXT(GET H), HTTP_NEED_MORE},
    {"one empty line first", TEXT("\r\n" GET H END), HTTP_DONE},
    {"two empty lines first", TEXT("\r\n\r\n" GET H END), HTTP_E_START_LINE},
    {"bare LF first", TEXT("\n" GET H END), HTTP_E_BARE_LF},
    {"bare CR first", TEXT("\r" GET H END), HTTP_E_BARE_CR},
    {"absolute-form", TEXT("GET http://a/b?c HTTP/1.1\r\n" H END), HTTP_DONE},
    {"CONNECT", TEXT("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n" END), HTTP_DONE},
    {"CONNECT to IPv6", TEXT("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n" END), HTTP_DONE},
    {"OPTIONS *", TEXT("OPTIONS * HTTP/1.1\r\n" H END), HTTP_DONE},
    {"unregistered method", TEXT("FROB /x HTTP/1.1\r\n" H END), HTTP_DONE},
    {"QUERY", TEXT("QUERY /x HTTP/1.1\r\n" H "Content-Length: 1\r\n" END), HTTP_DONE},
    {"every tchar in the method", TEXT("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n" H END), HTTP_DONE},
    {"method of 64", TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H END), HTTP_DONE},
    {"method of 65", TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H END), HTTP_E_METHOD},
    {"no method", TEXT(" / HTTP/1.1\r\n" H END), HTTP_E_METHOD},
    {"method with a colon", TEXT("G:T / HTTP/1.1\r\n" H END), HTTP_E_METHOD},
    {"method with obs-text", TEXT("G\xe9T / HTTP/1.1\r\n" H END), HTTP_E_METHOD},
    {"HTTP/0.9", TEXT("GET /\r\n\r\n"), HTTP_E_START_LINE},
    {"empty target", TEXT("GET  HTTP/1.1\r\n" H END), HTTP_E_TARGET},
    {"two spaces before the target", TEXT("GET  / HTTP/1.1\r\n" H END), HTTP_E_START_LINE},
    {"two spaces behind the target", TEXT("GET /  HTTP/1.1\r\n" H END), HTTP_E_START_LINE},
    {"space in the target", TEXT("GET /a b HTTP/1.1\r\n" H END), HTTP_E_START_LINE},
    {"tab as separator", TEXT("GET\t/\tHTTP/1.1\r\n" H END), HTTP_E_START_LINE},
    {"tab in the target", TEXT("GET /\ta HTTP/1.1\r\n" H END), HTTP_E_TARGET},
    {"obs-text in the target", TEXT("GET /\xc3\xa9 HTTP/1.1\r\n" H END), HTTP_E_TARGET},
    {"DEL in the target", TEXT("GET /\x7f HTTP/1.1\r\n" H END), HTTP_E_CONTROL},
    {"space behind the version", TEXT("GET / HTTP/1.1 \r\n" H END), HTTP_E_START_LINE},
    {"space before the method", TEXT(" GET / HTTP/1.1\r\n" H END), HTTP_E_METHOD},
    {"lower-case http", TEXT("GET / http/1.1\r\n" H END), HTTP_E_START_LINE},
    {"no version", TEXT("GET / \r\n" H END), HTTP_E_START_LINE},
    {"HTTP/1.0", TEXT("GET / HTTP/1.0\r\n" END), HTTP_DONE},
    {"HTTP/1.2", TEXT("GET / HTTP/1.2\r\n" H END), HTTP_E_VERSION},
    {"HTTP/0.1", TEXT("GET / HTTP/0.1\r\n" H END), HTTP_E_VERSION},
    {"HTTP/2.0", TEXT("GET / HTTP/2.0\r\n" H END), HTTP_E_VERSION},
    {"the HTTP/2 preface", TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_E_VERSION},
    {"HTTP/1.10", TEXT("GET / HTTP/1.10\r\n" H END), HTTP_E_START_LINE},
    {"HTTP/1,1", TEXT("GET / HTTP/1,1\r\n" H END), HTTP_E_START_LINE},
    {"a TLS handshake", TEXT("\x16\x03\x01\x02\x00\x01\x00"), HTTP_E_CONTROL},

    {"LF line ends", TEXT("GET / HTTP/1.1\nHost: a\n\n"), HTTP_E_BARE_LF},
    {"LF behind a field", TEXT(GET "Host: a\n" END), HTTP_E_BARE_LF},
    {"LF as the empty line", TEXT(GET H "\n"), HTTP_E_BARE_LF},
    {"CR as a line end", TEXT(GET H "X: a\rY: b\r\n" END), HTTP_E_BARE_CR},
    {"CR CR LF", TEXT(GET H "X: a\r\r\n" END), HTTP_E_BARE_CR},
    {"CR X as the empty line", TEXT(GET H "\rX"), HTTP_E_BARE_CR},
    {"NUL in a value", TEXT(GET H "X: a\0b\r\n" END), HTTP_E_CONTROL},
    {"NUL in a name", TEXT(GET H "X\0: a\r\n" END), HTTP_E_CONTROL},
    {"NUL in the target", TEXT("GET /\0 HTTP/1.1\r\n" H END), HTTP_E_CONTROL},
    {"BEL in a value", TEXT(GET H "X: \a\r\n" END), HTTP_E_CONTROL},
    {"VT in a value", TEXT(GET H "X: \v\r\n" END), HTTP_E_CONTROL},
    {"FF in a value", TEXT(GET H "X: \f\r\n" END), HTTP_E_CONTROL},
    {"DEL in a value", TEXT(GET H "X: \x7f\r\n" END), HTTP_E_CONTROL},
    {"obs-text in a value", TEXT(GET H "X: caf\xc3\xa9\r\n" END), HTTP_DONE},
    {"tab in a value", TEXT(GET H "X: a\tb\r\n" END), HTTP_DONE},
    {"empty value", TEXT(GET H "X:\r\nY: \r\nZ: \t \r\n" END), HTTP_DONE},
    {"no white space behind the colon", TEXT(GET "Host:a\r\n" END), HTTP_DONE},
    {"colons in a value", TEXT(GET H "X: :a:b:\r\n" END), HTTP_DONE},
    {"folded with SP", TEXT(GET H "X: a\r\n b\r\n" END), HTTP_E_FOLD},
    {"folded with HTAB", TEXT(GET H "X: a\r\n\tb\r\n" END), HTTP_E_FOLD},
    {"folded first line", TEXT(GET " Host: a\r\n" END), HTTP_E_FOLD},
    {"a line of white space", TEXT(GET H " \r\n" END), HTTP_E_FOLD},
    {"space before the colon", TEXT(GET "Host : a\r\n" END), HTTP_E_FIELD_NAME},
    {"tab before the colon", TEXT(GET H "Content-Length\t: 1\r\n" END), HTTP_E_FIELD_NAME},
    {"empty name", TEXT(GET H ": a\r\n" END), HTTP_E_FIELD_NAME},
    {"no colon", TEXT(GET H "abc\r\n" END), HTTP_E_FIELD_NAME},
    {"name with a slash", TEXT(GET H "a/b: c\r\n" END), HTTP_E_FIELD_NAME},
    {"name with obs-text", TEXT(GET H "\xe9: c\r\n" END), HTTP_E_FIELD_NAME},
    {"name with a quote", TEXT(GET H "\"a\": c\r\n" END), HTTP_E_FIELD_NAME},

    {"no Host", TEXT(GET END), HTTP_E_HOST_MISSING},
    {"two Hosts", TEXT(GET H "Host: b\r\n" END), HTTP_E_HOST_REPEATED},
    {"the same Host twice", TEXT(GET H H END), HTTP_E_HOST_REPEATED},
    {"two Hosts in HTTP/1.0", TEXT("GET / HTTP/1.0\r\n" H H END), HTTP_E_HOST_REPEATED},
    {"empty Host", TEXT(GET "Host:\r\n" END), HTTP_E_HOST},
    {"Host with userinfo", TEXT(GET "Host: u@a\r\n" END), HTTP_E_HOST},
    {"Host with a path", TEXT(GET "Host: a/b\r\n" END), HTTP_E_HOST},
    {"Host with a list", TEXT(GET "Host: a, b\r\n" END), HTTP_E_HOST},
    {"Host with port 0", TEXT(GET "Host: a:0\r\n" END), HTTP_E_HOST},

    {"Content-Length", TEXT(POST "Content-Length: 5\r\n" END "12345"), HTTP_DONE},
    {"Content-Length 0", TEXT(POST "Content-Length: 0\r\n" END), HTTP_DONE},
    {"Content-Length with leading zeros", TEXT(POST "Content-Length: 005\r\n" END), HTTP_DONE},
    {"Content-Length with spaces around", TEXT(POST "Content-Length: \t 5  \r\n" END), HTTP_DONE},
    {"Content-Length with a tab behind it, which llhttp refuses", TEXT(POST "Content-Length: 5\t\r\n" END), HTTP_E_DISAGREE},
    {"Content-Length 2^63-1", TEXT(POST "Content-Length: 9223372036854775807\r\n" END), HTTP_DONE},
    {"Content-Length 2^63", TEXT(POST "Content-Length: 9223372036854775808\r\n" END), HTTP_E_LENGTH},
    {"Content-Length 2^64", TEXT(POST "Content-Length: 18446744073709551616\r\n" END), HTTP_E_LENGTH},
    {"Content-Length 2^64+5", TEXT(POST "Content-Length: 18446744073709551621\r\n" END), HTTP_E_LENGTH},
    {"empty Content-Length", TEXT(POST "Content-Length:\r\n" END), HTTP_E_LENGTH},
    {"Content-Length +5", TEXT(POST "Content-Length: +5\r\n" END), HTTP_E_LENGTH},
    {"Content-Length -5", TEXT(POST "Content-Length: -5\r\n" END), HTTP_E_LENGTH},
    {"Content-Length 0x5", TEXT(POST "Content-Length: 0x5\r\n" END), HTTP_E_LENGTH},
    {"Content-Length 5 5", TEXT(POST "Content-Length: 5 5\r\n" END), HTTP_E_LENGTH},
    {"Content-Length 5.0", TEXT(POST "Content-Length: 5.0\r\n" END), HTTP_E_LENGTH},
    {"Content-Length 5, 5", TEXT(POST "Content-Length: 5, 5\r\n" END), HTTP_E_LENGTH},
    {"Content-Length in quotes", TEXT(POST "Content-Length: \"5\"\r\n" END), HTTP_E_LENGTH},
    {"Content-Length twice", TEXT(POST "Content-Length: 5\r\nContent-Length: 6\r\n" END), HTTP_E_LENGTH_REPEATED},
    {"Content-Length twice the same", TEXT(POST "Content-Length: 5\r\ncontent-length: 5\r\n" END), HTTP_E_LENGTH_REPEATED},
    {"chunked", TEXT(POST "Transfer-Encoding: chunked\r\n" END), HTTP_DONE},
    {"Chunked", TEXT(POST "Transfer-Encoding:  ChUnKeD \r\n" END), HTTP_DONE},
    {"chunked twice", TEXT(POST "Transfer-Encoding: chunked, chunked\r\n" END), HTTP_E_TRANSFER_CODING},
    {"chunked in two lines", TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END), HTTP_E_TRANSFER_CODING},
    {"chunked and identity in two lines", TEXT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" END), HTTP_E_TRANSFER_CODING},
    {"gzip, chunked", TEXT(POST "Transfer-Encoding: gzip, chunked\r\n" END), HTTP_E_CODING_UNKNOWN},
    {"chunked, gzip", TEXT(POST "Transfer-Encoding: chunked, gzip\r\n" END), HTTP_E_TRANSFER_CODING},
    {"gzip", TEXT(POST "Transfer-Encoding: gzip\r\n" END), HTTP_E_TRANSFER_CODING},
    {"identity", TEXT(POST "Transfer-Encoding: identity\r\n" END), HTTP_E_TRANSFER_CODING},
    {"empty Transfer-Encoding", TEXT(POST "Transfer-Encoding:\r\n" END), HTTP_E_TRANSFER_CODING},
    {"xchunked", TEXT(POST "Transfer-Encoding: xchunked\r\n" END), HTTP_E_TRANSFER_CODING},
    {"chunked with a parameter", TEXT(POST "Transfer-Encoding: chunked;q=1\r\n" END), HTTP_E_TRANSFER_CODING},
    {"chunked in quotes", TEXT(POST "Transfer-Encoding: \"chunked\"\r\n" END), HTTP_E_TRANSFER_CODING},
    {"chunked with an empty member", TEXT(POST "Transfer-Encoding: ,chunked\r\n" END), HTTP_E_TRANSFER_CODING},
    {"chunked behind VT", TEXT(POST "Transfer-Encoding: \vchunked\r\n" END), HTTP_E_CONTROL},
    {"chunked with a length", TEXT(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END), HTTP_E_FRAMING},
    {"a length with chunked", TEXT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END), HTTP_E_FRAMING},
    {"chunked in HTTP/1.0", TEXT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n" END), HTTP_E_FRAMING},
    {"GET with content", TEXT(GET H "Content-Length: 5\r\n" END), HTTP_DONE},
    {"TRACE", TEXT("TRACE / HTTP/1.1\r\n" H END), HTTP_DONE},
    {"TRACE with a length", TEXT("TRACE / HTTP/1.1\r\n" H "Content-Length: 5\r\n" END), HTTP_E_CONTENT},
    {"TRACE with chunks", TEXT("TRACE / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" END), HTTP_E_CONTENT},
    {"CONNECT with a length", TEXT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n" END), HTTP_E_CONTENT},
    {"CONNECT with a length of 0", TEXT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n" END), HTTP_DONE},
    {"CONNECT with chunks", TEXT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n" END), HTTP_E_CONTENT},

    {"Expect: 100-continue", TEXT(POST "Content-Length: 1\r\nExpect: 100-Continue\r\n" END), HTTP_DONE},
    {"another expectation", TEXT(POST "Content-Length: 1\r\nExpect: 200-ok\r\n" END), HTTP_E_EXPECTATION},
    {"two expectations", TEXT(POST "Content-Length: 1\r\nExpect: 100-continue, x\r\n" END), HTTP_E_EXPECTATION},
    {"Connection names Content-Digest", TEXT(GET H "Connection: close, Content-Digest\r\n" END), HTTP_E_CONNECTION},
    {"Connection names Host", TEXT(GET H "Connection: host\r\n" END), HTTP_E_CONNECTION},
    {"Connection names X-Any", TEXT(GET H "Connection: x-any\r\n" END), HTTP_DONE},
    {"Connection names Transfer-Encoding", TEXT(POST "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n" END), HTTP_DONE},
    {"Connection is no list of tokens", TEXT(GET H "Connection: a b\r\n" END), HTTP_E_CONNECTION},
    {"Connection with empty members", TEXT(GET H "Connection: , close,,\r\n" END), HTTP_DONE},
    {"Proxy-Connection", TEXT(GET H "Proxy-Connection: Keep-Alive\r\n" END), HTTP_DONE},
    {"a target that is no URL", TEXT("GET a.b:443 HTTP/1.1\r\n" H END), HTTP_E_TARGET},
};

static const struct row responses[] = {
    {"plain", TEXT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), HTTP_DONE},
    {"no fields", TEXT("HTTP/1.1 200 OK\r\n\r\n"), HTTP_DONE},
    {"empty reason", TEXT("HTTP/1.1 200 \r\n\r\n"), HTTP_DONE},
    {"no reason", TEXT("HTTP/1.1 200\r\n\r\n"), HTTP_DONE},
    {"obs-text in the reason", TEXT("HTTP/1.1 404 Pas trouv\xe9\r\n\r\n"), HTTP_DONE},
    {"spaces in the reason", TEXT("HTTP/1.1 404  a  b \r\n\r\n"), HTTP_DONE},
    {"NUL in the reason", TEXT("HTTP/1.1 404 a\0b\r\n\r\n"), HTTP_E_CONTROL},
    {"empty line first", TEXT("\r\nHTTP/1.1 200 OK\r\n\r\n"), HTTP_E_START_LINE},
    {"HTTP/1.0", TEXT("HTTP/1.0 200 OK\r\n\r\n"), HTTP_DONE},
    {"HTTP/2", TEXT("HTTP/2 200\r\n\r\n"), HTTP_E_START_LINE},
    {"HTTP/2.0", TEXT("HTTP/2.0 200 OK\r\n\r\n"), HTTP_E_VERSION},
    {"ICY", TEXT("ICY 200 OK\r\n\r\n"), HTTP_E_START_LINE},
    {"content without a head", TEXT("<html>\r\n\r\n"), HTTP_E_START_LINE},
    {"two spaces before the status", TEXT("HTTP/1.1  200 OK\r\n\r\n"), HTTP_E_STATUS},
    {"tab before the status", TEXT("HTTP/1.1\t200 OK\r\n\r\n"), HTTP_E_START_LINE},
    {"tab behind the status", TEXT("HTTP/1.1 200\tOK\r\n\r\n"), HTTP_E_STATUS},
    {"no status", TEXT("HTTP/1.1\r\n\r\n"), HTTP_E_START_LINE},
    {"empty status", TEXT("HTTP/1.1 \r\n\r\n"), HTTP_E_STATUS},
    {"two digits", TEXT("HTTP/1.1 20 OK\r\n\r\n"), HTTP_E_STATUS},
    {"four digits", TEXT("HTTP/1.1 2000 OK\r\n\r\n"), HTTP_E_STATUS},
    {"status 099", TEXT("HTTP/1.1 099 x\r\n\r\n"), HTTP_E_STATUS},
    {"status 100", TEXT("HTTP/1.1 100 Continue\r\n\r\n"), HTTP_DONE},
    {"status 599", TEXT("HTTP/1.1 599 x\r\n\r\n"), HTTP_DONE},
    {"status 600", TEXT("HTTP/1.1 600 x\r\n\r\n"), HTTP_E_STATUS},
    {"status -20", TEXT("HTTP/1.1 -20 x\r\n\r\n"), HTTP_E_STATUS},
    {"folded", TEXT("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), HTTP_E_FOLD},
    {"LF line ends", TEXT("HTTP/1.1 200 OK\n\n"), HTTP_E_BARE_LF},
    {"space before the colon", TEXT("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n"), HTTP_E_FIELD_NAME},
    {"chunked", TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_DONE},
    {"chunked in HTTP/1.0", TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_E_FRAMING},
    {"chunked with a length", TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"), HTTP_E_FRAMING},
    {"gzip, chunked", TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), HTTP_E_CODING_UNKNOWN},
    {"gzip until close", TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), HTTP_E_TRANSFER_CODING},
    {"lengths that differ", TEXT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), HTTP_E_LENGTH_REPEATED},
    {"204 with length 0", TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), HTTP_DONE},
    {"204 with length 1", TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n"), HTTP_E_CONTENT},
    {"204 with chunks", TEXT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_E_CONTENT},
    {"100 with length 1", TEXT("HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n"), HTTP_E_CONTENT},
    {"101 with chunks", TEXT("HTTP/1.1 101 x\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_E_CONTENT},
    {"304 with a length", TEXT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), HTTP_DONE},
    {"304 with chunks", TEXT("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_DONE},
    {"Connection names Signature", TEXT("HTTP/1.1 200 OK\r\nConnection: signature\r\n\r\n"), HTTP_E_CONNECTION},
    {"Connection names Signature-Input", TEXT("HTTP/1.1 200 OK\r\nConnection: Signature-Input\r\n\r\n"), HTTP_E_CONNECTION},
    {"Connection names DIVE-Sig", TEXT("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: DIVE-Sig\r\n\r\n"), HTTP_E_CONNECTION},
    {"Connection names Cache-Control", TEXT("HTTP/1.1 200 OK\r\nConnection: cache-control\r\n\r\n"), HTTP_E_CONNECTION},
};
/* clang-format on */

Test(http_head, requests)
{
    struct http_limits most = limits();

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        check_row(&requests[i], NULL, &most);
}

Test(http_head, responses)
{
    struct http_limits most = limits();

    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
        check_row(&responses[i], "GET", &most);
}

static void must_parse(struct http_head *head, const char *method, const char *bytes)
{
    struct http_limits most = limits();
    struct http_scan scan = {0};
    size_t consumed = 0;

    cr_assert_eq(parse(head, method, bytes, strlen(bytes), &most, &scan, &consumed), HTTP_DONE,
                 "%s", bytes);
}

Test(http_head, what_is_read)
{
    struct http_head head;

    must_parse(&head, NULL, "\r\nGET /x?y HTTP/1.1\r\nHost: a.b:8\r\nX-E: \t v w \t\r\nY:\r\n\r\n");
    cr_expect(dive_span_eq(head.method, "GET"));
    cr_expect(dive_span_eq(head.target, "/x?y"));
    cr_expect_eq(head.minor, 1);
    cr_assert_eq(head.n_fields, 3);
    cr_expect(dive_span_eq(head.fields[1].name, "X-E"));
    cr_expect(dive_span_eq(head.fields[1].value, "v w"));
    cr_expect(dive_span_eq(*http_field_get(&head, "HOST"), "a.b:8"));
    cr_expect_eq(http_field_get(&head, "y")->n, 0);
    cr_expect_null(http_field_get(&head, "z"));
    cr_expect_eq(head.framing, HTTP_BODY_NONE);
    cr_expect_eq(head.content_length, -1);
    http_head_clear(&head);
    cr_expect(head_empty(&head));
    http_head_clear(&head);
}

Test(http_head, consumed_stops_at_the_content)
{
    static const char bytes[] =
        "\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345GET";
    struct http_limits most = limits();
    struct http_scan scan = {0};
    struct http_head head;
    size_t consumed = 0;

    cr_assert_eq(http_head_parse_request(&head, bytes, sizeof(bytes) - 1, &most, &scan, &consumed),
                 HTTP_DONE);
    cr_expect_eq(memcmp(bytes + consumed, "12345GET", 8), 0);
    cr_expect_eq(head.content_length, 5);
    http_head_clear(&head);
}

struct framing_row {
    const char *method; /* NULL: a request */
    const char *bytes;
    enum http_body framing;
    int64_t length;
    bool keep_alive;
};

/* RFC 9112 sections 6.3 and 9.3 */
static const struct framing_row framings[] = {
    {NULL, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BODY_NONE, -1, true},
    {NULL, "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", HTTP_BODY_NONE, -1, false},
    {NULL, "GET / HTTP/1.0\r\n\r\n", HTTP_BODY_NONE, -1, false},
    {NULL, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", HTTP_BODY_NONE, -1, false},
    {NULL, "GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n", HTTP_BODY_NONE, -1,
     true},
    {NULL, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", HTTP_BODY_LENGTH, 0, true},
    {NULL, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n", HTTP_BODY_LENGTH, 7, true},
    {NULL, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BODY_CHUNKED, -1,
     true},
    {NULL, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n", HTTP_BODY_NONE, 0,
     true},
    {"GET", "HTTP/1.1 200 OK\r\n\r\n", HTTP_BODY_UNTIL_CLOSE, -1, false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_BODY_LENGTH, 3, true},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_BODY_LENGTH, 3, false},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: Keep-Alive\r\n\r\n",
     HTTP_BODY_LENGTH, 3, true},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n", HTTP_BODY_LENGTH,
     3, false},
    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive, close\r\n\r\n",
     HTTP_BODY_LENGTH, 3, false},
    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BODY_CHUNKED, -1, true},
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_BODY_NONE, 3, true},
    {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BODY_NONE, -1, true},
    {"HEAD", "HTTP/1.1 200 OK\r\n\r\n", HTTP_BODY_NONE, -1, true},
    {"head", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_BODY_LENGTH, 3, true},
    {"GET", "HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n", HTTP_BODY_NONE, 3, true},
    {"GET", "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", HTTP_BODY_NONE, -1, true},
    {"GET", "HTTP/1.1 103 x\r\n\r\n", HTTP_BODY_NONE, -1, true},
    {"GET", "HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n", HTTP_BODY_LENGTH, 0, true},
    {"CONNECT", "HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\n", HTTP_BODY_NONE, -1, true},
    {"CONNECT", "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BODY_NONE, -1, true},
    {"CONNECT", "HTTP/1.1 407 x\r\nContent-Length: 9\r\n\r\n", HTTP_BODY_LENGTH, 9, true},
};

Test(http_head, framing)
{
    for (size_t i = 0; i < sizeof(framings) / sizeof(framings[0]); i++) {
        const struct framing_row *row = &framings[i];
        struct http_head head;
        must_parse(&head, row->method, row->bytes);
        cr_expect_eq(head.framing, row->framing, "%s", row->bytes);
        cr_expect_eq(head.content_length, row->length, "%s", row->bytes);
        cr_expect_eq(head.keep_alive, row->keep_alive, "%s", row->bytes);
        http_head_clear(&head);
    }
}

/* They must not be passed on, and a length of 0 there is common. */
Test(http_head, length_of_204_is_dropped)
{
    struct http_head head;

    must_parse(&head, "GET", "HTTP/1.1 204 x\r\nA: 1\r\nContent-Length: 0\r\nB: 2\r\n\r\n");
    cr_assert_eq(head.n_fields, 2);
    cr_expect(dive_span_eq(head.fields[1].name, "B"));
    http_head_clear(&head);
}

Test(http_head, expect_and_upgrade)
{
    struct http_head head;

    must_parse(&head, NULL, POST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    cr_expect(head.expects_continue);
    http_head_clear(&head);
    must_parse(&head, NULL, POST "Expect: 100-continue\r\n\r\n");
    cr_expect_not(head.expects_continue, "without content there is nothing to wait with");
    http_head_clear(&head);
    must_parse(&head, NULL, "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    cr_expect_not(head.expects_continue, "RFC 9110 section 10.1.1: ignored in HTTP/1.0");
    http_head_clear(&head);

    must_parse(&head, NULL, GET H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    cr_expect(head.is_upgrade);
    http_head_clear(&head);
    must_parse(&head, NULL, GET H "Upgrade: websocket\r\n\r\n");
    cr_expect_not(head.is_upgrade);
    http_head_clear(&head);
    must_parse(&head, NULL, GET H "Connection: Upgrade\r\n\r\n");
    cr_expect_not(head.is_upgrade);
    http_head_clear(&head);
    must_parse(&head, "GET", "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    cr_expect(head.is_upgrade);
    http_head_clear(&head);
    must_parse(
        &head, "GET",
        "HTTP/1.1 426 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n");
    cr_expect_not(head.is_upgrade);
    http_head_clear(&head);
}

/* A head of exactly `target` bytes of target, `fields` extra fields and `size` bytes in all. */
static struct row make(size_t target, size_t fields, size_t size)
{
    static char bytes[4096];
    size_t n = 0;

    n += (size_t)sprintf(bytes + n, "GET /");
    memset(bytes + n, 'a', target - 1);
    n += target - 1;
    n += (size_t)sprintf(bytes + n, " HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < fields; i++)
        n += (size_t)sprintf(bytes + n, "X: 1\r\n");
    if (size > 0) {
        n += (size_t)sprintf(bytes + n, "Y: ");
        while (n < size - 4)
            bytes[n++] = 'b';
        n += (size_t)sprintf(bytes + n, "\r\n");
    }
    n += (size_t)sprintf(bytes + n, "\r\n");
    return (struct row){"limit", bytes, n, HTTP_DONE};
}

Test(http_head, limits)
{
    struct http_limits most = {.head = 600, .target = 100, .fields = 10};
    struct row row;

    row = make(100, 0, 0);
    check_row(&row, NULL, &most);
    row = make(101, 0, 0);
    row.expect = HTTP_E_TARGET_TOO_LONG;
    check_row(&row, NULL, &most);
    row = make(500, 0, 0); /* beyond what a request line can have */
    row.expect = HTTP_E_TARGET_TOO_LONG;
    check_row(&row, NULL, &most);
    row = make(10, 9, 0);
    check_row(&row, NULL, &most);
    row = make(10, 10, 0);
    row.expect = HTTP_E_TOO_MANY_FIELDS;
    check_row(&row, NULL, &most);
    row = make(10, 0, 600);
    cr_assert_eq(row.n, 600);
    check_row(&row, NULL, &most);
    row = make(10, 0, 601);
    row.expect = HTTP_E_HEAD_TOO_LARGE;
    check_row(&row, NULL, &most);
}

/* An unfinished line that is too long already is refused without waiting for its end. */
Test(http_head, refused_before_the_end)
{
    struct http_limits most = {.head = 600, .target = 100, .fields = 10};
    struct row row = make(500, 0, 0);

    row.n = 400;
    row.expect = HTTP_E_TARGET_TOO_LONG;
    check_row(&row, NULL, &most);
    row = make(10, 0, 900);
    row.n = 600;
    row.expect = HTTP_E_HEAD_TOO_LARGE;
    check_row(&row, NULL, &most);
    row.n = 599;
    row.expect = HTTP_NEED_MORE;
    check_row(&row, NULL, &most);
    check_row(&(struct row){"status line", row.bytes, 600, HTTP_E_HEAD_TOO_LARGE}, "GET", &most);
}

/* What has been looked at isn't looked at again: a head that comes slowly costs no more. */
Test(http_head, resumes_where_it_was)
{
    static const char bytes[] = GET H "X: 1\r\n" END;
    struct http_limits most = limits();
    struct http_scan scan = {0};
    struct http_head head;
    size_t consumed = 0;

    for (size_t n = 0; n < sizeof(bytes) - 1; n++) {
        cr_assert_eq(http_head_parse_request(&head, bytes, n, &most, &scan, &consumed),
                     HTTP_NEED_MORE);
        cr_expect_eq(scan.scanned, n > 0 && bytes[n - 1] == '\r' ? n - 1 : n);
    }
    cr_expect_eq(http_head_parse_request(&head, bytes, sizeof(bytes) - 1, &most, &scan, &consumed),
                 HTTP_DONE);
    http_head_clear(&head);
}

Test(http_head, fields)
{
    struct http_head head, copy;

    must_parse(&head, NULL,
               GET H
               "Accept: a;q=1, b\r\nx: 1\r\naccept: \"c, d\" , e\r\nX: 2\r\nConnection: a\r\n\r\n");
    cr_expect_eq(http_field_count(&head, "x"), 2);
    cr_expect_eq(http_field_count(&head, "none"), 0);
    cr_expect(http_field_has_token(&head, "ACCEPT", "B"));
    cr_expect(http_field_has_token(&head, "accept", "e"));
    cr_expect_not(http_field_has_token(&head, "accept", "d"), "inside a quoted string");
    cr_expect_not(http_field_has_token(&head, "accept", "a"), "it has a parameter");
    cr_expect_not(http_field_has_token(&head, "accept", ""));
    cr_assert_eq(http_head_copy(&copy, &head), 0);
    cr_expect(head_same(&head, &copy));
    cr_expect_neq(copy.fields[0].name.p, head.fields[0].name.p);
    cr_expect_eq(http_head_remove(&head, "X"), 2);
    cr_expect_eq(http_head_remove(&head, "X"), 0);
    cr_expect_eq(head.n_fields, 4);
    cr_expect(dive_span_eq(head.fields[2].value, "\"c, d\" , e"));
    http_head_clear(&head);
    cr_expect_eq(copy.n_fields, 6, "the copy is independent");
    cr_expect(dive_span_eq(copy.fields[2].value, "1"));
    http_head_clear(&copy);
    cr_expect_eq(http_head_copy(&copy, &head), 0, "an empty one has nothing to copy");
    cr_expect(head_empty(&copy));
}

Test(http_head, lists)
{
    struct dive_span rest = dive_span_str(" a ,, \"b,\\\",c\" ,\t d=\"e,f\"x ,"), member;

    cr_assert(http_list_next(&rest, &member));
    cr_expect(dive_span_eq(member, "a"));
    cr_assert(http_list_next(&rest, &member));
    cr_expect(dive_span_eq(member, "\"b,\\\",c\""));
    cr_assert(http_list_next(&rest, &member));
    cr_expect(dive_span_eq(member, "d=\"e,f\"x"));
    cr_expect_not(http_list_next(&rest, &member));
    rest = dive_span_str("\"a,b"); /* never closed: one member to the end */
    cr_assert(http_list_next(&rest, &member));
    cr_expect(dive_span_eq(member, "\"a,b"));
    cr_expect_not(http_list_next(&rest, &member));
}
