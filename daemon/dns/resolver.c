/* SPDX-License-Identifier: BSD-2-Clause
 *
 * resolver: the life of a query. See resolver.h for the object map.
 *
 *      start -+-> WAITING --(a fresh context is free)-+
 *             +---------------------------------------+-> ASKING --(half the time gone,-> DOUBTING
 *             |                                            |   |    name below `_`)        |   |
 *             |                                   answered |   +--(no answer)--> PROBING <-+   |
 *             +-(localhost)--------------------------------+----------------------+------------+->
 * DONE
 *
 *      DONE -> (next loop turn) DELIVERING: the callback runs -> freed
 *
 * DOUBTING and PROBING ask for the SOA of the level that the name belongs to: an insecure answer
 * proves that the zone can publish nothing that counts. libunbound's callbacks only take notes;
 * everything else happens on the loop's later-queue, never on libunbound's stack.
 */
#include "dns/resolver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unbound-event.h>
#include <unbound.h>

#include "dns/message.h"
#include "dns/pool.h"

#define PENDING_MAX 4096 /* queries of one resolver */
#define TIMEOUT_DEFAULT_MS 10000
#define WHY_SIZE 256
#define LOCALHOST_TTL 3600

enum state { WAITING, ASKING, DOUBTING, PROBING, DONE, DELIVERING };

/* One question to libunbound; its address is the callback's argument. */
struct ask {
    struct resolver_query *query;
    int id;
    bool running;
};

struct resolver_query {
    TAILQ_ENTRY(resolver_query) link; /* WAITING */
    struct resolver *resolver;
    struct pool_context *context; /* held from ASKING until DONE */
    enum state state;
    enum resolver_type type;
    struct ask question;
    struct ask probe;
    bool probe_insecure;
    struct loop_node step;
    struct loop_timer timer;
    int64_t deadline_ms;
    enum dive_security security;
    bool timeout;
    int rcode;
    struct dns_answer *answer; /* or NULL */
    resolver_txt_fn *txt_cb;
    resolver_addresses_fn *addresses_cb;
    void *arg;
    const char *level; /* in `name`; NULL: not to be probed */
    char why[WHY_SIZE];
    char name[];
};

TAILQ_HEAD(query_list, resolver_query);

struct resolver {
    struct loop *loop;
    struct pool pool;
    int64_t timeout_ms;
    struct query_list waiting; /* for a fresh context */
    size_t pending;
    struct resolver_counters counters;
};

static const struct {
    const char *word;
    int rrtype;
} types[RESOLVER_TYPE_COUNT] = {
    [RESOLVER_A] = {"A", DNS_TYPE_A},
    [RESOLVER_AAAA] = {"AAAA", DNS_TYPE_AAAA},
    [RESOLVER_TXT] = {"TXT", DNS_TYPE_TXT},
    [RESOLVER_SOA] = {"SOA", DNS_TYPE_SOA},
};

static void on_step(struct loop_node *node);

/* ---- one query ---- */

static void ask_cancel(struct ask *ask)
{
    if (!ask->running)
        return;
    ask->running = false;
    ub_cancel(ask->query->context->ub, ask->id);
}

static int ask_start(struct resolver_query *q, struct ask *ask, const char *name,
                     enum resolver_type type, ub_event_callback_type cb)
{
    int u;

    ask->query = q;
    ask->id = 0;
    ask->running = true;
    u = ub_resolve_event(q->context->ub, name, types[type].rrtype, 1, ask, cb, &ask->id);
    if (u == 0)
        return 0;
    ask->running = false;
    return u == UB_NOMEM ? DIVE_E_NOMEM : DIVE_E_INTERNAL;
}

/* Ends whatever is under way, without a word to anybody. */
static void query_halt(struct resolver_query *q)
{
    ask_cancel(&q->question);
    ask_cancel(&q->probe);
    loop_timer_stop(&q->timer);
    pool_release(&q->context);
}

static void query_conclude(struct resolver_query *q, enum dive_security security)
{
    query_halt(q);
    q->security = security;
    q->state = DONE;
    q->resolver->counters.answers[q->type][security]++;
    if (q->timeout)
        q->resolver->counters.timeouts++;
    loop_later(q->resolver->loop, &q->step, on_step);
}

static void query_free(struct resolver_query *q)
{
    struct resolver *resolver = q->resolver;

    assert(!q->question.running && !q->probe.running && !q->step.queued);
    assert(!loop_timer_is_set(&q->timer));
    resolver->pending--;
    free(q->answer);
    free(q);
}

/* What libunbound says, as one of our four; the only place where they come from. `sec` is 2 for
 * secure and nothing else is; `rcode` is libunbound's own trouble, the answer's stands in the
 * packet. */
static enum dive_security judge(struct resolver_query *q, enum resolver_type type, int rcode,
                                const void *packet, int n, int sec, const char *why,
                                struct dns_answer **answer)
{
    *answer = NULL;
    if (sec == 1) {
        snprintf(q->why, sizeof q->why, "%s", why ? why : "DNSSEC validation failed");
        return DIVE_DNS_BOGUS;
    }
    if (rcode != 0 || !packet || n <= 0) {
        snprintf(q->why, sizeof q->why, "DNS gave no answer (rcode %d)", rcode);
        return DIVE_DNS_NO_ANSWER;
    }
    if (dns_message_parse(packet, (size_t)n, (uint16_t)types[type].rrtype, answer)) {
        snprintf(q->why, sizeof q->why, "DNS gave an answer that is malformed or too long");
        return DIVE_DNS_NO_ANSWER;
    }
    if ((*answer)->rcode != DNS_RCODE_NOERROR && (*answer)->rcode != DNS_RCODE_NXDOMAIN) {
        snprintf(q->why, sizeof q->why, "DNS gave no answer (rcode %d)", (*answer)->rcode);
        return DIVE_DNS_NO_ANSWER;
    }
    if (sec == 2)
        return DIVE_DNS_SECURE;
    return sec == 0 ? DIVE_DNS_INSECURE : DIVE_DNS_NO_ANSWER;
}

static void on_probe(void *arg, int rcode, void *packet, int n, int sec, char *why, int ratelimited)
{
    struct ask *ask = arg;
    struct resolver_query *q = ask->query;
    struct dns_answer *answer = NULL;
    char kept[WHY_SIZE];
    enum dive_security security;

    ask->running = false;
    memcpy(kept, q->why, sizeof kept); /* the reason stays that of the question */
    security = judge(q, RESOLVER_SOA, rcode, packet, n, sec, why, &answer);
    memcpy(q->why, kept, sizeof kept);
    q->resolver->counters.answers[RESOLVER_SOA][security]++;
    /* An alias from a signed zone into an unsigned one makes the answer insecure as well, and
     * proves nothing about names below the alias. */
    q->probe_insecure = security == DIVE_DNS_INSECURE && answer->aliases == 0;
    free(answer);
    if (q->state == PROBING)
        query_conclude(q, q->probe_insecure ? DIVE_DNS_INSECURE : DIVE_DNS_NO_ANSWER);
}

static void on_question(void *arg, int rcode, void *packet, int n, int sec, char *why,
                        int ratelimited)
{
    struct ask *ask = arg;
    struct resolver_query *q = ask->query;
    enum dive_security security;

    ask->running = false;
    security = judge(q, q->type, rcode, packet, n, sec, why, &q->answer);
    q->rcode = q->answer ? q->answer->rcode : rcode ? rcode : DNS_RCODE_SERVFAIL;
    if (security != DIVE_DNS_NO_ANSWER || !q->level) {
        query_conclude(q, security);
        return;
    }
    if (q->state == DOUBTING && !q->probe.running) {
        query_conclude(q, q->probe_insecure ? DIVE_DNS_INSECURE : DIVE_DNS_NO_ANSWER);
        return;
    }
    if (q->state == ASKING)
        loop_later(q->resolver->loop, &q->step, on_step);
    q->state = PROBING;
}

static void probe_start(struct resolver_query *q)
{
    if (ask_start(q, &q->probe, q->level, RESOLVER_SOA, on_probe) == 0)
        return;
    if (q->state == PROBING)
        query_conclude(q, DIVE_DNS_NO_ANSWER);
}

/* The time for the next thing: half of it gone (then the level is probed beside the question, so
 * that doubt doesn't double the wait), or all of it. */
static void on_timer(void *arg)
{
    struct resolver_query *q = arg;
    int64_t left = q->deadline_ms - loop_now_ms(q->resolver->loop);

    if (q->state == ASKING && q->level && left > 0) {
        loop_timer_set(&q->timer, left);
        q->state = DOUBTING;
        probe_start(q);
        return;
    }
    if (q->state == WAITING)
        TAILQ_REMOVE(&q->resolver->waiting, q, link);
    if (q->state == PROBING) { /* for the reason that the question had */
        query_conclude(q, DIVE_DNS_NO_ANSWER);
        return;
    }
    q->timeout = true;
    q->rcode = DNS_RCODE_SERVFAIL;
    snprintf(q->why, sizeof q->why, "DNS did not answer in time");
    query_conclude(q, q->probe_insecure ? DIVE_DNS_INSECURE : DIVE_DNS_NO_ANSWER);
}

/* Takes over the hold on `context`. */
static int question_start(struct resolver_query *q, struct pool_context *context)
{
    int64_t left = q->deadline_ms - loop_now_ms(q->resolver->loop);

    q->context = context;
    q->state = ASKING;
    loop_timer_set(&q->timer, q->level ? left / 2 : left);
    return ask_start(q, &q->question, q->name, q->type, on_question);
}

static void on_room(void *arg)
{
    struct resolver *resolver = arg;
    struct pool_context *context;
    struct resolver_query *q;

    while ((q = TAILQ_FIRST(&resolver->waiting))) {
        int r = pool_fresh(&resolver->pool, &context);

        if (r == 0 && !context)
            return;
        TAILQ_REMOVE(&resolver->waiting, q, link);
        if (r == 0)
            r = question_start(q, context);
        if (r) {
            snprintf(q->why, sizeof q->why, "the resolver could not ask");
            query_conclude(q, DIVE_DNS_NO_ANSWER);
        }
    }
}

/* ---- delivery ---- */

static void deliver_txt(struct resolver_query *q)
{
    struct dive_answer answer = {.security = q->security};

    if (q->answer && q->security >= DIVE_DNS_INSECURE)
        answer.ttl = q->answer->ttl;
    if (q->answer && q->security == DIVE_DNS_SECURE && q->answer->n > 0) {
        answer.txt = q->answer->record;
        answer.n = q->answer->n;
    }
    if (q->security <= DIVE_DNS_BOGUS)
        answer.why = q->why;
    q->txt_cb(q->arg, &answer);
}

static void deliver_addresses(struct resolver_query *q)
{
    uint8_t address[RESOLVER_ADDRESSES_MAX][16];
    struct resolver_addresses answer = {
        .family = q->type == RESOLVER_A ? AF_INET : AF_INET6,
        .security = q->security,
        .timeout = q->timeout,
        .rcode = q->rcode,
    };

    memset(address, 0, sizeof address);
    if (q->answer && q->security >= DIVE_DNS_INSECURE) {
        answer.ttl = q->answer->ttl;
        answer.nxdomain = q->answer->rcode == DNS_RCODE_NXDOMAIN;
        for (; answer.n < q->answer->n && answer.n < RESOLVER_ADDRESSES_MAX; answer.n++)
            memcpy(address[answer.n], q->answer->record[answer.n].p,
                   answer.family == AF_INET ? 4 : 16);
    }
    answer.address = (const uint8_t(*)[16])address;
    if (q->security <= DIVE_DNS_BOGUS)
        answer.why = q->why;
    q->addresses_cb(q->arg, &answer);
}

static void on_step(struct loop_node *node)
{
    struct resolver_query *q = (void *)((char *)node - offsetof(struct resolver_query, step));

    if (q->state == PROBING) {
        probe_start(q);
        return;
    }
    assert(q->state == DONE);
    q->state = DELIVERING;
    if (q->type == RESOLVER_TXT)
        deliver_txt(q);
    else
        deliver_addresses(q);
    query_free(q);
}

void resolver_cancel(struct resolver_query **query)
{
    struct resolver_query *q = *query;

    *query = NULL;
    if (!q || q->state == DELIVERING)
        return;
    if (q->state == WAITING)
        TAILQ_REMOVE(&q->resolver->waiting, q, link);
    query_halt(q);
    loop_cancel(q->resolver->loop, &q->step);
    q->resolver->counters.cancelled++;
    /* No callback of ours calls out, so none of this query can be on the stack. */
    query_free(q);
}

/* ---- starting ---- */

/* The part of `name` after its last label that begins with '_': "k._divekey.a.example" ->
 * "a.example". */
static const char *level_of(const char *name)
{
    const char *level = NULL;

    for (const char *label = name; label; label = strchr(label, '.')) {
        if (*label == '.')
            label++;
        if (*label == '_')
            level = strchr(label, '.');
    }
    return level && level[1] != '\0' ? level + 1 : NULL;
}

static bool is_localhost(const char *name)
{
    size_t n = strlen(name);

    if (n > 0 && name[n - 1] == '.')
        n--;
    return n >= 9 && strncasecmp(name + n - 9, "localhost", 9) == 0 &&
           (n == 9 || name[n - 10] == '.');
}

static int query_new(struct resolver_query **out, struct resolver *resolver, const char *name,
                     enum resolver_type type, void *arg)
{
    struct resolver_query *q;
    size_t n;

    *out = NULL;
    if (!dns_name_valid(name))
        return DIVE_E_SYNTAX;
    if (resolver->pending >= PENDING_MAX)
        return DIVE_E_LIMIT;
    n = strlen(name);
    q = calloc(1, sizeof *q + n + 1);
    if (!q)
        return DIVE_E_NOMEM;
    memcpy(q->name, name, n + 1);
    q->resolver = resolver;
    q->type = type;
    q->arg = arg;
    q->rcode = DNS_RCODE_SERVFAIL;
    q->deadline_ms = loop_now_ms(resolver->loop) + resolver->timeout_ms;
    loop_timer_init(&q->timer, resolver->loop, on_timer, q);
    resolver->pending++;
    *out = q;
    return 0;
}

/* On failure the query is gone. */
static int query_start(struct resolver_query *q, bool fresh)
{
    struct resolver *resolver = q->resolver;
    struct pool_context *context = NULL;
    int r = 0;

    if (!fresh)
        context = pool_shared(&resolver->pool);
    else if (TAILQ_EMPTY(&resolver->waiting))
        r = pool_fresh(&resolver->pool, &context);
    if (r)
        goto out;
    if (context) {
        r = question_start(q, context);
        goto out;
    }
    q->state = WAITING;
    TAILQ_INSERT_TAIL(&resolver->waiting, q, link);
    loop_timer_set(&q->timer, resolver->timeout_ms);
out:
    if (r) {
        query_halt(q);
        query_free(q);
    }
    return r;
}

int resolver_txt(struct resolver *resolver, const char *name, bool fresh, resolver_txt_fn *cb,
                 void *arg, struct resolver_query **query)
{
    struct resolver_query *q;
    int r;

    *query = NULL;
    r = query_new(&q, resolver, name, RESOLVER_TXT, arg);
    if (r)
        return r;
    q->txt_cb = cb;
    q->level = level_of(q->name);
    r = query_start(q, fresh);
    if (r == 0)
        *query = q;
    return r;
}

/* RFC 6761 section 6.3. INSECURE: nobody signed it. On failure the query is gone. */
static int answer_localhost(struct resolver_query *q)
{
    static const uint8_t loopback[2][16] = {{127, 0, 0, 1}, {[15] = 1}};
    bool v4 = q->type == RESOLVER_A;
    struct dns_answer *answer = calloc(1, sizeof *answer);

    if (!answer) {
        query_free(q);
        return DIVE_E_NOMEM;
    }
    answer->ttl = LOCALHOST_TTL;
    answer->n = 1;
    answer->record[0] = dive_span(loopback[v4 ? 0 : 1], v4 ? 4 : 16);
    q->answer = answer;
    q->rcode = DNS_RCODE_NOERROR;
    query_conclude(q, DIVE_DNS_INSECURE);
    return 0;
}

int resolver_addresses(struct resolver *resolver, const char *host, int family,
                       resolver_addresses_fn *cb, void *arg, struct resolver_query **query)
{
    struct resolver_query *q;
    int r;

    *query = NULL;
    if (family != AF_INET && family != AF_INET6)
        return DIVE_E_UNSUPPORTED;
    r = query_new(&q, resolver, host, family == AF_INET ? RESOLVER_A : RESOLVER_AAAA, arg);
    if (r)
        return r;
    q->addresses_cb = cb;
    r = is_localhost(q->name) ? answer_localhost(q) : query_start(q, false);
    if (r == 0)
        *query = q;
    return r;
}

/* ---- the resolver ---- */

int resolver_reconfigure(struct resolver *resolver, const struct resolver_config *config,
                         char *error, size_t error_size)
{
    char scratch[512];
    int r;

    if (!error) {
        error = scratch;
        error_size = sizeof scratch;
    }
    r = pool_configure(&resolver->pool, config, error, error_size);
    if (r)
        return r;
    resolver->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : TIMEOUT_DEFAULT_MS;
    return 0;
}

int resolver_new(struct resolver **out, struct loop *loop, const struct resolver_config *config,
                 char *error, size_t error_size)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    int r;

    *out = NULL;
    if (!resolver) {
        if (error)
            snprintf(error, error_size, "out of memory");
        return DIVE_E_NOMEM;
    }
    resolver->loop = loop;
    pool_init(&resolver->pool, loop, on_room, resolver);
    TAILQ_INIT(&resolver->waiting);
    r = resolver_reconfigure(resolver, config, error, error_size);
    if (r)
        resolver_free(&resolver);
    *out = resolver;
    return r;
}

void resolver_free(struct resolver **resolver)
{
    struct resolver *r = *resolver;

    *resolver = NULL;
    if (!r)
        return;
    assert(r->pending == 0);
    pool_destroy(&r->pool);
    free(r);
}

size_t resolver_pending(const struct resolver *resolver)
{
    return resolver->pending;
}

const struct resolver_counters *resolver_counters(const struct resolver *resolver)
{
    return &resolver->counters;
}

const char *resolver_type_word(enum resolver_type type)
{
    return type < RESOLVER_TYPE_COUNT ? types[type].word : "";
}
