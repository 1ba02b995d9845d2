/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pkcs11: see pkcs11.h.
 */
#include "cmd/pkcs11.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/sign_secret.h"
#include "tls/token.h"

#ifndef CKA_EC_POINT
#define CKA_EC_POINT 0x181UL
#endif
#ifndef CKA_EC_PARAMS
#define CKA_EC_PARAMS 0x180UL
#endif

struct pkcs11_key {
    const char *from; /* for messages; borrowed */
    struct token *token;
    enum dive_algorithm algorithm;
    uint8_t public_key[DIVE_PUBLIC_KEY_MAX];
    size_t public_len;
};

static int read_pin(void *arg, const char *from_uri, char pin[TOKEN_PIN_MAX])
{
    const struct sign_key_source *source = arg;
    const char *path = source->pin_file != NULL ? source->pin_file : from_uri;

    if (path != NULL)
        return sign_secret_file(path, source->insecure_permissions, pin, TOKEN_PIN_MAX);
    return sign_secret_prompt("the token", pin, TOKEN_PIN_MAX);
}

/* CKA_EC_PARAMS: the curve as an OID of RFC 8410, or as PrintableString of PKCS#11 v3.0. */
static enum dive_algorithm algorithm_of(const uint8_t *params, size_t n)
{
    static const struct {
        enum dive_algorithm algorithm;
        size_t n;
        const char *der;
    } known[] = {
        {DIVE_ALGORITHM_ED25519, 5, "\x06\x03\x2b\x65\x70"},
        {DIVE_ALGORITHM_ED448, 5, "\x06\x03\x2b\x65\x71"},
        {DIVE_ALGORITHM_ED25519, 14,
         "\x13\x0c"
         "edwards25519"},
        {DIVE_ALGORITHM_ED448, 12,
         "\x13\x0a"
         "edwards448"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].n == n && memcmp(known[i].der, params, n) == 0)
            return known[i].algorithm;
    }
    return DIVE_ALGORITHM_NONE;
}

static int read_algorithm(struct pkcs11_key *key)
{
    CK_KEY_TYPE type = 0;
    uint8_t params[64];
    size_t n;

    if (token_attribute(key->token, CKA_KEY_TYPE, &type, sizeof(type), &n) == 0 &&
        type == CKK_EC_EDWARDS &&
        token_attribute(key->token, CKA_EC_PARAMS, params, sizeof(params), &n) == 0)
        key->algorithm = algorithm_of(params, n);
    if (key->algorithm != DIVE_ALGORITHM_NONE)
        return COMMAND_OK;
    command_error("%.60s: not an ed25519 or ed448 key", key->from);
    return EX_DATAERR;
}

/* From the public key of the same CKA_ID. CKA_EC_POINT is the point in an OCTET STRING, or bare:
 * modules differ. Without one nothing is lost but the check of each signature. */
static void read_public(struct pkcs11_key *key)
{
    uint8_t point[DIVE_PUBLIC_KEY_MAX + 2];
    size_t bytes = dive_algorithm_key_bytes(key->algorithm), n;

    if (token_public_attribute(key->token, CKA_EC_POINT, point, sizeof(point), &n) != 0)
        return;
    if (n == bytes + 2 && point[0] == 0x04 && point[1] == bytes)
        memcpy(key->public_key, point + 2, bytes);
    else if (n == bytes)
        memcpy(key->public_key, point, bytes);
    else
        return;
    key->public_len = bytes;
}

/* What token_open() returned, as an exit code; positive ones are read_pin()'s own, and were told.
 */
static int exit_code(const struct pkcs11_key *key, int r, const char *why)
{
    if (r >= 0)
        return r;
    command_error("%.60s: %s", key->from, why);
    switch (r) {
    case DIVE_E_SYNTAX:
    case DIVE_E_LIMIT:
        return COMMAND_USAGE;
    case DIVE_E_NOT_FOUND:
        return EX_NOINPUT;
    case DIVE_E_MISMATCH:
        return EX_NOPERM;
    case DIVE_E_NOMEM:
        return EX_OSERR;
    default:
        return EX_UNAVAILABLE;
    }
}

int pkcs11_key_open(const struct sign_key_source *source, struct pkcs11_key **out)
{
    struct pkcs11_key *key = calloc(1, sizeof(*key));
    char why[512] = "";
    int r;

    *out = NULL;
    if (key == NULL) {
        command_error("no memory");
        return EX_OSERR;
    }
    key->from = source->from;
    r = token_open(&key->token, source->from, read_pin, (void *)(uintptr_t)source, why,
                   sizeof(why));
    r = exit_code(key, r, why);
    if (r == COMMAND_OK)
        r = read_algorithm(key);
    if (r == COMMAND_OK) {
        read_public(key);
        *out = key;
    } else {
        pkcs11_key_close(&key);
    }
    return r;
}

void pkcs11_key_close(struct pkcs11_key **key)
{
    if (*key == NULL)
        return;
    token_close(&(*key)->token);
    free(*key);
    *key = NULL;
}

enum dive_algorithm pkcs11_key_algorithm(const struct pkcs11_key *key)
{
    return key->algorithm;
}

struct dive_span pkcs11_key_public(const struct pkcs11_key *key)
{
    return dive_span(key->public_key, key->public_len);
}

int pkcs11_key_sign(struct pkcs11_key *key, const void *message, size_t n, uint8_t *signature)
{
    /* Ed448 has no form without parameters in PKCS#11 v3.0: flag clear, no context. */
    struct {
        CK_BBOOL ph_flag;
        CK_ULONG context_len;
        CK_BYTE_PTR context;
    } parameters = {0};
    CK_MECHANISM mechanisms[] = {{CKM_EDDSA, NULL, 0},
                                 {CKM_EDDSA, &parameters, sizeof(parameters)}};
    size_t wanted = dive_algorithm_signature_bytes(key->algorithm), length = wanted;
    int r = token_sign(key->token, mechanisms, key->algorithm == DIVE_ALGORITHM_ED448 ? 2 : 1,
                       message, n, signature, &length);

    return r == 0 && length != wanted ? DIVE_E_INTERNAL : r;
}
