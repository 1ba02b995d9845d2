/* SPDX-License-Identifier: BSD-2-Clause
 *
 * x509_build: see the header.
 */
#include "tls/x509_build.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

int x509_build_key(EVP_PKEY **out)
{
    *out = EVP_EC_gen("P-256");
    return *out ? 0 : DIVE_E_INTERNAL;
}

static int set_random_serial(X509 *certificate)
{
    unsigned char bytes[16];
    BIGNUM *number = NULL;
    int r = DIVE_E_INTERNAL;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        goto out;
    bytes[0] &= 0x7f; /* positive in DER without a 17th byte */
    if (bytes[0] == 0)
        bytes[0] = 1; /* never zero, always the same length */
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    if (number == NULL || BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) == NULL)
        goto out;
    r = 0;
out:
    BN_free(number);
    return r;
}

int x509_build_new(X509 **out, EVP_PKEY *key, time_t not_before, time_t not_after)
{
    X509 *certificate = X509_new();
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (certificate == NULL)
        return DIVE_E_NOMEM;
    if (X509_set_version(certificate, X509_VERSION_3) != 1 ||
        X509_set_pubkey(certificate, key) != 1 ||
        ASN1_TIME_set(X509_getm_notBefore(certificate), not_before) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(certificate), not_after) == NULL)
        goto out;
    r = set_random_serial(certificate);
    if (r != 0)
        goto out;
    *out = certificate;
    certificate = NULL;
    r = 0;
out:
    X509_free(certificate);
    return r;
}

int x509_build_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;
    int r = DIVE_E_INTERNAL;

    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL)
        return DIVE_E_INTERNAL;
    if (X509_add_ext(certificate, extension, -1) == 1)
        r = 0;
    X509_EXTENSION_free(extension);
    return r;
}

int x509_build_sign(X509 *certificate, EVP_PKEY *key)
{
    return X509_sign(certificate, key, EVP_sha256()) > 0 ? 0 : DIVE_E_INTERNAL;
}
