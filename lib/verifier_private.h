/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_private: the one object that the verifier's files share.
 *
 *   verifier.c         what the caller does, what the verdict is; the only file that writes
 * `verdict` verifier_policy.c  the walk for the `_dive` record verifier_keys.c    the search for
 * `_divekey` records, in phases (see there) verifier_check.c   the response's own fields: entries,
 * digests, signatures; both drafts verifier_lookup.c  the names asked, their answers, and what of
 * them may be cached report.c, trace.c  JSON, read-only
 *
 * Order of a call that takes input: record it, then verifier_settle() moves every stage as far as
 * what is known allows. Stages never call back into the caller, except options.custom_scope.
 */
#ifndef DIVE_VERIFIER_PRIVATE_H
#define DIVE_VERIFIER_PRIVATE_H

#include "content_digest.h"
#include "dive_sig.h"
#include "domain.h"
#include "key_record.h"
#include "memory.h"
#include "record_cache.h"
#include "signature_input.h"
#include "verifier.h"

/* A validated TXT answer can't be larger: it came in one DNS message. */
#define ANSWER_RECORDS_MAX 4096
#define ANSWER_BYTES_MAX 65535
#define CREATED_SKEW 60 /* seconds that `created` may lie in the future */
#define ENTRIES_MAX 8

_Static_assert(ENTRIES_MAX >= DIVE_SIGNATURE_ENTRIES_MAX, "room for every -01 entry");
_Static_assert(ENTRIES_MAX >= DIVE_SIG_ENTRIES_MAX, "room for every -00 entry");

/* What became of one signature entry. From KEY_INVALID to SIGNATURE_MISMATCH in the order of how
 * far the check got: of several keys at one name, the one that got furthest speaks for the entry.
 */
/* clang-format off */
#define ENTRY_OUTCOMES(X)                                                                            \
    X(PENDING,            NONE,               "pending",            "not decided")                   \
    X(VERIFIED,           NONE,               "verified",           "the signature verified")        \
    X(UNUSABLE,           MISSING_HEADERS,    "unusable",           "the entry is not one of DIVE")  \
    X(KEY_NAME_INVALID,   KEY_INVALID,        "key-name-invalid",   "keyid names no key that could sign this") \
    X(NOT_YET_VALID,      SIGNATURE_MISMATCH, "not-yet-valid",      "`created` lies in the future")  \
    X(EXPIRED,            SIGNATURE_MISMATCH, "expired",            "`expires` lies in the past")    \
    X(NOT_COVERING,       MISSING_HEADERS,    "not-covering",       "the signature doesn't cover a component that is required here") \
    X(KEY_NOT_FOUND,      KEY_NOT_FOUND,      "key-not-found",      "no key record at any level")    \
    X(KEY_UNVALIDATED,    DNSSEC_UNAVAILABLE, "key-unvalidated",    "DNS gave no validated answer about the key") \
    X(KEY_INVALID,        KEY_INVALID,        "key-invalid",        "no record at the closest level is a valid key") \
    X(ALG_MISMATCH,       SIGNATURE_MISMATCH, "alg-mismatch",       "`alg` is not the key's algorithm") \
    X(HASH_NOT_ALLOWED,   HASH_NOT_ALLOWED,   "hash-not-allowed",   "the key's allowed-hash lists no digest that was used") \
    X(BASE_FAILED,        SIGNATURE_MISMATCH, "base-failed",        "the signature base can't be built from this response") \
    X(SIGNATURE_MISMATCH, SIGNATURE_MISMATCH, "signature-mismatch", "the signature is not that of the key")
/* clang-format on */

enum entry_outcome {
#define X(id, reason, word, text) ENTRY_OUTCOME_##id,
    ENTRY_OUTCOMES(X)
#undef X
        ENTRY_OUTCOME_COUNT
};

enum dive_reason entry_outcome_reason(enum entry_outcome outcome);
const char *entry_outcome_word(enum entry_outcome outcome);
const char *entry_outcome_text(enum entry_outcome outcome);

enum lookup_source {
    LOOKUP_ASKED,      /* a want for the caller */
    LOOKUP_CACHED,     /* the record cache had it */
    LOOKUP_IMPOSSIBLE, /* longer than a DNS name can be: absent without asking */
};

struct lookup {
    char *name;         /* owned by the verifier: with `domain` for a policy, else of its own */
    const char *domain; /* the level it is asked at, into `host` */
    const char *key_id; /* NULL for a policy name; into the head */
    enum lookup_source source;
    bool fresh, handed_out, answered;
    enum dive_security security;
    uint32_t ttl;
    int64_t answered_at;        /* Unix seconds */
    struct dive_record *record; /* NULL when there is neither a record nor a sentence */
};

static inline size_t lookup_records(const struct lookup *l)
{
    return l->answered && l->security == DIVE_DNS_SECURE && l->record ? l->record->answer.n : 0;
}

/* The names of one Key ID, one a level of the host. Index + 1 into `lookups`; 0: not looked up. */
enum key_round { ROUND_FIRST, ROUND_FRESH, ROUND_COUNT };
struct key_chain {
    const char *key_id;
    uint32_t (*at)[ROUND_COUNT]; /* n_levels of them */
};

struct checked_entry {
    enum entry_outcome outcome;
    const char *key_id;                       /* "" when it has none; into the head */
    const struct dive_signature_entry *input; /* draft-01, else NULL */
    const struct dive_sig_entry *dive_sig;    /* draft-00, else NULL */
    struct key_chain *chain;                  /* NULL when the entry failed by itself */
    size_t first, last;                       /* levels searched, closest first */
    enum key_round round;
    bool from_cache; /* its key is in the record cache: tried in the first phase */
    uint32_t found;  /* index + 1 of the lookup that answered with records; 0: none */
    enum dive_algorithm key_algorithm; /* of the key tried last */
    uint8_t key[DIVE_PUBLIC_KEY_MAX];  /* the one that verified; key_len 0: none did */
    size_t key_len;
};

/* Where the search for a verifying entry stands: see verifier_keys.c. */
enum keys_phase { KEYS_IDLE = 0, KEYS_CACHED, KEYS_ASKED, KEYS_FRESH, KEYS_FAILED, KEYS_VERIFIED };

/* The response's DIVE fields, parsed. Made when a response may be covered. */
struct head {
    unsigned prepared;        /* set of DIVE_VERSION_BIT()s */
    int content_digest_error; /* of dive_content_digest_parse() or of the join */
    struct dive_content_digest content_digest;
    int dive_sig_error;
    struct dive_sig dive_sig;
    struct dive_signatures signatures;
    struct dive_digests *digests[DIVE_VERSION_COUNT];
};

enum verifier_life { LIFE_NEW = 0, LIFE_STARTED, LIFE_RESPONSE, LIFE_ENDED };

struct dive_verifier {
    struct dive_options options;
    enum verifier_life life;
    int error; /* the first failure of ours: no ACCEPT any more */

    char host[DIVE_DOMAIN_BUF];
    size_t n_levels;     /* 0 for an IP literal */
    const char **domain; /* n_levels of them, into `host`; one allocation with the names */

    struct lookup *lookups; /* the policy's first: lookup i is that of level i */
    size_t n_lookups, lookups_room, n_policy_lookups;
    size_t next_want;

    enum dive_policy_state policy_state;
    size_t policy_level; /* where it stands or failed; n_levels when nowhere */
    struct dive_policy *policy;
    bool unsupported; /* a secure record ended the walk, but it is not an accepted one: `fault` */
    struct dive_fault fault;
    enum dive_security policy_security;
    const char *lost; /* the level with a remembered policy that is gone; into `host` */
    bool lost_blocks;

    const struct dive_request *request;
    const struct dive_response *response;
    int64_t response_time; /* Unix seconds: what `created` and `expires` are compared with */
    enum dive_coverage coverage;
    const char *scope; /* under which it is covered; NULL when it isn't or no policy says so */
    struct head *head;
    uint64_t body_bytes;

    enum keys_phase phase;
    bool keys_uncached; /* invalidate-keys-cache lies in the future: nothing from a cache counts */
    bool keys_invalidated; /* it has passed, but caches of the resolver may be older */
    struct key_chain chain[ENTRIES_MAX];
    size_t n_chains;
    struct checked_entry entry[ENTRIES_MAX];
    size_t n_entries;
    const struct checked_entry *winner, *tried_last;

    enum dive_verdict verdict;
    enum dive_reason reason;
    const char *note; /* why, where the reason's word alone doesn't tell; static, or NULL */
};

/* Remembers the first failure. The stage that was working on it is never finished after that. */
void verifier_break(struct dive_verifier *v, int error);

/* verifier_lookup.c. A return of 0 instead of an index + 1 means that the verifier is broken now,
 * except for lookup_from_cache(), where it means that the cache has nothing that may be used. */
uint32_t lookup_add(struct dive_verifier *v, const struct lookup *lookup);
uint32_t lookup_from_cache(struct dive_verifier *v, const struct lookup *lookup, int64_t now);
int lookup_answer(struct dive_verifier *v, struct lookup *l, const struct dive_answer *answer,
                  int64_t now) DIVE_MUST_USE;
void lookups_free(struct dive_verifier *v);

/* verifier_policy.c */
int verifier_policy_begin(struct dive_verifier *v, int64_t now) DIVE_MUST_USE;
void verifier_policy_step(struct dive_verifier *v);

/* verifier_keys.c */
void verifier_keys_begin(struct dive_verifier *v, int64_t now);
void verifier_keys_step(struct dive_verifier *v, int64_t now);

/* verifier_check.c. prepare: parses what `version` needs of the head and starts its digests. begin:
 * makes the entries; the result is the reason to reject at once, or NONE. */
void verifier_check_prepare(struct dive_verifier *v, enum dive_version version);
enum dive_reason verifier_check_begin(struct dive_verifier *v);
/* Tries every key on the entry. PENDING: the content's digest is needed first. */
enum entry_outcome verifier_check_entry(struct dive_verifier *v, struct checked_entry *e,
                                        const struct dive_key *keys, size_t n);
/* Is the complete content the one that the head's digests speak of? For DIVE-Sig, which lists none:
 * is there a digest for the entry that verified? False before the end. */
bool verifier_check_content(const struct dive_verifier *v, const struct checked_entry *winner);
enum dive_reason verifier_check_reason(const struct dive_verifier *v);
void verifier_check_drop_digests(struct dive_verifier *v, unsigned but_versions);
void verifier_check_free(struct dive_verifier *v);

#endif
