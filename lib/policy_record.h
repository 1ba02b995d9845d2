/* SPDX-License-Identifier: BSD-2-Clause
 *
 * policy_record: the `_dive` TXT record (draft-callec-dive-00 section 4.3, -01 section 5.3).
 */
#ifndef DIVE_POLICY_RECORD_H
#define DIVE_POLICY_RECORD_H

#include <stdbool.h>

#include "error.h"

DIVE_API_BEGIN

/* enum, token in `v`, cap on the policy's cache lifetime in seconds; older first */
/* clang-format off */
#define DIVE_VERSIONS(X)              \
    X(DRAFT_00, "dive-draft-00", 86400) \
    X(DRAFT_01, "dive-draft-01", 3600)
/* clang-format on */

enum dive_version {
#define X(id, token, cap) DIVE_VERSION_##id,
    DIVE_VERSIONS(X)
#undef X
        DIVE_VERSION_COUNT
};

#define DIVE_VERSION_BIT(version) (1u << (version))
#define DIVE_VERSIONS_ALL (DIVE_VERSION_BIT(DIVE_VERSION_COUNT) - 1)
#define DIVE_SCOPES_MAX 32
#define DIVE_SCOPE_NAME_MAX 64
#define DIVE_REPORT_TO_MAX 2048

/* Static text; DIVE_E_UNSUPPORTED for a token that isn't in the table. */
const char *dive_version_token(enum dive_version version);
int64_t dive_version_policy_cap(enum dive_version version); /* seconds */
int dive_version_from_token(struct dive_span token, enum dive_version *out) DIVE_MUST_USE;

struct dive_policy {
    enum dive_version version;
    bool strict;                                           /* scope "strict" is declared */
    char scopes[DIVE_SCOPES_MAX][DIVE_SCOPE_NAME_MAX + 1]; /* the well-formed custom ones (x-*) */
    size_t n_scopes;
    bool https_required;
    bool report_only;
    int64_t cache; /* seconds; 0 when absent; not capped here */
    bool has_invalidate_keys;
    int64_t invalidate_keys;                /* Unix seconds */
    char report_to[DIVE_REPORT_TO_MAX + 1]; /* an https URL, or "" */
};

/* What is wrong with a record, for people: which parameter, at which byte, in words. */
struct dive_fault {
    char parameter[32]; /* "" when the record as a whole */
    size_t offset;
    const char *text; /* static */
};

/* Parses one record's text (its strings joined). `accepted` is a set of DIVE_VERSION_BIT()s.
 * DIVE_E_UNSUPPORTED: `v` is absent, no string, or not accepted. DIVE_E_SYNTAX: not a dictionary.
 * DIVE_E_TYPE: a known parameter has the wrong type or range. All three: "DIVE not supported here".
 * Unknown parameters, directives and scopes are ignored. `fault` may be NULL. */
int dive_policy_parse(struct dive_policy *out, struct dive_span text, unsigned accepted,
                      struct dive_fault *fault) DIVE_MUST_USE;

/* Chooses among all TXT records at one name: those with an accepted `v` count, the newer version
 * wins. DIVE_E_UNSUPPORTED: none counts, or *ambiguous, two of the same winning version. A record
 * with an accepted `v` that is otherwise faulty counts too: if its version wins, the name is
 * unsupported. DIVE_E_NOMEM. `fault` may be NULL. */
int dive_policy_select(struct dive_policy *out, const struct dive_span *texts, size_t n,
                       unsigned accepted, bool *ambiguous, struct dive_fault *fault) DIVE_MUST_USE;

DIVE_API_END

#endif
