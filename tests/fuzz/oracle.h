/* SPDX-License-Identifier: BSD-2-Clause
 *
 * oracle: may this response be accepted? A second opinion for the fuzz target verifier, from the
 * primary facts (what DNS said, the heads, the content that was fed) and by other code: records and
 * fields are read by tests/lib/sf_slow.h, the walk and the choice of records are written anew after
 * draft-callec-dive-00 section 6 and -01 section 7. Of libdive nothing but constants is used.
 *
 * No signature is checked. Nobody but make_genuine() (verifier.c) has the private keys, so a
 * signature verifies only if it is one of those made there, over the very same bytes: the oracle
 * looks for one of them whose every condition is met. What it can't tell (which of two answers to
 * one name counted, the first or the fresh one) it leaves open in favour of the verifier.
 */
#ifndef DIVE_FUZZ_ORACLE_H
#define DIVE_FUZZ_ORACLE_H

#include <strings.h>

#include "lib/verifier.h"
#include "tests/lib/sf_slow_compare.h"

enum { ORACLE_TOLD_MAX = 256, ORACLE_TEXTS_MAX = 2, ORACLE_NAME_MAX = 400 };

/* One that exists: made by OpenSSL, not by libdive. */
struct genuine {
    enum dive_version version;
    const char *key_id, *fqdn; /* of -01's keyid; fqdn: "" when it has none */
    const char *algorithm;
    const unsigned char *key; /* raw */
    size_t key_len;
    const char *record_hashes[2]; /* of the digests, as records name them */
    size_t n_hashes;
    const char *content;
    int64_t created, expires; /* 0: absent */
    char digest[256];         /* -01: Content-Digest */
    char params[256];         /* -01: the member of Signature-Input */
    unsigned char signature[114];
    size_t signature_len;
    char field[200]; /* the same in base64 */
};

/* An answer as the verifier got it. */
struct told {
    char name[ORACLE_NAME_MAX];
    enum dive_security security;
    struct dive_span text[ORACLE_TEXTS_MAX];
    size_t n;
};

/* What has happened. Texts are borrowed from the input. */
struct facts {
    struct dive_options options;
    char host[ORACLE_NAME_MAX]; /* lower case, without trailing dot */
    struct told told[ORACLE_TOLD_MAX];
    size_t n_told;
    const struct dive_response *response; /* NULL: none was taken */
    int64_t response_time;
    const char *fed;
    size_t n_fed;
    bool ended;
};

static bool oracle_is(struct slow_text text, const char *what)
{
    return text.n == strlen(what) && memcmp(text.p, what, text.n) == 0;
}

static const struct slow_member *oracle_member(const struct slow *s, const char *key)
{
    for (size_t i = 0; i < s->n_members; i++)
        if (oracle_is(s->members[i].key, key))
            return &s->members[i];
    return NULL;
}

/* A known parameter is absent, or of its type. */
static bool oracle_typed(const struct slow *s, const char *key, enum dive_sf_type type)
{
    const struct slow_member *m = oracle_member(s, key);

    return !m || (!m->is_inner_list && m->bare.type == type);
}

static bool oracle_strings(const struct slow *s, const char *key)
{
    const struct slow_member *m = oracle_member(s, key);

    for (size_t i = 0; m && m->is_inner_list && i < m->n_items; i++)
        if (m->items[i].bare.type != DIVE_SF_STRING)
            return false;
    return !m || m->is_inner_list;
}

static bool oracle_lists(const struct slow *s, const char *key, const char *what)
{
    const struct slow_member *m = oracle_member(s, key);

    for (size_t i = 0; m && m->is_inner_list && i < m->n_items; i++)
        if (m->items[i].bare.type == DIVE_SF_STRING && oracle_is(m->items[i].bare.text, what))
            return true;
    return false;
}

static bool oracle_seconds(const struct slow *s, const char *key)
{
    const struct slow_member *m = oracle_member(s, key);

    return oracle_typed(s, key, DIVE_SF_INTEGER) && (!m || m->bare.number >= 0);
}

/* -1: not one of ours; else the version. *strict: it is a good one, with that scope. */
static int oracle_policy(const struct facts *f, struct dive_span text, bool *strict)
{
    const struct slow_member *v;
    struct slow s;
    int version = -1;

    *strict = false;
    if (slow_parse(&s, DIVE_SF_DICTIONARY, text.p, text.n, false) && (v = oracle_member(&s, "v")) &&
        !v->is_inner_list && v->bare.type == DIVE_SF_STRING) {
        if (oracle_is(v->bare.text, "dive-draft-00"))
            version = DIVE_VERSION_DRAFT_00;
        if (oracle_is(v->bare.text, "dive-draft-01"))
            version = DIVE_VERSION_DRAFT_01;
        if (version >= 0 && !(f->options.versions & (1u << version)))
            version = -1;
        *strict = version >= 0 && oracle_strings(&s, "scopes") &&
                  oracle_strings(&s, "directives") && oracle_seconds(&s, "cache") &&
                  oracle_typed(&s, "invalidate-keys-cache", DIVE_SF_INTEGER) &&
                  oracle_typed(&s, "report-to", DIVE_SF_STRING) &&
                  oracle_lists(&s, "scopes", "strict");
    }
    slow_free(&s);
    return version;
}

/* The newest version counts; two of one are none. */
static bool oracle_policy_of(const struct facts *f, const struct told *t, enum dive_version wanted)
{
    int newest = -1;
    size_t of_newest = 0;
    bool good = false;

    for (size_t i = 0; i < t->n; i++) {
        bool strict;
        int version = oracle_policy(f, t->text[i], &strict);

        if (version < 0 || version < newest)
            continue;
        of_newest = version == newest ? of_newest + 1 : 1;
        newest = version;
        good = strict;
    }
    return of_newest == 1 && good && newest == (int)wanted;
}

/* A validated answer that there is nothing, or one that is to be taken for it. */
static bool oracle_absent(const struct facts *f, const struct told *t, bool policy)
{
    switch (t->security) {
    case DIVE_DNS_SECURE:
        return t->n == 0;
    case DIVE_DNS_INSECURE:
        return true;
    case DIVE_DNS_BOGUS:
        return policy && f->options.ignore_bogus;
    default:
        return policy && f->options.ignore_no_answer;
    }
}

static const char *oracle_parent(const char *domain)
{
    const char *dot = strchr(domain, '.');

    return dot ? dot + 1 : NULL;
}

/* The level where the policy stands if there is one for `wanted`, else NULL. */
static const char *oracle_walk(const struct facts *f, enum dive_version wanted)
{
    for (const char *level = f->host; level; level = oracle_parent(level)) {
        const struct told *t = NULL;
        char name[ORACLE_NAME_MAX + 8];

        snprintf(name, sizeof name, "_dive.%s", level);
        if (strlen(name) > 253)
            continue; /* no name can be that long */
        for (size_t i = 0; i < f->n_told && !t; i++)
            if (strcmp(f->told[i].name, name) == 0)
                t = &f->told[i];
        if (!t)
            return NULL;
        if (t->security == DIVE_DNS_SECURE && t->n > 0)
            return oracle_policy_of(f, t, wanted) ? level : NULL;
        if (!oracle_absent(f, t, true))
            return NULL;
    }
    return NULL;
}

/* Is it a valid record of that key, which permits one of the digests? */
static bool oracle_key(const struct genuine *g, struct dive_span text)
{
    static const char *const hashes[] = {"sha256",   "sha384",   "sha512",
                                         "sha3-256", "sha3-384", "sha3-512"};
    const struct slow_member *sig, *key, *allowed;
    struct slow s;
    bool good = false;

    if (slow_parse(&s, DIVE_SF_DICTIONARY, text.p, text.n, false) &&
        (sig = oracle_member(&s, "sig")) && (key = oracle_member(&s, "key"))) {
        good = oracle_typed(&s, "sig", DIVE_SF_STRING) && oracle_is(sig->bare.text, g->algorithm) &&
               oracle_typed(&s, "key", DIVE_SF_BYTES) && key->bare.text.n == g->key_len &&
               memcmp(key->bare.text.p, g->key, g->key_len) == 0 &&
               oracle_strings(&s, "allowed-hash") && oracle_seconds(&s, "cache");
        allowed = oracle_member(&s, "allowed-hash");
        for (size_t i = 0; good && allowed && i < allowed->n_items; i++) {
            bool known = false;

            for (size_t k = 0; k < sizeof hashes / sizeof hashes[0]; k++)
                known |= oracle_is(allowed->items[i].bare.text, hashes[k]);
            good = known;
        }
        if (good && allowed) {
            good = false;
            for (size_t i = 0; i < g->n_hashes; i++)
                good |= oracle_lists(&s, "allowed-hash", g->record_hashes[i]);
        }
    }
    slow_free(&s);
    return good;
}

/* Could the key be found under `key_id`, between `first` and `last` (both included), going up? */
static bool oracle_finds_key(const struct facts *f, const struct genuine *g, const char *key_id,
                             const char *first, const char *last)
{
    for (const char *level = first; level; level = oracle_parent(level)) {
        char name[ORACLE_NAME_MAX + 80];
        bool absent;

        snprintf(name, sizeof name, "%s._divekey.%s", key_id, level);
        absent = strlen(name) > 253;
        for (size_t i = 0; i < f->n_told; i++) {
            const struct told *t = &f->told[i];

            if (strcmp(t->name, name) != 0)
                continue;
            absent |= oracle_absent(f, t, false);
            for (size_t k = 0; t->security == DIVE_DNS_SECURE && k < t->n; k++)
                if (oracle_key(g, t->text[k]))
                    return true;
        }
        if (!absent || strcmp(level, last) == 0)
            return false;
    }
    return false;
}

/* `fqdn`: where alone the key may stand, if it isn't "". */
static bool oracle_has_key(const struct facts *f, const struct genuine *g, const char *key_id,
                           const char *fqdn, const char *policy)
{
    const char *level = f->host;

    if (!fqdn[0])
        return oracle_finds_key(f, g, key_id, f->host, policy);
    while (level && strcmp(level, fqdn) != 0)
        level = oracle_parent(level);
    return level && oracle_finds_key(f, g, key_id, level, level);
}

/* All lines of the field, trimmed and joined; "" when there is none. */
static const char *oracle_field(const struct facts *f, const char *name, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < f->response->fields.n; i++) {
        const struct dive_field *line = &f->response->fields.v[i];
        struct dive_span v = line->value;

        if (line->name.n != strlen(name) || strncasecmp(line->name.p, name, line->name.n) != 0)
            continue;
        while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
            v = dive_span(v.p + 1, v.n - 1);
        while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
            v.n--;
        n += (size_t)snprintf(out + n, size - n, "%s%.*s", n > 0 ? ", " : "", (int)v.n, v.p);
        if (n >= size)
            abort(); /* an input of the fuzzer is not that long */
    }
    return out;
}

/* -01: the very member of Signature-Input that was signed, and its signature under that label. */
static bool oracle_has_entry(const struct facts *f, const struct genuine *g)
{
    static char input_text[1 << 17], signature_text[1 << 17], digest[1 << 17];
    struct slow input, signature;
    bool found = false, good;

    oracle_field(f, "signature-input", input_text, sizeof input_text);
    oracle_field(f, "signature", signature_text, sizeof signature_text);
    if (strcmp(oracle_field(f, "content-digest", digest, sizeof digest), g->digest) != 0)
        return false;
    good = slow_parse(&input, DIVE_SF_DICTIONARY, input_text, strlen(input_text), true);
    /* Both are begun, so that both can be freed. */
    good =
        slow_parse(&signature, DIVE_SF_DICTIONARY, signature_text, strlen(signature_text), true) &&
        good;
    if (good) {
        for (size_t i = 0; i < input.n_members && !found; i++) {
            const struct slow_member *m = &input.members[i];
            struct slow_text written = {NULL, 0};

            slow_put_member(&input, &written, m);
            if (!m->is_inner_list || !oracle_is(written, g->params))
                continue;
            for (size_t k = 0; k < signature.n_members; k++) {
                const struct slow_member *v = &signature.members[k];

                found |= slow_same(v->key, m->key) && !v->is_inner_list &&
                         v->bare.type == DIVE_SF_BYTES && v->bare.text.n == g->signature_len &&
                         memcmp(v->bare.text.p, g->signature, g->signature_len) == 0;
            }
        }
    }
    slow_free(&input);
    slow_free(&signature);
    return found;
}

/* -00: keyID[@fqdn]:hash:BASE64 into its parts, `text` being changed. */
struct element {
    char *key_id, *fqdn, *hash, *base64;
};

static bool oracle_read_element(char *text, struct element *out)
{
    static char none[] = "";
    char *at;

    while (*text == ' ' || *text == '\t')
        text++;
    for (size_t n = strlen(text); n > 0 && strchr(" \t", text[n - 1]); n--)
        text[n - 1] = '\0';
    out->base64 = text;
    out->key_id = strsep(&out->base64, ":");
    out->hash = out->base64 ? strsep(&out->base64, ":") : NULL;
    out->fqdn = none;
    if (!out->base64 || !out->key_id[0] || !out->hash[0] || !out->base64[0])
        return false;
    if ((at = strchr(out->key_id, '@'))) {
        *at = '\0';
        out->fqdn = at + 1;
        for (char *c = out->fqdn; *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
        if (out->fqdn[0] && out->fqdn[strlen(out->fqdn) - 1] == '.')
            out->fqdn[strlen(out->fqdn) - 1] = '\0';
        if (!out->fqdn[0])
            return false;
    }
    return true;
}

/* The first element with that Key ID has the hash and the signature, and its key is found. One
 * malformed element rejects them all. The signature says nothing of the Key ID: whoever publishes
 * the key under another one is served by it, too. */
static bool oracle_has_element(const struct facts *f, const struct genuine *g, const char *key_id,
                               const char *policy)
{
    static char text[1 << 17];
    char *rest = text, *one;
    bool found = false, seen = false;

    oracle_field(f, "dive-sig", text, sizeof text);
    while ((one = strsep(&rest, ","))) {
        struct element e;

        if (!oracle_read_element(one, &e))
            return false;
        if (seen || strcmp(e.key_id, key_id) != 0)
            continue;
        seen = true;
        found = strcmp(e.hash, g->record_hashes[0]) == 0 && strcmp(e.base64, g->field) == 0 &&
                oracle_has_key(f, g, key_id, e.fqdn, policy);
    }
    return found;
}

/* May the response be accepted for the sake of `g`, found under `key_id`? */
static bool oracle_allows(const struct facts *f, const struct genuine *g, const char *key_id)
{
    const char *policy = oracle_walk(f, g->version);

    if (!policy || !f->response || f->response->status != 200 || !f->response->has_content)
        return false;
    if (!f->ended || f->n_fed != strlen(g->content) || memcmp(f->fed, g->content, f->n_fed) != 0)
        return false;
    if ((g->created && g->created > f->response_time + 60) ||
        (g->expires && g->expires < f->response_time))
        return false;
    if (g->version == DIVE_VERSION_DRAFT_00)
        return oracle_has_element(f, g, key_id, policy);
    return strcmp(g->key_id, key_id) == 0 && oracle_has_key(f, g, key_id, g->fqdn, policy) &&
           oracle_has_entry(f, g);
}

#endif
