/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_verifier_memory: every allocation of a verification fails once, in turn, and once with all
 * that follow it. None may crash, leak (under the address sanitizer's leak check of the other
 * tests), or end in a verdict that lets through what should be rejected.
 *
 * The calls one by one, and their leaks: test_memory.c.
 */
#include "verifier_lab.h"

#include "failing_malloc.h"

#if FAILING_MALLOC

static struct lab_key key, other;

/* The caller after a failure: it goes on with what it can. Returns the verdict, UNDECIDED when even
 * the verifier couldn't be made. */
static enum dive_verdict run(struct lab *lab, const char *body)
{
    struct dive_answer answer;
    struct dive_want w;
    char *text;
    int r;

    if (dive_verifier_new(&lab->v, &lab->options))
        return DIVE_UNDECIDED;
    r = dive_verifier_start(lab->v, dive_span_str(lab->host), lab->now);
    for (int step = 0; step < 3; step++) {
        while (dive_verifier_next_want(lab->v, &w)) {
            lab_answer_of(lab, w.name, w.fresh, &answer);
            r = dive_verifier_answer(lab->v, w.id, &answer, lab->now);
        }
        if (step == 0)
            r = dive_verifier_response(lab->v, &lab->request, &lab->response, lab->now);
        else if (step == 1) {
            dive_verifier_body(lab->v, body, strlen(body));
            r = dive_verifier_end(lab->v, lab->now);
        }
    }
    (void)r;
    if (!dive_verifier_trace(lab->v, &text))
        free(text);
    if (!dive_verifier_report(lab->v, "https://www.dive.example/", true, lab->now, &text))
        free(text);
    return dive_verifier_verdict(lab->v);
}

static void fail_each(struct lab *lab, const char *body, enum dive_verdict undisturbed, bool cached)
{
    enum dive_verdict verdict;
    unsigned long failures;

    for (int all = 0; all < 2; all++) {
        for (long at = 0;; at++) {
            if (cached)
                cr_assert_eq(dive_record_cache_new(&lab->options.cache, 16, NULL), 0);
            /* With a cache, the second run is the one that finds what the first has stored. */
            if (cached)
                run(lab, body);
            dive_verifier_free(&lab->v);
            failing_malloc_start(at, all == 1);
            verdict = run(lab, body);
            failures = failing_malloc_stop();
            dive_verifier_free(&lab->v);
            dive_record_cache_free(&lab->options.cache);
            if (failures == 0) {
                cr_assert_eq(verdict, undisturbed);
                cr_assert_gt(at, 20, "the failures reach nothing");
                break;
            }
            if (undisturbed == DIVE_REJECT)
                cr_assert(verdict == DIVE_REJECT || verdict == DIVE_UNDECIDED, "allocation %ld: %s",
                          at, dive_verdict_word(verdict));
            else
                cr_assert(verdict == undisturbed || verdict == DIVE_REJECT ||
                              verdict == DIVE_UNDECIDED,
                          "allocation %ld: %s", at, dive_verdict_word(verdict));
            cr_assert_lt(at, 20000);
        }
    }
}

static void fail_in_world(struct lab *lab)
{
    fail_each(lab, lab->body, DIVE_ACCEPT, false);
    fail_each(lab, lab->body, DIVE_ACCEPT, true);
    fail_each(lab, "tampered", DIVE_REJECT, false);
    fail_each(lab, "tampered", DIVE_REJECT, true);
}

Test(verifier_memory, a_failing_allocation_never_lets_through)
{
    struct lab *lab = lab_signed(&key);

    /* Every path at once: a key that is not found first, one that fails, one that verifies. */
    lab_key_make(&other, DIVE_ALGORITHM_ED25519);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=100");
    lab_dns(lab, "keyABC._divekey.dive.example", DIVE_DNS_SECURE,
            lab_key_text(&key, ", cache=100"));
    fail_in_world(lab);
    lab->response.fields.n = 0;
    lab->input[0] = lab->signature[0] = '\0';
    lab_entry(lab, "a", &other, "gone");
    lab_entry(lab, "b", &other, "keyABC");
    lab_entry(lab, "c", &key, "keyABC@dive.example");
    lab_fields(lab);
    fail_in_world(lab);
    lab_free(lab);
    lab = lab_signed_00(&key);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_00 ", cache=100");
    fail_in_world(lab);
    lab_free(lab);
}

Test(verifier_memory, ignored_failures_of_dns_are_not_failures_of_ours)
{
    struct lab *lab = lab_signed(&key);

    /* A failed allocation must not pass for a missing answer that the options ignore. */
    lab->options.ignore_no_answer = lab->options.ignore_bogus = true;
    fail_each(lab, "tampered", DIVE_REJECT, false);
    fail_each(lab, "tampered", DIVE_REJECT, true);
    lab_free(lab);
}

#else

Test(verifier_memory, a_failing_allocation_never_lets_through)
{
    fprintf(stderr, "skipped: a sanitizer (or another libc) owns malloc\n");
    cr_skip_test("malloc can't be replaced here");
}

#endif
