/* SPDX-License-Identifier: BSD-2-Clause
 *
 * literal: see literal.h.
 */
#include "origin/literal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define LITERAL_MAX 256 /* bytes of a host, its NUL included */

/* Is the last label a number? Then the host is an IPv4 address in some notation, and no DNS name.
 */
static bool ends_in_number(const char *host)
{
    size_t n = strlen(host);
    size_t from;

    if (n > 0 && host[n - 1] == '.')
        n--;
    for (from = n; from > 0 && host[from - 1] != '.';)
        from--;
    if (n - from >= 2 && strncasecmp(host + from, "0x", 2) == 0) {
        for (from += 2; from < n && isxdigit((unsigned char)host[from]);)
            from++;
        return from == n;
    }
    if (from == n)
        return false;
    while (from < n && isdigit((unsigned char)host[from]))
        from++;
    return from == n;
}

int literal_parse(const char *host, int *family, uint8_t bytes[16])
{
    char copy[LITERAL_MAX];
    size_t n = strlen(host);

    if (n == 0 || n >= sizeof copy)
        return DIVE_E_SYNTAX;
    if (inet_pton(AF_INET, host, bytes) == 1) {
        *family = AF_INET;
        return 1;
    }
    if (host[0] == '[') {
        if (n < 3 || host[n - 1] != ']')
            return DIVE_E_SYNTAX;
        memcpy(copy, host + 1, n - 2);
        copy[n - 2] = '\0';
        host = copy;
        if (!strchr(host, ':'))
            return DIVE_E_SYNTAX;
    }
    if (strchr(host, ':')) {
        *family = AF_INET6;
        return inet_pton(AF_INET6, host, bytes) == 1 ? 1 : DIVE_E_SYNTAX;
    }
    return ends_in_number(host) ? DIVE_E_SYNTAX : 0;
}

bool literal_address(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    uint8_t bytes[16];
    int family;

    *out = (struct sockaddr_storage){0};
    if (literal_parse(host, &family, bytes) != 1)
        return false;
    out->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, bytes, sizeof(in->sin_addr));
    } else {
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, bytes, sizeof(in6->sin6_addr));
    }
    return true;
}
