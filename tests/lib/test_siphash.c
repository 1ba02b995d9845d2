/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_siphash: against OpenSSL's, which takes the numbers of rounds as parameters.
 */
#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/siphash.h"

static uint64_t theirs(const uint64_t seed[2], const char *bytes, size_t n)
{
    unsigned int c = 1, d = 3;
    size_t size = 8, got = 0;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                           OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c),
                           OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    uint64_t out = 0;

    cr_assert_eq(EVP_MAC_init(context, (const unsigned char *)seed, 16, params), 1);
    cr_assert_eq(EVP_MAC_update(context, (const unsigned char *)bytes, n), 1);
    cr_assert_eq(EVP_MAC_final(context, (unsigned char *)&out, &got, sizeof(out)), 1);
    cr_assert_eq(got, 8);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return out;
}

/* Key and messages of the function's published test: the bytes 0, 1, 2, ... of each length. */
Test(siphash, is_siphash_1_3)
{
    unsigned char seed_bytes[16];
    uint64_t seed[2];
    char message[600];

    for (size_t i = 0; i < sizeof(seed_bytes); i++)
        seed_bytes[i] = (unsigned char)i;
    memcpy(seed, seed_bytes, sizeof(seed));
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (char)i;
    for (size_t n = 0; n <= sizeof(message); n++)
        cr_assert_eq(dive_siphash(seed, message, n), theirs(seed, message, n), "length %zu", n);
    seed[1] ^= 1;
    cr_assert_eq(dive_siphash(seed, message, 8), theirs(seed, message, 8));
}
