/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Range, HTTP-date and Accept. Invariants: a partial range lies within the representation; a date
 * that parses and is written parses to the same time; lists end.
 *
 * Input: one byte (the representation's length), then the field value.
 */
#include "http/date.h"
#include "http/media.h"
#include "http/range.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    uint64_t length = fuzz_byte(&f);
    char *in = fuzz_copy(f.p, f.n), text[HTTP_DATE_SIZE], content_range[HTTP_CONTENT_RANGE_SIZE];
    struct dive_span value = dive_span(in, f.n), rest = value, member;
    struct dive_field field = {dive_span_str("Accept"), value};
    struct http_head head = {.fields = &field, .n_fields = 1};
    struct http_range range;
    int64_t date, again;

    if (length == 255)
        length = UINT64_MAX;
    if (http_range_parse(value, length, &range) == HTTP_RANGE_PARTIAL) {
        CHECK(range.first <= range.last && range.last < length);
        http_content_range(content_range, &range, length);
        CHECK(strlen(content_range) < sizeof content_range);
    }
    if (http_date_parse(&date, value, 1700000000) == 0) {
        http_date_format(text, date);
        CHECK(http_date_parse(&again, dive_span_str(text), 0) == 0 && again == date);
    } else {
        CHECK(date == 0);
    }
    (void)http_prefers_html(&head);
    for (size_t left = rest.n + 1; http_list_next(&rest, &member); left = rest.n) {
        CHECK(rest.n < left && member.n > 0);
        CHECK(member.p >= in && member.p + member.n <= in + f.n);
    }
    free(in);
    return 0;
}
