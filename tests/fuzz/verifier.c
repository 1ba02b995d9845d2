/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The verifier, driven by a script of calls in any order. Invariants: ACCEPT comes only when the
 * oracle (oracle.h) says that the response may be accepted for the sake of one of the signatures
 * that were ever made, and the proof names that one's key and version; a verdict never changes;
 * what is let through is not rejected; an id is answered once; the trace can be had at any time,
 * the report for a REJECT alone.
 *
 * Input: one byte (options), then operations, a byte each with operands: see step().
 */
#include "lib/verifier.h"

#include <openssl/evp.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/oracle.h"

#define NOW 1700000000
#define CONTENT "hello, world\n"
#define POLICY_01 "v=\"dive-draft-01\", scopes=(\"strict\")"
#define POLICY_00 "v=\"dive-draft-00\", scopes=(\"strict\")"

enum { WANTS_MAX = 256, OPERATIONS_MAX = 400, FED_MAX = 64, VARIANTS = 4, GENUINE = 2 * VARIANTS };

/* Made once, from fixed seeds: what genuine origins would send, the four of draft-00 first. Not by
 * libdive. */
static struct genuine genuine[GENUINE];
static unsigned char public_key[2][57]; /* Ed25519, Ed448 */
static EVP_PKEY *private_key[2];
static char record[2][2][256]; /* without and with allowed-hash */

struct world {
    struct dive_verifier *v;
    struct dive_request request;
    struct dive_response response;
    struct dive_field field[4];
    struct dive_want want[WANTS_MAX];
    bool answered[WANTS_MAX];
    size_t n_wants;
    int64_t now;
    char fed[FED_MAX + 1];
    struct facts facts;
    bool started, responded, let_through;
    enum dive_verdict verdict;
};

static void make_keys(void)
{
    static const unsigned char seed[57] =
        "a seed that no origin really has, of fifty-seven octets.";
    static const char *const names[] = {"ed25519", "ed448"};

    for (int i = 0; i < 2; i++) {
        size_t n = sizeof public_key[i];
        char base64[128];

        private_key[i] = EVP_PKEY_new_raw_private_key(i ? EVP_PKEY_ED448 : EVP_PKEY_ED25519, NULL,
                                                      seed, i ? 57 : 32);
        CHECK(private_key[i] &&
              EVP_PKEY_get_raw_public_key(private_key[i], public_key[i], &n) == 1);
        EVP_EncodeBlock((unsigned char *)base64, public_key[i], (int)n);
        for (int k = 0; k < 2; k++)
            snprintf(record[i][k], sizeof record[i][k], "sig=\"%s\", key=:%s:%s", names[i], base64,
                     k ? ", allowed-hash=(\"sha512\" \"sha3-256\")" : "");
    }
}

static void sign(struct genuine *g, int key, const void *message, size_t n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    g->algorithm = key ? "ed448" : "ed25519";
    g->key = public_key[key];
    g->key_len = key ? 57 : 32;
    g->signature_len = sizeof g->signature;
    CHECK(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, private_key[key]) == 1);
    CHECK(EVP_DigestSign(ctx, g->signature, &g->signature_len, message, n) == 1);
    EVP_MD_CTX_free(ctx);
}

static size_t digest(const char *algorithm, const char *content, unsigned char out[64])
{
    size_t n = 64;

    CHECK(EVP_Q_digest(NULL, algorithm, NULL, content, strlen(content), out, &n) == 1);
    return n;
}

/* One of draft-00: `hash` as records and as OpenSSL name it. */
static void make_00(struct genuine *g, const char *key_id, const char *fqdn, int key,
                    const char *hash, const char *openssl, const char *content)
{
    unsigned char message[128];
    size_t n = (size_t)snprintf((char *)message, sizeof message, "%s:", hash);

    *g = (struct genuine){.version = DIVE_VERSION_DRAFT_00,
                          .key_id = key_id,
                          .fqdn = fqdn,
                          .record_hashes = {hash},
                          .n_hashes = 1,
                          .content = content};
    n += digest(openssl, content, message + n);
    sign(g, key, message, n);
    EVP_EncodeBlock((unsigned char *)g->field, g->signature, (int)g->signature_len);
}

/* One of draft-01, with one digest or two. `lines`: of the base, between the digest's and the
 * parameters. */
static void make_01(struct genuine *g, const char *key_id, const char *fqdn, int key,
                    const char *const hashes[2], const char *content, const char *lines,
                    const char *params)
{
    static const char *const names[][3] = {{"sha256", "sha-256", "SHA256"},
                                           {"sha512", "sha-512", "SHA512"},
                                           {"sha3-256", "sha3-256", "SHA3-256"}};
    unsigned char raw[64];
    char base64[128], base[1024];
    size_t n = 0;

    *g = (struct genuine){
        .version = DIVE_VERSION_DRAFT_01, .key_id = key_id, .fqdn = fqdn, .content = content};
    for (size_t i = 0; i < 2 && hashes[i]; i++) {
        for (size_t k = 0; k < 3; k++) {
            if (strcmp(names[k][0], hashes[i]) != 0)
                continue;
            EVP_EncodeBlock((unsigned char *)base64, raw, (int)digest(names[k][2], content, raw));
            n += (size_t)snprintf(g->digest + n, sizeof g->digest - n, "%s%s=:%s:", i ? ", " : "",
                                  names[k][1], base64);
            g->record_hashes[g->n_hashes++] = names[k][0];
        }
    }
    snprintf(g->params, sizeof g->params, "%s", params);
    n = (size_t)snprintf(base, sizeof base, "\"content-digest\": %s\n%s\"@signature-params\": %s",
                         g->digest, lines, params);
    sign(g, key, base, n);
    EVP_EncodeBlock((unsigned char *)g->field, g->signature, (int)g->signature_len);
}

static void make_genuine(void)
{
    static const char *const sha256[2] = {"sha256"}, *const sha3[2] = {"sha3-256"};
    static const char *const two[2] = {"sha256", "sha512"};

    make_keys();
    make_00(&genuine[0], "k", "", 0, "sha256", "SHA256", CONTENT);
    make_00(&genuine[1], "k", "dive.example", 0, "sha512", "SHA512", CONTENT);
    make_00(&genuine[2], "k2", "", 1, "sha3-256", "SHA3-256", CONTENT);
    make_00(&genuine[3], "k", "", 0, "sha256", "SHA256", "");
    make_01(&genuine[4], "k", "", 0, sha256, CONTENT, "",
            "(\"content-digest\");keyid=\"k\";alg=\"ed25519\"");
    make_01(&genuine[5], "k", "dive.example", 0, two, CONTENT,
            "\"@status\": 200\n\"@path\";req: /f\n",
            "(\"content-digest\" \"@status\" \"@path\";req);created=1700000300;"
            "expires=1700000900;keyid=\"k@dive.example\";alg=\"ed25519\"");
    genuine[5].created = NOW + 300;
    genuine[5].expires = NOW + 900;
    make_01(&genuine[6], "k2", "", 1, sha3, CONTENT, "",
            "(\"content-digest\");keyid=\"k2\";alg=\"ed448\"");
    make_01(&genuine[7], "k", "", 0, sha256, "", "",
            "(\"content-digest\");keyid=\"k\";alg=\"ed25519\"");
}

static void check_accepted(struct world *w)
{
    struct dive_proof proof;
    bool allowed = false;

    CHECK(dive_verifier_proof(w->v, &proof));
    for (size_t i = 0; i < GENUINE && !allowed; i++) {
        const struct genuine *g = &genuine[i];

        allowed = oracle_allows(&w->facts, g, proof.key_id) && proof.version == g->version &&
                  fuzz_same(proof.public_key, dive_span(g->key, g->key_len));
    }
    CHECK(allowed);
}

static void check(struct world *w)
{
    enum dive_verdict verdict = dive_verifier_verdict(w->v);
    enum dive_coverage coverage = dive_verifier_coverage(w->v);

    CHECK(w->verdict == DIVE_UNDECIDED || verdict == w->verdict);
    CHECK(!w->let_through || coverage == DIVE_UNCOVERED);
    w->let_through = coverage == DIVE_UNCOVERED;
    CHECK(!w->let_through || (verdict != DIVE_REJECT && verdict != DIVE_ACCEPT));
    CHECK((verdict == DIVE_REJECT) == (dive_verifier_reason(w->v) != DIVE_REASON_NONE));
    if (verdict == DIVE_ACCEPT && w->verdict != DIVE_ACCEPT) {
        CHECK(w->started && coverage == DIVE_COVERED);
        check_accepted(w);
    }
    w->verdict = verdict;
}

static bool is_key(const struct dive_want *want)
{
    return strstr(want->name, "._divekey.") != NULL;
}

static void drain(struct world *w)
{
    struct dive_want want;

    while (w->n_wants < WANTS_MAX && dive_verifier_next_want(w->v, &want)) {
        CHECK(is_key(&want) || strncmp(want.name, "_dive.", 6) == 0);
        w->want[w->n_wants++] = want;
    }
}

/* Bits of `how`: two for the security; a genuine record; a text of one's own; which key; with
 * allowed-hash; a TTL; draft-00. */
static void answer(struct world *w, struct fuzz *f)
{
    uint8_t which = fuzz_byte(f), how = fuzz_byte(f);
    struct dive_span text[ORACLE_TEXTS_MAX];
    struct dive_answer a = {.security = how & 3, .txt = text, .ttl = how & 0x40 ? 300 : 0};
    struct told *told = &w->facts.told[w->facts.n_told];
    int r;

    if (w->n_wants == 0) {
        CHECK(dive_verifier_answer(w->v, which, &a, w->now) != 0);
        return;
    }
    which = (uint8_t)(which % w->n_wants);
    if (how & 4)
        text[a.n++] = dive_span_str(is_key(&w->want[which]) ? record[how >> 4 & 1][how >> 5 & 1]
                                                            : (how & 0x80 ? POLICY_00 : POLICY_01));
    if (how & 8)
        text[a.n++] = fuzz_until(f, '\n');
    if (!w->answered[which]) {
        w->facts.n_told++;
        snprintf(told->name, sizeof told->name, "%s", w->want[which].name);
        told->security = a.security;
        told->n = a.n;
        memcpy(told->text, text, a.n * sizeof text[0]);
    }
    r = dive_verifier_answer(w->v, w->want[which].id, &a, w->now);
    CHECK(!w->answered[which] || r == DIVE_E_STATE);
    w->answered[which] = true;
}

static void add_field(struct world *w, struct fuzz *f, const char *name, const char *value,
                      bool is_ours)
{
    struct dive_span text = is_ours ? dive_span_str(value) : fuzz_until(f, '\n');

    w->field[w->response.fields.n++] = (struct dive_field){dive_span_str(name), text};
}

/* The heads, once. Bits of `which`: which fields are there; whether they are the genuine ones. Of
 * `how`: the status, no content, the method, the scheme, which of the genuine ones. */
static void respond(struct world *w, struct fuzz *f)
{
    static const int status[] = {200, 200, 200, 206, 404, 204, 304, 299};
    static char signature[500], input[500], dive_sig[500];
    uint8_t which = fuzz_byte(f), how = fuzz_byte(f);
    const struct genuine *g00 = &genuine[how >> 6], *g01 = g00 + VARIANTS;
    int r;

    if (w->response.status != 0) { /* again: taken only if it came before the start at first */
        r = dive_verifier_response(w->v, &w->request, &w->response, w->now);
        CHECK(r != 0 || (w->started && !w->responded));
        w->responded |= r == 0;
        if (r == 0)
            w->facts.response_time = w->now;
        return;
    }
    snprintf(signature, sizeof signature, "s=:%s:", g01->field);
    snprintf(input, sizeof input, "s=%s", g01->params);
    snprintf(dive_sig, sizeof dive_sig, "%s%s%s:%s:%s", g00->key_id, g00->fqdn[0] ? "@" : "",
             g00->fqdn, g00->record_hashes[0], g00->field);
    w->response.status = status[how & 7];
    w->response.has_content = !(how & 8);
    w->response.fields.v = w->field;
    if (which & 1)
        add_field(w, f, "Content-Digest", g01->digest, which & 0x10);
    if (which & 2)
        add_field(w, f, "Signature-Input", input, which & 0x20);
    if (which & 4)
        add_field(w, f, "Signature", signature, which & 0x40);
    if (which & 8)
        add_field(w, f, "DIVE-Sig", dive_sig, which & 0x80);
    if (how & 0x10)
        w->request.method = dive_span_str("POST");
    if (how & 0x20)
        w->request.scheme = dive_span_str("http");
    r = dive_verifier_response(w->v, &w->request, &w->response, w->now);
    CHECK(w->started || r != 0);
    w->responded = r == 0;
    w->facts.response = &w->response;
    w->facts.response_time = w->now;
}

static void feed(struct world *w, struct dive_span bytes)
{
    char *copy = fuzz_copy(bytes.p, bytes.n);

    for (size_t i = 0; i < bytes.n && w->facts.n_fed < FED_MAX; i++)
        w->fed[w->facts.n_fed++] = bytes.p[i];
    dive_verifier_body(w->v, copy, bytes.n);
    free(copy);
}

static void start(struct world *w, struct dive_span host)
{
    if (w->started || dive_verifier_start(w->v, host, w->now) != 0)
        return;
    w->started = true;
    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    for (size_t i = 0; i < host.n && i < ORACLE_NAME_MAX - 1; i++)
        w->facts.host[i] =
            (char)(host.p[i] >= 'A' && host.p[i] <= 'Z' ? host.p[i] - 'A' + 'a' : host.p[i]);
}

static void write_out(struct world *w)
{
    char *text = NULL;

    CHECK(dive_verifier_trace(w->v, &text) == 0 && text != NULL);
    free(text);
    text = NULL;
    int r = dive_verifier_report(w->v, "https://a.dive.example/f", true, w->now, &text);

    CHECK((r == 0) == (w->verdict == DIVE_REJECT) && (r == 0) == (text != NULL));
    free(text);
}

static void step(struct world *w, struct fuzz *f)
{
    uint8_t op = fuzz_byte(f);
    size_t len;

    switch (op & 7) {
    case 0:
        drain(w);
        break;
    case 1:
        answer(w, f);
        break;
    case 2:
        respond(w, f);
        break;
    case 3: /* the next bytes of the genuine content */
        len = w->facts.n_fed < strlen(CONTENT) ? strlen(CONTENT) - w->facts.n_fed : 0;
        if (len > (size_t)(op >> 3))
            len = op >> 3;
        feed(w, dive_span(&CONTENT[len > 0 ? w->facts.n_fed : 0], len));
        break;
    case 4:
        feed(w, fuzz_until(f, '\0'));
        break;
    case 5:
        if (dive_verifier_end(w->v, w->now) == 0)
            w->facts.ended = true;
        break;
    case 6:
        write_out(w);
        break;
    default:
        w->now += (int64_t)(op >> 3) * 100;
        start(w, op & 8 && !w->started ? fuzz_until(f, '\n') : dive_span_str("a.dive.example"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    uint8_t how = fuzz_byte(&f);
    struct dive_options options = {.versions = how & DIVE_VERSIONS_ALL,
                                   .ignore_bogus = how & 4,
                                   .ignore_no_answer = how & 8,
                                   .pass_other_success = how & 16,
                                   .user_agent = "fuzz/1"};
    struct world w = {.now = NOW, .facts = {.options = options}};

    if (!private_key[0])
        make_genuine();
    w.facts.fed = w.fed;
    w.request = (struct dive_request){.method = dive_span_str("GET"),
                                      .scheme = dive_span_str("https"),
                                      .authority = dive_span_str("a.dive.example"),
                                      .path = dive_span_str("/f"),
                                      .target = dive_span_str("/f")};
    if (dive_verifier_new(&w.v, &options) != 0)
        return 0;
    if (how & 0x20)
        start(&w, dive_span_str("a.dive.example"));
    for (int i = 0; i < OPERATIONS_MAX && f.n > 0; i++) {
        step(&w, &f);
        check(&w);
    }
    write_out(&w);
    if (getenv("FUZZ_VERDICTS"))
        printf("%s\n", dive_verdict_word(w.verdict));
    dive_verifier_free(&w.v);
    return 0;
}
