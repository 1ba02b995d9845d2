/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_component: one covered component of a response's signature (RFC 9421 section 2): its
 * identifier, read and checked, and its value. Private to libdive.
 *
 *      signature_base       the lines, in order
 *        signature_component  identifiers: what may stand there, equality
 *        signature_field      values of fields (section 2.1)
 *        signature_derived    values of derived components (section 2.2)
 */
#ifndef DIVE_SIGNATURE_COMPONENT_H
#define DIVE_SIGNATURE_COMPONENT_H

#include <stdbool.h>

#include "buffer.h"
#include "message.h"
#include "sf.h"

/* More parameters than RFC 9421 defines for one component; past it the identifier is refused, which
 * also bounds what comparing identifiers costs. */
#define DIVE_COMPONENT_PARAMS_MAX 8

struct dive_component {
    struct dive_span name; /* "@status", or a field name in lower case */
    bool derived;
    bool sf, bs, req;
    const struct dive_span *key;   /* dictionary member; NULL without ;key */
    const struct dive_span *param; /* encoded name of a query parameter; only with @query-param */
};

/* Reads the identifier `item`; spans point into it. DIVE_E_TYPE: it is no string.
 * DIVE_E_UNSUPPORTED: it can't be supported in a response: an unknown or contradictory parameter or
 * derived component, ;tr, a derived component of the request without ;req, one of the response with
 * it, a field name with upper case. */
int dive_component_parse(struct dive_component *out, const struct dive_sf_item *item) DIVE_MUST_USE;

/* Are two identifiers the same? The order of parameters doesn't count (RFC 9421 section 2). Those
 * with more than DIVE_COMPONENT_PARAMS_MAX parameters equal nothing: refuse them before. */
bool dive_component_same(const struct dive_sf_item *a, const struct dive_sf_item *b);

/* Appends the component value of a field, from the header section that ;req chooses. `out` may have
 * been added to on failure. DIVE_E_NOT_FOUND: no such field or dictionary member. DIVE_E_SYNTAX:
 * the value is not of the type that ;sf or ;key ask for, or has octets that can't stand in a base.
 * DIVE_E_UNSUPPORTED: ;sf on a field of unknown type, ;key on one that is no dictionary. */
int dive_component_field_value(struct buffer *out, const struct dive_component *component,
                               const struct dive_fields *fields) DIVE_MUST_USE;

/* The same for a derived component. `request` is not NULL when the component has ;req.
 * DIVE_E_NOT_FOUND: no such query parameter. DIVE_E_UNSUPPORTED: it occurs more than once. */
int dive_component_derived_value(struct buffer *out, const struct dive_component *component,
                                 const struct dive_request *request,
                                 const struct dive_response *response) DIVE_MUST_USE;

#endif
