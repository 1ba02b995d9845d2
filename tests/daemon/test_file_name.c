/* SPDX-License-Identifier: BSD-2-Clause
 *
 * file_name: which names a URL may give to a file of ours.
 */
#include <criterion/criterion.h>

#include "cmd/file_name.h"

static void expect(const char *path, int r, const char *name)
{
    char out[FILE_NAME_SIZE] = "before";

    cr_expect_eq(file_name_from_path(dive_span_str(path), out), r, "%s", path);
    cr_expect_str_eq(out, name, "%s", path);
}

Test(file_name, of_the_last_segment)
{
    expect("/a/b/file-1.0.tar.gz", 0, "file-1.0.tar.gz");
    expect("/a", 0, "a");
    expect("/a%20b+c", 0, "a b+c");
    expect("/%C3%A9t%c3%a9", 0, "\xc3\xa9t\xc3\xa9");
    expect("/x%25", 0, "x%");
}

Test(file_name, none_at_the_end_of_a_folder)
{
    expect("/", DIVE_E_NOT_FOUND, "");
    expect("/a/", DIVE_E_NOT_FOUND, "");
    expect("", DIVE_E_NOT_FOUND, "");
}

Test(file_name, nothing_that_could_do_harm)
{
    static const char *const bad[] = {"/.",     "/..",    "/.profile", "/%2e%2e", "/%2Ehidden",
                                      "/-rf",   "/%2drf", "/a%2fb",    "/%2f",    "/a%00b",
                                      "/a%0ab", "/a%1b",  "/a%7f",     "/a%9b",   "/a%c2%9b",
                                      "/a%c2",  "/a%ff",  "/a%",       "/a%4",    "/a%zz"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(bad[i], DIVE_E_SYNTAX, "");
}

Test(file_name, of_bounded_length)
{
    char path[FILE_NAME_MAX + 3] = "/", out[FILE_NAME_SIZE];

    memset(path + 1, 'a', FILE_NAME_MAX);
    cr_expect_eq(file_name_from_path(dive_span_str(path), out), 0);
    cr_expect_eq(strlen(out), FILE_NAME_MAX);
    path[FILE_NAME_MAX + 1] = 'a';
    cr_expect_eq(file_name_from_path(dive_span_str(path), out), DIVE_E_LIMIT);
    cr_expect_str_eq(out, "");
}
