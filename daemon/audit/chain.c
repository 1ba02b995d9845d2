/* SPDX-License-Identifier: BSD-2-Clause
 *
 * chain: see chain.h.
 */
#include "audit/chain.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word, *text;
} faults[] = {
#define X(id, word, text) [CHAIN_##id] = {word, text},
    CHAIN_FAULTS(X)
#undef X
};

const char *chain_fault_word(enum chain_fault fault)
{
    return faults[fault].word;
}

const char *chain_fault_text(enum chain_fault fault)
{
    return faults[fault].text;
}

static void chain_be64(uint64_t value, uint8_t out[8])
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

/* Type, then a number or a length: no two rows have one canonical form. */
static int chain_column(EVP_MD_CTX *md, char type, uint64_t number, const char *text)
{
    uint8_t head[9] = {(uint8_t)type};

    chain_be64(number, head + 1);
    if (EVP_DigestUpdate(md, head, sizeof(head)) != 1)
        return -1;
    return text == NULL || EVP_DigestUpdate(md, text, (size_t)number) == 1 ? 0 : -1;
}

int chain_hash(const uint8_t before[CHAIN_HASH], int64_t number, const struct audit_event *row,
               uint8_t out[CHAIN_HASH])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t place[8];
    int r = DIVE_E_INTERNAL;

    memset(out, 0, CHAIN_HASH);
    chain_be64((uint64_t)number, place);
    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(md, before, CHAIN_HASH) != 1 ||
        EVP_DigestUpdate(md, place, sizeof(place)) != 1)
        goto out;
    for (unsigned i = 0; i < AUDIT_COLUMN_COUNT; i++) {
        const char *text = row->v[i].text;
        int bad;

        if (!audit_column_is_text(i))
            bad = chain_column(md, 'i', (uint64_t)row->v[i].number, NULL);
        else if (text == NULL)
            bad = chain_column(md, '0', 0, NULL);
        else
            bad = chain_column(md, 't', strlen(text), text);
        if (bad)
            goto out;
    }
    if (EVP_DigestFinal_ex(md, out, NULL) == 1)
        r = 0;
out:
    EVP_MD_CTX_free(md);
    return r;
}

void chain_hex(const uint8_t hash[CHAIN_HASH], char out[CHAIN_HEX])
{
    for (unsigned i = 0; i < CHAIN_HASH; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

void chain_text(const struct chain_link *link, char out[CHAIN_TEXT])
{
    char hex[CHAIN_HEX];

    chain_hex(link->hash, hex);
    snprintf(out, CHAIN_TEXT, "%lld:%s", (long long)link->number, hex);
}

int chain_parse(struct chain_link *out, const char *text)
{
    char *end = NULL;
    long long number = strtoll(text, &end, 10);

    *out = (struct chain_link){0};
    if (end == text || *end != ':' || number < 0 || strlen(end + 1) != 2 * CHAIN_HASH ||
        strspn(end + 1, "0123456789abcdefABCDEF") != 2 * CHAIN_HASH)
        return DIVE_E_SYNTAX;
    out->number = number;
    for (unsigned i = 0; i < CHAIN_HASH; i++) {
        const char byte[3] = {end[1 + 2 * i], end[2 + 2 * i], '\0'};

        out->hash[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    return 0;
}

void chain_walk_init(struct chain_walk *walk, const struct chain_link *anchor)
{
    *walk = (struct chain_walk){.last = *anchor};
}

static bool walk_fault(struct chain_walk *walk, enum chain_fault fault, int64_t at)
{
    walk->fault = fault;
    walk->at = at;
    return false;
}

/* `before` isn't the hash of the row before: which of the two is at fault? */
static bool walk_broken_link(struct chain_walk *walk, int64_t number,
                             const uint8_t before[CHAIN_HASH], const uint8_t hash[CHAIN_HASH],
                             bool consistent)
{
    if (walk->started && memcmp(hash, walk->last.hash, CHAIN_HASH) == 0)
        return walk_fault(walk, CHAIN_INSERTED, number); /* a copy of the row before */
    if (walk->started && memcmp(before, walk->before_hash, CHAIN_HASH) == 0)
        return walk_fault(walk, CHAIN_INSERTED, walk->last.number);
    if (walk->started && consistent) /* the row before, and its hash was made anew */
        return walk_fault(walk, CHAIN_ALTERED, walk->last.number);
    return walk_fault(walk, CHAIN_ALTERED, number);
}

bool chain_walk_row(struct chain_walk *walk, int64_t number, const struct audit_event *row,
                    const uint8_t before[CHAIN_HASH], const uint8_t hash[CHAIN_HASH], int *error)
{
    uint8_t own[CHAIN_HASH];
    bool consistent;

    *error = 0;
    if (walk->fault != CHAIN_NONE)
        return false;
    *error = chain_hash(before, number, row, own);
    if (*error != 0)
        return false;
    consistent = memcmp(own, hash, CHAIN_HASH) == 0;
    if (number != walk->last.number + 1)
        return number > walk->last.number ? walk_fault(walk, CHAIN_REMOVED, walk->last.number + 1)
                                          : walk_fault(walk, CHAIN_INSERTED, number);
    if (memcmp(before, walk->last.hash, CHAIN_HASH) != 0)
        return walk_broken_link(walk, number, before, hash, consistent);
    if (!consistent)
        return walk_fault(walk, CHAIN_ALTERED, number);
    memcpy(walk->before_hash, walk->last.hash, CHAIN_HASH);
    walk->last.number = number;
    memcpy(walk->last.hash, hash, CHAIN_HASH);
    walk->started = true;
    return true;
}

void chain_walk_end(struct chain_walk *walk, const struct chain_link *head)
{
    if (walk->fault != CHAIN_NONE)
        return;
    if (walk->last.number < head->number)
        (void)walk_fault(walk, CHAIN_CUT, walk->last.number + 1);
    else if (walk->last.number > head->number)
        (void)walk_fault(walk, CHAIN_ADDED, head->number + 1);
    else if (memcmp(walk->last.hash, head->hash, CHAIN_HASH) != 0)
        (void)walk_fault(walk, CHAIN_ALTERED, head->number);
}
