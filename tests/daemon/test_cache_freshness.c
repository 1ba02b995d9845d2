/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_freshness: RFC 9111 sections 3, 4.2 and 5.2.1.
 */
#include "cache/freshness.h"
#include "tests/daemon/cache_head.h"

#define CC(value) "Cache-Control: " value "\r\n"
#define D0 "Date: %D+0%\r\n"

static struct freshness freshness(int status, const char *fields)
{
    struct http_head head = response_of(status, dated(fields));
    struct freshness f;

    freshness_of(&f, &head, NOW, NOW);
    http_head_clear(&head);
    return f;
}

Test(cache_freshness, lifetime_and_age)
{
    static const struct {
        const char *fields;
        enum freshness_source source;
        int64_t lifetime, age;
    } rows[] = {
        {"", FRESHNESS_FROM_NOTHING, 0, 0},
        {CC("max-age=60"), FRESHNESS_FROM_MAX_AGE, 60, 0},
        {CC("max-age=60, s-maxage=5"), FRESHNESS_FROM_S_MAXAGE, 5, 0},
        {CC("max-age=0, s-maxage=50") "Expires: %D-10%\r\n", FRESHNESS_FROM_S_MAXAGE, 50, 0},
        {CC("max-age=60") "Expires: %D-10%\r\n", FRESHNESS_FROM_MAX_AGE, 60, 0},
        {CC("max-age=60") "Expires: 0\r\n", FRESHNESS_FROM_MAX_AGE, 60, 0},
        {CC("max-age=0") "Expires: %D+60%\r\n", FRESHNESS_FROM_MAX_AGE, 0, 0},
        {CC("max-age=x") "Expires: %D+60%\r\n", FRESHNESS_FROM_MAX_AGE, 0, 0},
        {CC("max-age=99999999999"), FRESHNESS_FROM_MAX_AGE, CONTROL_SECONDS_MAX, 0},
        /* Expires counts from Date, whatever our clock says */
        {D0 "Expires: %D+60%\r\n", FRESHNESS_FROM_EXPIRES, 60, 0},
        {"Date: %D-100%\r\nExpires: %D+60%\r\n", FRESHNESS_FROM_EXPIRES, 160, 100},
        {"Date: %D+400%\r\nExpires: %D+300%\r\n", FRESHNESS_FROM_EXPIRES, 0, 0},
        {D0 "Expires: %D+0%\r\n", FRESHNESS_FROM_EXPIRES, 0, 0},
        {D0 "Expires: 0\r\n", FRESHNESS_FROM_EXPIRES, 0, 0},
        {D0 "Expires: \r\n", FRESHNESS_FROM_EXPIRES, 0, 0},
        {D0 "Expires: -1\r\n", FRESHNESS_FROM_EXPIRES, 0, 0},
        {D0 "Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n", FRESHNESS_FROM_EXPIRES, 0, 0},
        {D0 "Expires: Fri, 31 Dec 9999 23:59:59 GMT\r\n", FRESHNESS_FROM_EXPIRES,
         CONTROL_SECONDS_MAX, 0},
        {D0 "Expires: %D+60%\r\nExpires: %D+5%\r\n", FRESHNESS_FROM_EXPIRES, 5, 0},
        {D0 "Expires: %D+60%\r\nExpires: x\r\n", FRESHNESS_FROM_EXPIRES, 0, 0},
        {"Date: foo\r\nExpires: %D+10%\r\n", FRESHNESS_FROM_EXPIRES, 10, 0},
        {"Expires: %D+10%\r\n", FRESHNESS_FROM_EXPIRES, 10, 0},
        /* heuristics */
        {D0 "Last-Modified: %D-1000%\r\n", FRESHNESS_FROM_HEURISTIC, 100, 0},
        {D0 "Last-Modified: %D-864000%\r\n", FRESHNESS_FROM_HEURISTIC, 86400, 0},
        {D0 "Last-Modified: %D-864010%\r\n", FRESHNESS_FROM_HEURISTIC, 86400, 0},
        {D0 "Last-Modified: %D-863990%\r\n", FRESHNESS_FROM_HEURISTIC, 86399, 0},
        {D0 "Last-Modified: %D-9%\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {D0 "Last-Modified: %D+10%\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {D0 "Last-Modified: yesterday\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {D0 "Last-Modified: %D-1000%\r\nSet-Cookie: a=b\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {"Last-Modified: %D-1000%\r\n" CC("max-age=x"), FRESHNESS_FROM_MAX_AGE, 0, 0},
        /* age */
        {D0 CC("max-age=60") "Age: 7\r\n", FRESHNESS_FROM_MAX_AGE, 60, 7},
        {"Date: %D-9%\r\n" CC("max-age=60") "Age: 7\r\n", FRESHNESS_FROM_MAX_AGE, 60, 9},
        {"Date: %D+9%\r\n" CC("max-age=60") "Age: 7\r\n", FRESHNESS_FROM_MAX_AGE, 60, 7},
        {CC("max-age=60") "Age: 99999999999999\r\n", FRESHNESS_FROM_MAX_AGE, 60,
         CONTROL_SECONDS_MAX},
        {"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" CC("max-age=60"), FRESHNESS_FROM_MAX_AGE, 60,
         NOW},
        /* an Age that isn't one number: nobody knows */
        {CC("max-age=60") "Age: abc\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {CC("max-age=60") "Age: -7\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {CC("max-age=60") "Age: 7.0\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {CC("max-age=60") "Age: 0, 0\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {CC("max-age=60") "Age: 0\r\nAge: 0\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {CC("max-age=60") "Age: 0;a=b\r\n", FRESHNESS_FROM_NOTHING, 0, 0},
        {CC("max-age=60") "Age: \r\n", FRESHNESS_FROM_NOTHING, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct freshness f = freshness(200, rows[i].fields);
        cr_expect(f.source == rows[i].source && f.lifetime == rows[i].lifetime &&
                      f.initial_age == rows[i].age,
                  "%s: %d %lld %lld", rows[i].fields, f.source, (long long)f.lifetime,
                  (long long)f.initial_age);
    }
}

Test(cache_freshness, the_request_s_time_counts_as_age)
{
    struct http_head head = response_of(200, CC("max-age=60") "Age: 7\r\n");
    struct freshness f;

    freshness_of(&f, &head, NOW - 5, NOW);
    cr_expect(f.initial_age == 12);
    freshness_of(&f, &head, NOW + 5, NOW); /* the clock went back between the two */
    cr_expect(f.initial_age == 7);
    http_head_clear(&head);
}

Test(cache_freshness, an_odd_age_has_no_stale_windows)
{
    struct freshness f =
        freshness(200, CC("max-age=60, stale-while-revalidate=60, stale-if-error=60") "Age: x\r\n");

    cr_expect(f.stale_while_revalidate == 0 && f.stale_if_error == 0);
}

Test(cache_freshness, heuristics_by_status)
{
    static const int yes[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
    static const int no[] = {201, 202, 299, 302, 303, 307, 400, 403, 499, 500, 502, 503, 504, 599};
    const char *fields = D0 "Last-Modified: %D-1000%\r\n";

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        cr_expect(freshness(yes[i], fields).lifetime == 100, "%d", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        cr_expect(freshness(no[i], fields).lifetime == 0, "%d", no[i]);
        cr_expect(freshness(no[i], D0 "Last-Modified: %D-1000%\r\n" CC("public")).lifetime == 100);
    }
}

static enum storable may_store(const char *method, const char *request, int status,
                               const char *response)
{
    struct http_head q = request_of(method, request), a = response_of(status, dated(response));
    struct freshness f;
    enum storable storable;

    freshness_of(&f, &a, NOW, NOW);
    storable = freshness_may_store(&q, &a, &f);
    http_head_clear(&q);
    http_head_clear(&a);
    return storable;
}

Test(cache_freshness, what_may_be_stored)
{
    static const struct {
        const char *method, *request;
        int status;
        const char *response;
        enum storable storable;
    } rows[] = {
        {"GET", "", 200, CC("max-age=60"), STORABLE_YES},
        {"GET", "", 200, "ETag: \"a\"\r\n", STORABLE_YES},
        {"GET", "", 200, "", STORABLE_USELESS},
        {"GET", "", 200, CC("max-age=0"), STORABLE_USELESS},
        {"GET", "", 200, CC("max-age=0, stale-while-revalidate=9"), STORABLE_YES},
        {"GET", "", 200, CC("no-cache, max-age=60"), STORABLE_USELESS},
        {"GET", "", 200, CC("no-cache") "ETag: \"a\"\r\n", STORABLE_YES},
        {"GET", "", 200, CC("max-age=60") "Set-Cookie: a=b\r\n", STORABLE_YES},
        {"GET", "Cookie: a=b\r\n", 200, CC("max-age=60"), STORABLE_YES},
        {"GET", "Range: bytes=0-1\r\n", 200, CC("max-age=60"), STORABLE_YES},
        /* methods and content */
        {"HEAD", "", 200, CC("max-age=60"), STORABLE_METHOD},
        {"POST", "", 200, CC("max-age=60"), STORABLE_METHOD},
        {"get", "", 200, CC("max-age=60"), STORABLE_METHOD},
        {"GET", "Content-Length: 3\r\n", 200, CC("max-age=60"), STORABLE_METHOD},
        {"GET", "Transfer-Encoding: chunked\r\n", 200, CC("max-age=60"), STORABLE_METHOD},
        /* statuses */
        {"GET", "", 103, CC("max-age=60"), STORABLE_STATUS},
        {"GET", "", 206, CC("max-age=60"), STORABLE_STATUS},
        {"GET", "", 304, CC("max-age=60"), STORABLE_STATUS},
        {"GET", "", 416, CC("max-age=60"), STORABLE_STATUS},
        {"GET", "", 412, CC("max-age=60"), STORABLE_STATUS},
        {"GET", "", 299, CC("max-age=60"), STORABLE_YES},
        {"GET", "", 404, CC("max-age=60"), STORABLE_YES},
        {"GET", "", 503, CC("max-age=60"), STORABLE_YES},
        {"GET", "", 503, "ETag: \"a\"\r\n", STORABLE_NO_FRESHNESS},
        {"GET", "", 302, "ETag: \"a\"\r\n", STORABLE_NO_FRESHNESS},
        {"GET", "", 599, "ETag: \"a\"\r\n" CC("public"), STORABLE_YES},
        {"GET", "", 599, CC("max-age=60, must-understand"), STORABLE_STATUS},
        {"GET", "", 404, CC("max-age=60, must-understand"), STORABLE_YES},
        {"GET", "", 200, CC("max-age=60, must-understand, no-store"), STORABLE_YES},
        {"GET", "", 299, CC("max-age=60, must-understand, no-store"), STORABLE_STATUS},
        /* directives */
        {"GET", "", 200, CC("max-age=60, no-store"), STORABLE_NO_STORE},
        {"GET", CC("no-store"), 200, CC("max-age=60"), STORABLE_NO_STORE},
        {"GET", "", 200, CC("max-age=60, private"), STORABLE_PRIVATE},
        {"GET", "", 200, CC("max-age=60, private, public"), STORABLE_PRIVATE},
        {"GET", "", 200, CC("max-age=60, private=\"x-a\""), STORABLE_YES},
        {"GET", "", 200, CC("max-age=60, public, no-store"), STORABLE_NO_STORE},
        /* RFC 9111 section 3.5 */
        {"GET", "Authorization: x\r\n", 200, CC("max-age=60"), STORABLE_AUTHORIZATION},
        {"GET", "Authorization: x\r\n", 200, D0 "Expires: %D+9%\r\n", STORABLE_AUTHORIZATION},
        {"GET", "Authorization: x\r\n", 200, CC("max-age=60, public"), STORABLE_YES},
        {"GET", "Authorization: x\r\n", 200, CC("max-age=60, must-revalidate"), STORABLE_YES},
        {"GET", "Authorization: x\r\n", 200, CC("s-maxage=60"), STORABLE_YES},
        {"GET", "Authorization: x\r\n", 200, CC("max-age=60, proxy-revalidate"),
         STORABLE_AUTHORIZATION},
        /* Vary */
        {"GET", "", 200, CC("max-age=60") "Vary: a\r\n", STORABLE_YES},
        {"GET", "", 200, CC("max-age=60") "Vary: *\r\n", STORABLE_VARY},
        {"GET", "", 200, CC("max-age=60") "Vary: a, *\r\n", STORABLE_VARY},
        /* parts */
        {"GET", "", 200, CC("max-age=60") "Content-Range: bytes 0-1/9\r\n", STORABLE_RANGE},
        {"GET", "", 200, CC("max-age=60") "Content-Range: x\r\n", STORABLE_YES},
        {"GET", "", 200, CC("max-age=60") "Content-Type: multipart/byteranges; boundary=x\r\n",
         STORABLE_RANGE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum storable got =
            may_store(rows[i].method, rows[i].request, rows[i].status, rows[i].response);
        cr_expect(got == rows[i].storable, "%s %s %d %s: %s", rows[i].method, rows[i].request,
                  rows[i].status, rows[i].response, storable_word(got));
    }
}

static struct freshness_decision decide(const char *response, const char *request, int64_t later)
{
    struct http_head a = response_of(200, dated(response)), q = request_of("GET", request);
    struct cache_control control;
    struct freshness f;
    struct freshness_decision d;

    freshness_of(&f, &a, NOW, NOW);
    control_of_request(&control, &q);
    freshness_decide(&d, &f, &control, NOW + later);
    http_head_clear(&a);
    http_head_clear(&q);
    return d;
}

Test(cache_freshness, reuse)
{
    enum {
        V = FRESHNESS_VALIDATE,
        F = FRESHNESS_FRESH,
        W = FRESHNESS_STALE_WHILE_REVALIDATE,
        S = FRESHNESS_STALE_ACCEPTED
    };
    static const struct {
        const char *response, *request;
        int64_t later;
        int use;
    } rows[] = {
        {CC("max-age=60"), "", 0, F},
        {CC("max-age=60"), "", 59, F},
        {CC("max-age=60"), "", 60, V},
        {CC("max-age=60") "Age: 50\r\n", "", 9, F},
        {CC("max-age=60") "Age: 50\r\n", "", 10, V},
        {CC("max-age=60, no-cache"), "", 1, V},
        {"", "", 0, V},
        /* the client's no-cache, max-age, min-fresh */
        {CC("max-age=60"), CC("no-cache"), 1, V},
        {CC("max-age=60"), "Pragma: no-cache\r\n", 1, V},
        {CC("max-age=60"), CC("no-store"), 1, F},
        {CC("max-age=60"), CC("max-age=0"), 0, V},
        {CC("max-age=60"), CC("max-age=5"), 5, F},
        {CC("max-age=60"), CC("max-age=5"), 6, V},
        {CC("max-age=60"), CC("max-age=x"), 1, V},
        {CC("max-age=60"), CC("min-fresh=10"), 50, F},
        {CC("max-age=60"), CC("min-fresh=10"), 51, V},
        /* max-stale */
        {CC("max-age=60"), CC("max-stale=10"), 70, S},
        {CC("max-age=60"), CC("max-stale=10"), 71, V},
        {CC("max-age=60"), CC("max-stale"), 100000, S},
        {CC("max-age=60, must-revalidate"), CC("max-stale"), 61, V},
        {CC("max-age=60, proxy-revalidate"), CC("max-stale"), 61, V},
        {CC("s-maxage=60"), CC("max-stale"), 61, V},
        {CC("max-age=60, must-revalidate"), "", 59, F},
        {CC("max-age=60"), CC("max-stale, no-cache"), 61, V},
        {CC("max-age=60"), CC("max-stale, max-age=10"), 61, V},
        /* stale-while-revalidate */
        {CC("max-age=60, stale-while-revalidate=10"), "", 59, F},
        {CC("max-age=60, stale-while-revalidate=10"), "", 60, W},
        {CC("max-age=60, stale-while-revalidate=10"), "", 70, W},
        {CC("max-age=60, stale-while-revalidate=10"), "", 71, V},
        {CC("max-age=60, stale-while-revalidate=0"), "", 60, V},
        {CC("max-age=60, stale-while-revalidate=10, must-revalidate"), "", 61, V},
        {CC("max-age=60, stale-while-revalidate=10"), CC("max-age=5"), 61, V},
        {CC("max-age=60, stale-while-revalidate=10"), CC("min-fresh=1"), 61, V},
        {CC("max-age=60, stale-while-revalidate=10"), CC("max-stale=50"), 71, S},
        /* immutable */
        {CC("max-age=60, immutable"), CC("max-age=0"), 1, F},
        {CC("max-age=60, immutable"), CC("no-cache"), 1, V},
        {CC("max-age=60, immutable"), CC("max-age=0"), 61, V},
        /* the clock went back: a little is no matter, more is */
        {CC("max-age=600"), "", -60, F},
        {CC("max-age=600"), "", -61, V},
        {CC("max-age=600"), CC("max-stale"), -3600, V},
        {CC("max-age=600, stale-while-revalidate=600"), "", -3600, V},
        {CC("max-age=99999999999"), "", INT32_MAX, F},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct freshness_decision d = decide(rows[i].response, rows[i].request, rows[i].later);
        cr_expect((int)d.use == rows[i].use, "%s %s %lld: %d", rows[i].response, rows[i].request,
                  (long long)rows[i].later, d.use);
    }
}

Test(cache_freshness, age_and_ttl)
{
    struct freshness_decision d = decide(CC("max-age=60") "Age: 7\r\n", "", 10);

    cr_expect(d.age == 17 && d.ttl == 43);
    d = decide(CC("max-age=60"), "", 100);
    cr_expect(d.age == 100 && d.ttl == -40);
    d = decide(CC("max-age=60"), "", -30);
    cr_expect(d.age == 0 && d.ttl == 60);
    d = decide(CC("max-age=60"), "", -3600);
    cr_expect(d.age == 0 && d.ttl == 0);
    d = decide(CC("max-age=60"), "", INT64_C(1) << 40);
    cr_expect(d.age == CONTROL_SECONDS_MAX && d.ttl == 60 - CONTROL_SECONDS_MAX);
}

Test(cache_freshness, whose_wish_a_validation_is)
{
    cr_expect(decide(CC("max-age=60"), CC("no-cache"), 1).by_request);
    cr_expect(decide(CC("max-age=60"), CC("max-age=0"), 1).by_request);
    cr_expect_not(decide(CC("max-age=60"), CC("no-cache"), 61).by_request);
    cr_expect_not(decide(CC("max-age=60"), "", 61).by_request);
    cr_expect_not(decide(CC("max-age=60, no-cache"), CC("no-cache"), 1).by_request);
}

Test(cache_freshness, after_a_failed_validation)
{
    static const struct {
        const char *response, *request;
        int64_t later;
        bool if_error, if_disconnected;
    } rows[] = {
        {CC("max-age=60"), "", 61, false, true},
        {CC("max-age=60, stale-if-error=10"), "", 70, true, true},
        {CC("max-age=60, stale-if-error=10"), "", 71, false, true},
        {CC("max-age=60"), CC("stale-if-error=10"), 70, true, true},
        {CC("max-age=60, stale-if-error=10, must-revalidate"), "", 61, false, false},
        {CC("max-age=60, proxy-revalidate"), "", 61, false, false},
        {CC("s-maxage=60, stale-if-error=10"), "", 61, false, false},
        {CC("max-age=60, no-cache, stale-if-error=10"), "", 61, false, false},
        {CC("max-age=60, stale-if-error=10"), CC("no-cache"), 61, false, false},
        {CC("max-age=60"), CC("no-cache, stale-if-error=10"), 1, true, true},
        {CC("max-age=60, must-revalidate"), CC("stale-if-error=10"), 61, false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct freshness_decision d = decide(rows[i].response, rows[i].request, rows[i].later);
        cr_expect(d.if_error == rows[i].if_error && d.if_disconnected == rows[i].if_disconnected,
                  "%s %s", rows[i].response, rows[i].request);
    }
}

Test(cache_freshness, zeroed_it_is_never_reused)
{
    struct freshness f = {0};
    struct http_head q = request_of("GET", CC("max-stale"));
    struct cache_control control;
    struct freshness_decision d;

    control_of_request(&control, &q);
    freshness_decide(&d, &f, &control, 0);
    cr_expect(d.use == FRESHNESS_VALIDATE && !d.if_error && !d.if_disconnected);
    http_head_clear(&q);
}
