/* SPDX-License-Identifier: BSD-2-Clause
 *
 * resolver: validated DNS for one worker. Wraps libunbound on the worker's own event base and gives
 * answers whose security (RFC 4035 section 4.3) is one of four results that are never mixed.
 *
 * Object map:
 *
 *      resolver -+- context (shared)    one ub_ctx with its cache; replaced by
 * resolver_reconfigure()
 *                +- context (fresh) ... short-lived, empty cache: for answers that nobody
 * remembered
 *                +- query ...           one question, owned by its context until it ends
 *
 * No callback runs before the call that started the query has returned, and none after
 * resolver_cancel(). A callback runs once a query; the query is gone when it has run.
 */
#ifndef DIVED_DNS_RESOLVER_H
#define DIVED_DNS_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/loop.h"
#include "lib/verifier.h"

struct resolver_stub {
    const char *zone;    /* "test." */
    const char *address; /* "127.0.0.1@5300" */
};

struct resolver_option {
    const char *name;  /* of libunbound, with or without its colon: "do-ip6" */
    const char *value; /* "no" */
};

/* `dns` in the YAML file. Everything is copied by resolver_new() and resolver_reconfigure(). Zeroed
 * memory is valid: full recursion, nothing validated (every answer is INSECURE at best). */
struct resolver_config {
    const char *trust_anchor_file; /* DS or DNSKEY lines, read once; or NULL */
    const char *trust_anchor_auto; /* maintained after RFC 5011 (must be writable); or NULL */
    const char *const *forward;    /* "addr" or "addr@port" each; none: full recursion */
    size_t forward_count;
    const char *forward_tls;    /* DNS over TLS (RFC 7858): the name to authenticate; or NULL */
    const char *forward_tls_ca; /* PEM bundle for it; NULL: the system's */
    const struct resolver_stub *stub;
    size_t stub_count;
    const struct resolver_option *option; /* applied last, as they stand */
    size_t option_count;
    int64_t timeout_ms; /* of one query, everything included; 0: 10 s */
};

struct resolver;
struct resolver_query;

/* Everything in `config` is validated here, libunbound's context is finalised: `dived --check`
 * creates one and frees it. On failure `error` (may be NULL) gets one English sentence. `loop` is
 * borrowed and must outlive the resolver. Sends nothing. 0, DIVE_E_SYNTAX, DIVE_E_NOMEM, ... */
int resolver_new(struct resolver **out, struct loop *loop, const struct resolver_config *config,
                 char *error, size_t error_size) DIVE_MUST_USE;

/* New queries use `config`, running ones end under the old one. On failure nothing has changed. */
int resolver_reconfigure(struct resolver *resolver, const struct resolver_config *config,
                         char *error, size_t error_size) DIVE_MUST_USE;

/* Every query must have ended or been cancelled (asserted). Not from within a resolver callback. */
void resolver_free(struct resolver **resolver);

/* Queries that have not ended yet. */
size_t resolver_pending(const struct resolver *resolver);

/* `answer` and all in it are valid during the call only. */
typedef void resolver_txt_fn(void *arg, const struct dive_answer *answer);

/* TXT records of `name` (absolute, a trailing dot is optional). `fresh`: no cached answer of this
 * process is used, libunbound's own caches included (costs a full resolution from the trust
 * anchor).
 *
 * SECURE with n == 0 is a validated NXDOMAIN or NODATA. NO_ANSWER and BOGUS never carry records.
 * NO_ANSWER for `_label.zone` is asked about once more: when the level above is provably insecure,
 * then the answer is INSECURE (an insecure zone can publish nothing that counts).
 *
 * 0, DIVE_E_SYNTAX (no domain name), DIVE_E_LIMIT (too many queries), DIVE_E_NOMEM,
 * DIVE_E_INTERNAL; unless 0 there is no query and `cb` won't run. `*query` is the caller's until
 * `cb` runs; `cb` should clear the caller's copy. */
int resolver_txt(struct resolver *resolver, const char *name, bool fresh, resolver_txt_fn *cb,
                 void *arg, struct resolver_query **query) DIVE_MUST_USE;

#define RESOLVER_ADDRESSES_MAX 64 /* a family; more are dropped */

struct resolver_addresses {
    int family; /* AF_INET or AF_INET6, as asked */
    enum dive_security
        security; /* BOGUS and NO_ANSWER: n == 0, and the name must not be contacted */
    const uint8_t (*address)[16]; /* network order; AF_INET: the first 4 bytes */
    size_t n;
    uint32_t ttl;
    bool nxdomain;   /* the name doesn't exist (n == 0) */
    bool timeout;    /* NO_ANSWER because time ran out */
    int rcode;       /* of DNS; 2 (SERVFAIL) when there was none */
    const char *why; /* a sentence when bogus or unanswered, or NULL */
};

typedef void resolver_addresses_fn(void *arg, const struct resolver_addresses *answer);

/* A (AF_INET) or AAAA (AF_INET6) records of `host`: one query a family, both may run at once.
 * CNAMEs are followed. /etc/hosts is not read; `localhost` and names below it are loopback (RFC
 * 6761 section 6.3) and it is the guard's (origin/guard.h) to refuse that. IP literals are not
 * names: DIVE_E_SYNTAX for one that is IPv6, no special care for "127.1". Failure as
 * resolver_txt(). */
int resolver_addresses(struct resolver *resolver, const char *host, int family,
                       resolver_addresses_fn *cb, void *arg,
                       struct resolver_query **query) DIVE_MUST_USE;

/* Drops the query: its callback never runs, the late answer finds nobody. `*query` is set to NULL;
 * NULL in `*query` is fine. May be called from any callback, the query's own included (no effect).
 */
void resolver_cancel(struct resolver_query **query);

/* Counters since resolver_new(), for dived_dns_queries_total{type,security}. */
enum resolver_type { RESOLVER_A, RESOLVER_AAAA, RESOLVER_TXT, RESOLVER_SOA, RESOLVER_TYPE_COUNT };

const char *resolver_type_word(enum resolver_type type); /* "A", "AAAA", ... */

struct resolver_counters {
    uint64_t answers[RESOLVER_TYPE_COUNT][DIVE_DNS_SECURE + 1]; /* [type][enum dive_security] */
    uint64_t timeouts;  /* of them, unanswered because time ran out */
    uint64_t cancelled; /* by resolver_cancel() */
};

/* Valid until resolver_free(); written by the resolver's own thread only. */
const struct resolver_counters *resolver_counters(const struct resolver *resolver);

#endif
