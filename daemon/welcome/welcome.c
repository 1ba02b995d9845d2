/* SPDX-License-Identifier: BSD-2-Clause
 *
 * welcome: see welcome.h.
 */
#include "welcome/welcome.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define WELCOME_MAX (64 * 1024)

static int welcome_bio(struct welcome_answer *out, BIO *bio, bool written)
{
    char *data = NULL;
    long n = bio != NULL && written ? BIO_get_mem_data(bio, &data) : 0;
    int r = n > 0 ? http_buffer_add(&out->body, data, (size_t)n) : HTTP_E_NOMEM;

    BIO_free(bio);
    return r;
}

static int welcome_pem(struct welcome_answer *out, const struct welcome_request *request)
{
    BIO *bio = BIO_new(BIO_s_mem());

    out->content_type = "application/x-x509-ca-cert";
    out->disposition = "attachment; filename=\"dived-ca.crt\"";
    return welcome_bio(out, bio, bio != NULL && PEM_write_bio_X509(bio, request->certificate) == 1);
}

static int welcome_der(struct welcome_answer *out, const struct welcome_request *request)
{
    BIO *bio = BIO_new(BIO_s_mem());

    out->content_type = "application/x-x509-ca-cert";
    out->disposition = "attachment; filename=\"dived-ca.der\"";
    return welcome_bio(out, bio, bio != NULL && i2d_X509_bio(bio, request->certificate) == 1);
}

/* The functions that PAC files have had since Netscape's. isInNet() would look every name up; only
 * literals are compared, so that no name of a download is asked of the client's own resolver. */
static int welcome_pac(struct welcome_answer *out, const struct welcome_request *request)
{
    out->content_type = "application/x-ns-proxy-autoconfig";
    return http_buffer_addf(
        &out->body,
        "// Through the proxy at %s, but for names without a dot, localhost and private "
        "addresses.\n"
        "function FindProxyForURL(url, host) {\n"
        "  host = host.toLowerCase();\n"
        "  if (isPlainHostName(host) || dnsDomainIs(host, \".localhost\") ||\n"
        "      dnsDomainIs(host, \".local\"))\n"
        "    return \"DIRECT\";\n"
        "  if (/^\\d+\\.\\d+\\.\\d+\\.\\d+$/.test(host) &&\n"
        "      (shExpMatch(host, \"127.*\") || shExpMatch(host, \"10.*\") ||\n"
        "       shExpMatch(host, \"192.168.*\") || shExpMatch(host, \"169.254.*\") ||\n"
        "       /^172\\.(1[6-9]|2\\d|3[01])\\./.test(host)))\n"
        "    return \"DIRECT\";\n"
        "  if (/^\\[?(::1|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)/.test(host))\n"
        "    return \"DIRECT\";\n"
        "  if (!/^(https?|ftp):/.test(url.toLowerCase()))\n"
        "    return \"DIRECT\";\n"
        "  return \"%s %s\";\n"
        "}\n",
        request->authority, request->tls ? "HTTPS" : "PROXY", request->authority);
}

static const struct {
    const char *path;
    int (*make)(struct welcome_answer *out, const struct welcome_request *request);
    bool needs_certificate;
} welcome_paths[] = {
    {"/", welcome_page, false},        {"/ca.crt", welcome_pem, true},
    {"/ca.der", welcome_der, true},    {"/proxy.pac", welcome_pac, false},
    {"/wpad.dat", welcome_pac, false},
};

static void welcome_refuse(struct welcome_answer *out, int status, const char *error)
{
    out->status = status;
    out->error = error;
}

int welcome_make(struct welcome_answer *out, const struct welcome_request *request)
{
    int r = 0;

    *out = (struct welcome_answer){.status = 200};
    http_buffer_init(&out->body, WELCOME_MAX);
    snprintf(out->policy, sizeof(out->policy), "default-src 'none'; frame-ancestors 'none'");
    if (!dive_span_eq(request->method, "GET") && !dive_span_eq(request->method, "HEAD")) {
        welcome_refuse(out, 405, "the proxy's own pages take GET and HEAD only");
        return 0;
    }
    for (size_t i = 0; i < sizeof(welcome_paths) / sizeof(welcome_paths[0]); i++) {
        if (!dive_span_eq(request->path, welcome_paths[i].path))
            continue;
        if (welcome_paths[i].needs_certificate && request->certificate == NULL) {
            welcome_refuse(out, 404, "this proxy doesn't open TLS, so it has no CA");
            return 0;
        }
        r = welcome_paths[i].make(out, request);
        if (r != 0)
            welcome_clear(out);
        return r;
    }
    welcome_refuse(out, 404,
                   "the proxy has /, /ca.crt, /ca.der and /proxy.pac; a request for an "
                   "origin needs its whole URL");
    return 0;
}

void welcome_clear(struct welcome_answer *answer)
{
    http_buffer_clear(&answer->body);
    *answer = (struct welcome_answer){0};
}
