/* SPDX-License-Identifier: BSD-2-Clause
 *
 * guard: see guard.h. One table of blocks a family, first match wins; the forms of IPv6 that carry
 * an IPv4 address are taken apart and judged by what they carry.
 */
#include "origin/guard.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An address of either family without its port; IPv4-mapped ones are IPv4 here. */
struct address {
    int family;
    uint8_t bytes[16];
    in_port_t port; /* network order */
};

struct guard {
    struct guard_network *allow;
    size_t allow_count;
    struct address *listener;
    size_t listener_count;
};

struct block {
    uint8_t address[16];
    uint8_t prefix;
    enum guard_reason reason;
};

/* clang-format off */
static const struct block blocks4[] = {
    {{169, 254, 169, 254}, 32, GUARD_METADATA},      /* most clouds */
    {{169, 254, 170, 2},   32, GUARD_METADATA},      /* AWS container credentials */
    {{168, 63, 129, 16},   32, GUARD_METADATA},      /* Azure's wire server */
    {{100, 100, 100, 200}, 32, GUARD_METADATA},      /* Alibaba Cloud */
    {{192, 0, 0, 192},     32, GUARD_METADATA},      /* Oracle Cloud */
    {{0},                   8, GUARD_UNSPECIFIED},   /* RFC 791 section 3.2 */
    {{10},                  8, GUARD_PRIVATE},       /* RFC 1918 */
    {{100, 64},            10, GUARD_SHARED},        /* RFC 6598 */
    {{127},                 8, GUARD_LOOPBACK},      /* RFC 1122 section 3.2.1.3 */
    {{169, 254},           16, GUARD_LINK_LOCAL},    /* RFC 3927 */
    {{172, 16},            12, GUARD_PRIVATE},
    {{192, 0, 0},          24, GUARD_RESERVED},      /* RFC 6890 section 2.1 */
    {{192, 0, 2},          24, GUARD_DOCUMENTATION}, /* RFC 5737 */
    {{192, 88, 99},        24, GUARD_RESERVED},      /* RFC 7526: 6to4 relays, deprecated */
    {{192, 168},           16, GUARD_PRIVATE},
    {{198, 18},            15, GUARD_BENCHMARKING},  /* RFC 2544 */
    {{198, 51, 100},       24, GUARD_DOCUMENTATION},
    {{203, 0, 113},        24, GUARD_DOCUMENTATION},
    {{224},                 4, GUARD_MULTICAST},     /* RFC 5771 */
    {{255, 255, 255, 255}, 32, GUARD_BROADCAST},     /* RFC 919 */
    {{240},                 4, GUARD_RESERVED},      /* RFC 1112 section 4 */
};

static const struct block blocks6[] = {
    {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, 128, GUARD_METADATA}, /* AWS */
    {{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}, 128, GUARD_METADATA}, /* Google Cloud */
    {{0},                             128, GUARD_UNSPECIFIED},   /* RFC 4291 section 2.5.2 */
    {{[15] = 1},                      128, GUARD_LOOPBACK},      /* RFC 4291 section 2.5.3 */
    {{0xfe, 0x80},                     10, GUARD_LINK_LOCAL},    /* RFC 4291 section 2.5.6 */
    {{0xfe, 0xc0},                     10, GUARD_UNIQUE_LOCAL},  /* RFC 3879: site-local */
    {{0xfc},                            7, GUARD_UNIQUE_LOCAL},  /* RFC 4193 */
    {{0xff},                            8, GUARD_MULTICAST},     /* RFC 4291 section 2.7 */
    {{0x20, 0x01, 0x0d, 0xb8},         32, GUARD_DOCUMENTATION}, /* RFC 3849 */
    {{0x3f, 0xff},                     20, GUARD_DOCUMENTATION}, /* RFC 9637 */
    {{0x20, 0x01, 0x00, 0x02},         48, GUARD_BENCHMARKING},  /* RFC 5180 */
    {{0x20, 0x01, 0x00, 0x10},         28, GUARD_RESERVED},      /* RFC 4843: ORCHID, returned */
};
/* clang-format on */

/* What is allocated for global unicast (RFC 4291 section 2.4); the rest of the space is reserved.
 */
static const uint8_t global6[16] = {0x20};
#define GLOBAL6_PREFIX 3

static bool in_block(const uint8_t *address, const uint8_t *network, unsigned prefix)
{
    unsigned whole = prefix / 8, rest = prefix % 8;

    return memcmp(address, network, whole) == 0 &&
           (rest == 0 || ((address[whole] ^ network[whole]) >> (8 - rest)) == 0);
}

static const char *const words[] = {
#define X(id, word, text) word,
    GUARD_REASONS(X)
#undef X
};

static const char *const texts[] = {
#define X(id, word, text) text,
    GUARD_REASONS(X)
#undef X
};

const char *guard_reason_word(enum guard_reason reason)
{
    return reason < GUARD_REASON_COUNT ? words[reason] : "";
}

const char *guard_reason_text(enum guard_reason reason)
{
    return reason < GUARD_REASON_COUNT ? texts[reason] : "";
}

static bool take(const struct sockaddr *from, struct address *out)
{
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

    memset(out, 0, sizeof *out);
    out->family = from->sa_family;
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, from, sizeof in);
        memcpy(out->bytes, &in.sin_addr, 4);
        out->port = in.sin_port;
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, from, sizeof in6);
        memcpy(out->bytes, &in6.sin6_addr, 16);
        out->port = in6.sin6_port;
        if (in_block(out->bytes, mapped, 96)) { /* the kernel connects to the IPv4 address */
            out->family = AF_INET;
            memmove(out->bytes, out->bytes + 12, 4);
            memset(out->bytes + 4, 0, 12);
        }
        return true;
    }
    return false;
}

static enum guard_reason search(const uint8_t *address, const struct block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (in_block(address, blocks[i].address, blocks[i].prefix))
            return blocks[i].reason;
    }
    return GUARD_ALLOWED;
}

static enum guard_reason classify4(const uint8_t *address)
{
    return search(address, blocks4, sizeof blocks4 / sizeof blocks4[0]);
}

/* Mechanisms that carry packets on to an IPv4 address inside the IPv6 one. */
static enum guard_reason classify_embedded(const uint8_t *a)
{
    static const uint8_t nat64[16] = {0x00, 0x64, 0xff, 0x9b}; /* RFC 6052, /96 */
    static const uint8_t six_to_four[16] = {0x20, 0x02};       /* RFC 3056, /16 */
    static const uint8_t teredo[16] = {0x20, 0x01};            /* RFC 4380, /32 */
    static const uint8_t isatap[4] = {0x00, 0x00, 0x5e, 0xfe}; /* RFC 5214 section 6.1 */
    uint8_t client[4];
    bool refused = false;

    if (in_block(a, nat64, 96))
        refused = classify4(a + 12) != GUARD_ALLOWED;
    if (in_block(a, six_to_four, 16))
        refused = classify4(a + 2) != GUARD_ALLOWED;
    if (in_block(a, teredo, 32)) {
        for (int i = 0; i < 4; i++)
            client[i] = (uint8_t)~a[12 + i];
        refused = classify4(a + 4) != GUARD_ALLOWED || classify4(client) != GUARD_ALLOWED;
    }
    if (!refused && (a[8] & 0xfd) == isatap[0] && memcmp(a + 9, isatap + 1, 3) == 0)
        refused = classify4(a + 12) != GUARD_ALLOWED;
    if (refused)
        return GUARD_EMBEDDED;
    return in_block(a, nat64, 96) || in_block(a, global6, GLOBAL6_PREFIX) ? GUARD_ALLOWED
                                                                          : GUARD_RESERVED;
}

static enum guard_reason classify(const struct address *a)
{
    enum guard_reason reason;

    if (a->family == AF_INET)
        return classify4(a->bytes);
    reason = search(a->bytes, blocks6, sizeof blocks6 / sizeof blocks6[0]);
    return reason == GUARD_ALLOWED ? classify_embedded(a->bytes) : reason;
}

enum guard_reason guard_classify(const struct sockaddr *address)
{
    struct address a;

    return take(address, &a) ? classify(&a) : GUARD_FAMILY;
}

int guard_network_parse(const char *text, struct guard_network *out)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    unsigned bits, prefix;

    memset(out, 0, sizeof *out);
    if (n >= sizeof host)
        return DIVE_E_SYNTAX;
    memcpy(host, text, n);
    host[n] = '\0';
    if (inet_pton(AF_INET, host, out->address) == 1)
        out->family = AF_INET;
    else if (inet_pton(AF_INET6, host, out->address) == 1)
        out->family = AF_INET6;
    else
        return DIVE_E_SYNTAX;
    bits = prefix = out->family == AF_INET ? 32 : 128;
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");

        if (digits == 0 || digits > 3 || slash[1 + digits] != '\0' ||
            (digits > 1 && slash[1] == '0'))
            return DIVE_E_SYNTAX;
        prefix = (unsigned)atoi(slash + 1);
        if (prefix > bits)
            return DIVE_E_SYNTAX;
    }
    for (unsigned i = prefix; i < bits; i++) {
        if (out->address[i / 8] & 0x80 >> i % 8)
            return DIVE_E_TYPE;
    }
    out->prefix = (uint8_t)prefix;
    return 0;
}

static bool contains(const struct guard_network *network, const struct address *a)
{
    return network->family == a->family && in_block(a->bytes, network->address, network->prefix);
}

bool guard_network_contains(const struct guard_network *network, const struct sockaddr *address)
{
    struct address a;

    return take(address, &a) && contains(network, &a);
}

int guard_new(struct guard **out, const struct guard_network *allow, size_t allow_count,
              const struct sockaddr_storage *listeners, size_t listener_count)
{
    struct guard *guard = calloc(1, sizeof *guard);

    *out = NULL;
    if (!guard)
        return DIVE_E_NOMEM;
    guard->allow = calloc(allow_count + 1, sizeof *guard->allow);
    guard->listener = calloc(listener_count + 1, sizeof *guard->listener);
    if (!guard->allow || !guard->listener) {
        guard_free(&guard);
        return DIVE_E_NOMEM;
    }
    if (allow_count)
        memcpy(guard->allow, allow, allow_count * sizeof *allow);
    guard->allow_count = allow_count;
    for (size_t i = 0; i < listener_count;
         i++) { /* others than IP (UNIX sockets) can't be dialled */
        if (take((const struct sockaddr *)&listeners[i], &guard->listener[guard->listener_count]))
            guard->listener_count++;
    }
    *out = guard;
    return 0;
}

void guard_free(struct guard **guard)
{
    struct guard *g = *guard;

    *guard = NULL;
    if (!g)
        return;
    free(g->allow);
    free(g->listener);
    free(g);
}

static bool same_host(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool is_this_machine(const struct address *a)
{
    static const struct address any4 = {.family = AF_INET}, any6 = {.family = AF_INET6};
    struct ifaddrs *list = NULL;
    enum guard_reason kind = classify(a);
    bool found = false;

    /* Connecting to the unspecified address reaches this machine, and so does all of 127.0.0.0/8.
     */
    if (kind == GUARD_LOOPBACK || same_host(a, &any4) || same_host(a, &any6))
        return true;
    if (getifaddrs(&list) != 0)
        return true;
    for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
        struct address own;

        found = i->ifa_addr && take(i->ifa_addr, &own) && same_host(a, &own);
    }
    freeifaddrs(list);
    return found;
}

/* A listener's port on any address of this machine counts: a listener on 0.0.0.0 or behind a
 * redirect rule is reached by all of them. */
static bool is_own_listener(const struct guard *guard, const struct address *a)
{
    bool port = false;

    for (size_t i = 0; i < guard->listener_count; i++) {
        if (guard->listener[i].port != a->port)
            continue;
        if (same_host(&guard->listener[i], a))
            return true;
        port = true;
    }
    return port && is_this_machine(a);
}

/* What a NAT64 (RFC 6052) makes of it, which may lead back to this machine. */
static bool nat64_target(const struct address *a, struct address *out)
{
    static const uint8_t prefix[16] = {0x00, 0x64, 0xff, 0x9b}; /* /96 */

    if (a->family != AF_INET6 || !in_block(a->bytes, prefix, 96))
        return false;
    *out = (struct address){.family = AF_INET, .port = a->port};
    memcpy(out->bytes, a->bytes + 12, 4);
    return true;
}

enum guard_reason guard_check(const struct guard *guard, const struct sockaddr *address)
{
    struct address a, translated;

    if (!take(address, &a))
        return GUARD_FAMILY;
    if (is_own_listener(guard, &a) ||
        (nat64_target(&a, &translated) && is_own_listener(guard, &translated)))
        return GUARD_OWN_LISTENER;
    for (size_t i = 0; i < guard->allow_count; i++) {
        if (contains(&guard->allow[i], &a))
            return GUARD_ALLOWED;
    }
    return classify(&a);
}
