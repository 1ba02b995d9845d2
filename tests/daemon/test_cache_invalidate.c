/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_invalidate: RFC 9111 section 4.4.
 */
#include "cache/invalidate.h"
#include "tests/daemon/cache_head.h"

#define BASE "http://a.example:8080/x/y/z?q"

/* The URLs, without "http://a.example:8080", joined with " ". */
static const char *urls(const char *method, int status, const char *fields)
{
    static char out[4096];
    struct http_head head = response_of(status, fields);
    struct http_url base;
    struct invalidate all;
    size_t n = 0;

    cr_assert(http_url_parse(&base, dive_span_str(BASE)) == 0);
    cr_assert(invalidate_of(&all, dive_span_str(method), &base, &head) == 0);
    out[0] = '\0';
    for (size_t i = 0; i < all.n; i++) {
        cr_expect_str_eq(all.urls[i].authority, "a.example:8080");
        cr_expect_not(all.urls[i].https);
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", n > 0 ? " " : "",
                              all.urls[i].target);
    }
    invalidate_clear(&all);
    http_url_clear(&base);
    http_head_clear(&head);
    return out;
}

Test(cache_invalidate, which_requests)
{
    static const char *const unsafe[] = {"POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "get"};
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};

    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
        cr_expect_str_eq(urls(unsafe[i], 200, ""), "/x/y/z?q");
        cr_expect_str_eq(urls(unsafe[i], 303, ""), "/x/y/z?q");
        cr_expect_str_eq(urls(unsafe[i], 404, "Location: /a\r\n"), "");
        cr_expect_str_eq(urls(unsafe[i], 500, ""), "");
    }
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
        cr_expect_str_eq(urls(safe[i], 200, "Location: /a\r\n"), "");
}

Test(cache_invalidate, references)
{
    static const struct {
        const char *reference, *target; /* NULL: none but the request's own */
    } rows[] = {
        {"http://a.example:8080/b", "/b"},
        {"HTTP://A.example:8080/b", "/b"},
        {"//a.example:8080/b", "/b"},
        {"/b?c", "/b?c"},
        {"/b?c/../d", "/b?c/../d"},
        {"/b#f", "/b"},
        {"b", "/x/y/b"},
        {"./b", "/x/y/b"},
        {"../b", "/x/b"},
        {"../../b", "/b"},
        {"../../../../b", "/b"},
        {"..", "/x/"},
        {".", "/x/y/"},
        {"../..", "/"},
        {"b/./c/../d", "/x/y/b/d"},
        {"?r", "/x/y/z?r"},
        {"", NULL}, /* itself */
        {"#f", NULL},
        {"b:c", NULL}, /* a scheme */
        {"/x/y/z?q", NULL},
        /* other origins */
        {"https://a.example:8080/b", NULL},
        {"http://a.example/b", NULL},
        {"http://b.example:8080/b", NULL},
        {"//b.example:8080/b", NULL},
        {"http://a.example:8080@b.example/b", NULL},
        {"ftp://a.example:8080/b", NULL},
        /* nonsense */
        {"http://", NULL},
        {"//", NULL},
        {"http://a.example:99999/b", NULL},
        {"/b\\c", NULL},
        {"/%zz", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char fields[256], wanted[256];
        snprintf(wanted, sizeof(wanted), "/x/y/z?q%s%s", rows[i].target != NULL ? " " : "",
                 rows[i].target != NULL ? rows[i].target : "");
        snprintf(fields, sizeof(fields), "Location: %s\r\n", rows[i].reference);
        cr_expect_str_eq(urls("POST", 201, fields), wanted, "%s", rows[i].reference);
        snprintf(fields, sizeof(fields), "Content-Location: %s\r\n", rows[i].reference);
        cr_expect_str_eq(urls("POST", 201, fields), wanted, "%s", rows[i].reference);
    }
}

Test(cache_invalidate, both_fields_and_repeated_ones)
{
    cr_expect_str_eq(urls("PUT", 200, "Location: /a\r\nContent-Location: /b\r\n"),
                     "/x/y/z?q /a /b");
    cr_expect_str_eq(urls("PUT", 200, "Location: /a\r\nContent-Location: /a\r\n"), "/x/y/z?q /a");
    cr_expect_str_eq(urls("PUT", 200, "Location: /a\r\nLocation: /b\r\n"), "/x/y/z?q");
}

Test(cache_invalidate, long_references)
{
    static char fields[60000];

    snprintf(fields, sizeof(fields), "Location: /%040000d\r\n", 0);
    cr_expect_str_eq(urls("PUT", 200, fields), "/x/y/z?q");
    memcpy(fields, "Location: ", 10);
    for (size_t i = 10; i < 30000; i++)
        fields[i] = "../"[(i - 10) % 3];
    memcpy(fields + 30000, "\r\n", 3);
    cr_expect(strncmp(urls("PUT", 200, fields), "/x/y/z?q /", 10) == 0);
}
