/* SPDX-License-Identifier: BSD-2-Clause
 *
 * guard: may the proxy connect to this address? It keeps clients (and DNS answers that an attacker
 * wrote) from using the proxy as a way into the network that it stands in, and from making it talk
 * to itself. The check is on the address about to be connected to, never on a name.
 *
 * Refused are all addresses that the IANA special-purpose registries (RFC 6890 and its successors)
 * don't call globally reachable, metadata services of clouds, and IPv6 forms that carry such an
 * IPv4 address inside. `allow` opens holes; the proxy's own listeners stay shut even then.
 */
#ifndef DIVED_ORIGIN_GUARD_H
#define DIVED_ORIGIN_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/error.h"

/* clang-format off */
#define GUARD_REASONS(X)                                                                        \
    X(ALLOWED,       "allowed",        "may be connected to")                                   \
    X(OWN_LISTENER,  "own-listener",   "is the proxy's own listening address")                  \
    X(METADATA,      "metadata",       "is a cloud provider's metadata service")                \
    X(UNSPECIFIED,   "unspecified",    "is the unspecified address or in \"this network\"")     \
    X(LOOPBACK,      "loopback",       "is a loopback address")                                 \
    X(PRIVATE,       "private",        "is in a private network (RFC 1918)")                    \
    X(SHARED,        "shared",         "is carrier-grade NAT space (RFC 6598)")                 \
    X(LINK_LOCAL,    "link-local",     "is a link-local address")                               \
    X(UNIQUE_LOCAL,  "unique-local",   "is a unique local or site-local address")               \
    X(MULTICAST,     "multicast",      "is a multicast address")                                \
    X(BROADCAST,     "broadcast",      "is the broadcast address")                              \
    X(DOCUMENTATION, "documentation",  "is reserved for documentation")                         \
    X(BENCHMARKING,  "benchmarking",   "is reserved for benchmarking")                          \
    X(RESERVED,      "reserved",       "is reserved or not globally reachable")                 \
    X(EMBEDDED,      "embedded",       "carries an IPv4 address that is itself refused")        \
    X(FAMILY,        "family",         "is neither an IPv4 nor an IPv6 address")
/* clang-format on */

enum guard_reason {
#define X(id, word, text) GUARD_##id,
    GUARD_REASONS(X)
#undef X
        GUARD_REASON_COUNT
};

const char *guard_reason_word(enum guard_reason reason);
const char *guard_reason_text(enum guard_reason reason);

/* A CIDR block. IPv4 stands in the first 4 bytes. Bits beyond the prefix are zero. */
struct guard_network {
    int family; /* AF_INET or AF_INET6 */
    uint8_t prefix;
    uint8_t address[16];
};

/* "10.0.0.0/8", "::1/128", or an address alone (then it is one host). DIVE_E_SYNTAX for anything
 * else; DIVE_E_TYPE when bits beyond the prefix are set ("10.0.0.1/8" is most likely a mistake). */
int guard_network_parse(const char *text, struct guard_network *out) DIVE_MUST_USE;
/* An IPv4-mapped IPv6 address is looked up as the IPv4 address that it is. */
bool guard_network_contains(const struct guard_network *network, const struct sockaddr *address);

struct guard;

/* Everything is copied. `listeners` are the addresses as bound (port included); a wildcard address
 * stands for each of this machine's. 0 or DIVE_E_NOMEM. Immutable afterwards: may be shared by
 * threads. */
int guard_new(struct guard **out, const struct guard_network *allow, size_t allow_count,
              const struct sockaddr_storage *listeners, size_t listener_count) DIVE_MUST_USE;
void guard_free(struct guard **guard);

/* GUARD_ALLOWED, or why not. On a listener's port the machine's interface addresses are read anew
 * (getifaddrs(3), needs AF_NETLINK); when that fails the address counts as the proxy's own. */
enum guard_reason guard_check(const struct guard *guard, const struct sockaddr *address);

/* The same without holes and listeners: what kind of address is this? */
enum guard_reason guard_classify(const struct sockaddr *address);

#endif
