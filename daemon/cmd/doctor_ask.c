/* SPDX-License-Identifier: BSD-2-Clause
 *
 * doctor_ask: one request through the proxy, as a client would make it, by blocking calls; and the
 * proxy's own certificate. Trusts the proxy's CA and nothing else, to tell whether it is the proxy
 * that answers.
 */
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cmd/doctor.h"
#include "http/date.h"
#include "http/head.h"

#define ASK_SECONDS 10
#define ANSWER_SECONDS 60 /* what is covered is held first */
#define HEAD_MAX (64 * 1024 + 1)
#define CLOCK_SLACK 300

/* A connection and what was read of it. */
struct ask {
    struct doctor *d;
    int fd;
    SSL *ssl; /* or NULL */
    char in[HEAD_MAX];
    size_t n;
    struct http_head head;
};

static void ask_patience(int fd, int seconds)
{
    struct timeval limit = {.tv_sec = seconds};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int doctor_connect(const struct doctor *d)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int fd = -1, error = EHOSTUNREACH;
    char port[8];

    snprintf(port, sizeof(port), "%u", d->proxy.at.port);
    if (getaddrinfo(d->proxy.at.host, port, &hints, &list) != 0) {
        errno = EHOSTUNREACH;
        return -1;
    }
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        ask_patience(fd, ASK_SECONDS);
        if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
            break;
        error = errno;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(list);
    if (fd < 0)
        errno = error;
    return fd;
}

static bool ask_write(struct ask *ask, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t sent = ask->ssl != NULL ? SSL_write(ask->ssl, text, (int)n)
                                        : send(ask->fd, text, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        text += sent;
        n -= (size_t)sent;
    }
    return true;
}

static ssize_t ask_read(struct ask *ask)
{
    size_t room = sizeof(ask->in) - ask->n;
    ssize_t n = ask->ssl != NULL ? SSL_read(ask->ssl, ask->in + ask->n, (int)room)
                                 : recv(ask->fd, ask->in + ask->n, room, 0);

    if (n > 0)
        ask->n += (size_t)n;
    return n;
}

/* Sends it and reads one final head, into ask->head. False: there was none. */
static bool ask_head(struct ask *ask, const char *request, const char *method)
{
    static const struct http_limits limits = HTTP_LIMITS_DEFAULT;

    ask->n = 0;
    if (!ask_write(ask, request))
        return false;
    for (;;) {
        struct http_scan scan = {0};
        size_t consumed = 0;
        int r = ask->n > 0
                    ? http_head_parse_response(&ask->head, ask->in, ask->n, dive_span_str(method),
                                               &limits, &scan, &consumed)
                    : HTTP_NEED_MORE;

        if (r < 0)
            return false;
        if (r == HTTP_DONE) {
            memmove(ask->in, ask->in + consumed, ask->n - consumed);
            ask->n -= consumed;
            if (ask->head.status >= 200)
                return true;
            http_head_clear(&ask->head);
            continue;
        }
        if (ask->n == sizeof(ask->in) || ask_read(ask) <= 0)
            return false;
    }
}

/* ---- TLS ---- */

static void ask_explain_tls(struct ask *ask)
{
    X509 *peer = SSL_get0_peer_certificate(ask->ssl);
    long why = SSL_get_verify_result(ask->ssl);
    char issuer[256] = "-";

    if (peer == NULL) {
        doctor_find(ask->d, DOCTOR_ERROR, "request", NULL, "the TLS handshake failed: %s",
                    ERR_peek_error() != 0 ? ERR_reason_error_string(ERR_peek_error())
                                          : "the connection ended");
        return;
    }
    X509_NAME_oneline(X509_get_issuer_name(peer), issuer, sizeof(issuer));
    if (why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
        why == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
        doctor_find(ask->d, DOCTOR_ERROR, "request",
                    "is the host in interception.splice, or does another proxy open TLS?",
                    "the certificate isn't the proxy's: it was issued by %s", issuer);
    else
        doctor_find(ask->d, DOCTOR_ERROR, "request", NULL, "the certificate isn't good: %s",
                    X509_verify_cert_error_string(why));
}

/* Inside of the tunnel, as the host. False: it was told why not. */
static bool ask_tls(struct ask *ask, SSL_CTX *context)
{
    const char *host = ask->d->url->at.host;

    ask->ssl = SSL_new(context);
    if (ask->ssl == NULL || SSL_set_fd(ask->ssl, ask->fd) != 1 ||
        SSL_set_tlsext_host_name(ask->ssl, host) != 1 || SSL_set1_host(ask->ssl, host) != 1)
        return false;
    ERR_clear_error();
    if (SSL_connect(ask->ssl) == 1)
        return true;
    ask_explain_tls(ask);
    return false;
}

static SSL_CTX *ask_context(const struct doctor *d)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL)
        return NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (d->ca == NULL) {
        (void)SSL_CTX_set_default_verify_paths(context);
        return context;
    }
    /* An intermediate that clients trust is enough. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), d->ca) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* ---- what came back ---- */

static void ask_explain_clock(struct ask *ask)
{
    const struct dive_span *date = http_field_get(&ask->head, "Date");
    int64_t there, now = (int64_t)time(NULL);

    if (date == NULL || http_date_parse(&there, *date, now) != 0)
        return;
    if (there > now + CLOCK_SLACK || there < now - CLOCK_SLACK)
        doctor_find(ask->d, DOCTOR_WARNING, "clock",
                    "set this machine's clock, if it isn't the answer that is old",
                    "the answer is dated %lld minutes %s by this machine's clock",
                    (long long)(there > now ? there - now : now - there) / 60,
                    there > now ? "ahead" : "ago");
}

static void ask_explain(struct ask *ask, const char *what)
{
    const struct dive_span *status = http_field_get(&ask->head, "Proxy-Status");
    int code = ask->head.status;
    int n = status != NULL && status->n < 600 ? (int)status->n : 0;

    if (code == 403 && n > 0 && memmem(status->p, status->n, "dive_verification_failed", 24))
        doctor_find(ask->d, DOCTOR_ERROR, "request",
                    "divectl verify URL and divectl records DOMAIN tell more",
                    "the proxy works as it should, and blocks: %.*s", (int)ask->head.reason.n,
                    ask->head.reason.p);
    else if (code == 407)
        doctor_find(ask->d, DOCTOR_ERROR, "request",
                    "put user and password into the proxy's URL: http://user:password@host:port",
                    "the proxy wants to know who you are (407)");
    else if (n > 0 && code >= 400)
        doctor_find(ask->d, DOCTOR_ERROR, "request", NULL, "%s: %d %.*s, by the proxy: %.*s", what,
                    code, (int)ask->head.reason.n, ask->head.reason.p, n, status->p);
    else
        doctor_find(ask->d, DOCTOR_OK, "request", NULL, "%s: %d %.*s", what, code,
                    (int)ask->head.reason.n, ask->head.reason.p);
    ask_explain_clock(ask);
}

static bool ask_tunnel(struct ask *ask, SSL_CTX *context)
{
    char authority[HTTP_AUTHORITY_MAX], request[2 * HTTP_AUTHORITY_MAX + 64];

    http_authority_format(authority, &ask->d->url->at, 0);
    snprintf(request, sizeof(request), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", authority,
             authority);
    if (!ask_head(ask, request, "CONNECT")) {
        doctor_find(ask->d, DOCTOR_ERROR, "request", "is there a dived at that address?",
                    "CONNECT gets no answer from %s", ask->d->proxy_text);
        return false;
    }
    if (ask->head.status / 100 != 2) {
        ask_explain(ask, "CONNECT");
        return false;
    }
    http_head_clear(&ask->head);
    return ask_tls(ask, context);
}

static void ask_get(struct ask *ask)
{
    const struct http_url *url = ask->d->url;
    char *request = NULL;

    ask_patience(ask->fd, ANSWER_SECONDS);
    if (asprintf(&request,
                 "GET %s%s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: divectl/" DIVED_VERSION "\r\n"
                 "Accept: */*\r\nConnection: close\r\n\r\n",
                 url->https ? "" : "http://", url->https ? "" : url->authority, url->target,
                 url->authority) < 0)
        return;
    if (ask_head(ask, request, "GET"))
        ask_explain(ask, ask->d->options->argv[0]);
    else
        doctor_find(ask->d, DOCTOR_ERROR, "request", NULL, "%s: no answer within %d s",
                    ask->d->options->argv[0], ANSWER_SECONDS);
    free(request);
}

void doctor_request(struct doctor *d)
{
    SSL_CTX *context = NULL;
    struct ask *ask;

    if (d->url == NULL || !d->listens || d->proxy.https) {
        doctor_find(d, DOCTOR_NOTE, "request", NULL, "%s",
                    d->url == NULL ? "none was made: name a URL"
                    : d->listens   ? "none was made: this command doesn't speak TLS to the proxy"
                                   : "none was made: the proxy can't be reached");
        return;
    }
    signal(SIGPIPE, SIG_IGN); /* SSL_write() knows no MSG_NOSIGNAL */
    ask = calloc(1, sizeof(*ask));
    context = ask_context(d);
    if (ask == NULL || context == NULL)
        goto out;
    ask->d = d;
    ask->fd = doctor_connect(d);
    if (ask->fd >= 0 && (!d->url->https || ask_tunnel(ask, context)))
        ask_get(ask);
    http_head_clear(&ask->head);
    SSL_free(ask->ssl);
    if (ask->fd >= 0)
        close(ask->fd);
out:
    SSL_CTX_free(context);
    free(ask);
}

X509 *doctor_fetch_ca(const struct doctor *d)
{
    struct ask *ask = d->proxy.https ? NULL : calloc(1, sizeof(*ask));
    char authority[HTTP_AUTHORITY_MAX], request[HTTP_AUTHORITY_MAX + 64];
    X509 *certificate = NULL;
    BIO *bio;

    if (ask == NULL)
        return NULL;
    http_authority_format(authority, &d->proxy.at, 0);
    snprintf(request, sizeof(request),
             "GET /ca.crt HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", authority);
    ask->fd = doctor_connect(d);
    if (ask->fd >= 0 && ask_head(ask, request, "GET") && ask->head.status == 200) {
        while (ask->n < sizeof(ask->in) && ask_read(ask) > 0)
            continue;
        bio = BIO_new_mem_buf(ask->in, (int)ask->n);
        certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
    }
    http_head_clear(&ask->head);
    if (ask->fd >= 0)
        close(ask->fd);
    free(ask);
    return certificate;
}
