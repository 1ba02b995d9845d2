/* SPDX-License-Identifier: BSD-2-Clause
 *
 * html: text from elsewhere inside of pages of ours.
 */
#ifndef DIVED_HTTP_HTML_H
#define DIVED_HTTP_HTML_H

#include "http/writer.h"

/* `text` as character data, good in an attribute in double quotes too. 0, HTTP_E_NOMEM or
 * HTTP_E_BUFFER_FULL. */
int http_html_text(struct http_buffer *b, const char *text) DIVE_MUST_USE;

#endif
