/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_remember: for how long, and for what exactly, something is remembered.
 */
#include <criterion/criterion.h>

#include "cache/remember.h"

static const struct store_key key = {{1, 2, 3, 4, 5}}, other = {{1, 2, 3, 4, 6}};

Test(remember, what_cannot_be_stored)
{
    struct remember *remember;

    cr_assert_eq(remember_new(&remember), 0);
    cr_assert_not(remember_is_unstorable(remember, &key, 1000));
    remember_unstorable(remember, &key, 1000);
    cr_assert(remember_is_unstorable(remember, &key, 1000));
    cr_assert(remember_is_unstorable(remember, &key, 1000 + REMEMBER_UNSTORABLE_SECONDS - 1));
    cr_assert_not(remember_is_unstorable(remember, &key, 1000 + REMEMBER_UNSTORABLE_SECONDS));
    cr_assert_not(remember_is_unstorable(remember, &key, 999), "the clock went back");
    cr_assert_not(remember_is_unstorable(remember, &other, 1000), "the same slot, another URL");
    remember_free(&remember);
    cr_assert_null(remember);
}

Test(remember, what_failed)
{
    struct remember *remember;

    cr_assert_eq(remember_new(&remember), 0);
    remember_rejected(remember, &key, 77, DIVE_REASON_SIGNATURE_MISMATCH, 1000);
    cr_assert_eq(remember_rejection(remember, &key, 77, 1000), DIVE_REASON_SIGNATURE_MISMATCH);
    cr_assert_eq(remember_rejection(remember, &key, 77, 1000 + REMEMBER_REJECTED_SECONDS - 1),
                 DIVE_REASON_SIGNATURE_MISMATCH);
    cr_assert_eq(remember_rejection(remember, &key, 77, 1000 + REMEMBER_REJECTED_SECONDS),
                 DIVE_REASON_NONE);
    cr_assert_eq(remember_rejection(remember, &key, 78, 1000), DIVE_REASON_NONE, "another head");
    cr_assert_eq(remember_rejection(remember, &other, 77, 1000), DIVE_REASON_NONE);
    cr_assert_not(remember_is_unstorable(remember, &key, 1000), "that is another matter");
    remember_free(&remember);
}
