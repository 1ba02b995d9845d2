/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http: GET /metrics, /healthz and /readyz for machines that watch this one; the page and what it
 * asks for (/, /api/status.json) for people. Read by the same strict parser as a client's request;
 * nothing here changes anything.
 */
#include <stdlib.h>
#include <time.h>

#include "admin/page.h"
#include "admin/private.h"
#include "http/url.h"
#include "http/writer.h"

#define HTTP_HEAD_MAX (8 * 1024) /* less than what `in` holds */

#define TEXT "text/plain; charset=utf-8"
#define JSON_TEXT "application/json"
#define HTML_TEXT "text/html; charset=utf-8"
#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"

struct http_answer {
    int status;
    const char *type;
    const char *allow; /* 405: the methods; else NULL */
    struct dive_span content;
    bool is_head; /* the request was HEAD: no content is sent */
    bool close;
    bool for_browsers;        /* then the fields go out that keep other sites away */
    char policy[PAGE_POLICY]; /* Content-Security-Policy; "": the strictest */
};

static void http_add(struct dive_field *add, struct http_write *write, const char *name,
                     const char *value)
{
    add[write->n_add++] = (struct dive_field){dive_span_str(name), dive_span_str(value)};
}

static int http_answer_put(struct buffer *out, const struct http_answer *a)
{
    struct dive_field add[8];
    struct http_write write = {
        .add = add,
        .framing = a->is_head ? HTTP_BODY_NONE : HTTP_BODY_LENGTH,
        .content_length = (int64_t)a->content.n,
        .close = a->close,
        .date = true,
        .now = (int64_t)time(NULL),
    };
    struct http_buffer head;
    int r;

    http_add(add, &write, "Content-Type", a->type);
    http_add(add, &write, "Cache-Control", "no-store");
    http_add(add, &write, "X-Content-Type-Options", "nosniff");
    if (a->allow != NULL)
        http_add(add, &write, "Allow", a->allow);
    if (a->for_browsers) {
        http_add(add, &write, "Content-Security-Policy",
                 a->policy[0] != '\0' ? a->policy : "default-src 'none'; frame-ancestors 'none'");
        http_add(add, &write, "Referrer-Policy", "no-referrer");
        http_add(add, &write, "Cross-Origin-Resource-Policy", "same-origin");
    }
    http_buffer_init(&head, HTTP_HEAD_MAX);
    r = http_write_response(&head, a->status, dive_span(NULL, 0), &write);
    if (r == 0)
        r = buffer_append(out, head.p, head.n, ADMIN_ANSWER_MAX);
    if (r == 0 && !a->is_head)
        r = buffer_append(out, a->content.p, a->content.n, ADMIN_ANSWER_MAX);
    http_buffer_clear(&head);
    return r;
}

static char *http_metrics(struct admin *admin, size_t *len)
{
    const struct config *config = admin->config;
    const char *names[METRICS_LISTENERS] = {NULL};
    struct store_stats stored = {0};
    struct metrics_gauges gauges;

    for (size_t i = 0; i < config->listeners.n && i < METRICS_LISTENERS; i++)
        names[i] = config->listeners.v[i].address.text;
    if (config->listeners.n > METRICS_LISTENERS)
        names[METRICS_LISTENERS - 1] = "other";
    if (admin->shared->store != NULL)
        store_stats(admin->shared->store, &stored);
    gauges = (struct metrics_gauges){
        .hold_bytes = hold_account_bytes(&admin->shared->hold),
        .cache_memory_bytes = stored.memory_bytes,
        .cache_disk_bytes = stored.disk_bytes,
        .cache_objects = stored.objects,
    };
    return metrics_text(names, &gauges, len);
}

/* What each path gives: sets the answer's type, and its content where that isn't "ok". *owned is
 * what is to be freed after the answer; content NULL: there was no memory. */
static void http_get_metrics(struct admin *admin, struct http_answer *a, char **owned)
{
    a->type = METRICS_TEXT;
    *owned = http_metrics(admin, &a->content.n);
    a->content.p = *owned;
}

static void http_get_health(struct admin *admin, struct http_answer *a, char **owned)
{
    a->content = dive_span_str("ok\n");
}

static void http_get_ready(struct admin *admin, struct http_answer *a, char **owned)
{
    const char *why = admin_not_ready(admin);

    a->content = dive_span_str("ready\n");
    if (why == NULL)
        return;
    a->status = 503;
    a->content = dive_span(NULL, 0);
    if (asprintf(owned, "not ready: %s\n", why) < 0)
        *owned = NULL;
    else
        a->content = dive_span_str(*owned);
}

static void http_get_page(struct admin *admin, struct http_answer *a, char **owned)
{
    a->type = HTML_TEXT;
    *owned = page_text(&a->content.n, a->policy);
    a->content.p = *owned;
}

static void http_get_status(struct admin *admin, struct http_answer *a, char **owned)
{
    json_t *overview = admin_overview(admin, true);

    a->type = JSON_TEXT;
    *owned = overview != NULL ? json_dumps(overview, JSON_COMPACT) : NULL;
    json_decref(overview);
    a->content = *owned != NULL ? dive_span_str(*owned) : dive_span(NULL, 0);
}

static const struct http_path {
    const char *path;
    void (*get)(struct admin *admin, struct http_answer *a, char **owned);
    bool for_browsers;
} http_paths[] = {
    {"/", http_get_page, true},
    {"/api/status.json", http_get_status, true},
    {"/metrics", http_get_metrics, false},
    {"/healthz", http_get_health, false},
    {"/readyz", http_get_ready, false},
};

static const struct http_path *http_path_find(struct dive_span path)
{
    for (size_t i = 0; i < sizeof(http_paths) / sizeof(http_paths[0]); i++)
        if (dive_span_eq(path, http_paths[i].path))
            return &http_paths[i];
    return NULL;
}

/* Fills in status, type and content; *owned is what is to be freed after the answer. */
static void http_answer_path(struct admin *admin, const struct http_url *url,
                             struct dive_span method, struct http_answer *a, char **owned)
{
    const struct http_path *path = http_path_find(url->path);

    a->type = TEXT;
    if (path == NULL) {
        a->status = 404;
        a->content = dive_span_str(
            "not found: there are /, /api/status.json, /metrics, /healthz and /readyz\n");
        return;
    }
    a->is_head = dive_span_eq(method, "HEAD");
    if (!a->is_head && !dive_span_eq(method, "GET")) {
        a->status = 405;
        a->allow = "GET, HEAD";
        a->content = dive_span_str("method not allowed\n");
        return;
    }
    a->for_browsers = path->for_browsers;
    if (path->for_browsers && !page_host_is_ours(admin->config, &url->at)) {
        a->status = 421;
        a->content = dive_span_str(
            "this name is not one of this server's: use an address, or see admin.hosts\n");
        return;
    }
    a->status = 200;
    path->get(admin, a, owned);
    if (a->content.p == NULL) {
        a->status = 503;
        a->type = TEXT;
        a->content = dive_span_str("out of memory\n");
    }
}

static void http_answer_error(struct http_answer *a, int error)
{
    a->status = http_error_status(error);
    a->type = TEXT;
    a->content = dive_span_str(http_error_text(error));
    a->close = true;
}

static void http_answer_head(struct admin *admin, const struct http_head *head,
                             struct http_answer *a, char **owned)
{
    struct http_authority fallback;
    struct http_url url;
    int r;

    if (head->framing != HTTP_BODY_NONE && head->content_length != 0) {
        http_answer_error(a, HTTP_E_CONTENT);
        return;
    }
    r = http_authority_parse(&fallback, dive_span_str("localhost"));
    if (r == 0)
        r = http_url_from_request(&url, head, false, &fallback);
    if (r != 0) {
        http_answer_error(a, r);
        return;
    }
    a->close = !head->keep_alive;
    http_answer_path(admin, &url, head->method, a, owned);
    http_url_clear(&url);
}

enum admin_step admin_http_step(struct admin *admin, struct http_scan *scan, struct buffer *in,
                                struct buffer *out)
{
    static const struct http_limits limits = {.head = HTTP_HEAD_MAX, .target = 2048, .fields = 64};
    struct http_answer answer = {0};
    struct http_head head;
    char *owned = NULL;
    size_t consumed;
    int r = http_head_parse_request(&head, buffer_data(in), buffer_length(in), &limits, scan,
                                    &consumed);

    if (r == HTTP_NEED_MORE)
        return ADMIN_STEP_MORE;
    *scan = (struct http_scan){0};
    if (r == HTTP_DONE) {
        buffer_consume(in, consumed);
        http_answer_head(admin, &head, &answer, &owned);
        http_head_clear(&head);
    } else {
        http_answer_error(&answer, r);
    }
    r = http_answer_put(out, &answer);
    free(owned);
    if (r != 0)
        return ADMIN_STEP_FAILED;
    return answer.close ? ADMIN_STEP_LAST : ADMIN_STEP_ANSWER;
}
