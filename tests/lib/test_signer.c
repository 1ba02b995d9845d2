/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_signer: what the signer makes is what the verifier accepts, for every hash, algorithm and
 * draft; what it must not make, it refuses.
 */
#include "verifier_lab.h"

#include "lib/signer.h"

static struct lab_key keys[2];

static int sign_with(void *arg, const void *message, size_t n, uint8_t *signature)
{
    struct lab_key *key = arg;
    size_t len = dive_algorithm_signature_bytes(key->algorithm);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int r = DIVE_E_INTERNAL;

    if (context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
        EVP_DigestSign(context, signature, &len, message, n) == 1)
        r = 0;
    EVP_MD_CTX_free(context);
    return r;
}

static int sign_never(void *arg, const void *message, size_t n, uint8_t *signature)
{
    return *(int *)arg;
}

static struct dive_signing_key key_of(struct lab_key *key, const char *id, const char *fqdn)
{
    return (struct dive_signing_key){
        .algorithm = key->algorithm, .key_id = id, .fqdn = fqdn, .sign = sign_with, .arg = key};
}

static struct dive_digests *digests_of(unsigned hashes, const char *body)
{
    struct dive_digests *digests = NULL;

    cr_assert_eq(dive_digests_new(&digests, hashes), 0);
    cr_assert_eq(dive_digests_update(digests, body, strlen(body)), 0);
    cr_assert_eq(dive_digests_finish(digests), 0);
    return digests;
}

static struct lab *world(const char *policy, enum dive_algorithm first, enum dive_algorithm second)
{
    struct lab *lab = lab_new();

    lab_key_make(&keys[0], first);
    lab_key_make(&keys[1], second);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, policy);
    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE, lab_key_text(&keys[0], ""));
    lab_dns(lab, "keyDEF._divekey.www.dive.example", DIVE_DNS_SECURE, lab_key_text(&keys[1], ""));
    return lab;
}

static void put(struct lab *lab, const struct dive_signed *made)
{
    lab_field(lab, "Content-Digest", "%s", made->content_digest);
    lab_field(lab, "Signature-Input", "%s", made->signature_input);
    lab_field(lab, "Signature", "%s", made->signature);
}

static void verifies_01(unsigned hashes, enum dive_algorithm algorithm, struct dive_signing_key key,
                        const struct dive_sign_options *options)
{
    struct lab *lab = world(LAB_POLICY_01, algorithm, algorithm);
    struct dive_digests *digests = digests_of(hashes, lab->body);
    struct dive_signed made;

    key.algorithm = algorithm;
    cr_assert_eq(dive_sign(&made, &key, 1, digests, options), 0);
    put(lab, &made);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT, "%s", made.signature_input);
    cr_assert_eq(lab_run_body(lab, "hello, world"), DIVE_REJECT);
    dive_signed_free(&made);
    cr_assert_null(made.signature);
    dive_digests_free(&digests);
    lab_free(lab);
}

Test(signer, every_hash_and_algorithm_verifies_in_draft_01)
{
    static const struct dive_sign_options plain;

    for (unsigned set = 1; set < 1u << DIVE_HASH_COUNT; set++) {
        verifies_01(set, DIVE_ALGORITHM_ED25519, key_of(&keys[0], "keyABC", NULL), &plain);
        verifies_01(set, DIVE_ALGORITHM_ED448, key_of(&keys[0], "keyABC", NULL), &plain);
    }
}

Test(signer, every_hash_and_algorithm_verifies_in_draft_00)
{
    for (unsigned hash = 0; hash < DIVE_HASH_COUNT; hash++) {
        for (int algorithm = DIVE_ALGORITHM_ED25519; algorithm <= DIVE_ALGORITHM_ED448;
             algorithm++) {
            struct lab *lab = world(LAB_POLICY_00, (enum dive_algorithm)algorithm,
                                    (enum dive_algorithm)algorithm);
            struct dive_digests *digests = digests_of(DIVE_HASH_BIT(hash), lab->body);
            struct dive_signing_key key =
                key_of(&keys[0], "keyABC", hash & 1 ? "Dive.Example" : NULL);
            char *made;

            cr_assert_eq(dive_sign_00(&made, &key, 1, digests, (enum dive_hash)hash), 0);
            lab_field(lab, "DIVE-Sig", "%s", made);
            cr_assert_eq(lab_run(lab), DIVE_ACCEPT, "%s", made);
            cr_assert_eq(lab_run_body(lab, "x"), DIVE_REJECT);
            free(made);
            dive_digests_free(&digests);
            lab_free(lab);
        }
    }
}

Test(signer, fqdn_times_and_components_verify)
{
    struct dive_span components[] = {
        dive_span_str("\"@status\""), dive_span_str("\"content-type\""),
        dive_span_str("\"@path\";req"), dive_span_str("\"@authority\";req")};
    struct dive_field type = {dive_span_str("Content-Type"), dive_span_str("text/plain")};
    struct lab *lab = world(LAB_POLICY_01, DIVE_ALGORITHM_ED25519, DIVE_ALGORITHM_ED448);
    struct dive_response response = {.status = 200, .fields = {&type, 1}};
    struct dive_sign_options options = {.components = components,
                                        .n_components = 4,
                                        .has_created = true,
                                        .created = LAB_NOW - 1,
                                        .has_expires = true,
                                        .expires = LAB_NOW + 1,
                                        .request = &lab->request,
                                        .response = &response};
    struct dive_digests *digests = digests_of(1, lab->body);
    struct dive_signing_key key = key_of(&keys[0], "keyABC", "DIVE.example.");
    struct dive_signed made;

    cr_assert_eq(dive_sign(&made, &key, 1, digests, &options), 0);
    cr_assert_str_eq(made.signature_input,
                     "sig1=(\"content-digest\" \"@status\" \"content-type\" \"@path\";req "
                     "\"@authority\";req);keyid=\"keyABC@dive.example\";alg=\"ed25519\";"
                     "created=1699999999;expires=1700000001");
    put(lab, &made);
    lab_field(lab, "content-type", "text/plain");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab->request.path = dive_span_str("/other");
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    lab->request.path = dive_span_str("/file");
    lab->now = LAB_NOW + 3600;
    cr_assert_eq(lab_run(lab), DIVE_REJECT);
    dive_signed_free(&made);
    dive_digests_free(&digests);
    lab_free(lab);
}

Test(signer, each_of_two_keys_verifies_alone)
{
    for (int missing = 0; missing < 2; missing++) {
        struct lab *lab = world(LAB_POLICY_01, DIVE_ALGORITHM_ED25519, DIVE_ALGORITHM_ED448);
        struct dive_digests *digests = digests_of(DIVE_HASH_BIT(DIVE_HASH_SHA512), lab->body);
        struct dive_signing_key two[] = {key_of(&keys[0], "keyABC", NULL),
                                         key_of(&keys[1], "keyDEF", NULL)};
        struct dive_sign_options options = {0};
        struct dive_signed made;

        two[1].label = "new";
        cr_assert_eq(dive_sign(&made, two, 2, digests, &options), 0);
        cr_assert_not_null(strstr(made.signature_input, ", new=("));
        put(lab, &made);
        lab->answer[1 + missing].n = 0;
        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        lab->answer[2 - missing].n = 0;
        cr_assert_eq(lab_run(lab), DIVE_REJECT);
        dive_signed_free(&made);
        dive_digests_free(&digests);
        lab_free(lab);
    }
}

static int sign_faulty(struct dive_signing_key *key, size_t n, struct dive_sign_options options)
{
    struct dive_digests *digests = digests_of(1, "x");
    struct dive_signed made = {(char *)"x", (char *)"x", (char *)"x"};
    int r = dive_sign(&made, key, n, digests, &options);

    cr_assert(r == 0 || (!made.content_digest && !made.signature_input && !made.signature));
    dive_signed_free(&made);
    dive_digests_free(&digests);
    return r;
}

Test(signer, refuses_what_no_verifier_would_take)
{
    struct dive_sign_options plain = {0}, late = {.has_created = true, .has_expires = true};
    struct dive_span bad[] = {dive_span_str("@status"),
                              dive_span_str("\"absent\""),
                              dive_span_str("\"content-digest\""),
                              dive_span_str("\"@nonsense\""),
                              dive_span_str("\"@path\";req"),
                              dive_span_str("1")};
    static const int bad_code[] = {DIVE_E_TYPE,        DIVE_E_NOT_FOUND, DIVE_E_UNSUPPORTED,
                                   DIVE_E_UNSUPPORTED, DIVE_E_NOT_FOUND, DIVE_E_TYPE};
    struct dive_field digest = {dive_span_str("content-DIGEST"), dive_span_str("x")};
    struct dive_response response = {.status = 200, .fields = {&digest, 1}};
    struct dive_signing_key key[DIVE_SIGNER_KEYS_MAX + 1];
    struct lab_key *lab_key = &keys[0];
    int code = DIVE_E_UNSUPPORTED;

    lab_key_make(lab_key, DIVE_ALGORITHM_ED25519);
    for (size_t i = 0; i < DIVE_SIGNER_KEYS_MAX + 1; i++)
        key[i] = key_of(lab_key, "k", NULL);
    cr_assert_eq(sign_faulty(key, 0, plain), DIVE_E_LIMIT);
    cr_assert_eq(sign_faulty(key, DIVE_SIGNER_KEYS_MAX, plain), 0);
    cr_assert_eq(sign_faulty(key, DIVE_SIGNER_KEYS_MAX + 1, plain), DIVE_E_LIMIT);
    late.created = late.expires = 5;
    cr_assert_eq(sign_faulty(key, 1, late), DIVE_E_TYPE);
    late.expires = 6;
    cr_assert_eq(sign_faulty(key, 1, late), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct dive_sign_options options = {.components = &bad[i], .n_components = 1};
        int r = sign_faulty(key, 1, options);

        cr_assert_eq(r, bad_code[i], "%zu: %d", i, r);
    }
    cr_assert_eq(sign_faulty(key, 1, (struct dive_sign_options){.response = &response}),
                 DIVE_E_TYPE);
    key[0].key_id = "a-b";
    cr_assert_eq(sign_faulty(key, 1, plain), DIVE_E_TYPE);
    key[0] = key_of(lab_key, "k", "127.0.0.1");
    cr_assert_eq(sign_faulty(key, 1, plain), DIVE_E_TYPE);
    key[0] = key_of(lab_key, "k", NULL);
    key[0].label = "sig2";
    cr_assert_eq(sign_faulty(key, 2, plain), DIVE_E_TYPE);
    key[0].label = "Upper";
    cr_assert_eq(sign_faulty(key, 1, plain), DIVE_E_TYPE);
    key[0] = key_of(lab_key, "k", NULL);
    key[0].sign = sign_never;
    key[0].arg = &code;
    cr_assert_eq(sign_faulty(key, 1, plain), DIVE_E_UNSUPPORTED);
    code = 1;
    cr_assert_eq(sign_faulty(key, 1, plain), DIVE_E_INTERNAL);
}

Test(signer, a_wrong_public_key_is_told)
{
    uint8_t raw[DIVE_PUBLIC_KEY_MAX];
    size_t n = sizeof(raw);
    struct dive_signing_key key;

    lab_key_make(&keys[0], DIVE_ALGORITHM_ED25519);
    lab_key_make(&keys[1], DIVE_ALGORITHM_ED25519);
    key = key_of(&keys[0], "k", NULL);
    cr_assert_eq(EVP_PKEY_get_raw_public_key(keys[1].pkey, raw, &n), 1);
    key.public_key = dive_span(raw, n);
    cr_assert_eq(sign_faulty(&key, 1, (struct dive_sign_options){0}), DIVE_E_MISMATCH);
    cr_assert_eq(EVP_PKEY_get_raw_public_key(keys[0].pkey, raw, &n), 1);
    cr_assert_eq(sign_faulty(&key, 1, (struct dive_sign_options){0}), 0);
}

Test(signer, draft_00_refuses_a_key_id_twice_and_an_absent_hash)
{
    struct dive_digests *digests = digests_of(DIVE_HASH_BIT(DIVE_HASH_SHA384), "x");
    struct dive_signing_key key[2];
    char *made = (char *)"x";

    lab_key_make(&keys[0], DIVE_ALGORITHM_ED25519);
    key[0] = key_of(&keys[0], "k", NULL);
    key[1] = key_of(&keys[0], "k", "example.com");
    cr_assert_eq(dive_sign_00(&made, key, 2, digests, DIVE_HASH_SHA384), DIVE_E_TYPE);
    cr_assert_null(made);
    cr_assert_eq(dive_sign_00(&made, key, 1, digests, DIVE_HASH_SHA256), DIVE_E_STATE);
    cr_assert_eq(dive_sign_00(&made, key, 0, digests, DIVE_HASH_SHA384), DIVE_E_LIMIT);
    key[1].key_id = "l";
    cr_assert_eq(dive_sign_00(&made, key, 2, digests, DIVE_HASH_SHA384), 0);
    cr_assert_eq(strncmp(made, "k:sha384:", 9), 0);
    cr_assert_not_null(strstr(made, ", l@example.com:sha384:"));
    free(made);
    dive_digests_free(&digests);
}
