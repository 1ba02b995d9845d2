/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pkcs11: see pkcs11.h.
 */
#include "cmd/pkcs11.h"

#include <openssl/crypto.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/sign_secret.h"

#define PIN_MAX 256
#define ID_MAX 256
#define SLOTS_MAX 64

#ifndef CKA_EC_POINT
#define CKA_EC_POINT 0x181UL
#endif
#ifndef CKA_EC_PARAMS
#define CKA_EC_PARAMS 0x180UL
#endif

struct pkcs11_key {
    const char *from; /* for messages; borrowed */
    CK_FUNCTION_LIST_PTR *modules;
    P11KitUri *uri;
    CK_FUNCTION_LIST_PTR module;
    CK_SESSION_HANDLE session;
    bool has_session;
    CK_OBJECT_HANDLE object;
    pthread_mutex_t lock; /* a session does one thing at a time */
    enum dive_algorithm algorithm;
    uint8_t public_key[DIVE_PUBLIC_KEY_MAX];
    size_t public_len;
};

static int failed(const struct pkcs11_key *key, const char *what, CK_RV rv)
{
    command_error("%.60s: %s: %s", key->from, what, p11_kit_strerror(rv));
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_EXPIRED
               ? EX_NOPERM
               : EX_UNAVAILABLE;
}

static int read_uri(struct pkcs11_key *key)
{
    int r;

    key->uri = p11_kit_uri_new();
    if (key->uri == NULL)
        return EX_OSERR;
    r = p11_kit_uri_parse(key->from, P11_KIT_URI_FOR_ANY, key->uri);
    if (r != P11_KIT_URI_OK || p11_kit_uri_any_unrecognized(key->uri)) {
        command_error("not a PKCS#11 URI that names a key: %s",
                      r != P11_KIT_URI_OK ? p11_kit_uri_message(r) : "an unknown attribute");
        return COMMAND_USAGE;
    }
    if (p11_kit_uri_get_pin_value(key->uri) != NULL) {
        command_error("a PIN on the command line can be read by everybody on this machine: use "
                      "pin-source=file:PATH in the URI, --pin-file, or the prompt");
        return COMMAND_USAGE;
    }
    return COMMAND_OK;
}

static int load_modules(struct pkcs11_key *key)
{
    const char *path = p11_kit_uri_get_module_path(key->uri);
    CK_FUNCTION_LIST_PTR module;
    CK_RV rv;

    if (path == NULL) {
        key->modules = p11_kit_modules_load_and_initialize(0);
        if (key->modules == NULL) {
            command_error("can't load the PKCS#11 modules: %s", p11_kit_message());
            return EX_UNAVAILABLE;
        }
        return COMMAND_OK;
    }
    key->modules = calloc(2, sizeof(*key->modules));
    if (key->modules == NULL)
        return EX_OSERR;
    module = p11_kit_module_load(path, 0);
    if (module == NULL) {
        command_error("%s: not a PKCS#11 module: %s", path, p11_kit_message());
        free(key->modules);
        key->modules = NULL;
        return EX_UNAVAILABLE;
    }
    key->modules[0] = module;
    rv = p11_kit_module_initialize(module);
    if (rv == CKR_OK)
        return COMMAND_OK;
    p11_kit_module_release(module);
    free(key->modules);
    key->modules = NULL;
    return failed(key, "C_Initialize", rv);
}

/* pin-source as file:///path, file:path or a plain path. */
static int read_pin(const struct sign_key_source *source, P11KitUri *uri, char pin[PIN_MAX])
{
    const char *path = source->pin_file;
    const char *from_uri = p11_kit_uri_get_pin_source(uri);

    if (path == NULL && from_uri != NULL) {
        path = from_uri;
        if (strncmp(path, "file:", 5) == 0)
            path += strncmp(path + 5, "//", 2) == 0 ? 7 : 5;
    }
    if (path != NULL)
        return sign_secret_file(path, source->insecure_permissions, pin, PIN_MAX);
    return sign_secret_prompt("the token", pin, PIN_MAX);
}

static int log_in(struct pkcs11_key *key, const struct sign_key_source *source)
{
    char pin[PIN_MAX];
    CK_RV rv;
    int r = read_pin(source, key->uri, pin);

    if (r == COMMAND_OK) {
        rv = key->module->C_Login(key->session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin));
        if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
            r = failed(key, "login", rv);
    }
    OPENSSL_cleanse(pin, sizeof(pin));
    return r;
}

/* Adds to *n the tokens of one module that the URI names, and remembers the last. */
static void look_at_module(struct pkcs11_key *key, CK_FUNCTION_LIST_PTR module, CK_SLOT_ID *slot,
                           CK_FLAGS *flags, unsigned *n)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n_slots = SLOTS_MAX;
    CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(key->uri);
    CK_INFO info;
    CK_TOKEN_INFO token;

    if (module->C_GetInfo(&info) != CKR_OK || !p11_kit_uri_match_module_info(key->uri, &info) ||
        module->C_GetSlotList(CK_TRUE, slots, &n_slots) != CKR_OK)
        return;
    for (CK_ULONG i = 0; i < n_slots; i++) {
        if (wanted != (CK_SLOT_ID)-1 && wanted != slots[i])
            continue;
        if (module->C_GetTokenInfo(slots[i], &token) != CKR_OK ||
            (token.flags & CKF_TOKEN_INITIALIZED) == 0 ||
            !p11_kit_uri_match_token_info(key->uri, &token))
            continue;
        key->module = module;
        *slot = slots[i];
        *flags = token.flags;
        (*n)++;
    }
}

/* The one token that the URI names: two would make it chance which key signs. */
static int find_token(struct pkcs11_key *key, CK_SLOT_ID *slot, CK_FLAGS *flags)
{
    unsigned n = 0;

    for (CK_FUNCTION_LIST_PTR *module = key->modules; *module != NULL; module++)
        look_at_module(key, *module, slot, flags, &n);
    if (n == 1)
        return COMMAND_OK;
    command_error("%.60s: %s", key->from, n == 0 ? "no such token" : "names more than one token");
    return n == 0 ? EX_UNAVAILABLE : COMMAND_USAGE;
}

static CK_RV find_objects(struct pkcs11_key *key, CK_ATTRIBUTE *template, CK_ULONG n,
                          CK_OBJECT_HANDLE out[2], CK_ULONG *found)
{
    CK_RV rv = key->module->C_FindObjectsInit(key->session, template, n);

    *found = 0;
    if (rv != CKR_OK)
        return rv;
    rv = key->module->C_FindObjects(key->session, out, 2, found);
    key->module->C_FindObjectsFinal(key->session);
    return rv;
}

static int find_private(struct pkcs11_key *key)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[4] = {{CKA_CLASS, &class, sizeof(class)}};
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_ID, CKA_LABEL};
    CK_OBJECT_HANDLE objects[2];
    CK_ULONG n = 1, found;
    CK_RV rv;

    for (size_t i = 0; i < 2; i++) {
        CK_ATTRIBUTE_PTR given = p11_kit_uri_get_attribute(key->uri, types[i]);

        if (given != NULL)
            template[n++] = *given;
    }
    rv = find_objects(key, template, n, objects, &found);
    if (rv != CKR_OK)
        return failed(key, "C_FindObjects", rv);
    if (found == 1) {
        key->object = objects[0];
        return COMMAND_OK;
    }
    command_error("%.60s: %s", key->from,
                  found == 0 ? "no such private key on the token"
                             : "names more than one private key (add id= or object=)");
    return found == 0 ? EX_NOINPUT : COMMAND_USAGE;
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
    CK_ATTRIBUTE wanted[] = {{CKA_KEY_TYPE, &type, sizeof(type)},
                             {CKA_EC_PARAMS, params, sizeof(params)}};
    CK_RV rv = key->module->C_GetAttributeValue(key->session, key->object, wanted, 1);

    if (rv != CKR_OK)
        return failed(key, "CKA_KEY_TYPE", rv);
    if (type == CKK_EC_EDWARDS) {
        rv = key->module->C_GetAttributeValue(key->session, key->object, &wanted[1], 1);
        if (rv != CKR_OK)
            return failed(key, "CKA_EC_PARAMS", rv);
        key->algorithm = algorithm_of(params, wanted[1].ulValueLen);
    }
    if (key->algorithm != DIVE_ALGORITHM_NONE)
        return COMMAND_OK;
    command_error("%.60s: not an ed25519 or ed448 key", key->from);
    return EX_DATAERR;
}

/* From the public key of the same CKA_ID. CKA_EC_POINT is the point in an OCTET STRING, or bare:
 * modules differ. Without one nothing is lost but the check of each signature. */
static void read_public(struct pkcs11_key *key)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE type = CKK_EC_EDWARDS;
    uint8_t id[ID_MAX], point[DIVE_PUBLIC_KEY_MAX + 2];
    CK_ATTRIBUTE wanted = {CKA_ID, id, sizeof(id)};
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_ID, id, 0}};
    CK_OBJECT_HANDLE objects[2];
    CK_ULONG found;
    size_t bytes = dive_algorithm_key_bytes(key->algorithm), n;

    if (key->module->C_GetAttributeValue(key->session, key->object, &wanted, 1) != CKR_OK ||
        wanted.ulValueLen == 0)
        return;
    template[2].ulValueLen = wanted.ulValueLen;
    if (find_objects(key, template, 3, objects, &found) != CKR_OK || found != 1)
        return;
    wanted = (CK_ATTRIBUTE){CKA_EC_POINT, point, sizeof(point)};
    if (key->module->C_GetAttributeValue(key->session, objects[0], &wanted, 1) != CKR_OK)
        return;
    n = wanted.ulValueLen;
    if (n == bytes + 2 && point[0] == 0x04 && point[1] == bytes)
        memcpy(key->public_key, point + 2, bytes);
    else if (n == bytes)
        memcpy(key->public_key, point, bytes);
    else
        return;
    key->public_len = bytes;
}

static int open_key(struct pkcs11_key *key, const struct sign_key_source *source)
{
    CK_SLOT_ID slot = 0;
    CK_FLAGS flags = 0;
    CK_RV rv;
    int r = read_uri(key);

    if (r == COMMAND_OK)
        r = load_modules(key);
    if (r == COMMAND_OK)
        r = find_token(key, &slot, &flags);
    if (r != COMMAND_OK)
        return r;
    rv = key->module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &key->session);
    if (rv != CKR_OK)
        return failed(key, "C_OpenSession", rv);
    key->has_session = true;
    if ((flags & CKF_LOGIN_REQUIRED) != 0)
        r = log_in(key, source);
    if (r == COMMAND_OK)
        r = find_private(key);
    if (r == COMMAND_OK)
        r = read_algorithm(key);
    if (r == COMMAND_OK)
        read_public(key);
    return r;
}

int pkcs11_key_open(const struct sign_key_source *source, struct pkcs11_key **out)
{
    struct pkcs11_key *key = calloc(1, sizeof(*key));
    int r;

    *out = NULL;
    if (key == NULL) {
        command_error("no memory");
        return EX_OSERR;
    }
    key->from = source->from;
    pthread_mutex_init(&key->lock, NULL);
    r = open_key(key, source);
    if (r == COMMAND_OK)
        *out = key;
    else
        pkcs11_key_close(&key);
    return r;
}

void pkcs11_key_close(struct pkcs11_key **key)
{
    struct pkcs11_key *k = *key;

    if (k == NULL)
        return;
    if (k->has_session)
        k->module->C_CloseSession(k->session);
    if (k->modules != NULL && p11_kit_uri_get_module_path(k->uri) != NULL) {
        p11_kit_module_finalize(k->modules[0]);
        p11_kit_module_release(k->modules[0]);
        free(k->modules);
    } else if (k->modules != NULL) {
        p11_kit_modules_finalize_and_release(k->modules);
    }
    p11_kit_uri_free(k->uri);
    pthread_mutex_destroy(&k->lock);
    free(k);
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
    CK_MECHANISM mechanism = {CKM_EDDSA, NULL, 0};
    CK_ULONG len = dive_algorithm_signature_bytes(key->algorithm);
    CK_RV rv;

    pthread_mutex_lock(&key->lock);
    rv = key->module->C_SignInit(key->session, &mechanism, key->object);
    if (rv != CKR_OK && key->algorithm == DIVE_ALGORITHM_ED448) {
        mechanism.pParameter = &parameters;
        mechanism.ulParameterLen = sizeof(parameters);
        rv = key->module->C_SignInit(key->session, &mechanism, key->object);
    }
    if (rv == CKR_OK)
        rv = key->module->C_Sign(key->session, (CK_BYTE_PTR)message, n, signature, &len);
    pthread_mutex_unlock(&key->lock);
    if (rv != CKR_OK || len != dive_algorithm_signature_bytes(key->algorithm))
        return DIVE_E_INTERNAL;
    return 0;
}
