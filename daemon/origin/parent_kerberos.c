/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_kerberos: see parent_kerberos.h.
 *
 * Credentials are acquired for each token anew, out of one credential cache in memory: so it is the
 * library that looks whether the ticket in there is still good, and gets another by the keytab when
 * it is time.
 */
#include "origin/parent_kerberos.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/gss_error.h"
#include "core/log.h"

#define SCHEME "Negotiate "
#define STORE "FILE:"
#define HOST_SIZE 256
#define FAILURE_MS 1000        /* so long the KDC isn't asked again for what it didn't give */
#define RENEWAL_MS (60 * 1000) /* so long refusals don't throw away tickets again */

/* SPNEGO, RFC 4178: 1.3.6.1.5.5.2 */
static unsigned char spnego_bytes[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x02};
static gss_OID_desc spnego = {sizeof(spnego_bytes), spnego_bytes};

struct parent_kerberos {
    _Atomic unsigned references;
    char *keytab, *principal;
    char cache[64]; /* name of the credential cache */
    _Atomic bool refused;
    pthread_mutex_t lock; /* while a token is made; what follows */
    int64_t renewed_ms;   /* when tickets were last thrown away; 0: never */
    int64_t failed_ms;    /* when, for which host and why there was no ticket; 0: not since */
    char failed_host[HOST_SIZE];
    char failure[PARENT_KERBEROS_WHY_SIZE];
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the keytab ---- */

static void explain(char *why, size_t why_size, krb5_context context, const char *what,
                    krb5_error_code code)
{
    const char *text = krb5_get_error_message(context, code);

    snprintf(why, why_size, "%s: %s", what, text);
    krb5_free_error_message(context, text);
}

/* The first principal that is `wanted` (NULL: any) of those with a key in `keytab`. */
static krb5_error_code find_principal(krb5_context context, krb5_keytab keytab,
                                      krb5_const_principal wanted, char **name)
{
    krb5_keytab_entry entry;
    krb5_kt_cursor cursor;
    krb5_error_code code = krb5_kt_start_seq_get(context, keytab, &cursor);
    bool found = false;

    if (code != 0)
        return code;
    while (!found && (code = krb5_kt_next_entry(context, keytab, &entry, &cursor)) == 0) {
        found = wanted == NULL || krb5_principal_compare(context, wanted, entry.principal);
        if (found)
            code = krb5_unparse_name(context, entry.principal, name);
        krb5_free_keytab_entry_contents(context, &entry);
    }
    (void)krb5_kt_end_seq_get(context, keytab, &cursor);
    return code == KRB5_KT_END ? KRB5_KT_NOTFOUND : code;
}

static int read_keytab(struct parent_kerberos *k, krb5_context context, const char *principal,
                       char *why, size_t why_size)
{
    krb5_principal wanted = NULL;
    krb5_keytab keytab = NULL;
    char *name = NULL, what[200];
    krb5_error_code code;
    int r = DIVE_E_NOT_FOUND;

    snprintf(what, sizeof(what), "origins.parent-principal is of no use");
    code = principal != NULL ? krb5_parse_name(context, principal, &wanted) : 0;
    if (code != 0)
        goto out;
    snprintf(what, sizeof(what), "origins.parent-keytab %.120s is of no use",
             k->keytab + strlen(STORE));
    code = krb5_kt_resolve(context, k->keytab, &keytab);
    if (code == 0)
        code = find_principal(context, keytab, wanted, &name);
    if (code != 0)
        goto out;
    k->principal = strdup(name);
    r = k->principal != NULL ? 0 : DIVE_E_NOMEM;
    snprintf(why, why_size, "out of memory");
out:
    if (code == KRB5_KT_NOTFOUND)
        snprintf(why, why_size, "%s: it has no key%s%.100s", what, principal != NULL ? " of " : "",
                 principal != NULL ? principal : "");
    else if (code != 0)
        explain(why, why_size, context, what, code);
    krb5_free_unparsed_name(context, name);
    krb5_free_principal(context, wanted);
    if (keytab != NULL)
        krb5_kt_close(context, keytab);
    return r;
}

int parent_kerberos_new(struct parent_kerberos **out, const char *keytab, const char *principal,
                        char *why, size_t why_size)
{
    static _Atomic unsigned caches;
    struct parent_kerberos *k = calloc(1, sizeof(*k));
    krb5_context context = NULL;
    struct stat st;
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (k == NULL)
        return r;
    k->references = 1;
    pthread_mutex_init(&k->lock, NULL);
    snprintf(k->cache, sizeof(k->cache), "MEMORY:dived-parent-%u", atomic_fetch_add(&caches, 1));
    if (asprintf(&k->keytab, STORE "%s", keytab) < 0) {
        k->keytab = NULL;
        goto out;
    }
    r = DIVE_E_STATE;
    snprintf(why, why_size, "origins.parent-keytab: Kerberos' own configuration can't be used");
    if (krb5_init_context(&context) != 0)
        goto out;
    if (stat(keytab, &st) == 0 && (st.st_mode & S_IRWXO))
        log_warning("origin", "%s holds keys and is open to all users; chmod o= closes it", keytab);
    r = read_keytab(k, context, principal, why, why_size);
    krb5_free_context(context);
    if (r != 0)
        goto out;
    *out = k;
    k = NULL;
    why[0] = '\0';
out:
    parent_kerberos_unref(&k);
    return r;
}

struct parent_kerberos *parent_kerberos_ref(struct parent_kerberos *kerberos)
{
    atomic_fetch_add_explicit(&kerberos->references, 1, memory_order_relaxed);
    return kerberos;
}

/* GSSAPI has no call that ends a cache. */
static void forget_tickets(struct parent_kerberos *k)
{
    krb5_context context;
    krb5_ccache cache;

    if (krb5_init_context(&context) != 0)
        return;
    if (krb5_cc_resolve(context, k->cache, &cache) == 0)
        (void)krb5_cc_destroy(context, cache);
    krb5_free_context(context);
}

void parent_kerberos_unref(struct parent_kerberos **kerberos)
{
    struct parent_kerberos *k = *kerberos;

    *kerberos = NULL;
    if (k == NULL || atomic_fetch_sub_explicit(&k->references, 1, memory_order_acq_rel) > 1)
        return;
    if (k->principal != NULL)
        forget_tickets(k);
    pthread_mutex_destroy(&k->lock);
    free(k->principal);
    free(k->keytab);
    free(k);
}

/* ---- tokens ---- */

static OM_uint32 import(gss_name_t *out, const char *text, gss_OID type, OM_uint32 *minor)
{
    gss_buffer_desc name = {strlen(text), (void *)(uintptr_t)text};

    return gss_import_name(minor, &name, type, out);
}

/* Ourselves, and Kerberos alone to be chosen within SPNEGO. */
static OM_uint32 acquire(const struct parent_kerberos *k, gss_cred_id_t *out, OM_uint32 *minor)
{
    gss_key_value_element_desc elements[] = {{"client_keytab", k->keytab}, {"ccache", k->cache}};
    gss_key_value_set_desc store = {2, elements};
    gss_OID_desc wanted[] = {*gss_mech_krb5, spnego};
    gss_OID_set_desc both = {2, wanted}, kerberos = {1, gss_mech_krb5};
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 ignored, major = import(&name, k->principal, GSS_KRB5_NT_PRINCIPAL_NAME, minor);

    if (!GSS_ERROR(major))
        major = gss_acquire_cred_from(minor, name, GSS_C_INDEFINITE, &both, GSS_C_INITIATE, &store,
                                      out, NULL, NULL);
    if (!GSS_ERROR(major))
        major = gss_set_neg_mechs(minor, *out, &kerberos);
    gss_release_name(&ignored, &name);
    return major;
}

/* The first token of a context, which is all there is without an answer to it. */
static OM_uint32 initiate(const struct parent_kerberos *k, const char *host, gss_buffer_t token,
                          OM_uint32 *minor)
{
    gss_cred_id_t credentials = GSS_C_NO_CREDENTIAL;
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_name_t service = GSS_C_NO_NAME;
    char name[HOST_SIZE + 8];
    OM_uint32 ignored, major = acquire(k, &credentials, minor);

    if (GSS_ERROR(major))
        goto out;
    snprintf(name, sizeof(name), "HTTP@%s", host);
    major = import(&service, name, GSS_C_NT_HOSTBASED_SERVICE, minor);
    if (GSS_ERROR(major))
        goto out;
    major =
        gss_init_sec_context(minor, credentials, &context, service, &spnego, 0, 0,
                             GSS_C_NO_CHANNEL_BINDINGS, GSS_C_NO_BUFFER, NULL, token, NULL, NULL);
out:
    if (context != GSS_C_NO_CONTEXT)
        (void)gss_delete_sec_context(&ignored, &context, GSS_C_NO_BUFFER);
    (void)gss_release_name(&ignored, &service);
    (void)gss_release_cred(&ignored, &credentials);
    return major;
}

static int encode(const gss_buffer_desc *token, char **out)
{
    size_t n = strlen(SCHEME);

    if (token->length > (PARENT_TOKEN_MAX - n) / 4 * 3 - 3)
        return DIVE_E_LIMIT;
    *out = malloc(n + token->length / 3 * 4 + 5);
    if (*out == NULL)
        return DIVE_E_NOMEM;
    memcpy(*out, SCHEME, n);
    (void)EVP_EncodeBlock((unsigned char *)*out + n, token->value, (int)token->length);
    return 0;
}

/* Locked. */
static int make_token(struct parent_kerberos *k, const char *host, char **out)
{
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0, ignored, major;
    int r = DIVE_E_STATE;

    major = initiate(k, host, &token, &minor);
    if (GSS_ERROR(major))
        gss_error_text(k->failure, sizeof(k->failure), major, minor);
    else if (token.length == 0)
        snprintf(k->failure, sizeof(k->failure), "Kerberos made an empty token");
    else if ((r = encode(&token, out)) == DIVE_E_LIMIT)
        snprintf(k->failure, sizeof(k->failure), "the ticket is too large");
    if (r == DIVE_E_LIMIT)
        r = DIVE_E_STATE;
    if (token.value != NULL)
        OPENSSL_cleanse(token.value, token.length);
    (void)gss_release_buffer(&ignored, &token);
    return r;
}

int parent_kerberos_token(struct parent_kerberos *k, const char *host, char **out, char *why,
                          size_t why_size)
{
    int r = DIVE_E_STATE;
    int64_t now;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (strlen(host) >= HOST_SIZE)
        return DIVE_E_STATE;
    pthread_mutex_lock(&k->lock);
    now = now_ms();
    if (atomic_exchange(&k->refused, false) &&
        (k->renewed_ms == 0 || now - k->renewed_ms > RENEWAL_MS)) {
        k->renewed_ms = now;
        forget_tickets(k);
    }
    if (k->failed_ms == 0 || now - k->failed_ms > FAILURE_MS || strcmp(k->failed_host, host) != 0) {
        r = make_token(k, host, out);
        k->failed_ms = r == DIVE_E_STATE ? now_ms() : 0;
        snprintf(k->failed_host, sizeof(k->failed_host), "%s", host);
    }
    if (r != DIVE_E_NOMEM)
        snprintf(why, why_size, "%s", r == 0 ? "" : k->failure);
    pthread_mutex_unlock(&k->lock);
    return r;
}

void parent_token_free(char **token)
{
    if (*token != NULL)
        OPENSSL_cleanse(*token, strlen(*token));
    free(*token);
    *token = NULL;
}

void parent_kerberos_refused(struct parent_kerberos *kerberos)
{
    atomic_store(&kerberos->refused, true);
}
