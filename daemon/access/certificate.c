/* SPDX-License-Identifier: BSD-2-Clause
 *
 * certificate: see certificate.h. A connection with a client certificate is never resumed: a ticket
 * would outlive what the certificate is checked against.
 */
#include "access/certificate.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tls/accept.h"
#include "tls/failure.h"

/* Nobody is there to be asked for a passphrase. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
    return 0;
}

static int set_client_check(SSL_CTX *context, const struct config_listener *listener, char *why,
                            size_t why_size)
{
    const char *ca = listener->tls.client_ca;
    STACK_OF(X509_NAME) * names;

    if (listener->tls.client_certificate == CONFIG_CLIENT_CERTIFICATE_NONE)
        return 0;
    names = SSL_load_client_CA_file(ca);
    if (names == NULL || SSL_CTX_load_verify_file(context, ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        tls_failure_explain(why, why_size, "listeners: %s: client-ca %s can't be used",
                            listener->address.text, ca);
        return DIVE_E_NOT_FOUND;
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER |
                           (listener->tls.client_certificate == CONFIG_CLIENT_CERTIFICATE_REQUIRED
                                ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                : 0),
                       NULL);
    if (SSL_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) != 1)
        return DIVE_E_INTERNAL;
    SSL_CTX_set_verify_depth(context, 5);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    return SSL_CTX_set_num_tickets(context, 0) == 1 ? 0 : DIVE_E_INTERNAL;
}

int certificate_context_new(SSL_CTX **out, const struct config_listener *listener, char *why,
                            size_t why_size)
{
    static const unsigned char id[] = "proxy";
    SSL_CTX *context = NULL;
    int r;

    *out = NULL;
    ERR_clear_error();
    why[0] = '\0';
    r = tls_accept_context_plain(&context);
    if (r == 0 && SSL_CTX_set_session_id_context(context, id, sizeof(id)) != 1)
        r = DIVE_E_INTERNAL;
    if (r != 0)
        goto out;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    r = DIVE_E_NOT_FOUND;
    if (SSL_CTX_use_certificate_chain_file(context, listener->tls.certificate) != 1) {
        tls_failure_explain(why, why_size, "listeners: %s: certificate %s can't be used",
                            listener->address.text, listener->tls.certificate);
        goto out;
    }
    if (SSL_CTX_use_PrivateKey_file(context, listener->tls.key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        tls_failure_explain(why, why_size, "listeners: %s: key %s can't be used with %s",
                            listener->address.text, listener->tls.key, listener->tls.certificate);
        r = DIVE_E_MISMATCH;
        goto out;
    }
    r = set_client_check(context, listener, why, why_size);
    if (r != 0)
        goto out;
    *out = context;
    context = NULL;
out:
    if (r != 0 && why[0] == '\0')
        tls_failure_explain(why, why_size, "listeners: %s: TLS can't be set up",
                            listener->address.text);
    SSL_CTX_free(context);
    return r;
}

static int take(const unsigned char *p, int n, char user[ACCESS_USER_SIZE])
{
    if (n <= 0 || p == NULL || !access_text_is_user((const char *)p, (size_t)n))
        return DIVE_E_TYPE;
    memcpy(user, p, (size_t)n);
    user[n] = '\0';
    return 0;
}

/* The first name of that kind among the alternative names. */
static int user_by_alternative(const GENERAL_NAMES *names, int kind, char user[ACCESS_USER_SIZE])
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == kind)
            return take(ASN1_STRING_get0_data(name->d.ia5), ASN1_STRING_length(name->d.ia5), user);
    }
    return DIVE_E_NOT_FOUND;
}

/* With two common names it would be a matter of taste which one is meant. */
static int user_by_subject(X509 *certificate, char user[ACCESS_USER_SIZE])
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1), n, r;
    unsigned char *text = NULL;

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return DIVE_E_TYPE;
    n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (n < 0)
        return DIVE_E_TYPE;
    r = take(text, n, user);
    OPENSSL_free(text);
    return r;
}

int certificate_user(const SSL *ssl, char user[ACCESS_USER_SIZE])
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    GENERAL_NAMES *names;
    int r = DIVE_E_NOT_FOUND, critical = -1;

    user[0] = '\0';
    if (certificate == NULL)
        return DIVE_E_NOT_FOUND;
    if (SSL_get_verify_result(ssl) != X509_V_OK)
        return DIVE_E_TYPE;
    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (names == NULL && critical != -1)
        r = DIVE_E_TYPE; /* they are there, and can't be read */
    if (names != NULL) {
        r = user_by_alternative(names, GEN_EMAIL, user);
        if (r == DIVE_E_NOT_FOUND)
            r = user_by_alternative(names, GEN_URI, user);
        GENERAL_NAMES_free(names);
    }
    if (r == DIVE_E_NOT_FOUND)
        r = user_by_subject(certificate, user);
    ERR_clear_error();
    return r;
}
