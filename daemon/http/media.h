/* SPDX-License-Identifier: BSD-2-Clause
 *
 * media: which kind of error page a client wants (RFC 9110 section 12.5.1).
 */
#ifndef DIVED_HTTP_MEDIA_H
#define DIVED_HTTP_MEDIA_H

#include "http/head.h"

/* True when Accept gives text/html a higher quality than application/problem+json and
 * application/json; more specific ranges win over wildcards. No Accept, a malformed one, or a tie
 * ("*" for all, as curl sends): false. */
bool http_prefers_html(const struct http_head *request);

#endif
