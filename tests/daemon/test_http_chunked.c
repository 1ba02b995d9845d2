/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_chunked: one row a body, decoded in one piece, byte by byte and cut at every position.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/chunked.h"

#define TEXT(s) (s), sizeof(s) - 1

struct row {
    const char *name;
    const char *bytes;
    size_t n;
    int expect;
    const char *content; /* what has come out until then */
};

/* clang-format off */
static const struct row rows[] = {
    {"two chunks", TEXT("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), HTTP_DONE, "abcde"},
    {"empty body", TEXT("0\r\n\r\n"), HTTP_DONE, ""},
    {"several zeros", TEXT("000\r\n\r\n"), HTTP_DONE, ""},
    {"upper and lower case", TEXT("0a\r\n0123456789\r\n0B\r\n0123456789a\r\n0\r\n\r\n"), HTTP_DONE, "01234567890123456789a"},
    {"16 digits", TEXT("0000000000000001\r\na\r\n0000000000000000\r\n\r\n"), HTTP_DONE, "a"},
    {"17 digits", TEXT("00000000000000001\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"2^63-1 bytes", TEXT("7fffffffffffffff\r\nab"), HTTP_NEED_MORE, "ab"},
    {"2^63 bytes", TEXT("8000000000000000\r\nab"), HTTP_E_CHUNK_SIZE, ""},
    {"2^64-1 bytes", TEXT("ffffffffffffffff\r\nab"), HTTP_E_CHUNK_SIZE, ""},
    {"2^63 bytes in all", TEXT("1\r\na\r\n7fffffffffffffff\r\nab"), HTTP_E_CHUNK_SIZE, "a"},
    {"CRLF as content", TEXT("2\r\n\r\n\r\n0\r\n\r\n"), HTTP_DONE, "\r\n"},
    {"no digits", TEXT("\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"no digits before an extension", TEXT(";a\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"plus sign", TEXT("+1\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"minus sign", TEXT("-1\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"0x", TEXT("0x1\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"no hexadecimal digit", TEXT("g\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"underscore", TEXT("1_0\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"space before the size", TEXT(" 1\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"space behind the size", TEXT("1 \r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"space in the size", TEXT("1 0\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"NUL in the size", TEXT("1\0\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"LF behind the size", TEXT("1\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"CR X behind the size", TEXT("1\rXa\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"CR CR LF behind the size", TEXT("1\r\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"extension", TEXT("1;a=b;c\r\na\r\n0;d=\"e f\"\r\n\r\n"), HTTP_DONE, "a"},
    {"white space before an extension", TEXT("1 \t; a = b\r\na\r\n0\r\n\r\n"), HTTP_DONE, "a"},
    {"obs-text in an extension", TEXT("1;a=\"\xe9\"\r\na\r\n0\r\n\r\n"), HTTP_DONE, "a"},
    {"LF in an extension", TEXT("1;a\nb\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_EXTENSION, ""},
    {"CR in an extension", TEXT("1;a\rb\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, ""},
    {"NUL in an extension", TEXT("1;\0\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_EXTENSION, ""},
    {"DEL in an extension", TEXT("1;\x7f\r\na\r\n0\r\n\r\n"), HTTP_E_CHUNK_EXTENSION, ""},
    {"XY behind the content", TEXT("1\r\naXY0\r\n\r\n"), HTTP_E_CHUNK_END, "a"},
    {"LF behind the content", TEXT("1\r\na\n0\r\n\r\n"), HTTP_E_CHUNK_END, "a"},
    {"CR X behind the content", TEXT("1\r\na\rX0\r\n\r\n"), HTTP_E_CHUNK_END, "a"},
    {"more content than said", TEXT("1\r\nab\r\n0\r\n\r\n"), HTTP_E_CHUNK_END, "a"},
    {"less content than said", TEXT("5\r\nab\r\n0\r\n\r\n"), HTTP_E_CHUNK_SIZE, "ab\r\n0"},
    {"no last chunk", TEXT("1\r\na\r\n"), HTTP_NEED_MORE, "a"},
    {"no empty line", TEXT("1\r\na\r\n0\r\n"), HTTP_NEED_MORE, "a"},
    {"no last LF", TEXT("1\r\na\r\n0\r\n\r"), HTTP_NEED_MORE, "a"},
    {"LF as the empty line", TEXT("0\r\n\n"), HTTP_E_TRAILER, ""},
    {"CR X as the empty line", TEXT("0\r\n\rX"), HTTP_E_TRAILER, ""},
    {"trailers", TEXT("1\r\na\r\n0\r\nA: b\r\nContent-Digest:\r\n\r\n"), HTTP_DONE, "a"},
    {"folded trailer", TEXT("0\r\nA: b\r\n c\r\n\r\n"), HTTP_E_TRAILER, ""},
    {"trailer without a colon", TEXT("0\r\nA\r\n\r\n"), HTTP_E_TRAILER, ""},
    {"trailer without a name", TEXT("0\r\n: a\r\n\r\n"), HTTP_E_TRAILER, ""},
    {"space before a trailer's colon", TEXT("0\r\nA : a\r\n\r\n"), HTTP_E_TRAILER, ""},
    {"LF behind a trailer", TEXT("0\r\nA: a\n\r\n"), HTTP_E_TRAILER, ""},
    {"CR in a trailer", TEXT("0\r\nA: a\rb\r\n\r\n"), HTTP_E_TRAILER, ""},
    {"NUL in a trailer", TEXT("0\r\nA: \0\r\n\r\n"), HTTP_E_TRAILER, ""},
};
/* clang-format on */

struct result {
    int r;
    size_t used;
    size_t n;
    char content[64];
};

/* Feeds [from, to) of the row, from memory of exactly that size. */
static int feed(struct http_chunked *c, const struct row *row, size_t from, size_t to,
                struct result *out)
{
    size_t n = to - from, at = 0, used = 0;
    struct dive_span content;
    char *copy = malloc(n > 0 ? n : 1);

    memcpy(copy, row->bytes + from, n);
    do {
        out->r = http_chunked_feed(c, copy + at, n - at, &used, &content);
        cr_assert_leq(used, n - at);
        at += used;
        if (out->r == HTTP_DATA) {
            cr_assert(content.n > 0 && content.p >= copy && content.p + content.n <= copy + n);
            cr_assert_lt(out->n + content.n, sizeof(out->content), "%s", row->name);
            memcpy(out->content + out->n, content.p, content.n);
            out->n += content.n;
        } else {
            cr_assert_eq(content.n, 0);
        }
    } while (out->r == HTTP_DATA);
    if (out->r == HTTP_NEED_MORE)
        cr_assert_eq(at, n, "%s: all must be taken", row->name);
    out->used = from + at;
    free(copy);
    return out->r;
}

static void check_row(const struct row *row)
{
    for (size_t cut = 0; cut <= row->n; cut++) {
        struct http_chunked c = {0};
        struct result result = {0};
        if (feed(&c, row, 0, cut, &result) == HTTP_NEED_MORE)
            feed(&c, row, cut, row->n, &result);
        cr_expect_eq(result.r, row->expect, "%s cut at %zu: %d", row->name, cut, result.r);
        cr_expect_str_eq(result.content, row->content, "%s cut at %zu", row->name, cut);
        if (result.r == HTTP_DONE)
            cr_expect_eq(result.used, row->n, "%s cut at %zu", row->name, cut);
    }
    struct http_chunked c = {0};
    struct result result = {.r = HTTP_NEED_MORE};
    for (size_t i = 0; i < row->n && result.r == HTTP_NEED_MORE; i++)
        feed(&c, row, i, i + 1, &result);
    cr_expect_eq(result.r, row->expect, "%s byte by byte: %d", row->name, result.r);
    cr_expect_str_eq(result.content, row->content, "%s byte by byte", row->name);
}

Test(http_chunked, bodies)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

Test(http_chunked, leaves_the_next_message)
{
    struct row row = {"", TEXT("1\r\na\r\n0\r\n\r\nHTTP/1.1"), HTTP_DONE, "a"};
    struct http_chunked c = {0};
    struct result result = {0};

    cr_assert_eq(feed(&c, &row, 0, row.n, &result), HTTP_DONE);
    cr_expect_eq(result.used, row.n - 8);
    cr_expect_eq(feed(&c, &row, result.used, row.n, &result), HTTP_DONE);
    cr_expect_eq(result.used, row.n - 8, "nothing is taken after the end");
}

Test(http_chunked, failure_is_final)
{
    struct http_chunked c = {0};
    struct dive_span content;
    size_t used = 0;

    cr_assert_lt(http_chunked_feed(&c, "x", 1, &used, &content), 0);
    cr_expect_lt(http_chunked_feed(&c, "0\r\n\r\n", 5, &used, &content), 0);
    cr_expect_eq(used, 0);
    cr_expect_lt(http_chunked_feed(&c, "", 0, &used, &content), 0);
}

/* Content is returned in the largest spans that the input allows, in place. */
Test(http_chunked, content_is_not_copied)
{
    static const char bytes[] = "a\r\n0123456789\r\n";
    struct http_chunked c = {0};
    struct dive_span content;
    size_t used = 0;

    cr_assert_eq(http_chunked_feed(&c, bytes, sizeof(bytes) - 1, &used, &content), HTTP_DATA);
    cr_expect_eq(content.p, bytes + 3);
    cr_expect_eq(content.n, 10);
    cr_expect_eq(used, 13);
}

static int feed_text(struct http_chunked *c, const char *p, size_t n)
{
    struct dive_span content;
    size_t used = 0;
    int r = HTTP_DATA;

    for (; r == HTTP_DATA; p += used, n -= used)
        r = http_chunked_feed(c, p, n, &used, &content);
    return r;
}

Test(http_chunked, extensions_are_bounded_by_message)
{
    /* ";" and text count: 4 chunks of 1024 bytes of extension are the maximum. */
    for (int more = 0; more <= 1; more++) {
        struct http_chunked c = {0};
        char chunk[2048] = "1;";
        memset(chunk + 2, 'x', 1023);
        memcpy(chunk + 1025, "\r\na\r\n", 6);
        for (int i = 0; i < 4; i++)
            cr_assert_eq(feed_text(&c, chunk, strlen(chunk)), HTTP_NEED_MORE);
        struct http_chunked space = c, two = {.extensions = HTTP_CHUNK_EXTENSIONS_MAX - 1};
        cr_expect_eq(feed_text(&space, "1 ", 2), HTTP_E_CHUNK_EXTENSION);
        cr_expect_eq(feed_text(&two, "1  ", 3), HTTP_E_CHUNK_EXTENSION);
        if (more)
            cr_expect_eq(feed_text(&c, "1;\r\n", 4), HTTP_E_CHUNK_EXTENSION);
        else
            cr_expect_eq(feed_text(&c, "0\r\n\r\n", 5), HTTP_DONE);
    }
}

Test(http_chunked, trailers_are_bounded)
{
    for (int more = 0; more <= 1; more++) {
        struct http_chunked c = {0};
        static char value[HTTP_TRAILER_MAX];
        size_t n = HTTP_TRAILER_MAX - 2 /* "A:" */ - 2 - 2 + (size_t)more;
        memset(value, 'x', n);
        cr_assert_eq(feed_text(&c, "0\r\nA:", 5), HTTP_NEED_MORE);
        cr_assert_eq(feed_text(&c, value, n), HTTP_NEED_MORE);
        cr_expect_eq(feed_text(&c, "\r\n\r\n", 4), more ? HTTP_E_TRAILER : HTTP_DONE);
    }
    for (int fields = HTTP_TRAILER_FIELDS_MAX; fields <= HTTP_TRAILER_FIELDS_MAX + 1; fields++) {
        struct http_chunked c = {0};
        int r = feed_text(&c, "0\r\n", 3);
        for (int i = 0; i < fields && r == HTTP_NEED_MORE; i++)
            r = feed_text(&c, "A:b\r\n", 5);
        if (r == HTTP_NEED_MORE)
            r = feed_text(&c, "\r\n", 2);
        cr_expect_eq(r, fields > HTTP_TRAILER_FIELDS_MAX ? HTTP_E_TRAILER : HTTP_DONE);
    }
}

Test(http_chunked, headers_that_are_written_are_read)
{
    static const size_t sizes[] = {1, 9, 10, 15, 16, 255, 256, 65535, 65536, 0x7fffffffffffffff};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char header[HTTP_CHUNK_HEADER_MAX], expected[32];
        size_t n = http_chunk_header(header, sizes[i]), used = 0;
        struct http_chunked c = {0};
        struct dive_span content;
        snprintf(expected, sizeof(expected), "%zx\r\n", sizes[i]);
        cr_expect_eq(n, strlen(expected));
        cr_expect_eq(memcmp(header, expected, n), 0, "%s", expected);
        cr_expect_eq(http_chunked_feed(&c, header, n, &used, &content), HTTP_NEED_MORE);
        cr_expect_eq(c.left, sizes[i]);
    }
}
