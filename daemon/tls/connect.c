/* SPDX-License-Identifier: BSD-2-Clause
 *
 * connect: see the header.
 *
 * Sessions aren't resumed: connections are pooled above this, TLS 1.3 resumption saves no round
 * trip, and a full handshake verifies the chain by today's clock and bundle. What it costs stands
 * in the tests' output.
 */
#include "tls/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/verify_note.h"

#define HOST_MAX 253

/* Forward secrecy first; RSA key exchange and CBC last, for old origins: what comes from them may
 * be verified by DIVE all the same. */
#define CIPHERS_12                                                                                 \
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:"                       \
    "RSA+AESGCM:RSA+AES:!aNULL:!eNULL:!PSK:!SRP:!AESCCM:!aDSS"

static int check_ca_file(const char *ca_file, char *why, size_t why_size)
{
    struct stat st;
    int error, fd = open(ca_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        error = errno;
        snprintf(
            why, why_size,
            "can't read the CA bundle %s: %s; install ca-certificates, or name another file in "
            "origins.ca-file",
            ca_file, strerror(error));
        return error == ENOENT ? DIVE_E_NOT_FOUND : DIVE_E_STATE;
    }
    error = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
    close(fd);
    if (error) {
        snprintf(why, why_size,
                 "the CA bundle %s is no regular file; name a PEM file in "
                 "origins.ca-file",
                 ca_file);
        return DIVE_E_STATE;
    }
    return 0;
}

static int configure(SSL_CTX *context)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);

    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, 0) != 1 ||
        SSL_CTX_set_cipher_list(context, CIPHERS_12) != 1 ||
        SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn - 1) != 0) /* 0 is success here */
        return DIVE_E_INTERNAL;
    (void)SSL_CTX_set_options(context,
                              SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, tls_verify_note_callback);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return 0;
}

int tls_connect_context_new(SSL_CTX **out, const char *ca_file, char *why, size_t why_size)
{
    SSL_CTX *context = NULL;
    int r;

    *out = NULL;
    r = check_ca_file(ca_file, why, why_size);
    if (r != 0)
        return r;
    ERR_clear_error();
    r = DIVE_E_INTERNAL;
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        tls_failure_explain(why, why_size, "can't set up TLS towards origins");
        goto out;
    }
    r = configure(context);
    if (r != 0) {
        tls_failure_explain(why, why_size, "can't set up TLS towards origins");
        goto out;
    }
    if (SSL_CTX_load_verify_file(context, ca_file) != 1) {
        tls_failure_explain(why, why_size,
                            "the CA bundle %s has no PEM certificate, or a damaged one; "
                            "reinstall ca-certificates, or name another file in origins.ca-file",
                            ca_file);
        r = DIVE_E_SYNTAX;
        goto out;
    }
    *out = context;
    context = NULL;
    why[0] = '\0';
    r = 0;
out:
    ERR_clear_error();
    SSL_CTX_free(context);
    return r;
}

static int set_identity(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    size_t n = strnlen(host, HOST_MAX + 1);

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? 0 : DIVE_E_INTERNAL;
    /* An empty name would switch the check off, a leading dot would match every child. The caller
     * normalised; this is the fence. */
    if (n == 0 || n > HOST_MAX || host[0] == '.' || strpbrk(host, ":[]/*%@ ") != NULL)
        return DIVE_E_SYNTAX;
    if (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
        return DIVE_E_INTERNAL;
    return 0;
}

int tls_connect_new(SSL_CTX *context, const char *host, SSL **out)
{
    int r = DIVE_E_NOMEM;
    SSL *ssl;

    *out = NULL;
    ERR_clear_error();
    ssl = SSL_new(context);
    if (ssl == NULL)
        goto out;
    r = set_identity(ssl, host);
    if (r != 0)
        goto out;
    SSL_set_connect_state(ssl);
    *out = ssl;
    ssl = NULL;
    r = 0;
out:
    ERR_clear_error();
    SSL_free(ssl);
    return r;
}

bool tls_connect_is_verified(SSL *ssl)
{
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;

    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    if (alpn_len != 0 && (alpn_len != 8 || memcmp(alpn, "http/1.1", 8) != 0))
        return false;
    return SSL_is_init_finished(ssl) && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 &&
           SSL_get0_peer_certificate(ssl) != NULL && SSL_get_verify_result(ssl) == X509_V_OK;
}
