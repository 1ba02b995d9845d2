/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signature_derived: the component values that are not fields (RFC 9421 section 2.2): the
 * response's status and, with ;req, the parts of the request's target.
 */
#include "signature_component.h"

#include "sf_private.h"
#include "span.h"

#define QUERY_MAX 65536

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next octet of an application/x-www-form-urlencoded text, decoded: "+" is a space, and a
 * percent sign that two hexadecimal digits don't follow stands for itself (URL Standard
 * section 5.1). */
static uint8_t next_octet(struct dive_span *text)
{
    uint8_t octet = (uint8_t)text->p[0];
    size_t used = 1;

    if (octet == '+') {
        octet = ' ';
    } else if (octet == '%' && text->n >= 3 && hex_value(text->p[1]) >= 0 &&
               hex_value(text->p[2]) >= 0) {
        octet = (uint8_t)(hex_value(text->p[1]) << 4 | hex_value(text->p[2]));
        used = 3;
    }
    text->p += used;
    text->n -= used;
    return octet;
}

/* Outside the "application/x-www-form-urlencoded percent-encode set" (URL Standard section 1.3). */
static bool stands_for_itself(uint8_t octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '*' || octet == '-' || octet == '.' ||
           octet == '_';
}

/* Writes `octet` as signatures are made over it (RFC 9421 section 2.2.8; a space is "%20") and
 * returns the length. */
static size_t encode_octet(uint8_t octet, char out[3])
{
    static const char digits[] = "0123456789ABCDEF";

    if (stands_for_itself(octet)) {
        out[0] = (char)octet;
        return 1;
    }
    out[0] = '%';
    out[1] = digits[octet >> 4];
    out[2] = digits[octet & 0xf];
    return 3;
}

/* Decodes `text` and encodes it again. Octets that are no UTF-8 fail: a decoder puts U+FFFD for
 * them, and then different queries would have the same signature. */
static int add_reencoded(struct buffer *out, struct dive_span text)
{
    struct dive_sf_utf8 utf8 = {0};
    char encoded[3];

    while (text.n > 0) {
        uint8_t octet = next_octet(&text);

        if (!dive_sf_utf8_next(&utf8, octet))
            return DIVE_E_SYNTAX;
        buffer_add(out, encoded, encode_octet(octet, encoded));
    }
    return utf8.need == 0 ? out->error : DIVE_E_SYNTAX;
}

/* Is `name`, as it stands in the query, the parameter whose encoded name is `wanted`? One that is
 * no UTF-8 is nobody's. Allocates nothing: a long query is searched once for each component. */
static bool is_named(struct dive_span name, struct dive_span wanted)
{
    struct dive_sf_utf8 utf8 = {0};
    char encoded[3];

    while (name.n > 0) {
        uint8_t octet = next_octet(&name);
        size_t n = encode_octet(octet, encoded);

        if (n > wanted.n || memcmp(encoded, wanted.p, n) != 0 || !dive_sf_utf8_next(&utf8, octet))
            return false;
        wanted = dive_span(wanted.p + n, wanted.n - n);
    }
    return wanted.n == 0 && utf8.need == 0;
}

/* A name that occurs twice can't be signed by itself (RFC 9421 section 2.2.8). */
static int find_query_param(struct dive_span query, struct dive_span wanted,
                            struct dive_span *value)
{
    size_t found = 0;
    struct dive_span pair, name;

    if (query.n > 0) /* its "?" */
        query = dive_span(query.p + 1, query.n - 1);
    while (query.n > 0) {
        (void)span_split(&query, '&', &pair);
        if (pair.n == 0)
            continue;
        (void)span_split(&pair, '=', &name);
        if (!is_named(name, wanted))
            continue;
        if (found++ > 0)
            return DIVE_E_UNSUPPORTED;
        *value = pair;
    }
    return found == 1 ? 0 : DIVE_E_NOT_FOUND;
}

static int add_query_param(struct buffer *out, struct dive_span query, struct dive_span wanted)
{
    int r;
    struct dive_span value = {NULL, 0};

    if (query.n > QUERY_MAX)
        return DIVE_E_LIMIT;
    r = find_query_param(query, wanted, &value);
    return r != 0 ? r : add_reencoded(out, value);
}

/* What comes from the request target has no octet that could forge a line of the base. */
static int add_visible(struct buffer *out, struct dive_span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= 0x20 || text.p[i] >= 0x7f)
            return DIVE_E_SYNTAX;
    }
    buffer_add(out, text.p, text.n);
    return out->error;
}

static int add_target_uri(struct buffer *out, const struct dive_request *request)
{
    int r = add_visible(out, request->scheme);

    if (r != 0)
        return r;
    buffer_add_str(out, "://");
    r = add_visible(out, request->authority);
    if (r != 0)
        return r;
    r = add_visible(out, request->path);
    return r != 0 ? r : add_visible(out, request->query);
}

/* Three digits (section 2.2.9). */
static int add_status(struct buffer *out, int status)
{
    char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                      (char)('0' + status % 10)};

    if (status < 100 || status > 999)
        return DIVE_E_SYNTAX;
    buffer_add(out, digits, sizeof(digits));
    return out->error;
}

int dive_component_derived_value(struct buffer *out, const struct dive_component *component,
                                 const struct dive_request *request,
                                 const struct dive_response *response)
{
    struct dive_span name = component->name;

    if (dive_span_eq(name, "@status"))
        return add_status(out, response->status);
    if (request == NULL)
        return DIVE_E_NOT_FOUND;
    if (dive_span_eq(name, "@method"))
        return add_visible(out, request->method);
    if (dive_span_eq(name, "@target-uri"))
        return add_target_uri(out, request);
    if (dive_span_eq(name, "@authority"))
        return add_visible(out, request->authority);
    if (dive_span_eq(name, "@scheme"))
        return add_visible(out, request->scheme);
    if (dive_span_eq(name, "@request-target"))
        return add_visible(out, request->target);
    if (dive_span_eq(name, "@path"))
        return add_visible(out, request->path);
    if (dive_span_eq(name, "@query")) /* a lone "?" when there is none (section 2.2.7) */
        return add_visible(out, request->query.n > 0 ? request->query : dive_span_str("?"));
    if (dive_span_eq(name, "@query-param") && component->param != NULL)
        return add_query_param(out, request->query, *component->param);
    return DIVE_E_UNSUPPORTED;
}
