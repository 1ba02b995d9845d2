/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DNS answers built byte by byte: chains, TTLs, bounds, and every truncation of a good one.
 */
#include "dns/message.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message under construction. */
struct builder {
    uint8_t bytes[DNS_MESSAGE_MAX + 1];
    size_t n;
};

static void put8(struct builder *b, unsigned v)
{
    cr_assert_lt(b->n, sizeof b->bytes);
    b->bytes[b->n++] = (uint8_t)v;
}

static void put16(struct builder *b, unsigned v)
{
    put8(b, v >> 8);
    put8(b, v & 255);
}

static void put32(struct builder *b, uint32_t v)
{
    put16(b, v >> 16);
    put16(b, v & 65535);
}

static void put_name(struct builder *b, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");

        put8(b, (unsigned)n);
        for (size_t i = 0; i < n; i++)
            put8(b, (uint8_t)name[i]);
        name += n;
        name += *name == '.';
    }
    put8(b, 0);
}

static void start(struct builder *b, const char *name, unsigned type, unsigned rcode)
{
    b->n = 0;
    put16(b, 0x1234);
    put16(b, 0x8180 | rcode);
    put16(b, 1);
    put16(b, 0);
    put16(b, 0);
    put16(b, 0);
    put_name(b, name);
    put16(b, type);
    put16(b, 1);
}

/* Counts one more record of the section: 6 answer, 8 authority. */
static void count(struct builder *b, size_t section)
{
    unsigned v = (unsigned)(b->bytes[section] << 8 | b->bytes[section + 1]) + 1;

    b->bytes[section] = (uint8_t)(v >> 8);
    b->bytes[section + 1] = (uint8_t)v;
}

static void head(struct builder *b, size_t section, const char *owner, unsigned type, uint32_t ttl)
{
    count(b, section);
    put_name(b, owner);
    put16(b, type);
    put16(b, 1);
    put32(b, ttl);
}

static void rr(struct builder *b, const char *owner, unsigned type, uint32_t ttl, const void *rdata,
               size_t n)
{
    head(b, 6, owner, type, ttl);
    put16(b, (unsigned)n);
    for (size_t i = 0; i < n; i++)
        put8(b, ((const uint8_t *)rdata)[i]);
}

static void alias(struct builder *b, const char *owner, unsigned type, uint32_t ttl,
                  const char *target)
{
    size_t length, at;

    head(b, 6, owner, type, ttl);
    at = b->n;
    put16(b, 0);
    put_name(b, target);
    length = b->n - at - 2;
    b->bytes[at] = (uint8_t)(length >> 8);
    b->bytes[at + 1] = (uint8_t)length;
}

static void soa(struct builder *b, const char *owner, uint32_t ttl, uint32_t minimum)
{
    head(b, 8, owner, DNS_TYPE_SOA, ttl);
    put16(b, 22);
    put16(b, 0);
    for (int i = 0; i < 4; i++)
        put32(b, 7);
    put32(b, minimum);
}

static struct dns_answer *parse(const struct builder *b, unsigned type)
{
    struct dns_answer *answer;
    uint8_t *exact = malloc(b->n ? b->n : 1); /* so that a sanitizer sees each byte too many */
    int r;

    memcpy(exact, b->bytes, b->n);
    r = dns_message_parse(exact, b->n, (uint16_t)type, &answer);
    free(exact);
    cr_assert_eq(r, 0, "%d", r);
    return answer;
}

static int fails(const struct builder *b, unsigned type)
{
    struct dns_answer *answer = (void *)1;
    int r = dns_message_parse(b->bytes, b->n, (uint16_t)type, &answer);

    if (r == 0)
        free(answer);
    else
        cr_assert_null(answer);
    return r;
}

static struct builder b;

Test(dns_message, strings_of_one_record_are_joined)
{
    struct dns_answer *answer;

    start(&b, "_dive.example", DNS_TYPE_TXT, 0);
    rr(&b, "_DIVE.Example", DNS_TYPE_TXT, 300, "\3abc\0\2de", 8);
    rr(&b, "_dive.example", DNS_TYPE_TXT, 200, "\1x", 2);
    rr(&b, "x_dive.example", DNS_TYPE_TXT, 1, "\1y", 2); /* another name */
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->n, 2);
    cr_assert_eq(answer->ttl, 200);
    cr_assert(dive_span_eq(answer->record[0], "abcde"));
    cr_assert(dive_span_eq(answer->record[1], "x"));
    free(answer);
}

Test(dns_message, malformed_strings)
{
    start(&b, "a.example", DNS_TYPE_TXT, 0);
    rr(&b, "a.example", DNS_TYPE_TXT, 300, "\3ab", 3);
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), DIVE_E_SYNTAX);
    start(&b, "a.example", DNS_TYPE_TXT, 0);
    rr(&b, "a.example", DNS_TYPE_TXT, 300, "", 0);
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), DIVE_E_SYNTAX);
    start(&b, "a.example", DNS_TYPE_A, 0);
    rr(&b, "a.example", DNS_TYPE_A, 300, "\1\2\3", 3);
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_SYNTAX);
    start(&b, "a.example", DNS_TYPE_AAAA, 0);
    rr(&b, "a.example", DNS_TYPE_AAAA, 300, "\1\2\3\4", 4);
    cr_assert_eq(fails(&b, DNS_TYPE_AAAA), DIVE_E_SYNTAX);
}

Test(dns_message, aliases_are_followed_in_any_order)
{
    struct dns_answer *answer;

    start(&b, "a.example", DNS_TYPE_A, 0);
    rr(&b, "c.example", DNS_TYPE_A, 300, "\300\0\2\1", 4);
    alias(&b, "b.example", DNS_TYPE_CNAME, 50, "C.example");
    alias(&b, "a.example", DNS_TYPE_CNAME, 100, "b.example");
    answer = parse(&b, DNS_TYPE_A);
    cr_assert_eq(answer->n, 1);
    cr_assert_eq(answer->aliases, 2);
    cr_assert_eq(answer->ttl, 50);
    cr_assert_eq(memcmp(answer->record[0].p, "\300\0\2\1", 4), 0);
    free(answer);
}

Test(dns_message, dname_with_and_without_its_cname)
{
    struct dns_answer *answer;

    start(&b, "x.y.old.example", DNS_TYPE_TXT, 0);
    alias(&b, "old.example", DNS_TYPE_DNAME, 40, "new.example");
    rr(&b, "x.y.new.example", DNS_TYPE_TXT, 300, "\1t", 2);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->n, 1);
    cr_assert_eq(answer->ttl, 40);
    free(answer);
    start(&b, "x.old.example", DNS_TYPE_TXT, 0);
    alias(&b, "old.example", DNS_TYPE_DNAME, 40, "new.example");
    alias(&b, "x.old.example", DNS_TYPE_CNAME, 300, "x.new.example");
    rr(&b, "x.new.example", DNS_TYPE_TXT, 300, "\1t", 2);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->n, 1);
    cr_assert_eq(answer->ttl, 40, "the DNAME's TTL counts");
    free(answer);
    /* a DNAME does not redirect its owner, nor a name that merely ends alike */
    start(&b, "old.example", DNS_TYPE_TXT, 0);
    alias(&b, "old.example", DNS_TYPE_DNAME, 40, "new.example");
    rr(&b, "new.example", DNS_TYPE_TXT, 300, "\1t", 2);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->n, 0);
    free(answer);
    start(&b, "bold.example", DNS_TYPE_TXT, 0);
    alias(&b, "old.example", DNS_TYPE_DNAME, 40, "new.example");
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->aliases, 0);
    free(answer);
}

static void chain(unsigned length)
{
    char from[32], to[32];

    start(&b, "n0.example", DNS_TYPE_A, 0);
    for (unsigned i = 0; i < length; i++) {
        snprintf(from, sizeof from, "n%u.example", i);
        snprintf(to, sizeof to, "n%u.example", i + 1);
        alias(&b, from, DNS_TYPE_CNAME, 100, to);
    }
}

Test(dns_message, chains_end)
{
    chain(DNS_CHAIN_MAX);
    cr_assert_eq(fails(&b, DNS_TYPE_A), 0);
    chain(DNS_CHAIN_MAX + 1);
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_LIMIT);
    start(&b, "a.example", DNS_TYPE_A, 0);
    alias(&b, "a.example", DNS_TYPE_CNAME, 100, "b.example");
    alias(&b, "b.example", DNS_TYPE_CNAME, 100, "a.example");
    cr_assert_lt(fails(&b, DNS_TYPE_A), 0);
    start(&b, "x.a.example", DNS_TYPE_A, 0);
    alias(&b, "a.example", DNS_TYPE_DNAME, 100, "a.a.example"); /* grows for ever */
    cr_assert_lt(fails(&b, DNS_TYPE_A), 0);
}

Test(dns_message, negative_ttl)
{
    static const struct {
        uint32_t ttl, minimum, expected;
        unsigned rcode;
    } cases[] = {{300, 60, 60, 0},
                 {60, 300, 60, 3},
                 {0, 60, 0, 3},
                 {300, 60, 60, 3},
                 {0x80000000, 60, 0, 0},
                 {300, 0xffffffff, 0, 0},
                 {0x7fffffff, 0x7fffffff, 0x7fffffff, 0}};
    struct dns_answer *answer;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(&b, "a.example", DNS_TYPE_TXT, cases[i].rcode);
        soa(&b, "example", cases[i].ttl, cases[i].minimum);
        answer = parse(&b, DNS_TYPE_TXT);
        cr_expect_eq(answer->ttl, cases[i].expected, "case %zu: %u", i, answer->ttl);
        cr_expect_eq(answer->rcode, (int)cases[i].rcode);
        cr_expect_eq(answer->n, 0);
        free(answer);
    }
    start(&b, "a.example", DNS_TYPE_TXT, 3);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->ttl, 0, "no SOA: not to be remembered");
    free(answer);
    start(&b, "a.example", DNS_TYPE_TXT, 3);
    alias(&b, "a.example", DNS_TYPE_CNAME, 10, "b.example");
    soa(&b, "example", 300, 60);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->ttl, 10, "the chain bounds it too");
    free(answer);
}

Test(dns_message, records_of_a_failed_answer_do_not_count)
{
    struct dns_answer *answer;

    start(&b, "a.example", DNS_TYPE_TXT, DNS_RCODE_NXDOMAIN);
    rr(&b, "a.example", DNS_TYPE_TXT, 300, "\1x", 2);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->n, 0);
    free(answer);
    start(&b, "a.example", DNS_TYPE_TXT, DNS_RCODE_SERVFAIL);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->rcode, DNS_RCODE_SERVFAIL);
    free(answer);
}

Test(dns_message, limits)
{
    start(&b, "a.example", DNS_TYPE_TXT, 0);
    for (int i = 0; i < DNS_ANSWER_MAX; i++)
        rr(&b, "a.example", DNS_TYPE_TXT, 300, "\1x", 2);
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), 0);
    rr(&b, "a.example", DNS_TYPE_TXT, 300, "\1x", 2);
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), DIVE_E_LIMIT);
    start(&b, "a.example", DNS_TYPE_TXT, 0);
    for (int i = 0; i < DNS_SECTION_MAX; i++)
        rr(&b, "b.example", DNS_TYPE_TXT, 300, "\1x", 2);
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), 0);
    rr(&b, "b.example", DNS_TYPE_TXT, 300, "\1x", 2);
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), DIVE_E_LIMIT);
    /* one record that fills the whole message */
    start(&b, "a.example", DNS_TYPE_A, 0);
    b.n = DNS_MESSAGE_MAX;
    cr_assert_eq(fails(&b, DNS_TYPE_A), 0, "what follows the sections is not looked at");
    b.n = DNS_MESSAGE_MAX + 1;
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_LIMIT);
}

Test(dns_message, headers_that_do_not_fit)
{
    start(&b, "a.example", DNS_TYPE_A, 0);
    cr_assert_eq(fails(&b, DNS_TYPE_AAAA), DIVE_E_SYNTAX, "another type was asked for");
    b.bytes[2] = 0x01;
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_SYNTAX, "a query");
    b.bytes[2] = 0x83;
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_SYNTAX, "truncated");
    b.bytes[2] = 0x81;
    cr_assert_eq(fails(&b, DNS_TYPE_A), 0);
    b.bytes[5] = 2;
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_SYNTAX, "two questions");
    b.bytes[5] = 0;
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_SYNTAX, "no question");
}

Test(dns_message, compression)
{
    struct dns_answer *answer;
    size_t at;

    start(&b, "a.example", DNS_TYPE_TXT, 0);
    count(&b, 6);
    put16(&b, 0xc00c); /* the question's name */
    put16(&b, DNS_TYPE_TXT);
    put16(&b, 1);
    put32(&b, 300);
    put16(&b, 2);
    put16(&b, 0x0161);
    answer = parse(&b, DNS_TYPE_TXT);
    cr_assert_eq(answer->n, 1);
    free(answer);
    at = b.n - 14;
    for (unsigned target = 0; target < 64; target++) {
        b.bytes[at + 1] = (uint8_t)target; /* itself, ahead, the header: must not hang or crash */
        (void)fails(&b, DNS_TYPE_TXT);
        if (target < 12 || target >= at)
            cr_expect_lt(fails(&b, DNS_TYPE_TXT), 0, "pointer to %u", target);
    }
    b.bytes[at] = 0x80; /* neither label nor pointer */
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), DIVE_E_SYNTAX);
    /* a label, then a pointer back to that label */
    start(&b, "a.example", DNS_TYPE_TXT, 0);
    count(&b, 6);
    at = b.n;
    put16(&b, 0x0161);
    put16(&b, 0xc000 | (unsigned)at);
    for (int i = 0; i < 10; i++)
        put8(&b, 0);
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), DIVE_E_SYNTAX);
}

Test(dns_message, names_of_255_octets)
{
    char name[300] = "";

    for (int i = 0; i < 3; i++) {
        memset(name + strlen(name), 'a', 63);
        strcat(name, ".");
    }
    memset(name + strlen(name), 'a', 61);
    start(&b, name, DNS_TYPE_A, 0);
    cr_assert_eq(fails(&b, DNS_TYPE_A), 0);
    strcat(name, "a");
    start(&b, name, DNS_TYPE_A, 0);
    cr_assert_eq(fails(&b, DNS_TYPE_A), DIVE_E_SYNTAX);
}

Test(dns_message, every_truncation_fails)
{
    size_t whole;

    start(&b, "x.old.example", DNS_TYPE_TXT, 0);
    alias(&b, "old.example", DNS_TYPE_DNAME, 40, "new.example");
    rr(&b, "x.new.example", DNS_TYPE_TXT, 300, "\1t", 2);
    soa(&b, "example", 300, 60);
    whole = b.n;
    for (size_t n = 0; n < whole; n++) {
        struct dns_answer *answer;
        uint8_t *exact = malloc(n ? n : 1);

        memcpy(exact, b.bytes, n);
        cr_expect_lt(dns_message_parse(exact, n, DNS_TYPE_TXT, &answer), 0, "%zu bytes", n);
        free(exact);
    }
    cr_assert_eq(fails(&b, DNS_TYPE_TXT), 0);
}

/* Every byte of a good message changed to a few values: sanitizers look for what goes wrong. */
Test(dns_message, every_mutation_is_survived)
{
    static const uint8_t values[] = {0, 1, 63, 64, 127, 192, 255};
    struct dns_answer *answer;

    start(&b, "x.old.example", DNS_TYPE_TXT, 0);
    alias(&b, "old.example", DNS_TYPE_DNAME, 40, "new.example");
    alias(&b, "x.new.example", DNS_TYPE_CNAME, 40, "c.example");
    rr(&b, "c.example", DNS_TYPE_TXT, 300, "\1t\3abc", 6);
    soa(&b, "example", 300, 60);
    for (size_t i = 0; i < b.n; i++) {
        for (size_t v = 0; v < sizeof values; v++) {
            uint8_t *exact = malloc(b.n);

            memcpy(exact, b.bytes, b.n);
            exact[i] = values[v];
            if (dns_message_parse(exact, b.n, DNS_TYPE_TXT, &answer) == 0) {
                for (size_t k = 0; k < answer->n; k++)
                    cr_assert_leq(answer->record[k].n, 6);
            }
            free(answer);
            free(exact);
        }
    }
}

Test(dns_message, name_text)
{
    char name[300];

    cr_assert(dns_name_valid("a"));
    cr_assert(dns_name_valid("_dive.a-b.example."));
    cr_assert_not(dns_name_valid(""));
    cr_assert_not(dns_name_valid("."));
    cr_assert_not(dns_name_valid(".a"));
    cr_assert_not(dns_name_valid("a.."));
    cr_assert_not(dns_name_valid("a b"));
    cr_assert_not(dns_name_valid("a\\.b"));
    memset(name, 'a', sizeof name);
    for (int i = 1; i < 30; i++)
        name[i * 10] = '.';
    name[253] = '\0';
    cr_assert(dns_name_valid(name));
    name[253] = '.';
    name[254] = '\0';
    cr_assert(dns_name_valid(name), "253 and the dot");
    name[253] = 'a';
    cr_assert_not(dns_name_valid(name));
}
