/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ClientHello parser, on bytes that OpenSSL makes: whole, cut everywhere, spread over records,
 * and with each byte changed.
 */
#include "test_tls_lab.h"
#include "tls/client_hello.h"

static uint8_t hello[CLIENT_HELLO_MAX * 4];
static size_t hello_len;
static struct client_hello out;
static size_t need;

TestSuite(tls_client_hello);

/* What a client's first flight is. `alpn` in wire format, or NULL. */
static void make_hello(const char *sni, const char *alpn, int max_version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl;
    BIO *in = BIO_new(BIO_s_mem()), *sink = BIO_new(BIO_s_mem());
    char *data;

    SSL_CTX_set_max_proto_version(context, max_version);
    ssl = SSL_new(context);
    if (sni != NULL)
        SSL_set_tlsext_host_name(ssl, sni);
    if (alpn != NULL)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_bio(ssl, in, sink);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    hello_len = (size_t)BIO_get_mem_data(sink, &data);
    cr_assert(hello_len > 50 && hello_len < CLIENT_HELLO_MAX);
    memcpy(hello, data, hello_len);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* In a block of its own size, so that a sanitizer sees every read past the end. */
static enum client_hello_result parse(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    enum client_hello_result result;

    cr_assert_not_null(copy);
    memcpy(copy, data, n);
    result = client_hello_parse(copy, n, &out, &need);
    free(copy);
    if (result == CLIENT_HELLO_NEED_MORE)
        cr_assert(need > n && need <= CLIENT_HELLO_MAX, "%zu of %zu", need, n);
    else
        cr_assert_eq(need, 0u);
    if (result != CLIENT_HELLO_OK) {
        struct client_hello empty = {0};

        cr_assert_eq(memcmp(&out, &empty, sizeof out), 0, "nothing comes with %d", result);
    }
    return result;
}

/* The message of one record, spread over records of `size` bytes each. */
static size_t spread(uint8_t *to, const uint8_t *from, size_t n, size_t size)
{
    size_t at = 5, used = 0, piece;

    for (; at < n; at += piece) {
        piece = n - at < size ? n - at : size;
        memcpy(to + used, from, 3);
        to[used + 3] = (uint8_t)(piece >> 8);
        to[used + 4] = (uint8_t)piece;
        memcpy(to + used + 5, from + at, piece);
        used += 5 + piece;
    }
    return used;
}

Test(tls_client_hello, what_openssl_sends)
{
    make_hello("www.example.org", "\x02h2\x08http/1.1", 0);
    cr_assert_eq(parse(hello, hello_len), CLIENT_HELLO_OK);
    cr_assert_str_eq(out.sni, "www.example.org");
    cr_assert(out.has_alpn && out.alpn_h2 && out.alpn_http11 && !out.has_ech);
    cr_assert_eq(out.legacy_version, 0x0303);
    cr_assert_eq(out.max_version, 0x0304);
    cr_assert_eq(out.length, hello_len);

    make_hello("www.example.org", "\x02h2", TLS1_2_VERSION);
    cr_assert_eq(parse(hello, hello_len), CLIENT_HELLO_OK);
    cr_assert(out.has_alpn && out.alpn_h2 && !out.alpn_http11);
    cr_assert_eq(out.max_version, 0x0303);

    make_hello(NULL, NULL, 0);
    cr_assert_eq(parse(hello, hello_len), CLIENT_HELLO_OK);
    cr_assert_str_eq(out.sni, "");
    cr_assert(!out.has_alpn && !out.alpn_h2 && !out.alpn_http11);
}

Test(tls_client_hello, cut_everywhere)
{
    size_t n;

    make_hello("www.example.org", "\x08http/1.1", 0);
    for (n = 0; n < hello_len; n++)
        cr_assert_eq(parse(hello, n), CLIENT_HELLO_NEED_MORE, "%zu", n);
    cr_assert_eq(parse(hello, hello_len), CLIENT_HELLO_OK);
}

Test(tls_client_hello, need_leads_to_the_end)
{
    static uint8_t records[sizeof hello];
    size_t size, n, total, calls;

    make_hello("www.example.org", "\x08http/1.1", 0);
    for (size = 1; size < 300; size += 37) {
        total = spread(records, hello, hello_len, size);
        for (n = 0, calls = 0; parse(records, n) == CLIENT_HELLO_NEED_MORE; n = need, calls++)
            cr_assert(need <= total, "asks for bytes that don't belong to it");
        cr_assert_eq(n, total);
        cr_assert_eq(parse(records, n), CLIENT_HELLO_OK);
        cr_assert(calls <= 2 * (hello_len / size) + 8);
    }
}

Test(tls_client_hello, spread_over_records_of_every_size)
{
    static uint8_t records[sizeof hello];
    size_t size, n, total;

    make_hello("www.example.org", "\x08http/1.1", 0);
    for (size = 1; size < hello_len; size++) {
        total = spread(records, hello, hello_len, size);
        cr_assert_eq(parse(records, total), CLIENT_HELLO_OK, "%zu", size);
        cr_assert_str_eq(out.sni, "www.example.org");
        cr_assert_eq(out.length, total);
        if (size % 50 == 1)
            for (n = 0; n < total; n++)
                cr_assert_eq(parse(records, n), CLIENT_HELLO_NEED_MORE, "%zu of %zu", n, total);
    }
}

/* Whatever it says, it says it without reading past the end (the sanitizer sees to that). */
Test(tls_client_hello, every_byte_changed)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x10};
    size_t i, c, n_ok = 0, n_malformed = 0;

    make_hello("www.example.org", "\x02h2\x08http/1.1", 0);
    for (i = 0; i < hello_len; i++) {
        for (c = 0; c < sizeof changes; c++) {
            hello[i] ^= changes[c];
            switch (parse(hello, hello_len)) {
            case CLIENT_HELLO_OK:
                n_ok++;
                break;
            case CLIENT_HELLO_MALFORMED:
                n_malformed++;
                break;
            case CLIENT_HELLO_NOT_TLS:
                cr_assert_eq(i, 0u);
                break;
            case CLIENT_HELLO_NEED_MORE:
                cr_assert(i < 9, "only the two outer lengths can ask for more, not byte %zu", i);
                break;
            }
            hello[i] ^= changes[c];
        }
    }
    cr_assert(n_ok > 100 && n_malformed > 30, "%zu %zu", n_ok, n_malformed);
}

Test(tls_client_hello, first_byte_decides)
{
    int byte;
    uint8_t data[1];

    cr_assert_eq(parse((const uint8_t *)"", 0), CLIENT_HELLO_NEED_MORE);
    for (byte = 0; byte < 256; byte++) {
        data[0] = (uint8_t)byte;
        cr_assert_eq(parse(data, 1), byte == 22 ? CLIENT_HELLO_NEED_MORE : CLIENT_HELLO_NOT_TLS);
    }
    cr_assert_eq(parse((const uint8_t *)"GET / HTTP/1.1\r\n", 16), CLIENT_HELLO_NOT_TLS);
}

/* A hello put together by hand: TLS 1.2 head, then `extensions`. Length fields are right. */
static size_t by_hand(uint8_t *to, const char *extensions, size_t n)
{
    static const uint8_t head[] = {3, 3};
    size_t at = 9;

    memcpy(to + at, head, 2);
    memset(to + at + 2, 7, 32);
    at += 34;
    to[at++] = 0;
    memcpy(to + at, "\0\2\x13\x01\1\0", 6);
    at += 6;
    to[at++] = (uint8_t)(n >> 8);
    to[at++] = (uint8_t)n;
    memcpy(to + at, extensions, n);
    at += n;
    memcpy(to, "\x16\3\1", 3);
    to[3] = (uint8_t)((at - 5) >> 8);
    to[4] = (uint8_t)(at - 5);
    to[5] = 1;
    to[6] = 0;
    to[7] = (uint8_t)((at - 9) >> 8);
    to[8] = (uint8_t)(at - 9);
    return at;
}

#define PARSE(extensions) parse(hello, by_hand(hello, extensions, sizeof(extensions) - 1))

Test(tls_client_hello, extensions)
{
    cr_assert_eq(PARSE(""), CLIENT_HELLO_OK);
    cr_assert_eq(PARSE("\0\0\0\6\0\4\0\0\1a"), CLIENT_HELLO_OK);
    cr_assert_str_eq(out.sni, "a");
    cr_assert_eq(PARSE("\xfe\x0d\0\1x"), CLIENT_HELLO_OK);
    cr_assert(out.has_ech);
    cr_assert_eq(PARSE("\0\x2b\0\5\4\x8a\x8a\3\3"), CLIENT_HELLO_OK);
    cr_assert_eq(out.max_version, 0x0303, "GREASE is no version");
    cr_assert_eq(PARSE("\x99\x99\0\0"), CLIENT_HELLO_OK);
    cr_assert_eq(PARSE("\0\x10\0\4\0\2\1h"), CLIENT_HELLO_OK);
    cr_assert(out.has_alpn && !out.alpn_h2 && !out.alpn_http11);
}

Test(tls_client_hello, malformed_extensions)
{
    cr_assert_eq(PARSE("\0\0\0\6\0\4\0\0\1\0"), CLIENT_HELLO_MALFORMED, "NUL in the name");
    cr_assert_eq(PARSE("\0\0\0\5\0\3\0\0\0"), CLIENT_HELLO_MALFORMED, "empty name");
    cr_assert_eq(PARSE("\0\0\0\2\0\0"), CLIENT_HELLO_MALFORMED, "empty list");
    cr_assert_eq(PARSE("\0\0\0\x0a\0\x08\0\0\1a\0\0\1b"), CLIENT_HELLO_MALFORMED, "two names");
    cr_assert_eq(PARSE("\0\0\0\7\0\4\0\0\1ax"), CLIENT_HELLO_MALFORMED, "trailing byte");
    cr_assert_eq(PARSE("\0\0\0\6\0\5\0\0\1a"), CLIENT_HELLO_MALFORMED, "list too long");
    cr_assert_eq(PARSE("\0\0\0\6\0\4\0\0\1a\0\0\0\6\0\4\0\0\1a"), CLIENT_HELLO_MALFORMED, "twice");
    cr_assert_eq(PARSE("\x99\x99\0\0\x99\x99\0\0"), CLIENT_HELLO_MALFORMED, "an unknown one twice");
    cr_assert_eq(PARSE("\x99\x99\0\1"), CLIENT_HELLO_MALFORMED, "short body");
    cr_assert_eq(PARSE("\x99\x99\0"), CLIENT_HELLO_MALFORMED, "short header");
    cr_assert_eq(PARSE("\0\x10\0\3\0\1\0"), CLIENT_HELLO_MALFORMED, "empty protocol");
    cr_assert_eq(PARSE("\0\x10\0\4\0\2\2h"), CLIENT_HELLO_MALFORMED, "protocol too long");
    cr_assert_eq(PARSE("\0\x2b\0\4\3\3\4\3"), CLIENT_HELLO_MALFORMED, "half a version");
}

Test(tls_client_hello, sni_length)
{
    static char extension[9 + 300];
    size_t n;

    for (n = 254; n <= 257; n++) {
        extension[0] = extension[1] = 0;
        extension[2] = (char)((n + 5) >> 8), extension[3] = (char)(n + 5);
        extension[4] = (char)((n + 3) >> 8), extension[5] = (char)(n + 3);
        extension[6] = 0;
        extension[7] = (char)(n >> 8), extension[8] = (char)n;
        memset(extension + 9, 'a', n);
        cr_assert_eq(parse(hello, by_hand(hello, extension, n + 9)),
                     n <= CLIENT_HELLO_SNI_MAX ? CLIENT_HELLO_OK : CLIENT_HELLO_MALFORMED);
        if (n <= CLIENT_HELLO_SNI_MAX)
            cr_assert_eq(strlen(out.sni), n);
    }
}

Test(tls_client_hello, number_of_extensions)
{
    static char extensions[129 * 4];
    size_t i;

    for (i = 0; i < 129; i++) {
        memset(extensions + 4 * i, 0, 4);
        extensions[4 * i] = (char)0x77;
        extensions[4 * i + 1] = (char)i;
    }
    cr_assert_eq(parse(hello, by_hand(hello, extensions, 128 * 4)), CLIENT_HELLO_OK);
    cr_assert_eq(parse(hello, by_hand(hello, extensions, 129 * 4)), CLIENT_HELLO_MALFORMED);
}

/* One large unknown extension up to the maximum of the input. */
Test(tls_client_hello, size)
{
    static char extension[CLIENT_HELLO_MAX + 8];
    size_t fixed = by_hand(hello, "", 0), body, n;

    for (n = CLIENT_HELLO_MAX - 1; n <= CLIENT_HELLO_MAX + 1; n++) {
        body = n - fixed - 4;
        memcpy(extension, "\x77\x77", 2);
        extension[2] = (char)(body >> 8), extension[3] = (char)body;
        cr_assert_eq(by_hand(hello, extension, body + 4), n);
        cr_assert_eq(parse(hello, n),
                     n <= CLIENT_HELLO_MAX ? CLIENT_HELLO_OK : CLIENT_HELLO_MALFORMED);
        cr_assert_eq(parse(hello, 100),
                     n <= CLIENT_HELLO_MAX ? CLIENT_HELLO_NEED_MORE : CLIENT_HELLO_MALFORMED);
    }
}

Test(tls_client_hello, malformed_frames)
{
    size_t n;

    make_hello("a.example", NULL, 0);
    hello[hello_len] = 0x16;
    cr_assert_eq(parse(hello, hello_len + 1), CLIENT_HELLO_OK, "what follows isn't looked at");
    cr_assert_eq(out.length, hello_len);

    n = hello_len;
    hello[5] = 2;
    cr_assert_eq(parse(hello, n), CLIENT_HELLO_MALFORMED, "a ServerHello");
    cr_assert_eq(parse(hello, 6), CLIENT_HELLO_MALFORMED);
    hello[5] = 1;
    hello[1] = 2;
    cr_assert_eq(parse(hello, 2), CLIENT_HELLO_MALFORMED, "SSL 2");
    hello[1] = 3;
    hello[3] = hello[4] = 0;
    cr_assert_eq(parse(hello, 5), CLIENT_HELLO_MALFORMED, "an empty record");
    hello[3] = 0x40, hello[4] = 1;
    cr_assert_eq(parse(hello, 5), CLIENT_HELLO_MALFORMED, "a record over 2^14");

    make_hello("a.example", NULL, 0);
    hello[6] = 1;
    cr_assert_eq(parse(hello, 9), CLIENT_HELLO_MALFORMED, "a message of 64 KiB");
    make_hello("a.example", NULL, 0);
    n = (size_t)hello[7] << 8 | hello[8];
    n--;
    hello[7] = (uint8_t)(n >> 8), hello[8] = (uint8_t)n;
    cr_assert_eq(parse(hello, hello_len), CLIENT_HELLO_MALFORMED, "a second message in the record");
}

Test(tls_client_hello, random_bytes)
{
    uint8_t data[512];
    unsigned seed = 1;
    size_t i, n;
    int round;

    for (round = 0; round < 20000; round++) {
        n = (size_t)rand_r(&seed) % sizeof data;
        for (i = 0; i < n; i++)
            data[i] = (uint8_t)rand_r(&seed);
        if (n > 9 && round % 4 != 0) {
            memcpy(data, "\x16\3\1", 3);
            data[3] = (uint8_t)((n - 5) >> 8), data[4] = (uint8_t)(n - 5);
            data[5] = 1, data[6] = 0;
            data[7] = (uint8_t)((n - 9) >> 8), data[8] = (uint8_t)(n - 9);
        }
        (void)parse(data, n);
    }
}
