/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_error: every row of the table has its words and a status that answers a request.
 */
#include <criterion/criterion.h>

#include "http/error.h"

Test(http_error, errors_have_words)
{
    cr_expect_str_eq(http_error_name(HTTP_E_BARE_LF), "bare_lf");
    cr_expect_eq(http_error_status(HTTP_E_TARGET_TOO_LONG), 414);
    cr_expect_eq(http_error_status(HTTP_E_HEAD_TOO_LARGE), 431);
    cr_expect_eq(http_error_status(HTTP_E_CODING_UNKNOWN), 501);
    cr_expect_eq(http_error_status(HTTP_E_VERSION), 505);
    cr_expect_str_eq(http_error_name(-999), "internal");
    cr_expect_str_eq(http_error_text(HTTP_E_HOST_MISSING), "Host missing");
#define UNIQUE(symbol, name, code, status, text)                                                   \
    cr_expect_str_eq(http_error_name(code), name);                                                 \
    cr_expect(strlen(text) > 0 && (status) >= 400);
    HTTP_ERRORS(UNIQUE)
#undef UNIQUE
}
