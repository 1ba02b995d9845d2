/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl status: what the running daemon says of itself.
 */
#include <stdio.h>

#include "cmd/command.h"

static void print_duration(long long seconds)
{
    if (seconds >= 86400)
        printf("%lld d ", seconds / 86400);
    printf("%02lld:%02lld:%02lld", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}

static void print_status(const json_t *s)
{
    printf("dived %s, pid %lld, up ", command_string(s, "version"), command_number(s, "pid"));
    print_duration(command_number(s, "uptime_s"));
    printf("\nconfiguration:   ");
    command_print_text(command_string(s, "config"));
    printf("\nworkers:         %lld\n", command_number(s, "workers"));
    printf("connections:     %lld\n", command_number(s, "connections"));
    printf("held bytes:      %lld\n", command_number(s, "held_bytes"));
    printf("cached records:  %lld\n", command_number(s, "record_cache_entries"));
    printf("lost log lines:  %lld\n", command_number(s, "log_lines_lost"));
    if (json_is_string(json_object_get(s, "ca_fingerprint")))
        printf("interception CA: SHA-256 %s\n", command_string(s, "ca_fingerprint"));
    else
        printf("interception CA: none, interception is off\n");
}

int command_status(const struct command *command, int argc, char **argv)
{
    struct command_options options;
    json_t *answer = NULL;
    int r = command_parse(command, argc, argv, NULL, 0, 0, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    r = command_ask(&options, "status", NULL, &answer);
    if (r != COMMAND_OK)
        return r;
    if (!json_is_true(json_object_get(answer, "ok"))) {
        command_error("%s", command_string(answer, "error"));
        r = COMMAND_NO;
    } else if (options.json) {
        (void)json_object_del(answer, "ok");
        r = command_print_json(answer);
    } else {
        print_status(answer);
    }
    json_decref(answer);
    return r;
}
