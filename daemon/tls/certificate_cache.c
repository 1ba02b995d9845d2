/* SPDX-License-Identifier: BSD-2-Clause
 *
 * certificate_cache: a hash table with chains and a list in order of use, under one mutex that is
 * never held for longer than a look-up takes.
 *
 * Clients choose the names, so the hash is a keyed SHA-256: nobody can make them collide.
 */
#include "tls/certificate_cache.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct entry {
    LIST_ENTRY(entry) chain;
    TAILQ_ENTRY(entry) order; /* most recently used first */
    X509 *certificate;
    time_t made, renew; /* good within [made, renew) */
    char name[];
};

LIST_HEAD(entry_chain, entry);
TAILQ_HEAD(entry_order, entry);

struct certificate_cache {
    struct tls_mint *mint;
    pthread_mutex_t lock; /* covers all below */
    struct entry_chain *buckets;
    size_t mask;
    struct entry_order order;
    size_t max_entries;
    struct certificate_cache_stats stats;
    unsigned char hash_key[16];
};

int certificate_cache_new(struct certificate_cache **out, struct tls_ca *ca,
                          unsigned lifetime_hours, size_t max_entries)
{
    struct certificate_cache *cache;
    size_t buckets = 16;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (max_entries < 1 || max_entries > CERTIFICATE_CACHE_MAX)
        return DIVE_E_LIMIT;
    cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return DIVE_E_NOMEM;
    if (pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache);
        return DIVE_E_NOMEM;
    }
    TAILQ_INIT(&cache->order);
    cache->max_entries = max_entries;
    while (buckets < max_entries)
        buckets *= 2;
    cache->mask = buckets - 1;
    r = DIVE_E_NOMEM;
    cache->buckets = calloc(buckets, sizeof *cache->buckets); /* all-zero heads are empty lists */
    if (cache->buckets == NULL)
        goto out;
    r = tls_mint_new(&cache->mint, ca, lifetime_hours);
    if (r != 0)
        goto out;
    r = DIVE_E_INTERNAL;
    if (RAND_bytes(cache->hash_key, sizeof cache->hash_key) != 1)
        goto out;
    *out = cache;
    cache = NULL;
    r = 0;
out:
    certificate_cache_free(&cache);
    return r;
}

static void drop(struct certificate_cache *cache, struct entry *entry)
{
    LIST_REMOVE(entry, chain);
    TAILQ_REMOVE(&cache->order, entry, order);
    cache->stats.entries--;
    X509_free(entry->certificate);
    free(entry);
}

void certificate_cache_free(struct certificate_cache **cache)
{
    struct certificate_cache *old = *cache;
    struct entry *entry;

    *cache = NULL;
    if (old == NULL)
        return;
    while ((entry = TAILQ_FIRST(&old->order)) != NULL)
        drop(old, entry);
    free(old->buckets);
    tls_mint_free(&old->mint);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

static struct entry_chain *chain_of(struct certificate_cache *cache, const char *name, size_t n)
{
    unsigned char in[sizeof cache->hash_key + TLS_MINT_NAME_MAX], md[SHA256_DIGEST_LENGTH];
    size_t hash;

    memcpy(in, cache->hash_key, sizeof cache->hash_key);
    memcpy(in + sizeof cache->hash_key, name, n);
    (void)SHA256(in, sizeof cache->hash_key + n, md);
    memcpy(&hash, md, sizeof hash);
    return &cache->buckets[hash & cache->mask];
}

/* With the lock. The certificate is as good as new for another half of its lifetime, or gone. */
static struct entry *find(struct certificate_cache *cache, struct entry_chain *chain,
                          const char *name, time_t now)
{
    struct entry *entry;

    LIST_FOREACH (entry, chain, chain)
        if (strcmp(entry->name, name) == 0)
            break;
    if (entry == NULL)
        return NULL;
    /* A clock that was set back: notBefore may lie in the future now. */
    if (now >= entry->renew || now < entry->made - TLS_MINT_BACKDATE / 2) {
        drop(cache, entry);
        return NULL;
    }
    TAILQ_REMOVE(&cache->order, entry, order);
    TAILQ_INSERT_HEAD(&cache->order, entry, order);
    return entry;
}

static time_t renewal_time(const X509 *certificate, time_t now)
{
    int days = 0, seconds = 0;
    ASN1_TIME *start = ASN1_TIME_set(NULL, now);

    if (start != NULL)
        (void)ASN1_TIME_diff(&days, &seconds, start, X509_get0_notAfter(certificate));
    ASN1_TIME_free(start);
    return now + ((time_t)days * 86400 + seconds) / 2;
}

static struct entry *make_entry(const struct certificate_cache *cache, const char *name, size_t n,
                                time_t now, int *r)
{
    struct entry *entry = calloc(1, sizeof *entry + n + 1);

    *r = DIVE_E_NOMEM;
    if (entry == NULL)
        return NULL;
    memcpy(entry->name, name, n);
    *r = tls_mint_certificate(cache->mint, name, now, &entry->certificate);
    if (*r != 0) {
        free(entry);
        return NULL;
    }
    entry->made = now;
    entry->renew = renewal_time(entry->certificate, now);
    return entry;
}

static void insert(struct certificate_cache *cache, struct entry_chain *chain, struct entry *entry)
{
    LIST_INSERT_HEAD(chain, entry, chain);
    TAILQ_INSERT_HEAD(&cache->order, entry, order);
    cache->stats.entries++;
    if (cache->stats.entries > cache->max_entries) {
        drop(cache, TAILQ_LAST(&cache->order, entry_order));
        cache->stats.evictions++;
    }
}

int certificate_cache_get(struct certificate_cache *cache, const char *name, time_t now, X509 **out)
{
    size_t n = strnlen(name, TLS_MINT_NAME_MAX + 1);
    struct entry *entry, *fresh = NULL;
    struct entry_chain *chain;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (n > TLS_MINT_NAME_MAX)
        return DIVE_E_SYNTAX;
    chain = chain_of(cache, name, n);

    pthread_mutex_lock(&cache->lock);
    entry = find(cache, chain, name, now);
    if (entry != NULL)
        cache->stats.hits++;
    else
        cache->stats.misses++;
    if (entry == NULL) {
        pthread_mutex_unlock(&cache->lock);
        fresh = make_entry(cache, name, n, now, &r);
        if (fresh == NULL)
            return r;
        pthread_mutex_lock(&cache->lock);
        entry = find(cache, chain, name, now); /* another worker was faster? */
        if (entry == NULL) {
            entry = fresh;
            fresh = NULL;
            insert(cache, chain, entry);
        }
    }
    r = DIVE_E_INTERNAL;
    if (X509_up_ref(entry->certificate) == 1) {
        *out = entry->certificate;
        r = 0;
    }
    pthread_mutex_unlock(&cache->lock);
    if (fresh != NULL) {
        X509_free(fresh->certificate);
        free(fresh);
    }
    return r;
}

EVP_PKEY *certificate_cache_key(const struct certificate_cache *cache)
{
    return tls_mint_key(cache->mint);
}

struct tls_ca *certificate_cache_ca(const struct certificate_cache *cache)
{
    return tls_mint_ca(cache->mint);
}

void certificate_cache_stats(struct certificate_cache *cache, struct certificate_cache_stats *out)
{
    pthread_mutex_lock(&cache->lock);
    *out = cache->stats;
    pthread_mutex_unlock(&cache->lock);
}
