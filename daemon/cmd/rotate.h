/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rotate: what the files of `divectl rotate` share.
 *
 *      rotate.c          the command: gathers what DNS and the responses say
 *      rotate_headers.c  response heads as `curl -sI` prints them
 *      rotate_judge.c    a pure function: where that stands in the procedures of draft-01 section 8
 *                        (draft-00 section 7), and what comes next, not before when
 */
#ifndef DIVED_CMD_ROTATE_H
#define DIVED_CMD_ROTATE_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd/records.h"

#define ROTATE_KEYS_MAX RECORDS_KEYS_MAX
#define ROTATE_KEEP_SECONDS                                                                        \
    86400 /* how long invalidate-keys-cache stays (draft-01 section 8.2)                           \
           */

enum rotate_published { ROTATE_ABSENT = 0, ROTATE_VALID, ROTATE_INVALID, ROTATE_UNVALIDATED };

struct rotate_key {
    struct records_key key;
    enum rotate_published published;
    uint32_t ttl;                /* of the record; of a key that is absent 0 */
    int64_t lifetime;            /* seconds that a client may keep it past the resolver */
    size_t responses;            /* how many carry a signature by it */
    bool is_new, is_compromised; /* as the user says */
};

struct rotate_state {
    int64_t now; /* Unix seconds, here and below */
    bool has_policy, has_scopes, report_only;
    int64_t policy_age; /* seconds until every client has seen a change of the policy */
    bool has_invalidate;
    int64_t invalidate;
    int64_t since;         /* of the compromise; 0: not told */
    uint32_t negative_ttl; /* seconds that the absence of a key may be remembered */
    struct rotate_key keys[ROTATE_KEYS_MAX];
    size_t n_keys;
    size_t responses, unsigned_responses;
    size_t others;     /* responses other than 200, which count for nothing */
    int64_t freshness; /* the longest that a cache may serve one of the responses, seconds */
};

enum rotate_phase {
    ROTATE_NOT_DEPLOYED, /* no policy with scopes, or no key */
    ROTATE_UNKNOWN,      /* no response was looked at */
    ROTATE_BROKEN,       /* clients refuse something now */
    ROTATE_STEADY,
    ROTATE_PUBLISHED,   /* step 2: a new key is in DNS and signs nothing yet */
    ROTATE_ROLLING,     /* step 3: some responses carry both */
    ROTATE_BOTH,        /* step 3 is done: all responses carry both */
    ROTATE_OLD_UNUSED,  /* step 4 is done: the old key signs nothing any more */
    ROTATE_SPARE,       /* a key signs nothing: new or old, nobody has said */
    ROTATE_COMPROMISED, /* the compromise procedure is running or called for */
};

const char *rotate_phase_word(enum rotate_phase phase);

struct rotate_line {
    enum records_severity severity; /* findings only */
    int64_t not_before;             /* steps only: Unix seconds; 0: now */
    char text[400];
};

#define ROTATE_LINES_MAX 80

struct rotate_advice {
    enum rotate_phase phase;
    struct rotate_line findings[ROTATE_LINES_MAX];
    size_t n_findings;
    struct rotate_line steps[8]; /* in order */
    size_t n_steps;
    bool wrong; /* a finding is an error */
};

void rotate_judge(const struct rotate_state *state, struct rotate_advice *out);

/* Notes the key, which may be there already; NULL when there are too many. */
struct rotate_key *rotate_key_add(struct rotate_state *state, const char *key_id, const char *fqdn);

/* One response is signed by the key. `seen` starts as 0 for each response: two signatures by one
 * key count once. DIVE_E_LIMIT when there are too many keys. */
int rotate_key_count(struct rotate_state *state, const char *key_id, const char *fqdn,
                     uint64_t *seen) DIVE_MUST_USE;

#define ROTATE_HEADERS_MAX (1024 * 1024) /* bytes of one file */

/* Reads response heads: status lines and field lines, CRLF or LF, several heads one after another.
 * Adds what 200 responses say to `state`. `version` selects the fields. 0; DIVE_E_SYNTAX when there
 * is no head; DIVE_E_LIMIT (too many keys or fields); DIVE_E_NOMEM. */
int rotate_headers(struct rotate_state *state, struct dive_span text, const char *domain,
                   enum dive_version version) DIVE_MUST_USE;
/* The same for one response that is parsed already. */
int rotate_response(struct rotate_state *state, int status, const struct dive_fields *fields,
                    const char *domain, enum dive_version version) DIVE_MUST_USE;

#endif
