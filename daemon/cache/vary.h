/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vary: which request fields chose a response (RFC 9111 section 4.1), and a hash of their values in
 * a request, so that variants are found by comparing numbers.
 */
#ifndef DIVED_CACHE_VARY_H
#define DIVED_CACHE_VARY_H

#include <stdint.h>

#include "http/head.h"

enum {
    VARY_NAMES_MAX = 16, /* different names */
    VARY_SIZE = 512,     /* of the normalised text, with its NUL */
};

/* "accept,accept-encoding": lower case, sorted, each once, all Vary lines of the response together;
 * "" when it has none. 0; HTTP_E_FIELD_NAME for "*" or a member that is no field name (it can match
 * no other request); HTTP_E_TOO_MANY_FIELDS past the maxima. On failure `out` is "" and the
 * response isn't to be stored. No callbacks, no allocation. */
int vary_of_response(char out[VARY_SIZE], const struct http_head *response) DIVE_MUST_USE;

/* Of the request's fields that `vary` (as above) names: the first 64 bits of a SHA-256. Several
 * lines of a field are joined, white space around members goes, and in the Accept family, where it
 * means nothing, case and the space around ";" too; absent is not the same as empty. 0 for "" only,
 * and when hashing failed (memory): no stored variant has it, since a hash of 0 is returned as 1.
 */
uint64_t vary_hash(const struct http_head *request, const char *vary);

#endif
