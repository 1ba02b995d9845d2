/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rules in files of their own (include) and lists of hosts (hosts-file): what is read, in which
 * order, and where errors are said to be.
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

static char folder[64];

static void make_folder(void)
{
    char path[128];

    strcpy(folder, "/tmp/dived-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/conf.d", folder);
    cr_assert_eq(mkdir(path, 0755), 0);
}

static void remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static void write_text(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
}

static int load(struct config **cfg, struct config_problems *problems)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/d.yaml", folder);
    *problems = (struct config_problems){0};
    return config_load(path, cfg, problems);
}

static void expect_rules(const char *const *places)
{
    struct config_problems problems;
    struct config *cfg;
    char place[CONFIG_RULE_PLACE];
    size_t n = 0;

    cr_assert_eq(load(&cfg, &problems), 0, "%s", problems.n ? problems.v[0].text : "");
    for (; places[n]; n++) {
        cr_assert_lt(n, cfg->rules.n, "%s", places[n]);
        cr_assert_str_eq(config_rule_place(&cfg->rules.v[n], place, sizeof(place)), places[n]);
    }
    cr_assert_eq(cfg->rules.n, n);
    cr_assert_null(config_rule_match(cfg, &(struct config_subject){.host = "not-in-any.example"}));
    config_problems_free(&problems);
    config_unref(&cfg);
}

/* The one error, as it is printed, has to end so. */
static void expect_error(int code, const char *says)
{
    struct config_problems problems;
    struct config *cfg;
    char line[1024];

    cr_assert_eq(load(&cfg, &problems), code, "%s", says);
    cr_assert_null(cfg);
    cr_assert_geq(problems.errors, 1);
    config_problem_format(&problems, 0, line, sizeof(line));
    cr_assert(strstr(line, says), "%s: %s", says, line);
    config_problems_free(&problems);
}

Test(test_rule_files, in_the_order_of_their_names, .init = make_folder, .fini = remove_folder)
{
    static const char *const places[] = {"d.yaml:3",   "10-a.yaml:1", "10-a.yaml:2", "20-b.yaml:2",
                                         "9-c.yaml:1", "last.yaml:1", NULL};

    write_text("d.yaml", "version: 1\nrules:\n  - {host: z.example, deny: true}\n"
                         "include: [\"conf.d/*.yaml\", last.yaml, \"conf.d/1*.yaml\"]\n");
    write_text("conf.d/20-b.yaml", "version: 1\nrules: [{host: b.example, deny: true}]\n");
    write_text("conf.d/10-a.yaml", "rules: [{host: a1.example, deny: true},\n"
                                   "  {host: a2.example, deny: true}]\n");
    write_text("conf.d/9-c.yaml", "rules: [{host: c.example, deny: true}]\n");
    write_text("conf.d/empty.yaml", "");
    write_text("conf.d/none.yaml", "rules:\n");
    write_text("conf.d/no.yml", "nonsense: [");
    write_text("conf.d/.hidden.yaml", "nonsense: [");
    write_text("last.yaml", "rules: [{host: last.example, deny: true}]\n");
    expect_rules(places);
}

Test(test_rule_files, a_glob_may_find_nothing_a_name_may_not, .init = make_folder,
     .fini = remove_folder)
{
    static const char *const none[] = {NULL};

    write_text("d.yaml", "version: 1\ninclude: [\"conf.d/*.yaml\", \"nowhere/*.yaml\"]\n");
    expect_rules(none);
    write_text("d.yaml", "version: 1\ninclude: [conf.d/a.yaml]\n");
    expect_error(DIVE_E_SYNTAX, "conf.d/a.yaml: cannot be opened");
    expect_error(DIVE_E_SYNTAX, "d.yaml:2:10: error:");
}

Test(test_rule_files, errors_have_the_place_in_their_own_file, .init = make_folder,
     .fini = remove_folder)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"rules:\n  - {host: a.example, mode: enforced}\n", "conf.d/a.yaml:2:29: error: rules[0]."},
        {"rules:\n  - {host: a.example, denny: true, mode: off}\n",
         "conf.d/a.yaml:2:23: error: unknown key"},
        {"rules:\n  - {host: a.example}\n", "conf.d/a.yaml:2:5: error: rules[0]: does nothing"},
        {"\nlisteners: []\n", "conf.d/a.yaml:2:1: error: \"listeners\" may not stand"},
        {"rulse: []\n", "conf.d/a.yaml:1:1: error: unknown key \"rulse\"; did you mean rules?"},
        {"version: 2\n", "conf.d/a.yaml:1:10: error:"},
        {"- {host: a.example, deny: true}\n", "conf.d/a.yaml:1:1: error: an included file is"},
        {"rules: {host: a.example}\n", "conf.d/a.yaml:1:8: error: rules: must be a list"},
        {"rules:\n  - {host: a.example, deny: tr", "conf.d/a.yaml:3:1: error: YAML:"},
        {"rules: [{host: \"\xff\", deny: true}]\n", "conf.d/a.yaml:1:17: error: YAML:"},
    };

    write_text("d.yaml", "version: 1\ninclude: [conf.d/a.yaml]\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_text("conf.d/a.yaml", cases[i].text);
        expect_error(DIVE_E_SYNTAX, cases[i].says);
    }
}

Test(test_rule_files, a_repetition_names_both_files, .init = make_folder, .fini = remove_folder)
{
    struct config_problems problems;
    struct config *cfg;
    char line[1024];

    write_text("d.yaml", "version: 1\nrules: [{host: a.example, deny: true}]\n"
                         "include: [conf.d/a.yaml]\n");
    write_text("conf.d/a.yaml", "rules: [{host: A.example, mode: off}]\n");
    cr_assert_eq(load(&cfg, &problems), 0);
    cr_assert_eq(problems.n, 1);
    config_problem_format(&problems, 0, line, sizeof(line));
    cr_assert(strstr(line, "conf.d/a.yaml:1:9: warning: this rule is never reached: the rule in "
                           "d.yaml:2"),
              "%s", line);
    config_problems_free(&problems);
    config_unref(&cfg);
}

Test(test_rule_files, hosts, .init = make_folder, .fini = remove_folder)
{
    static const struct {
        const char *host;
        bool within;
    } cases[] = {{"a.example", true},
                 {"A.Example.", true},
                 {"x.a.example", false},
                 {"b.example", true},
                 {"x.y.b.example", true},
                 {"xb.example", false},
                 {"c.example", false},
                 {"x.c.example", true},
                 {"d.example", true},
                 {"example", false},
                 {"192.0.2.1", true},
                 {"[::ffff:192.0.2.1]", true},
                 {"192.0.2.2", true},
                 {"192.0.2.3", false},
                 {"[2001:DB8::1]", true},
                 {"last.example", true},
                 {"", false},
                 {".", false}};
    struct config_problems problems;
    struct config *cfg;

    write_text("d.yaml", "version: 1\nrules:\n  - {hosts-file: h.txt, deny: true}\n"
                         "  - {hosts-file: [g.txt, h.txt], host: \"*\", mode: off}\n");
    write_text("g.txt", "g.example\n");
    write_text("h.txt", "# a list\n\n a.example \t# with a comment\r\n.B.example\n*.c.example\n"
                        "d.example.\na.example\n192.0.2.1\n::ffff:192.0.2.2\n2001:db8:0::1\n"
                        "last.example\n");
    cr_assert_eq(load(&cfg, &problems), 0, "%s", problems.n ? problems.v[0].text : "");
    cr_assert_eq(problems.n, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(config_rule_match(cfg, &(struct config_subject){.host = cases[i].host}) !=
                         NULL,
                     cases[i].within, "%s", cases[i].host);
    cr_assert_eq(config_rule_match(cfg, &(struct config_subject){.host = "g.example"}),
                 &cfg->rules.v[1]);
    config_problems_free(&problems);
    config_unref(&cfg);
}

Test(test_rule_files, wrong_lists_of_hosts, .init = make_folder, .fini = remove_folder)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"a.example\nhttp://b.example/\n", "h.txt:2:1: error: \"http://b.example/\" is a URL"},
        {"a.example b.example\n", "h.txt:1:1: error:"},
        {"\n\n*\n", "h.txt:3:1: error:"},
        {"cdn*.example\n", "h.txt:1:1: error:"},
        {"10.0.0.0/8\n", "h.txt:1:1: error:"},
    };
    struct config_problems problems;
    struct config *cfg;

    write_text("d.yaml", "version: 1\nrules: [{hosts-file: h.txt, deny: true}]\n");
    expect_error(DIVE_E_SYNTAX, "h.txt: cannot be opened");
    expect_error(DIVE_E_SYNTAX, "d.yaml:2:9: error:");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_text("h.txt", cases[i].text);
        expect_error(DIVE_E_SYNTAX, cases[i].says);
    }
    write_text("h.txt", "a.example\nb.exam"); /* legal, and maybe not all of it */
    cr_assert_eq(load(&cfg, &problems), 0);
    cr_assert_eq(problems.warnings, 1);
    cr_assert(strstr(problems.v[0].text, "still being written"));
    cr_assert_str_eq(strrchr(problems.v[0].file, '/'), "/h.txt");
    cr_assert_eq(problems.v[0].line, 2);
    config_problems_free(&problems);
    config_unref(&cfg);
}
