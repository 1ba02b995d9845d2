/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verify_note: what the peer presented when its certificate wasn't accepted. OpenSSL forgets a
 * chain that failed, so the verify callback notes it down on the SSL.
 */
#ifndef DIVED_TLS_VERIFY_NOTE_H
#define DIVED_TLS_VERIFY_NOTE_H

#include <openssl/ssl.h>
#include <stddef.h>

/* For SSL_set_verify(); never changes the library's answer. */
int tls_verify_note_callback(int ok, X509_STORE_CTX *store);

/* A sentence about the last failed verification of `ssl`: what is wrong, what was presented. */
void tls_verify_note_text(SSL *ssl, char *out, size_t size);

#endif
