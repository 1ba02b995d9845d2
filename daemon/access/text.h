/* SPDX-License-Identifier: BSD-2-Clause
 *
 * text: what may be a user's name, wherever it comes from: a password file, credentials, a
 * certificate, a Kerberos principal. It goes into logs, traces and rules, so it is one line of
 * text.
 */
#ifndef DIVED_ACCESS_TEXT_H
#define DIVED_ACCESS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define ACCESS_USER_MAX 255 /* bytes */
#define ACCESS_USER_SIZE (ACCESS_USER_MAX + 1)
#define ACCESS_PASSWORD_MAX 511 /* bytes: what crypt(5) takes */

/* UTF-8 (RFC 3629) without control characters (RFC 7617 section 2: those of US-ASCII; those of
 * ISO 8859 too). */
bool access_text_is_plain(const char *p, size_t n);
/* The same, of 1 to ACCESS_USER_MAX bytes. */
bool access_text_is_user(const char *p, size_t n);

#endif
