/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_policy_record: what a `_dive` record may say, what makes it none, and which of several
 * counts.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/policy_record.h"

static struct dive_policy policy;
static struct dive_fault fault;

static int parse(const char *text)
{
    return dive_policy_parse(&policy, dive_span_str(text), DIVE_VERSIONS_ALL, &fault);
}

#define V1 "v=\"dive-draft-01\""
#define V0 "v=\"dive-draft-00\""

Test(policy_record, example_of_the_draft)
{
    cr_assert_eq(parse(V1 ", scopes=(\"strict\"), directives=(\"https-required\"), cache=300, "
                          "invalidate-keys-cache=1700000000, "
                          "report-to=\"https://reports.example.com/dive\""),
                 0);
    cr_assert_eq(policy.version, DIVE_VERSION_DRAFT_01);
    cr_assert(policy.strict);
    cr_assert(policy.https_required);
    cr_assert_not(policy.report_only);
    cr_assert_eq(policy.cache, 300);
    cr_assert(policy.has_invalidate_keys);
    cr_assert_eq(policy.invalidate_keys, 1700000000);
    cr_assert_str_eq(policy.report_to, "https://reports.example.com/dive");
}

Test(policy_record, everything_but_v_is_optional)
{
    cr_assert_eq(parse(V0), 0);
    cr_assert_eq(policy.version, DIVE_VERSION_DRAFT_00);
    cr_assert_not(policy.strict);
    cr_assert_eq(policy.n_scopes, 0);
    cr_assert_eq(policy.cache, 0);
    cr_assert_not(policy.has_invalidate_keys);
    cr_assert_str_eq(policy.report_to, "");
}

Test(policy_record, versions)
{
    static const char *const bad[] = {"scopes=(\"strict\")",
                                      "v=\"dive-draft-02\"",
                                      "v=dive-draft-01",
                                      "v=(\"dive-draft-01\")",
                                      "v=\"Dive-draft-01\"",
                                      "v",
                                      "v=1",
                                      "v=:ZGl2ZQ==:"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert_eq(parse(bad[i]), DIVE_E_UNSUPPORTED, "%s", bad[i]);
        cr_assert_str_eq(fault.parameter, "v");
    }
    cr_assert_eq(dive_policy_parse(&policy, dive_span_str(V1),
                                   DIVE_VERSION_BIT(DIVE_VERSION_DRAFT_00), NULL),
                 DIVE_E_UNSUPPORTED);
    /* Of another version, nothing else is looked at. */
    cr_assert_eq(parse("v=\"dive-draft-09\", cache=\"x\""), DIVE_E_UNSUPPORTED);
    cr_assert_str_eq(dive_version_token(DIVE_VERSION_DRAFT_01), "dive-draft-01");
    cr_assert_eq(dive_version_policy_cap(DIVE_VERSION_DRAFT_01), 3600);
    cr_assert_eq(dive_version_policy_cap(DIVE_VERSION_DRAFT_00), 86400);
}

Test(policy_record, syntax_errors_say_where)
{
    cr_assert_eq(parse(V1 ", cache=="), DIVE_E_SYNTAX);
    cr_assert_eq(fault.offset, strlen(V1 ", cache="));
    cr_assert_str_eq(fault.parameter, "");
    cr_assert_eq(parse(V1 ", Cache=1"), DIVE_E_SYNTAX);
    cr_assert_eq(parse("v=spf1 -all"), DIVE_E_SYNTAX);
    cr_assert_eq(parse(""), DIVE_E_UNSUPPORTED);
}

Test(policy_record, a_known_parameter_of_the_wrong_type_spoils_the_record)
{
    static const char *const bad[][2] = {
        {"scopes=\"strict\"", "scopes"},
        {"scopes=(strict)", "scopes"},
        {"scopes=(\"strict\" 1)", "scopes"},
        {"directives=\"report-only\"", "directives"},
        {"directives=(report-only)", "directives"},
        {"cache=\"1\"", "cache"},
        {"cache=1.5", "cache"},
        {"cache=-1", "cache"},
        {"cache=(1)", "cache"},
        {"cache", "cache"},
        {"invalidate-keys-cache=\"1\"", "invalidate-keys-cache"},
        {"invalidate-keys-cache=@1", "invalidate-keys-cache"},
        {"report-to=https", "report-to"},
        {"report-to=(\"https://a.example/\")", "report-to"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[256];

        snprintf(text, sizeof(text), V1 ", %s", bad[i][0]);
        cr_assert_eq(parse(text), DIVE_E_TYPE, "%s", text);
        cr_assert_str_eq(fault.parameter, bad[i][1]);
        cr_assert(fault.text);
        cr_assert_not(policy.strict, "nothing of a faulty record is left");
    }
}

Test(policy_record, what_is_unknown_is_ignored)
{
    cr_assert_eq(
        parse(V1 ";p=1, scopes=(\"other\" \"strict\";q);r, directives=(\"new\"), x=?1, y=(1 2)"),
        0);
    cr_assert(policy.strict);
    cr_assert_eq(policy.n_scopes, 0);
    cr_assert_eq(parse(V1 ", cache=0, invalidate-keys-cache=-5"), 0);
    cr_assert_eq(policy.invalidate_keys, -5);
    cr_assert_eq(parse(V1 ", scopes=(), directives=()"), 0);
    cr_assert_not(policy.strict);
    cr_assert_eq(parse(V1 ", cache=1, cache=2"), 0); /* RFC 9651: the last */
    cr_assert_eq(policy.cache, 2);
}

Test(policy_record, custom_scopes)
{
    char text[8192], long_name[80];
    size_t n;

    cr_assert_eq(
        parse(V1 ", scopes=(\"x-deb\" \"x-\" \"x-Deb\" \"x-d1\" \"y-deb\" \"x-deb\" \"x-a-b\")"),
        0);
    cr_assert_eq(policy.n_scopes, 2);
    cr_assert_str_eq(policy.scopes[0], "x-deb");
    cr_assert_str_eq(policy.scopes[1], "x-a-b");
    cr_assert_eq(parse(V1 ", scopes=(\"x--a\" \"x-a-\")"), 0);
    cr_assert_eq(policy.n_scopes, 2);
    cr_assert_eq(parse(V0 ", scopes=(\"x--a\" \"x-a-\" \"x-a\")"), 0);
    cr_assert_eq(policy.n_scopes, 1);
    for (int len = DIVE_SCOPE_NAME_MAX; len <= DIVE_SCOPE_NAME_MAX + 1; len++) {
        memset(long_name, 'a', sizeof(long_name));
        memcpy(long_name, "x-", 2);
        long_name[len] = '\0';
        snprintf(text, sizeof(text), V1 ", scopes=(\"%s\")", long_name);
        cr_assert_eq(parse(text), 0);
        cr_assert_eq(policy.n_scopes, len == DIVE_SCOPE_NAME_MAX);
    }
    n = (size_t)snprintf(text, sizeof(text), V1 ", scopes=(");
    for (int i = 0; i < DIVE_SCOPES_MAX + 1; i++)
        n +=
            (size_t)snprintf(text + n, sizeof(text) - n, "\"x-%c%c\" ", 'a' + i / 26, 'a' + i % 26);
    snprintf(text + n, sizeof(text) - n, "\"strict\")");
    cr_assert_eq(parse(text), 0);
    cr_assert_eq(policy.n_scopes, DIVE_SCOPES_MAX);
    cr_assert(policy.strict, "the maximum of custom scopes doesn't hide it");
}

Test(policy_record, report_to_is_an_https_url_or_nothing)
{
    static const char *const bad[] = {
        "http://a.example/",      "https://",     "https:///x", "https:a",
        "ftp://a.example/",       "//a.example",  "",           "https://a b/",
        "https://a.example/\\\\", "https://:443/"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[256];

        snprintf(text, sizeof(text), V1 ", report-to=\"%s\"", bad[i]);
        cr_assert_eq(parse(text), 0, "%s", text);
        cr_assert_str_eq(policy.report_to, "", "%s", text);
    }
    cr_assert_eq(parse(V1 ", report-to=\"HTTPS://A.example:8443/x?y\""), 0);
    cr_assert_str_eq(policy.report_to, "HTTPS://A.example:8443/x?y");
    for (int len = DIVE_REPORT_TO_MAX; len <= DIVE_REPORT_TO_MAX + 1; len++) {
        static char url[DIVE_REPORT_TO_MAX + 2], text[DIVE_REPORT_TO_MAX + 100];

        memset(url, 'a', sizeof(url));
        memcpy(url, "https://", 8);
        url[len] = '\0';
        snprintf(text, sizeof(text), V1 ", report-to=\"%s\"", url);
        cr_assert_eq(parse(text), 0);
        cr_assert_eq(strlen(policy.report_to), len == DIVE_REPORT_TO_MAX ? (size_t)len : 0);
    }
}

static int choose(const char *a, const char *b, const char *c, bool *ambiguous)
{
    struct dive_span texts[3] = {dive_span_str(a), dive_span_str(b ? b : ""),
                                 dive_span_str(c ? c : "")};

    return dive_policy_select(&policy, texts, 1 + (b != NULL) + (c != NULL), DIVE_VERSIONS_ALL,
                              ambiguous, &fault);
}

Test(policy_record, select_takes_the_newest_version)
{
    bool ambiguous;

    cr_assert_eq(choose(V0, V1, "junk here", &ambiguous), 0);
    cr_assert_eq(policy.version, DIVE_VERSION_DRAFT_01);
    cr_assert_eq(choose("v=spf1 -all", V1 ", cache=7", V0, &ambiguous), 0);
    cr_assert_eq(policy.cache, 7);
    cr_assert_eq(choose(V0, "x", NULL, &ambiguous), 0);
    cr_assert_eq(policy.version, DIVE_VERSION_DRAFT_00);
    cr_assert_not(ambiguous);
}

Test(policy_record, select_refuses_two_of_the_winning_version)
{
    bool ambiguous;

    cr_assert_eq(choose(V1, V1, NULL, &ambiguous), DIVE_E_UNSUPPORTED);
    cr_assert(ambiguous);
    cr_assert_eq(choose(V1, V0, V1, &ambiguous), DIVE_E_UNSUPPORTED);
    cr_assert(ambiguous);
    cr_assert_eq(choose(V1, V1 ", cache=x", NULL, &ambiguous), DIVE_E_UNSUPPORTED);
    cr_assert(ambiguous);
    cr_assert_eq(choose(V0, V1, V0, &ambiguous), 0); /* the older ones don't matter */
    cr_assert_not(ambiguous);
}

Test(policy_record, select_refuses_a_faulty_record_of_the_winning_version)
{
    bool ambiguous;

    cr_assert_eq(choose(V1 ", cache=x", V0, NULL, &ambiguous), DIVE_E_UNSUPPORTED);
    cr_assert_not(ambiguous);
    cr_assert_str_eq(fault.parameter, "cache");
    cr_assert_eq(choose(V0, V1 ", cache=x", NULL, &ambiguous), DIVE_E_UNSUPPORTED);
    cr_assert_eq(choose(V0 ", cache=x", V1, NULL, &ambiguous), 0);
    cr_assert_eq(choose("v=spf1", "junk", NULL, &ambiguous), DIVE_E_UNSUPPORTED);
    cr_assert_eq(dive_policy_select(&policy, NULL, 0, DIVE_VERSIONS_ALL, &ambiguous, NULL),
                 DIVE_E_UNSUPPORTED);
}
