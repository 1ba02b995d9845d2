/* SPDX-License-Identifier: BSD-2-Clause
 *
 * match: globs, networks and the first rule that fits.
 */
#include "config/match.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "lib/domain.h"

/* The host without brackets or trailing dot. */
static struct dive_span bare_host(const char *host)
{
    struct dive_span span = dive_span_str(host);

    if (span.n > 1 && host[0] == '[' && host[span.n - 1] == ']')
        return (struct dive_span){host + 1, span.n - 2};
    if (span.n > 1 && host[span.n - 1] == '.')
        span.n--;
    return span;
}

/* 4 or 16 bytes of an IP literal, v4-mapped IPv6 as IPv4; 0 for anything else. */
static size_t ip_bytes(struct dive_span text, uint8_t out[16])
{
    char buf[INET6_ADDRSTRLEN];
    struct in6_addr in6;

    if (text.n == 0 || text.n >= sizeof(buf))
        return 0;
    memcpy(buf, text.p, text.n);
    buf[text.n] = '\0';
    if (inet_pton(AF_INET, buf, out) == 1)
        return 4;
    if (inet_pton(AF_INET6, buf, &in6) != 1)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&in6)) {
        memcpy(out, in6.s6_addr + 12, 4);
        return 4;
    }
    memcpy(out, in6.s6_addr, 16);
    return 16;
}

/* One address has several spellings: a rule for it must not be passed by with another. */
static bool same_ip(const char *glob, struct dive_span host)
{
    uint8_t a[16], b[16];
    size_t n;

    if (!strchr(glob, ':') && (glob[0] < '0' || glob[0] > '9'))
        return false;
    n = ip_bytes(dive_span_str(glob), a);
    return n > 0 && ip_bytes(host, b) == n && memcmp(a, b, n) == 0;
}

bool config_host_glob_match(const char *glob, const char *host)
{
    struct dive_span span = bare_host(host);
    size_t n = strlen(glob);

    if (strcmp(glob, "*") == 0)
        return true;
    if (strncmp(glob, "*.", 2) == 0) /* at least one character before the dot */
        return span.n > n - 1 && strncasecmp(span.p + span.n - (n - 1), glob + 1, n - 1) == 0;
    return (span.n == n && strncasecmp(span.p, glob, n) == 0) || same_ip(glob, span);
}

bool config_hosts_match(const struct config_strings *globs, const char *host)
{
    for (size_t i = 0; i < globs->n; i++)
        if (config_host_glob_match(globs->v[i], host))
            return true;
    return false;
}

/* Going back to the last star alone is enough, since a star matches everything that one before it
 * would have had to. */
bool config_path_glob_match(const char *glob, const char *path)
{
    const char *star = NULL;
    const char *resume = NULL;

    while (*path) {
        if (*glob == '*') {
            star = ++glob;
            resume = path;
        } else if (*glob == *path) {
            glob++;
            path++;
        } else if (star) {
            glob = star;
            path = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

/* The address, v4-mapped IPv6 as IPv4: a dual-stack socket shows IPv4 clients so. */
static int address_bytes(const struct sockaddr *addr, const uint8_t **out)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)addr;

    if (addr->sa_family == AF_INET) {
        *out = (const uint8_t *)&((const struct sockaddr_in *)(const void *)addr)->sin_addr;
        return AF_INET;
    }
    if (addr->sa_family != AF_INET6)
        return 0;
    *out = in6->sin6_addr.s6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return AF_INET6;
    *out += 12;
    return AF_INET;
}

bool config_network_match(const struct config_network *network, const struct sockaddr *addr)
{
    const uint8_t *bytes = NULL;
    size_t whole = network->prefix / 8;
    unsigned rest = network->prefix % 8;

    if (network->family == 0 || address_bytes(addr, &bytes) != network->family)
        return false;
    if (memcmp(bytes, network->bytes, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}

bool config_networks_match(const struct config_networks *networks, const struct sockaddr *addr)
{
    for (size_t i = 0; i < networks->n; i++)
        if (config_network_match(&networks->v[i], addr))
            return true;
    return false;
}

static bool rule_matches(const struct config_rule *rule, const char *host,
                         const struct sockaddr *client, const char *path)
{
    if (rule->host && (!host || !config_host_glob_match(rule->host, host)))
        return false;
    if (rule->client.family && (!client || !config_network_match(&rule->client, client)))
        return false;
    return !rule->path || (path && config_path_glob_match(rule->path, path));
}

const struct config_rule *config_rule_match(const struct config *cfg, const char *host,
                                            const struct sockaddr *client, const char *path)
{
    for (size_t i = 0; i < cfg->rules.n; i++)
        if (rule_matches(&cfg->rules.v[i], host, client, path))
            return &cfg->rules.v[i];
    return NULL;
}

/* RFC 9110 section 8.3.1: type/subtype, any case, up to a parameter or white space. */
static bool media_type_matches(const char *pattern, const char *value)
{
    size_t n = strlen(pattern);
    size_t length;

    value += strspn(value, " \t");
    length = strcspn(value, "; \t,");
    if (n > 2 && strcmp(pattern + n - 2, "/*") == 0)
        return length > n - 1 && strncasecmp(value, pattern, n - 1) == 0;
    return length == n && strncasecmp(value, pattern, n) == 0;
}

bool config_scope_match(const struct config *cfg, const char *name, const char *host,
                        const char *path, const char *media_type)
{
    for (size_t i = 0; i < cfg->dive.scopes.n; i++) {
        const struct config_scope *scope = &cfg->dive.scopes.v[i];

        if (strcmp(scope->name, name) != 0)
            continue;
        if (scope->host && (!host || !config_host_glob_match(scope->host, host)))
            continue;
        if (scope->path && (!path || !config_path_glob_match(scope->path, path)))
            continue;
        if (scope->media_type &&
            (!media_type || !media_type_matches(scope->media_type, media_type)))
            continue;
        return true;
    }
    return false;
}

bool config_port_allowed(const struct config *cfg, uint16_t port)
{
    for (size_t i = 0; i < cfg->access.connect_ports.n; i++)
        if (cfg->access.connect_ports.v[i] == port)
            return true;
    return false;
}
