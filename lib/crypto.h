/* SPDX-License-Identifier: BSD-2-Clause
 *
 * crypto: EdDSA (RFC 8032) by OpenSSL. The only two signature algorithms that DIVE permits.
 */
#ifndef DIVE_CRYPTO_H
#define DIVE_CRYPTO_H

#include "error.h"

DIVE_API_BEGIN

/* enum, name in records and in `alg`, OpenSSL's name, bytes of a public key and of a signature */
/* clang-format off */
#define DIVE_SIGNATURE_ALGORITHMS(X)        \
    X(ED25519, "ed25519", "ED25519", 32, 64) \
    X(ED448, "ed448", "ED448", 57, 114)
/* clang-format on */

enum dive_algorithm {
    DIVE_ALGORITHM_NONE = 0,
#define X(id, name, openssl, key, sig) DIVE_ALGORITHM_##id,
    DIVE_SIGNATURE_ALGORITHMS(X)
#undef X
};

#define DIVE_PUBLIC_KEY_MAX 57

/* Names are static text, lower case; DIVE_E_UNSUPPORTED for any other, and *out is NONE then. Sizes
 * are in bytes, 0 for NONE. */
const char *dive_algorithm_name(enum dive_algorithm algorithm); /* "none" for NONE */
int dive_algorithm_from_name(struct dive_span name, enum dive_algorithm *out) DIVE_MUST_USE;
size_t dive_algorithm_key_bytes(enum dive_algorithm algorithm);
size_t dive_algorithm_signature_bytes(enum dive_algorithm algorithm);

/* 0: `key` may be used as a public key of `algorithm`. DIVE_E_TYPE: it has the wrong length, is not
 * in the encoding of RFC 8032 (y not below p), or is a point of small order, under which anybody
 * can make signatures. Whether the point is on the curve isn't checked: if not, no signature
 * verifies. */
int dive_public_key_check(enum dive_algorithm algorithm, struct dive_span key) DIVE_MUST_USE;

/* 0: `signature` is that of `message` by `key`. DIVE_E_MISMATCH: it is not (a wrong length
 * included). DIVE_E_TYPE: `key` fails dive_public_key_check(). DIVE_E_NOMEM or DIVE_E_INTERNAL when
 * it can't be told; memory that ran out within OpenSSL is not mistaken for a mismatch. */
int dive_signature_check(enum dive_algorithm algorithm, struct dive_span key,
                         struct dive_span signature, struct dive_span message) DIVE_MUST_USE;

DIVE_API_END

#endif
