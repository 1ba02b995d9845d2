/* SPDX-License-Identifier: BSD-2-Clause
 *
 * client_hello: reads what the proxy must know of a ClientHello (RFC 8446 section 4.1.2, RFC 5246
 * section 7.4.1.2) before it decides whether to intercept or to tunnel. A pure parser over bytes:
 * they stay the caller's and are handed to the TLS library (or the origin) afterwards, untouched.
 */
#ifndef DIVED_TLS_CLIENT_HELLO_H
#define DIVED_TLS_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_HELLO_MAX 16384 /* bytes of input looked at, record headers included */
#define CLIENT_HELLO_SNI_MAX 255

enum client_hello_result {
    CLIENT_HELLO_MALFORMED = 0, /* begins like TLS, but isn't a ClientHello, or exceeds a maximum */
    CLIENT_HELLO_NEED_MORE,
    CLIENT_HELLO_NOT_TLS, /* the first byte is no handshake record's: another protocol */
    CLIENT_HELLO_OK,
};

struct client_hello {
    char sni[CLIENT_HELLO_SNI_MAX + 1]; /* as sent, "" when there is none; any bytes but NUL: the
                                         * caller must check and normalise it (lib/domain.h) */
    bool has_ech;  /* encrypted_client_hello is there. Browsers send a decoy (GREASE) always, so it
                    * doesn't say that the name in `sni` is an outer one */
    bool has_alpn; /* an ALPN extension is there */
    bool alpn_http11;        /* it lists "http/1.1" */
    bool alpn_h2;            /* it lists "h2" */
    uint16_t legacy_version; /* of the ClientHello: 0x0303 for TLS 1.2 and 1.3 */
    uint16_t max_version;    /* highest known in supported_versions, else legacy_version */
    size_t length;           /* bytes of input that the ClientHello's records occupy */
};

/* Looks at the `n` first bytes that the client sent, from the connection's beginning, however they
 * arrived; the message may be spread over several records. NEED_MORE sets *need (may be NULL),
 * which is more than `n`: with fewer bytes than that it can't be OK, so don't call again before.
 * *out is cleared first and holds something only with OK. Allocates nothing. */
enum client_hello_result client_hello_parse(const void *data, size_t n, struct client_hello *out,
                                            size_t *need);

const char *client_hello_result_name(enum client_hello_result result);

#endif
