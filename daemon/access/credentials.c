/* SPDX-License-Identifier: BSD-2-Clause
 *
 * credentials: see credentials.h. base64 is read in its one canonical form (RFC 4648 section 3.5):
 * two spellings of one password would be two things to remember.
 */
#include "access/credentials.h"

#include <stdlib.h>

#include "http/chars.h"
#include "lib/sf_private.h"

/* The value of one digit, or -1. */
static int digit(char c)
{
    uint8_t value = dive_sf_base64_value[(uint8_t)c];

    return value != 0 ? value & 0x3f : -1;
}

/* Four digits a turn into `to`, which holds 3 * n / 4 bytes. */
static int decode(struct dive_span text, char *to, size_t *length)
{
    size_t n = text.n, out = 0;
    unsigned bits = 0, value = 0;

    if (n == 0 || n % 4 != 0)
        return DIVE_E_SYNTAX;
    for (unsigned padding = 0; padding < 2 && text.p[n - 1] == '='; padding++)
        n--;
    for (size_t i = 0; i < n; i++) {
        int d = digit(text.p[i]);

        if (d < 0)
            return DIVE_E_SYNTAX;
        value = value << 6 | (unsigned)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[out++] = (char)(value >> bits);
            value &= (1u << bits) - 1;
        }
    }
    if (value != 0) /* bits that say nothing */
        return DIVE_E_SYNTAX;
    *length = out;
    return 0;
}

/* RFC 7617 section 2: the first colon ends the user; a password may have more of them. */
static int split(struct credentials *c)
{
    char *colon = memchr(c->bytes, ':', c->n);
    size_t user, password;

    if (colon == NULL)
        return DIVE_E_TYPE;
    user = (size_t)(colon - c->bytes);
    password = c->n - user - 1;
    if (user > ACCESS_USER_MAX || password > ACCESS_PASSWORD_MAX)
        return DIVE_E_LIMIT;
    if (!access_text_is_user(c->bytes, user) || !access_text_is_plain(colon + 1, password))
        return DIVE_E_TYPE;
    *colon = '\0';
    c->user = c->bytes;
    c->password = colon + 1;
    return 0;
}

static enum credentials_scheme scheme_of(struct dive_span word)
{
    if (dive_span_caseeq(word, dive_span_str("Basic")))
        return CREDENTIALS_BASIC;
    if (dive_span_caseeq(word, dive_span_str("Negotiate")))
        return CREDENTIALS_NEGOTIATE;
    return CREDENTIALS_OTHER;
}

int credentials_parse(struct credentials *out, struct dive_span value)
{
    struct dive_span rest = value;
    int r = DIVE_E_INTERNAL;
    size_t word = 0;

    *out = (struct credentials){0};
    while (word < value.n && http_is(value.p[word], HTTP_CHAR_TOKEN))
        word++;
    if (word == 0 || (word < value.n && value.p[word] != ' '))
        return DIVE_E_SYNTAX;
    out->scheme = scheme_of(dive_span(value.p, word));
    if (out->scheme == CREDENTIALS_OTHER)
        return 0;
    while (word < value.n && value.p[word] == ' ')
        word++;
    rest = dive_span(value.p + word, value.n - word);
    r = DIVE_E_LIMIT;
    if (rest.n > CREDENTIALS_TOKEN_MAX / 3 * 4)
        goto out;
    r = DIVE_E_NOMEM;
    out->bytes = calloc(1, rest.n + 1);
    if (out->bytes == NULL)
        goto out;
    r = decode(rest, out->bytes, &out->n);
    if (r != 0) {
        out->n = rest.n; /* what is to be overwritten */
        goto out;
    }
    if (out->scheme == CREDENTIALS_BASIC)
        r = split(out);
out:
    if (r != 0)
        credentials_clear(out);
    return r;
}

void credentials_clear(struct credentials *c)
{
    if (c->bytes != NULL)
        explicit_bzero(c->bytes, c->n);
    free(c->bytes);
    *c = (struct credentials){0};
}
