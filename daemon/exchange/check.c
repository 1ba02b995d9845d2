/* SPDX-License-Identifier: BSD-2-Clause
 *
 * check: CHECK. What the request is for, whether this client may ask for it, and who decides about
 * the response: the mode of rules, browsers and the configuration.
 */
#include <string.h>

#include "exchange/private.h"
#include "http/path.h"
#include "http/via.h"
#include "origin/literal.h"

/* The fields of the request that signatures with ;req cover and custom scopes look at. */
static void check_describe(struct exchange *x)
{
    x->dive_request = (struct dive_request){
        .method = x->request.method,
        .scheme = dive_span_str(x->url.https ? "https" : "http"),
        .authority = dive_span_str(x->url.authority),
        .path = x->url.path,
        .query = x->url.query,
        .target = dive_span_str(x->url.target),
        .fields = http_head_fields(&x->request),
    };
}

/* RFC 9112 section 3.2.2; within a tunnel the authority has to be the tunnel's (RFC 9110
 * section 7.4). */
static int check_target(struct exchange *x)
{
    bool transparent = x->destination.kind != 0;
    const struct http_authority *fallback = x->fixed;
    int r;

    if (fallback == NULL && transparent)
        fallback = &x->destination;
    r = http_url_from_request(&x->url, &x->request, x->tls, fallback);

    if (r == HTTP_E_NOMEM)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    if (r != 0)
        return exchange_refuse(x, http_error_status(r), "http_request_error", "%s",
                               http_error_text(r));
    x->url_known = true;
    if (!transparent && greet_is_for_us(x))
        return greet_client(x);
    /* The client thinks that it talks to the origin; what talks to a proxy is not what the firewall
     * sends here, and must not lead elsewhere. */
    if (transparent && x->url.form != HTTP_TARGET_ORIGIN && x->url.form != HTTP_TARGET_ASTERISK)
        return exchange_refuse(x, 400, "http_request_error",
                               "a transparent listener takes neither CONNECT nor whole URLs");
    if (x->fixed == NULL && transparent) {
        if (x->url.at.port == x->destination.port)
            return EXCHANGE_POLICY;
        return exchange_refuse(x, 421, "http_request_error",
                               "Host has another port than the connection");
    }
    if (x->fixed == NULL) {
        if (x->url.form == HTTP_TARGET_ABSOLUTE)
            return EXCHANGE_POLICY;
        return exchange_refuse(x, 400, "http_request_error",
                               "this is a proxy: the request target must be a whole URL");
    }
    if (x->url.form == HTTP_TARGET_AUTHORITY)
        return exchange_refuse(x, 501, "http_request_error", "CONNECT inside of a tunnel");
    if (x->url.https != x->tls || strcmp(x->url.at.host, x->fixed->host) != 0 ||
        x->url.at.port != x->fixed->port)
        return exchange_refuse(x, 421, "http_request_error",
                               "the request is for another host than the tunnel it came through");
    return EXCHANGE_POLICY;
}

/* All that rules look at; it refers to `destination`, filled in here. */
static void check_subject(const struct exchange *x, struct config_subject *subject,
                          struct sockaddr_storage *destination)
{
    bool known = x->destination.kind != 0
                     ? literal_address(x->destination.host, x->destination.port, destination)
                     : x->route != NULL && literal_address(x->route, x->url.at.port, destination);

    *subject = (struct config_subject){
        .host = x->url.at.host,
        .port = x->url.at.port,
        .scheme = x->url.https ? CONFIG_SCHEME_HTTPS : CONFIG_SCHEME_HTTP,
        .client = (const struct sockaddr *)x->peer,
        .destination = known ? (const struct sockaddr *)destination : NULL,
        .path = x->path,
        .method = x->request.method,
        .user = x->user,
        .listener = x->listener_name,
        .now = worker_now(x->worker),
    };
}

/* A request with Sec-Fetch-Mode is a browser's: the drafts forbid browsers to enforce. */
static void check_mode(struct exchange *x, const struct config_rule *rule)
{
    const struct config *config = x->runtime->config;
    enum config_browsers browsers = config->dive.browsers;

    x->mode = config->dive.mode;
    x->release = config->hold.release;
    if (rule != NULL && rule->mode != CONFIG_MODE_UNSET)
        x->mode = rule->mode;
    if (rule != NULL && rule->browsers != CONFIG_BROWSERS_UNSET)
        browsers = rule->browsers;
    if (rule != NULL && rule->release != CONFIG_RELEASE_UNSET)
        x->release = rule->release;
    if (http_field_get(&x->request, "Sec-Fetch-Mode") != NULL) {
        if (browsers == CONFIG_BROWSERS_EXEMPT)
            x->mode = CONFIG_MODE_OFF;
        else if (browsers == CONFIG_BROWSERS_REPORT_ONLY && x->mode == CONFIG_MODE_ENFORCE)
            x->mode = CONFIG_MODE_REPORT_ONLY;
    }
    x->exempt = x->mode == CONFIG_MODE_OFF;
}

/* PURGE is for us: what is stored of the URL goes (all its variants). 200 if there was any, else
 * 404, as other caches answer it. */
static int check_purge(struct exchange *x)
{
    const struct config *config = x->runtime->config;
    struct store_key key;
    size_t n;

    if (!config_networks_match(&config->cache.purge_clients, (const struct sockaddr *)x->peer))
        return exchange_refuse(x, 403, "http_request_denied",
                               "this client's address is not in cache.purge-clients");
    if (x->worker->shared->store == NULL)
        return exchange_refuse(x, 404, "http_request_error",
                               "nothing is stored: there is no cache");
    if (store_is_released(x->worker->shared->store))
        return exchange_refuse(x, 503, "proxy_internal_error",
                               "another process has taken over what is stored: ask again, on "
                               "another connection");
    if (!key_of_url(&key, &x->url))
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    n = store_purge(x->worker->shared->store, &key);
    if (n == 0)
        return exchange_refuse(x, 404, "http_request_error", "nothing is stored for this URL");
    return exchange_refuse(x, 200, NULL, "%zu stored response%s removed", n, n == 1 ? "" : "s");
}

static int check_deny(struct exchange *x, const struct config_rule *rule)
{
    char place[CONFIG_RULE_PLACE];

    x->rule = rule;
    return exchange_refuse(x, 403, "http_request_denied", "denied by the rule in %s",
                           config_rule_place(rule, place, sizeof(place)));
}

static const struct config_rule *check_match(const struct exchange *x)
{
    struct config_subject subject;
    struct sockaddr_storage destination;

    check_subject(x, &subject, &destination);
    return config_rule_match(x->runtime->config, &subject);
}

int check_upgraded(struct exchange *x)
{
    const struct config_rule *rule = check_match(x);

    return rule != NULL && rule->deny ? check_deny(x, rule) : EXCHANGE_LOOKUP;
}

int check_request(struct exchange *x)
{
    const struct config *config = x->runtime->config;
    const struct config_rule *rule;
    int next = check_target(x), r;

    if (next != EXCHANGE_POLICY)
        return next;
    check_describe(x);
    body_init(&x->request_body, x->request.framing, x->request.content_length);
    if (!config_networks_match(&config->access.clients, (const struct sockaddr *)x->peer))
        return exchange_refuse(x, 403, "http_request_denied",
                               "this client's address is not in access.clients");
    if (dive_span_eq(x->request.method, "PURGE") && x->destination.kind == 0)
        return check_purge(x);
    if (http_via_is_loop(&x->request)) /* RFC 9110 section 7.6.3 */
        return exchange_refuse(x, 508, "proxy_loop_detected", "the request has been here before");
    if (config->limits.request_body_size > 0 &&
        x->request.content_length > config->limits.request_body_size)
        return exchange_refuse(x, 413, "http_request_error",
                               "the request content is larger than limits.request-body-size");
    /* Whole, however long: a glob that looks at its end must not miss it. */
    x->path = http_path_meaning(x->url.path);
    if (x->path == NULL)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    x->rule = rule = check_match(x);
    if (rule != NULL && rule->deny)
        return check_deny(x, rule);
    x->parent = runtime_parent(x->runtime, rule);
    check_mode(x, rule);
    destination_start(x);
    r = x->exempt ? 0 : verify_start(x);
    if (r != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "verification can't begin: %s",
                               dive_strerror(r));
    return EXCHANGE_POLICY;
}
