/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mint: see the header. All that is the same in every certificate (the extensions that don't name
 * anybody) is encoded once, when the mint is made.
 */
#include "tls/mint.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/domain.h"
#include "tls/x509_build.h"

#define COMMON_NAME_MAX 64 /* ub-common-name, RFC 5280 appendix A.1 */

struct tls_mint {
    struct tls_ca *ca;
    EVP_PKEY *key;
    X509 *pattern; /* unsigned; its extensions go into every certificate. NULL: a remote CA */
    unsigned char point[TLS_MINT_POINT];
    unsigned lifetime_hours;
};

/* By hand: with OpenSSL's configuration syntax a CA without a subject key identifier gives an error
 * or an empty extension, depending on the words. */
static int add_authority_key_id(X509 *certificate, X509 *ca)
{
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(ca);
    AUTHORITY_KEYID *akid = NULL;
    int r = DIVE_E_NOMEM;

    if (id == NULL)
        return 0;
    akid = AUTHORITY_KEYID_new();
    if (akid == NULL || (akid->keyid = ASN1_OCTET_STRING_dup(id)) == NULL)
        goto out;
    if (X509_add1_ext_i2d(certificate, NID_authority_key_identifier, akid, 0, X509V3_ADD_DEFAULT) !=
        1)
        goto out;
    r = 0;
out:
    AUTHORITY_KEYID_free(akid);
    return r;
}

static int make_pattern(X509 **out, EVP_PKEY *key, struct tls_ca *ca)
{
    static const struct {
        int nid;
        const char *value;
    } extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_key_identifier, "hash"},
    };
    X509 *pattern;
    size_t i;
    int r = x509_build_new(&pattern, key, 0, 0);

    *out = NULL;
    if (r != 0)
        return r;
    for (i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        r = x509_build_extension(pattern, extensions[i].nid, extensions[i].value);
        if (r != 0)
            goto out;
    }
    r = add_authority_key_id(pattern, tls_ca_certificate(ca));
    if (r != 0)
        goto out;
    *out = pattern;
    pattern = NULL;
    r = 0;
out:
    X509_free(pattern);
    return r;
}

/* Takes `key` over, on failure too. */
static int new_with_key(struct tls_mint **out, struct tls_ca *ca, EVP_PKEY *key,
                        unsigned lifetime_hours)
{
    struct tls_mint *mint = NULL;
    size_t n = 0;
    int r = DIVE_E_LIMIT;

    *out = NULL;
    if (lifetime_hours < 1 || lifetime_hours > TLS_MINT_LIFETIME_MAX)
        goto out;
    r = DIVE_E_NOMEM;
    mint = calloc(1, sizeof *mint);
    if (mint == NULL)
        goto out;
    mint->ca = tls_ca_ref(ca);
    mint->lifetime_hours = lifetime_hours;
    mint->key = key;
    key = NULL;
    r = DIVE_E_INTERNAL;
    if (EVP_PKEY_get_octet_string_param(mint->key, OSSL_PKEY_PARAM_PUB_KEY, mint->point,
                                        sizeof mint->point, &n) != 1 ||
        n != sizeof mint->point)
        goto out;
    r = tls_ca_remote(ca) != NULL ? 0 : make_pattern(&mint->pattern, mint->key, ca);
    if (r != 0)
        goto out;
    *out = mint;
    mint = NULL;
    r = 0;
out:
    ERR_clear_error();
    EVP_PKEY_free(key);
    tls_mint_free(&mint);
    return r;
}

int tls_mint_new(struct tls_mint **out, struct tls_ca *ca, unsigned lifetime_hours)
{
    EVP_PKEY *key;
    int r = x509_build_key(&key);

    *out = NULL;
    return r != 0 ? r : new_with_key(out, ca, key, lifetime_hours);
}

int tls_mint_new_for(struct tls_mint **out, struct tls_ca *ca,
                     const unsigned char point[TLS_MINT_POINT], unsigned lifetime_hours)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){"prime256v1"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point,
                                          TLS_MINT_POINT),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL), *check = NULL;
    EVP_PKEY *key = NULL;
    int r = DIVE_E_TYPE;

    *out = NULL;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        goto out;
    check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (check == NULL || EVP_PKEY_public_check_quick(check) != 1)
        goto out;
    r = new_with_key(out, ca, key, lifetime_hours);
    key = NULL;
out:
    ERR_clear_error();
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    return r;
}

void tls_mint_free(struct tls_mint **mint)
{
    struct tls_mint *old = *mint;

    *mint = NULL;
    if (old == NULL)
        return;
    X509_free(old->pattern);
    EVP_PKEY_free(old->key);
    tls_ca_free(&old->ca);
    free(old);
}

EVP_PKEY *tls_mint_key(const struct tls_mint *mint)
{
    return mint->key;
}

struct tls_ca *tls_mint_ca(const struct tls_mint *mint)
{
    return mint->ca;
}

/* `name` as a SAN entry: an iPAddress for a literal, else a dNSName in normal form. */
static int make_general_name(const char *name, GENERAL_NAME *out)
{
    unsigned char address[sizeof(struct in6_addr)];
    char normal[DIVE_DOMAIN_BUF];
    ASN1_STRING *value;
    const void *data = name;
    int n = (int)strnlen(name, TLS_MINT_NAME_MAX + 1), type = GEN_DNS;

    if (n > TLS_MINT_NAME_MAX)
        return DIVE_E_SYNTAX;
    if (inet_pton(AF_INET, name, address) == 1) {
        type = GEN_IPADD, data = address, n = 4;
    } else if (inet_pton(AF_INET6, name, address) == 1) {
        type = GEN_IPADD, data = address, n = 16;
    } else if (dive_domain_normalize(dive_span(name, (size_t)n), normal) != 0 ||
               strcmp(normal, name) != 0) {
        return DIVE_E_SYNTAX;
    }
    value = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
    if (value == NULL || ASN1_STRING_set(value, data, n) != 1) {
        ASN1_STRING_free(value);
        return DIVE_E_NOMEM;
    }
    GENERAL_NAME_set0_value(out, type, value);
    return 0;
}

/* CN where it fits; a subject that is empty makes the SAN critical (RFC 5280 section 4.2.1.6). */
static int set_names(X509 *certificate, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    bool has_cn = strlen(name) <= COMMON_NAME_MAX;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *entry = GENERAL_NAME_new();
    int r = DIVE_E_NOMEM;

    if (names == NULL || entry == NULL)
        goto out;
    r = make_general_name(name, entry);
    if (r != 0)
        goto out;
    r = DIVE_E_NOMEM;
    if (sk_GENERAL_NAME_push(names, entry) <= 0)
        goto out;
    entry = NULL;
    if (has_cn && X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                             (const unsigned char *)name, -1, -1, 0) != 1)
        goto out;
    if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, !has_cn, X509V3_ADD_DEFAULT) !=
        1)
        goto out;
    r = 0;
out:
    GENERAL_NAME_free(entry);
    GENERAL_NAMES_free(names);
    return r;
}

static int copy_extensions(X509 *to, const X509 *from)
{
    int i, n = X509_get_ext_count(from);

    for (i = 0; i < n; i++)
        if (X509_add_ext(to, X509_get_ext(from, i), -1) != 1)
            return DIVE_E_NOMEM;
    return 0;
}

static int mint_here(const struct tls_mint *mint, const char *name, time_t now, X509 **out)
{
    time_t lifetime = (time_t)mint->lifetime_hours * 3600;
    time_t backdate = lifetime / 2 < TLS_MINT_BACKDATE ? lifetime / 2 : TLS_MINT_BACKDATE;
    time_t not_before = now - backdate, not_after;
    X509 *ca = tls_ca_certificate(mint->ca), *certificate = NULL;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (not_before < tls_ca_not_before(mint->ca))
        not_before = tls_ca_not_before(mint->ca);
    /* From notBefore on, so that the whole is never longer than what clients accept; both ends
     * count (RFC 5280 section 4.1.2.5), hence the second less. */
    not_after = not_before + lifetime - 1;
    if (not_after > tls_ca_not_after(mint->ca))
        not_after = tls_ca_not_after(mint->ca);
    if (not_after <= now)
        return DIVE_E_LIMIT;

    r = x509_build_new(&certificate, mint->key, not_before, not_after);
    if (r != 0)
        goto out;
    r = set_names(certificate, name);
    if (r != 0)
        goto out;
    r = DIVE_E_NOMEM;
    if (X509_set_issuer_name(certificate, X509_get_subject_name(ca)) != 1)
        goto out;
    r = copy_extensions(certificate, mint->pattern);
    if (r != 0)
        goto out;
    r = tls_ca_sign(mint->ca, certificate);
    if (r != 0)
        goto out;
    *out = certificate;
    certificate = NULL;
    r = 0;
out:
    ERR_clear_error();
    X509_free(certificate);
    return r;
}

static int mint_there(const struct tls_mint *mint, const char *name, X509 **out)
{
    const struct tls_ca_remote *remote = tls_ca_remote(mint->ca);

    return remote->mint(remote->arg, name, mint->point, mint->lifetime_hours, out);
}

int tls_mint_certificate(const struct tls_mint *mint, const char *name, time_t now, X509 **out)
{
    int r;

    *out = NULL;
    r = tls_ca_remote(mint->ca) != NULL ? mint_there(mint, name, out)
                                        : mint_here(mint, name, now, out);
    /* Fills in what OpenSSL would otherwise cache on first use, in whichever thread that is. */
    if (r == 0)
        (void)X509_check_purpose(*out, -1, 0);
    ERR_clear_error();
    return r;
}
