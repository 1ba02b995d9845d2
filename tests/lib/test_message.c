/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Joining the lines of one field.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "lib/message.h"

static struct dive_field field(const char *name, const char *value)
{
    return (struct dive_field){dive_span_str(name), dive_span_str(value)};
}

Test(message, joins_in_order_and_in_any_case)
{
    struct dive_field v[] = {
        field("Signature", "a=:AA==:"), field("Signature-Input", "x"), field("SIGNATURE", "b"),
        field("", "nameless"),          field("signature", "c"),
    };
    struct dive_fields fields = {v, sizeof v / sizeof v[0]};
    char *out;
    size_t len;

    cr_assert_eq(dive_fields_join(&fields, "signature", &out, &len), 0);
    cr_assert_str_eq(out, "a=:AA==:, b, c");
    cr_assert_eq(len, strlen(out));
    free(out);
    cr_assert_eq(dive_fields_join(&fields, "Signature-input", &out, &len), 0);
    cr_assert_str_eq(out, "x");
    free(out);
}

Test(message, empty_lines_count)
{
    struct dive_field v[] = {field("a", "1"), field("a", ""), field("a", "2"), field("b", "")};
    struct dive_fields fields = {v, 4};
    char *out;
    size_t len;

    v[3].value = dive_span(NULL, 0);
    cr_assert_eq(dive_fields_join(&fields, "a", &out, &len), 0);
    cr_assert_str_eq(out, "1, , 2");
    free(out);
    cr_assert_eq(dive_fields_join(&fields, "b", &out, &len), 0, "present, though empty");
    cr_assert_str_eq(out, "");
    cr_assert_eq(len, 0u);
    free(out);
}

Test(message, absent)
{
    struct dive_field v[] = {field("content-digest2", "1"), field("content-diges", "1")};
    struct dive_fields fields = {v, 2};
    char stale[] = "stale";
    char *out = stale;
    size_t len = 5;

    cr_assert_eq(dive_fields_join(&fields, "content-digest", &out, &len), DIVE_E_NOT_FOUND);
    cr_assert_null(out);
    cr_assert_eq(len, 0u);
    fields = (struct dive_fields){NULL, 0};
    cr_assert_eq(dive_fields_join(&fields, "a", &out, &len), DIVE_E_NOT_FOUND);
}

Test(message, limit)
{
    char *big = malloc(DIVE_FIELD_JOINED_MAX);
    struct dive_field v[] = {field("a", ""), field("a", "xyz")};
    struct dive_fields fields = {v, 2};
    char *out;
    size_t len;

    memset(big, 'a', DIVE_FIELD_JOINED_MAX);
    v[0].value = dive_span(big, DIVE_FIELD_JOINED_MAX - 5);
    cr_assert_eq(dive_fields_join(&fields, "a", &out, &len), 0);
    cr_assert_eq(len, (size_t)DIVE_FIELD_JOINED_MAX);
    cr_assert_str_eq(out + len - 6, "a, xyz");
    free(out);
    for (size_t n = DIVE_FIELD_JOINED_MAX - 4; n <= DIVE_FIELD_JOINED_MAX; n++) {
        v[0].value.n = n;
        cr_assert_eq(dive_fields_join(&fields, "a", &out, &len), DIVE_E_LIMIT);
        cr_assert_null(out);
    }
    fields.n = 1;
    cr_assert_eq(dive_fields_join(&fields, "a", &out, &len), 0);
    free(out);
    v[0].value.n = SIZE_MAX;
    cr_assert_eq(dive_fields_join(&fields, "a", &out, &len), DIVE_E_LIMIT);
    free(big);
}
