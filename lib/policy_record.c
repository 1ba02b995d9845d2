/* SPDX-License-Identifier: BSD-2-Clause
 *
 * policy_record: reads `_dive` TXT records. A record is a dictionary (RFC 9651); `v` is judged
 * before anything else in it is looked at, because a record of another version means something
 * else.
 */
#include "policy_record.h"

#include <stdio.h>
#include <strings.h>

#include "sf.h"

static const struct {
    const char *token;
    int64_t cap;
} versions[DIVE_VERSION_COUNT] = {
#define X(id, token, cap) {token, cap},
    DIVE_VERSIONS(X)
#undef X
};

const char *dive_version_token(enum dive_version version)
{
    return (unsigned)version < DIVE_VERSION_COUNT ? versions[version].token : "";
}

int64_t dive_version_policy_cap(enum dive_version version)
{
    return (unsigned)version < DIVE_VERSION_COUNT ? versions[version].cap : 0;
}

int dive_version_from_token(struct dive_span token, enum dive_version *out)
{
    *out = DIVE_VERSION_DRAFT_00;
    for (unsigned i = 0; i < DIVE_VERSION_COUNT; i++) {
        if (dive_span_eq(token, versions[i].token)) {
            *out = i;
            return 0;
        }
    }
    return DIVE_E_UNSUPPORTED;
}

static int faulty(struct dive_fault *fault, int error, const char *parameter, size_t offset,
                  const char *text)
{
    if (fault) {
        snprintf(fault->parameter, sizeof(fault->parameter), "%s", parameter);
        fault->offset = offset;
        fault->text = text;
    }
    return error;
}

/* draft-01 section 4.2; draft-00 section 3.2 also forbids a hyphen at either end. */
static bool custom_scope_well_formed(struct dive_span name, enum dive_version version)
{
    if (name.n < 3 || name.n > DIVE_SCOPE_NAME_MAX || memcmp(name.p, "x-", 2) != 0)
        return false;
    for (size_t i = 2; i < name.n; i++) {
        if (!(name.p[i] >= 'a' && name.p[i] <= 'z') && name.p[i] != '-')
            return false;
    }
    return version != DIVE_VERSION_DRAFT_00 || (name.p[2] != '-' && name.p[name.n - 1] != '-');
}

static void add_scope(struct dive_policy *policy, struct dive_span name)
{
    if (dive_span_eq(name, "strict")) {
        policy->strict = true;
        return;
    }
    /* What we don't recognise is ignored; so is what is past the maximum. */
    if (!custom_scope_well_formed(name, policy->version) || policy->n_scopes == DIVE_SCOPES_MAX)
        return;
    for (size_t i = 0; i < policy->n_scopes; i++) {
        if (dive_span_eq(name, policy->scopes[i]))
            return;
    }
    memcpy(policy->scopes[policy->n_scopes], name.p, name.n);
    policy->scopes[policy->n_scopes++][name.n] = '\0';
}

static void add_directive(struct dive_policy *policy, struct dive_span name)
{
    if (dive_span_eq(name, "https-required"))
        policy->https_required = true;
    else if (dive_span_eq(name, "report-only"))
        policy->report_only = true;
}

static int read_strings(struct dive_policy *policy, const struct dive_sf *sf, const char *key,
                        void (*add)(struct dive_policy *, struct dive_span),
                        struct dive_fault *fault)
{
    const struct dive_sf_member *m = dive_sf_get(sf, key);

    if (!m)
        return 0;
    if (!m->is_inner_list)
        return faulty(fault, DIVE_E_TYPE, key, 0, "is not a list in parentheses");
    for (size_t i = 0; i < m->n_items; i++) {
        if (m->items[i].bare.type != DIVE_SF_STRING)
            return faulty(fault, DIVE_E_TYPE, key, 0, "lists something that is not a string");
        add(policy, m->items[i].bare.text);
    }
    return 0;
}

static int read_integer(const struct dive_sf *sf, const char *key, bool *present, int64_t *out,
                        struct dive_fault *fault)
{
    const struct dive_sf_member *m = dive_sf_get(sf, key);

    *present = false;
    *out = 0;
    if (!m)
        return 0;
    if (m->is_inner_list || m->bare.type != DIVE_SF_INTEGER)
        return faulty(fault, DIVE_E_TYPE, key, 0, "is not an integer");
    *present = true;
    *out = m->bare.integer;
    return 0;
}

/* An absolute https URL with a host and nothing that could not stand in a URL. */
static bool is_https_url(struct dive_span url)
{
    static const char scheme[] = "https://";
    const size_t n = sizeof(scheme) - 1;

    if (url.n <= n || url.n > DIVE_REPORT_TO_MAX || strncasecmp(url.p, scheme, n) != 0 ||
        strchr("/?#:", url.p[n]))
        return false;
    for (size_t i = 0; i < url.n; i++) {
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || strchr("\"<>\\^`{|}", url.p[i]))
            return false;
    }
    return true;
}

static int read_report_to(struct dive_policy *policy, const struct dive_sf *sf,
                          struct dive_fault *fault)
{
    const struct dive_sf_member *m = dive_sf_get(sf, "report-to");

    if (!m)
        return 0;
    if (m->is_inner_list || m->bare.type != DIVE_SF_STRING)
        return faulty(fault, DIVE_E_TYPE, "report-to", 0, "is not a string");
    /* "Plain HTTP URLs MUST be ignored": the record stays good without it. */
    if (is_https_url(m->bare.text)) {
        memcpy(policy->report_to, m->bare.text.p, m->bare.text.n);
        policy->report_to[m->bare.text.n] = '\0';
    }
    return 0;
}

static int read_version(struct dive_policy *policy, const struct dive_sf *sf, unsigned accepted,
                        struct dive_fault *fault)
{
    const struct dive_sf_member *m = dive_sf_get(sf, "v");

    if (!m)
        return faulty(fault, DIVE_E_UNSUPPORTED, "v", 0, "is absent");
    if (m->is_inner_list || m->bare.type != DIVE_SF_STRING)
        return faulty(fault, DIVE_E_UNSUPPORTED, "v", 0, "is not a string");
    if (dive_version_from_token(m->bare.text, &policy->version))
        return faulty(fault, DIVE_E_UNSUPPORTED, "v", 0, "names a version that is not known");
    if (!(accepted & DIVE_VERSION_BIT(policy->version)))
        return faulty(fault, DIVE_E_UNSUPPORTED, "v", 0, "names a version that is not accepted");
    return 0;
}

static int read_parameters(struct dive_policy *policy, const struct dive_sf *sf,
                           struct dive_fault *fault)
{
    bool present;
    int r;

    if ((r = read_strings(policy, sf, "scopes", add_scope, fault)) ||
        (r = read_strings(policy, sf, "directives", add_directive, fault)) ||
        (r = read_integer(sf, "cache", &present, &policy->cache, fault)) ||
        (r = read_integer(sf, "invalidate-keys-cache", &policy->has_invalidate_keys,
                          &policy->invalidate_keys, fault)))
        return r;
    if (policy->cache < 0)
        return faulty(fault, DIVE_E_TYPE, "cache", 0, "is negative");
    return read_report_to(policy, sf, fault);
}

/* Like dive_policy_parse(). When the result isn't 0, *version_known says whether `v` was accepted.
 */
static int parse(struct dive_policy *out, struct dive_span text, unsigned accepted,
                 bool *version_known, struct dive_fault *fault)
{
    struct dive_sf *sf = NULL;
    size_t error_at = 0;
    int r = DIVE_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    *version_known = false;
    if (fault)
        memset(fault, 0, sizeof(*fault));
    r = dive_sf_parse(&sf, DIVE_SF_DICTIONARY, text, 0, &error_at);
    if (r == DIVE_E_NOMEM) {
        faulty(fault, r, "", 0, "memory ran out");
        goto out;
    }
    if (r) {
        r = faulty(fault, DIVE_E_SYNTAX, "", error_at, "is not a structured field dictionary");
        goto out;
    }
    if ((r = read_version(out, sf, accepted, fault)))
        goto out;
    *version_known = true;
    r = read_parameters(out, sf, fault);
out:
    dive_sf_free(&sf);
    if (r) {
        /* The version stays: dive_policy_select() ranks faulty records by it. */
        enum dive_version version = out->version;
        memset(out, 0, sizeof(*out));
        out->version = version;
    }
    return r;
}

int dive_policy_parse(struct dive_policy *out, struct dive_span text, unsigned accepted,
                      struct dive_fault *fault)
{
    bool version_known;

    return parse(out, text, accepted, &version_known, fault);
}

int dive_policy_select(struct dive_policy *out, const struct dive_span *texts, size_t n,
                       unsigned accepted, bool *ambiguous, struct dive_fault *fault)
{
    struct dive_policy candidate;
    struct dive_fault why;
    bool found = false, known;
    int best = DIVE_E_UNSUPPORTED;

    memset(out, 0, sizeof(*out));
    *ambiguous = false;
    faulty(fault, 0, "", 0, "there is no record");
    for (size_t i = 0; i < n; i++) {
        int r = parse(&candidate, texts[i], accepted, &known, &why);

        if (r == DIVE_E_NOMEM) {
            memset(out, 0, sizeof(*out));
            *ambiguous = false;
            return faulty(fault, r, "", 0, "memory ran out");
        }
        if (!known) {
            if (!found && fault && i == 0)
                *fault = why;
            continue;
        }
        if (found && candidate.version < out->version)
            continue;
        *ambiguous = found && candidate.version == out->version;
        found = true;
        *out = candidate;
        best = r;
        if (fault)
            *fault = why;
    }
    if (*ambiguous)
        best = faulty(fault, DIVE_E_UNSUPPORTED, "v", 0, "two records of the same version");
    else if (found && best)
        best = DIVE_E_UNSUPPORTED;
    if (best)
        memset(out, 0, sizeof(*out));
    return best;
}
