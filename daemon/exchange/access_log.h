/* SPDX-License-Identifier: BSD-2-Clause
 *
 * access_log: one JSON object a line for each exchange and each tunnel; docs/logs.md has the
 * fields. Also counts what it writes in the metrics, so that log and metrics never disagree.
 */
#ifndef DIVED_EXCHANGE_ACCESS_LOG_H
#define DIVED_EXCHANGE_ACCESS_LOG_H

#include "core/buffer.h"
#include "core/metrics.h"
#include "http/head.h"

/* Strings may be NULL and are then null. */
struct access_entry {
    int64_t started_unix_ms;
    int64_t duration_ms;
    const char *exchange;
    const char *client;
    const char *user;
    struct dive_span method;
    const char *url;
    const char *host;
    int status;     /* 0: none was sent */
    uint64_t bytes; /* of content, to the client */
    const char *cache;
    const char *tls; /* version towards the client */
    enum verdict_word verdict;
    enum dive_reason reason;
    const char *reason_word; /* instead of `reason` */
    enum action_word action;
    const char *policy_domain;
    const char *key_id;
    const char *dnssec;
    const struct config_rule *rule; /* that decided; left out otherwise */
    const char *error;              /* a sentence when something went wrong; left out otherwise */
    unsigned listener;
    uint16_t port;                       /* of the tunnel's target */
    const struct config_rule *denied_by; /* the rule that refused it; NULL: none did */
};

/* `line` is scratch memory, empty before and after. */
void access_log_entry(struct buffer *buffer, const struct access_entry *entry);

#endif
