/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl policies: the domains that had a policy, and how one is forgotten whose operator has
 * given up DNSSEC.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/command.h"
#include "lib/domain.h"

static void print_policy(const json_t *policy)
{
    time_t seen = (time_t)command_number(policy, "seen");
    struct tm tm;
    char text[32] = "-";

    if (gmtime_r(&seen, &tm) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%s  ", text);
    command_print_text(command_string(policy, "domain"));
    puts(json_is_true(json_object_get(policy, "report_only")) ? "  report-only" : "");
}

int command_policies(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    char domain[DIVE_DOMAIN_BUF];
    const char *id = NULL;
    json_t *answer = NULL;
    const json_t *list;
    int r = command_parse(command, argc, argv, NULL, 1, 2, &options);

    if (r != COMMAND_OK)
        return r < 0 ? COMMAND_OK : r;
    if (strcmp(options.argv[0], "forget") == 0 && options.argc == 2) {
        if (dive_domain_normalize(dive_span_str(options.argv[1]), domain) != 0) {
            command_error("not a domain: %s", options.argv[1]);
            return COMMAND_USAGE;
        }
        id = domain;
    } else if (strcmp(options.argv[0], "list") != 0 || options.argc != 1) {
        command_error("policies takes: list, or forget DOMAIN");
        return command_usage(command);
    }
    r = command_ask(&options, "policies", id, &answer);
    if (r != COMMAND_OK)
        return r;
    if (!json_is_true(json_object_get(answer, "ok"))) {
        command_error("%s", command_string(answer, "error"));
        r = COMMAND_NO;
    } else if (options.json) {
        r = command_print_json(answer);
    } else {
        list = json_object_get(answer, "policies");
        for (size_t i = 0; i < json_array_size(list); i++)
            print_policy(json_array_get(list, i));
        if (json_is_true(json_object_get(answer, "more")))
            puts("(there are more)");
    }
    if (r == COMMAND_OK && json_is_false(json_object_get(answer, "saved")))
        command_error("forgotten, but that could not be saved: a crash of the daemon would bring "
                      "it back (its log says why)");
    json_decref(answer);
    return r;
}
