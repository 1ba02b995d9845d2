/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object_file: the bytes of an object file: a header with a checksum over all the rest, the meta,
 * and the content if it is small. Whatever isn't exactly that is no object file.
 */
#ifndef DIVED_CACHE_OBJECT_FILE_H
#define DIVED_CACHE_OBJECT_FILE_H

#include "cache/object_private.h"

#define OBJECT_FILE_MAX (4u << 20) /* bytes of one */

/* The whole file for `object`: with its content if `inlined`, else with its content's name and
 * checksum. malloc'd, the caller's; NULL without memory or past OBJECT_FILE_MAX. */
char *object_file_encode(const struct object *object, bool inlined, size_t *n) DIVE_MUST_USE;

/* The object of such a file: with its content in memory, or with has_content_file set and none yet.
 * `n` bytes are the whole file. DIVE_E_SYNTAX for anything that isn't one; DIVE_E_NOMEM. */
int object_file_decode(struct object **out, const char *bytes, size_t n) DIVE_MUST_USE;

#endif
