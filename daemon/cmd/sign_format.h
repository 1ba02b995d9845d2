/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_format: signed fields as text to paste: header lines, locations of nginx and Apache, JSON.
 */
#ifndef DIVED_CMD_SIGN_FORMAT_H
#define DIVED_CMD_SIGN_FORMAT_H

#include "lib/error.h"

/* clang-format off */
#define SIGN_FORMATS(X)   \
    X(FIELDS, "fields")   \
    X(NGINX, "nginx")     \
    X(APACHE, "apache")   \
    X(HEADERS, "headers") \
    X(JSON, "json")
/* clang-format on */

enum sign_format {
#define X(id, name) SIGN_FORMAT_##id,
    SIGN_FORMATS(X)
#undef X
};

int sign_format_from_name(const char *name, enum sign_format *out) DIVE_MUST_USE;

#define SIGN_FORMAT_FIELDS_MAX 3

struct sign_format_field {
    const char *name, *value;
};

/* The text for one file, ending with a line end, malloc'd; FIELDS and HEADERS give header lines.
 * `path` is the URL's, decoded. NULL: *why is a static text (the path or a value can't stand in
 * such a file), or NULL without memory. */
char *sign_format_text(enum sign_format format, const char *file, const char *path,
                       const struct sign_format_field *fields, size_t n, const char **why);

/* A decoded path as it stands in a URL, malloc'd, the caller's; NULL without memory. */
char *sign_path_encode(const char *path);

#endif
