/* SPDX-License-Identifier: BSD-2-Clause
 *
 * report: the failure report of draft-callec-dive-00 section 6.7 and -01 section 7.6. Every field
 * of the draft's example is there, null where it has nothing to say.
 */
#include "verifier_json.h"

#define set verifier_json_set

/* A policy that failed to be found has no version: then the newest that is accepted. */
static enum dive_version report_version(const struct dive_verifier *v)
{
    if (v->policy)
        return v->policy->version;
    return v->options.versions & DIVE_VERSION_BIT(DIVE_VERSION_DRAFT_01) ? DIVE_VERSION_DRAFT_01
                                                                         : DIVE_VERSION_DRAFT_00;
}

static json_t *client(const struct dive_verifier *v, bool *ok)
{
    json_t *o = json_object();

    set(o, "user-agent", verifier_json_string(v->options.user_agent), ok);
    return o;
}

static json_t *policy(const struct dive_verifier *v, bool *ok)
{
    json_t *o = json_object();

    set(o, "domain", verifier_json_string(dive_verifier_policy_domain(v)), ok);
    set(o, "fqdn", verifier_json_string(v->host), ok);
    set(o, "dnssec-validated", json_boolean(v->policy_security == DIVE_DNS_SECURE), ok);
    return o;
}

static json_t *resource(const struct dive_verifier *v, const char *url, bool *ok)
{
    json_t *o = json_object();

    set(o, "url", verifier_json_string(url), ok);
    set(o, "method", v->request ? verifier_json_text(v->request->method) : json_null(), ok);
    set(o, "status-code", json_integer(v->response->status), ok);
    set(o, "scope", verifier_json_string(v->scope), ok);
    return o;
}

static json_t *headers(const struct dive_verifier *v, bool *ok)
{
    static const char *const draft_00[] = {"dive-sig", NULL};
    static const char *const draft_01[] = {"signature-input", "signature", "content-digest", NULL};
    const char *const *name = report_version(v) == DIVE_VERSION_DRAFT_00 ? draft_00 : draft_01;
    json_t *o = json_object();

    for (; *name; name++)
        set(o, *name, verifier_json_field(v->response, *name), ok);
    return o;
}

/* The lookup that speaks for the entry: the one that had records, or else the closest level's. */
static const struct lookup *entry_lookup(const struct dive_verifier *v,
                                         const struct checked_entry *e)
{
    uint32_t index = e->found;

    if (!index && e->chain)
        index = e->chain->at[e->first][e->round];
    return index ? &v->lookups[index - 1] : NULL;
}

static json_t *key_entry(const struct dive_verifier *v, const struct checked_entry *e, bool *ok)
{
    const struct lookup *l = entry_lookup(v, e);
    json_t *o = json_object();

    set(o, "key-id", verifier_json_string(e->key_id), ok);
    set(o, "fqdn-queried", verifier_json_string(l ? l->name : NULL), ok);
    set(o, "found", json_boolean(e->found != 0), ok);
    set(o, "dnssec-validated", json_boolean(e->found && l->security == DIVE_DNS_SECURE), ok);
    set(o, "sig-algorithm",
        e->key_algorithm ? verifier_json_string(dive_algorithm_name(e->key_algorithm))
                         : json_null(),
        ok);
    return o;
}

/* In the order in which they were tried: those with a cached key went first. */
static json_t *key_resolution(const struct dive_verifier *v, bool *ok)
{
    json_t *a = json_array();

    for (int cached = 1; cached >= 0; cached--) {
        for (size_t i = 0; i < v->n_entries; i++) {
            const struct checked_entry *e = &v->entry[i];

            if (e->from_cache != (cached == 1) || !e->key_id[0] || !e->outcome)
                continue;
            if (json_array_append_new(a, key_entry(v, e, ok)))
                *ok = false;
        }
    }
    return a;
}

/* The hash of the last attempt; of several in Content-Digest, the first that doesn't match. */
static bool used_hash(const struct dive_verifier *v, const struct dive_digests *digests,
                      enum dive_hash *out)
{
    const struct dive_content_digest *listed = &v->head->content_digest;
    bool found = false;

    if (v->policy->version == DIVE_VERSION_DRAFT_00) {
        const struct dive_sig *sig = &v->head->dive_sig;
        const struct checked_entry *e = v->winner ? v->winner : v->tried_last;

        if (v->head->dive_sig_error || sig->n == 0)
            return false;
        *out = e && e->dive_sig ? e->dive_sig->hash : sig->entry[sig->n - 1].hash;
        return true;
    }
    for (unsigned i = 0; i < DIVE_HASH_COUNT && !v->head->content_digest_error; i++) {
        const uint8_t *digest;

        if (!(listed->hashes & DIVE_HASH_BIT(i)))
            continue;
        digest = digests ? dive_digests_get(digests, i) : NULL;
        if (!found)
            *out = i;
        found = true;
        if (digest && memcmp(digest, listed->value[i], dive_hash_bytes(i)) != 0) {
            *out = i;
            break;
        }
    }
    return found;
}

static json_t *validation(const struct dive_verifier *v, bool blocked, bool *ok)
{
    const struct dive_digests *digests = NULL;
    const char *name = NULL;
    const uint8_t *digest = NULL;
    enum dive_hash hash = DIVE_HASH_COUNT;
    json_t *o = json_object();

    if (v->head && v->policy) {
        digests = v->head->digests[v->policy->version];
        if (used_hash(v, digests, &hash)) {
            name = v->policy->version == DIVE_VERSION_DRAFT_00 ? dive_hash_record_name(hash)
                                                               : dive_hash_field_name(hash);
            digest = digests ? dive_digests_get(digests, hash) : NULL;
        }
    }
    set(o, "hash-algorithm", verifier_json_string(name), ok);
    set(o, "hash-computed",
        digest ? verifier_json_base64(digest, dive_hash_bytes(hash)) : json_null(), ok);
    /* Step 5 counts the digest as part of a verification: had one succeeded, this were no REJECT.
     */
    set(o, "signature-valid", json_false(), ok);
    set(o, "failure-reason", verifier_json_string(dive_reason_word(v->reason)), ok);
    set(o, "final-decision", verifier_json_string(blocked ? "blocked" : "allowed-report-only"), ok);
    return o;
}

int dive_verifier_report(const struct dive_verifier *v, const char *url, bool blocked, int64_t now,
                         char **out)
{
    bool ok = true;
    json_t *o;

    *out = NULL;
    if (v->verdict != DIVE_REJECT || !v->response)
        return DIVE_E_STATE;
    o = json_object();
    set(o, "report-version", verifier_json_string("0.1"), &ok);
    set(o, "timestamp", json_integer(now), &ok);
    set(o, "client", client(v, &ok), &ok);
    set(o, "policy", policy(v, &ok), &ok);
    set(o, "resource", resource(v, url, &ok), &ok);
    set(o, "headers-received", headers(v, &ok), &ok);
    set(o, "key-resolution", key_resolution(v, &ok), &ok);
    set(o, "validation", validation(v, blocked, &ok), &ok);
    return verifier_json_finish(o, ok, out);
}
