/* SPDX-License-Identifier: BSD-2-Clause
 *
 * content_digest: the six hash algorithms that DIVE permits, a streaming set of them, and the
 * Content-Digest field (RFC 9530).
 */
#ifndef DIVE_CONTENT_DIGEST_H
#define DIVE_CONTENT_DIGEST_H

#include <stdbool.h>

#include "error.h"

DIVE_API_BEGIN

/* enum, name in DNS records and DIVE-Sig, name in Content-Digest, OpenSSL's name, bytes of output
 */
/* clang-format off */
#define DIVE_HASHES(X)                                       \
    X(SHA256, "sha256", "sha-256", "SHA2-256", 32)           \
    X(SHA384, "sha384", "sha-384", "SHA2-384", 48)           \
    X(SHA512, "sha512", "sha-512", "SHA2-512", 64)           \
    X(SHA3_256, "sha3-256", "sha3-256", "SHA3-256", 32)      \
    X(SHA3_384, "sha3-384", "sha3-384", "SHA3-384", 48)      \
    X(SHA3_512, "sha3-512", "sha3-512", "SHA3-512", 64)
/* clang-format on */

enum dive_hash {
#define X(id, record, field, openssl, bytes) DIVE_HASH_##id,
    DIVE_HASHES(X)
#undef X
        DIVE_HASH_COUNT
};

#define DIVE_HASH_BIT(hash) (1u << (hash))
#define DIVE_HASH_MAX_BYTES 64

/* Static text, never NULL; sizes in bytes. `hash` must be one of the table. */
const char *dive_hash_record_name(enum dive_hash hash); /* "sha256" */
const char *dive_hash_field_name(enum dive_hash hash);  /* "sha-256" */
size_t dive_hash_bytes(enum dive_hash hash);
/* The algorithm of that (case-sensitive, lower-case) name; DIVE_E_UNSUPPORTED for any other. */
int dive_hash_from_record_name(struct dive_span name, enum dive_hash *out) DIVE_MUST_USE;
int dive_hash_from_field_name(struct dive_span name, enum dive_hash *out) DIVE_MUST_USE;

/* A streaming digest with several algorithms at once: new, update..., finish, get. */
struct dive_digests;

/* `hashes` is a set of DIVE_HASH_BIT()s, not empty (else DIVE_E_UNSUPPORTED). *out is the caller's;
 * on failure it is NULL. DIVE_E_NOMEM, DIVE_E_INTERNAL. */
int dive_digests_new(struct dive_digests **out, unsigned hashes) DIVE_MUST_USE;
/* Frees it and clears *digests, which may be NULL already. */
void dive_digests_free(struct dive_digests **digests);
/* The next `n` bytes, hashed where they lie; borrowed for the call. After a failure
 * (DIVE_E_INTERNAL; DIVE_E_STATE once it is finished) the set is spoilt: finish fails too. */
int dive_digests_update(struct dive_digests *digests, const void *data, size_t n) DIVE_MUST_USE;
int dive_digests_finish(struct dive_digests *digests) DIVE_MUST_USE;
/* The finished digest, dive_hash_bytes() long, owned by `digests`; NULL before a successful finish
 * or for an algorithm that isn't in the set. */
const uint8_t *dive_digests_get(const struct dive_digests *digests, enum dive_hash hash);

/* A digest that was computed before, over the same bytes. */
struct dive_known_digest {
    enum dive_hash hash;
    uint8_t bytes[DIVE_HASH_MAX_BYTES]; /* dive_hash_bytes() of them count */
};

/* Instead of update and finish: the set is finished with the values of `known`. DIVE_E_UNSUPPORTED
 * when one of the set's algorithms isn't among them; then nothing has changed. DIVE_E_STATE after
 * an update. */
int dive_digests_restore(struct dive_digests *digests, const struct dive_known_digest *known,
                         size_t n) DIVE_MUST_USE;

/* A parsed Content-Digest field (RFC 9530 section 2). */
struct dive_content_digest {
    unsigned hashes;  /* the permitted algorithms that are listed */
    bool has_foreign; /* an algorithm is listed that DIVE doesn't permit: to be rejected */
    uint8_t value[DIVE_HASH_COUNT][DIVE_HASH_MAX_BYTES]; /* as listed, where the bit is set */
};

/* `field`: all field lines of the header section, joined with ", ". Duplicate members: the last
 * wins (RFC 9651). DIVE_E_SYNTAX when it isn't a dictionary of byte sequences, is empty, or a
 * permitted algorithm's value has not the length of its output. DIVE_E_LIMIT past
 * DIVE_SF_INPUT_MAX (sf.h), DIVE_E_NOMEM. */
int dive_content_digest_parse(struct dive_content_digest *out,
                              struct dive_span field) DIVE_MUST_USE;

/* 0 when at least one algorithm is listed, none is foreign, and each listed value equals the
 * finished digest (compared in constant time). DIVE_E_MISMATCH; DIVE_E_UNSUPPORTED when foreign or
 * none; DIVE_E_STATE when `actual` isn't finished or lacks an algorithm that is listed. */
int dive_content_digest_check(const struct dive_content_digest *listed,
                              const struct dive_digests *actual) DIVE_MUST_USE;

DIVE_API_END

#endif
