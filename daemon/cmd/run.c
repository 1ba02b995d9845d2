/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl run: a command in the environment that `divectl env` prints. It takes this process's
 * place: signals, terminal and exit status are its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/env.h"

/* As shells have them. */
#define RUN_CANNOT 126
#define RUN_NOT_FOUND 127

/* Where the command begins: options are ours up to the first argument that is none, or "--". */
static int run_find(int argc, char **argv)
{
    static const char *const with_value[] = {"-c", "--config", "--socket", "--certificate",
                                             "--proxy"};
    int i = 1;

    while (i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0) {
        for (size_t k = 0; k < sizeof(with_value) / sizeof(with_value[0]); k++) {
            if (strcmp(argv[i], with_value[k]) == 0) {
                i++;
                break;
            }
        }
        i++;
    }
    return i < argc ? i : argc;
}

static int run_exec(char **argv, const struct env *env)
{
    for (size_t i = 0; i < env_count(); i++) {
        const char *name, *text = env_get(env, i, &name);

        if (text != NULL && setenv(name, text, 1) != 0) {
            command_error("%s", strerror(errno));
            return EX_OSERR;
        }
    }
    execvp(argv[0], argv);
    command_error("%s: %s", argv[0], strerror(errno));
    return errno == ENOENT ? RUN_NOT_FOUND : RUN_CANNOT;
}

int command_run(const struct command *command, int argc, char **argv)
{
    int at = run_find(argc, argv);
    bool dashes = at < argc && strcmp(argv[at], "--") == 0;
    char **what = argv + at + (dashes ? 1 : 0);
    struct env_options options;
    struct env env;
    int r = env_options_parse(command, at, argv, false, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    if (at == argc || *what == NULL)
        r = command_usage(command);
    else
        r = env_options_make(&options, &env);
    config_unref(&options.config);
    return r == COMMAND_OK ? run_exec(what, &env) : r;
}
