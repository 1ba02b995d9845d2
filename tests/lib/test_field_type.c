/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Known Structured Fields, and that names are compared without case.
 */
#include <criterion/criterion.h>

#include "lib/field_type.h"

Test(field_type, known_fields_have_their_kind_in_any_case)
{
    enum dive_sf_kind kind;

    cr_expect_eq(dive_field_type(dive_span_str("content-digest"), &kind), 0);
    cr_expect_eq(kind, DIVE_SF_DICTIONARY);
    cr_expect_eq(dive_field_type(dive_span_str("Cache-Status"), &kind), 0);
    cr_expect_eq(kind, DIVE_SF_LIST);
    cr_expect_eq(dive_field_type(dive_span_str("CONTENT-TYPE"), &kind), 0);
    cr_expect_eq(kind, DIVE_SF_ITEM);
}

Test(field_type, other_fields_are_not_known)
{
    static const char *const names[] = {"",           "content-digest2", "content-diges",
                                        "etag",       "last-modified",   "x-anything",
                                        "set-cookie", "dive-sig"};
    enum dive_sf_kind kind = DIVE_SF_LIST;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect_eq(dive_field_type(dive_span_str(names[i]), &kind), DIVE_E_NOT_FOUND, "%s",
                     names[i]);
        cr_expect_eq((int)kind, 0);
    }
}
