/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verify: feeds the verifier of this exchange and takes over what it decided: for the log, the
 * trace, and the report. Its TXT lookups are dns/verifier_lookups.h's.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "exchange/private.h"
#include "lib/sf.h"
#include "report/reporter.h"

#define FAULT_QUIET_MS 60000
#define VERIFY_TRACE_OBJECT                                                                        \
    (16 * 1024) /* content that is kept for a trace; and the exchange itself */
#define VERIFY_TRACE_HEADS (16 * 1024)

static void verify_on_answer(void *arg)
{
    struct exchange *x = arg;

    if (!x->closing)
        exchange_run(x);
}

static bool verify_in_custom_scope(void *arg, const char *scope, const struct dive_request *request,
                                   const struct dive_response *response)
{
    const struct exchange *x = arg;
    char media[256];
    bool known = false;

    /* Of the response that is judged: while a transfer is resumed, x->response is another. */
    for (size_t i = 0; i < response->fields.n && !known; i++) {
        const struct dive_field *field = &response->fields.v[i];

        known = dive_span_caseeq(field->name, dive_span_str("Content-Type"));
        if (known)
            snprintf(media, sizeof(media), "%.*s",
                     (int)(field->value.n < 255 ? field->value.n : 255), field->value.p);
    }
    return config_scope_match(x->runtime->config, scope, x->url.at.host, x->path,
                              known ? media : NULL);
}

int verify_start(struct exchange *x)
{
    const struct config *config = x->runtime->config;
    struct dive_options options = {
        .versions = config->dive.versions,
        .ignore_bogus = config->dive.bogus == CONFIG_FAILURE_IGNORE,
        .ignore_no_answer = config->dive.no_answer == CONFIG_FAILURE_IGNORE,
        .pass_other_success = config->dive.other_success == CONFIG_OTHER_SUCCESS_PASS,
        .user_agent = x->runtime->user_agent,
        .cache = x->worker->shared->records,
        .policies = config->dive.remember_policies_ms > 0 ? x->worker->shared->policies : NULL,
        .remember_policies = config->dive.remember_policies_ms / 1000,
        .custom_scope = verify_in_custom_scope,
        .custom_scope_arg = x,
        .required_components = x->rule != NULL && x->rule->components != NULL
                                   ? &x->rule->components->members[0]
                                   : NULL,
    };
    int r = dive_verifier_new(&x->verifier, &options);

    if (r != 0)
        return r;
    verifier_lookups_init(&x->lookups, x->verifier, x->worker->resolver, &x->worker->loop, x->id,
                          verify_on_answer, x);
    r = dive_verifier_start(x->verifier, dive_span_str(x->url.at.host), worker_now(x->worker));
    if (r != 0)
        return r;
    verifier_lookups_drain(&x->lookups);
    return 0;
}

int verify_response(struct exchange *x)
{
    int r;

    if (x->verifier == NULL)
        return 0;
    r = dive_verifier_response(x->verifier, &x->dive_request, &x->dive_response,
                               worker_now(x->worker));
    if (r == 0)
        verifier_lookups_drain(&x->lookups);
    return r;
}

int verify_end(struct exchange *x)
{
    struct timespec now;
    int r;

    if (x->verifier == NULL)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    x->complete_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    r = dive_verifier_end(x->verifier, worker_now(x->worker));
    if (r == 0)
        verifier_lookups_drain(&x->lookups);
    return r;
}

static void verify_report(struct exchange *x, bool blocked)
{
    const struct dive_policy *policy = dive_verifier_policy(x->verifier);
    const struct config *config = x->runtime->config;
    char *url = NULL, *json = NULL, *subject = NULL;

    if (policy == NULL || policy->report_to[0] == '\0')
        return;
    if (config->dive.reports == CONFIG_REPORTS_OFF) {
        metrics_add(&metrics.reports[REPORT_OFF], 1);
        return;
    }
    url = http_url_string(&x->url, false);
    if (url == NULL ||
        dive_verifier_report(x->verifier, url, blocked, worker_now(x->worker), &json) != 0 ||
        asprintf(&subject, "%s %s %d", url, dive_reason_word(x->reason), blocked) < 0) {
        log_error("report", "%s: the report could not be made", x->id);
        goto out;
    }
    if (config->dive.reports == CONFIG_REPORTS_LOG) {
        log_info("report", "%s", json);
        metrics_add(&metrics.reports[REPORT_LOGGED], 1);
        goto out;
    }
    reporter_submit(x->worker->reporter, x->runtime, policy->report_to, json, subject);
    json = NULL;
out:
    free(url);
    free(json);
    free(subject);
}

void verify_conclude(struct exchange *x, bool blocked)
{
    x->concluded = true;
    if (x->verifier == NULL) {
        x->verdict = x->exempt ? VERDICT_EXEMPT : VERDICT_NONE;
        return;
    }
    switch (dive_verifier_verdict(x->verifier)) {
    case DIVE_ACCEPT:
        x->verdict = VERDICT_VERIFIED;
        break;
    case DIVE_REJECT:
        x->verdict = VERDICT_FAILED;
        x->reason = dive_verifier_reason(x->verifier);
        verify_report(x, blocked);
        break;
    case DIVE_NOT_COVERED:
        x->verdict = VERDICT_NOT_COVERED;
        break;
    case DIVE_NOT_SUPPORTED:
        x->verdict = VERDICT_NOT_SUPPORTED;
        break;
    case DIVE_UNDECIDED:
        x->verdict = VERDICT_NONE;
        break;
    }
    if (x->complete_us > 0) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        metrics_verify_duration(
            (uint64_t)((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - x->complete_us));
    }
}

/* A validated record where the policy should be, and it isn't one: an operator's mistake that turns
 * DIVE off for the domain. Said aloud, but not for every request. */
static void verify_tell_fault(struct exchange *x)
{
    struct worker *worker = x->worker;
    const char *domain = NULL;
    const struct dive_fault *fault = dive_verifier_policy_fault(x->verifier, &domain);
    int64_t now = loop_now_ms(&worker->loop);

    if (fault == NULL || domain == NULL ||
        (strcmp(worker->fault_domain, domain) == 0 && now < worker->fault_quiet_until_ms))
        return;
    snprintf(worker->fault_domain, sizeof(worker->fault_domain), "%s", domain);
    worker->fault_quiet_until_ms = now + FAULT_QUIET_MS;
    log_warning("dive",
                "_dive.%s: the TXT record there is no policy, so DIVE is off for %s: %s%s%s",
                domain, x->url.at.host, fault->parameter, fault->parameter[0] != '\0' ? ": " : "",
                fault->text);
}

/* A domain that had a policy and can't prove that it has none: an attack, or an operator who gave
 * up DNSSEC. Limited as the faults are. */
static void verify_tell_lost(struct exchange *x)
{
    struct worker *worker = x->worker;
    bool blocks;
    const char *domain = dive_verifier_policy_lost(x->verifier, &blocks);
    int64_t now = loop_now_ms(&worker->loop);

    if (domain == NULL)
        return;
    metrics_add(&metrics.policies_lost, 1);
    if (strcmp(worker->fault_domain, domain) == 0 && now < worker->fault_quiet_until_ms)
        return;
    snprintf(worker->fault_domain, sizeof(worker->fault_domain), "%s", domain);
    worker->fault_quiet_until_ms = now + FAULT_QUIET_MS;
    log_warning("dive",
                "_dive.%s: this domain had a policy, and DNS no longer proves that it has none; "
                "%s%s; if that is meant: divectl policies forget %s",
                domain, x->url.at.host, blocks ? " is refused" : " was report-only and passes",
                domain);
}

/* A hit on a small object in memory is where a trace costs more than all the rest, and all that it
 * is made of is in this exchange. Anything else would keep files, or much memory, for the trace's
 * sake. */
static bool verify_trace_can_wait(const struct exchange *x)
{
    const void *content;
    size_t n;

    /* A head that was borrowed from a transfer goes with it. */
    if (!x->from_store || !x->borrowed || x->object == NULL ||
        x->response.fields != object_meta(x->object)->head.fields)
        return false;
    object_peek(x->object, 0, &content, &n);
    return n == object_meta(x->object)->size && n <= VERIFY_TRACE_OBJECT &&
           x->request.n_bytes + object_meta(x->object)->head.n_bytes <= VERIFY_TRACE_HEADS;
}

/* Which address the client of a transparent listener connected to. */
static json_t *verify_destination(const struct exchange *x)
{
    return json_sprintf(x->destination.kind == HTTP_HOST_IPV6 ? "[%s]:%u" : "%s:%u",
                        x->destination.host, x->destination.port);
}

char *verify_make_trace(const struct exchange *x)
{
    json_t *more = json_object();
    char *trace = NULL, *added = NULL, *whole = NULL;

    if (dive_verifier_trace(x->verifier, &trace) != 0)
        trace = NULL;
    if (x->rule_place != NULL)
        (void)json_object_set_new(more, "rule", json_string(x->rule_place));
    if (x->user != NULL)
        (void)json_object_set_new(more, "user", json_string(x->user));
    if (x->failed_before) /* the verifier stopped before the content */
        (void)json_object_set_new(more, "failed-before", json_string(dive_reason_word(x->reason)));
    if (x->destination.kind != 0)
        (void)json_object_set_new(more, "destination", verify_destination(x));
    if (trace == NULL || trace[0] != '{' || (more != NULL && json_object_size(more) == 0)) {
        json_decref(more);
        return trace;
    }
    added = json_dumps(more, JSON_ENSURE_ASCII);
    json_decref(more);
    if (added != NULL && asprintf(&whole, "%.*s,%s", (int)strlen(added) - 1, added, trace + 1) < 0)
        whole = NULL;
    free(added);
    free(trace);
    return whole;
}

void verify_trace(struct exchange *x)
{
    char *trace;

    if (x->verifier == NULL)
        return;
    verify_tell_fault(x);
    verify_tell_lost(x);
    if (x->runtime->config->trace.entries == 0)
        return;
    if (x->rule != NULL) {
        char place[CONFIG_RULE_PLACE];

        x->rule_place = strdup(config_rule_place(x->rule, place, sizeof(place)));
    }
    x->trace_waits = verify_trace_can_wait(x);
    trace = x->trace_waits ? NULL : verify_make_trace(x);
    if (trace != NULL)
        trace_ring_put(x->worker->shared->traces, x->id, trace);
}

static char *verify_render(void *arg)
{
    return verify_make_trace(arg);
}

void verify_keep_trace(struct exchange *x, void (*free_exchange)(void *))
{
    const struct trace_source source = {
        .render = verify_render,
        .free = free_exchange,
        .arg = x,
        .size = VERIFY_TRACE_OBJECT + x->request.n_bytes + object_meta(x->object)->head.n_bytes +
                (size_t)object_meta(x->object)->size,
    };

    trace_ring_put_source(x->worker->shared->traces, x->id, &source);
}

int verify_restart(struct exchange *x)
{
    if (x->verifier == NULL)
        return 0;
    verify_stop(x);
    dive_verifier_free(&x->verifier);
    x->complete_us = 0; /* of this one's content */
    return verify_start(x);
}

void verify_drop_part(struct exchange *x)
{
    verify_stop(x);
    dive_verifier_free(&x->verifier);
    x->send_hashes = false;
    x->verdict = VERDICT_NOT_COVERED;
    x->concluded = true;
}

void verify_stop(struct exchange *x)
{
    verifier_lookups_stop(&x->lookups);
}

void verify_free(struct exchange *x)
{
    verifier_lookups_free(&x->lookups);
}
