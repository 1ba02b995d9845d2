/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memo answers as the check itself does, whatever it has seen, and is asked instead of it only
 * for exactly what has verified.
 */
#include <criterion/criterion.h>

#include <openssl/evp.h>

#include "lib/signature_memo.h"

static struct dive_signature_memo *memo;
static uint8_t key[32], signature[64];
static size_t key_n, signature_n;
static const char text[] = "\"content-digest\": sha-256=:AAAA:";

static void sign(void)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    key_n = sizeof(key);
    signature_n = sizeof(signature);
    cr_assert_eq(EVP_PKEY_get_raw_public_key(pkey, key, &key_n), 1);
    cr_assert_eq(EVP_DigestSignInit(context, NULL, NULL, NULL, pkey), 1);
    cr_assert_eq(
        EVP_DigestSign(context, signature, &signature_n, (const unsigned char *)text, sizeof(text)),
        1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    cr_assert_eq(dive_signature_memo_new(&memo, NULL), 0);
}

static void end(void)
{
    dive_signature_memo_free(&memo);
    cr_assert_null(memo);
    dive_signature_memo_free(&memo);
}

static int check(enum dive_algorithm algorithm, const char *message, size_t n)
{
    return dive_signature_memo_check(memo, algorithm, dive_span(key, key_n),
                                     dive_span(signature, signature_n), dive_span(message, n));
}

Test(signature_memo, answers_a_second_time_without_a_check, .init = sign, .fini = end)
{
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
    cr_assert_eq(dive_signature_memo_hits(memo), 0);
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
    cr_assert_eq(dive_signature_memo_hits(memo), 1);
}

Test(signature_memo, never_remembers_what_failed, .init = sign, .fini = end)
{
    signature[10] ^= 1;
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), DIVE_E_MISMATCH);
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), DIVE_E_MISMATCH);
    cr_assert_eq(dive_signature_memo_hits(memo), 0);
}

/* Each part is told apart, and where one ends and the next begins. */
Test(signature_memo, vouches_for_nothing_else, .init = sign, .fini = end)
{
    char other[sizeof(text)];

    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
    memcpy(other, text, sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++) {
        other[i] ^= 1;
        cr_assert_eq(check(DIVE_ALGORITHM_ED25519, other, sizeof(text)), DIVE_E_MISMATCH);
        other[i] ^= 1;
    }
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text) - 1), DIVE_E_MISMATCH);
    cr_assert_eq(check(DIVE_ALGORITHM_ED448, text, sizeof(text)), DIVE_E_TYPE);
    for (size_t i = 0; i < sizeof(signature); i++) {
        signature[i] ^= 0x10;
        cr_assert_neq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
        signature[i] ^= 0x10;
    }
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] ^= 0x10;
        cr_assert_neq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
        key[i] ^= 0x10;
    }
    signature_n--;
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), DIVE_E_MISMATCH);
    signature_n++;
    cr_assert_eq(dive_signature_memo_hits(memo), 0);
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
    cr_assert_eq(dive_signature_memo_hits(memo), 1);
}

Test(signature_memo, none_is_a_plain_check, .init = sign, .fini = end)
{
    dive_signature_memo_free(&memo);
    cr_assert_eq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
    signature[0] ^= 1;
    cr_assert_neq(check(DIVE_ALGORITHM_ED25519, text, sizeof(text)), 0);
}
