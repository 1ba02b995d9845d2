/* SPDX-License-Identifier: BSD-2-Clause
 *
 * env_java: a trust store for Java. A certificate in PKCS #12 (RFC 7292) is one that Java trusts
 * only if its bag has the attribute trustedKeyUsage; keytool writes it, with anyExtendedKeyUsage.
 */
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/env.h"

#define TRUSTED_KEY_USAGE "2.16.840.1.113894.746875.1.1"
#define ANY_EXTENDED_KEY_USAGE "2.5.29.37.0"
#define CERTIFICATES_MAX 4096
#define MAC_ITERATIONS 10000

static bool add_certificate(STACK_OF(PKCS12_SAFEBAG) * bags, X509 *certificate)
{
    PKCS12_SAFEBAG *bag = PKCS12_SAFEBAG_create_cert(certificate);
    ASN1_OBJECT *any = OBJ_txt2obj(ANY_EXTENDED_KEY_USAGE, 1);
    char name[32];
    bool good;

    snprintf(name, sizeof(name), "ca-%d", sk_PKCS12_SAFEBAG_num(bags) + 1);
    good = bag != NULL && any != NULL && PKCS12_add_friendlyname_utf8(bag, name, -1) == 1 &&
           PKCS12_add1_attr_by_txt(bag, TRUSTED_KEY_USAGE, V_ASN1_OBJECT,
                                   (const unsigned char *)any, -1) == 1 &&
           sk_PKCS12_SAFEBAG_push(bags, bag) > 0;
    ASN1_OBJECT_free(any);
    if (!good)
        PKCS12_SAFEBAG_free(bag);
    return good;
}

static bool add_all(STACK_OF(PKCS12_SAFEBAG) * bags, const char *pem, size_t n)
{
    BIO *in = BIO_new_mem_buf(pem, (int)n);
    bool good = in != NULL;
    X509 *certificate;

    while (good && (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
        good = sk_PKCS12_SAFEBAG_num(bags) < CERTIFICATES_MAX && add_certificate(bags, certificate);
        X509_free(certificate);
    }
    BIO_free(in);
    return good && sk_PKCS12_SAFEBAG_num(bags) > 0;
}

static PKCS12 *make_store(STACK_OF(PKCS12_SAFEBAG) * bags)
{
    STACK_OF(PKCS7) *safes = NULL;
    PKCS12 *store = NULL;

    /* Certificates are no secret: no encryption, only the checksum that readers insist on. */
    if (PKCS12_add_safe(&safes, bags, -1, 0, NULL) == 1)
        store = PKCS12_add_safes(safes, 0);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    if (store != NULL &&
        PKCS12_set_mac(store, ENV_STORE_PASSWORD, -1, NULL, 0, MAC_ITERATIONS, EVP_sha256()) != 1) {
        PKCS12_free(store);
        store = NULL;
    }
    return store;
}

char *env_java_store(const char *pem, size_t n, size_t *len)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = sk_PKCS12_SAFEBAG_new_null();
    unsigned char *der = NULL;
    PKCS12 *store = NULL;
    char *out = NULL;
    int size;

    *len = 0;
    if (bags != NULL && add_all(bags, pem, n))
        store = make_store(bags);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    size = store != NULL ? i2d_PKCS12(store, &der) : 0;
    PKCS12_free(store);
    if (size > 0 && (out = malloc((size_t)size)) != NULL) {
        memcpy(out, der, (size_t)size);
        *len = (size_t)size;
    }
    OPENSSL_free(der);
    return out;
}
