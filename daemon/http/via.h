/* SPDX-License-Identifier: BSD-2-Clause
 *
 * via: the name that this proxy has in Via (RFC 9110 section 7.6.3), and what the field says about
 * where a message has been. The name is drawn anew for each process, so that a message which comes
 * back to the process that sent it is told from one that has passed another daemon of this kind.
 */
#ifndef DIVED_HTTP_VIA_H
#define DIVED_HTTP_VIA_H

#include "http/head.h"

#define HTTP_VIA_HOPS_MAX 32 /* members of Via; more are taken for a loop of others */

/* "dived-" and eight hexadecimal digits: a pseudonym in the field's sense. Static, never NULL,
 * thread-safe, the same for the life of the process. */
const char *http_via_name(void);

/* Has the message been here before, or anywhere too often? */
bool http_via_is_loop(const struct http_head *head);

/* All received Via values in one, malloc'd, the caller's; "" without any. NULL when memory is out.
 */
char *http_via_received(const struct http_head *head) DIVE_MUST_USE;

#endif
