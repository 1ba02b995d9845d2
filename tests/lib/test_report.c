/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_report: the failure report has every field of the drafts' example, with the right values.
 */
#include <jansson.h>

#include "verifier_lab.h"

static struct lab_key key, other;

#define URL "https://www.dive.example/file"

static json_t *report(struct lab *lab, bool blocked)
{
    char *text;
    json_t *json;

    cr_assert_eq(dive_verifier_report(lab->v, URL, blocked, 1700000042, &text), 0);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json, "%s", text);
    free(text);
    return json;
}

static json_t *at(json_t *json, const char *path)
{
    char copy[128], *save, *part;

    snprintf(copy, sizeof(copy), "%s", path);
    for (part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(part))
                                   : json_object_get(json, part);
        cr_assert(json, "%s is absent", path);
    }
    return json;
}

static const char *text_at(json_t *json, const char *path)
{
    cr_assert(json_is_string(at(json, path)), "%s is no string", path);
    return json_string_value(at(json, path));
}

Test(report, draft_01_signature_mismatch)
{
    struct lab *lab = lab_signed(&key);
    json_t *r;

    cr_assert_eq(lab_run_body(lab, "hello, w0rld\n"), DIVE_REJECT);
    r = report(lab, true);
    cr_assert_eq(json_object_size(r), 8);
    cr_assert_str_eq(text_at(r, "report-version"), "0.1");
    cr_assert_eq(json_integer_value(at(r, "timestamp")), 1700000042);
    cr_assert_str_eq(text_at(r, "client/user-agent"), "lab/1");
    cr_assert_str_eq(text_at(r, "policy/domain"), "dive.example");
    cr_assert_str_eq(text_at(r, "policy/fqdn"), "www.dive.example");
    cr_assert(json_is_true(at(r, "policy/dnssec-validated")));
    cr_assert_str_eq(text_at(r, "resource/url"), URL);
    cr_assert_str_eq(text_at(r, "resource/method"), "GET");
    cr_assert_eq(json_integer_value(at(r, "resource/status-code")), 200);
    cr_assert_str_eq(text_at(r, "resource/scope"), "strict");
    cr_assert_eq(json_object_size(at(r, "headers-received")), 3);
    cr_assert_str_eq(text_at(r, "headers-received/content-digest"), lab->value[0]);
    cr_assert_str_eq(text_at(r, "headers-received/signature-input"), lab->value[1]);
    cr_assert_str_eq(text_at(r, "headers-received/signature"), lab->value[2]);
    cr_assert_eq(json_array_size(at(r, "key-resolution")), 1);
    cr_assert_str_eq(text_at(r, "key-resolution/0/key-id"), "keyABC");
    cr_assert_str_eq(text_at(r, "key-resolution/0/fqdn-queried"), "keyABC._divekey.dive.example");
    cr_assert(json_is_true(at(r, "key-resolution/0/found")));
    cr_assert(json_is_true(at(r, "key-resolution/0/dnssec-validated")));
    cr_assert_str_eq(text_at(r, "key-resolution/0/sig-algorithm"), "ed25519");
    cr_assert_str_eq(text_at(r, "validation/hash-algorithm"), "sha-256");
    cr_assert(strstr(lab_content_digest("hello, w0rld\n"), text_at(r, "validation/hash-computed")));
    cr_assert(json_is_false(at(r, "validation/signature-valid")));
    cr_assert_str_eq(text_at(r, "validation/failure-reason"), "signature-mismatch");
    cr_assert_str_eq(text_at(r, "validation/final-decision"), "blocked");
    json_decref(r);
    r = report(lab, false);
    cr_assert_str_eq(text_at(r, "validation/final-decision"), "allowed-report-only");
    json_decref(r);
    lab_free(lab);
}

Test(report, draft_00)
{
    struct lab *lab = lab_signed_00(&key);
    json_t *r;

    cr_assert_eq(lab_run_body(lab, "tampered"), DIVE_REJECT);
    r = report(lab, true);
    cr_assert_eq(json_object_size(at(r, "headers-received")), 1);
    cr_assert_str_eq(text_at(r, "headers-received/dive-sig"), lab->value[0]);
    cr_assert_str_eq(text_at(r, "validation/hash-algorithm"), "sha256");
    cr_assert(strstr(lab_content_digest("tampered"), text_at(r, "validation/hash-computed")));
    cr_assert(json_is_false(at(r, "validation/signature-valid")));
    json_decref(r);
    lab_free(lab);
}

Test(report, what_is_not_there_is_null)
{
    struct lab *lab = lab_signed(&key);
    json_t *r;

    lab->response.fields.n = 0;
    lab->options.user_agent = NULL;
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    r = report(lab, true);
    cr_assert(json_is_null(at(r, "client/user-agent")));
    cr_assert(json_is_null(at(r, "headers-received/signature")));
    cr_assert(json_is_null(at(r, "headers-received/signature-input")));
    cr_assert(json_is_null(at(r, "headers-received/content-digest")));
    cr_assert_eq(json_array_size(at(r, "key-resolution")), 0);
    cr_assert(json_is_array(at(r, "key-resolution")));
    cr_assert(json_is_null(at(r, "validation/hash-algorithm")));
    cr_assert(json_is_null(at(r, "validation/hash-computed")));
    cr_assert(json_is_false(at(r, "validation/signature-valid")));
    cr_assert_str_eq(text_at(r, "validation/failure-reason"), "missing-headers");
    json_decref(r);
    lab_free(lab);
}

Test(report, a_policy_that_could_not_be_validated)
{
    struct lab *lab = lab_signed(&key);
    json_t *r;

    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_BOGUS, NULL);
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    r = report(lab, true);
    cr_assert_str_eq(text_at(r, "policy/domain"), "www.dive.example");
    cr_assert(json_is_false(at(r, "policy/dnssec-validated")));
    cr_assert(json_is_null(at(r, "resource/scope")));
    cr_assert_str_eq(text_at(r, "validation/failure-reason"), "dnssec-unavailable");
    json_decref(r);
    lab_free(lab);
}

Test(report, keys_stand_in_the_order_in_which_they_were_tried)
{
    struct lab *lab = lab_new();
    json_t *r;

    lab_key_make(&key, DIVE_ALGORITHM_ED25519);
    lab_key_make(&other, DIVE_ALGORITHM_ED25519);
    cr_assert_eq(dive_record_cache_new(&lab->options.cache, 10, NULL), 0);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_dns(lab, "b._divekey.dive.example", DIVE_DNS_SECURE, lab_key_text(&key, ", cache=100"));
    lab_dns(lab, "c._divekey.dive.example", DIVE_DNS_BOGUS, NULL);
    lab_entry(lab, "b", &key, "b");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT); /* now b is cached */
    lab->response.fields.n = 0;
    lab->input[0] = lab->signature[0] = '\0';
    lab_entry(lab, "a", &key, "a@dive.example");
    lab_entry(lab, "b", &other, "b");
    lab_entry(lab, "c", &key, "c");
    lab_entry(lab, "d", &key, "d@elsewhere.example");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    r = report(lab, true);
    cr_assert_eq(json_array_size(at(r, "key-resolution")), 4);
    cr_assert_str_eq(text_at(r, "key-resolution/0/key-id"), "b");
    cr_assert_str_eq(text_at(r, "key-resolution/1/key-id"), "a");
    cr_assert_str_eq(text_at(r, "key-resolution/1/fqdn-queried"), "a._divekey.dive.example");
    cr_assert(json_is_false(at(r, "key-resolution/1/found")));
    cr_assert(json_is_false(at(r, "key-resolution/1/dnssec-validated")));
    cr_assert(json_is_null(at(r, "key-resolution/1/sig-algorithm")));
    cr_assert_str_eq(text_at(r, "key-resolution/2/key-id"), "c");
    cr_assert_str_eq(text_at(r, "key-resolution/2/fqdn-queried"), "c._divekey.www.dive.example");
    cr_assert_str_eq(text_at(r, "key-resolution/3/key-id"), "d");
    cr_assert(json_is_null(at(r, "key-resolution/3/fqdn-queried")), "it was not asked anywhere");
    cr_assert_str_eq(text_at(r, "validation/failure-reason"), "no-valid-key");
    json_decref(r);
    lab_free(lab);
}

Test(report, bytes_that_are_not_utf_8_are_reported_too)
{
    struct lab *lab = lab_signed(&key);
    json_t *r;

    lab->field[2].value = dive_span_str("s=\xff\"\x01");
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    r = report(lab, true);
    cr_assert_str_eq(text_at(r, "headers-received/signature"), "s=\xc3\xbf\"\x01");
    json_decref(r);
    lab_free(lab);
}

Test(report, only_for_a_reject)
{
    struct lab *lab = lab_signed(&key);
    char *text = lab->input;

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(dive_verifier_report(lab->v, URL, true, 1, &text), DIVE_E_STATE);
    cr_assert_null(text);
    lab_free(lab);
}
