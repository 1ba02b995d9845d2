/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "http/path.h"

static void means(const char *path, const char *meaning)
{
    /* Of its very length, so that a sanitizer sees a read behind its end. */
    char *exact = malloc(strlen(path) + 1), *got;

    cr_assert_not_null(exact);
    memcpy(exact, path, strlen(path));
    got = http_path_meaning(dive_span(exact, strlen(path)));
    cr_assert_str_eq(got, meaning, "%s: %s, expected %s", path, got, meaning);
    free(got);
    free(exact);
}

Test(test_path, spellings)
{
    static const struct {
        const char *path, *meaning;
    } cases[] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b.c", "/a/b.c"},
        {"/%70rivate/x", "/private/x"},
        {"/%2570", "/%70"},
        {"/a%20b%C3%bc", "/a b\xc3\xbc"},
        {"/a%00b%0ac%7f", "/a%00b%0Ac%7F"},
        {"/%2a", "/*"},
        {"//a///b", "/a/b"},
        {"///", "/"},
        {"/./a", "/a"},
        {"/a/.", "/a/"},
        {"/a/./", "/a/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/a/..", "/"},
        {"/a/../b", "/b"},
        {"/a/b/../../../c", "/c"},
        {"/a/b/..", "/a/"},
        {"/public/%2e%2E/private/tool", "/private/tool"},
        {"/public%2F..%2fprivate", "/private"},
        {"/a/%2e/b", "/a/b"},
        {"/...", "/..."},
        {"/.a/..b/c..", "/.a/..b/c.."},
        {"*", "*"},
        {"", ""},
        {"/%", "/%"},
        {"/%4", "/%4"},
        {"/%zz", "/%zz"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        means(cases[i].path, cases[i].meaning);
}

/* What it gives it leaves alone, unless there was a "%25". */
Test(test_path, meaning_of_a_meaning)
{
    static const char *const pieces[] = {"/", ".", "..", "a", "%2e", "%2F", "b/"};
    unsigned state = 1;

    for (int i = 0; i < 20000; i++) {
        char path[64] = "/";
        char *once, *twice;

        for (int j = 0; j < 6; j++) {
            state = state * 1103515245u + 12345u;
            strcat(path, pieces[(state >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
        }
        once = http_path_meaning(dive_span(path, strlen(path)));
        twice = http_path_meaning(dive_span(once, strlen(once)));
        cr_assert_str_eq(once, twice, "%s", path);
        cr_assert_eq(once[0], '/');
        cr_assert_null(strstr(once, "//"), "%s: %s", path, once);
        cr_assert_null(strstr(once, "/../"), "%s: %s", path, once);
        cr_assert(http_path_can_fit(once), "%s: %s", path, once);
        free(once);
        free(twice);
    }
}

Test(test_path, patterns)
{
    static const char *const good[] = {"/",    "*",   "/a/*", "/a b/*", "/*.deb", "/50%",
                                       "/...", "/.a", "/a/",  "*.",     "/%0A"};
    static const char *const bad[] = {"//a",   "/a//b", "/./a", "/a/.",
                                      "/../a", "/a/..", "/%61", "/a%20b"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert(http_path_can_fit(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not(http_path_can_fit(bad[i]), "%s", bad[i]);
}
