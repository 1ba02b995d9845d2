/* SPDX-License-Identifier: BSD-2-Clause
 *
 * download: see download.h.
 *
 *      BEGIN -> POLICY -> CONNECT -> SEND -> HEAD -+--------> CONTENT -+-> VERDICT -> END
 *        ^        |          |         |       |   +-> REHASH --^      |      |
 *        |        +----------+---------+-------+------------------ ... +-> END (failed)
 *        +--------------- redirect, or once more without a range -----------+
 *
 * POLICY waits for DNS only in the clear, where https-required must be known before the origin
 * hears of the request; otherwise policy, keys and content come at the same time.
 */
#include "cmd/download.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sysexits.h>

#include "cmd/download_private.h"
#include "cmd/redirect.h"
#include "core/log.h"
#include "http/path.h"

#define VERDICT_ROUNDS 4 /* lookups that may follow each other until a verdict */

static const char *const state_words[] = {
#define X(id, word) word,
    DOWNLOAD_STATES(X)
#undef X
};

const char *download_end_word(enum download_end end)
{
    static const char *const words[] = {"failed", "rejected", "unverified", "report-only",
                                        "accepted"};

    return words[end];
}

/* ---- ends ---- */

__attribute__((format(printf, 2, 0))) static void download_set_error(struct download *d,
                                                                     const char *format,
                                                                     va_list arguments)
{
    char *error = d->result->error;

    vsnprintf(error, sizeof(d->result->error), format, arguments);
    for (; *error != '\0'; error++)
        if (*error < 0x20 || *error > 0x7e)
            *error = '?';
}

int download_fail(struct download *d, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    download_set_error(d, format, arguments);
    va_end(arguments);
    d->result->end = DOWNLOAD_FAILED;
    d->result->exit = code;
    d->result->can_resume =
        !d->began || code == EX_UNAVAILABLE || code == EX_TEMPFAIL || code >= 128;
    return DOWNLOAD_STATE_END;
}

int download_reject(struct download *d, const char *reason, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    download_set_error(d, format, arguments);
    va_end(arguments);
    d->result->end = DOWNLOAD_REJECTED;
    d->result->reason = reason;
    return DOWNLOAD_STATE_END;
}

int download_reject_unvalidated(struct download *d)
{
    return download_reject(d, dive_reason_word(DIVE_REASON_DNSSEC_UNAVAILABLE),
                           "DNS gave no validated answer about the policy of %s", d->url.at.host);
}

static void download_run_stages(struct download *d);

void download_enter(struct download *d, int state)
{
    if (d->state == DOWNLOAD_STATE_END)
        return;
    if (state != DOWNLOAD_WAIT)
        d->state = (enum download_state)state;
    download_run_stages(d);
}

static void download_on_again(struct loop_node *node)
{
    struct download *d = (struct download *)((char *)node - offsetof(struct download, again));

    download_enter(d, DOWNLOAD_WAIT);
}

int download_yield(struct download *d)
{
    loop_later(&d->loop, &d->again, download_on_again);
    return DOWNLOAD_WAIT;
}

static void download_on_signal(evutil_socket_t number, short what, void *arg)
{
    struct download *d = arg;

    if (d->state != DOWNLOAD_STATE_END)
        download_enter(d, download_fail(d, 128 + (int)number, "stopped"));
}

static void download_on_timeout(void *arg)
{
    struct download *d = arg;

    if (d->state != DOWNLOAD_STATE_END)
        download_enter(d, download_fail(d, EX_TEMPFAIL, "%s: nothing came in time (%s)",
                                        d->url.authority, state_words[d->state]));
}

void download_deadline(struct download *d, int64_t ms)
{
    loop_timer_set(&d->timer, ms);
}

int64_t download_patience(const struct download *d, int64_t configured_ms)
{
    return d->options->idle_ms > 0 ? d->options->idle_ms : configured_ms;
}

/* ---- a hop ---- */

static void download_on_lookup(void *arg)
{
    download_yield(arg); /* the lookup whose answer this is may be freed with its hop */
}

static bool download_in_custom_scope(void *arg, const char *scope,
                                     const struct dive_request *request,
                                     const struct dive_response *response)
{
    const struct download *d = arg;
    const struct dive_span *type = http_field_get(&d->response, "Content-Type");
    char media[256], *path = http_path_meaning(d->url.path);
    bool within;

    if (path == NULL)
        return true; /* covered is the answer that can't let anything through */
    if (type != NULL)
        snprintf(media, sizeof(media), "%.*s", (int)(type->n < 255 ? type->n : 255), type->p);
    within = config_scope_match(d->runtime->config, scope, d->url.at.host, path,
                                type != NULL ? media : NULL);
    free(path);
    return within;
}

static int download_begin(struct download *d)
{
    const struct config *config = d->runtime->config;
    struct dive_options options = {
        .versions = config->dive.versions,
        .ignore_bogus = config->dive.bogus == CONFIG_FAILURE_IGNORE,
        .ignore_no_answer = config->dive.no_answer == CONFIG_FAILURE_IGNORE,
        .pass_other_success = config->dive.other_success == CONFIG_OTHER_SUCCESS_PASS,
        .custom_scope = download_in_custom_scope,
        .custom_scope_arg = d,
    };
    int r = dive_verifier_new(&d->verifier, &options);

    free(d->result->url);
    d->result->url = d->url_text = http_url_string(&d->url, false);
    if (r != 0 || d->url_text == NULL)
        return download_fail(d, EX_OSERR, "out of memory");
    verifier_lookups_init(&d->lookups, d->verifier, d->resolver, &d->loop, d->url.authority,
                          download_on_lookup, d);
    r = dive_verifier_start(d->verifier, dive_span_str(d->url.at.host), loop_unix_time(&d->loop));
    if (r != 0)
        return download_fail(d, EX_SOFTWARE, "verification can't begin: %s", dive_strerror(r));
    verifier_lookups_drain(&d->lookups);
    return DOWNLOAD_STATE_POLICY;
}

void download_drop_origin(struct download *d)
{
    if (d->origin == NULL)
        return;
    if (d->origin_ready)
        origin_release(&d->origin, false);
    else
        origin_cancel(&d->origin);
    d->origin_ready = false;
}

static json_t *download_trace(const struct download *d)
{
    char *text = NULL;
    json_t *trace = NULL;

    if (d->verifier != NULL && dive_verifier_trace(d->verifier, &text) == 0)
        trace = json_loads(text, 0, NULL);
    free(text);
    return trace;
}

/* Everything of the hop goes but its URL. */
static void download_end_hop(struct download *d)
{
    download_drop_origin(d);
    verifier_lookups_stop(&d->lookups);
    verifier_lookups_free(&d->lookups);
    dive_verifier_free(&d->verifier);
    http_head_clear(&d->response);
    d->dive_request = (struct dive_request){0};
    d->scan = (struct http_scan){0};
    d->interim = 0;
    d->dns_failed = false;
}

int download_restart(struct download *d)
{
    download_end_hop(d);
    d->no_range = true;
    return DOWNLOAD_STATE_BEGIN;
}

static int download_to(struct download *d, struct http_url *next)
{
    json_t *hop = json_pack("{s:s, s:i, s:o*}", "url", d->url_text, "status", d->response.status,
                            "trace", download_trace(d));
    char *to = http_url_string(next, false);

    if (hop == NULL || to == NULL || json_object_set_new(hop, "location", json_string(to)) != 0 ||
        json_array_append(d->result->redirects, hop) != 0) {
        json_decref(hop);
        free(to);
        http_url_clear(next);
        return download_fail(d, EX_OSERR, "out of memory");
    }
    json_decref(hop);
    free(to);
    download_end_hop(d);
    http_url_clear(&d->url);
    d->url = *next;
    d->hops++;
    return DOWNLOAD_STATE_BEGIN;
}

int download_follow(struct download *d)
{
    const struct dive_span *location = http_field_get(&d->response, "Location");
    struct http_url next;

    if (location == NULL || http_field_count(&d->response, "Location") != 1)
        return download_fail(d, EX_PROTOCOL, "%s: status %d without a Location", d->url.authority,
                             d->response.status);
    if (d->hops >= d->options->max_redirects)
        return download_fail(d, EX_UNAVAILABLE, "more than %u redirects",
                             d->options->max_redirects);
    if (redirect_resolve(&next, &d->url, *location) != 0)
        return download_fail(d, EX_PROTOCOL, "%s: a redirect to what is no http or https URL",
                             d->url.authority);
    if (d->url.https && !next.https && !d->options->allow_downgrade) {
        http_url_clear(&next);
        return download_fail(d, EX_NOPERM,
                             "%s: a redirect from https to http; --allow-downgrade follows it",
                             d->url.authority);
    }
    return download_to(d, &next);
}

/* ---- the verdict ---- */

static int download_conclude(struct download *d, enum download_end end)
{
    if (d->response.status != 200)
        return download_fail(d, EX_UNAVAILABLE, "%s: the origin answered with status %d",
                             d->url.authority, d->result->status);
    assert(d->body.complete && !d->body.failed);
    d->result->end = end;
    return DOWNLOAD_STATE_END;
}

static int download_rejected(struct download *d)
{
    const struct dive_policy *policy = dive_verifier_policy(d->verifier);
    enum dive_reason reason = dive_verifier_reason(d->verifier);
    int next = download_reject(d, dive_reason_word(reason), "%s", dive_reason_text(reason));

    if (policy == NULL || !policy->report_only || d->response.status != 200)
        return next;
    return download_conclude(d, DOWNLOAD_REPORT_ONLY);
}

static int download_verdict(struct download *d)
{
    if (dive_verifier_policy_state(d->verifier) == DIVE_POLICY_FAILED)
        return download_reject_unvalidated(d);
    switch (dive_verifier_verdict(d->verifier)) {
    case DIVE_UNDECIDED:
        download_deadline(d, d->runtime->config->dns.timeout_ms * VERDICT_ROUNDS);
        return DOWNLOAD_WAIT;
    case DIVE_REJECT:
        return download_rejected(d);
    case DIVE_ACCEPT:
        return download_conclude(d, DOWNLOAD_ACCEPTED);
    case DIVE_NOT_COVERED:
    case DIVE_NOT_SUPPORTED:
        break;
    }
    if (redirect_is_one(d->response.status))
        return download_follow(d);
    d->result->not_supported = dive_verifier_verdict(d->verifier) == DIVE_NOT_SUPPORTED;
    return download_conclude(d, DOWNLOAD_UNVERIFIED);
}

/* ---- the loop ---- */

static int download_stage(struct download *d)
{
    switch (d->state) {
    case DOWNLOAD_STATE_BEGIN:
        return download_begin(d);
    case DOWNLOAD_STATE_POLICY:
        return download_policy(d);
    case DOWNLOAD_STATE_CONNECT:
        return download_connect(d);
    case DOWNLOAD_STATE_SEND:
        return download_send(d);
    case DOWNLOAD_STATE_HEAD:
        return download_head(d);
    case DOWNLOAD_STATE_REHASH:
        return download_rehash(d);
    case DOWNLOAD_STATE_CONTENT:
        return download_content(d);
    case DOWNLOAD_STATE_VERDICT:
        return download_verdict(d);
    case DOWNLOAD_STATE_END:
    case DOWNLOAD_STATE_COUNT:
        break;
    }
    return DOWNLOAD_WAIT;
}

static void download_run_stages(struct download *d)
{
    while (d->state != DOWNLOAD_STATE_END) {
        int next = download_stage(d);

        if (next == DOWNLOAD_WAIT)
            return;
        log_debug("download", "%s: %s -> %s", d->url.authority, state_words[d->state],
                  state_words[next]);
        d->state = (enum download_state)next;
    }
    loop_stop(&d->loop);
}

static int download_set_up(struct download *d, char *why, size_t why_size)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    snprintf(why, why_size, "out of memory or descriptors");
    if (loop_init(&d->loop) != 0)
        return EX_OSERR;
    loop_timer_init(&d->timer, &d->loop, download_on_timeout, d);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        d->signals[i] = evsignal_new(d->loop.base, signals[i], download_on_signal, d);
        if (d->signals[i] == NULL || event_add(d->signals[i], NULL) != 0)
            return EX_OSERR;
    }
    if (resolver_new(&d->resolver, &d->loop, &d->runtime->resolver.resolver, why, why_size) != 0)
        return EX_CONFIG;
    return origin_pool_new(&d->origins, &d->loop) == 0 ? 0 : EX_OSERR;
}

static void download_tear_down(struct download *d)
{
    progress_end(&d->progress);
    download_end_hop(d);
    http_url_clear(&d->url);
    http_url_clear(&d->first);
    origin_pool_free(&d->origins);
    if (d->loop.base == NULL)
        return;
    loop_timer_stop(&d->timer);
    loop_cancel(&d->loop, &d->again);
    for (size_t i = 0; i < sizeof(d->signals) / sizeof(d->signals[0]); i++)
        if (d->signals[i] != NULL)
            event_free(d->signals[i]);
    loop_flush(&d->loop);
    resolver_free(&d->resolver);
    loop_destroy(&d->loop);
}

void download_run(struct runtime *runtime, const struct download_options *options,
                  struct download_result *result)
{
    struct download *d = calloc(1, sizeof(*d));
    char why[256];
    int r;

    *result = (struct download_result){.exit = EX_OSERR, .redirects = json_array()};
    snprintf(result->error, sizeof(result->error), "out of memory");
    if (d == NULL || result->redirects == NULL) {
        free(d);
        return;
    }
    d->runtime = runtime;
    d->options = options;
    d->result = result;
    if (http_url_parse(&d->url, dive_span_str(options->url)) != 0 ||
        http_url_parse(&d->first, dive_span_str(options->url)) != 0) {
        (void)download_fail(d, EX_USAGE, "%s: not an http or https URL", options->url);
        download_tear_down(d);
        free(d);
        return;
    }
    r = download_set_up(d, why, sizeof(why));
    if (r != 0) {
        (void)download_fail(d, r, "%s", why);
    } else {
        progress_start(&d->progress, options->quiet, loop_now_ms(&d->loop));
        download_yield(d);
        if (loop_run(&d->loop) != 0)
            (void)download_fail(d, EX_SOFTWARE, "the event loop failed");
        result->trace = download_trace(d);
    }
    download_tear_down(d);
    free(d);
}

void download_result_clear(struct download_result *result)
{
    free(result->url);
    json_decref(result->redirects);
    json_decref(result->trace);
    *result = (struct download_result){0};
}
