/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records_lint: see records_lint.h. A table says which parameters a record has and of what type
 * each is; what a type can't say has a function.
 */
#include "cmd/records_lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/sf.h"

#define TTL_OF_A_DAY 86400

struct lint {
    struct records_faults *out;
    struct dive_span text;
    const struct dive_sf *sf;
    unsigned accepted;
    int64_t now;
    struct dive_policy policy; /* as libdive reads it, */
    bool policy_good;          /* if it does */
};

const char *records_severity_word(enum records_severity severity)
{
    static const char *const words[] = {"note", "warning", "error"};

    return words[severity];
}

bool records_faults_spoil(const struct records_faults *faults)
{
    for (size_t i = 0; i < faults->n; i++) {
        if (faults->v[i].severity == RECORDS_ERROR)
            return true;
    }
    return false;
}

/* Where the member `key` begins: of several the last, which is the one that counts. *times is how
 * often it stands there. The text has parsed, so quotes and parentheses pair up, and a backslash
 * stands in strings only. */
static size_t find_member(struct dive_span text, struct dive_span key, size_t *times)
{
    bool quoted = false, at_start = true;
    size_t found = 0, depth = 0;

    *times = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (at_start && c != ' ' && c != '\t') {
            size_t end = i + key.n;

            if (key.n <= text.n - i && memcmp(text.p + i, key.p, key.n) == 0 &&
                (end == text.n || memchr("=;, \t", text.p[end], 5) != NULL)) {
                found = i;
                (*times)++;
            }
            at_start = false;
        }
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '(')
            depth++;
        else if (!quoted && c == ')' && depth > 0)
            depth--;
        else if (!quoted && depth == 0 && c == ',')
            at_start = true;
    }
    return found;
}

__attribute__((format(printf, 4, 5))) static void add(struct lint *lint,
                                                      enum records_severity severity,
                                                      struct dive_span parameter,
                                                      const char *format, ...)
{
    struct records_faults *out = lint->out;
    struct records_fault *fault;
    va_list arguments;
    size_t times;

    if (out->n == RECORDS_FAULTS_MAX) {
        out->dropped++;
        return;
    }
    fault = &out->v[out->n++];
    fault->severity = severity;
    snprintf(fault->parameter, sizeof(fault->parameter), "%.*s", (int)parameter.n,
             parameter.n > 0 ? parameter.p : "");
    fault->offset = parameter.n > 0 ? find_member(lint->text, parameter, &times) : 0;
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof(fault->text), format, arguments);
    va_end(arguments);
}

#define ADD(lint, severity, name, ...) add(lint, severity, dive_span_str(name), __VA_ARGS__)

/* What a parameter must be. */
enum kind { KIND_STRING, KIND_STRINGS, KIND_INTEGER, KIND_BYTES };

struct parameter {
    const char *name;
    enum kind kind;
    void (*check)(struct lint *lint, const char *name, const struct dive_sf_member *member);
};

static const char *type_word(const struct dive_sf_member *m)
{
    static const char *const words[] = {
        [DIVE_SF_INTEGER] = "an integer",      [DIVE_SF_DECIMAL] = "a decimal number",
        [DIVE_SF_STRING] = "a string",         [DIVE_SF_TOKEN] = "a bare word without quotes",
        [DIVE_SF_BYTES] = "a byte sequence",   [DIVE_SF_BOOLEAN] = "a boolean",
        [DIVE_SF_DATE] = "a date (with an @)", [DIVE_SF_DISPLAY] = "a display string",
    };

    return m->is_inner_list ? "a list" : words[m->bare.type];
}

/* True if the type is right; else it was told. */
static bool check_type(struct lint *lint, const struct parameter *p, const struct dive_sf_member *m)
{
    static const struct {
        enum dive_sf_type type;
        const char *text;
    } wanted[] = {
        [KIND_STRING] = {DIVE_SF_STRING, "must be a string in double quotes"},
        [KIND_STRINGS] = {DIVE_SF_STRING, "must be a list of strings in parentheses"},
        [KIND_INTEGER] = {DIVE_SF_INTEGER, "must be an integer, without quotes"},
        [KIND_BYTES] = {DIVE_SF_BYTES, "must be a byte sequence: base64 between colons"},
    };
    bool good = true;

    if (m->is_inner_list != (p->kind == KIND_STRINGS) ||
        (!m->is_inner_list && m->bare.type != wanted[p->kind].type)) {
        ADD(lint, RECORDS_ERROR, p->name, "%s, and is %s", wanted[p->kind].text, type_word(m));
        return false;
    }
    for (size_t i = 0; m->is_inner_list && i < m->n_items; i++) {
        if (m->items[i].bare.type == DIVE_SF_STRING)
            continue;
        ADD(lint, RECORDS_ERROR, p->name, "item %zu of the list is not a string in double quotes",
            i + 1);
        good = false;
    }
    return good;
}

static const struct parameter *find_parameter(const struct parameter *table, struct dive_span key)
{
    for (; table->name != NULL; table++) {
        if (dive_span_eq(key, table->name))
            return table;
    }
    return NULL;
}

static void check_members(struct lint *lint, const struct parameter *table)
{
    for (size_t i = 0; i < lint->sf->n; i++) {
        const struct dive_sf_member *m = &lint->sf->members[i];
        const struct parameter *p = find_parameter(table, m->key);
        size_t times;

        find_member(lint->text, m->key, &times);
        if (times > 1)
            add(lint, RECORDS_WARNING, m->key, "stands here %zu times: the last one counts", times);
        if (m->params.n > 0)
            add(lint, RECORDS_WARNING, m->key, "has parameters of its own (;), which are ignored");
        if (p == NULL)
            add(lint, RECORDS_WARNING, m->key, "is no parameter of this record: it is ignored");
        else if (check_type(lint, p, m) && p->check != NULL)
            p->check(lint, p->name, m);
    }
}

/* False when the text is no dictionary: that was told, or memory ran out (*error). */
static bool parse(struct lint *lint, struct dive_sf **sf, int *error)
{
    size_t at = 0;
    int r = dive_sf_parse(sf, DIVE_SF_DICTIONARY, lint->text, 0, &at);

    lint->sf = *sf;
    *error = r == DIVE_E_NOMEM ? r : 0;
    if (r == 0 || r == DIVE_E_NOMEM)
        return r == 0;
    if (at >= lint->text.n)
        ADD(lint, RECORDS_ERROR, "",
            "ends too early: a quote or a parenthesis is not closed, or a "
            "comma is the last character");
    else if (lint->text.p[at] >= 'A' && lint->text.p[at] <= 'Z')
        ADD(lint, RECORDS_ERROR, "",
            "is no structured field dictionary (RFC 9651): the upper-case "
            "letter '%c' can't stand here",
            lint->text.p[at]);
    else
        ADD(lint, RECORDS_ERROR, "",
            "is no structured field dictionary (RFC 9651): the byte '%c' "
            "can't stand here",
            lint->text.p[at]);
    lint->out->v[lint->out->n - 1].offset = at;
    return false;
}

/* The policy record */

static void check_version(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    enum dive_version version;

    if (dive_version_from_token(m->bare.text, &version) != 0)
        ADD(lint, RECORDS_ERROR, name, "\"%.*s\" is no version that is known (\"%s\" or \"%s\")",
            (int)(m->bare.text.n < 40 ? m->bare.text.n : 40), m->bare.text.p,
            dive_version_token(DIVE_VERSION_DRAFT_00), dive_version_token(DIVE_VERSION_DRAFT_01));
    else if ((lint->accepted & DIVE_VERSION_BIT(version)) == 0)
        ADD(lint, RECORDS_ERROR, name, "\"%s\" is not accepted here (dive.versions)",
            dive_version_token(version));
}

/* Whether libdive takes a scope or a URL is asked of libdive, not written twice. It can't be asked
 * about a record that is faulty elsewhere; then nothing is said about these. */
static bool scope_ignored(const struct lint *lint, struct dive_span name)
{
    for (size_t i = 0; i < lint->policy.n_scopes; i++) {
        if (dive_span_eq(name, lint->policy.scopes[i]))
            return false;
    }
    return lint->policy_good && !dive_span_eq(name, "strict");
}

static void check_scopes(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    if (m->n_items == 0)
        ADD(lint, RECORDS_WARNING, name, "is empty: no resource is verified");
    if (m->n_items > DIVE_SCOPES_MAX)
        ADD(lint, RECORDS_WARNING, name, "lists more than %d scopes: the rest is ignored",
            DIVE_SCOPES_MAX);
    for (size_t i = 0; i < m->n_items && i < DIVE_SCOPES_MAX; i++) {
        struct dive_span scope = m->items[i].bare.text;

        if (scope_ignored(lint, scope))
            ADD(lint, RECORDS_WARNING, name,
                "\"%.*s\" is neither \"strict\" nor a custom scope "
                "(x- and a-z): it is ignored",
                (int)(scope.n < 70 ? scope.n : 70), scope.p);
        else if (lint->policy_good && !dive_span_eq(scope, "strict"))
            ADD(lint, RECORDS_NOTE, name,
                "\"%.*s\" is a custom scope: it is enforced only by "
                "clients that are told what is in it",
                (int)scope.n, scope.p);
    }
}

static void check_directives(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    for (size_t i = 0; i < m->n_items; i++) {
        struct dive_span directive = m->items[i].bare.text;

        if (dive_span_eq(directive, "report-only"))
            ADD(lint, RECORDS_NOTE, name,
                "report-only: failures are reported, nothing is blocked%s",
                dive_sf_get(lint->sf, "report-to") == NULL
                    ? "; and there is no report-to to report to"
                    : "");
        else if (!dive_span_eq(directive, "https-required"))
            ADD(lint, RECORDS_WARNING, name,
                "\"%.*s\" is no directive that is known: it is ignored",
                (int)(directive.n < 70 ? directive.n : 70), directive.p);
    }
}

static int64_t policy_cap(const struct lint *lint)
{
    const struct dive_sf_member *m = dive_sf_get(lint->sf, "v");
    enum dive_version version;

    if (m == NULL || m->is_inner_list || m->bare.type != DIVE_SF_STRING ||
        dive_version_from_token(m->bare.text, &version) != 0)
        return TTL_OF_A_DAY;
    return dive_version_policy_cap(version);
}

static void check_seconds(struct lint *lint, const char *name, const struct dive_sf_member *m,
                          int64_t cap)
{
    if (m->bare.integer < 0)
        ADD(lint, RECORDS_ERROR, name, "is negative");
    else if (m->bare.integer > cap)
        ADD(lint, RECORDS_WARNING, name,
            "is %" PRId64 ", more than the draft allows: %" PRId64 " seconds is what counts",
            m->bare.integer, cap);
}

static void check_policy_cache(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    check_seconds(lint, name, m, policy_cap(lint));
}

static void check_invalidate(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    int64_t at = m->bare.integer;

    if (at > lint->now)
        ADD(lint, RECORDS_WARNING, name,
            "lies %" PRId64 " seconds in the future: until then no "
            "client takes a key from its cache",
            at - lint->now);
    else if (lint->now - at >= TTL_OF_A_DAY)
        ADD(lint, RECORDS_NOTE, name,
            "is older than a day: every key record that was cached by "
            "then has expired, so it may be removed");
    else
        ADD(lint, RECORDS_NOTE, name,
            "is less than a day old: keep it until all cached keys have "
            "expired");
}

static void check_report_to(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    if (lint->policy_good && lint->policy.report_to[0] == '\0')
        ADD(lint, RECORDS_WARNING, name,
            "is no absolute https URL: it is ignored, no reports are "
            "sent");
}

static const struct parameter policy_parameters[] = {
    {"v", KIND_STRING, check_version},
    {"scopes", KIND_STRINGS, check_scopes},
    {"directives", KIND_STRINGS, check_directives},
    {"cache", KIND_INTEGER, check_policy_cache},
    {"invalidate-keys-cache", KIND_INTEGER, check_invalidate},
    {"report-to", KIND_STRING, check_report_to},
    {NULL, 0, NULL},
};

/* What libdive refuses and nothing here has named gets libdive's own words. */
static void add_verdict(struct lint *lint, int r, const struct dive_fault *fault)
{
    if (r == 0 || records_faults_spoil(lint->out))
        return;
    ADD(lint, RECORDS_ERROR, fault->parameter, "%s", fault->text);
}

int records_lint_policy(struct records_faults *out, struct dive_span text, unsigned accepted,
                        int64_t now)
{
    struct lint lint = {.out = out, .text = text, .accepted = accepted, .now = now};
    struct dive_sf *sf = NULL;
    struct dive_fault fault = {0};
    int r, verdict;

    memset(out, 0, sizeof(*out));
    if (!parse(&lint, &sf, &r))
        return r;
    verdict = dive_policy_parse(&lint.policy, text, accepted, &fault);
    lint.policy_good = verdict == 0;
    if (dive_sf_get(sf, "v") == NULL)
        ADD(&lint, RECORDS_ERROR, "v", "is absent: this is no DIVE policy");
    check_members(&lint, policy_parameters);
    if (dive_sf_get(sf, "scopes") == NULL && dive_sf_get(sf, "v") != NULL)
        ADD(&lint, RECORDS_WARNING, "scopes", "is absent: no resource is verified");
    dive_sf_free(&sf);
    add_verdict(&lint, verdict, &fault);
    return verdict == DIVE_E_NOMEM ? verdict : 0;
}

/* The key record */

static void check_sig(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    enum dive_algorithm algorithm;

    if (dive_algorithm_from_name(m->bare.text, &algorithm) != 0 || algorithm == DIVE_ALGORITHM_NONE)
        ADD(lint, RECORDS_ERROR, name,
            "\"%.*s\" is neither \"ed25519\" nor \"ed448\" (in lower case)",
            (int)(m->bare.text.n < 40 ? m->bare.text.n : 40), m->bare.text.p);
}

static void check_key(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    const struct dive_sf_member *sig = dive_sf_get(lint->sf, "sig");
    struct dive_span key = m->bare.text;
    enum dive_algorithm algorithm;
    size_t wanted;

    if (sig == NULL || sig->is_inner_list || sig->bare.type != DIVE_SF_STRING ||
        dive_algorithm_from_name(sig->bare.text, &algorithm) != 0)
        return;
    wanted = dive_algorithm_key_bytes(algorithm);
    if (key.n != wanted)
        ADD(lint, RECORDS_ERROR, name, "has %zu bytes; a public key of %s has %zu%s", key.n,
            dive_algorithm_name(algorithm), wanted,
            key.n == 44 || key.n == 69 ? " (this one looks like DER: the raw key is its end)" : "");
    else if (dive_public_key_check(algorithm, key) != 0)
        ADD(lint, RECORDS_ERROR, name,
            "is a point of small order (anybody could sign with it) or "
            "not encoded as RFC 8032 says: no signature by it is accepted");
}

static void check_allowed_hash(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    enum dive_hash hash;

    if (m->n_items == 0)
        ADD(lint, RECORDS_WARNING, name,
            "is empty: no hash is permitted, so the key can't verify "
            "anything");
    for (size_t i = 0; i < m->n_items; i++) {
        struct dive_span word = m->items[i].bare.text;
        int n = (int)(word.n < 40 ? word.n : 40);

        if (dive_hash_from_record_name(word, &hash) == 0)
            continue;
        if (dive_hash_from_field_name(word, &hash) == 0)
            ADD(lint, RECORDS_ERROR, name, "\"%.*s\" is written \"%s\" in a record", n, word.p,
                dive_hash_record_name(hash));
        else
            ADD(lint, RECORDS_ERROR, name,
                "\"%.*s\" is not permitted; sha256, sha384, sha512, "
                "sha3-256, sha3-384 and sha3-512 are",
                n, word.p);
    }
}

static void check_key_cache(struct lint *lint, const char *name, const struct dive_sf_member *m)
{
    check_seconds(lint, name, m, DIVE_KEY_CACHE_CAP);
}

static const struct parameter key_parameters[] = {
    {"sig", KIND_STRING, check_sig},
    {"key", KIND_BYTES, check_key},
    {"allowed-hash", KIND_STRINGS, check_allowed_hash},
    {"cache", KIND_INTEGER, check_key_cache},
    {NULL, 0, NULL},
};

int records_lint_key(struct records_faults *out, struct dive_span text)
{
    struct lint lint = {.out = out, .text = text};
    struct dive_sf *sf = NULL;
    struct dive_key key;
    struct dive_fault fault = {0};
    int r;

    memset(out, 0, sizeof(*out));
    if (!parse(&lint, &sf, &r))
        return r;
    for (const struct parameter *p = key_parameters; p->name != NULL; p++) {
        if (p->kind != KIND_STRINGS && p->kind != KIND_INTEGER && dive_sf_get(sf, p->name) == NULL)
            ADD(&lint, RECORDS_ERROR, p->name, "is absent");
    }
    check_members(&lint, key_parameters);
    dive_sf_free(&sf);
    r = dive_key_parse(&key, text, &fault);
    add_verdict(&lint, r, &fault);
    return r == DIVE_E_NOMEM ? r : 0;
}
