/* SPDX-License-Identifier: BSD-2-Clause
 *
 * resume: an origin's connection broke while content was on its way: the rest is asked for by a
 * Range that only the same representation can satisfy (RFC 9110 section 14.2 with If-Range and a
 * strong validator), and what arrives goes behind what is there. The digest covers the whole all
 * the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange/private.h"

#define RESUMES_MAX 3 /* of one transfer, each with at least a byte of progress */

static struct hold *resume_hold(const struct exchange *x)
{
    return x->hold != NULL ? x->hold : x->flight != NULL ? flight_hold(x->flight) : NULL;
}

bool resume_begin(struct exchange *x)
{
    struct hold *hold = resume_hold(x);
    struct dive_field validator;

    if (hold == NULL || hold_error(hold) != HOLD_OK || x->resumes >= RESUMES_MAX ||
        x->response.framing != HTTP_BODY_LENGTH || x->response_body.complete ||
        (x->response_body.failed && x->response_body.error != 0) ||
        hold_size(hold) <= x->resume_at || !dive_span_eq(x->request.method, "GET") ||
        !x->request_body.complete || (x->worker->draining && !x->worker->patient) ||
        http_field_has_token(&x->response, "Accept-Ranges", "none") ||
        !validate_resume(&validator, &x->response, worker_now(x->worker)))
        return false;
    x->resumes++;
    x->resume_at = hold_size(hold);
    x->resume_state = x->state;
    x->whole = x->response;
    x->response = (struct http_head){0};
    x->scan = (struct http_scan){0};
    x->interim = 0;
    x->request_queued = x->awaits_head = false;
    x->retried = true; /* on a new connection */
    exchange_drop_origin(x, false);
    return true;
}

size_t resume_fields(struct exchange *x, struct dive_field out[2])
{
    snprintf(x->resume_range, sizeof(x->resume_range), "bytes=%llu-",
             (unsigned long long)x->resume_at);
    out[0] = (struct dive_field){dive_span_str("Range"), dive_span_str(x->resume_range)};
    if (!validate_resume(&out[1], &x->whole, worker_now(x->worker)))
        return 0;
    return 2;
}

/* "bytes first-last/length" with exactly these numbers. */
static bool resume_matches(const struct exchange *x)
{
    const struct dive_span *range = http_field_get(&x->response, "Content-Range");
    const struct dive_span *tag = http_field_get(&x->response, "ETag");
    const struct dive_span *own = http_field_get(&x->whole, "ETag");
    uint64_t length = (uint64_t)x->whole.content_length;
    char expected[HTTP_CONTENT_RANGE_SIZE];
    struct http_range rest = {x->resume_at, length - 1};

    if (x->response.status != 206 || range == NULL ||
        http_field_count(&x->response, "Content-Range") != 1 ||
        x->response.framing != HTTP_BODY_LENGTH ||
        (uint64_t)x->response.content_length != length - x->resume_at)
        return false;
    if (own != NULL && (tag == NULL || tag->n != own->n || memcmp(tag->p, own->p, own->n) != 0))
        return false;
    http_content_range(expected, &rest, length);
    return dive_span_eq(*range, expected);
}

int resume_response(struct exchange *x)
{
    bool matches = resume_matches(x);
    bool keep_alive = x->response.keep_alive;

    http_head_clear(&x->response);
    x->response = x->whole;
    x->whole = (struct http_head){0};
    if (!matches) {
        exchange_drop_origin(x, false);
        return exchange_refuse(x, 502, "http_response_incomplete",
                               "the origin's content broke off, and the rest was not to be had");
    }
    x->response.keep_alive = keep_alive;
    body_init(&x->response_body, HTTP_BODY_LENGTH,
              x->response.content_length - (int64_t)x->resume_at);
    x->origin_due_ms = loop_now_ms(&x->worker->loop) + x->runtime->config->timeouts.origin_idle_ms;
    return (int)x->resume_state;
}

bool resume_is_under_way(const struct exchange *x)
{
    return x->whole.status != 0;
}
