/* SPDX-License-Identifier: BSD-2-Clause
 *
 * greet: a request for the proxy itself (welcome/welcome.h): who may ask, by which name, and the
 * answer's way out.
 *
 * The name that the client used is checked, because a page of somebody else's could have its own
 * name point here and read the answer (DNS rebinding): `localhost`, the address that the client is
 * connected to, and welcome.names are ours; all other names are not.
 */
#include <arpa/inet.h>
#include <string.h>

#include "config/match.h"
#include "exchange/private.h"
#include "welcome/welcome.h"

/* Our end of the client's connection, as http_authority writes hosts. False: unknown. */
static bool greet_local(const struct exchange *x, char host[INET6_ADDRSTRLEN], uint16_t *port)
{
    struct sockaddr_storage local;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&local;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&local;
    socklen_t n = sizeof(local);

    if (getsockname(x->client->stream.fd, (struct sockaddr *)&local, &n) != 0)
        return false;
    *port = ntohs(local.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
    if (local.ss_family == AF_INET)
        return inet_ntop(AF_INET, &v4->sin_addr, host, INET6_ADDRSTRLEN) != NULL;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, INET6_ADDRSTRLEN) != NULL;
    return inet_ntop(AF_INET6, &v6->sin6_addr, host, INET6_ADDRSTRLEN) != NULL;
}

static bool greet_is_our_name(const struct exchange *x)
{
    char local[INET6_ADDRSTRLEN];
    uint16_t port;

    return strcmp(x->url.at.host, "localhost") == 0 ||
           (x->url.at.kind != HTTP_HOST_NAME && greet_local(x, local, &port) &&
            strcmp(x->url.at.host, local) == 0) ||
           config_hosts_match(&x->runtime->config->welcome.names, x->url.at.host);
}

bool greet_is_for_us(const struct exchange *x)
{
    char local[INET6_ADDRSTRLEN];
    uint16_t port;

    if (!x->runtime->config->welcome.enabled || x->fixed != NULL || x->client == NULL)
        return false;
    if (x->url.form == HTTP_TARGET_ORIGIN)
        return true;
    /* Programs that are told to use the proxy ask for its own address through it. */
    return x->url.form == HTTP_TARGET_ABSOLUTE && x->url.https == x->tls &&
           x->url.at.kind != HTTP_HOST_NAME && greet_local(x, local, &port) &&
           port == x->url.at.port && strcmp(x->url.at.host, local) == 0;
}

static int greet_queue(struct exchange *x, const struct welcome_answer *answer)
{
    struct dive_field fields[] = {
        {dive_span_str("Content-Type"), dive_span_str(answer->content_type)},
        {dive_span_str("Content-Security-Policy"), dive_span_str(answer->policy)},
        {dive_span_str("X-Content-Type-Options"), dive_span_str("nosniff")},
        {dive_span_str("Referrer-Policy"), dive_span_str("no-referrer")},
        {dive_span_str("Cross-Origin-Resource-Policy"), dive_span_str("same-origin")},
        {dive_span_str("Cache-Control"), dive_span_str("no-store")},
        {dive_span_str("Content-Disposition"), {0}},
    };
    struct http_write write = {
        .add = fields,
        .n_add = sizeof(fields) / sizeof(fields[0]) - (answer->disposition == NULL),
        .framing = HTTP_BODY_LENGTH,
        .content_length = (int64_t)answer->body.n,
        .close = exchange_fate_of(x) != EXCHANGE_KEEP,
        .date = true,
        .now = worker_now(x->worker),
    };
    struct http_buffer *scratch = &x->worker->scratch;
    bool head_only = dive_span_eq(x->request.method, "HEAD");
    int r;

    if (answer->disposition != NULL)
        fields[6].value = dive_span_str(answer->disposition);
    scratch->n = 0;
    r = http_write_response(scratch, answer->status, dive_span("", 0), &write);
    if (r == 0)
        r = buffer_append(&x->client->out, scratch->p, scratch->n, SIZE_MAX / 2);
    if (r == 0 && !head_only) {
        r = buffer_append(&x->client->out, answer->body.p, answer->body.n, SIZE_MAX / 2);
        x->bytes_out = answer->body.n;
    }
    return r;
}

int greet_client(struct exchange *x)
{
    const struct config *config = x->runtime->config;
    struct tls_ca *ca =
        x->runtime->certificates != NULL ? certificate_cache_ca(x->runtime->certificates) : NULL;
    char authority[HTTP_AUTHORITY_MAX];
    struct welcome_request request = {
        .method = x->request.method,
        .path = x->url.path,
        .authority = authority,
        .tls = x->tls,
        .certificate = ca != NULL ? tls_ca_certificate(ca) : NULL,
        .fingerprint = ca != NULL ? tls_ca_fingerprint(ca) : "",
        .mode = config_mode_word(config->dive.mode),
    };
    struct welcome_answer answer;
    int r;

    body_init(&x->request_body, x->request.framing, x->request.content_length);
    if (!config_networks_match(&config->access.clients, (const struct sockaddr *)x->peer))
        return exchange_refuse(x, 403, "http_request_denied",
                               "this client's address is not in access.clients");
    if (!greet_is_our_name(x))
        return exchange_refuse(x, 421, "http_request_error",
                               "this is a proxy: the request target must be a whole URL, or the "
                               "proxy must be asked by its address, localhost or welcome.names");
    http_authority_format(authority, &x->url.at, 0);
    r = welcome_make(&answer, &request);
    if (r == 0 && answer.status != 200) {
        int next = exchange_refuse(x, answer.status, "http_request_error", "%s", answer.error);

        welcome_clear(&answer);
        return next;
    }
    if (r == 0)
        r = greet_queue(x, &answer);
    welcome_clear(&answer);
    if (r != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    x->status = 200;
    x->head_sent = true;
    x->fate = exchange_fate_of(x);
    exchange_deadline(x, config->timeouts.client_write_ms);
    return EXCHANGE_REFUSE; /* an answer of our own: that stage sees it out */
}
