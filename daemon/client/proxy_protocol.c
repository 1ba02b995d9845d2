/* SPDX-License-Identifier: BSD-2-Clause
 *
 * proxy_protocol: see proxy_protocol.h. Version 1 is a line of text of at most 107 bytes, version 2
 * a block with its length in front.
 */
#include "client/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define V1_LINE_MAX 107 /* CRLF included */
#define V2_HEAD 16

static const char v1_begins[] = "PROXY ";
static const uint8_t v2_begins[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

enum {
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_UNSPEC = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX_STREAM = 0x31,
};

static void set_v4(struct sockaddr_storage *out, const void *address, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;

    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, address, 4);
}

static void set_v6(struct sockaddr_storage *out, const struct in6_addr *address, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        set_v4(out, address->s6_addr + 12, port);
        return;
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    in6->sin6_addr = *address;
}

/* ---- version 1 ---- */

/* The word at *p, NUL-terminated in the line's copy; *p moves behind the one space after it. */
static const char *take_word(char **p)
{
    char *word = *p, *end = strchr(word, ' ');

    if (end == NULL) {
        *p = word + strlen(word);
        return word;
    }
    *end = '\0';
    *p = end + 1;
    return word;
}

static bool read_port(const char *word, uint16_t *out)
{
    size_t n = strspn(word, "0123456789");
    unsigned port = 0;

    if (n == 0 || n > 5 || word[n] != '\0' || (n > 1 && word[0] == '0'))
        return false;
    for (size_t i = 0; i < n; i++)
        port = port * 10 + (unsigned)(word[i] - '0');
    *out = (uint16_t)port;
    return port <= 65535;
}

static bool read_v1_addresses(char *rest, bool v6, struct proxy_header *out)
{
    const char *source = take_word(&rest), *destination = take_word(&rest);
    const char *source_port = take_word(&rest), *destination_port = rest;
    uint16_t from, to;
    struct in6_addr a, b;

    if (!read_port(source_port, &from) || !read_port(destination_port, &to))
        return false;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, source, &a) != 1 ||
        inet_pton(v6 ? AF_INET6 : AF_INET, destination, &b) != 1)
        return false;
    if (v6) {
        set_v6(&out->source, &a, from);
        set_v6(&out->destination, &b, to);
    } else {
        set_v4(&out->source, &a, from);
        set_v4(&out->destination, &b, to);
    }
    out->has_addresses = true;
    return true;
}

static enum proxy_header_result parse_v1(const char *data, size_t n, struct proxy_header *out)
{
    size_t most = n < V1_LINE_MAX ? n : V1_LINE_MAX;
    const char *end = memchr(data, '\n', most);
    char line[V1_LINE_MAX + 1], *rest = line;
    const char *protocol;
    size_t length;

    if (end == NULL)
        return n < V1_LINE_MAX ? PROXY_HEADER_MORE : PROXY_HEADER_MALFORMED;
    length = (size_t)(end - data);
    if (length < sizeof(v1_begins) || data[length - 1] != '\r' ||
        memchr(data, '\0', length) != NULL)
        return PROXY_HEADER_MALFORMED;
    memcpy(line, data + sizeof(v1_begins) - 1, length - sizeof(v1_begins));
    line[length - sizeof(v1_begins)] = '\0'; /* the CR is off, too */
    protocol = take_word(&rest);
    out->length = length + 1;
    if (strcmp(protocol, "UNKNOWN") == 0)
        return PROXY_HEADER_OK; /* what comes behind it is to be ignored */
    if ((strcmp(protocol, "TCP4") == 0 && read_v1_addresses(rest, false, out)) ||
        (strcmp(protocol, "TCP6") == 0 && read_v1_addresses(rest, true, out)))
        return PROXY_HEADER_OK;
    return PROXY_HEADER_MALFORMED;
}

/* ---- version 2 ---- */

static uint16_t number16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static bool read_v2_addresses(const uint8_t *p, size_t n, uint8_t family, struct proxy_header *out)
{
    struct in6_addr a, b;

    switch (family) {
    case V2_TCP4:
        if (n < 12)
            return false;
        set_v4(&out->source, p, number16(p + 8));
        set_v4(&out->destination, p + 4, number16(p + 10));
        break;
    case V2_TCP6:
        if (n < 36)
            return false;
        memcpy(&a, p, 16);
        memcpy(&b, p + 16, 16);
        set_v6(&out->source, &a, number16(p + 32));
        set_v6(&out->destination, &b, number16(p + 34));
        break;
    default:
        return family == V2_UNSPEC || family == V2_UNIX_STREAM;
    }
    out->has_addresses = true;
    return true;
}

static enum proxy_header_result parse_v2(const uint8_t *data, size_t n, struct proxy_header *out)
{
    size_t length;

    if (n > 12 && data[12] != V2_LOCAL && data[12] != V2_PROXY)
        return PROXY_HEADER_MALFORMED;
    if (n < V2_HEAD)
        return PROXY_HEADER_MORE;
    length = V2_HEAD + (size_t)number16(data + 14);
    if (length > PROXY_HEADER_MAX)
        return PROXY_HEADER_MALFORMED;
    if (n < length)
        return PROXY_HEADER_MORE;
    if (data[12] == V2_PROXY && !read_v2_addresses(data + V2_HEAD, length - V2_HEAD, data[13], out))
        return PROXY_HEADER_MALFORMED;
    out->length = length;
    return PROXY_HEADER_OK;
}

enum proxy_header_result proxy_header_parse(const void *data, size_t n, struct proxy_header *out)
{
    size_t v1 = n < sizeof(v1_begins) - 1 ? n : sizeof(v1_begins) - 1;
    size_t v2 = n < sizeof(v2_begins) ? n : sizeof(v2_begins);
    enum proxy_header_result r = PROXY_HEADER_MALFORMED;

    memset(out, 0, sizeof(*out));
    if (n == 0)
        return PROXY_HEADER_MORE;
    if (memcmp(data, v1_begins, v1) == 0)
        r = v1 < sizeof(v1_begins) - 1 ? PROXY_HEADER_MORE : parse_v1(data, n, out);
    else if (memcmp(data, v2_begins, v2) == 0)
        r = v2 < sizeof(v2_begins) ? PROXY_HEADER_MORE : parse_v2(data, n, out);
    if (r != PROXY_HEADER_OK)
        memset(out, 0, sizeof(*out));
    return r;
}
