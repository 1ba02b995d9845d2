/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gss_error: what GSSAPI has to say about a failure, as one printable line.
 */
#ifndef DIVED_CORE_GSS_ERROR_H
#define DIVED_CORE_GSS_ERROR_H

#include <gssapi/gssapi.h>
#include <stddef.h>

/* One line of at most 180 bytes of printable ASCII, about `minor` (Kerberos') if it isn't 0, else
 * about `major` (RFC 2744 section 5.11). Never fails. */
void gss_error_text(char *text, size_t size, OM_uint32 major, OM_uint32 minor);

#endif
