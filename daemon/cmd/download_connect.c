/* SPDX-License-Identifier: BSD-2-Clause
 *
 * download_connect: POLICY and CONNECT of a download: what must be known before the origin hears of
 * the request, and a connection to it.
 */
#include <stdlib.h>
#include <sysexits.h>

#include "cmd/download_private.h"

/* draft-01 section 5.3, as the proxy does it. */
static int download_require_https(struct download *d)
{
    if (d->runtime->config->dive.https_required == CONFIG_HTTPS_REQUIRED_REFUSE ||
        d->url.at.port != http_default_port(false))
        return download_reject(d, "https-required",
                               "the policy of %s requires https, and this URL is in the clear",
                               d->url.at.host);
    d->url.https = true;
    d->url.at.port = http_default_port(true);
    http_authority_format(d->url.authority, &d->url.at, d->url.at.port);
    free(d->url_text);
    d->result->url = d->url_text = http_url_string(&d->url, false);
    return d->url_text != NULL ? DOWNLOAD_STATE_CONNECT
                               : download_fail(d, EX_OSERR, "out of memory");
}

int download_policy(struct download *d)
{
    enum dive_policy_state state = dive_verifier_policy_state(d->verifier);

    if (d->url.https)
        return DOWNLOAD_STATE_CONNECT;
    switch (state) {
    case DIVE_POLICY_PENDING:
        download_deadline(d, d->runtime->config->dns.timeout_ms * 2 + 5000);
        return DOWNLOAD_WAIT;
    case DIVE_POLICY_FAILED:
        return download_reject_unvalidated(d);
    case DIVE_POLICY_FOUND:
        if (dive_verifier_policy(d->verifier)->https_required)
            return download_require_https(d);
        break;
    case DIVE_POLICY_ABSENT:
        break;
    }
    return DOWNLOAD_STATE_CONNECT;
}

static int download_exit_of(const char *error_type)
{
    static const struct {
        const char *type;
        int code;
    } codes[] = {{"dns_error", EX_NOHOST},
                 {"dns_timeout", EX_TEMPFAIL},
                 {"connection_timeout", EX_TEMPFAIL},
                 {"destination_ip_prohibited", EX_NOPERM},
                 {"tls_certificate_error", EX_PROTOCOL},
                 {"tls_protocol_error", EX_PROTOCOL},
                 {"tls_alert_received", EX_PROTOCOL},
                 {"proxy_internal_error", EX_OSERR}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(codes[i].type, error_type) == 0)
            return codes[i].code;
    return EX_UNAVAILABLE;
}

static void download_on_event(void *arg, unsigned events)
{
    download_enter(arg, DOWNLOAD_WAIT);
}

static int download_connected(struct download *d, struct origin_connection *connection)
{
    d->origin = connection;
    d->origin_ready = true;
    stream_set_owner(&connection->channel.stream, download_on_event, d);
    return DOWNLOAD_STATE_SEND;
}

static void download_on_connection(void *arg, struct origin_connection *connection,
                                   const struct origin_failure *failure)
{
    struct download *d = arg;
    int code;

    d->origin = NULL;
    if (d->state == DOWNLOAD_STATE_END)
        return;
    if (connection != NULL) {
        download_enter(d, download_connected(d, connection));
        return;
    }
    code = download_exit_of(failure->error_type);
    (void)download_fail(d, code, "%s: %s%s", d->url.authority, failure->details,
                        code == EX_NOPERM ? " (origins.allow-networks opens it)" : "");
    /* A policy that DNS can't validate either is the better reason to give. */
    if (strncmp(failure->error_type, "dns_", 4) == 0) {
        d->dns_failed = true;
        download_enter(d, DOWNLOAD_WAIT);
        return;
    }
    download_enter(d, DOWNLOAD_STATE_END);
}

int download_connect(struct download *d)
{
    const struct config *config = d->runtime->config;
    struct origin_target target = {d->url.https,
                                   d->url.at.host,
                                   d->url.at.port,
                                   NULL,
                                   runtime_parent_of_url(d->runtime, &d->url),
                                   NULL};
    int r;

    if (d->dns_failed) {
        enum dive_policy_state state = dive_verifier_policy_state(d->verifier);

        if (state == DIVE_POLICY_PENDING)
            return DOWNLOAD_WAIT;
        return state == DIVE_POLICY_FAILED ? download_reject_unvalidated(d) : DOWNLOAD_STATE_END;
    }
    if (d->origin != NULL)
        return DOWNLOAD_WAIT;
    r = origin_open(d->origins, d->runtime, d->resolver, &target, true, download_on_connection, d,
                    &d->origin);
    if (r < 0)
        return download_fail(d, r == DIVE_E_SYNTAX ? EX_NOHOST : EX_OSERR,
                             "%s: no connection could be started: %s", d->url.authority,
                             dive_strerror(r));
    if (r == 1)
        return download_connected(d, d->origin);
    download_deadline(d, download_patience(d, config->origins.connect_timeout_ms +
                                                  config->timeouts.tls_handshake_ms + 5000));
    return DOWNLOAD_WAIT;
}
