/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_range: RFC 9110 sections 14.1.2 and 14.2.
 */
#include <criterion/criterion.h>

#include "http/range.h"

struct row {
    const char *value;
    uint64_t length;
    enum http_range_result result;
    uint64_t first, last;
};

/* clang-format off */
static const struct row rows[] = {
    {"bytes=0-499", 10000, HTTP_RANGE_PARTIAL, 0, 499},
    {"bytes=0-0", 1, HTTP_RANGE_PARTIAL, 0, 0},
    {"bytes=9999-", 10000, HTTP_RANGE_PARTIAL, 9999, 9999},
    {"bytes=10000-", 10000, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=0-9999", 10000, HTTP_RANGE_PARTIAL, 0, 9999},
    {"bytes=0-10000", 10000, HTTP_RANGE_PARTIAL, 0, 9999},
    {"bytes=5-18446744073709551616", 10, HTTP_RANGE_PARTIAL, 5, 9},
    {"bytes=18446744073709551616-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-1", 10, HTTP_RANGE_PARTIAL, 9, 9},
    {"bytes=-10", 10, HTTP_RANGE_PARTIAL, 0, 9},
    {"bytes=-11", 10, HTTP_RANGE_PARTIAL, 0, 9},
    {"bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-5", 0, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0},
    {"BYTES=1-2", 10, HTTP_RANGE_PARTIAL, 1, 2},
    {" bytes= 1-2 ", 10, HTTP_RANGE_PARTIAL, 1, 2},
    {"bytes=2-1", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=0-1,3-4", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=0-1,", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=-", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=1", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=1 -2", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=+1-2", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=--2", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=1-2-3", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes=0x1-2", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"lines=1-2", 10, HTTP_RANGE_IGNORE, 0, 0},
    {"bytes =1-2", 10, HTTP_RANGE_IGNORE, 0, 0},
};
/* clang-format on */

Test(http_range, values)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_range range = {7, 7};
        cr_expect_eq(http_range_parse(dive_span_str(rows[i].value), rows[i].length, &range),
                     rows[i].result, "%s", rows[i].value);
        cr_expect_eq(range.first, rows[i].first, "%s", rows[i].value);
        cr_expect_eq(range.last, rows[i].last, "%s", rows[i].value);
    }
}

Test(http_range, is_bounded)
{
    char value[160] = "bytes=";
    struct http_range range;

    memset(value + 6, '0', 129);
    memcpy(value + 6 + 120, "1-", 3);
    cr_assert_eq(strlen(value), 128);
    cr_expect_eq(http_range_parse(dive_span_str(value), 10, &range), HTTP_RANGE_PARTIAL);
    memcpy(value + 6 + 120, "01-", 4);
    cr_expect_eq(http_range_parse(dive_span_str(value), 10, &range), HTTP_RANGE_IGNORE);
}

Test(http_range, of_a_request)
{
    struct dive_field fields[] = {{dive_span_str("range"), dive_span_str("bytes=1-2")},
                                  {dive_span_str("Range"), dive_span_str("bytes=1-2")}};
    struct http_head head = {.fields = fields, .n_fields = 1};
    struct http_range range;

    cr_expect_eq(http_range_from_request(&head, 10, &range), HTTP_RANGE_PARTIAL);
    head.n_fields = 2;
    cr_expect_eq(http_range_from_request(&head, 10, &range), HTTP_RANGE_IGNORE);
    head.n_fields = 0;
    cr_expect_eq(http_range_from_request(&head, 10, &range), HTTP_RANGE_IGNORE);
}

Test(http_range, content_range)
{
    char text[HTTP_CONTENT_RANGE_SIZE];
    struct http_range range = {0, 99};

    http_content_range(text, &range, 1000);
    cr_expect_str_eq(text, "bytes 0-99/1000");
    http_content_range(text, NULL, 1000);
    cr_expect_str_eq(text, "bytes */1000");
    range = (struct http_range){UINT64_MAX - 1, UINT64_MAX - 1};
    http_content_range(text, &range, UINT64_MAX);
    cr_expect_str_eq(text, "bytes 18446744073709551614-18446744073709551614/18446744073709551615");
}
