/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The signed examples of RFC 9421. Its responses are signed with ECDSA, which DIVE has no use for:
 * there the signature base that we build is put to OpenSSL with the published signature, which
 * verifies only if every octet is right. Its Ed25519 examples sign requests, which is outside of
 * DIVE: there the published base is put to our check of signatures, and the component values to our
 * way of reading a request (as `;req`, the only way in which a response's signature can have them).
 */
#include <stdlib.h>

#include <criterion/criterion.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "lib/crypto.h"
#include "lib/signature_base.h"
#include "lib/signature_input.h"

#define S(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Appendix B.1.3 (test-key-ecc-p256), the point uncompressed, and B.1.4 (test-key-ed25519). */
static const uint8_t ecc_key[65] = {
    0x04, 0xa8, 0x85, 0x58, 0x65, 0x52, 0xc2, 0xac, 0xf6, 0x47, 0x18, 0x78, 0xcf,
    0xd7, 0xb0, 0x93, 0x5b, 0x4f, 0xfe, 0x0f, 0xd2, 0xdf, 0xc3, 0x41, 0x24, 0x8e,
    0xa1, 0x7b, 0xc4, 0x1e, 0x05, 0x8a, 0xf0, 0x31, 0xce, 0x27, 0x37, 0xd2, 0xd3,
    0x0c, 0xe0, 0x61, 0x7e, 0x85, 0x1e, 0x83, 0xc6, 0x1e, 0xf5, 0x67, 0x9d, 0x15,
    0x18, 0x67, 0x65, 0x76, 0x49, 0x03, 0x5d, 0x90, 0xa7, 0x4c, 0xd9, 0xe8, 0x5d};
static const uint8_t ed25519_key[32] = {
    0x26, 0xb4, 0x0b, 0x8f, 0x93, 0xff, 0xf3, 0xd8, 0x97, 0x11, 0x2f, 0x7e, 0xbc, 0x58, 0x2b, 0x23,
    0x2d, 0xbd, 0x72, 0x51, 0x7d, 0x08, 0x2f, 0xe8, 0x3c, 0xfb, 0x30, 0xdd, 0xce, 0x43, 0xd1, 0xbb};

/* Appendix B.2: the request and the response that most examples are about. */
static const struct dive_field request_lines[] = {
    {S("Host"), S("example.com")},
    {S("Date"), S("Tue, 20 Apr 2021 02:07:55 GMT")},
    {S("Content-Type"), S("application/json")},
    {S("Content-Digest"), S("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu"
                            "7BNNyealdVLvRwEmTHWXvJwew==:")},
    {S("Content-Length"), S("18")},
};
static const struct dive_request request = {
    .method = S("POST"),
    .scheme = S("https"),
    .authority = S("example.com"),
    .path = S("/foo"),
    .query = S("?param=Value&Pet=dog"),
    .target = S("/foo?param=Value&Pet=dog"),
    .fields = {request_lines, N(request_lines)},
};
static const struct dive_field response_lines[] = {
    {S("Date"), S("Tue, 20 Apr 2021 02:07:56 GMT")},
    {S("Content-Type"), S("application/json")},
    {S("Content-Digest"), S("sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69"
                            "wWdXymyU0rjJuahq4l5aGgfLQ==:")},
    {S("Content-Length"), S("23")},
};
static const struct dive_response response = {
    .status = 200,
    .has_content = true,
    .fields = {response_lines, N(response_lines)},
};

/* The response of section 2.4. */
static const struct dive_field unavailable_lines[] = {
    {S("Date"), S("Tue, 20 Apr 2021 02:07:56 GMT")},
    {S("Content-Type"), S("application/json")},
    {S("Content-Length"), S("62")},
    {S("Content-Digest"), S("sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloESHObfwnHJDbkkWWQz6PhhU9kxs"
                            "TbARtY2PTBOzq24uJFpHsMuAg==:")},
};
static const struct dive_response unavailable = {
    .status = 503,
    .has_content = true,
    .fields = {unavailable_lines, N(unavailable_lines)},
};

/* The base of the dictionary's first member, malloc'd. */
static char *base_of(const char *signature_input, const struct dive_response *to,
                     const struct dive_request *from, size_t *len)
{
    struct dive_sf *sf = NULL;
    char *base = NULL;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str(signature_input), 0, NULL),
                 0);
    cr_assert_eq(dive_signature_base(&sf->members[0], from, to, &base, len), 0, "%s",
                 signature_input);
    dive_sf_free(&sf);
    return base;
}

/* ecdsa-p256-sha256 (RFC 9421 section 3.3.4): r and s, 32 octets each. */
static bool ecdsa_verifies(const char *signature_field, const char *base, size_t len)
{
    struct dive_sf *sf = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)ecc_key,
                                          sizeof ecc_key),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *pair = ECDSA_SIG_new();
    EVP_PKEY *pkey = NULL;
    uint8_t *der = NULL;
    const uint8_t *raw;
    int n;
    bool ok;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str(signature_field), 0, NULL),
                 0);
    cr_assert_eq(sf->members[0].bare.text.n, 64);
    raw = (const uint8_t *)sf->members[0].bare.text.p;
    cr_assert_eq(EVP_PKEY_fromdata_init(maker), 1);
    cr_assert_eq(EVP_PKEY_fromdata(maker, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
    cr_assert_eq(ECDSA_SIG_set0(pair, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)), 1);
    n = i2d_ECDSA_SIG(pair, &der);
    cr_assert_gt(n, 0);
    cr_assert_eq(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
    ok = EVP_DigestVerify(ctx, der, (size_t)n, (const uint8_t *)base, len) == 1;
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    EVP_PKEY_CTX_free(maker);
    dive_sf_free(&sf);
    return ok;
}

Test(rfc9421, the_signed_response_of_b_2_4)
{
    size_t len;
    char *base = base_of("sig-b24=(\"@status\" \"content-type\" \"content-digest\" "
                         "\"content-length\");created=1618884473;keyid=\"test-key-ecc-p256\"",
                         &response, NULL, &len);
    static const char signature[] = "sig-b24=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPqu"
                                    "LgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:";

    cr_expect(ecdsa_verifies(signature, base, len), "%s", base);
    base[len - 2] ^= 1;
    cr_expect_not(ecdsa_verifies(signature, base, len));
    free(base);
}

Test(rfc9421, the_response_that_is_bound_to_its_request_of_2_4)
{
    size_t len;
    char *base = base_of("reqres=(\"@status\" \"content-digest\" \"content-type\" "
                         "\"@authority\";req \"@method\";req \"@path\";req \"content-digest\";req)"
                         ";created=1618884479;keyid=\"test-key-ecc-p256\"",
                         &unavailable, &request, &len);

    cr_expect(ecdsa_verifies("reqres=:dMT/A/76ehrdBTD/2Xx8QuKV6FoyzEP/I9hdzKN8LQJLNgzU4W767HK05rx1i"
                             "8meNQQgQPgQp8wq2ive3tV5Ag==:",
                             base, len),
              "%s", base);
    free(base);
}

/* Our base for `covered`, a response's signature with ;req components, must be the request's base
 * `expected` but for the parameter: the component values are the RFC's. */
static void check_values(const char *covered, const struct dive_request *from, const char *expected)
{
    size_t len, n = 0;
    char *base = base_of(covered, &response, from, &len);

    for (char *p = base; *p != '\0'; p++) {
        if (strncmp(p, "\";req", 5) == 0) {
            base[n++] = '"';
            p += 4;
        } else {
            base[n++] = *p;
        }
    }
    base[n] = '\0';
    cr_expect_str_eq(base, expected);
    free(base);
}

static int check_ed25519(const char *signature_field, const char *base)
{
    struct dive_sf *sf = NULL;
    int r;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str(signature_field), 0, NULL),
                 0);
    r = dive_signature_check(DIVE_ALGORITHM_ED25519, dive_span(ed25519_key, sizeof ed25519_key),
                             sf->members[0].bare.text, dive_span_str(base));
    dive_sf_free(&sf);
    return r;
}

Test(rfc9421, the_ed25519_request_of_b_2_6)
{
    static const char base[] =
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
        "\"@method\": POST\n"
        "\"@path\": /foo\n"
        "\"@authority\": example.com\n"
        "\"content-type\": application/json\n"
        "\"content-length\": 18\n"
        "\"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" "
        "\"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    static const char signature[] = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb0"
                                    "4v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:";

    cr_expect_eq(check_ed25519(signature, base), 0);
    check_values("sig-b26=(\"date\";req \"@method\";req \"@path\";req \"@authority\";req "
                 "\"content-type\";req \"content-length\";req)"
                 ";created=1618884473;keyid=\"test-key-ed25519\"",
                 &request, base);
}

/* Appendix B.4: the message as it was signed, and what a proxy must not have made of it. */
Test(rfc9421, the_ed25519_request_of_b_4)
{
    static const char base[] =
        "\"@method\": GET\n"
        "\"@path\": /demo\n"
        "\"@authority\": example.org\n"
        "\"accept\": application/json, */*\n"
        "\"@signature-params\": (\"@method\" \"@path\" \"@authority\" \"accept\")"
        ";created=1618884473;keyid=\"test-key-ed25519\"";
    static const char signature[] = "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS"
                                    "0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:";
    static const char covered[] =
        "transform=(\"@method\";req \"@path\";req \"@authority\";req \"accept\";req)"
        ";created=1618884473;keyid=\"test-key-ed25519\"";
    /* One line, or two that are joined: the same. */
    static const struct dive_field one[] = {{S("Accept"), S("application/json, */*")}};
    static const struct dive_field two[] = {{S("Accept"), S("application/json")},
                                            {S("accept"), S("  */*\t")}};
    struct dive_request demo = {
        .method = S("GET"),
        .scheme = S("https"),
        .authority = S("example.org"),
        .path = S("/demo"),
        .query = S("?name1=Value1&Name2=value2"),
        .target = S("/demo?name1=Value1&Name2=value2"),
        .fields = {one, N(one)},
    };

    cr_expect_eq(check_ed25519(signature, base), 0);
    check_values(covered, &demo, base);
    demo.fields = (struct dive_fields){two, N(two)};
    check_values(covered, &demo, base);
}

/* None of them is a signature for DIVE: no alg, no permitted one, or no Content-Digest covered. */
Test(rfc9421, the_examples_are_no_signatures_for_dive)
{
    static const struct dive_field lines[] = {
        {S("Signature-Input"),
         S("a=(\"date\" \"@method\");created=1618884473;keyid=\"test-key-ed25519\", "
           "b=(\"@status\" \"content-digest\");keyid=\"testkey\", "
           "c=(\"content-digest\");keyid=\"testkey\";alg=\"ecdsa-p256-sha256\"")},
        {S("Signature"), S("a=:AA==:, b=:AA==:, c=:AA==:")},
    };
    static const struct dive_fields fields = {lines, N(lines)};
    static const enum dive_entry_fault faults[] = {DIVE_ENTRY_NO_CONTENT_DIGEST, DIVE_ENTRY_NO_ALG,
                                                   DIVE_ENTRY_FOREIGN_ALG};
    struct dive_signatures signatures;

    cr_assert_eq(dive_signatures_parse(&signatures, &fields, "example.com"), 0);
    cr_assert_eq(signatures.n, N(faults));
    for (size_t i = 0; i < N(faults); i++)
        cr_expect_eq(signatures.entry[i].fault, faults[i], "%zu", i);
    dive_signatures_free(&signatures);
}
