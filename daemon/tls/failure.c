/* SPDX-License-Identifier: BSD-2-Clause
 *
 * failure: turns OpenSSL's error queue, verify result and errno into one word and one sentence.
 */
#include "tls/failure.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tls/verify_note.h"

const char *tls_failure_word(enum tls_failure_kind kind)
{
    static const char *const words[] = {
#define X(id, word) [TLS_FAILURE_##id] = word,
        TLS_FAILURES(X)
#undef X
    };

    if ((size_t)kind >= sizeof words / sizeof words[0])
        return words[TLS_FAILURE_INTERNAL];
    return words[kind];
}

/* The peer chooses parts of the text (names in its certificate): nothing of it may break a log line
 * or a quoted string. */
static void make_printable(char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < 0x20 || c > 0x7e)
            *s = '?';
        else if (c == '"' || c == '\\')
            *s = '\'';
    }
}

static void read_library_error(struct tls_failure *out, SSL *ssl, unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);

    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        out->kind = TLS_FAILURE_CERTIFICATE;
        tls_verify_note_text(ssl, out->text, sizeof out->text);
    } else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
               reason < SSL_AD_REASON_OFFSET + 256) {
        out->kind = TLS_FAILURE_ALERT;
        out->alert = reason - SSL_AD_REASON_OFFSET;
        snprintf(out->text, sizeof out->text, "the peer sent the TLS alert %d (%s)", out->alert,
                 SSL_alert_desc_string_long(out->alert));
    } else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        out->kind = TLS_FAILURE_CLOSED;
        snprintf(out->text, sizeof out->text, "the peer closed the connection within TLS");
    } else if (reason == ERR_R_MALLOC_FAILURE) {
        out->kind = TLS_FAILURE_INTERNAL;
        snprintf(out->text, sizeof out->text, "memory ran out in TLS");
    } else {
        out->kind = TLS_FAILURE_PROTOCOL;
        snprintf(out->text, sizeof out->text, "TLS failed: %s", text ? text : "unknown reason");
    }
}

static void read_system_error(struct tls_failure *out, int error)
{
    out->kind = TLS_FAILURE_CLOSED;
    if (error == 0)
        snprintf(out->text, sizeof out->text, "the peer closed the connection within TLS");
    else
        snprintf(out->text, sizeof out->text, "the connection failed within TLS: %s",
                 strerror(error));
}

/* Empties the queue. Of what is in there, the TLS layer's own and last word says most: before it
 * come the causes, such as a signature that didn't check while a chain was verified. */
static unsigned long take_telling_error(void)
{
    unsigned long error, telling = 0;

    while ((error = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            telling = error;
        else if (telling == 0 || (ERR_GET_LIB(error) == ERR_LIB_SSL &&
                                  ERR_GET_REASON(telling) != ERR_R_MALLOC_FAILURE))
            telling = error;
    }
    return telling;
}

void tls_failure_read(struct tls_failure *out, SSL *ssl, int ret)
{
    int system_error = errno;
    int kind = SSL_get_error(ssl, ret);
    unsigned long error = take_telling_error();

    *out = (struct tls_failure){.kind = TLS_FAILURE_INTERNAL, .alert = -1};
    if (error != 0)
        read_library_error(out, ssl, error);
    else if (kind == SSL_ERROR_SYSCALL)
        read_system_error(out, system_error);
    else if (kind == SSL_ERROR_ZERO_RETURN)
        read_system_error(out, 0);
    else
        snprintf(out->text, sizeof out->text, "TLS failed without a reason (%d)", kind);
    make_printable(out->text);
}

void tls_failure_explain(char *why, size_t why_size, const char *format, ...)
{
    unsigned long error = ERR_peek_error();
    const char *text = error ? ERR_reason_error_string(error) : NULL;
    va_list args;
    int n;

    if (ERR_SYSTEM_ERROR(error)) /* a file's */
        text = strerror(ERR_GET_REASON(error));

    va_start(args, format);
    n = vsnprintf(why, why_size, format, args);
    va_end(args);
    if (text != NULL && n >= 0 && (size_t)n < why_size)
        snprintf(why + n, why_size - (size_t)n, " (%s)", text);
    ERR_clear_error();
}
