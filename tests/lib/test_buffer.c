/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The growing buffer: its maximum, and that the first failure sticks.
 */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "lib/buffer.h"

Test(buffer, what_is_added_is_taken_once)
{
    struct buffer buffer = BUFFER_INIT(10000);
    char *out, chunk[100];
    size_t len;

    memset(chunk, 'c', sizeof(chunk));
    for (int i = 0; i < 50; i++)
        buffer_add(&buffer, chunk, sizeof(chunk));
    buffer_add_str(&buffer, "end");
    cr_assert_eq(buffer_take(&buffer, &out, &len), 0);
    cr_expect_eq(len, 5003);
    cr_expect_eq(strlen(out), 5003);
    cr_expect_str_eq(out + 5000, "end");
    cr_expect_null(buffer.p);
    free(out);
    buffer_free(&buffer);
}

Test(buffer, an_empty_one_is_an_empty_string)
{
    struct buffer buffer = BUFFER_INIT(0);
    char *out;
    size_t len;

    buffer_add(&buffer, NULL, 0);
    cr_assert_eq(buffer_take(&buffer, &out, &len), 0);
    cr_expect_eq(len, 0);
    cr_expect_str_eq(out, "");
    free(out);
}

Test(buffer, the_maximum_can_be_filled_and_not_exceeded)
{
    struct buffer full = BUFFER_INIT(4), over = BUFFER_INIT(4);
    char *out;
    size_t len;

    buffer_add_str(&full, "abc");
    buffer_add_str(&full, "d");
    cr_expect_eq(full.error, 0);
    cr_assert_eq(buffer_take(&full, &out, &len), 0);
    cr_expect_str_eq(out, "abcd");
    free(out);
    buffer_add_str(&over, "abc");
    buffer_add_str(&over, "de");
    cr_expect_eq(over.error, DIVE_E_LIMIT);
    buffer_add_str(&over, "d"); /* would fit: the failure sticks */
    cr_expect_eq(buffer_take(&over, &out, &len), DIVE_E_LIMIT);
    cr_expect_null(out);
    cr_expect_eq(len, 0);
    buffer_free(&over);
}

Test(buffer, no_length_overflows)
{
    struct buffer buffer = BUFFER_INIT(100);

    buffer_add_str(&buffer, "abc");
    buffer_add(&buffer, "x", SIZE_MAX);
    cr_expect_eq(buffer.error, DIVE_E_LIMIT);
    buffer_free(&buffer);
}
