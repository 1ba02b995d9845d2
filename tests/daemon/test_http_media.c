/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_media: what real clients send as Accept, and what could go wrong in it.
 */
#include <criterion/criterion.h>

#include "http/media.h"

struct row {
    const char *accept;
    bool html;
};

/* clang-format off */
static const struct row rows[] = {
    {"*/*", false}, /* curl, wget, apt */
    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true}, /* browsers */
    {"text/html", true},
    {"TEXT/HTML", true},
    {"text/*", true},
    {"text/*;q=0.5, application/*;q=0.6", false},
    {"text/*;q=0.6, application/*;q=0.5", true},
    {"application/problem+json, text/html;q=0.9", false},
    {"application/problem+json;q=0.8, text/html;q=0.9", true},
    {"application/json, text/html", false},
    {"text/html;q=0, */*", false},
    {"text/html;q=0", false},
    {"text/html;q=0.001", true},
    {"text/html; level=1; Q=1.000, */*;q=0.999", true},
    {"text/html;q=1.001", false},
    {"text/html;q=0.0001", false},
    {"text/html;q=", false},
    {"text/html;q=2", false},
    {"text/html;q=1x", false},
    {"text/html;q=0.x", false},
    {"text/html;q=0.1, text/html;q=0.9, */*;q=0.5", true},
    {"text/html;q=0.9, text/html;q=0.1, */*;q=0.5", true},
    {"text/html;q=0,5", false},
    {"text/html;q=x, text/html", false},
    {"", false},
    {",,;,", false},
    {"text/plain", false},
    {"text/htmlx", false},
    {"*/*;q=0.1, text/html;q=0.1", false},
};
/* clang-format on */

Test(http_media, accept)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dive_field field = {dive_span_str("accept"), dive_span_str(rows[i].accept)};
        struct http_head head = {.fields = &field, .n_fields = 1};
        cr_expect_eq(http_prefers_html(&head), rows[i].html, "%s", rows[i].accept);
    }
}

Test(http_media, several_lines_and_none)
{
    struct dive_field fields[] = {{dive_span_str("Accept"), dive_span_str("*/*;q=0.5")},
                                  {dive_span_str("X"), dive_span_str("application/*")},
                                  {dive_span_str("ACCEPT"), dive_span_str("text/html")}};
    struct http_head head = {.fields = fields, .n_fields = 3};

    cr_expect(http_prefers_html(&head));
    head.n_fields = 0;
    cr_expect_not(http_prefers_html(&head));
}
