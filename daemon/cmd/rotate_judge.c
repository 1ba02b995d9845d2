/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rotate_judge: where a domain stands, and what comes next.
 *
 *      steady -> published -> rolling -> both -> old-unused -> steady
 *                (wait: TTLs)          (verify)  (wait: caches)
 *
 * DNS doesn't tell since when a record has been there, so "not before" counts from now, as if it
 * had been published this second: late by at most one TTL, never early.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "cmd/rotate.h"

const char *rotate_phase_word(enum rotate_phase phase)
{
    static const char *const words[] = {
        [ROTATE_NOT_DEPLOYED] = "not-deployed",
        [ROTATE_UNKNOWN] = "unknown",
        [ROTATE_BROKEN] = "broken",
        [ROTATE_STEADY] = "steady",
        [ROTATE_PUBLISHED] = "published",
        [ROTATE_ROLLING] = "rolling",
        [ROTATE_BOTH] = "both-sign",
        [ROTATE_OLD_UNUSED] = "old-unused",
        [ROTATE_SPARE] = "spare-key",
        [ROTATE_COMPROMISED] = "compromised",
    };

    return words[phase];
}

struct rotate_key *rotate_key_add(struct rotate_state *state, const char *key_id, const char *fqdn)
{
    struct rotate_key *key;

    for (size_t i = 0; i < state->n_keys; i++) {
        if (strcmp(state->keys[i].key.key_id, key_id) == 0 &&
            strcmp(state->keys[i].key.fqdn, fqdn) == 0)
            return &state->keys[i];
    }
    if (state->n_keys == ROTATE_KEYS_MAX)
        return NULL;
    key = &state->keys[state->n_keys++];
    *key = (struct rotate_key){0};
    snprintf(key->key.key_id, sizeof(key->key.key_id), "%s", key_id);
    snprintf(key->key.fqdn, sizeof(key->key.fqdn), "%s", fqdn);
    return key;
}

__attribute__((format(printf, 3, 4))) static void find(struct rotate_advice *out,
                                                       enum records_severity severity,
                                                       const char *format, ...)
{
    va_list arguments;

    out->wrong = out->wrong || severity == RECORDS_ERROR;
    if (out->n_findings == ROTATE_LINES_MAX)
        return;
    out->findings[out->n_findings].severity = severity;
    va_start(arguments, format);
    vsnprintf(out->findings[out->n_findings++].text, sizeof(out->findings[0].text), format,
              arguments);
    va_end(arguments);
}

__attribute__((format(printf, 3, 4))) static void step(struct rotate_advice *out, int64_t when,
                                                       const char *format, ...)
{
    va_list arguments;

    if (out->n_steps == sizeof(out->steps) / sizeof(out->steps[0]))
        return;
    out->steps[out->n_steps].not_before = when;
    va_start(arguments, format);
    vsnprintf(out->steps[out->n_steps++].text, sizeof(out->steps[0].text), format, arguments);
    va_end(arguments);
}

/* Until every resolver that said "no such key" a moment ago asks again, and every cached key record
 * has had its TTL (draft-00 section 7.1, step 2). */
static int64_t propagated(const struct rotate_state *s)
{
    int64_t most = s->negative_ttl;

    for (size_t i = 0; i < s->n_keys; i++) {
        if (s->keys[i].published == ROTATE_VALID && s->keys[i].ttl > most)
            most = s->keys[i].ttl;
    }
    return s->now + most;
}

/* What the responses say of the keys. */
struct census {
    size_t published, everywhere, somewhere, nowhere; /* of the valid ones */
    const struct rotate_key *new_key, *compromised, *used, *unused;
    bool refused; /* a response has no key that verifies */
};

static void count_key(const struct rotate_state *s, const struct rotate_key *key, struct census *c)
{
    if (key->is_new)
        c->new_key = key;
    if (key->is_compromised)
        c->compromised = key;
    if (key->published != ROTATE_VALID)
        return;
    c->published++;
    if (key->responses == s->responses && s->responses > 0) {
        c->everywhere++;
        if (c->used == NULL || !key->is_new)
            c->used = key;
    } else if (key->responses > 0) {
        c->somewhere++;
    } else {
        c->nowhere++;
        c->unused = key;
    }
}

static struct census count_keys(const struct rotate_state *s)
{
    struct census c = {0};

    for (size_t i = 0; i < s->n_keys; i++)
        count_key(s, &s->keys[i], &c);
    c.refused = s->responses > 0 && c.everywhere == 0 && c.somewhere == 0;
    return c;
}

static void find_key_faults(const struct rotate_state *s, const struct census *c,
                            struct rotate_advice *out)
{
    for (size_t i = 0; i < s->n_keys; i++) {
        const struct rotate_key *key = &s->keys[i];

        if (key->published == ROTATE_UNVALIDATED)
            find(out, RECORDS_ERROR, "%s: DNS gives no validated answer about this key",
                 key->key.key_id);
        else if (key->published == ROTATE_INVALID)
            find(out, RECORDS_ERROR, "%s: its record is no valid key (divectl records names why)",
                 key->key.key_id);
        else if (key->published == ROTATE_ABSENT && key->responses > 0 && !key->is_compromised)
            find(out, c->everywhere == 0 ? RECORDS_ERROR : RECORDS_WARNING,
                 "%s signs %zu of %zu responses and is not in DNS: removed too early, or not "
                 "published yet",
                 key->key.key_id, key->responses, s->responses);
        else if (key->published == ROTATE_ABSENT && key->responses == 0)
            find(out, RECORDS_NOTE,
                 "%s is not in DNS and signs nothing: a Key ID that was used once "
                 "must not be used again",
                 key->key.key_id);
    }
}

static void judge_policy(const struct rotate_state *s, struct rotate_advice *out)
{
    if (!s->has_policy)
        find(out, RECORDS_ERROR, "there is no policy that counts: DIVE is not supported");
    else if (!s->has_scopes)
        find(out, RECORDS_WARNING, "the policy has no scopes: no response is verified");
    if (s->unsigned_responses > 0)
        find(out, s->has_scopes ? RECORDS_ERROR : RECORDS_WARNING,
             "%zu of %zu responses carry no usable signature: clients refuse them",
             s->unsigned_responses, s->responses);
    if (s->others > 0)
        find(out, RECORDS_NOTE, "%zu responses with a status other than 200 count for nothing",
             s->others);
}

/* draft-01 section 8.2 */

static void step_invalidate(const struct rotate_state *s, struct rotate_advice *out)
{
    int64_t at_least = s->since > 0 ? s->since : s->now;

    if (s->has_invalidate && (s->since == 0 || s->invalidate >= s->since)) {
        if (s->invalidate > s->now)
            find(out, RECORDS_NOTE,
                 "invalidate-keys-cache lies %" PRId64 " s in the future: until "
                 "then clients ask DNS at every verification",
                 s->invalidate - s->now);
        return;
    }
    if (s->has_invalidate)
        find(out, RECORDS_ERROR,
             "invalidate-keys-cache is %" PRId64 ", before the compromise (%" PRId64
             "): keys cached in between stay in use",
             s->invalidate, s->since);
    step(out, 0,
         "Set invalidate-keys-cache in ALL policy records that apply, to %" PRId64
         " or later (this value counts the %" PRId64 " s that the policy itself may be cached): "
         "divectl records --make --invalidate-keys-cache",
         (at_least > s->now ? at_least : s->now) + s->policy_age, s->policy_age);
}

static void judge_compromise(const struct rotate_state *s, const struct census *c,
                             struct rotate_advice *out)
{
    const struct rotate_key *bad = c->compromised;
    bool replaced = (c->everywhere > 0 && c->used != bad) || (c->everywhere > 1);

    out->phase = ROTATE_COMPROMISED;
    if (s->report_only)
        find(out, RECORDS_ERROR,
             "report-only is set: the draft forbids that while a key is "
             "compromised, as it lets everything through that the attacker signs");
    if (s->report_only)
        step(out, 0, "Take report-only out of the policy.");
    step_invalidate(s, out);
    if (bad != NULL && !replaced)
        step(out, 0, "%sign all responses by it as well.",
             c->published > (bad->published == ROTATE_VALID)
                 ? "Another key is published: s"
                 : "Publish a new key under a new Key ID, and s");
    if (bad != NULL && bad->published != ROTATE_ABSENT) {
        find(out, RECORDS_ERROR,
             "%s, which is compromised, is still in DNS: clients accept what it "
             "signs",
             bad->key.key_id);
        step(out, replaced ? 0 : propagated(s),
             "Remove the record of %s from DNS%s. Resolvers may "
             "keep it for %u s more, clients for %" PRId64
             " s unless invalidate-keys-cache reaches "
             "them.",
             bad->key.key_id,
             replaced ? " now: the new key signs every response that was looked at"
                      : " as soon as the new key signs",
             bad->ttl, bad->lifetime);
    }
    if (bad != NULL && bad->responses > 0)
        step(out, 0,
             "Take the signatures by %s out of the responses (%zu of %zu carry one), once "
             "those by the new key are there.",
             bad->key.key_id, bad->responses, s->responses);
    step(
        out, (s->has_invalidate ? s->invalidate : s->now) + ROTATE_KEEP_SECONDS,
        "Keep invalidate-keys-cache for at least 86400 s after it was set; then take it out of the "
        "policy, so that keys are cached again.");
}

/* draft-01 section 8.1 */

static void judge_unused(const struct rotate_state *s, const struct census *c,
                         struct rotate_advice *out)
{
    const char *id = c->unused->key.key_id;
    bool is_new = c->new_key == c->unused && c->new_key != NULL;
    bool is_old = c->new_key != NULL && !is_new;

    out->phase = is_new ? ROTATE_PUBLISHED : is_old ? ROTATE_OLD_UNUSED : ROTATE_SPARE;
    if (!is_old)
        step(out, propagated(s),
             "%sbegin to sign by both keys, old and new, in every response: "
             "by then no resolver remembers that %s was absent, if it was published just now.",
             is_new ? "" : "If it is the new key: ", id);
    if (!is_new)
        step(out, s->now + s->freshness,
             "%sremove the record of %s: no response that was looked at "
             "is signed by it. HTTP caches may hold responses with the old signature alone for "
             "%" PRId64 " s, by their Cache-Control.%s",
             is_old ? "" : "If it is the old key: ", id, s->freshness,
             is_old ? "" : " (Tell which by --new KEYID.)");
    if (!is_new)
        find(out, RECORDS_NOTE, "%s is in DNS and signs nothing that was looked at", id);
}

static void judge_rotation(const struct rotate_state *s, const struct census *c,
                           struct rotate_advice *out)
{
    if (c->refused || (c->everywhere == 0 && c->somewhere == 0)) {
        out->phase = ROTATE_BROKEN;
        step(out, 0,
             "Publish the keys that sign the responses again, or sign by one that is "
             "published: clients refuse them now.");
    } else if (c->somewhere > 0) {
        out->phase = ROTATE_ROLLING;
        step(out, 0,
             "Go on until every response is signed by both keys: %zu key(s) sign all that "
             "were looked at, %zu only some. Remove nothing before.",
             c->everywhere, c->somewhere);
    } else if (c->everywhere > 1) {
        out->phase = ROTATE_BOTH;
        step(out, propagated(s),
             "Verify all resources by the new key (divectl verify), then take "
             "the old signature out of the responses. The old key stays in DNS.");
        step(out, propagated(s) + s->freshness,
             "Then remove the old key's record, when no HTTP "
             "cache holds a response with the old signature alone.");
    } else if (c->nowhere > 0) {
        judge_unused(s, c, out);
    } else {
        out->phase = ROTATE_STEADY;
        step(out, 0,
             "Nothing has to be done. To rotate: make a key (divectl keygen) and publish it "
             "under a new Key ID (divectl records --make), then ask again with --new KEYID.");
    }
}

void rotate_judge(const struct rotate_state *s, struct rotate_advice *out)
{
    struct census c = count_keys(s);
    bool expired = s->has_invalidate && s->invalidate <= s->now - ROTATE_KEEP_SECONDS;

    *out = (struct rotate_advice){0};
    judge_policy(s, out);
    find_key_faults(s, &c, out);
    if (expired)
        find(out, RECORDS_NOTE,
             "invalidate-keys-cache is older than a day: if it was set then, it "
             "has done its work and may be taken out of the policy");
    if (c.compromised != NULL || s->since > 0 || (s->has_invalidate && !expired)) {
        judge_compromise(s, &c, out);
    } else if (!s->has_policy || (c.published == 0 && s->responses == s->unsigned_responses)) {
        out->phase = ROTATE_NOT_DEPLOYED;
        step(out, 0,
             "Publish a key and a policy with scopes (divectl records --make), and sign the "
             "responses first.");
    } else if (s->responses == 0) {
        out->phase = ROTATE_UNKNOWN;
        step(out, 0,
             "Show what the origin sends: --url URL, or --headers FILE (curl -sI URL >FILE).");
    } else {
        judge_rotation(s, &c, out);
    }
}
