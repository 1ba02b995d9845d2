/* SPDX-License-Identifier: BSD-2-Clause
 *
 * style: the style sheet of the pages that we make (the audit report, the admin page), and the
 * hashes by which a Content-Security-Policy admits what stands in the page itself.
 */
#ifndef DIVED_AUDIT_STYLE_H
#define DIVED_AUDIT_STYLE_H

#include <stddef.h>

#include "lib/error.h"

extern const char style_sheet[]; /* style.css, NUL-terminated */

#define STYLE_SOURCE 64 /* of a source expression, NUL included */
/* 'sha256-...' of `n` bytes (Content Security Policy Level 3, section 2.3.1). DIVE_E_INTERNAL. */
int style_csp_source(const void *text, size_t n, char out[STYLE_SOURCE]) DIVE_MUST_USE;

#endif
