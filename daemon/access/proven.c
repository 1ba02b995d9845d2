/* SPDX-License-Identifier: BSD-2-Clause
 *
 * proven: see proven.h. Sets of a few slots; the one that ends first makes room.
 */
#include "access/proven.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#include "access/text.h"

#define PROVEN_WAYS 8
#define PROVEN_SETS 1024

struct proven_slot {
    uint8_t key[PROVEN_KEY];
    int64_t until_ms; /* 0: unused */
};

struct proven {
    pthread_mutex_t lock;
    uint8_t secret[32];
    struct proven_slot slot[PROVEN_SETS][PROVEN_WAYS];
};

int proven_new(struct proven **out)
{
    struct proven *p = calloc(1, sizeof(*p));

    *out = NULL;
    if (p == NULL)
        return DIVE_E_NOMEM;
    if (RAND_bytes(p->secret, sizeof(p->secret)) != 1) {
        free(p);
        return DIVE_E_INTERNAL;
    }
    pthread_mutex_init(&p->lock, NULL);
    *out = p;
    return 0;
}

void proven_free(struct proven **proven)
{
    if (*proven == NULL)
        return;
    pthread_mutex_destroy(&(*proven)->lock);
    explicit_bzero(*proven, sizeof(**proven));
    free(*proven);
    *proven = NULL;
}

int proven_key(const struct proven *p, const char *user, const char *password, const char *hash,
               uint8_t key[PROVEN_KEY])
{
    const char *part[] = {user, hash, password};
    char text[ACCESS_USER_SIZE + ACCESS_PASSWORD_MAX + 1 + 256];
    unsigned length = 0;
    size_t n = 0;
    int r = DIVE_E_INTERNAL;

    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        size_t with_nul = strlen(part[i]) + 1; /* or "ab","c" would be "a","bc" */

        if (with_nul > sizeof(text) - n)
            goto out;
        memcpy(text + n, part[i], with_nul);
        n += with_nul;
    }
    if (HMAC(EVP_sha256(), p->secret, sizeof(p->secret), (unsigned char *)text, n, key, &length) !=
            NULL &&
        length == PROVEN_KEY)
        r = 0;
out:
    explicit_bzero(text, sizeof(text));
    return r;
}

static struct proven_slot *proven_set(struct proven *p, const uint8_t *key)
{
    return p->slot[((size_t)key[0] << 8 | key[1]) % PROVEN_SETS];
}

bool proven_has(struct proven *p, const uint8_t key[PROVEN_KEY], int64_t now_ms)
{
    const struct proven_slot *set = proven_set(p, key);
    bool has = false;

    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < PROVEN_WAYS; i++)
        if (set[i].until_ms > now_ms && CRYPTO_memcmp(set[i].key, key, PROVEN_KEY) == 0)
            has = true;
    pthread_mutex_unlock(&p->lock);
    return has;
}

void proven_add(struct proven *p, const uint8_t key[PROVEN_KEY], int64_t until_ms)
{
    struct proven_slot *set = proven_set(p, key), *room = &set[0];

    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < PROVEN_WAYS; i++) {
        if (CRYPTO_memcmp(set[i].key, key, PROVEN_KEY) == 0) {
            room = &set[i];
            break;
        }
        if (set[i].until_ms < room->until_ms)
            room = &set[i];
    }
    memcpy(room->key, key, PROVEN_KEY);
    room->until_ms = until_ms;
    pthread_mutex_unlock(&p->lock);
}
