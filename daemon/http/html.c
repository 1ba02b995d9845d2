/* SPDX-License-Identifier: BSD-2-Clause
 *
 * html: see html.h.
 */
#include "http/html.h"

#include <string.h>

int http_html_text(struct http_buffer *b, const char *text)
{
    int r = 0;

    for (; *text != '\0' && r == 0; text++) {
        const char *entity = *text == '<'    ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '&'  ? "&amp;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;

        r = entity != NULL ? http_buffer_add(b, entity, strlen(entity))
                           : http_buffer_add(b, text, 1);
    }
    return r;
}
