/* SPDX-License-Identifier: BSD-2-Clause
 *
 * refuse: REFUSE. An answer of our own instead of the origin's; not one byte of what the origin
 * sent is in it.
 */
#include "exchange/error_page.h"
#include "exchange/private.h"
#include "http/media.h"

/* A request that can't be trusted to be delimited right is the connection's last. */
static bool refuse_closes(const struct exchange *x)
{
    return x->status == 400 || x->status == 408 || x->status == 413 || x->status == 501 ||
           exchange_fate_of(x) != EXCHANGE_KEEP;
}

static const char *refuse_dive_reason(const struct exchange *x)
{
    if (x->action != ACTION_BLOCKED)
        return NULL;
    return x->reason_word != NULL ? x->reason_word : dive_reason_word(x->reason);
}

int refuse_answer(struct exchange *x)
{
    char cache_status[CACHE_STATUS_SIZE];
    int r;

    if (!x->head_sent) {
        struct error_page page = {
            .status = x->status,
            .dive_reason = refuse_dive_reason(x),
            .error_type =
                x->error_type != NULL || x->status < 400 ? x->error_type : "proxy_internal_error",
            .cache_status = cache_status,
            .text = x->error,
            .host = x->url_known ? x->url.at.host : NULL,
            .exchange = x->id,
            .html = http_prefers_html(&x->request),
            .head_only = dive_span_eq(x->request.method, "HEAD"),
            .close = refuse_closes(x),
            .now = worker_now(x->worker),
        };

        x->cache_status.stored = false;
        (void)cache_status_format(cache_status, &x->cache_status);
        keep_refused(x);
        exchange_drop_origin(x, false);
        hold_free(&x->hold);
        x->fate = x->request_body.complete ? (page.close ? EXCHANGE_CLOSE : EXCHANGE_KEEP)
                                           : EXCHANGE_LINGER;
        if (error_page_write(&x->client->out, &x->worker->scratch, &page) != 0)
            return exchange_break(x, "out of memory");
        x->head_sent = true;
        exchange_deadline(x, x->runtime->config->timeouts.client_write_ms);
    }
    r = channel_flush(x->client);
    if (r == STREAM_ERROR)
        return exchange_client_left(x);
    if (r == STREAM_WAIT) {
        x->want_client |= STREAM_WRITE;
        return EXCHANGE_WAIT;
    }
    return EXCHANGE_END;
}
