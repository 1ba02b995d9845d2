/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_status: RFC 9211, and Age.
 */
#include "cache/cache_status.h"
#include "lib/sf.h"
#include "tests/daemon/cache_head.h"

Test(cache_status, members)
{
    static const struct {
        struct cache_status status;
        const char *text;
    } rows[] = {
        {{.hit = true, .has_ttl = true, .ttl = 376}, "dived; hit; ttl=376"},
        {{.hit = true, .has_ttl = true, .ttl = -5}, "dived; hit; ttl=-5"},
        /* what belongs to a forwarded request isn't said of a hit */
        {{.hit = true,
          .forward = CACHE_FORWARD_STALE,
          .stored = true,
          .collapsed = true,
          .forward_status = 304},
         "dived; hit"},
        {{.forward = CACHE_FORWARD_URI_MISS, .stored = true, .has_ttl = true, .ttl = 60},
         "dived; fwd=uri-miss; ttl=60; stored"},
        {{.forward = CACHE_FORWARD_STALE, .forward_status = 304, .stored = true},
         "dived; fwd=stale; fwd-status=304; stored"},
        {{.forward = CACHE_FORWARD_VARY_MISS, .collapsed = true},
         "dived; fwd=vary-miss; collapsed"},
        {{.forward = CACHE_FORWARD_MISS, .detail = "no-store"}, "dived; fwd=miss; detail=no-store"},
        {{.forward = CACHE_FORWARD_BYPASS}, "dived; fwd=bypass"},
        {{.forward = CACHE_FORWARD_METHOD}, "dived; fwd=method"},
        {{.forward = CACHE_FORWARD_REQUEST}, "dived; fwd=request"},
        {{.forward = CACHE_FORWARD_PARTIAL}, "dived; fwd=partial"},
        {{.detail = "only if \"cached\\\""}, "dived; detail=\"only if \\\"cached\\\\\\\"\""},
        {{.detail = "1x"}, "dived; detail=\"1x\""},
        {{.detail = "a\r\nSet-Cookie: \xc3\xa9"}, "dived; detail=\"a??Set-Cookie: ??\""},
        {{.detail = ""}, "dived"},
        {{.hit = true, .has_ttl = true, .ttl = INT64_MIN}, "dived; hit; ttl=-2147483648"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[CACHE_STATUS_SIZE];
        struct dive_sf *sf = NULL;
        size_t n = cache_status_format(out, &rows[i].status);
        cr_expect(n == strlen(out) && strcmp(out, rows[i].text) == 0, "%s", out);
        cr_expect(dive_sf_parse(&sf, DIVE_SF_LIST, dive_span(out, n), 0, NULL) == 0, "%s", out);
        dive_sf_free(&sf);
    }
}

Test(cache_status, a_long_detail_is_cut_and_still_parses)
{
    static const char fill[] = {'a', '"', ' '};
    char detail[1000], out[CACHE_STATUS_SIZE];

    for (size_t f = 0; f < sizeof(fill); f++) {
        for (size_t len = 200; len < sizeof(detail); len++) {
            struct cache_status status = {.forward = CACHE_FORWARD_URI_MISS, .detail = detail};
            struct dive_sf *sf = NULL;
            memset(detail, fill[f], len);
            detail[len] = '\0';
            size_t n = cache_status_format(out, &status);
            cr_assert(n < sizeof(out) && n == strlen(out));
            cr_assert(dive_sf_parse(&sf, DIVE_SF_LIST, dive_span(out, n), 0, NULL) == 0, "%s", out);
            dive_sf_free(&sf);
            if (len > 300)
                break;
        }
    }
}

Test(cache_status, age)
{
    char out[CACHE_AGE_SIZE];

    cache_age_format(out, 0);
    cr_expect_str_eq(out, "0");
    cache_age_format(out, -5);
    cr_expect_str_eq(out, "0");
    cache_age_format(out, INT64_MAX);
    cr_expect_str_eq(out, "2147483648");
}
