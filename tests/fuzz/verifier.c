/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The verifier, driven by a script of calls in any order. Invariants: ACCEPT comes only when
 *     - a policy record stood in a secure answer to a `_dive` name,
 *     - the record of the one key that ever signed stood in a secure answer to a `_divekey` name,
 *     - the response had a field with that key's signature in it,
 *     - the bytes fed were exactly the content that was signed, and the end was called;
 * a verdict never changes; what is let through is not rejected; an id is answered once; the trace
 * can be had at any time, the report for a REJECT alone.
 *
 * Input: one byte (options), then operations, a byte each with operands: see step().
 */
#include "lib/verifier.h"

#include <openssl/evp.h>

#include "tests/fuzz/fuzz.h"

#define CONTENT "hello, world\n"
#define PARAMETERS "(\"content-digest\");keyid=\"k\";alg=\"ed25519\""
#define POLICY_01 "v=\"dive-draft-01\", scopes=(\"strict\")"
#define POLICY_00 "v=\"dive-draft-00\", scopes=(\"strict\")"

enum { WANTS_MAX = 256, OPERATIONS_MAX = 400, FED_MAX = 64 };

/* Made once, from a fixed seed: what a genuine origin would send. Not by libdive. */
static struct {
    bool ready;
    char key[64], record[128], digest[128], signature[2][128], dive_sig[192], input[128];
} genuine;

struct world {
    struct dive_verifier *v;
    struct dive_request request;
    struct dive_response response;
    struct dive_field field[4];
    uint32_t want[WANTS_MAX];
    bool is_key[WANTS_MAX], answered[WANTS_MAX];
    size_t n_wants;
    int64_t now;
    char fed[FED_MAX + 1];
    size_t n_fed;
    bool had_policy, had_key, had_signature, ended, started, responded;
    enum dive_verdict verdict;
    bool let_through;
};

static void sign(EVP_PKEY *pkey, const void *message, size_t n, char *out)
{
    unsigned char signature[64];
    size_t len = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    CHECK(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1);
    CHECK(EVP_DigestSign(ctx, signature, &len, message, n) == 1);
    EVP_MD_CTX_free(ctx);
    EVP_EncodeBlock((unsigned char *)out, signature, (int)len);
}

static void make_genuine(void)
{
    static const unsigned char seed[32] = "a seed that no origin really has";
    unsigned char raw[32], hash[32], message[64] = "sha256:";
    size_t n = sizeof raw, m = sizeof hash;
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    char base64[64], base[512];

    CHECK(pkey && EVP_PKEY_get_raw_public_key(pkey, raw, &n) == 1);
    EVP_EncodeBlock((unsigned char *)genuine.key, raw, 32);
    snprintf(genuine.record, sizeof genuine.record, "sig=\"ed25519\", key=:%s:", genuine.key);
    CHECK(EVP_Q_digest(NULL, "SHA256", NULL, CONTENT, strlen(CONTENT), hash, &m) == 1);
    EVP_EncodeBlock((unsigned char *)base64, hash, 32);
    snprintf(genuine.digest, sizeof genuine.digest, "sha-256=:%s:", base64);
    n = (size_t)snprintf(base, sizeof base, "\"content-digest\": %s\n\"@signature-params\": %s",
                         genuine.digest, PARAMETERS);
    sign(pkey, base, n, genuine.signature[1]);
    memcpy(message + 7, hash, 32);
    sign(pkey, message, 39, genuine.signature[0]);
    snprintf(genuine.dive_sig, sizeof genuine.dive_sig, "k:sha256:%s", genuine.signature[0]);
    snprintf(genuine.input, sizeof genuine.input, "s=%s", PARAMETERS);
    EVP_PKEY_free(pkey);
    genuine.ready = true;
}

/* The first characters only: the last ones may be written in several ways. */
static bool holds(struct dive_span text, const char *what, size_t n)
{
    return memmem(text.p, text.n, what, n) != NULL;
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
        CHECK(w->started && w->ended && w->had_policy && w->had_key && w->had_signature);
        CHECK(coverage == DIVE_COVERED);
        CHECK(fuzz_same(dive_span(w->fed, w->n_fed), dive_span_str(CONTENT)));
    }
    w->verdict = verdict;
}

static void drain(struct world *w)
{
    struct dive_want want;

    while (w->n_wants < WANTS_MAX && dive_verifier_next_want(w->v, &want)) {
        bool is_key = strstr(want.name, "._divekey.") != NULL;

        CHECK(is_key || strncmp(want.name, "_dive.", 6) == 0);
        w->want[w->n_wants] = want.id;
        w->is_key[w->n_wants++] = is_key;
    }
}

static void answer(struct world *w, struct fuzz *f)
{
    uint8_t which = fuzz_byte(f), how = fuzz_byte(f);
    struct dive_span text[2];
    struct dive_answer a = {.security = how & 3, .txt = text, .ttl = how & 0x40 ? 300 : 0};
    int r;

    if (w->n_wants == 0) {
        CHECK(dive_verifier_answer(w->v, which, &a, w->now) != 0);
        return;
    }
    which = (uint8_t)(which % w->n_wants);
    if (how & 4)
        text[a.n++] = dive_span_str(w->is_key[which] ? genuine.record
                                    : how & 0x80     ? POLICY_00
                                                     : POLICY_01);
    if (how & 8)
        text[a.n++] = fuzz_until(f, '\n');
    for (size_t i = 0; i < a.n && a.security == DIVE_DNS_SECURE && !w->answered[which]; i++) {
        w->had_key |= w->is_key[which] && holds(text[i], genuine.key, 40);
        w->had_policy |= !w->is_key[which] && holds(text[i], "\"dive-draft-0", 13);
    }
    r = dive_verifier_answer(w->v, w->want[which], &a, w->now);
    CHECK(!w->answered[which] || r == DIVE_E_STATE);
    w->answered[which] = true;
}

static void add_field(struct world *w, struct fuzz *f, const char *name, const char *value,
                      bool is_ours)
{
    struct dive_span text = is_ours ? dive_span_str(value) : fuzz_until(f, '\n');

    for (size_t i = 0; i < 2; i++)
        w->had_signature |= holds(text, genuine.signature[i], 80);
    w->field[w->response.fields.n++] = (struct dive_field){dive_span_str(name), text};
}

/* The heads, once. Bits: which fields are there; whether they are the genuine ones. */
static void respond(struct world *w, struct fuzz *f)
{
    static const int status[] = {200, 200, 200, 206, 404, 204, 304, 299};
    static char signature[160];
    uint8_t which = fuzz_byte(f), how = fuzz_byte(f);
    int r;

    if (w->response.status != 0) { /* again: taken only if it came before the start at first */
        r = dive_verifier_response(w->v, &w->request, &w->response, w->now);
        CHECK(r != 0 || (w->started && !w->responded));
        w->responded |= r == 0;
        return;
    }
    snprintf(signature, sizeof signature, "s=:%s:", genuine.signature[1]);
    w->response.status = status[how & 7];
    w->response.has_content = !(how & 8);
    w->response.fields.v = w->field;
    if (which & 1)
        add_field(w, f, "Content-Digest", genuine.digest, which & 0x10);
    if (which & 2)
        add_field(w, f, "Signature-Input", genuine.input, which & 0x20);
    if (which & 4)
        add_field(w, f, "Signature", signature, which & 0x40);
    if (which & 8)
        add_field(w, f, "DIVE-Sig", genuine.dive_sig, which & 0x80);
    if (how & 0x10)
        w->request.method = dive_span_str("POST");
    if (how & 0x20)
        w->request.scheme = dive_span_str("http");
    r = dive_verifier_response(w->v, &w->request, &w->response, w->now);
    CHECK(w->started || r != 0);
    w->responded = r == 0;
}

static void feed(struct world *w, struct dive_span bytes)
{
    char *copy = fuzz_copy(bytes.p, bytes.n);

    for (size_t i = 0; i < bytes.n && w->n_fed < FED_MAX; i++)
        w->fed[w->n_fed++] = bytes.p[i];
    dive_verifier_body(w->v, copy, bytes.n);
    free(copy);
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
        len = strlen(CONTENT) - (w->n_fed < strlen(CONTENT) ? w->n_fed : strlen(CONTENT));
        if (len > (size_t)(op >> 3))
            len = op >> 3;
        feed(w, dive_span(&CONTENT[len > 0 ? w->n_fed : 0], len));
        break;
    case 4:
        feed(w, fuzz_until(f, '\0'));
        break;
    case 5:
        if (dive_verifier_end(w->v, w->now) == 0)
            w->ended = true;
        break;
    case 6:
        write_out(w);
        break;
    default:
        w->now += (int64_t)(op >> 3) * 100;
        if (!w->started)
            w->started = dive_verifier_start(
                             w->v, op & 8 ? fuzz_until(f, '\n') : dive_span_str("a.dive.example"),
                             w->now) == 0;
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
    struct world w = {.now = 1700000000};

    if (!genuine.ready)
        make_genuine();
    w.request = (struct dive_request){.method = dive_span_str("GET"),
                                      .scheme = dive_span_str("https"),
                                      .authority = dive_span_str("a.dive.example"),
                                      .path = dive_span_str("/f"),
                                      .target = dive_span_str("/f")};
    if (dive_verifier_new(&w.v, &options) != 0)
        return 0;
    if (how & 0x20)
        w.started = dive_verifier_start(w.v, dive_span_str("a.dive.example"), w.now) == 0;
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
