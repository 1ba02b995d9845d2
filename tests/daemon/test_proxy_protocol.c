/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_proxy_protocol: what is taken for a PROXY header, however it is cut, and what isn't.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "client/proxy_protocol.h"

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n"; /* of version 2: 12 bytes */

/* "address:port" of what was read. */
static const char *text_of(const struct sockaddr_storage *address, char out[80])
{
    char host[INET6_ADDRSTRLEN] = "none";
    unsigned port = 0;

    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        port = ntohs(in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        port = ntohs(in6->sin6_port);
    }
    snprintf(out, 80, "%s:%u", host, port);
    return out;
}

static size_t build_v2(uint8_t *out, uint8_t command, uint8_t family, const void *body, size_t n)
{
    memcpy(out, signature, 12);
    out[12] = command;
    out[13] = family;
    out[14] = (uint8_t)(n >> 8);
    out[15] = (uint8_t)n;
    memcpy(out + 16, body, n);
    return 16 + n;
}

/* OK with what follows it, MORE with any part of it. */
static void expect_header(const void *data, size_t n, const char *source, const char *destination)
{
    struct proxy_header header;
    char with_more[PROXY_HEADER_MAX + 8], a[80], b[80];

    memcpy(with_more, data, n);
    memcpy(with_more + n, "GET / HT", 8);
    cr_assert_eq(proxy_header_parse(with_more, n + 8, &header), PROXY_HEADER_OK, "%s", source);
    cr_expect_eq(header.length, n);
    cr_expect_eq(header.has_addresses, strcmp(source, "none:0") != 0);
    cr_expect_str_eq(text_of(&header.source, a), source);
    cr_expect_str_eq(text_of(&header.destination, b), destination);
    for (size_t cut = 0; cut < n; cut++) {
        cr_assert_eq(proxy_header_parse(data, cut, &header), PROXY_HEADER_MORE, "%s cut at %zu",
                     source, cut);
        cr_assert(!header.has_addresses && header.length == 0);
    }
}

static void expect_malformed(const void *data, size_t n, const char *what)
{
    struct proxy_header header;

    cr_expect_eq(proxy_header_parse(data, n, &header), PROXY_HEADER_MALFORMED, "%s", what);
    cr_expect(!header.has_addresses && header.length == 0 && header.source.ss_family == 0);
}

Test(proxy_protocol, version_1)
{
    static const struct {
        const char *line, *source, *destination;
    } rows[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1:56324", "198.51.100.2:443"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535",
         "255.255.255.255:65535"},
        {"PROXY TCP4 192.0.2.1 198.51.100.2 0 1\r\n", "192.0.2.1:0", "198.51.100.2:1"},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "2001:db8::1:1", "2001:db8::2:2"},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n", "192.0.2.1:1",
         "198.51.100.2:2"},
        {"PROXY UNKNOWN\r\n", "none:0", "none:0"},
        {"PROXY UNKNOWN ffff:ffff whatever it is\r\n", "none:0", "none:0"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_header(rows[i].line, strlen(rows[i].line), rows[i].source, rows[i].destination);
}

Test(proxy_protocol, version_1_malformed)
{
    static const char *const lines[] = {
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 056 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 999999999999\r\n",
        "PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 2001:db8::2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXY UNKNOWNER\r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "PROXY \n",
        "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        "PROXYTCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        "GET / HTTP/1.1\r\n",
        "\r\n\r\nQ",
        " ",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect_malformed(lines[i], strlen(lines[i]), lines[i]);
    expect_malformed("PROXY UNKNOWN \0\r\n", 17, "a NUL");
}

Test(proxy_protocol, version_1_is_107_bytes_at_most)
{
    char line[120];
    struct proxy_header header;

    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    cr_expect_eq(proxy_header_parse(line, 106, &header), PROXY_HEADER_MORE);
    expect_malformed(line, 107, "107 bytes without an end");
    memcpy(line + 105, "\r\n", 2);
    cr_expect_eq(proxy_header_parse(line, 107, &header), PROXY_HEADER_OK);
    cr_expect_eq(header.length, 107);
    memcpy(line + 105, "x\r\n", 3);
    expect_malformed(line, 108, "108 bytes");
}

Test(proxy_protocol, version_2)
{
    static const uint8_t tcp4[12] = {192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb};
    static const uint8_t tcp6[36] = {0x20, 1,    0xd,      0xb8, [15] = 1, 0x20, 1,
                                     0xd,  0xb8, [31] = 2, 0,    1,        0,    2};
    static const uint8_t mapped[36] = {[10] = 0xff, 0xff, 192, 0, 2, 1, [26] = 0xff, 0xff,
                                       198,         51,   100, 2, 0, 1, 0,           2};
    static const uint8_t unix_stream[216] = "/run/a";
    uint8_t header[PROXY_HEADER_MAX], with_tlv[12 + 7];

    expect_header(header, build_v2(header, 0x21, 0x11, tcp4, 12), "192.0.2.1:56324",
                  "198.51.100.2:443");
    expect_header(header, build_v2(header, 0x21, 0x21, tcp6, 36), "2001:db8::1:1", "2001:db8::2:2");
    expect_header(header, build_v2(header, 0x21, 0x21, mapped, 36), "192.0.2.1:1",
                  "198.51.100.2:2");
    memcpy(with_tlv, tcp4, 12);
    memcpy(with_tlv + 12, "\x04\x00\x04xxxx", 7);
    expect_header(header, build_v2(header, 0x21, 0x11, with_tlv, sizeof(with_tlv)),
                  "192.0.2.1:56324", "198.51.100.2:443");
    expect_header(header, build_v2(header, 0x20, 0x11, tcp4, 12), "none:0", "none:0"); /* LOCAL */
    expect_header(header, build_v2(header, 0x20, 0, "", 0), "none:0", "none:0");
    expect_header(header, build_v2(header, 0x21, 0, tcp4, 12), "none:0", "none:0"); /* UNSPEC */
    expect_header(header, build_v2(header, 0x21, 0x31, unix_stream, 216), "none:0", "none:0");
}

Test(proxy_protocol, version_2_malformed)
{
    static const uint8_t zero[64];
    uint8_t header[PROXY_HEADER_MAX];
    size_t n;

    expect_malformed(header, build_v2(header, 0x21, 0x11, zero, 11), "too short for TCP4");
    expect_malformed(header, build_v2(header, 0x21, 0x21, zero, 35), "too short for TCP6");
    expect_malformed(header, build_v2(header, 0x21, 0x12, zero, 12), "UDP");
    expect_malformed(header, build_v2(header, 0x21, 0x41, zero, 12), "an unknown family");
    expect_malformed(header, build_v2(header, 0x11, 0x11, zero, 12), "version 1 in version 2");
    expect_malformed(header, build_v2(header, 0x22, 0x11, zero, 12), "an unknown command");
    n = build_v2(header, 0x21, 0x11, zero, 12);
    header[11] = 'X';
    expect_malformed(header, n, "another signature");
    build_v2(header, 0x22, 0x11, zero, 12);
    expect_malformed(header, 13, "refused at the byte that is wrong");
}

Test(proxy_protocol, version_2_has_a_maximum)
{
    static uint8_t zero[PROXY_HEADER_MAX], header[2 * PROXY_HEADER_MAX];
    struct proxy_header out;
    size_t n = build_v2(header, 0x21, 0x11, zero, PROXY_HEADER_MAX - 16);

    cr_expect_eq(proxy_header_parse(header, n - 1, &out), PROXY_HEADER_MORE);
    cr_expect_eq(proxy_header_parse(header, n, &out), PROXY_HEADER_OK);
    cr_expect_eq(out.length, PROXY_HEADER_MAX);
    build_v2(header, 0x21, 0x11, zero, PROXY_HEADER_MAX - 15);
    expect_malformed(header, 16, "one byte more than the maximum, told by its length");
}
