/* SPDX-License-Identifier: BSD-2-Clause
 *
 * accept: the server side of TLS towards clients, with minted certificates. One SSL_CTX for the
 * process (and each configuration); one SSL a connection. The I/O is the caller's.
 *
 * TLS 1.2 and 1.3; ALPN http/1.1; the leaf is sent with tls_ca_chain(), which is empty for a root.
 * Resumption works by tickets, which are good for one name only: the session id context is the
 * name's hash, so a session made for one name can't be taken to another.
 */
#ifndef DIVED_TLS_ACCEPT_H
#define DIVED_TLS_ACCEPT_H

#include <openssl/ssl.h>

#include "tls/certificate_cache.h"

/* What every context towards clients has: versions, ciphers, options, ALPN; no certificate yet, and
 * room for RSA certificates besides our own kind. *out is the caller's. DIVE_E_INTERNAL. */
int tls_accept_context_plain(SSL_CTX **out) DIVE_MUST_USE;

/* *out is the caller's (SSL_CTX_free); it stays alive for the connections made from it. Keeps its
 * own references of the cache's key and chain, none of the cache. Certificates of another cache
 * don't fit. DIVE_E_NOMEM, DIVE_E_INTERNAL, with a sentence in `why`. */
int tls_accept_context_new(SSL_CTX **out, const struct certificate_cache *cache, char *why,
                           size_t why_size) DIVE_MUST_USE;

/* A server connection that presents `certificate` (borrowed; a reference is taken), which was
 * minted for `name`. *out is the caller's (SSL_free), in accept state, with no BIO and no
 * descriptor yet. SSL_MODE_RELEASE_BUFFERS, ENABLE_PARTIAL_WRITE and ACCEPT_MOVING_WRITE_BUFFER are
 * set, and read-ahead: after reading, ask SSL_pending()/SSL_has_pending() before waiting for the
 * descriptor. DIVE_E_MISMATCH: not a certificate of the context's key. DIVE_E_NOMEM,
 * DIVE_E_INTERNAL. */
int tls_accept_new(SSL_CTX *context, const char *name, X509 *certificate, SSL **out) DIVE_MUST_USE;

#endif
