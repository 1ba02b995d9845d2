/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl reload: as SIGHUP, but says what came of it.
 */
#include <stdio.h>

#include "cmd/command.h"

static void print_problems(const json_t *problems)
{
    const json_t *line;
    size_t i;

    json_array_foreach(problems, i, line)
    {
        if (json_is_string(line))
            fprintf(stderr, "%s\n", json_string_value(line));
    }
}

int command_reload(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    json_t *answer = NULL;
    bool ok;
    int r = command_parse(command, argc, argv, NULL, 0, 0, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    r = command_ask(&options, "reload", NULL, &answer);
    if (r != COMMAND_OK)
        return r;
    ok = json_is_true(json_object_get(answer, "ok"));
    if (options.json) {
        r = command_print_json(answer);
    } else {
        print_problems(json_object_get(answer, "problems"));
        if (ok)
            puts("reloaded");
        else
            command_error("%s", command_string(answer, "error"));
    }
    json_decref(answer);
    return r == COMMAND_OK && !ok ? COMMAND_NO : r;
}
