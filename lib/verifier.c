/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier: the public calls, and the verdict. Every call that brings something in records it and
 * then calls settle(), which moves the stages in their order:
 *
 *   policy PENDING -> ABSENT ------------------------------------------> NOT_SUPPORTED
 *                  -> FAILED -> response with content -----------------> REJECT
 *                            -> without content -----------------------> NOT_COVERED
 *                  -> FOUND  -> response outside of all scopes --------> NOT_COVERED
 *                            -> inside, no usable fields --------------> REJECT
 *                            -> inside -> keys FAILED -----------------> REJECT
 *                                      -> content not as its digest ---> REJECT
 *                                      -> keys VERIFIED and content so -> ACCEPT
 *
 * `verdict` is written by conclude(), reject() and accept(), once; ACCEPT by accept() alone.
 */
#include "verifier_private.h"

#include <stdlib.h>

static const struct {
    const char *word, *text;
} reasons[DIVE_REASON_COUNT] = {
#define X(id, word, text) {word, text},
    DIVE_REASONS(X)
#undef X
};

const char *dive_reason_word(enum dive_reason reason)
{
    return (unsigned)reason < DIVE_REASON_COUNT ? reasons[reason].word : "";
}

const char *dive_reason_text(enum dive_reason reason)
{
    return (unsigned)reason < DIVE_REASON_COUNT ? reasons[reason].text : "";
}

const char *dive_verdict_word(enum dive_verdict verdict)
{
    static const char *const words[] = {
        [DIVE_UNDECIDED] = "undecided",
        [DIVE_ACCEPT] = "verified",
        [DIVE_REJECT] = "failed",
        [DIVE_NOT_COVERED] = "not-covered",
        [DIVE_NOT_SUPPORTED] = "not-supported",
    };
    return (unsigned)verdict < sizeof(words) / sizeof(*words) ? words[verdict] : "";
}

const char *dive_security_word(enum dive_security security)
{
    static const char *const words[] = {
        [DIVE_DNS_NO_ANSWER] = "no-answer",
        [DIVE_DNS_BOGUS] = "bogus",
        [DIVE_DNS_INSECURE] = "insecure",
        [DIVE_DNS_SECURE] = "secure",
    };
    return (unsigned)security < sizeof(words) / sizeof(*words) ? words[security] : "";
}

void verifier_break(struct dive_verifier *v, int error)
{
    if (!v->error)
        v->error = error ? error : DIVE_E_INTERNAL;
}

static void conclude(struct dive_verifier *v, enum dive_verdict verdict)
{
    if (v->verdict != DIVE_UNDECIDED || verdict == DIVE_ACCEPT)
        return;
    v->coverage = DIVE_UNCOVERED;
    v->verdict = verdict;
    verifier_check_drop_digests(v, 0);
}

static void reject(struct dive_verifier *v, enum dive_reason reason, const char *note)
{
    if (v->verdict != DIVE_UNDECIDED)
        return;
    v->coverage = DIVE_COVERED;
    v->verdict = DIVE_REJECT;
    v->reason = reason == DIVE_REASON_NONE ? DIVE_REASON_NO_VALID_KEY : reason;
    v->note = note;
}

/* The only way to ACCEPT. The stages have said that all of this is so; it is looked at again from
 * the primary facts, because a mistake in any stage must not be enough. */
static void accept(struct dive_verifier *v)
{
    const struct checked_entry *e = v->winner;
    const struct lookup *key =
        e && e->found && e->found <= v->n_lookups ? &v->lookups[e->found - 1] : NULL;
    const struct lookup *policy =
        v->policy_level < v->n_policy_lookups ? &v->lookups[v->policy_level] : NULL;

    if (v->verdict == DIVE_UNDECIDED && v->life == LIFE_ENDED && v->error == 0 &&
        v->policy_state == DIVE_POLICY_FOUND && v->policy && policy && lookup_records(policy) > 0 &&
        policy->security == DIVE_DNS_SECURE && v->coverage == DIVE_COVERED && v->response &&
        v->response->status == 200 && e && e->outcome == ENTRY_OUTCOME_VERIFIED && key &&
        key->key_id && lookup_records(key) > 0 && key->security == DIVE_DNS_SECURE &&
        verifier_check_content(v, e)) {
        v->verdict = DIVE_ACCEPT;
        return;
    }
    verifier_break(v, DIVE_E_INTERNAL);
    reject(v, DIVE_REASON_NO_VALID_KEY, "the verifier contradicts itself");
}

/* The scope of the policy that the response is in; NULL: none. */
static const char *find_scope(const struct dive_verifier *v)
{
    const struct dive_policy *policy = v->policy;

    if (policy->strict)
        return "strict";
    for (size_t i = 0; i < policy->n_scopes && v->options.custom_scope; i++) {
        if (v->options.custom_scope(v->options.custom_scope_arg, policy->scopes[i], v->request,
                                    v->response))
            return policy->scopes[i];
    }
    return NULL;
}

/* Policy and response are known: is it covered, and if so, what do its fields say? */
static void cover(struct dive_verifier *v, int64_t now)
{
    int status = v->response->status;
    enum dive_reason reason;

    if (!v->response->has_content) {
        conclude(v, DIVE_NOT_COVERED);
        return;
    }
    if (v->policy_state == DIVE_POLICY_FAILED) {
        reject(v, DIVE_REASON_DNSSEC_UNAVAILABLE,
               v->error  ? dive_strerror(v->error)
               : v->lost ? "the domain had a policy, and DNS no longer proves that it has none"
                         : "the policy could not be validated");
        return;
    }
    if (status < 200 || status > 299 || !(v->scope = find_scope(v)) ||
        (status != 200 && status != 206 && v->options.pass_other_success)) {
        v->scope = NULL;
        conclude(v, DIVE_NOT_COVERED);
        return;
    }
    v->coverage = DIVE_COVERED;
    if (status == 206) {
        reject(v, DIVE_REASON_MISSING_HEADERS, "unsolicited partial content");
        return;
    }
    if (status != 200) {
        reject(v, DIVE_REASON_MISSING_HEADERS, "content of a success status other than 200");
        return;
    }
    reason = verifier_check_begin(v);
    if (v->error)
        return;
    if (reason)
        reject(v, reason, "the response's DIVE fields are absent, malformed or prohibited");
    else
        verifier_keys_begin(v, now);
}

/* Covered, with entries: keys, then content. */
static void check(struct dive_verifier *v, int64_t now)
{
    if (!v->error)
        verifier_keys_step(v, now);
    /* No key can help content that isn't what the fields say. The keys that were asked for are
     * waited for all the same: the report and the trace tell what was found. */
    if (!v->error && v->life == LIFE_ENDED && !verifier_check_content(v, NULL)) {
        if (v->phase != KEYS_CACHED && v->phase != KEYS_ASKED)
            reject(v, DIVE_REASON_SIGNATURE_MISMATCH, "the content does not match its digest");
        return;
    }
    if (v->error)
        reject(v, DIVE_REASON_NO_VALID_KEY, dive_strerror(v->error));
    else if (v->phase == KEYS_FAILED)
        reject(v, verifier_check_reason(v), NULL);
    else if (v->phase == KEYS_VERIFIED && v->life == LIFE_ENDED)
        accept(v);
}

static void settle(struct dive_verifier *v, int64_t now)
{
    if (v->verdict != DIVE_UNDECIDED)
        return;
    if (v->policy_state == DIVE_POLICY_PENDING)
        verifier_policy_step(v);
    switch (v->policy_state) {
    case DIVE_POLICY_PENDING:
        /* Whatever the policy will be: what has no content can't be refused. */
        if (v->response && !v->response->has_content)
            v->coverage = DIVE_UNCOVERED;
        return;
    case DIVE_POLICY_ABSENT:
        conclude(v, DIVE_NOT_SUPPORTED);
        return;
    case DIVE_POLICY_FOUND:
    case DIVE_POLICY_FAILED:
        break;
    }
    if (!v->response)
        return;
    if (v->coverage != DIVE_COVERED)
        cover(v, now);
    if (v->verdict == DIVE_UNDECIDED)
        check(v, now);
}

int dive_verifier_new(struct dive_verifier **out, const struct dive_options *options)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return DIVE_E_NOMEM;
    (*out)->options = *options;
    return 0;
}

void dive_verifier_free(struct dive_verifier **v)
{
    struct dive_verifier *x = *v;

    if (!x)
        return;
    for (size_t i = 0; i < x->n_chains; i++)
        free(x->chain[i].at);
    lookups_free(x);
    verifier_check_free(x);
    free(x->policy);
    free(x->domain);
    free(x);
    *v = NULL;
}

int dive_verifier_start(struct dive_verifier *v, struct dive_span host, int64_t now)
{
    int r = DIVE_E_INTERNAL;

    if (v->life != LIFE_NEW)
        return DIVE_E_STATE;
    r = dive_domain_normalize(host, v->host);
    if (r == DIVE_E_UNSUPPORTED) {
        /* An IP literal has no DNS name, so no policy. It is kept for the report and the trace. */
        size_t n = host.n < DIVE_DOMAIN_MAX ? host.n : DIVE_DOMAIN_MAX;

        memcpy(v->host, host.p, n);
        v->host[n] = '\0';
        v->life = LIFE_STARTED;
        v->policy_state = DIVE_POLICY_ABSENT;
        settle(v, now);
        return 0;
    }
    if (r) {
        v->host[0] = '\0';
        return r == DIVE_E_NOMEM ? r : DIVE_E_SYNTAX;
    }
    v->life = LIFE_STARTED;
    r = verifier_policy_begin(v, now);
    v->policy_level = v->n_levels;
    if (r)
        verifier_break(v, r);
    settle(v, now);
    return v->error;
}

/* Is an answer to it still of use? */
static bool lookup_wanted(const struct dive_verifier *v, const struct lookup *l)
{
    if (l->answered || v->verdict != DIVE_UNDECIDED || v->error)
        return false;
    return l->key_id ? !v->winner : v->policy_state == DIVE_POLICY_PENDING;
}

bool dive_verifier_next_want(struct dive_verifier *v, struct dive_want *out)
{
    memset(out, 0, sizeof(*out));
    while (v->next_want < v->n_lookups) {
        struct lookup *l = &v->lookups[v->next_want++];

        if (!lookup_wanted(v, l))
            continue;
        l->handed_out = true;
        *out = (struct dive_want){(uint32_t)v->next_want, l->name, l->fresh};
        return true;
    }
    return false;
}

int dive_verifier_answer(struct dive_verifier *v, uint32_t id, const struct dive_answer *answer,
                         int64_t now)
{
    struct lookup *l = id > 0 && id <= v->n_lookups ? &v->lookups[id - 1] : NULL;
    int r = DIVE_E_INTERNAL;

    if (!l || !l->handed_out || l->answered)
        return DIVE_E_STATE;
    r = lookup_answer(v, l, answer, now);
    if (r)
        verifier_break(v, r);
    settle(v, now);
    return r ? r : v->error;
}

enum dive_policy_state dive_verifier_policy_state(const struct dive_verifier *v)
{
    return v->policy_state;
}

const struct dive_policy *dive_verifier_policy(const struct dive_verifier *v)
{
    return v->policy_state == DIVE_POLICY_FOUND ? v->policy : NULL;
}

const char *dive_verifier_policy_domain(const struct dive_verifier *v)
{
    if (v->policy_state != DIVE_POLICY_FOUND && v->policy_state != DIVE_POLICY_FAILED)
        return NULL;
    return v->policy_level < v->n_levels ? v->domain[v->policy_level] : NULL;
}

const struct dive_fault *dive_verifier_policy_fault(const struct dive_verifier *v,
                                                    const char **domain)
{
    if (domain)
        *domain = v->unsupported ? v->domain[v->policy_level] : NULL;
    return v->unsupported ? &v->fault : NULL;
}

const char *dive_verifier_policy_lost(const struct dive_verifier *v, bool *blocks)
{
    *blocks = v->lost_blocks;
    return v->lost;
}

bool dive_verifier_policy_has_scopes(const struct dive_verifier *v)
{
    const struct dive_policy *policy = dive_verifier_policy(v);

    return policy && (policy->strict || policy->n_scopes > 0);
}

int dive_verifier_response(struct dive_verifier *v, const struct dive_request *request,
                           const struct dive_response *response, int64_t now)
{
    if (v->life != LIFE_STARTED)
        return DIVE_E_STATE;
    v->life = LIFE_RESPONSE;
    v->request = request;
    v->response = response;
    v->response_time = now;
    /* The policy may come after the content: until it does, hash for every draft that it could be.
     */
    if (v->policy_state == DIVE_POLICY_PENDING && response->has_content &&
        response->status == 200) {
        for (unsigned i = 0; i < DIVE_VERSION_COUNT && !v->error; i++) {
            if (v->options.versions & DIVE_VERSION_BIT(i))
                verifier_check_prepare(v, i);
        }
    }
    settle(v, now);
    return v->error;
}

enum dive_coverage dive_verifier_coverage(const struct dive_verifier *v)
{
    return v->coverage;
}

bool dive_verifier_awaits_content(const struct dive_verifier *v)
{
    return v->verdict == DIVE_UNDECIDED && v->error == 0 && v->coverage == DIVE_COVERED &&
           v->life == LIFE_RESPONSE && v->phase == KEYS_VERIFIED && v->winner != NULL &&
           v->winner->outcome == ENTRY_OUTCOME_VERIFIED;
}

bool dive_verifier_needs_body(const struct dive_verifier *v)
{
    return v->verdict == DIVE_UNDECIDED && v->coverage != DIVE_UNCOVERED && !v->error &&
           v->life != LIFE_ENDED;
}

void dive_verifier_body(struct dive_verifier *v, const void *data, size_t n)
{
    if (v->verdict != DIVE_UNDECIDED || v->coverage == DIVE_UNCOVERED)
        return;
    if (v->life != LIFE_RESPONSE) {
        verifier_break(v, DIVE_E_STATE);
        settle(v, v->response_time);
        return;
    }
    if (n == 0)
        return;
    v->body_bytes += n;
    for (unsigned i = 0; v->head && i < DIVE_VERSION_COUNT; i++) {
        int r = v->head->digests[i] ? dive_digests_update(v->head->digests[i], data, n) : 0;

        if (r) {
            verifier_break(v, r);
            settle(v, v->response_time);
            return;
        }
    }
}

int dive_verifier_end(struct dive_verifier *v, int64_t now)
{
    if (v->life != LIFE_RESPONSE)
        return DIVE_E_STATE;
    v->life = LIFE_ENDED;
    for (unsigned i = 0; v->head && v->verdict == DIVE_UNDECIDED && i < DIVE_VERSION_COUNT; i++) {
        int r = v->head->digests[i] ? dive_digests_finish(v->head->digests[i]) : 0;

        if (r)
            verifier_break(v, r);
    }
    settle(v, now);
    return v->error;
}

int dive_verifier_end_known(struct dive_verifier *v, const struct dive_known_digest *known,
                            size_t n, int64_t now)
{
    struct dive_digests *digests = NULL;
    int r;

    if (v->life != LIFE_RESPONSE || v->coverage != DIVE_COVERED || v->body_bytes > 0)
        return DIVE_E_STATE;
    if (v->verdict == DIVE_UNDECIDED && v->head && v->policy)
        digests = v->head->digests[v->policy->version];
    r = digests ? dive_digests_restore(digests, known, n) : 0;
    if (r)
        return r;
    v->life = LIFE_ENDED;
    settle(v, now);
    return v->error;
}

bool dive_verifier_proof(const struct dive_verifier *v, struct dive_proof *out)
{
    const struct dive_digests *digests;

    memset(out, 0, sizeof(*out));
    if (v->verdict != DIVE_ACCEPT)
        return false;
    out->version = v->policy->version;
    out->domain = dive_verifier_policy_domain(v);
    out->key_id = v->winner->key_id;
    out->public_key = dive_span(v->winner->key, v->winner->key_len);
    digests = v->head->digests[v->policy->version];
    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        const uint8_t *value = dive_digests_get(digests, (enum dive_hash)i);

        if (!value)
            continue;
        out->digests[out->n_digests].hash = (enum dive_hash)i;
        memcpy(out->digests[out->n_digests++].bytes, value, dive_hash_bytes((enum dive_hash)i));
    }
    return true;
}

enum dive_verdict dive_verifier_verdict(const struct dive_verifier *v)
{
    return v->verdict;
}

enum dive_reason dive_verifier_reason(const struct dive_verifier *v)
{
    return v->reason;
}

const char *dive_verifier_key_id(const struct dive_verifier *v)
{
    const struct checked_entry *e = v->winner ? v->winner : v->tried_last;

    return e ? e->key_id : NULL;
}

enum dive_security dive_verifier_policy_security(const struct dive_verifier *v)
{
    return v->policy_security;
}
