/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guard: every block just inside and just outside its bounds, holes, and the proxy's own
 * addresses.
 */
#include "origin/guard.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage address_of(const char *text, unsigned port)
{
    struct sockaddr_storage out;
    struct sockaddr_in *in = (void *)&out;
    struct sockaddr_in6 *in6 = (void *)&out;

    memset(&out, 0, sizeof out);
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
    } else {
        cr_assert_eq(inet_pton(AF_INET6, text, &in6->sin6_addr), 1, "%s", text);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
    }
    return out;
}

static const struct {
    const char *address;
    enum guard_reason reason;
} table[] = {
    {"0.0.0.0", GUARD_UNSPECIFIED},
    {"0.255.255.255", GUARD_UNSPECIFIED},
    {"1.0.0.0", GUARD_ALLOWED},
    {"9.255.255.255", GUARD_ALLOWED},
    {"10.0.0.0", GUARD_PRIVATE},
    {"10.255.255.255", GUARD_PRIVATE},
    {"11.0.0.0", GUARD_ALLOWED},
    {"100.63.255.255", GUARD_ALLOWED},
    {"100.64.0.0", GUARD_SHARED},
    {"100.127.255.255", GUARD_SHARED},
    {"100.128.0.0", GUARD_ALLOWED},
    {"100.100.100.200", GUARD_METADATA},
    {"126.255.255.255", GUARD_ALLOWED},
    {"127.0.0.0", GUARD_LOOPBACK},
    {"127.255.255.255", GUARD_LOOPBACK},
    {"128.0.0.0", GUARD_ALLOWED},
    {"168.63.129.16", GUARD_METADATA},
    {"168.63.129.17", GUARD_ALLOWED},
    {"169.253.255.255", GUARD_ALLOWED},
    {"169.254.0.0", GUARD_LINK_LOCAL},
    {"169.254.169.254", GUARD_METADATA},
    {"169.254.169.253", GUARD_LINK_LOCAL},
    {"169.254.170.2", GUARD_METADATA},
    {"169.255.0.0", GUARD_ALLOWED},
    {"172.15.255.255", GUARD_ALLOWED},
    {"172.16.0.0", GUARD_PRIVATE},
    {"172.31.255.255", GUARD_PRIVATE},
    {"172.32.0.0", GUARD_ALLOWED},
    {"191.255.255.255", GUARD_ALLOWED},
    {"192.0.0.0", GUARD_RESERVED},
    {"192.0.0.192", GUARD_METADATA},
    {"192.0.0.255", GUARD_RESERVED},
    {"192.0.1.0", GUARD_ALLOWED},
    {"192.0.2.0", GUARD_DOCUMENTATION},
    {"192.0.3.0", GUARD_ALLOWED},
    {"192.88.99.1", GUARD_RESERVED},
    {"192.88.100.0", GUARD_ALLOWED},
    {"192.167.255.255", GUARD_ALLOWED},
    {"192.168.0.0", GUARD_PRIVATE},
    {"192.168.255.255", GUARD_PRIVATE},
    {"192.169.0.0", GUARD_ALLOWED},
    {"198.17.255.255", GUARD_ALLOWED},
    {"198.18.0.0", GUARD_BENCHMARKING},
    {"198.19.255.255", GUARD_BENCHMARKING},
    {"198.20.0.0", GUARD_ALLOWED},
    {"198.51.100.255", GUARD_DOCUMENTATION},
    {"198.51.101.0", GUARD_ALLOWED},
    {"203.0.113.0", GUARD_DOCUMENTATION},
    {"203.0.114.0", GUARD_ALLOWED},
    {"223.255.255.255", GUARD_ALLOWED},
    {"224.0.0.0", GUARD_MULTICAST},
    {"239.255.255.255", GUARD_MULTICAST},
    {"240.0.0.0", GUARD_RESERVED},
    {"255.255.255.254", GUARD_RESERVED},
    {"255.255.255.255", GUARD_BROADCAST},
    {"::", GUARD_UNSPECIFIED},
    {"::1", GUARD_LOOPBACK},
    {"::2", GUARD_RESERVED},
    {"::127.0.0.1", GUARD_RESERVED}, /* IPv4-compatible */
    {"::8.8.8.8", GUARD_RESERVED},
    {"::ffff:127.0.0.1", GUARD_LOOPBACK}, /* IPv4-mapped */
    {"::ffff:169.254.169.254", GUARD_METADATA},
    {"::ffff:8.8.8.8", GUARD_ALLOWED},
    {"::ffff:0:8.8.8.8", GUARD_RESERVED}, /* SIIT's IPv4-translated */
    {"64:ff9b::8.8.8.8", GUARD_ALLOWED},  /* NAT64 */
    {"64:ff9b::10.0.0.1", GUARD_EMBEDDED},
    {"64:ff9b::127.0.0.1", GUARD_EMBEDDED},
    {"64:ff9b::1:8.8.8.8", GUARD_RESERVED},
    {"64:ff9b:1::1", GUARD_RESERVED},
    {"100::1", GUARD_RESERVED}, /* discard-only */
    {"1fff:ffff::1", GUARD_RESERVED},
    {"2000::1", GUARD_ALLOWED},
    {"2001:0:808:808::f7f7:f7f7", GUARD_ALLOWED},  /* Teredo: 8.8.8.8 and ~8.8.8.8 */
    {"2001:0:808:808::f5ff:fffe", GUARD_EMBEDDED}, /* ~10.0.0.1 */
    {"2001:0:a00:1::f7f7:f7f7", GUARD_EMBEDDED},   /* server 10.0.0.1 */
    {"2001:1::1", GUARD_ALLOWED},
    {"2001:2::1", GUARD_BENCHMARKING},
    {"2001:2:1::1", GUARD_ALLOWED},
    {"2001:10::1", GUARD_RESERVED},
    {"2001:1f:ffff::1", GUARD_RESERVED},
    {"2001:20::1", GUARD_ALLOWED},
    {"2001:db7:ffff::1", GUARD_ALLOWED},
    {"2001:db8::1", GUARD_DOCUMENTATION},
    {"2001:db9::1", GUARD_ALLOWED},
    {"2002:808:808::1", GUARD_ALLOWED}, /* 6to4 */
    {"2002:7f00:1::1", GUARD_EMBEDDED},
    {"2002:c0a8:1::1", GUARD_EMBEDDED},
    {"2003::1", GUARD_ALLOWED},
    {"2a00::5efe:8.8.8.8", GUARD_ALLOWED}, /* ISATAP */
    {"2a00::5efe:10.0.0.1", GUARD_EMBEDDED},
    {"2a00::200:5efe:10.0.0.1", GUARD_EMBEDDED},
    {"2a00::100:5efe:10.0.0.1", GUARD_ALLOWED},
    {"3ffe:ffff::1", GUARD_ALLOWED},
    {"3fff::1", GUARD_DOCUMENTATION},
    {"3fff:fff:ffff::1", GUARD_DOCUMENTATION},
    {"3fff:1000::1", GUARD_ALLOWED},
    {"4000::1", GUARD_RESERVED},
    {"5f00::1", GUARD_RESERVED},
    {"fbff::1", GUARD_RESERVED},
    {"fc00::1", GUARD_UNIQUE_LOCAL},
    {"fd00:ec2::254", GUARD_METADATA},
    {"fd00:ec2::253", GUARD_UNIQUE_LOCAL},
    {"fdff:ffff::1", GUARD_UNIQUE_LOCAL},
    {"fe00::1", GUARD_RESERVED},
    {"fe80::1", GUARD_LINK_LOCAL},
    {"febf::1", GUARD_LINK_LOCAL},
    {"fec0::1", GUARD_UNIQUE_LOCAL},
    {"ff00::1", GUARD_MULTICAST},
    {"ff02::1", GUARD_MULTICAST},
};

Test(guard, every_block_and_its_neighbours)
{
    struct guard *guard;

    cr_assert_eq(guard_new(&guard, NULL, 0, NULL, 0), 0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sockaddr_storage a = address_of(table[i].address, 443);
        enum guard_reason r = guard_classify((struct sockaddr *)&a);

        cr_expect_eq(r, table[i].reason, "%s: %s", table[i].address, guard_reason_word(r));
        cr_expect_eq(guard_check(guard, (struct sockaddr *)&a), table[i].reason);
    }
    guard_free(&guard);
    cr_assert_null(guard);
    guard_free(&guard);
}

Test(guard, other_families_are_refused)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr unspecified = {.sa_family = AF_UNSPEC};

    cr_assert_eq(guard_classify((struct sockaddr *)&un), GUARD_FAMILY);
    cr_assert_eq(guard_classify(&unspecified), GUARD_FAMILY);
}

Test(guard, networks_parse)
{
    static const struct {
        const char *text;
        int r;
    } cases[] = {
        {"10.0.0.0/8", 0},
        {"10.0.0.1/8", DIVE_E_TYPE},
        {"10.0.0.1", 0},
        {"10.0.0.1/32", 0},
        {"10.0.0.0/33", DIVE_E_SYNTAX},
        {"0.0.0.0/0", 0},
        {"128.0.0.0/0", DIVE_E_TYPE},
        {"::/0", 0},
        {"::1/128", 0},
        {"::1/129", DIVE_E_SYNTAX},
        {"::1/127", DIVE_E_TYPE},
        {"fd00::/7", DIVE_E_TYPE},
        {"fc00::/7", 0},
        {"10.0.0.0/", DIVE_E_SYNTAX},
        {"10.0.0.0/08", DIVE_E_SYNTAX},
        {"10.0.0.0/-1", DIVE_E_SYNTAX},
        {"10.0.0.0/8 ", DIVE_E_SYNTAX},
        {"10.0.0/8", DIVE_E_SYNTAX},
        {"", DIVE_E_SYNTAX},
        {"/8", DIVE_E_SYNTAX},
        {"example.com/8", DIVE_E_SYNTAX},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8", DIVE_E_SYNTAX},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guard_network network;

        cr_expect_eq(guard_network_parse(cases[i].text, &network), cases[i].r, "%s", cases[i].text);
    }
}

Test(guard, networks_contain)
{
    static const struct {
        const char *network, *address;
        bool contains;
    } cases[] = {
        {"10.0.0.0/9", "10.127.255.255", true},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"10.0.0.0/9", "::ffff:10.0.0.1", true},
        {"::/0", "::ffff:10.0.0.1", false}, /* it is an IPv4 address */
        {"::/0", "10.0.0.1", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guard_network network;
        struct sockaddr_storage a = address_of(cases[i].address, 1);

        cr_assert_eq(guard_network_parse(cases[i].network, &network), 0);
        cr_expect_eq(guard_network_contains(&network, (struct sockaddr *)&a), cases[i].contains,
                     "%s in %s", cases[i].address, cases[i].network);
    }
}

static enum guard_reason check(const struct guard *guard, const char *text, unsigned port)
{
    struct sockaddr_storage a = address_of(text, port);

    return guard_check(guard, (struct sockaddr *)&a);
}

Test(guard, holes_open_but_never_to_the_proxy_itself)
{
    struct sockaddr_storage listeners[] = {address_of("127.0.0.1", 3128),
                                           address_of("0.0.0.0", 3129), address_of("::", 3130),
                                           address_of("203.0.113.7", 3131)};
    struct guard_network allow[2];
    struct guard *guard;

    cr_assert_eq(guard_network_parse("127.0.0.0/8", &allow[0]), 0);
    cr_assert_eq(guard_network_parse("::1", &allow[1]), 0);
    cr_assert_eq(guard_new(&guard, allow, 2, listeners, 4), 0);
    cr_expect_eq(check(guard, "127.0.0.1", 8080), GUARD_ALLOWED);
    cr_expect_eq(check(guard, "::ffff:127.0.0.1", 8080), GUARD_ALLOWED);
    cr_expect_eq(check(guard, "::1", 8080), GUARD_ALLOWED);
    cr_expect_eq(check(guard, "10.0.0.1", 8080), GUARD_PRIVATE);
    cr_expect_eq(check(guard, "127.0.0.1", 3128), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "::ffff:127.0.0.1", 3128), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "127.9.9.9", 3129), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "0.0.0.0", 3129), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "::1", 3130), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "::", 3130), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "203.0.113.7", 3131), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "64:ff9b::127.0.0.1", 3128), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "64:ff9b::203.0.113.7", 3131), GUARD_OWN_LISTENER);
    cr_expect_eq(check(guard, "203.0.113.7", 3132), GUARD_DOCUMENTATION);
    cr_expect_eq(check(guard, "8.8.8.8", 3129), GUARD_ALLOWED, "another machine's port");
    guard_free(&guard);
}

Test(guard, interface_addresses_on_a_listeners_port)
{
    struct sockaddr_storage listener = address_of("0.0.0.0", 3128);
    struct guard_network allow;
    struct guard *guard;
    struct ifaddrs *list;

    cr_assert_eq(guard_network_parse("0.0.0.0/0", &allow), 0);
    cr_assert_eq(guard_new(&guard, &allow, 1, &listener, 1), 0);
    cr_assert_eq(getifaddrs(&list), 0);
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct sockaddr_in in;

        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&in, i->ifa_addr, sizeof in);
        in.sin_port = htons(3128);
        cr_expect_eq(guard_check(guard, (struct sockaddr *)&in), GUARD_OWN_LISTENER);
        in.sin_port = htons(3127);
        cr_expect_eq(guard_check(guard, (struct sockaddr *)&in), GUARD_ALLOWED);
    }
    freeifaddrs(list);
    guard_free(&guard);
}

Test(guard, words)
{
    cr_assert_str_eq(guard_reason_word(GUARD_ALLOWED), "allowed");
    cr_assert_str_eq(guard_reason_word(GUARD_EMBEDDED), "embedded");
    cr_assert_str_eq(guard_reason_word(GUARD_REASON_COUNT), "");
    cr_assert_str_neq(guard_reason_text(GUARD_PRIVATE), "");
}
