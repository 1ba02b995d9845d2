/* SPDX-License-Identifier: BSD-2-Clause
 *
 * invalidate: which stored responses an unsafe request makes obsolete (RFC 9111 section 4.4).
 */
#ifndef DIVED_CACHE_INVALIDATE_H
#define DIVED_CACHE_INVALIDATE_H

#include <stdbool.h>

#include "http/url.h"

enum { INVALIDATE_URLS_MAX = 3 };

struct invalidate {
    struct http_url urls[INVALIDATE_URLS_MAX]; /* owned; the target URI first */
    size_t n;
};

/* GET, HEAD, OPTIONS, TRACE (RFC 9110 section 9.2.1). A method that we don't know is unsafe. */
bool invalidate_is_safe_method(struct dive_span method);

/* For a response to a request for `target`: nothing if the method is safe or the status isn't 2xx
 * or 3xx; else the target, and what Location and Content-Location name if they have the same origin
 * (scheme, host, port). A reference that can't be resolved is passed over. No callbacks. 0 and *out
 * is the caller's (invalidate_clear()); HTTP_E_NOMEM and it is empty: then the caller should purge
 * what it can name, or drop the store's whole host. */
int invalidate_of(struct invalidate *out, struct dive_span method, const struct http_url *target,
                  const struct http_head *response) DIVE_MUST_USE;
void invalidate_clear(struct invalidate *invalidate);

#endif
