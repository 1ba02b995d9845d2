/* SPDX-License-Identifier: BSD-2-Clause
 *
 * challenge: the answer to a request that authentication has refused, most often 407 with the
 * schemes that are offered (RFC 9110 section 11.7.1). The connection goes on after it where it can,
 * after CONNECT too: clients negotiate on one connection, and some schemes need it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "client/connection.h"
#include "core/log.h"
#include "exchange/access_log.h"
#include "exchange/error_page.h"
#include "http/media.h"

static void challenge_log(struct client_connection *c, const struct http_head *head, const char *id)
{
    const struct authentication_refusal *refusal = &c->authentication.refusal;
    struct http_url url;
    bool known = http_url_from_request(&url, head, c->tls, c->in_tunnel ? &c->tunnel : NULL) == 0;
    char *text = known ? http_url_string(&url, c->runtime->config->log.redact_query) : NULL;
    struct timeval now = {0};
    struct access_entry entry = {
        .url = text,
        .host = known ? url.at.host : NULL,
        .exchange = id,
        .client = c->peer_text,
        .user = c->authentication.user,
        .method = head->method,
        .status = refusal->status,
        .error = refusal->text,
        .listener = c->listener,
    };

    gettimeofday(&now, NULL);
    entry.started_unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
    access_log_entry(&c->worker->log_line, &entry);
    free(text);
    http_url_clear(&url);
}

/* Is the connection good for another request? Content of this one would have to be read first. And
 * what came behind a CONNECT already was meant for the inside of the tunnel, perhaps by somebody
 * else than the client: it must not be read as requests. */
static bool challenge_goes_on(const struct client_connection *c, const struct http_head *head)
{
    if (dive_span_eq(head->method, "CONNECT") && buffer_length(&c->channel.in) > 0)
        return false;
    return !c->authentication.refusal.close && head->keep_alive && !c->worker->draining &&
           (head->framing == HTTP_BODY_NONE ||
            (head->framing == HTTP_BODY_LENGTH && head->content_length == 0));
}

void client_connection_challenge(struct client_connection *c, struct http_head *head)
{
    const struct authentication_refusal *refusal = &c->authentication.refusal;
    struct dive_field add[AUTHENTICATION_CHALLENGES + 1];
    bool goes_on = challenge_goes_on(c, head);
    char id[EXCHANGE_ID_SIZE], seconds[16], *memory = NULL;
    struct error_page page = {
        .status = refusal->status,
        .error_type = refusal->status == 400   ? "http_request_error"
                      : refusal->status == 503 ? "proxy_internal_error"
                                               : "http_request_denied",
        .text = refusal->text,
        .exchange = id,
        .add = add,
        .html = http_prefers_html(head),
        .head_only = dive_span_eq(head->method, "HEAD"),
        .close = !goes_on,
        .now = worker_now(c->worker),
    };
    int r;

    shared_exchange_id(c->worker->shared, id);
    page.n_add = authentication_challenges(&c->authentication, c->runtime, add, &memory);
    if (refusal->retry_after > 0) {
        snprintf(seconds, sizeof(seconds), "%u", refusal->retry_after);
        add[page.n_add++] =
            (struct dive_field){dive_span_str("Retry-After"), dive_span_str(seconds)};
    }
    challenge_log(c, head, id);
    /* A 407 without a challenge is none (section 11.7.1): memory is out. */
    r = refusal->status == 407 && page.n_add == 0
            ? HTTP_E_NOMEM
            : error_page_write(&c->channel.out, &c->worker->scratch, &page);
    free(memory);
    http_head_clear(head);
    if (r != 0)
        client_connection_finish(c, EXCHANGE_ABORT);
    else if (goes_on)
        client_connection_flush_then_read(c);
    else
        client_connection_finish(c, EXCHANGE_LINGER);
}
