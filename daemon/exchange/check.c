/* SPDX-License-Identifier: BSD-2-Clause
 *
 * check: CHECK. What the request is for, whether this client may ask for it, and who decides about
 * the response: the mode of rules, browsers and the configuration.
 */
#include <string.h>

#include "exchange/private.h"

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
    int r = http_url_from_request(&x->url, &x->request, x->tls, x->fixed);

    if (r == HTTP_E_NOMEM)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    if (r != 0)
        return exchange_refuse(x, http_error_status(r), "http_request_error", "%s",
                               http_error_text(r));
    x->url_known = true;
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

/* RFC 9110 section 7.6.3: our own name in Via, more often than chains of proxies make it. */
static bool check_loops(const struct exchange *x)
{
    unsigned seen = 0;

    for (size_t i = 0; i < x->request.n_fields; i++) {
        static const struct dive_span via = {"via", 3};
        struct dive_span rest = x->request.fields[i].value, member;

        if (!dive_span_caseeq(x->request.fields[i].name, via))
            continue;
        while (http_list_next(&rest, &member))
            if (member.n >= 6 && memmem(member.p, member.n, " dived", 6) != NULL)
                seen++;
    }
    return seen >= 8;
}

/* A request with Sec-Fetch-Mode is a browser's: the drafts forbid browsers to enforce. */
static void check_mode(struct exchange *x, const struct config_rule *rule)
{
    const struct config *config = x->runtime->config;
    enum config_browsers browsers = config->dive.browsers;

    x->mode = config->dive.mode;
    if (rule != NULL && rule->mode != CONFIG_MODE_UNSET)
        x->mode = rule->mode;
    if (rule != NULL && rule->browsers != CONFIG_BROWSERS_UNSET)
        browsers = rule->browsers;
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
    if (!key_of_url(&key, &x->url))
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    n = store_purge(x->worker->shared->store, &key);
    if (n == 0)
        return exchange_refuse(x, 404, "http_request_error", "nothing is stored for this URL");
    return exchange_refuse(x, 200, NULL, "%zu stored response%s removed", n, n == 1 ? "" : "s");
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
    if (dive_span_eq(x->request.method, "PURGE"))
        return check_purge(x);
    if (check_loops(x))
        return exchange_refuse(x, 508, "proxy_loop_detected", "the request has been here before");
    if (config->limits.request_body_size > 0 &&
        x->request.content_length > config->limits.request_body_size)
        return exchange_refuse(x, 413, "http_request_error",
                               "the request content is larger than limits.request-body-size");
    /* Whole, however long: a glob that looks at its end must not miss it. */
    x->path = strndup(x->url.path.p, x->url.path.n);
    if (x->path == NULL)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    rule = config_rule_match(config, x->url.at.host, (const struct sockaddr *)x->peer, x->path);
    if (rule != NULL && rule->deny) {
        x->denied_by = rule->line;
        return exchange_refuse(x, 403, "http_request_denied", "denied by the rule in line %u",
                               rule->line);
    }
    check_mode(x, rule);
    r = x->exempt ? 0 : verify_start(x);
    if (r != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "verification can't begin: %s",
                               dive_strerror(r));
    return EXCHANGE_POLICY;
}
