/* SPDX-License-Identifier: BSD-2-Clause
 *
 * prefix_bio: an OpenSSL BIO over a socket that first yields bytes which were already read from it:
 * a ClientHello has to be looked at before it is known whether TLS is ours to speak.
 */
#ifndef DIVED_CORE_PREFIX_BIO_H
#define DIVED_CORE_PREFIX_BIO_H

#include <openssl/ssl.h>

/* TLS within TLS: the same over a TLS connection, whose `ssl` stays the caller's and must live
 * longer. NULL when memory is out. */
BIO *prefix_bio_new_tls(SSL *ssl, const void *prefix, size_t n);

/* The bytes are copied; the socket stays the caller's (never closed by the BIO). NULL when memory
 * is out. */
BIO *prefix_bio_new(int fd, const void *prefix, size_t n);

#endif
