/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_verifier_rows: the readings of the drafts that the design lays down about policies,
 * resources and caching, one test a statement, named after it. Those about keys and entries are in
 * test_verifier_entries.c.
 */
#include "verifier_lab.h"

static struct lab_key key;

static struct lab *with_cache(struct lab *lab)
{
    cr_assert_eq(dive_record_cache_new(&lab->options.cache, 1000, NULL), 0);
    return lab;
}

#define POLICY_NAME "_dive.dive.example"
#define KEY_NAME "keyABC._divekey.dive.example"

/* --- lifetime of a cached record --- */

Test(design_rows, cache_absent_means_zero_every_verification_asks)
{
    struct lab *lab = with_cache(lab_signed(&key));

    for (int i = 0; i < 2; i++) {
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert(lab_asked(lab, POLICY_NAME, false));
        cr_assert(lab_asked(lab, KEY_NAME, false));
    }
    lab_free(lab);
}

static void expect_lifetime(const char *policy, const char *more, uint32_t ttl, const char *name,
                            int64_t lifetime)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_field(lab, "DIVE-Sig", "%s", lab_dive_sig(lab, &key, "keyABC", "sha256", "SHA256"));
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, policy)->ttl = ttl;
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, more))->ttl = ttl;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab->now = LAB_NOW + lifetime - 1;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_null(lab_asked(lab, name, false), "%s lived less than %ld", name, (long)lifetime);
    lab_free(lab);

    /* A run refreshes what it asked, so the other side of the limit needs a world of its own. */
    lab = with_cache(lab_signed(&key));
    lab_field(lab, "DIVE-Sig", "%s", lab_dive_sig(lab, &key, "keyABC", "sha256", "SHA256"));
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, policy)->ttl = ttl;
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, more))->ttl = ttl;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab->now = LAB_NOW + lifetime;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(lab_asked(lab, name, false), "%s lived more than %ld", name, (long)lifetime);
    lab_free(lab);
}

Test(design_rows, lifetime_is_the_least_of_cache_cap_and_ttl)
{
    expect_lifetime(LAB_POLICY_01 ", cache=100", "", 300, POLICY_NAME, 100);
    expect_lifetime(LAB_POLICY_01 ", cache=100", "", 60, POLICY_NAME, 60);
    expect_lifetime(LAB_POLICY_01 ", cache=999999", "", 999999, POLICY_NAME, 3600);
    expect_lifetime(LAB_POLICY_00 ", cache=999999", "", 999999, POLICY_NAME, 86400);
    expect_lifetime(LAB_POLICY_01, ", cache=100", 300, KEY_NAME, 100);
    expect_lifetime(LAB_POLICY_01, ", cache=900", 300, KEY_NAME, 300);
    expect_lifetime(LAB_POLICY_01, ", cache=999999", 999999, KEY_NAME, 86400);
}

Test(design_rows, proven_absence_is_kept_for_its_ttl_at_most_900_seconds)
{
    struct lab *lab = with_cache(lab_new());

    lab_dns(lab, "_dive.example", DIVE_DNS_SECURE, NULL)->ttl = 100000;
    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_INSECURE, NULL)->ttl = 50;
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    lab->now = LAB_NOW + 49;
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    cr_assert_eq(lab->n_wants, 0);
    lab->now = LAB_NOW + 50;
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    cr_assert_eq(lab->n_wants, 1);
    lab->now = LAB_NOW + 899;
    lab_run(lab);
    cr_assert_null(lab_asked(lab, "_dive.example", false));
    lab->now = LAB_NOW + 900;
    lab_run(lab);
    cr_assert(lab_asked(lab, "_dive.example", false));
    lab_free(lab);
}

Test(design_rows, bogus_and_missing_answers_are_not_kept)
{
    struct lab *lab = with_cache(lab_new());

    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_BOGUS, NULL);
    lab_run(lab);
    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_SECURE, NULL);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    cr_assert(lab_asked(lab, "_dive.www.dive.example", false));
    lab_free(lab);
}

Test(design_rows, a_name_that_is_both_a_policy_and_a_key_keeps_to_each_cap)
{
    struct lab *lab = with_cache(lab_new());
    char text[1024];

    /* The host `_divekey.example` and the Key ID `_dive` at `example` share a name. */
    lab_key_make(&key, DIVE_ALGORITHM_ED25519);
    snprintf(text, sizeof(text), LAB_POLICY_01 ", %s", lab_key_text(&key, ", cache=86400"));
    lab_dns(lab, "_dive._divekey.example", DIVE_DNS_SECURE, text)->ttl = 86400;
    lab_dns(lab, "_dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_entry(lab, "s", &key, "_dive@example");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT); /* stored as a key, for a day */
    lab->host = "_divekey.example";
    lab->now += 3600;
    lab_run(lab);
    cr_assert(lab_asked(lab, "_dive._divekey.example", false), "older than a policy may be");
    lab_free(lab);
}

/* --- secure / insecure / bogus / no answer --- */

Test(design_rows, insecure_policy_is_no_record)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, POLICY_NAME, DIVE_DNS_INSECURE, LAB_POLICY_01);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    cr_assert_eq(dive_verifier_policy_security(lab->v), DIVE_DNS_INSECURE);
    cr_assert_eq(dive_verifier_coverage(lab->v), DIVE_UNCOVERED);
    lab_free(lab);
}

static void expect_failed(enum dive_security security)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, "_dive.www.dive.example", security, NULL);
    lab_start(lab);
    lab_answer_all(lab);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_FAILED);
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "www.dive.example");
    cr_assert_eq(dive_verifier_policy_security(lab->v), security);
    lab_rejects(lab, "dnssec-unavailable");
    lab->response.status = 404; /* any response with content */
    lab_rejects(lab, "dnssec-unavailable");
    lab->response.has_content = false;
    cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
    lab_free(lab);
}

Test(design_rows, bogus_policy_blocks)
{
    expect_failed(DIVE_DNS_BOGUS);
}

Test(design_rows, unanswered_policy_blocks)
{
    expect_failed(DIVE_DNS_NO_ANSWER);
}

Test(design_rows, ignored_bogus_or_missing_answers_count_as_absent)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_BOGUS, NULL);
    lab->options.ignore_no_answer = true;
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    lab->options.ignore_no_answer = false;
    lab->options.ignore_bogus = true;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_NO_ANSWER, NULL);
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    lab->options.ignore_no_answer = true;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    /* With nothing above it, the absence rests on the ignored answer. */
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, NULL);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    cr_assert_eq(dive_verifier_policy_security(lab->v), DIVE_DNS_NO_ANSWER);
    lab_free(lab);
}

Test(design_rows, bogus_above_a_secure_record_does_not_matter)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, "_dive.example", DIVE_DNS_BOGUS, NULL);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

Test(design_rows, bogus_above_an_absence_matters)
{
    struct lab *lab = lab_new();

    lab_dns(lab, "_dive.example", DIVE_DNS_BOGUS, NULL);
    lab_start(lab);
    lab_drain(lab);
    cr_assert_eq(lab_answer_want(lab, 2), 0);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_PENDING, "a closer one may win");
    lab_answer_all(lab);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_FAILED);
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "example");
    lab_free(lab);
}

Test(design_rows, insecure_record_below_a_secure_one_is_treated_as_absent)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_INSECURE, "v=\"dive-draft-01\"");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "dive.example");
    lab_free(lab);
}

/* --- record found but not ours --- */

Test(design_rows, secure_record_that_is_not_ours_ends_the_walk)
{
    static const char *const texts[] = {
        "v=spf1 -all",
        "",
        "scopes=(\"strict\")",
        "v=\"dive-draft-02\", scopes=(\"strict\")",
        "v=dive-draft-01, scopes=(\"strict\")",
        "v=1",
        "v=\"DIVE-DRAFT-01\"",
        LAB_POLICY_01 ", cache=\"1\"",
        LAB_POLICY_01 ", cache=-1",
        LAB_POLICY_01 ", cache=1.0",
        LAB_POLICY_01 ", directives=\"https-required\"",
        LAB_POLICY_01 ", directives=(https-required)",
        LAB_POLICY_01 ", invalidate-keys-cache=@1700000000",
        LAB_POLICY_01 ", report-to=(\"https://a.example/\")",
        "v=\"dive-draft-01\", scopes=\"strict\"",
        "v=\"dive-draft-01\", scopes=(strict)",
        LAB_POLICY_01 ",",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct lab *lab = lab_signed(&key);
        const char *domain;

        lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_SECURE, texts[i]);
        cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED, "%s", texts[i]);
        cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_ABSENT);
        cr_assert(dive_verifier_policy_fault(lab->v, &domain));
        cr_assert_str_eq(domain, "www.dive.example");
        lab_free(lab);
    }
}

Test(design_rows, a_version_outside_of_the_accepted_list_is_not_ours)
{
    struct lab *lab = lab_signed(&key);

    lab->options.versions = DIVE_VERSION_BIT(DIVE_VERSION_DRAFT_00);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    lab->options.versions = 0;
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    lab->options.versions = DIVE_VERSION_BIT(DIVE_VERSION_DRAFT_01);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

/* --- walk --- */

Test(design_rows, walk_asks_every_level_up_to_the_tld_at_once)
{
    struct lab *lab = lab_new();

    lab->host = "A.b.Example.";
    lab_start(lab);
    lab_drain(lab);
    cr_assert_eq(lab->n_wants, 3);
    cr_assert_str_eq(lab->want[0].name, "_dive.a.b.example");
    cr_assert_str_eq(lab->want[1].name, "_dive.b.example");
    cr_assert_str_eq(lab->want[2].name, "_dive.example");
    for (size_t i = 0; i < 3; i++)
        cr_assert_not(lab->want[i].fresh);
    lab_free(lab);
}

Test(design_rows, the_deepest_secure_record_wins)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, "_dive.example", DIVE_DNS_SECURE, "v=\"dive-draft-01\"");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_SECURE, "v=\"dive-draft-01\"");
    cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "www.dive.example");
    lab_free(lab);
}

Test(design_rows, a_policy_at_the_tld_applies)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, NULL);
    lab_dns(lab, "_dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "example");
    lab_free(lab);
}

Test(design_rows, ip_literals_are_not_supported)
{
    static const char *const hosts[] = {"192.0.2.1", "[2001:db8::1]", "127.1"};

    for (size_t i = 0; i < 3; i++) {
        struct lab *lab = lab_new();

        lab->host = hosts[i];
        cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
        cr_assert_eq(lab->n_wants, 0);
        lab_free(lab);
    }
}

Test(design_rows, a_cached_policy_answers_without_asking_further_up)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=300");
    lab_dns(lab, "_dive.example", DIVE_DNS_NO_ANSWER, NULL);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_start(lab);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_FOUND);
    lab_drain(lab);
    cr_assert_eq(lab->n_wants, 0);
    lab_free(lab);
}

/* --- several TXT records at one name --- */

Test(design_rows, a_newer_policy_wins_over_an_older_whatever_their_order)
{
    for (int i = 0; i < 2; i++) {
        struct lab *lab = lab_signed(&key);
        struct lab_answer *a = lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, "v=spf1 -all");

        lab_add_text(a, i ? LAB_POLICY_00 : LAB_POLICY_01);
        lab_add_text(a, i ? LAB_POLICY_01 : LAB_POLICY_00);
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert_eq(dive_verifier_policy(lab->v)->version, DIVE_VERSION_DRAFT_01);
        lab_free(lab);
    }
}

Test(design_rows, two_policies_of_one_version_are_not_supported)
{
    struct lab *lab = lab_signed(&key);

    lab_add_text(lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01), LAB_POLICY_01);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    cr_assert(strstr(dive_verifier_policy_fault(lab->v, NULL)->text, "same version"));
    lab_free(lab);
}

/* --- resource --- */

Test(design_rows, any_200_with_content_is_covered_whatever_the_method)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "QUERY"};

    for (size_t i = 0; i < 4; i++) {
        struct lab *lab = lab_signed(&key);

        lab->request.method = dive_span_str(methods[i]);
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        lab->response.fields.n = 0;
        lab_rejects(lab, "missing-headers");
        lab_free(lab);
    }
}

Test(design_rows, head_has_no_content)
{
    struct lab *lab = lab_signed(&key);

    lab->request.method = dive_span_str("HEAD");
    lab->response.has_content = false;
    lab->response.fields.n = 0;
    lab_start(lab);
    lab_head(lab);
    cr_assert_eq(dive_verifier_coverage(lab->v), DIVE_UNCOVERED, "before the policy is known");
    cr_assert_not(dive_verifier_needs_body(lab->v));
    cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
    lab_free(lab);
}

Test(design_rows, empty_content_is_covered_like_any_other)
{
    struct lab *lab = lab_signed(&key);

    lab->body = "";
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    lab->response.fields.n = 0;
    lab->input[0] = lab->signature[0] = '\0';
    lab_entry(lab, "s", &key, "keyABC");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

Test(design_rows, an_unsolicited_206_is_refused)
{
    struct lab *lab = lab_signed(&key);
    char *trace;

    lab->response.status = 206;
    lab->options.pass_other_success = true;
    lab_rejects(lab, "missing-headers");
    cr_assert_eq(dive_verifier_trace(lab->v, &trace), 0);
    cr_assert(strstr(trace, "unsolicited partial"));
    free(trace);
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, "v=\"dive-draft-01\"");
    cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
    lab_free(lab);
}

Test(design_rows, another_2xx_with_content_is_blocked_or_passed)
{
    static const int statuses[] = {201, 202, 203, 207, 226, 299};

    for (size_t i = 0; i < 6; i++) {
        struct lab *lab = lab_signed(&key);

        lab->response.status = statuses[i];
        lab_rejects(lab, "missing-headers");
        lab->options.pass_other_success = true;
        cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
        lab_free(lab);
    }
}

Test(design_rows, redirects_and_errors_pass)
{
    static const int statuses[] = {300, 301, 302, 304, 308, 400, 404, 500, 503, 599};

    for (size_t i = 0; i < 10; i++) {
        struct lab *lab = lab_signed(&key);

        lab->response.status = statuses[i];
        cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
        lab_free(lab);
    }
}

/* --- scopes and directives --- */

Test(design_rows, no_scope_means_nothing_is_covered)
{
    static const char *const texts[] = {"v=\"dive-draft-01\"", "v=\"dive-draft-01\", scopes=()",
                                        "v=\"dive-draft-01\", scopes=(\"STRICT\" \"other\")",
                                        "v=\"dive-draft-00\""};

    for (size_t i = 0; i < 4; i++) {
        struct lab *lab = lab_signed(&key);

        lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, texts[i]);
        cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
        cr_assert_not(dive_verifier_policy_has_scopes(lab->v));
        lab_free(lab);
    }
}

static bool is_deb(void *arg, const char *scope, const struct dive_request *request,
                   const struct dive_response *response)
{
    return strcmp(scope, "x-deb") == 0 && dive_span_eq(request->path, arg);
}

Test(design_rows, custom_scopes_count_when_recognised)
{
    struct lab *lab = lab_signed(&key);
    static char path[] = "/file", other[] = "/other";

    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, "v=\"dive-draft-01\", scopes=(\"x-rpm\" \"x-deb\")");
    cr_assert_eq(lab_run(lab), DIVE_NOT_COVERED);
    cr_assert(dive_verifier_policy_has_scopes(lab->v));
    lab->options.custom_scope = is_deb;
    lab->options.custom_scope_arg = path;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(lab_run_body(lab, "tampered"), DIVE_REJECT);
    lab->options.custom_scope_arg = other;
    cr_assert_eq(lab_run_body(lab, "tampered"), DIVE_NOT_COVERED);
    lab_free(lab);
}

Test(design_rows, report_only_and_https_required_are_the_callers)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE,
            LAB_POLICY_01 ", directives=(\"https-required\" \"report-only\" \"new\")");
    cr_assert_eq(lab_run_body(lab, "tampered"), DIVE_REJECT);
    cr_assert(dive_verifier_policy(lab->v)->report_only);
    cr_assert(dive_verifier_policy(lab->v)->https_required);
    lab_free(lab);
}

/* --- draft-00 --- */

Test(design_rows, unvalidated_policy_of_draft_00_is_not_supported)
{
    struct lab *lab = lab_signed_00(&key);

    lab_dns(lab, POLICY_NAME, DIVE_DNS_INSECURE, LAB_POLICY_00);
    cr_assert_eq(lab_run_body(lab, "tampered"), DIVE_NOT_SUPPORTED);
    lab_free(lab);
}

Test(design_rows, the_policys_version_selects_the_fields)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_00);
    lab_rejects(lab, "missing-headers");
    lab_free(lab);
    lab = lab_signed_00(&key);
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_rejects(lab, "missing-headers");
    lab_free(lab);
}
