/* SPDX-License-Identifier: BSD-2-Clause
 *
 * URLs and authorities. Invariants: what parses and is written parses to the same again; a host
 * that is a name has the one normal form of lib/domain.h, and what isn't a name there is none here.
 *
 * Input: the URL; also read as an authority.
 */
#include "http/url.h"

#include "lib/domain.h"
#include "tests/fuzz/fuzz.h"

static void check_authority(const struct http_authority *a)
{
    char text[HTTP_AUTHORITY_MAX], normal[DIVE_DOMAIN_BUF];
    struct http_authority again;
    int r = dive_domain_normalize(dive_span_str(a->host), normal);

    CHECK(a->host[0] != 0 && a->kind >= HTTP_HOST_NAME && a->kind <= HTTP_HOST_IPV6);
    if (a->kind == HTTP_HOST_NAME)
        CHECK(r == 0 && strcmp(normal, a->host) == 0);
    else
        CHECK(r != 0);
    http_authority_format(text, a, 0);
    CHECK(http_authority_parse(&again, dive_span_str(text)) == 0);
    CHECK(again.kind == a->kind && again.port == a->port && strcmp(again.host, a->host) == 0);
    CHECK(http_host_agrees(a, dive_span_str(text), 80));
}

static void check_url(const struct http_url *url)
{
    struct http_url again;
    char *text = http_url_string(url, false), *redacted = http_url_string(url, true);

    CHECK(text && redacted && url->at.port != 0);
    check_authority(&url->at);
    CHECK(http_url_parse(&again, dive_span_str(text)) == 0);
    CHECK(again.https == url->https && again.at.port == url->at.port);
    CHECK(strcmp(again.authority, url->authority) == 0 && strcmp(again.target, url->target) == 0);
    CHECK(url->query.n == 0 || strlen(redacted) >= 4);
    CHECK(url->path.n + url->query.n == strlen(url->target));
    http_url_clear(&again);
    free(text);
    free(redacted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n);
    struct http_authority authority;
    struct http_url url;

    if (http_authority_parse(&authority, dive_span(in, n)) == 0)
        check_authority(&authority);
    if (http_url_parse(&url, dive_span(in, n)) == 0) {
        check_url(&url);
        http_url_clear(&url);
    }
    free(in);
    return 0;
}
