/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_multipart: RFC 9110 section 15.3.7.2, RFC 2046 section 5.1.1.
 */
#include <criterion/criterion.h>

#include "http/error.h"
#include "http/multipart.h"

static const uint8_t random_bytes[16] = {0, 1, 0xab, 0xff};
#define B "0001abff000000000000000000000000"

Test(http_multipart, exact_bytes)
{
    static const char content[] = "0123456789";
    struct http_range_set set = {.v = {{8, 9}, {0, 2}}, .n = 2};
    struct http_multipart m;
    char out[1024];
    size_t n = 0;

    cr_assert(http_multipart_make(&m, &set, dive_span_str("text/plain"), 10, random_bytes) == 0);
    cr_expect_str_eq(m.content_type, "multipart/byteranges; boundary=" B);
    for (size_t i = 0; i < m.n; i++) {
        const struct http_segment *s = &m.segments[i];
        const char *from = s->literal.n > 0 ? s->literal.p : content + s->content.first;
        size_t len =
            s->literal.n > 0 ? s->literal.n : (size_t)(s->content.last - s->content.first + 1);
        memcpy(out + n, from, len);
        n += len;
    }
    out[n] = '\0';
    cr_expect_str_eq(out, "--" B "\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n"
                          "\r\n89\r\n--" B "\r\nContent-Type: text/plain\r\n"
                          "Content-Range: bytes 0-2/10\r\n\r\n012\r\n--" B "--\r\n");
    cr_expect(m.content_length == n && m.n == 5);
    http_multipart_clear(&m);
    cr_expect(m.bytes == NULL);
}

Test(http_multipart, without_type_and_with_a_huge_one)
{
    struct http_range_set set = {.v = {{0, 0}, {500, 500}}, .n = 2};
    struct http_multipart m;
    char type[300];

    cr_assert(http_multipart_make(&m, &set, dive_span(NULL, 0), 1000, random_bytes) == 0);
    cr_expect(memmem(m.bytes, m.segments[0].literal.n, "Content-Type", 12) == NULL);
    http_multipart_clear(&m);
    memset(type, 'a', sizeof(type));
    cr_assert(http_multipart_make(&m, &set, dive_span(type, 256), 1000, random_bytes) == 0);
    cr_expect(memmem(m.bytes, m.segments[0].literal.n, "Content-Type", 12) != NULL);
    http_multipart_clear(&m);
    cr_assert(http_multipart_make(&m, &set, dive_span(type, 257), 1000, random_bytes) == 0);
    cr_expect(memmem(m.bytes, m.segments[0].literal.n, "Content-Type", 12) == NULL);
    http_multipart_clear(&m);
}

Test(http_multipart, the_most_ranges_of_the_largest_content)
{
    struct http_range_set set = {.n = HTTP_RANGES_MAX};
    struct http_multipart m;
    char type[256];

    memset(type, 'a', sizeof(type));
    for (size_t i = 0; i < set.n; i++)
        set.v[i] = (struct http_range){UINT64_MAX - 10000 + 200 * i, UINT64_MAX - 9999 + 200 * i};
    cr_assert(http_multipart_make(&m, &set, dive_span(type, sizeof(type)), UINT64_MAX,
                                  random_bytes) == 0);
    cr_expect(m.n == HTTP_SEGMENTS_MAX);
    http_multipart_clear(&m);
}

Test(http_multipart, ranges_that_nobody_parsed)
{
    struct http_range_set rows[] = {
        {.v = {{0, 0}}, .n = 1},
        {.n = 0},
        {.v = {{0, 0}, {5, 10}}, .n = 2},
        {.v = {{0, 0}, {6, 5}}, .n = 2},
    };
    struct http_multipart m;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect(http_multipart_make(&m, &rows[i], dive_span(NULL, 0), 10, random_bytes) ==
                  HTTP_E_INTERNAL);
        cr_expect(m.bytes == NULL && m.n == 0);
    }
}
