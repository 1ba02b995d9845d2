/* SPDX-License-Identifier: BSD-2-Clause
 *
 * PROXY protocol headers. Invariants: a header is the same without what follows it, and every part
 * of it needs more; nothing needs more at the maximum; what has addresses has two of one kind of
 * family each, never a v4-mapped one; one that isn't OK says nothing.
 *
 * Input: the first bytes of a connection.
 */
#include "client/proxy_protocol.h"

#include <netinet/in.h>

#include "tests/fuzz/fuzz.h"

static void check_address(const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

    CHECK(address->ss_family == AF_INET || address->ss_family == AF_INET6);
    CHECK(address->ss_family == AF_INET || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr));
}

static void check_whole(const char *in, const struct proxy_header *header)
{
    struct proxy_header other;

    CHECK(proxy_header_parse(in, header->length, &other) == PROXY_HEADER_OK);
    CHECK(memcmp(header, &other, sizeof(other)) == 0);
    for (size_t i = 0; i < header->length; i += 1 + header->length / 64) {
        char *part = fuzz_copy(in, i);

        CHECK(proxy_header_parse(part, i, &other) == PROXY_HEADER_MORE);
        free(part);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n);
    struct proxy_header header;
    enum proxy_header_result r = proxy_header_parse(in, n, &header);

    if (r == PROXY_HEADER_OK) {
        CHECK(header.length > 0 && header.length <= n && header.length <= PROXY_HEADER_MAX);
        check_whole(in, &header);
    } else {
        CHECK(!header.has_addresses && header.length == 0);
        CHECK(r == PROXY_HEADER_MALFORMED || n < PROXY_HEADER_MAX);
    }
    if (header.has_addresses) {
        check_address(&header.source);
        check_address(&header.destination);
    }
    free(in);
    return 0;
}
