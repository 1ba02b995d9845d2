/* SPDX-License-Identifier: BSD-2-Clause
 *
 * download_http: SEND, HEAD, REHASH, CONTENT of a download. The parsers are the proxy's own
 * (http/head.h, exchange/body.h), as strict as they are there.
 *
 * A resumed download is judged as the response that began it: its head was kept, the rest was asked
 * for under its strong validator (RFC 9110 section 13.1.5), and every byte that was there is hashed
 * again. A signature covers the whole or nothing.
 */
#include <sysexits.h>

#include "cmd/download_private.h"
#include "cmd/redirect.h"
#include "http/chars.h"
#include "http/writer.h"

#define INTERIM_MAX 32            /* 1xx responses */
#define REHASH_STEP (1024 * 1024) /* bytes between loop turns: DNS goes on meanwhile */
#define REHASH_BLOCK (64 * 1024)
#define CONTENT_ROUNDS 64 /* reads between loop turns */
#define REQUEST_MAX (1024 * 1024)

/* What was given on the command line may be a secret of the first origin's. */
static bool download_is_first(const struct download *d)
{
    return d->hops == 0 || redirect_same_origin(&d->first, &d->url);
}

static bool download_gives_field(const struct download *d, const char *lower)
{
    for (size_t i = 0; download_is_first(d) && i < d->options->n_fields; i++)
        if (http_is_name(d->options->fields[i].name, lower))
            return true;
    return false;
}

static void download_add_field(struct download *d, const char *name, const char *value)
{
    d->fields[d->n_fields++] = (struct dive_field){dive_span_str(name), dive_span_str(value)};
}

static void download_set_fields(struct download *d)
{
    d->n_fields = 0;
    download_add_field(d, "Host", d->url.authority);
    if (!download_gives_field(d, "user-agent"))
        download_add_field(d, "User-Agent", "divectl/" DIVED_VERSION);
    if (!download_gives_field(d, "accept"))
        download_add_field(d, "Accept", "*/*");
    if (!download_gives_field(d, "accept-encoding"))
        download_add_field(d, "Accept-Encoding", "identity");
    for (size_t i = 0; download_is_first(d) && i < d->options->n_fields; i++)
        d->fields[d->n_fields++] = d->options->fields[i];
    d->dive_request = (struct dive_request){
        .method = dive_span_str("GET"),
        .scheme = dive_span_str(d->url.https ? "https" : "http"),
        .authority = dive_span_str(d->url.authority),
        .path = d->url.path,
        .query = d->url.query,
        .target = dive_span_str(d->url.target),
        .fields = {d->fields, d->n_fields},
    };
}

/* The range is not part of what the verifier is told: the whole is judged. */
static int download_write_request(struct download *d)
{
    struct dive_field fields[DOWNLOAD_OWN_FIELDS + DOWNLOAD_FIELDS_MAX + 2];
    struct dive_span head, validator;
    struct http_buffer text;
    struct http_write write = {.add = fields, .content_length = -1, .close = true};
    char range[48], *target = NULL;
    int r;

    download_set_fields(d);
    memcpy(fields, d->fields + 1, (d->n_fields - 1) * sizeof(*fields));
    write.n_add = d->n_fields - 1;
    d->offset = 0;
    if (d->options->part != NULL && d->options->resume && !d->no_range)
        d->offset = part_resumable(d->options->part, d->url_text, &head, &validator);
    if (d->offset > 0) {
        snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)d->offset);
        fields[write.n_add++] = (struct dive_field){{"Range", 5}, dive_span_str(range)};
        fields[write.n_add++] = (struct dive_field){{"If-Range", 8}, validator};
    }
    if (d->origin->absolute) {
        target = http_url_string(&d->url, false);
        if (target == NULL)
            return HTTP_E_NOMEM;
        write.proxy_authorization = origin_authorization(d->origin);
    }
    http_buffer_init(&text, REQUEST_MAX);
    r = http_write_request(&text, dive_span_str("GET"),
                           dive_span_str(target != NULL ? target : d->url.target),
                           dive_span_str(d->url.authority), &write);
    free(target);
    if (r == 0)
        r = buffer_append(&d->origin->channel.out, text.p, text.n, REQUEST_MAX);
    if (d->origin->absolute)
        origin_authorized(d->origin);
    http_buffer_clear(&text);
    return r;
}

int download_send(struct download *d)
{
    struct channel *channel = &d->origin->channel;
    int r;

    if (d->dive_request.method.n == 0) {
        r = download_write_request(d);
        if (r != 0)
            return download_fail(d, EX_OSERR, "the request can't be made");
        download_deadline(d, download_patience(d, d->runtime->config->timeouts.origin_head_ms));
    }
    r = channel_flush(channel);
    if (r == STREAM_WAIT) {
        stream_want(&channel->stream, STREAM_WRITE);
        return DOWNLOAD_WAIT;
    }
    if (r != 1)
        return download_fail(d, EX_UNAVAILABLE, "%s: the connection failed", d->url.authority);
    return DOWNLOAD_STATE_HEAD;
}

/* ---- the head ---- */

/* "bytes FIRST-LAST/TOTAL", of exactly the rest that was asked for, with the same validator. */
static bool download_is_the_rest(struct download *d, const struct http_head *head)
{
    const struct dive_span *range = http_field_get(head, "Content-Range");
    const struct dive_span *tag = http_field_get(head, "ETag");
    unsigned long long first, last, total;
    struct dive_span stored, validator;
    char text[80];
    int end = -1;

    (void)part_resumable(d->options->part, d->url_text, &stored, &validator);
    if (range == NULL || range->n >= sizeof(text) || http_field_count(head, "Content-Range") != 1 ||
        (validator.p[0] == '"' && tag != NULL &&
         (tag->n != validator.n || memcmp(tag->p, validator.p, tag->n) != 0)))
        return false;
    memcpy(text, range->p, range->n);
    text[range->n] = '\0';
    if (sscanf(text, "bytes %19llu-%19llu/%19llu%n", &first, &last, &total, &end) != 3 ||
        text[end] != '\0' || first != d->offset || last < first || last != total - 1)
        return false;
    d->total = total;
    return head->framing != HTTP_BODY_LENGTH || (uint64_t)head->content_length == total - d->offset;
}

/* 206 to our own range: the kept head takes the place of this one. */
static int download_go_on(struct download *d)
{
    static const struct http_limits limits = {.head = PART_HEAD_MAX, .fields = 10000};
    struct dive_span raw, validator;
    struct http_scan scan = {0};
    struct http_head head;
    size_t consumed;

    (void)part_resumable(d->options->part, d->url_text, &raw, &validator);
    if (!download_is_the_rest(d, &d->response) ||
        http_head_parse_response(&head, raw.p, raw.n, d->dive_request.method, &limits, &scan,
                                 &consumed) != HTTP_DONE)
        return download_restart(d);
    http_head_clear(&d->response);
    d->response = head;
    d->rehashed = 0;
    d->began = true;
    return DOWNLOAD_STATE_REHASH;
}

/* Tells the verifier about d->response; `next` on success. */
static int download_tell(struct download *d, int next)
{
    d->dive_response = (struct dive_response){
        .status = d->response.status,
        .has_content = d->response.status == 200 ||
                       (d->response.framing != HTTP_BODY_NONE && d->response.content_length != 0),
        .fields = http_head_fields(&d->response),
    };
    if (dive_verifier_response(d->verifier, &d->dive_request, &d->dive_response,
                               loop_unix_time(&d->loop)) != 0)
        return download_fail(d, EX_OSERR, "out of memory");
    verifier_lookups_drain(&d->lookups);
    return next;
}

static int download_begin_content(struct download *d, struct dive_span raw)
{
    int r = 0;

    d->began = true;
    if (d->options->part != NULL)
        r = part_begin(d->options->part, d->url_text, raw, &d->response, loop_unix_time(&d->loop));
    if (r != 0)
        return download_fail(d, r, "%s", part_error(d->options->part));
    return download_tell(d, DOWNLOAD_STATE_CONTENT);
}

static int download_head_done(struct download *d, struct dive_span raw)
{
    int status = d->response.status, next;

    d->result->status = status;
    body_init(&d->body, d->response.framing, d->response.content_length);
    d->total = d->response.content_length > 0 ? (uint64_t)d->response.content_length : 0;
    if (d->offset > 0 && status == 206) {
        next = download_go_on(d);
        if (next != DOWNLOAD_STATE_REHASH)
            return next;
        next = download_tell(d, next);
    } else if (d->offset > 0 && status == 416) {
        return download_restart(d);
    } else if (status == 200) {
        d->offset = 0;
        next = download_begin_content(d, raw);
    } else {
        /* Its content is nothing that anybody asked for: the policy is all that is waited for. */
        next = download_tell(d, DOWNLOAD_STATE_VERDICT);
        download_drop_origin(d);
    }
    if (d->options->max_size > 0 && d->total > d->options->max_size &&
        (status == 200 || status == 206))
        return download_fail(d, EX_PROTOCOL, "the content is larger than --max-size");
    d->progress.resumed = d->offset;
    return next;
}

/* Parses what is there: a state, or DOWNLOAD_WAIT when more has to come. */
static int download_parse_head(struct download *d)
{
    struct buffer *in = &d->origin->channel.in;

    for (;;) {
        size_t consumed = 0;
        int next, r = HTTP_NEED_MORE;

        if (buffer_length(in) > 0)
            r = http_head_parse_response(&d->response, buffer_data(in), buffer_length(in),
                                         d->dive_request.method, &d->runtime->http_limits, &d->scan,
                                         &consumed);
        if (r == HTTP_NEED_MORE)
            return DOWNLOAD_WAIT;
        if (r < 0)
            return download_fail(d, EX_PROTOCOL, "%s: the response is not acceptable: %s",
                                 d->url.authority, http_error_text(r));
        if (d->response.status == 407 && d->origin->absolute)
            return download_fail(d, EX_NOPERM, "%s: parent proxy %s: %s (status 407)",
                                 d->url.authority, d->origin->parent->name,
                                 parent_refusal(d->origin->parent));
        if (d->response.status >= 200) {
            char *raw = malloc(consumed);

            if (raw == NULL)
                return download_fail(d, EX_OSERR, "out of memory");
            memcpy(raw, buffer_data(in), consumed);
            buffer_consume(in, consumed);
            next = download_head_done(d, dive_span(raw, consumed));
            free(raw);
            return next;
        }
        buffer_consume(in, consumed);
        d->scan = (struct http_scan){0};
        r = d->response.status;
        http_head_clear(&d->response);
        if (r == 101 || ++d->interim > INTERIM_MAX)
            return download_fail(d, EX_PROTOCOL, "%s: interim responses that nobody asked for",
                                 d->url.authority);
    }
}

int download_head(struct download *d)
{
    struct channel *channel = &d->origin->channel;

    for (;;) {
        int next = download_parse_head(d);
        ssize_t n;

        if (next != DOWNLOAD_WAIT)
            return next;
        n = channel_fill(channel, d->runtime->http_limits.head + CHANNEL_READ_SIZE);
        if (n == STREAM_WAIT) {
            stream_want(&channel->stream, STREAM_READ);
            return DOWNLOAD_WAIT;
        }
        if (n <= 0)
            return download_fail(d, EX_UNAVAILABLE,
                                 "%s: the connection ended before the response was there",
                                 d->url.authority);
    }
}

/* ---- the content ---- */

int download_rehash(struct download *d)
{
    static char block[REHASH_BLOCK];

    for (uint64_t step = 0; step < REHASH_STEP && d->rehashed < d->offset;) {
        uint64_t left = d->offset - d->rehashed;
        ssize_t n = part_read(d->options->part, block,
                              left < sizeof(block) ? (size_t)left : sizeof(block), d->rehashed);

        if (n <= 0)
            return download_fail(d, EX_IOERR, "what is there of the file can't be read");
        dive_verifier_body(d->verifier, block, (size_t)n);
        d->rehashed += (uint64_t)n;
        step += (uint64_t)n;
    }
    if (d->rehashed < d->offset) {
        loop_timer_stop(&d->timer); /* the disk's time isn't the origin's */
        stream_want(&d->origin->channel.stream, 0);
        return download_yield(d);
    }
    download_deadline(d, download_patience(d, d->runtime->config->timeouts.origin_idle_ms));
    return DOWNLOAD_STATE_CONTENT;
}

static int download_take(struct download *d, struct dive_span content)
{
    int r = 0;

    d->result->bytes = d->offset + d->body.taken + content.n;
    d->result->resumed = d->offset;
    if (d->options->max_size > 0 && d->result->bytes > d->options->max_size)
        return download_fail(d, EX_PROTOCOL, "the content is larger than --max-size");
    dive_verifier_body(d->verifier, content.p, content.n);
    if (d->options->part != NULL)
        r = part_write(d->options->part, content.p, content.n);
    if (r != 0)
        return download_fail(d, r, "%s", part_error(d->options->part));
    body_taken(&d->body, &d->origin->channel.in, content.n);
    progress_show(&d->progress, d->result->bytes, d->total, loop_now_ms(&d->loop));
    return 0;
}

static int download_content_done(struct download *d)
{
    download_drop_origin(d);
    d->result->bytes = d->offset + d->body.taken;
    if (d->offset > 0 && d->result->bytes != d->total)
        return download_fail(d, EX_PROTOCOL, "the origin sent another rest than it announced");
    if (dive_verifier_end(d->verifier, loop_unix_time(&d->loop)) != 0)
        return download_fail(d, EX_OSERR, "out of memory");
    verifier_lookups_drain(&d->lookups);
    return DOWNLOAD_STATE_VERDICT;
}

/* More from the origin: 0, DOWNLOAD_WAIT, or a state. */
static int download_fill(struct download *d)
{
    struct channel *channel = &d->origin->channel;
    ssize_t n = channel_fill(channel, CHANNEL_IN_MAX);

    if (n == STREAM_WAIT) {
        stream_want(&channel->stream, STREAM_READ);
        return DOWNLOAD_WAIT;
    }
    if (n > 0) {
        download_deadline(d, download_patience(d, d->runtime->config->timeouts.origin_idle_ms));
        return 0;
    }
    if (n == STREAM_EOF)
        body_end_of_stream(&d->body);
    if (d->body.complete)
        return 0;
    return download_fail(d, EX_UNAVAILABLE,
                         "%s: the connection ended before the content was complete",
                         d->url.authority);
}

int download_content(struct download *d)
{
    for (unsigned round = 0; round < CONTENT_ROUNDS; round++) {
        struct dive_span content;
        int r;

        /* Nothing that could still come changes a rejection (see dive_verifier_verdict()). */
        if (dive_verifier_verdict(d->verifier) == DIVE_REJECT &&
            (dive_verifier_policy(d->verifier) == NULL ||
             !dive_verifier_policy(d->verifier)->report_only))
            return DOWNLOAD_STATE_VERDICT;
        r = body_next(&d->body, &d->origin->channel.in, &content);
        if (r < 0)
            return download_fail(d, EX_PROTOCOL, "%s: the content is malformed: %s",
                                 d->url.authority, http_error_text(r));
        if (r == HTTP_DONE)
            return download_content_done(d);
        r = r == HTTP_DATA ? download_take(d, content) : download_fill(d);
        if (r != 0)
            return r;
    }
    return download_yield(d);
}
