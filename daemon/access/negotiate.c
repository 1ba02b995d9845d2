/* SPDX-License-Identifier: BSD-2-Clause
 *
 * negotiate: see negotiate.h.
 */
#include "access/negotiate.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/gss_error.h"

#define REPLY_MAX (64 * 1024) /* bytes of a token of ours */

/* SPNEGO, RFC 4178: 1.3.6.1.5.5.2 */
static unsigned char spnego_bytes[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x02};
static const gss_OID_desc spnego = {sizeof(spnego_bytes), spnego_bytes};

struct negotiate {
    gss_cred_id_t keys;
    char *realm; /* NULL: any */
};

struct negotiation {
    gss_ctx_id_t context;
    unsigned rounds;
};

/* Our keys, for the services of the file alone; and Kerberos alone to be chosen within SPNEGO. */
static OM_uint32 acquire(struct negotiate *g, const char *keytab, const char *service,
                         OM_uint32 *minor)
{
    gss_key_value_element_desc element = {"keytab", keytab};
    gss_key_value_set_desc store = {1, &element};
    gss_OID_desc wanted[] = {spnego, *gss_mech_krb5};
    gss_OID_set_desc both = {2, wanted}, kerberos = {1, gss_mech_krb5};
    gss_buffer_desc text = {strlen(service), (void *)(uintptr_t)service};
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 ignored, major = gss_import_name(minor, &text, GSS_C_NT_HOSTBASED_SERVICE, &name);

    if (!GSS_ERROR(major))
        major = gss_acquire_cred_from(minor, name, GSS_C_INDEFINITE, &both, GSS_C_ACCEPT, &store,
                                      &g->keys, NULL, NULL);
    if (!GSS_ERROR(major))
        major = gss_set_neg_mechs(minor, g->keys, &kerberos);
    gss_release_name(&ignored, &name);
    return major;
}

int negotiate_new(struct negotiate **out, const char *keytab, const char *service,
                  const char *realm, char *why, size_t why_size)
{
    struct negotiate *g = calloc(1, sizeof(*g));
    OM_uint32 major, minor = 0;
    char reason[NEGOTIATE_WHY_SIZE];
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "access.negotiate: out of memory");
    if (g == NULL)
        return r;
    g->realm = realm != NULL ? strdup(realm) : NULL;
    if (realm != NULL && g->realm == NULL)
        goto out;
    r = DIVE_E_NOT_FOUND;
    major = acquire(g, keytab, service, &minor);
    if (GSS_ERROR(major)) {
        gss_error_text(reason, sizeof(reason), major, minor);
        snprintf(why, why_size, "access.negotiate: %s has no usable key of %s/HOST: %s", keytab,
                 service, reason);
        goto out;
    }
    *out = g;
    g = NULL;
    why[0] = '\0';
    r = 0;
out:
    negotiate_free(&g);
    return r;
}

void negotiate_free(struct negotiate **negotiate)
{
    OM_uint32 ignored;

    if (*negotiate == NULL)
        return;
    gss_release_cred(&ignored, &(*negotiate)->keys);
    free((*negotiate)->realm);
    free(*negotiate);
    *negotiate = NULL;
}

void negotiation_free(struct negotiation **negotiation)
{
    OM_uint32 ignored;

    if (*negotiation == NULL)
        return;
    if ((*negotiation)->context != GSS_C_NO_CONTEXT)
        gss_delete_sec_context(&ignored, &(*negotiation)->context, GSS_C_NO_BUFFER);
    free(*negotiation);
    *negotiation = NULL;
}

/* The principal as a user's name. False, with the reason: it isn't one. */
static bool name_user(const struct negotiate *g, gss_name_t source, struct negotiate_step *step)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0, ignored, major = gss_display_name(&minor, source, &text, NULL);
    const char *p = text.value, *at;
    size_t n = text.length;
    bool good = false;

    if (GSS_ERROR(major)) {
        gss_error_text(step->why, sizeof(step->why), major, minor);
        return false;
    }
    at = memrchr(p, '@', n);
    snprintf(step->why, sizeof(step->why), "the principal is of another realm, or has none");
    if (g->realm != NULL) {
        if (at == NULL || !dive_span_eq(dive_span(at + 1, n - (size_t)(at + 1 - p)), g->realm))
            goto out;
        n = (size_t)(at - p);
    }
    snprintf(step->why, sizeof(step->why), "the principal is no user name");
    if (!access_text_is_user(p, n))
        goto out;
    memcpy(step->user, p, n);
    step->user[n] = '\0';
    step->why[0] = '\0';
    good = true;
out:
    gss_release_buffer(&ignored, &text);
    return good;
}

static char *encode(const gss_buffer_desc *token)
{
    char *text = token->length <= REPLY_MAX ? malloc(token->length / 3 * 4 + 5) : NULL;

    if (text != NULL)
        (void)EVP_EncodeBlock((unsigned char *)text, token->value, (int)token->length);
    return text;
}

static void conclude(const struct negotiate *g, OM_uint32 major, OM_uint32 minor, OM_uint32 flags,
                     gss_name_t source, struct negotiate_step *step)
{
    if (GSS_ERROR(major)) {
        gss_error_text(step->why, sizeof(step->why), major, minor);
    } else if (major & GSS_S_CONTINUE_NEEDED) {
        step->result = step->reply != NULL ? NEGOTIATE_CONTINUE : NEGOTIATE_FAILED;
    } else if (flags & GSS_C_ANON_FLAG) {
        snprintf(step->why, sizeof(step->why), "an anonymous principal");
    } else if (name_user(g, source, step)) {
        step->result = NEGOTIATE_DONE;
    }
}

void negotiate_accept(const struct negotiate *g, struct negotiation **negotiation,
                      const void *token, size_t n, struct negotiate_step *step)
{
    gss_buffer_desc in = {n, (void *)(uintptr_t)token}, reply = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor = 0, flags = 0, lifetime = 0, ignored;
    gss_name_t source = GSS_C_NO_NAME;

    *step = (struct negotiate_step){0};
    if (*negotiation == NULL)
        *negotiation = calloc(1, sizeof(**negotiation));
    if (*negotiation == NULL || n == 0 || ++(*negotiation)->rounds > NEGOTIATE_ROUNDS) {
        snprintf(step->why, sizeof(step->why), "%s",
                 *negotiation == NULL ? "out of memory"
                 : n == 0             ? "an empty token"
                                      : "too many rounds");
        goto out;
    }
    major = gss_accept_sec_context(&minor, &(*negotiation)->context, g->keys, &in,
                                   GSS_C_NO_CHANNEL_BINDINGS, &source, NULL, &reply, &flags,
                                   &lifetime, NULL);
    if (reply.length > 0)
        step->reply = encode(&reply);
    step->seconds = lifetime == GSS_C_INDEFINITE ? INT32_MAX : lifetime;
    conclude(g, major, minor, flags, source, step);
    gss_release_buffer(&ignored, &reply);
    gss_release_name(&ignored, &source);
out:
    if (step->result != NEGOTIATE_CONTINUE)
        negotiation_free(negotiation);
}
