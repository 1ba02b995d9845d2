/* SPDX-License-Identifier: BSD-2-Clause
 *
 * value_net: addresses, networks and names. Numbers only where an address is asked for: a name
 * would mean a lookup before the resolver stands.
 */
#include "config/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int parse_port(const char *text, unsigned least, unsigned *out, struct value_why *why)
{
    int64_t port;

    if (value_integer(text, &port, why) || port < least || port > 65535)
        return value_wrong(why, "has no valid port; it is a number from %u to 65535", least);
    *out = (unsigned)port;
    return 0;
}

/* Names what is most likely meant by something that is no "ip:port". */
static int address_hint(const char *text, struct value_why *why)
{
    unsigned char bytes[16];
    const char *colon = strrchr(text, ':');

    if (inet_pton(AF_INET, text, bytes) == 1)
        return value_wrong(why, "has no port; write %.40s:3128", text);
    if (inet_pton(AF_INET6, text, bytes) == 1)
        return value_wrong(why, "has no port; write \"[%.40s]:3128\"", text);
    if (text[0] && strspn(text, "0123456789") == strlen(text))
        return value_wrong(why, "has no address; write 127.0.0.1:%.5s", text);
    if (colon == text || strncmp(text, "*:", 2) == 0)
        return value_wrong(why, "has no address; write 0.0.0.0%.6s for all of them", colon);
    if (strncmp(text, "localhost:", 10) == 0)
        return value_wrong(why, "is a name; write 127.0.0.1%.6s", colon);
    return value_wrong(why,
                       "is no address and port; write ip:port, and an IPv6 address in brackets");
}

int value_address(const char *text, struct config_address *out, struct value_why *why)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&out->addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->addr;
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    struct config_address empty = {0};
    unsigned port;
    size_t n;

    *out = empty;
    n = colon ? (size_t)(colon - text) : 0;
    if (!colon || n < 2 || n >= sizeof(host))
        return address_hint(text, why);
    memcpy(host, text, n);
    host[n] = '\0';
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &in6->sin6_addr) != 1)
            return address_hint(text, why);
        out->addr.ss_family = AF_INET6;
    } else if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        out->addr.ss_family = AF_INET;
    } else {
        return address_hint(text, why);
    }
    if (parse_port(colon + 1, 0, &port, why)) {
        *out = empty;
        return DIVE_E_SYNTAX;
    }
    if (out->addr.ss_family == AF_INET6)
        in6->sin6_port = htons((uint16_t)port);
    else
        in->sin_port = htons((uint16_t)port);
    out->len = out->addr.ss_family == AF_INET6 ? sizeof(*in6) : sizeof(*in);
    return 0;
}

/* Clears the bits past the prefix. True if there were any. */
static bool mask(uint8_t *bytes, size_t n, unsigned prefix)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        unsigned bits = prefix > i * 8 ? prefix - (unsigned)i * 8 : 0;
        uint8_t keep = bits >= 8 ? 0xff : (uint8_t)(0xff00u >> bits);

        any |= (bytes[i] & ~keep) != 0;
        bytes[i] &= keep;
    }
    return any;
}

/* ::ffff:a.b.c.d/96+n is the IPv4 network: sockets show either form for one client. */
static void unmap(struct config_network *network)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (network->family != AF_INET6 || network->prefix < 96 ||
        memcmp(network->bytes, prefix, sizeof(prefix)) != 0)
        return;
    network->family = AF_INET;
    network->prefix -= 96;
    memmove(network->bytes, network->bytes + 12, 4);
    memset(network->bytes + 4, 0, 12);
}

int value_network(const char *text, struct config_network *out, struct value_why *why)
{
    struct config_network network = {0};
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    char ip[INET6_ADDRSTRLEN];
    int64_t prefix;
    unsigned bits;

    *out = network;
    if (n == 0 || n >= sizeof(ip))
        return value_wrong(why, "is no network; write ip/bits, such as 192.168.0.0/16");
    memcpy(ip, text, n);
    ip[n] = '\0';
    network.family = strchr(ip, ':') ? AF_INET6 : AF_INET;
    bits = network.family == AF_INET6 ? 128 : 32;
    if (inet_pton(network.family, ip, network.bytes) != 1)
        return value_wrong(why, "is no network; write ip/bits, such as 192.168.0.0/16");
    if (!slash)
        return value_wrong(why, "has no prefix length; write %s/%u for this address alone", ip,
                           bits);
    if (value_integer(slash + 1, &prefix, why) || prefix > bits)
        return value_wrong(why, "has no valid prefix length; it is a number from 0 to %u", bits);
    network.prefix = (unsigned)prefix;
    if (mask(network.bytes, bits / 8, network.prefix)) {
        inet_ntop(network.family, network.bytes, ip, sizeof(ip));
        return value_wrong(why, "has bits set past its prefix; write %s/%u", ip, network.prefix);
    }
    unmap(&network);
    *out = network;
    return 0;
}

int value_dns_server(const char *text, unsigned port, char out[VALUE_SERVER_BUF],
                     struct value_why *why)
{
    const char *at = strchr(text, '@');
    size_t n = at ? (size_t)(at - text) : strlen(text);
    struct config_address address;
    char ip[INET6_ADDRSTRLEN];
    uint8_t bytes[16];

    out[0] = '\0';
    if (value_address(text, &address, why) == 0) {
        const char *colon = strrchr(text, ':');
        bool brackets = text[0] == '[';

        return value_wrong(why, "is not in DNS notation; write %.*s@%s",
                           (int)(colon - text) - 2 * brackets, text + brackets, colon + 1);
    }
    if (n == 0 || n >= sizeof(ip))
        return value_wrong(why, "is no DNS server; write ip@port");
    memcpy(ip, text, n);
    ip[n] = '\0';
    if (inet_pton(AF_INET, ip, bytes) != 1 && inet_pton(AF_INET6, ip, bytes) != 1)
        return value_wrong(why, "is no DNS server; write ip@port, with numbers, no name");
    if (at && parse_port(at + 1, 1, &port, why))
        return DIVE_E_SYNTAX;
    if (port > 0)
        snprintf(out, VALUE_SERVER_BUF, "%s@%u", ip, port);
    else
        snprintf(out, VALUE_SERVER_BUF, "%s", ip);
    return 0;
}

int value_dns_name(const char *text, char out[VALUE_HOST_BUF], struct value_why *why)
{
    char name[DIVE_DOMAIN_BUF];
    int r = dive_domain_normalize(dive_span_str(text), name);

    out[0] = '\0';
    if (r == DIVE_E_UNSUPPORTED)
        return value_wrong(why, "is an IP address, where a name is asked for");
    if (r)
        return value_wrong(why, "is no host name (labels of a-z, 0-9, \"-\" and \"_\"; "
                                "internationalised ones as xn--)");
    snprintf(out, VALUE_HOST_BUF, "%s", name);
    return 0;
}

int value_zone(const char *text, char out[VALUE_HOST_BUF], struct value_why *why)
{
    int r;

    if (strcmp(text, ".") == 0) {
        memcpy(out, ".", 2);
        return 0;
    }
    r = value_dns_name(text, out, why);
    if (r == 0)
        strcat(out, "."); /* VALUE_HOST_BUF leaves the room */
    return r;
}

/* "::1" or "[::1]" or "192.0.2.1", in the form of inet_ntop(). */
static bool ip_literal(const char *text, char out[VALUE_HOST_BUF])
{
    size_t n = strlen(text);
    bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
    char ip[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    int family;

    n -= brackets ? 2 : 0;
    if (n >= sizeof(ip))
        return false;
    memcpy(ip, text + brackets, n);
    ip[n] = '\0';
    family = strchr(ip, ':') ? AF_INET6 : AF_INET;
    return inet_pton(family, ip, bytes) == 1 && (!brackets || family == AF_INET6) &&
           inet_ntop(family, bytes, out, VALUE_HOST_BUF);
}

/* With stars that aren't a label alone at the front: what is left must look like a name. */
static int star_glob(const char *text, char out[VALUE_HOST_BUF], struct value_why *why)
{
    size_t n = strlen(text), ends = text[0] == '.' ? 1 : 0;
    char name[VALUE_HOST_BUF], normal[VALUE_HOST_BUF];

    if (n > DIVE_DOMAIN_MAX)
        return value_wrong(why, "is longer than a host name");
    if (strspn(text, ".*") == n)
        return value_wrong(why, "is no host glob; write \"*\" for every host");
    if (strspn(text, "0123456789.*") == n)
        return value_wrong(why, "looks like a part of an IP address; write a network: client or "
                                "destination of a rule");
    for (size_t i = 0; i <= n; i++) {
        name[i] = text[i] == '*' ? 'x' : text[i];
        out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 'a' - 'A') : text[i];
    }
    if (ends || value_dns_name(name, normal, why)) {
        out[0] = '\0';
        return value_wrong(why, "is no host glob; write \"*.example.com\", \".example.com\" or "
                                "\"cdn*.example.com\"");
    }
    return 0;
}

int value_host_glob(const char *text, char out[VALUE_HOST_BUF], struct value_why *why)
{
    char name[VALUE_HOST_BUF];
    bool below = strncmp(text, "*.", 2) == 0 || text[0] == '.';
    size_t skip = below ? (text[0] == '.' ? 1 : 2) : 0;
    int r;

    out[0] = '\0';
    if (strcmp(text, "*") == 0) {
        memcpy(out, "*", 2);
        return 0;
    }
    if (ip_literal(text, out))
        return 0;
    if (strstr(text, "://"))
        return value_wrong(why, "is a URL; write its host name alone");
    if (strchr(text, '/'))
        return value_wrong(why, "has a \"/\"; host names alone, networks go into \"client\"");
    if (strchr(text, ':'))
        return value_wrong(why, "has a port; a host is meant whatever the port");
    if (strchr(text + skip, '*'))
        return star_glob(text, out, why);
    r = value_dns_name(text + skip, name, why);
    if (r)
        return r;
    snprintf(out, VALUE_HOST_BUF, "%.*s%.*s", (int)skip, text, DIVE_DOMAIN_MAX, name);
    return 0;
}

/* RFC 3986 section 2.1. False for a "%" without its digits, and for what a Basic user can't have:
 * control characters and ":" (RFC 7617 section 2). */
static bool decode_user(const char *text, size_t n, char out[VALUE_USER_BUF])
{
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)text[i];

        if (c == '%') {
            if (i + 2 >= n || !isxdigit((unsigned char)text[i + 1]) ||
                !isxdigit((unsigned char)text[i + 2]) || sscanf(text + i + 1, "%2x", &c) != 1)
                return false;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || c == ':' || length + 1 >= VALUE_USER_BUF)
            return false;
        out[length++] = (char)c;
    }
    out[length] = '\0';
    return length > 0;
}

int value_parent(const char *text, struct value_parent *out, struct value_why *why)
{
    const char *rest = text, *end, *at, *colon;
    char host[VALUE_HOST_BUF];
    unsigned port = 0;
    size_t n;

    *out = (struct value_parent){0};
    out->tls = strncmp(text, "https://", 8) == 0;
    if (!out->tls && strncmp(text, "http://", 7) != 0)
        return value_wrong(why,
                           "is no URL of a proxy; write http://host:port or https://host:port");
    rest += out->tls ? 8 : 7;
    end = rest + strcspn(rest, "/?#");
    if (*end != '\0' && strcmp(end, "/") != 0)
        return value_wrong(why, "has more than a host and port; a proxy is meant as a whole");
    at = memrchr(rest, '@', (size_t)(end - rest));
    if (at) {
        if (memchr(rest, ':', (size_t)(at - rest)))
            return value_wrong(why, "has a password, which many may read here; put it into "
                                    "origins.parent-password-file");
        if (!decode_user(rest, (size_t)(at - rest), out->user))
            return value_wrong(why, "has a user name that is empty, too long or malformed");
        rest = at + 1;
    }
    colon = memrchr(rest, ':', (size_t)(end - rest));
    if (!colon || memchr(colon, ']', (size_t)(end - colon)))
        return value_wrong(why, "has no port; write %.7s//host:3128", text);
    n = (size_t)(end - colon - 1);
    if (n == 0 || n > 5)
        return value_wrong(why, "has no valid port; it is a number from 1 to 65535");
    memcpy(host, colon + 1, n);
    host[n] = '\0';
    if (parse_port(host, 1, &port, why))
        return DIVE_E_SYNTAX;
    out->port = (uint16_t)port;
    n = (size_t)(colon - rest);
    if (n == 0 || n >= sizeof(host))
        return value_wrong(why, "has no host");
    memcpy(host, rest, n);
    host[n] = '\0';
    if ((host[0] == '[' || !strchr(host, ':')) && ip_literal(host, out->host))
        return 0;
    return value_dns_name(host, out->host, why);
}
