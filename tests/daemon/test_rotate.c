/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_rotate: each phase of the procedures, with the times of its next step; heads out of files.
 */
#include "cmd/rotate.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "cmd/explain.h"
#include "lib/verifier_private.h"

#define NOW 1800000000

static struct rotate_advice advice;

static struct rotate_state state_make(size_t responses)
{
    return (struct rotate_state){.now = NOW,
                                 .has_policy = true,
                                 .has_scopes = true,
                                 .negative_ttl = 60,
                                 .responses = responses,
                                 .policy_age = 600,
                                 .freshness = 5000};
}

static struct rotate_key *key_put(struct rotate_state *s, const char *id,
                                  enum rotate_published published, size_t responses)
{
    struct rotate_key *key = rotate_key_add(s, id, "");

    key->published = published;
    key->responses = responses;
    key->ttl = published == ROTATE_VALID ? 900 : 0;
    return key;
}

static void judge(const struct rotate_state *s, enum rotate_phase phase, bool wrong)
{
    rotate_judge(s, &advice);
    cr_expect_str_eq(rotate_phase_word(advice.phase), rotate_phase_word(phase));
    cr_expect_eq(advice.wrong, wrong);
    cr_expect_gt(advice.n_steps, 0);
}

Test(rotate, phases_of_a_rotation)
{
    struct rotate_state s = state_make(2);

    key_put(&s, "old", ROTATE_VALID, 2);
    judge(&s, ROTATE_STEADY, false);
    key_put(&s, "new", ROTATE_VALID, 0);
    judge(&s, ROTATE_SPARE, false);
    cr_expect_eq(advice.n_steps, 2);
    s.keys[1].is_new = true;
    judge(&s, ROTATE_PUBLISHED, false);
    cr_expect_eq(advice.steps[0].not_before, NOW + 900);
    s.keys[1].responses = 1;
    judge(&s, ROTATE_ROLLING, false);
    s.keys[1].responses = 2;
    judge(&s, ROTATE_BOTH, false);
    s.keys[0].responses = 0;
    judge(&s, ROTATE_OLD_UNUSED, false);
    cr_expect_eq(advice.steps[0].not_before, NOW + 5000);
}

Test(rotate, a_key_that_went_too_early_breaks_it)
{
    struct rotate_state s = state_make(2);

    key_put(&s, "old", ROTATE_ABSENT, 2);
    judge(&s, ROTATE_BROKEN, true);
    key_put(&s, "new", ROTATE_VALID, 2);
    judge(&s, ROTATE_STEADY, false);
}

Test(rotate, nothing_deployed_and_nothing_seen)
{
    struct rotate_state s = state_make(0);

    judge(&s, ROTATE_NOT_DEPLOYED, false);
    key_put(&s, "a", ROTATE_VALID, 0);
    judge(&s, ROTATE_UNKNOWN, false);
    s.has_policy = false;
    judge(&s, ROTATE_NOT_DEPLOYED, true);
}

Test(rotate, compromise)
{
    struct rotate_state s = state_make(1);

    key_put(&s, "bad", ROTATE_VALID, 1)->is_compromised = true;
    key_put(&s, "new", ROTATE_VALID, 1)->is_new = true;
    s.since = NOW - 100;
    s.report_only = true;
    judge(&s, ROTATE_COMPROMISED, true);
    cr_expect_not_null(strstr(advice.steps[0].text, "report-only"));
    cr_expect_not_null(strstr(advice.steps[1].text, "1800000600"));
    cr_expect_not_null(strstr(advice.steps[2].text, "Remove the record of bad"));
    s.report_only = false;
    s.has_invalidate = true;
    s.invalidate = NOW - 101; /* before it happened */
    judge(&s, ROTATE_COMPROMISED, true);
    cr_expect_not_null(strstr(advice.steps[0].text, "invalidate-keys-cache"));
    s.invalidate = NOW - 100;
    s.keys[0].published = ROTATE_ABSENT;
    s.keys[0].responses = 0;
    judge(&s, ROTATE_COMPROMISED, false);
    cr_expect_eq(advice.n_steps, 1);
    cr_expect_eq(advice.steps[0].not_before, NOW - 100 + ROTATE_KEEP_SECONDS);
}

Test(rotate, invalidate_is_over_after_a_day)
{
    struct rotate_state s = state_make(1);

    key_put(&s, "a", ROTATE_VALID, 1);
    s.has_invalidate = true;
    s.invalidate = NOW - ROTATE_KEEP_SECONDS + 1;
    judge(&s, ROTATE_COMPROMISED, false);
    s.invalidate = NOW - ROTATE_KEEP_SECONDS;
    judge(&s, ROTATE_STEADY, false);
}

#define SIGNED(id)                                                                                 \
    "HTTP/2 200 \r\ncontent-digest: sha-256=:AAAA:\r\ncache-control: public, max-age=100\r\n"      \
    "age: 40\r\nsignature-input: s=(\"content-digest\");keyid=\"" id "\";alg=\"ed25519\"\r\n"      \
    "signature: s=:AAAA:\r\n\r\n"

static int read_heads(struct rotate_state *s, const char *text, enum dive_version version)
{
    return rotate_headers(s, dive_span_str(text), "www.example.com", version);
}

Test(rotate, heads_as_curl_prints_them)
{
    struct rotate_state s = state_make(0);

    s.freshness = 0;
    cr_assert_eq(read_heads(&s,
                            "HTTP/1.1 302 Found\nLocation: /x\n\n" SIGNED("a")
                                SIGNED("b@example.com") "HTTP/1.1 200 OK\n\n",
                            DIVE_VERSION_DRAFT_01),
                 0);
    cr_expect_eq(s.responses, 3);
    cr_expect_eq(s.others, 1);
    cr_expect_eq(s.unsigned_responses, 1);
    cr_expect_eq(s.n_keys, 2);
    cr_expect_str_eq(s.keys[1].key.fqdn, "example.com");
    cr_expect_eq(s.freshness, 60);
    cr_expect_eq(read_heads(&s, "no head\n", DIVE_VERSION_DRAFT_01), DIVE_E_SYNTAX);
    cr_expect_eq(read_heads(&s, "", DIVE_VERSION_DRAFT_01), DIVE_E_SYNTAX);
}

Test(rotate, lifetimes_that_are_no_lifetimes)
{
    static const struct {
        const char *head;
        int64_t freshness;
    } rows[] = {
        {"Cache-Control: max-age=2147483647\n", 2147483647},
        {"Cache-Control: max-age=2147483648\n", 2147483647},
        {"Cache-Control: max-age=99999999999999999999\n", 2147483647},
        {"Cache-Control: max-age=-1\n", 0},
        {"Cache-Control: max-age=60\nAge: -9223372036854775808\n", 60},
        {"Cache-Control: max-age=60\nAge: 99999999999999999999\n", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rotate_state s = {.now = 1};
        char text[200];

        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\n%s\n", rows[i].head);
        cr_assert_eq(read_heads(&s, text, DIVE_VERSION_DRAFT_01), 0);
        cr_assert_eq(s.freshness, rows[i].freshness, "%s", rows[i].head);
        rotate_judge(&s, &advice);
    }
}

Test(rotate, fields_of_draft_00)
{
    struct rotate_state s = state_make(0);

    cr_assert_eq(read_heads(&s, "HTTP/1.1 200 OK\r\nDIVE-Sig: a:sha256:AAAA, b:sha256:AAAA\r\n",
                            DIVE_VERSION_DRAFT_00),
                 0);
    cr_expect_eq(s.n_keys, 2);
    cr_expect_eq(s.keys[0].responses, 1);
}

Test(rotate, fields_just_below_and_above_the_maximum)
{
    for (int n = 512; n <= 513; n++) {
        struct rotate_state s = state_make(0);
        char *text = malloc(8192), *p = text;

        p = stpcpy(p, "HTTP/1.1 200 OK\n");
        for (int i = 0; i < n; i++)
            p = stpcpy(p, "a: b\n");
        cr_expect_eq(read_heads(&s, text, DIVE_VERSION_DRAFT_01), n == 512 ? 0 : DIVE_E_LIMIT);
        free(text);
    }
}

/* Here, as it is about words that libdive keeps to itself. */
Test(rotate, explain_knows_every_reason_and_outcome)
{
    for (unsigned i = 0; i < ENTRY_OUTCOME_COUNT; i++) {
        if (i != ENTRY_OUTCOME_VERIFIED)
            cr_expect_not_null(explain_outcome(entry_outcome_word(i)), "%s", entry_outcome_word(i));
    }
    for (unsigned i = 0; i < DIVE_REASON_COUNT; i++) {
        enum dive_reason reason;

        cr_expect_eq(explain_reason_from_word(dive_reason_word(i), &reason), 0);
        cr_expect_eq(reason, i);
        cr_expect_gt(strlen(explain_cause(i)) * strlen(explain_remedy(i)), 1);
    }
}
