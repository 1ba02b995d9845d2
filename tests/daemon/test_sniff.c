/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_sniff: what the first bytes in a tunnel are taken for, however they are cut.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "client/sniff.h"

static enum sniff_result client_says(const char *text, size_t n)
{
    struct client_hello hello;

    return sniff(text, n, &hello);
}

Test(sniff, a_client_that_speaks_http_is_told_by_its_request_line)
{
    static const char *const http[] = {
        "GET / HTTP/1.1\r\n",       "\r\nGET / HTTP/1.1\r\n",  "get /x HTTP/1.0\n",
        "PRI * HTTP/2.0\r\n\r\nSM", "M-SEARCH * HTTP/1.1\r\n",
    };

    for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++) {
        size_t n = strlen(http[i]);

        cr_expect_eq(client_says(http[i], n), SNIFF_HTTP, "%s", http[i]);
        for (size_t cut = 0; cut < n; cut++) {
            enum sniff_result r = client_says(http[i], cut);

            cr_expect(r == SNIFF_MORE || r == SNIFF_HTTP, "%s cut at %zu: %d", http[i], cut,
                      (int)r);
        }
    }
}

Test(sniff, other_protocols_are_other)
{
    static const char *const other[] = {"SSH-2.0-OpenSSH_9\r\n", "EHLO me\r\n", "\x01\x02",
                                        "* OK\r\n", "USER a\n"};

    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        cr_expect_eq(client_says(other[i], strlen(other[i])), SNIFF_OTHER, "%s", other[i]);
}

Test(sniff, a_request_line_of_any_length_stays_one)
{
    static char line[20000];

    memset(line, 'a', sizeof(line));
    memcpy(line, "GET /", 5);
    cr_assert_eq(client_says(line, 16383), SNIFF_MORE);
    cr_assert_eq(client_says(line, 16384), SNIFF_HTTP);
    memset(line, 'A', sizeof(line)); /* no method ever ends: not HTTP */
    cr_assert_eq(client_says(line, 16384), SNIFF_OTHER);
}

/* A ClientHello of `n` bytes, whose records carry `piece` bytes each. */
static size_t hello_in_records(unsigned char *out, size_t piece)
{
    static const unsigned char ends[] = {
        0,   2,   0x13, 1,   1,   0, /* one cipher suite, null compression */
        0,   20,  0,    0,   0,   16,  0,   14,  0,  0, 11, 'd', 'i', /* server_name */
        'v', 'e', '.',  'e', 'x', 'a', 'm', 'p', 'l'};
    unsigned char message[4 + 2 + 32 + 1 + sizeof(ends)] = {1, 0, 0, sizeof(message) - 4, 3, 3};
    size_t n = 0;

    memcpy(message + 39, ends, sizeof(ends));
    for (size_t at = 0; at < sizeof(message); at += piece) {
        size_t length = sizeof(message) - at < piece ? sizeof(message) - at : piece;
        const unsigned char head[5] = {22, 3, 1, 0, (unsigned char)length};

        memcpy(out + n, head, 5);
        memcpy(out + n + 5, message + at, length);
        n += 5 + length;
    }
    return n;
}

Test(sniff, a_client_hello_is_one_however_it_is_cut)
{
    unsigned char bytes[1024];
    struct client_hello hello;

    for (size_t piece = 1; piece <= 100; piece++) {
        size_t n = hello_in_records(bytes, piece);

        cr_assert_eq(sniff(bytes, n, &hello), SNIFF_TLS, "records of %zu", piece);
        cr_assert_str_eq(hello.sni, "dive.exampl");
        for (size_t cut = 0; cut < n; cut++)
            cr_assert_eq(sniff(bytes, cut, &hello), SNIFF_MORE, "records of %zu, cut at %zu", piece,
                         cut);
    }
}

Test(sniff, what_begins_like_tls_and_is_not_is_bad)
{
    cr_assert_eq(client_says("\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10), SNIFF_BAD);
    cr_assert_eq(client_says("\x16\x03", 2), SNIFF_MORE);
    cr_assert_eq(client_says("", 0), SNIFF_MORE);
}

Test(sniff, a_response_without_a_request_is_no_banner)
{
    static const struct {
        const char *text;
        enum sniff_result result;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", SNIFF_HTTP},
        {"\r\n\r\nHTTP/1.1", SNIFF_HTTP},
        {"http/1.1 200", SNIFF_HTTP},
        {"HTTP", SNIFF_MORE},
        {"\r\n", SNIFF_MORE},
        {"", SNIFF_MORE},
        {"220 mail.example\r\n", SNIFF_OTHER},
        {"HTTX/", SNIFF_OTHER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(sniff_banner(rows[i].text, strlen(rows[i].text)), rows[i].result, "%s",
                     rows[i].text);
    for (int first = 0; first < 256; first++)
        cr_expect_eq(sniff_is_tls_record((unsigned char)first), first >= 20 && first <= 24);
}
