/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_memo: see signature_memo.h. A direct-mapped table: the name's first bytes choose the
 * slot.
 */
#include "signature_memo.h"

#include <stdbool.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#define SLOTS 1024 /* a power of 2; 33 bytes each */
#define NAME_BYTES 32

struct slot {
    bool verified; /* zeroed memory vouches for nothing */
    uint8_t name[NAME_BYTES];
};

struct dive_signature_memo {
    struct dive_lock lock;
    EVP_MD *sha256; /* fetching it anew costs as much as hashing a signature base */
    uint64_t hits;
    struct slot slot[SLOTS];
};

static void lock(struct dive_signature_memo *memo)
{
    if (memo->lock.lock)
        memo->lock.lock(memo->lock.arg);
}

static void unlock(struct dive_signature_memo *memo)
{
    if (memo->lock.unlock)
        memo->lock.unlock(memo->lock.arg);
}

int dive_signature_memo_new(struct dive_signature_memo **out, const struct dive_lock *lock)
{
    struct dive_signature_memo *memo;

    *out = NULL;
    memo = calloc(1, sizeof(*memo));
    if (!memo)
        return DIVE_E_NOMEM;
    memo->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!memo->sha256) {
        free(memo);
        return DIVE_E_NOMEM;
    }
    if (lock)
        memo->lock = *lock;
    *out = memo;
    return 0;
}

void dive_signature_memo_free(struct dive_signature_memo **memo)
{
    if (!*memo)
        return;
    EVP_MD_free((*memo)->sha256);
    free(*memo);
    *memo = NULL;
}

/* The lengths come first: no two different sets of parts give the same bytes. False: no name. */
static bool make_name(const struct dive_signature_memo *memo, enum dive_algorithm algorithm,
                      struct dive_span key, struct dive_span signature, struct dive_span message,
                      uint8_t name[NAME_BYTES])
{
    const uint64_t lengths[] = {(uint64_t)algorithm, key.n, signature.n, message.n};
    unsigned n = 0;
    EVP_MD_CTX *context;
    bool made;

    ERR_set_mark(); /* the error queue is the calling thread's */
    context = EVP_MD_CTX_new();
    made = context && EVP_DigestInit_ex2(context, memo->sha256, NULL) == 1 &&
           EVP_DigestUpdate(context, lengths, sizeof(lengths)) == 1 &&
           EVP_DigestUpdate(context, key.p, key.n) == 1 &&
           EVP_DigestUpdate(context, signature.p, signature.n) == 1 &&
           EVP_DigestUpdate(context, message.p, message.n) == 1 &&
           EVP_DigestFinal_ex(context, name, &n) == 1 && n == NAME_BYTES;
    EVP_MD_CTX_free(context);
    ERR_pop_to_mark();
    return made;
}

static struct slot *slot_of(struct dive_signature_memo *memo, const uint8_t name[NAME_BYTES])
{
    return &memo->slot[(name[0] | (unsigned)name[1] << 8) & (SLOTS - 1)];
}

static bool known(struct dive_signature_memo *memo, const uint8_t name[NAME_BYTES])
{
    const struct slot *slot = slot_of(memo, name);
    bool found;

    lock(memo);
    found = slot->verified && memcmp(slot->name, name, NAME_BYTES) == 0;
    memo->hits += found;
    unlock(memo);
    return found;
}

static void remember(struct dive_signature_memo *memo, const uint8_t name[NAME_BYTES])
{
    struct slot *slot = slot_of(memo, name);

    lock(memo);
    memcpy(slot->name, name, NAME_BYTES);
    slot->verified = true;
    unlock(memo);
}

int dive_signature_memo_check(struct dive_signature_memo *memo, enum dive_algorithm algorithm,
                              struct dive_span key, struct dive_span signature,
                              struct dive_span message)
{
    uint8_t name[NAME_BYTES];
    bool named = memo && make_name(memo, algorithm, key, signature, message, name);
    int r;

    if (named && known(memo, name))
        return 0;
    r = dive_signature_check(algorithm, key, signature, message);
    if (r == 0 && named)
        remember(memo, name);
    return r;
}

uint64_t dive_signature_memo_hits(struct dive_signature_memo *memo)
{
    uint64_t hits;

    lock(memo);
    hits = memo->hits;
    unlock(memo);
    return hits;
}
