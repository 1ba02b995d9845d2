/* SPDX-License-Identifier: BSD-2-Clause
 *
 * accept: see the header.
 */
#include "tls/accept.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <string.h>

#include "tls/failure.h"

#define SESSION_SECONDS 3600

/* Our leaves are P-256, so of TLS 1.2 only the first three can be chosen for them; every client
 * that knows 1.2 and ECDSA knows one of these. A listener's certificate may be RSA. */
#define CIPHERS_12                                                                                 \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                                 \
    "ECDHE-ECDSA-CHACHA20-POLY1305:"                                                               \
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"

/* 128 bits first: as good for this purpose, and the cheaper cipher for large bodies. */
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* http/1.1 whenever it is offered. A client that offers others only, such as gRPC with h2, gets
 * no_application_protocol (RFC 7301 section 3.2): it then says so, where an h2 client that is
 * answered without ALPN goes on and fails with noise. Clients without ALPN don't come here. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *selected = NULL;

    if (SSL_select_next_proto(&selected, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

/* The key for every SSL (SSL_new copies it) and the certificates after the leaf. */
static int add_key_and_chain(SSL_CTX *context, const struct certificate_cache *cache)
{
    STACK_OF(X509) *chain = tls_ca_chain(certificate_cache_ca(cache));
    int i;

    if (SSL_CTX_use_PrivateKey(context, certificate_cache_key(cache)) != 1)
        return DIVE_E_INTERNAL;
    for (i = 0; i < sk_X509_num(chain); i++) {
        X509 *certificate = sk_X509_value(chain, i);

        if (X509_up_ref(certificate) != 1)
            return DIVE_E_INTERNAL;
        if (SSL_CTX_add_extra_chain_cert(context, certificate) != 1) {
            X509_free(certificate);
            return DIVE_E_NOMEM;
        }
    }
    return 0;
}

int tls_accept_context_plain(SSL_CTX **out)
{
    int r = DIVE_E_INTERNAL;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    *out = NULL;
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, 0) != 1 ||
        SSL_CTX_set_cipher_list(context, CIPHERS_12) != 1 ||
        SSL_CTX_set_ciphersuites(context, CIPHERS_13) != 1)
        goto out;
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    /* NO_AUTO_CHAIN: or OpenSSL would look for a chain anew in every handshake. */
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
    /* Tickets only: no session is stored here. */
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(context, SESSION_SECONDS);
    *out = context;
    context = NULL;
    r = 0;
out:
    SSL_CTX_free(context);
    return r;
}

int tls_accept_context_new(SSL_CTX **out, const struct certificate_cache *cache, char *why,
                           size_t why_size)
{
    SSL_CTX *context = NULL;
    int r;

    *out = NULL;
    r = tls_accept_context_plain(&context);
    if (r != 0)
        goto out;
    r = add_key_and_chain(context, cache);
    if (r != 0)
        goto out;
    *out = context;
    context = NULL;
    why[0] = '\0';
    r = 0;
out:
    if (r != 0)
        tls_failure_explain(why, why_size, "can't set up TLS towards clients");
    SSL_CTX_free(context);
    return r;
}

int tls_accept_new(SSL_CTX *context, const char *name, X509 *certificate, SSL **out)
{
    unsigned char id[SHA256_DIGEST_LENGTH];
    int r = DIVE_E_NOMEM;
    SSL *ssl;

    *out = NULL;
    ERR_clear_error();
    ssl = SSL_new(context);
    if (ssl == NULL)
        goto out;
    r = DIVE_E_INTERNAL;
    _Static_assert(sizeof id <= SSL_MAX_SID_CTX_LENGTH, "a session id context holds the hash");
    if (SHA256((const unsigned char *)name, strlen(name), id) == NULL ||
        SSL_set_session_id_context(ssl, id, sizeof id) != 1)
        goto out;
    /* With another key's certificate OpenSSL drops the private key and would fail in the handshake.
     */
    r = DIVE_E_MISMATCH;
    if (SSL_use_certificate(ssl, certificate) != 1 || SSL_check_private_key(ssl) != 1)
        goto out;
    SSL_set_accept_state(ssl);
    *out = ssl;
    ssl = NULL;
    r = 0;
out:
    ERR_clear_error();
    SSL_free(ssl);
    return r;
}
