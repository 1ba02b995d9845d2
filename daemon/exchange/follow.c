/* SPDX-License-Identifier: BSD-2-Clause
 *
 * follow: FOLLOW and SHARE. Somebody else's transfer brings what this client asked for too: wait
 * for it, read along where nothing covers it, and take the stored object once it is there.
 *
 * This exchange has rules, a mode and a verifier of its own: a leader's verdict is never taken over
 * for content that goes out. What is covered is waited for and then judged here, by the digests
 * that the leader has computed or by hashing it again.
 */
#include <string.h>

#include "exchange/private.h"

/* Back on its own feet, with nothing said to the client yet. */
static int follow_alone(struct exchange *x)
{
    if (reuse_forget_head(x) != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    keep_leave(x);
    return EXCHANGE_CONNECT;
}

/* The leader has nothing to give. Its answer is ours, where it speaks of the origin. */
static int follow_failed(struct exchange *x, const struct flight_failure *failure)
{
    if (x->head_sent)
        return exchange_break(x, "%s", failure->text);
    if (!failure->blocked)
        return exchange_refuse(x, failure->status, failure->error_type, "%s", failure->text);
    if (x->verifier == NULL || x->mode != CONFIG_MODE_ENFORCE || failure->personal)
        return follow_alone(x);
    x->concluded = true;
    x->verdict = VERDICT_FAILED;
    x->action = ACTION_BLOCKED;
    x->reason = failure->reason;
    x->reason_word = failure->reason_word;
    return exchange_refuse(x, 403, "dive_verification_failed", "%s", failure->text);
}

/* The head is here. Is it an answer to this request too? */
static bool follow_matches(struct exchange *x, const struct object_meta *meta)
{
    return meta->vary[0] == '\0' || reuse_variant(x, meta->vary) == meta->variant;
}

/* Another variant: those who ask for that one may wait for each other again. */
static int follow_other_variant(struct exchange *x, const struct object_meta *meta)
{
    bool again = !x->joined_variant &&
                 key_of_variant(&x->flight_key, &x->key, meta->vary, reuse_variant(x, meta->vary));

    x->joined_variant = true;
    x->cache_status.collapsed = false;
    keep_leave(x);
    x->joins = again;
    return again ? EXCHANGE_LOOKUP : EXCHANGE_CONNECT;
}

/* What the leader has may be a stored response that the origin has validated: one that was chosen
 * for the leader's request, not for ours. */
static int follow_done(struct exchange *x, struct object *object)
{
    const struct object_meta *meta;

    if (object == NULL)
        return follow_alone(x);
    meta = object_meta(object);
    if (!follow_matches(x, meta))
        return follow_other_variant(x, meta);
    x->object = object_ref(object);
    freshness_of(&x->freshness, &meta->head, meta->request_time, meta->response_time);
    freshness_decide(&x->decision, &x->freshness, &x->control, worker_now(x->worker));
    return EXCHANGE_REUSE;
}

/* 1: may be read along, 0: wait for the end, EXCHANGE_WAIT: not known yet, or as a stage. */
static int follow_judge(struct exchange *x, const struct object_meta *meta)
{
    if (x->verifier == NULL)
        return 1;
    if (reuse_take_head(x, meta) != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    if (x->mode == CONFIG_MODE_REPORT_ONLY)
        return 1;
    switch (dive_verifier_coverage(x->verifier)) {
    case DIVE_UNCOVERED:
        return 1;
    case DIVE_COVERED:
        return 0;
    case DIVE_COVERAGE_PENDING:
    default:
        exchange_deadline(x, x->runtime->config->dns.timeout_ms * 2 + 5000);
        return EXCHANGE_WAIT;
    }
}

int follow_flight(struct exchange *x)
{
    struct flight_view view;
    int next;

    flight_look(x->flight, &x->waiter, &view);
    if (view.meta != NULL && !follow_matches(x, view.meta))
        return follow_other_variant(x, view.meta);
    switch (view.state) {
    case FLIGHT_DONE:
        return follow_done(x, view.object);
    case FLIGHT_RELEASED:
        return follow_alone(x);
    case FLIGHT_FAILED:
        return follow_failed(x, view.failure);
    case FLIGHT_STREAMING:
        next = follow_judge(x, view.meta);
        if (next == 1)
            return EXCHANGE_SHARE;
        if (next != 0)
            return next;
        break;
    case FLIGHT_PENDING:
    case FLIGHT_HELD:
        break;
    }
    /* The leader's own deadlines end this; ours is a fence for a leader that is stuck. */
    exchange_deadline(x, x->runtime->config->hold.timeout_ms + 60000);
    return EXCHANGE_WAIT;
}

static int share_begin(struct exchange *x, const struct object_meta *meta)
{
    int64_t length = meta->head.content_length;
    int r;

    if (reuse_take_head(x, meta) != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    x->report_only = x->verifier != NULL && x->mode == CONFIG_MODE_REPORT_ONLY;
    x->send_hashes = x->report_only;
    x->source = (struct source){.hold = flight_hold(x->flight), .shared = true};
    x->action = ACTION_STREAMED;
    r = release_begin(x, length);
    if (r == 1 && x->send_hashes && x->ranged)
        verify_drop_part(x);
    return r;
}

/* What there is to be sent was sent. 1: there is more, EXCHANGE_WAIT, or as a stage. */
static int share_wait(struct exchange *x)
{
    struct flight_view view;

    flight_look(x->flight, &x->waiter, &view);
    if (view.state == FLIGHT_FAILED)
        return follow_failed(x, view.failure);
    if (view.state == FLIGHT_RELEASED)
        return exchange_break(x, "the transfer was given up");
    if (view.state == FLIGHT_DONE || view.published > x->source.published)
        return 1;
    exchange_deadline(x, x->runtime->config->timeouts.origin_idle_ms + 60000);
    return EXCHANGE_WAIT;
}

/* The client has everything. */
static int share_end(struct exchange *x)
{
    if (x->send_hashes && verify_end(x) != 0)
        return exchange_break(x, "out of memory");
    x->fate = exchange_fate_of(x);
    return EXCHANGE_AFTER;
}

int share_content(struct exchange *x)
{
    struct flight_view view;
    int r;

    for (;;) {
        flight_look(x->flight, NULL, &view);
        if (!x->head_sent) {
            r = share_begin(x, view.meta);
            if (r != 1)
                return r;
        }
        x->source.published = view.published;
        if (view.state == FLIGHT_DONE && !x->ranged)
            x->send_end = view.published;
        r = send_content(x, view.published);
        if (r == 0)
            return EXCHANGE_WAIT;
        if (r == 1 && (view.state == FLIGHT_DONE || x->send_offset == x->send_end)) {
            r = send_last(x);
            if (r == 1)
                return share_end(x);
        } else if (r == 1) {
            r = channel_flush(x->client);
        }
        if (r == STREAM_ERROR)
            return exchange_client_left(x);
        if (r == STREAM_WAIT) {
            x->want_client |= STREAM_WRITE;
            exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
            return EXCHANGE_WAIT;
        }
        r = share_wait(x);
        if (r != 1)
            return r;
    }
}
