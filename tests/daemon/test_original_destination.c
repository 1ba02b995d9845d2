/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_original_destination: what a connection without a NAT entry says, and addresses as text.
 * With one: tests/scenarios/test_transparent.py.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "client/original_destination.h"

Test(original_destination, without_nat_it_is_the_local_address)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), fd;
    struct sockaddr_storage out;
    struct http_authority authority;

    cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &length), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
    fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    for (int tproxy = 0; tproxy < 2; tproxy++) {
        cr_assert(original_destination(fd, tproxy, &out));
        cr_assert(original_destination_authority(&out, &authority));
        cr_expect_str_eq(authority.host, "127.0.0.1");
        cr_expect_eq(authority.port, ntohs(at.sin_port));
        cr_expect_eq(authority.kind, HTTP_HOST_IPV4);
    }
    close(fd);
    close(client);
    close(listener);
    cr_expect(!original_destination(-1, false, &out));
    cr_expect_eq(out.ss_family, 0);
}

Test(original_destination, as_host_and_port)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
    struct http_authority authority;

    cr_expect(!original_destination_authority(&storage, &authority));
    in6->sin6_family = AF_INET6;
    cr_assert_eq(inet_pton(AF_INET6, "2001:db8::1", &in6->sin6_addr), 1);
    cr_expect(!original_destination_authority(&storage, &authority), "port 0");
    in6->sin6_port = htons(443);
    cr_assert(original_destination_authority(&storage, &authority));
    cr_expect_str_eq(authority.host, "2001:db8::1");
    cr_expect_eq(authority.kind, HTTP_HOST_IPV6);
    cr_expect_eq(authority.port, 443);
}
