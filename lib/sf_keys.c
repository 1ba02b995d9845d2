/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sf_keys: finds repeated keys in a dictionary or in parameters (RFC 9651 sections 4.2.2
 * and 4.2.3.2: the last value wins).
 *
 * A few keys, which is what there is, are compared one by one. From LINEAR_MAX on a hash table
 * finds them, so that a hostile field of 64 KiB costs no more a byte than an honest one. Its size
 * is fixed by the maxima in sf.h.
 */
#include "sf_private.h"

#define LINEAR_MAX 16

_Static_assert((SF_MEMBER_SLOTS & (SF_MEMBER_SLOTS - 1)) == 0, "a power of two");
_Static_assert((SF_PARAM_SLOTS & (SF_PARAM_SLOTS - 1)) == 0, "a power of two");

static struct dive_span key_at(const struct dive_sf_keys *k, size_t i)
{
    return *(const struct dive_span *)(const void *)(k->array + i * k->stride);
}

/* FNV-1a, from a seed that the sender doesn't know. Should he find it out all the same, the maxima
 * bound what collisions can cost. */
static size_t key_hash(const struct dive_sf_keys *k, struct dive_span key)
{
    uint32_t h = 2166136261u ^ k->seed;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (uint8_t)key.p[i]) * 16777619u;
    return (h ^ h >> 15) & k->mask;
}

/* The slot that holds `key`, or the free one where it belongs. There is always one: the maxima fill
 * half of the table. */
static uint16_t *key_slot(const struct dive_sf_keys *k, struct dive_span key)
{
    size_t i = key_hash(k, key);

    while (k->slots[i] != 0 && !dive_sf_same(key_at(k, k->slots[i] - 1u), key))
        i = (i + 1) & k->mask;
    return &k->slots[i];
}

size_t dive_sf_keys_position(struct dive_sf_keys *k, struct dive_span key)
{
    uint16_t *slot;

    if (k->n < LINEAR_MAX) {
        size_t i = 0;

        while (i < k->n && !dive_sf_same(key_at(k, i), key))
            i++;
        return i;
    }
    if (!k->hashed) {
        memset(k->slots, 0, (k->mask + 1) * sizeof k->slots[0]);
        for (size_t i = 0; i < k->n; i++)
            *key_slot(k, key_at(k, i)) = (uint16_t)(i + 1);
        k->hashed = true;
    }
    slot = key_slot(k, key);
    if (*slot != 0)
        return *slot - 1u;
    *slot = (uint16_t)(k->n + 1);
    return k->n;
}
