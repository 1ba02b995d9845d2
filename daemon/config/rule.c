/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule: does a rule fit, and if not, which of its criteria doesn't hold.
 */
#include "config/rule.h"

#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/time_window.h"

static bool host_holds(const struct config_rule *rule, const struct config_subject *s)
{
    return s->host && config_hosts_match(&rule->host, s->host);
}

static bool client_holds(const struct config_rule *rule, const struct config_subject *s)
{
    return s->client && config_networks_match(&rule->client, s->client);
}

static bool destination_holds(const struct config_rule *rule, const struct config_subject *s)
{
    struct sockaddr_storage literal;

    if (s->destination)
        return config_networks_match(&rule->destination, s->destination);
    return s->host && config_host_address(s->host, &literal) &&
           config_networks_match(&rule->destination, (const struct sockaddr *)&literal);
}

static bool port_holds(const struct config_rule *rule, const struct config_subject *s)
{
    for (size_t i = 0; i < rule->port.n; i++)
        if (s->port > 0 && rule->port.v[i] == s->port)
            return true;
    return false;
}

static bool scheme_holds(const struct config_rule *rule, const struct config_subject *s)
{
    for (size_t i = 0; i < rule->scheme.n; i++)
        if (s->scheme != CONFIG_SCHEME_UNSET && rule->scheme.v[i] == s->scheme)
            return true;
    return false;
}

static bool path_holds(const struct config_rule *rule, const struct config_subject *s)
{
    for (size_t i = 0; i < rule->path.n; i++)
        if (s->path && config_path_glob_match(rule->path.v[i], s->path))
            return true;
    return false;
}

static bool method_holds(const struct config_rule *rule, const struct config_subject *s)
{
    for (size_t i = 0; i < rule->method.n; i++)
        if (s->method.p && dive_span_eq(s->method, rule->method.v[i]))
            return true;
    return false;
}

static bool user_holds(const struct config_rule *rule, const struct config_subject *s)
{
    for (size_t i = 0; i < rule->user.n; i++)
        if (s->user && (strcmp(rule->user.v[i], "*") == 0 || strcmp(rule->user.v[i], s->user) == 0))
            return true;
    return false;
}

static bool listener_holds(const struct config_rule *rule, const struct config_subject *s)
{
    for (size_t i = 0; i < rule->listener.n; i++)
        if (s->listener && strcmp(rule->listener.v[i], s->listener) == 0)
            return true;
    return false;
}

static bool hosts_file_holds(const struct config_rule *rule, const struct config_subject *s)
{
    return false;
}

static bool time_holds(const struct config_rule *rule, const struct config_subject *s)
{
    return s->now > 0 && time_windows_match(&rule->time, s->now);
}

static bool is_given(const struct config_rule *rule, enum config_criterion criterion)
{
    switch (criterion) {
    case CONFIG_CRITERION_HOST:
        return rule->host.n > 0;
    case CONFIG_CRITERION_HOSTS_FILE:
        return rule->hosts_file.n > 0;
    case CONFIG_CRITERION_CLIENT:
        return rule->client.n > 0;
    case CONFIG_CRITERION_DESTINATION:
        return rule->destination.n > 0;
    case CONFIG_CRITERION_PORT:
        return rule->port.n > 0;
    case CONFIG_CRITERION_SCHEME:
        return rule->scheme.n > 0;
    case CONFIG_CRITERION_PATH:
        return rule->path.n > 0;
    case CONFIG_CRITERION_METHOD:
        return rule->method.n > 0;
    case CONFIG_CRITERION_USER:
        return rule->user.n > 0;
    case CONFIG_CRITERION_LISTENER:
        return rule->listener.n > 0;
    case CONFIG_CRITERION_TIME:
        return rule->time.n > 0;
    case CONFIG_CRITERION_NONE:
        break;
    }
    return false;
}

static bool holds(const struct config_rule *rule, const struct config_subject *s,
                  enum config_criterion criterion)
{
    switch (criterion) {
    case CONFIG_CRITERION_HOST:
        return host_holds(rule, s);
    case CONFIG_CRITERION_HOSTS_FILE:
        return hosts_file_holds(rule, s);
    case CONFIG_CRITERION_CLIENT:
        return client_holds(rule, s);
    case CONFIG_CRITERION_DESTINATION:
        return destination_holds(rule, s);
    case CONFIG_CRITERION_PORT:
        return port_holds(rule, s);
    case CONFIG_CRITERION_SCHEME:
        return scheme_holds(rule, s);
    case CONFIG_CRITERION_PATH:
        return path_holds(rule, s);
    case CONFIG_CRITERION_METHOD:
        return method_holds(rule, s);
    case CONFIG_CRITERION_USER:
        return user_holds(rule, s);
    case CONFIG_CRITERION_LISTENER:
        return listener_holds(rule, s);
    case CONFIG_CRITERION_TIME:
        return time_holds(rule, s);
    case CONFIG_CRITERION_NONE:
        break;
    }
    return false;
}

/* In the order of the table. Path and method are last: everything before them holds when one of
 * them turns out to be unknown; the other one may still be known not to hold. */
enum config_criterion config_rule_mismatch(const struct config_rule *rule,
                                           const struct config_subject *subject, bool *unknown)
{
    static const enum config_criterion order[] = {
#define X(id, key) CONFIG_CRITERION_##id,
        CONFIG_CRITERIA(X)
#undef X
    };
    enum config_criterion pending = CONFIG_CRITERION_NONE;

    if (unknown)
        *unknown = false;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (!is_given(rule, order[i]) || holds(rule, subject, order[i]))
            continue;
        if ((order[i] != CONFIG_CRITERION_METHOD || subject->method.p) &&
            (order[i] != CONFIG_CRITERION_PATH || subject->path))
            return order[i];
        if (!pending)
            pending = order[i];
    }
    if (unknown)
        *unknown = pending != CONFIG_CRITERION_NONE;
    return pending;
}

const char *config_criterion_word(enum config_criterion criterion)
{
    static const char *const words[] = {[CONFIG_CRITERION_NONE] = "",
#define X(id, key) [CONFIG_CRITERION_##id] = key,
                                        CONFIG_CRITERIA(X)
#undef X
    };

    return words[criterion];
}

const char *config_rule_place(const struct config_rule *rule, char *buf, size_t size)
{
    const char *slash = strrchr(rule->file, '/');

    snprintf(buf, size, "%s:%u", slash ? slash + 1 : rule->file, rule->line);
    return buf;
}

const struct config_rule *config_rule_match_early(const struct config *cfg,
                                                  const struct config_subject *subject,
                                                  const struct config_rule **pending)
{
    bool unknown;

    *pending = NULL;
    for (size_t i = 0; i < cfg->rules.n; i++) {
        const struct config_rule *rule = &cfg->rules.v[i];

        if (config_rule_mismatch(rule, subject, &unknown) == CONFIG_CRITERION_NONE)
            return rule;
        if (unknown && !*pending)
            *pending = rule;
    }
    return NULL;
}

const struct config_rule *config_rule_match(const struct config *cfg,
                                            const struct config_subject *subject)
{
    const struct config_rule *pending;

    return config_rule_match_early(cfg, subject, &pending);
}
