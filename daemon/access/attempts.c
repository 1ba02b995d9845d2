/* SPDX-License-Identifier: BSD-2-Clause
 *
 * attempts: see attempts.h. One table in sets of a few slots, keyed by a salted hash of the address
 * or the name: nobody can choose names that meet. A newcomer takes the place of the fullest bucket
 * of its set, which says least; who would push a bucket out that way has to spend attempts of an
 * address for it.
 */
#include "access/attempts.h"

#include <netinet/in.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>

#include "access/text.h"

#define ATTEMPTS_WAYS 8
#define ATTEMPTS_SETS 1024
#define ATTEMPTS_KEY 16
#define ATTEMPT 60000 /* a millisecond brings `per_minute` of these */

struct attempts_bucket {
    uint8_t key[ATTEMPTS_KEY];
    bool used;
    int64_t tokens; /* as of `filled_ms` */
    int64_t filled_ms;
};

struct attempts {
    pthread_mutex_t lock;
    uint8_t salt[32];
    struct attempts_bucket bucket[ATTEMPTS_SETS][ATTEMPTS_WAYS];
};

int attempts_new(struct attempts **out)
{
    struct attempts *a = calloc(1, sizeof(*a));

    *out = NULL;
    if (a == NULL)
        return DIVE_E_NOMEM;
    if (RAND_bytes(a->salt, sizeof(a->salt)) != 1) {
        free(a);
        return DIVE_E_INTERNAL;
    }
    pthread_mutex_init(&a->lock, NULL);
    *out = a;
    return 0;
}

void attempts_free(struct attempts **attempts)
{
    if (*attempts == NULL)
        return;
    pthread_mutex_destroy(&(*attempts)->lock);
    free(*attempts);
    *attempts = NULL;
}

static void attempts_key(const struct attempts *a, char kind, const void *data, size_t n,
                         uint8_t key[ATTEMPTS_KEY])
{
    unsigned char in[sizeof(a->salt) + 1 + ACCESS_USER_SIZE], digest[SHA256_DIGEST_LENGTH];

    memcpy(in, a->salt, sizeof(a->salt));
    in[sizeof(a->salt)] = (unsigned char)kind;
    if (n > ACCESS_USER_SIZE)
        n = ACCESS_USER_SIZE;
    memcpy(in + sizeof(a->salt) + 1, data, n);
    SHA256(in, sizeof(a->salt) + 1 + n, digest);
    memcpy(key, digest, ATTEMPTS_KEY);
}

static void attempts_address_key(const struct attempts *a, const struct sockaddr *client,
                                 uint8_t key[ATTEMPTS_KEY])
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)client;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)client;

    if (client->sa_family == AF_INET)
        attempts_key(a, '4', &v4->sin_addr, 4, key);
    else if (client->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        attempts_key(a, '4', v6->sin6_addr.s6_addr + 12, 4, key);
    else if (client->sa_family == AF_INET6)
        attempts_key(a, '6', &v6->sin6_addr, 8, key);
    else
        attempts_key(a, '?', "", 0, key);
}

static void attempts_fill(struct attempts_bucket *b, int64_t rate, int64_t now_ms)
{
    int64_t full = rate * ATTEMPT, passed = now_ms - b->filled_ms;

    if (passed > 0) {
        b->tokens = passed >= ATTEMPT ? full : b->tokens + passed * rate;
        b->filled_ms = now_ms;
    }
    if (b->tokens > full)
        b->tokens = full;
}

/* The bucket, filled up to now. It becomes one if it wasn't there. */
static struct attempts_bucket *attempts_find(struct attempts *a, const uint8_t *key, int64_t rate,
                                             int64_t now_ms)
{
    struct attempts_bucket *set = a->bucket[((size_t)key[0] << 8 | key[1]) % ATTEMPTS_SETS];
    struct attempts_bucket *room = &set[0], *found = NULL;

    for (unsigned i = 0; i < ATTEMPTS_WAYS; i++) {
        struct attempts_bucket *b = &set[i];

        if (b->used)
            attempts_fill(b, rate, now_ms);
        if (b->used && memcmp(b->key, key, ATTEMPTS_KEY) == 0)
            found = b;
        if (room->used && (!b->used || b->tokens > room->tokens))
            room = b;
    }
    if (found != NULL)
        return found;
    memcpy(room->key, key, ATTEMPTS_KEY);
    room->used = true;
    room->tokens = rate * ATTEMPT;
    room->filled_ms = now_ms;
    return room;
}

bool attempts_take(struct attempts *a, const struct sockaddr *client, const char *user,
                   unsigned per_minute, int64_t now_ms)
{
    uint8_t address_key[ATTEMPTS_KEY], user_key[ATTEMPTS_KEY];
    struct attempts_bucket *by_address, *by_user;
    bool taken = false;

    attempts_address_key(a, client, address_key);
    attempts_key(a, 'u', user, strlen(user), user_key);
    pthread_mutex_lock(&a->lock);
    by_address = attempts_find(a, address_key, per_minute, now_ms);
    if (by_address->tokens >= ATTEMPT) {
        by_address->tokens -= ATTEMPT;
        /* The user's may push the address's out of its set; what was taken stays taken. */
        by_user = attempts_find(a, user_key, (int64_t)per_minute * ATTEMPTS_USER_FACTOR, now_ms);
        taken = by_user->tokens >= ATTEMPT;
        if (taken)
            by_user->tokens -= ATTEMPT;
        else
            attempts_find(a, address_key, per_minute, now_ms)->tokens += ATTEMPT;
    }
    pthread_mutex_unlock(&a->lock);
    return taken;
}

void attempts_give_back(struct attempts *a, const struct sockaddr *client, const char *user,
                        unsigned per_minute, int64_t now_ms)
{
    uint8_t address_key[ATTEMPTS_KEY], user_key[ATTEMPTS_KEY];

    attempts_address_key(a, client, address_key);
    attempts_key(a, 'u', user, strlen(user), user_key);
    pthread_mutex_lock(&a->lock);
    attempts_find(a, address_key, per_minute, now_ms)->tokens += ATTEMPT;
    attempts_find(a, user_key, (int64_t)per_minute * ATTEMPTS_USER_FACTOR, now_ms)->tokens +=
        ATTEMPT;
    pthread_mutex_unlock(&a->lock);
}

bool attempts_are_spent(struct attempts *a, const struct sockaddr *client, unsigned per_minute,
                        int64_t now_ms)
{
    uint8_t key[ATTEMPTS_KEY];
    bool spent;

    attempts_address_key(a, client, key);
    pthread_mutex_lock(&a->lock);
    spent = attempts_find(a, key, per_minute, now_ms)->tokens < ATTEMPT;
    pthread_mutex_unlock(&a->lock);
    return spent;
}
