/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_validate: RFC 9110 section 13, RFC 9111 sections 3.1, 3.2 and 4.3.
 */
#include "cache/validate.h"
#include "http/error.h"
#include "tests/daemon/cache_head.h"

#define D0 "Date: %D+0%\r\n"
#define LM "Last-Modified: %D-1000%\r\n"

static struct http_head request(const char *fields)
{
    return request_of("GET", dated(fields));
}

static struct http_head response(int status, const char *fields)
{
    return response_of(status, dated(fields));
}

Test(cache_validate, not_modified)
{
    static const struct {
        const char *request, *stored;
        bool is;
    } rows[] = {
        {"", "ETag: \"a\"\r\n", false},
        {"If-None-Match: \"a\"\r\n", "ETag: \"a\"\r\n", true},
        {"If-None-Match: \"b\"\r\n", "ETag: \"a\"\r\n", false},
        {"If-None-Match: \"A\"\r\n", "ETag: \"a\"\r\n", false},
        {"If-None-Match: W/\"a\"\r\n", "ETag: \"a\"\r\n", true},
        {"If-None-Match: \"a\"\r\n", "ETag: W/\"a\"\r\n", true},
        {"If-None-Match: W/\"a\"\r\n", "ETag: W/\"a\"\r\n", true},
        {"If-None-Match: \"a\", \"1\"\r\n", "ETag: \"a\"\r\n", true},
        {"If-None-Match: \"1\", \"a\", \"2\"\r\n", "ETag: \"a\"\r\n", true},
        {"If-None-Match: \"1\",,W/\"a\"\r\n", "ETag: \"a\"\r\n", true},
        {"If-None-Match: \"1\"\r\nIf-None-Match: \"a\"\r\n", "ETag: \"a\"\r\n", true},
        {"If-None-Match: \"1,2\", \"a\"\r\n", "ETag: \"1\"\r\n", false},
        {"If-None-Match: \"1,2\"\r\n", "ETag: \"1,2\"\r\n", true},
        {"If-None-Match: \"x\\\", \"a\"\r\n", "ETag: \"a\"\r\n", true}, /* no escape */
        {"If-None-Match: *\r\n", "ETag: \"a\"\r\n", true},
        {"If-None-Match: *\r\n", "", true},
        {"If-None-Match: \"*\"\r\n", "ETag: \"a\"\r\n", false},
        {"If-None-Match: \"\"\r\n", "ETag: \"\"\r\n", true},
        {"If-None-Match: \r\n", "ETag: \r\n", false},
        {"If-None-Match: \"a\"\r\n", "", false},
        {"If-None-Match: a\r\n", "ETag: a\r\n", true}, /* out of grammar, byte for byte */
        {"If-None-Match: a\r\n", "ETag: \"a\"\r\n", false},
        {"If-None-Match: \"a\r\n", "ETag: \"a\r\n", true},
        {"If-None-Match: ,\r\n", "ETag: \"a\"\r\n", false},
        /* If-Modified-Since only without If-None-Match */
        {"If-Modified-Since: %D-1000%\r\n", D0 LM, true},
        {"If-Modified-Since: %D-999%\r\n", D0 LM, true},
        {"If-Modified-Since: %D-1001%\r\n", D0 LM, false},
        {"If-Modified-Since: %D+99999%\r\n", D0 LM, true},
        {"If-Modified-Since: x\r\n", D0 LM, false},
        {"If-Modified-Since: \r\n", D0 LM, false},
        {"If-Modified-Since: %D-1000%\r\nIf-Modified-Since: %D-1000%\r\n", D0 LM, false},
        {"If-Modified-Since: %D-1000%, x\r\n", D0 LM, false},
        {"If-Modified-Since: %D-1000%\r\n", D0 "Last-Modified: x\r\n", false},
        {"If-Modified-Since: %D+0%\r\n", D0, true},
        {"If-Modified-Since: %D-1%\r\n", D0, false},
        {"If-Modified-Since: %D-1%\r\n", "", false},
        {"If-None-Match: \"b\"\r\nIf-Modified-Since: %D+0%\r\n", "ETag: \"a\"\r\n" D0 LM, false},
        {"If-None-Match: \"a\"\r\nIf-Modified-Since: %D-9999%\r\n", "ETag: \"a\"\r\n" D0 LM, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head q = request(rows[i].request), a = response(200, rows[i].stored);
        cr_expect(validate_not_modified(&q, &a, NOW) == rows[i].is, "%s | %s", rows[i].request,
                  rows[i].stored);
        http_head_clear(&q);
        http_head_clear(&a);
    }
}

Test(cache_validate, only_get_and_head_of_a_success)
{
    struct http_head q = request_of("POST", "If-None-Match: *\r\n"), a = response(200, "");
    struct http_head head = request_of("HEAD", "If-None-Match: *\r\n"), lost = response(404, "");

    cr_expect_not(validate_not_modified(&q, &a, NOW));
    cr_expect(validate_not_modified(&head, &a, NOW));
    cr_expect_not(validate_not_modified(&head, &lost, NOW));
    http_head_clear(&q);
    http_head_clear(&a);
    http_head_clear(&head);
    http_head_clear(&lost);
}

Test(cache_validate, if_range)
{
    static const struct {
        const char *request, *stored;
        bool is;
    } rows[] = {
        {"", "", true},
        {"If-Range: \"a\"\r\n", "ETag: \"a\"\r\n", true},
        {"If-Range: \"b\"\r\n", "ETag: \"a\"\r\n", false},
        {"If-Range: W/\"a\"\r\n", "ETag: W/\"a\"\r\n", false},
        {"If-Range: W/\"a\"\r\n", "ETag: \"a\"\r\n", false},
        {"If-Range: \"a\"\r\n", "ETag: W/\"a\"\r\n", false},
        {"If-Range: \"a\"\r\n", "", false},
        {"If-Range: \"a\", \"b\"\r\n", "ETag: \"a\"\r\n", false},
        {"If-Range: *\r\n", "ETag: \"a\"\r\n", false},
        {"If-Range: a\r\n", "ETag: a\r\n", false},
        {"If-Range: \r\n", "ETag: \"a\"\r\n", false},
        {"If-Range: %D-1000%\r\n", D0 LM, true},
        {"If-Range: %D-999%\r\n", D0 LM, false},
        {"If-Range: %D-1001%\r\n", D0 LM, false},
        {"If-Range: %D-1000%\r\n", LM, false}, /* without Date nobody knows if it is strong */
        {"If-Range: %D-60%\r\n", D0 "Last-Modified: %D-60%\r\n", true},
        {"If-Range: %D-59%\r\n", D0 "Last-Modified: %D-59%\r\n", false},
        {"If-Range: %D-1000%\r\nIf-Range: %D-1000%\r\n", D0 LM, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head q = request(rows[i].request), a = response(200, rows[i].stored);
        cr_expect(validate_if_range(&q, &a, NOW) == rows[i].is, "%s | %s", rows[i].request,
                  rows[i].stored);
        http_head_clear(&q);
        http_head_clear(&a);
    }
}

Test(cache_validate, what_only_an_origin_may_evaluate)
{
    struct http_head a = request("If-Match: \"a\"\r\n"), b = request("If-Unmodified-Since: x\r\n"),
                     c = request("If-None-Match: \"a\"\r\nIf-Range: \"a\"\r\n");

    cr_expect(validate_is_for_origin(&a));
    cr_expect(validate_is_for_origin(&b));
    cr_expect_not(validate_is_for_origin(&c));
    http_head_clear(&a);
    http_head_clear(&b);
    http_head_clear(&c);
}

Test(cache_validate, our_own_request)
{
    struct http_head a = response(200, "ETag: W/\"a\"\r\n" LM), b = response(200, LM),
                     c = response(200, "Last-Modified: x\r\nETag: \r\n");
    struct validate_fields f;
    struct dive_field range;

    validate_request(&f, &a, NOW);
    cr_expect(f.n == 2 && dive_span_eq(f.v[0].name, "If-None-Match") &&
              dive_span_eq(f.v[0].value, "W/\"a\"") &&
              dive_span_eq(f.v[1].name, "If-Modified-Since"));
    validate_request(&f, &b, NOW);
    cr_expect(f.n == 1 && dive_span_eq(f.v[0].name, "If-Modified-Since"));
    validate_request(&f, &c, NOW);
    cr_expect(f.n == 0);
    cr_expect_not(validate_resume(&range, &a, NOW)); /* weak, and no Date */
    http_head_clear(&a);
    a = response(200, "ETag: \"a\"\r\n");
    cr_expect(validate_resume(&range, &a, NOW) && dive_span_eq(range.value, "\"a\""));
    http_head_clear(&a);
    a = response(200, "ETag: W/\"a\"\r\n" D0 LM);
    cr_expect(validate_resume(&range, &a, NOW) && range.value.n == HTTP_DATE_SIZE - 1);
    cr_expect(validate_strong_tag(&a) == NULL);
    http_head_clear(&a);
    http_head_clear(&b);
    http_head_clear(&c);
}

Test(cache_validate, selects)
{
    static const struct {
        const char *not_modified, *stored;
        bool is;
    } rows[] = {
        {"ETag: \"a\"\r\n", "ETag: \"a\"\r\n", true},
        {"ETag: \"b\"\r\n", "ETag: \"a\"\r\n", false},
        {"ETag: \"a\"\r\n", "ETag: W/\"a\"\r\n", false},
        {"ETag: W/\"a\"\r\n", "ETag: \"a\"\r\n", true},
        {"ETag: W/\"b\"\r\n", "ETag: \"a\"\r\n", false},
        {"ETag: \"a\"\r\n", LM, false},
        {"ETag: \"b\"\r\n" LM, "ETag: \"a\"\r\n" LM, false},
        {LM, LM, true},
        {"Last-Modified: %D-1%\r\n", LM, false},
        {LM, "ETag: \"a\"\r\n" LM, true},
        {"ETag: W/\"a\"\r\n", LM, true},
        {"", "ETag: \"a\"\r\n" LM, true},
        {"", "", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head n = response(304, rows[i].not_modified), a = response(200, rows[i].stored);
        cr_expect(validate_selects(&n, &a, NOW) == rows[i].is, "%s | %s", rows[i].not_modified,
                  rows[i].stored);
        http_head_clear(&n);
        http_head_clear(&a);
    }
}

/* Of a field after freshening; "-" when it is gone. */
static const char *freshened(const char *stored, const char *not_modified, const char *name,
                             bool *resigned)
{
    struct http_head a = response(200, stored), n = response(304, not_modified), out;
    const char *lines;

    cr_assert(validate_freshen(&out, &a, &n, resigned) == 0);
    cr_expect(out.status == 200 && out.framing == a.framing &&
              out.content_length == a.content_length);
    lines = lines_of(&out, name);
    http_head_clear(&a);
    http_head_clear(&n);
    http_head_clear(&out);
    return lines;
}

#define SIGNED                                                                                     \
    "Content-Digest: sha-256=:AA==:\r\nSignature-Input: s=(\"content-digest\" \"x-a\" "            \
    "\"x-q\";req);keyid=\"k\"\r\nSignature: s=:AA==:\r\n"

Test(cache_validate, freshen)
{
    static const struct {
        const char *stored, *not_modified, *name, *result;
        bool resigned;
    } rows[] = {
        {"X: 1\r\n", "", "x", "1", false},
        {"X: 1\r\n", "X: 2\r\n", "x", "2", false},
        {"X: 1\r\nX: 2\r\n", "x: 3\r\n", "x", "3", false},
        {"X: 1\r\n", "X: 2\r\nX: 3\r\n", "x", "2|3", false},
        {"", "X: 2\r\n", "x", "2", false},
        {"Cache-Control: max-age=1\r\n", "Cache-Control: max-age=2\r\n", "cache-control",
         "max-age=2", false},
        {"Content-Type: a/b\r\n", "Content-Type: c/d\r\n", "content-type", "c/d", false},
        {"Set-Cookie: a\r\n", "Set-Cookie: b\r\n", "set-cookie", "b", false},
        /* about the content */
        {"Content-Length: 5\r\n", "Content-Length: 9\r\n", "content-length", "5", false},
        {"", "Content-Length: 9\r\n", "content-length", "-", false},
        {"Content-Encoding: gzip\r\n", "Content-Encoding: br\r\n", "content-encoding", "gzip",
         false},
        {"", "Content-Encoding: br\r\n", "content-encoding", "-", false},
        {"Content-Range: x\r\n", "Content-Range: y\r\n", "content-range", "x", false},
        {"Content-MD5: x\r\n", "Content-MD5: y\r\n", "content-md5", "x", false},
        {"ETag: \"a\"\r\n", "ETag: W/\"a\"\r\n", "etag", "\"a\"", false},
        /* about the connection, or named */
        {"", "Connection: x\r\nX: 1\r\n", "x", "-", false},
        {"X: 0\r\n", "Connection: x\r\nX: 1\r\n", "x", "0", false},
        {"", "Proxy-Authenticate: x\r\n", "proxy-authenticate", "-", false},
        {"", "Keep-Alive: x\r\n", "keep-alive", "-", false},
        {"X: 0\r\n", "Cache-Control: no-cache=\"x\"\r\nX: 1\r\n", "x", "-", false},
        /* age */
        {"Age: 5\r\n", "", "age", "-", false},
        {"Age: 5\r\n", "Age: 7\r\n", "age", "7", false},
        {"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "", "date", "-", false},
        /* signed: kept, and what is covered with it */
        {SIGNED, "", "signature", "s=:AA==:", false},
        {SIGNED, "Content-Digest: sha-256=:BB==:\r\n", "content-digest", "sha-256=:AA==:", false},
        {SIGNED "X-A: 1\r\n", "X-A: 2\r\n", "x-a", "1", false},
        {SIGNED "X-B: 1\r\n", "X-B: 2\r\n", "x-b", "2", false},
        {SIGNED "X-Q: 1\r\n", "X-Q: 2\r\n", "x-q", "2", false},
        {SIGNED, "X-A: 2\r\n", "x-a", "-", false}, /* covered, and wasn't there */
        {SIGNED, "Signature: s=:BB==:\r\n", "signature", "s=:AA==:", false},
        {SIGNED, "DIVE-Sig: x\r\nContent-Digest: sha-256=:BB==:\r\n", "signature",
         "s=:AA==:", false},
        /* signed anew */
        {SIGNED, SIGNED, "signature", "s=:AA==:", false},
        {SIGNED, "Signature-Input: t=()\r\nSignature: t=:BB==:\r\n", "signature", "t=:BB==:", true},
        {SIGNED, "Signature-Input: t=()\r\nSignature: t=:BB==:\r\n", "signature-input", "t=()",
         true},
        {SIGNED, "Signature-Input: t=()\r\nSignature: t=:BB==:\r\n", "content-digest",
         "sha-256=:AA==:", true},
        {SIGNED "X-A: 1\r\n", "Signature-Input: t=()\r\nSignature: t=:BB==:\r\nX-A: 2\r\n", "x-a",
         "2", true},
        {SIGNED, "DIVE-Sig: x\r\n", "signature", "-", true},
        {"DIVE-Sig: x\r\n", "DIVE-Sig: y\r\n", "dive-sig", "y", true},
        {"DIVE-Sig: x\r\n", "", "dive-sig", "x", false},
        /* nothing was signed, and now something says it is */
        {"", "Signature-Input: t=()\r\nSignature: t=:BB==:\r\n", "signature", "t=:BB==:", true},
        {"", SIGNED, "signature", "-", false},
        {"Signature-Input: ((\r\nX: 1\r\n", "X: 2\r\n", "x", "2", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool resigned;
        const char *got = freshened(rows[i].stored, rows[i].not_modified, rows[i].name, &resigned);
        cr_expect(strcmp(got, rows[i].result) == 0 && resigned == rows[i].resigned,
                  "%s | %s | %s: %s %d", rows[i].stored, rows[i].not_modified, rows[i].name, got,
                  resigned);
    }
}

Test(cache_validate, too_many_fields)
{
    char text[60000];
    size_t n = 0;
    struct http_head stored, not_modified = response_of(304, "X: 1\r\n"), out;
    bool resigned;

    for (int i = 0; i < VALIDATE_FIELDS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "a%d: 1\r\n", i);
    stored = response_of(200, text);
    cr_expect(validate_storable_head(&out, &stored) == 0);
    http_head_clear(&out);
    cr_expect(validate_freshen(&out, &stored, &not_modified, &resigned) == HTTP_E_TOO_MANY_FIELDS);
    cr_expect(out.fields == NULL && out.bytes == NULL);
    http_head_clear(&stored);
    http_head_clear(&not_modified);
}

Test(cache_validate, storable_head)
{
    struct http_head a = response_of(
        200, "Connection: x-a, close\r\nX-A: 1\r\nKeep-Alive: x\r\nProxy-Authenticate: x\r\n"
             "Proxy-Authentication-Info: x\r\nProxy-Connection: x\r\nUpgrade: x\r\nTE: x\r\n"
             "Trailer: x\r\nAge: 5\r\nCache-Control: private=\"X-P\"\r\nX-P: 1\r\nX-B: 2\r\n"
             "Content-Length: 4\r\n");
    struct http_head out;

    cr_assert(validate_storable_head(&out, &a) == 0);
    http_head_clear(&a); /* independent */
    cr_expect(out.n_fields == 4 && out.status == 200 && out.content_length == 4);
    cr_expect_str_eq(lines_of(&out, "x-b"), "2");
    cr_expect_str_eq(lines_of(&out, "age"), "5");
    cr_expect_str_eq(lines_of(&out, "content-length"), "4");
    http_head_clear(&out);
}

Test(cache_validate, head_of_a_304)
{
    struct http_head a =
        response_of(200, "ETag: \"a\"\r\nLast-Modified: x\r\nDate: y\r\nVary: a\r\nExpires: z\r\n"
                         "Cache-Control: public\r\nContent-Location: /\r\nContent-Type: a/b\r\n"
                         "Set-Cookie: a=b\r\nContent-Length: 4\r\nAge: 4\r\n");
    struct http_head b = response_of(200, "Last-Modified: x\r\n"), out;

    cr_assert(validate_304_head(&out, &a) == 0);
    cr_expect(out.n_fields == 6 && out.status == 304 && out.content_length == -1 &&
              out.framing == HTTP_BODY_NONE && out.reason.n == 0);
    cr_expect_str_eq(lines_of(&out, "last-modified"), "-");
    http_head_clear(&out);
    cr_assert(validate_304_head(&out, &b) == 0);
    cr_expect_str_eq(lines_of(&out, "last-modified"), "x");
    http_head_clear(&out);
    http_head_clear(&a);
    http_head_clear(&b);
}
