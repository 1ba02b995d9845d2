/* SPDX-License-Identifier: BSD-2-Clause
 *
 * keep: what of this exchange goes into the cache, and what those who follow its transfer are told.
 * Decided when the head is there (keep_decide), carried out when the content is complete and its
 * verdict known (keep_settle): what failed is never stored.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "exchange/private.h"

/* Does a signature cover fields of the request (";req", with or without spaces)? Then the verdict
 * is one about this request. Rather too often yes than once too seldom. */
static bool keep_depends_on_request(const struct exchange *x)
{
    for (size_t i = 0; i < x->response.n_fields; i++) {
        const struct dive_span *value = &x->response.fields[i].value;

        if (dive_span_caseeq(x->response.fields[i].name, dive_span_str("Signature-Input")) &&
            memmem(value->p, value->n, "req", 3) != NULL)
            return true;
    }
    return false;
}

/* A hash of the strong validator and of all that the verdict of this content rests on; 0 without a
 * strong validator, and where a signature covers fields of the request: one client's must not
 * decide for another. */
static uint64_t keep_head_hash(const struct exchange *x)
{
    static const char *const names[] = {"Content-Digest", "Signature-Input", "Signature",
                                        "DIVE-Sig"};
    const struct dive_span *tag = validate_strong_tag(&x->response);
    struct dive_span piece[16];
    struct store_key hash;
    uint64_t result;
    size_t n = 0;

    if (tag == NULL || keep_depends_on_request(x))
        return 0;
    piece[n++] = *tag;
    for (size_t i = 0; i < x->response.n_fields; i++) {
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            const struct dive_span *value = &x->response.fields[i].value;

            if (!dive_span_caseeq(x->response.fields[i].name, dive_span_str(names[k])))
                continue;
            if (n == sizeof(piece) / sizeof(piece[0]))
                return 0;
            piece[n++] = *value;
        }
    }
    if (!key_of_pieces(&hash, piece, n))
        return 0;
    memcpy(&result, hash.bytes, sizeof(result));
    return result | 1;
}

/* Is it known that this very content has failed a moment ago? */
enum dive_reason keep_rejection(const struct exchange *x)
{
    uint64_t head = x->caches ? keep_head_hash(x) : 0;

    if (head == 0)
        return DIVE_REASON_NONE;
    return remember_rejection(x->worker->shared->remember, &x->key, head, worker_now(x->worker));
}

void keep_remember_rejection(struct exchange *x)
{
    bool by_content = dive_verifier_reason(x->verifier) == DIVE_REASON_SIGNATURE_MISMATCH;
    uint64_t head = x->caches && by_content ? keep_head_hash(x) : 0;

    /* What DNS said or didn't say may be another thing a second later. */
    if (head != 0)
        remember_rejected(x->worker->shared->remember, &x->key, head,
                          dive_verifier_reason(x->verifier), worker_now(x->worker));
}

static bool keep_is_too_large(const struct exchange *x)
{
    return x->response.content_length >= 0 &&
           (uint64_t)x->response.content_length > x->runtime->object_max;
}

/* The origin has answered anew. If that can't be stored, what is stored isn't good any more either:
 * it would be validated again and again. */
static void keep_replace(struct exchange *x)
{
    if (x->stale != NULL && !x->keeps && x->response.status < 500)
        store_drop(x->worker->shared->store, x->stale, "its successor can't be stored");
    object_unref(&x->stale);
}

void keep_decide(struct exchange *x)
{
    enum storable storable;

    x->response_time = worker_now(x->worker);
    x->keeps = false;
    if (!x->caches || !dive_span_eq(x->request.method, "GET"))
        return;
    freshness_of(&x->freshness, &x->response, x->request_time, x->response_time);
    storable = freshness_may_store(&x->request, &x->response, &x->freshness);
    /* What the connection said earlier counts as if this request had said it. */
    if (storable == STORABLE_YES && x->origin != NULL && origin_is_bound(x->origin))
        storable = STORABLE_AUTHORIZATION;
    if (storable != STORABLE_YES)
        x->cache_status.detail = storable_word(storable);
    else if (vary_of_response(x->vary, &x->response) != 0 ||
             (x->vary[0] != '\0' && vary_hash(&x->request, x->vary) == 0))
        x->cache_status.detail = storable_word(STORABLE_VARY);
    else if (keep_is_too_large(x))
        x->cache_status.detail = "too-large";
    else
        x->keeps = true;
    x->cache_status.stored = x->keeps;
    /* Of a request that others could share: conditions and credentials say nothing about theirs. */
    if (!x->keeps && x->leads && x->response.status < 500)
        remember_unstorable(x->worker->shared->remember, &x->key, x->response_time);
    keep_replace(x);
}

const struct hold_limits *keep_limits(const struct exchange *x)
{
    return x->keeps && store_takes_files(x->worker->shared->store) ? &x->runtime->keep_limits
                                                                   : &x->runtime->hold_limits;
}

/* Without the content: its size and what DIVE says of it are filled in later. */
static int keep_meta(struct exchange *x, struct object_meta *meta)
{
    *meta = (struct object_meta){
        .key = x->key,
        .url = http_url_string(&x->url, false),
        .vary = strdup(x->vary),
        .variant = vary_hash(&x->request, x->vary),
        .request_time = x->request_time,
        .response_time = x->response_time,
    };
    if (meta->url == NULL || meta->vary == NULL ||
        validate_storable_head(&meta->head, &x->response) != 0) {
        object_meta_clear(meta);
        return DIVE_E_NOMEM;
    }
    return 0;
}

int keep_announce(struct exchange *x, struct hold **hold)
{
    struct object_meta meta;
    int r = 0;

    if (x->flight == NULL && hold != NULL) {
        r = flight_new_alone(&x->flight);
        x->leads = r == 0; /* keep_leave() must not take it for one that it follows */
    }
    if (r != 0 || x->flight == NULL)
        return r;
    if ((r = keep_meta(x, &meta)) != 0)
        return r;
    x->leads = true;
    flight_set_head(x->flight, &meta, hold);
    return 0;
}

/* What DIVE has found out about the content. */
static int keep_verdict(struct exchange *x, struct object_verdict *out)
{
    struct dive_proof proof;

    *out = (struct object_verdict){0};
    if (x->verifier == NULL || !dive_verifier_proof(x->verifier, &proof))
        return 0;
    out->domain = strdup(proof.domain);
    out->key_id = strdup(proof.key_id);
    out->key = malloc(proof.public_key.n + 1);
    out->draft = proof.version;
    if (out->domain == NULL || out->key_id == NULL || out->key == NULL)
        return DIVE_E_NOMEM; /* object_meta_clear() frees the rest */
    memcpy(out->key, proof.public_key.p, proof.public_key.n);
    out->key_n = proof.public_key.n;
    memcpy(out->digests, proof.digests, proof.n_digests * sizeof(proof.digests[0]));
    out->n_digests = proof.n_digests;
    return 0;
}

/* Puts the content of a finished hold into the store. The object, a reference of the caller's; NULL
 * when it could not be kept at all. */
static struct object *keep_store(struct exchange *x, struct hold *hold)
{
    struct object_new new = {.fd = -1};
    struct object *object = NULL;
    int r = keep_meta(x, &new.meta);

    if (r == 0)
        r = keep_verdict(x, &new.meta.verdict);
    new.meta.size = hold_size(hold);
    if (r == 0 && new.meta.size > 0) {
        new.memory = hold_copy_memory(hold);
        if (new.memory == NULL)
            new.fd = hold_take_file(hold);
        if (new.memory == NULL &&new.fd < 0)
            r = DIVE_E_NOMEM;
    }
    if (r == 0 && new.meta.size > x->runtime->object_max)
        r = DIVE_E_LIMIT;
    if (r != 0) {
        object_meta_clear(&new.meta);
        free(new.memory);
        if (new.fd >= 0)
            close(new.fd);
        log_debug("cache", "%s: not stored: %s", x->id, dive_strerror(r));
        return NULL;
    }
    r = store_put(x->worker->shared->store, &new, &object);
    if (r != 0)
        log_debug("cache", "%s: not stored: %s", x->id, dive_strerror(r));
    return object;
}

/* The hold with the whole content, wherever it is. */
static struct hold *keep_hold(const struct exchange *x)
{
    return x->hold != NULL ? x->hold : x->flight != NULL ? flight_hold(x->flight) : NULL;
}

void keep_settle(struct exchange *x)
{
    struct hold *hold = keep_hold(x);
    enum dive_verdict verdict =
        x->verifier != NULL ? dive_verifier_verdict(x->verifier) : DIVE_NOT_SUPPORTED;

    if (x->keeps && hold != NULL && hold_is_finished(hold) && verdict != DIVE_REJECT &&
        verdict != DIVE_UNDECIDED) {
        x->keeps = false;
        x->object = keep_store(x, hold);
    }
    if (x->leads && !flight_has_ended(x->flight))
        flight_done(x->flight, x->object);
}

void keep_give_up(struct exchange *x, const char *why)
{
    struct flight_failure failure = {.status = 502, .error_type = "proxy_internal_error"};

    x->keeps = false;
    if (!x->leads || flight_has_ended(x->flight))
        return;
    snprintf(failure.text, sizeof(failure.text), "the transfer could not be shared: %s", why);
    flight_fail(x->flight, &failure);
}

void keep_release(struct exchange *x)
{
    if (x->leads && !flight_has_ended(x->flight))
        flight_release(x->flight);
}

void keep_refused(struct exchange *x)
{
    struct flight_failure failure = {
        .status = x->head_sent ? 502 : x->status, /* some of it may have left: early.c */
        .error_type = x->error_type != NULL ? x->error_type : "proxy_internal_error",
        .blocked = x->action == ACTION_BLOCKED,
        .personal = (x->rule != NULL && x->rule->components != NULL) || keep_depends_on_request(x),
        .reason = x->reason,
        .reason_word = x->reason_word,
    };

    if (!x->leads || flight_has_ended(x->flight))
        return;
    snprintf(failure.text, sizeof(failure.text), "%s", x->error);
    flight_fail(x->flight, &failure);
}

void keep_leave(struct exchange *x)
{
    if (x->flight == NULL)
        return;
    if (x->leads && !flight_has_ended(x->flight)) {
        /* Its end was none that the stages know of: the daemon ends, the client left. */
        snprintf(x->error, sizeof(x->error), "%s",
                 x->error[0] != '\0' ? x->error : "the transfer ended");
        if (x->head_sent)
            keep_give_up(x, x->error);
        else
            flight_release(x->flight);
    }
    flight_leave(&x->flight, x->leads ? NULL : &x->waiter);
    x->leads = false; /* it may go on alone, or lead another */
    worker_unpost(x->worker, &x->post);
}
