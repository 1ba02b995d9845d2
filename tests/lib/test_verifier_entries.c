/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_verifier_entries: the readings of the drafts that the design lays down about key records and
 * signature entries, one test a statement, named after it.
 */
#include "lib/key_record.h"
#include "verifier_lab.h"

static struct lab_key key, other;

#define POLICY_NAME "_dive.dive.example"
#define KEY_NAME "keyABC._divekey.dive.example"
#define HOST_KEY_NAME "keyABC._divekey.www.dive.example"

static struct lab *with_cache(struct lab *lab)
{
    cr_assert_eq(dive_record_cache_new(&lab->options.cache, 1000, NULL), 0);
    return lab;
}

/* A world with two keys, its entries still to be made. */
static struct lab *two_keys(void)
{
    struct lab *lab = lab_new();

    lab_key_make(&key, DIVE_ALGORITHM_ED25519);
    lab_key_make(&other, DIVE_ALGORITHM_ED25519);
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ""));
    lab_dns(lab, "keyDEF._divekey.dive.example", DIVE_DNS_SECURE, lab_key_text(&other, ""));
    return lab;
}

static size_t count_asked(struct lab *lab, const char *part, bool fresh)
{
    size_t n = 0;

    for (size_t i = 0; i < lab->n_wants; i++)
        n += strstr(lab->want[i].name, part) && lab->want[i].fresh == fresh;
    return n;
}

/* --- key record --- */

Test(design_rows_keys, key_record_invalid)
{
    char texts[8][1024];
    size_t n = 0;

    lab_key_make(&key, DIVE_ALGORITHM_ED25519);
    snprintf(texts[n++], 1024, "%s", lab_key_text(&key, ", allowed-hash=(\"sha256\" \"sha1\")"));
    snprintf(texts[n++], 1024, "%s", lab_key_text(&key, ", allowed-hash=(sha256)"));
    snprintf(texts[n++], 1024, "sig=\"ed448\", key=:%s:", key.base64);
    snprintf(texts[n++], 1024, "sig=\"ED25519\", key=:%s:", key.base64);
    snprintf(texts[n++], 1024, "sig=\"ed25519\", key=\"%s\"", key.base64);
    snprintf(texts[n++], 1024, "%s", lab_key_text(&key, ", cache=\"1\""));
    snprintf(texts[n++], 1024, "v=spf1 -all");
    for (size_t i = 0; i < n; i++) {
        struct lab *lab = lab_signed(&key);

        lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, texts[i]);
        cr_assert_eq(lab_run(lab), DIVE_REJECT, "%s", texts[i]);
        cr_assert_eq(dive_verifier_reason(lab->v), DIVE_REASON_KEY_INVALID, "%s", texts[i]);
        lab_free(lab);
    }
}

Test(design_rows_keys, bytes_that_are_no_point_are_an_invalid_key)
{
    struct lab *lab = lab_signed(&key);

    /* y = 2 has no x on edwards25519. */
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE,
            "sig=\"ed25519\", key=:AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    lab_free(lab);
}

Test(design_rows_keys, an_empty_allowed_hash_permits_nothing)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", allowed-hash=()"));
    lab_rejects(lab, "hash-algorithm-not-allowed");
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", allowed-hash=(\"sha256\")"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", allowed-hash=(\"sha3-256\")"));
    lab_rejects(lab, "hash-algorithm-not-allowed");
    lab_free(lab);
    lab = lab_signed_00(&key);
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", allowed-hash=(\"sha512\")"));
    lab_rejects(lab, "hash-algorithm-not-allowed");
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", allowed-hash=(\"sha256\")"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

Test(design_rows_keys, an_invalid_record_at_the_closest_level_is_not_skipped_for_a_parents)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, HOST_KEY_NAME, DIVE_DNS_SECURE, "junk");
    lab_rejects(lab, "key-invalid");
    lab_free(lab);
}

Test(design_rows_keys, the_deepest_key_is_used_and_no_other)
{
    struct lab *lab = lab_signed(&key);

    lab_key_make(&other, DIVE_ALGORITHM_ED25519);
    lab_dns(lab, HOST_KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&other, ""));
    lab_rejects(lab, "signature-mismatch");
    lab_free(lab);
}

Test(design_rows_keys, keys_are_searched_from_the_host_to_the_policys_level)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, NULL);
    lab_dns(lab, "keyABC._divekey.example", DIVE_DNS_SECURE, lab_key_text(&key, ""));
    lab_rejects(lab, "key-not-found");
    cr_assert(lab_asked(lab, HOST_KEY_NAME, false));
    cr_assert(lab_asked(lab, KEY_NAME, false));
    cr_assert_null(lab_asked(lab, "keyABC._divekey.example", false));
    cr_assert_null(lab_asked(lab, "keyABC._divekey.example", true));
    lab_free(lab);
}

Test(design_rows_keys, of_two_valid_keys_at_one_name_each_is_tried)
{
    for (int i = 0; i < 2; i++) {
        struct lab *lab = two_keys();
        struct lab_answer *a = lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, "junk");

        lab_add_text(a, lab_key_text(i ? &key : &other, ""));
        lab_add_text(a, lab_key_text(i ? &other : &key, ", allowed-hash=(\"sha256\")"));
        lab_entry(lab, "s", &key, "keyABC");
        lab_fields(lab);
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        lab_free(lab);
    }
}

Test(design_rows_keys, insecure_key_is_absent)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, KEY_NAME, DIVE_DNS_INSECURE, lab_key_text(&key, ""));
    lab_rejects(lab, "key-not-found");
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ""));
    lab_dns(lab, HOST_KEY_NAME, DIVE_DNS_INSECURE, "sig=1");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

Test(design_rows_keys, a_key_that_is_not_validated_is_dnssec_unavailable)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, KEY_NAME, DIVE_DNS_BOGUS, lab_key_text(&key, ""));
    lab_rejects(lab, "dnssec-unavailable");
    lab_dns(lab, KEY_NAME, DIVE_DNS_NO_ANSWER, lab_key_text(&key, ""));
    lab_rejects(lab, "dnssec-unavailable");
    /* What the closer level would have said could shadow the parent's key. */
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ""));
    lab_dns(lab, HOST_KEY_NAME, DIVE_DNS_BOGUS, NULL);
    lab_rejects(lab, "dnssec-unavailable");
    /* dive.bogus: ignore is about policies; a key is never taken on trust. */
    lab->options.ignore_bogus = lab->options.ignore_no_answer = true;
    lab_rejects(lab, "dnssec-unavailable");
    lab_free(lab);
}

/* --- fresh DNS query --- */

Test(design_rows_keys, a_key_that_is_not_found_is_asked_for_again_past_all_caches)
{
    struct lab *lab = lab_signed(&key);

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, NULL)->asked = LAB_STALE_ONLY;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(lab_asked(lab, KEY_NAME, true));
    cr_assert(lab_asked(lab, HOST_KEY_NAME, true));
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, NULL);
    lab_rejects(lab, "key-not-found");
    cr_assert_eq(count_asked(lab, "_divekey", false), 2);
    cr_assert_eq(count_asked(lab, "_divekey", true), 2);
    lab_free(lab);
}

Test(design_rows_keys, nothing_is_asked_twice_when_a_key_was_found)
{
    struct lab *lab = two_keys();

    lab_entry(lab, "s", &key, "keyDEF"); /* the wrong one */
    lab_fields(lab);
    lab_rejects(lab, "signature-mismatch");
    cr_assert_eq(count_asked(lab, "_divekey", true), 0);
    lab_free(lab);
}

Test(design_rows_keys, a_cached_key_that_fails_is_evicted_and_asked_for_again)
{
    for (int draft = 0; draft < 2; draft++) {
        struct lab *lab = with_cache(draft ? lab_signed(&key) : lab_signed_00(&key));

        lab_key_make(&other, DIVE_ALGORITHM_ED25519);
        lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&other, ", cache=300"));
        lab_rejects(lab, "signature-mismatch");
        cr_assert_eq(count_asked(lab, "_divekey", true), 0, "it did not come from a cache");
        lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", cache=300"));
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert(lab_asked(lab, KEY_NAME, true));
        cr_assert_null(lab_asked(lab, KEY_NAME, false));
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert_eq(count_asked(lab, "_divekey", false) + count_asked(lab, "_divekey", true), 0);
        lab_free(lab);
    }
}

Test(design_rows_keys, a_cached_absence_is_not_believed_before_failing)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, NULL);
    lab_rejects(lab, "key-not-found");
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ""));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(lab_asked(lab, KEY_NAME, true));
    lab_free(lab);
}

Test(design_rows_keys, a_removed_key_stops_verifying_when_its_lifetime_ends)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", cache=100"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, NULL);
    lab->now += 99;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab->now += 1;
    lab_rejects(lab, "key-not-found");
    lab_free(lab);
}

/* --- invalidate-keys-cache --- */

Test(design_rows_keys, invalidate_keys_cache_purges_what_was_stored_until_then)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", cache=300"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT); /* stored at LAB_NOW */
    lab->now++;
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01 ", invalidate-keys-cache=1699999999");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_null(lab_asked(lab, KEY_NAME, false), "stored later than the timestamp");
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01 ", invalidate-keys-cache=1700000000");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_null(lab_asked(lab, KEY_NAME, false), "the resolver's cache may be older too");
    cr_assert(lab_asked(lab, KEY_NAME, true));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(count_asked(lab, "_divekey", true), 0, "cached again since");
    cr_assert_eq(count_asked(lab, "_divekey", false), 0);
    lab_free(lab);
}

Test(design_rows_keys, a_day_after_invalidate_keys_cache_the_resolver_counts_again)
{
    static const char text[] = LAB_POLICY_01 ", invalidate-keys-cache=1700000000";

    for (int64_t late = 0; late < 2; late++) {
        struct lab *lab = with_cache(lab_signed(&key));

        lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, text);
        lab->now = 1700000000 + DIVE_KEY_CACHE_CAP + late;
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert_eq(count_asked(lab, KEY_NAME, late == 0), 1);
        cr_assert_eq(count_asked(lab, KEY_NAME, late != 0), 0);
        lab_free(lab);
    }
}

Test(design_rows_keys, a_future_invalidate_keys_cache_means_fresh_queries_only)
{
    struct lab *lab = with_cache(lab_signed(&key));
    static const char text[] = LAB_POLICY_01 ", cache=3000, invalidate-keys-cache=1700000100";

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", cache=900"))->ttl = 900;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, text)->ttl = 3000;
    for (int64_t at = 0; at <= 100; at += 50) {
        lab->now = LAB_NOW + at;
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert_eq(count_asked(lab, "_divekey", false), 0);
        cr_assert_eq(count_asked(lab, "_divekey", true), 2, "at +%ld", (long)at);
    }
    lab->now = LAB_NOW + 101;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(count_asked(lab, "_divekey", false), 0);
    cr_assert(lab_asked(lab, KEY_NAME, true), "nothing stored until then counts");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(count_asked(lab, KEY_NAME, true), 0, "stored since");
    /* While it lies ahead, a key that isn't found was asked for freshly already. */
    lab->now = LAB_NOW;
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, NULL);
    lab_rejects(lab, "key-not-found");
    cr_assert_eq(count_asked(lab, "_divekey", true), 2);
    lab_free(lab);
}

/* --- signature entries --- */

Test(design_rows_keys, the_first_entry_that_verifies_is_enough)
{
    struct lab *lab = two_keys();

    lab_entry(lab, "bad", &other, "keyABC");
    lab_entry(lab, "good", &other, "keyDEF");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_str_eq(dive_verifier_key_id(lab->v), "keyDEF");
    lab_free(lab);
}

Test(design_rows_keys, all_keys_are_asked_for_at_once)
{
    struct lab *lab = two_keys();

    lab_entry(lab, "a", &key, "keyABC");
    lab_entry(lab, "b", &other, "keyDEF");
    lab_fields(lab);
    lab_start(lab);
    lab_answer_all(lab);
    lab_head(lab);
    lab_drain(lab);
    cr_assert_eq(count_asked(lab, "_divekey", false), 4);
    lab_free(lab);
}

Test(design_rows_keys, a_cached_keys_entry_goes_first)
{
    struct lab *lab = with_cache(two_keys());

    lab_dns(lab, "keyDEF._divekey.dive.example", DIVE_DNS_SECURE,
            lab_key_text(&other, ", cache=300"));
    lab_entry(lab, "b", &other, "keyDEF");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab->response.fields.n = 0;
    lab->input[0] = lab->signature[0] = '\0';
    lab_entry(lab, "a", &key, "keyABC");
    lab_entry(lab, "b", &other, "keyDEF");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_str_eq(dive_verifier_key_id(lab->v), "keyDEF");
    cr_assert_eq(count_asked(lab, "_divekey", false), 0);
    /* Its failure sends us back to the others. */
    lab_dns(lab, "keyDEF._divekey.dive.example", DIVE_DNS_SECURE, NULL);
    lab->response.fields.n = 0;
    lab->input[0] = lab->signature[0] = '\0';
    lab_entry(lab, "a", &key, "keyABC");
    lab_entry(lab, "b", &key, "keyDEF");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_str_eq(dive_verifier_key_id(lab->v), "keyABC");
    lab_free(lab);
}

static void expect_entry_number(int number, enum dive_verdict verdict)
{
    struct lab *lab = two_keys();
    char label[16];

    for (int i = 1; i <= number; i++) {
        snprintf(label, sizeof(label), "s%d", i);
        lab_entry(lab, label, i == number ? &other : &key, "keyDEF");
    }
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), verdict);
    lab_free(lab);
}

Test(design_rows_keys, eight_entries_are_looked_at)
{
    expect_entry_number(8, DIVE_ACCEPT);
    expect_entry_number(9, DIVE_REJECT);
}

Test(design_rows_keys, a_label_given_twice_the_last_wins)
{
    struct lab *lab = two_keys();

    lab_entry(lab, "s", &key, "keyDEF");
    lab_entry(lab, "s", &key, "keyABC");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
    lab = two_keys();
    lab_entry(lab, "s", &key, "keyABC");
    lab_entry(lab, "s", &key, "keyDEF");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    lab_free(lab);
}

Test(design_rows_keys, a_label_in_one_of_the_two_fields_only_fails_alone)
{
    struct lab *lab = two_keys();
    char input[4096];

    lab_entry(lab, "a", &key, "keyABC");
    strcpy(input, lab->input);
    lab_entry(lab, "b", &other, "keyDEF");
    strcpy(lab->input, input); /* b has a signature only */
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
    lab = two_keys();
    lab_entry(lab, "a", &key, "keyABC");
    strcpy(lab->signature, "b=:AAAA:");
    lab_fields(lab);
    lab_rejects(lab, "missing-headers");
    lab_free(lab);
}

Test(design_rows_keys, two_entries_with_one_keyid_are_both_tried)
{
    struct lab *lab = two_keys();

    lab_entry(lab, "a", &other, "keyABC");
    lab_entry(lab, "b", &key, "keyABC");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(count_asked(lab, "keyABC._divekey", false), 2, "each name once");
    lab_free(lab);
}

Test(design_rows_keys, upper_case_in_labels_is_accepted)
{
    struct lab *lab = two_keys();

    lab_entry(lab, "sigDEF", &other, "keyDEF");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

static void expect_parameters(const char *parameters, enum dive_verdict verdict, const char *reason)
{
    struct lab *lab = two_keys();

    lab_entry_over(lab, "s", &key, lab_content_digest(lab->body), parameters);
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), verdict, "%s", parameters);
    cr_assert_str_eq(dive_reason_word(dive_verifier_reason(lab->v)), reason, "%s", parameters);
    /* A good entry beside it verifies: each fails alone. */
    lab->response.fields.n = 0;
    lab_entry(lab, "good", &other, "keyDEF");
    lab_fields(lab);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT, "%s", parameters);
    lab_free(lab);
}

Test(design_rows_keys, missing_or_foreign_keyid_or_alg_fails_the_entry)
{
    expect_parameters(";alg=\"ed25519\"", DIVE_REJECT, "missing-headers");
    expect_parameters(";keyid=keyABC;alg=\"ed25519\"", DIVE_REJECT, "missing-headers");
    expect_parameters(";keyid=\"keyABC\"", DIVE_REJECT, "missing-headers");
    expect_parameters(";keyid=\"keyABC\";alg=\"rsa-pss-sha512\"", DIVE_REJECT, "missing-headers");
    expect_parameters(";keyid=\"keyABC\";alg=\"ED25519\"", DIVE_REJECT, "missing-headers");
    expect_parameters(";keyid=\"key-ABC\";alg=\"ed25519\"", DIVE_REJECT, "key-invalid");
    expect_parameters(";keyid=\"keyABC\";alg=\"ed448\"", DIVE_REJECT, "signature-mismatch");
    expect_parameters(";keyid=\"keyabc\";alg=\"ed25519\"", DIVE_REJECT, "key-not-found");
    expect_parameters(";alg=\"ed25519\";keyid=\"keyABC\"", DIVE_ACCEPT, "none");
}

Test(design_rows_keys, created_and_expires)
{
    expect_parameters(";keyid=\"keyABC\";alg=\"ed25519\";created=1700000060", DIVE_ACCEPT, "none");
    expect_parameters(";keyid=\"keyABC\";alg=\"ed25519\";created=1700000061", DIVE_REJECT,
                      "signature-mismatch");
    expect_parameters(";keyid=\"keyABC\";alg=\"ed25519\";expires=1700000000", DIVE_ACCEPT, "none");
    expect_parameters(";keyid=\"keyABC\";alg=\"ed25519\";expires=1699999999", DIVE_REJECT,
                      "signature-mismatch");
    expect_parameters(";created=1;keyid=\"keyABC\";nonce=\"n\";tag=\"t\";alg=\"ed25519\"",
                      DIVE_ACCEPT, "none");
}

/* --- keyid@fqdn --- */

static void expect_fqdn(const char *fqdn, const char *record, const char *reason)
{
    struct lab *lab = lab_new();
    char keyid[300], name[300];

    lab_key_make(&key, DIVE_ALGORITHM_ED25519);
    snprintf(keyid, sizeof(keyid), "k@%s", fqdn);
    snprintf(name, sizeof(name), "k._divekey.%s", record);
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_dns(lab, name, DIVE_DNS_SECURE, lab_key_text(&key, ""));
    lab_entry(lab, "s", &key, keyid);
    lab_fields(lab);
    lab_field(lab, "DIVE-Sig", "%s", lab_dive_sig(lab, &key, keyid, "sha256", "SHA256"));
    for (int draft = 1; draft >= 0; draft--) {
        if (draft == 0)
            lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_00);
        cr_assert_eq(lab_run(lab), strcmp(reason, "none") ? DIVE_REJECT : DIVE_ACCEPT, "%s", fqdn);
        cr_assert_str_eq(dive_reason_word(dive_verifier_reason(lab->v)), reason, "%s", fqdn);
        cr_assert_leq(count_asked(lab, "_divekey", false), 1, "there and nowhere else");
    }
    lab_free(lab);
}

Test(design_rows_keys, keyid_at_fqdn_is_queried_there_and_nowhere_else)
{
    expect_fqdn("www.dive.example", "www.dive.example", "none");
    expect_fqdn("Dive.EXAMPLE", "dive.example", "none");
    expect_fqdn("example", "example", "none"); /* above the policy's level */
    expect_fqdn("dive.example", "www.dive.example", "key-not-found");
    expect_fqdn("www.dive.example", "dive.example", "key-not-found");
    expect_fqdn("a.www.dive.example", "a.www.dive.example", "key-invalid");
    expect_fqdn("ive.example", "ive.example", "key-invalid");
    expect_fqdn("other.example", "other.example", "key-invalid");
}

Test(design_rows_keys, a_key_name_too_long_for_dns_is_not_found)
{
    static const char label[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct lab *lab = lab_new();
    char host[300];

    lab_key_make(&key, DIVE_ALGORITHM_ED25519);
    snprintf(host, sizeof(host), "%s.%s.%s.%s.ab", label, label, label, label);
    lab->host = host;
    lab_dns(lab, "_dive.ab", DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_entry(lab, "s", &key, "a12345678901234567890");
    lab_fields(lab);
    lab_rejects(lab, "key-not-found");
    for (size_t i = 0; i < lab->n_wants; i++)
        cr_assert_leq(strlen(lab->want[i].name), 253);
    cr_assert_eq(count_asked(lab, "_divekey", false), 4);
    lab_free(lab);
}

/* --- covered components --- */

static void expect_components(const char *components, const char *base_lines, const char *reason)
{
    struct lab *lab = two_keys();
    char base[2048], b64[256], parameters[512];

    snprintf(parameters, sizeof(parameters), "(%s);keyid=\"keyABC\";alg=\"ed25519\"", components);
    snprintf(base, sizeof(base), "%s\"@signature-params\": %s", base_lines, parameters);
    lab_sign(&key, base, strlen(base), b64);
    snprintf(lab->input, sizeof(lab->input), "s=%s", parameters);
    snprintf(lab->signature, sizeof(lab->signature), "s=:%s:", b64);
    lab_fields(lab);
    lab_field(lab, "Content-Type", "text/plain");
    cr_assert_eq(lab_run(lab), strcmp(reason, "none") ? DIVE_REJECT : DIVE_ACCEPT, "%s",
                 components);
    cr_assert_str_eq(dive_reason_word(dive_verifier_reason(lab->v)), reason, "%s", components);
    lab_free(lab);
}

Test(design_rows_keys, covered_components)
{
    char lines[1024], digest_line[512];

    snprintf(digest_line, sizeof(digest_line), "\"content-digest\": %s\n",
             lab_content_digest("hello, world\n"));
    expect_components("\"content-digest\"", digest_line, "none");
    snprintf(lines, sizeof(lines), "\"@status\": 200\n%s\"content-type\": text/plain\n",
             digest_line);
    expect_components("\"@status\" \"content-digest\" \"content-type\"", lines, "none");
    snprintf(lines, sizeof(lines), "%s\"@path\";req: /file\n", digest_line);
    expect_components("\"content-digest\" \"@path\";req", lines, "none");
    expect_components("\"content-type\"", "\"content-type\": text/plain\n", "missing-headers");
    expect_components("", "", "missing-headers");
    expect_components("\"content-digest\";req", digest_line, "missing-headers");
    snprintf(lines, sizeof(lines), "%s\"x-absent\": \n", digest_line);
    expect_components("\"content-digest\" \"x-absent\"", lines, "signature-mismatch");
    snprintf(lines, sizeof(lines), "%s\"@path\": /file\n", digest_line);
    expect_components("\"content-digest\" \"@path\"", lines, "signature-mismatch");
}

/* --- Content-Digest --- */

static void expect_digest(const char *digest, const char *more, const char *reason)
{
    struct lab *lab = two_keys();

    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, more));
    lab_entry_over(lab, "s", &key, digest, ";keyid=\"keyABC\";alg=\"ed25519\"");
    lab_field(lab, "Content-Digest", "%s", digest);
    lab_field(lab, "Signature-Input", "%s", lab->input);
    lab_field(lab, "Signature", "%s", lab->signature);
    cr_assert_eq(lab_run(lab), strcmp(reason, "none") ? DIVE_REJECT : DIVE_ACCEPT, "%s", digest);
    cr_assert_str_eq(dive_reason_word(dive_verifier_reason(lab->v)), reason, "%s", digest);
    lab_free(lab);
}

Test(design_rows_keys, every_listed_digest_must_be_permitted_and_match)
{
    unsigned char raw[64];
    char b64[128], wrong[128], sha512[300], both[1024];
    const char *sha256 = lab_content_digest("hello, world\n");

    lab_base64(raw, lab_hash("SHA512", "hello, world\n", raw), b64);
    snprintf(sha512, sizeof(sha512), "sha-512=:%s:", b64);
    raw[63] ^= 1;
    lab_base64(raw, 64, wrong);
    expect_digest(sha512, "", "none");
    snprintf(both, sizeof(both), "%s, %s", sha256, sha512);
    expect_digest(both, "", "none");
    expect_digest(both, ", allowed-hash=(\"sha512\")", "none");
    expect_digest(both, ", allowed-hash=(\"sha384\")", "hash-algorithm-not-allowed");
    snprintf(both, sizeof(both), "%s, sha-512=:%s:", sha256, wrong);
    expect_digest(both, "", "signature-mismatch");
    snprintf(both, sizeof(both), "%s, md5=:AAAAAAAAAAAAAAAAAAAAAA==:", sha256);
    expect_digest(both, "", "hash-algorithm-not-allowed");
    expect_digest("md5=:AAAAAAAAAAAAAAAAAAAAAA==:", "", "hash-algorithm-not-allowed");
    snprintf(both, sizeof(both), "sha-512=:%s:, %s", wrong, sha512); /* duplicate: the last wins */
    expect_digest(both, "", "none");
}

/* --- DIVE-Sig --- */

static void expect_dive_sig(const char *before, const char *after, const char *reason)
{
    struct lab *lab = lab_signed_00(&key);

    snprintf(lab->value[0], sizeof(lab->value[0]), "%s%s%s", before,
             lab_dive_sig(lab, &key, "keyABC", "sha256", "SHA256"), after);
    lab->field[0].value = dive_span_str(lab->value[0]);
    cr_assert_eq(lab_run(lab), strcmp(reason, "none") ? DIVE_REJECT : DIVE_ACCEPT, "%s", before);
    cr_assert_str_eq(dive_reason_word(dive_verifier_reason(lab->v)), reason, "%s|%s", before,
                     after);
    lab_free(lab);
}

Test(design_rows_keys, one_malformed_entry_or_prohibited_hash_in_dive_sig_rejects)
{
    expect_dive_sig("", "", "none");
    expect_dive_sig("gone:sha512:AAAA, ", "", "none");
    expect_dive_sig("", ", gone:sha512:AAAA", "none");
    expect_dive_sig("", ", malformed", "missing-headers");
    expect_dive_sig("bad-id:sha256:AAAA, ", "", "missing-headers");
    expect_dive_sig("", ", k:md5:AAAA", "hash-algorithm-not-allowed");
    expect_dive_sig("k:sha1:AAAA,", "", "hash-algorithm-not-allowed");
}

Test(design_rows_keys, one_key_id_twice_in_dive_sig_the_first_counts)
{
    expect_dive_sig("keyABC:sha256:AAAA, ", "", "signature-mismatch");
    expect_dive_sig("keyABC@dive.example:sha256:AAAA, ", "", "signature-mismatch");
    expect_dive_sig("", ", keyABC:sha256:AAAA", "none");
}

Test(design_rows_keys, dive_sig_lines_are_joined)
{
    struct lab *lab = lab_signed_00(&key);

    lab->field[1] = lab->field[0];
    lab->field[0].value = dive_span_str("gone:sha256:AAAA");
    lab->response.fields.n = 2;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
}

/* --- failure-reason --- */

static void expect_two(const char *first, const char *second, const char *reason)
{
    struct lab *lab = two_keys();

    lab_dns(lab, "bad._divekey.dive.example", DIVE_DNS_SECURE, "junk");
    lab_dns(lab, "bogus._divekey.dive.example", DIVE_DNS_BOGUS, NULL);
    lab_entry(lab, "a", &other, first);
    lab_entry(lab, "b", &other, second);
    lab_fields(lab);
    lab_rejects(lab, reason);
    lab_free(lab);
}

Test(design_rows_keys, failure_reason_of_all_the_same_or_mixed)
{
    expect_two("gone", "away", "key-not-found");
    expect_two("keyABC", "keyABC", "signature-mismatch");
    expect_two("bad", "bad@dive.example", "key-invalid");
    expect_two("bogus", "bogus", "dnssec-unavailable");
    expect_two("gone", "keyABC", "no-valid-key");
    expect_two("bad", "bogus", "no-valid-key");
    expect_two("gone", "in-valid", "no-valid-key");
}

/* --- what the cache holds afterwards --- */

static bool cached(struct lab *lab, const char *name)
{
    struct dive_record_peek peek;

    return dive_record_cache_peek(lab->options.cache, name, lab->now, &peek);
}

Test(design_rows_keys, invalidate_keys_cache_purges_keys_that_this_response_does_not_name)
{
    struct lab *lab = with_cache(lab_signed(&key));
    struct dive_answer absent = {.security = DIVE_DNS_SECURE};

    cr_assert_eq(dive_record_cache_put(lab->options.cache, "old._divekey.ftp.dive.example", &absent,
                                       LAB_NOW - 1, 500),
                 0);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(cached(lab, "old._divekey.ftp.dive.example"));
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01 ", invalidate-keys-cache=1699999999");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_not(cached(lab, "old._divekey.ftp.dive.example"));
    lab_free(lab);
}

Test(design_rows_keys, a_key_stored_by_an_older_clock_after_the_purge_does_not_count)
{
    for (int64_t at = 0; at < 2; at++) {
        struct lab *lab = with_cache(lab_signed(&key));
        struct dive_span txt = dive_span_str(lab_key_text(&key, ", cache=300"));
        struct dive_answer answer = {.security = DIVE_DNS_SECURE, .txt = &txt, .n = 1};

        lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE,
                LAB_POLICY_01 ", cache=300, invalidate-keys-cache=1699999990");
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT); /* the policy is cached, so the purge is over */
        cr_assert_eq(
            dive_record_cache_put(lab->options.cache, KEY_NAME, &answer, 1699999990 + at, 300), 0);
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert_eq(count_asked(lab, KEY_NAME, true), at == 0);
        cr_assert_eq(count_asked(lab, KEY_NAME, false), 0);
        lab_free(lab);
    }
}

Test(design_rows_keys, nothing_is_stored_while_invalidate_keys_cache_lies_ahead)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01 ", invalidate-keys-cache=1700000000");
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", cache=300"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_not(cached(lab, KEY_NAME));
    lab->now++;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(cached(lab, KEY_NAME));
    lab_free(lab);
}

Test(design_rows_keys, a_cached_key_that_failed_is_gone_whatever_dns_says_then)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_key_make(&other, DIVE_ALGORITHM_ED25519);
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&other, ", cache=300"));
    lab_rejects(lab, "signature-mismatch");
    cr_assert(cached(lab, KEY_NAME));
    lab_dns(lab, KEY_NAME, DIVE_DNS_NO_ANSWER, NULL);
    lab_rejects(lab, "dnssec-unavailable");
    cr_assert_not(cached(lab, KEY_NAME));
    lab_free(lab);
}

Test(design_rows_keys, nothing_above_a_cached_record_is_asked)
{
    struct lab *lab = with_cache(lab_signed(&key));

    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, NULL);
    lab_dns(lab, "_dive.example", DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=300");
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=300");
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", cache=300"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    dive_record_cache_evict(lab->options.cache, "_dive.www.dive.example");
    dive_record_cache_evict(lab->options.cache, "_dive.example");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(lab->n_wants, 1);
    cr_assert_str_eq(lab->want[0].name, "_dive.www.dive.example");
    lab_free(lab);
    /* The same of keys: the policy stands at the TLD, the key is cached one level below it. */
    lab = with_cache(lab_signed(&key));
    lab_dns(lab, POLICY_NAME, DIVE_DNS_SECURE, NULL);
    lab_dns(lab, "_dive.example", DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=300");
    lab_dns(lab, KEY_NAME, DIVE_DNS_SECURE, lab_key_text(&key, ", cache=300"));
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    dive_record_cache_evict(lab->options.cache, HOST_KEY_NAME);
    dive_record_cache_evict(lab->options.cache, "keyABC._divekey.example");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(count_asked(lab, "_divekey", false), 1);
    cr_assert(lab_asked(lab, HOST_KEY_NAME, false));
    lab_free(lab);
}
