/* SPDX-License-Identifier: BSD-2-Clause
 *
 * certificate: TLS on a listener (an `https://` proxy), and the user that a client's certificate
 * names.
 */
#ifndef DIVED_ACCESS_CERTIFICATE_H
#define DIVED_ACCESS_CERTIFICATE_H

#include <openssl/ssl.h>

#include "access/text.h"
#include "config/config.h"

/* The server side of listener->tls: TLS 1.2 and 1.3, ALPN http/1.1, our certificate with its chain,
 * and what is asked of the client. Reads the files. *out is the caller's (SSL_CTX_free).
 * DIVE_E_NOT_FOUND, DIVE_E_MISMATCH (the key is another certificate's), DIVE_E_NOMEM, with a
 * sentence in `why`. */
int certificate_context_new(SSL_CTX **out, const struct config_listener *listener, char *why,
                            size_t why_size) DIVE_MUST_USE;

/* Who a verified client certificate is: its first e-mail address (RFC 5280 section 4.2.1.6,
 * rfc822Name); without one its first URI; without one the subject's one common name. 0;
 * DIVE_E_NOT_FOUND: there was no certificate, and `user` is ""; DIVE_E_TYPE: there is one, and it
 * names no user (what stands where the name is looked for isn't one). */
int certificate_user(const SSL *ssl, char user[ACCESS_USER_SIZE]) DIVE_MUST_USE;

#endif
