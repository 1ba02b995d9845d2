/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_records_lint: every fault is found and placed, and libdive and the lint agree on what is
 * usable.
 */
#include "cmd/records_lint.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define NOW 1800000000
#define KEY32 ":nxvI67xMAN7U4X0nyM48mCsBxXJJBJdLU4kb985RcCU=:"

static bool found(const struct records_faults *faults, enum records_severity severity,
                  const char *parameter, size_t offset, const char *part)
{
    for (size_t i = 0; i < faults->n; i++) {
        const struct records_fault *f = &faults->v[i];

        if (f->severity == severity && strcmp(f->parameter, parameter) == 0 &&
            f->offset == offset && strstr(f->text, part) != NULL)
            return true;
    }
    return false;
}

struct row {
    const char *text;
    enum records_severity severity;
    const char *parameter;
    size_t offset;
    const char *part;
};

static const struct row policy_rows[] = {
    {"", RECORDS_ERROR, "v", 0, "absent"},
    {"v=\"dive-draft-01\",", RECORDS_ERROR, "", 18, "ends too early"},
    {"V=\"x\"", RECORDS_ERROR, "", 0, "upper-case letter 'V'"},
    {"v=dive-draft-01", RECORDS_ERROR, "v", 0, "bare word"},
    {"v=\"dive-draft-99\"", RECORDS_ERROR, "v", 0, "no version"},
    {"v=\"dive-draft-01\", scopes=\"strict\"", RECORDS_ERROR, "scopes", 19, "in parentheses"},
    {"v=\"dive-draft-01\", scopes=(\"a\" b)", RECORDS_ERROR, "scopes", 19, "item 2"},
    {"v=\"dive-draft-01\", scopes=()", RECORDS_WARNING, "scopes", 19, "empty"},
    {"v=\"dive-draft-01\"", RECORDS_WARNING, "scopes", 0, "absent"},
    {"v=\"dive-draft-01\", scopes=(\"Strict\")", RECORDS_WARNING, "scopes", 19, "\"Strict\""},
    {"v=\"dive-draft-01\", scopes=(\"x-a\")", RECORDS_NOTE, "scopes", 19, "custom"},
    {"v=\"dive-draft-01\", cache=-1", RECORDS_ERROR, "cache", 19, "negative"},
    {"v=\"dive-draft-01\", cache=\"1\"", RECORDS_ERROR, "cache", 19, "integer"},
    {"v=\"dive-draft-01\", cache=3601", RECORDS_WARNING, "cache", 19, "3600 seconds"},
    {"v=\"dive-draft-00\", cache=86401", RECORDS_WARNING, "cache", 19, "86400 seconds"},
    {"v=\"dive-draft-01\", cache=1, cache=2", RECORDS_WARNING, "cache", 28, "2 times"},
    {"v=\"dive-draft-01\", cahce=1", RECORDS_WARNING, "cahce", 19, "no parameter"},
    {"v=\"dive-draft-01\", x=\"a,cache=\", cache=x", RECORDS_ERROR, "cache", 33, "integer"},
    {"v=\"dive-draft-01\", directives=(\"report-only\")", RECORDS_NOTE, "directives", 19,
     "no report-to"},
    {"v=\"dive-draft-01\", directives=(\"x\")", RECORDS_WARNING, "directives", 19, "ignored"},
    {"v=\"dive-draft-01\", report-to=\"http://x/\"", RECORDS_WARNING, "report-to", 19, "https"},
    {"v=\"dive-draft-01\", invalidate-keys-cache=1800000001", RECORDS_WARNING,
     "invalidate-keys-cache", 19, "future"},
    {"v=\"dive-draft-01\", invalidate-keys-cache=1799913601", RECORDS_NOTE, "invalidate-keys-cache",
     19, "less than a day"},
    {"v=\"dive-draft-01\", invalidate-keys-cache=1799913600", RECORDS_NOTE, "invalidate-keys-cache",
     19, "older than a day"},
};

static const struct row key_rows[] = {
    {"", RECORDS_ERROR, "sig", 0, "absent"},
    {"", RECORDS_ERROR, "key", 0, "absent"},
    {"sig=\"rsa\", key=:AAAA:", RECORDS_ERROR, "sig", 0, "neither"},
    {"sig=\"ed25519\", key=:AAAA:", RECORDS_ERROR, "key", 15, "3 bytes"},
    {"sig=\"ed25519\", key=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:", RECORDS_ERROR, "key",
     15, "small order"},
    {"sig=\"ed25519\", key=" KEY32 ", allowed-hash=(\"md5\")", RECORDS_ERROR, "allowed-hash", 67,
     "not permitted"},
    {"sig=\"ed25519\", key=" KEY32 ", allowed-hash=(\"sha-256\")", RECORDS_ERROR, "allowed-hash",
     67, "\"sha256\""},
    {"sig=\"ed25519\", key=" KEY32 ", allowed-hash=()", RECORDS_WARNING, "allowed-hash", 67,
     "empty"},
    {"sig=\"ed25519\", key=" KEY32 ", cache=86401", RECORDS_WARNING, "cache", 67, "86400"},
    {"sig=\"ed25519\", key=" KEY32 ";a", RECORDS_WARNING, "key", 15, "parameters of its own"},
};

Test(records_lint, finds_and_places_each_fault_of_a_policy)
{
    struct records_faults faults;

    for (size_t i = 0; i < sizeof(policy_rows) / sizeof(policy_rows[0]); i++) {
        const struct row *row = &policy_rows[i];
        struct dive_span text = dive_span_str(row->text);
        struct dive_policy policy;

        cr_assert_eq(records_lint_policy(&faults, text, DIVE_VERSIONS_ALL, NOW), 0);
        cr_expect(found(&faults, row->severity, row->parameter, row->offset, row->part), "%s",
                  row->text);
        cr_expect_eq(records_faults_spoil(&faults),
                     dive_policy_parse(&policy, text, DIVE_VERSIONS_ALL, NULL) != 0, "%s",
                     row->text);
    }
}

Test(records_lint, finds_and_places_each_fault_of_a_key)
{
    struct records_faults faults;

    for (size_t i = 0; i < sizeof(key_rows) / sizeof(key_rows[0]); i++) {
        const struct row *row = &key_rows[i];

        cr_assert_eq(records_lint_key(&faults, dive_span_str(row->text)), 0);
        cr_expect(found(&faults, row->severity, row->parameter, row->offset, row->part), "%s",
                  row->text);
    }
}

Test(records_lint, says_nothing_about_what_is_right)
{
    static const char policy[] =
        "v=\"dive-draft-01\", scopes=(\"strict\"), cache=3600, "
        "directives=(\"https-required\"), report-to=\"https://r.example/\"";
    struct records_faults faults;

    cr_assert_eq(records_lint_policy(&faults, dive_span_str(policy), DIVE_VERSIONS_ALL, NOW), 0);
    cr_expect_eq(faults.n, 0);
    cr_assert_eq(
        records_lint_key(&faults, dive_span_str("sig=\"ed25519\", key=" KEY32 ", cache=86400")), 0);
    cr_expect_eq(faults.n, 0);
}

Test(records_lint, one_record_may_have_more_faults_than_are_kept)
{
    char text[2048] = "v=\"dive-draft-01\", scopes=(\"strict\")";
    struct records_faults faults;

    for (int i = 0; i < RECORDS_FAULTS_MAX + 1; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ", z%d=1", i);
    cr_assert_eq(records_lint_policy(&faults, dive_span_str(text), DIVE_VERSIONS_ALL, NOW), 0);
    cr_expect_eq(faults.n, RECORDS_FAULTS_MAX);
    cr_expect_eq(faults.dropped, 1);
}

Test(records_lint, several_faults_are_all_told)
{
    struct records_faults faults;

    cr_assert_eq(records_lint_policy(&faults, dive_span_str("v=1, scopes=a, cache=b, report-to=c"),
                                     DIVE_VERSIONS_ALL, NOW),
                 0);
    cr_expect_eq(faults.n, 4);
}

Test(records_lint, a_version_that_is_not_accepted)
{
    struct records_faults faults;

    cr_assert_eq(records_lint_policy(&faults, dive_span_str("v=\"dive-draft-00\", scopes=(\"a\")"),
                                     DIVE_VERSION_BIT(DIVE_VERSION_DRAFT_01), NOW),
                 0);
    cr_expect(found(&faults, RECORDS_ERROR, "v", 0, "dive.versions"));
}
