/* SPDX-License-Identifier: BSD-2-Clause
 *
 * content_digest: the hash algorithms that DIVE permits, streamed over the content, and the
 * Content-Digest field (RFC 9530) that they are held against.
 *
 * A set lives through: new (open) -> update... -> finish (finished), and goes to "spoilt" on any
 * failure, for good: bytes that were missed once can't be made up for.
 */
#include "content_digest.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "sf.h"

enum digests_state { DIGESTS_SPOILT = 0, DIGESTS_OPEN, DIGESTS_FINISHED };

struct dive_digests {
    enum digests_state state;
    bool updated;
    unsigned hashes;
    EVP_MD_CTX *context[DIVE_HASH_COUNT]; /* NULL for what isn't in the set */
    uint8_t value[DIVE_HASH_COUNT][DIVE_HASH_MAX_BYTES];
};

static const struct {
    const char *record_name, *field_name, *openssl_name;
    size_t bytes;
} hash_table[DIVE_HASH_COUNT] = {
#define X(id, record, field, openssl, bytes) [DIVE_HASH_##id] = {record, field, openssl, bytes},
    DIVE_HASHES(X)
#undef X
};

static bool hash_known(enum dive_hash hash)
{
    return (unsigned)hash < DIVE_HASH_COUNT;
}

const char *dive_hash_record_name(enum dive_hash hash)
{
    return hash_known(hash) ? hash_table[hash].record_name : "none";
}

const char *dive_hash_field_name(enum dive_hash hash)
{
    return hash_known(hash) ? hash_table[hash].field_name : "none";
}

size_t dive_hash_bytes(enum dive_hash hash)
{
    return hash_known(hash) ? hash_table[hash].bytes : 0;
}

int dive_hash_from_record_name(struct dive_span name, enum dive_hash *out)
{
    *out = DIVE_HASH_COUNT;
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        if (dive_span_eq(name, hash_table[i].record_name)) {
            *out = (enum dive_hash)i;
            return 0;
        }
    }
    return DIVE_E_UNSUPPORTED;
}

int dive_hash_from_field_name(struct dive_span name, enum dive_hash *out)
{
    *out = DIVE_HASH_COUNT;
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        if (dive_span_eq(name, hash_table[i].field_name)) {
            *out = (enum dive_hash)i;
            return 0;
        }
    }
    return DIVE_E_UNSUPPORTED;
}

/* Fetches the algorithm for each set anew: that costs 0.2 µs with OpenSSL 3.0 (EVP_sha256() with
 * its implicit fetch costs the same), nothing beside one response, and keeps the library free of
 * globals. The context holds its own reference. */
static int context_open(EVP_MD_CTX **out, enum dive_hash hash)
{
    int r = DIVE_E_INTERNAL;
    EVP_MD *md = NULL;
    EVP_MD_CTX *context = NULL;

    *out = NULL;
    /* The error queue is the calling thread's and may hold what its TLS code is about to read. */
    ERR_set_mark();
    md = EVP_MD_fetch(NULL, hash_table[hash].openssl_name, NULL);
    if (md == NULL || (size_t)EVP_MD_get_size(md) != hash_table[hash].bytes)
        goto out;
    context = EVP_MD_CTX_new();
    if (context == NULL) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    if (EVP_DigestInit_ex2(context, md, NULL) != 1)
        goto out;
    *out = context;
    context = NULL;
    r = 0;
out:
    EVP_MD_CTX_free(context);
    EVP_MD_free(md);
    ERR_pop_to_mark();
    return r;
}

int dive_digests_new(struct dive_digests **out, unsigned hashes)
{
    int r = DIVE_E_INTERNAL;
    struct dive_digests *digests = NULL;

    *out = NULL;
    if (hashes == 0 || hashes >= DIVE_HASH_BIT(DIVE_HASH_COUNT)) {
        r = DIVE_E_UNSUPPORTED;
        goto out;
    }
    digests = calloc(1, sizeof(*digests));
    if (digests == NULL) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    digests->hashes = hashes;
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        if ((hashes & DIVE_HASH_BIT(i)) == 0)
            continue;
        r = context_open(&digests->context[i], (enum dive_hash)i);
        if (r != 0)
            goto out;
    }
    digests->state = DIGESTS_OPEN;
    *out = digests;
    digests = NULL;
    r = 0;
out:
    dive_digests_free(&digests);
    return r;
}

void dive_digests_free(struct dive_digests **digests)
{
    if (*digests == NULL)
        return;
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++)
        EVP_MD_CTX_free((*digests)->context[i]);
    free(*digests);
    *digests = NULL;
}

int dive_digests_update(struct dive_digests *digests, const void *data, size_t n)
{
    if (digests->state != DIGESTS_OPEN) {
        digests->state = DIGESTS_SPOILT;
        return DIVE_E_STATE;
    }
    if (n == 0)
        return 0;
    digests->updated = true;
    /* Spoilt until every algorithm has had its bytes. */
    digests->state = DIGESTS_SPOILT;
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        if (digests->context[i] != NULL && EVP_DigestUpdate(digests->context[i], data, n) != 1)
            return DIVE_E_INTERNAL;
    }
    digests->state = DIGESTS_OPEN;
    return 0;
}

int dive_digests_finish(struct dive_digests *digests)
{
    unsigned len;

    if (digests->state != DIGESTS_OPEN) {
        digests->state = DIGESTS_SPOILT;
        return DIVE_E_STATE;
    }
    digests->state = DIGESTS_SPOILT;
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        if (digests->context[i] == NULL)
            continue;
        len = 0;
        if (EVP_DigestFinal_ex(digests->context[i], digests->value[i], &len) != 1 ||
            len != hash_table[i].bytes)
            return DIVE_E_INTERNAL;
    }
    digests->state = DIGESTS_FINISHED;
    return 0;
}

int dive_digests_restore(struct dive_digests *digests, const struct dive_known_digest *known,
                         size_t n)
{
    unsigned restored = 0;

    if (digests->state != DIGESTS_OPEN || digests->updated)
        return DIVE_E_STATE;
    for (size_t i = 0; i < n; i++) {
        if (!hash_known(known[i].hash) || !(digests->hashes & DIVE_HASH_BIT(known[i].hash)))
            continue;
        memcpy(digests->value[known[i].hash], known[i].bytes, hash_table[known[i].hash].bytes);
        restored |= DIVE_HASH_BIT(known[i].hash);
    }
    if (restored != digests->hashes)
        return DIVE_E_UNSUPPORTED;
    digests->state = DIGESTS_FINISHED;
    return 0;
}

const uint8_t *dive_digests_get(const struct dive_digests *digests, enum dive_hash hash)
{
    if (digests->state != DIGESTS_FINISHED || !hash_known(hash) ||
        (digests->hashes & DIVE_HASH_BIT(hash)) == 0)
        return NULL;
    return digests->value[hash];
}

static int content_digest_add(struct dive_content_digest *out, const struct dive_sf_member *member)
{
    enum dive_hash hash;

    if (member->is_inner_list || member->bare.type != DIVE_SF_BYTES)
        return DIVE_E_SYNTAX;
    if (dive_hash_from_field_name(member->key, &hash) != 0) {
        out->has_foreign = true;
        return 0;
    }
    if (member->bare.text.n != hash_table[hash].bytes)
        return DIVE_E_SYNTAX;
    memcpy(out->value[hash], member->bare.text.p, member->bare.text.n);
    out->hashes |= DIVE_HASH_BIT(hash);
    return 0;
}

int dive_content_digest_parse(struct dive_content_digest *out, struct dive_span field)
{
    int r = DIVE_E_INTERNAL;
    struct dive_content_digest listed = {0};
    struct dive_sf *sf = NULL;

    memset(out, 0, sizeof(*out));
    r = dive_sf_parse(&sf, DIVE_SF_DICTIONARY, field, 0, NULL);
    if (r != 0)
        goto out;
    if (sf->n == 0) {
        r = DIVE_E_SYNTAX;
        goto out;
    }
    for (size_t i = 0; i < sf->n; i++) {
        r = content_digest_add(&listed, &sf->members[i]);
        if (r != 0)
            goto out;
    }
    *out = listed;
    r = 0;
out:
    dive_sf_free(&sf);
    return r;
}

int dive_content_digest_check(const struct dive_content_digest *listed,
                              const struct dive_digests *actual)
{
    int differs = 0;

    if (listed->has_foreign || listed->hashes == 0 ||
        listed->hashes >= DIVE_HASH_BIT(DIVE_HASH_COUNT))
        return DIVE_E_UNSUPPORTED;
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        const uint8_t *digest;

        if ((listed->hashes & DIVE_HASH_BIT(i)) == 0)
            continue;
        digest = dive_digests_get(actual, (enum dive_hash)i);
        if (digest == NULL)
            return DIVE_E_STATE;
        differs |= CRYPTO_memcmp(digest, listed->value[i], hash_table[i].bytes);
    }
    return differs == 0 ? 0 : DIVE_E_MISMATCH;
}
