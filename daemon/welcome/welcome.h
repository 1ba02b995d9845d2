/* SPDX-License-Identifier: BSD-2-Clause
 *
 * welcome: what the proxy itself has for who asks it rather than an origin: a page that says how to
 * use it, its CA's certificate, and a PAC file. Made anew for each request, out of the address that
 * the client used; nothing is remembered, no cookie is set, there is no script.
 *
 *      exchange/greet.c   who may ask, and under which name; sends the answer
 *      welcome.c          which path is what; the certificate, the PAC file
 *      page.c             the page
 *
 * No call blocks or calls back.
 */
#ifndef DIVED_WELCOME_WELCOME_H
#define DIVED_WELCOME_WELCOME_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "http/writer.h"

/* Everything is borrowed, for the call. */
struct welcome_request {
    struct dive_span method, path; /* without query */
    const char *authority;         /* by which the client reached us: "10.0.0.1:3128" */
    bool tls;                      /* it speaks TLS to us */
    X509 *certificate;             /* of the interception CA; NULL: TLS isn't opened */
    const char *fingerprint;       /* its SHA-256, "AB:CD:..."; with `certificate` */
    const char *mode;              /* dive.mode, as a word */
};

struct welcome_answer {
    int status;               /* 200; 404, 405: `body` is empty, and `error` a sentence */
    const char *content_type; /* static */
    const char *disposition;  /* Content-Disposition (RFC 6266); static, or NULL */
    const char *error;        /* static */
    char policy[240];         /* Content-Security-Policy */
    struct http_buffer body;
};

/* 0 and *out is the caller's (welcome_clear()); or negative (memory), and *out is empty. */
int welcome_make(struct welcome_answer *out, const struct welcome_request *request) DIVE_MUST_USE;
void welcome_clear(struct welcome_answer *answer);

/* page.c: the page, and the Content-Security-Policy that lets its style in and nothing else. 0 or
 * negative. */
int welcome_page(struct welcome_answer *out, const struct welcome_request *request) DIVE_MUST_USE;

#endif
