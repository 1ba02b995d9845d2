/* SPDX-License-Identifier: BSD-2-Clause
 *
 * head_frame: what the fields of a head mean for the connection: where the content ends (RFC 9112
 * section 6.3), whether another message may follow (9.3), and what Expect and Upgrade ask for. This
 * is where request smuggling is decided, so that every doubt is an error and none is repaired.
 */
#include "http/chars.h"
#include "http/head_parse.h"
#include "http/url.h"
#include "http/writer.h"

/* What one pass over the fields found. */
struct facts {
    const struct dive_span *length;
    const struct dive_span *coding;
    const struct dive_span *host;
    size_t lengths, codings, hosts, upgrades;
    bool expect_continue, expect_other;
    bool close, keep_alive, upgrade; /* Connection options */
};

static int read_connection(struct facts *facts, struct dive_span rest)
{
    struct dive_span option;

    while (http_list_next(&rest, &option)) {
        if (http_is_name(option, "close"))
            facts->close = true;
        else if (http_is_name(option, "keep-alive"))
            facts->keep_alive = true;
        else if (http_is_name(option, "upgrade"))
            facts->upgrade = true;
        else if (!http_all(option, HTTP_CHAR_TOKEN) || http_field_is_end_to_end(option))
            return HTTP_E_CONNECTION;
    }
    return 0;
}

static void read_expect(struct facts *facts, struct dive_span rest)
{
    struct dive_span member;

    while (http_list_next(&rest, &member)) {
        if (http_is_name(member, "100-continue"))
            facts->expect_continue = true;
        else
            facts->expect_other = true;
    }
}

static int read_fields(struct facts *facts, const struct http_head *head)
{
    int r = 0;

    for (size_t i = 0; i < head->n_fields && r == 0; i++) {
        struct dive_span name = head->fields[i].name;
        const struct dive_span *value = &head->fields[i].value;

        /* By length first: most fields are none of these. */
        switch (name.n) {
        case 4:
            if (http_is_name(name, "host")) {
                facts->host = value;
                facts->hosts++;
            }
            break;
        case 6:
            if (http_is_name(name, "expect"))
                read_expect(facts, *value);
            break;
        case 7:
            facts->upgrades += http_is_name(name, "upgrade");
            break;
        case 10:
            if (http_is_name(name, "connection"))
                r = read_connection(facts, *value);
            break;
        case 14:
            if (http_is_name(name, "content-length")) {
                facts->length = value;
                facts->lengths++;
            }
            break;
        case 17:
            if (http_is_name(name, "transfer-encoding")) {
                facts->coding = value;
                facts->codings++;
            }
            break;
        default:
            break;
        }
    }
    return r;
}

/* 1*DIGIT up to 2^63-1. Leading zeros are in the grammar and have one reading. */
static int read_length(int64_t *out, struct dive_span value)
{
    int64_t length = 0;

    if (!http_all(value, HTTP_CHAR_DIGIT))
        return HTTP_E_LENGTH;
    for (size_t i = 0; i < value.n; i++) {
        int digit = value.p[i] - '0';
        if (length > (INT64_MAX - digit) / 10)
            return HTTP_E_LENGTH;
        length = length * 10 + digit;
    }
    *out = length;
    return 0;
}

/* Exactly one "chunked". A list that ends in it and begins with other codings is something that we
 * could be asked for and don't do (501); anything else has no certain end (400, RFC 9112
 * section 6.3). */
static int read_coding(struct dive_span value)
{
    struct dive_span rest = value, member = {NULL, 0}, last = {NULL, 0};
    size_t members = 0, chunked = 0;

    if (http_is_name(value, "chunked"))
        return 0;
    while (http_list_next(&rest, &member)) {
        members++;
        chunked += http_is_name(member, "chunked");
        last = member;
    }
    if (members > 1 && chunked == 1 && http_is_name(last, "chunked"))
        return HTTP_E_CODING_UNKNOWN;
    return HTTP_E_TRANSFER_CODING;
}

static int check_host(const struct facts *facts, const struct http_head *head)
{
    struct http_authority authority;

    if (facts->hosts > 1)
        return HTTP_E_HOST_REPEATED;
    if (facts->hosts == 0)
        return head->minor > 0 ? HTTP_E_HOST_MISSING : 0;
    return http_authority_parse(&authority, *facts->host);
}

/* The rules that hold for both kinds; sets content_length, and *chunked. */
static int read_framing(struct http_head *head, const struct facts *facts, bool *chunked)
{
    int r = 0;

    head->content_length = -1;
    *chunked = facts->codings > 0;
    if (facts->lengths > 1)
        return HTTP_E_LENGTH_REPEATED;
    if (facts->codings > 1)
        return HTTP_E_TRANSFER_CODING;
    if (facts->lengths > 0)
        r = read_length(&head->content_length, *facts->length);
    if (r == 0 && *chunked)
        r = read_coding(*facts->coding);
    if (r != 0)
        return r;
    /* HTTP/1.0 has no transfer codings: a recipient of that age reads the chunks as content. */
    if (*chunked && (facts->lengths > 0 || head->minor == 0))
        return HTTP_E_FRAMING;
    return 0;
}

static int frame_request(struct http_head *head, const struct facts *facts, bool chunked)
{
    int r = check_host(facts, head);
    bool has_content = chunked || head->content_length > 0;

    if (r != 0)
        return r;
    if (has_content &&
        (dive_span_eq(head->method, "TRACE") || dive_span_eq(head->method, "CONNECT")))
        return HTTP_E_CONTENT;
    if (facts->expect_other)
        return HTTP_E_EXPECTATION;
    head->framing = chunked                     ? HTTP_BODY_CHUNKED
                    : head->content_length >= 0 ? HTTP_BODY_LENGTH
                                                : HTTP_BODY_NONE;
    if (dive_span_eq(head->method, "CONNECT"))
        head->framing = HTTP_BODY_NONE;
    head->expects_continue = facts->expect_continue && head->minor > 0 && has_content;
    head->is_upgrade = facts->upgrade && facts->upgrades > 0 && head->minor > 0;
    /* Section 9.3: a proxy doesn't persist with an HTTP/1.0 client. */
    head->keep_alive = head->minor > 0 && !facts->close;
    return 0;
}

static int frame_response(struct http_head *head, const struct facts *facts, bool chunked,
                          struct dive_span request_method)
{
    bool to_connect = dive_span_eq(request_method, "CONNECT") && head->status / 100 == 2;
    bool bare = head->status < 200 || head->status == 204;

    if (bare && !to_connect && (chunked || head->content_length > 0))
        return HTTP_E_CONTENT;
    if (bare || to_connect || head->status == 304 || dive_span_eq(request_method, "HEAD"))
        head->framing = HTTP_BODY_NONE;
    else if (chunked)
        head->framing = HTTP_BODY_CHUNKED;
    else if (head->content_length >= 0)
        head->framing = HTTP_BODY_LENGTH;
    else
        head->framing = HTTP_BODY_UNTIL_CLOSE;
    head->is_upgrade = head->status == 101 && facts->upgrade && facts->upgrades > 0;
    head->keep_alive = head->framing != HTTP_BODY_UNTIL_CLOSE && !facts->close &&
                       (head->minor > 0 || facts->keep_alive);
    return 0;
}

int http_head_frame(struct http_head *head, bool is_request, struct dive_span request_method)
{
    struct facts facts = {0};
    bool chunked = false;
    int r = read_fields(&facts, head);

    if (r == 0)
        r = read_framing(head, &facts, &chunked);
    if (r != 0)
        return r;
    return is_request ? frame_request(head, &facts, chunked)
                      : frame_response(head, &facts, chunked, request_method);
}
