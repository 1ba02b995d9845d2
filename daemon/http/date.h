/* SPDX-License-Identifier: BSD-2-Clause
 *
 * date: HTTP-date (RFC 9110 section 5.6.7). Own code, because strftime() and strptime() follow the
 * locale and timegm() is not everywhere.
 */
#ifndef DIVED_HTTP_DATE_H
#define DIVED_HTTP_DATE_H

#include <stdint.h>

#include "lib/error.h"

enum { HTTP_DATE_SIZE = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */

/* IMF-fixdate. Years 1..9999; anything else is clamped to that. */
void http_date_format(char out[HTTP_DATE_SIZE], int64_t unix_seconds);
/* The same, remembered per thread for the second. Static storage of the thread, valid until its
 * next call. */
const char *http_date_cached(int64_t unix_seconds);
/* All three forms of the RFC. `now` (Unix seconds) resolves two-digit years. 0 or HTTP_E_... never:
 * -1 when it is no date, and *out is 0 then. */
int http_date_parse(int64_t *out, struct dive_span in, int64_t now) DIVE_MUST_USE;

#endif
