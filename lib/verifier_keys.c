/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_keys: the search for a key that verifies one of the entries (draft-callec-dive-00
 * section 6.5, -01 section 7.4), in phases. A phase ends when all of its entries have failed; the
 * first entry that verifies ends the search.
 *
 *   IDLE -> CACHED   entries whose key the record cache holds: no name is asked
 *        -> ASKED    all the others, all their names at once
 *        -> FRESH    what could be otherwise by now: cached entries are evicted, and every name of
 * a failed entry is asked past all caches
 *        -> FAILED                                                (any) -> VERIFIED
 *
 * While invalidate-keys-cache lies in the future, no cache counts: ASKED already asks past them
 * all, CACHED has no entry, and FRESH would ask the same again, so it has none either.
 *
 * For DIVE_KEY_CACHE_CAP seconds after it, the record cache has no key that was stored before it,
 * but caches below us (the resolver's) may: what our cache doesn't hold is asked past them too.
 *
 * At one Key ID the levels are read from the closest upward, like the policy's: the first with a
 * record is used, even if that record is invalid. At most ENTRIES_MAX Key IDs times the levels of
 * the host times two are ever asked, each name once a round.
 */
#include "verifier_private.h"

#include <stdio.h>
#include <stdlib.h>

static const char infix[] = "._divekey.";

static struct key_chain *chain_of(struct dive_verifier *v, const char *key_id)
{
    struct key_chain *chain;

    for (size_t i = 0; i < v->n_chains; i++) {
        if (strcmp(v->chain[i].key_id, key_id) == 0)
            return &v->chain[i];
    }
    chain = &v->chain[v->n_chains];
    chain->at = calloc(v->n_levels, sizeof(*chain->at));
    if (!chain->at) {
        verifier_break(v, DIVE_E_NOMEM);
        return NULL;
    }
    chain->key_id = key_id;
    v->n_chains++;
    return chain;
}

/* Looks the name of `chain` at `level` up in `round`, unless that was done. `may_ask`: as a want if
 * the cache hasn't it. */
static void look_up(struct dive_verifier *v, struct key_chain *chain, size_t level,
                    enum key_round round, bool may_ask, int64_t now)
{
    struct lookup l = {.domain = v->domain[level], .key_id = chain->key_id, .source = LOOKUP_ASKED};
    bool past_caches = round == ROUND_FRESH || v->keys_uncached;
    size_t len = strlen(l.key_id) + sizeof(infix) - 1 + strlen(l.domain);
    uint32_t *at = &chain->at[level][round];

    if (*at || v->error)
        return;
    l.name = malloc(len + 1);
    if (!l.name) {
        verifier_break(v, DIVE_E_NOMEM);
        return;
    }
    snprintf(l.name, len + 1, "%s%s%s", l.key_id, infix, l.domain);
    if (len > DIVE_DOMAIN_MAX) {
        l.source = LOOKUP_IMPOSSIBLE;
        l.answered = true;
        l.security = DIVE_DNS_SECURE;
        *at = lookup_add(v, &l);
    } else {
        if (!past_caches)
            *at = lookup_from_cache(v, &l, now);
        l.fresh = past_caches || v->keys_invalidated;
        if (!*at && round == ROUND_FRESH && v->options.cache)
            dive_record_cache_evict(v->options.cache, l.name);
        if (!*at && may_ask && !v->error)
            *at = lookup_add(v, &l);
    }
    if (!*at)
        free(l.name);
}

enum found { FOUND_PENDING, FOUND_NOTHING, FOUND_UNVALIDATED, FOUND_RECORDS };

/* What the answers so far say about the entry's key. */
static enum found read_chain(const struct dive_verifier *v, const struct checked_entry *e,
                             uint32_t *index)
{
    *index = 0;
    for (size_t level = e->first; level <= e->last; level++) {
        uint32_t at = e->chain->at[level][e->round];
        const struct lookup *l = at ? &v->lookups[at - 1] : NULL;

        if (!l || !l->answered)
            return FOUND_PENDING;
        if (lookup_records(l)) {
            *index = at;
            return FOUND_RECORDS;
        }
        /* A key further up may be shadowed by what this level didn't say. */
        if (l->security < DIVE_DNS_INSECURE)
            return FOUND_UNVALIDATED;
    }
    return FOUND_NOTHING;
}

static void ask_chain(struct dive_verifier *v, struct checked_entry *e, bool may_ask, int64_t now)
{
    for (size_t level = e->first; level <= e->last; level++) {
        const uint32_t *at = &e->chain->at[level][e->round];

        look_up(v, e->chain, level, e->round, may_ask, now);
        /* A record that is known already: nothing above it can matter. */
        if (v->error || !*at || lookup_records(&v->lookups[*at - 1]))
            return;
    }
}

/* One entry with what is known. */
static void step_entry(struct dive_verifier *v, struct checked_entry *e)
{
    struct dive_key keys[DIVE_KEYS_PER_NAME_MAX];
    const struct dive_answer *answer;
    uint32_t index;
    size_t n;
    int error;

    switch (read_chain(v, e, &index)) {
    case FOUND_PENDING:
        return;
    case FOUND_NOTHING:
        e->outcome = ENTRY_OUTCOME_KEY_NOT_FOUND;
        break;
    case FOUND_UNVALIDATED:
        e->outcome = ENTRY_OUTCOME_KEY_UNVALIDATED;
        break;
    case FOUND_RECORDS:
        e->found = index;
        answer = &v->lookups[index - 1].record->answer;
        n = dive_key_select(keys, answer->txt, answer->n, &error);
        if (error)
            verifier_break(v, error);
        e->outcome = n && !error ? verifier_check_entry(v, e, keys, n) : ENTRY_OUTCOME_KEY_INVALID;
        break;
    }
    if (e->outcome)
        v->tried_last = e;
    if (e->outcome == ENTRY_OUTCOME_VERIFIED && !v->error)
        v->winner = e;
}

static bool in_phase(const struct dive_verifier *v, const struct checked_entry *e)
{
    switch (v->phase) {
    case KEYS_CACHED:
        return e->chain && e->from_cache;
    case KEYS_ASKED:
        return e->chain && !e->from_cache;
    case KEYS_FRESH:
        return e->chain && e->round == ROUND_FRESH;
    case KEYS_IDLE:
    case KEYS_FAILED:
    case KEYS_VERIFIED:
        break;
    }
    return false;
}

/* Could DNS, asked past all caches, say something that changes this failure? */
static bool fresh_may_help(const struct dive_verifier *v, const struct checked_entry *e)
{
    bool any_cached = false, any_possible = false;

    if (!e->chain || v->keys_uncached)
        return false;
    for (size_t level = e->first; level <= e->last; level++) {
        uint32_t at = e->chain->at[level][ROUND_FIRST];

        if (!at)
            continue;
        any_cached |= v->lookups[at - 1].source == LOOKUP_CACHED;
        any_possible |= v->lookups[at - 1].source != LOOKUP_IMPOSSIBLE && !v->lookups[at - 1].fresh;
    }
    switch (e->outcome) {
    case ENTRY_OUTCOME_KEY_NOT_FOUND:
    case ENTRY_OUTCOME_KEY_UNVALIDATED:
        return any_possible;
    case ENTRY_OUTCOME_KEY_INVALID:
    case ENTRY_OUTCOME_ALG_MISMATCH:
    case ENTRY_OUTCOME_HASH_NOT_ALLOWED:
    case ENTRY_OUTCOME_SIGNATURE_MISMATCH:
        return any_cached;
    default:
        return false;
    }
}

static void enter_phase(struct dive_verifier *v, enum keys_phase phase, int64_t now)
{
    v->phase = phase;
    for (size_t i = 0; i < v->n_entries && !v->error; i++) {
        struct checked_entry *e = &v->entry[i];

        if (phase == KEYS_FRESH && fresh_may_help(v, e)) {
            e->round = ROUND_FRESH;
            e->outcome = ENTRY_OUTCOME_PENDING;
            e->found = 0;
            e->key_algorithm = DIVE_ALGORITHM_NONE;
        }
        if (in_phase(v, e))
            ask_chain(v, e, true, now);
    }
}

void verifier_keys_begin(struct dive_verifier *v, int64_t now)
{
    uint32_t index;

    v->keys_uncached = v->policy->has_invalidate_keys && now <= v->policy->invalidate_keys;
    v->keys_invalidated = v->policy->has_invalidate_keys && !v->keys_uncached &&
                          now - v->policy->invalidate_keys <= DIVE_KEY_CACHE_CAP;
    for (size_t i = 0; i < v->n_entries && !v->error; i++) {
        struct checked_entry *e = &v->entry[i];

        if (e->outcome)
            continue;
        e->chain = chain_of(v, e->key_id);
        if (!e->chain)
            return;
        ask_chain(v, e, false, now);
        e->from_cache = read_chain(v, e, &index) == FOUND_RECORDS;
    }
    v->phase = KEYS_CACHED;
}

void verifier_keys_step(struct dive_verifier *v, int64_t now)
{
    while (v->phase == KEYS_CACHED || v->phase == KEYS_ASKED || v->phase == KEYS_FRESH) {
        bool waiting = false;

        for (size_t i = 0; i < v->n_entries && !v->error && !v->winner; i++) {
            struct checked_entry *e = &v->entry[i];

            if (!in_phase(v, e))
                continue;
            if (!e->outcome)
                step_entry(v, e);
            waiting |= !e->outcome;
        }
        if (v->winner) {
            v->phase = KEYS_VERIFIED;
            return;
        }
        if (waiting || v->error)
            return;
        if (v->phase == KEYS_FRESH)
            v->phase = KEYS_FAILED;
        else
            enter_phase(v, v->phase == KEYS_CACHED ? KEYS_ASKED : KEYS_FRESH, now);
    }
}
