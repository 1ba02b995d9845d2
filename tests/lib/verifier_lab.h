/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_lab: a scripted world for the verifier's tests: a DNS table, keys made and signed with
 * by OpenSSL, one response, and a driver that plays the caller. Nothing of libdive is used to make
 * what libdive is to judge: bases and digests are built here by hand.
 */
#ifndef VERIFIER_LAB_H
#define VERIFIER_LAB_H

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/crypto.h"
#include "lib/record_cache.h"
#include "lib/verifier.h"

#define LAB_UNUSED __attribute__((unused))
#define LAB_NOW 1700000000
#define LAB_ANSWERS 128
#define LAB_WANTS 4096

enum lab_asked { LAB_ANY, LAB_FRESH_ONLY, LAB_STALE_ONLY };

struct lab_answer {
    char name[300];
    enum lab_asked asked;
    enum dive_security security;
    char text[4][1024];
    struct dive_span span[4];
    size_t n;
    uint32_t ttl;
};

struct lab_key {
    EVP_PKEY *pkey;
    enum dive_algorithm algorithm;
    char base64[128];
};

struct lab_want {
    uint32_t id;
    char name[300];
    bool fresh, answered;
};

struct lab {
    struct dive_options options;
    struct dive_verifier *v;
    const char *host, *body;
    int64_t now;
    struct lab_answer answer[LAB_ANSWERS]; /* the last that matches counts */
    size_t n_answers;
    struct dive_request request;
    struct dive_response response;
    struct dive_field field[16];
    char value[16][4096];
    char input[4096], signature[4096]; /* of draft-01, put into the fields by lab_fields() */
    struct lab_want want[LAB_WANTS];
    size_t n_wants;
    size_t piece; /* bytes of body a call */
};

LAB_UNUSED static void lab_init(struct lab *lab)
{
    memset(lab, 0, sizeof(*lab));
    lab->options.versions = DIVE_VERSIONS_ALL;
    lab->options.user_agent = "lab/1";
    lab->host = "www.dive.example";
    lab->body = "hello, world\n";
    lab->now = LAB_NOW;
    lab->piece = 5;
    lab->request = (struct dive_request){.method = dive_span_str("GET"),
                                         .scheme = dive_span_str("https"),
                                         .authority = dive_span_str("www.dive.example"),
                                         .path = dive_span_str("/file"),
                                         .target = dive_span_str("/file")};
    lab->response = (struct dive_response){.status = 200, .has_content = true};
    lab->response.fields.v = lab->field;
}

LAB_UNUSED static struct lab *lab_new(void)
{
    struct lab *lab = malloc(sizeof(*lab));

    lab_init(lab);
    return lab;
}

LAB_UNUSED static void lab_free(struct lab *lab)
{
    dive_verifier_free(&lab->v);
    dive_record_cache_free(&lab->options.cache);
    free(lab);
}

LAB_UNUSED static struct lab_answer *lab_dns(struct lab *lab, const char *name,
                                             enum dive_security security, const char *text)
{
    struct lab_answer *a = &lab->answer[lab->n_answers++];

    cr_assert(lab->n_answers <= LAB_ANSWERS);
    memset(a, 0, sizeof(*a));
    snprintf(a->name, sizeof(a->name), "%s", name);
    a->security = security;
    a->ttl = 300;
    if (text)
        snprintf(a->text[a->n++], sizeof(a->text[0]), "%s", text);
    return a;
}

LAB_UNUSED static void lab_add_text(struct lab_answer *a, const char *text)
{
    snprintf(a->text[a->n++], sizeof(a->text[0]), "%s", text);
}

#define LAB_POLICY_01 "v=\"dive-draft-01\", scopes=(\"strict\")"
#define LAB_POLICY_00 "v=\"dive-draft-00\", scopes=(\"strict\")"

LAB_UNUSED static void lab_base64(const void *bytes, size_t n, char *out)
{
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
}

LAB_UNUSED static void lab_key_make(struct lab_key *key, enum dive_algorithm algorithm)
{
    unsigned char raw[64];
    size_t n = sizeof(raw);

    EVP_PKEY_free(key->pkey); /* keys are static: of an earlier world, or NULL */
    key->algorithm = algorithm;
    key->pkey =
        EVP_PKEY_Q_keygen(NULL, NULL, algorithm == DIVE_ALGORITHM_ED25519 ? "ED25519" : "ED448");
    cr_assert(key->pkey && EVP_PKEY_get_raw_public_key(key->pkey, raw, &n) == 1);
    lab_base64(raw, n, key->base64);
}

LAB_UNUSED static const char *lab_key_text(const struct lab_key *key, const char *more)
{
    static char text[8][1024];
    static unsigned turn;
    char *t = text[turn++ % 8];

    snprintf(t, sizeof(text[0]), "sig=\"%s\", key=:%s:%s",
             key->algorithm == DIVE_ALGORITHM_ED25519 ? "ed25519" : "ed448", key->base64, more);
    return t;
}

/* The signature of `message`, in base64. */
LAB_UNUSED static void lab_sign(const struct lab_key *key, const void *message, size_t n, char *out)
{
    unsigned char sig[128];
    size_t len = sizeof(sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    cr_assert(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1);
    cr_assert(EVP_DigestSign(ctx, sig, &len, message, n) == 1);
    EVP_MD_CTX_free(ctx);
    lab_base64(sig, len, out);
}

LAB_UNUSED static size_t lab_hash(const char *openssl, const char *data, unsigned char out[64])
{
    size_t n = 64;

    cr_assert(EVP_Q_digest(NULL, openssl, NULL, data, strlen(data), out, &n) == 1);
    return n;
}

LAB_UNUSED __attribute__((format(printf, 3, 4))) static void lab_field(struct lab *lab,
                                                                       const char *name,
                                                                       const char *format, ...)
{
    size_t i = lab->response.fields.n++;
    va_list args;

    cr_assert(i < 16);
    va_start(args, format);
    vsnprintf(lab->value[i], sizeof(lab->value[i]), format, args);
    va_end(args);
    lab->field[i] = (struct dive_field){dive_span_str(name), dive_span_str(lab->value[i])};
}

/* Content-Digest of the lab's body by sha-256. */
LAB_UNUSED static const char *lab_content_digest(const char *body)
{
    static char text[256];
    unsigned char digest[64];
    char b64[128];

    lab_base64(digest, lab_hash("SHA256", body, digest), b64);
    snprintf(text, sizeof(text), "sha-256=:%s:", b64);
    return text;
}

/* Adds one entry of draft-01 over `content_digest`. `parameters` follows the component list. */
LAB_UNUSED static void lab_entry_over(struct lab *lab, const char *label, const struct lab_key *key,
                                      const char *content_digest, const char *parameters)
{
    char base[8192], b64[256];
    size_t n = strlen(lab->input), m = strlen(lab->signature);

    snprintf(base, sizeof(base),
             "\"content-digest\": %s\n\"@signature-params\": (\"content-digest\")%s",
             content_digest, parameters);
    lab_sign(key, base, strlen(base), b64);
    snprintf(lab->input + n, sizeof(lab->input) - n, "%s%s=(\"content-digest\")%s", n ? ", " : "",
             label, parameters);
    snprintf(lab->signature + m, sizeof(lab->signature) - m, "%s%s=:%s:", m ? ", " : "", label,
             b64);
}

LAB_UNUSED static void lab_entry(struct lab *lab, const char *label, const struct lab_key *key,
                                 const char *keyid)
{
    char parameters[512];

    snprintf(parameters, sizeof(parameters), ";keyid=\"%s\";alg=\"%s\"", keyid,
             key->algorithm == DIVE_ALGORITHM_ED25519 ? "ed25519" : "ed448");
    lab_entry_over(lab, label, key, lab_content_digest(lab->body), parameters);
}

/* The three fields of draft-01 from what lab_entry() collected. */
LAB_UNUSED static void lab_fields(struct lab *lab)
{
    lab_field(lab, "Content-Digest", "%s", lab_content_digest(lab->body));
    lab_field(lab, "Signature-Input", "%s", lab->input);
    lab_field(lab, "Signature", "%s", lab->signature);
}

/* One entry of DIVE-Sig over the body. */
LAB_UNUSED static const char *lab_dive_sig(const struct lab *lab, const struct lab_key *key,
                                           const char *keyid, const char *hash, const char *openssl)
{
    static char text[8][512];
    static unsigned turn;
    unsigned char message[128], digest[64];
    size_t n = (size_t)snprintf((char *)message, sizeof(message), "%s:", hash);
    size_t m = lab_hash(openssl, lab->body, digest);
    char b64[256], *t = text[turn++ % 8];

    memcpy(message + n, digest, m);
    lab_sign(key, message, n + m, b64);
    snprintf(t, sizeof(text[0]), "%s:%s:%s", keyid, hash, b64);
    return t;
}

LAB_UNUSED static void lab_answer_of(struct lab *lab, const char *name, bool fresh,
                                     struct dive_answer *out)
{
    *out = (struct dive_answer){.security = DIVE_DNS_SECURE, .ttl = 300};
    for (size_t i = lab->n_answers; i-- > 0;) {
        struct lab_answer *a = &lab->answer[i];

        if (strcmp(a->name, name) != 0 || (a->asked == LAB_FRESH_ONLY && !fresh) ||
            (a->asked == LAB_STALE_ONLY && fresh))
            continue;
        for (size_t k = 0; k < a->n; k++)
            a->span[k] = dive_span_str(a->text[k]);
        *out = (struct dive_answer){.security = a->security,
                                    .txt = a->span,
                                    .n = a->n,
                                    .ttl = a->ttl,
                                    .why = a->security < DIVE_DNS_INSECURE ? "lab" : NULL};
        return;
    }
}

LAB_UNUSED static void lab_drain(struct lab *lab)
{
    struct dive_want w;

    while (dive_verifier_next_want(lab->v, &w)) {
        struct lab_want *mine = &lab->want[lab->n_wants++];

        cr_assert(lab->n_wants <= LAB_WANTS);
        *mine = (struct lab_want){.id = w.id, .fresh = w.fresh};
        snprintf(mine->name, sizeof(mine->name), "%s", w.name);
    }
}

LAB_UNUSED static int lab_answer_want(struct lab *lab, size_t i)
{
    struct dive_answer answer;

    lab->want[i].answered = true;
    lab_answer_of(lab, lab->want[i].name, lab->want[i].fresh, &answer);
    return dive_verifier_answer(lab->v, lab->want[i].id, &answer, lab->now);
}

/* Answers everything, and what is asked because of it. */
LAB_UNUSED static void lab_answer_all(struct lab *lab)
{
    for (bool any = true; any;) {
        any = false;
        lab_drain(lab);
        for (size_t i = 0; i < lab->n_wants; i++) {
            if (lab->want[i].answered)
                continue;
            cr_assert_eq(lab_answer_want(lab, i), 0);
            any = true;
        }
    }
}

LAB_UNUSED static struct lab_want *lab_asked(struct lab *lab, const char *name, bool fresh)
{
    for (size_t i = 0; i < lab->n_wants; i++) {
        if (strcmp(lab->want[i].name, name) == 0 && lab->want[i].fresh == fresh)
            return &lab->want[i];
    }
    return NULL;
}

LAB_UNUSED static void lab_start(struct lab *lab)
{
    dive_verifier_free(&lab->v);
    lab->n_wants = 0;
    cr_assert_eq(dive_verifier_new(&lab->v, &lab->options), 0);
    cr_assert_eq(dive_verifier_start(lab->v, dive_span_str(lab->host), lab->now), 0);
}

LAB_UNUSED static void lab_head(struct lab *lab)
{
    cr_assert_eq(dive_verifier_response(lab->v, &lab->request, &lab->response, lab->now), 0);
}

LAB_UNUSED static void lab_body(struct lab *lab, const char *body)
{
    for (size_t at = 0, n = strlen(body); at < n; at += lab->piece)
        dive_verifier_body(lab->v, body + at, n - at < lab->piece ? n - at : lab->piece);
}

LAB_UNUSED static void lab_end(struct lab *lab)
{
    cr_assert_eq(dive_verifier_end(lab->v, lab->now), 0);
}

/* One verification in the plainest order, with `body` as the content that arrives. */
LAB_UNUSED static enum dive_verdict lab_run_body(struct lab *lab, const char *body)
{
    lab_start(lab);
    lab_answer_all(lab);
    lab_head(lab);
    lab_answer_all(lab);
    if (lab->response.has_content)
        lab_body(lab, body);
    cr_assert_neq(dive_verifier_verdict(lab->v), DIVE_ACCEPT, "accepted before the end");
    lab_end(lab);
    lab_answer_all(lab);
    return dive_verifier_verdict(lab->v);
}

LAB_UNUSED static enum dive_verdict lab_run(struct lab *lab)
{
    return lab_run_body(lab, lab->body);
}

#define lab_rejects(lab, why)                                                                      \
    do {                                                                                           \
        cr_assert_eq(lab_run(lab), DIVE_REJECT);                                                   \
        cr_assert_str_eq(dive_reason_word(dive_verifier_reason((lab)->v)), why);                   \
    } while (0)

/* The usual world: a strict policy of draft-01 at dive.example, one key there, signed with it. */
LAB_UNUSED static struct lab *lab_signed(struct lab_key *key)
{
    struct lab *lab = lab_new();

    lab_key_make(key, DIVE_ALGORITHM_ED25519);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE, lab_key_text(key, ""));
    lab_entry(lab, "sig1", key, "keyABC");
    lab_fields(lab);
    return lab;
}

/* The same of draft-00. */
LAB_UNUSED static struct lab *lab_signed_00(struct lab_key *key)
{
    struct lab *lab = lab_new();

    lab_key_make(key, DIVE_ALGORITHM_ED25519);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_00);
    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE, lab_key_text(key, ""));
    lab_field(lab, "DIVE-Sig", "%s", lab_dive_sig(lab, key, "keyABC", "sha256", "SHA256"));
    return lab;
}

#endif
