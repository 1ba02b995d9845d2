/* SPDX-License-Identifier: BSD-2-Clause
 *
 * remember: see the header.
 */
#include "cache/remember.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4096u

/* What a slot is about. Two kinds for one URL are two slots. */
enum kind { KIND_NONE = 0, KIND_UNSTORABLE, KIND_REJECTED };

struct slot {
    struct store_key key;
    enum kind kind;
    enum dive_reason reason;
    uint64_t head;
    int64_t from, until; /* Unix seconds; a clock that went back before `from` ends it too */
};

struct remember {
    pthread_mutex_t lock;
    struct slot slot[SLOTS];
};

int remember_new(struct remember **out)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return DIVE_E_NOMEM;
    pthread_mutex_init(&(*out)->lock, NULL);
    return 0;
}

void remember_free(struct remember **remember)
{
    if (*remember == NULL)
        return;
    pthread_mutex_destroy(&(*remember)->lock);
    free(*remember);
    *remember = NULL;
}

/* The key is a digest: its bytes are a hash. */
static struct slot *slot_of(struct remember *remember, const struct store_key *key, enum kind kind)
{
    uint32_t hash;

    memcpy(&hash, key->bytes, sizeof(hash));
    return &remember->slot[(hash + (unsigned)kind) % SLOTS];
}

static void slot_put(struct remember *remember, const struct slot *new)
{
    pthread_mutex_lock(&remember->lock);
    *slot_of(remember, &new->key, new->kind) = *new;
    pthread_mutex_unlock(&remember->lock);
}

static bool slot_get(struct remember *remember, const struct store_key *key, enum kind kind,
                     int64_t now, struct slot *out)
{
    pthread_mutex_lock(&remember->lock);
    *out = *slot_of(remember, key, kind);
    pthread_mutex_unlock(&remember->lock);
    return out->kind == kind && memcmp(out->key.bytes, key->bytes, sizeof(key->bytes)) == 0 &&
           now >= out->from && now < out->until;
}

void remember_unstorable(struct remember *remember, const struct store_key *key, int64_t now)
{
    struct slot slot = {.key = *key,
                        .kind = KIND_UNSTORABLE,
                        .from = now,
                        .until = now + REMEMBER_UNSTORABLE_SECONDS};

    slot_put(remember, &slot);
}

bool remember_is_unstorable(struct remember *remember, const struct store_key *key, int64_t now)
{
    struct slot slot;

    return slot_get(remember, key, KIND_UNSTORABLE, now, &slot);
}

void remember_rejected(struct remember *remember, const struct store_key *key, uint64_t head,
                       enum dive_reason reason, int64_t now)
{
    struct slot slot = {.key = *key,
                        .kind = KIND_REJECTED,
                        .reason = reason,
                        .head = head,
                        .from = now,
                        .until = now + REMEMBER_REJECTED_SECONDS};

    slot_put(remember, &slot);
}

enum dive_reason remember_rejection(struct remember *remember, const struct store_key *key,
                                    uint64_t head, int64_t now)
{
    struct slot slot;

    if (!slot_get(remember, key, KIND_REJECTED, now, &slot) || slot.head != head)
        return DIVE_REASON_NONE;
    return slot.reason;
}
