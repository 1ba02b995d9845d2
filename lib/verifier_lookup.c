/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_lookup: the list of names that a verification looked up, and the way between an answer
 * and the record cache. How long an answer may be kept is computed here for both kinds of record,
 * and again when a cached one is used: the cache is shared, so the one who stored it may have read
 * it otherwise (a name can be both a policy's and a key's, `_dive._divekey.example`).
 */
#include "verifier_private.h"

#include <stdlib.h>

uint32_t lookup_add(struct dive_verifier *v, const struct lookup *lookup)
{
    if (v->n_lookups == v->lookups_room) {
        size_t room = v->lookups_room ? v->lookups_room * 2 : 8;
        struct lookup *grown = reallocarray(v->lookups, room, sizeof(*grown));

        if (!grown) {
            verifier_break(v, DIVE_E_NOMEM);
            return 0;
        }
        v->lookups = grown;
        v->lookups_room = room;
    }
    v->lookups[v->n_lookups++] = *lookup;
    return (uint32_t)v->n_lookups;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long the records of a secure answer may be kept, by what they say: the `cache` parameter and
 * the draft's cap. 0 for what isn't a valid record: it is asked for again each time. */
static int64_t records_lifetime(const struct dive_verifier *v, bool is_key,
                                const struct dive_answer *answer)
{
    if (is_key) {
        struct dive_key keys[DIVE_KEYS_PER_NAME_MAX];
        int64_t lifetime = DIVE_KEY_CACHE_CAP;
        int error;
        size_t n = dive_key_select(keys, answer->txt, answer->n, &error);

        for (size_t i = 0; i < n; i++)
            lifetime = least(lifetime, keys[i].cache);
        return n ? lifetime : 0;
    }
    struct dive_policy policy;
    bool ambiguous;

    if (dive_policy_select(&policy, answer->txt, answer->n, v->options.versions, &ambiguous, NULL))
        return 0;
    return least(policy.cache, dive_version_policy_cap(policy.version));
}

uint32_t lookup_from_cache(struct dive_verifier *v, const struct lookup *lookup, int64_t now)
{
    struct dive_record_cache *cache = v->options.cache;
    struct lookup l = *lookup;
    struct dive_record_peek peek;
    uint32_t index;

    if (!cache || !dive_record_cache_peek(cache, l.name, now, &peek))
        return 0;
    /* The purge of the whole domain happened when the policy came from DNS; what another verifier
     * has stored since with an older clock is caught here. */
    if (l.key_id && v->policy->has_invalidate_keys && peek.stored <= v->policy->invalidate_keys) {
        dive_record_cache_evict(cache, l.name);
        return 0;
    }
    if (peek.n > 0) {
        l.record = dive_record_cache_get(cache, l.name, now);
        if (!l.record || l.record->answer.security != DIVE_DNS_SECURE ||
            l.record->stored != peek.stored ||
            now - l.record->stored >= records_lifetime(v, l.key_id, &l.record->answer)) {
            dive_record_free(&l.record);
            return 0;
        }
    }
    l.source = LOOKUP_CACHED;
    l.answered = true;
    l.answered_at = now;
    l.security = peek.security;
    l.ttl = peek.ttl;
    index = lookup_add(v, &l);
    if (!index)
        dive_record_free(&l.record);
    return index;
}

static void store(struct dive_verifier *v, const struct lookup *l, const struct dive_answer *answer,
                  int64_t now)
{
    int64_t lifetime;
    int r;

    if (!v->options.cache || answer->security < DIVE_DNS_INSECURE)
        return;
    if (l->key_id && v->policy->has_invalidate_keys && now <= v->policy->invalidate_keys)
        return;
    if (answer->security == DIVE_DNS_SECURE && answer->n > 0)
        lifetime = least(records_lifetime(v, l->key_id, answer), answer->ttl);
    else
        lifetime = least(answer->ttl, DIVE_NEGATIVE_CAP);
    /* Nothing is lost but time when it can't be kept. */
    r = dive_record_cache_put(v->options.cache, l->name, answer, now, lifetime);
    (void)r;
}

static bool well_formed(const struct dive_answer *answer)
{
    size_t bytes = 0;

    if (answer->security != DIVE_DNS_SECURE)
        return true;
    if (answer->n > ANSWER_RECORDS_MAX || (answer->n && !answer->txt))
        return false;
    for (size_t i = 0; i < answer->n; i++) {
        if (answer->txt[i].n > ANSWER_BYTES_MAX - bytes)
            return false;
        bytes += answer->txt[i].n;
    }
    return true;
}

int lookup_answer(struct dive_verifier *v, struct lookup *l, const struct dive_answer *answer,
                  int64_t now)
{
    struct dive_answer a = *answer;
    int r = DIVE_E_INTERNAL;

    l->answered = true;
    l->answered_at = now;
    l->security = DIVE_DNS_NO_ANSWER;
    if (a.security != DIVE_DNS_SECURE && a.security != DIVE_DNS_INSECURE &&
        a.security != DIVE_DNS_BOGUS)
        a.security = DIVE_DNS_NO_ANSWER;
    if (!well_formed(&a))
        a = (struct dive_answer){.security = DIVE_DNS_NO_ANSWER,
                                 .why = "the answer is larger than a DNS message"};
    if (a.security != DIVE_DNS_SECURE) {
        a.txt = NULL;
        a.n = 0;
    }
    if (a.n || a.why) {
        if ((r = dive_record_new(&l->record, &a, now)))
            return r;
    }
    l->security = a.security;
    l->ttl = a.ttl;
    store(v, l, &a, now);
    return 0;
}

void lookups_free(struct dive_verifier *v)
{
    for (size_t i = 0; i < v->n_lookups; i++) {
        dive_record_free(&v->lookups[i].record);
        if (v->lookups[i].key_id)
            free(v->lookups[i].name);
    }
    free(v->lookups);
    v->lookups = NULL;
    v->n_lookups = 0;
}
