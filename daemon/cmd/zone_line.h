/* SPDX-License-Identifier: BSD-2-Clause
 *
 * zone_line: a TXT record as one line of a zone file (RFC 1035 section 5.1), for the commands that
 * print records to paste.
 */
#ifndef DIVED_CMD_ZONE_LINE_H
#define DIVED_CMD_ZONE_LINE_H

#include <stdint.h>

#define ZONE_VALUE_MAX 65000 /* bytes: what fits one record with a length for each string */

/* `owner. ttl IN TXT "..." "..."` without a line end: the value in strings of at most 255 bytes
 * (RFC 1035 section 3.3), DQUOTE and backslash escaped by a backslash, bytes outside printable
 * ASCII as \DDD. `owner` is absolute with or without its trailing dot, in presentation form without
 * escapes; bytes in it that would mean something to a zone file are written as \DDD. `ttl` in
 * seconds. The text is malloc'd, the caller's. NULL with errno: ENOMEM; EMSGSIZE past
 * ZONE_VALUE_MAX. Both arguments are borrowed for the call. */
char *zone_line(const char *owner, uint32_t ttl, const char *value);

#endif
