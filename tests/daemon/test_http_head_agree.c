/* SPDX-License-Identifier: BSD-2-Clause
 *
 * http_head_agree: that the second reading of a head is more than a formality.
 */
#include <criterion/criterion.h>

#include "http/head_parse.h"

static void must_parse(struct http_head *head, const char *method, const char *bytes)
{
    struct http_limits most = HTTP_LIMITS_DEFAULT;
    struct http_scan scan = {0};
    size_t consumed = 0, n = strlen(bytes);
    int r = method == NULL ? http_head_parse_request(head, bytes, n, &most, &scan, &consumed)
                           : http_head_parse_response(head, bytes, n, dive_span_str(method), &most,
                                                      &scan, &consumed);

    cr_assert_eq(r, HTTP_DONE, "%s", bytes);
}

/* The second reader must notice whatever the first could have got wrong: each kind of mistake is
 * made on purpose here. */
enum mistake {
    NONE,
    TARGET,
    REASON,
    STATUS,
    MINOR,
    NAME,
    VALUE,
    LINE_LOST,
    LINE_MORE,
    LENGTH,
    LENGTH_LOST,
    CHUNKS_LOST,
    MISTAKES,
};

static bool make_mistake(struct http_head *head, enum mistake mistake)
{
    switch (mistake) {
    case TARGET:
        return head->target.n > 0 && head->target.n-- > 0;
    case REASON:
        return head->reason.n > 0 && head->reason.n-- > 0;
    case STATUS:
        return head->status > 0 && head->status++ > 0;
    case MINOR:
        head->minor = 0;
        return true;
    case NAME:
        head->fields[1].name.n--;
        return true;
    case VALUE:
        head->fields[1].value.p--;
        return true;
    case LINE_LOST:
        head->n_fields--;
        return true;
    case LINE_MORE:
        head->fields[head->n_fields++] = head->fields[0];
        return true;
    case LENGTH:
        return head->content_length > 0 && head->content_length++ > 0;
    case LENGTH_LOST:
        return head->content_length > 0 && (head->content_length = -1) < 0;
    case CHUNKS_LOST:
        if (head->framing != HTTP_BODY_CHUNKED)
            return false;
        head->framing = HTTP_BODY_UNTIL_CLOSE;
        return true;
    default:
        return true;
    }
}

Test(http_head_agree, second_reader_notices)
{
    static const char *const heads[][2] = {
        {NULL, "PUT /a HTTP/1.1\r\nHost: a\r\nX: bc\r\nContent-Length: 5\r\n\r\n"},
        {NULL, "FROB /a HTTP/1.1\r\nHost: a\r\nX: bc\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {"GET", "HTTP/1.1 200 OK\r\nX: y\r\nX: bc\r\nContent-Length: 5\r\n\r\n"},
        {"GET", "HTTP/1.1 200 OK\r\nX: y\r\nX: bc\r\nTransfer-Encoding: chunked\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        for (enum mistake mistake = NONE; mistake < MISTAKES; mistake++) {
            struct http_head head;
            struct dive_field fields[8];
            must_parse(&head, heads[i][0], heads[i][1]);
            const char *bytes =
                heads[i][0] == NULL ? head.method.p : head.reason.p - strlen("HTTP/1.1 200 ");
            memcpy(fields, head.fields, head.n_fields * sizeof(fields[0]));
            head.fields = fields;
            if (make_mistake(&head, mistake))
                cr_expect_eq(
                    http_head_agree(&head, heads[i][0] == NULL, bytes, strlen(heads[i][1])),
                    mistake == NONE ? 0 : HTTP_E_DISAGREE, "%s, %d", heads[i][1], mistake);
            http_head_clear(&head);
        }
    }
}
