/* SPDX-License-Identifier: BSD-2-Clause
 *
 * crypto: EdDSA (RFC 8032) by OpenSSL, and the checks on public keys that OpenSSL leaves out.
 *
 * OpenSSL takes any 32 or 57 bytes for a public key. With Ed25519 and a point of small order (the
 * identity above all) it then accepts signatures that anybody can make: with A the identity,
 * R = [S]B fits every message. A key record that holds such a key, all zeros by mistake for
 * instance, would sign everything, so we refuse it as "no key", and with it the encodings that RFC
 * 8032 section 5.1.3 and 5.2.3 refuse and OpenSSL doesn't (y not below p). A point that is not on
 * the curve at all needs no check here: no signature verifies under it.
 */
#include "crypto.h"

#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/evp.h>

static const struct {
    const char *name, *openssl_name;
    size_t key_bytes, signature_bytes;
} algorithm_table[] = {[DIVE_ALGORITHM_NONE] = {"none", NULL, 0, 0},
#define X(id, name, openssl, key, sig) [DIVE_ALGORITHM_##id] = {name, openssl, key, sig},
                       DIVE_SIGNATURE_ALGORITHMS(X)
#undef X
};

#define ALGORITHM_COUNT (sizeof(algorithm_table) / sizeof(algorithm_table[0]))

static enum dive_algorithm algorithm_known(enum dive_algorithm algorithm)
{
    return (unsigned)algorithm < ALGORITHM_COUNT ? algorithm : DIVE_ALGORITHM_NONE;
}

const char *dive_algorithm_name(enum dive_algorithm algorithm)
{
    return algorithm_table[algorithm_known(algorithm)].name;
}

int dive_algorithm_from_name(struct dive_span name, enum dive_algorithm *out)
{
    *out = DIVE_ALGORITHM_NONE;
    for (unsigned i = DIVE_ALGORITHM_NONE + 1; i < ALGORITHM_COUNT; i++) {
        if (dive_span_eq(name, algorithm_table[i].name)) {
            *out = (enum dive_algorithm)i;
            return 0;
        }
    }
    return DIVE_E_UNSUPPORTED;
}

size_t dive_algorithm_key_bytes(enum dive_algorithm algorithm)
{
    return algorithm_table[algorithm_known(algorithm)].key_bytes;
}

size_t dive_algorithm_signature_bytes(enum dive_algorithm algorithm)
{
    return algorithm_table[algorithm_known(algorithm)].signature_bytes;
}

/* Little-endian numbers, as RFC 8032 encodes the y coordinate. These four are public: no need for
 * constant time. */
#define Y_BYTES_MAX 56

static const uint8_t p25519[32] = {
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
};
static const uint8_t p448[56] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};
/* The y of the four points of order 8 on edwards25519, computed as [L]P for random P. edwards448
 * has cofactor 4 and no such points. */
static const uint8_t order8_y25519[2][32] = {
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
};

static bool less_than(const uint8_t *a, const uint8_t *b, size_t n)
{
    while (n-- > 0) {
        if (a[n] != b[n])
            return a[n] < b[n];
    }
    return false;
}

/* Is `y` the y of a point of order 1 (y = 1), 2 (y = -1) or 4 (y = 0)? The same on both curves. */
static bool is_order_4_or_less(const uint8_t *y, const uint8_t *p, size_t n)
{
    uint8_t minus_one[Y_BYTES_MAX];
    bool tail_is_zero = true;

    memcpy(minus_one, p, n);
    minus_one[0]--; /* p is odd: no borrow */
    for (size_t i = 1; i < n; i++)
        tail_is_zero = tail_is_zero && y[i] == 0;
    return (tail_is_zero && y[0] <= 1) || memcmp(y, minus_one, n) == 0;
}

int dive_public_key_check(enum dive_algorithm algorithm, struct dive_span key)
{
    uint8_t y[Y_BYTES_MAX];

    if (algorithm_known(algorithm) == DIVE_ALGORITHM_NONE ||
        key.n != dive_algorithm_key_bytes(algorithm))
        return DIVE_E_TYPE;
    if (algorithm == DIVE_ALGORITHM_ED25519) {
        memcpy(y, key.p, sizeof(p25519));
        y[sizeof(p25519) - 1] &= 0x7f; /* the sign of x */
        if (!less_than(y, p25519, sizeof(p25519)) ||
            is_order_4_or_less(y, p25519, sizeof(p25519)) ||
            memcmp(y, order8_y25519[0], sizeof(p25519)) == 0 ||
            memcmp(y, order8_y25519[1], sizeof(p25519)) == 0)
            return DIVE_E_TYPE;
        return 0;
    }
    memcpy(y, key.p, sizeof(p448));
    if (((uint8_t)key.p[sizeof(p448)] & 0x7f) != 0 || !less_than(y, p448, sizeof(p448)) ||
        is_order_4_or_less(y, p448, sizeof(p448)))
        return DIVE_E_TYPE;
    return 0;
}

/* One check of a signature of the right length by a key that may be used. */
static int check_once(EVP_PKEY *pkey, struct dive_span signature, struct dive_span message)
{
    int r = DIVE_E_INTERNAL;
    int verified;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context == NULL)
        return DIVE_E_NOMEM;
    if (EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, pkey, NULL) != 1)
        goto out;
    verified =
        EVP_DigestVerify(context, (const unsigned char *)signature.p, signature.n,
                         (const unsigned char *)(message.p != NULL ? message.p : ""), message.n);
    if (verified != 1) {
        r = verified == 0 ? DIVE_E_MISMATCH : DIVE_E_INTERNAL;
        goto out;
    }
    r = 0;
out:
    EVP_MD_CTX_free(context);
    return r;
}

int dive_signature_check(enum dive_algorithm algorithm, struct dive_span key,
                         struct dive_span signature, struct dive_span message)
{
    int r = DIVE_E_INTERNAL;
    EVP_PKEY *pkey = NULL;

    /* The error queue is the calling thread's and may hold what its TLS code is about to read. */
    ERR_set_mark();
    r = dive_public_key_check(algorithm, key);
    if (r != 0)
        goto out;
    if (signature.n != dive_algorithm_signature_bytes(algorithm)) {
        r = DIVE_E_MISMATCH;
        goto out;
    }
    r = DIVE_E_INTERNAL;
    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, algorithm_table[algorithm].openssl_name, NULL,
                                          (const unsigned char *)key.p, key.n);
    if (pkey == NULL)
        goto out;
    r = check_once(pkey, signature, message);
    /* OpenSSL says "no" too, and no word more, when an allocation failed on the way. That must not
     * be reported as somebody's forgery; so a "no" is asked for twice. */
    if (r == DIVE_E_MISMATCH)
        r = check_once(pkey, signature, message);
out:
    EVP_PKEY_free(pkey);
    ERR_pop_to_mark();
    return r;
}
