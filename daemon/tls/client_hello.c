/* SPDX-License-Identifier: BSD-2-Clause
 *
 * client_hello: in two passes. The first walks over record headers only, until the records hold the
 * whole handshake message; the second reads the message, put together in a buffer on the stack. So
 * a client that sends byte by byte costs a walk over headers each time, not a parse.
 */
#include "tls/client_hello.h"

#include <string.h>

#define RECORD_HANDSHAKE 22
#define RECORD_HEADER 5
#define RECORD_MAX 16384
#define HANDSHAKE_CLIENT_HELLO 1
#define HANDSHAKE_HEADER 4
#define EXTENSIONS_MAX 128

enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    EXTENSION_SUPPORTED_VERSIONS = 43,
    EXTENSION_ECH = 0xfe0d,
};

/* What is left to read. Every take fails for good once one has: `failed` is looked at at the end.
 */
struct cursor {
    const uint8_t *p;
    size_t n;
    bool failed;
};

static unsigned take_number(struct cursor *c, unsigned bytes)
{
    unsigned value = 0;

    if (c->failed || c->n < bytes) {
        c->failed = true;
        return 0;
    }
    while (bytes-- > 0) {
        value = value << 8 | *c->p++;
        c->n--;
    }
    return value;
}

static struct cursor take_bytes(struct cursor *c, size_t n)
{
    struct cursor taken = {c->p, n, false};

    if (c->failed || c->n < n) {
        c->failed = true;
        return (struct cursor){NULL, 0, true};
    }
    c->p += n;
    c->n -= n;
    return taken;
}

/* A vector with a length of `length_bytes` (RFC 8446 section 3.4), of at least `min` bytes. */
static struct cursor take_vector(struct cursor *c, unsigned length_bytes, size_t min)
{
    size_t n = take_number(c, length_bytes);

    if (!c->failed && n < min)
        c->failed = true;
    return take_bytes(c, n);
}

/* RFC 6066 section 3: at most one name of each type; host_name is the only type. */
static bool read_server_name(struct cursor extension, struct client_hello *out)
{
    struct cursor list = take_vector(&extension, 2, 1);

    while (!list.failed && list.n > 0) {
        unsigned type = take_number(&list, 1);
        struct cursor name = take_vector(&list, 2, 1);

        if (list.failed)
            return false;
        if (type != 0)
            continue;
        if (out->sni[0] != '\0' || name.n > CLIENT_HELLO_SNI_MAX ||
            memchr(name.p, '\0', name.n) != NULL)
            return false;
        memcpy(out->sni, name.p, name.n);
    }
    return !list.failed && !extension.failed && extension.n == 0;
}

static bool read_alpn(struct cursor extension, struct client_hello *out)
{
    struct cursor list = take_vector(&extension, 2, 2);

    out->has_alpn = true;
    while (!list.failed && list.n > 0) {
        struct cursor name = take_vector(&list, 1, 1);

        if (list.failed)
            return false;
        if (name.n == 8 && memcmp(name.p, "http/1.1", 8) == 0)
            out->alpn_http11 = true;
        else if (name.n == 2 && memcmp(name.p, "h2", 2) == 0)
            out->alpn_h2 = true;
    }
    return !list.failed && !extension.failed && extension.n == 0;
}

static bool read_supported_versions(struct cursor extension, struct client_hello *out)
{
    struct cursor list = take_vector(&extension, 1, 2);
    unsigned version, highest = 0;

    while (!list.failed && list.n > 0) {
        version = take_number(&list, 2);
        if (version >= 0x0300 && version <= 0x0304 && version > highest) /* others are GREASE */
            highest = version;
    }
    if (highest != 0)
        out->max_version = (uint16_t)highest;
    return !list.failed && !extension.failed && extension.n == 0;
}

static bool read_extension(unsigned type, struct cursor body, struct client_hello *out)
{
    switch (type) {
    case EXTENSION_SERVER_NAME:
        return read_server_name(body, out);
    case EXTENSION_ALPN:
        return read_alpn(body, out);
    case EXTENSION_SUPPORTED_VERSIONS:
        return read_supported_versions(body, out);
    case EXTENSION_ECH:
        out->has_ech = true;
        return true;
    default:
        return true;
    }
}

/* RFC 8446 section 4.2: no type twice. */
static bool read_extensions(struct cursor list, struct client_hello *out)
{
    uint16_t seen[EXTENSIONS_MAX];
    size_t i, n = 0;

    while (list.n > 0) {
        unsigned type = take_number(&list, 2);
        struct cursor body = take_vector(&list, 2, 0);

        if (list.failed || n == EXTENSIONS_MAX)
            return false;
        for (i = 0; i < n; i++)
            if (seen[i] == type)
                return false;
        seen[n++] = (uint16_t)type;
        if (!read_extension(type, body, out))
            return false;
    }
    return true;
}

static bool read_message(struct cursor message, struct client_hello *out)
{
    struct cursor ciphers, compression, extensions;

    out->legacy_version = out->max_version = (uint16_t)take_number(&message, 2);
    (void)take_bytes(&message, 32);         /* random */
    if (take_vector(&message, 1, 0).n > 32) /* legacy_session_id */
        return false;
    ciphers = take_vector(&message, 2, 2);
    compression = take_vector(&message, 1, 1);
    if (message.failed || ciphers.n % 2 != 0 || out->legacy_version >> 8 != 3 ||
        memchr(compression.p, 0, compression.n) == NULL) /* null must be offered */
        return false;
    if (message.n == 0) /* TLS 1.2 without extensions */
        return true;
    extensions = take_vector(&message, 2, 0);
    return !message.failed && message.n == 0 && read_extensions(extensions, out);
}

/* One record header at `data`, of which `n` bytes are there, judged byte by byte as they come.
 * *length is set when it is whole. */
static enum client_hello_result read_record_header(const uint8_t *data, size_t n, size_t *length)
{
    if (n > 0 && data[0] != RECORD_HANDSHAKE)
        return CLIENT_HELLO_MALFORMED;
    if (n > 1 && data[1] != 3)
        return CLIENT_HELLO_MALFORMED;
    if (n < RECORD_HEADER)
        return CLIENT_HELLO_NEED_MORE;
    *length = (size_t)data[3] << 8 | data[4];
    /* Handshake fragments of no length are forbidden (RFC 8446 section 5.1). */
    return *length == 0 || *length > RECORD_MAX ? CLIENT_HELLO_MALFORMED : CLIENT_HELLO_OK;
}

/* The first pass: copies payload to `message` as far as it is there. OK when it is whole. */
static enum client_hello_result gather(const uint8_t *data, size_t n, uint8_t *message,
                                       size_t *message_len, size_t *used, size_t *need)
{
    size_t at = 0, have = 0, total = 0, length = 0, piece;
    enum client_hello_result result;

    for (;;) {
        *need = at + RECORD_HEADER;
        result = read_record_header(data + at, n - at, &length);
        if (result != CLIENT_HELLO_OK)
            return result;
        at += RECORD_HEADER;
        piece = n - at < length ? n - at : length;
        if (piece > CLIENT_HELLO_MAX - have)
            return CLIENT_HELLO_MALFORMED;
        memcpy(message + have, data + at, piece);
        have += piece;
        if (have > 0 && message[0] != HANDSHAKE_CLIENT_HELLO)
            return CLIENT_HELLO_MALFORMED;
        if (have >= HANDSHAKE_HEADER) {
            total = HANDSHAKE_HEADER +
                    ((size_t)message[1] << 16 | (size_t)message[2] << 8 | (size_t)message[3]);
            if (total + RECORD_HEADER > CLIENT_HELLO_MAX)
                return CLIENT_HELLO_MALFORMED;
        }
        if (total > 0 && have >= total) {
            /* Nothing may follow a ClientHello before the server has answered. */
            *message_len = total;
            *used = at + piece;
            return have == total && piece == length ? CLIENT_HELLO_OK : CLIENT_HELLO_MALFORMED;
        }
        if (piece < length) {
            if (total > 0)
                *need = at + length + (total - have > length - piece ? RECORD_HEADER : 0);
            else
                *need = at + (length < HANDSHAKE_HEADER ? length : piece + HANDSHAKE_HEADER - have);
            return CLIENT_HELLO_NEED_MORE;
        }
        at += length;
    }
}

enum client_hello_result client_hello_parse(const void *data, size_t n, struct client_hello *out,
                                            size_t *need)
{
    uint8_t message[CLIENT_HELLO_MAX];
    size_t message_len = 0, used = 0, least = RECORD_HEADER;
    enum client_hello_result result = CLIENT_HELLO_MALFORMED;
    const uint8_t *bytes = data;
    struct cursor c;

    memset(out, 0, sizeof *out);
    if (need != NULL)
        *need = 0;
    if (n > 0 && bytes[0] != RECORD_HANDSHAKE)
        return CLIENT_HELLO_NOT_TLS;
    result = n == 0 ? CLIENT_HELLO_NEED_MORE
                    : gather(bytes, n < CLIENT_HELLO_MAX ? n : CLIENT_HELLO_MAX, message,
                             &message_len, &used, &least);
    if (result == CLIENT_HELLO_NEED_MORE) {
        if (n >= CLIENT_HELLO_MAX || least > CLIENT_HELLO_MAX)
            return CLIENT_HELLO_MALFORMED;
        if (need != NULL)
            *need = n == 0 ? 1 : least > n ? least : n + 1;
        return result;
    }
    if (result != CLIENT_HELLO_OK)
        return result;
    c = (struct cursor){message + HANDSHAKE_HEADER, message_len - HANDSHAKE_HEADER, false};
    if (!read_message(c, out)) {
        memset(out, 0, sizeof *out);
        return CLIENT_HELLO_MALFORMED;
    }
    out->length = used;
    return CLIENT_HELLO_OK;
}

const char *client_hello_result_name(enum client_hello_result result)
{
    switch (result) {
    case CLIENT_HELLO_NEED_MORE:
        return "need-more";
    case CLIENT_HELLO_NOT_TLS:
        return "not-tls";
    case CLIENT_HELLO_OK:
        return "ok";
    case CLIENT_HELLO_MALFORMED:
        break;
    }
    return "malformed";
}
