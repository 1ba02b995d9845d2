/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_range: RFC 9110 sections 14.1.2 and 14.2.
 */
#include <criterion/criterion.h>
#include <stdio.h>

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

static const char *set_of(const char *value, uint64_t length)
{
    static char out[1024];
    struct http_range_set set;
    size_t n = 0;

    switch (http_range_set_parse(dive_span_str(value), length, &set)) {
    case HTTP_RANGE_IGNORE:
        cr_expect(set.n == 0);
        return "ignore";
    case HTTP_RANGE_UNSATISFIABLE:
        cr_expect(set.n == 0);
        return "unsatisfiable";
    case HTTP_RANGE_PARTIAL:
        break;
    }
    for (size_t i = 0; i < set.n; i++)
        n +=
            (size_t)snprintf(out + n, sizeof(out) - n, "%s%llu-%llu", i > 0 ? " " : "",
                             (unsigned long long)set.v[i].first, (unsigned long long)set.v[i].last);
    return out;
}

Test(http_range, sets)
{
    static const struct {
        const char *value;
        uint64_t length;
        const char *result;
    } set_rows[] = {
        {"bytes=0-9", 1000, "0-9"},
        {"bytes=0-", 1000, "0-999"},
        {"bytes=0-9,500-509", 1000, "0-9 500-509"},
        {"bytes=500-509,0-9", 1000, "500-509 0-9"}, /* in the client's order */
        {"bytes=0-9 , ,\t500-509,", 1000, "0-9 500-509"},
        {"BYTES=0-9,-10", 1000, "0-9 990-999"},
        {"bytes=0-9,2000-", 1000, "0-9"}, /* what can't be satisfied is passed over */
        {"bytes=2000-,3000-", 1000, "unsatisfiable"},
        {"bytes=-0,3000-", 1000, "unsatisfiable"},
        {"bytes=0-9,-0", 1000, "0-9"},
        /* overlapping, touching, too close: coalesced, and in order then */
        {"bytes=0-9,5-20", 1000, "0-20"},
        {"bytes=500-509,0-9,10-19", 1000, "0-19 500-509"},
        {"bytes=0-9,0-9,0-9", 1000, "0-9"},
        {"bytes=0-99,20-30", 1000, "0-99"},
        {"bytes=0-9,137-140", 1000, "0-140"},
        {"bytes=0-9,138-140", 1000, "0-9 138-140"},
        /* several that come to the whole */
        {"bytes=0-499,500-999", 1000, "ignore"},
        {"bytes=0-,0-,0-", 1000, "ignore"},
        {"bytes=0-,2000-", 1000, "ignore"},
        {"bytes=0-0,-1", 2, "ignore"},
        /* sixteen and one more */
        {"bytes=0-0,200-200,400-400,600-600,800-800,1000-1000,1200-1200,1400-1400,1600-1600,"
         "1800-1800,2000-2000,2200-2200,2400-2400,2600-2600,2800-2800,3000-3000",
         9999,
         "0-0 200-200 400-400 600-600 800-800 1000-1000 1200-1200 1400-1400 1600-1600 1800-1800 "
         "2000-2000 2200-2200 2400-2400 2600-2600 2800-2800 3000-3000"},
        {"bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0", 9, "0-0"},
        {"bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0", 9, "ignore"},
        {"bytes=9-,9-,9-,9-,9-,9-,9-,9-,9-,9-,9-,9-,9-,9-,9-,9-,9-", 9, "ignore"},
        /* one malformed member spoils the whole (RFC 9110 section 14.2) */
        {"bytes=0-9,x", 1000, "ignore"},
        {"bytes=0-9,9-0", 1000, "ignore"},
        {"bytes=0-9,-", 1000, "ignore"},
        {"bytes=0-9,1 - 2", 1000, "ignore"},
        {"bytes=0-9,\"1-2\"", 1000, "ignore"},
        {"bytes=0-9;1-2", 1000, "ignore"},
        {"bytes=", 1000, "ignore"},
        {"bytes=,", 1000, "ignore"},
        {"bytes 0-9", 1000, "ignore"},
        {"items=0-9,20-30", 1000, "ignore"},
        {"", 1000, "ignore"},
        {"bytes=0-9,20-", 0, "unsatisfiable"},
        {"bytes=-9,-1", 0, "ignore"},
        {"bytes=0-18446744073709551615,1-18446744073709551616", 10, "ignore"},
        {"bytes=1-18446744073709551615", UINT64_MAX, "1-18446744073709551614"},
    };

    for (size_t i = 0; i < sizeof(set_rows) / sizeof(set_rows[0]); i++)
        cr_expect_str_eq(set_of(set_rows[i].value, set_rows[i].length), set_rows[i].result, "%s",
                         set_rows[i].value);
}

Test(http_range, a_long_set_is_ignored)
{
    char value[2000];

    memset(value, ' ', sizeof(value));
    memcpy(value, "bytes=0-9,", 10);
    memcpy(value + 1021, "5-6", 4);
    cr_expect_str_eq(set_of(value, 1000), "0-9");
    value[1021] = ' ';
    memcpy(value + 1022, "5-6", 4);
    cr_expect_str_eq(set_of(value, 1000), "ignore");
}

Test(http_range, set_from_a_repeated_field)
{
    struct dive_field fields[2] = {{dive_span_str("Range"), dive_span_str("bytes=0-1,500-501")},
                                   {dive_span_str("range"), dive_span_str("bytes=0-1")}};
    struct http_head head = {.fields = fields, .n_fields = 1};
    struct http_range_set set;

    cr_expect(http_range_set_from_request(&head, 1000, &set) == HTTP_RANGE_PARTIAL && set.n == 2);
    head.n_fields = 2;
    cr_expect(http_range_set_from_request(&head, 1000, &set) == HTTP_RANGE_IGNORE);
    head.n_fields = 0;
    cr_expect(http_range_set_from_request(&head, 1000, &set) == HTTP_RANGE_IGNORE);
}
