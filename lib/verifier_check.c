/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_check: what the response itself says, in the terms of both drafts: its fields become
 * entries, its content becomes digests, and an entry with a key becomes an outcome.
 *
 * draft-01 can check a signature as soon as the key is known (it is made over header fields, one of
 * which holds the digest); draft-00 needs the digest of the whole content first.
 */
#include "verifier_private.h"

#include <stdlib.h>

#include "signature_base.h"
#include "signature_component.h"
#include "signature_memo.h"

static const struct {
    enum dive_reason reason;
    const char *word, *text;
} outcomes[ENTRY_OUTCOME_COUNT] = {
#define X(id, reason, word, text) {DIVE_REASON_##reason, word, text},
    ENTRY_OUTCOMES(X)
#undef X
};

enum dive_reason entry_outcome_reason(enum entry_outcome outcome)
{
    return (unsigned)outcome < ENTRY_OUTCOME_COUNT ? outcomes[outcome].reason
                                                   : DIVE_REASON_NO_VALID_KEY;
}

const char *entry_outcome_word(enum entry_outcome outcome)
{
    return (unsigned)outcome < ENTRY_OUTCOME_COUNT ? outcomes[outcome].word : "";
}

const char *entry_outcome_text(enum entry_outcome outcome)
{
    return (unsigned)outcome < ENTRY_OUTCOME_COUNT ? outcomes[outcome].text : "";
}

/* The result of the parse belongs to the response; memory running out is ours. */
static int parse_content_digest(struct dive_verifier *v)
{
    char *field = NULL;
    size_t len;
    int r = dive_fields_join(&v->response->fields, "content-digest", &field, &len);

    if (!r)
        r = dive_content_digest_parse(&v->head->content_digest, dive_span(field, len));
    if (!r && (v->head->content_digest.has_foreign || !v->head->content_digest.hashes))
        r = DIVE_E_UNSUPPORTED;
    free(field);
    return r;
}

static int parse_dive_sig(struct dive_verifier *v)
{
    char *field = NULL;
    size_t len;
    int r = dive_fields_join(&v->response->fields, "dive-sig", &field, &len);

    if (!r)
        r = dive_sig_parse(&v->head->dive_sig, dive_span(field, len), v->host);
    if (!r && (v->head->dive_sig.n == 0 || v->head->dive_sig.n > ENTRIES_MAX))
        r = DIVE_E_SYNTAX;
    free(field);
    return r;
}

static bool is_ours(int r)
{
    return r == DIVE_E_NOMEM || r == DIVE_E_INTERNAL || r == DIVE_E_STATE;
}

void verifier_check_prepare(struct dive_verifier *v, enum dive_version version)
{
    unsigned hashes = 0;
    int r;

    if (!v->head && !(v->head = calloc(1, sizeof(*v->head)))) {
        verifier_break(v, DIVE_E_NOMEM);
        return;
    }
    if (v->head->prepared & DIVE_VERSION_BIT(version))
        return;
    if (v->body_bytes || v->life != LIFE_RESPONSE) {
        verifier_break(v, DIVE_E_INTERNAL); /* content went by that was not hashed */
        return;
    }
    if (version == DIVE_VERSION_DRAFT_01) {
        r = v->head->content_digest_error = parse_content_digest(v);
        if (!r)
            hashes = v->head->content_digest.hashes;
    } else {
        r = v->head->dive_sig_error = parse_dive_sig(v);
        for (size_t i = 0; !r && i < v->head->dive_sig.n; i++)
            hashes |= DIVE_HASH_BIT(v->head->dive_sig.entry[i].hash);
    }
    if (is_ours(r)) {
        verifier_break(v, r);
        return;
    }
    v->head->prepared |= DIVE_VERSION_BIT(version);
    if (hashes && (r = dive_digests_new(&v->head->digests[version], hashes)))
        verifier_break(v, r);
}

/* Levels that the entry's key is searched at; false when `fqdn` is no level of the host's. */
static bool set_levels(const struct dive_verifier *v, struct checked_entry *e, const char *fqdn)
{
    if (!fqdn[0]) {
        e->first = 0;
        e->last = v->policy_level;
        return true;
    }
    for (size_t i = 0; i < v->n_levels; i++) {
        if (strcmp(v->domain[i], fqdn) == 0) {
            e->first = e->last = i;
            return true;
        }
    }
    return false;
}

/* Is the response's Content-Digest field itself covered? signature_input has looked; the whole of
 * DIVE hangs on it, so this looks again, and refuses the request's field of the same name (;req).
 */
static bool covers_content_digest(const struct dive_sf_member *input)
{
    if (!input || !input->is_inner_list)
        return false;
    for (size_t i = 0; i < input->n_items; i++) {
        const struct dive_sf_item *item = &input->items[i];

        if (item->bare.type == DIVE_SF_STRING && dive_span_eq(item->bare.text, "content-digest") &&
            !dive_sf_param(&item->params, "req") && !dive_sf_param(&item->params, "tr"))
            return true;
    }
    return false;
}

/* options.required_components: each among the covered ones, its parameters in any order. */
static bool covers_required(const struct dive_verifier *v, const struct dive_sf_member *input)
{
    const struct dive_sf_member *required = v->options.required_components;

    for (size_t i = 0; required && i < required->n_items; i++) {
        size_t k = 0;

        while (k < input->n_items && !dive_component_same(&input->items[k], &required->items[i]))
            k++;
        if (k == input->n_items)
            return false;
    }
    return true;
}

static enum entry_outcome judge_input(const struct dive_verifier *v,
                                      const struct dive_signature_entry *input)
{
    int64_t now = v->response_time;

    switch (input->fault) {
    case DIVE_ENTRY_NONE:
        break;
    case DIVE_ENTRY_FOREIGN_KEYID:
    case DIVE_ENTRY_FQDN_NOT_PARENT:
        return ENTRY_OUTCOME_KEY_NAME_INVALID;
    default:
        return ENTRY_OUTCOME_UNUSABLE;
    }
    if (!covers_content_digest(input->input))
        return ENTRY_OUTCOME_UNUSABLE;
    if (input->has_created && input->created - CREATED_SKEW > now)
        return ENTRY_OUTCOME_NOT_YET_VALID;
    if (input->has_expires && input->expires < now)
        return ENTRY_OUTCOME_EXPIRED;
    if (!covers_required(v, input->input))
        return ENTRY_OUTCOME_NOT_COVERING;
    return ENTRY_OUTCOME_PENDING;
}

static enum dive_reason begin_draft_01(struct dive_verifier *v)
{
    struct head *head = v->head;
    int r;

    if (head->content_digest_error)
        return head->content_digest_error == DIVE_E_UNSUPPORTED ? DIVE_REASON_HASH_NOT_ALLOWED
                                                                : DIVE_REASON_MISSING_HEADERS;
    r = dive_signatures_parse(&head->signatures, &v->response->fields, v->host);
    if (is_ours(r))
        verifier_break(v, r);
    if (r || head->signatures.n == 0 || head->signatures.n > ENTRIES_MAX)
        return DIVE_REASON_MISSING_HEADERS;
    for (size_t i = 0; i < head->signatures.n; i++) {
        const struct dive_signature_entry *input = &head->signatures.entry[i];
        struct checked_entry *e = &v->entry[v->n_entries++];

        e->input = input;
        e->key_id = input->key_id;
        e->outcome = judge_input(v, input);
        if (!e->outcome && !set_levels(v, e, input->fqdn))
            e->outcome = ENTRY_OUTCOME_KEY_NAME_INVALID;
    }
    return DIVE_REASON_NONE;
}

static enum dive_reason begin_draft_00(struct dive_verifier *v)
{
    struct head *head = v->head;

    if (head->dive_sig_error)
        return head->dive_sig_error == DIVE_E_UNSUPPORTED ? DIVE_REASON_HASH_NOT_ALLOWED
                                                          : DIVE_REASON_MISSING_HEADERS;
    for (size_t i = 0; i < head->dive_sig.n; i++) {
        const struct dive_sig_entry *dive_sig = &head->dive_sig.entry[i];
        struct checked_entry *e = &v->entry[v->n_entries++];

        e->dive_sig = dive_sig;
        e->key_id = dive_sig->key_id;
        if (dive_sig->fqdn_not_parent || !set_levels(v, e, dive_sig->fqdn))
            e->outcome = ENTRY_OUTCOME_KEY_NAME_INVALID;
        else if (v->options.required_components)
            e->outcome = ENTRY_OUTCOME_NOT_COVERING;
    }
    return DIVE_REASON_NONE;
}

enum dive_reason verifier_check_begin(struct dive_verifier *v)
{
    enum dive_reason reason = DIVE_REASON_MISSING_HEADERS;

    verifier_check_prepare(v, v->policy->version);
    if (v->error)
        return DIVE_REASON_NO_VALID_KEY;
    verifier_check_drop_digests(v, DIVE_VERSION_BIT(v->policy->version));
    switch (v->policy->version) {
    case DIVE_VERSION_DRAFT_00:
        reason = begin_draft_00(v);
        break;
    case DIVE_VERSION_DRAFT_01:
        reason = begin_draft_01(v);
        break;
    case DIVE_VERSION_COUNT:
        break;
    }
    return reason;
}

/* What a key record forbids whatever was signed. */
static enum entry_outcome judge_key(const struct dive_verifier *v, const struct checked_entry *e,
                                    const struct dive_key *key)
{
    unsigned used = e->input ? v->head->content_digest.hashes : DIVE_HASH_BIT(e->dive_sig->hash);

    if (e->input && e->input->alg != key->algorithm)
        return ENTRY_OUTCOME_ALG_MISMATCH;
    if (key->has_allowed_hash && !(key->allowed_hashes & used))
        return ENTRY_OUTCOME_HASH_NOT_ALLOWED;
    return ENTRY_OUTCOME_PENDING;
}

static enum entry_outcome check_signature(struct dive_verifier *v, const struct dive_key *key,
                                          struct dive_span signature, struct dive_span message)
{
    struct dive_signature_memo *memo =
        v->options.cache ? dive_record_cache_signatures(v->options.cache) : NULL;
    int r = dive_signature_memo_check(memo, key->algorithm, dive_span(key->bytes, key->len),
                                      signature, message);

    if (r == 0)
        return ENTRY_OUTCOME_VERIFIED;
    if (r == DIVE_E_MISMATCH)
        return ENTRY_OUTCOME_SIGNATURE_MISMATCH;
    if (r == DIVE_E_TYPE)
        return ENTRY_OUTCOME_KEY_INVALID;
    verifier_break(v, r);
    return ENTRY_OUTCOME_SIGNATURE_MISMATCH;
}

/* The bytes that were signed, in *message: malloc'd for draft-01, in `room` for draft-00.
 * VERIFIED stands for "built". */
static enum entry_outcome build_message(struct dive_verifier *v, const struct checked_entry *e,
                                        uint8_t room[DIVE_SIG_INPUT_MAX], char **base,
                                        struct dive_span *message)
{
    size_t len = 0;

    *base = NULL;
    if (e->input) {
        int r = dive_signature_base(e->input->input, v->request, v->response, base, &len);

        if (is_ours(r))
            verifier_break(v, r);
        *message = dive_span(*base, r ? 0 : len);
        return r ? ENTRY_OUTCOME_BASE_FAILED : ENTRY_OUTCOME_VERIFIED;
    }
    if (v->life != LIFE_ENDED)
        return ENTRY_OUTCOME_PENDING;
    const struct dive_digests *digests = v->head->digests[DIVE_VERSION_DRAFT_00];
    const uint8_t *digest = digests ? dive_digests_get(digests, e->dive_sig->hash) : NULL;

    if (!digest) {
        verifier_break(v, DIVE_E_INTERNAL);
        return ENTRY_OUTCOME_BASE_FAILED;
    }
    *message = dive_span(room, dive_sig_input(e->dive_sig->hash, digest, room));
    return ENTRY_OUTCOME_VERIFIED;
}

enum entry_outcome verifier_check_entry(struct dive_verifier *v, struct checked_entry *e,
                                        const struct dive_key *keys, size_t n)
{
    enum entry_outcome outcome = ENTRY_OUTCOME_KEY_INVALID, o;
    struct dive_span message, signature;
    uint8_t room[DIVE_SIG_INPUT_MAX];
    char *base = NULL;
    bool usable = false;

    signature = e->input ? e->input->signature
                         : dive_span(e->dive_sig->signature, e->dive_sig->signature_len);
    for (size_t i = 0; i < n; i++) {
        e->key_algorithm = keys[i].algorithm;
        o = judge_key(v, e, &keys[i]);
        if (o > outcome)
            outcome = o;
        usable |= o == ENTRY_OUTCOME_PENDING;
    }
    if (!usable)
        return outcome;
    o = build_message(v, e, room, &base, &message);
    if (o != ENTRY_OUTCOME_VERIFIED) {
        outcome = o;
        goto out;
    }
    for (size_t i = 0; i < n && outcome != ENTRY_OUTCOME_VERIFIED; i++) {
        if (judge_key(v, e, &keys[i]) != ENTRY_OUTCOME_PENDING)
            continue;
        e->key_algorithm = keys[i].algorithm;
        o = check_signature(v, &keys[i], signature, message);
        if (o == ENTRY_OUTCOME_VERIFIED || o > outcome)
            outcome = o;
        if (o == ENTRY_OUTCOME_VERIFIED) {
            memcpy(e->key, keys[i].bytes, keys[i].len);
            e->key_len = keys[i].len;
        }
    }
out:
    free(base);
    return v->error ? ENTRY_OUTCOME_SIGNATURE_MISMATCH : outcome;
}

bool verifier_check_content(const struct dive_verifier *v, const struct checked_entry *winner)
{
    const struct dive_digests *digests;

    if (v->life != LIFE_ENDED || v->error || !v->head || !v->policy)
        return false;
    digests = v->head->digests[v->policy->version];
    if (!digests)
        return false;
    if (v->policy->version == DIVE_VERSION_DRAFT_01)
        return v->head->content_digest.hashes != 0 &&
               dive_content_digest_check(&v->head->content_digest, digests) == 0;
    return !winner ||
           (winner->dive_sig && dive_digests_get(digests, winner->dive_sig->hash) != NULL);
}

/* design: "one entry, or all the same: that reason; mixed: no-valid-key". */
enum dive_reason verifier_check_reason(const struct dive_verifier *v)
{
    enum dive_reason reason = DIVE_REASON_NONE;

    for (size_t i = 0; i < v->n_entries; i++) {
        enum dive_reason one = entry_outcome_reason(v->entry[i].outcome);

        if (reason != DIVE_REASON_NONE && one != reason)
            return DIVE_REASON_NO_VALID_KEY;
        reason = one;
    }
    return reason == DIVE_REASON_NONE ? DIVE_REASON_NO_VALID_KEY : reason;
}

void verifier_check_drop_digests(struct dive_verifier *v, unsigned but_versions)
{
    for (unsigned i = 0; v->head && i < DIVE_VERSION_COUNT; i++) {
        if (!(but_versions & DIVE_VERSION_BIT(i)))
            dive_digests_free(&v->head->digests[i]);
    }
}

void verifier_check_free(struct dive_verifier *v)
{
    if (!v->head)
        return;
    verifier_check_drop_digests(v, 0);
    dive_signatures_free(&v->head->signatures);
    free(v->head);
    v->head = NULL;
}
