/* SPDX-License-Identifier: BSD-2-Clause
 *
 * proxy_protocol: the header that a load balancer puts before a connection's own bytes, so that who
 * is behind it learns who the client is (HAProxy's PROXY protocol, versions 1 and 2). A pure parser
 * over bytes; whose word is taken is the caller's to decide.
 */
#ifndef DIVED_CLIENT_PROXY_PROTOCOL_H
#define DIVED_CLIENT_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define PROXY_HEADER_MAX 4096 /* bytes of a header, its TLVs included */

enum proxy_header_result {
    PROXY_HEADER_MALFORMED = 0, /* no header, or one that exceeds a maximum */
    PROXY_HEADER_MORE,
    PROXY_HEADER_OK,
};

struct proxy_header {
    /* Are there addresses? False for UNKNOWN, LOCAL, and what isn't TCP over IP: then those of the
     * connection itself count. */
    bool has_addresses;
    struct sockaddr_storage source, destination; /* v4-mapped IPv6 is made IPv4 */
    size_t length;                               /* bytes of input that the header takes */
};

/* Looks at the `n` first bytes of a connection, however they arrived. *out is cleared first and
 * holds something only with OK; what follows the header is the client's. Never MORE with
 * PROXY_HEADER_MAX bytes. Checksums and other TLVs of version 2 are passed over. Allocates nothing.
 */
enum proxy_header_result proxy_header_parse(const void *data, size_t n, struct proxy_header *out);

#endif
