/* SPDX-License-Identifier: BSD-2-Clause
 *
 * redirect: where a Location leads (RFC 9110 section 10.2.2, RFC 3986 section 5.2).
 */
#ifndef DIVED_CMD_REDIRECT_H
#define DIVED_CMD_REDIRECT_H

#include <stdbool.h>

#include "http/url.h"

/* 301, 302, 303, 307, 308: those that a GET follows (RFC 9110 section 15.4). */
bool redirect_is_one(int status);

/* Resolves the reference `location` against `base`; a fragment is dropped. 0 and *out is the
 * caller's (http_url_clear()); else an enum http_error and *out is empty: HTTP_E_TARGET for another
 * scheme, userinfo, or what is no reference. */
int redirect_resolve(struct http_url *out, const struct http_url *base,
                     struct dive_span location) DIVE_MUST_USE;

/* The same scheme, host and port (RFC 6454): what was meant for one may be told the other. */
bool redirect_same_origin(const struct http_url *a, const struct http_url *b);

#endif
