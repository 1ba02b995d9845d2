/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl upgrade: has another process take the daemon's place, as SIGUSR2 does, and says what came
 * of it.
 */
#include <stdio.h>

#include "cmd/command.h"

int command_upgrade(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    json_t *answer = NULL;
    bool ok;
    int r = command_parse(command, argc, argv, NULL, 0, 0, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    r = command_ask(&options, "upgrade", NULL, &answer);
    if (r != COMMAND_OK)
        return r;
    ok = json_is_true(json_object_get(answer, "ok"));
    if (options.json)
        r = command_print_json(answer);
    else if (ok)
        printf("process %lld has taken over\n", command_number(answer, "pid"));
    else
        command_error("the running process goes on: %s", command_string(answer, "error"));
    json_decref(answer);
    return r == COMMAND_OK && !ok ? COMMAND_NO : r;
}
