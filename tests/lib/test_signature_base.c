/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The signature base: the examples of RFC 9421 sections 2.1 to 2.4, and what can't be in a
 * response.
 */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "lib/signature_base.h"

#define S(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct dive_field response_lines[] = {
    {S("Content-Type"), S("application/json")},
    {S("Content-Digest"), S("sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=: , md5=:AA==:")},
    {S("X-OWS-Header"), S("   Leading and trailing whitespace.   \t")},
    {S("X-Obs-Fold-Header"), S("Obsolete\r\n    line folding.")},
    {S("Cache-Control"), S("max-age=60")},
    {S("Example-Dict"), S("  a=1,    b=2;x=1;y=2,   c=(a   b    c), d")},
    {S("cache-control"), S("    must-revalidate")},
    {S("Example-Header"), S("value, with, lots")},
    {S("X-Empty-Header"), S("")},
    {S("EXAMPLE-HEADER"), S("of, commas")},
    {S("Priority"), S("u=3 ,  i")},
    {S("Broken-Dict"), S("a=1,")},
    {S("Cache-Status"), S("dived;hit=?1 ;  ttl=10")},
    {S("Proxy-Status"), S("\"unterminated")},
    {S("X-Latin"), S("caf\xe9")},
    {S("X-Newline"), S("a\nb")},
    {S("X-CRLF"), S("a\r\n\"@status\": 200")},
    {S("X-NUL"), {"a\0b", 3}},
    {S("X-Control"), S("a\x01")},
    {S("X-Tab"), S("a\tb  c")},
    {S("Signature"), S("sigA=:AQID:, b=:BA==:")},
};
static const struct dive_field request_lines[] = {
    {S("Content-Digest"), S("sha-256=:AAAA:")},
    {S("X-Only-In-Request"), S("yes")},
    {S("Accept"), S("text/html;  q=0.5,*/*")},
};
static const struct dive_request request = {
    .method = S("POST"),
    .scheme = S("https"),
    .authority = S("www.example.com"),
    .path = S("/path"),
    .query = S("?param=value&foo=bar&baz=batman&qux="),
    .target = S("/path?param=value&foo=bar&baz=batman&qux="),
    .fields = {request_lines, sizeof(request_lines) / sizeof(request_lines[0])},
};
static const struct dive_response response = {
    .status = 200,
    .has_content = true,
    .fields = {response_lines, sizeof(response_lines) / sizeof(response_lines[0])},
};

/* The base for `components` (what stands between the parentheses) into `out`. */
static int base_of(const char *components, const struct dive_request *req,
                   const struct dive_response *resp, char *out, size_t size)
{
    static char field[65536];
    struct dive_sf *sf = NULL;
    char *base = NULL;
    size_t len = 99;
    int r;

    snprintf(field, sizeof(field), "a=(%s);keyid=\"k\"", components);
    r = dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str(field), 0, NULL);
    cr_assert_eq(r, 0, "%.200s", components);
    r = dive_signature_base(&sf->members[0], req, resp, &base, &len);
    if (r == 0) {
        cr_assert_eq(strlen(base), len);
        cr_assert_lt(len, size);
        memcpy(out, base, len + 1);
    } else {
        cr_expect_null(base);
        cr_expect_eq(len, 0);
        out[0] = '\0';
    }
    free(base);
    dive_sf_free(&sf);
    return r;
}

/* One component's line is `identifier: value`. */
static void expect_value(const char *identifier, const char *value)
{
    char base[4096], expected[4096];

    snprintf(expected, sizeof(expected), "%s: %s\n\"@signature-params\": (%s);keyid=\"k\"",
             identifier, value, identifier);
    cr_expect_eq(base_of(identifier, &request, &response, base, sizeof(base)), 0, "%s", identifier);
    cr_expect_str_eq(base, expected);
}

static void expect_failure(const char *components, int error)
{
    char base[4096];

    cr_expect_eq(base_of(components, &request, &response, base, sizeof(base)), error, "%s",
                 components);
}

static void expect_query_param(const char *query, const char *identifier, const char *value)
{
    struct dive_request req = request;
    char base[4096], expected[4096];

    req.query = dive_span_str(query);
    snprintf(expected, sizeof(expected), "%s: %s\n\"@signature-params\": (%s);keyid=\"k\"",
             identifier, value, identifier);
    cr_expect_eq(base_of(identifier, &req, &response, base, sizeof(base)), 0, "%s in %s",
                 identifier, query);
    cr_expect_str_eq(base, expected);
}

static int query_param_error(const char *query, const char *identifier)
{
    struct dive_request req = request;
    char base[4096];

    req.query = dive_span_str(query);
    return base_of(identifier, &req, &response, base, sizeof(base));
}

Test(signature_base, lines_come_in_the_order_of_the_components_and_the_parameters_last)
{
    char base[4096];

    cr_assert_eq(base_of("\"@status\" \"content-type\" \"@authority\";req \"@method\";req "
                         "\"@path\";req \"content-digest\";req",
                         &request, &response, base, sizeof(base)),
                 0);
    cr_expect_str_eq(base, "\"@status\": 200\n"
                           "\"content-type\": application/json\n"
                           "\"@authority\";req: www.example.com\n"
                           "\"@method\";req: POST\n"
                           "\"@path\";req: /path\n"
                           "\"content-digest\";req: sha-256=:AAAA:\n"
                           "\"@signature-params\": (\"@status\" \"content-type\" "
                           "\"@authority\";req \"@method\";req \"@path\";req "
                           "\"content-digest\";req);keyid=\"k\"");
}

Test(signature_base, no_component_leaves_the_parameters_alone)
{
    char base[256];

    cr_assert_eq(base_of("", NULL, &response, base, sizeof(base)), 0);
    cr_expect_str_eq(base, "\"@signature-params\": ();keyid=\"k\"");
}

Test(signature_base, the_parameters_are_serialised_strictly_in_their_order)
{
    struct dive_sf *sf = NULL;
    char *base = NULL;
    size_t len;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY,
                               dive_span_str("a=(  \"@status\"  );  created=17 ; x;y=?1"
                                             ";alg=\"ed25519\"; keyid=\"a\\\"b\";z=1.50"),
                               0, NULL),
                 DIVE_E_SYNTAX); /* no space before ";" */
    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY,
                               dive_span_str("a=(  \"@status\"  );  created=17; x;y=?1"
                                             ";alg=\"ed25519\"; keyid=\"a\\\"b\";z=1.50"),
                               0, NULL),
                 0);
    cr_assert_eq(dive_signature_base(&sf->members[0], NULL, &response, &base, &len), 0);
    cr_expect_str_eq(base, "\"@status\": 200\n\"@signature-params\": (\"@status\")"
                           ";created=17;x;y;alg=\"ed25519\";keyid=\"a\\\"b\";z=1.5");
    free(base);
    dive_sf_free(&sf);
}

Test(signature_base, field_lines_are_trimmed_unfolded_and_joined)
{
    expect_value("\"x-ows-header\"", "Leading and trailing whitespace.");
    expect_value("\"x-obs-fold-header\"", "Obsolete line folding.");
    expect_value("\"cache-control\"", "max-age=60, must-revalidate");
    expect_value("\"example-dict\"", "a=1,    b=2;x=1;y=2,   c=(a   b    c), d");
    expect_value("\"x-empty-header\"", "");
    expect_value("\"x-tab\"", "a\tb  c");
}

Test(signature_base, obsolete_folds_in_every_form)
{
    static const struct {
        const char *value, *expected;
    } rows[] = {
        {"a\r\n b", "a b"},
        {"a \t \r\n\t \tb", "a b"},
        {"a\r\n b\r\n c", "a b c"},
        {"a  b", "a  b"},
        {"a\r\nb", NULL},
        {"a\r\n", NULL},
        {"a\r b", NULL},
        {"a\n b", NULL},
        {"\r\n a", " a"},
    };
    char base[256], expected[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dive_field line = {S("F"), dive_span_str(rows[i].value)};
        struct dive_response resp = {.status = 200, .fields = {&line, 1}};
        int r = base_of("\"f\"", NULL, &resp, base, sizeof(base));

        if (rows[i].expected == NULL) {
            cr_expect_eq(r, DIVE_E_SYNTAX, "row %zu", i);
            continue;
        }
        cr_expect_eq(r, 0, "row %zu", i);
        snprintf(expected, sizeof(expected),
                 "\"f\": %s\n\"@signature-params\": (\"f\");keyid=\"k\"", rows[i].expected);
        cr_expect_str_eq(base, expected);
    }
}

Test(signature_base, no_field_value_can_forge_a_line)
{
    expect_failure("\"x-newline\"", DIVE_E_SYNTAX);
    expect_failure("\"x-crlf\"", DIVE_E_SYNTAX);
    expect_failure("\"x-nul\"", DIVE_E_SYNTAX);
    expect_failure("\"x-control\"", DIVE_E_SYNTAX);
    expect_failure("\"x-newline\";bs", DIVE_E_SYNTAX);
    expect_failure("\"x-crlf\";bs", DIVE_E_SYNTAX);
}

Test(signature_base, octets_beyond_ascii_need_bs)
{
    expect_failure("\"x-latin\"", DIVE_E_SYNTAX);
    expect_value("\"x-latin\";bs", ":Y2Fm6Q==:");
}

Test(signature_base, bs_wraps_each_line_by_itself)
{
    expect_value("\"example-header\"", "value, with, lots, of, commas");
    expect_value("\"example-header\";bs", ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:");
    expect_value("\"x-empty-header\";bs", "::");
    expect_value("\"x-obs-fold-header\";bs", ":T2Jzb2xldGUgbGluZSBmb2xkaW5nLg==:");
    expect_value("\"content-type\";bs", ":YXBwbGljYXRpb24vanNvbg==:");
}

Test(signature_base, key_takes_one_member_of_a_dictionary)
{
    expect_value("\"example-dict\";key=\"a\"", "1");
    expect_value("\"example-dict\";key=\"d\"", "?1");
    expect_value("\"example-dict\";key=\"b\"", "2;x=1;y=2");
    expect_value("\"example-dict\";key=\"c\"", "(a b c)");
    expect_value("\"content-digest\";key=\"md5\"", ":AA==:");
    expect_value("\"cache-control\";key=\"max-age\"", "60");
    expect_value("\"signature\";key=\"sigA\"", ":AQID:");
    expect_value("\"priority\";sf;key=\"u\"", "3");
    expect_failure("\"example-dict\";key=\"e\"", DIVE_E_NOT_FOUND);
    expect_failure("\"example-dict\";key=\"\"", DIVE_E_NOT_FOUND);
    expect_failure("\"example-dict\";key=\"A\"", DIVE_E_NOT_FOUND);
    expect_failure("\"absent\";key=\"a\"", DIVE_E_NOT_FOUND);
    expect_failure("\"broken-dict\";key=\"a\"", DIVE_E_SYNTAX);
    expect_failure("\"cache-status\";key=\"dived\"", DIVE_E_UNSUPPORTED); /* a list */
    expect_failure("\"example-dict\";key=a", DIVE_E_UNSUPPORTED);
    expect_failure("\"example-dict\";key", DIVE_E_UNSUPPORTED);
}

Test(signature_base, sf_serialises_fields_of_known_type_strictly)
{
    expect_value("\"content-digest\";sf",
                 "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:, md5=:AA==:");
    expect_value("\"priority\";sf", "u=3, i");
    expect_value("\"cache-control\";sf", "max-age=60, must-revalidate");
    expect_value("\"content-type\";sf", "application/json");
    expect_value("\"accept\";sf;req", "text/html;q=0.5, */*");
    expect_failure("\"cache-status\";sf", DIVE_E_SYNTAX); /* white space before ";" */
    expect_failure("\"proxy-status\";sf", DIVE_E_SYNTAX);
    expect_failure("\"example-dict\";sf", DIVE_E_UNSUPPORTED);
    expect_failure("\"x-empty-header\";sf", DIVE_E_UNSUPPORTED);
    expect_failure("\"repr-digest\";sf", DIVE_E_NOT_FOUND);
    expect_failure("\"signature\";sf", DIVE_E_TYPE); /* labels in upper case */
}

Test(signature_base, an_absent_field_fails)
{
    expect_failure("\"absent\"", DIVE_E_NOT_FOUND);
    expect_failure("\"absent\";bs", DIVE_E_NOT_FOUND);
    expect_failure("\"content-type\";req", DIVE_E_NOT_FOUND);
    expect_failure("\"x-only-in-request\"", DIVE_E_NOT_FOUND);
    expect_failure("\"content\"", DIVE_E_NOT_FOUND);
    expect_failure("\"content-type-\"", DIVE_E_NOT_FOUND);
    expect_value("\"x-only-in-request\";req", "yes");
}

Test(signature_base, parameters_of_a_component_come_in_any_order)
{
    expect_value("\"content-digest\";req;sf", "sha-256=:AAAA:");
    expect_value("\"content-digest\";sf;req", "sha-256=:AAAA:");
    expect_value("\"content-digest\";key=\"sha-256\";req", ":AAAA:");
    expect_value("\"content-digest\";req;key=\"sha-256\"", ":AAAA:");
    expect_value("\"x-only-in-request\";bs;req", ":eWVz:");
    expect_value("\"@query-param\";name=\"foo\";req", "bar");
    expect_value("\"@query-param\";req;name=\"foo\"", "bar");
}

Test(signature_base, the_derived_components)
{
    expect_value("\"@status\"", "200");
    expect_value("\"@method\";req", "POST");
    expect_value("\"@target-uri\";req",
                 "https://www.example.com/path?param=value&foo=bar&baz=batman&qux=");
    expect_value("\"@authority\";req", "www.example.com");
    expect_value("\"@scheme\";req", "https");
    expect_value("\"@request-target\";req", "/path?param=value&foo=bar&baz=batman&qux=");
    expect_value("\"@path\";req", "/path");
    expect_value("\"@query\";req", "?param=value&foo=bar&baz=batman&qux=");
}

Test(signature_base, a_target_without_a_query_has_a_lone_question_mark)
{
    struct dive_request req = request;
    char base[512];

    req.query = dive_span("", 0);
    cr_assert_eq(base_of("\"@query\";req \"@target-uri\";req", &req, &response, base, sizeof(base)),
                 0);
    cr_expect_str_eq(base, "\"@query\";req: ?\n"
                           "\"@target-uri\";req: https://www.example.com/path\n"
                           "\"@signature-params\": (\"@query\";req \"@target-uri\";req)"
                           ";keyid=\"k\"");
    expect_query_param("?", "\"@query\";req", "?");
}

Test(signature_base, a_component_of_the_request_needs_req_and_status_has_none)
{
    static const char *const of_request[] = {
        "@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query",
    };
    char component[64];

    for (size_t i = 0; i < sizeof(of_request) / sizeof(of_request[0]); i++) {
        snprintf(component, sizeof(component), "\"%s\"", of_request[i]);
        expect_failure(component, DIVE_E_UNSUPPORTED);
    }
    expect_failure("\"@query-param\";name=\"foo\"", DIVE_E_UNSUPPORTED);
    expect_failure("\"@status\";req", DIVE_E_UNSUPPORTED);
}

Test(signature_base, req_without_a_request_fails)
{
    char base[256];

    cr_expect_eq(base_of("\"@method\";req", NULL, &response, base, sizeof(base)), DIVE_E_NOT_FOUND);
    cr_expect_eq(base_of("\"accept\";req", NULL, &response, base, sizeof(base)), DIVE_E_NOT_FOUND);
    cr_expect_eq(base_of("\"@status\"", NULL, &response, base, sizeof(base)), 0);
}

Test(signature_base, unknown_and_contradictory_identifiers_fail)
{
    static const char *const components[] = {
        "\"@unknown\"",
        "\"@unknown\";req",
        "\"@\"",
        "\"@signature-params\"",
        "\"@signature-params\";req",
        "\"@STATUS\"",
        "\"@request-response\";key=\"a\"",
        "\"content-type\";tr",
        "\"content-type\";tr;req",
        "\"@status\";tr",
        "\"content-type\";x",
        "\"content-type\";sf;bs",
        "\"content-type\";bs;sf",
        "\"example-dict\";key=\"a\";bs",
        "\"example-dict\";bs;key=\"a\"",
        "\"content-type\";name=\"a\"",
        "\"@status\";sf",
        "\"@status\";bs",
        "\"@status\";key=\"a\"",
        "\"@method\";req;name=\"a\"",
        "\"@query-param\";req",
        "\"@query-param\";req;name=foo",
        "\"content-type\";req=?0",
        "\"content-type\";bs=?0",
        "\"priority\";sf=1",
        "\"accept\";req=\"?1\"",
        "\"Content-Type\"",
        "\"\"",
    };

    for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++)
        expect_failure(components[i], DIVE_E_UNSUPPORTED);
    expect_failure("content-type", DIVE_E_TYPE);
    expect_failure("1", DIVE_E_TYPE);
}

Test(signature_base, a_component_listed_twice_fails)
{
    char base[1024];

    expect_failure("\"content-type\" \"@status\" \"content-type\"", DIVE_E_UNSUPPORTED);
    expect_failure("\"content-digest\";sf;req \"content-digest\";req;sf", DIVE_E_UNSUPPORTED);
    expect_failure("\"@query-param\";req;name=\"foo\" \"@query-param\";name=\"foo\";req",
                   DIVE_E_UNSUPPORTED);
    cr_expect_eq(base_of("\"@query-param\";req;name=\"foo\" \"@query-param\";name=\"baz\";req "
                         "\"content-digest\" \"content-digest\";sf \"content-digest\";req",
                         &request, &response, base, sizeof(base)),
                 0);
}

Test(signature_base, query_parameters_are_decoded_and_encoded_again)
{
    const char *query = "?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace"
                        "&fa%C3%A7ade%22%3A%20=something";

    expect_query_param(query, "\"@query-param\";name=\"var\";req",
                       "this%20is%20a%20big%0Amultiline%20value");
    expect_query_param(query, "\"@query-param\";name=\"bar\";req", "with%20plus%20whitespace");
    expect_query_param(query, "\"@query-param\";name=\"fa%C3%A7ade%22%3A%20\";req", "something");
    expect_query_param("?a=A-z*._~!%7e", "\"@query-param\";name=\"a\";req", "A-z*._%7E%21%7E");
    expect_query_param("?a=%zz%4&b=%4", "\"@query-param\";name=\"a\";req", "%25zz%254");
    expect_query_param("?%61%2D=1", "\"@query-param\";name=\"a-\";req", "1");
    expect_query_param("?a=b=c", "\"@query-param\";name=\"a\";req", "b%3Dc");
    expect_query_param("?a%20b=1&a=2", "\"@query-param\";name=\"a%20b\";req", "1");
    expect_query_param("?a=\xc3\xa7", "\"@query-param\";name=\"a\";req", "%C3%A7");
}

Test(signature_base, empty_names_and_values_of_query_parameters)
{
    expect_query_param("?a=1&qux=", "\"@query-param\";name=\"qux\";req", "");
    expect_query_param("?a=1&qux", "\"@query-param\";name=\"qux\";req", "");
    expect_query_param("?&&a=1&", "\"@query-param\";name=\"a\";req", "1");
    expect_query_param("?=x&a=1", "\"@query-param\";name=\"\";req", "x");
    cr_expect_eq(query_param_error("?&&a=1", "\"@query-param\";name=\"\";req"), DIVE_E_NOT_FOUND);
    cr_expect_eq(query_param_error("?", "\"@query-param\";name=\"\";req"), DIVE_E_NOT_FOUND);
    cr_expect_eq(query_param_error("", "\"@query-param\";name=\"a\";req"), DIVE_E_NOT_FOUND);
}

Test(signature_base, an_absent_or_repeated_query_parameter_fails)
{
    cr_expect_eq(query_param_error("?a=1", "\"@query-param\";name=\"b\";req"), DIVE_E_NOT_FOUND);
    cr_expect_eq(query_param_error("?a=1", "\"@query-param\";name=\"A\";req"), DIVE_E_NOT_FOUND);
    cr_expect_eq(query_param_error("?ab=1", "\"@query-param\";name=\"a\";req"), DIVE_E_NOT_FOUND);
    cr_expect_eq(query_param_error("?a=1", "\"@query-param\";name=\"ab\";req"), DIVE_E_NOT_FOUND);
    cr_expect_eq(query_param_error("?a+b=1", "\"@query-param\";name=\"a b\";req"),
                 DIVE_E_NOT_FOUND); /* not in the encoded form */
    cr_expect_eq(query_param_error("?a=1&b=2&a=1", "\"@query-param\";name=\"a\";req"),
                 DIVE_E_UNSUPPORTED);
    cr_expect_eq(query_param_error("?a=1&%61=1", "\"@query-param\";name=\"a\";req"),
                 DIVE_E_UNSUPPORTED);
}

Test(signature_base, a_query_parameter_that_is_no_utf8_fails)
{
    cr_expect_eq(query_param_error("?a=%FF", "\"@query-param\";name=\"a\";req"), DIVE_E_SYNTAX);
    cr_expect_eq(query_param_error("?a=%C3", "\"@query-param\";name=\"a\";req"), DIVE_E_SYNTAX);
    cr_expect_eq(query_param_error("?%FF=1", "\"@query-param\";name=\"%FF\";req"),
                 DIVE_E_NOT_FOUND);
    expect_query_param("?%FF=1&b=2", "\"@query-param\";name=\"b\";req", "2");
}

Test(signature_base, the_target_can_not_forge_a_line_either)
{
    struct dive_request req = request;
    char base[512];

    req.path = dive_span_str("/a\n\"@status\": 200");
    cr_expect_eq(base_of("\"@path\";req", &req, &response, base, sizeof(base)), DIVE_E_SYNTAX);
    req.path = dive_span_str("/caf\xe9");
    cr_expect_eq(base_of("\"@target-uri\";req", &req, &response, base, sizeof(base)),
                 DIVE_E_SYNTAX);
}

Test(signature_base, a_status_has_three_digits)
{
    static const struct {
        int status, r;
    } rows[] = {
        {99, DIVE_E_SYNTAX}, {100, 0}, {999, 0}, {1000, DIVE_E_SYNTAX}, {-1, DIVE_E_SYNTAX}};
    char base[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dive_response resp = {.status = rows[i].status};

        cr_expect_eq(base_of("\"@status\"", NULL, &resp, base, sizeof(base)), rows[i].r, "%d",
                     rows[i].status);
    }
}

Test(signature_base, at_most_64_components)
{
    static struct dive_field lines[65];
    static char names[65][8], base[65536], components[1024];
    struct dive_response resp = {.status = 200, .fields = {lines, 65}};

    for (size_t i = 0; i < 65; i++) {
        snprintf(names[i], sizeof(names[i]), "f%zu", i);
        lines[i] = (struct dive_field){dive_span_str(names[i]), dive_span_str("v")};
        snprintf(components + strlen(components), 16, "%s\"%s\"", i > 0 ? " " : "", names[i]);
        if (i < 64)
            cr_expect_eq(base_of(components, NULL, &resp, base, sizeof(base)), 0, "%zu", i);
    }
    cr_expect_eq(base_of(components, NULL, &resp, base, sizeof(base)), DIVE_E_LIMIT);
}

Test(signature_base, at_most_256_kib)
{
    static char value[262144], base[300000];
    struct dive_field line = {S("f"), {value, 0}};
    struct dive_response resp = {.status = 200, .fields = {&line, 1}};
    size_t rest = strlen("\"f\": \n\"@signature-params\": (\"f\");keyid=\"k\"");

    memset(value, 'v', sizeof(value));
    line.value.n = 262144 - rest;
    cr_expect_eq(base_of("\"f\"", NULL, &resp, base, sizeof(base)), 0);
    cr_expect_eq(strlen(base), 262144);
    line.value.n++;
    cr_expect_eq(base_of("\"f\"", NULL, &resp, base, sizeof(base)), DIVE_E_LIMIT);
}

Test(signature_base, a_member_that_is_no_inner_list_has_no_base)
{
    struct dive_sf *sf = NULL;
    char *base = NULL;
    size_t len;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str("a=\"x\""), 0, NULL), 0);
    cr_expect_eq(dive_signature_base(&sf->members[0], NULL, &response, &base, &len), DIVE_E_TYPE);
    cr_expect_null(base);
    dive_sf_free(&sf);
}

/* One long dictionary, one member after the other: what is read is bounded, not only what is
 * written.
 */
Test(signature_base, at_most_256_kib_are_read)
{
    static char value[65536], base[4096];
    struct dive_field line = {S("f"), {value, 65536}};
    struct dive_response resp = {.status = 200, .fields = {&line, 1}};

    memset(value, ' ', sizeof(value));
    memcpy(value, "a, b, c, d, e", 13);
    value[65534] = ',';
    value[65535] = 'z';
    cr_expect_eq(base_of("\"f\";key=\"a\" \"f\";key=\"b\" \"f\";key=\"c\" \"f\";key=\"z\"", NULL,
                         &resp, base, sizeof(base)),
                 0);
    cr_expect_eq(base_of("\"f\";key=\"a\" \"f\";key=\"b\" \"f\";key=\"c\" \"f\";key=\"d\" "
                         "\"f\";key=\"e\"",
                         NULL, &resp, base, sizeof(base)),
                 DIVE_E_LIMIT);
}

Test(signature_base, a_query_or_structured_field_has_at_most_64_kib)
{
    static char value[65537 + 1];
    struct dive_field line = {S("f"), {value, 65536}};
    struct dive_response resp = {.status = 200, .fields = {&line, 1}};
    struct dive_request req = request;
    char base[512];

    memset(value, 'v', 65537);
    memcpy(value, "?a=1&", 5);
    req.query = dive_span(value, 65536);
    cr_expect_eq(base_of("\"@query-param\";name=\"a\";req", &req, &resp, base, sizeof(base)), 0);
    req.query.n++;
    cr_expect_eq(base_of("\"@query-param\";name=\"a\";req", &req, &resp, base, sizeof(base)),
                 DIVE_E_LIMIT);
    memcpy(value, "a=1, ", 5);
    cr_expect_eq(base_of("\"f\";key=\"a\"", NULL, &resp, base, sizeof(base)), 0);
    line.value.n++;
    cr_expect_eq(base_of("\"f\";key=\"a\"", NULL, &resp, base, sizeof(base)), DIVE_E_LIMIT);
}

Test(signature_base, a_wrapped_line_or_serialised_field_has_at_most_64_kib)
{
    static char value[65537], base[100000];
    struct dive_field line = {S("priority"), {value, 65536}};
    struct dive_response resp = {.status = 200, .fields = {&line, 1}};

    memset(value, 'v', sizeof(value));
    for (const char *const *component =
             (const char *const[]){"\"priority\";bs", "\"priority\";sf", NULL};
         *component; component++) {
        line.value.n = 65536;
        cr_expect_eq(base_of(*component, NULL, &resp, base, sizeof(base)), 0, "%s", *component);
        line.value.n++;
        cr_expect_eq(base_of(*component, NULL, &resp, base, sizeof(base)), DIVE_E_LIMIT, "%s",
                     *component);
    }
}
