/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_verifier: the contract of the public calls: order, states, coverage, wants, what can't
 * accept.
 */
#include "verifier_lab.h"

static struct lab_key key;

Test(verifier, accepts_what_is_signed_after_its_end_only)
{
    struct lab *lab = lab_signed(&key);

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_NONE);
    cr_assert_str_eq(dive_verifier_key_id(lab->v), "keyABC");
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "dive.example");
    cr_assert_eq(dive_verifier_policy_security(lab->v), DIVE_DNS_SECURE);
    lab_free(lab);
}

Test(verifier, accepts_draft_00)
{
    struct lab *lab = lab_signed_00(&key);

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_str_eq(dive_verifier_key_id(lab->v), "keyABC");
    lab_free(lab);
}

Test(verifier, accepts_ed448_in_both_drafts)
{
    struct lab *lab = lab_new();

    lab_key_make(&key, DIVE_ALGORITHM_ED448);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_dns(lab, "k._divekey.dive.example", DIVE_DNS_SECURE, lab_key_text(&key, ""));
    lab_entry(lab, "s", &key, "k");
    lab_fields(lab);
    lab_field(lab, "dive-sig", "%s", lab_dive_sig(lab, &key, "k", "sha3-512", "SHA3-512"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_00);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

Test(verifier, one_changed_byte_rejects)
{
    struct lab *lab = lab_signed(&key);

    cr_assert_eq(lab_run_body(lab, "hello, world!"), DIVE_REJECT);
    cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_SIGNATURE_MISMATCH);
    cr_assert_eq(lab_run_body(lab, "hello, world"), DIVE_REJECT);
    cr_assert_eq(lab_run_body(lab, ""), DIVE_REJECT);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
    lab = lab_signed_00(&key);
    cr_assert_eq(lab_run_body(lab, "hello, world!"), DIVE_REJECT);
    cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_SIGNATURE_MISMATCH);
    lab_free(lab);
}

Test(verifier, content_without_an_end_is_never_accepted)
{
    struct lab *lab = lab_signed(&key);

    lab_start(lab);
    lab_answer_all(lab);
    lab_head(lab);
    lab_answer_all(lab);
    lab_body(lab, lab->body);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_UNDECIDED);
    cr_assert_eq(dive_verifier_coverage(lab->v), DIVE_COVERED);
    cr_assert(dive_verifier_needs_body(lab->v));
    cr_assert(dive_verifier_awaits_content(lab->v));
    lab_free(lab);
}

Test(verifier, content_after_its_end_is_not_accepted)
{
    struct lab *lab = lab_signed(&key);

    lab_start(lab);
    lab_answer_all(lab);
    lab_head(lab);
    lab_body(lab, lab->body);
    lab_end(lab);
    dive_verifier_body(lab->v, "x", 1);
    lab_drain(lab);
    for (size_t i = 0; i < lab->n_wants; i++) {
        if (!lab->want[i].answered)
            (void)!lab_answer_want(lab, i);
    }
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_REJECT);
    lab_free(lab);
}

Test(verifier, calls_out_of_order_are_refused)
{
    struct lab *lab = lab_signed(&key);
    struct dive_answer answer = {.security = DIVE_DNS_SECURE};

    cr_assert_eq(dive_verifier_new(&lab->v, &lab->options), 0);
    cr_assert_eq(dive_verifier_response(lab->v, &lab->request, &lab->response, 0), DIVE_E_STATE);
    cr_assert_eq(dive_verifier_end(lab->v, 0), DIVE_E_STATE);
    cr_assert_eq(dive_verifier_start(lab->v, dive_span_str("a..b"), 0), DIVE_E_SYNTAX);
    cr_assert_eq(dive_verifier_start(lab->v, dive_span_str(lab->host), 0), 0);
    cr_assert_eq(dive_verifier_start(lab->v, dive_span_str(lab->host), 0), DIVE_E_STATE);
    /* Not handed out yet, never existing, and twice. */
    cr_assert_eq(dive_verifier_answer(lab->v, 1, &answer, 0), DIVE_E_STATE);
    cr_assert_eq(dive_verifier_answer(lab->v, 0, &answer, 0), DIVE_E_STATE);
    cr_assert_eq(dive_verifier_answer(lab->v, 99, &answer, 0), DIVE_E_STATE);
    lab_drain(lab);
    cr_assert_eq(dive_verifier_answer(lab->v, 1, &answer, 0), 0);
    cr_assert_eq(dive_verifier_answer(lab->v, 1, &answer, 0), DIVE_E_STATE);
    lab_head(lab);
    cr_assert_eq(dive_verifier_response(lab->v, &lab->request, &lab->response, 0), DIVE_E_STATE);
    lab_free(lab);
}

Test(verifier, zeroed_memory_is_undecided)
{
    struct lab *lab = lab_new();

    cr_assert_eq(dive_verifier_new(&lab->v, &lab->options), 0);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_UNDECIDED);
    cr_assert_eq(dive_verifier_coverage(lab->v), DIVE_COVERAGE_PENDING);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_PENDING);
    cr_assert_null(dive_verifier_policy(lab->v));
    cr_assert_null(dive_verifier_key_id(lab->v));
    lab_free(lab);
}

Test(verifier, wants_stop_when_nothing_can_change)
{
    struct lab *lab = lab_signed(&key);
    struct dive_want w;

    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_start(lab);
    /* One name is handed out; its answer makes the walk's end certain. */
    cr_assert(dive_verifier_next_want(lab->v, &w));
    cr_assert_str_eq(w.name, "_dive.www.dive.example");
    struct dive_answer answer;
    lab_answer_of(lab, w.name, false, &answer);
    cr_assert_eq(dive_verifier_answer(lab->v, w.id, &answer, lab->now), 0);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_FOUND);
    cr_assert_not(dive_verifier_next_want(lab->v, &w));
    lab_free(lab);
}

Test(verifier, late_answers_are_taken_and_change_nothing)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_SECURE,
            "v=\"dive-draft-01\", directives=(\"report-only\")");
    lab_start(lab);
    lab_drain(lab);
    cr_assert_eq(lab->n_wants, 3);
    cr_assert_eq(lab_answer_want(lab, 0), 0);
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "www.dive.example");
    cr_assert_eq(lab_answer_want(lab, 1), 0);
    cr_assert_eq(lab_answer_want(lab, 2), 0);
    cr_assert_str_eq(dive_verifier_policy_domain(lab->v), "www.dive.example");
    cr_assert(dive_verifier_policy(lab->v)->report_only);
    cr_assert_not(dive_verifier_policy_has_scopes(lab->v));
    lab_free(lab);
}

Test(verifier, a_closer_level_must_be_known_first)
{
    struct lab *lab = lab_signed(&key);

    lab_start(lab);
    lab_drain(lab);
    cr_assert_eq(lab_answer_want(lab, 1), 0); /* the winner, as it will turn out */
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_PENDING);
    cr_assert_eq(lab_answer_want(lab, 0), 0);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_FOUND);
    lab_free(lab);
}

Test(verifier, only_the_content_is_awaited_once_the_signature_is_verified)
{
    for (int draft = 0; draft < 2; draft++) {
        struct lab *lab = lab_signed(&key);

        lab_field(lab, "DIVE-Sig", "%s", lab_dive_sig(lab, &key, "keyABC", "sha512", "SHA512"));
        if (draft == 0)
            lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_00);
        lab_start(lab);
        cr_assert_not(dive_verifier_awaits_content(lab->v));
        lab_answer_all(lab);
        cr_assert_not(dive_verifier_awaits_content(lab->v), "there is no head");
        lab_head(lab);
        cr_assert_not(dive_verifier_awaits_content(lab->v), "there is no key");
        lab_answer_all(lab);
        cr_assert_eq(dive_verifier_awaits_content(lab->v), draft == 1);
        lab_body(lab, lab->body);
        cr_assert_eq(dive_verifier_awaits_content(lab->v), draft == 1);
        lab_end(lab);
        cr_assert_not(dive_verifier_awaits_content(lab->v));
        cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_ACCEPT);
        lab_free(lab);
    }
}

Test(verifier, policy_after_the_content_is_in_time_for_both_drafts)
{
    for (int draft = 0; draft < 2; draft++) {
        struct lab *lab = lab_signed(&key);

        lab_field(lab, "DIVE-Sig", "%s", lab_dive_sig(lab, &key, "keyABC", "sha512", "SHA512"));
        if (draft == 0)
            lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_00);
        lab_start(lab);
        lab_head(lab);
        cr_assert_eq(dive_verifier_coverage(lab->v), DIVE_COVERAGE_PENDING);
        cr_assert(dive_verifier_needs_body(lab->v));
        lab_body(lab, lab->body);
        lab_end(lab);
        cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_UNDECIDED);
        lab_answer_all(lab);
        cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_ACCEPT);
        lab_free(lab);
    }
}

Test(verifier, missing_fields_reject_before_the_content)
{
    static const char *const names[] = {"Content-Digest", "Signature-Input", "Signature"};

    for (size_t i = 0; i < 3; i++) {
        struct lab *lab = lab_signed(&key);

        cr_assert(dive_span_eq(lab->field[i].name, names[i]));
        lab->field[i].name = dive_span_str("X-Other");
        lab_start(lab);
        lab_answer_all(lab);
        lab_head(lab);
        cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_REJECT);
        cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_MISSING_HEADERS);
        cr_assert_not(dive_verifier_needs_body(lab->v));
        lab_free(lab);
    }
}

Test(verifier, fields_that_do_not_parse_are_missing)
{
    static const char *const bad[] = {"", "=", "sig1", "sig1=(", "sig1=:AAAA", "\xff"};

    for (size_t f = 0; f < 3; f++) {
        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
            struct lab *lab = lab_signed(&key);

            lab->field[f].value = dive_span_str(bad[i]);
            cr_assert_eq(lab_run(lab), DIVE_REJECT, "field %zu, value %s", f, bad[i]);
            cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_MISSING_HEADERS,
                         "field %zu, value %s: %s", f, bad[i],
                         dive_reason_word(dive_verifier_reason(lab->v)));
            lab_free(lab);
        }
    }
}

Test(verifier, clock_may_go_backwards)
{
    struct lab *lab = lab_signed(&key);

    cr_assert_eq(dive_record_cache_new(&lab->options.cache, 100, NULL), 0);
    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE,
            lab_key_text(&key, ", cache=900"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab->now -= 100000;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(lab_asked(lab, "keyABC._divekey.dive.example", false), "stored in the future: stale");
    lab_free(lab);
}

Test(verifier, an_answer_larger_than_a_dns_message_is_no_answer)
{
    struct lab *lab = lab_new();
    static char huge[65536];
    struct dive_span txt = dive_span(huge, sizeof(huge));
    struct dive_answer answer = {.security = DIVE_DNS_SECURE, .txt = &txt, .n = 1, .ttl = 1};

    memset(huge, 'a', sizeof(huge));
    lab_start(lab);
    lab_drain(lab);
    cr_assert_eq(dive_verifier_answer(lab->v, lab->want[0].id, &answer, lab->now), 0);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_FAILED);
    lab_start(lab);
    lab_drain(lab);
    txt.n--; /* just fits: a secure record that is no policy */
    cr_assert_eq(dive_verifier_answer(lab->v, lab->want[0].id, &answer, lab->now), 0);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_ABSENT);
    lab_free(lab);
}

Test(verifier, an_answer_has_at_most_4096_records)
{
    struct lab *lab = lab_new();
    static struct dive_span txt[4097];
    struct dive_answer answer = {.security = DIVE_DNS_SECURE, .txt = txt, .n = 4096, .ttl = 1};

    lab_start(lab);
    lab_drain(lab);
    cr_assert_eq(dive_verifier_answer(lab->v, lab->want[0].id, &answer, lab->now), 0);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_ABSENT);
    lab_start(lab);
    lab_drain(lab);
    answer.n = 4097;
    cr_assert_eq(dive_verifier_answer(lab->v, lab->want[0].id, &answer, lab->now), 0);
    cr_assert_eq(dive_verifier_policy_state(lab->v), DIVE_POLICY_FAILED);
    lab_free(lab);
}

Test(verifier, names_too_long_for_dns_are_absent_at_that_level)
{
    /* 250 characters: "_dive." makes the two closest levels too long, the third just fits. */
    static const char label[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char host[300], want[400];
    struct lab *lab = lab_new();

    snprintf(host, sizeof(host), "a.b.%s.%s.%s.%s.ab", label, label, label, label);
    cr_assert_eq(strlen(host), 250);
    lab->host = host;
    lab_start(lab);
    lab_drain(lab);
    cr_assert_eq(lab->n_wants, 5);
    snprintf(want, sizeof(want), "_dive.%s", host + 4);
    cr_assert_eq(strlen(want), 252);
    cr_assert(lab_asked(lab, want, false));
    lab_answer_all(lab);
    cr_assert_eq(dive_verifier_verdict(lab->v), DIVE_NOT_SUPPORTED);
    lab_free(lab);
}

Test(verifier, words_are_those_of_the_contract)
{
    cr_assert_str_eq(dive_verdict_word(DIVE_UNDECIDED), "undecided");
    cr_assert_str_eq(dive_verdict_word(DIVE_ACCEPT), "verified");
    cr_assert_str_eq(dive_verdict_word(DIVE_REJECT), "failed");
    cr_assert_str_eq(dive_verdict_word(DIVE_NOT_COVERED), "not-covered");
    cr_assert_str_eq(dive_verdict_word(DIVE_NOT_SUPPORTED), "not-supported");
    cr_assert_str_eq(dive_security_word(DIVE_DNS_NO_ANSWER), "no-answer");
    cr_assert_str_eq(dive_reason_word(DIVE_REASON_HASH_NOT_ALLOWED), "hash-algorithm-not-allowed");
}
