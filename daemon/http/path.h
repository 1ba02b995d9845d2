/* SPDX-License-Identifier: BSD-2-Clause
 *
 * path: what the path of a URL means to most servers, for whoever compares it with a pattern. One
 * resource has many spellings ("/a", "/%61", "/./a", "//a", "/b/../a"): a rule about one of them is
 * about all of them. What is sent on and what is signed stays as it was written.
 */
#ifndef DIVED_HTTP_PATH_H
#define DIVED_HTTP_PATH_H

#include <stdbool.h>

#include "lib/error.h"

/* Percent-encoding decoded once (but for control characters, whose digits become upper case), then
 * empty segments dropped, "." and ".." resolved (RFC 3986 sections 5.2.4 and 6.2.2; servers do both
 * after decoding, an encoded "/" too). What doesn't begin with "/" ("*", "") is copied. malloc'd,
 * the caller's; NULL without memory. */
char *http_path_meaning(struct dive_span path) __attribute__((warn_unused_result));

/* Could http_path_meaning() give a path that `pattern`, in which "*" is anything, fits? No, if it
 * has an encoded character or a segment that is none. */
bool http_path_can_fit(const char *pattern);

#endif
