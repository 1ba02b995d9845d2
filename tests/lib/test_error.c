/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The words for result codes, and comparing names.
 */
#include <criterion/criterion.h>

#include "lib/error.h"

Test(error, caseeq)
{
    cr_assert(dive_span_caseeq(dive_span_str("Content-Digest"), dive_span_str("content-DIGEST")));
    cr_assert(dive_span_caseeq(dive_span(NULL, 0), dive_span_str("")));
    cr_assert_not(dive_span_caseeq(dive_span_str("a"), dive_span_str("ab")));
    cr_assert_not(dive_span_caseeq(dive_span_str("a"), dive_span_str("b")));
    /* bytes that differ in the case bit but aren't letters */
    cr_assert_not(dive_span_caseeq(dive_span_str("@"), dive_span_str("`")));
    cr_assert_not(dive_span_caseeq(dive_span_str("["), dive_span_str("{")));
    cr_assert_not(dive_span_caseeq(dive_span_str("\xc9"), dive_span_str("\xe9")));
}

Test(error, every_code_has_words_of_its_own)
{
    const char *unknown = dive_strerror(-1000);

    for (int a = DIVE_E_STATE; a <= DIVE_OK; a++) {
        cr_assert_str_neq(dive_strerror(a), unknown, "%d", a);
        for (int b = DIVE_E_STATE; b < a; b++)
            cr_assert_str_neq(dive_strerror(a), dive_strerror(b), "%d %d", a, b);
    }
    cr_assert_str_eq(dive_strerror(1), unknown);
}
