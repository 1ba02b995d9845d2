/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http: GET /metrics and GET /healthz for machines that watch this one. Read by the same strict
 * parser as a client's request.
 */
#include <stdlib.h>
#include <time.h>

#include "admin/private.h"
#include "http/url.h"
#include "http/writer.h"

#define HTTP_HEAD_MAX (8 * 1024) /* less than what `in` holds */

#define TEXT "text/plain; charset=utf-8"
#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"

struct http_answer {
    int status;
    const char *type;
    const char *allow; /* 405: the methods; else NULL */
    struct dive_span content;
    bool is_head; /* the request was HEAD: no content is sent */
    bool close;
};

static int http_answer_put(struct buffer *out, const struct http_answer *a)
{
    struct dive_field add[3] = {
        {dive_span_str("Content-Type"), dive_span_str(a->type)},
        {dive_span_str("Cache-Control"), dive_span_str("no-store")},
    };
    struct http_write write = {
        .add = add,
        .n_add = 2,
        .framing = a->is_head ? HTTP_BODY_NONE : HTTP_BODY_LENGTH,
        .content_length = (int64_t)a->content.n,
        .close = a->close,
        .date = true,
        .now = (int64_t)time(NULL),
    };
    struct http_buffer head;
    int r;

    if (a->allow != NULL)
        add[write.n_add++] = (struct dive_field){dive_span_str("Allow"), dive_span_str(a->allow)};
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

/* Fills in status, type and content for a path; *owned is what is to be freed after the answer. */
static void http_answer_path(struct admin *admin, struct dive_span path, struct dive_span method,
                             struct http_answer *a, char **owned)
{
    bool is_metrics = dive_span_eq(path, "/metrics");

    a->type = TEXT;
    if (!is_metrics && !dive_span_eq(path, "/healthz")) {
        a->status = 404;
        a->content = dive_span_str("not found: there are /metrics and /healthz\n");
        return;
    }
    a->is_head = dive_span_eq(method, "HEAD");
    if (!a->is_head && !dive_span_eq(method, "GET")) {
        a->status = 405;
        a->allow = "GET, HEAD";
        a->content = dive_span_str("method not allowed\n");
        return;
    }
    a->status = 200;
    a->content = dive_span_str("ok\n");
    if (!is_metrics)
        return;
    a->type = METRICS_TEXT;
    *owned = http_metrics(admin, &a->content.n);
    a->content.p = *owned;
    if (*owned == NULL) {
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
    http_answer_path(admin, url.path, head->method, a, owned);
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
