/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which reports the limiter lets go, at each of its edges.
 */
#include "report/limiter.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define DUPLICATE_MS (REPORT_DUPLICATE_SECONDS * INT64_C(1000))

static struct report_limiter *limiter_make(void)
{
    struct report_limiter *limiter = NULL;

    cr_assert_eq(report_limiter_new(&limiter), 0);
    return limiter;
}

/* A subject that none was before. */
static enum report_result admit_new(struct report_limiter *limiter, const char *destination,
                                    int64_t now)
{
    static unsigned n;
    char subject[32];

    snprintf(subject, sizeof(subject), "subject %u", n++);
    return report_limiter_admit(limiter, destination, subject, now);
}

Test(limiter, same_subject_waits_its_time)
{
    struct report_limiter *limiter = limiter_make();

    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 1000), REPORT_SENT);
    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 1000), REPORT_DUPLICATE);
    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 1000 + DUPLICATE_MS - 1),
                 REPORT_DUPLICATE);
    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 1000 + DUPLICATE_MS), REPORT_SENT);
    report_limiter_free(&limiter);
    cr_assert_null(limiter);
}

Test(limiter, first_milliseconds_of_a_machine)
{
    struct report_limiter *limiter = limiter_make();

    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 0), REPORT_SENT);
    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 0), REPORT_DUPLICATE);
    report_limiter_free(&limiter);
}

Test(limiter, destination_and_subject_are_told_apart)
{
    struct report_limiter *limiter = limiter_make();

    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 0), REPORT_SENT);
    cr_assert_eq(report_limiter_admit(limiter, "b", "s", 0), REPORT_SENT);
    cr_assert_eq(report_limiter_admit(limiter, "a", "t", 0), REPORT_SENT);
    cr_assert_eq(report_limiter_admit(limiter, "as", "", 0), REPORT_SENT);
    cr_assert_eq(report_limiter_admit(limiter, "", "as", 0), REPORT_SENT);
    report_limiter_free(&limiter);
}

Test(limiter, burst_then_rate)
{
    struct report_limiter *limiter = limiter_make();
    int64_t token_ms = 60000 / REPORT_PER_MINUTE;

    for (int i = 0; i < REPORT_BURST; i++)
        cr_assert_eq(admit_new(limiter, "a", 5), REPORT_SENT, "report %d", i);
    cr_assert_eq(admit_new(limiter, "a", 5), REPORT_RATE_LIMITED);
    cr_assert_eq(admit_new(limiter, "b", 5), REPORT_SENT, "another destination has its own");
    cr_assert_eq(admit_new(limiter, "a", 5 + token_ms - 1), REPORT_RATE_LIMITED);
    cr_assert_eq(admit_new(limiter, "a", 5 + token_ms), REPORT_SENT);
    cr_assert_eq(admit_new(limiter, "a", 5 + token_ms), REPORT_RATE_LIMITED);
    /* After any time no more than a burst. */
    for (int i = 0; i < REPORT_BURST; i++)
        cr_assert_eq(admit_new(limiter, "a", 100000000), REPORT_SENT);
    cr_assert_eq(admit_new(limiter, "a", 100000000), REPORT_RATE_LIMITED);
    report_limiter_free(&limiter);
}

Test(limiter, what_was_limited_is_not_remembered)
{
    struct report_limiter *limiter = limiter_make();

    for (int i = 0; i < REPORT_BURST; i++)
        cr_assert_eq(admit_new(limiter, "a", 0), REPORT_SENT);
    cr_assert_eq(report_limiter_admit(limiter, "a", "late", 0), REPORT_RATE_LIMITED);
    cr_assert_eq(report_limiter_admit(limiter, "a", "late", 60000), REPORT_SENT);
    report_limiter_free(&limiter);
}

Test(limiter, duplicates_cost_no_token)
{
    struct report_limiter *limiter = limiter_make();

    cr_assert_eq(report_limiter_admit(limiter, "a", "s", 0), REPORT_SENT);
    for (int i = 0; i < 10 * REPORT_BURST; i++)
        cr_assert_eq(report_limiter_admit(limiter, "a", "s", 0), REPORT_DUPLICATE);
    for (int i = 1; i < REPORT_BURST; i++)
        cr_assert_eq(admit_new(limiter, "a", 0), REPORT_SENT);
    report_limiter_free(&limiter);
}

/* However many other destinations come, one that was used up gets nothing before its time. */
Test(limiter, nobody_is_pushed_into_a_new_burst)
{
    struct report_limiter *limiter = limiter_make();
    unsigned sent = 0;

    for (int i = 0; i < REPORT_BURST; i++)
        cr_assert_eq(admit_new(limiter, "a", 0), REPORT_SENT);
    for (int i = 0; i < 5000; i++) {
        char destination[32];

        snprintf(destination, sizeof(destination), "d%d", i);
        sent += admit_new(limiter, destination, 0) == REPORT_SENT;
        cr_assert_eq(admit_new(limiter, "a", 0), REPORT_RATE_LIMITED);
    }
    cr_assert_gt(sent, 256, "most of the table is there for newcomers");
    cr_assert_lt(sent, 5000, "and it is bounded");
    report_limiter_free(&limiter);
}

Test(limiter, time_that_goes_back_gives_nothing)
{
    struct report_limiter *limiter = limiter_make();

    for (int i = 0; i < REPORT_BURST; i++)
        cr_assert_eq(admit_new(limiter, "a", 100000), REPORT_SENT);
    cr_assert_eq(admit_new(limiter, "a", 50000), REPORT_RATE_LIMITED);
    report_limiter_free(&limiter);
}
