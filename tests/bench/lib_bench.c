/* SPDX-License-Identifier: BSD-2-Clause
 *
 * lib_bench: what libdive costs by itself, without the daemon: whole verifications of draft-01 with
 * cached records, beside the OpenSSL calls that no verifier can do without, in one run; and the
 * parse of a response head.
 *
 *     lib_bench [rounds]
 *
 * The bare calls are as cheap as they can be: key and contexts are made once, outside of what is
 * measured; per response only one digest of the content and one EdDSA check of the base are left.
 * Rounds of both take turns, and each ratio is of one round to its neighbour; the median of them
 * counts. Time is processor time of this thread. Every verification is checked to have accepted.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/record_cache.h"
#include "lib/signature_input.h"
#include "lib/signature_memo.h"
#include "lib/verifier.h"

enum { NOW = 1700000000, SIGNED = 64, ROUNDS = 15, ROUNDS_MAX = 101, PARSES = 20000 };

#define HOST "downloads.example.com"
#define PARAMETERS "(\"content-digest\");created=%lld;keyid=\"rel2026\";alg=\"ed25519\""

/* One response, signed. No two have the same signature. */
struct signed_response {
    char input[160], signature[160], base[320];
    size_t base_len;
    unsigned char raw[64];
    struct dive_field field[12];
    struct dive_response response;
};

static struct {
    EVP_PKEY *pkey, *public_only;
    EVP_MD_CTX *verify, *hash;
    EVP_MD *sha256;
    unsigned char public_key[32];
    char policy[128], key[160], digest[80];
    unsigned char *content;
    size_t n;
    struct signed_response responses[SIGNED];
} world;

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "lib_bench: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct dive_field field(const char *name, const char *value)
{
    return (struct dive_field){dive_span_str(name), dive_span_str(value)};
}

/* The head as a usual server sends it, nine fields beside the three. */
static void make_response(struct signed_response *r, int64_t created)
{
    char base64[96], params[120];
    size_t n = sizeof r->raw;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const struct dive_field fields[] = {
        field("Date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        field("Server", "nginx"),
        field("Content-Type", "application/gzip"),
        field("Content-Length", "1048576"),
        field("Last-Modified", "Mon, 13 Nov 2023 10:00:00 GMT"),
        field("ETag", "\"6551f3d0-100000\""),
        field("Content-Digest", world.digest),
        field("Signature-Input", r->input),
        field("Signature", r->signature),
        field("Cache-Control", "max-age=3600"),
        field("Accept-Ranges", "bytes"),
        field("Connection", "keep-alive"),
    };

    snprintf(params, sizeof params, PARAMETERS, (long long)created);
    snprintf(r->input, sizeof r->input, "sig1=%s", params);
    r->base_len =
        (size_t)snprintf(r->base, sizeof r->base,
                         "\"content-digest\": %s\n\"@signature-params\": %s", world.digest, params);
    must(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, world.pkey) == 1 &&
             EVP_DigestSign(ctx, r->raw, &n, (unsigned char *)r->base, r->base_len) == 1,
         "signing");
    EVP_MD_CTX_free(ctx);
    EVP_EncodeBlock((unsigned char *)base64, r->raw, (int)n);
    snprintf(r->signature, sizeof r->signature, "sig1=:%s:", base64);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) /* spans of what is there now */
        r->field[i] = fields[i];
    r->field[7] = field("Signature-Input", r->input);
    r->field[8] = field("Signature", r->signature);
    r->response = (struct dive_response){
        .status = 200, .has_content = true, .fields = {r->field, sizeof fields / sizeof fields[0]}};
}

static void make_world(void)
{
    size_t n = sizeof world.public_key;
    char base64[64];

    world.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    must(world.pkey && EVP_PKEY_get_raw_public_key(world.pkey, world.public_key, &n) == 1, "a key");
    world.public_only = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, world.public_key, n);
    world.verify = EVP_MD_CTX_new();
    world.hash = EVP_MD_CTX_new();
    world.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(world.public_only && world.verify && world.hash && world.sha256, "OpenSSL");
    EVP_EncodeBlock((unsigned char *)base64, world.public_key, (int)n);
    snprintf(world.policy, sizeof world.policy,
             "v=\"dive-draft-01\", scopes=(\"strict\"), cache=3600");
    snprintf(world.key, sizeof world.key, "sig=\"ed25519\", key=:%s:, cache=86400", base64);
}

static void make_content(size_t n)
{
    unsigned char hash[32];
    char base64[64];

    free(world.content);
    world.n = n;
    world.content = malloc(n);
    must(world.content != NULL, "memory");
    for (size_t i = 0; i < n; i++)
        world.content[i] = (unsigned char)(i * 31 + i / 251);
    must(EVP_Digest(world.content, n, hash, NULL, world.sha256, NULL) == 1, "a digest");
    EVP_EncodeBlock((unsigned char *)base64, hash, 32);
    snprintf(world.digest, sizeof world.digest, "sha-256=:%s:", base64);
    for (int i = 0; i < SIGNED; i++)
        make_response(&world.responses[i], NOW - i);
}

static void answer_wants(struct dive_verifier *v)
{
    struct dive_want want;

    while (dive_verifier_next_want(v, &want)) {
        const char *text = strstr(want.name, "._divekey.example.com")    ? world.key
                           : strcmp(want.name, "_dive.example.com") == 0 ? world.policy
                                                                         : NULL;
        struct dive_span record = dive_span_str(text ? text : "");
        struct dive_answer answer = {
            .security = DIVE_DNS_SECURE, .txt = &record, .n = text != NULL, .ttl = 86400};

        must(dive_verifier_answer(v, want.id, &answer, NOW) == 0, "an answer");
    }
}

/* The content comes in pieces of 64 KiB, as from a connection. */
static void verify(struct dive_record_cache *cache, const struct signed_response *r)
{
    static const struct dive_request request = {.method = {"GET", 3},
                                                .scheme = {"https", 5},
                                                .authority = {HOST, sizeof HOST - 1},
                                                .path = {"/f", 2},
                                                .target = {"/f", 2}};
    struct dive_options options = {
        .versions = DIVE_VERSIONS_ALL, .user_agent = "lib_bench", .cache = cache};
    struct dive_verifier *v;

    must(dive_verifier_new(&v, &options) == 0, "a verifier");
    must(dive_verifier_start(v, dive_span_str(HOST), NOW) == 0, "start");
    answer_wants(v);
    must(dive_verifier_response(v, &request, &r->response, NOW) == 0, "response");
    answer_wants(v);
    for (size_t at = 0; at < world.n; at += 65536)
        dive_verifier_body(v, world.content + at, world.n - at < 65536 ? world.n - at : 65536);
    must(dive_verifier_end(v, NOW) == 0 && dive_verifier_verdict(v) == DIVE_ACCEPT, "ACCEPT");
    dive_verifier_free(&v);
}

static void bare_digest(void)
{
    unsigned char hash[32];

    must(EVP_DigestInit_ex2(world.hash, world.sha256, NULL) == 1 &&
             EVP_DigestUpdate(world.hash, world.content, world.n) == 1 &&
             EVP_DigestFinal_ex(world.hash, hash, NULL) == 1,
         "the digest");
}

static void bare_check(const struct signed_response *r)
{
    must(EVP_MD_CTX_reset(world.verify) == 1 &&
             EVP_DigestVerifyInit(world.verify, NULL, NULL, NULL, world.public_only) == 1 &&
             EVP_DigestVerify(world.verify, r->raw, sizeof r->raw, (const unsigned char *)r->base,
                              r->base_len) == 1,
         "the signature");
}

enum what { BARE, BARE_DIGEST, DIFFERENT, SAME };

/* Seconds of one round of SIGNED responses. A new cache has no signature in its memory. */
static double round_of(enum what what)
{
    struct dive_record_cache *cache = NULL;
    double start;

    if (what == DIFFERENT || what == SAME) {
        must(dive_record_cache_new(&cache, 64, NULL) == 0, "a cache");
        verify(cache, &world.responses[0]); /* the records are cached from here on */
    }
    start = cpu_seconds();
    for (int i = 1; i < SIGNED; i++) {
        if (what == DIFFERENT || what == SAME) {
            verify(cache, &world.responses[what == SAME ? 0 : i]);
            continue;
        }
        bare_digest();
        if (what == BARE)
            bare_check(&world.responses[i]);
    }
    start = cpu_seconds() - start;
    if (cache) {
        uint64_t hits = dive_signature_memo_hits(dive_record_cache_signatures(cache));

        must(hits == (what == SAME ? SIGNED - 1 : 0), "the memory of signatures");
        dive_record_cache_free(&cache);
    }
    return start / (SIGNED - 1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* One row: `ours` beside `bare`. Returns the ratio. */
static double compare(const char *label, enum what ours, enum what bare, int rounds)
{
    double a[ROUNDS_MAX], b[ROUNDS_MAX], ratio[ROUNDS_MAX], r;

    for (int i = 0; i < rounds; i++) {
        /* Who begins takes turns, too. */
        if (i % 2)
            b[i] = round_of(bare);
        a[i] = round_of(ours);
        if (i % 2 == 0)
            b[i] = round_of(bare);
        ratio[i] = a[i] / b[i];
    }
    r = median(ratio, rounds);
    printf("  %-58s %9.0f /s %9.2f us %9.2f us  %6.3f\n", label, 1 / median(a, rounds),
           median(a, rounds) * 1e6, median(b, rounds) * 1e6, r);
    return r;
}

/* What the verifier does with the three fields before it needs a key. */
static void parse_as_verifier(const struct signed_response *r)
{
    struct dive_content_digest digest;
    struct dive_signatures signatures;
    char *text;
    size_t len;

    must(dive_fields_join(&r->response.fields, "content-digest", &text, &len) == 0 &&
             dive_content_digest_parse(&digest, dive_span(text, len)) == 0 &&
             dive_signatures_parse(&signatures, &r->response.fields, HOST) == 0 &&
             signatures.n == 1 && signatures.entry[0].fault == DIVE_ENTRY_NONE,
         "parsing");
    free(text);
    dive_signatures_free(&signatures);
}

/* The parser of structured fields alone. */
static void parse_alone(const struct signed_response *r)
{
    for (size_t i = 6; i <= 8; i++) {
        struct dive_sf *sf;

        must(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, r->field[i].value, 0, NULL) == 0, "parsing");
        dive_sf_free(&sf);
    }
}

static double parse_microseconds(void (*parse)(const struct signed_response *), int rounds)
{
    double v[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++) {
        double start = cpu_seconds();

        for (int k = 0; k < PARSES; k++)
            parse(&world.responses[k % SIGNED]);
        v[i] = (cpu_seconds() - start) / PARSES * 1e6;
    }
    return median(v, rounds);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
    double large, head;

    must(rounds >= 1 && rounds <= ROUNDS_MAX, "rounds, 1 to 101,");
    make_world();
    printf("libdive alone: draft-01, Ed25519, SHA-256, records cached; processor time\n\n"
           "  %-58s %12s %12s %12s  %6s\n",
           "", "responses", "libdive", "OpenSSL", "ratio");
    make_content(1024);
    compare("1 KiB, every signature a new one", DIFFERENT, BARE, rounds);
    compare("1 KiB, a signature seen before; beside digest and check", SAME, BARE, rounds);
    compare("1 KiB, a signature seen before; beside the digest alone", SAME, BARE_DIGEST, rounds);
    make_content(1 << 20);
    large =
        compare("1 MiB, every signature a new one (goal: at most 1.10)", DIFFERENT, BARE, rounds);
    compare("1 MiB, a signature seen before; beside digest and check", SAME, BARE, rounds);
    compare("1 MiB, a signature seen before; beside the digest alone", SAME, BARE_DIGEST, rounds);
    head = parse_microseconds(parse_as_verifier, rounds);
    printf(
        "\n  Content-Digest, Signature-Input, Signature of a head of 12 fields (goal: below 2 us)\n"
        "  %-58s %12s %9.2f us\n  %-58s %12s %9.2f us\n",
        "as the verifier reads them, names compared and lines joined", "", head,
        "structured fields alone", "", parse_microseconds(parse_alone, rounds));
    printf("\n  goals: %s, %s\n", large <= 1.10 ? "1 MiB met" : "1 MiB MISSED",
           head < 2 ? "head met" : "head MISSED");
    return EXIT_SUCCESS;
}
