/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Structured Fields by two implementations (sf_slow.h): generated fields, as they are and with some
 * octets changed; every octet at every place of a few fields; and the limits, just below and above.
 */
#include <criterion/criterion.h>

#include "sf_slow_compare.h"

enum { FIELD_MAX = 4096, FIELDS = 30000 };

/* A field that is being made. The generator is the same in every run. */
struct maker {
    char text[FIELD_MAX];
    size_t n;
    uint32_t state;
};

static unsigned below(struct maker *m, unsigned n)
{
    m->state = m->state * 1664525u + 1013904223u;
    return (m->state >> 8) % n;
}

static void add(struct maker *m, const char *text)
{
    size_t n = strlen(text);

    if (n > FIELD_MAX - m->n)
        n = FIELD_MAX - m->n;
    memcpy(m->text + m->n, text, n);
    m->n += n;
}

#define ONE_OF(m, ...)                                                                             \
    do {                                                                                           \
        static const char *const of[] = {__VA_ARGS__};                                             \
        add(m, of[below(m, sizeof of / sizeof of[0])]);                                            \
    } while (0)

static void add_spaces(struct maker *m)
{
    if (below(m, 3) == 0)
        ONE_OF(m, " ", "  ", "   ");
}

/* Mostly well-formed. */
static void add_bare(struct maker *m)
{
    switch (below(m, 8)) {
    case 0:
        ONE_OF(m, "0", "-0", "42", "-17", "007", "999999999999999", "-999999999999999", "5", "6",
               "1000000000000000", "-");
        break;
    case 1:
        ONE_OF(m, "0.0", "-0.0", "1.5", "-1.50", "2.500", "0.001", "999999999999.999", "-3.25",
               "1234567890123.0", "1.2345", "1.", ".5");
        break;
    case 2:
        ONE_OF(m, "\"\"", "\"a b\"", "\"\\\"\"", "\"\\\\x\"", "\"(;,=):\"", "\"~!\"", "\"\\a\"",
               "\"");
        break;
    case 3:
        ONE_OF(m, "a", "*", "*x", "Z9", "a:b/c", "text/html", "x!#$%&'*+-.^_`|~", "a\"");
        break;
    case 4:
        ONE_OF(m, "::", ":AA==:", ":AAE=:", ":AAEC:", ":AAECAw==:", ":AB==:", ":AA:", ":AAE:",
               ":+/aZ:", ":A:", ":=:", ":AA=:", ":AAE==:", ":A A=:", ":-_aZ:", ":AAEC");
        break;
    case 5:
        ONE_OF(m, "?0", "?1", "?1", "?0", "?2", "?");
        break;
    case 6:
        ONE_OF(m, "@0", "@-1", "@1659578233", "@999999999999999", "@-0", "@1.5", "@",
               "@1000000000000000");
        break;
    default:
        ONE_OF(m, "%\"\"", "%\"a%20b\"", "%\"%c3%bc\"", "%\"%e2%82%ac\"", "%\"%f4%8f%bf%bf\"",
               "%\"%22%25\"", "%\"%C3%bc\"", "%\"%c3\"", "%\"%ed%a0%80\"", "%\"%f4%90%80%80\"",
               "%\"%c0%80\"", "%\"a", "%a", "%\"%2\"", "%\"\\\"");
    }
}

static void add_key(struct maker *m)
{
    ONE_OF(m, "a", "b", "c", "sig1", "*", "*a", "a-b", "a_b", "a.b*1", "x", "y", "A", "aB", "-a");
}

static void add_params(struct maker *m)
{
    for (unsigned n = below(m, 4) == 0 ? below(m, 5) : 0; n > 0; n--) {
        add(m, ";");
        add_spaces(m);
        add_key(m);
        if (below(m, 2) == 0) {
            add(m, "=");
            add_bare(m);
        }
    }
}

static void add_item(struct maker *m)
{
    add_bare(m);
    add_params(m);
}

static void add_member(struct maker *m)
{
    if (below(m, 3) != 0) {
        add_item(m);
        return;
    }
    add(m, "(");
    add_spaces(m);
    for (unsigned n = below(m, 4), i = 0; i < n; i++) {
        if (i > 0)
            add(m, " ");
        add_spaces(m);
        add_item(m);
    }
    add_spaces(m);
    add(m, ")");
    add_params(m);
}

static void make(struct maker *m, enum dive_sf_kind kind)
{
    m->n = 0;
    add_spaces(m);
    if (kind == DIVE_SF_ITEM)
        add_item(m);
    for (unsigned n = kind == DIVE_SF_ITEM ? 0 : below(m, 5), i = 0; i < n; i++) {
        if (i > 0)
            ONE_OF(m, ",", ", ", " ,", "\t,\t", ",  ", ",,");
        if (kind == DIVE_SF_DICTIONARY) {
            add_key(m);
            if (below(m, 4) == 0) {
                add_params(m);
                continue;
            }
            add(m, "=");
        }
        add_member(m);
    }
    add_spaces(m);
    if (below(m, 20) == 0)
        ONE_OF(m, "\t", ",", ";", "\r", "\n", "x");
}

/* An octet put in, taken out or replaced. */
static void damage(struct maker *m)
{
    static const char octets[] = "()=;,:?@%\"\\*-.0aA \t\r\n\x7f\x80\xff";
    size_t at = below(m, (unsigned)m->n + 1);
    unsigned how = below(m, 3);

    if (how < 2 && at < m->n) {
        memmove(m->text + at, m->text + at + 1, m->n - at - 1);
        m->n--;
    }
    if (how > 0 && m->n < FIELD_MAX) {
        memmove(m->text + at + 1, m->text + at, m->n - at);
        m->text[at] = octets[below(m, sizeof octets)]; /* its NUL, too */
        m->n++;
    }
}

static const char *const kinds[] = {
    [DIVE_SF_ITEM] = "item", [DIVE_SF_LIST] = "list", [DIVE_SF_DICTIONARY] = "dictionary"};

/* Returns whether both took it. */
static bool check(enum dive_sf_kind kind, const char *text, size_t n, bool upper)
{
    size_t members;
    const char *what = slow_difference(kind, text, n, upper, &members);

    /* Criterion's assertions are slow, and there are many. */
    if (what != NULL)
        cr_assert_fail("%s \"%.*s\": they differ in: %s", kinds[kind], (int)n, text, what);
    return members != SIZE_MAX;
}

Test(sf_slow, generated_fields_are_read_and_written_alike)
{
    static struct maker m = {.state = 1};
    size_t taken = 0, refused = 0;

    for (int i = 0; i < FIELDS; i++) {
        enum dive_sf_kind kind = DIVE_SF_ITEM + below(&m, 3);

        make(&m, kind);
        for (unsigned n = below(&m, 3); n > 0; n--)
            damage(&m);
        if (check(kind, m.text, m.n, below(&m, 4) == 0))
            taken++;
        else
            refused++;
    }
    cr_expect_gt(taken, (size_t)FIELDS / 5);
    cr_expect_gt(refused, (size_t)FIELDS / 5);
}

Test(sf_slow, every_octet_at_every_place)
{
    static const struct {
        enum dive_sf_kind kind;
        const char *text;
    } fields[] = {
        {DIVE_SF_DICTIONARY, "sig1=(\"content-digest\" \"@path\";req);created=1;keyid=\"k\""},
        {DIVE_SF_DICTIONARY, "sha-256=:AAECAwQ=:, sha-512=:AA==:;a=?1"},
        {DIVE_SF_DICTIONARY, "v=\"dive-draft-01\", scopes=(\"strict\"), cache=-1.50"},
        {DIVE_SF_LIST, "a;b=@12, (1 2.5);*c=%\"%c3%bc\" ,\t\"\\\\\""},
        {DIVE_SF_ITEM, " @-17;x;y=t/u:v "},
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[128];
        size_t n = strlen(fields[i].text);

        for (size_t at = 0; at <= n; at++) {
            for (int octet = 0; octet < 256; octet++) {
                memcpy(text, fields[i].text, n);
                text[at] = (char)octet; /* replaced; at the end: added */
                check(fields[i].kind, text, at == n ? n + 1 : n, false);
                memcpy(text + at + 1, fields[i].text + at, n - at); /* put in */
                check(fields[i].kind, text, n + 1, true);
            }
        }
    }
}

Test(sf_slow, every_beginning_of_a_field)
{
    static const char text[] = "a=(1 \"x\\\\\";y=:AAE=: %\"%c3%bc\");z=@1.0, b;c=?0, d=-1.25, e=*t";

    for (size_t n = 0; n < sizeof text; n++)
        for (enum dive_sf_kind kind = DIVE_SF_ITEM; kind <= DIVE_SF_DICTIONARY; kind++)
            check(kind, text, n, false);
}

/* `head`, `n` times `between`, `letter` and the number of the turn, then `tail`. */
static bool check_many(enum dive_sf_kind kind, const char *head, const char *between, unsigned n,
                       const char *tail)
{
    static char text[DIVE_SF_INPUT_MAX];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", head);

    for (unsigned i = 0; i < n; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", between, i);
        cr_assert_lt(len, sizeof text - 8);
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "%s", tail);
    return check(kind, text, len, false);
}

Test(sf_slow, the_limits_are_where_they_are_said_to_be)
{
    cr_expect(check_many(DIVE_SF_LIST, "x", ",", DIVE_SF_MEMBERS_MAX - 1, ""));
    cr_expect_not(check_many(DIVE_SF_LIST, "x", ",", DIVE_SF_MEMBERS_MAX, ""));
    cr_expect(check_many(DIVE_SF_DICTIONARY, "x", ",a", DIVE_SF_MEMBERS_MAX - 1, ""));
    cr_expect_not(check_many(DIVE_SF_DICTIONARY, "x", ",a", DIVE_SF_MEMBERS_MAX, ""));
    cr_expect(check_many(DIVE_SF_ITEM, "x", ";a", DIVE_SF_PARAMS_MAX, ""));
    cr_expect_not(check_many(DIVE_SF_ITEM, "x", ";a", DIVE_SF_PARAMS_MAX + 1, ""));
    cr_expect(check_many(DIVE_SF_LIST, "(", " ", DIVE_SF_INNER_ITEMS_MAX, ")"));
    cr_expect_not(check_many(DIVE_SF_LIST, "(", " ", DIVE_SF_INNER_ITEMS_MAX + 1, ")"));
}

/* Keys that come again count once, whatever their number. */
Test(sf_slow, repeated_keys_beyond_the_limits)
{
    cr_expect(check_many(DIVE_SF_DICTIONARY, "x,y", ",b=", 4 * DIVE_SF_MEMBERS_MAX, ",x=2"));
    cr_expect(check_many(DIVE_SF_ITEM, "x;c", ";b=", 4 * DIVE_SF_PARAMS_MAX, ";a;c=1"));
}

Test(sf_slow, an_input_of_64_kib_and_one_octet_more)
{
    static char text[DIVE_SF_INPUT_MAX + 1];

    memset(text, 'a', sizeof text);
    cr_expect(check(DIVE_SF_ITEM, text, DIVE_SF_INPUT_MAX, false));
    cr_expect_not(check(DIVE_SF_ITEM, text, DIVE_SF_INPUT_MAX + 1, false));
}
