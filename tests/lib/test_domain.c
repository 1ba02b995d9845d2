/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Host names: normal form, addresses, parents on the boundaries of labels, Key IDs.
 */
#include <criterion/criterion.h>

#include "lib/domain.h"

static int normalize(const char *in, char out[DIVE_DOMAIN_BUF])
{
    return dive_domain_normalize(dive_span_str(in), out);
}

/* `n` characters: labels of `label` characters with dots between them. */
static void make_name(char *out, size_t n, size_t label)
{
    for (size_t i = 0; i < n; i++)
        out[i] = i % (label + 1) == label ? '.' : 'a';
    out[n] = '\0';
}

Test(domain, normal_form)
{
    static const char *const cases[][2] = {
        {"dive.example", "dive.example"},
        {"DIVE.Example.", "dive.example"},
        {"localhost", "localhost"},
        {"A", "a"},
        {"_dive.a-b.x_1.example", "_dive.a-b.x_1.example"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"1.2.3.4.example", "1.2.3.4.example"}, /* numbers, but not at the end */
        {"1a", "1a"},
        {"a.0xg", "a.0xg"},
        {"a.1-", "a.1-"},
    };
    char out[DIVE_DOMAIN_BUF];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(normalize(cases[i][0], out), 0, "%s", cases[i][0]);
        cr_assert_str_eq(out, cases[i][1]);
    }
}

Test(domain, no_name)
{
    static const char *const cases[] = {
        "",           ".",        "..",        ".a",    "a..b",   "a..",     "a.example..",
        "a b",        "a\tb",     "a/b",       "a:80",  "a@b",    "*.a",     "\xc3\xbc.example",
        "a%41",       "[",        "]",         "[]",    "[a]",    "[::1",    "::1]",
        "[::1]x",     "[::1].",   "[1.2.3.4]", "[::g]", "::1%",   "::1%/a",  "1:2",
        "1.2.3.4:80", "1.2.3.4 ", " 1.2.3.4",  "1..4",  "[v1.a]", "::1%a b", "%eth0",
    };
    char out[DIVE_DOMAIN_BUF];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        strcpy(out, "stale");
        cr_assert_eq(normalize(cases[i], out), DIVE_E_SYNTAX, "%s", cases[i]);
        cr_assert_str_empty(out, "%s", cases[i]);
    }
    cr_assert_eq(dive_domain_normalize(dive_span("a\0b.example", 11), out), DIVE_E_SYNTAX);
    cr_assert_eq(dive_domain_normalize(dive_span("::1\0", 4), out), DIVE_E_SYNTAX);
    cr_assert_eq(dive_domain_normalize(dive_span(NULL, 0), out), DIVE_E_SYNTAX);
}

/* IP literals have no DNS name: not supported. */
Test(domain, addresses)
{
    static const char *const cases[] = {
        "127.0.0.1",        "127.0.0.1.",   "127.1",     "2130706433",    "0x7f000001",
        "0X7F.1",           "0177.0.0.1",   "1.2.3.4.5", "a.0x",          "dive.example.1",
        "a.0XfF",           "::1",          "[::1]",     "[2001:DB8::1]", "::ffff:1.2.3.4",
        "[fe80::1%25eth0]", "fe80::1%eth0", "::",
    };
    char out[DIVE_DOMAIN_BUF];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        strcpy(out, "stale");
        cr_assert_eq(normalize(cases[i], out), DIVE_E_UNSUPPORTED, "%s", cases[i]);
        cr_assert_str_empty(out, "%s", cases[i]);
    }
}

Test(domain, limits)
{
    char in[300], out[DIVE_DOMAIN_BUF];

    make_name(in, 63, 63);
    cr_assert_eq(normalize(in, out), 0);
    make_name(in, 64, 64);
    cr_assert_eq(normalize(in, out), DIVE_E_LIMIT);

    make_name(in, DIVE_DOMAIN_MAX, 49);
    cr_assert_eq(normalize(in, out), 0);
    cr_assert_str_eq(out, in);
    strcat(in, "."); /* doesn't count */
    cr_assert_eq(normalize(in, out), 0);
    cr_assert_eq(strlen(out), (size_t)DIVE_DOMAIN_MAX);
    make_name(in, DIVE_DOMAIN_MAX + 1, 48);
    cr_assert_eq(normalize(in, out), DIVE_E_LIMIT);
    cr_assert_str_empty(out);
}

/* design.md section 3 and 8, "one label of a host under test is not a suffix of another". */
Test(domain, one_label_of_a_host)
{
    cr_assert(dive_domain_covers("dive.example", "dive.example"));
    cr_assert(dive_domain_covers("dive.example", "www.dive.example"));
    cr_assert(dive_domain_covers("dive.example", "a.b.dive.example"));
    cr_assert(dive_domain_covers("example", "dive.example"));

    cr_assert_not(dive_domain_covers("ive.example", "dive.example"));
    cr_assert_not(dive_domain_covers("e", "dive.example"));
    cr_assert_not(dive_domain_covers(".example", "dive.example"));
    cr_assert_not(dive_domain_covers("www.dive.example", "dive.example"));
    cr_assert_not(dive_domain_covers("dive", "dive.example"));
    cr_assert_not(dive_domain_covers("dive.example", "dive.example.net"));
    cr_assert_not(dive_domain_covers("dive.example", "dive-example"));
    cr_assert_not(dive_domain_covers("dive.examples", "dive.example"));
    cr_assert_not(dive_domain_covers("", "dive.example"));
    cr_assert_not(dive_domain_covers("", ""));
    cr_assert_not(dive_domain_covers("dive.example", ""));
}

Test(domain, walk)
{
    const char *name = "a.dive.example";

    cr_assert_eq(dive_domain_labels(name), 3u);
    cr_assert_eq(dive_domain_parent(name), name + 2);
    cr_assert_str_eq(dive_domain_parent(name + 2), "example");
    cr_assert_null(dive_domain_parent("example"));
    cr_assert_null(dive_domain_parent(""));
    cr_assert_null(dive_domain_parent("example."));
    cr_assert_eq(dive_domain_labels("example"), 1u);
    cr_assert_eq(dive_domain_labels(""), 0u);
}

Test(domain, key_id)
{
    char long_id[DIVE_KEY_ID_MAX + 2];

    for (int c = 0; c < 256; c++) {
        char id[3] = {'k', (char)c, '1'};
        bool expected =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';

        cr_assert_eq(dive_key_id_valid(dive_span(id, sizeof id)), expected, "0x%02x", (unsigned)c);
    }
    cr_assert_not(dive_key_id_valid(dive_span("", 0)));
    memset(long_id, 'K', sizeof long_id);
    cr_assert(dive_key_id_valid(dive_span(long_id, 1)));
    cr_assert(dive_key_id_valid(dive_span(long_id, DIVE_KEY_ID_MAX)));
    cr_assert_not(dive_key_id_valid(dive_span(long_id, DIVE_KEY_ID_MAX + 1)));
}
