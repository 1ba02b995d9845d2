/* SPDX-License-Identifier: BSD-2-Clause
 *
 * release: RELEASE, and the head of every response whose content we send from a source of our own:
 * what was held until its verdict, a stored object, a transfer that is read along. Here a client's
 * conditions and ranges are answered (RFC 9110 sections 13 and 14).
 */
#include <openssl/rand.h>
#include <string.h>

#include "exchange/private.h"

#define RELEASE_FIELDS_MAX 6

/* The head that is being put together. */
struct release {
    int status;
    const struct http_head *from;
    enum http_body framing;
    int64_t length;
    struct dive_field add[RELEASE_FIELDS_MAX];
    size_t n_add;
    const char *const *drop;
    char age[CACHE_AGE_SIZE];
    char cache_status[CACHE_STATUS_SIZE];
    char content_range[HTTP_CONTENT_RANGE_SIZE];
};

static void release_add(struct release *release, const char *name, struct dive_span value)
{
    release->add[release->n_add++] = (struct dive_field){dive_span_str(name), value};
}

/* Of a part, Content-Digest would be wrong: RFC 9530 section 2 is about this message's content. The
 * whole's is Repr-Digest's (section 3). */
static void release_part(struct exchange *x, struct release *release)
{
    static const char *const drop[] = {"Content-Digest", "Repr-Digest", "Age", "Content-Range",
                                       NULL};
    const struct dive_span *digest = http_field_get(&x->response, "Content-Digest");

    release->status = 206;
    release->drop = drop;
    if (digest != NULL)
        release_add(release, "Repr-Digest", *digest);
}

static int release_multipart(struct exchange *x, struct release *release,
                             const struct http_range_set *set, uint64_t size)
{
    static const char *const drop[] = {"Content-Digest", "Repr-Digest",   "Age",
                                       "Content-Type",   "Content-Range", NULL};
    const struct dive_span *type = http_field_get(&x->response, "Content-Type");
    uint8_t random[16];

    x->parts = calloc(1, sizeof(*x->parts));
    if (x->parts == NULL || RAND_bytes(random, sizeof(random)) != 1 ||
        http_multipart_make(x->parts, set, type != NULL ? *type : dive_span("", 0), size, random) !=
            0)
        return DIVE_E_NOMEM;
    release_part(x, release);
    release->drop = drop;
    release_add(release, "Content-Type", dive_span_str(x->parts->content_type));
    release->length = (int64_t)x->parts->content_length;
    x->part = 0;
    x->send_offset = x->send_end = 0;
    return 0;
}

/* The client's Range against the whole, whose size is known. 0 or negative. */
static int release_range(struct exchange *x, struct release *release, uint64_t size)
{
    struct http_range_set set;

    switch (http_range_set_from_request(&x->request, size, &set)) {
    case HTTP_RANGE_IGNORE:
        return 0;
    case HTTP_RANGE_UNSATISFIABLE:
        x->ranged = true;
        release_part(x, release);
        release->status = 416;
        release->length = 0;
        x->send_end = 0;
        http_content_range(release->content_range, NULL, size);
        break;
    case HTTP_RANGE_PARTIAL:
        x->ranged = true;
        if (set.n > 1)
            return release_multipart(x, release, &set, size);
        release_part(x, release);
        x->send_offset = set.v[0].first;
        x->send_end = set.v[0].last + 1;
        release->length = (int64_t)(x->send_end - x->send_offset);
        http_content_range(release->content_range, &set.v[0], size);
        break;
    }
    release_add(release, "Content-Range", dive_span_str(release->content_range));
    return 0;
}

/* Is the Range ours to answer, rather than the origin's, who has been asked and sent the whole? */
static bool release_has_range(const struct exchange *x)
{
    return x->response.status == 200 && dive_span_eq(x->request.method, "GET") &&
           (x->take_whole || x->conditions_ours || x->validates) &&
           http_field_get(&x->request, "Range") != NULL &&
           validate_if_range(&x->request, &x->response, worker_now(x->worker));
}

static bool release_is_not_modified(const struct exchange *x)
{
    return (x->conditions_ours || x->validates) && x->response.status == 200 &&
           validate_not_modified(&x->request, &x->response, worker_now(x->worker));
}

static enum http_body release_framing(const struct exchange *x, int64_t length)
{
    if (dive_span_eq(x->request.method, "HEAD") || x->response.status == 204 ||
        x->response.status == 304)
        return HTTP_BODY_NONE;
    if (length >= 0)
        return HTTP_BODY_LENGTH;
    return x->request.minor > 0 ? HTTP_BODY_CHUNKED : HTTP_BODY_UNTIL_CLOSE;
}

static int release_queue(struct exchange *x, struct release *release)
{
    static const char *const drop[] = {"Age", NULL};

    if (release->drop == NULL)
        release->drop = drop;
    if (x->from_store) {
        cache_age_format(release->age, x->decision.age);
        release_add(release, "Age", dive_span_str(release->age));
    } else if (http_field_get(&x->response, "Age") != NULL) {
        release_add(release, "Age", *http_field_get(&x->response, "Age"));
    }
    cache_status_format(release->cache_status, &x->cache_status);
    release_add(release, "Cache-Status", dive_span_str(release->cache_status));
    x->client_body = release->framing;
    return response_queue_head(x, release->from, release->status, release->framing, release->length,
                               release->add, release->n_add, release->drop);
}

int release_begin(struct exchange *x, int64_t length)
{
    struct release release = {.status = x->response.status,
                              .from = &x->response,
                              .framing = release_framing(x, length),
                              .length = length};
    struct http_head not_modified = {0};
    int r = 0;

    x->send_offset = 0;
    x->send_end = length >= 0 ? (uint64_t)length : UINT64_MAX;
    if (release_is_not_modified(x)) {
        r = validate_304_head(&not_modified, &x->response);
        release.status = 304;
        release.from = &not_modified;
        release.framing = HTTP_BODY_NONE;
        release.length = -1;
    } else if (length >= 0 && release_has_range(x)) {
        r = release_range(x, &release, (uint64_t)length);
    }
    if (release.framing == HTTP_BODY_NONE) {
        x->ranged = true; /* nothing is to be sent, however much there is */
        x->send_end = 0;
    }
    if (r == 0)
        r = release_queue(x, &release);
    http_head_clear(&not_modified);
    if (r != 0)
        return exchange_refuse(x, 503, "proxy_internal_error", "out of memory");
    x->head_sent = true;
    x->status = release.status;
    return 1;
}

/* Goes on to the next segment of a multipart, queueing what is ours of it. 1, 0: none is left,
 * negative: no memory. */
static int release_next_part(struct exchange *x)
{
    while (x->parts != NULL && x->part < x->parts->n) {
        const struct http_segment *segment = &x->parts->segments[x->part++];

        if (segment->literal.n == 0) {
            x->send_offset = segment->content.first;
            x->send_end = segment->content.last + 1;
            return 1;
        }
        if (buffer_append(&x->client->out, segment->literal.p, segment->literal.n, SIZE_MAX / 2) !=
            0)
            return DIVE_E_NOMEM;
        x->bytes_out += segment->literal.n;
    }
    return 0;
}

static int release_end(struct exchange *x)
{
    if (x->send_hashes && verify_end(x) != 0)
        return exchange_break(x, "out of memory");
    x->fate = exchange_fate_of(x);
    return x->report_only ? EXCHANGE_AFTER : EXCHANGE_END;
}

int release_content(struct exchange *x)
{
    int r;

    if (!x->head_sent) {
        r = release_begin(x, (int64_t)source_size(&x->source));
        if (r != 1)
            return r;
        if (x->send_hashes && x->ranged)
            verify_drop_part(x);
        exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
    }
    for (;;) {
        r = send_content(x, x->send_end);
        if (r == 1) {
            int next = release_next_part(x);

            if (next == 1)
                continue;
            if (next < 0)
                return exchange_break(x, "out of memory");
            r = send_last(x);
        }
        if (r == 1)
            return release_end(x);
        if (r == STREAM_ERROR)
            return exchange_client_left(x);
        if (r == STREAM_WAIT) {
            x->want_client |= STREAM_WRITE;
            exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
        }
        return EXCHANGE_WAIT;
    }
}
