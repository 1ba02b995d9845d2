/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_seen: memory.c: what is remembered, for how long, who goes first; and, in the verifier, the
 * row "beyond the drafts": a policy that disappears without a proof.
 */
#include "verifier_lab.h"

#include "failing_malloc.h"
#include "lib/memory.h"

static struct dive_memory *memory;

static void new_memory(size_t max)
{
    cr_assert_eq(dive_memory_new(&memory, max, NULL), 0);
}

static void put(const char *name, int64_t now)
{
    cr_assert_eq(dive_memory_put(memory, name, name, 1, now), 0);
}

static bool has(const char *name, int64_t now)
{
    return dive_memory_get(memory, name, now, 100, NULL, NULL);
}

Test(seen, lasts_for_the_lifetime_and_no_longer)
{
    new_memory(4);
    put("a.example", LAB_NOW);
    cr_assert(has("a.example", LAB_NOW + 100));
    cr_assert_not(has("a.example", LAB_NOW + 101));
    cr_assert_eq(dive_memory_entries(memory), 0);
    dive_memory_free(&memory);
}

Test(seen, a_clock_that_jumped_back_forgets_nothing)
{
    new_memory(4);
    put("a.example", LAB_NOW);
    cr_assert(has("a.example", LAB_NOW - 5000));
    cr_assert_not(has("a.example", LAB_NOW - 5000 + 101), "but not for longer than the lifetime");
    dive_memory_free(&memory);
}

Test(seen, one_domain_can_not_flush_the_others)
{
    char name[64];

    new_memory(8);
    put("victim.example", LAB_NOW);
    put("other.test", LAB_NOW + 1);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%d.evil.test", i);
        put(name, LAB_NOW + 2 + i);
        cr_assert_leq(dive_memory_entries(memory), 8);
    }
    cr_assert(has("victim.example", LAB_NOW + 10));
    cr_assert(has("other.test", LAB_NOW + 10));
    cr_assert(has("n999.evil.test", LAB_NOW + 1001));
    dive_memory_free(&memory);
}

Test(seen, limits)
{
    char name[DIVE_MEMORY_NAME_MAX + 2];

    cr_assert_eq(dive_memory_new(&memory, 0, NULL), DIVE_E_LIMIT);
    cr_assert_eq(dive_memory_new(&memory, DIVE_MEMORY_MAX + 1, NULL), DIVE_E_LIMIT);
    new_memory(1);
    memset(name, 'a', sizeof(name));
    name[DIVE_MEMORY_NAME_MAX + 1] = '\0';
    cr_assert_eq(dive_memory_put(memory, name, "a", 1, 1), DIVE_E_LIMIT);
    name[DIVE_MEMORY_NAME_MAX] = '\0';
    cr_assert_eq(dive_memory_put(memory, name, "a", 1, 1), 0);
    cr_assert_eq(dive_memory_put(memory, "", "a", 1, 1), DIVE_E_LIMIT);
    cr_assert(dive_memory_forget(memory, name, 1));
    cr_assert_not(dive_memory_forget(memory, name, 1));
    dive_memory_free(&memory);
}

static int count(void *arg, const char *name, const char *group, int64_t value, int64_t seen)
{
    ++*(int *)arg;
    return 0;
}

Test(seen, what_was_forgotten_is_not_brought_back_by_who_saw_it_before)
{
    int n = 0;

    new_memory(4);
    put("a.example", 1000);
    cr_assert_not(dive_memory_disprove(memory, "a.example", 999), "seen since");
    cr_assert(has("a.example", 1000));
    cr_assert(dive_memory_disprove(memory, "a.example", 1000));
    cr_assert_not(dive_memory_disprove(memory, "a.example", 1000));
    cr_assert_eq(dive_memory_entries(memory), 0);
    cr_assert_eq(dive_memory_each(memory, count, &n), 0);
    cr_assert_eq(n, 0);
    put("a.example", 1000);
    cr_assert_not(has("a.example", 1000), "the absence wins within a second");
    put("a.example", 990);
    cr_assert_not(has("a.example", 1000));
    cr_assert_not(dive_memory_disprove(memory, "a.example", 1005), "once more, later");
    put("a.example", 1005);
    cr_assert_not(has("a.example", 1005));
    put("a.example", 1006);
    cr_assert(has("a.example", 1006));
    cr_assert_eq(dive_memory_entries(memory), 1);
    put("a.example", 2000);
    cr_assert(dive_memory_forget(memory, "a.example", 1500), "whenever it was seen");
    cr_assert_eq(dive_memory_entries(memory), 0);
    put("a.example", 1500 - DIVE_MEMORY_MARK_SECONDS);
    cr_assert_not(has("a.example", 1500));
    put("a.example", 1500 - DIVE_MEMORY_MARK_SECONDS - 1);
    cr_assert(has("a.example", 1500), "the clock was set back");
    put("a.example", 5000);
    cr_assert_not(dive_memory_disprove(memory, "a.example", 5000 - DIVE_MEMORY_MARK_SECONDS));
    cr_assert(dive_memory_disprove(memory, "a.example", 4999 - DIVE_MEMORY_MARK_SECONDS));
    dive_memory_free(&memory);
}

/* They are dropped as all others are. */
Test(seen, marks_take_no_more_room_than_the_bound)
{
    char name[64];

    new_memory(8);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%d.evil.test", i);
        put(name, i);
        cr_assert(dive_memory_forget(memory, name, i));
    }
    cr_assert_eq(dive_memory_entries(memory), 0);
    put("a.example", 1000);
    put("b.example", 1000);
    cr_assert_eq(dive_memory_entries(memory), 2);
    dive_memory_free(&memory);
}

static struct lab_key key;

static struct lab *remembering(void)
{
    struct lab *lab = lab_signed(&key);

    new_memory(16);
    lab->options.policies = memory;
    lab->options.remember_policies = 1000;
    return lab;
}

static void gone(struct lab *lab, enum dive_security how)
{
    lab_dns(lab, "_dive.dive.example", how, NULL);
}

Test(seen, a_policy_that_disappears_without_a_proof_is_blocked)
{
    struct lab *lab = remembering();
    const char *domain;
    bool blocks;
    char *trace;

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    gone(lab, DIVE_DNS_INSECURE);
    lab_rejects(lab, "dnssec-unavailable");
    domain = dive_verifier_policy_lost(lab->v, &blocks);
    cr_assert_str_eq(domain, "dive.example");
    cr_assert(blocks);
    cr_assert_eq(dive_verifier_trace(lab->v, &trace), 0);
    cr_assert(strstr(trace, "dive.example") && strstr(trace, "\"lost\""));
    free(trace);
    lab->now += 1000;
    lab_rejects(lab, "dnssec-unavailable");
    lab->now += 1;
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED, "not for ever");
    lab_free(lab);
    dive_memory_free(&memory);
}

/* A restart may bring the record and not the memory of it. */
Test(seen, a_cached_policy_is_learned_where_nothing_is_known)
{
    struct lab *lab = remembering();

    cr_assert_eq(dive_record_cache_new(&lab->options.cache, 16, NULL), 0);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=100");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    dive_memory_free(&memory);
    new_memory(16);
    lab->options.policies = memory;
    lab->now += 50;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(dive_memory_entries(memory), 1);
    gone(lab, DIVE_DNS_INSECURE);
    lab->now += 51;
    lab_rejects(lab, "dnssec-unavailable");
    lab->now = LAB_NOW + 1000;
    lab_rejects(lab, "dnssec-unavailable");
    lab->now++;
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED, "it counts from the time of the record");
    lab_free(lab);
    dive_memory_free(&memory);
}

Test(seen, ignored_failures_of_dns_do_not_lose_a_policy)
{
    struct lab *lab = remembering();

    lab->options.ignore_bogus = lab->options.ignore_no_answer = true;
    gone(lab, DIVE_DNS_BOGUS);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED, "never seen");
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    gone(lab, DIVE_DNS_BOGUS);
    lab_rejects(lab, "dnssec-unavailable");
    gone(lab, DIVE_DNS_NO_ANSWER);
    lab_rejects(lab, "dnssec-unavailable");
    lab_free(lab);
    dive_memory_free(&memory);
}

Test(seen, a_validated_absence_and_a_policy_without_scopes_release)
{
    static const char *const releases[] = {NULL, "v=\"dive-draft-01\", scopes=()", "no policy"};

    for (size_t i = 0; i < 3; i++) {
        struct lab *lab = remembering();

        cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
        cr_assert_eq(dive_memory_entries(memory), 1);
        lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, releases[i]);
        cr_assert_neq(lab_run(lab), DIVE_REJECT);
        cr_assert_eq(dive_memory_entries(memory), 0);
        gone(lab, DIVE_DNS_INSECURE);
        cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
        lab_free(lab);
        dive_memory_free(&memory);
    }
}

Test(seen, within_one_second_the_absence_wins)
{
    struct lab *lab = remembering();

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, NULL);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(dive_memory_entries(memory), 0);
    lab->now++;
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    cr_assert_eq(dive_memory_entries(memory), 1);
    gone(lab, DIVE_DNS_INSECURE);
    lab_rejects(lab, "dnssec-unavailable");
    lab_free(lab);
    dive_memory_free(&memory);
}

Test(seen, only_the_level_that_had_the_policy_counts)
{
    struct lab *lab = remembering();

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, "_dive.www.dive.example", DIVE_DNS_INSECURE, NULL);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_dns(lab, "_dive.example", DIVE_DNS_INSECURE, NULL);
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    lab_free(lab);
    dive_memory_free(&memory);
}

Test(seen, a_report_only_policy_is_only_told_about)
{
    struct lab *lab = remembering();
    bool blocks = true;

    lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE,
            LAB_POLICY_01 ", directives=(\"report-only\")");
    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    gone(lab, DIVE_DNS_INSECURE);
    cr_assert_eq(lab_run(lab), DIVE_NOT_SUPPORTED);
    cr_assert_str_eq(dive_verifier_policy_lost(lab->v, &blocks), "dive.example");
    cr_assert_not(blocks);
    lab_free(lab);
    dive_memory_free(&memory);
}

/* ---- without memory ---- */

#if FAILING_MALLOC

Test(seen, a_failed_allocation_leaves_the_memory_as_it_was)
{
    new_memory(4);
    put("a.example", 10);
    for (long at = 0;; at++) {
        int r;

        failing_malloc_start(at, true);
        r = dive_memory_put(memory, "b.test", "b.test", 1, 10);
        if (failing_malloc_stop() == 0) {
            cr_assert_eq(r, 0);
            cr_assert_eq(at, 2, "the entry and its group");
            break;
        }
        cr_assert_eq(r, DIVE_E_NOMEM);
        cr_assert_eq(dive_memory_entries(memory), 1);
        cr_assert(has("a.example", 10));
        cr_assert_not(has("b.test", 10));
    }
    cr_assert(has("b.test", 10));
    dive_memory_free(&memory);
    for (long at = 0; at < 3; at++) {
        failing_malloc_start(at, false);
        cr_assert_eq(dive_memory_new(&memory, 4, NULL), DIVE_E_NOMEM);
        failing_malloc_stop();
        cr_assert_null(memory);
    }
}

Test(seen, a_lost_policy_blocks_whatever_allocation_fails)
{
    struct lab *lab = remembering();
    enum dive_verdict verdict;
    unsigned long failures;

    cr_assert_eq(lab_run(lab), DIVE_ACCEPT);
    gone(lab, DIVE_DNS_INSECURE);
    lab_rejects(lab, "dnssec-unavailable");
    for (int sticky = 0; sticky < 2; sticky++) {
        for (long at = 0;; at++) {
            struct dive_answer answer;
            struct dive_want want;
            int r = DIVE_E_NOMEM;

            dive_verifier_free(&lab->v);
            failing_malloc_start(at, sticky == 1);
            verdict = DIVE_UNDECIDED;
            if (dive_verifier_new(&lab->v, &lab->options) == 0) {
                r = dive_verifier_start(lab->v, dive_span_str(lab->host), lab->now);
                while (dive_verifier_next_want(lab->v, &want)) {
                    lab_answer_of(lab, want.name, want.fresh, &answer);
                    r = dive_verifier_answer(lab->v, want.id, &answer, lab->now);
                }
                r = dive_verifier_response(lab->v, &lab->request, &lab->response, lab->now);
                verdict = dive_verifier_verdict(lab->v);
            }
            (void)r;
            failures = failing_malloc_stop();
            cr_assert(verdict == DIVE_REJECT || verdict == DIVE_UNDECIDED, "allocation %ld: %s", at,
                      dive_verdict_word(verdict));
            if (failures == 0)
                break;
        }
        cr_assert_eq(verdict, DIVE_REJECT);
    }
    lab_free(lab);
    dive_memory_free(&memory);
}

#endif
