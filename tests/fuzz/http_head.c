/* SPDX-License-Identifier: BSD-2-Clause
 *
 * HTTP/1 heads. Invariants: however the bytes are split over calls, the result is the same; what is
 * parsed has one reading (names are tokens, values have no control character and no white space at
 * the ends, one framing); the URL of a request agrees with its Host.
 *
 * Input: one byte (request or response, its request's method), then the bytes of the connection.
 */
#include "http/head.h"

#include "http/chars.h"
#include "http/media.h"
#include "http/range.h"
#include "http/url.h"
#include "tests/fuzz/fuzz.h"

static const char *const methods[] = {"GET", "HEAD", "CONNECT", "POST"};

static int parse(uint8_t mode, struct http_head *h, const char *p, size_t n, struct http_scan *scan,
                 size_t *consumed)
{
    struct http_limits limits = {.head = 4096, .target = 1024, .fields = 32};

    if (mode & 1)
        return http_head_parse_response(h, p, n, dive_span_str(methods[(mode >> 1) & 3]), &limits,
                                        scan, consumed);
    return http_head_parse_request(h, p, n, &limits, scan, consumed);
}

static void check_head(const struct http_head *h, uint8_t mode)
{
    size_t lengths = http_field_count(h, "Content-Length");

    CHECK(h->minor == 0 || h->minor == 1);
    for (size_t i = 0; i < h->n_fields; i++) {
        struct dive_span value = h->fields[i].value;

        CHECK(http_all(h->fields[i].name, HTTP_CHAR_TOKEN));
        CHECK(value.n == 0 || http_all(value, HTTP_CHAR_TEXT));
        CHECK(fuzz_same(http_trim(value), value));
    }
    CHECK(lengths <= 1 && !(lengths == 1 && http_field_count(h, "Transfer-Encoding") > 0));
    CHECK(h->framing != HTTP_BODY_LENGTH || h->content_length >= 0 || !(mode & 1));
    if (mode & 1)
        CHECK(h->status >= 100 && h->status <= 599);
    else
        CHECK(h->framing != HTTP_BODY_UNTIL_CLOSE && http_field_count(h, "Host") <= 1);
}

static void check_same(const struct http_head *a, const struct http_head *b)
{
    CHECK(a->n_fields == b->n_fields && a->framing == b->framing && a->status == b->status);
    CHECK(a->content_length == b->content_length && a->keep_alive == b->keep_alive);
    CHECK(a->minor == b->minor && a->is_upgrade == b->is_upgrade);
    CHECK(a->expects_continue == b->expects_continue);
    CHECK(fuzz_same(a->method, b->method) && fuzz_same(a->target, b->target));
    for (size_t i = 0; i < a->n_fields; i++)
        CHECK(fuzz_same(a->fields[i].name, b->fields[i].name) &&
              fuzz_same(a->fields[i].value, b->fields[i].value));
}

static void check_url(const struct http_head *h)
{
    struct http_url url;
    struct http_range range;

    (void)http_prefers_html(h);
    (void)http_range_from_request(h, 1000, &range);
    if (http_url_from_request(&url, h, false, NULL) != 0)
        return;
    const struct dive_span *host = http_field_get(h, "Host");
    uint16_t port = url.form == HTTP_TARGET_AUTHORITY ? 0 : http_default_port(url.https);

    CHECK(url.at.port != 0 && url.at.host[0] != 0);
    CHECK(host == NULL || http_host_agrees(&url.at, *host, port));
    http_url_clear(&url);
}

/* The same bytes in pieces: the result of the whole, and no sooner than the last needed byte. */
static void check_split(uint8_t mode, const uint8_t *p, size_t n, int whole,
                        const struct http_head *head, size_t used)
{
    struct http_scan scan = {0};
    struct http_head h;
    size_t consumed = 0, at = 0, step = n > 256 ? n / 64 : 1;
    int r = HTTP_NEED_MORE;

    while (r == HTTP_NEED_MORE && at < n) {
        at = n - at > step ? at + step : n;
        char *piece = fuzz_copy(p, at);

        r = parse(mode, &h, piece, at, &scan, &consumed);
        free(piece);
    }
    CHECK((n == 0 && whole == HTTP_NEED_MORE) || (r == HTTP_DONE) == (whole == HTTP_DONE));
    CHECK(n == 0 || (r == HTTP_NEED_MORE) == (whole == HTTP_NEED_MORE));
    if (r != HTTP_DONE)
        return;
    CHECK(consumed == used);
    check_same(&h, head);
    http_head_clear(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    uint8_t mode = fuzz_byte(&f);
    struct http_scan scan = {0};
    struct http_head h;
    size_t consumed;
    char *in = fuzz_copy(f.p, f.n);
    int r = parse(mode, &h, in, f.n, &scan, &consumed);

    free(in);
    CHECK(r <= HTTP_NEED_MORE && r != HTTP_E_INTERNAL && consumed <= f.n);
    check_split(mode, f.p, f.n, r, &h, consumed);
    if (r != HTTP_DONE)
        return 0;
    check_head(&h, mode);
    if (!(mode & 1))
        check_url(&h);
    http_head_clear(&h);
    return 0;
}
