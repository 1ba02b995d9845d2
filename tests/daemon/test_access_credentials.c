/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Proxy-Authorization: what is read, and all that isn't.
 */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/credentials.h"

static char *field(const char *scheme, const void *bytes, size_t n)
{
    char *text = malloc(strlen(scheme) + n / 3 * 4 + 8);
    int at = sprintf(text, "%s ", scheme);

    EVP_EncodeBlock((unsigned char *)text + at, bytes, (int)n);
    return text;
}

static int parse_basic(struct credentials *c, const char *inside, size_t n)
{
    char *text = field("Basic", inside, n);
    int r = credentials_parse(c, dive_span_str(text));

    free(text);
    return r;
}

static void expect_basic(const char *inside, size_t n, const char *user, const char *password)
{
    struct credentials c;

    cr_assert_eq(parse_basic(&c, inside, n), 0, "%s", inside);
    cr_assert_eq(c.scheme, CREDENTIALS_BASIC);
    cr_assert_str_eq(c.user, user);
    cr_assert_str_eq(c.password, password);
    credentials_clear(&c);
    cr_assert_null(c.bytes);
}

static void expect_refused(int error, const char *inside, size_t n)
{
    struct credentials c;

    cr_assert_eq(parse_basic(&c, inside, n), error, "%s", inside);
    cr_assert_null(c.bytes);
    cr_assert_null(c.user);
    cr_assert_eq(c.scheme, CREDENTIALS_NONE);
}

#define S(text) text, sizeof(text) - 1

Test(test_access_credentials, basic)
{
    /* The example of RFC 7617 section 2, and that of its section 2.1 (in UTF-8). */
    struct credentials c;

    cr_assert_eq(credentials_parse(&c, dive_span_str("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")), 0);
    cr_assert_str_eq(c.user, "Aladdin");
    cr_assert_str_eq(c.password, "open sesame");
    credentials_clear(&c);
    cr_assert_eq(credentials_parse(&c, dive_span_str("bAsIc   dGVzdDoxMjPCow==")), 0);
    cr_assert_str_eq(c.user, "test");
    cr_assert_str_eq(c.password, "123\xc2\xa3");
    credentials_clear(&c);
    expect_basic(S("a:b"), "a", "b");
    expect_basic(S("a:"), "a", "");
    expect_basic(S("a:b:c:"), "a", "b:c:");
    expect_basic(S("j\xc3\xb6rg:\xf0\x9f\x94\x91"), "j\xc3\xb6rg", "\xf0\x9f\x94\x91");
}

Test(test_access_credentials, what_is_no_user_and_password)
{
    expect_refused(DIVE_E_TYPE, S("nocolon"));
    expect_refused(DIVE_E_TYPE, S(":password"));
    expect_refused(DIVE_E_TYPE, S(":"));
    expect_refused(DIVE_E_TYPE, S("a\0b:c"));
    expect_refused(DIVE_E_TYPE, S("a:b\0"));
    expect_refused(DIVE_E_TYPE, S("a\nb:c"));
    expect_refused(DIVE_E_TYPE, S("a:b\x7f"));
    expect_refused(DIVE_E_TYPE, S("a\xc2\x85:b"));        /* a C1 control */
    expect_refused(DIVE_E_TYPE, S("j\xf6rg:latin1"));     /* ISO 8859-1 */
    expect_refused(DIVE_E_TYPE, S("a\xc0\xaf:overlong")); /* U+002F in two bytes */
    expect_refused(DIVE_E_TYPE, S("a:\xed\xa0\x80"));     /* a surrogate */
    expect_refused(DIVE_E_TYPE, S("a:\xf4\x90\x80\x80")); /* past U+10FFFF */
    expect_refused(DIVE_E_TYPE, S("a:\xe2\x82"));         /* cut */
}

Test(test_access_credentials, lengths)
{
    char text[2048];
    struct credentials c;

    memset(text, 'x', sizeof(text));
    text[ACCESS_USER_MAX] = ':';
    cr_assert_eq(parse_basic(&c, text, ACCESS_USER_MAX + 1 + ACCESS_PASSWORD_MAX), 0);
    cr_assert_eq(strlen(c.user), ACCESS_USER_MAX);
    cr_assert_eq(strlen(c.password), ACCESS_PASSWORD_MAX);
    credentials_clear(&c);
    expect_refused(DIVE_E_LIMIT, text, ACCESS_USER_MAX + 1 + ACCESS_PASSWORD_MAX + 1);
    text[ACCESS_USER_MAX] = 'x';
    text[ACCESS_USER_MAX + 1] = ':';
    expect_refused(DIVE_E_LIMIT, text, ACCESS_USER_MAX + 3);
}

Test(test_access_credentials, base64_has_one_form)
{
    static const char *const bad[] = {
        "",
        "Basic",
        "Basic ",
        "Basic YTpi ",
        "Basic YTpi,",
        "Basic YTp",
        "Basic YTo",
        "Basic YTo==",
        "Basic YTpiYw=",
        "Basic YTpiYx==",
        "Basic ====",
        "Basic YTpi=",
        "Basic Y=pi",
        "Basic YTp\xff",
        "Basic YTpi YTpi",
        "Basic\tYTpi",
        "Basic,YTpi",
        "Basic YT_i",
        "Basic YT-i",
        "Basic realm=\"x\"",
        " YTpi",
        "\"Basic\" YTpi",
        "Negotiate",
        "Negotiate =",
        "Negotiate YTp",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct credentials c;

        cr_assert_eq(credentials_parse(&c, dive_span_str(bad[i])), DIVE_E_SYNTAX, "%s", bad[i]);
        cr_assert_null(c.bytes, "%s", bad[i]);
    }
}

Test(test_access_credentials, other_schemes_are_not_kept)
{
    struct credentials c;

    cr_assert_eq(credentials_parse(&c, dive_span_str("Digest username=\"a\", realm=\"b\"")), 0);
    cr_assert_eq(c.scheme, CREDENTIALS_OTHER);
    cr_assert_null(c.bytes);
    cr_assert_eq(credentials_parse(&c, dive_span_str("Bearer")), 0);
    cr_assert_eq(c.scheme, CREDENTIALS_OTHER);
    cr_assert_eq(credentials_parse(&c, dive_span_str("Basics YTpi")), 0);
    cr_assert_eq(c.scheme, CREDENTIALS_OTHER);
}

Test(test_access_credentials, tokens_up_to_the_maximum)
{
    char *bytes = calloc(1, CREDENTIALS_TOKEN_MAX + 3);
    char *text = field("Negotiate", bytes, CREDENTIALS_TOKEN_MAX);
    struct credentials c;

    cr_assert_eq(credentials_parse(&c, dive_span_str(text)), 0);
    cr_assert_eq(c.scheme, CREDENTIALS_NEGOTIATE);
    cr_assert_eq(c.n, CREDENTIALS_TOKEN_MAX);
    credentials_clear(&c);
    free(text);
    text = field("Negotiate", bytes, CREDENTIALS_TOKEN_MAX + 1);
    cr_assert_eq(credentials_parse(&c, dive_span_str(text)), DIVE_E_LIMIT);
    free(text);
    free(bytes);
}
