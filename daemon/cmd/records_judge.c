/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records_judge: what the answers mean together. What a single record's text has wrong is
 * records_lint's; here stands what only several answers can show: which level decides, what a
 * wildcard covers, what an unsigned zone costs, how long a record is kept.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/records.h"
#include "lib/verifier_json.h"

static void set(struct records_run *run, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        run->broken = true;
}

static void append(struct records_run *run, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        run->broken = true;
}

static void count(struct records_run *run, enum records_severity severity)
{
    run->errors += severity == RECORDS_ERROR;
    run->warnings += severity == RECORDS_WARNING;
}

__attribute__((format(printf, 4, 5))) static void problem(struct records_run *run,
                                                          enum records_severity severity,
                                                          const char *name, const char *format, ...)
{
    json_t *o = json_object();
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
        run->broken = true;
    }
    va_end(arguments);
    set(run, o, "severity", json_string(records_severity_word(severity)));
    set(run, o, "name", verifier_json_string(name));
    set(run, o, "text", verifier_json_string(text));
    append(run, json_object_get(run->report, "problems"), o);
    count(run, severity);
    free(text);
}

int64_t records_lifetime(int64_t cache, int64_t cap, uint32_t ttl, const char **bound)
{
    int64_t least = cache;

    *bound = "cache";
    if (cap < least) {
        least = cap;
        *bound = "cap";
    }
    if (ttl < least) {
        least = ttl;
        *bound = "ttl";
    }
    return least;
}

static bool has_record(const struct records_name *name, struct dive_span text)
{
    for (size_t i = 0; i < name->n; i++) {
        if (name->txt[i].n == text.n &&
            (text.n == 0 || memcmp(name->txt[i].p, text.p, text.n) == 0))
            return true;
    }
    return false;
}

bool records_same(const struct records_name *a, const struct records_name *b)
{
    if (a == NULL || b == NULL || a->n == 0 || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!has_record(b, a->txt[i]) || !has_record(a, b->txt[i]))
            return false;
    }
    return true;
}

/* Records */

static void set_lifetime(struct records_run *run, json_t *o, int64_t cache, int64_t cap,
                         uint32_t ttl)
{
    const char *bound;

    set(run, o, "cache", json_integer(cache));
    set(run, o, "cap", json_integer(cap));
    set(run, o, "lifetime", json_integer(records_lifetime(cache, cap, ttl, &bound)));
    set(run, o, "lifetime-bound", json_string(bound));
}

/* `harmless`: the record isn't the one that counts, so its faults cost nothing. */
static void set_faults(struct records_run *run, json_t *o, const struct records_faults *faults,
                       bool harmless)
{
    json_t *array = json_array();

    for (size_t i = 0; i < faults->n; i++) {
        const struct records_fault *f = &faults->v[i];
        bool demoted = harmless && f->severity == RECORDS_ERROR;
        enum records_severity severity = demoted ? RECORDS_WARNING : f->severity;
        json_t *fault = json_object();

        set(run, fault, "severity", json_string(records_severity_word(severity)));
        set(run, fault, "parameter",
            f->parameter[0] != '\0' ? verifier_json_string(f->parameter) : json_null());
        set(run, fault, "offset", json_integer((json_int_t)f->offset));
        set(run, fault, "text", verifier_json_string(f->text));
        append(run, array, fault);
        count(run, severity);
    }
    set(run, o, "faults", array);
}

static void policy_record(struct records_run *run, json_t *o, const struct records_name *name,
                          size_t i, bool harmless)
{
    struct records_faults faults;
    struct dive_policy policy;

    if (records_lint_policy(&faults, name->txt[i], run->config->dive.versions, run->now) != 0)
        run->broken = true;
    set_faults(run, o, &faults, harmless);
    if (dive_policy_parse(&policy, name->txt[i], run->config->dive.versions, NULL) != 0)
        return;
    set(run, o, "v", json_string(dive_version_token(policy.version)));
    set_lifetime(run, o, policy.cache, dive_version_policy_cap(policy.version), name->ttl);
}

static void key_record(struct records_run *run, json_t *o, const struct records_name *name,
                       size_t i, bool harmless)
{
    struct records_faults faults;
    struct dive_key key;

    if (records_lint_key(&faults, name->txt[i]) != 0)
        run->broken = true;
    set_faults(run, o, &faults, harmless);
    if (dive_key_parse(&key, name->txt[i], NULL) != 0)
        return;
    set(run, o, "sig", json_string(dive_algorithm_name(key.algorithm)));
    set(run, o, "key", verifier_json_base64(key.bytes, key.len));
    set_lifetime(run, o, key.cache, DIVE_KEY_CACHE_CAP, name->ttl);
}

static bool key_is_good(struct records_run *run, struct dive_span text)
{
    struct records_faults faults;

    if (records_lint_key(&faults, text) != 0)
        run->broken = true;
    return faults.n == 0 || !records_faults_spoil(&faults);
}

size_t records_good_keys(struct records_run *run, const struct records_name *name)
{
    size_t n = 0;

    for (size_t i = 0; i < name->n; i++)
        n += key_is_good(run, name->txt[i]);
    return n;
}

/* Does what stands at the name decide? `decides` by its level; a record beside a good one not. */
static bool record_harmless(struct records_run *run, const struct records_name *name, size_t i,
                            bool decides)
{
    struct dive_policy policy;
    int r;

    if (!decides || name->security != DIVE_DNS_SECURE)
        return true;
    if (name->kind == RECORDS_KEY)
        return records_good_keys(run, name) > 0;
    r = dive_policy_parse(&policy, name->txt[i], run->config->dive.versions, NULL);
    return (r == DIVE_E_UNSUPPORTED || r == DIVE_E_SYNTAX) &&
           dive_verifier_policy_state(run->verifier) == DIVE_POLICY_FOUND;
}

static void add_name(struct records_run *run, const struct records_name *name, bool decides)
{
    static const char *const kinds[] = {"policy", "wildcard-probe", "key", "wildcard-probe"};
    bool is_probe = name->kind == RECORDS_PROBE || name->kind == RECORDS_KEY_PROBE;
    json_t *o = json_object(), *records = json_array();

    set(run, o, "name", verifier_json_string(name->name));
    set(run, o, "kind", json_string(kinds[name->kind]));
    set(run, o, "level", verifier_json_string(name->level));
    set(run, o, "key-id",
        name->key_id[0] != '\0' ? verifier_json_string(name->key_id) : json_null());
    set(run, o, "decides", json_boolean(decides));
    set(run, o, "security", json_string(dive_security_word(name->security)));
    set(run, o, "ttl", json_integer(name->ttl));
    set(run, o, "why", verifier_json_string(name->why));
    for (size_t i = 0; i < name->n; i++) {
        bool harmless = record_harmless(run, name, i, decides);
        json_t *record = json_object();

        set(run, record, "text", verifier_json_text(name->txt[i]));
        if (name->kind == RECORDS_POLICY && name->security == DIVE_DNS_SECURE)
            policy_record(run, record, name, i, harmless);
        else if (name->kind == RECORDS_KEY && name->security == DIVE_DNS_SECURE)
            key_record(run, record, name, i, harmless);
        append(run, records, record);
    }
    set(run, o, "records", records);
    append(run, json_object_get(run->report, is_probe ? "probes" : "names"), o);
}

/* The policy walk */

/* The level that ended the walk, or NULL when nothing stands anywhere. */
static const char *deciding_level(const struct records_run *run)
{
    const char *domain = NULL;

    if (dive_verifier_policy_fault(run->verifier, &domain) != NULL)
        return domain;
    return dive_verifier_policy_domain(run->verifier);
}

static void judge_state(struct records_run *run)
{
    const struct dive_policy *policy = dive_verifier_policy(run->verifier);
    const char *domain = NULL;
    const struct dive_fault *fault = dive_verifier_policy_fault(run->verifier, &domain);
    const char *level = deciding_level(run);
    const struct records_name *name =
        level != NULL ? records_find(&run->names, RECORDS_POLICY, level) : NULL;

    if (fault != NULL)
        problem(run, RECORDS_ERROR, name != NULL ? name->name : NULL,
                "what stands here ends the walk and is no usable policy (%s%s%s): DIVE is not "
                "supported for %s, and nothing is verified",
                fault->parameter, fault->parameter[0] != '\0' ? " " : "", fault->text, run->domain);
    else if (policy == NULL && level != NULL)
        problem(run, RECORDS_ERROR, name != NULL ? name->name : NULL,
                "the walk fails here, as DNS gives no validated answer (%s): by default the proxy "
                "blocks everything of %s",
                dive_security_word(dive_verifier_policy_security(run->verifier)), run->domain);
    else if (policy == NULL)
        problem(run, RECORDS_ERROR, NULL,
                "there is no policy record at any level: DIVE is not supported for %s",
                run->domain);
}

/* A name whose zone is not signed can publish nothing that counts. What stands there isn't even
 * known: the resolver gives nobody records that weren't validated. Told once, at the topmost such
 * level, which is the zone's or close below it. */
static void judge_insecure(struct records_run *run, const struct records_name *name)
{
    bool found = dive_verifier_policy_state(run->verifier) == DIVE_POLICY_FOUND;
    const char *up = dive_domain_parent(name->level);
    const struct records_name *above = up != NULL && name->kind == RECORDS_POLICY
                                           ? records_find(&run->names, name->kind, up)
                                           : NULL;

    if (name->security != DIVE_DNS_INSECURE ||
        (above != NULL && above->security == DIVE_DNS_INSECURE))
        return;
    problem(
        run, RECORDS_WARNING, name->name,
        "the zone is not signed with DNSSEC, or its DS record is missing in the parent zone: "
        "whatever stands here counts as absent%s%s",
        found && name->kind == RECORDS_POLICY ? ", and the policy that applies is that of " : "",
        found && name->kind == RECORDS_POLICY ? dive_verifier_policy_domain(run->verifier) : "");
}

/* The topmost level at which a random name is answered with the same records: the wildcard's. */
static const char *wildcard_owner(const struct records_run *run, const struct records_name *probe)
{
    const char *owner = probe->level;

    for (const char *up = dive_domain_parent(owner); up != NULL; up = dive_domain_parent(up)) {
        if (records_same(probe, records_find(&run->names, probe->kind, up)))
            owner = up;
    }
    return owner;
}

/* The closest level above `level` that has a policy record of its own. */
static const char *shadowed_policy(const struct records_run *run, const char *level)
{
    struct dive_policy policy;
    bool ambiguous;

    for (const char *up = dive_domain_parent(level); up != NULL; up = dive_domain_parent(up)) {
        const struct records_name *name = records_find(&run->names, RECORDS_POLICY, up);

        if (name != NULL && name->security == DIVE_DNS_SECURE && name->n > 0)
            return dive_policy_select(&policy, name->txt, name->n, run->config->dive.versions,
                                      &ambiguous, NULL) == 0
                       ? up
                       : NULL;
    }
    return NULL;
}

static void judge_wildcard(struct records_run *run, const struct records_name *probe)
{
    const struct records_name *own = records_find(&run->names, RECORDS_POLICY, probe->level);
    const char *level = deciding_level(run), *owner = wildcard_owner(run, probe);
    const char *shadowed = shadowed_policy(run, probe->level);
    bool found = dive_verifier_policy_state(run->verifier) == DIVE_POLICY_FOUND;

    if (level != NULL && strcmp(level, probe->level) == 0 && records_same(own, probe)) {
        if (found)
            problem(run, RECORDS_WARNING, own->name,
                    "this policy is made by the wildcard *.%s, so it stands at every name below it "
                    "that has no records of its own",
                    owner);
        else
            problem(
                run, RECORDS_ERROR, own->name,
                "the TXT record here is made by the wildcard *.%s and ends the walk%s%s. Publish "
                "a policy of its own at this name, or take the TXT record off the wildcard",
                owner, shadowed != NULL ? ": it shadows the policy of " : "",
                shadowed != NULL ? shadowed : "");
        return;
    }
    /* Above the level that decides nothing is asked by clients of this domain. */
    if (strcmp(owner, probe->level) == 0 && (level == NULL || dive_domain_covers(level, owner)))
        problem(
            run, RECORDS_WARNING, probe->name,
            "the wildcard *.%s has TXT records: for a host below %s, such as host.%s, it answers "
            "_dive.host.%s, and the walk ends there instead of at %s. Publish a policy at such "
            "hosts, or take the TXT record off the wildcard",
            owner, owner, owner, owner, level != NULL ? level : "a policy above");
}

static void judge_probes(struct records_run *run)
{
    for (size_t i = 0; i < run->names.n; i++) {
        const struct records_name *probe = &run->names.v[i];

        if (probe->security != DIVE_DNS_SECURE || probe->n == 0)
            continue;
        if (probe->kind == RECORDS_PROBE)
            judge_wildcard(run, probe);
        else if (probe->kind == RECORDS_KEY_PROBE)
            problem(run, RECORDS_WARNING, probe->name,
                    "a wildcard answers for every Key ID at _divekey.%s: a name that was never "
                    "published is found, and is no valid key",
                    probe->level);
        else
            continue;
        add_name(run, probe, false);
    }
}

/* Keys */

static bool is_of_key(const struct records_name *name, const struct records_key *key)
{
    return name->kind == RECORDS_KEY && strcmp(name->key_id, key->key_id) == 0 &&
           (key->fqdn[0] != '\0' ? name->exact && strcmp(name->level, key->fqdn) == 0
                                 : !name->exact);
}

/* Nothing above a record, or above an answer that is missing, is looked at. */
static bool ends_key_search(const struct records_name *name)
{
    return name->security < DIVE_DNS_INSECURE || (name->security == DIVE_DNS_SECURE && name->n > 0);
}

const struct records_name *records_key_name(const struct records_run *run,
                                            const struct records_key *key)
{
    for (size_t i = 0; i < run->names.n; i++) {
        const struct records_name *name = &run->names.v[i];

        if (is_of_key(name, key) && ends_key_search(name))
            return name;
    }
    return NULL;
}

/* Tells what came of the name that decides about the key. */
static void judge_key_name(struct records_run *run, const struct records_name *name)
{
    size_t good = records_good_keys(run, name);

    if (name->security < DIVE_DNS_INSECURE)
        problem(run, RECORDS_ERROR, name->name,
                "DNS gives no validated answer about the key %s (%s): dnssec-unavailable",
                name->key_id, dive_security_word(name->security));
    else if (good == 0)
        problem(
            run, RECORDS_ERROR, name->name,
            "no record at the closest level is a valid key: the key %s is invalid, and no level "
            "above is looked at",
            name->key_id);
    else if (good > 1)
        problem(run, RECORDS_NOTE, name->name, "%zu valid keys stand here: each is tried%s", good,
                good > DIVE_KEYS_PER_NAME_MAX ? ", up to four" : "");
}

static void judge_key(struct records_run *run, const struct records_key *key)
{
    const struct records_name *decides = NULL;

    if (key->fqdn[0] != '\0' && !dive_domain_covers(key->fqdn, run->domain))
        problem(run, RECORDS_ERROR, NULL,
                "%s@%s: the domain is neither %s nor a parent of it: key-invalid", key->key_id,
                key->fqdn, run->domain);
    for (size_t i = 0; i < run->names.n; i++) {
        const struct records_name *name = &run->names.v[i];
        bool counts;

        if (!is_of_key(name, key))
            continue;
        counts = ends_key_search(name);
        if (decides != NULL && counts && !records_same(decides, name))
            problem(run, RECORDS_WARNING, name->name,
                    "the key %s stands at a closer level too, with other records: this one is not "
                    "used for %s. The draft forbids Key IDs that collide with a parent's",
                    key->key_id, run->domain);
        add_name(run, name, decides == NULL && counts);
        judge_insecure(run, name);
        if (decides == NULL && counts) {
            decides = name;
            judge_key_name(run, name);
        }
    }
    if (decides == NULL)
        problem(run, RECORDS_ERROR, NULL, "the key %s%s%s is not found at any level that counts",
                key->key_id, key->fqdn[0] != '\0' ? "@" : "", key->fqdn);
}

/* The report */

static void set_policy(struct records_run *run)
{
    static const char *const states[] = {"pending", "absent", "found", "failed"};
    const char *level = deciding_level(run);

    set(run, run->report, "state", json_string(states[dive_verifier_policy_state(run->verifier)]));
    set(run, run->report, "policy-domain", verifier_json_string(level));
    set(run, run->report, "security",
        json_string(dive_security_word(dive_verifier_policy_security(run->verifier))));
}

int records_judge(struct records_run *run)
{
    const char *level = deciding_level(run);

    run->report = json_object();
    set(run, run->report, "domain", verifier_json_string(run->domain));
    set_policy(run);
    set(run, run->report, "names", json_array());
    set(run, run->report, "probes", json_array());
    set(run, run->report, "problems", json_array());
    judge_state(run);
    for (size_t i = 0; i < run->names.n; i++) {
        const struct records_name *name = &run->names.v[i];

        if (name->kind != RECORDS_POLICY)
            continue;
        add_name(run, name, level != NULL && strcmp(name->level, level) == 0);
        judge_insecure(run, name);
    }
    judge_probes(run);
    for (size_t i = 0; i < run->n_keys; i++)
        judge_key(run, &run->keys[i]);
    set(run, run->report, "errors", json_integer((json_int_t)run->errors));
    set(run, run->report, "warnings", json_integer((json_int_t)run->warnings));
    set(run, run->report, "ok", json_boolean(run->errors == 0));
    return run->broken || run->report == NULL ? DIVE_E_NOMEM : 0;
}
