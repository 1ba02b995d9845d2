/* SPDX-License-Identifier: BSD-2-Clause
 *
 * domain: host names as the drafts walk them: normal form, levels from the host up to the TLD,
 * equal-or-parent on label boundaries, and Key IDs.
 */
#ifndef DIVE_DOMAIN_H
#define DIVE_DOMAIN_H

#include <stdbool.h>

#include "error.h"

DIVE_API_BEGIN

#define DIVE_DOMAIN_MAX 253 /* characters, without trailing dot and NUL (RFC 1035) */
#define DIVE_DOMAIN_BUF (DIVE_DOMAIN_MAX + 1)
#define DIVE_KEY_ID_MAX 63 /* one DNS label */

/* Writes the normal form of `in` to `out`: lower case, one trailing dot removed. Labels are 1 to 63
 * characters of a-z 0-9 - _ (A-labels are such; U-labels are not accepted). On failure `out` is "".
 * DIVE_E_UNSUPPORTED for an IPv4 or IPv6 literal (bracketed or not; also what inet_aton would take,
 * such as "127.1" or "0x7f000001": a name whose last label is numeric is no DNS name),
 * DIVE_E_SYNTAX or DIVE_E_LIMIT otherwise. */
int dive_domain_normalize(struct dive_span in, char out[DIVE_DOMAIN_BUF]) DIVE_MUST_USE;

/* Both in normal form: is `ancestor` equal to `name` or a parent of it, label by label? The empty
 * name covers nothing. */
bool dive_domain_covers(const char *ancestor, const char *name);

/* The next level up within `name` ("a.b.c" -> "b.c"), or NULL above the TLD. Points into `name`. */
const char *dive_domain_parent(const char *name);

/* How many labels; 0 for "". */
size_t dive_domain_labels(const char *name);

/* Is `id` a Key ID: 1 to 63 of A-Z a-z 0-9 _ (draft-01 section 4.4)? Case-sensitive. */
bool dive_key_id_valid(struct dive_span id);

DIVE_API_END

#endif
