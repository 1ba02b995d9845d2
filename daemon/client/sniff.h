/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sniff: which protocol a client begins with inside a tunnel: TLS, HTTP/1 in the clear, or another.
 * A pure function over bytes.
 */
#ifndef DIVED_CLIENT_SNIFF_H
#define DIVED_CLIENT_SNIFF_H

#include "tls/client_hello.h"

enum sniff_result {
    SNIFF_BAD = 0, /* begins like TLS, and isn't */
    SNIFF_MORE,
    SNIFF_TLS, /* *hello is filled in */
    SNIFF_HTTP,
    SNIFF_OTHER,
};

enum sniff_result sniff(const void *data, size_t n, struct client_hello *hello);

/* Can a TLS record begin with this byte (RFC 8446 section 5.1)? */
bool sniff_is_tls_record(unsigned char first);

#endif
