/* SPDX-License-Identifier: BSD-2-Clause
 *
 * original_destination: see original_destination.h.
 */
#include "client/original_destination.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* <linux/netfilter_ipv4.h> and its IPv6 twin can't be included beside <netinet/in.h>; both have
 * this number. */
#define NAT_ORIGINAL_DESTINATION 80

bool original_destination(int fd, bool tproxy, struct sockaddr_storage *out)
{
    socklen_t length = sizeof(*out);
    struct sockaddr_storage nat;
    bool v6;

    memset(out, 0, sizeof(*out));
    if (getsockname(fd, (struct sockaddr *)out, &length) != 0)
        return false;
    if (tproxy)
        return true;
    v6 = out->ss_family == AF_INET6;
    length = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    memset(&nat, 0, sizeof(nat));
    if (getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, NAT_ORIGINAL_DESTINATION, &nat, &length) ==
        0)
        *out = nat;
    return true;
}

bool original_destination_authority(const struct sockaddr_storage *address,
                                    struct http_authority *out)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    bool is_v6 = address->ss_family == AF_INET6;

    memset(out, 0, sizeof(*out));
    if (!is_v6 && address->ss_family != AF_INET)
        return false;
    out->kind = is_v6 ? HTTP_HOST_IPV6 : HTTP_HOST_IPV4;
    out->port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
    return out->port != 0 &&
           inet_ntop(address->ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr,
                     out->host, sizeof(out->host)) != NULL;
}

int original_destination_allow_foreign(int fd, int family)
{
    int one = 1;

    if (family == AF_INET6)
        return setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof(one));
    return setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one));
}
