/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace: what one verification asked, was answered, checked and decided, for people and for the
 * audit log. The format is documented in docs/trace.md; fields are added, never renamed.
 */
#include "verifier_json.h"

#define set verifier_json_set

static void append(json_t *array, json_t *value, bool *ok)
{
    if (json_array_append_new(array, value))
        *ok = false;
}

static const char *policy_state_word(enum dive_policy_state state)
{
    static const char *const words[] = {
        [DIVE_POLICY_PENDING] = "pending",
        [DIVE_POLICY_ABSENT] = "absent",
        [DIVE_POLICY_FOUND] = "found",
        [DIVE_POLICY_FAILED] = "failed",
    };
    return words[state];
}

static const char *coverage_word(enum dive_coverage coverage)
{
    static const char *const words[] = {
        [DIVE_COVERAGE_PENDING] = "pending",
        [DIVE_COVERED] = "covered",
        [DIVE_UNCOVERED] = "uncovered",
    };
    return words[coverage];
}

static json_t *fault_object(const struct dive_fault *fault, bool *ok)
{
    json_t *o = json_object();

    set(o, "parameter", verifier_json_string(fault->parameter[0] ? fault->parameter : NULL), ok);
    set(o, "offset", json_integer((json_int_t)fault->offset), ok);
    set(o, "text", verifier_json_string(fault->text), ok);
    return o;
}

static json_t *scopes(const struct dive_policy *policy, bool *ok)
{
    json_t *a = json_array();

    if (policy->strict)
        append(a, json_string("strict"), ok);
    for (size_t i = 0; i < policy->n_scopes; i++)
        append(a, verifier_json_string(policy->scopes[i]), ok);
    return a;
}

static json_t *directives(const struct dive_policy *policy, bool *ok)
{
    json_t *a = json_array();

    if (policy->https_required)
        append(a, json_string("https-required"), ok);
    if (policy->report_only)
        append(a, json_string("report-only"), ok);
    return a;
}

static void add_policy(json_t *o, const struct dive_policy *policy, bool *ok)
{
    set(o, "v", verifier_json_string(dive_version_token(policy->version)), ok);
    set(o, "scopes", scopes(policy, ok), ok);
    set(o, "directives", directives(policy, ok), ok);
    set(o, "cache", json_integer(policy->cache), ok);
    set(o, "invalidate-keys-cache",
        policy->has_invalidate_keys ? json_integer(policy->invalidate_keys) : json_null(), ok);
    set(o, "report-to", verifier_json_string(policy->report_to[0] ? policy->report_to : NULL), ok);
}

static json_t *hash_names(unsigned hashes, bool *ok)
{
    json_t *a = json_array();

    for (unsigned i = 0; i < DIVE_HASH_COUNT; i++) {
        if (hashes & DIVE_HASH_BIT(i))
            append(a, json_string(dive_hash_record_name(i)), ok);
    }
    return a;
}

static void add_key(json_t *o, const struct dive_key *key, bool *ok)
{
    set(o, "sig", json_string(dive_algorithm_name(key->algorithm)), ok);
    set(o, "key", verifier_json_base64(key->bytes, key->len), ok);
    set(o, "allowed-hash",
        key->has_allowed_hash ? hash_names(key->allowed_hashes, ok) : json_null(), ok);
    set(o, "cache", json_integer(key->cache), ok);
}

static json_t *record_object(const struct dive_verifier *v, bool is_key, struct dive_span text,
                             bool *ok)
{
    json_t *o = json_object();
    struct dive_policy policy;
    struct dive_fault fault;
    struct dive_key key;
    int r;

    set(o, "text", verifier_json_text(text), ok);
    r = is_key ? dive_key_parse(&key, text, &fault)
               : dive_policy_parse(&policy, text, v->options.versions, &fault);
    set(o, "fault", r ? fault_object(&fault, ok) : json_null(), ok);
    if (!r && is_key)
        add_key(o, &key, ok);
    else if (!r)
        add_policy(o, &policy, ok);
    return o;
}

static json_t *lookup_object(const struct dive_verifier *v, size_t index, bool *ok)
{
    static const char *const sources[] = {
        [LOOKUP_ASKED] = "asked",
        [LOOKUP_CACHED] = "cached",
        [LOOKUP_IMPOSSIBLE] = "impossible",
    };
    const struct lookup *l = &v->lookups[index];
    json_t *o = json_object(), *records = json_array();

    set(o, "id", json_integer((json_int_t)index + 1), ok);
    set(o, "name", verifier_json_string(l->name), ok);
    set(o, "source", json_string(sources[l->source]), ok);
    set(o, "fresh", json_boolean(l->fresh), ok);
    set(o, "security", l->answered ? json_string(dive_security_word(l->security)) : json_null(),
        ok);
    set(o, "ttl", l->answered ? json_integer(l->ttl) : json_null(), ok);
    set(o, "why", verifier_json_string(l->record ? l->record->answer.why : NULL), ok);
    for (size_t i = 0; i < lookup_records(l); i++)
        append(records, record_object(v, l->key_id != NULL, l->record->answer.txt[i], ok), ok);
    set(o, "records", records, ok);
    return o;
}

static json_t *lookups(const struct dive_verifier *v, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < v->n_lookups; i++) {
        /* Names that became unneeded before anybody was asked about them are no part of the story.
         */
        if (v->lookups[i].answered || v->lookups[i].handed_out)
            append(a, lookup_object(v, i, ok), ok);
    }
    return a;
}

static json_t *policy_object(const struct dive_verifier *v, bool *ok)
{
    const struct dive_policy *policy = dive_verifier_policy(v);
    json_t *o = json_object();

    set(o, "state", json_string(policy_state_word(v->policy_state)), ok);
    set(o, "domain", verifier_json_string(dive_verifier_policy_domain(v)), ok);
    set(o, "lost", verifier_json_string(v->lost), ok);
    set(o, "security", json_string(dive_security_word(v->policy_security)), ok);
    set(o, "fault", v->unsupported ? fault_object(&v->fault, ok) : json_null(), ok);
    if (policy)
        add_policy(o, policy, ok);
    return o;
}

static json_t *response_object(const struct dive_verifier *v, bool *ok)
{
    json_t *o;

    if (!v->response)
        return json_null();
    o = json_object();
    set(o, "status", json_integer(v->response->status), ok);
    set(o, "has-content", json_boolean(v->response->has_content), ok);
    set(o, "coverage", json_string(coverage_word(v->coverage)), ok);
    set(o, "scope", verifier_json_string(v->scope), ok);
    set(o, "complete", json_boolean(v->life == LIFE_ENDED), ok);
    return o;
}

static json_t *entry_object(const struct dive_verifier *v, const struct checked_entry *e, bool *ok)
{
    json_t *o = json_object();
    const char *fault = NULL;

    if (e->input && e->input->fault != DIVE_ENTRY_NONE)
        fault = dive_entry_fault_text(e->input->fault);
    else if (e->dive_sig && e->dive_sig->fqdn_not_parent)
        fault = dive_entry_fault_text(DIVE_ENTRY_FQDN_NOT_PARENT);
    set(o, "label", e->input ? verifier_json_text(e->input->label) : json_null(), ok);
    set(o, "key-id", verifier_json_string(e->key_id[0] ? e->key_id : NULL), ok);
    set(o, "alg",
        e->key_algorithm ? json_string(dive_algorithm_name(e->key_algorithm)) : json_null(), ok);
    set(o, "hash",
        e->dive_sig ? json_string(dive_hash_record_name(e->dive_sig->hash)) : json_null(), ok);
    set(o, "lookup", e->found ? json_integer(e->found) : json_null(), ok);
    set(o, "outcome", json_string(entry_outcome_word(e->outcome)), ok);
    set(o, "text", json_string(entry_outcome_text(e->outcome)), ok);
    set(o, "fault", verifier_json_string(fault), ok);
    return o;
}

static json_t *entries(const struct dive_verifier *v, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < v->n_entries; i++)
        append(a, entry_object(v, &v->entry[i], ok), ok);
    return a;
}

static json_t *digests(const struct dive_verifier *v, bool *ok)
{
    json_t *a = json_array();

    for (unsigned version = 0; v->head && v->policy && version < DIVE_VERSION_COUNT; version++) {
        const struct dive_digests *set_of = v->head->digests[version];

        for (unsigned i = 0; set_of && i < DIVE_HASH_COUNT; i++) {
            const struct dive_content_digest *listed = &v->head->content_digest;
            bool is_listed =
                version == DIVE_VERSION_DRAFT_01 && (listed->hashes & DIVE_HASH_BIT(i));
            const uint8_t *digest = dive_digests_get(set_of, i);
            json_t *o;

            if (!digest && !is_listed)
                continue;
            o = json_object();
            set(o, "algorithm", json_string(dive_hash_record_name(i)), ok);
            set(o, "computed",
                digest ? verifier_json_base64(digest, dive_hash_bytes(i)) : json_null(), ok);
            set(o, "listed",
                is_listed ? verifier_json_base64(listed->value[i], dive_hash_bytes(i))
                          : json_null(),
                ok);
            append(a, o, ok);
        }
    }
    return a;
}

int dive_verifier_trace(const struct dive_verifier *v, char **out)
{
    bool ok = true;
    json_t *o = json_object();

    *out = NULL;
    set(o, "trace-version", json_integer(1), &ok);
    set(o, "host", verifier_json_string(v->host), &ok);
    set(o, "lookups", lookups(v, &ok), &ok);
    set(o, "policy", policy_object(v, &ok), &ok);
    set(o, "response", response_object(v, &ok), &ok);
    set(o, "entries", entries(v, &ok), &ok);
    set(o, "digests", digests(v, &ok), &ok);
    set(o, "verdict", json_string(dive_verdict_word(v->verdict)), &ok);
    set(o, "reason", json_string(dive_reason_word(v->reason)), &ok);
    set(o, "key-id", verifier_json_string(dive_verifier_key_id(v)), &ok);
    set(o, "note", verifier_json_string(v->note), &ok);
    set(o, "error", v->error ? json_string(dive_strerror(v->error)) : json_null(), &ok);
    return verifier_json_finish(o, ok, out);
}
