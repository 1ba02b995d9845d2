/* SPDX-License-Identifier: BSD-2-Clause
 *
 * key: see the header.
 */
#include "cache/key.h"

#include <openssl/evp.h>
#include <pthread.h>

/* Fetched once: EVP_sha256() is looked up in the provider again at each use. */
static EVP_MD *sha256;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

bool key_of_pieces(struct store_key *out, const struct dive_span *piece, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context;
    bool ok;

    pthread_once(&once, fetch_sha256);
    context = EVP_MD_CTX_new();
    ok = context != NULL && sha256 != NULL && EVP_DigestInit_ex(context, sha256, NULL) == 1;

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
