/* SPDX-License-Identifier: BSD-2-Clause
 *
 * exchange: the states of one exchange and the loop that runs its stages; see exchange.h for who
 * does what.
 *
 *             stored: +-> REUSE ----------------------------------------> RELEASE
 *                     |                                                      v
 *   CHECK -> POLICY -> LOOKUP -> CONNECT -> SEND -> HEAD -> JUDGE -+-> STREAM -> AFTER -> END
 *                     |    ^       ^ ^ retry, resume |             +-> TEE ----^
 *     somebody else's |    |       | +---------------+             +-> HOLD -> VERDICT -> RELEASE
 *            transfer +-> FOLLOW --+                               +-> UPGRADE -> END
 *                          `-> SHARE -> AFTER
 *
 *   REUSE and FOLLOW come back to CONNECT when what they waited for is of no use. HEAD goes to
 *   REUSE when the origin says 304. From anywhere before a final head: REFUSE; after it: END with
 *   ABORT.
 *
 * A stage returns the next state or EXCHANGE_WAIT, and may be called again at any event: it looks
 * at what there is and goes on. No stage frees anything; END closes, and the memory goes between
 * loop turns.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "core/log.h"
#include "exchange/audit_note.h"
#include "exchange/private.h"

#define EXCHANGE_FEW 8          /* connections of one client that each get a whole turn */
#define EXCHANGE_ACTIVATIONS 64 /* stages in a row before other connections get their turn */

static const char *const exchange_state_words[] = {
#define X(id, word) [EXCHANGE_##id] = word,
    EXCHANGE_STATES(X)
#undef X
};

static int (*const exchange_stages[EXCHANGE_STATE_COUNT])(struct exchange *x) = {
    [EXCHANGE_CHECK] = check_request,     [EXCHANGE_POLICY] = policy_wait,
    [EXCHANGE_LOOKUP] = lookup_stored,    [EXCHANGE_REUSE] = reuse_stored,
    [EXCHANGE_FOLLOW] = follow_flight,    [EXCHANGE_SHARE] = share_content,
    [EXCHANGE_CONNECT] = connect_origin,  [EXCHANGE_SEND] = request_send,
    [EXCHANGE_HEAD] = response_head,      [EXCHANGE_JUDGE] = response_judge,
    [EXCHANGE_STREAM] = stream_content,   [EXCHANGE_TEE] = tee_content,
    [EXCHANGE_HOLD] = hold_content,       [EXCHANGE_VERDICT] = hold_verdict,
    [EXCHANGE_RELEASE] = release_content, [EXCHANGE_REFUSE] = refuse_answer,
    [EXCHANGE_UPGRADE] = upgrade_relay,   [EXCHANGE_AFTER] = after_verdict,
};

#define TO_STATE(state) (1u << (state))
#define TO(state) TO_STATE(EXCHANGE_##state)

/* Which moves the picture above has. */
static const unsigned exchange_moves[EXCHANGE_STATE_COUNT] = {
    [EXCHANGE_CHECK] = TO(POLICY) | TO(REFUSE) | TO(END),
    [EXCHANGE_POLICY] = TO(LOOKUP) | TO(REFUSE) | TO(END),
    [EXCHANGE_LOOKUP] = TO(CONNECT) | TO(REUSE) | TO(FOLLOW) | TO(REFUSE) | TO(END),
    [EXCHANGE_REUSE] = TO(RELEASE) | TO(CONNECT) | TO(REFUSE) | TO(END),
    [EXCHANGE_FOLLOW] = TO(SHARE) | TO(REUSE) | TO(LOOKUP) | TO(CONNECT) | TO(REFUSE) | TO(END),
    [EXCHANGE_SHARE] = TO(AFTER) | TO(REFUSE) | TO(END),
    [EXCHANGE_CONNECT] = TO(SEND) | TO(REUSE) | TO(REFUSE) | TO(END),
    [EXCHANGE_SEND] = TO(HEAD) | TO(CONNECT) | TO(REUSE) | TO(REFUSE) | TO(END),
    [EXCHANGE_HEAD] =
        TO(JUDGE) | TO(CONNECT) | TO(REUSE) | TO(TEE) | TO(HOLD) | TO(REFUSE) | TO(END),
    [EXCHANGE_JUDGE] = TO(STREAM) | TO(TEE) | TO(HOLD) | TO(UPGRADE) | TO(REFUSE) | TO(END),
    [EXCHANGE_STREAM] = TO(AFTER) | TO(END),
    [EXCHANGE_TEE] = TO(STREAM) | TO(CONNECT) | TO(AFTER) | TO(END),
    [EXCHANGE_HOLD] = TO(VERDICT) | TO(CONNECT) | TO(REFUSE) | TO(END),
    [EXCHANGE_VERDICT] = TO(RELEASE) | TO(REFUSE) | TO(END),
    [EXCHANGE_RELEASE] = TO(AFTER) | TO(REFUSE) | TO(END),
    [EXCHANGE_REFUSE] = TO(END),
    [EXCHANGE_UPGRADE] = TO(END),
    [EXCHANGE_AFTER] = TO(END),
};

static void exchange_set_state(struct exchange *x, enum exchange_state next)
{
    assert(exchange_moves[x->state] & (1u << next));
    log_debug("exchange", "%s %s -> %s", x->id, exchange_state_words[x->state],
              exchange_state_words[next]);
    x->state = next;
}

/* What the verifier borrows goes after it. Any thread's, for an exchange in the ring of traces. */
static void exchange_free(void *arg)
{
    struct exchange *x = arg;

    dive_verifier_free(&x->verifier);
    http_head_clear(&x->request);
    if (!x->borrowed)
        http_head_clear(&x->response);
    http_head_clear(&x->whole);
    free(x->path);
    free(x->user);
    object_unref(&x->object);
    http_url_clear(&x->url);
    free(x->rule_place);
    free(x);
}

static void exchange_destroy(struct loop_node *node)
{
    struct exchange *x = (struct exchange *)((char *)node - offsetof(struct exchange, node));

    assert(x->closing && x->origin == NULL && !x->relay.running && !loop_timer_is_set(&x->timer) &&
           !loop_timer_is_set(&x->keepalive) && !loop_timer_is_set(&x->trickle));
    verify_free(x);
    free(x->background);
    object_unref(&x->stale);
    if (x->parts != NULL)
        http_multipart_clear(x->parts);
    free(x->parts);
    runtime_unref(&x->runtime);
    if (x->trace_waits)
        verify_keep_trace(x, exchange_free);
    else
        exchange_free(x);
}

/* Gives everything back but the memory. */
static void exchange_close(struct exchange *x)
{
    if (x->closing)
        return;
    x->closing = true;
    loop_cancel(&x->worker->loop, &x->node);
    loop_timer_stop(&x->timer);
    loop_timer_stop(&x->keepalive);
    loop_timer_stop(&x->trickle);
    verify_trace(x);
    audit_note_exchange(x);
    verify_stop(x);
    destination_stop(x);
    keep_leave(x);
    relay_stop(&x->relay);
    exchange_drop_origin(x, false);
    if (x->check != NULL)
        (void)object_check_end(&x->check, x->object);
    TAILQ_REMOVE(&x->worker->exchanges, x, link);
    access_log_write(x);
    hold_free(&x->hold);
    x->source = (struct source){0};
    loop_later(&x->worker->loop, &x->node, exchange_destroy);
}

void exchange_give_back(struct exchange *x)
{
    if (x->given_back)
        return;
    x->given_back = true;
    if (x->client == NULL)
        return; /* it never had one */
    stream_want(&x->client->stream, 0);
    x->done(x->arg, x->fate);
    /* From here on the connection may go at any time, and what was borrowed from it. */
    x->client = NULL;
    x->peer = NULL;
    x->siblings = NULL;
    x->listener_name = NULL;
    x->fixed = NULL;
    x->route = x->destination.kind != 0 ? x->destination.host : NULL;
}

static void exchange_end(struct exchange *x)
{
    exchange_drop_origin(x, false);
    exchange_give_back(x);
    exchange_close(x);
}

/* Who has no client has what others wait for, or nothing to do any more. */
bool exchange_detach_client(struct exchange *x, const char *why)
{
    static const unsigned goes_on =
        TO(CONNECT) | TO(SEND) | TO(HEAD) | TO(JUDGE) | TO(TEE) | TO(HOLD) | TO(VERDICT);

    if (!x->leads || !(goes_on & TO_STATE(x->state)) || flight_has_ended(x->flight) ||
        flight_followers(x->flight) == 0 || !x->request_body.complete)
        return false;
    snprintf(x->error, sizeof(x->error), "%s; the transfer went on for others", why);
    x->fate = EXCHANGE_ABORT;
    loop_timer_stop(&x->keepalive);
    loop_timer_stop(&x->trickle);
    exchange_give_back(x);
    return true;
}

int exchange_client_left(struct exchange *x)
{
    return exchange_break(x, "the client left (%s)", exchange_state_words[x->state]);
}

enum exchange_fate exchange_fate_of(const struct exchange *x)
{
    if (!x->request_body.complete)
        return EXCHANGE_LINGER;
    if (!x->request.keep_alive || x->client_body == HTTP_BODY_UNTIL_CLOSE || x->worker->draining)
        return EXCHANGE_CLOSE;
    return EXCHANGE_KEEP;
}

static void exchange_set_interest(struct exchange *x)
{
    if (x->state == EXCHANGE_UPGRADE)
        return;
    if (!x->given_back)
        stream_want(&x->client->stream, x->want_client);
    if (x->origin_ready)
        stream_want(&x->origin->channel.stream, x->want_origin);
}

static void exchange_run_later(struct loop_node *node)
{
    exchange_run((struct exchange *)((char *)node - offsetof(struct exchange, node)));
}

void exchange_run(struct exchange *x)
{
    int next = EXCHANGE_WAIT;

    if (x->closing || x->running)
        return;
    x->running = true;
    for (unsigned i = 0; i < EXCHANGE_ACTIVATIONS; i++) {
        x->want_client = x->want_origin = 0;
        x->yields = false;
        next = x->pumping ? request_pump(x) : EXCHANGE_WAIT;
        if (next == EXCHANGE_WAIT)
            next = exchange_stages[x->state](x);
        if (next == EXCHANGE_WAIT)
            break;
        exchange_set_state(x, (enum exchange_state)next);
        if (next == EXCHANGE_END)
            break;
    }
    x->running = false;
    if (x->state == EXCHANGE_END)
        exchange_end(x);
    else if (next != EXCHANGE_WAIT || x->yields)
        loop_later(&x->worker->loop, &x->node, exchange_run_later);
    else
        exchange_set_interest(x);
}

int exchange_refuse(struct exchange *x, int status, const char *error_type, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(x->error, sizeof(x->error), format, args);
    va_end(args);
    if (x->head_sent || x->given_back) {
        x->fate = EXCHANGE_ABORT;
        if (!x->head_sent)
            x->status = status;
        x->error_type = error_type;
        keep_refused(x);
        return EXCHANGE_END;
    }
    x->status = status;
    x->error_type = error_type;
    return EXCHANGE_REFUSE;
}

int exchange_break(struct exchange *x, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(x->error, sizeof(x->error), format, args);
    va_end(args);
    x->fate = EXCHANGE_ABORT;
    return EXCHANGE_END;
}

void exchange_deadline(struct exchange *x, int64_t ms)
{
    loop_timer_set(&x->timer, ms);
}

unsigned exchange_rounds(const struct exchange *x, unsigned full)
{
    unsigned n = x->siblings == NULL ? 0 : atomic_load_explicit(x->siblings, memory_order_relaxed);
    unsigned rounds = n <= EXCHANGE_FEW ? full : full * EXCHANGE_FEW / n;

    return rounds > 0 ? rounds : 1;
}

static void exchange_on_origin(void *arg, unsigned events)
{
    exchange_run(arg);
}

void exchange_take_origin(struct exchange *x, struct origin_connection *origin)
{
    x->origin = origin;
    x->origin_ready = true;
    stream_set_owner(&origin->channel.stream, exchange_on_origin, x);
}

void exchange_drop_origin(struct exchange *x, bool reusable)
{
    if (x->origin == NULL)
        return;
    if (x->origin_ready)
        origin_release(&x->origin, reusable);
    else
        origin_cancel(&x->origin);
    x->origin_ready = false;
    x->pumping = false;
}

/* Which status a deadline has that passed before a final head went out: whose silence was it? */
static void exchange_on_timeout(void *arg)
{
    static const unsigned by_origin = TO(CONNECT) | TO(SEND) | TO(HEAD);
    struct exchange *x = arg;
    int next;

    if (x->closing)
        return;
    if (x->state == EXCHANGE_TEE) {
        next = tee_timeout(x);
        if (next == EXCHANGE_TEE) {
            exchange_run(x);
            return;
        }
    } else if (x->head_sent || x->state == EXCHANGE_REFUSE)
        next = exchange_break(x, "timeout while the response was on its way (%s)",
                              exchange_state_words[x->state]);
    else if (x->pumping && x->state == EXCHANGE_HEAD && !(x->want_origin & STREAM_WRITE))
        next = exchange_refuse(x, 408, "http_request_error",
                               "the request content did not arrive in time");
    else if (x->state == EXCHANGE_HOLD)
        next = exchange_refuse(x, 504, "http_response_timeout",
                               "the origin stopped sending, or hold.timeout passed");
    else if (x->state == EXCHANGE_POLICY || x->state == EXCHANGE_VERDICT ||
             x->state == EXCHANGE_JUDGE || x->state == EXCHANGE_REUSE)
        next = exchange_refuse(x, 504, "dns_timeout", "DNS did not answer in time");
    else if ((TO_STATE(x->state) & by_origin) && x->decision.if_error &&
             validated_unreachable(x) == EXCHANGE_REUSE)
        next = EXCHANGE_REUSE;
    else
        next = exchange_refuse(x, 504, "http_response_timeout",
                               "the origin's response did not begin in time");
    exchange_drop_origin(x, false);
    exchange_set_state(x, (enum exchange_state)next);
    if (next == EXCHANGE_END)
        exchange_end(x);
    else
        exchange_run(x);
}

/* News of the transfer that it follows. */
static void exchange_on_post(struct worker_post *post)
{
    exchange_run((struct exchange *)((char *)post - offsetof(struct exchange, post)));
}

static void exchange_on_client(void *arg, unsigned events)
{
    struct exchange *x = arg;

    if (x->closing)
        return;
    if (events & STREAM_GONE) {
        if (exchange_detach_client(x, "the client left")) {
            exchange_run(x);
            return;
        }
        (void)exchange_client_left(x);
        x->state = EXCHANGE_END; /* from wherever it was: nobody is there to be answered */
        exchange_end(x);
        return;
    }
    exchange_run(x);
}

int exchange_start(struct exchange **out, const struct exchange_start *start)
{
    struct exchange *x = calloc(1, sizeof(*x));
    struct timeval now;

    *out = NULL;
    if (x == NULL || (start->user != NULL && (x->user = strdup(start->user)) == NULL)) {
        free(x);
        return DIVE_E_NOMEM;
    }
    x->worker = start->worker;
    x->runtime = runtime_ref(start->runtime);
    x->client = start->client;
    x->request = *start->head;
    *start->head = (struct http_head){0};
    x->peer = start->peer;
    x->siblings = start->siblings;
    x->client_number = start->number;
    snprintf(x->peer_text, sizeof(x->peer_text), "%s", start->peer_text);
    x->listener = start->listener;
    x->listener_name = start->listener_name;
    x->tls = start->tls;
    if (x->client != NULL && stream_is_tls(&x->client->stream))
        x->tls_version = SSL_get_version(x->client->stream.ssl);
    x->fixed = start->fixed;
    x->route = start->route;
    if (start->destination != NULL) {
        x->destination = *start->destination;
        x->route = x->destination.host;
    }
    x->done = start->done;
    x->arg = start->arg;
    x->post.fn = exchange_on_post;
    x->cache_status.forward = CACHE_FORWARD_BYPASS;
    shared_exchange_id(x->worker->shared, x->id);
    gettimeofday(&now, NULL);
    x->started_unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
    x->started_ms = loop_now_ms(&x->worker->loop);
    loop_timer_init(&x->timer, &x->worker->loop, exchange_on_timeout, x);
    loop_timer_init(&x->keepalive, &x->worker->loop, hold_keep_alive, x);
    loop_timer_init(&x->trickle, &x->worker->loop, early_tick, x);
    TAILQ_INSERT_TAIL(&x->worker->exchanges, x, link);
    x->given_back = x->client == NULL;
    if (x->client != NULL) {
        stream_set_owner(&x->client->stream, exchange_on_client, x);
        stream_want(&x->client->stream, 0);
    }
    loop_later(&x->worker->loop, &x->node, exchange_run_later);
    *out = x;
    return 0;
}

void exchange_abort(struct exchange **exchange, const char *why)
{
    struct exchange *x = *exchange;

    *exchange = NULL;
    if (x == NULL || x->closing)
        return;
    snprintf(x->error, sizeof(x->error), "%s", why);
    exchange_close(x);
}
