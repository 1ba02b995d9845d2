/* SPDX-License-Identifier: BSD-2-Clause
 *
 * token: see token.h.
 */
#include "tls/token.h"

#include <openssl/crypto.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX 256
#define SLOTS_MAX 64

struct token {
    CK_FUNCTION_LIST_PTR *modules;
    P11KitUri *uri;
    CK_FUNCTION_LIST_PTR module;
    CK_SESSION_HANDLE session;
    bool has_session;
    CK_OBJECT_HANDLE object;
    pthread_mutex_t lock; /* a session does one thing at a time */
};

/* While a token is opened. */
struct opening {
    struct token *token;
    token_pin_fn *pin;
    void *arg;
    char *why;
    size_t why_size;
};

bool token_is_uri(const char *text)
{
    return strncmp(text, "pkcs11:", 7) == 0;
}

static int failed(struct opening *o, const char *what, CK_RV rv)
{
    snprintf(o->why, o->why_size, "%s: %s", what, p11_kit_strerror(rv));
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_EXPIRED ||
                   rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID
               ? DIVE_E_MISMATCH
               : DIVE_E_STATE;
}

static int read_uri(struct opening *o, const char *uri)
{
    struct token *token = o->token;
    int r;

    token->uri = p11_kit_uri_new();
    if (token->uri == NULL)
        return DIVE_E_NOMEM;
    r = p11_kit_uri_parse(uri, P11_KIT_URI_FOR_ANY, token->uri);
    if (r != P11_KIT_URI_OK || p11_kit_uri_any_unrecognized(token->uri)) {
        snprintf(o->why, o->why_size, "not a PKCS#11 URI that names a key: %s",
                 r != P11_KIT_URI_OK ? p11_kit_uri_message(r) : "an unknown attribute");
        return DIVE_E_SYNTAX;
    }
    if (p11_kit_uri_get_pin_value(token->uri) != NULL) {
        snprintf(o->why, o->why_size,
                 "a PIN in a URI can be read by others on the command line and in the "
                 "configuration: use pin-source=file:PATH in it");
        return DIVE_E_SYNTAX;
    }
    return 0;
}

static int load_modules(struct opening *o)
{
    struct token *token = o->token;
    const char *path = p11_kit_uri_get_module_path(token->uri);
    CK_FUNCTION_LIST_PTR module;
    CK_RV rv;

    if (path == NULL) {
        token->modules = p11_kit_modules_load_and_initialize(0);
        if (token->modules == NULL) {
            snprintf(o->why, o->why_size, "can't load the PKCS#11 modules: %s", p11_kit_message());
            return DIVE_E_UNSUPPORTED;
        }
        return 0;
    }
    token->modules = calloc(2, sizeof(*token->modules));
    if (token->modules == NULL)
        return DIVE_E_NOMEM;
    module = p11_kit_module_load(path, 0);
    if (module == NULL) {
        snprintf(o->why, o->why_size, "%s is no PKCS#11 module: %s", path, p11_kit_message());
        free(token->modules);
        token->modules = NULL;
        return DIVE_E_UNSUPPORTED;
    }
    token->modules[0] = module;
    rv = p11_kit_module_initialize(module);
    if (rv == CKR_OK)
        return 0;
    p11_kit_module_release(module);
    free(token->modules);
    token->modules = NULL;
    return failed(o, "C_Initialize", rv);
}

/* pin-source as file:///path, file:path or a plain path. */
static const char *pin_source(P11KitUri *uri)
{
    const char *path = p11_kit_uri_get_pin_source(uri);

    if (path != NULL && strncmp(path, "file:", 5) == 0)
        path += strncmp(path + 5, "//", 2) == 0 ? 7 : 5;
    return path;
}

static int log_in(struct opening *o)
{
    struct token *token = o->token;
    char pin[TOKEN_PIN_MAX];
    CK_RV rv;
    int r = o->pin(o->arg, pin_source(token->uri), pin);

    if (r == 0) {
        rv = token->module->C_Login(token->session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin));
        if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
            r = failed(o, "login", rv);
    }
    OPENSSL_cleanse(pin, sizeof(pin));
    return r;
}

/* Adds to *n the tokens of one module that the URI names, and remembers the last. */
static void look_at_module(struct token *token, CK_FUNCTION_LIST_PTR module, CK_SLOT_ID *slot,
                           CK_FLAGS *flags, unsigned *n)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n_slots = SLOTS_MAX;
    CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(token->uri);
    CK_INFO info;
    CK_TOKEN_INFO found;

    if (module->C_GetInfo(&info) != CKR_OK || !p11_kit_uri_match_module_info(token->uri, &info) ||
        module->C_GetSlotList(CK_TRUE, slots, &n_slots) != CKR_OK)
        return;
    for (CK_ULONG i = 0; i < n_slots; i++) {
        if (wanted != (CK_SLOT_ID)-1 && wanted != slots[i])
            continue;
        if (module->C_GetTokenInfo(slots[i], &found) != CKR_OK ||
            (found.flags & CKF_TOKEN_INITIALIZED) == 0 ||
            !p11_kit_uri_match_token_info(token->uri, &found))
            continue;
        token->module = module;
        *slot = slots[i];
        *flags = found.flags;
        (*n)++;
    }
}

static int find_token(struct opening *o, CK_SLOT_ID *slot, CK_FLAGS *flags)
{
    unsigned n = 0;

    for (CK_FUNCTION_LIST_PTR *module = o->token->modules; *module != NULL; module++)
        look_at_module(o->token, *module, slot, flags, &n);
    if (n == 1)
        return 0;
    snprintf(o->why, o->why_size, "%s", n == 0 ? "no such token" : "names more than one token");
    return n == 0 ? DIVE_E_UNSUPPORTED : DIVE_E_LIMIT;
}

static CK_RV find_objects(struct token *token, CK_ATTRIBUTE *template, CK_ULONG n,
                          CK_OBJECT_HANDLE out[2], CK_ULONG *found)
{
    CK_RV rv = token->module->C_FindObjectsInit(token->session, template, n);

    *found = 0;
    if (rv != CKR_OK)
        return rv;
    rv = token->module->C_FindObjects(token->session, out, 2, found);
    token->module->C_FindObjectsFinal(token->session);
    return rv;
}

static int find_private(struct opening *o)
{
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_ID, CKA_LABEL};
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[3] = {{CKA_CLASS, &class, sizeof(class)}};
    CK_OBJECT_HANDLE objects[2];
    CK_ULONG n = 1, found;
    CK_RV rv;

    for (size_t i = 0; i < 2; i++) {
        CK_ATTRIBUTE_PTR given = p11_kit_uri_get_attribute(o->token->uri, types[i]);

        if (given != NULL)
            template[n++] = *given;
    }
    rv = find_objects(o->token, template, n, objects, &found);
    if (rv != CKR_OK)
        return failed(o, "C_FindObjects", rv);
    if (found == 1) {
        o->token->object = objects[0];
        return 0;
    }
    snprintf(o->why, o->why_size, "%s",
             found == 0 ? "no such private key on the token"
                        : "names more than one private key (add id= or object=)");
    return found == 0 ? DIVE_E_NOT_FOUND : DIVE_E_LIMIT;
}

static int open_key(struct opening *o, const char *uri)
{
    struct token *token = o->token;
    CK_SLOT_ID slot = 0;
    CK_FLAGS flags = 0;
    CK_RV rv;
    int r = read_uri(o, uri);

    if (r == 0)
        r = load_modules(o);
    if (r == 0)
        r = find_token(o, &slot, &flags);
    if (r != 0)
        return r;
    rv = token->module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &token->session);
    if (rv != CKR_OK)
        return failed(o, "C_OpenSession", rv);
    token->has_session = true;
    if ((flags & CKF_LOGIN_REQUIRED) != 0)
        r = log_in(o);
    return r == 0 ? find_private(o) : r;
}

int token_open(struct token **out, const char *uri, token_pin_fn *pin, void *arg, char *why,
               size_t why_size)
{
    struct opening o = {calloc(1, sizeof(struct token)), pin, arg, why, why_size};
    int r;

    *out = NULL;
    snprintf(why, why_size, "memory ran out");
    if (o.token == NULL)
        return DIVE_E_NOMEM;
    pthread_mutex_init(&o.token->lock, NULL);
    r = open_key(&o, uri);
    if (r == 0)
        *out = o.token;
    else
        token_close(&o.token);
    return r;
}

void token_close(struct token **token)
{
    struct token *t = *token;

    *token = NULL;
    if (t == NULL)
        return;
    if (t->has_session)
        t->module->C_CloseSession(t->session);
    if (t->modules != NULL && p11_kit_uri_get_module_path(t->uri) != NULL) {
        p11_kit_module_finalize(t->modules[0]);
        p11_kit_module_release(t->modules[0]);
        free(t->modules);
    } else if (t->modules != NULL) {
        p11_kit_modules_finalize_and_release(t->modules);
    }
    p11_kit_uri_free(t->uri);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static int read_attribute(struct token *token, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                          void *out, size_t size, size_t *n)
{
    CK_ATTRIBUTE wanted = {type, out, size};

    *n = 0;
    if (token->module->C_GetAttributeValue(token->session, object, &wanted, 1) != CKR_OK ||
        wanted.ulValueLen == CK_UNAVAILABLE_INFORMATION || wanted.ulValueLen > size)
        return DIVE_E_NOT_FOUND;
    *n = wanted.ulValueLen;
    return 0;
}

int token_attribute(struct token *token, CK_ATTRIBUTE_TYPE type, void *out, size_t size, size_t *n)
{
    return read_attribute(token, token->object, type, out, size, n);
}

int token_public_attribute(struct token *token, CK_ATTRIBUTE_TYPE type, void *out, size_t size,
                           size_t *n)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE key_type = 0;
    unsigned char id[ID_MAX];
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                               {CKA_KEY_TYPE, &key_type, sizeof(key_type)},
                               {CKA_ID, id, 0}};
    CK_OBJECT_HANDLE objects[2];
    CK_ULONG found;
    size_t length;

    *n = 0;
    if (token_attribute(token, CKA_KEY_TYPE, &key_type, sizeof(key_type), &length) != 0 ||
        token_attribute(token, CKA_ID, id, sizeof(id), &length) != 0 || length == 0)
        return DIVE_E_NOT_FOUND;
    template[2].ulValueLen = length;
    if (find_objects(token, template, 3, objects, &found) != CKR_OK || found != 1)
        return DIVE_E_NOT_FOUND;
    return read_attribute(token, objects[0], type, out, size, n);
}

int token_sign(struct token *token, CK_MECHANISM *mechanisms, size_t n_mechanisms, const void *data,
               size_t n, void *signature, size_t *size)
{
    CK_ULONG length = *size;
    CK_RV rv = CKR_MECHANISM_INVALID;

    *size = 0;
    pthread_mutex_lock(&token->lock);
    for (size_t i = 0; i < n_mechanisms && rv != CKR_OK; i++)
        rv = token->module->C_SignInit(token->session, &mechanisms[i], token->object);
    if (rv == CKR_OK)
        rv = token->module->C_Sign(token->session, (CK_BYTE_PTR)data, n, signature, &length);
    pthread_mutex_unlock(&token->lock);
    if (rv != CKR_OK)
        return DIVE_E_STATE;
    *size = length;
    return 0;
}
