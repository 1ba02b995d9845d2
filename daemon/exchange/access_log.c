/* SPDX-License-Identifier: BSD-2-Clause
 *
 * access_log: see access_log.h. The line is put together by hand: it is written for every request,
 * and a general JSON library costs more than the rest of a small exchange.
 */
#include "exchange/access_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buffer.h"
#include "core/log.h"
#include "exchange/private.h"

#define ACCESS_LINE_MAX (128 * 1024)
#define ACCESS_STRING_MAX (8 * 1024) /* of one value; the rest is cut */

static void line_add(struct buffer *line, const char *p, size_t n)
{
    /* A line that memory can't be had for is cut, and so not valid JSON: it shows. */
    (void)!buffer_append(line, p, n, ACCESS_LINE_MAX);
}

static void line_text(struct buffer *line, const char *text)
{
    line_add(line, text, strlen(text));
}

static bool line_is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c < 0x7f;
}

/* A JSON string (RFC 8259 section 7). Bytes that aren't ASCII are written as \u00XX: what clients
 * send needn't be UTF-8, and the log always is. */
static void line_string(struct buffer *line, const char *p, size_t n)
{
    size_t start = 0;

    if (n > ACCESS_STRING_MAX)
        n = ACCESS_STRING_MAX;
    line_text(line, "\"");
    for (size_t i = 0; i < n; i++) {
        char escape[8];

        if (line_is_plain((unsigned char)p[i]))
            continue;
        line_add(line, p + start, i - start);
        snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)(unsigned char)p[i]);
        line_text(line, escape);
        start = i + 1;
    }
    line_add(line, p + start, n - start);
    line_text(line, "\"");
}

static void line_field(struct buffer *line, const char *name, const char *value)
{
    line_text(line, ",\"");
    line_text(line, name);
    line_text(line, "\":");
    if (value != NULL)
        line_string(line, value, strlen(value));
    else
        line_text(line, "null");
}

static void line_number(struct buffer *line, const char *name, long long value)
{
    char text[64];

    snprintf(text, sizeof(text), ",\"%s\":%lld", name, value);
    line_text(line, text);
}

/* RFC 3339, UTC, milliseconds. */
static void line_time(struct buffer *line, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    char day[32], text[64];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof(text), "{\"ts\":\"%s.%03dZ\"", day, (int)(unix_ms % 1000));
    line_text(line, text);
}

static void access_count(const struct access_entry *e)
{
    metrics_request(e->listener, e->status);
    metrics_add(&metrics.verdicts[e->verdict][e->reason][e->action], 1);
}

void access_log_entry(struct buffer *line, const struct access_entry *e)
{
    const char *reason = e->reason_word;

    access_count(e);
    if (reason == NULL && e->reason != DIVE_REASON_NONE)
        reason = dive_reason_word(e->reason);
    line_time(line, e->started_unix_ms);
    line_field(line, "exchange", e->exchange);
    line_field(line, "client", e->client);
    line_field(line, "user", e->user);
    line_text(line, ",\"method\":");
    line_string(line, e->method.p, e->method.n);
    line_field(line, "url", e->url);
    line_field(line, "host", e->host);
    line_number(line, "status", e->status);
    line_number(line, "bytes", (long long)e->bytes);
    line_number(line, "duration_ms", e->duration_ms);
    line_field(line, "cache", e->cache);
    line_field(line, "tls", e->tls);
    line_field(line, "verdict", e->verdict != VERDICT_NONE ? verdict_word(e->verdict) : NULL);
    line_field(line, "reason", reason);
    line_field(line, "action", e->action != ACTION_NONE ? action_word(e->action) : NULL);
    line_field(line, "policy_domain", e->policy_domain);
    line_field(line, "key_id", e->key_id);
    line_field(line, "dnssec", e->dnssec);
    if (e->error != NULL && e->error[0] != '\0')
        line_field(line, "error", e->error);
    line_text(line, "}\n");
    log_access(buffer_data(line), buffer_length(line));
    buffer_consume(line, buffer_length(line));
}

/* What the cache had to do with it, in a word. */
static const char *access_cache_word(const struct exchange *x)
{
    if (x->background != NULL)
        return "background";
    if (x->response.status == 0 && x->status == 0)
        return NULL;
    if (x->from_store && x->cache_status.hit)
        return x->cache_status.ttl < 0 ? "stale" : "hit";
    if (x->from_store && x->cache_status.forward_status != 0)
        return x->cache_status.forward_status == 304 ? "revalidated" : "stale";
    if (x->cache_status.collapsed)
        return "collapsed";
    if (x->response.status == 0)
        return NULL;
    return x->caches ? "miss" : "bypass";
}

static void access_count_cache(const struct exchange *x)
{
    if (x->from_store && x->background == NULL)
        metrics_add(&metrics.cache_hits, 1);
    else if (x->caches && x->head_sent)
        metrics_add(&metrics.cache_misses, 1);
}

void access_log_write(const struct exchange *x)
{
    char *url =
        x->url_known ? http_url_string(&x->url, x->runtime->config->log.redact_query) : NULL;
    struct access_entry e = {
        .started_unix_ms = x->started_unix_ms,
        .duration_ms = loop_now_ms(&x->worker->loop) - x->started_ms,
        .exchange = x->id,
        .client = x->peer_text,
        .user = x->user,
        .method = x->request.method,
        .url = url,
        .host = x->url_known ? x->url.at.host : NULL,
        .status = x->status,
        .bytes = x->bytes_out,
        .cache = access_cache_word(x),
        .tls = x->tls_version,
        .verdict = x->verdict,
        .reason = x->reason,
        .reason_word = x->reason_word,
        .action = x->action,
        .error = x->error,
        .listener = x->listener,
    };

    if (x->verifier != NULL) {
        e.policy_domain = dive_verifier_policy_domain(x->verifier);
        e.key_id = dive_verifier_key_id(x->verifier);
        if (x->url.at.kind == HTTP_HOST_NAME) /* an address has no name to ask DNS about */
            e.dnssec = dive_security_word(dive_verifier_policy_security(x->verifier));
    }
    access_count_cache(x);
    access_log_entry(&x->worker->log_line, &e);
    free(url);
}
