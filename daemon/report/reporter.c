/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reporter: see reporter.h. Owns the queue; a report under way belongs to its delivery.
 *
 *      submit --> WAITING (queue, in order) --> RUNNING (at most REPORTER_RUNNING_MAX) --> gone
 */
#include "report/reporter.h"

#include <assert.h>
#include <stdlib.h>

#include "core/log.h"
#include "http/url.h"
#include "report/delivery.h"

/* What is waiting has a URL and a text, what is running has a delivery. */
struct report {
    TAILQ_ENTRY(report) link;
    struct loop_node node;
    struct reporter *reporter;
    struct runtime *runtime;
    struct http_url url;
    char *json;
    char *destination; /* the URL for the log: without its query */
    struct delivery *delivery;
};

TAILQ_HEAD(report_list, report);

struct reporter {
    struct delivery_context context;
    struct report_limiter *limiter;
    struct report_list waiting, running;
    size_t n_waiting, n_running;
};

int reporter_new(struct reporter **out, struct loop *loop, struct resolver *resolver,
                 struct origin_pool *origins, struct report_limiter *limiter)
{
    struct reporter *reporter = calloc(1, sizeof(*reporter));

    *out = NULL;
    if (reporter == NULL)
        return DIVE_E_NOMEM;
    reporter->context = (struct delivery_context){loop, resolver, origins};
    reporter->limiter = limiter;
    TAILQ_INIT(&reporter->waiting);
    TAILQ_INIT(&reporter->running);
    *out = reporter;
    return 0;
}

static void report_free(struct report *report)
{
    assert(report->delivery == NULL);
    if (report->runtime != NULL)
        runtime_unref(&report->runtime);
    http_url_clear(&report->url);
    free(report->json);
    free(report->destination);
    free(report);
}

static void report_on_free(struct loop_node *node)
{
    report_free((struct report *)((char *)node - offsetof(struct report, node)));
}

static void report_failed(const char *destination, const char *why)
{
    log_info("report", "report to %.500s not delivered: %s", destination, why);
    metrics_add(&metrics.reports[REPORT_FAILED], 1);
}

static void reporter_run(struct reporter *reporter);

static void report_on_done(void *arg, const char *failure)
{
    struct report *report = arg;
    struct reporter *reporter = report->reporter;

    report->delivery = NULL;
    TAILQ_REMOVE(&reporter->running, report, link);
    reporter->n_running--;
    if (failure != NULL) {
        report_failed(report->destination, failure);
    } else {
        log_debug("report", "report to %s delivered", report->destination);
        metrics_add(&metrics.reports[REPORT_SENT], 1);
    }
    loop_later(reporter->context.loop, &report->node, report_on_free);
    reporter_run(reporter);
}

/* Starts what waits, as far as there is room. */
static void reporter_run(struct reporter *reporter)
{
    struct report *report;

    while (reporter->n_running < REPORTER_RUNNING_MAX &&
           (report = TAILQ_FIRST(&reporter->waiting)) != NULL) {
        int r;

        TAILQ_REMOVE(&reporter->waiting, report, link);
        reporter->n_waiting--;
        r = delivery_start(&report->delivery, &reporter->context, report->runtime, &report->url,
                           report->json, REPORTER_TIMEOUT_MS, report_on_done, report);
        if (r != 0) {
            report_failed(report->destination, dive_strerror(r));
            report_free(report);
            continue;
        }
        report->json = NULL;
        TAILQ_INSERT_TAIL(&reporter->running, report, link);
        reporter->n_running++;
    }
}

/* What was wrong with the URL, or NULL. */
static const char *report_parse_url(struct http_url *url, const char *text)
{
    int r = http_url_parse(url, dive_span_str(text));

    if (r != 0)
        return http_error_text(r);
    if (url->https)
        return NULL;
    http_url_clear(url);
    return "report-to is no https URL";
}

/* Takes over `url` and `json`, on failure too. NULL: no memory. */
static struct report *report_new(struct reporter *reporter, struct runtime *runtime,
                                 struct http_url *url, char *json)
{
    struct report *report = calloc(1, sizeof(*report));

    if (report == NULL) {
        http_url_clear(url);
        free(json);
        return NULL;
    }
    report->reporter = reporter;
    report->runtime = runtime_ref(runtime);
    report->url = *url;
    report->json = json;
    *url = (struct http_url){0};
    report->destination = http_url_string(&report->url, true);
    if (report->destination == NULL) {
        report_free(report);
        return NULL;
    }
    return report;
}

void reporter_submit(struct reporter *reporter, struct runtime *runtime, const char *url,
                     char *json, const char *subject)
{
    enum report_result admitted;
    struct http_url parsed;
    struct report *report;
    const char *why = report_parse_url(&parsed, url);

    if (why != NULL) {
        report_failed(url, why);
        free(json);
        return;
    }
    /* Before the limiter: what it admits it remembers as sent. */
    if (reporter->n_waiting >= REPORTER_QUEUE_MAX) {
        report_failed(parsed.authority, "too many reports are waiting");
        goto drop;
    }
    admitted = report_limiter_admit(reporter->limiter, parsed.authority, subject,
                                    loop_now_ms(reporter->context.loop));
    if (admitted != REPORT_SENT) {
        metrics_add(&metrics.reports[admitted], 1);
        log_debug("report", "report to %s not sent: the limiter says no", parsed.authority);
        goto drop;
    }
    report = report_new(reporter, runtime, &parsed, json);
    if (report == NULL) {
        report_failed(url, dive_strerror(DIVE_E_NOMEM));
        return;
    }
    TAILQ_INSERT_TAIL(&reporter->waiting, report, link);
    reporter->n_waiting++;
    reporter_run(reporter);
    return;
drop:
    http_url_clear(&parsed);
    free(json);
}

size_t reporter_pending(const struct reporter *reporter)
{
    return reporter->n_waiting + reporter->n_running;
}

void reporter_free(struct reporter **reporter)
{
    struct report *report;

    if (*reporter == NULL)
        return;
    while ((report = TAILQ_FIRST(&(*reporter)->running)) != NULL) {
        TAILQ_REMOVE(&(*reporter)->running, report, link);
        delivery_cancel(&report->delivery);
        report_free(report);
    }
    while ((report = TAILQ_FIRST(&(*reporter)->waiting)) != NULL) {
        TAILQ_REMOVE(&(*reporter)->waiting, report, link);
        report_free(report);
    }
    free(*reporter);
    *reporter = NULL;
}
