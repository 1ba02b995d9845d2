/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_sign_format: quoting in snippets, and what no snippet can say.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/sign_format.h"
#include "cmd/sign_name.h"

static void gives(enum sign_format format, const char *path, const char *value, const char *want)
{
    const struct sign_format_field field = {"N", value};
    const char *why;
    char *text = sign_format_text(format, "f", path, &field, 1, &why);

    cr_assert_not_null(text, "%s", why);
    cr_assert_null(why);
    cr_assert_str_eq(text, want);
    free(text);
}

static void gives_not(enum sign_format format, const char *file, const char *path,
                      const char *value)
{
    const struct sign_format_field field = {"N", value};
    const char *why;

    cr_assert_null(sign_format_text(format, file, path, &field, 1, &why));
    cr_assert_not_null(why);
}

Test(sign_format, quotes)
{
    gives(SIGN_FORMAT_FIELDS, NULL, "a$", "N: a$\n");
    gives(SIGN_FORMAT_NGINX, "/a\"\\ b", "x'\"\\",
          "location = \"/a\\\"\\\\ b\" {\n    gzip off;\n    add_header N 'x\\'\"\\\\';\n}\n");
    gives(SIGN_FORMAT_APACHE, "/a.b\"\\$", "x'\"\\",
          "<LocationMatch \"^/a\\x2eb\\x22\\x5c\\x24$\">\n"
          "    Header set N \"x'\\\"\\\\\" \"expr=%{REQUEST_STATUS} == 200\"\n</LocationMatch>\n");
    gives(SIGN_FORMAT_JSON, "/a b", "\"",
          "{\"file\":\"f\",\"path\":\"/a%20b\",\"fields\":{\"N\":\"\\\"\"}}\n");
}

Test(sign_format, refuses_what_would_mean_something_else)
{
    char *longest = calloc(1, 4002);

    gives_not(SIGN_FORMAT_NGINX, "f", NULL, "x");
    gives_not(SIGN_FORMAT_APACHE, "f", "/\n", "x");
    gives_not(SIGN_FORMAT_NGINX, "f", "/a", "$host");
    gives_not(SIGN_FORMAT_APACHE, "f", "/a", "%t");
    gives_not(SIGN_FORMAT_JSON, "\xff", "/a", "x");
    memset(longest, 'x', 4001);
    gives_not(SIGN_FORMAT_NGINX, "f", "/a", longest);
    longest[4000] = '\0';
    {
        const struct sign_format_field field = {"N", longest};
        const char *why;
        char *text = sign_format_text(SIGN_FORMAT_NGINX, "f", "/a", &field, 1, &why);

        cr_assert_not_null(text);
        free(text);
    }
    free(longest);
}

Test(sign_format, names_numbers_and_hashes)
{
    struct sign_name name;
    unsigned hashes;
    int64_t number;

    cr_assert_eq(sign_name_parse("k_1@A.Example.", &name), 0);
    cr_assert_str_eq(name.key_id, "k_1");
    cr_assert_str_eq(name.domain, "a.example");
    cr_assert_lt(sign_name_parse("@a", &name), 0);
    cr_assert_lt(sign_name_parse("", &name), 0);
    cr_assert_lt(sign_name_parse("k@1.2.3.4", &name), 0);
    cr_assert_eq(sign_hashes_parse("sha-256,sha512", &hashes), 0);
    cr_assert_eq(hashes, DIVE_HASH_BIT(DIVE_HASH_SHA256) | DIVE_HASH_BIT(DIVE_HASH_SHA512));
    cr_assert_eq(sign_hashes_parse("all", &hashes), 0);
    cr_assert_eq(hashes, DIVE_HASH_BIT(DIVE_HASH_COUNT) - 1);
    cr_assert_lt(sign_hashes_parse("sha-256,", &hashes), 0);
    cr_assert_lt(sign_hashes_parse("md5", &hashes), 0);
    cr_assert_eq(sign_number_parse("999999999999999", &number), 0);
    cr_assert_eq(number, 999999999999999);
    cr_assert_eq(sign_number_parse("1000000000000000", &number), DIVE_E_LIMIT);
    cr_assert_eq(sign_number_parse("-1", &number), DIVE_E_SYNTAX);
    cr_assert_eq(sign_number_parse("", &number), DIVE_E_SYNTAX);
}
