/* SPDX-License-Identifier: BSD-2-Clause
 *
 * head: drives the stages of head_parse.h, splits lines, and answers questions about fields. A
 * parsed head is one allocation: the field table, then the bytes that its spans point into.
 */
#include <stdlib.h>

#include "http/chars.h"
#include "http/head_parse.h"

/* "HTTP/1.0" or "HTTP/1.1", 8 bytes. */
static int parse_version(struct http_head *out, const char *p)
{
    if (memcmp(p, "HTTP/", 5) != 0 || !http_is(p[5], HTTP_CHAR_DIGIT) || p[6] != '.' ||
        !http_is(p[7], HTTP_CHAR_DIGIT))
        return HTTP_E_START_LINE;
    if (p[5] != '1' || p[7] > '1')
        return HTTP_E_VERSION;
    out->minor = p[7] - '0';
    return 0;
}

static int parse_request_line(struct http_head *out, const char *p, const char *end,
                              const struct http_limits *limits)
{
    const char *space = memchr(p, ' ', (size_t)(end - p));

    if (space == NULL)
        return HTTP_E_START_LINE;
    out->method = dive_span(p, (size_t)(space - p));
    if (out->method.n > HTTP_METHOD_MAX || !http_all(out->method, HTTP_CHAR_TOKEN))
        return HTTP_E_METHOD;
    p = space + 1;
    space = memchr(p, ' ', (size_t)(end - p));
    if (space == NULL || end - space != 1 + 8)
        return HTTP_E_START_LINE;
    out->target = dive_span(p, (size_t)(space - p));
    if (out->target.n > limits->target)
        return HTTP_E_TARGET_TOO_LONG;
    if (!http_all(out->target, HTTP_CHAR_VCHAR))
        return HTTP_E_TARGET;
    return parse_version(out, space + 1);
}

/* RFC 9112 section 4: the space before an empty reason phrase is often left out, and harmless. */
static int parse_status_line(struct http_head *out, const char *p, const char *end)
{
    int r = HTTP_E_INTERNAL;

    if (end - p < 9 || p[8] != ' ')
        return HTTP_E_START_LINE;
    r = parse_version(out, p);
    if (r != 0)
        return r;
    p += 9;
    if (end - p < 3 || !http_all(dive_span(p, 3), HTTP_CHAR_DIGIT) || p[0] < '1' || p[0] > '5')
        return HTTP_E_STATUS;
    out->status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    p += 3;
    if (p < end && *p++ != ' ')
        return HTTP_E_STATUS;
    out->reason = dive_span(p, (size_t)(end - p));
    return 0;
}

static int parse_field_line(struct dive_field *field, const char *p, const char *end)
{
    const char *name = p;

    if (*p == ' ' || *p == '\t')
        return HTTP_E_FOLD;
    while (p < end && http_is(*p, HTTP_CHAR_TOKEN))
        p++;
    if (p == name || p == end || *p != ':')
        return HTTP_E_FIELD_NAME;
    field->name = dive_span(name, (size_t)(p - name));
    field->value = http_trim(dive_span(p + 1, (size_t)(end - (p + 1))));
    return 0;
}

/* The bytes have passed http_scan_head(): every CR is the first half of a line end. */
static int parse_lines(struct http_head *out, bool is_request, const char *bytes, size_t n,
                       const struct http_limits *limits)
{
    const char *p = bytes, *last = bytes + n - 2; /* the empty line */
    const char *end = memchr(p, '\r', n);
    int r = is_request ? parse_request_line(out, p, end, limits) : parse_status_line(out, p, end);

    for (p = end + 2; r == 0 && p < last; p = end + 2) {
        end = memchr(p, '\r', (size_t)(last - p));
        r = parse_field_line(&out->fields[out->n_fields], p, end);
        if (r == 0)
            out->n_fields++;
    }
    return r;
}

/* They must not be there, a Content-Length of 0 often is, and neither may be passed on. */
static void drop_meaningless(struct http_head *head, struct dive_span request_method)
{
    bool to_connect = dive_span_eq(request_method, "CONNECT") && head->status / 100 == 2;

    if (!to_connect && head->status >= 200 && head->status != 204)
        return;
    http_head_remove(head, "content-length");
    http_head_remove(head, "transfer-encoding");
    head->content_length = -1;
}

static int parse(struct http_head *out, bool is_request, const char *buf, size_t n,
                 struct dive_span request_method, const struct http_limits *limits,
                 struct http_scan *resume, size_t *consumed)
{
    size_t end = 0;
    int r = HTTP_E_INTERNAL;

    memset(out, 0, sizeof(*out));
    *consumed = 0;
    r = http_scan_head(buf, n, is_request, limits, resume, &end);
    if (r != HTTP_DONE)
        return r;

    size_t table = (resume->lines - 1) * sizeof(struct dive_field), length = end - resume->skipped;
    out->n_bytes = table + length;
    out->bytes = malloc(out->n_bytes);
    if (out->bytes == NULL) {
        r = HTTP_E_NOMEM;
        goto out;
    }
    char *bytes = out->bytes + table;
    memcpy(bytes, buf + resume->skipped, length);
    out->fields = (struct dive_field *)(void *)out->bytes;
    r = parse_lines(out, is_request, bytes, length, limits);
    if (r != 0)
        goto out;
    r = http_head_frame(out, is_request, is_request ? out->method : request_method);
    if (r != 0)
        goto out;
    r = http_head_agree(out, is_request, bytes, length);
    if (r != 0)
        goto out;
    if (!is_request)
        drop_meaningless(out, request_method);
    *consumed = end;
    r = HTTP_DONE;
out:
    if (r != HTTP_DONE)
        http_head_clear(out);
    return r;
}

int http_head_parse_request(struct http_head *out, const char *buf, size_t n,
                            const struct http_limits *limits, struct http_scan *resume,
                            size_t *consumed)
{
    return parse(out, true, buf, n, dive_span(NULL, 0), limits, resume, consumed);
}

int http_head_parse_response(struct http_head *out, const char *buf, size_t n,
                             struct dive_span request_method, const struct http_limits *limits,
                             struct http_scan *resume, size_t *consumed)
{
    return parse(out, false, buf, n, request_method, limits, resume, consumed);
}

void http_head_clear(struct http_head *head)
{
    free(head->bytes);
    memset(head, 0, sizeof(*head));
}

static void move_span(struct dive_span *span, const char *from, char *to)
{
    if (span->p != NULL)
        span->p = to + (span->p - from);
}

int http_head_copy(struct http_head *out, const struct http_head *head)
{
    char *bytes = NULL;

    memset(out, 0, sizeof(*out));
    if (head->bytes == NULL) {
        *out = *head;
        return 0;
    }
    bytes = malloc(head->n_bytes);
    if (bytes == NULL)
        return HTTP_E_NOMEM;
    memcpy(bytes, head->bytes, head->n_bytes);
    *out = *head;
    out->bytes = bytes;
    out->fields = (struct dive_field *)(void *)bytes;
    move_span(&out->method, head->bytes, bytes);
    move_span(&out->target, head->bytes, bytes);
    move_span(&out->reason, head->bytes, bytes);
    for (size_t i = 0; i < out->n_fields; i++) {
        move_span(&out->fields[i].name, head->bytes, bytes);
        move_span(&out->fields[i].value, head->bytes, bytes);
    }
    return 0;
}

static char *put(struct dive_span *out, struct dive_span in, char *p)
{
    if (in.n > 0)
        memcpy(p, in.p, in.n);
    *out = dive_span(p, in.n);
    return p + in.n;
}

int http_head_with_fields(struct http_head *out, const struct http_head *from,
                          const struct dive_field *fields, size_t n)
{
    size_t length = n * sizeof(*fields) + from->method.n + from->target.n + from->reason.n + 1;
    char *bytes = NULL, *p = NULL;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < n; i++)
        length += fields[i].name.n + fields[i].value.n;
    bytes = malloc(length);
    if (bytes == NULL)
        return HTTP_E_NOMEM;
    *out = *from;
    out->bytes = bytes;
    out->n_bytes = length;
    out->fields = (struct dive_field *)(void *)bytes;
    out->n_fields = n;
    p = put(&out->method, from->method, bytes + n * sizeof(*fields));
    p = put(&out->target, from->target, p);
    p = put(&out->reason, from->reason, p);
    for (size_t i = 0; i < n; i++) {
        p = put(&out->fields[i].name, fields[i].name, p);
        p = put(&out->fields[i].value, fields[i].value, p);
    }
    return 0;
}

/* For names given by callers, in any case. */
static bool is_named(const struct dive_field *field, const char *name, size_t n)
{
    if (field->name.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (http_lower(field->name.p[i]) != http_lower(name[i]))
            return false;
    }
    return true;
}

const struct dive_span *http_field_get(const struct http_head *head, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < head->n_fields; i++) {
        if (is_named(&head->fields[i], name, n))
            return &head->fields[i].value;
    }
    return NULL;
}

size_t http_field_count(const struct http_head *head, const char *name)
{
    size_t n = strlen(name), count = 0;

    for (size_t i = 0; i < head->n_fields; i++)
        count += is_named(&head->fields[i], name, n);
    return count;
}

size_t http_head_remove(struct http_head *head, const char *name)
{
    size_t n = strlen(name), kept = 0, before = head->n_fields;

    for (size_t i = 0; i < before; i++) {
        if (!is_named(&head->fields[i], name, n))
            head->fields[kept++] = head->fields[i];
    }
    head->n_fields = kept;
    return before - kept;
}

void http_head_remove_secret(struct http_head *head, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < head->n_fields; i++) {
        struct dive_span value = head->fields[i].value;

        /* Values lie in the head's own memory. */
        if (is_named(&head->fields[i], name, n))
            explicit_bzero(head->bytes + (value.p - head->bytes), value.n);
    }
    (void)http_head_remove(head, name);
}

bool http_field_has_token(const struct http_head *head, const char *name, const char *token)
{
    struct dive_field wanted = {.name = dive_span_str(token)};
    size_t n = strlen(name);

    for (size_t i = 0; i < head->n_fields; i++) {
        struct dive_span rest = head->fields[i].value, member;
        if (!is_named(&head->fields[i], name, n))
            continue;
        while (http_list_next(&rest, &member)) {
            if (is_named(&wanted, member.p, member.n))
                return true;
        }
    }
    return false;
}

bool http_list_next(struct dive_span *rest, struct dive_span *member)
{
    while (rest->n > 0) {
        size_t i = 0;
        bool quoted = false;
        for (; i < rest->n && (quoted || rest->p[i] != ','); i++) {
            if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
                i++;
            else if (rest->p[i] == '"')
                quoted = !quoted;
        }
        *member = http_trim(dive_span(rest->p, i));
        size_t used = i < rest->n ? i + 1 : i;
        rest->p += used;
        rest->n -= used;
        if (member->n > 0)
            return true;
    }
    *member = dive_span(NULL, 0);
    return false;
}
