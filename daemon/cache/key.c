/* SPDX-License-Identifier: BSD-2-Clause
 *
 * key: see the header.
 */
#include "cache/key.h"

#include <openssl/evp.h>

bool key_of_pieces(struct store_key *out, const struct dive_span *piece, size_t n)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

    for (size_t i = 0; ok && i < n; i++) /* with its end: no two lists are the same bytes */
        ok = EVP_DigestUpdate(context, piece[i].p, piece[i].n) == 1 &&
             EVP_DigestUpdate(context, "", 1) == 1;
    ok = ok && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (ok)
        memcpy(out->bytes, digest, sizeof(out->bytes));
    return ok;
}

bool key_of_url(struct store_key *out, const struct http_url *url)
{
    const struct dive_span pieces[] = {
        dive_span_str("GET"),
        dive_span_str(url->https ? "https" : "http"),
        dive_span_str(url->authority),
        dive_span_str(url->target),
    };

    return key_of_pieces(out, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

bool key_of_variant(struct store_key *out, const struct store_key *key, const char *vary,
                    uint64_t variant)
{
    const struct dive_span pieces[] = {
        {(const char *)key->bytes, sizeof(key->bytes)},
        dive_span_str(vary),
        {(const char *)&variant, sizeof(variant)},
    };

    return key_of_pieces(out, pieces, sizeof(pieces) / sizeof(pieces[0]));
}
