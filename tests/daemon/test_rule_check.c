/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a rule says that can't be, and what is in vain.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

struct expectation {
    const char *rules;
    unsigned line, column;
    const char *says;
};

static void expect(const struct expectation *e, bool warning)
{
    struct config_problems problems = {0};
    struct config *cfg;
    char text[2048];
    int r;

    snprintf(text, sizeof(text),
             "listeners: [{address: 127.0.0.1:1, name: staff}]\nversion: 1\nrules:\n%s", e->rules);
    r = config_parse("t", NULL, text, strlen(text), &cfg, &problems);
    cr_assert_eq(r, warning ? 0 : DIVE_E_SYNTAX, "%s", e->rules);
    cr_assert_eq(problems.n, 1, "%s: %zu problems, %s", e->rules, problems.n,
                 problems.n ? problems.v[0].text : "");
    cr_assert_eq(problems.v[0].warning, warning);
    cr_assert(strstr(problems.v[0].text, e->says), "%s: %s", e->rules, problems.v[0].text);
    cr_assert_eq(problems.v[0].line, e->line + 3, "%s: %u", e->rules, problems.v[0].line);
    cr_assert_eq(problems.v[0].column, e->column, "%s: %u", e->rules, problems.v[0].column);
    config_problems_free(&problems);
    config_unref(&cfg);
}

Test(test_rule_check, errors)
{
    static const struct expectation cases[] = {
        {" - {deny: true}\n", 1, 4, "needs a criterion"},
        {" - {host: a.example, path: /x}\n", 1, 4, "does nothing"},
        {" - {host: [], deny: true}\n", 1, 11, "is empty"},
        {" - {host: null, deny: true}\n", 1, 11, "null is none"},
        {" - {host: a.example, deny: true, cache: false}\n", 1, 28, "leave out deny, or cache"},
        {" - {host: a.example, deny: true, splice: true}\n", 1, 28, "leave out deny, or splice"},
        {" - {host: a.example, splice: true, mode: off}\n", 1, 30, "leave out splice, or mode"},
        {" - {host: a.example, path: /x, splice: true}\n", 1, 40, "leave out splice, or path"},
        {" - {host: a.example, method: GET, splice: true}\n", 1, 43, "leave out splice, or method"},
        {" - {host: a.example, mode: off, require: true}\n", 1, 28, "leave out mode, or require"},
        {" - {listener: stuff, deny: true}\n", 1, 15, "did you mean \"staff\"?"},
        {" - {method: get, deny: true}\n", 1, 13, "did you mean GET?"},
        {" - {method: \"G T\", deny: true}\n", 1, 13, "is no method"},
        {" - {port: 0, deny: true}\n", 1, 11, "is no port"},
        {" - {time: monday, deny: true}\n", 1, 11, "is no time window"},
        {" - {host: a.example, require-components: '@path'}\n", 1, 42, "\"@path\";req"},
        {" - {host: a.example, require-components: '@nonsense;req'}\n", 1, 42, "is no component"},
        {" - {host: a.example, require-components: 'a b'}\n", 1, 42, "is no component"},
        {" - {host: a.example, require-components: 'date;tr'}\n", 1, 42, "is no component"},
        {" - {host: a.example, require-components: []}\n", 1, 42, "is empty"},
        {" - {host: a.example, cache: maybe}\n", 1, 29, "maybe"},
        {" - {host: a.example, splice: \"true\"}\n", 1, 30, "because of its quotes"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(&cases[i], false);
}

Test(test_rule_check, in_vain)
{
    static const struct expectation cases[] = {
        {" - {host: \"*\", mode: off}\n - {host: a.example, deny: true}\n", 2, 4,
         "the rule in t:4 matches everything"},
        {" - {client: 10.0.0.0/8, time: mon, mode: off}\n"
         " - {time: mon, client: [10.0.0.0/8], deny: true}\n",
         2, 4, "the rule in t:4 has the same criteria"},
        {" - {host: .example, mode: off}\n - {host: a.example, path: /x, deny: true}\n", 2, 4,
         "the rule in t:4 has all of its hosts"},
        {" - {host: \"*.example\", mode: off}\n - {host: b.test, mode: off}\n"
         " - {host: [a.example, \"*.b.example\", b.test], deny: true}\n",
         3, 4, "has all of its hosts"},
        {" - {host: [.b.example], mode: off}\n - {host: \"x*.a.b.example\", deny: true}\n", 2, 4,
         "the rule in t:4 has all of its hosts"},
        {" - {user: alice, mode: off}\n", 1, 11, "no client can say who it is"},
        {" - {host: a.example, scheme: http, splice: true}\n", 1, 44, "has no TLS"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(&cases[i], true);
}

Test(test_rule_check, what_only_looks_in_vain)
{
    static const char *const cases[] = {
        " - {host: \"*.example\", mode: off}\n - {host: .example, deny: true}\n",
        " - {host: \"*.example\", mode: off}\n - {host: example, deny: true}\n",
        " - {host: .example, path: /x, mode: off}\n - {host: a.example, deny: true}\n",
        " - {host: a.example, mode: off}\n - {host: [a.example, b.example], deny: true}\n",
        " - {host: a.example, deny: true}\n - {host: .a.example, mode: off}\n",
        " - {host: \"x*.example\", deny: true}\n - {host: \"*.example\", mode: off}\n",
        " - {host: \"x*.example\", deny: true}\n - {host: x.a.example, mode: off}\n",
        " - {client: 10.0.0.0/8, deny: true}\n - {client: 10.0.0.0/8, path: /x, mode: off}\n",
        " - {scheme: [http, https], splice: true}\n",
        " - {user: alice, mode: off}\naccess: {htpasswd: /x}\n",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_problems problems = {0};
        struct config *cfg;
        char text[1024];

        snprintf(text, sizeof(text), "version: 1\nrules:\n%s", cases[i]);
        cr_assert_eq(config_parse("t", NULL, text, strlen(text), &cfg, &problems), 0);
        cr_assert_eq(problems.n, 0, "%s: %s", cases[i], problems.n ? problems.v[0].text : "");
        config_problems_free(&problems);
        config_unref(&cfg);
    }
}
