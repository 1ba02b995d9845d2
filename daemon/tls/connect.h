/* SPDX-License-Identifier: BSD-2-Clause
 *
 * connect: the client side of TLS towards origins (and a TLS parent, and report receivers): the
 * chain is verified against one CA bundle and the name against the SAN (RFC 9525), always; there is
 * no way to turn it off. The I/O is the caller's.
 */
#ifndef DIVED_TLS_CONNECT_H
#define DIVED_TLS_CONNECT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/error.h"
#include "tls/failure.h"

/* `ca_file`: PEM, one or more certificates. *out is the caller's (SSL_CTX_free) and stays alive for
 * the connections made from it. DIVE_E_NOT_FOUND: no such file. DIVE_E_STATE: unreadable.
 * DIVE_E_SYNTAX: no certificate in it, or a damaged one. Each with a sentence in `why`: what,
 * where, what to do. */
int tls_connect_context_new(SSL_CTX **out, const char *ca_file, char *why,
                            size_t why_size) DIVE_MUST_USE;

/* A client connection to `host`, a DNS name in normal form or an IP literal without brackets: SNI
 * is sent for a name only (RFC 6066 section 3). *out is the caller's (SSL_free), in connect state,
 * with no BIO and no descriptor yet; modes as with tls_accept_new(). ALPN offers http/1.1.
 * DIVE_E_SYNTAX: `host` is neither. DIVE_E_NOMEM, DIVE_E_INTERNAL. */
int tls_connect_new(SSL_CTX *context, const char *host, SSL **out) DIVE_MUST_USE;

/* After the handshake succeeded: the last fence. True only if the peer presented a certificate that
 * was verified, for the name too, and no protocol other than http/1.1 was selected. */
bool tls_connect_is_verified(SSL *ssl);

#endif
