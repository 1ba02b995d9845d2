/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records_ask: the TXT names of DIVE that a command wants to know about, asked by the daemon's own
 * validating resolver under the daemon's own settings, all at once, and waited for.
 *
 *      names of the policy walk -+
 *      random names (wildcards) -+-> records_ask() -> answers -+-> records_walk(): the verifier's
 *      names of keys            -+                                own walk decides
 */
#ifndef DIVED_CMD_RECORDS_ASK_H
#define DIVED_CMD_RECORDS_ASK_H

#include "config/config.h"
#include "lib/domain.h"
#include "lib/verifier.h"

enum records_kind {
    RECORDS_POLICY,    /* _dive.<level> */
    RECORDS_PROBE,     /* <random>.<level>: answered by a wildcard only */
    RECORDS_KEY,       /* <Key-ID>._divekey.<level> */
    RECORDS_KEY_PROBE, /* <random>._divekey.<level> */
};

struct records_name {
    enum records_kind kind;
    char name[DIVE_DOMAIN_BUF + DIVE_KEY_ID_MAX + 16];
    const char *level; /* borrowed: into the domain under test, or what the caller gave */
    char key_id[DIVE_KEY_ID_MAX + 1]; /* "" unless RECORDS_KEY */
    bool exact;                       /* KEYID@fqdn: no other level counts */
    bool too_long;                    /* no such name can exist: absent without asking */
    /* The answer; NO_ANSWER until there is one. */
    enum dive_security security;
    uint32_t ttl;
    struct dive_span *txt; /* malloc'd with what it points to; of an INSECURE answer too */
    size_t n;
    char *why; /* malloc'd, or NULL */
};

#define RECORDS_NAMES_MAX 2048

struct records_names {
    struct records_name *v; /* malloc'd */
    size_t n, asked;        /* v[0..asked) have their answers */
};

struct records_asker;

/* Takes `dns` of `config`, which is borrowed and must outlive it. An exit code that was told, or
 * COMMAND_OK. */
int records_asker_new(struct records_asker **out, const struct config *config) DIVE_MUST_USE;
void records_asker_free(struct records_asker **asker);

/* Adds a name to be asked. DIVE_E_NOMEM, DIVE_E_LIMIT past RECORDS_NAMES_MAX. */
int records_add(struct records_names *names, enum records_kind kind, const char *level,
                const char *key_id, bool exact) DIVE_MUST_USE;
void records_names_free(struct records_names *names);

/* Asks all names that were added since the last call, and returns when every one has its answer or
 * its time is up (dns.timeout). 0, or a negative DIVE_E*. */
int records_ask(struct records_asker *asker, struct records_names *names) DIVE_MUST_USE;

/* Gives `verifier`, freshly started, the answers it wants. 0 or a negative DIVE_E*. Afterwards its
 * policy state is no longer pending, if the names of the walk are among `names`. */
int records_walk(struct dive_verifier *verifier, const struct records_names *names,
                 int64_t now) DIVE_MUST_USE;

/* The name, or NULL. */
const struct records_name *records_find(const struct records_names *names, enum records_kind kind,
                                        const char *level);

#endif
