/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_policy: the walk for the `_dive` record (draft-callec-dive-00 section 6.2, -01
 * section 7.1).
 *
 * All levels are asked at once. The walk reads the answers from the host upward and stops at the
 * first that says something; an answer that is still missing at a closer level keeps everything
 * above it from counting, and nothing above the winner is waited for.
 */
#include "verifier_private.h"

#include <stdlib.h>

static const char prefix[] = "_dive.";
#define PREFIX_LEN (sizeof(prefix) - 1)

/* One allocation: the level pointers, then the names. */
static int make_names(struct dive_verifier *v, char **names)
{
    size_t levels = dive_domain_labels(v->host), bytes = 0;
    char *p;

    *names = NULL;
    for (const char *d = v->host; d; d = dive_domain_parent(d))
        bytes += PREFIX_LEN + strlen(d) + 1;
    v->domain = malloc(levels * sizeof(*v->domain) + bytes);
    if (!v->domain)
        return DIVE_E_NOMEM;
    *names = p = (char *)(v->domain + levels);
    for (const char *d = v->host; d && v->n_levels < levels; d = dive_domain_parent(d)) {
        v->domain[v->n_levels++] = d;
        memcpy(p, prefix, PREFIX_LEN);
        memcpy(p + PREFIX_LEN, d, strlen(d) + 1);
        p += PREFIX_LEN + strlen(d) + 1;
    }
    return 0;
}

int verifier_policy_begin(struct dive_verifier *v, int64_t now)
{
    char *name;
    int r = make_names(v, &name);

    if (r)
        return r;
    for (size_t i = 0; i < v->n_levels; i++, name += strlen(name) + 1) {
        struct lookup l = {.name = name, .domain = v->domain[i], .source = LOOKUP_ASKED};
        uint32_t index = 0;

        if (strlen(name) > DIVE_DOMAIN_MAX) {
            /* Such a name can't exist, so nothing stands there. */
            l.source = LOOKUP_IMPOSSIBLE;
            l.answered = true;
            l.security = DIVE_DNS_SECURE;
        } else {
            index = lookup_from_cache(v, &l, now);
        }
        if (!index && !v->error)
            index = lookup_add(v, &l);
        if (!index)
            return v->error;
        v->n_policy_lookups = index;
        /* A record in the cache ends the walk at the latest: no level above it can matter. */
        if (lookup_records(&v->lookups[index - 1]))
            break;
    }
    return 0;
}

/* ---- the memory of seen policies, beyond the drafts ----
 *
 * Whoever strips DNSSEC from a domain (at its parent, or by a local resolver that is trusted) turns
 * DIVE off for it, which the drafts can't tell from an operator who gave it up. The memory can: a
 * domain that had a policy is let go only by a validated answer. Only a level that had the policy
 * itself counts, and only when the walk comes by. */

static bool is_remembered(struct dive_verifier *v, const struct lookup *l)
{
    int64_t value;

    return dive_memory_get(v->options.policies, l->domain, l->answered_at,
                           v->options.remember_policies, &value, NULL);
}

/* `l` ends the walk with `policy`; NULL: it proves that there is none. What came from the cache
 * says nothing new, as it could be older than what another verification has learned; but where the
 * memory knows nothing of the domain (it was kept apart from the cache, and less of it has come
 * over a restart), it counts from the time when it was stored. */
static void remember(struct dive_verifier *v, const struct lookup *l,
                     const struct dive_policy *policy)
{
    bool covers = policy && (policy->strict || policy->n_scopes > 0);
    int64_t value, since = l->answered_at;
    int r;

    if (!v->options.policies)
        return;
    if (l->source != LOOKUP_ASKED) {
        if (!covers || !l->record || is_remembered(v, l))
            return;
        since = l->record->stored;
    }
    if (!covers) {
        dive_memory_disprove(v->options.policies, l->domain, since);
        return;
    }
    value = policy->report_only ? DIVE_REMEMBERED_REPORT_ONLY : DIVE_REMEMBERED_ENFORCED;
    /* Without memory the domain is as safe as the drafts make it. */
    r = dive_memory_put(v->options.policies, l->domain, l->domain, value, since);
    (void)r;
}

/* `l` brought no validated answer, and the walk would go on. Does the memory forbid that? */
static bool lost(struct dive_verifier *v, const struct lookup *l)
{
    int64_t value;

    if (!v->options.policies || l->security == DIVE_DNS_SECURE ||
        !dive_memory_get(v->options.policies, l->domain, l->answered_at,
                         v->options.remember_policies, &value, NULL))
        return false;
    v->lost = l->domain;
    v->lost_blocks = value != DIVE_REMEMBERED_REPORT_ONLY;
    return v->lost_blocks;
}

static void found(struct dive_verifier *v, size_t level)
{
    const struct lookup *l = &v->lookups[level];
    struct dive_policy *policy = malloc(sizeof(*policy));
    bool ambiguous;
    int r = DIVE_E_NOMEM;

    if (policy)
        r = dive_policy_select(policy, l->record->answer.txt, l->record->answer.n,
                               v->options.versions, &ambiguous, &v->fault);
    v->policy_security = DIVE_DNS_SECURE;
    v->policy_level = level;
    if (r) {
        free(policy);
        if (r == DIVE_E_NOMEM || r == DIVE_E_INTERNAL) {
            verifier_break(v, r);
            v->policy_state = DIVE_POLICY_FAILED;
            return;
        }
        v->unsupported = true;
        remember(v, l, NULL);
        v->policy_state = DIVE_POLICY_ABSENT;
        return;
    }
    v->policy = policy;
    v->policy_state = DIVE_POLICY_FOUND;
    remember(v, l, policy);
    if (policy->has_invalidate_keys && l->source != LOOKUP_CACHED && v->options.cache)
        dive_record_cache_invalidate_keys(v->options.cache, l->domain, policy->invalidate_keys);
}

static void failed(struct dive_verifier *v, size_t level)
{
    v->policy_state = DIVE_POLICY_FAILED;
    v->policy_level = level;
    v->policy_security =
        level < v->n_policy_lookups ? v->lookups[level].security : DIVE_DNS_NO_ANSWER;
}

void verifier_policy_step(struct dive_verifier *v)
{
    enum dive_security weakest = DIVE_DNS_SECURE;

    if (v->error) {
        failed(v, v->n_levels);
        return;
    }
    for (size_t i = 0; i < v->n_policy_lookups; i++) {
        const struct lookup *l = &v->lookups[i];
        bool ignored = (l->security == DIVE_DNS_BOGUS && v->options.ignore_bogus) ||
                       (l->security == DIVE_DNS_NO_ANSWER && v->options.ignore_no_answer);

        if (!l->answered)
            return;
        if (lookup_records(l)) {
            found(v, i);
            return;
        }
        if ((l->security < DIVE_DNS_INSECURE && !ignored) || lost(v, l)) {
            failed(v, i);
            return;
        }
        if (l->security == DIVE_DNS_SECURE)
            remember(v, l, NULL);
        if (l->security < weakest)
            weakest = l->security;
    }
    v->policy_state = DIVE_POLICY_ABSENT;
    v->policy_security = weakest;
}
