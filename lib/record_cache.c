/* SPDX-License-Identifier: BSD-2-Clause
 *
 * record_cache: a hash table of answers by name, threaded by two lists: all entries by last use
 * (the tail goes first when the cache is full), and the key records, which `invalidate-keys-cache`
 * walks.
 *
 * Names come from outside: clients choose hosts, origins choose Key IDs. So the hash is SipHash-1-3
 * with a random key, and a chain can't be made long on purpose.
 */
#include "record_cache.h"
#include "record_cache_store.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "domain.h"
#include "signature_memo.h"
#include "siphash.h"

struct entry {
    LIST_ENTRY(entry) bucket;
    TAILQ_ENTRY(entry) used; /* head: most recently */
    LIST_ENTRY(entry) key;   /* key records only */
    uint64_t hash;
    int64_t stored, expires; /* Unix seconds */
    const char *key_domain;  /* the domain of a key record, into `name`; else NULL */
    struct dive_record *record;
    char name[];
};

LIST_HEAD(entry_bucket, entry);
TAILQ_HEAD(entry_queue, entry);

struct dive_record_cache {
    struct dive_lock lock;
    struct dive_signature_memo *signatures;
    uint64_t seed[2];
    size_t n, max, mask;
    struct entry_queue used;
    struct entry_bucket keys;
    struct entry_bucket *buckets;
};

static void lock(struct dive_record_cache *cache)
{
    if (cache->lock.lock)
        cache->lock.lock(cache->lock.arg);
}

static void unlock(struct dive_record_cache *cache)
{
    if (cache->lock.unlock)
        cache->lock.unlock(cache->lock.arg);
}

/* "<Key-ID>._divekey.<domain>": the domain, or NULL when `name` isn't of that form. */
static const char *key_domain(const char *name)
{
    static const char label[] = "._divekey.";
    const char *dot = strchr(name, '.');

    if (!dot || strncmp(dot, label, sizeof(label) - 1) != 0)
        return NULL;
    return dot + sizeof(label) - 1;
}

int dive_record_new(struct dive_record **out, const struct dive_answer *answer, int64_t stored)
{
    bool secure = answer->security == DIVE_DNS_SECURE;
    size_t n = secure ? answer->n : 0, bytes = 0, why = answer->why ? strlen(answer->why) + 1 : 0;
    struct dive_record *record;
    struct dive_span *spans;
    char *p;

    *out = NULL;
    for (size_t i = 0; i < n; i++)
        bytes += answer->txt[i].n;
    record = malloc(sizeof(*record) + n * sizeof(*spans) + bytes + why);
    if (!record)
        return DIVE_E_NOMEM;
    spans = (struct dive_span *)(record + 1);
    p = (char *)(spans + n);
    for (size_t i = 0; i < n; i++) {
        if (answer->txt[i].n)
            memcpy(p, answer->txt[i].p, answer->txt[i].n);
        spans[i] = dive_span(p, answer->txt[i].n);
        p += answer->txt[i].n;
    }
    if (why)
        memcpy(p, answer->why, why);
    record->answer = (struct dive_answer){.security = answer->security,
                                          .txt = n ? spans : NULL,
                                          .n = n,
                                          .ttl = answer->ttl,
                                          .why = why ? p : NULL};
    record->stored = stored;
    *out = record;
    return 0;
}

void dive_record_free(struct dive_record **record)
{
    free(*record);
    *record = NULL;
}

int dive_record_cache_new(struct dive_record_cache **out, size_t max_entries,
                          const struct dive_lock *lock)
{
    struct dive_record_cache *cache = NULL;
    size_t buckets = 16;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    if (max_entries == 0 || max_entries > DIVE_RECORD_CACHE_MAX)
        return DIVE_E_LIMIT;
    while (buckets < max_entries)
        buckets *= 2;
    cache = calloc(1, sizeof(*cache));
    if (cache)
        cache->buckets = calloc(buckets, sizeof(*cache->buckets));
    if (!cache || !cache->buckets) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    r = dive_signature_memo_new(&cache->signatures, lock);
    if (r)
        goto out;
    r = DIVE_E_INTERNAL;
    if (RAND_bytes((unsigned char *)cache->seed, sizeof(cache->seed)) != 1)
        goto out;
    if (lock)
        cache->lock = *lock;
    cache->max = max_entries;
    cache->mask = buckets - 1;
    TAILQ_INIT(&cache->used);
    LIST_INIT(&cache->keys);
    *out = cache;
    r = 0;
out:
    if (r && cache) {
        dive_signature_memo_free(&cache->signatures);
        free(cache->buckets);
        free(cache);
    }
    return r;
}

static void drop(struct dive_record_cache *cache, struct entry *e)
{
    LIST_REMOVE(e, bucket);
    TAILQ_REMOVE(&cache->used, e, used);
    if (e->key_domain)
        LIST_REMOVE(e, key);
    cache->n--;
    dive_record_free(&e->record);
    free(e);
}

void dive_record_cache_free(struct dive_record_cache **cache)
{
    struct dive_record_cache *c = *cache;

    if (!c)
        return;
    while (!TAILQ_EMPTY(&c->used))
        drop(c, TAILQ_FIRST(&c->used));
    dive_signature_memo_free(&c->signatures);
    free(c->buckets);
    free(c);
    *cache = NULL;
}

static struct entry *find(struct dive_record_cache *cache, const char *name)
{
    uint64_t hash = dive_siphash(cache->seed, name, strlen(name));
    struct entry *e;

    LIST_FOREACH (e, &cache->buckets[hash & cache->mask], bucket) {
        if (e->hash == hash && strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

/* The live entry, now the one used most recently; one that is no longer live is dropped on sight.
 */
static struct entry *find_live(struct dive_record_cache *cache, const char *name, int64_t now)
{
    struct entry *e = find(cache, name);

    if (!e)
        return NULL;
    if (now < e->stored || now >= e->expires) {
        drop(cache, e);
        return NULL;
    }
    if (e != TAILQ_FIRST(&cache->used)) {
        TAILQ_REMOVE(&cache->used, e, used);
        TAILQ_INSERT_HEAD(&cache->used, e, used);
    }
    return e;
}

static uint32_t seconds_left(const struct entry *e, int64_t now)
{
    int64_t left = e->expires - now;

    return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static int entry_new(struct entry **out, const char *name, const struct dive_answer *answer,
                     int64_t now, int64_t lifetime)
{
    size_t len = strlen(name);
    struct entry *e = calloc(1, sizeof(*e) + len + 1);
    int r = DIVE_E_NOMEM;

    *out = NULL;
    if (!e)
        return r;
    memcpy(e->name, name, len + 1);
    if ((r = dive_record_new(&e->record, answer, now))) {
        free(e);
        return r;
    }
    e->stored = now;
    if (__builtin_add_overflow(now, lifetime, &e->expires))
        e->expires = INT64_MAX;
    e->key_domain = key_domain(e->name);
    *out = e;
    return 0;
}

int dive_record_cache_put(struct dive_record_cache *cache, const char *name,
                          const struct dive_answer *answer, int64_t now, int64_t lifetime)
{
    struct entry *e = NULL, *old;
    int r = DIVE_E_INTERNAL;

    if (answer->security != DIVE_DNS_SECURE && answer->security != DIVE_DNS_INSECURE)
        return 0;
    if (lifetime <= 0) {
        dive_record_cache_evict(cache, name);
        return 0;
    }
    if ((r = entry_new(&e, name, answer, now, lifetime)))
        return r;
    lock(cache);
    if ((old = find(cache, name)))
        drop(cache, old);
    if (cache->n >= cache->max)
        drop(cache, TAILQ_LAST(&cache->used, entry_queue));
    e->hash = dive_siphash(cache->seed, e->name, strlen(e->name));
    LIST_INSERT_HEAD(&cache->buckets[e->hash & cache->mask], e, bucket);
    TAILQ_INSERT_HEAD(&cache->used, e, used);
    if (e->key_domain)
        LIST_INSERT_HEAD(&cache->keys, e, key);
    cache->n++;
    unlock(cache);
    return 0;
}

struct dive_record *dive_record_cache_get(struct dive_record_cache *cache, const char *name,
                                          int64_t now)
{
    struct dive_record *record = NULL;
    struct entry *e;

    lock(cache);
    e = find_live(cache, name, now);
    if (e && dive_record_new(&record, &e->record->answer, e->stored) == 0)
        record->answer.ttl = seconds_left(e, now);
    unlock(cache);
    return record;
}

bool dive_record_cache_peek(struct dive_record_cache *cache, const char *name, int64_t now,
                            struct dive_record_peek *out)
{
    struct entry *e;

    memset(out, 0, sizeof(*out));
    lock(cache);
    e = find_live(cache, name, now);
    if (e)
        *out = (struct dive_record_peek){.security = e->record->answer.security,
                                         .n = e->record->answer.n,
                                         .ttl = seconds_left(e, now),
                                         .stored = e->stored};
    unlock(cache);
    return e != NULL;
}

void dive_record_cache_evict(struct dive_record_cache *cache, const char *name)
{
    struct entry *e;

    lock(cache);
    if ((e = find(cache, name)))
        drop(cache, e);
    unlock(cache);
}

size_t dive_record_cache_invalidate_keys(struct dive_record_cache *cache, const char *domain,
                                         int64_t timestamp)
{
    struct entry *e, *next;
    size_t dropped = 0;

    lock(cache);
    for (e = LIST_FIRST(&cache->keys); e; e = next) {
        next = LIST_NEXT(e, key);
        if (e->stored <= timestamp && dive_domain_covers(domain, e->key_domain)) {
            drop(cache, e);
            dropped++;
        }
    }
    unlock(cache);
    return dropped;
}

size_t dive_record_cache_entries(struct dive_record_cache *cache)
{
    size_t n;

    lock(cache);
    n = cache->n;
    unlock(cache);
    return n;
}

struct dive_signature_memo *dive_record_cache_signatures(struct dive_record_cache *cache)
{
    return cache->signatures;
}

int dive_record_cache_restore(struct dive_record_cache *cache, const char *name,
                              const struct dive_answer *answer, int64_t stored, int64_t expires,
                              int64_t now)
{
    int64_t cap = answer->security == DIVE_DNS_SECURE && answer->n > 0 ? DIVE_RECORD_LIFETIME_MAX
                                                                       : DIVE_NEGATIVE_CAP;
    int64_t lifetime;

    if (stored < 0 || stored > now || expires <= now)
        return 0;
    lifetime = expires - stored;
    return lifetime > cap ? 0 : dive_record_cache_put(cache, name, answer, stored, lifetime);
}

int dive_record_cache_each(struct dive_record_cache *cache, int64_t now,
                           int (*each)(void *arg, const char *name,
                                       const struct dive_answer *answer, int64_t stored,
                                       int64_t expires),
                           void *arg)
{
    struct entry *e;
    int r = 0;

    lock(cache);
    TAILQ_FOREACH_REVERSE(e, &cache->used, entry_queue, used)
    {
        if (now < e->stored || now >= e->expires)
            continue;
        if ((r = each(arg, e->name, &e->record->answer, e->stored, e->expires)))
            break;
    }
    unlock(cache);
    return r;
}
