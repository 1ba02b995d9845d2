/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_vary: RFC 9111 section 4.1.
 */
#include "cache/vary.h"
#include "http/error.h"
#include "tests/daemon/cache_head.h"

static int vary(char out[VARY_SIZE], const char *fields)
{
    struct http_head head = response_of(200, fields);
    int r = vary_of_response(out, &head);

    http_head_clear(&head);
    return r;
}

Test(cache_vary, normal_form)
{
    static const struct {
        const char *fields, *out;
        int r;
    } rows[] = {
        {"", "", 0},
        {"Vary: \r\n", "", 0},
        {"Vary: , ,\r\n", "", 0},
        {"Vary: Accept-Encoding, ACCEPT\r\n", "accept,accept-encoding", 0},
        {"Vary: b\r\nVary: a, B\r\n", "a,b", 0},
        {"Vary: *\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: *, *\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: , *\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: \r\nVary: *\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: a, *\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: *, a\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: a b\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: \"a\"\r\n", "", HTTP_E_FIELD_NAME},
        {"Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,P\r\n", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", 0},
        {"Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n", "", HTTP_E_TOO_MANY_FIELDS},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[VARY_SIZE];
        cr_expect(vary(out, rows[i].fields) == rows[i].r && strcmp(out, rows[i].out) == 0, "%s: %s",
                  rows[i].fields, out);
    }
}

Test(cache_vary, huge)
{
    char out[VARY_SIZE], fields[60000], name[VARY_SIZE + 8];
    size_t n = 0;

    memset(name, 'a', sizeof(name));
    snprintf(fields, sizeof(fields), "Vary: %.*s\r\n", VARY_SIZE - 2, name);
    cr_expect(vary(out, fields) == 0 && strlen(out) == VARY_SIZE - 2);
    snprintf(fields, sizeof(fields), "Vary: %.*s\r\n", VARY_SIZE, name);
    cr_expect(vary(out, fields) == HTTP_E_TOO_MANY_FIELDS && out[0] == '\0');
    n = (size_t)snprintf(fields, sizeof(fields), "Vary: a");
    for (int i = 0; i < 5000; i++)
        n += (size_t)snprintf(fields + n, sizeof(fields) - n, ",x%d", i);
    snprintf(fields + n, sizeof(fields) - n, "\r\n");
    cr_expect(vary(out, fields) == HTTP_E_TOO_MANY_FIELDS);
}

static uint64_t hash(const char *fields, const char *names)
{
    struct http_head head = request_of("GET", fields);
    uint64_t h = vary_hash(&head, names);

    http_head_clear(&head);
    return h;
}

Test(cache_vary, no_vary_is_zero_and_vary_never)
{
    cr_expect(hash("A: 1\r\n", "") == 0);
    cr_expect(hash("", "a") != 0);
}

Test(cache_vary, same)
{
    static const struct {
        const char *a, *b, *names;
    } rows[] = {
        {"Foo: 1\r\nBar: 2\r\n", "bar: 2\r\nX: y\r\nfoo: 1\r\n", "bar,foo"},
        {"", "X: 1\r\n", "foo"},
        {"Foo: 1, 2\r\n", "Foo: 1\r\nFoo: 2\r\n", "foo"},
        {"Foo: 1,2\r\n", "Foo:   1 ,\t2 \r\n", "foo"},
        {"Accept-Language: en, de\r\n", "Accept-Language: eN ,   De\r\n", "accept-language"},
        {"Accept-Language: en;q=0.5\r\n", "Accept-Language: en ; q=0.5\r\n", "accept-language"},
        {"Accept-Encoding: gzip, br\r\n", "Accept-Encoding: BR,gzip\r\n", "accept-encoding"},
        {"Accept-Encoding: gzip, br\r\n", "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n",
         "accept-encoding"},
        {"Accept: a/b ;q=1\r\n", "Accept: a/b;q=1\r\n", "accept"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect(hash(rows[i].a, rows[i].names) == hash(rows[i].b, rows[i].names), "%s",
                  rows[i].a);
}

Test(cache_vary, different)
{
    static const struct {
        const char *a, *b, *names;
    } rows[] = {
        {"Foo: 1\r\n", "Foo: 2\r\n", "foo"},
        {"Foo: 1\r\n", "", "foo"},
        {"Foo: \r\n", "", "foo"},
        {"Foo: a\r\n", "Foo: A\r\n", "foo"},
        {"Foo: 1;2\r\n", "Foo: 1; 2\r\n", "foo"},
        {"Foo: 1,2\r\n", "Foo: 2,1\r\n", "foo"},
        {"Foo: 1,2\r\n", "Foo: 12\r\n", "foo"},
        {"Foo: \"1, 2\"\r\n", "Foo: \"1,2\"\r\n", "foo"},
        {"Foo: \"\\\", 2\"\r\n", "Foo: \"\\\",2\"\r\n", "foo"},
        {"Foo: 1\r\nBar: 2\r\n", "Foo: 2\r\nBar: 1\r\n", "bar,foo"},
        {"Bar: -\r\n", "Foo: -\r\n", "bar,foo"},
        {"Bar: a\r\n", "Bar: a\r\nFoo: \r\n", "bar,foo"},
        {"Accept-Language: en, de\r\n", "Accept-Language: de, en\r\n", "accept-language"},
        {"Accept: a/b;c=D\r\n", "Accept: a/b;c=d\r\n", "accept"},
        {"Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: gzip\r\n", "accept-encoding"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect(hash(rows[i].a, rows[i].names) != hash(rows[i].b, rows[i].names), "%s",
                  rows[i].a);
}

/* A stored variant must be found again after an update of the daemon. */
Test(cache_vary, the_hash_is_part_of_the_stored_format)
{
    cr_expect(hash("Accept-Encoding: gzip\r\n", "accept-encoding") == UINT64_C(0x46ab09031ec7c1b0),
              "%llx", (unsigned long long)hash("Accept-Encoding: gzip\r\n", "accept-encoding"));
}

Test(cache_vary, long_values_and_lists)
{
    char fields[60000];
    size_t n = (size_t)snprintf(fields, sizeof(fields), "Accept-Encoding: a");

    for (int i = 0; i < 5000; i++)
        n += (size_t)snprintf(fields + n, sizeof(fields) - n, ",x%d", i);
    snprintf(fields + n, sizeof(fields) - n, "\r\n");
    cr_expect(hash(fields, "accept-encoding") != 0);
}
