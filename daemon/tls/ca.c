/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ca: loads and checks the interception CA. Making it is in ca_create.c; what was made is loaded
 * through the same checks as what an administrator brought, and so is what another process sent
 * (tls_ca_new_remote()).
 */
#include "tls/ca.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/ca_key.h"
#include "tls/failure.h"

#define RSA_BITS_MIN 2048

struct tls_ca {
    atomic_uint refs;
    X509 *certificate;
    struct ca_key *key;          /* NULL: another process has it */
    struct tls_ca_remote remote; /* mint == NULL: it is here */
    STACK_OF(X509) * chain;
    time_t not_before, not_after;
    char fingerprint[TLS_CA_FINGERPRINT_BUF];
};

/* A key with a passphrase must fail, not prompt on the daemon's terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    return -1;
}

/* The chain to send: nothing for a root; else the CA and its issuers without their root. */
static int add_to_chain(struct tls_ca *ca, X509 *certificate)
{
    if (X509_self_signed(certificate, 0) == 1)
        return 0;
    if (X509_up_ref(certificate) != 1)
        return DIVE_E_INTERNAL;
    if (sk_X509_push(ca->chain, certificate) <= 0) {
        X509_free(certificate);
        return DIVE_E_NOMEM;
    }
    return 0;
}

static int load_certificates(struct tls_ca *ca, const char *path, char *why, size_t why_size)
{
    X509 *next = NULL;
    BIO *bio;
    int n = 0, r = ca_key_read_file(&bio, path, false, why, why_size);

    if (r != 0)
        return r;
    ERR_clear_error();
    while ((next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (n > TLS_CA_CHAIN_MAX) {
            snprintf(why, why_size,
                     "%s has more than %d certificates after the CA's; remove the "
                     "ones that don't belong to its chain",
                     path, TLS_CA_CHAIN_MAX);
            r = DIVE_E_LIMIT;
            goto out;
        }
        r = add_to_chain(ca, next);
        if (r != 0) {
            snprintf(why, why_size, "memory ran out while reading %s", path);
            goto out;
        }
        if (n++ == 0)
            ca->certificate = next;
        else
            X509_free(next);
        next = NULL;
    }
    r = DIVE_E_SYNTAX;
    if (n == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        tls_failure_explain(why, why_size,
                            "%s has no PEM certificate, or a damaged one; restore it, or name "
                            "another in interception.ca-certificate",
                            path);
        goto out;
    }
    r = 0;
out:
    ERR_clear_error();
    X509_free(next);
    BIO_free(bio);
    return r;
}

static bool key_type_is_supported(EVP_PKEY *key)
{
    static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
    char group[32] = "";
    size_t i;

    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return false;
    for (i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (strcmp(group, curves[i]) == 0)
            return true;
    return false;
}

static int asn1_to_time(const ASN1_TIME *in, time_t *out)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(in, &tm) != 1)
        return DIVE_E_SYNTAX;
    *out = timegm(&tm);
    return 0;
}

static int check_validity(struct tls_ca *ca, const char *path, time_t now, char *why,
                          size_t why_size)
{
    if (asn1_to_time(X509_get0_notBefore(ca->certificate), &ca->not_before) != 0 ||
        asn1_to_time(X509_get0_notAfter(ca->certificate), &ca->not_after) != 0) {
        snprintf(why, why_size,
                 "the validity of the CA certificate %s can't be read; give another "
                 "pair",
                 path);
        return DIVE_E_SYNTAX;
    }
    if (now > ca->not_after) {
        snprintf(why, why_size,
                 "the CA certificate %s has expired; remove it and its key to have a "
                 "new pair made, and have clients trust the new one",
                 path);
        return DIVE_E_LIMIT;
    }
    if (now < ca->not_before) {
        snprintf(why, why_size, "the CA certificate %s isn't valid yet; check this machine's clock",
                 path);
        return DIVE_E_LIMIT;
    }
    return 0;
}

static int check_pair(struct tls_ca *ca, const char *certificate_file, const char *key_file,
                      char *why, size_t why_size)
{
    EVP_PKEY *public_key = X509_get0_pubkey(ca->certificate);

    if (public_key == NULL || !key_type_is_supported(public_key)) {
        snprintf(why, why_size,
                 "the key of the CA %s is neither EC (P-256, P-384, P-521) nor RSA "
                 "of at least %d bits; use one of these",
                 certificate_file, RSA_BITS_MIN);
        return DIVE_E_UNSUPPORTED;
    }
    if (ca->key != NULL && !ca_key_matches(ca->key, public_key)) {
        ERR_clear_error();
        snprintf(why, why_size,
                 "the private key %s isn't that of the certificate %s; restore the "
                 "one that belongs to it, or remove both to have a new pair made",
                 key_file, certificate_file);
        return DIVE_E_MISMATCH;
    }
    /* 1: version 3 with CA:TRUE and a key usage, if any, that has keyCertSign. */
    if (X509_check_ca(ca->certificate) != 1) {
        ERR_clear_error();
        snprintf(why, why_size,
                 "the certificate %s may not sign certificates (no CA); give that of "
                 "a CA",
                 certificate_file);
        return DIVE_E_TYPE;
    }
    return 0;
}

static int make_fingerprint(struct tls_ca *ca)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0, i;

    if (X509_digest(ca->certificate, EVP_sha256(), md, &n) != 1 ||
        (size_t)n * 3 > sizeof ca->fingerprint)
        return DIVE_E_INTERNAL;
    for (i = 0; i < n; i++)
        snprintf(ca->fingerprint + 3 * i, sizeof ca->fingerprint - 3 * i,
                 i + 1 < n ? "%02X:" : "%02X", md[i]);
    return 0;
}

/* All that is asked of a CA, wherever its key is. */
static int check(struct tls_ca *ca, const char *certificate_file, const char *key_file, time_t now,
                 char *why, size_t why_size)
{
    int r = check_pair(ca, certificate_file, key_file, why, why_size);

    if (r == 0)
        r = check_validity(ca, certificate_file, now, why, why_size);
    if (r != 0)
        return r;
    r = make_fingerprint(ca);
    if (r != 0)
        tls_failure_explain(why, why_size, "can't hash the CA certificate %s", certificate_file);
    return r;
}

int tls_ca_load(struct tls_ca **out, const char *certificate_file, const char *key_file, time_t now,
                char *why, size_t why_size)
{
    struct tls_ca *ca;
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "memory ran out while loading the CA %s", certificate_file);
    ca = calloc(1, sizeof *ca);
    if (ca == NULL)
        return r;
    atomic_init(&ca->refs, 1);
    ca->chain = sk_X509_new_null();
    if (ca->chain == NULL)
        goto out;
    r = load_certificates(ca, certificate_file, why, why_size);
    if (r != 0)
        goto out;
    r = ca_key_load(&ca->key, key_file, why, why_size);
    if (r != 0)
        goto out;
    r = check(ca, certificate_file, key_file, now, why, why_size);
    if (r != 0)
        goto out;
    *out = ca;
    ca = NULL;
    why[0] = '\0';
    r = 0;
out:
    tls_ca_free(&ca);
    return r;
}

/* The first one is the CA. */
static int read_der(struct tls_ca *ca, const unsigned char *der, size_t n)
{
    const unsigned char *p = der, *end = der + n;
    int count = 0, r = DIVE_E_SYNTAX;

    while (p < end) {
        X509 *next = count > TLS_CA_CHAIN_MAX ? NULL : d2i_X509(NULL, &p, end - p);

        if (next == NULL)
            return DIVE_E_SYNTAX;
        r = add_to_chain(ca, next);
        if (count++ == 0)
            ca->certificate = next;
        else
            X509_free(next);
        if (r != 0)
            return r;
    }
    return r;
}

int tls_ca_new_remote(struct tls_ca **out, const unsigned char *der, size_t n,
                      const struct tls_ca_remote *remote, time_t now, char *why, size_t why_size)
{
    struct tls_ca *ca = calloc(1, sizeof *ca);
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "memory ran out while loading the CA");
    if (ca == NULL)
        goto out;
    atomic_init(&ca->refs, 1);
    ca->chain = sk_X509_new_null();
    if (ca->chain == NULL)
        goto out;
    r = read_der(ca, der, n);
    if (r == DIVE_E_SYNTAX)
        snprintf(why, why_size, "what the key's process sent is no certificate");
    if (r != 0)
        goto out;
    r = check(ca, "that the key's process sent", "", now, why, why_size);
    if (r != 0)
        goto out;
    ca->remote = *remote;
    *out = ca;
    ca = NULL;
    why[0] = '\0';
    r = 0;
out:
    ERR_clear_error();
    tls_ca_free(&ca);
    if (r != 0)
        remote->release(remote->arg);
    return r;
}

int tls_ca_export(const struct tls_ca *ca, unsigned char *der, size_t size, size_t *n)
{
    size_t used = 0;

    *n = 0;
    for (int i = -1; i < sk_X509_num(ca->chain); i++) {
        X509 *certificate = i < 0 ? ca->certificate : sk_X509_value(ca->chain, i);
        unsigned char *p = der + used;
        int length;

        if (i >= 0 && certificate == ca->certificate)
            continue; /* one that isn't a root is in the chain too */
        length = i2d_X509(certificate, NULL);
        if (length <= 0 || (size_t)length > size - used)
            return DIVE_E_LIMIT;
        used += (size_t)i2d_X509(certificate, &p);
    }
    *n = used;
    return 0;
}

int tls_ca_load_or_create(struct tls_ca **out, const char *certificate_file, const char *key_file,
                          time_t now, char *why, size_t why_size)
{
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    /* Whoever makes a pair puts the certificate last, so two files that are there belong together.
     * When one is missing, the other daemon may be between the two: tls_ca_create() waits for it.
     */
    if (ca_key_is_file(key_file) &&
        (access(certificate_file, F_OK) != 0 || access(key_file, F_OK) != 0)) {
        r = tls_ca_create(certificate_file, key_file, now, why, why_size);
        if (r != 0 && r != DIVE_E_STATE)
            return r;
    }
    return tls_ca_load(out, certificate_file, key_file, now, why, why_size);
}

struct tls_ca *tls_ca_ref(struct tls_ca *ca)
{
    atomic_fetch_add_explicit(&ca->refs, 1, memory_order_relaxed);
    return ca;
}

void tls_ca_free(struct tls_ca **ca)
{
    struct tls_ca *old = *ca;

    *ca = NULL;
    if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
        return;
    sk_X509_pop_free(old->chain, X509_free);
    X509_free(old->certificate);
    ca_key_free(&old->key);
    if (old->remote.release != NULL)
        old->remote.release(old->remote.arg);
    free(old);
}

X509 *tls_ca_certificate(const struct tls_ca *ca)
{
    return ca->certificate;
}

int tls_ca_sign(const struct tls_ca *ca, X509 *certificate)
{
    if (ca->key == NULL)
        return DIVE_E_STATE;
    return ca_key_sign(ca->key, X509_get0_pubkey(ca->certificate), certificate);
}

const struct tls_ca_remote *tls_ca_remote(const struct tls_ca *ca)
{
    return ca->remote.mint != NULL ? &ca->remote : NULL;
}

STACK_OF(X509) * tls_ca_chain(const struct tls_ca *ca)
{
    return ca->chain;
}

const char *tls_ca_fingerprint(const struct tls_ca *ca)
{
    return ca->fingerprint;
}

time_t tls_ca_not_before(const struct tls_ca *ca)
{
    return ca->not_before;
}

time_t tls_ca_not_after(const struct tls_ca *ca)
{
    return ca->not_after;
}
