/* SPDX-License-Identifier: BSD-2-Clause
 *
 * match: globs and networks.
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

bool config_host_address(const char *host, struct sockaddr_storage *out)
{
    uint8_t bytes[16];
    size_t n = ip_bytes(bare_host(host), bytes);

    *out = (struct sockaddr_storage){0};
    if (n == 4) {
        out->ss_family = AF_INET;
        memcpy(&((struct sockaddr_in *)out)->sin_addr, bytes, n);
    } else if (n == 16) {
        out->ss_family = AF_INET6;
        memcpy(&((struct sockaddr_in6 *)out)->sin6_addr, bytes, n);
    }
    return n > 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Each `*` any run of characters. `fold`: the glob is in lower case, the text may be in any. Going
 * back to the last star alone is enough, since a star matches everything that one before it would
 * have had to. */
static bool glob_matches(const char *glob, struct dive_span text, bool fold)
{
    const char *star = NULL;
    size_t at = 0, resume = 0;

    while (at < text.n) {
        char c = fold ? lower(text.p[at]) : text.p[at];

        if (*glob == '*') {
            star = ++glob;
            resume = at;
        } else if (*glob == c) {
            glob++;
            at++;
        } else if (star) {
            glob = star;
            at = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

static bool ends_with(struct dive_span text, const char *end, size_t n)
{
    return text.n >= n && strncasecmp(text.p + text.n - n, end, n) == 0;
}

bool config_host_glob_match(const char *glob, const char *host)
{
    struct dive_span span = bare_host(host);
    size_t n = strlen(glob);

    if (strcmp(glob, "*") == 0)
        return true;
    if (glob[0] == '.') /* the name itself, or at least one character before the dot */
        return (span.n == n - 1 && ends_with(span, glob + 1, n - 1)) ||
               (span.n > n && ends_with(span, glob, n));
    if (strncmp(glob, "*.", 2) == 0 && !strchr(glob + 1, '*'))
        return span.n > n - 1 && ends_with(span, glob + 1, n - 1);
    if (strchr(glob, '*'))
        return glob_matches(glob, span, true);
    return (span.n == n && strncasecmp(span.p, glob, n) == 0) || same_ip(glob, span);
}

bool config_hosts_match(const struct config_strings *globs, const char *host)
{
    for (size_t i = 0; i < globs->n; i++)
        if (config_host_glob_match(globs->v[i], host))
            return true;
    return false;
}

bool config_path_glob_match(const char *glob, const char *path)
{
    return glob_matches(glob, dive_span_str(path), false);
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
