/* SPDX-License-Identifier: BSD-2-Clause
 *
 * redirect: RFC 3986 section 5.4 as far as http is concerned, and what is refused.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/redirect.h"

static void expect_from(const char *base, const char *location, const char *want)
{
    struct http_url from, to;
    char *text;
    int r;

    cr_assert_eq(http_url_parse(&from, dive_span_str(base)), 0);
    r = redirect_resolve(&to, &from, dive_span_str(location));
    if (want == NULL) {
        cr_expect_neq(r, 0, "%s", location);
        cr_expect_null(to.target);
    } else {
        cr_expect_eq(r, 0, "%s", location);
        text = r == 0 ? http_url_string(&to, false) : NULL;
        cr_expect(text != NULL && strcmp(text, want) == 0, "%s: %s", location,
                  text != NULL ? text : "-");
        free(text);
        http_url_clear(&to);
    }
    http_url_clear(&from);
}

Test(redirect, references_are_resolved)
{
    static const char *const table[][2] = {
        {"g", "/b/c/g"},
        {"./g", "/b/c/g"},
        {"g/", "/b/c/g/"},
        {"/g", "/g"},
        {"?y", "/b/c/d?y"},
        {"g?y", "/b/c/g?y"},
        {"#s", "/b/c/d?q"},
        {"g#s", "/b/c/g"},
        {"g?y#s", "/b/c/g?y"},
        {"", "/b/c/d?q"},
        {".", "/b/c/"},
        {"./", "/b/c/"},
        {"..", "/b/"},
        {"../", "/b/"},
        {"../g", "/b/g"},
        {"../..", "/"},
        {"../../g", "/g"},
        {"../../../g", "/g"},
        {"../../../../g", "/g"},
        {"/./g", "/g"},
        {"/../g", "/g"},
        {"g.", "/b/c/g."},
        {".g", "/b/c/.g"},
        {"g..", "/b/c/g.."},
        {"..g", "/b/c/..g"},
        {"./../g", "/b/g"},
        {"./g/.", "/b/c/g/"},
        {"g/./h", "/b/c/g/h"},
        {"g/../h", "/b/c/h"},
        {"g?y/../x", "/b/c/g?y/../x"},
        {"g;x=1/../y", "/b/c/y"},
        {"//", NULL},
        {"a b", NULL},
    };
    char want[128];

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        snprintf(want, sizeof(want), "http://a%s", table[i][1] != NULL ? table[i][1] : "");
        expect_from("http://a/b/c/d?q", table[i][0], table[i][1] != NULL ? want : NULL);
    }
}

Test(redirect, authorities_and_schemes)
{
    expect_from("https://a/b", "//c:8443/d/../e?f", "https://c:8443/e?f");
    expect_from("https://a/b", "http://c/./d", "http://c/d");
    expect_from("http://a", "b", "http://a/b");
    expect_from("http://a?q", "", "http://a/?q");
    expect_from("http://a:8080/x", "y", "http://a:8080/y");
    expect_from("http://[::1]:81/x", "y:z", NULL);
    expect_from("http://a/x", "./y:z", "http://a/y:z");
    expect_from("http://a/x", "HTTPS://B/", "https://b/");
    expect_from("http://a/x", "ftp://b/", NULL);
    expect_from("http://a/x", "http://u:p@b/", NULL);
    expect_from("http://a/x", "http:b", NULL);
    expect_from("http://a/x", "y\r\nX: z", NULL);
}

Test(redirect, statuses)
{
    static const int yes[] = {301, 302, 303, 307, 308}, no[] = {200, 300, 304, 305, 306, 309, 404};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        cr_expect(redirect_is_one(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        cr_expect_not(redirect_is_one(no[i]));
}

Test(redirect, origins)
{
    static const char *const others[] = {"https://a/", "http://a:81/", "http://b/"};
    struct http_url a, b;

    cr_assert_eq(http_url_parse(&a, dive_span_str("http://a/x")), 0);
    cr_assert_eq(http_url_parse(&b, dive_span_str("http://A:80/y")), 0);
    cr_expect(redirect_same_origin(&a, &b));
    http_url_clear(&b);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cr_assert_eq(http_url_parse(&b, dive_span_str(others[i])), 0);
        cr_expect_not(redirect_same_origin(&a, &b), "%s", others[i]);
        http_url_clear(&b);
    }
    http_url_clear(&a);
}
