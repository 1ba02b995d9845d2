/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Content-Digest. Invariants: a field is found equal to a content only if its text holds the
 * base64 of each digest it lists; a foreign algorithm is never accepted.
 *
 * Input, divided by a NUL: the field, the content.
 */
#include "lib/content_digest.h"

#include <openssl/evp.h>

#include "tests/fuzz/fuzz.h"

/* Padding and the unused bits before it are left out: a lenient reader of base64 takes any. */
static bool listed(struct dive_span field, const uint8_t *digest, size_t n)
{
    unsigned char text[2 * DIVE_HASH_MAX_BYTES];

    (void)EVP_EncodeBlock(text, digest, (int)n);
    return memmem(field.p, field.n, text, n / 3 * 4) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    struct dive_span field = fuzz_until(&f, 0);
    struct dive_content_digest parsed;
    struct dive_digests *digests;

    if (dive_content_digest_parse(&parsed, field) != 0)
        return 0;
    CHECK(parsed.hashes != 0 || parsed.has_foreign);
    if (dive_digests_new(&digests, DIVE_HASH_BIT(DIVE_HASH_COUNT) - 1) != 0)
        return 0;
    CHECK(dive_content_digest_check(&parsed, digests) != 0);
    CHECK(dive_digests_update(digests, f.p, f.n) == 0 && dive_digests_finish(digests) == 0);
    if (dive_content_digest_check(&parsed, digests) == 0) {
        CHECK(parsed.hashes != 0 && !parsed.has_foreign);
        for (enum dive_hash h = 0; h < DIVE_HASH_COUNT; h++) {
            if (parsed.hashes & DIVE_HASH_BIT(h))
                CHECK(listed(field, dive_digests_get(digests, h), dive_hash_bytes(h)));
        }
    }
    dive_digests_free(&digests);
    return 0;
}
