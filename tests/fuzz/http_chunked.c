/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The decoder of the chunked coding. Invariants: fed whole or byte by byte, the content, the result
 * and the end are the same; a failure is for good; content lies within what was fed; nothing is
 * returned but what was fed.
 *
 * Input: the bytes of the connection after the head.
 */
#include "http/chunked.h"

#include "tests/fuzz/fuzz.h"

struct decoded {
    char *content;
    size_t n, consumed;
    int result;
};

static void decode(struct decoded *d, const uint8_t *p, size_t n, size_t step)
{
    struct http_chunked c = {0};

    *d = (struct decoded){.content = fuzz_copy(p, n), .result = HTTP_NEED_MORE};
    while (d->result > 0 && d->consumed < n) {
        size_t len = n - d->consumed < step ? n - d->consumed : step, used = SIZE_MAX;
        char *piece = fuzz_copy(p + d->consumed, len);
        struct dive_span content = {0};

        d->result = http_chunked_feed(&c, piece, len, &used, &content);
        CHECK(used <= len);
        CHECK(d->result != HTTP_NEED_MORE || used == len);
        if (d->result == HTTP_DATA) {
            CHECK(content.n > 0 && content.p >= piece && content.p + content.n <= piece + len);
            CHECK(d->n + content.n <= n);
            memcpy(d->content + d->n, content.p, content.n);
            d->n += content.n;
        }
        if (d->result < 0)
            CHECK(http_chunked_feed(&c, "0\r\n\r\n", 5, &used, &content) < 0);
        d->consumed += d->result < 0 ? 0 : used;
        free(piece);
    }
    /* Content at the very end: no more than that is known. */
    if (d->result == HTTP_DATA)
        d->result = HTTP_NEED_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct decoded whole, bytes;

    decode(&whole, data, n, n);
    decode(&bytes, data, n, 1);
    CHECK(whole.result == bytes.result);
    CHECK(fuzz_same(dive_span(whole.content, whole.n), dive_span(bytes.content, bytes.n)));
    CHECK(whole.result != HTTP_DONE || whole.consumed == bytes.consumed);
    free(whole.content);
    free(bytes.content);
    return 0;
}
