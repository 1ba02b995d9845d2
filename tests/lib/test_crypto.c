/* SPDX-License-Identifier: BSD-2-Clause
 *
 * EdDSA: what is no signature, and the keys that OpenSSL would take and we don't. The vectors of
 * the RFCs are in test_eddsa_vectors.c and test_rfc9421.c.
 */
#include <stdio.h>

#include <criterion/criterion.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "lib/crypto.h"

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;

    for (; hex[0] != '\0'; hex += 2) {
        cr_assert_eq(sscanf(hex, "%2x", &byte), 1);
        out[n++] = (uint8_t)byte;
    }
    return n;
}

static int check_hex(enum dive_algorithm algorithm, const char *key, const char *signature,
                     const void *message, size_t n)
{
    uint8_t k[128], s[256];
    size_t kn = unhex(key, k), sn = unhex(signature, s);

    return dive_signature_check(algorithm, dive_span(k, kn), dive_span(s, sn),
                                dive_span(message, n));
}

#define ED25519_KEY_2 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define ED25519_SIG_2                                                                              \
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"                             \
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
#define ED448_KEY_1                                                                                \
    "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c086"                             \
    "6aea01eb00742802b8438ea4cb82169c235160627b4c3a9480"
#define ED448_SIG_1                                                                                \
    "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f435"                             \
    "2541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cb"                             \
    "cee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0f"                             \
    "f3348ab21aa4adafd1d234441cf807c03a00"

Test(crypto, any_changed_bit_of_a_signature_is_a_mismatch)
{
    uint8_t key[57], signature[114];
    size_t kn = unhex(ED25519_KEY_2, key), sn = unhex(ED25519_SIG_2, signature);

    for (size_t bit = 0; bit < sn * 8; bit++) {
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect_eq(dive_signature_check(DIVE_ALGORITHM_ED25519, dive_span(key, kn),
                                          dive_span(signature, sn), dive_span("\x72", 1)),
                     DIVE_E_MISMATCH, "bit %zu", bit);
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    kn = unhex(ED448_KEY_1, key);
    sn = unhex(ED448_SIG_1, signature);
    for (size_t bit = 0; bit < sn * 8; bit += 7) {
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect_eq(dive_signature_check(DIVE_ALGORITHM_ED448, dive_span(key, kn),
                                          dive_span(signature, sn), dive_span("\x03", 1)),
                     DIVE_E_MISMATCH, "bit %zu", bit);
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(crypto, another_message_is_a_mismatch)
{
    cr_expect_eq(check_hex(DIVE_ALGORITHM_ED25519, ED25519_KEY_2, ED25519_SIG_2, "\x73", 1),
                 DIVE_E_MISMATCH);
    cr_expect_eq(check_hex(DIVE_ALGORITHM_ED25519, ED25519_KEY_2, ED25519_SIG_2, "\x72\x00", 2),
                 DIVE_E_MISMATCH);
    cr_expect_eq(check_hex(DIVE_ALGORITHM_ED25519, ED25519_KEY_2, ED25519_SIG_2, NULL, 0),
                 DIVE_E_MISMATCH);
    cr_expect_eq(check_hex(DIVE_ALGORITHM_ED448, ED448_KEY_1, ED448_SIG_1, "\x02", 1),
                 DIVE_E_MISMATCH);
}

Test(crypto, a_signature_of_the_wrong_length_is_a_mismatch)
{
    uint8_t key[57], signature[116] = {0};
    size_t kn = unhex(ED25519_KEY_2, key), sn = unhex(ED25519_SIG_2, signature);

    for (size_t n = 0; n <= sizeof(signature); n++) {
        cr_expect_eq(dive_signature_check(DIVE_ALGORITHM_ED25519, dive_span(key, kn),
                                          dive_span(signature, n), dive_span("\x72", 1)),
                     n == sn ? 0 : DIVE_E_MISMATCH, "%zu bytes", n);
    }
}

Test(crypto, a_key_of_the_wrong_length_or_algorithm_is_no_key)
{
    uint8_t key[58] = {9}, signature[114] = {0};

    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED25519, dive_span(key, 31)), DIVE_E_TYPE);
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED25519, dive_span(key, 32)), 0);
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED25519, dive_span(key, 33)), DIVE_E_TYPE);
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 56)), DIVE_E_TYPE);
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), 0);
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 58)), DIVE_E_TYPE);
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_NONE, dive_span(NULL, 0)), DIVE_E_TYPE);
    cr_expect_eq(dive_signature_check(DIVE_ALGORITHM_NONE, dive_span(NULL, 0), dive_span(NULL, 0),
                                      dive_span("x", 1)),
                 DIVE_E_TYPE);
    cr_expect_eq(dive_signature_check((enum dive_algorithm)7, dive_span(key, 32),
                                      dive_span(signature, 64), dive_span("x", 1)),
                 DIVE_E_TYPE);
    cr_expect_eq(dive_signature_check(DIVE_ALGORITHM_ED448, dive_span(key, 32),
                                      dive_span(signature, 64), dive_span("x", 1)),
                 DIVE_E_TYPE);
}

/* With these keys anybody can sign. Each is given with both signs of x. */
Test(crypto, a_key_of_small_order_is_no_key)
{
    static const char *const keys[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    };
    uint8_t key[57];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t n = unhex(keys[i], key);

        cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED25519, dive_span(key, n)), DIVE_E_TYPE,
                     "%s", keys[i]);
        key[31] ^= 0x80;
        cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED25519, dive_span(key, n)), DIVE_E_TYPE,
                     "%s", keys[i]);
    }
    for (int y = -1; y <= 1; y++) { /* -1, 0, 1 */
        memset(key, 0, sizeof(key));
        if (y < 0) {
            memset(key, 0xff, 56);
            key[0] = 0xfe;
            key[28] = 0xfe;
        } else {
            key[0] = (uint8_t)y;
        }
        cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), DIVE_E_TYPE);
        key[56] = 0x80;
        cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), DIVE_E_TYPE);
    }
}

/* What makes the check above necessary: OpenSSL itself takes this forgery. */
Test(crypto, the_forgery_that_needs_no_private_key_fails)
{
    uint8_t identity[32] = {1}, signature[64] = {1};
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, identity, 32);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    cr_assert_eq(EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey), 1);
    cr_log_info("OpenSSL says %d",
                EVP_DigestVerify(context, signature, 64, (const unsigned char *)"any", 3));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    cr_expect_eq(dive_signature_check(DIVE_ALGORITHM_ED25519, dive_span(identity, 32),
                                      dive_span(signature, 64), dive_span("any", 3)),
                 DIVE_E_TYPE);
}

Test(crypto, an_encoding_with_y_not_below_p_is_no_key)
{
    uint8_t key[57];

    memset(key, 0xff, 32);
    key[31] = 0x7f;
    for (unsigned low = 0xeb; low <= 0xff; low++) { /* p - 2, p - 1 (order 2), p, ... */
        key[0] = (uint8_t)low;
        cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED25519, dive_span(key, 32)),
                     low == 0xeb ? 0 : DIVE_E_TYPE, "%x", low);
    }
    memset(key, 0xff, 56);
    key[56] = 0;
    key[28] = 0xfe;
    key[0] = 0xfd; /* p - 2 */
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), 0);
    key[0] = 0xff; /* p */
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), DIVE_E_TYPE);
    memset(key, 0, 29);
    key[28] = 0xff; /* p + 1 */
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), DIVE_E_TYPE);
    unhex(ED448_KEY_1, key);
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), 0);
    key[56] |= 0x01; /* the last octet holds the sign alone */
    cr_expect_eq(dive_public_key_check(DIVE_ALGORITHM_ED448, dive_span(key, 57)), DIVE_E_TYPE);
}

Test(crypto, a_point_off_the_curve_verifies_nothing)
{
    uint8_t key[32] = {2}, signature[64] = {1};

    cr_expect_eq(dive_signature_check(DIVE_ALGORITHM_ED25519, dive_span(key, 32),
                                      dive_span(signature, 64), dive_span("any", 3)),
                 DIVE_E_MISMATCH);
}

/* The caller's TLS code reads the same queue of this thread. */
Test(crypto, the_error_queue_is_left_as_it_was)
{
    uint8_t key[32] = {2}, signature[64] = {1};

    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42);
    cr_expect_neq(dive_signature_check(DIVE_ALGORITHM_ED25519, dive_span(key, 32),
                                       dive_span(signature, 64), dive_span("any", 3)),
                  0);
    cr_expect_eq(ERR_GET_REASON(ERR_get_error()), 42);
    cr_expect_eq(ERR_get_error(), 0);
}

Test(crypto, names_are_lower_case_and_nothing_else)
{
    enum dive_algorithm a;

    cr_expect_eq(dive_algorithm_from_name(dive_span_str("ed25519"), &a), 0);
    cr_expect_eq(a, DIVE_ALGORITHM_ED25519);
    cr_expect_eq(dive_algorithm_from_name(dive_span_str("ed448"), &a), 0);
    cr_expect_eq(a, DIVE_ALGORITHM_ED448);
    cr_expect_eq(dive_algorithm_from_name(dive_span_str("Ed25519"), &a), DIVE_E_UNSUPPORTED);
    cr_expect_eq(a, DIVE_ALGORITHM_NONE);
    cr_expect_eq(dive_algorithm_from_name(dive_span_str("none"), &a), DIVE_E_UNSUPPORTED);
    cr_expect_eq(dive_algorithm_from_name(dive_span_str(""), &a), DIVE_E_UNSUPPORTED);
    cr_expect_eq(dive_algorithm_from_name(dive_span_str("rsa-pss-sha512"), &a), DIVE_E_UNSUPPORTED);
    cr_expect_str_eq(dive_algorithm_name(DIVE_ALGORITHM_NONE), "none");
    cr_expect_str_eq(dive_algorithm_name(DIVE_ALGORITHM_ED448), "ed448");
    cr_expect_str_eq(dive_algorithm_name((enum dive_algorithm)99), "none");
    cr_expect_eq(dive_algorithm_signature_bytes(DIVE_ALGORITHM_ED448), 114);
    cr_expect_eq(dive_algorithm_key_bytes((enum dive_algorithm)99), 0);
}
