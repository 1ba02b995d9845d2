/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_verifier_memory: every allocation of a verification fails once, in turn, and once with all
 * that follow it. None may crash, leak (under the address sanitizer's leak check of the other
 * tests), or end in a verdict that lets through what should be rejected.
 *
 * glibc lets a program bring its own malloc; ours passes through to glibc's until it is armed. With
 * a sanitizer, which does the same, the test is skipped.
 */
#include "verifier_lab.h"

#include <errno.h>

#include "lib/signer.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define SANITIZED 1
#endif

#ifndef SANITIZED

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static long countdown = -1; /* how many allocations still succeed; -1: all */
static bool sticky;
static unsigned long failures;

static bool fails(void)
{
    if (countdown < 0)
        return false;
    if (countdown > 0) {
        countdown--;
        return false;
    }
    if (!sticky)
        countdown = -1;
    failures++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return fails() ? NULL : __libc_realloc(p, bytes);
}

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

    for (int all = 0; all < 2; all++) {
        for (long at = 0;; at++) {
            if (cached)
                cr_assert_eq(dive_record_cache_new(&lab->options.cache, 16, NULL), 0);
            /* With a cache, the second run is the one that finds what the first has stored. */
            if (cached)
                run(lab, body);
            dive_verifier_free(&lab->v);
            failures = 0;
            sticky = all == 1;
            countdown = at;
            verdict = run(lab, body);
            countdown = -1;
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

static int sign_with(void *arg, const void *message, size_t n, uint8_t *signature)
{
    memset(signature, 7, dive_algorithm_signature_bytes(DIVE_ALGORITHM_ED25519));
    return 0;
}

/* The signer: a failure is told, and leaves nothing behind. */
Test(verifier_memory, a_failing_allocation_ends_a_signature)
{
    struct dive_span component = dive_span_str("\"@status\"");
    struct dive_sign_options options = {.components = &component, .n_components = 1};
    struct dive_signing_key two[] = {
        {.algorithm = DIVE_ALGORITHM_ED25519, .key_id = "a", .sign = sign_with},
        {.algorithm = DIVE_ALGORITHM_ED25519, .key_id = "b", .sign = sign_with}};
    struct dive_digests *digests = NULL;

    cr_assert_eq(dive_digests_new(&digests, DIVE_HASH_BIT(DIVE_HASH_COUNT) - 1), 0);
    cr_assert_eq(dive_digests_finish(digests), 0);
    for (int run = 0; run < 4; run++) {
        for (long at = 0;; at++) {
            struct dive_signed made;
            char *made_00;
            int r;

            failures = 0;
            sticky = (run & 1) != 0;
            countdown = at;
            if (run < 2) {
                r = dive_sign(&made, two, 2, digests, &options);
                countdown = -1;
                cr_assert_eq(r == 0, made.content_digest && made.signature_input && made.signature);
                cr_assert(r == 0 || (!made.content_digest && !made.signature_input));
                dive_signed_free(&made);
            } else {
                r = dive_sign_00(&made_00, two, 2, digests, DIVE_HASH_SHA256);
                countdown = -1;
                cr_assert_eq(r == 0, made_00 != NULL);
                free(made_00);
            }
            cr_assert_eq(r, failures == 0 ? 0 : DIVE_E_NOMEM, "allocation %ld: %d", at, r);
            if (failures == 0) {
                cr_assert_gt(at, 2, "the failures reach nothing");
                break;
            }
        }
    }
    dive_digests_free(&digests);
}

#else

Test(verifier_memory, a_failing_allocation_never_lets_through)
{
    fprintf(stderr, "skipped: a sanitizer (or another libc) owns malloc\n");
    cr_skip_test("malloc can't be replaced here");
}

#endif
