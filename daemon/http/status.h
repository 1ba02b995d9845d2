/* SPDX-License-Identifier: BSD-2-Clause
 *
 * status: the reason phrases of the HTTP status code registry (RFC 9110 section 16.2.1).
 */
#ifndef DIVED_HTTP_STATUS_H
#define DIVED_HTTP_STATUS_H

/* Static storage, never NULL; "Unknown" when the registry has none. */
const char *http_reason(int status);

#endif
