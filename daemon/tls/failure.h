/* SPDX-License-Identifier: BSD-2-Clause
 *
 * failure: why a TLS handshake or connection failed, as a word for Proxy-Status (RFC 9209) and as a
 * sentence for people. Shared by the accept and the connect side.
 */
#ifndef DIVED_TLS_FAILURE_H
#define DIVED_TLS_FAILURE_H

#include <openssl/ssl.h>
#include <stddef.h>

/* enum, error type of RFC 9209 section 2.3 */
/* clang-format off */
#define TLS_FAILURES(X)                                                     \
    X(NONE,        "none")                                                  \
    X(CERTIFICATE, "tls_certificate_error")  /* we don't trust the peer's */ \
    X(PROTOCOL,    "tls_protocol_error")     /* no common ground, or bytes that aren't TLS */ \
    X(ALERT,       "tls_alert_received")     /* the peer refused */         \
    X(CLOSED,      "connection_terminated")  /* end of stream or reset, without close_notify */ \
    X(INTERNAL,    "proxy_internal_error")   /* memory, or a bug */
/* clang-format on */

enum tls_failure_kind {
#define X(id, word) TLS_FAILURE_##id,
    TLS_FAILURES(X)
#undef X
};

struct tls_failure {
    enum tls_failure_kind kind;
    int alert;      /* ALERT: its number (RFC 8446 section 6), else -1 */
    char text[320]; /* a sentence: printable ASCII, no line breaks, safe in logs and in a field
                       value */
};

const char *tls_failure_word(enum tls_failure_kind kind); /* static, never NULL */

/* Reads the reason out of `ssl`, this thread's OpenSSL error queue (which is emptied) and errno,
 * right after an SSL_* call returned `ret` <= 0 and SSL_get_error() gave neither WANT_READ,
 * WANT_WRITE nor ZERO_RETURN. Call ERR_clear_error() before every SSL_* call, or another
 * connection's error is read. Never leaves NONE. Calls nothing back. */
void tls_failure_read(struct tls_failure *out, SSL *ssl, int ret);

/* "<message>: <first error of this thread's OpenSSL queue>" into `why`; empties the queue.
 * For the start-up errors of this folder. */
void tls_failure_explain(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
