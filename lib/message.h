/* SPDX-License-Identifier: BSD-2-Clause
 *
 * message: what libdive needs to know of one HTTP request and its response. Plain spans into memory
 * of the caller's HTTP implementation.
 */
#ifndef DIVE_MESSAGE_H
#define DIVE_MESSAGE_H

#include <stdbool.h>

#include "error.h"

DIVE_API_BEGIN

/* One field line, in order of arrival, value without surrounding white space (RFC 9110 5.5). */
struct dive_field {
    struct dive_span name; /* any case */
    struct dive_span value;
};

struct dive_fields {
    const struct dive_field *v;
    size_t n;
};

struct dive_request {
    struct dive_span method;
    struct dive_span scheme;    /* "http" or "https" */
    struct dive_span authority; /* RFC 9421 section 2.2.3: normalised, default port removed */
    struct dive_span path;      /* absolute path, "/" when empty; no query */
    struct dive_span query;     /* with its "?", or n == 0 when the target has none */
    struct dive_span target;    /* the request target as sent to the origin (origin-form) */
    struct dive_fields fields;
};

struct dive_response {
    int status;
    bool has_content; /* false for HEAD, 1xx, 204, 205, 304; true for 200 to GET even if empty */
    struct dive_fields fields; /* of the header section; trailers never count */
};

#define DIVE_FIELD_JOINED_MAX 65536 /* bytes; as many as dive_sf_parse() takes */

/* All lines of `name` (any case) joined with ", " (RFC 9110 section 5.3), in order, into *out,
 * malloc'd and NUL-terminated, the caller's; *len is without the NUL. Empty lines count: they join
 * as empty members. On failure *out is NULL and *len 0: DIVE_E_NOT_FOUND when there is no such
 * line, DIVE_E_LIMIT past DIVE_FIELD_JOINED_MAX, DIVE_E_NOMEM. */
int dive_fields_join(const struct dive_fields *fields, const char *name, char **out,
                     size_t *len) DIVE_MUST_USE;

DIVE_API_END

#endif
