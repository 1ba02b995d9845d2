/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the proxy says of itself: paths and methods, and that the address in it is text only.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "http/html.h"
#include "welcome/welcome.h"

static struct welcome_answer ask(const char *method, const char *path, const char *authority,
                                 bool tls)
{
    struct welcome_request request = {
        .method = dive_span_str(method),
        .path = dive_span_str(path),
        .authority = authority,
        .tls = tls,
        .fingerprint = "",
        .mode = "enforce",
    };
    struct welcome_answer answer;

    cr_assert_eq(welcome_make(&answer, &request), 0);
    return answer;
}

static bool has(const struct welcome_answer *answer, const char *text)
{
    return memmem(answer->body.p, answer->body.n, text, strlen(text)) != NULL;
}

Test(test_welcome, paths_and_methods)
{
    static const struct {
        const char *method, *path;
        int status;
    } row[] = {
        {"GET", "/", 200},           {"HEAD", "/", 200},      {"GET", "/proxy.pac", 200},
        {"GET", "/wpad.dat", 200},   {"GET", "/ca.crt", 404}, /* there is no CA */
        {"GET", "/ca.der", 404},     {"GET", "/x", 404},      {"GET", "", 404},
        {"GET", "/proxy.pac/", 404}, {"POST", "/", 405},      {"get", "/", 405},
        {"CONNECT", "/", 405},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct welcome_answer answer = ask(row[i].method, row[i].path, "h:1", false);

        cr_assert_eq(answer.status, row[i].status, "%s %s", row[i].method, row[i].path);
        cr_assert((answer.status == 200) == (answer.body.n > 0));
        cr_assert((answer.status == 200) == (answer.error == NULL));
        welcome_clear(&answer);
        cr_assert_null(answer.body.p);
    }
}

Test(test_welcome, the_address_is_the_one_that_the_client_used)
{
    static const struct {
        const char *authority, *url, *host, *port;
    } row[] = {
        {"10.0.0.1:3128", "export http_proxy=http://10.0.0.1:3128 ", "proxyHost=10.0.0.1 ",
         "proxyPort=3128\""},
        {"[fd00::1]:3128", "http://[fd00::1]:3128 ", "proxyHost=[fd00::1] ", "proxyPort=3128\""},
        {"[::1]", "http://[::1] ", "proxyHost=[::1] ", "proxyPort=80\""},
        {"name", "http://name ", "proxyHost=name ", "proxyPort=80\""},
    };
    X509 *certificate = X509_new(); /* Java's part stands where there is a CA */

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct welcome_request request = {
            .method = dive_span_str("GET"),
            .path = dive_span_str("/"),
            .authority = row[i].authority,
            .certificate = certificate,
            .fingerprint = "AB:CD",
            .mode = "report-only",
        };
        struct welcome_answer answer;

        cr_assert_eq(welcome_make(&answer, &request), 0);
        cr_assert(has(&answer, row[i].url) && has(&answer, row[i].host) &&
                      has(&answer, row[i].port),
                  "%s", row[i].authority);
        cr_assert(has(&answer, "AB:CD") && has(&answer, "It blocks nothing."));
        cr_assert_not(has(&answer, "@"), "each place is filled in");
        welcome_clear(&answer);
    }
    X509_free(certificate);
}

Test(test_welcome, a_tls_listener_is_named_as_one)
{
    struct welcome_answer answer = ask("GET", "/proxy.pac", "proxy.example:3129", true);

    cr_assert(has(&answer, "return \"HTTPS proxy.example:3129\";"));
    welcome_clear(&answer);
    answer = ask("GET", "/", "proxy.example:3129", true);
    cr_assert(has(&answer, "https_proxy=https://proxy.example:3129"));
    welcome_clear(&answer);
}

Test(test_welcome, text_from_elsewhere_is_text)
{
    struct welcome_answer answer = ask("GET", "/", "<b>\"'&:1", false);
    struct http_buffer b;

    cr_assert_not(has(&answer, "<b>"));
    cr_assert(has(&answer, "&lt;b&gt;&quot;&#39;&amp;:1"));
    welcome_clear(&answer);
    http_buffer_init(&b, 8);
    cr_assert_eq(http_html_text(&b, "1234567"), 0);
    cr_assert_neq(http_html_text(&b, "<"), 0, "its maximum holds");
    http_buffer_clear(&b);
}

Test(test_welcome, the_page_fits_with_the_longest_name)
{
    char authority[300];
    struct welcome_answer answer;

    memset(authority, 'a', 253);
    strcpy(authority + 253, ":65535");
    answer = ask("GET", "/", authority, false);
    cr_assert(has(&answer, authority));
    welcome_clear(&answer);
}
