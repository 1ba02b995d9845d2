/* SPDX-License-Identifier: BSD-2-Clause
 *
 * url: the request target in its four forms (RFC 9112 section 3.2), taken apart, and http and https
 * URLs as people type them. What names a host here is what is resolved, checked against rules and
 * policy, and put into the signature base, so that there is one reading of it.
 */
#ifndef DIVED_HTTP_URL_H
#define DIVED_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "http/head.h"

enum http_target_form {
    HTTP_TARGET_ORIGIN = 1, /* "/path?query" */
    HTTP_TARGET_ABSOLUTE,   /* "http://host/path" */
    HTTP_TARGET_AUTHORITY,  /* "host:port", of CONNECT and nothing else */
    HTTP_TARGET_ASTERISK,   /* "*", of OPTIONS and nothing else */
};

enum http_host_kind {
    HTTP_HOST_NAME = 1, /* letters, digits, "-", "_", "." */
    HTTP_HOST_IPV4,     /* four decimal numbers without leading zeros */
    HTTP_HOST_IPV6,     /* in brackets on the wire */
};

enum {
    HTTP_HOST_MAX = 254,                        /* with NUL; an IPv6 address is shorter */
    HTTP_AUTHORITY_MAX = HTTP_HOST_MAX + 2 + 6, /* brackets, ":65535" */
};

/* A host and port. A plain value: nothing to free. */
struct http_authority {
    enum http_host_kind kind;
    char host[HTTP_HOST_MAX]; /* lower case, no trailing dot, no brackets; IPv6: canonical */
    bool trailing_dot;        /* "example.com." was written: the same DNS name */
    uint16_t port;            /* 0: none was given */
};

struct http_url {
    bool https;
    enum http_target_form form;
    struct http_authority at; /* port is never 0 here: the scheme's default is filled in */
    /* RFC 9421 section 2.2.3: host (IPv6 in brackets), ":port" unless it is the scheme's own. */
    char authority[HTTP_AUTHORITY_MAX];
    /* Owned, NUL-terminated: what an origin is asked for, byte for byte as sent, "/" before a query
     * without path. "*" for OPTIONS of a whole server (the path of which is "*", too), "" for
     * CONNECT. */
    char *target;
    struct dive_span path;  /* into target: without the query */
    struct dive_span query; /* into target: with its "?", or n == 0 */
};

/* "host", "host:port", "[v6]:port": the grammar of Host and of CONNECT's target, without userinfo.
 * Names of 1..253 bytes, labels of 1..63; a name whose last label is a number is no name (RFC 3986
 * section 3.2.2, and what inet_aton() would make of it). Port 1..65535, no sign, no leading zero.
 * 0 or HTTP_E_HOST. */
int http_authority_parse(struct http_authority *out, struct dive_span in) DIVE_MUST_USE;

/* Writes it in RFC 9421's normal form; `default_port` is left out, 0 leaves out none but an absent
 * one. */
void http_authority_format(char out[HTTP_AUTHORITY_MAX], const struct http_authority *authority,
                           uint16_t default_port);

/* The URL that a request is for (RFC 9112 section 3.3). `https` says what the connection is (TLS
 * accepted by us, or a transparent port) for origin-form and asterisk-form, which take their
 * authority from Host, or from `fallback` (may be NULL) when an HTTP/1.0 request has none.
 * absolute-form and authority-form name their own, and a Host that disagrees is
 * HTTP_E_HOST_DISAGREES; an absolute-form with another scheme than http and https, a fragment or
 * userinfo is HTTP_E_TARGET. 0 and *out is the caller's (http_url_clear()), independent of `head`;
 * else HTTP_E_TARGET, _HOST, _HOST_MISSING, _HOST_DISAGREES, _NOMEM and *out is empty. */
int http_url_from_request(struct http_url *out, const struct http_head *head, bool https,
                          const struct http_authority *fallback) DIVE_MUST_USE;

/* An absolute http or https URL, as in a configuration, a Location or on a command line. Same
 * rules. */
int http_url_parse(struct http_url *out, struct dive_span in) DIVE_MUST_USE;

void http_url_clear(struct http_url *url);

/* The request as the verifier reads it: everything borrowed from `head` and `url`. */
static inline struct dive_request http_dive_request(const struct http_head *head,
                                                    const struct http_url *url)
{
    bool has_path = url->path.n > 0 && url->path.p[0] == '/';

    return (struct dive_request){
        .method = head->method,
        .scheme = url->https ? dive_span("https", 5) : dive_span("http", 4),
        .authority = dive_span_str(url->authority),
        .path = has_path ? url->path : dive_span("/", 1),
        .query = url->query,
        .target = dive_span_str(url->target),
        .fields = http_head_fields(head),
    };
}

static inline uint16_t http_default_port(bool https)
{
    return https ? 443 : 80;
}

/* Whether a Host field's value and a target's authority are the same host and port (RFC 9112
 * section 3.2). A port left out in Host means `default_port`; with 0 (CONNECT, whose Host some
 * clients send without a port) it agrees with any. A trailing dot makes no difference. False if
 * Host is malformed. */
bool http_host_agrees(const struct http_authority *target, struct dive_span host_field,
                      uint16_t default_port);

/* "https://host/path?query", malloc'd, the caller's; NULL when memory is out. `redact`: the query
 * is replaced by "?..." for logs. CONNECT gives "host:port". */
char *http_url_string(const struct http_url *url, bool redact) DIVE_MUST_USE;

#endif
