/* SPDX-License-Identifier: BSD-2-Clause
 *
 * chunked: a decoder of our own, because llhttp's (8.1, as Debian builds it, without its strict
 * mode) takes any byte behind CR for the LF of a size line, skips two bytes after the chunk data
 * without looking whether they are CRLF, and has no bound on extensions and trailers: two parsers
 * would disagree on where a message ends. Here a line end is CRLF and every byte is accounted for.
 */
#include <assert.h>
#include <stdio.h>

#include "http/chars.h"
#include "http/chunked.h"

/* clang-format off
 *
 *  SIZE --> [SIZE_SPACE] --> [EXTENSION] --> SIZE_LF --> DATA --> DATA_CR --> DATA_LF --> SIZE
 *                                               |
 *                                               +-- size 0 --> TRAILER_START --> LAST_LF --> DONE
 *                                                               |         ^
 *                                                  TRAILER_NAME v         | TRAILER_LF
 *                                                               +-> TRAILER_VALUE
 *
 * Any of them --> FAILED. clang-format on */
enum state {
    SIZE = 0,
    SIZE_SPACE, /* "bad" white space is allowed before ";" alone (RFC 9112 section 7.1.1) */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    FAILED,
};

enum { DIGITS_MAX = 16 };

static int hex_value(char c)
{
    return c <= '9' ? c - '0' : http_lower(c) - 'a' + 10;
}

static int on_size(struct http_chunked *c, char byte)
{
    if (http_is(byte, HTTP_CHAR_HEX)) {
        if (++c->digits > DIGITS_MAX)
            return HTTP_E_CHUNK_SIZE;
        c->left = c->left << 4 | (uint64_t)hex_value(byte);
        return 0;
    }
    if (c->digits == 0)
        return HTTP_E_CHUNK_SIZE;
    switch (byte) {
    case ' ':
    case '\t':
        c->state = SIZE_SPACE;
        return ++c->extensions > HTTP_CHUNK_EXTENSIONS_MAX ? HTTP_E_CHUNK_EXTENSION : 0;
    case ';':
        c->state = EXTENSION;
        return ++c->extensions > HTTP_CHUNK_EXTENSIONS_MAX ? HTTP_E_CHUNK_EXTENSION : 0;
    case '\r':
        c->state = SIZE_LF;
        return 0;
    default:
        return HTTP_E_CHUNK_SIZE;
    }
}

static int on_size_space(struct http_chunked *c, char byte)
{
    if (++c->extensions > HTTP_CHUNK_EXTENSIONS_MAX)
        return HTTP_E_CHUNK_EXTENSION;
    if (byte == ';')
        c->state = EXTENSION;
    return byte == ';' || byte == ' ' || byte == '\t' ? 0 : HTTP_E_CHUNK_SIZE;
}

static int on_extension(struct http_chunked *c, char byte)
{
    if (byte == '\r') {
        c->state = SIZE_LF;
        return 0;
    }
    if (!http_is(byte, HTTP_CHAR_TEXT) || ++c->extensions > HTTP_CHUNK_EXTENSIONS_MAX)
        return HTTP_E_CHUNK_EXTENSION;
    return 0;
}

static int on_size_lf(struct http_chunked *c, char byte)
{
    if (byte != '\n')
        return HTTP_E_CHUNK_SIZE;
    if (c->left > (uint64_t)INT64_MAX - c->total)
        return HTTP_E_CHUNK_SIZE;
    c->total += c->left;
    c->state = c->left > 0 ? DATA : TRAILER_START;
    c->digits = 0;
    return 0;
}

/* The rules of header fields (RFC 9112 section 7.1.2 and 5), on fields that nobody will see. */
static int on_trailer(struct http_chunked *c, char byte)
{
    if (++c->trailer > HTTP_TRAILER_MAX)
        return HTTP_E_TRAILER;
    switch (c->state) {
    case TRAILER_START:
        if (byte == '\r') {
            c->state = LAST_LF;
            return 0;
        }
        if (!http_is(byte, HTTP_CHAR_TOKEN) || ++c->trailer_fields > HTTP_TRAILER_FIELDS_MAX)
            return HTTP_E_TRAILER;
        c->state = TRAILER_NAME;
        return 0;
    case TRAILER_NAME:
        if (byte == ':')
            c->state = TRAILER_VALUE;
        return byte == ':' || http_is(byte, HTTP_CHAR_TOKEN) ? 0 : HTTP_E_TRAILER;
    case TRAILER_VALUE:
        if (byte == '\r')
            c->state = TRAILER_LF;
        return byte == '\r' || http_is(byte, HTTP_CHAR_TEXT) ? 0 : HTTP_E_TRAILER;
    case TRAILER_LF:
        c->state = TRAILER_START;
        return byte == '\n' ? 0 : HTTP_E_TRAILER;
    case LAST_LF:
        c->state = DONE;
        return byte == '\n' ? 0 : HTTP_E_TRAILER;
    default:
        return HTTP_E_INTERNAL;
    }
}

static int on_byte(struct http_chunked *c, char byte)
{
    switch (c->state) {
    case SIZE:
        return on_size(c, byte);
    case SIZE_SPACE:
        return on_size_space(c, byte);
    case EXTENSION:
        return on_extension(c, byte);
    case SIZE_LF:
        return on_size_lf(c, byte);
    case DATA_CR:
        c->state = DATA_LF;
        return byte == '\r' ? 0 : HTTP_E_CHUNK_END;
    case DATA_LF:
        c->state = SIZE;
        return byte == '\n' ? 0 : HTTP_E_CHUNK_END;
    default:
        return on_trailer(c, byte);
    }
}

int http_chunked_feed(struct http_chunked *c, const char *data, size_t n, size_t *consumed,
                      struct dive_span *content)
{
    size_t i = 0;
    int r = HTTP_NEED_MORE;

    *content = dive_span(NULL, 0);
    while (r == HTTP_NEED_MORE && i < n && c->state != DONE && c->state != FAILED) {
        if (c->state == DATA) {
            size_t take = n - i < c->left ? n - i : (size_t)c->left;
            *content = dive_span(data + i, take);
            i += take;
            c->left -= take;
            if (c->left == 0)
                c->state = DATA_CR;
            r = HTTP_DATA;
            break;
        }
        int error = on_byte(c, data[i]);
        if (error != 0) {
            c->state = FAILED;
            r = error;
            break;
        }
        i++;
    }
    *consumed = i;
    if (r == HTTP_NEED_MORE && c->state == DONE)
        r = HTTP_DONE;
    if (r == HTTP_NEED_MORE && c->state == FAILED)
        r = HTTP_E_CHUNK_SIZE;
    return r;
}

size_t http_chunk_header(char buf[HTTP_CHUNK_HEADER_MAX], size_t n)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = 0, shift = sizeof(n) * 8;

    assert(n > 0);
    while (shift > 4 && n >> (shift - 4) == 0)
        shift -= 4;
    while (shift > 0) {
        shift -= 4;
        buf[length++] = digits[n >> shift & 0xf];
    }
    buf[length++] = '\r';
    buf[length++] = '\n';
    return length;
}
