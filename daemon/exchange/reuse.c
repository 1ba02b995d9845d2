/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reuse: LOOKUP and REUSE. Is there a stored response for this request, may it be used as it is
 * (RFC 9111 section 4), and does it verify today? A stored response is judged by the verifier like
 * one that has just come, by the records as of now; only its content needn't be hashed again as
 * long as it is known to be what was stored.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/invalidate.h"
#include "core/log.h"
#include "exchange/private.h"

#define REUSE_SLICES 16 /* of WORKER_IO_BUFFER bytes, hashed before others have their turn */

static uint64_t reuse_variant_of(void *arg, const char *vary)
{
    const struct exchange *x = arg;

    return vary_hash(&x->request, vary);
}

uint64_t reuse_variant(struct exchange *x, const char *vary)
{
    return reuse_variant_of(x, vary);
}

/* ---- LOOKUP ---- */

/* May the cache have anything to do with this request at all? */
static bool lookup_applies(struct exchange *x)
{
    bool get = dive_span_eq(x->request.method, "GET");

    if (x->worker->shared->store == NULL ||
        (x->rule != NULL && x->rule->cache == CONFIG_SWITCH_OFF))
        return false;
    if (!get && !dive_span_eq(x->request.method, "HEAD")) {
        x->cache_status.forward = CACHE_FORWARD_METHOD;
        return false;
    }
    control_of_request(&x->control, &x->request);
    return x->request.framing == HTTP_BODY_NONE && !x->request.is_upgrade &&
           !x->request.expects_continue && x->url.form != HTTP_TARGET_ASTERISK &&
           !(x->control.flags & CONTROL_NO_STORE) && !validate_is_for_origin(&x->request) &&
           key_of_url(&x->key, &x->url);
}

/* May this request wait for the answer to another's, or have others wait for its own? */
static bool lookup_may_join(const struct exchange *x)
{
    static const char *const own[] = {"Authorization", "If-None-Match", "If-Modified-Since",
                                      "If-Range"};
    bool validates = x->stale != NULL && x->freshness.has_validator;

    if (!dive_span_eq(x->request.method, "GET") || (x->control.flags & CONTROL_NO_CACHE) ||
        x->control.max_age == 0 ||
        remember_is_unstorable(x->worker->shared->remember, &x->key, worker_now(x->worker)))
        return false;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (http_field_get(&x->request, own[i]) != NULL && (i == 0 || !validates))
            return false;
    return validates || x->take_whole || http_field_get(&x->request, "Range") == NULL;
}

/* cache.whole-for-range: what is fetched once serves every range. */
static void lookup_whole_for_range(struct exchange *x)
{
    if (x->runtime->config->cache.whole_for_range && dive_span_eq(x->request.method, "GET") &&
        http_field_get(&x->request, "Range") != NULL)
        x->take_whole = true;
}

/* A client that would rather have nothing than wait for the origin (RFC 9111 section 5.2.1.7). */
static int lookup_not_cached(struct exchange *x)
{
    x->cache_status.forward = CACHE_FORWARD_NONE;
    return exchange_refuse(x, 504, "http_request_error",
                           "only-if-cached, and nothing stored can be used");
}

/* Looks into the store: a stage, or EXCHANGE_WAIT for "nothing that can be used at once". */
static int lookup_object(struct exchange *x)
{
    struct object *object = store_get(x->worker->shared->store, &x->key, reuse_variant_of, x);
    const struct object_meta *meta;

    x->cache_status.forward = CACHE_FORWARD_URI_MISS;
    if (object == NULL)
        return EXCHANGE_WAIT;
    meta = object_meta(object);
    freshness_of(&x->freshness, &meta->head, meta->request_time, meta->response_time);
    freshness_decide(&x->decision, &x->freshness, &x->control, worker_now(x->worker));
    if (x->background != NULL && x->decision.use == FRESHNESS_STALE_WHILE_REVALIDATE)
        x->decision.use = FRESHNESS_VALIDATE; /* this is the revalidation */
    if (x->decision.use != FRESHNESS_VALIDATE) {
        x->object = object;
        x->cache_status.hit = true;
        x->cache_status.forward = CACHE_FORWARD_NONE;
        x->cache_status.has_ttl = true;
        x->cache_status.ttl = x->decision.ttl;
        return EXCHANGE_REUSE;
    }
    x->cache_status.forward = x->decision.by_request ? CACHE_FORWARD_REQUEST : CACHE_FORWARD_STALE;
    if (dive_span_eq(x->request.method, "GET"))
        x->stale = object;
    else
        object_unref(&object);
    return EXCHANGE_WAIT;
}

static void lookup_on_wake(struct flight_waiter *waiter)
{
    struct exchange *x = (struct exchange *)((char *)waiter - offsetof(struct exchange, waiter));

    worker_post(x->worker, &x->post);
}

static int lookup_join(struct exchange *x)
{
    int role;

    x->joins = false;
    x->waiter.wake = lookup_on_wake;
    role = flights_join(x->worker->shared->flights, &x->flight_key, &x->waiter, &x->flight);
    if (role < 0)
        return EXCHANGE_CONNECT; /* without memory it goes alone */
    if (role == FLIGHT_FOLLOW && x->background != NULL)
        return EXCHANGE_END; /* another is on its way */
    if (role == FLIGHT_FOLLOW) {
        x->cache_status.collapsed = true;
        return EXCHANGE_FOLLOW;
    }
    x->leads = true;
    if (x->stale != NULL)
        return EXCHANGE_CONNECT;
    /* Another transfer may have ended between the look into the store and now. */
    role = lookup_object(x);
    if (role == EXCHANGE_REUSE) {
        flight_done(x->flight, x->object);
        flight_leave(&x->flight, NULL);
        x->leads = false;
    }
    return role == EXCHANGE_WAIT ? EXCHANGE_CONNECT : role;
}

/* Something is stored that may only be used, or made obsolete, when the destination is proven to be
 * the host's. */
static bool lookup_awaits_proof(struct exchange *x)
{
    struct object *object = NULL;
    bool found;

    if (destination_proof(x) != DESTINATION_PENDING)
        return false;
    if (!lookup_applies(x) &&
        (invalidate_is_safe_method(x->request.method) || !key_of_url(&x->key, &x->url)))
        return false;
    object = store_get(x->worker->shared->store, &x->key, reuse_variant_of, x);
    found = object != NULL;
    object_unref(&object);
    return found;
}

int lookup_stored(struct exchange *x)
{
    if (!x->looked && lookup_awaits_proof(x)) {
        exchange_deadline(x, x->runtime->config->dns.timeout_ms + 5000);
        return EXCHANGE_WAIT;
    }
    if (!x->looked) {
        x->looked = true;
        x->caches = lookup_applies(x) && destination_proof(x) != DESTINATION_UNPROVEN;
        if (!x->caches)
            return EXCHANGE_CONNECT;
        x->flight_key = x->key;
        /* Nothing is stored, and nothing is shared: response_begin() decides what is kept. */
        if (destination_proof(x) == DESTINATION_PENDING)
            return x->control.flags & CONTROL_ONLY_IF_CACHED ? lookup_not_cached(x)
                                                             : EXCHANGE_CONNECT;
        if (lookup_object(x) == EXCHANGE_REUSE)
            return EXCHANGE_REUSE;
        if (x->control.flags & CONTROL_ONLY_IF_CACHED)
            return lookup_not_cached(x);
        lookup_whole_for_range(x);
        x->joins = lookup_may_join(x);
    }
    return x->joins ? lookup_join(x) : EXCHANGE_CONNECT;
}

/* ---- the stored head in the place of the origin's ---- */

int reuse_take_head(struct exchange *x, const struct object_meta *meta)
{
    if (x->borrowed)
        return 0;
    http_head_clear(&x->response);
    x->response = meta->head;
    x->response.bytes = NULL; /* the object's or the flight's, which we have a reference to */
    x->borrowed = true;
    x->conditions_ours = true;
    return response_describe(x);
}

int reuse_forget_head(struct exchange *x)
{
    if (x->borrowed)
        x->response = (struct http_head){0};
    x->borrowed = x->conditions_ours = x->from_store = x->content_ended = false;
    x->cache_status.hit = x->cache_status.has_ttl = false;
    x->cache_status.collapsed = false;
    if (x->cache_status.forward == CACHE_FORWARD_NONE)
        x->cache_status.forward = CACHE_FORWARD_MISS;
    x->source = (struct source){0};
    x->hashed = 0;
    /* It may have been asked about a stored response already. */
    x->request_queued = x->awaits_head = x->validates = false;
    x->scan = (struct http_scan){0};
    if (x->check != NULL)
        (void)object_check_end(&x->check, x->object);
    return verify_restart(x);
}

/* It doesn't verify any more, or isn't what was stored: it goes, and the origin is asked. */
static int reuse_drop(struct exchange *x, const char *why)
{
    store_drop(x->worker->shared->store, x->object, why);
    if (x->control.flags & CONTROL_ONLY_IF_CACHED)
        return lookup_not_cached(x);
    if (reuse_forget_head(x) != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    /* What the verifier borrowed was given back with it. */
    object_unref(&x->object);
    keep_leave(x);
    return EXCHANGE_CONNECT;
}

/* ---- REUSE ---- */

/* Hashes the next slice of the stored content: for the verifier, or against the checksum. 1: all of
 * it is done, 0: not yet, negative: it can't be read. */
static int reuse_hash(struct exchange *x, bool for_verdict)
{
    uint64_t size = object_meta(x->object)->size;

    loop_timer_stop(&x->timer); /* nobody is waited for: a deadline of before isn't this work's */
    for (unsigned i = 0; i < REUSE_SLICES; i++) {
        uint64_t left = size - x->hashed;
        size_t n = left < WORKER_IO_BUFFER ? (size_t)left : WORKER_IO_BUFFER;

        if (left == 0)
            return 1;
        if (source_read(&x->source, x->hashed, x->worker->io_buffer, n) != 0)
            return -1;
        if (for_verdict)
            dive_verifier_body(x->verifier, x->worker->io_buffer, n);
        else
            object_check_update(x->check, x->worker->io_buffer, n);
        x->hashed += n;
    }
    x->yields = true;
    return 0;
}

/* Content that nothing covers, from before a restart: is it still what was stored? 1 or a stage. */
static int reuse_check(struct exchange *x)
{
    int r;

    if (object_is_checked(x->object))
        return 1;
    if (x->check == NULL && (x->check = object_check_new()) == NULL)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    r = reuse_hash(x, false);
    if (r == 0)
        return EXCHANGE_WAIT;
    if (r < 0 || !object_check_end(&x->check, x->object))
        return reuse_drop(x, "its content is not what was stored");
    object_set_checked(x->object);
    x->hashed = 0; /* the verifier has seen nothing of it */
    return 1;
}

/* The end of the content for the verifier: by the digests that are known, or by hashing it. 1 or a
 * stage. */
static int reuse_end_content(struct exchange *x)
{
    const struct object_verdict *verdict = &object_meta(x->object)->verdict;
    int r = DIVE_E_UNSUPPORTED;

    if (x->content_ended)
        return 1;
    if (object_is_checked(x->object) && x->hashed == 0)
        r = dive_verifier_end_known(x->verifier, verdict->digests, verdict->n_digests,
                                    worker_now(x->worker));
    if (r == DIVE_E_UNSUPPORTED) {
        r = reuse_hash(x, true);
        if (r == 0)
            return EXCHANGE_WAIT;
        if (r < 0)
            return reuse_drop(x, "its content can't be read");
        r = verify_end(x);
    } else if (r == 0) {
        verifier_lookups_drain(&x->lookups);
    }
    if (r != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    x->content_ended = true;
    return 1;
}

static int reuse_release(struct exchange *x, enum action_word action)
{
    x->action = action;
    x->from_store = true;
    if (x->client == NULL)
        return EXCHANGE_END; /* revalidated: nobody waits for the content */
    if (x->cache_status.hit && x->decision.use == FRESHNESS_STALE_WHILE_REVALIDATE)
        revalidate_in_background(x);
    return EXCHANGE_RELEASE;
}

/* Covered, and enforced. */
static int reuse_verdict(struct exchange *x)
{
    int r = dive_verifier_verdict(x->verifier) == DIVE_UNDECIDED ? reuse_end_content(x) : 1;

    if (r != 1)
        return r;
    switch (dive_verifier_verdict(x->verifier)) {
    case DIVE_ACCEPT:
        object_set_checked(x->object); /* its digests were taken again, or nothing has changed */
        verify_conclude(x, false);
        return reuse_release(x, ACTION_RELEASED);
    case DIVE_REJECT:
        /* That DNS gives no validated answer just now says nothing about the object. */
        if (dive_verifier_reason(x->verifier) == DIVE_REASON_DNSSEC_UNAVAILABLE)
            return hold_block(x);
        return reuse_drop(x, dive_reason_text(dive_verifier_reason(x->verifier)));
    case DIVE_UNDECIDED:
        exchange_deadline(x, x->runtime->config->dns.timeout_ms * 4);
        return EXCHANGE_WAIT;
    case DIVE_NOT_COVERED:
    case DIVE_NOT_SUPPORTED:
    default:
        return exchange_refuse(x, 500, "proxy_internal_error", "the verifier contradicts itself");
    }
}

/* An auditor's: nothing waits for DNS. What is known to fail isn't used, what fails later is
 * reported, and dropped then (after_verdict()). */
static int reuse_reported(struct exchange *x)
{
    int r = reuse_check(x);

    if (r != 1)
        return r;
    x->report_only = true;
    if (dive_verifier_coverage(x->verifier) == DIVE_COVERED &&
        object_meta(x->object)->verdict.n_digests > 0) {
        r = reuse_end_content(x);
        if (r != 1)
            return r;
    }
    if (dive_verifier_verdict(x->verifier) == DIVE_REJECT &&
        dive_verifier_reason(x->verifier) != DIVE_REASON_DNSSEC_UNAVAILABLE)
        return reuse_drop(x, dive_reason_text(dive_verifier_reason(x->verifier)));
    x->send_hashes = !x->content_ended;
    return reuse_release(x, ACTION_STREAMED);
}

int reuse_stored(struct exchange *x)
{
    const struct dive_policy *policy;
    int r;

    if (!x->borrowed && reuse_take_head(x, object_meta(x->object)) != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    x->source = (struct source){.object = x->object};
    if (x->verifier != NULL && x->mode == CONFIG_MODE_REPORT_ONLY)
        return reuse_reported(x);
    if (x->verifier != NULL) {
        switch (dive_verifier_coverage(x->verifier)) {
        case DIVE_UNCOVERED:
            break;
        case DIVE_COVERED:
            policy = dive_verifier_policy(x->verifier);
            x->report_only = policy != NULL && policy->report_only;
            return x->report_only ? reuse_reported(x) : reuse_verdict(x);
        case DIVE_COVERAGE_PENDING:
        default:
            exchange_deadline(x, x->runtime->config->dns.timeout_ms * 2 + 5000);
            return EXCHANGE_WAIT;
        }
    }
    r = reuse_check(x);
    if (r != 1)
        return r;
    verify_conclude(x, false);
    return reuse_release(x, ACTION_STREAMED);
}

/* ---- the answer to our validation ---- */

/* The freshened head may vary by other fields. False: it can't be stored under them. */
static bool validated_vary(struct exchange *x, struct object_meta *meta)
{
    char *vary;

    if (vary_of_response(x->vary, &meta->head) != 0)
        return false;
    if (strcmp(x->vary, meta->vary) == 0)
        return true;
    vary = strdup(x->vary);
    if (vary == NULL)
        return false;
    free(meta->vary);
    meta->vary = vary;
    meta->variant = vary_hash(&x->request, vary);
    return meta->variant != 0 || vary[0] == '\0';
}

/* A copy of what was stored, under the head as the 304 has freshened it. */
static struct object *validated_object(struct exchange *x)
{
    const struct object_meta *old = object_meta(x->stale);
    struct object_meta meta;
    struct object *object = NULL;
    enum storable storable;
    bool resigned = false;

    if (object_meta_copy(&meta, old) != 0)
        return NULL;
    http_head_clear(&meta.head);
    if (validate_freshen(&meta.head, &old->head, &x->response, &resigned) != 0 ||
        !validated_vary(x, &meta)) {
        object_meta_clear(&meta);
        return NULL;
    }
    meta.request_time = x->request_time;
    meta.response_time = worker_now(x->worker);
    freshness_of(&x->freshness, &meta.head, meta.request_time, meta.response_time);
    storable = freshness_may_store(&x->request, &meta.head, &x->freshness);
    if (store_update(x->worker->shared->store, x->stale, &meta, &object) != 0)
        log_debug("cache", "%s: the validated response was not stored", x->id);
    /* The 304 may have taken the permission back: then this was the last time. */
    if (object != NULL && storable != STORABLE_YES) {
        store_drop(x->worker->shared->store, object, storable_word(storable));
        keep_release(x); /* nor is it for those who wait for this transfer */
    }
    return object;
}

static int validated_use(struct exchange *x, struct object *object)
{
    x->cache_status.forward_status = x->response.status;
    response_release_origin(x);
    http_head_clear(&x->response);
    object_unref(&x->stale);
    x->object = object;
    if (x->leads && !flight_has_ended(x->flight))
        flight_done(x->flight, object);
    freshness_of(&x->freshness, &object_meta(object)->head, object_meta(object)->request_time,
                 object_meta(object)->response_time);
    freshness_decide(&x->decision, &x->freshness, &x->control, worker_now(x->worker));
    return EXCHANGE_REUSE;
}

/* The 304 is about something that we don't have: once more, without conditions. */
static int validated_other(struct exchange *x)
{
    store_drop(x->worker->shared->store, x->stale, "the origin's 304 is about another one");
    object_unref(&x->stale);
    response_release_origin(x);
    http_head_clear(&x->response);
    x->scan = (struct http_scan){0};
    x->request_queued = x->awaits_head = false;
    return EXCHANGE_CONNECT;
}

int validated_response(struct exchange *x)
{
    int status = x->response.status;

    if (x->stale == NULL)
        return EXCHANGE_JUDGE;
    body_init(&x->response_body, x->response.framing, x->response.content_length);
    if (status == 304 && x->validates) {
        struct object *object;

        if (!validate_selects(&x->response, &object_meta(x->stale)->head, worker_now(x->worker)))
            return validated_other(x);
        object = validated_object(x);
        if (object == NULL)
            return validated_other(x);
        return validated_use(x, object);
    }
    if ((status == 500 || status == 502 || status == 503 || status == 504) && x->decision.if_error)
        return validated_use(x, object_ref(x->stale));
    return EXCHANGE_JUDGE; /* the stored one is keep_decide()'s now */
}

int validated_unreachable(struct exchange *x)
{
    if (x->stale == NULL || !x->decision.if_disconnected || x->head_sent)
        return EXCHANGE_REFUSE;
    x->connect_failed = false;
    x->error[0] = '\0';
    x->error_type = NULL;
    exchange_drop_origin(x, false);
    return validated_use(x, object_ref(x->stale));
}
