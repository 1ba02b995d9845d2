/* SPDX-License-Identifier: BSD-2-Clause
 *
 * url: see url.h. Where RFC 3986 is stricter than what download clients send unencoded ([ ] { } | ^
 * " < > `), the bytes pass as they are, since they have one reading. A backslash (which some read
 * as "/"), "#" and a "%" in the path without two hexadecimal digits have two, and are refused.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/chars.h"
#include "http/url.h"

/* Whether the last label is a number: "1", "127.1", "0x7f". inet_aton() and browsers make an
 * address of it. */
static bool ends_in_number(const char *host, size_t n)
{
    const char *label = host + n;

    while (label > host && label[-1] != '.')
        label--;
    struct dive_span last = dive_span(label, n - (size_t)(label - host));
    if (last.n >= 2 && last.p[0] == '0' && http_lower(last.p[1]) == 'x')
        return last.n == 2 || http_all(dive_span(last.p + 2, last.n - 2), HTTP_CHAR_HEX);
    return http_all(last, HTTP_CHAR_DIGIT);
}

static int parse_ipv4(struct http_authority *out, struct dive_span in)
{
    struct in_addr address;
    char text[INET_ADDRSTRLEN] = "", canonical[INET_ADDRSTRLEN] = "";

    if (in.n >= sizeof(text))
        return HTTP_E_HOST;
    memcpy(text, in.p, in.n);
    if (inet_pton(AF_INET, text, &address) != 1 ||
        inet_ntop(AF_INET, &address, canonical, sizeof(canonical)) == NULL ||
        strcmp(text, canonical) != 0)
        return HTTP_E_HOST;
    out->kind = HTTP_HOST_IPV4;
    memcpy(out->host, text, in.n + 1);
    return 0;
}

static int parse_ipv6(struct http_authority *out, struct dive_span in)
{
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN] = "";

    if (in.n == 0 || in.n >= sizeof(text))
        return HTTP_E_HOST;
    memcpy(text, in.p, in.n);
    if (strlen(text) != in.n || inet_pton(AF_INET6, text, &address) != 1 ||
        inet_ntop(AF_INET6, &address, out->host, HTTP_HOST_MAX) == NULL)
        return HTTP_E_HOST;
    out->kind = HTTP_HOST_IPV6;
    return 0;
}

static int parse_name(struct http_authority *out, struct dive_span in)
{
    size_t label = 0;

    if (in.n > 0 && in.p[in.n - 1] == '.') {
        out->trailing_dot = true;
        in.n--;
    }
    if (in.n == 0 || in.n >= HTTP_HOST_MAX)
        return HTTP_E_HOST;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '.') {
            if (label == 0)
                return HTTP_E_HOST;
            label = 0;
        } else if (!http_is(in.p[i], HTTP_CHAR_HOST) || ++label > 63) {
            return HTTP_E_HOST;
        }
        out->host[i] = http_lower(in.p[i]);
    }
    if (label == 0)
        return HTTP_E_HOST;
    if (!ends_in_number(in.p, in.n)) {
        out->kind = HTTP_HOST_NAME;
        return 0;
    }
    return out->trailing_dot ? HTTP_E_HOST : parse_ipv4(out, in);
}

static int parse_port(uint16_t *out, struct dive_span in)
{
    unsigned port = 0;

    if (in.n > 5 || !http_all(in, HTTP_CHAR_DIGIT) || in.p[0] == '0')
        return HTTP_E_HOST;
    for (size_t i = 0; i < in.n; i++)
        port = port * 10 + (unsigned)(in.p[i] - '0');
    if (port > 65535)
        return HTTP_E_HOST;
    *out = (uint16_t)port;
    return 0;
}

int http_authority_parse(struct http_authority *out, struct dive_span in)
{
    int r = HTTP_E_HOST;
    size_t host_end = 0;

    memset(out, 0, sizeof(*out));
    if (in.n > HTTP_AUTHORITY_MAX)
        goto out;
    if (in.n > 0 && in.p[0] == '[') {
        const char *close = memchr(in.p, ']', in.n);
        if (close == NULL)
            goto out;
        host_end = (size_t)(close - in.p) + 1;
        r = parse_ipv6(out, dive_span(in.p + 1, host_end - 2));
    } else {
        while (host_end < in.n && in.p[host_end] != ':')
            host_end++;
        r = parse_name(out, dive_span(in.p, host_end));
    }
    if (r == 0 && host_end < in.n)
        r = in.p[host_end] != ':'
                ? HTTP_E_HOST
                : parse_port(&out->port, dive_span(in.p + host_end + 1, in.n - host_end - 1));
out:
    if (r != 0)
        memset(out, 0, sizeof(*out));
    return r;
}

void http_authority_format(char out[HTTP_AUTHORITY_MAX], const struct http_authority *authority,
                           uint16_t default_port)
{
    bool v6 = authority->kind == HTTP_HOST_IPV6;
    int n =
        snprintf(out, HTTP_AUTHORITY_MAX, "%s%s%s", v6 ? "[" : "", authority->host, v6 ? "]" : "");

    if (authority->port != 0 && authority->port != default_port && n > 0)
        snprintf(out + n, HTTP_AUTHORITY_MAX - (size_t)n, ":%u", authority->port);
}

/* "/path?query". Percent signs are looked at in the path alone: rules and policies match paths, and
 * nobody has to agree on what a query means. */
static int check_path(struct dive_span in)
{
    size_t i = 0;

    if (in.n == 0 || in.p[0] != '/')
        return HTTP_E_TARGET;
    for (; i < in.n && in.p[i] != '?'; i++) {
        if (!http_is(in.p[i], HTTP_CHAR_PATH))
            return HTTP_E_TARGET;
        if (in.p[i] != '%')
            continue;
        if (in.n - i < 3 || !http_all(dive_span(in.p + i + 1, 2), HTTP_CHAR_HEX))
            return HTTP_E_TARGET;
    }
    for (; i < in.n; i++) {
        if (!http_is(in.p[i], HTTP_CHAR_PATH))
            return HTTP_E_TARGET;
    }
    return 0;
}

/* A copy of `in`, with "/" before it if `slash`. */
static int set_target(struct http_url *out, struct dive_span in, bool slash)
{
    char *target = malloc(slash + in.n + 1);

    if (target == NULL)
        return HTTP_E_NOMEM;
    if (slash)
        target[0] = '/';
    if (in.n > 0)
        memcpy(target + slash, in.p, in.n);
    target[slash + in.n] = '\0';
    out->target = target;

    size_t n = slash + in.n;
    const char *query = memchr(target, '?', n);
    out->path = dive_span(target, query != NULL ? (size_t)(query - target) : n);
    if (query != NULL)
        out->query = dive_span(query, n - out->path.n);
    return 0;
}

static void set_authority(struct http_url *out)
{
    if (out->at.port == 0)
        out->at.port = http_default_port(out->https);
    http_authority_format(out->authority, &out->at, http_default_port(out->https));
}

/* scheme "://" authority [ path ] [ "?" query ] */
static int parse_absolute(struct http_url *out, struct dive_span in, bool is_options)
{
    int r = HTTP_E_INTERNAL;
    size_t scheme = 0, end = 0;

    if (in.n >= 7 && http_is_name(dive_span(in.p, 7), "http://"))
        scheme = 7;
    else if (in.n >= 8 && http_is_name(dive_span(in.p, 8), "https://"))
        scheme = 8;
    else
        return HTTP_E_TARGET;
    out->https = scheme == 8;
    out->form = HTTP_TARGET_ABSOLUTE;
    for (end = scheme; end < in.n && in.p[end] != '/' && in.p[end] != '?'; end++) {
        if (in.p[end] == '@')
            return HTTP_E_TARGET;
    }
    r = http_authority_parse(&out->at, dive_span(in.p + scheme, end - scheme));
    if (r != 0)
        return r;
    set_authority(out);
    struct dive_span rest = dive_span(in.p + end, in.n - end);
    /* RFC 9112 section 3.2.4: the whole server was meant. */
    if (is_options && rest.n == 0)
        return set_target(out, dive_span("*", 1), false);
    r = set_target(out, rest, rest.n == 0 || rest.p[0] != '/');
    return r != 0 ? r : check_path(dive_span(out->target, out->path.n + out->query.n));
}

static int parse_connect(struct http_url *out, struct dive_span in)
{
    int r = http_authority_parse(&out->at, in);

    /* Without a port there is nothing to connect to (RFC 9110 section 9.3.6). */
    if (r == 0 && out->at.port == 0)
        r = HTTP_E_TARGET;
    if (r != 0)
        return r == HTTP_E_HOST ? HTTP_E_TARGET : r;
    out->form = HTTP_TARGET_AUTHORITY;
    out->https = true;
    set_authority(out);
    return set_target(out, dive_span(NULL, 0), false);
}

/* Host, or the fallback, for the two forms that don't name the authority. */
static int take_host(struct http_url *out, const struct dive_span *host,
                     const struct http_authority *fallback)
{
    int r = 0;

    if (host != NULL)
        r = http_authority_parse(&out->at, *host);
    else if (fallback != NULL)
        out->at = *fallback;
    else
        r = HTTP_E_HOST_MISSING;
    if (r == 0)
        set_authority(out);
    return r;
}

static int parse_request(struct http_url *out, const struct http_head *head, bool https,
                         const struct http_authority *fallback)
{
    const struct dive_span *host = http_field_get(head, "host");
    struct dive_span target = head->target;
    bool connect = dive_span_eq(head->method, "CONNECT");
    bool options = dive_span_eq(head->method, "OPTIONS");
    int r = HTTP_E_TARGET;

    if (connect) {
        r = parse_connect(out, target);
        if (r == 0 && host != NULL && !http_host_agrees(&out->at, *host, 0))
            r = HTTP_E_HOST_DISAGREES;
        return r;
    }
    if (target.n > 0 && target.p[0] != '/' && !dive_span_eq(target, "*")) {
        r = parse_absolute(out, target, options);
        if (r == 0 && host != NULL &&
            !http_host_agrees(&out->at, *host, http_default_port(out->https)))
            r = HTTP_E_HOST_DISAGREES;
        return r;
    }
    out->https = https;
    out->form = HTTP_TARGET_ORIGIN;
    if (dive_span_eq(target, "*")) {
        out->form = HTTP_TARGET_ASTERISK;
        r = options ? 0 : HTTP_E_TARGET;
    } else {
        r = check_path(target);
    }
    if (r == 0)
        r = take_host(out, host, fallback);
    return r == 0 ? set_target(out, target, false) : r;
}

int http_url_from_request(struct http_url *out, const struct http_head *head, bool https,
                          const struct http_authority *fallback)
{
    int r = HTTP_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    r = parse_request(out, head, https, fallback);
    if (r != 0)
        http_url_clear(out);
    return r;
}

int http_url_parse(struct http_url *out, struct dive_span in)
{
    int r = HTTP_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    r = parse_absolute(out, in, false);
    if (r != 0)
        http_url_clear(out);
    return r;
}

void http_url_clear(struct http_url *url)
{
    free(url->target);
    memset(url, 0, sizeof(*url));
}

bool http_host_agrees(const struct http_authority *target, struct dive_span host_field,
                      uint16_t default_port)
{
    struct http_authority host;

    if (http_authority_parse(&host, host_field) != 0)
        return false;
    if (host.kind != target->kind || strcmp(host.host, target->host) != 0)
        return false;
    if (host.port == 0 && default_port == 0)
        return true;
    return (host.port != 0 ? host.port : default_port) ==
           (target->port != 0 ? target->port : default_port);
}

char *http_url_string(const struct http_url *url, bool redact)
{
    char *text = NULL;
    int n = -1;

    if (url->form == HTTP_TARGET_AUTHORITY) {
        char authority[HTTP_AUTHORITY_MAX];
        http_authority_format(authority, &url->at, 0);
        n = asprintf(&text, "%s", authority);
    } else {
        bool star = dive_span_eq(url->path, "*"); /* the URL of "*" has no path */
        struct dive_span query = redact && url->query.n > 0 ? dive_span("?...", 4) : url->query;
        n = asprintf(&text, "http%s://%s%.*s%.*s", url->https ? "s" : "", url->authority,
                     star ? 0 : (int)url->path.n, url->path.n > 0 ? url->path.p : "", (int)query.n,
                     query.n > 0 ? query.p : "");
    }
    return n < 0 ? NULL : text;
}
