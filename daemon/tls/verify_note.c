/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verify_note: see the header. The note is malloc'd on failure only and goes with the SSL.
 */
#include "tls/verify_note.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_MAX 256
#define NAMES_SHOWN 4

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int note_index = -1;

static void free_note(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    free(ptr);
}

static void make_index(void)
{
    note_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_note);
}

__attribute__((format(printf, 2, 3))) static void append(char *out, const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;

    va_start(args, format);
    vsnprintf(out + used, NOTE_MAX - used, format, args);
    va_end(args);
}

static void append_name(char *out, const GENERAL_NAME *name)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    const ASN1_STRING *s;

    if (name->type == GEN_DNS) {
        s = name->d.dNSName;
        append(out, " %.*s", ASN1_STRING_length(s), (const char *)ASN1_STRING_get0_data(s));
    } else if (name->type == GEN_IPADD) {
        s = name->d.iPAddress;
        if (ASN1_STRING_length(s) == 4)
            inet_ntop(AF_INET, ASN1_STRING_get0_data(s), ip, sizeof ip);
        else if (ASN1_STRING_length(s) == 16)
            inet_ntop(AF_INET6, ASN1_STRING_get0_data(s), ip, sizeof ip);
        append(out, " %s", ip);
    }
}

static void describe_certificate(char *out, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char cn[80] = "?";
    int i, n = names ? sk_GENERAL_NAME_num(names) : 0;

    append(out, "; presented: a certificate for");
    for (i = 0; i < n && i < NAMES_SHOWN; i++)
        append_name(out, sk_GENERAL_NAME_value(names, i));
    if (n == 0)
        append(out, " no name");
    else if (n > NAMES_SHOWN)
        append(out, " and %d more", n - NAMES_SHOWN);
    GENERAL_NAMES_free(names);

    if (X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, cn,
                                  sizeof cn) <= 0 &&
        X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_organizationName, cn,
                                  sizeof cn) <= 0)
        return;
    append(out, ", issued by %s", cn);
}

int tls_verify_note_callback(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
    char *note;

    if (ok || ssl == NULL)
        return ok;
    (void)pthread_once(&once, make_index);
    if (note_index < 0)
        return ok;
    note = malloc(NOTE_MAX);
    if (note == NULL)
        return ok;
    snprintf(note, NOTE_MAX, "%s", X509_verify_cert_error_string(error));
    if (depth > 0)
        append(note, " (certificate %d of the chain)", depth);
    if (leaf != NULL)
        describe_certificate(note, leaf);
    free(SSL_get_ex_data(ssl, note_index));
    if (SSL_set_ex_data(ssl, note_index, note) != 1) {
        (void)SSL_set_ex_data(ssl, note_index, NULL);
        free(note);
    }
    return ok;
}

void tls_verify_note_text(SSL *ssl, char *out, size_t size)
{
    const char *note = NULL;

    (void)pthread_once(&once, make_index);
    if (note_index >= 0)
        note = SSL_get_ex_data(ssl, note_index);
    if (note == NULL)
        note = X509_verify_cert_error_string(SSL_get_verify_result(ssl));
    snprintf(out, size, "certificate not accepted: %s", note);
}
