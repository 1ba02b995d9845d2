/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_control: RFC 9111 section 5.2, RFC 5861, RFC 8246.
 */
#include "cache/control.h"
#include "tests/daemon/cache_head.h"

#define CC(value) "Cache-Control: " value "\r\n"

static struct cache_control response(const char *fields)
{
    struct http_head head = response_of(200, fields);
    struct cache_control control;

    control_of_response(&control, &head);
    http_head_clear(&head);
    return control;
}

static struct cache_control request(const char *fields)
{
    struct http_head head = request_of("GET", fields);
    struct cache_control control;

    control_of_request(&control, &head);
    http_head_clear(&head);
    return control;
}

Test(cache_control, every_flag_in_any_case)
{
    static const struct {
        const char *fields;
        unsigned flag;
    } rows[] = {
        {CC("no-store"), CONTROL_NO_STORE},
        {CC("No-Store"), CONTROL_NO_STORE},
        {CC("no-cache"), CONTROL_NO_CACHE},
        {CC("no-transform"), CONTROL_NO_TRANSFORM},
        {CC("only-if-cached"), CONTROL_ONLY_IF_CACHED},
        {CC("must-revalidate"), CONTROL_MUST_REVALIDATE},
        {CC("proxy-revalidate"), CONTROL_PROXY_REVALIDATE},
        {CC("must-understand"), CONTROL_MUST_UNDERSTAND},
        {CC("private"), CONTROL_PRIVATE},
        {CC("PUBLIC"), CONTROL_PUBLIC},
        {CC("immutable"), CONTROL_IMMUTABLE},
        {CC("no-store=1"), CONTROL_NO_STORE}, /* an argument that it doesn't have */
        {CC("a, no-store ,b"), CONTROL_NO_STORE},
        {CC(",, no-store"), CONTROL_NO_STORE},
        {CC("foo") CC("no-store"), CONTROL_NO_STORE},
        {CC("no-storex, xno-store, foo=\"no-store\""), 0},
        {CC("no store"), 0},
        {"CDN-Cache-Control: no-store\r\nSurrogate-Control: no-store\r\n", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect(response(rows[i].fields).flags == rows[i].flag, "%s", rows[i].fields);
}

Test(cache_control, seconds)
{
    static const struct {
        const char *fields;
        int64_t max_age;
    } rows[] = {
        {"", CONTROL_ABSENT},
        {CC("max-age=0"), 0},
        {CC("max-age=003600"), 3600},
        {CC("max-age=2147483647"), 2147483647},
        {CC("max-age=2147483648"), CONTROL_SECONDS_MAX},
        {CC("max-age=2147483649"), CONTROL_SECONDS_MAX},
        {CC("max-age=99999999999999999999999999999999"), CONTROL_SECONDS_MAX},
        {CC("max-age=\"3600\""), 3600},
        {CC("MaX-aGe=3600"), 3600},
        {CC("foobar, max-age=3600"), 3600},
        {CC("extension=\"max-age=3600\", max-age=1"), 1},
        {CC("max-age=1, extension=\"max-age=3600\""), 1},
        /* no number: the lifetime is 0 */
        {CC("max-age"), 0},
        {CC("max-age="), 0},
        {CC("max-age=-1"), 0},
        {CC("max-age=+1"), 0},
        {CC("max-age='3600'"), 0},
        {CC("max-age=\"3600"), 0},
        {CC("max-age=\"3600\"5"), 0},
        {CC("max-age=3600.0"), 0},
        {CC("max-age=a3600"), 0},
        {CC("max-age=3600a"), 0},
        {CC("max-age=0x10"), 0},
        {CC("max-age =3600"), 0},
        {CC("max-age= 3600"), 0},
        {CC("max-age\t=\t3600"), 0},
        /* several: the most restrictive */
        {CC("max-age=3600, max-age=1"), 1},
        {CC("max-age=1, max-age=3600"), 1},
        {CC("max-age=3600") CC("max-age=1"), 1},
        {CC("max-age=3600, max-age=x"), 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect(response(rows[i].fields).max_age == rows[i].max_age, "%s", rows[i].fields);
}

Test(cache_control, all_numbers)
{
    struct cache_control c =
        response(CC("max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4"));

    cr_expect(c.max_age == 1 && c.s_maxage == 2 && c.stale_while_revalidate == 3 &&
              c.stale_if_error == 4 && c.min_fresh == CONTROL_ABSENT &&
              c.max_stale == CONTROL_ABSENT && c.present);
    c = request(CC("max-stale=5, min-fresh=6, stale-if-error=7"));
    cr_expect(c.max_stale == 5 && c.min_fresh == 6 && c.stale_if_error == 7 &&
              c.max_age == CONTROL_ABSENT);
}

Test(cache_control, max_stale_without_value_is_any)
{
    cr_expect(request(CC("max-stale")).max_stale == CONTROL_SECONDS_MAX);
    cr_expect(request(CC("max-stale=")).max_stale == 0);
    cr_expect(request(CC("max-stale, max-stale=5")).max_stale == 5);
}

Test(cache_control, min_fresh_restricts_more_the_larger_it_is)
{
    cr_expect(request(CC("min-fresh=5, min-fresh=9")).min_fresh == 9);
    cr_expect(request(CC("min-fresh=9, min-fresh=5")).min_fresh == 9);
    cr_expect(request(CC("min-fresh=x")).min_fresh == CONTROL_SECONDS_MAX);
}

Test(cache_control, pragma_counts_only_in_requests_without_cache_control)
{
    cr_expect(request("Pragma: no-cache\r\n").flags == CONTROL_NO_CACHE);
    cr_expect(request("Pragma: foo, No-Cache\r\n").flags == CONTROL_NO_CACHE);
    cr_expect(request("Pragma: foo\r\n").flags == 0);
    cr_expect(request("Pragma: no-cache\r\n" CC("max-age=5")).flags == 0);
    cr_expect(request("Pragma: no-cache\r\n" CC("")).flags == 0);
    cr_expect(response("Pragma: no-cache\r\n").flags == 0);
}

Test(cache_control, qualified_forms)
{
    static const struct {
        const char *fields;
        unsigned flags;
    } rows[] = {
        {CC("no-cache=\"a\""), CONTROL_NO_CACHE_FIELDS},
        {CC("no-cache=\"Set-Cookie, X-A\""), CONTROL_NO_CACHE_FIELDS},
        {CC("no-cache=a"), CONTROL_NO_CACHE_FIELDS},
        {CC("private=\"a, b\""), CONTROL_PRIVATE_FIELDS},
        {CC("private=\"a\", private"), CONTROL_PRIVATE_FIELDS | CONTROL_PRIVATE},
        /* unqualified by necessity */
        {CC("no-cache=\"\""), CONTROL_NO_CACHE},
        {CC("no-cache=\" , \""), CONTROL_NO_CACHE},
        {CC("no-cache="), CONTROL_NO_CACHE},
        {CC("no-cache=\"a b\""), CONTROL_NO_CACHE},
        {CC("no-cache = \"a\""), CONTROL_NO_CACHE},
        {CC("no-cache=\"Content-Encoding\""), CONTROL_NO_CACHE},
        {CC("private=\"Vary\""), CONTROL_PRIVATE},
        {CC("private=\"a, ETag\""), CONTROL_PRIVATE},
        {CC("private=\"a\"") "Signature-Input: s=()\r\n", CONTROL_PRIVATE},
        {CC("no-cache=\"a\"") "DIVE-Sig: x\r\n", CONTROL_NO_CACHE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect(response(rows[i].fields).flags == rows[i].flags, "%s", rows[i].fields);
}

Test(cache_control, names_field)
{
    struct http_head head =
        response_of(200, CC("no-cache=\"A, b\", max-age=5") CC("private=\"C\", no-cache=\"ETag\""));

    cr_expect(control_names_field(&head, dive_span_str("a")));
    cr_expect(control_names_field(&head, dive_span_str("B")));
    cr_expect(control_names_field(&head, dive_span_str("c")));
    cr_expect_not(control_names_field(&head, dive_span_str("etag")));
    cr_expect_not(control_names_field(&head, dive_span_str("max-age")));
    http_head_clear(&head);
}

/* Whatever an open quote may hide is taken to be the worst. */
Test(cache_control, an_open_quote_stores_nothing)
{
    unsigned bad = CONTROL_NO_STORE | CONTROL_NO_CACHE;

    cr_expect((response(CC("max-age=60, ext=\"foo, private")).flags & bad) == bad);
    cr_expect((response(CC("no-cache=\"a, max-age=60")).flags & bad) == bad);
    cr_expect((response(CC("ext=\"a\\\"")).flags & bad) == bad);
    cr_expect(response(CC("ext=\"a\\\"b, private\", max-age=5")).flags == 0);
}
