/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Parsing structured fields: what the vectors (test_sf_vectors.c) leave open. Offsets of errors,
 * every byte in every place, limits on both sides, repeated keys, memory.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/sf.h"

#define ITEM DIVE_SF_ITEM
#define LIST DIVE_SF_LIST
#define DICT DIVE_SF_DICTIONARY

static int parse(struct dive_sf **out, enum dive_sf_kind kind, const char *text)
{
    return dive_sf_parse(out, kind, dive_span_str(text), 0, NULL);
}

static struct dive_sf *must_parse(enum dive_sf_kind kind, const char *text)
{
    struct dive_sf *sf;

    cr_assert_eq(parse(&sf, kind, text), 0, "%s", text);
    return sf;
}

static bool parses(enum dive_sf_kind kind, const void *text, size_t n)
{
    struct dive_sf *sf;
    int r = dive_sf_parse(&sf, kind, dive_span(text, n), 0, NULL);

    cr_assert(r == 0 ? sf != NULL : sf == NULL && r == DIVE_E_SYNTAX);
    dive_sf_free(&sf);
    return r == 0;
}

Test(sf, errors_are_where_they_are)
{
    static const struct {
        enum dive_sf_kind kind;
        const char *text;
        size_t at;
    } cases[] = {
        {ITEM, "", 0},
        {ITEM, "   ", 3},
        {ITEM, "\t1", 0},
        {ITEM, "1 x", 2},
        {ITEM, "1\t", 1},
        {ITEM, "a, b", 1},
        {ITEM, "(1)", 0},
        {ITEM, "\xc3\xbc", 0},
        {ITEM, "-", 1},
        {ITEM, "-a", 1},
        {ITEM, "1.", 2},
        {ITEM, "1.a", 2},
        {ITEM, "1.1234", 5},
        {ITEM, "1234567890123456", 15},
        {ITEM, "-1234567890123456", 16},
        {ITEM, "1234567890123.1", 13},
        {ITEM, "@1.5", 2},
        {ITEM, "@", 1},
        {ITEM, "\"ab", 3},
        {ITEM, "\"a\x01\"", 2},
        {ITEM, "\"a\\b\"", 3},
        {ITEM, "\"a\\", 3},
        {ITEM, "\"\\\"\\\\x\x7f\"", 6},
        {ITEM, ":", 1},
        {ITEM, ":AAAA", 5},
        {ITEM, ":AA A:", 3},
        {ITEM, ":AAAAA:", 6},
        {ITEM, ":AAA==:", 5},
        {ITEM, ":AA=:", 4},
        {ITEM, ":AA===:", 5},
        {ITEM, ":====:", 1},
        {ITEM, ":AAAA=:", 5},
        {ITEM, ":AA==AA==:", 5},
        {ITEM, ":AA-_:", 3},
        {ITEM, "?", 1},
        {ITEM, "?2", 1},
        {ITEM, "%", 1},
        {ITEM, "%a", 1},
        {ITEM, "%\"a", 3},
        {ITEM, "%\"%", 3},
        {ITEM, "%\"%a", 4},
        {ITEM, "%\"%aG\"", 4},
        {ITEM, "%\"%C3\"", 3},
        {ITEM, "%\"a%c3x\"", 6},
        {ITEM, "%\"a%c3%28\"", 6},
        {ITEM, "%\"a%c3\"", 6},
        {ITEM, "%\"a%80\"", 3},
        {ITEM, "a;", 2},
        {ITEM, "a; B", 3},
        {ITEM, "a;\tb", 2},
        {ITEM, "a;b=", 4},
        {ITEM, "a;b=(1)", 4},
        {ITEM, "a ;b", 2},
        {LIST, "a b", 2},
        {LIST, "a,", 2},
        {LIST, "a, ", 3},
        {LIST, "a,,b", 2},
        {LIST, ",a", 0},
        {LIST, "(", 1},
        {LIST, "(a", 2},
        {LIST, "(a b", 4},
        {LIST, "(a\tb)", 2},
        {LIST, "(a,b)", 2},
        {LIST, "(a\"b\")", 2},
        {LIST, "((a))", 1},
        {LIST, "(a);", 4},
        {DICT, "A=1", 0},
        {DICT, "1a=1", 0},
        {DICT, "a=1, b= 2", 7},
        {DICT, "a =1", 2},
        {DICT, "a=", 2},
        {DICT, "a==1", 2},
        {DICT, "aB=1", 1},
        {DICT, "a=1,", 4},
        {DICT, "=1", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dive_span in = dive_span_str(cases[i].text);
        struct dive_sf *sf = (struct dive_sf *)1;
        size_t at = SIZE_MAX;

        cr_assert_eq(dive_sf_parse(&sf, cases[i].kind, in, 0, &at), DIVE_E_SYNTAX, "%s", in.p);
        cr_assert_null(sf);
        cr_assert_eq(at, cases[i].at, "%s: fails at %zu, not %zu", in.p, at, cases[i].at);
    }
}

Test(sf, empty_fields)
{
    struct dive_sf *sf;

    sf = must_parse(LIST, "  ");
    cr_assert_eq(sf->n, 0u);
    dive_sf_free(&sf);
    cr_assert_null(sf);
    dive_sf_free(&sf);
    cr_assert_eq(dive_sf_parse(&sf, DICT, dive_span(NULL, 0), 0, NULL), 0);
    cr_assert_eq(sf->n, 0u);
    dive_sf_free(&sf);
    cr_assert_eq(dive_sf_parse(&sf, ITEM, dive_span(NULL, 0), 0, NULL), DIVE_E_SYNTAX);
    cr_assert_eq(dive_sf_parse(&sf, 0, dive_span_str("a"), 0, NULL), DIVE_E_INTERNAL);
    cr_assert_null(sf);
}

/* `c`, or NUL, is one of the characters of `set`. */
static bool among(int c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static bool is_alnum(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Each of the 256 bytes in each place, against RFC 9651 section 3's ABNF written down a second
 * time. */
Test(sf, every_byte_in_every_place)
{
    for (int c = 0; c < 256; c++) {
        bool lower = c >= 'a' && c <= 'z', alpha = is_alnum(c) && !(c >= '0' && c <= '9');
        bool printable = c >= 0x20 && c <= 0x7e;
        char byte = (char)c;

        char key_start[] = {byte, '=', '1'}, key_rest[] = {'k', byte, 'k', '=', '1'};
        cr_assert_eq(parses(DICT, key_start, 3), lower || c == '*', "0x%02x", (unsigned)c);
        cr_assert_eq(parses(DICT, key_rest, 5),
                     lower || (is_alnum(c) && !alpha) || among(c, "_-.*,;"), "0x%02x", (unsigned)c);

        char param_start[] = {'a', ';', byte, '=', '1'}, param_rest[] = {'a', ';', 'k', byte, 'k'};
        cr_assert_eq(parses(ITEM, param_start, 5), lower || c == '*', "0x%02x", (unsigned)c);
        cr_assert_eq(parses(ITEM, param_rest, 5),
                     lower || (is_alnum(c) && !alpha) || among(c, "_-.*;="), "0x%02x", (unsigned)c);

        char token_start[] = {byte, 'a'}, token_rest[] = {'a', byte, 'a'};
        cr_assert_eq(parses(ITEM, token_start, 2), alpha || among(c, "* "), "0x%02x", (unsigned)c);
        cr_assert_eq(parses(ITEM, token_rest, 3), is_alnum(c) || among(c, "!#$%&'*+-.^_`|~:/;"),
                     "0x%02x", (unsigned)c);

        char string[] = {'"', byte, 'a', '"'}, escaped[] = {'"', '\\', byte, '"'};
        cr_assert_eq(parses(ITEM, string, 4), printable && c != '"' && c != '\\', "0x%02x",
                     (unsigned)c);
        cr_assert_eq(parses(ITEM, escaped, 4), c == '"' || c == '\\', "0x%02x", (unsigned)c);

        char display[] = {'%', '"', byte, 'a', '"'};
        cr_assert_eq(parses(ITEM, display, 5), printable && c != '"' && c != '%', "0x%02x",
                     (unsigned)c);
        char hex1[] = {'%', '"', '%', byte, '1', '"'}, hex2[] = {'%', '"', '%', '4', byte, '"'};
        cr_assert_eq(parses(ITEM, hex1, 6), c >= '0' && c <= '7', "0x%02x", (unsigned)c);
        cr_assert_eq(parses(ITEM, hex2, 6), (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'),
                     "0x%02x", (unsigned)c);

        for (int place = 1; place <= 4; place++) {
            char bytes[] = {':', 'A', 'A', 'A', 'A', ':'};

            bytes[place] = byte;
            cr_assert_eq(parses(ITEM, bytes, 6),
                         is_alnum(c) || c == '+' || c == '/' || (c == '=' && place == 4), "0x%02x",
                         (unsigned)c);
        }
    }
}

Test(sf, byte_sequences)
{
    static const struct {
        const char *text, *value;
        size_t n;
    } cases[] = {
        {"::", "", 0},
        {":Zm9v:", "foo", 3},
        {":Zm9vYg==:", "foob", 4},
        {":Zm9vYmE=:", "fooba", 5},
        {":/+Ah:", "\xff\xe0\x21", 3},
        /* RFC 9651 section 4.2.7: no padding, and pad bits that aren't zero, SHOULD NOT fail */
        {":Zm9vYg:", "foob", 4},
        {":Zm9vYmE:", "fooba", 5},
        {":Zm9vYn==:", "foob", 4},
        {":Zm9vYmH=:", "fooba", 5},
        {":iZ:", "\x89", 1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dive_sf *sf = must_parse(ITEM, cases[i].text);
        struct dive_span text = sf->members[0].bare.text;

        cr_assert_eq(sf->members[0].bare.type, DIVE_SF_BYTES);
        cr_assert_eq(text.n, cases[i].n, "%s", cases[i].text);
        cr_assert_eq(memcmp(text.p, cases[i].value, text.n), 0, "%s", cases[i].text);
        dive_sf_free(&sf);
    }
}

/* The edges of RFC 3629's table. */
Test(sf, display_strings_are_utf_8)
{
    static const char *const good[] = {
        "%c2%80",    "%df%bf",       "%e0%a0%80",    "%e1%80%80",    "%ed%9f%bf", "%ee%80%80",
        "%ef%bf%bf", "%f0%90%80%80", "%f1%80%80%80", "%f4%8f%bf%bf", "%00",       "a%7f",
    };
    static const char *const bad[] = {
        "%80",          "%bf",          "%c0%80",       "%c1%bf",    "%c2",        "%c2%7f",
        "%c2%c0",       "%e0%9f%bf",    "%e1%80",       "%e1%80%c0", "%ed%a0%80",  "%ed%bf%bf",
        "%f0%8f%bf%bf", "%f4%90%80%80", "%f5%80%80%80", "%f1%80%80", "%f1%80%80a", "%ff",
    };
    char text[64];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "%%\"%s\"", good[i]);
        cr_assert(parses(ITEM, text, strlen(text)), "%s", text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "%%\"%s\"", bad[i]);
        cr_assert_not(parses(ITEM, text, strlen(text)), "%s", text);
    }
}

Test(sf, upper_case_in_labels_where_it_is_asked_for)
{
    const char *text = "sigDEF=(\"content-digest\");keyid=\"keyDEF\"; alg=\"ed25519\", Sig=:AA==:";
    struct dive_sf *sf;
    size_t at;

    cr_assert_eq(dive_sf_parse(&sf, DICT, dive_span_str(text), 0, &at), DIVE_E_SYNTAX);
    cr_assert_eq(at, 3u);
    cr_assert_eq(dive_sf_parse(&sf, DICT, dive_span_str(text), DIVE_SF_UPPER_KEYS, &at), 0);
    cr_assert_eq(sf->n, 2u);
    cr_assert_not_null(dive_sf_get(sf, "sigDEF"));
    cr_assert_not_null(dive_sf_get(sf, "Sig"));
    cr_assert_null(dive_sf_get(sf, "sigdef"), "labels are case-sensitive");
    dive_sf_free(&sf);
    /* keys of parameters stay lower case */
    text = "sigDEF=();keyID=1";
    cr_assert_eq(dive_sf_parse(&sf, DICT, dive_span_str(text), DIVE_SF_UPPER_KEYS, &at),
                 DIVE_E_SYNTAX);
    cr_assert_eq(at, 13u);
}

/* design.md section 3, "a label given twice: the last wins (RFC 9651)". */
Test(sf, a_label_given_twice_the_last_wins)
{
    struct dive_sf *sf =
        must_parse(DICT, "a=(\"x\" \"y\");keyid=\"one\", b=2;q, a=(\"z\");keyid=\"two\";"
                         "keyid=\"three\";n=1, b");
    const struct dive_sf_member *a = dive_sf_get(sf, "a"), *b = dive_sf_get(sf, "b");

    cr_assert_eq(sf->n, 2u);
    cr_assert_eq(a, &sf->members[0], "it keeps its place");
    cr_assert_eq(a->n_items, 1u);
    cr_assert(dive_span_eq(a->items[0].bare.text, "z"));
    cr_assert_eq(a->params.n, 2u);
    cr_assert(dive_span_eq(a->params.v[0].key, "keyid"));
    cr_assert(dive_span_eq(dive_sf_param(&a->params, "keyid")->text, "three"));
    cr_assert_eq(dive_sf_param(&a->params, "n")->integer, 1);
    cr_assert_eq(b->bare.type, DIVE_SF_BOOLEAN);
    cr_assert(b->bare.boolean);
    cr_assert_eq(b->params.n, 0u, "nothing is left of what was replaced");
    cr_assert_null(dive_sf_param(&b->params, "q"));
    dive_sf_free(&sf);

    sf = must_parse(DICT, "a=(1 2), a=3");
    cr_assert_not(sf->members[0].is_inner_list);
    cr_assert_eq(sf->members[0].n_items, 0u);
    dive_sf_free(&sf);
}

Test(sf, lookups)
{
    struct dive_sf *sf = must_parse(DICT, "ab=1;cd=2, a=3");

    cr_assert_eq(dive_sf_get(sf, "a")->bare.integer, 3);
    cr_assert_eq(dive_sf_get(sf, "ab")->bare.integer, 1);
    cr_assert_null(dive_sf_get(sf, "abc"));
    cr_assert_null(dive_sf_get(sf, ""));
    cr_assert_null(dive_sf_param(&dive_sf_get(sf, "ab")->params, "c"));
    cr_assert_null(dive_sf_param(&dive_sf_get(sf, "a")->params, "cd"));
    dive_sf_free(&sf);
    sf = must_parse(LIST, "1, 2");
    cr_assert_null(dive_sf_get(sf, ""), "members of a list have no key");
    dive_sf_free(&sf);
}

/* A text of `n` times `format`, which is given a number, modulo `distinct`, and what goes between.
 */
static char *repeat(const char *before, size_t n, size_t distinct, const char *letter,
                    const char *between, const char *after)
{
    size_t size = strlen(before) + strlen(after) + n * (strlen(letter) + strlen(between) + 8) + 1;
    char *text = malloc(size), *p = text;

    p += sprintf(p, "%s", before);
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "%s%s%zu", i == 0 ? "" : between, letter, i % distinct);
    sprintf(p, "%s", after);
    return text;
}

static void check_limit(enum dive_sf_kind kind, char *text, size_t at)
{
    struct dive_sf *sf;
    size_t error_at = SIZE_MAX;

    cr_assert_eq(dive_sf_parse(&sf, kind, dive_span_str(text), 0, &error_at), DIVE_E_LIMIT);
    cr_assert_null(sf);
    cr_assert_eq(error_at, at, "at %zu, not %zu", error_at, at);
    free(text);
}

static void check_count(enum dive_sf_kind kind, char *text, size_t members, size_t items,
                        size_t params)
{
    struct dive_sf *sf = must_parse(kind, text);

    cr_assert_eq(sf->n, members);
    cr_assert_eq(sf->members[0].n_items, items);
    cr_assert_eq(sf->members[0].params.n, params);
    for (size_t i = 0; i < params; i++) {
        char key[24];

        snprintf(key, sizeof key, "k%zu", i);
        cr_assert(dive_span_eq(sf->members[0].params.v[i].key, key), "%s", key);
    }
    for (size_t i = 0; kind == DICT && i < members; i++) {
        char key[24];

        snprintf(key, sizeof key, "k%zu", i);
        cr_assert(dive_span_eq(sf->members[i].key, key), "%s", key);
    }
    dive_sf_free(&sf);
    free(text);
}

Test(sf, maxima)
{
    const size_t members = DIVE_SF_MEMBERS_MAX, items = DIVE_SF_INNER_ITEMS_MAX;
    const size_t params = DIVE_SF_PARAMS_MAX, many = 8000;
    char *text;

    check_count(LIST, repeat("", members, many, "t", ", ", ""), members, 0, 0);
    text = repeat("", members + 1, many, "t", ", ", "");
    check_limit(LIST, text, strlen(text) - strlen("t1024"));

    check_count(DICT, repeat("", members, many, "k", ", ", ""), members, 0, 0);
    text = repeat("", members + 1, many, "k", ", ", "");
    check_limit(DICT, text, strlen(text) - strlen("k1024"));

    check_count(LIST, repeat("(", items, many, "t", " ", ")"), 1, items, 0);
    text = repeat("(", items + 1, many, "t", " ", ")");
    check_limit(LIST, text, strlen(text) - strlen("t256)"));

    check_count(ITEM, repeat("x;", params, many, "k", ";", ""), 1, 0, params);
    text = repeat("x;", params + 1, many, "k", ";", "");
    check_limit(ITEM, text, strlen(text) - strlen("k256"));
}

/* Around the sizes at which the search for repeated keys changes, and at the maxima. */
Test(sf, repeated_keys_count_once)
{
    static const size_t distinct[] = {1, 2, 15, 16, 17, 18, 255, DIVE_SF_PARAMS_MAX};

    for (size_t i = 0; i < sizeof distinct / sizeof distinct[0]; i++) {
        size_t n = distinct[i];

        check_count(ITEM, repeat("x;", 3 * n, n, "k", "; ", ""), 1, 0, n);
        check_count(DICT, repeat("", 3 * n, n, "k", ",", ""), n, 0, 0);
    }
    check_count(DICT, repeat("", 8000, DIVE_SF_MEMBERS_MAX, "k", ",", ""), DIVE_SF_MEMBERS_MAX, 0,
                0);
}

/* 64 KiB of nothing but keys: refused, or as cheap as any other 64 KiB. */
Test(sf, hostile_keys, .timeout = 10)
{
    static char text[DIVE_SF_INPUT_MAX + 1];
    struct dive_sf *sf;
    size_t n = 0;

    for (unsigned i = 0; n + 8 < sizeof text; i++) /* 20,000 and more of three letters */
        n += (size_t)sprintf(text + n, "%s%c%c%c", i == 0 ? "" : ",", 'a' + i % 26,
                             'a' + i / 26 % 26, 'a' + i / 676 % 26);
    cr_assert_eq(parse(&sf, DICT, text), DIVE_E_LIMIT);

    /* as many items as fit, each with the most parameters that one may have */
    n = 0;
    while (n + 1100 < sizeof text) {
        n += (size_t)sprintf(text + n, "%s1", n == 0 ? "" : ",");
        for (unsigned i = 0; i < DIVE_SF_PARAMS_MAX; i++)
            n += (size_t)sprintf(text + n, ";%c%c", 'a' + i % 26, 'a' + i / 26);
    }
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(parse(&sf, LIST, text), 0);
        dive_sf_free(&sf);
    }
    memset(text, ';', DIVE_SF_INPUT_MAX);
    cr_assert_eq(parse(&sf, LIST, text), DIVE_E_SYNTAX);
    memset(text, '(', DIVE_SF_INPUT_MAX);
    cr_assert_eq(parse(&sf, LIST, text), DIVE_E_SYNTAX);
}

Test(sf, size_of_the_input)
{
    char *text = malloc(DIVE_SF_INPUT_MAX + 1);
    struct dive_sf *sf;
    size_t at;

    memset(text, 'a', DIVE_SF_INPUT_MAX + 1);
    cr_assert_eq(dive_sf_parse(&sf, DICT, dive_span(text, DIVE_SF_INPUT_MAX), 0, &at), 0);
    cr_assert_eq(sf->members[0].key.n, (size_t)DIVE_SF_INPUT_MAX);
    dive_sf_free(&sf);
    cr_assert_eq(dive_sf_parse(&sf, DICT, dive_span(text, DIVE_SF_INPUT_MAX + 1), 0, &at),
                 DIVE_E_LIMIT);
    cr_assert_eq(at, (size_t)DIVE_SF_INPUT_MAX);
    cr_assert_null(sf);

    /* what RFC 9651 section 3.3 asks for at least: 16384 octets, and far more than its string and
     * token */
    memset(text, 'A', 21848);
    text[0] = text[21846] = ':';
    text[21845] = '=';
    cr_assert_eq(dive_sf_parse(&sf, ITEM, dive_span(text, 21847), 0, &at), DIVE_E_SYNTAX);
    memset(text + 1, 'A', 21848);
    text[21848] = '=';
    text[21847] = '=';
    text[21849] = ':';
    cr_assert_eq(dive_sf_parse(&sf, ITEM, dive_span(text, 21850), 0, &at), 0, "at %zu", at);
    cr_assert_eq(sf->members[0].bare.text.n, 16384u);
    dive_sf_free(&sf);
    memset(text, 's', 60000);
    text[0] = text[59999] = '"';
    cr_assert_eq(dive_sf_parse(&sf, ITEM, dive_span(text, 60000), 0, &at), 0);
    cr_assert_eq(sf->members[0].bare.text.n, 59998u);
    dive_sf_free(&sf);
    free(text);
}

Test(sf, owns_its_memory)
{
    char *text = strdup("a=\"x\\\"y\";p=tok, b=(:Zm9v: %\"%c3%bc\");q=?0, c=-1.5, d=@-7");
    struct dive_sf *sf = must_parse(DICT, text);

    memset(text, '!', strlen(text));
    free(text);
    cr_assert(dive_span_eq(sf->members[0].key, "a"));
    cr_assert(dive_span_eq(sf->members[0].bare.text, "x\"y"));
    cr_assert(dive_span_eq(dive_sf_param(&sf->members[0].params, "p")->text, "tok"));
    cr_assert(dive_span_eq(sf->members[1].items[0].bare.text, "foo"));
    cr_assert(dive_span_eq(sf->members[1].items[1].bare.text, "\xc3\xbc"));
    cr_assert_not(dive_sf_param(&sf->members[1].params, "q")->boolean);
    cr_assert_eq(sf->members[2].bare.thousandths, -1500);
    cr_assert_eq(sf->members[3].bare.integer, -7);
    dive_sf_free(&sf);
}

/* The input is only read within its length: no NUL need follow, and one inside is no end. */
Test(sf, the_input_is_a_span)
{
    struct dive_sf *sf;
    char *exact = malloc(3);

    memcpy(exact, "123", 3);
    cr_assert_eq(dive_sf_parse(&sf, ITEM, dive_span(exact, 3), 0, NULL), 0);
    cr_assert_eq(sf->members[0].bare.integer, 123);
    dive_sf_free(&sf);
    free(exact);
    cr_assert_not(parses(ITEM, "1\0", 2));
    cr_assert_not(parses(LIST, "1\0, 2", 5));
    cr_assert_not(parses(DICT, "a=1\0", 4));
    cr_assert_not(parses(ITEM, "\"a\0\"", 4));
    cr_assert_not(parses(ITEM, ":AA\0\0:", 6));
    cr_assert_not(parses(ITEM, "%\"\0\"", 4));
}

/* The sanitizers' allocators end the process instead of returning NULL. */
#ifdef __has_feature /* clang */
#define SANITIZER_ALLOCATOR (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* gcc */
#define SANITIZER_ALLOCATOR 1
#else
#define SANITIZER_ALLOCATOR 0
#endif

#if !SANITIZER_ALLOCATOR
/* Allocation fails: an error, no crash, nothing half made. (AddressSanitizer would end the
 * process.) */
Test(sf, out_of_memory)
{
    static char text[DIVE_SF_INPUT_MAX];
    struct rlimit before, none = {0};
    struct dive_sf *sf = (struct dive_sf *)1;
    size_t at = 7;
    int r;

    memset(text, ';', sizeof text); /* makes for an arena of megabytes */
    getrlimit(RLIMIT_AS, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_AS, &none);
    r = dive_sf_parse(&sf, ITEM, dive_span(text, sizeof text), 0, &at);
    setrlimit(RLIMIT_AS, &before);
    cr_assert_eq(r, DIVE_E_NOMEM);
    cr_assert_null(sf);
    cr_assert_eq(at, 0u);
}
#endif
