/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Key records. Invariants: what parses is a key of the algorithm's length, under which
 * nobody can sign if it is a weak one; the selection holds exactly the first few of what parses
 * alone.
 *
 * Input: records divided by line feeds.
 */
#include "lib/key_record.h"

#include "tests/fuzz/fuzz.h"

/* A key of small order is a record like any other, but nothing is signed by it: not even what has
 * the neutral point and zero as its signature, which plain EdDSA takes from such a key. */
static void check_weak(const struct dive_key *key)
{
    char signature[DIVE_PUBLIC_KEY_MAX * 2] = {1};
    struct dive_span span = dive_span(signature, dive_algorithm_signature_bytes(key->algorithm));

    CHECK(dive_signature_check(key->algorithm, dive_span(key->bytes, key->len), span,
                               dive_span_str("m")) == DIVE_E_TYPE);
}

static void check_key(const struct dive_key *key)
{
    CHECK(key->algorithm == DIVE_ALGORITHM_ED25519 || key->algorithm == DIVE_ALGORITHM_ED448);
    CHECK(key->len == dive_algorithm_key_bytes(key->algorithm));
    if (dive_public_key_check(key->algorithm, dive_span(key->bytes, key->len)) != 0)
        check_weak(key);
    CHECK(key->has_allowed_hash || key->allowed_hashes == 0);
    CHECK(key->allowed_hashes < DIVE_HASH_BIT(DIVE_HASH_COUNT) && key->cache >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    struct dive_key key, selected[DIVE_KEYS_PER_NAME_MAX];
    struct dive_span texts[6];
    size_t count = 0, valid = 0, got;
    int error = -1;

    while (f.n > 0 && count < 6)
        texts[count++] = fuzz_until(&f, '\n');
    for (size_t i = 0; i < count; i++) {
        struct dive_fault fault = {.text = NULL};

        if (dive_key_parse(&key, texts[i], &fault) == 0) {
            check_key(&key);
            valid++;
        } else {
            CHECK(fault.text != NULL);
        }
    }
    got = dive_key_select(selected, texts, count, &error);
    CHECK(error == 0);
    CHECK(got <= DIVE_KEYS_PER_NAME_MAX && got <= valid && (got > 0) == (valid > 0));
    for (size_t i = 0; i < got; i++)
        check_key(&selected[i]);
    return 0;
}
