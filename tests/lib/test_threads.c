/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_threads: verifiers in several threads at once, with one record cache behind a lock.
 */
#include "verifier_lab.h"

#include <pthread.h>

#include "lib/dive.h"

#define THREADS 4
#define ROUNDS 40

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lab_key key;
static struct dive_record_cache *cache;

static void take(void *arg)
{
    pthread_mutex_lock(arg);
}

static void give(void *arg)
{
    pthread_mutex_unlock(arg);
}

/* Criterion's assertions belong to its own thread: what went wrong is counted. */
static void *verify(void *arg)
{
    struct lab *lab = arg;
    size_t wrong = 0;

    for (int i = 0; i < ROUNDS; i++) {
        const char *body = i % 2 ? "tampered" : lab->body;
        enum dive_verdict expected = i % 2 ? DIVE_REJECT : DIVE_ACCEPT;
        struct dive_answer answer;
        struct dive_want w;
        char *text = NULL;
        int r = dive_verifier_new(&lab->v, &lab->options);

        r = r ? r : dive_verifier_start(lab->v, dive_span_str(lab->host), lab->now);
        for (int step = 0; r == 0 && step < 3; step++) {
            while (r == 0 && dive_verifier_next_want(lab->v, &w)) {
                lab_answer_of(lab, w.name, w.fresh, &answer);
                r = dive_verifier_answer(lab->v, w.id, &answer, lab->now);
            }
            if (step == 0 && r == 0)
                r = dive_verifier_response(lab->v, &lab->request, &lab->response, lab->now);
            if (step == 1 && r == 0) {
                dive_verifier_body(lab->v, body, strlen(body));
                r = dive_verifier_end(lab->v, lab->now);
            }
        }
        r = r ? r : dive_verifier_trace(lab->v, &text);
        wrong += r != 0 || dive_verifier_verdict(lab->v) != expected;
        free(text);
        dive_verifier_free(&lab->v);
    }
    return wrong ? arg : NULL;
}

Test(threads, verifiers_share_nothing_but_a_cache_with_a_lock, .timeout = 60)
{
    const struct dive_lock lock = {take, give, &mutex};
    struct lab *lab[THREADS];
    pthread_t thread[THREADS];
    void *wrong;

    cr_assert_eq(dive_record_cache_new(&cache, 4, &lock), 0); /* fewer than there are names */
    lab[0] = lab_signed(&key);
    lab_dns(lab[0], "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=100");
    lab_dns(lab[0], "keyABC._divekey.dive.example", DIVE_DNS_SECURE,
            lab_key_text(&key, ", cache=100"));
    lab[0]->options.cache = cache;
    for (int i = 1; i < THREADS; i++) {
        lab[i] = malloc(sizeof(*lab[i]));
        *lab[i] = *lab[0];
        lab[i]->response.fields.v = lab[i]->field;
        lab[i]->host = i % 2 ? "www.dive.example" : "dive.example";
    }
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, verify, lab[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_join(thread[i], &wrong), 0);
        cr_expect_null(wrong);
    }
    for (int i = 1; i < THREADS; i++)
        free(lab[i]);
    lab_free(lab[0]); /* and the cache */
}
