/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule: who decides about a request. The first rule all of whose criteria hold counts, and no
 * other; what it doesn't say is as the rest of the configuration says.
 *
 *      rule.c          criteria: does a rule fit, and if not, which of them doesn't hold
 *      rule_index.c    which rules are worth asking: by host, by client, the rest
 *      rule_hosts.c    hosts-file: a list of names, found by suffix
 *      rule_check.c    what a rule says that can't be, or is in vain
 *      time_window.c   "mon-fri 08:00-18:00"
 *      include.c       conf.d
 *
 * No call here allocates, blocks or calls back, but for those of the loader.
 */
#ifndef DIVED_CONFIG_RULE_H
#define DIVED_CONFIG_RULE_H

#include <stdbool.h>

#include "config/types.h"
#include "config/words.h"
#include "lib/error.h"

struct config;
struct rule_hosts;

/* What a rule may name: X(identifier, key). In the order in which they are looked at: the cheap
 * ones first. */
/* clang-format off */
#define CONFIG_CRITERIA(X)                                                                         \
    X(HOST, "host") X(PORT, "port") X(SCHEME, "scheme") X(CLIENT, "client")                        \
    X(LISTENER, "listener") X(USER, "user") X(DESTINATION, "destination")                          \
    X(HOSTS_FILE, "hosts-file") X(TIME, "time") X(METHOD, "method") X(PATH, "path")
/* clang-format on */

enum config_criterion {
    CONFIG_CRITERION_NONE = 0,
#define X(id, key) CONFIG_CRITERION_##id,
    CONFIG_CRITERIA(X)
#undef X
};

struct config_rule {
    /* Criteria. All that are given must hold; of several values of one, any. n == 0: not given. */
    struct config_strings host;       /* host globs, lower case */
    struct config_strings hosts_file; /* paths; `hosts` is what is in them */
    struct config_networks client;
    struct config_networks destination;
    struct config_ports port;
    struct {
        enum config_scheme *v;
        size_t n;
    } scheme;
    struct config_strings path; /* path globs */
    struct config_strings method;
    struct config_strings user; /* "*": any that is authenticated */
    struct config_strings listener;
    struct config_windows time;
    const struct rule_hosts **hosts; /* one a hosts_file, NULL when there is none */

    /* Actions. */
    enum config_mode mode;         /* UNSET: as dive.mode says */
    enum config_browsers browsers; /* UNSET: as dive.browsers says */
    enum config_release release;   /* UNSET: as hold.release says */
    bool deny;                     /* refuse the request: 403, whatever DIVE would say */
    enum config_switch splice;     /* ON: TLS is tunnelled unseen; OFF: opened, whatever
                                    * interception.splice says */
    enum config_switch require;    /* ON, OFF: as dive.unsupported block, allow */
    enum config_switch cache;      /* OFF: neither stored nor served from what is stored */
    struct config_strings require_components; /* that signatures must cover (RFC 9421), serialized:
                                               * "\"@path\";req" */
    struct config_parent parent;              /* UNSET: as origins.parent says */

    const char *file; /* where it stands, for logs and traces */
    unsigned line;
};

/* What a rule is asked about. Zeroed memory knows nothing: what isn't known doesn't fit a rule that
 * names it. All borrowed for the call. */
struct config_subject {
    const char *host; /* a name, or an IP literal with or without brackets; NULL: unknown */
    uint16_t port;    /* 0: unknown */
    enum config_scheme scheme;
    const struct sockaddr *client;
    const struct sockaddr *destination; /* NULL: unknown, or as `host` says if it is a literal */
    const char *path;        /* without query; NULL: not known before the request (CONNECT) */
    struct dive_span method; /* p NULL: the same */
    const char *user;        /* authenticated; NULL: nobody is */
    const char *listener;    /* its name */
    int64_t now;             /* Unix seconds; 0: unknown. Windows are of local time */
};

/* The first rule that fits, or NULL. */
const struct config_rule *config_rule_match(const struct config *cfg,
                                            const struct config_subject *subject);

/* The same where the request inside isn't known yet (CONNECT, a ClientHello): path and method are
 * NULL. *pending is the first rule before the answer that fits but for its path or method, or NULL:
 * what is inside may be that rule's, so a later one can't decide about all of it. */
const struct config_rule *config_rule_match_early(const struct config *cfg,
                                                  const struct config_subject *subject,
                                                  const struct config_rule **pending);

/* The first criterion that doesn't hold, or NONE. *unknown (may be NULL): it is path or method,
 * they aren't known, and everything else holds. */
enum config_criterion config_rule_mismatch(const struct config_rule *rule,
                                           const struct config_subject *subject, bool *unknown);

/* The key of a criterion ("hosts-file"); "" for NONE. Static storage. */
const char *config_criterion_word(enum config_criterion criterion);

#define CONFIG_RULE_PLACE 300
/* "dived.yaml:12" into `buf`: the file's name without its folder, cut to `size`, NUL-terminated.
 * Returns buf. */
const char *config_rule_place(const struct config_rule *rule, char *buf, size_t size);

#endif
