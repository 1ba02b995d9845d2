/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_date: against the RFC's examples, and against the C library over four thousand years.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "http/date.h"

Test(http_date, formats_as_the_library_does)
{
    for (int64_t t = -62135596800; t <= 253402300799; t += 86400LL * 97 + 12345) {
        char expected[64], text[HTTP_DATE_SIZE];
        time_t at = (time_t)t;
        struct tm tm;
        int64_t back = 0;
        gmtime_r(&at, &tm);
        static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        snprintf(expected, sizeof(expected), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                 days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
        http_date_format(text, t);
        cr_assert_str_eq(text, expected);
        cr_assert_eq(http_date_parse(&back, dive_span_str(text), 0), 0, "%s", text);
        cr_assert_eq(back, t, "%s", text);
    }
}

Test(http_date, ends_of_time)
{
    char text[HTTP_DATE_SIZE];

    http_date_format(text, INT64_MAX);
    cr_expect_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
    http_date_format(text, INT64_MIN);
    cr_expect_str_eq(text, "Mon, 01 Jan 0001 00:00:00 GMT");
}

Test(http_date, cached)
{
    cr_expect_str_eq(http_date_cached(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    cr_expect_str_eq(http_date_cached(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    cr_expect_eq(http_date_cached(784111777), http_date_cached(784111777));
    cr_expect_str_eq(http_date_cached(784111778), "Sun, 06 Nov 1994 08:49:38 GMT");
}

struct row {
    const char *text;
    int64_t expect; /* -1: no date */
};

/* `now` is in 2025. */
static const struct row rows[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {"Sun Nov 06 08:49:37 1994", 784111777},
    {"Tuesday, 01-Jan-75 00:00:00 GMT", 3313526400},  /* 50 years ahead: 2075 */
    {"Wednesday, 01-Jan-76 00:00:00 GMT", 189302400}, /* 51: 1976 */
    {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
    {"Thu, 01 Jan 1970 00:00:60 GMT", 60},
    {"Tue, 29 Feb 2100 00:00:00 GMT", -1},
    {"Tue, 29 Feb 2023 00:00:00 GMT", -1},
    {"Sun, 31 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nov 0000 08:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
    {"Sun, 06 Nov 1994 08:49:37 +0000", -1},
    {"Sun, 06 Nov 1994 08:49:37", -1},
    {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
    {" Sun, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
    {"sun, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nox 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nov 1994 8:49:37 GMT", -1},
    {"0", -1},
    {"-1", -1},
    {"", -1},
    {"Su", -1},
    {",", -1},
    {"Sunday,", -1},
};

Test(http_date, parses)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t t = 7;
        int r = http_date_parse(&t, dive_span_str(rows[i].text), 1748000000);
        cr_expect_eq(r, rows[i].expect >= 0 ? 0 : -1, "%s", rows[i].text);
        cr_expect_eq(t, rows[i].expect >= 0 ? rows[i].expect : 0, "%s: %lld", rows[i].text,
                     (long long)t);
    }
}
