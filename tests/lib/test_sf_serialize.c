/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Serialising structured fields: what a caller may make that no parser would, the parts that
 * signature bases are made of, and that a second pass changes nothing.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "lib/sf.h"

static int serialize_bare(struct dive_sf_bare bare, char **out)
{
    struct dive_sf_item item = {.bare = bare};
    size_t len = 99;
    int r = dive_sf_serialize_item(&item, out, &len);

    if (r == 0)
        cr_assert_eq(len, strlen(*out));
    else
        cr_assert(*out == NULL && len == 0);
    return r;
}

static void gives(struct dive_sf_bare bare, const char *expected)
{
    char *out;

    cr_assert_eq(serialize_bare(bare, &out), 0, "%s", expected);
    cr_assert_str_eq(out, expected);
    free(out);
}

static void refused(struct dive_sf_bare bare)
{
    char *out;

    cr_assert_eq(serialize_bare(bare, &out), DIVE_E_TYPE);
}

static struct dive_sf_bare number(enum dive_sf_type type, int64_t value)
{
    struct dive_sf_bare bare = {.type = type, .integer = value};

    if (type == DIVE_SF_DECIMAL)
        bare.thousandths = value;
    return bare;
}

static struct dive_sf_bare text(enum dive_sf_type type, const char *value)
{
    return (struct dive_sf_bare){.type = type, .text = dive_span_str(value)};
}

Test(sf_serialize, numbers)
{
    static const int64_t out_of_range[] = {1000000000000000, -1000000000000000, INT64_MAX,
                                           INT64_MIN};

    gives(number(DIVE_SF_INTEGER, 0), "0");
    gives(number(DIVE_SF_INTEGER, -10), "-10");
    gives(number(DIVE_SF_INTEGER, 999999999999999), "999999999999999");
    gives(number(DIVE_SF_INTEGER, -999999999999999), "-999999999999999");
    gives(number(DIVE_SF_DATE, 1659578233), "@1659578233");
    gives(number(DIVE_SF_DATE, -999999999999999), "@-999999999999999");
    gives(number(DIVE_SF_DECIMAL, 0), "0.0");
    gives(number(DIVE_SF_DECIMAL, 1), "0.001");
    gives(number(DIVE_SF_DECIMAL, -1), "-0.001");
    gives(number(DIVE_SF_DECIMAL, -500), "-0.5");
    gives(number(DIVE_SF_DECIMAL, 1000), "1.0");
    gives(number(DIVE_SF_DECIMAL, 1020), "1.02");
    gives(number(DIVE_SF_DECIMAL, 999999999999999), "999999999999.999");
    gives(number(DIVE_SF_DECIMAL, -999999999999999), "-999999999999.999");
    for (size_t i = 0; i < sizeof out_of_range / sizeof out_of_range[0]; i++) {
        refused(number(DIVE_SF_INTEGER, out_of_range[i]));
        refused(number(DIVE_SF_DECIMAL, out_of_range[i]));
        refused(number(DIVE_SF_DATE, out_of_range[i]));
    }
}

Test(sf_serialize, texts)
{
    gives(text(DIVE_SF_STRING, ""), "\"\"");
    gives(text(DIVE_SF_STRING, "a\"b\\"), "\"a\\\"b\\\\\"");
    gives((struct dive_sf_bare){.type = DIVE_SF_STRING}, "\"\"");
    refused(text(DIVE_SF_STRING, "tab\t"));
    refused(text(DIVE_SF_STRING, "\x7f"));
    refused(text(DIVE_SF_STRING, "\xc3\xbc"));
    gives(text(DIVE_SF_TOKEN, "*a:/%"), "*a:/%");
    refused(text(DIVE_SF_TOKEN, ""));
    refused(text(DIVE_SF_TOKEN, "1a"));
    refused(text(DIVE_SF_TOKEN, "a b"));
    refused(text(DIVE_SF_TOKEN, "a,b"));
    gives(text(DIVE_SF_BYTES, ""), "::");
    gives((struct dive_sf_bare){.type = DIVE_SF_BYTES}, "::");
    gives(text(DIVE_SF_BYTES, "f"), ":Zg==:");
    gives(text(DIVE_SF_BYTES, "fo"), ":Zm8=:");
    gives(text(DIVE_SF_BYTES, "foo"), ":Zm9v:");
    gives(text(DIVE_SF_BYTES, "\xff\xfe\xfd\xfc"), "://79/A==:");
    gives(text(DIVE_SF_DISPLAY, "f\xc3\xbc \"%\"\x7f\n"), "%\"f%c3%bc %22%25%22%7f%0a\"");
    refused(text(DIVE_SF_DISPLAY, "\xc3"));
    refused(text(DIVE_SF_DISPLAY, "\xc3 "));
    refused(text(DIVE_SF_DISPLAY, "\xed\xa0\x80"));
    gives((struct dive_sf_bare){.type = DIVE_SF_BOOLEAN}, "?0");
    gives((struct dive_sf_bare){.type = DIVE_SF_BOOLEAN, .boolean = true}, "?1");
    refused((struct dive_sf_bare){0});
    refused((struct dive_sf_bare){.type = 99});
}

Test(sf_serialize, keys_that_a_caller_made)
{
    static const char *const bad[] = {"", "A", "aB", "1", "-", "a b", "a="};
    struct dive_sf_param param = {.value = number(DIVE_SF_INTEGER, 1)};
    struct dive_sf_item item = {text(DIVE_SF_TOKEN, "t"), {&param, 1}};
    struct dive_sf_member member = {.bare = text(DIVE_SF_TOKEN, "t")};
    struct dive_sf sf = {.kind = DIVE_SF_DICTIONARY, .members = &member, .n = 1};
    char *out;
    size_t len;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        param.key = member.key = dive_span_str(bad[i]);
        cr_assert_eq(dive_sf_serialize_item(&item, &out, &len), DIVE_E_TYPE, "%s", bad[i]);
        cr_assert_eq(dive_sf_serialize(&sf, &out, &len), DIVE_E_TYPE, "%s", bad[i]);
    }
    param.key = member.key = dive_span_str("*a-_.1");
    cr_assert_eq(dive_sf_serialize_item(&item, &out, &len), 0);
    cr_assert_str_eq(out, "t;*a-_.1=1");
    free(out);
}

Test(sf_serialize, kinds_that_a_caller_made)
{
    struct dive_sf_member members[2] = {{.bare = text(DIVE_SF_TOKEN, "a")},
                                        {.is_inner_list = true}};
    struct dive_sf sf = {.kind = DIVE_SF_ITEM, .members = members, .n = 1};
    char *out;
    size_t len;

    cr_assert_eq(dive_sf_serialize(&sf, &out, &len), 0);
    cr_assert_str_eq(out, "a");
    free(out);
    sf.n = 2;
    cr_assert_eq(dive_sf_serialize(&sf, &out, &len), DIVE_E_TYPE);
    sf.n = 0;
    cr_assert_eq(dive_sf_serialize(&sf, &out, &len), DIVE_E_TYPE);
    sf = (struct dive_sf){.kind = DIVE_SF_ITEM, .members = members + 1, .n = 1};
    cr_assert_eq(dive_sf_serialize(&sf, &out, &len), DIVE_E_TYPE);
    sf.kind = 0;
    cr_assert_eq(dive_sf_serialize(&sf, &out, &len), DIVE_E_TYPE);
    sf = (struct dive_sf){.kind = DIVE_SF_LIST, .members = members, .n = 2};
    cr_assert_eq(dive_sf_serialize(&sf, &out, &len), 0);
    cr_assert_str_eq(out, "a, ()");
    free(out);
}

/* RFC 9421 sections 2.1.2 (one member), 2.3 (@signature-params) and 2 (component identifiers). */
Test(sf_serialize, parts_of_a_signature_base)
{
    static const char *const members[][2] = {
        {"a", "1"},  {"b", "2;x=1;y=2"}, {"c", "(a b c)"},
        {"d", "?1"}, {"e", "?1;z"},      {"f", "();k=?0"},
    };
    const char *field = "a=1,  b=2;x=1; y=2, c=( a  b c ), d, e;z, f=();k=?0";
    const char *input = "sig1=( \"@status\"   \"x\\\"\";key=\"q\";req ;sf=?1 );created=007;"
                        " keyid=\"k\";nonce=:AA:;tag;alg=\"ed25519\"";
    struct dive_sf *sf;
    char *out;
    size_t len, at;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str(field), 0, NULL), 0);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct dive_sf_member *m = dive_sf_get(sf, members[i][0]);

        cr_assert_eq(dive_sf_serialize_member(m, &out, &len), 0);
        cr_assert_str_eq(out, members[i][1]);
        free(out);
    }
    dive_sf_free(&sf);

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str(input), 0, &at),
                 DIVE_E_SYNTAX, "no space before a semicolon");
    input = "sig1=( \"@status\"   \"x\\\"\";key=\"q\"; req;sf=?1 );created=007; keyid=\"k\";"
            "nonce=:AA:;tag;alg=\"ed25519\"";
    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str(input), 0, &at), 0, "%zu",
                 at);
    cr_assert_eq(dive_sf_serialize_member(&sf->members[0], &out, &len), 0);
    cr_assert_str_eq(out, "(\"@status\" \"x\\\"\";key=\"q\";req;sf);created=7;keyid=\"k\";"
                          "nonce=:AA==:;tag;alg=\"ed25519\"");
    free(out);
    cr_assert_eq(dive_sf_serialize_item(&sf->members[0].items[1], &out, &len), 0);
    cr_assert_str_eq(out, "\"x\\\"\";key=\"q\";req;sf");
    free(out);
    dive_sf_free(&sf);
}

Test(sf_serialize, upper_case_labels_are_not_written)
{
    struct dive_sf *sf;
    char *out;
    size_t len;

    cr_assert_eq(dive_sf_parse(&sf, DIVE_SF_DICTIONARY, dive_span_str("sigA=(\"x\");alg=\"y\""),
                               DIVE_SF_UPPER_KEYS, NULL),
                 0);
    cr_assert_eq(dive_sf_serialize(sf, &out, &len), DIVE_E_TYPE);
    cr_assert_null(out);
    cr_assert_eq(dive_sf_serialize_member(&sf->members[0], &out, &len), 0);
    cr_assert_str_eq(out, "(\"x\");alg=\"y\"");
    free(out);
    dive_sf_free(&sf);
}

Test(sf_serialize, limit_of_the_output)
{
    const size_t fits = DIVE_SF_OUTPUT_MAX - 2; /* two quotes */
    char *big = malloc(fits + 1);
    struct dive_sf_item item = {.bare = {.type = DIVE_SF_STRING, .text = {big, fits}}};
    char *out;
    size_t len;

    memset(big, 'a', fits + 1);
    cr_assert_eq(dive_sf_serialize_item(&item, &out, &len), 0);
    cr_assert_eq(len, (size_t)DIVE_SF_OUTPUT_MAX);
    cr_assert_eq(out[len], '\0');
    free(out);
    item.bare.text.n++;
    cr_assert_eq(dive_sf_serialize_item(&item, &out, &len), DIVE_E_LIMIT);
    cr_assert(out == NULL && len == 0);
    item.bare.type = DIVE_SF_BYTES;
    item.bare.text.n = 196606; /* 65536 groups of four characters, and two colons */
    cr_assert_eq(dive_sf_serialize_item(&item, &out, &len), DIVE_E_LIMIT);
    item.bare.text.n = 196605;
    cr_assert_eq(dive_sf_serialize_item(&item, &out, &len), 0);
    cr_assert_eq(len, (size_t)DIVE_SF_OUTPUT_MAX - 2);
    free(out);
    item.bare.text.n = SIZE_MAX;
    cr_assert_eq(dive_sf_serialize_item(&item, &out, &len), DIVE_E_LIMIT);
    free(big);
}

/* What parses is serialised to what parses to the same: random texts out of the grammar's own
 * pieces. */
Test(sf_serialize, a_second_pass_changes_nothing)
{
    static const char *const pieces[] = {
        "a",  "b=",  "c;", ";d=", ", ",        ",",           " ",     "(",    ")",       "1",
        "-2", "3.5", "@4", "?1",  "\"s\\\"\"", "%\"%c3%bc\"", ":Zm9:", "tok",  "=",       ";",
        "*",  "a=1", ";p", "x=(", "y=:AA==:",  "\"",          "?0",    "0.10", "a=(b);c", "q=%\"\"",
    };
    uint32_t state = 1;
    unsigned parsed = 0;

    for (int round = 0; round < 60000; round++) {
        enum dive_sf_kind kind = DIVE_SF_ITEM + round % 3;
        char in[128] = "";
        struct dive_sf *sf, *again;
        char *first, *second;
        size_t len, len2;

        for (unsigned n = 1 + round % 9; n > 0; n--) {
            state = state * 1664525u + 1013904223u;
            strcat(in, pieces[(state >> 16) % (sizeof pieces / sizeof pieces[0])]);
        }
        if (dive_sf_parse(&sf, kind, dive_span_str(in), 0, NULL) != 0)
            continue;
        parsed++;
        cr_assert_eq(dive_sf_serialize(sf, &first, &len), 0, "%s", in);
        cr_assert_eq(dive_sf_parse(&again, kind, dive_span(first, len), 0, NULL), 0, "%s: %s", in,
                     first);
        cr_assert_eq(dive_sf_serialize(again, &second, &len2), 0);
        cr_assert_str_eq(first, second, "%s", in);
        free(first);
        free(second);
        dive_sf_free(&sf);
        dive_sf_free(&again);
    }
    cr_assert_gt(parsed, 3000u, "only %u of the texts parsed: the test is blunt", parsed);
}
