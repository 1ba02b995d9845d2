/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Via: our name in it, hops, and what is passed on.
 */
#include "http/via.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void parse(struct http_head *head, const char *fields)
{
    struct http_scan scan = {0};
    char text[8192];
    size_t consumed;
    int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);

    cr_assert(n > 0 && (size_t)n < sizeof text);
    cr_assert_eq(
        http_head_parse_request(head, text, (size_t)n, &HTTP_LIMITS_DEFAULT, &scan, &consumed),
        HTTP_DONE, "%s", fields);
}

/* `format` has our name for "%s". */
static bool is_loop(const char *format)
{
    struct http_head head;
    const char *place = strstr(format, "%s");
    char fields[1024];
    bool loop;

    snprintf(fields, sizeof fields, "%.*s%s%s", place ? (int)(place - format) : 0, format,
             place ? http_via_name() : "", place ? place + 2 : format);
    parse(&head, fields);
    loop = http_via_is_loop(&head);
    http_head_clear(&head);
    return loop;
}

Test(http_via, name)
{
    const char *name = http_via_name();

    cr_assert_eq(strlen(name), strlen("dived-00000000"));
    cr_expect_eq(strncmp(name, "dived-", 6), 0);
    cr_expect_eq(strspn(name + 6, "0123456789abcdef"), 8);
    cr_expect_eq(http_via_name(), name);
}

Test(http_via, own_name)
{
    static const char *const loops[] = {
        "Via: 1.1 %s\r\n",    "VIA: 1.0 a, HTTP/1.1 %s, 1.1 b\r\n", "Via: 1.1 a\r\nvia: 1.1 %s\r\n",
        "Via: 1.1 \t %s\r\n", "Via: 1.1 %s (comment)\r\n",          "Via: 1.1 %s(comment)\r\n",
    };
    static const char *const others[] = {
        "",
        "Via: 1.1 other\r\n",
        "Via: %s\r\n",
        "Via: 1.1 x%s\r\n",
        "Via: 1.1 %sx\r\n",
        "Via: 1.1 other (%s)\r\n",
        "Via: 1.1 \"%s\"\r\n",
        "X-Via: 1.1 %s\r\n",
        "Via: 1.1 dived-0000000\r\n",
    };

    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++)
        cr_expect(is_loop(loops[i]), "%s", loops[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_expect_not(is_loop(others[i]), "%s", others[i]);
}

Test(http_via, hops)
{
    for (int hops = HTTP_VIA_HOPS_MAX; hops <= HTTP_VIA_HOPS_MAX + 1; hops++) {
        struct http_head head;
        char fields[2048] = "Via: 1.1 a";

        for (int i = 1; i < hops; i++)
            strcat(fields, i == 5 ? "\r\nVia: 1.1 b" : ",1.1 c");
        strcat(fields, "\r\n");
        parse(&head, fields);
        cr_expect_eq(http_via_is_loop(&head), hops > HTTP_VIA_HOPS_MAX, "%d hops", hops);
        http_head_clear(&head);
    }
}

Test(http_via, received)
{
    static const struct {
        const char *fields, *joined;
    } cases[] = {{"", ""},
                 {"Via: 1.1 a\r\n", "1.1 a"},
                 {"Via: 1.1 a, 1.0 b (c)\r\nX: y\r\nvia: 1.1 d\r\n", "1.1 a, 1.0 b (c), 1.1 d"},
                 {"Via:\r\nVia: 1.1 d\r\n", "1.1 d"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        char *joined;

        parse(&head, cases[i].fields);
        joined = http_via_received(&head);
        cr_expect_str_eq(joined, cases[i].joined);
        free(joined);
        http_head_clear(&head);
    }
}
