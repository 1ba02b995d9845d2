/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_json: the pieces that the report and the trace are made of. Every call returns a new
 * reference, NULL when memory ran out; json_object_set_new() of a NULL fails, so one check at the
 * end of an object is enough.
 */
#ifndef DIVE_VERIFIER_JSON_H
#define DIVE_VERIFIER_JSON_H

#include <jansson.h>

#include "verifier_private.h"

/* Text of any bytes: what isn't UTF-8 is read as Latin-1, so that nothing is lost or refused. */
json_t *verifier_json_text(struct dive_span text);
/* A C string; NULL becomes null. */
json_t *verifier_json_string(const char *text);
json_t *verifier_json_base64(const uint8_t *bytes, size_t n);
/* The field's lines joined with ", "; null when the response has none. */
json_t *verifier_json_field(const struct dive_response *response, const char *name);
/* Adds `value` (stolen) under `key`; false and *ok cleared on failure. */
void verifier_json_set(json_t *object, const char *key, json_t *value, bool *ok);
/* The finished object as one line of text, malloc'd, the caller's; drops `object`. */
int verifier_json_finish(json_t *object, bool ok, char **out) DIVE_MUST_USE;

#endif
