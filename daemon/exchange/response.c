/* SPDX-License-Identifier: BSD-2-Clause
 *
 * response: HEAD and JUDGE. Reads the response's head, passes interim responses on, and decides
 * what is to become of the content: stream it, hold it, or refuse it at once.
 */
#include <string.h>

#include "cache/invalidate.h"
#include "exchange/private.h"

#define RESPONSE_INTERIM_MAX 32 /* 1xx responses to one request */

/* RFC 9110 section 9.2.2: what may be sent twice. */
static bool response_may_retry(const struct exchange *x)
{
    static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

    if (x->retried || !x->origin->reused || x->interim > 0 || x->request_body.taken > 0 ||
        buffer_length(&x->origin->channel.in) > 0 ||
        (x->request_ended && x->request_body.framing == HTTP_BODY_CHUNKED))
        return false; /* the last chunk is consumed, and would be missing the second time */
    for (size_t i = 0; i < sizeof(idempotent) / sizeof(idempotent[0]); i++)
        if (dive_span_eq(x->request.method, idempotent[i]))
            return true;
    return false;
}

/* The connection ended before a whole head was there. A connection that had idled may have been
 * closed while the request was on its way (RFC 9112 section 9.5): then once more, on a new one. */
static int response_connection_lost(struct exchange *x, bool in_order)
{
    if (response_may_retry(x)) {
        exchange_drop_origin(x, false);
        x->retried = true;
        x->request_queued = x->awaits_head = false;
        return EXCHANGE_CONNECT;
    }
    exchange_drop_origin(x, false);
    /* It was reached, so we aren't disconnected: this is an error (RFC 5861 section 4). */
    if (x->decision.if_error && validated_unreachable(x) == EXCHANGE_REUSE)
        return EXCHANGE_REUSE;
    return exchange_refuse(x, 502, in_order ? "http_response_incomplete" : "connection_terminated",
                           "the origin closed the connection before its response began");
}

static int response_malformed(struct exchange *x, int error)
{
    exchange_drop_origin(x, false);
    return exchange_refuse(x, 502,
                           error == HTTP_E_HEAD_TOO_LARGE ? "http_response_header_section_size"
                                                          : "http_protocol_error",
                           "the origin's response is not acceptable: %s", http_error_text(error));
}

int response_queue_head(struct exchange *x, const struct http_head *from, int status,
                        enum http_body framing, int64_t content_length,
                        const struct dive_field *add, size_t n_add, const char *const *drop)
{
    struct http_buffer *scratch = &x->worker->scratch;
    struct http_write write = {
        .from = from,
        .drop = drop,
        .add = add,
        .n_add = n_add,
        .framing = framing,
        .content_length = content_length,
        .close = status >= 200 && exchange_fate_of(x) != EXCHANGE_KEEP,
        .upgrade = status == 101,
        .via = true,
        .date = status >= 200,
        /* A stored response without a Date has the time when it came. */
        .now = x->from_store ? object_meta(x->object)->response_time : worker_now(x->worker),
    };
    struct dive_span reason = status == from->status ? from->reason : dive_span("", 0);
    int r;

    if (x->client == NULL)
        return 0;

    scratch->n = 0;
    r = http_write_response(scratch, status, reason, &write);
    if (r == 0)
        r = buffer_append(&x->client->out, scratch->p, scratch->n, SIZE_MAX / 2);
    return r;
}

/* RFC 9110 section 15.2: interim responses are passed on, but for those that the client can't
 * expect, and for those to the request that fetches the rest of content (exchange/resume.c): the
 * client has its head, and would take them for content. */
static int response_interim(struct exchange *x)
{
    int r = 0;

    if (++x->interim > RESPONSE_INTERIM_MAX) {
        exchange_drop_origin(x, false);
        return exchange_refuse(x, 502, "http_protocol_error", "the origin sends 1xx without end");
    }
    if (!x->head_sent && x->request.minor > 0 &&
        (x->response.status != 100 || x->request.expects_continue))
        r = response_queue_head(x, &x->response, x->response.status, HTTP_BODY_NONE, -1, NULL, 0,
                                NULL);
    http_head_clear(&x->response);
    x->scan = (struct http_scan){0};
    if (r != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    if (x->client != NULL && channel_flush(x->client) == STREAM_ERROR)
        return exchange_detach_client(x, "the client left") ? EXCHANGE_WAIT
                                                            : exchange_client_left(x);
    return EXCHANGE_WAIT;
}

static bool response_has_content(const struct exchange *x)
{
    if (dive_span_eq(x->request.method, "HEAD"))
        return false;
    if (x->response.status == 200)
        return true; /* an empty one too: emptying a file is tampering like any other */
    return x->response.framing != HTTP_BODY_NONE &&
           !(x->response.framing == HTTP_BODY_LENGTH && x->response.content_length == 0);
}

int response_describe(struct exchange *x)
{
    x->dive_response = (struct dive_response){
        .status = x->response.status,
        .has_content = response_has_content(x),
        .fields = http_head_fields(&x->response),
    };
    return verify_response(x);
}

/* RFC 9111 section 4.4: what an unsafe request has changed isn't what is stored. */
static void response_invalidate(struct exchange *x)
{
    struct invalidate changed;
    struct store_key key;

    if (x->worker->shared->store == NULL || invalidate_is_safe_method(x->request.method) ||
        destination_proof(x) == DESTINATION_UNPROVEN)
        return;
    if (invalidate_of(&changed, x->request.method, &x->url, &x->response) != 0) {
        store_purge_host(x->worker->shared->store, x->url.at.host);
        return;
    }
    for (size_t i = 0; i < changed.n; i++)
        if (key_of_url(&key, &changed.urls[i]))
            store_purge(x->worker->shared->store, &key);
    invalidate_clear(&changed);
}

/* The final head is parsed: everything that follows from it alone. */
static int response_begin(struct exchange *x)
{
    int next;

    if (resume_is_under_way(x))
        return resume_response(x);
    if (destination_proof(x) != DESTINATION_PROVEN)
        x->caches = false;
    response_invalidate(x);
    next = validated_response(x);
    if (next != EXCHANGE_JUDGE)
        return next;
    if (x->response.status == 101 && !x->asks_upgrade) {
        exchange_drop_origin(x, false);
        return exchange_refuse(x, 502, "http_protocol_error",
                               "the origin changes protocols without having been asked to");
    }
    body_init(&x->response_body, x->response.framing, x->response.content_length);
    /* An auditor's range went to the origin as it was: a part can't be judged. */
    if (x->verifier != NULL && x->response.status == 206 && !x->take_whole &&
        http_field_get(&x->request, "Range") != NULL &&
        (x->report_only || x->mode == CONFIG_MODE_REPORT_ONLY)) {
        verify_drop_part(x);
    }
    keep_decide(x);
    if (response_describe(x) != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    return EXCHANGE_JUDGE;
}

/* 407 is the parent's word for us; the client would take it for ours. */
static int response_parent_denies(struct exchange *x)
{
    const struct parent *parent = x->origin->parent;

    exchange_drop_origin(x, false);
    return exchange_refuse(x, 502, "proxy_configuration_error", "parent proxy %s: %s (status 407)",
                           parent->name, parent_refusal(parent));
}

int response_head(struct exchange *x)
{
    struct channel *origin = &x->origin->channel;

    if (!x->awaits_head) {
        /* The request has only just gone out: a read would find nothing. */
        x->awaits_head = true;
        x->want_origin |= STREAM_READ;
        return EXCHANGE_WAIT;
    }
    for (;;) {
        size_t consumed = 0;
        ssize_t n;
        int r = HTTP_NEED_MORE;

        if (buffer_length(&origin->in) > 0)
            r = http_head_parse_response(&x->response, buffer_data(&origin->in),
                                         buffer_length(&origin->in), x->request.method,
                                         &x->runtime->http_limits, &x->scan, &consumed);
        if (r < 0)
            return response_malformed(x, r);
        if (r == HTTP_DONE) {
            buffer_consume(&origin->in, consumed);
            if (x->response.status == 407 && x->origin->absolute)
                return response_parent_denies(x);
            if (x->response.status >= 200 || x->response.status == 101)
                return response_begin(x);
            r = response_interim(x);
            if (r != EXCHANGE_WAIT)
                return r;
            continue;
        }
        n = channel_fill(origin, x->runtime->http_limits.head + CHANNEL_READ_SIZE);
        if (n == STREAM_WAIT) {
            x->want_origin |= STREAM_READ;
            return EXCHANGE_WAIT;
        }
        if (n <= 0)
            return response_connection_lost(x, n == STREAM_EOF);
    }
}

/* dive.error-bodies: strip. Content that no signature covers, from a host that signs; never in
 * report-only, the policy's own neither. */
bool response_is_stripped(const struct exchange *x)
{
    return x->runtime->config->dive.error_bodies == CONFIG_ERROR_BODIES_STRIP &&
           x->mode == CONFIG_MODE_ENFORCE && !x->report_only && x->verifier != NULL &&
           x->response.status >= 300 && x->response.framing != HTTP_BODY_NONE &&
           dive_verifier_policy_state(x->verifier) != DIVE_POLICY_ABSENT &&
           (dive_verifier_policy(x->verifier) == NULL ||
            dive_verifier_policy_has_scopes(x->verifier));
}

static int response_stream(struct exchange *x);

/* Content that passes and is kept: by way of a hold that others may read along. */
static int response_tee(struct exchange *x)
{
    struct hold *hold = NULL;
    int64_t length = x->response.framing == HTTP_BODY_NONE ? 0 : x->response.content_length;
    int r;

    if (hold_new(&hold, &x->worker->shared->hold, keep_limits(x),
                 length >= 0 ? (uint64_t)length : HOLD_SIZE_UNKNOWN) != HOLD_OK ||
        keep_announce(x, &hold) != 0) {
        hold_free(&hold);
        x->keeps = false;
        return response_stream(x);
    }
    x->source = (struct source){.hold = flight_hold(x->flight)};
    x->action = ACTION_STREAMED;
    x->origin_due_ms = loop_now_ms(&x->worker->loop) + x->runtime->config->timeouts.origin_idle_ms;
    if (x->client == NULL) {
        x->head_sent = true;
        x->status = x->response.status;
        return EXCHANGE_TEE;
    }
    r = release_begin(x, length);
    return r == 1 ? EXCHANGE_TEE : r;
}

/* The stage that content which isn't held goes to; its head is queued for the client here. */
static int response_stream(struct exchange *x)
{
    char text[CACHE_STATUS_SIZE];
    struct dive_field cache_status = {dive_span_str("Cache-Status"), {0}};
    int64_t length = x->response.content_length;

    if (x->keeps && !response_is_stripped(x))
        return response_tee(x);
    x->keeps = x->cache_status.stored = false;
    keep_release(x);
    if (x->client == NULL)
        return exchange_break(x, "it can't be stored, and no client waits for it");
    cache_status.value = dive_span(text, cache_status_format(text, &x->cache_status));

    x->client_body = x->response.framing;
    if (response_is_stripped(x)) {
        exchange_drop_origin(x, false);
        x->client_body = HTTP_BODY_LENGTH;
        length = 0;
    }
    if (x->client_body == HTTP_BODY_CHUNKED && x->request.minor == 0)
        x->client_body = HTTP_BODY_UNTIL_CLOSE;
    else if (x->client_body == HTTP_BODY_UNTIL_CLOSE && x->request.minor > 0)
        x->client_body = HTTP_BODY_CHUNKED;
    if (response_queue_head(x, &x->response, x->response.status, x->client_body, length,
                            &cache_status, 1, NULL) != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    x->head_sent = true;
    x->status = x->response.status;
    x->action = ACTION_STREAMED;
    return EXCHANGE_STREAM;
}

/* What comes behind a 101 isn't covered by any scope, but of a host whose policy can't be validated
 * every resource is refused. */
static int response_judge_upgrade(struct exchange *x)
{
    if (x->verifier == NULL || x->mode != CONFIG_MODE_ENFORCE)
        return EXCHANGE_UPGRADE;
    switch (dive_verifier_policy_state(x->verifier)) {
    case DIVE_POLICY_ABSENT:
    case DIVE_POLICY_FOUND:
        return EXCHANGE_UPGRADE;
    case DIVE_POLICY_FAILED:
        return policy_block_unvalidated(x);
    case DIVE_POLICY_PENDING:
    default:
        exchange_deadline(x, x->runtime->config->dns.timeout_ms * 2 + 5000);
        return EXCHANGE_WAIT;
    }
}

int response_judge(struct exchange *x)
{
    const struct dive_policy *policy;
    enum dive_reason reason;

    if (x->response.status == 101)
        return response_judge_upgrade(x);
    if (x->verifier == NULL || x->mode == CONFIG_MODE_REPORT_ONLY) {
        x->report_only = true;
        return response_stream(x);
    }
    switch (dive_verifier_coverage(x->verifier)) {
    case DIVE_UNCOVERED:
        return response_stream(x);
    case DIVE_COVERED:
        break;
    case DIVE_COVERAGE_PENDING:
    default:
        /* Not one byte before the policy is known; the origin waits in its socket. */
        exchange_deadline(x, x->runtime->config->dns.timeout_ms * 2 + 5000);
        return EXCHANGE_WAIT;
    }
    policy = dive_verifier_policy(x->verifier);
    x->report_only = policy != NULL && policy->report_only;
    if (x->report_only)
        return response_stream(x);
    if (dive_verifier_verdict(x->verifier) == DIVE_REJECT)
        return hold_block(x);
    reason = keep_rejection(x);
    if (reason != DIVE_REASON_NONE)
        return hold_block_again(x, reason);
    if (x->keeps ? keep_announce(x, NULL) != 0 : false)
        x->keeps = false;
    if (!x->keeps)
        keep_release(x);
    return EXCHANGE_HOLD;
}

void response_release_origin(struct exchange *x)
{
    bool reusable = x->response_body.complete && x->request_body.complete && !x->pumping &&
                    x->response.keep_alive && x->response.framing != HTTP_BODY_UNTIL_CLOSE;

    exchange_drop_origin(x, reusable);
}
