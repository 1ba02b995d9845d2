/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit_note: see audit_note.h.
 */
#include "exchange/audit_note.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "exchange/private.h"
#include "lib/verifier_json.h"

#define X(id, word) word,
static const char *const note_modes[] = {CONFIG_MODES(X)};
#undef X

/* The policy's answer failed: why? */
static enum audit_kind note_kind_of_answer(const struct exchange *x)
{
    switch (dive_verifier_policy_security(x->verifier)) {
    case DIVE_DNS_BOGUS:
        return AUDIT_KIND_BOGUS;
    case DIVE_DNS_NO_ANSWER:
        return AUDIT_KIND_NO_ANSWER;
    case DIVE_DNS_INSECURE:
    case DIVE_DNS_SECURE:
    default:
        return AUDIT_KIND_NONE;
    }
}

static bool note_is_denied(const struct exchange *x)
{
    return x->rule != NULL && x->rule->deny;
}

static enum audit_kind note_kind(const struct exchange *x)
{
    enum dive_policy_state state = DIVE_POLICY_PENDING;
    enum audit_kind kind = AUDIT_KIND_NONE;
    bool blocks;

    if (note_is_denied(x))
        return AUDIT_KIND_DENIED;
    if (x->verifier != NULL) {
        if (dive_verifier_policy_lost(x->verifier, &blocks) != NULL)
            return AUDIT_KIND_POLICY_LOST;
        state = dive_verifier_policy_state(x->verifier);
    }
    /* ABSENT: by dive.bogus or dive.no-answer, it was passed over. */
    if (state == DIVE_POLICY_FAILED ||
        (state == DIVE_POLICY_ABSENT && x->url.at.kind == HTTP_HOST_NAME))
        kind = note_kind_of_answer(x);
    if (kind == AUDIT_KIND_NONE && (x->verdict == VERDICT_FAILED || x->action == ACTION_BLOCKED))
        kind = AUDIT_KIND_FAILED;
    /* The client left before there was a verdict: nothing was decided. */
    if (state == DIVE_POLICY_FAILED && x->verdict != VERDICT_FAILED)
        return AUDIT_KIND_NONE;
    return kind;
}

/* Would this have been blocked if the configuration's mode were `enforce`? What a policy itself
 * wants only reported never is. */
static bool note_would_block(const struct exchange *x)
{
    const struct dive_policy *policy =
        x->verifier != NULL ? dive_verifier_policy(x->verifier) : NULL;

    return x->verdict == VERDICT_FAILED && x->action != ACTION_BLOCKED &&
           x->mode == CONFIG_MODE_REPORT_ONLY && (policy == NULL || !policy->report_only);
}

static const char *note_mode(const struct exchange *x)
{
    const struct dive_policy *policy =
        x->verifier != NULL ? dive_verifier_policy(x->verifier) : NULL;

    if (note_is_denied(x))
        return NULL;
    if (policy != NULL && policy->report_only && x->mode == CONFIG_MODE_ENFORCE)
        return "policy-report-only";
    return note_modes[x->mode];
}

/* The response's fields that prove what was signed and how: [name, value] each. */
static json_t *note_fields(const struct exchange *x)
{
    static const char *const names[] = {"Signature-Input", "Signature", "Content-Digest",
                                        "DIVE-Sig", "Content-Type"};
    json_t *list = json_array();
    int r = list != NULL ? 0 : -1;

    for (size_t i = 0; i < x->response.n_fields && r == 0; i++) {
        const struct dive_field *field = &x->response.fields[i];

        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]) && r == 0; n++)
            if (dive_span_caseeq(field->name, dive_span_str(names[n])))
                r = json_array_append_new(list, json_pack("[o, o]", verifier_json_text(field->name),
                                                          verifier_json_text(field->value)));
    }
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* malloc'd, or NULL: {"status", "fields", "trace"}. A trace that is too long is left out: the fact
 * isn't lost with its proof. */
static char *note_proof(const struct exchange *x)
{
    json_t *fields = note_fields(x);
    char *list = fields != NULL ? json_dumps(fields, JSON_COMPACT) : NULL;
    char *trace = NULL, *proof = NULL;

    json_decref(fields);
    if (x->verifier != NULL) {
        /* Mostly it was rendered for the ring a moment ago. */
        trace = trace_ring_get(x->worker->shared->traces, x->id);
        if (trace == NULL)
            trace = verify_make_trace(x);
    }
    if (list != NULL && strlen(list) > AUDIT_PROOF_MAX)
        list[0] = '\0';
    if (trace != NULL && strlen(trace) > AUDIT_PROOF_MAX)
        strcpy(trace, "\"too long\"");
    if (list != NULL &&
        asprintf(&proof, "{\"status\":%d,\"fields\":%s,\"trace\":%s}", x->response.status,
                 list[0] != '\0' ? list : "\"too long\"", trace != NULL ? trace : "null") < 0)
        proof = NULL;
    free(list);
    free(trace);
    return proof;
}

/* The rule that matched, if any. */
static int note_rule(struct audit_event *event, const struct config_rule *rule)
{
    char place[CONFIG_RULE_PLACE];

    if (rule == NULL)
        return 0;
    return audit_event_string(event, AUDIT_RULE, config_rule_place(rule, place, sizeof(place)));
}

static int note_words(struct audit_event *event, const struct exchange *x, enum audit_kind kind)
{
    const char *reason = x->reason_word;
    const struct dive_policy *policy = NULL;
    int r = note_rule(event, x->rule);

    if (reason == NULL && x->reason != DIVE_REASON_NONE)
        reason = dive_reason_word(x->reason);
    r |= audit_event_string(event, AUDIT_KIND, audit_kind_word(kind));
    r |= audit_event_string(event, AUDIT_MODE, note_mode(x));
    r |= audit_event_string(event, AUDIT_VERDICT, verdict_word(x->verdict));
    r |= audit_event_string(event, AUDIT_REASON, reason);
    r |= audit_event_string(event, AUDIT_ACTION,
                            note_is_denied(x) ? "denied" : action_word(x->action));
    r |= audit_event_string(event, AUDIT_ERROR, x->error[0] != '\0' ? x->error : NULL);
    if (x->verifier == NULL)
        return r;
    policy = dive_verifier_policy(x->verifier);
    r |= audit_event_string(event, AUDIT_POLICY_DOMAIN, dive_verifier_policy_domain(x->verifier));
    r |= audit_event_string(event, AUDIT_DNSSEC,
                            dive_security_word(dive_verifier_policy_security(x->verifier)));
    if (policy != NULL)
        r |= audit_event_string(event, AUDIT_DRAFT, dive_version_token(policy->version));
    return r;
}

static const char *note_listener(const struct config *config, unsigned listener)
{
    return listener < config->listeners.n ? config->listeners.v[listener].address.text : NULL;
}

static struct audit_event *note_event(const struct exchange *x, enum audit_kind kind)
{
    const struct config *config = x->runtime->config;
    struct audit_event *event = audit_event_new();
    char *url = x->url_known ? http_url_string(&x->url, config->log.redact_query) : NULL;
    int r = 0;

    if (event == NULL)
        goto out;
    event->v[AUDIT_TIME].number = x->started_unix_ms;
    event->v[AUDIT_BROWSER].number = http_field_get(&x->request, "Sec-Fetch-Mode") != NULL;
    event->v[AUDIT_WOULD_BLOCK].number = note_would_block(x);
    event->v[AUDIT_STATUS].number = x->status;
    event->v[AUDIT_PORT].number = x->url_known ? x->url.at.port : 0;
    r |= audit_event_string(event, AUDIT_EXCHANGE, x->id);
    r |= audit_event_string(event, AUDIT_CLIENT, x->peer_text);
    r |= audit_event_string(event, AUDIT_USER, x->user);
    r |= audit_event_text(event, AUDIT_METHOD, x->request.method);
    r |= audit_event_string(event, AUDIT_URL, url);
    r |= audit_event_string(event, AUDIT_HOST, x->url_known ? x->url.at.host : NULL);
    r |= audit_event_string(event, AUDIT_LISTENER, note_listener(config, x->listener));
    r |= note_words(event, x, kind);
    if (kind != AUDIT_KIND_DENIED && audit_keeps(x->worker->shared->audit))
        audit_event_take(event, AUDIT_PROOF, note_proof(x));
    if (r != 0)
        audit_event_free(&event); /* half of it would read as the whole */
out:
    free(url);
    return event;
}

void audit_note_exchange(const struct exchange *x)
{
    struct audit *audit = x->worker->shared->audit;
    enum audit_kind kind;
    struct audit_event *event;

    if (audit == NULL)
        return;
    if (x->background == NULL) { /* else no client asked */
        const struct audit_seen seen = {
            .host = x->url_known ? x->url.at.host : NULL,
            .client = x->peer_text,
            .domain = x->verifier != NULL ? dive_verifier_policy_domain(x->verifier) : NULL,
            .verdict = x->verdict,
            .reason = x->reason,
            .action = x->action,
            .bytes = x->bytes_out,
        };

        audit_count(audit, &seen);
    }
    kind = note_kind(x);
    if (kind == AUDIT_KIND_NONE)
        return;
    event = note_event(x, kind);
    audit_submit(audit, &event);
}

void audit_note_tunnel(struct worker *worker, const struct access_entry *e)
{
    struct audit *audit = worker->shared->audit;
    const struct config *config = worker->runtime->config;
    const struct audit_seen seen = {
        .host = e->host,
        .client = e->client,
        .verdict = e->verdict,
        .action = e->action,
        .bytes = e->bytes,
    };
    struct audit_event *event;
    int r = 0;

    if (audit == NULL)
        return;
    audit_count(audit, &seen);
    if (e->denied_by == NULL)
        return;
    event = audit_event_new();
    if (event == NULL)
        goto out;
    event->v[AUDIT_TIME].number = e->started_unix_ms;
    event->v[AUDIT_STATUS].number = e->status;
    event->v[AUDIT_PORT].number = e->port;
    r |= audit_event_string(event, AUDIT_EXCHANGE, e->exchange);
    r |= audit_event_string(event, AUDIT_KIND, audit_kind_word(AUDIT_KIND_DENIED));
    r |= audit_event_string(event, AUDIT_CLIENT, e->client);
    r |= audit_event_string(event, AUDIT_USER, e->user);
    r |= audit_event_text(event, AUDIT_METHOD, e->method);
    r |= audit_event_string(event, AUDIT_URL, e->url);
    r |= audit_event_string(event, AUDIT_HOST, e->host);
    r |= audit_event_string(event, AUDIT_LISTENER, note_listener(config, e->listener));
    r |= audit_event_string(event, AUDIT_VERDICT, verdict_word(e->verdict));
    r |= audit_event_string(event, AUDIT_ACTION, "denied");
    r |= note_rule(event, e->denied_by);
    r |= audit_event_string(event, AUDIT_ERROR, e->error);
    if (r != 0)
        audit_event_free(&event);
out:
    audit_submit(audit, &event);
}
