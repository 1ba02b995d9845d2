/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_memory: every public call with every allocation failing in turn, alone and with all that
 * follow it. A call must then fail, or do what it does otherwise: no crash, no half a result, no
 * acceptance of what it refuses, nothing left allocated. The calls that promise to allocate nothing
 * are held to it. The tests of the installed library compare the names in the table with the
 * exported ones, so no call can be left out.
 */
#include "verifier_lab.h"

#include <openssl/err.h>

#include "failing_malloc.h"
#include "lib/dive.h"

#if FAILING_MALLOC

#define S(text) dive_span_str(text)
#define DIGEST "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:" /* of "abc" */

static struct lab_key key;
static struct lab *lab, *refused;
static struct dive_sf *given; /* parsed beforehand */
static struct dive_record_cache *cache;
static char entry_00[400], key_text[400], signature_text[400];
static uint8_t public_key[57], signature[114];
static struct dive_proof proof; /* its digests alone stay valid */
static struct dive_field head[] = {{{"Content-Digest", 14}, {NULL, 0}},
                                   {{"Priority", 8}, {"u=1, i", 6}},
                                   {{"Signature-Input", 15}, {NULL, 0}},
                                   {{"Signature", 9}, {NULL, 0}}};
static struct dive_request request;
static struct dive_response response = {.status = 200, .has_content = true, .fields = {head, 4}};

/* Each returns 0 when all went as it does with memory, or the error; -100 for what must never be.
 */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return -100;                                                                           \
    } while (0)

static int sf(void)
{
    struct dive_sf *parsed = (struct dive_sf *)1;
    char *text = (char *)1;
    size_t len = 1, at;
    int r = dive_sf_parse(&parsed, DIVE_SF_DICTIONARY, S("a=(1 \"b\";c);d, e=:AAAA:;f=?0"), 0, &at);

    must(r == 0 ? parsed->n == 2 : parsed == NULL);
    dive_sf_free(&parsed);
    if (r)
        return r;
    r = dive_sf_serialize(given, &text, &len);
    must(r == 0 ? strlen(text) == len : text == NULL && len == 0);
    free(text);
    if (r)
        return r;
    r = dive_sf_serialize_member(&given->members[0], &text, &len);
    must(r == 0 ? strlen(text) == len : text == NULL && len == 0);
    free(text);
    if (r)
        return r;
    r = dive_sf_serialize_item(&given->members[0].items[0], &text, &len);
    must(r == 0 ? strlen(text) == len : text == NULL && len == 0);
    free(text);
    return r;
}

static int policy(void)
{
    static struct dive_policy out;
    const struct dive_span texts[] = {S(LAB_POLICY_00), S(LAB_POLICY_01)};
    struct dive_fault fault;
    bool ambiguous = true;
    int r = dive_policy_parse(&out, texts[1], DIVE_VERSIONS_ALL, &fault);

    if (r)
        return r;
    must(out.strict);
    r = dive_policy_select(&out, texts, 2, DIVE_VERSIONS_ALL, &ambiguous, &fault);
    must(r || out.version == DIVE_VERSION_DRAFT_01);
    return r;
}

static int key_record(void)
{
    struct dive_key out[DIVE_KEYS_PER_NAME_MAX];
    const struct dive_span texts[] = {S("v=spf1"), S(key_text)};
    struct dive_fault fault;
    int error = 1, r = dive_key_parse(out, texts[1], &fault);
    size_t n;

    if (r)
        return r;
    n = dive_key_select(out, texts, 2, &error);
    must(error == 0 ? n == 1 : n == 0);
    return error;
}

static int record_cache(void)
{
    struct dive_record_cache *mine = NULL;
    const struct dive_span txt[] = {S("a"), S("b")};
    struct dive_answer answer = {.security = DIVE_DNS_SECURE, .txt = txt, .n = 2, .ttl = 60};
    struct dive_record *record = NULL, *copy = NULL;
    int r = dive_record_cache_new(&mine, 8, NULL);

    must(r == 0 ? mine != NULL : mine == NULL);
    if (r == 0)
        r = dive_record_cache_put(mine, "_dive.a.example", &answer, LAB_NOW, 60);
    if (r == 0) {
        record = dive_record_cache_get(mine, "_dive.a.example", LAB_NOW);
        r = record ? 0 : DIVE_E_NOMEM; /* which is not told from an absence, by contract */
        must(!record || record->answer.n == 2);
    }
    if (r == 0)
        r = dive_record_new(&copy, &answer, LAB_NOW);
    must(r == 0 || copy == NULL);
    dive_record_free(&record);
    dive_record_free(&copy);
    dive_record_cache_free(&mine);
    return r;
}

static int digests(void)
{
    struct dive_content_digest listed;
    struct dive_digests *set = NULL;
    int r = dive_content_digest_parse(&listed, S(DIGEST)), s;

    if (r)
        return r;
    r = dive_digests_new(&set, DIVE_HASH_BIT(DIVE_HASH_COUNT) - 1);
    must(r == 0 ? set != NULL : set == NULL);
    if (r)
        return r;
    r = dive_digests_update(set, "abc", 3);
    s = dive_digests_finish(set);
    must(r == 0 || s != 0);
    r = s;
    must(r == 0 || !dive_digests_get(set, DIVE_HASH_SHA256));
    must(r == 0 || dive_content_digest_check(&listed, set) != 0);
    if (r == 0)
        r = dive_content_digest_check(&listed, set);
    dive_digests_free(&set);
    if (r)
        return r;
    r = dive_digests_new(&set, DIVE_HASH_BIT(DIVE_HASH_SHA256));
    if (r)
        return r;
    must(dive_digests_restore(set, proof.digests, proof.n_digests) == 0);
    must(dive_digests_get(set, DIVE_HASH_SHA256));
    dive_digests_free(&set);
    return 0;
}

static int sign_with(void *arg, const void *message, size_t n, uint8_t *out)
{
    memset(out, 7, dive_algorithm_signature_bytes(DIVE_ALGORITHM_ED25519));
    return 0;
}

static int signer(void)
{
    struct dive_span component = S("\"@status\"");
    struct dive_sign_options options = {.components = &component, .n_components = 1};
    struct dive_signing_key two[] = {
        {.algorithm = DIVE_ALGORITHM_ED25519, .key_id = "a", .sign = sign_with},
        {.algorithm = DIVE_ALGORITHM_ED25519, .key_id = "b", .sign = sign_with}};
    struct dive_digests *set = NULL;
    struct dive_signed made;
    char *made_00 = (char *)1;
    int r = dive_digests_new(&set, DIVE_HASH_BIT(DIVE_HASH_SHA256));

    if (r)
        return r;
    must(dive_digests_restore(set, proof.digests, proof.n_digests) == 0);
    r = dive_sign(&made, two, 2, set, &options);
    must(r == 0 ? made.content_digest && made.signature_input && made.signature
                : !made.content_digest && !made.signature_input && !made.signature);
    dive_signed_free(&made);
    if (r == 0) {
        r = dive_sign_00(&made_00, two, 2, set, DIVE_HASH_SHA256);
        must(r == 0 ? made_00 != NULL : made_00 == NULL);
        free(made_00);
    }
    dive_digests_free(&set);
    return r;
}

static int crypto(void)
{
    struct dive_span k = dive_span(public_key, 32), s = dive_span(signature, 64);
    int r = dive_public_key_check(DIVE_ALGORITHM_ED25519, k);

    if (r)
        return r;
    must(dive_signature_check(DIVE_ALGORITHM_ED25519, k, s, S("tampered")) != 0);
    return dive_signature_check(DIVE_ALGORITHM_ED25519, k, s, S("message"));
}

static int signatures(void)
{
    static struct dive_signatures out;
    char *base = (char *)1;
    size_t len = 1;
    int r = dive_signatures_parse(&out, &response.fields, "www.dive.example");

    if (r == 0) {
        must(out.n == 1 && out.entry[0].fault == DIVE_ENTRY_NONE);
        r = dive_signature_base(out.entry[0].input, &request, &response, &base, &len);
        must(r == 0 ? strlen(base) == len : base == NULL && len == 0);
        free(base);
    }
    dive_signatures_free(&out);
    return r;
}

static int fields(void)
{
    char *out = (char *)1;
    size_t len = 1;
    int r = dive_fields_join(&response.fields, "priority", &out, &len);

    must(r == 0 ? len == 6 : out == NULL && len == 0);
    free(out);
    return r;
}

static int dive_sig(void)
{
    static struct dive_sig out;
    int r = dive_sig_parse(&out, S(entry_00), "www.dive.example");

    must(r || out.n == 1);
    return r;
}

/* One verification; goes on after a failure with what it can, as a careless caller would. `body`
 * NULL: by the digests of the proof. */
static int verification(struct lab *world, const char *body, enum dive_verdict expected)
{
    struct dive_answer answer;
    struct dive_want w;
    enum dive_verdict verdict;
    char *text = (char *)1;
    int r = dive_verifier_new(&world->v, &world->options), s;

    must(r == 0 ? world->v != NULL : world->v == NULL);
    if (r)
        return r;
    r = dive_verifier_start(world->v, S(world->host), world->now);
    for (int step = 0; step < 3; step++) {
        while (dive_verifier_next_want(world->v, &w)) {
            lab_answer_of(world, w.name, w.fresh, &answer);
            s = dive_verifier_answer(world->v, w.id, &answer, world->now);
            r = r ? r : s;
        }
        if (step == 0) {
            s = dive_verifier_response(world->v, &world->request, &world->response, world->now);
            r = r ? r : s;
        } else if (step == 1 && body == NULL) {
            s = dive_verifier_end_known(world->v, proof.digests, proof.n_digests, world->now);
            r = r ? r : s;
        } else if (step == 1) {
            dive_verifier_body(world->v, body, strlen(body));
            s = dive_verifier_end(world->v, world->now);
            r = r ? r : s;
        }
    }
    verdict = dive_verifier_verdict(world->v);
    must(verdict == expected || verdict == DIVE_REJECT || verdict == DIVE_UNDECIDED);
    must(r == 0 || verdict != DIVE_ACCEPT);
    /* An answer that couldn't be kept may be told by the verdict alone. */
    if (r == 0 && verdict != expected)
        r = DIVE_E_NOMEM;
    s = dive_verifier_trace(world->v, &text);
    must(s == 0 ? text != NULL : text == NULL);
    r = r ? r : s;
    free(text);
    s = dive_verifier_report(world->v, "https://www.dive.example/", true, world->now, &text);
    must(s == 0 ? text != NULL : text == NULL);
    must(verdict == DIVE_REJECT || s == DIVE_E_STATE);
    if (expected == DIVE_REJECT)
        r = r ? r : s;
    free(text);
    dive_verifier_free(&world->v);
    return r;
}

static int accepted(void)
{
    return verification(lab, lab->body, DIVE_ACCEPT);
}

static int known(void)
{
    return verification(lab, NULL, DIVE_ACCEPT);
}

static int tampered(void)
{
    return verification(lab, "tampered", DIVE_REJECT);
}

static int not_covered(void)
{
    return verification(refused, "", DIVE_NOT_SUPPORTED);
}

/* What allocates nothing. */
static int words(void)
{
    enum dive_algorithm algorithm;
    enum dive_version version;
    enum dive_hash hash;

    must(dive_strerror(0) && dive_reason_word(DIVE_REASON_NONE) &&
         dive_reason_text(DIVE_REASON_NONE) && dive_verdict_word(DIVE_ACCEPT) &&
         dive_security_word(DIVE_DNS_SECURE) && dive_entry_fault_text(DIVE_ENTRY_NONE));
    must(dive_version_from_token(S("dive-draft-00"), &version) == 0);
    must(dive_version_token(version) && dive_version_policy_cap(version) > 0);
    must(dive_algorithm_from_name(S("ed448"), &algorithm) == 0 && dive_algorithm_name(algorithm));
    must(dive_algorithm_key_bytes(algorithm) == 57);
    must(dive_algorithm_signature_bytes(algorithm) == 114);
    must(dive_hash_from_record_name(S("sha256"), &hash) == 0 && dive_hash_record_name(hash));
    must(dive_hash_from_field_name(S("sha-256"), &hash) == 0 && dive_hash_field_name(hash));
    must(dive_hash_bytes(hash) == 32);
    return 0;
}

static int plain(void)
{
    static const uint8_t digest[DIVE_HASH_MAX_BYTES];
    uint8_t input[DIVE_SIG_INPUT_MAX];
    char name[DIVE_DOMAIN_BUF];
    struct dive_record_peek peek;

    must(dive_domain_normalize(S("A.Example."), name) == 0 && dive_domain_labels(name) == 2);
    must(dive_domain_covers(dive_domain_parent(name), name) && dive_key_id_valid(S("k")));
    must(dive_span_caseeq(S("a"), S("A")));
    must(dive_sig_input(DIVE_HASH_SHA256, digest, input) == 7 + 32);
    must(dive_sf_get(given, "a") && dive_sf_param(&given->members[0].params, "d"));
    must(dive_record_cache_peek(cache, "kept", LAB_NOW, &peek));
    must(dive_record_cache_entries(cache) == 1);
    dive_record_cache_evict(cache, "absent");
    must(dive_record_cache_invalidate_keys(cache, "absent", LAB_NOW) == 0);
    return 0;
}

static int getters(void)
{
    struct dive_verifier *v = lab->v;
    struct dive_proof out;
    const char *domain;
    bool blocks;

    must(dive_verifier_verdict(v) == DIVE_ACCEPT && dive_verifier_reason(v) == DIVE_REASON_NONE);
    must(dive_verifier_coverage(v) == DIVE_COVERED && !dive_verifier_needs_body(v));
    must(!dive_verifier_awaits_content(v));
    must(dive_verifier_policy_state(v) == DIVE_POLICY_FOUND && dive_verifier_policy(v));
    must(dive_verifier_policy_domain(v) && !dive_verifier_policy_fault(v, &domain));
    must(dive_verifier_policy_has_scopes(v) && dive_verifier_key_id(v));
    must(dive_verifier_policy_security(v) == DIVE_DNS_SECURE);
    must(dive_verifier_proof(v, &out) && out.n_digests > 0);
    must(!dive_verifier_policy_lost(v, &blocks));
    return 0;
}

/* Which calls a row makes. The tests of the installed library read these names. */
/* clang-format off */
static const struct row {
    int (*call)(void);
    bool allocates;
    const char *name, *calls;
} rows[] = {
    {sf, true, "sf", "dive_sf_parse dive_sf_free dive_sf_serialize dive_sf_serialize_member dive_sf_serialize_item"},
    {policy, true, "policy", "dive_policy_parse dive_policy_select"},
    {key_record, true, "key_record", "dive_key_parse dive_key_select"},
    {record_cache, true, "record_cache", "dive_record_cache_new dive_record_cache_free dive_record_cache_put dive_record_cache_get dive_record_new dive_record_free"},
    {digests, true, "digests", "dive_content_digest_parse dive_content_digest_check dive_digests_new dive_digests_free dive_digests_update dive_digests_finish dive_digests_get dive_digests_restore"},
    {signer, true, "signer", "dive_sign dive_sign_00 dive_signed_free"},
    {crypto, true, "crypto", "dive_public_key_check dive_signature_check"},
    {signatures, true, "signatures", "dive_signatures_parse dive_signatures_free dive_signature_base"},
    {fields, true, "fields", "dive_fields_join"},
    {dive_sig, false, "dive_sig", "dive_sig_parse"},
    {accepted, true, "accepted", "dive_verifier_new dive_verifier_free dive_verifier_start dive_verifier_next_want dive_verifier_answer dive_verifier_response dive_verifier_body dive_verifier_end dive_verifier_trace"},
    {known, true, "known", "dive_verifier_end_known"},
    {tampered, true, "tampered", "dive_verifier_report"},
    {not_covered, true, "not_covered", ""},
    {words, false, "words", "dive_strerror dive_reason_word dive_reason_text dive_verdict_word dive_security_word dive_entry_fault_text dive_version_from_token dive_version_token dive_version_policy_cap dive_algorithm_from_name dive_algorithm_name dive_algorithm_key_bytes dive_algorithm_signature_bytes dive_hash_from_record_name dive_hash_record_name dive_hash_from_field_name dive_hash_field_name dive_hash_bytes"},
    {plain, false, "plain", "dive_domain_normalize dive_domain_labels dive_domain_covers dive_domain_parent dive_key_id_valid dive_span_caseeq dive_sig_input dive_sf_get dive_sf_param dive_record_cache_peek dive_record_cache_entries dive_record_cache_evict dive_record_cache_invalidate_keys"},
    {getters, false, "getters", "dive_verifier_verdict dive_verifier_reason dive_verifier_coverage dive_verifier_needs_body dive_verifier_awaits_content dive_verifier_policy_state dive_verifier_policy dive_verifier_policy_domain dive_verifier_policy_fault dive_verifier_policy_has_scopes dive_verifier_key_id dive_verifier_policy_security dive_verifier_policy_lost dive_verifier_proof"},
};
/* clang-format on */
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void prepare(void)
{
    static const struct dive_span txt[] = {{"a", 1}};
    static const struct dive_answer answer = {.security = DIVE_DNS_SECURE, .txt = txt, .n = 1};
    char base64[300];
    size_t n = sizeof(public_key);

    lab = lab_signed(&key);
    lab->options.cache = NULL;
    refused = lab_new();
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert(dive_verifier_proof(lab->v, &proof));
    dive_verifier_free(&lab->v);
    cr_assert_eq(EVP_PKEY_get_raw_public_key(key.pkey, public_key, &n), 1);
    lab_sign(&key, "message", 7, base64);
    EVP_DecodeBlock(signature, (unsigned char *)base64, 88);
    snprintf(signature_text, sizeof(signature_text), "s=:%s:", base64);
    snprintf(entry_00, sizeof(entry_00), "k:sha256:%s", base64);
    snprintf(key_text, sizeof(key_text), "%s", lab_key_text(&key, ", allowed-hash=(\"sha256\")"));
    head[0].value = S(DIGEST);
    head[2].value = S("s=(\"content-digest\" \"@status\" \"@query-param\";req;name=\"a\" "
                      "\"priority\";sf \"priority\";key=\"u\");keyid=\"k\";alg=\"ed25519\"");
    head[3].value = S(signature_text);
    request = lab->request;
    request.query = S("?b=1&a=2");
    cr_assert_eq(dive_sf_parse(&given, DIVE_SF_DICTIONARY, S("a=(1 \"b\";c);d"), 0, NULL), 0);
    cr_assert_eq(dive_record_cache_new(&cache, 8, NULL), 0);
    cr_assert_eq(dive_record_cache_put(cache, "kept", &answer, LAB_NOW, 60), 0);
}

static void clean_up(void)
{
    dive_sf_free(&given);
    dive_record_cache_free(&cache);
    lab_free(lab);
    lab_free(refused);
}

/* Fails each allocation of the row. Returns what the process holds more after than before. */
static long sweep(const struct row *row, bool sticky)
{
    long before;

    OPENSSL_thread_stop(); /* its list of errors */
    before = failing_malloc_held();
    for (long at = 0;; at++) {
        unsigned long failures;
        int r;

        failing_malloc_start(at, sticky);
        r = row->call();
        failures = failing_malloc_stop();
        if (failures == 0) {
            cr_assert_eq(r, 0, "%s fails without a reason: %d", row->name, r);
            cr_assert_eq(at > 0, row->allocates, "%s: %ld allocations", row->name, at);
            break;
        }
        /* A failure below that OpenSSL survives is no failure; what it can't name is INTERNAL. */
        cr_assert(r == 0 || r == DIVE_E_NOMEM || r == DIVE_E_INTERNAL || r == DIVE_E_STATE,
                  "%s, allocation %ld: %d", row->name, at, r);
        cr_assert_lt(at, 20000);
    }
    OPENSSL_thread_stop();
    return failing_malloc_held() - before;
}

Test(memory, every_failing_allocation_in_every_call, .init = prepare, .fini = clean_up)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].call == getters)
            continue;
        /* The first run fills what OpenSSL keeps for the process. */
        cr_assert_eq(rows[i].call(), 0, "%s: %d", rows[i].name, rows[i].call());
        for (int sticky = 0; sticky < 2; sticky++) {
            sweep(&rows[i], sticky);
            cr_expect_eq(sweep(&rows[i], sticky), 0, "%s leaks", rows[i].name);
        }
    }
}

Test(memory, the_getters_allocate_nothing, .init = prepare, .fini = clean_up)
{
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    failing_malloc_start(1 << 20, false);
    for (size_t i = 0; i < N_ROWS; i++) {
        if (!rows[i].allocates)
            cr_expect_eq(rows[i].call(), 0, "%s", rows[i].name);
    }
    cr_expect_eq(failing_malloc_calls(), 0UL);
    cr_assert_eq(failing_malloc_stop(), 0UL);
}

Test(memory, the_allocator_fails_when_it_is_told_to)
{
    long held = failing_malloc_held();
    void *volatile p;

    failing_malloc_start(1, false);
    p = malloc(1);
    cr_assert_not_null(p);
    cr_assert_eq(failing_malloc_held(), held + 1);
    free(p);
    cr_assert_null(malloc(1));
    p = malloc(1);
    cr_assert_not_null(p);
    free(p);
    cr_assert_eq(failing_malloc_stop(), 1UL);
    cr_assert_eq(failing_malloc_held(), held);
}

#else

Test(memory, every_failing_allocation_in_every_call)
{
    fprintf(stderr, "skipped: a sanitizer (or another libc) owns malloc\n");
    cr_skip_test("malloc can't be replaced here");
}

#endif
