/* SPDX-License-Identifier: BSD-2-Clause
 *
 * explain: causes and remedies, for `divectl explain` and whoever else has a reason to explain.
 */
#ifndef DIVED_CMD_EXPLAIN_H
#define DIVED_CMD_EXPLAIN_H

#include "lib/verifier.h"

/* One paragraph each, static: why this reason comes up, and what the signer or operator does about
 * it. Never NULL. */
const char *explain_cause(enum dive_reason reason);
const char *explain_remedy(enum dive_reason reason);
/* The reason of that wire word; DIVE_E_UNSUPPORTED for no known one. */
int explain_reason_from_word(const char *word, enum dive_reason *out) DIVE_MUST_USE;
/* What to do about an entry of that outcome (docs/trace.md), or NULL when the word is not known or
 * there is nothing to do. */
const char *explain_outcome(const char *word);

#endif
