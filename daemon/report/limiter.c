/* SPDX-License-Identifier: BSD-2-Clause
 *
 * limiter: see limiter.h. Two tables of fixed size, in sets of a few slots: who is looked for is
 * found in one set or nowhere, and the memory is what was allocated at the start.
 *
 *      subjects       when a report was last sent; the oldest of a set makes room
 *      destinations   a token bucket each; only one that is full again (and so says nothing that a
 * new one wouldn't) makes room, else the newcomer is refused: nobody gets a fresh bucket by pushing
 * the old one out
 *
 * Both are keyed by SHA-256 over a random salt and the text: whoever chooses URLs can't make two of
 * them meet.
 */
#include "report/limiter.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LIMITER_WAYS 8
#define LIMITER_SUBJECT_SETS 1024
#define LIMITER_DESTINATION_SETS 64
#define LIMITER_KEY_BYTES 16
#define LIMITER_TOKEN 60000 /* one report; a millisecond brings REPORT_PER_MINUTE of these */
#define LIMITER_FULL ((int64_t)REPORT_BURST * LIMITER_TOKEN)

struct limiter_subject {
    uint8_t key[LIMITER_KEY_BYTES];
    bool used;
    int64_t sent; /* ms */
};

struct limiter_destination {
    uint8_t key[LIMITER_KEY_BYTES];
    bool used;
    int64_t tokens; /* as of `filled` */
    int64_t filled; /* ms */
};

struct report_limiter {
    pthread_mutex_t lock;
    uint8_t salt[16];
    struct limiter_subject subject[LIMITER_SUBJECT_SETS][LIMITER_WAYS];
    struct limiter_destination destination[LIMITER_DESTINATION_SETS][LIMITER_WAYS];
};

int report_limiter_new(struct report_limiter **out)
{
    struct report_limiter *limiter = calloc(1, sizeof(*limiter));

    *out = NULL;
    if (limiter == NULL)
        return DIVE_E_NOMEM;
    if (RAND_bytes(limiter->salt, sizeof(limiter->salt)) != 1) {
        free(limiter);
        return DIVE_E_INTERNAL;
    }
    if (pthread_mutex_init(&limiter->lock, NULL) != 0) {
        free(limiter);
        return DIVE_E_NOMEM;
    }
    *out = limiter;
    return 0;
}

void report_limiter_free(struct report_limiter **limiter)
{
    if (*limiter == NULL)
        return;
    pthread_mutex_destroy(&(*limiter)->lock);
    free(*limiter);
    *limiter = NULL;
}

/* Over the salt and both texts with their NULs; `subject` may be NULL. */
static bool limiter_key(const struct report_limiter *limiter, const char *destination,
                        const char *subject, uint8_t key[LIMITER_KEY_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t digest[EVP_MAX_MD_SIZE];
    bool done = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(md, limiter->salt, sizeof(limiter->salt)) == 1 &&
                EVP_DigestUpdate(md, destination, strlen(destination) + 1) == 1 &&
                (subject == NULL || EVP_DigestUpdate(md, subject, strlen(subject) + 1) == 1) &&
                EVP_DigestFinal_ex(md, digest, NULL) == 1;

    EVP_MD_CTX_free(md);
    if (done)
        memcpy(key, digest, LIMITER_KEY_BYTES);
    return done;
}

static size_t limiter_set(const uint8_t *key, size_t sets)
{
    return ((size_t)key[0] << 8 | key[1]) % sets;
}

/* The slot of this subject, or the one that is to become it if it is admitted. */
static struct limiter_subject *limiter_find_subject(struct report_limiter *limiter,
                                                    const uint8_t *key)
{
    struct limiter_subject *set = limiter->subject[limiter_set(key, LIMITER_SUBJECT_SETS)];
    struct limiter_subject *room = &set[0];

    for (unsigned i = 0; i < LIMITER_WAYS; i++) {
        struct limiter_subject *s = &set[i];

        if (s->used && memcmp(s->key, key, LIMITER_KEY_BYTES) == 0)
            return s;
        if (room->used && (!s->used || s->sent < room->sent))
            room = s;
    }
    return room;
}

static void limiter_fill(struct limiter_destination *d, int64_t now)
{
    int64_t passed = now - d->filled;

    if (passed <= 0)
        return;
    if (passed >= LIMITER_FULL / REPORT_PER_MINUTE)
        d->tokens = LIMITER_FULL;
    else
        d->tokens += passed * REPORT_PER_MINUTE;
    if (d->tokens > LIMITER_FULL)
        d->tokens = LIMITER_FULL;
    d->filled = now;
}

static struct limiter_destination *limiter_find_destination(struct report_limiter *limiter,
                                                            const uint8_t *key, int64_t now)
{
    struct limiter_destination *set =
        limiter->destination[limiter_set(key, LIMITER_DESTINATION_SETS)];
    struct limiter_destination *room = NULL;

    for (unsigned i = 0; i < LIMITER_WAYS; i++) {
        struct limiter_destination *d = &set[i];

        if (d->used)
            limiter_fill(d, now);
        if (d->used && memcmp(d->key, key, LIMITER_KEY_BYTES) == 0)
            return d;
        if (!d->used || d->tokens == LIMITER_FULL)
            room = d;
    }
    if (room == NULL)
        return NULL;
    memcpy(room->key, key, LIMITER_KEY_BYTES);
    room->used = true;
    room->tokens = LIMITER_FULL;
    room->filled = now;
    return room;
}

static enum report_result limiter_decide(struct report_limiter *limiter, const uint8_t *destination,
                                         const uint8_t *subject, int64_t now)
{
    struct limiter_subject *s = limiter_find_subject(limiter, subject);
    struct limiter_destination *d;

    if (s->used && memcmp(s->key, subject, LIMITER_KEY_BYTES) == 0 &&
        now - s->sent < REPORT_DUPLICATE_SECONDS * INT64_C(1000))
        return REPORT_DUPLICATE;
    d = limiter_find_destination(limiter, destination, now);
    if (d == NULL || d->tokens < LIMITER_TOKEN)
        return REPORT_RATE_LIMITED;
    d->tokens -= LIMITER_TOKEN;
    memcpy(s->key, subject, LIMITER_KEY_BYTES);
    s->used = true;
    s->sent = now;
    return REPORT_SENT;
}

enum report_result report_limiter_admit(struct report_limiter *limiter, const char *destination,
                                        const char *subject, int64_t now)
{
    uint8_t destination_key[LIMITER_KEY_BYTES], subject_key[LIMITER_KEY_BYTES];
    enum report_result result;

    if (!limiter_key(limiter, destination, NULL, destination_key) ||
        !limiter_key(limiter, destination, subject, subject_key))
        return REPORT_FAILED;
    pthread_mutex_lock(&limiter->lock);
    result = limiter_decide(limiter, destination_key, subject_key, now);
    pthread_mutex_unlock(&limiter->lock);
    return result;
}
