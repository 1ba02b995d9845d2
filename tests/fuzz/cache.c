/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache: what a cache decides from outside bytes: a request's and a response's header section, up
 * to an empty line each, and a content length. Whatever they are, decisions stay within their
 * bounds.
 */
#include "cache/cache_status.h"
#include "cache/freshness.h"
#include "cache/validate.h"
#include "cache/vary.h"
#include "http/multipart.h"
#include "tests/fuzz/fuzz.h"

enum { NOW = 1700000000, FIELDS_MAX = 32 };

/* "name:value\n" lines; what is no field is left out, as a parser would refuse it. */
static void read_fields(struct http_head *head, struct dive_field fields[FIELDS_MAX],
                        struct dive_span in)
{
    struct fuzz f = {(const uint8_t *)in.p, in.n};

    head->fields = fields;
    while (f.n > 0 && head->n_fields < FIELDS_MAX) {
        struct dive_span line = fuzz_until(&f, '\n');
        const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
        if (colon == NULL || colon == line.p || memchr(line.p, '\0', line.n) != NULL ||
            memchr(line.p, '\r', line.n) != NULL)
            continue;
        fields[head->n_fields++] =
            (struct dive_field){dive_span(line.p, (size_t)(colon - line.p)),
                                dive_span(colon + 1, line.n - (size_t)(colon - line.p) - 1)};
    }
}

static void check_freshness(const struct http_head *request, const struct http_head *response,
                            int64_t later)
{
    struct freshness f;
    struct cache_control control;
    struct freshness_decision d;

    freshness_of(&f, response, NOW - 1, NOW);
    CHECK(f.lifetime >= 0 && f.lifetime <= CONTROL_SECONDS_MAX);
    CHECK(f.initial_age >= 1 && f.initial_age <= CONTROL_SECONDS_MAX);
    control_of_request(&control, request);
    freshness_decide(&d, &f, &control, NOW + later);
    CHECK(d.age >= 0 && d.age <= CONTROL_SECONDS_MAX && d.ttl <= CONTROL_SECONDS_MAX);
    CHECK(d.use != FRESHNESS_FRESH || (d.ttl > 0 && f.may_reuse));
    CHECK(d.use <= FRESHNESS_FRESH || (d.ttl <= 0 && f.may_be_stale));
    CHECK(!(d.if_error && !d.if_disconnected));
    (void)freshness_may_store(request, response, &f);
}

static void check_heads(const struct http_head *stored, const struct http_head *not_modified)
{
    struct http_head out;
    bool resigned;

    if (validate_storable_head(&out, stored) == 0) {
        CHECK(out.n_fields <= stored->n_fields && http_field_get(&out, "connection") == NULL);
        http_head_clear(&out);
    }
    if (validate_304_head(&out, stored) == 0) {
        CHECK(http_field_get(&out, "set-cookie") == NULL);
        http_head_clear(&out);
    }
    (void)validate_selects(not_modified, stored, NOW);
    if (validate_freshen(&out, stored, not_modified, &resigned) == 0) {
        CHECK(http_field_count(&out, "etag") == http_field_count(stored, "etag") ||
              control_names_field(not_modified, dive_span_str("etag")));
        http_head_clear(&out);
    }
}

static void check_range(const struct http_head *request, uint64_t length)
{
    static const uint8_t random_bytes[16] = {1};
    struct http_range_set set;
    struct http_multipart m;
    uint64_t total = 0;

    if (http_range_set_from_request(request, length, &set) != HTTP_RANGE_PARTIAL) {
        CHECK(set.n == 0);
        return;
    }
    CHECK(set.n >= 1 && set.n <= HTTP_RANGES_MAX);
    for (size_t i = 0; i < set.n; i++) {
        CHECK(set.v[i].first <= set.v[i].last && set.v[i].last < length);
        total += set.v[i].last - set.v[i].first + 1;
        for (size_t j = 0; j < i; j++)
            CHECK(set.v[i].last < set.v[j].first || set.v[j].last < set.v[i].first);
    }
    CHECK(total <= length);
    if (set.n < 2)
        return;
    CHECK(http_multipart_make(&m, &set, dive_span_str("a/b"), length, random_bytes) == 0);
    uint64_t sum = 0;
    for (size_t i = 0; i < m.n; i++)
        sum += m.segments[i].literal.n > 0
                   ? m.segments[i].literal.n
                   : m.segments[i].content.last - m.segments[i].content.first + 1;
    CHECK(sum == m.content_length);
    http_multipart_clear(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    struct dive_field request_fields[FIELDS_MAX], response_fields[FIELDS_MAX];
    struct http_head request = {.method = dive_span_str("GET"), .content_length = -1};
    struct http_head response = {.content_length = -1};
    char vary[VARY_SIZE], *in;

    int64_t later = ((int64_t)fuzz_byte(&f) - 64) * 16;
    uint64_t length = (uint64_t)fuzz_byte(&f) << 8 | fuzz_byte(&f);
    if (length == 65535)
        length = UINT64_MAX;
    response.status = 200 + fuzz_byte(&f);
    in = fuzz_copy(f.p, f.n);
    struct fuzz text = {(const uint8_t *)in, f.n};
    struct dive_span asked = fuzz_until(&text, '\x01');
    read_fields(&request, request_fields, asked);
    read_fields(&response, response_fields, dive_span(text.p, text.n));

    check_freshness(&request, &response, later);
    check_heads(&response, &request);
    check_heads(&request, &response);
    check_range(&request, length);
    (void)validate_not_modified(&request, &response, NOW);
    (void)validate_if_range(&request, &response, NOW);
    if (vary_of_response(vary, &response) == 0)
        CHECK(strlen(vary) < VARY_SIZE && (vary_hash(&request, vary) != 0 || vary[0] == '\0'));
    free(in);
    return 0;
}
