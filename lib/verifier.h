/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier: the DIVE verification of one response (draft-callec-dive-00 section 6, -01 section 7)
 * as a state machine without I/O. The daemon, divectl, the tests and the fuzzers all drive this
 * one.
 *
 * The caller feeds, in any order that the real world brings them: DNS answers, the request, the
 * response head, content bytes, the end of the content. It asks for: names to look up, whether the
 * content is covered (must be kept back), and the verdict.
 *
 *      new -> start(host) -+-> next_want/answer ...  policy known -+
 *                          |                                       +-> coverage
 *                          +-> response(head) ---------------------+
 *                               next_want/answer ... keys known --+
 *                               body ... body, end ---------------+-> verdict
 *
 * Zeroed memory means UNDECIDED, and one function alone can set ACCEPT. A missing answer, a body
 * that never ended, a failed allocation: none of them ends in ACCEPT.
 */
#ifndef DIVE_VERIFIER_H
#define DIVE_VERIFIER_H

#include <stdbool.h>

#include "content_digest.h"
#include "message.h"
#include "policy_record.h"

DIVE_API_BEGIN

enum dive_verdict {
    DIVE_UNDECIDED = 0,
    DIVE_ACCEPT,        /* covered, and one signature verified */
    DIVE_REJECT,        /* covered, and none did; see the reason */
    DIVE_NOT_COVERED,   /* a policy applies, this response is outside its scopes */
    DIVE_NOT_SUPPORTED, /* no policy applies to the host */
};

/* draft-01 section 7.6, `failure-reason` */
/* clang-format off */
#define DIVE_REASONS(X)                                                                            \
    X(NONE, "none", "nothing failed")                                                              \
    X(MISSING_HEADERS, "missing-headers", "the response carries no usable DIVE header fields")     \
    X(KEY_NOT_FOUND, "key-not-found", "no key record was found for the keys that signed it")       \
    X(KEY_INVALID, "key-invalid", "the key record or key name is not a valid one")                 \
    X(DNSSEC_UNAVAILABLE, "dnssec-unavailable", "DNS gave no validated answer")                    \
    X(HASH_NOT_ALLOWED, "hash-algorithm-not-allowed", "the key does not permit the digest's hash") \
    X(SIGNATURE_MISMATCH, "signature-mismatch", "the content is not what was signed")              \
    X(NO_VALID_KEY, "no-valid-key", "no listed key verified it, for several reasons")
/* clang-format on */

enum dive_reason {
#define X(id, word, text) DIVE_REASON_##id,
    DIVE_REASONS(X)
#undef X
        DIVE_REASON_COUNT
};

/* Static text, never NULL: the draft's word, and a sentence for people. */
const char *dive_reason_word(enum dive_reason reason);
const char *dive_reason_text(enum dive_reason reason);
/* "undecided", "verified", "failed", "not-covered", "not-supported" */
const char *dive_verdict_word(enum dive_verdict verdict);

/* What DNS said about one TXT name. Never mixed; zero is the one that trusts nothing. */
enum dive_security {
    DIVE_DNS_NO_ANSWER = 0, /* timeout, SERVFAIL, and the zone isn't known to be insecure */
    DIVE_DNS_BOGUS,         /* validation failed */
    DIVE_DNS_INSECURE,      /* provably unsigned: whatever it says counts as absent */
    DIVE_DNS_SECURE,        /* validated; n == 0: validated absence */
};

const char *dive_security_word(enum dive_security security); /* "no-answer", "bogus", ... */

struct dive_answer {
    enum dive_security security;
    const struct dive_span *txt; /* SECURE: one a record, its character-strings joined */
    size_t n;
    uint32_t ttl;    /* seconds left; of a validated absence: how long that may be remembered */
    const char *why; /* a sentence when bogus or unanswered, or NULL */
};

/* A TXT name that the verifier needs an answer for. */
struct dive_want {
    uint32_t id;      /* names it in dive_verifier_answer() */
    const char *name; /* absolute, without the trailing dot; valid until the verifier is freed */
    bool fresh;       /* no answer that this process has cached may be used */
};

struct dive_record_cache;
struct dive_memory;

struct dive_options {
    unsigned versions;               /* accepted: set of DIVE_VERSION_BIT()s */
    bool ignore_bogus;               /* a bogus policy answer counts as absent (default: reject) */
    bool ignore_no_answer;           /* the same for none */
    bool pass_other_success;         /* 2xx other than 200 with content is let through */
    const char *user_agent;          /* client.user-agent in reports; borrowed */
    struct dive_record_cache *cache; /* shared, borrowed; NULL: nothing is cached */
    /* Domains that had a policy, and for how many seconds that counts (memory.h). A remembered
     * domain whose policy is gone without a validated absence fails as one without DNS answer.
     * Shared, borrowed; NULL: nothing is remembered (the only choice with the installed library).
     */
    struct dive_memory *policies;
    int64_t remember_policies;
    /* Is the response within custom scope `scope` (x-*)? NULL: no custom scope is recognised. */
    bool (*custom_scope)(void *arg, const char *scope, const struct dive_request *request,
                         const struct dive_response *response);
    void *custom_scope_arg;
};

struct dive_verifier;

/* `options` is copied, what it points to is borrowed until the verifier is freed. *out is the
 * caller's, NULL on DIVE_E_NOMEM. Zeroed options accept no version: no host has a policy then. */
int dive_verifier_new(struct dive_verifier **out, const struct dive_options *options) DIVE_MUST_USE;
/* Frees it, in any state, and clears *v, which may be NULL already. */
void dive_verifier_free(struct dive_verifier **v);

/* Begins the policy walk for `host` as it stands in the URL (any case; an IP literal has no
 * policy). `now`: Unix seconds, here and below. DIVE_E_SYNTAX for what is no host name: the
 * verifier may then be started again. DIVE_E_STATE when it was started already, DIVE_E_NOMEM. */
int dive_verifier_start(struct dive_verifier *v, struct dive_span host, int64_t now) DIVE_MUST_USE;

/* The next name that hasn't been handed out yet. False: none at the moment. To be drained after
 * every call that takes input. */
bool dive_verifier_next_want(struct dive_verifier *v, struct dive_want *out);

/* The answer to a want; each id once (DIVE_E_STATE otherwise, and nothing changes). Everything in
 * it is copied. DIVE_E_NOMEM: the verifier can't accept any more. */
int dive_verifier_answer(struct dive_verifier *v, uint32_t id, const struct dive_answer *answer,
                         int64_t now) DIVE_MUST_USE;

enum dive_policy_state {
    DIVE_POLICY_PENDING = 0,
    DIVE_POLICY_ABSENT, /* DIVE is not supported for this host */
    DIVE_POLICY_FOUND,
    DIVE_POLICY_FAILED, /* bogus or unanswered: every resource of the host is to be refused */
};

enum dive_policy_state dive_verifier_policy_state(const struct dive_verifier *v);
const struct dive_policy *dive_verifier_policy(
    const struct dive_verifier *v); /* NULL unless FOUND */
/* The level at which the policy stands, or at which it failed; NULL when there is none. */
const char *dive_verifier_policy_domain(const struct dive_verifier *v);
/* Why the secure record that ended the walk is not an accepted policy, or NULL when the walk did
 * not end so. *domain (may be NULL) is the level where it stands. Two records of one version are
 * such a case: an operator's mistake that turns DIVE off, to be logged loudly. */
const struct dive_fault *dive_verifier_policy_fault(const struct dive_verifier *v,
                                                    const char **domain);
/* The level whose remembered policy (options.policies) is gone without a proof, or NULL; *blocks:
 * it made the walk fail, false when that policy was report-only. */
const char *dive_verifier_policy_lost(const struct dive_verifier *v, bool *blocks);
/* Does the policy, if FOUND, declare any scope? False also means: no 200 can be covered. */
bool dive_verifier_policy_has_scopes(const struct dive_verifier *v);

/* Gives the heads, and `now` as the time that `created` and `expires` are compared with. Once,
 * after the start, before or after any answer; in another state DIVE_E_STATE, and nothing changes.
 * The two structs and all that they point to are borrowed until the verifier is freed. May call
 * options.custom_scope before it returns (as may start and answer). Any other failure: no ACCEPT
 * any more. */
int dive_verifier_response(struct dive_verifier *v, const struct dive_request *request,
                           const struct dive_response *response, int64_t now) DIVE_MUST_USE;

enum dive_coverage {
    DIVE_COVERAGE_PENDING = 0, /* keep the content back until this changes */
    DIVE_COVERED,              /* keep it back until the verdict */
    DIVE_UNCOVERED,            /* no verdict will be REJECT: let it through */
};

enum dive_coverage dive_verifier_coverage(const struct dive_verifier *v);

/* Has everything been verified but the content: policy, key, and the signature over the digest
 * (draft-01)? What is left open then is whether the content has that digest. Never true of
 * draft-00, whose signature is over the content. */
bool dive_verifier_awaits_content(const struct dive_verifier *v);

/* Must the content be fed (dive_verifier_body)? False once it can change nothing. */
bool dive_verifier_needs_body(const struct dive_verifier *v);

/* The next content bytes as received (coded content is not decoded; transfer coding is removed).
 * Hashed where they lie. A failure is remembered: the verdict can't be ACCEPT any more. */
void dive_verifier_body(struct dive_verifier *v, const void *data, size_t n);

/* The content is complete, as the message's framing says. Never call it for a truncated one. Once,
 * after the response; DIVE_E_STATE otherwise, and nothing changes. */
int dive_verifier_end(struct dive_verifier *v, int64_t now) DIVE_MUST_USE;

/* Instead of body and end, for content that was hashed before and is known to be unchanged (a cache
 * that judges what it has stored again, by the records of now). To be called when the coverage is
 * COVERED. DIVE_E_UNSUPPORTED when a digest that is needed isn't among `known`: then nothing has
 * happened, and the content has to be fed after all. */
int dive_verifier_end_known(struct dive_verifier *v, const struct dive_known_digest *known,
                            size_t n, int64_t now) DIVE_MUST_USE;

/* UNDECIDED until everything needed is known. Final once it is anything else. REJECT can come
 * before the end of the content; ACCEPT can't. */
enum dive_verdict dive_verifier_verdict(const struct dive_verifier *v);
enum dive_reason dive_verifier_reason(const struct dive_verifier *v);

/* After ACCEPT: what it rests on. All borrowed from the verifier. False before, and then *out is
 * zeroed. */
struct dive_proof {
    enum dive_version version;
    const char *domain; /* of the policy */
    const char *key_id;
    struct dive_span public_key;
    struct dive_known_digest digests[DIVE_HASH_COUNT]; /* of the content */
    size_t n_digests;
};
bool dive_verifier_proof(const struct dive_verifier *v, struct dive_proof *out);

/* For the log: the Key ID that verified, or that was tried last; NULL when none. */
const char *dive_verifier_key_id(const struct dive_verifier *v);
/* For the log: the security status of the policy's answer. ABSENT: the weakest that the walk rests
 * on, so SECURE means that the absence is proven. PENDING or an IP literal: NO_ANSWER. */
enum dive_security dive_verifier_policy_security(const struct dive_verifier *v);

/* The draft's report (draft-00 and -01 "Reporting") for a REJECT, as JSON text, malloc'd, the
 * caller's. `url` is the absolute URL of the resource; `blocked` selects final-decision.
 * DIVE_E_STATE unless the verdict is REJECT, DIVE_E_NOMEM; *out is NULL then. */
int dive_verifier_report(const struct dive_verifier *v, const char *url, bool blocked, int64_t now,
                         char **out) DIVE_MUST_USE;

/* What was asked, answered, checked and decided, as one JSON object (documented in
 * docs/trace.md), malloc'd, the caller's. In any state. DIVE_E_NOMEM, and *out is NULL. */
int dive_verifier_trace(const struct dive_verifier *v, char **out) DIVE_MUST_USE;

DIVE_API_END

#endif
