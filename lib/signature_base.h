/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_base: the signature base of a response (RFC 9421 section 2.5) for every component that
 * can stand there: fields (plain, ;sf, ;key, ;bs), @status, and with ;req the request's fields and
 * derived components. ;tr is not supported: trailers never count for DIVE.
 */
#ifndef DIVE_SIGNATURE_BASE_H
#define DIVE_SIGNATURE_BASE_H

#include "message.h"
#include "sf.h"

DIVE_API_BEGIN

/* Builds the base for the Signature-Input member `input`. *out is malloc'd, NUL-terminated, the
 * caller's; on failure it is NULL and *len 0. `request` may be NULL: then a ;req component fails.
 * DIVE_E_NOT_FOUND: a covered field, member or query parameter is absent.
 * DIVE_E_SYNTAX: a value can't be parsed as ;sf or ;key ask, or has octets that can't stand in a
 * base. DIVE_E_UNSUPPORTED: an unknown derived component, an unknown or contradictory component
 * parameter, one that can't stand in a response, ;sf on a field whose type isn't known
 * (field_type.h), a component that is listed twice, a query parameter that is given twice.
 * DIVE_E_TYPE: `input` is no inner list of strings, or ;sf of a label in upper case.
 * DIVE_E_LIMIT: more than 256 KiB of base, or to be read for it (a field counts once for each
 * component that is made of it), 64 KiB of one structured field or query, or 64 components.
 * DIVE_E_NOMEM. */
int dive_signature_base(const struct dive_sf_member *input, const struct dive_request *request,
                        const struct dive_response *response, char **out,
                        size_t *len) DIVE_MUST_USE;

DIVE_API_END

#endif
