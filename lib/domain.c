/* SPDX-License-Identifier: BSD-2-Clause
 *
 * domain: host names as DIVE walks them. Everything that compares names or climbs them does it
 * here, on the normal form and on the boundaries of labels: a suffix of characters is no parent
 * (`ive.example` is none of `dive.example`).
 *
 * An address has no DNS name and so no policy, which lets its content through. That result is
 * therefore given only to what certainly is an address; whatever is merely odd is an error.
 */
#include "domain.h"

#include <arpa/inet.h>

#define LABEL_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

/* RFC 4007 section 11: not empty, and nothing that could be something else in a URL. */
static bool is_zone(struct dive_span zone)
{
    for (size_t i = 0; i < zone.n; i++) {
        if (!is_label_char(lower(zone.p[i])) && zone.p[i] != '.' && zone.p[i] != '%')
            return false;
    }
    return zone.n != 0;
}

/* RFC 4291 section 2.2, with or without a zone. */
static bool is_ipv6(struct dive_span in)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    const char *percent = in.n == 0 ? NULL : memchr(in.p, '%', in.n);
    size_t n = percent == NULL ? in.n : (size_t)(percent - in.p);

    if (n == 0 || n >= sizeof text || memchr(in.p, '\0', n) != NULL)
        return false;
    if (percent != NULL && !is_zone(dive_span(percent + 1, in.n - n - 1)))
        return false;
    memcpy(text, in.p, n);
    text[n] = '\0';
    return inet_pton(AF_INET6, text, address) == 1;
}

/* Does a resolver or a URL parser take a name that ends in this label for an IPv4 address? Decimal
 * and octal numbers are digits alone; "0x" begins a hexadecimal one, "0x" by itself included. */
static bool is_numeric_label(const char *label)
{
    bool hex = label[0] == '0' && label[1] == 'x';
    const char *p = hex ? label + 2 : label;

    while (hex ? is_hex_digit(*p) : is_digit(*p))
        p++;
    return *p == '\0';
}

/* Copies `in`, no longer than DIVE_DOMAIN_MAX, in lower case and checks its labels. *last is where
 * the last one begins. */
static int copy_labels(struct dive_span in, char *out, size_t *last)
{
    size_t label = 0;

    for (size_t i = 0; i < in.n; i++) {
        char c = lower(in.p[i]);

        if (c == '.') {
            if (i == label)
                return DIVE_E_SYNTAX;
            label = i + 1;
        } else if (!is_label_char(c)) {
            return DIVE_E_SYNTAX;
        } else if (i - label >= LABEL_MAX) {
            return DIVE_E_LIMIT;
        }
        out[i] = c;
    }
    out[in.n] = '\0';
    *last = label;
    return label == in.n ? DIVE_E_SYNTAX : 0;
}

int dive_domain_normalize(struct dive_span in, char out[DIVE_DOMAIN_BUF])
{
    char name[DIVE_DOMAIN_BUF];
    size_t last;
    int r = DIVE_E_INTERNAL;

    out[0] = '\0';
    if (in.n == 0)
        return DIVE_E_SYNTAX;
    if (in.p[0] == '[') {
        if (in.p[in.n - 1] != ']' || !is_ipv6(dive_span(in.p + 1, in.n - 2)))
            return DIVE_E_SYNTAX;
        return DIVE_E_UNSUPPORTED;
    }
    if (is_ipv6(in))
        return DIVE_E_UNSUPPORTED;
    if (in.p[in.n - 1] == '.')
        in.n--;
    if (in.n > DIVE_DOMAIN_MAX)
        return DIVE_E_LIMIT;
    r = copy_labels(in, name, &last);
    if (r != 0)
        return r;
    if (is_numeric_label(name + last))
        return DIVE_E_UNSUPPORTED;
    memcpy(out, name, in.n + 1);
    return 0;
}

bool dive_domain_covers(const char *ancestor, const char *name)
{
    size_t a = strlen(ancestor), n = strlen(name);

    if (a == 0 || a > n || memcmp(name + (n - a), ancestor, a) != 0)
        return false;
    return a == n || name[n - a - 1] == '.';
}

const char *dive_domain_parent(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot == NULL || dot[1] == '\0' ? NULL : dot + 1;
}

size_t dive_domain_labels(const char *name)
{
    size_t n = 0;

    for (const char *level = *name == '\0' ? NULL : name; level != NULL;
         level = dive_domain_parent(level))
        n++;
    return n;
}

bool dive_key_id_valid(struct dive_span id)
{
    if (id.n == 0 || id.n > DIVE_KEY_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = lower(id.p[i]);

        if (c == '-' || !is_label_char(c))
            return false;
    }
    return true;
}
