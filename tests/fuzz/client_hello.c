/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ClientHello and the sniffing of a tunnel's protocol. Invariants: need-more asks for more than is
 * there and within the maximum; a complete hello is the same without what follows it, and every
 * part of it needs more; sniffing says TLS exactly where the parser does.
 *
 * Input: the first bytes of the client.
 */
#include "tls/client_hello.h"

#include "client/sniff.h"
#include "tests/fuzz/fuzz.h"

static void check_complete(const char *in, const struct client_hello *hello, size_t n)
{
    struct client_hello other;
    size_t need = 0;

    CHECK(hello->length > 0 && hello->length <= n);
    CHECK(memchr(hello->sni, 0, sizeof hello->sni) != NULL);
    CHECK(hello->has_alpn || !(hello->alpn_http11 || hello->alpn_h2));
    CHECK(client_hello_parse(in, hello->length, &other, &need) == CLIENT_HELLO_OK);
    CHECK(strcmp(other.sni, hello->sni) == 0 && other.length == hello->length);
    for (size_t i = 0; i < hello->length; i += 1 + hello->length / 64) {
        char *part = fuzz_copy(in, i);

        CHECK(client_hello_parse(part, i, &other, &need) == CLIENT_HELLO_NEED_MORE);
        CHECK(need > i && need <= hello->length);
        free(part);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n);
    struct client_hello hello, sniffed;
    size_t need = 0;
    enum client_hello_result r = client_hello_parse(in, n, &hello, &need);
    enum sniff_result s = sniff(in, n, &sniffed);

    if (r == CLIENT_HELLO_NEED_MORE)
        CHECK(need > n && need <= CLIENT_HELLO_MAX);
    if (r == CLIENT_HELLO_OK)
        check_complete(in, &hello, n);
    CHECK((s == SNIFF_TLS) == (r == CLIENT_HELLO_OK));
    CHECK((s == SNIFF_BAD) == (r == CLIENT_HELLO_MALFORMED));
    free(in);
    return 0;
}
