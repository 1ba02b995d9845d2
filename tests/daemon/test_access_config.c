/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The access section and what listeners say of it: maps within maps, what follows from what is
 * given, and what can't be meant.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

static struct config_problems problems;
static struct config *config;

static void teardown(void)
{
    config_unref(&config);
    config_problems_free(&problems);
}

TestSuite(test_access_config, .fini = teardown);

static int parse(const char *text)
{
    char whole[2048];

    snprintf(whole, sizeof(whole), "version: 1\n%s", text);
    config_unref(&config);
    config_problems_free(&problems);
    problems = (struct config_problems){0};
    return config_parse("x", NULL, whole, strlen(whole), &config, &problems);
}

static void expect_error(const char *text, const char *word)
{
    cr_assert_eq(parse(text), DIVE_E_SYNTAX, "%s", text);
    cr_assert_gt(problems.errors, 0);
    cr_assert_not_null(strstr(problems.v[0].text, word), "%s: %s", text, problems.v[0].text);
    cr_assert_gt(problems.v[0].line, 0);
}

Test(test_access_config, nothing_is_asked_by_default)
{
    cr_assert_eq(parse(""), 0);
    cr_assert_eq(config->access.require, CONFIG_REQUIRE_NONE);
    cr_assert_null(config->access.htpasswd);
    cr_assert_null(config->access.negotiate.keytab);
    cr_assert_str_eq(config->access.negotiate.service, "HTTP");
    cr_assert_str_eq(config->access.realm, "dived");
    cr_assert_not(config->listeners.v[0].authenticate_given);
    cr_assert_null(config->listeners.v[0].tls.certificate);
}

Test(test_access_config, passwords_are_asked_for_when_there_are_some)
{
    cr_assert_eq(parse("access: {htpasswd: users}\n"), 0);
    cr_assert_eq(config->access.require, CONFIG_REQUIRE_ANY);
    cr_assert_eq(problems.warnings, 0);
    cr_assert_eq(parse("access: {negotiate: {keytab: k, service: proxy, realm: A.EXAMPLE}}\n"), 0);
    cr_assert_eq(config->access.require, CONFIG_REQUIRE_ANY);
    cr_assert_str_eq(config->access.negotiate.keytab, "k");
    cr_assert_str_eq(config->access.negotiate.service, "proxy");
    cr_assert_str_eq(config->access.negotiate.realm, "A.EXAMPLE");
}

Test(test_access_config, who_asks_for_passwords_and_nobody_need_say_one_is_warned)
{
    cr_assert_eq(parse("access: {htpasswd: users, require: none}\n"), 0);
    cr_assert_eq(config->access.require, CONFIG_REQUIRE_NONE);
    cr_assert_eq(problems.warnings, 1);
    cr_assert_eq(parse("access: {htpasswd: users, require: none}\n"
                       "listeners: [{address: \"127.0.0.1:1\", authenticate: true}]\n"),
                 0);
    cr_assert_eq(problems.warnings, 0);
    cr_assert(config->listeners.v[0].authenticate && config->listeners.v[0].authenticate_given);
}

Test(test_access_config, listeners)
{
    cr_assert_eq(
        parse("access: {htpasswd: u}\n"
              "listeners:\n"
              "  - {address: \"127.0.0.1:1\", authenticate: false}\n"
              "  - address: \"127.0.0.1:2\"\n"
              "    tls: {certificate: c, key: k}\n"
              "  - {address: \"127.0.0.1:3\", tls: {certificate: c, key: k, client-ca: a}}\n"
              "  - address: \"127.0.0.1:4\"\n"
              "    tls: {certificate: c, key: k, client-ca: a, client-certificate: optional}\n"),
        0, "%s", problems.n ? problems.v[0].text : "");
    cr_assert(config->listeners.v[0].authenticate_given && !config->listeners.v[0].authenticate);
    cr_assert_str_eq(config->listeners.v[1].tls.certificate, "c");
    cr_assert_str_eq(config->listeners.v[1].tls.key, "k");
    cr_assert_eq(config->listeners.v[1].tls.client_certificate, CONFIG_CLIENT_CERTIFICATE_NONE);
    cr_assert_eq(config->listeners.v[2].tls.client_certificate, CONFIG_CLIENT_CERTIFICATE_REQUIRED);
    cr_assert_eq(config->listeners.v[3].tls.client_certificate, CONFIG_CLIENT_CERTIFICATE_OPTIONAL);
}

#define LISTENER(rest) "listeners: [{address: \"127.0.0.1:1\", " rest "}]\n"

Test(test_access_config, what_can_not_be_meant)
{
    expect_error("access: {require: any}\n", "no way");
    expect_error("access: {require: maybe}\n", "any");
    expect_error(LISTENER("authenticate: true"), "no way");
    expect_error("access: {htpasswd: u}\n" LISTENER("mode: transparent"), "authenticate: false");
    expect_error("access: {htpasswd: u}\n" LISTENER("mode: transparent, authenticate: true"),
                 "transparent");
    expect_error(LISTENER("mode: transparent, tls: {certificate: c, key: k}"), "leave it out");
    cr_assert_eq(
        parse("access: {htpasswd: u}\n" LISTENER("mode: transparent, authenticate: false")), 0);
    expect_error("access: {realm: 'a\"b'}\n", "quotes");
    expect_error("access: {failed-attempts: 0}\n", "out of range");
    expect_error("access: {negotiate: {keytb: k}}\n", "keytab");
    expect_error("access: {negotiate: k}\n", "map");
    expect_error("access: {negotiate: {keytab: {a: b}}}\n", "negotiate.keytab");
    expect_error(LISTENER("tls: {certificate: c}"), "\"key\" is missing");
    expect_error(LISTENER("tls: {key: c}"), "\"certificate\" is missing");
    expect_error(LISTENER("tls: {}"), "missing");
    expect_error(LISTENER("tls: true"), "map");
    expect_error(LISTENER("tls: {certificate: c, key: k, ca: x}"), "unknown key");
    expect_error(LISTENER("tls: {certificate: c, key: k, client-certificate: required}"),
                 "client-ca");
    expect_error(LISTENER("tls: {certificate: c, key: k, client-ca: a, client-certificate: none}"),
                 "no use");
}

/* A certificate is a way to say who one is, on its listener. */
Test(test_access_config, certificates_count)
{
    cr_assert_eq(
        parse("access: {require: any}\n" LISTENER("tls: {certificate: c, key: k, client-ca: a}")),
        0);
    expect_error("access: {require: any}\n"
                 "listeners: [{address: \"127.0.0.1:1\", tls: {certificate: c, key: k, client-ca: "
                 "a}}, {address: \"127.0.0.1:2\"}]\n",
                 "listeners[1]");
}
