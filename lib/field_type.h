/* SPDX-License-Identifier: BSD-2-Clause
 *
 * field_type: which fields are Structured Fields (RFC 9651), and of which kind. The signature base
 * needs it: a field can be serialised strictly (RFC 9421 section 2.1.1) only when its type is
 * known.
 */
#ifndef DIVE_FIELD_TYPE_H
#define DIVE_FIELD_TYPE_H

#include "sf.h"

/* The kind of the field `name` (any case); DIVE_E_NOT_FOUND for one that isn't known to be a
 * Structured Field. */
int dive_field_type(struct dive_span name, enum dive_sf_kind *out) DIVE_MUST_USE;

#endif
