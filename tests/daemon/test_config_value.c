/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Single values: what is taken, what is refused, and what people are told to write instead.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config/value.h"

static void expect_hint(const char *text, const struct value_why *why, const char *hint)
{
    cr_assert(strstr(why->text, hint), "%s: \"%s\" lacks \"%s\"", text, why->text, hint);
}

Test(test_config_value, durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0s", 0},
                {"500ms", 500},
                {"10s", 10000},
                {"5m", 300000},
                {"1h", 3600000},
                {"168h", 604800000},
                {"9223372036854775807ms", INT64_MAX},
                {"2562047788015h", 2562047788015 * 3600000}};
    static const struct {
        const char *text;
        const char *hint;
    } bad[] = {{"10", "write 10s"},
               {"0", "write 0s"},
               {"10 s", "write 10s"},
               {"10sec", "write 10s"},
               {"5min", "write 5m"},
               {"2hours", "write 2h"},
               {"10S", "write 10s"},
               {"10M", "ms, s, m, h"},
               {"10d", "ms, s, m, h"},
               {"", "whole number"},
               {"-1s", "whole number"},
               {"1.5h", "unknown unit"},
               {"s", "whole number"},
               {"010s", "whole number"},
               {"10s ", "unknown unit"},
               {"9223372036854775808ms", "whole number"},
               {"2562047788016h", "too large"}};
    struct value_why why;
    int64_t ms;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert_eq(value_duration(good[i].text, &ms, &why), 0, "%s", good[i].text);
        cr_assert_eq(ms, good[i].ms, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ms = 77;
        cr_assert_eq(value_duration(bad[i].text, &ms, &why), DIVE_E_SYNTAX, "%s", bad[i].text);
        cr_assert_eq(ms, 0);
        expect_hint(bad[i].text, &why, bad[i].hint);
    }
}

Test(test_config_value, sizes)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},
                {"65536", 65536},
                {"64KiB", 65536},
                {"256MiB", 256 << 20},
                {"16GiB", 16LL << 30},
                {"8589934591GiB", 8589934591LL << 30}};
    static const struct {
        const char *text;
        const char *hint;
    } bad[] = {{"64KB", "write 64KiB"},   {"64k", "write 64KiB"},        {"64kib", "write 64KiB"},
               {"1G", "write 1GiB"},      {"1 GiB", "write 1GiB"},       {"100B", "write 100"},
               {"1TiB", "KiB, MiB, GiB"}, {"KiB", "whole number"},       {"", "whole number"},
               {"-5", "whole number"},    {"8589934592GiB", "too large"}};
    struct value_why why;
    int64_t bytes;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert_eq(value_size(good[i].text, &bytes, &why), 0, "%s", good[i].text);
        cr_assert_eq(bytes, good[i].bytes, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bytes = 77;
        cr_assert_eq(value_size(bad[i].text, &bytes, &why), DIVE_E_SYNTAX, "%s", bad[i].text);
        cr_assert_eq(bytes, 0);
        expect_hint(bad[i].text, &why, bad[i].hint);
    }
}

Test(test_config_value, quantities_are_written_as_they_are_read)
{
    static const char *const spelled[] = {"0s", "1ms", "999ms", "1s", "90s", "15m", "1h", "168h"};
    static const char *const sizes[] = {"0", "1", "1023", "1KiB", "1025", "3MiB", "16GiB"};
    struct value_why why;
    char buf[32];
    int64_t n;

    for (size_t i = 0; i < sizeof(spelled) / sizeof(spelled[0]); i++) {
        cr_assert_eq(value_duration(spelled[i], &n, &why), 0);
        value_format_duration(n, buf, sizeof(buf));
        cr_assert_str_eq(buf, spelled[i]);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cr_assert_eq(value_size(sizes[i], &n, &why), 0);
        value_format_size(n, buf, sizeof(buf));
        cr_assert_str_eq(buf, sizes[i]);
    }
}

Test(test_config_value, booleans)
{
    struct value_why why;
    bool flag = false;

    cr_assert_eq(value_bool("true", &flag, &why), 0);
    cr_assert(flag);
    cr_assert_eq(value_bool("false", &flag, &why), 0);
    cr_assert_not(flag);
    cr_assert_neq(value_bool("yes", &flag, &why), 0);
    expect_hint("yes", &why, "write true");
    cr_assert_neq(value_bool("Off", &flag, &why), 0);
    expect_hint("Off", &why, "write false");
    cr_assert_neq(value_bool("maybe", &flag, &why), 0);
    expect_hint("maybe", &why, "true or false");
}

Test(test_config_value, words_and_slips)
{
    static const char *const words[] = {"", "enforce", "report-only", "off", NULL};
    struct value_why why;
    unsigned word;

    cr_assert_eq(value_word("report-only", words, &word, &why), 0);
    cr_assert_eq(word, 2u);
    cr_assert_neq(value_word("", words, &word, &why), 0, "the unset word is no choice");
    cr_assert_neq(value_word("report_only", words, &word, &why), 0);
    expect_hint("report_only", &why, "did you mean report-only?");
    cr_assert_neq(value_word("enfroce", words, &word, &why), 0);
    expect_hint("enfroce", &why, "did you mean enforce?");
    cr_assert_neq(value_word("Enforce", words, &word, &why), 0);
    expect_hint("Enforce", &why, "did you mean enforce?");
    cr_assert_neq(value_word("banana", words, &word, &why), 0);
    cr_assert_not(strstr(why.text, "did you mean"));
    expect_hint("banana", &why, "enforce, report-only, off");
}

Test(test_config_value, closest_has_bounds)
{
    static const char *const words[] = {"memory", "directory"};
    char endless[300];

    memset(endless, 'a', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    cr_assert_null(value_closest(endless, words, 2));
    cr_assert_null(value_closest("", words, 2));
    cr_assert_str_eq(value_closest("memroy", words, 2), "memory");
    cr_assert_str_eq(value_closest("mem", words, 2), "memory");
    cr_assert_null(value_closest("me", words, 2));
    cr_assert_null(value_closest("meadow", words, 2));
}

Test(test_config_value, addresses)
{
    static const char *const good[] = {"127.0.0.1:3128", "0.0.0.0:1", "[::1]:65535", "[::]:0"};
    static const struct {
        const char *text;
        const char *hint;
    } bad[] = {{"127.0.0.1", "write 127.0.0.1:3128"},
               {"::1", "write \"[::1]:3128\""},
               {"3128", "write 127.0.0.1:3128"},
               {":3128", "write 0.0.0.0:3128"},
               {"*:3128", "write 0.0.0.0:3128"},
               {"localhost:3128", "write 127.0.0.1:3128"},
               {"127.0.0.1:65536", "valid port"},
               {"127.0.0.1:", "valid port"},
               {"127.0.0.1:+1", "valid port"},
               {"[127.0.0.1]:1", "no address and port"},
               {"", "no address and port"},
               {"[", "no address and port"},
               {"[]:1", "no address and port"},
               {"127.1:80", "no address and port"},
               {"proxy.example:3128", "no address and port"}};
    struct config_address address;
    struct value_why why;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert_eq(value_address(good[i], &address, &why), 0, "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_neq(value_address(bad[i].text, &address, &why), 0, "%s", bad[i].text);
        cr_assert_eq(address.len, 0);
        expect_hint(bad[i].text, &why, bad[i].hint);
    }
    cr_assert_eq(value_address("127.0.0.2:3128", &address, &why), 0);
    cr_assert_eq(address.len, sizeof(struct sockaddr_in));
    cr_assert_eq(((struct sockaddr_in *)&address.addr)->sin_port, htons(3128));
    cr_assert_eq(((struct sockaddr_in *)&address.addr)->sin_addr.s_addr, htonl(0x7f000002));
}

Test(test_config_value, networks)
{
    static const struct {
        const char *text;
        int family;
        unsigned prefix;
    } good[] = {{"127.0.0.0/8", AF_INET, 8},     {"0.0.0.0/0", AF_INET, 0},
                {"192.168.1.1/32", AF_INET, 32}, {"10.0.0.128/25", AF_INET, 25},
                {"::1/128", AF_INET6, 128},      {"fe80::/10", AF_INET6, 10},
                {"::/0", AF_INET6, 0},           {"::ffff:10.0.0.0/104", AF_INET, 8},
                {"::ffff:0:0/96", AF_INET, 0}};
    static const struct {
        const char *text;
        const char *hint;
    } bad[] = {{"10.1.2.3/8", "write 10.0.0.0/8"},
               {"10.0.0.129/25", "write 10.0.0.128/25"},
               {"fe80::1/10", "write fe80::/10"},
               {"10.0.0.1", "write 10.0.0.1/32"},
               {"::1", "write ::1/128"},
               {"10.0.0.0/33", "from 0 to 32"},
               {"::/129", "from 0 to 128"},
               {"10.0.0.0/", "from 0 to 32"},
               {"10.0.0.0/255.0.0.0", "from 0 to 32"},
               {"10/8", "no network"},
               {"corp.example/8", "no network"},
               {"", "no network"},
               {"10.0.0.0/08", "from 0 to 32"}};
    struct config_network network;
    struct value_why why;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert_eq(value_network(good[i].text, &network, &why), 0, "%s", good[i].text);
        cr_assert_eq(network.family, good[i].family, "%s", good[i].text);
        cr_assert_eq(network.prefix, good[i].prefix, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_neq(value_network(bad[i].text, &network, &why), 0, "%s", bad[i].text);
        cr_assert_eq(network.family, 0);
        expect_hint(bad[i].text, &why, bad[i].hint);
    }
}

Test(test_config_value, parents)
{
    static const struct {
        const char *text, *host, *user;
        uint16_t port;
        bool tls;
    } good[] = {{"http://proxy.example:3128", "proxy.example", "", 3128, false},
                {"https://PROXY.example:443/", "proxy.example", "", 443, true},
                {"http://u@10.0.0.1:1", "10.0.0.1", "u", 1, false},
                {"http://a%40b%20c@[2001:DB8::0:1]:65535", "2001:db8::1", "a@b c", 65535, false},
                {"http://a@b@proxy.example:80", "proxy.example", "a@b", 80, false}};
    static const struct {
        const char *text;
        const char *hint;
    } bad[] = {{"proxy.example:3128", "write http://host:port"},
               {"socks5://proxy.example:1080", "write http://host:port"},
               {"HTTP://proxy.example:1", "write http://host:port"},
               {"http://proxy.example", "has no port"},
               {"http://[::1]", "has no port"},
               {"http://proxy.example:0", "no valid port"},
               {"http://proxy.example:65536", "no valid port"},
               {"http://proxy.example:", "no valid port"},
               {"http://proxy.example:31x", "no valid port"},
               {"http://proxy.example:3128/path", "as a whole"},
               {"http://proxy.example:3128?x", "as a whole"},
               {"http://user:password@proxy.example:3128", "parent-password-file"},
               {"http://@proxy.example:3128", "user name"},
               {"http://a%4@proxy.example:3128", "user name"},
               {"http://a%zz@proxy.example:3128", "user name"},
               {"http://a%3ab@proxy.example:3128", "user name"},
               {"http://a%0ab@proxy.example:3128", "user name"},
               {"http://:3128", "no host"},
               {"http://pro_xy!:3128", ""},
               {"http://::1:3128", ""},
               {"http://[127.0.0.1]:3128", ""}};
    char long_user[VALUE_USER_BUF + 40];
    struct value_parent parent;
    struct value_why why;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert_eq(value_parent(good[i].text, &parent, &why), 0, "%s: %s", good[i].text,
                     why.text);
        cr_assert_str_eq(parent.host, good[i].host);
        cr_assert_str_eq(parent.user, good[i].user);
        cr_assert_eq(parent.port, good[i].port, "%s", good[i].text);
        cr_assert_eq(parent.tls, good[i].tls, "%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(value_parent(bad[i].text, &parent, &why), DIVE_E_SYNTAX, "%s", bad[i].text);
        expect_hint(bad[i].text, &why, bad[i].hint);
    }
    for (int n = VALUE_USER_BUF - 1; n <= VALUE_USER_BUF; n++) {
        snprintf(long_user, sizeof(long_user), "http://%0*d@h.example:1", n, 0);
        cr_assert_eq(value_parent(long_user, &parent, &why), n < VALUE_USER_BUF ? 0 : DIVE_E_SYNTAX,
                     "%d", n);
    }
}

Test(test_config_value, dns_servers)
{
    char out[VALUE_SERVER_BUF];
    struct value_why why;

    cr_assert_eq(value_dns_server("9.9.9.9", 53, out, &why), 0);
    cr_assert_str_eq(out, "9.9.9.9@53");
    cr_assert_eq(value_dns_server("9.9.9.9", 0, out, &why), 0);
    cr_assert_str_eq(out, "9.9.9.9");
    cr_assert_eq(value_dns_server("::1@5300", 53, out, &why), 0);
    cr_assert_str_eq(out, "::1@5300");
    cr_assert_neq(value_dns_server("127.0.0.1:5300", 53, out, &why), 0);
    expect_hint("colon", &why, "write 127.0.0.1@5300");
    cr_assert_neq(value_dns_server("[::1]:53", 53, out, &why), 0);
    expect_hint("brackets", &why, "write ::1@53");
    cr_assert_neq(value_dns_server("dns.example@53", 53, out, &why), 0);
    cr_assert_neq(value_dns_server("127.0.0.1@0", 53, out, &why), 0);
    cr_assert_neq(value_dns_server("127.0.0.1@65536", 53, out, &why), 0);
    cr_assert_neq(value_dns_server("", 53, out, &why), 0);
}

Test(test_config_value, host_globs)
{
    static const struct {
        const char *text;
        const char *out;
    } good[] = {{"*", "*"},
                {"*.Example.COM", "*.example.com"},
                {"example.com.", "example.com"},
                {"*.com", "*.com"},
                {".Example.com", ".example.com"},
                {"CDN*.example.com", "cdn*.example.com"},
                {"*.*.example.com", "*.*.example.com"},
                {"www.*", "www.*"},
                {"localhost", "localhost"},
                {"192.0.2.1", "192.0.2.1"},
                {"[2001:DB8:0:0::1]", "2001:db8::1"},
                {"::1", "::1"}};
    static const struct {
        const char *text;
        const char *hint;
    } bad[] = {{".", "no host name"},
               {"..example.com", "no host name"},
               {".a*.example.com", "no host glob"},
               {"a*_..example.com", "no host glob"},
               {"**", "\"*\" for every host"},
               {"*.*", "\"*\" for every host"},
               {"10.0.*", "network"},
               {"https://example.com", "is a URL"},
               {"example.com:443", "has a port"},
               {"example.com/a", "has a \"/\""},
               {"10.0.0.0/8", "client"},
               {"*.", "no host name"},
               {"", "no host name"},
               {"ex ample.com", "no host name"},
               {"*.1.2.3.4", "IP address"},
               {"[127.0.0.1]", "no host name"}};
    char out[VALUE_HOST_BUF];
    struct value_why why;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_assert_eq(value_host_glob(good[i].text, out, &why), 0, "%s: %s", good[i].text, why.text);
        cr_assert_str_eq(out, good[i].out);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_neq(value_host_glob(bad[i].text, out, &why), 0, "%s", bad[i].text);
        expect_hint(bad[i].text, &why, bad[i].hint);
    }
}

Test(test_config_value, host_names_at_their_maximum)
{
    char name[300] = "*.";
    char out[VALUE_HOST_BUF];
    struct value_why why;

    for (int i = 0; i < 3; i++) {
        memset(name + 2 + 64 * i, 'a', 63);
        name[2 + 64 * i + 63] = '.';
    }
    memset(name + 2 + 192, 'a', 61); /* 253 characters */
    cr_assert_eq(value_host_glob(name, out, &why), 0);
    cr_assert_str_eq(out, name);
    cr_assert_eq(value_zone(name + 2, out, &why), 0);
    cr_assert_eq(strlen(out), 254u);
    name[2 + 253] = 'a';
    cr_assert_neq(value_host_glob(name, out, &why), 0);
}

Test(test_config_value, zones)
{
    char out[VALUE_HOST_BUF];
    struct value_why why;

    cr_assert_eq(value_zone(".", out, &why), 0);
    cr_assert_str_eq(out, ".");
    cr_assert_eq(value_zone("Test", out, &why), 0);
    cr_assert_str_eq(out, "test.");
    cr_assert_eq(value_zone("test.", out, &why), 0);
    cr_assert_str_eq(out, "test.");
    cr_assert_neq(value_zone("..", out, &why), 0);
    cr_assert_neq(value_zone("", out, &why), 0);
}

Test(test_config_value, forms_of_text)
{
    char long_scope[67] = "x-";
    struct value_why why;

    cr_assert_eq(value_path_glob("/pool/*", &why), 0);
    cr_assert_eq(value_path_glob("*.deb", &why), 0);
    cr_assert_neq(value_path_glob("pool/", &why), 0);
    cr_assert_neq(value_path_glob("/a?b=c", &why), 0);
    cr_assert_neq(value_path_glob("", &why), 0);

    cr_assert_eq(value_scope_name("x-packages", &why), 0);
    cr_assert_neq(value_scope_name("strict", &why), 0);
    expect_hint("strict", &why, "standard scope");
    cr_assert_neq(value_scope_name("x-", &why), 0);
    cr_assert_neq(value_scope_name("x-A", &why), 0);
    cr_assert_neq(value_scope_name("x-1", &why), 0);
    memset(long_scope + 2, 'a', 62);
    cr_assert_eq(value_scope_name(long_scope, &why), 0);
    long_scope[64] = 'a';
    cr_assert_neq(value_scope_name(long_scope, &why), 0);

    cr_assert_eq(value_media_type("application/*", &why), 0);
    cr_assert_eq(value_media_type("application/vnd.debian.binary-package", &why), 0);
    cr_assert_neq(value_media_type("application", &why), 0);
    cr_assert_neq(value_media_type("application/", &why), 0);
    cr_assert_neq(value_media_type("/x", &why), 0);
    cr_assert_neq(value_media_type("*/*", &why), 0);
    cr_assert_neq(value_media_type("text/plain; charset=utf-8", &why), 0);

    cr_assert_eq(value_option_name("so-rcvbuf", &why), 0);
    cr_assert_neq(value_option_name("so-rcvbuf:", &why), 0);
    cr_assert_neq(value_option_name("So", &why), 0);
    cr_assert_neq(value_option_name("", &why), 0);

    cr_assert_eq(value_path("a/b", &why), 0);
    cr_assert_neq(value_path("~/a", &why), 0);
    cr_assert_neq(value_path("$HOME/a", &why), 0);
    cr_assert_neq(value_path("", &why), 0);

    cr_assert_eq(value_user_agent("dived/0.1 (lab)", &why), 0);
    cr_assert_neq(value_user_agent("", &why), 0);
    cr_assert_neq(value_user_agent("a\tb", &why), 0);
}
