/* SPDX-License-Identifier: BSD-2-Clause
 *
 * connect: POLICY and CONNECT. What has to be known about the policy before the origin hears of the
 * request at all, and a connection to the origin.
 *
 * Mostly nothing has to be known: the policy is looked up while the connection is made. It is
 * waited for where the request itself depends on it: in the clear (https-required), with a Range (a
 * covered resource is fetched whole), and where unsupported hosts are blocked.
 */
#include <stdlib.h>
#include <string.h>

#include "exchange/private.h"
#include "http/via.h"

/* Is a host without a policy to be blocked? */
static bool policy_is_required(const struct exchange *x)
{
    if (x->rule != NULL && x->rule->require != CONFIG_SWITCH_UNSET)
        return x->rule->require == CONFIG_SWITCH_ON;
    return x->runtime->config->dive.unsupported == CONFIG_UNSUPPORTED_BLOCK;
}

static bool policy_is_needed(const struct exchange *x)
{
    if (x->verifier == NULL)
        return false;
    return !x->url.https || http_field_get(&x->request, "Range") != NULL || policy_is_required(x);
}

/* 403 for a reason of our own that isn't in the draft's list. */
static int policy_block(struct exchange *x, const char *word, const char *text)
{
    x->verdict = VERDICT_FAILED;
    x->action = ACTION_BLOCKED;
    x->reason_word = word;
    return exchange_refuse(x, 403, "dive_verification_failed", "%s", text);
}

int policy_block_unvalidated(struct exchange *x)
{
    int next = policy_block(x, NULL, "DNS gave no validated answer about the host's policy");

    x->reason = DIVE_REASON_DNSSEC_UNAVAILABLE;
    return next;
}

/* draft-01 section 5.3: "refuse or upgrade plain-HTTP requests"; report-only is no excuse. */
static int policy_require_https(struct exchange *x)
{
    if (x->runtime->config->dive.https_required == CONFIG_HTTPS_REQUIRED_REFUSE ||
        x->url.at.port != http_default_port(false) || x->fixed != NULL || x->request.is_upgrade)
        return policy_block(x, "https-required",
                            "the domain's policy requires https, and this request is in the clear");
    x->url.https = true;
    x->url.at.port = http_default_port(true);
    http_authority_format(x->url.authority, &x->url.at, x->url.at.port);
    x->dive_request.scheme = dive_span_str("https");
    x->dive_request.authority = dive_span_str(x->url.authority);
    x->upgraded_to_https = true;
    return check_upgraded(x);
}

int policy_wait(struct exchange *x)
{
    enum dive_policy_state state;
    const struct dive_policy *policy;

    if (!policy_is_needed(x))
        return EXCHANGE_LOOKUP;
    state = dive_verifier_policy_state(x->verifier);
    if (state == DIVE_POLICY_PENDING) {
        exchange_deadline(x, x->runtime->config->dns.timeout_ms + 5000);
        return EXCHANGE_WAIT;
    }
    if (state == DIVE_POLICY_ABSENT && x->mode == CONFIG_MODE_ENFORCE && policy_is_required(x)) {
        int next = policy_block(x, "not-supported", "the host does not support DIVE");

        x->verdict = VERDICT_NOT_SUPPORTED;
        return next;
    }
    /* Whether the policy requires https can't be known: nothing is said in the clear. */
    if (state == DIVE_POLICY_FAILED && x->mode == CONFIG_MODE_ENFORCE && !x->url.https)
        return policy_block_unvalidated(x);
    if (state != DIVE_POLICY_FOUND)
        return EXCHANGE_LOOKUP;
    policy = dive_verifier_policy(x->verifier);
    x->report_only = policy->report_only || x->mode == CONFIG_MODE_REPORT_ONLY;
    x->take_whole = !x->report_only && dive_verifier_policy_has_scopes(x->verifier) &&
                    dive_span_eq(x->request.method, "GET");
    if (policy->https_required && !x->url.https)
        return policy_require_https(x);
    return EXCHANGE_LOOKUP;
}

static void connect_on_ready(void *arg, struct origin_connection *connection,
                             const struct origin_failure *failure)
{
    struct exchange *x = arg;

    if (x->closing)
        return;
    x->origin = NULL;
    if (connection != NULL) {
        exchange_take_origin(x, connection);
    } else {
        x->connect_failed = true;
        x->connect_status = failure->status;
        x->error_type = failure->error_type;
        snprintf(x->error, sizeof(x->error), "%s", failure->details);
    }
    exchange_run(x);
}

/* The connection failed for want of DNS. A policy that DNS can't validate either is the better
 * reason to give, and the same one that http gets. */
static int connect_failed(struct exchange *x)
{
    char why[sizeof(x->error)];
    int next = validated_unreachable(x);

    if (next != EXCHANGE_REFUSE)
        return next;
    if (x->verifier != NULL && x->mode == CONFIG_MODE_ENFORCE && !x->head_sent &&
        strncmp(x->error_type, "dns_", 4) == 0) {
        enum dive_policy_state state = dive_verifier_policy_state(x->verifier);

        if (state == DIVE_POLICY_PENDING)
            return EXCHANGE_WAIT;
        if (state == DIVE_POLICY_FAILED)
            return policy_block_unvalidated(x);
    }
    memcpy(why, x->error, sizeof(why));
    return exchange_refuse(x, x->connect_status, x->error_type, "%s", why);
}

int connect_origin(struct exchange *x)
{
    struct origin_target target = {x->url.https, x->url.at.host, x->url.at.port,  x->route,
                                   x->parent,    NULL,           x->client_number};
    char *via;
    int r;

    if (x->origin_ready)
        return EXCHANGE_SEND;
    if (x->origin != NULL)
        return EXCHANGE_WAIT;
    if (x->connect_failed)
        return connect_failed(x);
    target.via = via = x->parent != NULL ? http_via_received(&x->request) : NULL;
    r = origin_open(x->worker->origins, x->runtime, x->worker->resolver, &target, x->retried,
                    connect_on_ready, x, &x->origin);
    free(via);
    if (r < 0)
        return exchange_refuse(x, r == DIVE_E_SYNTAX ? 400 : 503, "proxy_internal_error",
                               "no connection could be started: %s", dive_strerror(r));
    if (r == 1) {
        exchange_take_origin(x, x->origin);
        return EXCHANGE_SEND;
    }
    /* The pool bounds the attempt itself; this is a second fence. */
    exchange_deadline(x, x->runtime->config->origins.connect_timeout_ms +
                             x->runtime->config->timeouts.tls_handshake_ms + 5000);
    return EXCHANGE_WAIT;
}
