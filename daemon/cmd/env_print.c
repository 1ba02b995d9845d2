/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl env (and ca env): the environment as lines for a shell, for `eval "$(divectl env)"`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/env.h"

/* How a shell sets a variable, and what in single quotes it reads as something else. */
static const struct env_shell {
    const char *name, *usage, *before, *between;
    const char *special, *escaped[2];
    bool typographic; /* U+2018 to U+201B end a string as ' does, and are doubled as well */
} env_shells[] = {
    {"sh", "eval \"$(divectl env)\"", "export ", "=", "'", {"'\\''", NULL}},
    {"fish", "divectl env --shell fish | source", "set -gx ", " ", "'\\", {"\\'", "\\\\"}},
    {"powershell",
     "divectl env --shell powershell | Out-String | Invoke-Expression",
     "$env:",
     " = ",
     "'",
     {"''", NULL},
     true},
};

static const struct env_shell *shell_find(const char *name)
{
    for (size_t i = 0; i < sizeof(env_shells) / sizeof(env_shells[0]); i++)
        if (strcmp(name, env_shells[i].name) == 0)
            return &env_shells[i];
    return NULL;
}

static bool is_quotation_mark(const char *utf8)
{
    return utf8[0] == '\xe2' && utf8[1] == '\x80' && utf8[2] >= '\x98' && utf8[2] <= '\x9b';
}

static void print_quoted(const struct env_shell *shell, const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        const char *special = strchr(shell->special, *text);

        if (shell->typographic && is_quotation_mark(text)) {
            printf("%.3s%.3s", text, text);
            text += 2;
        } else if (special != NULL) {
            fputs(shell->escaped[special - shell->special], stdout);
        } else {
            putchar(*text);
        }
    }
    putchar('\'');
}

static int print_json(const struct env *env)
{
    json_t *object = json_object();
    int r = EX_OSERR;

    for (size_t i = 0; i < env_count() && object != NULL; i++) {
        const char *name, *text = env_get(env, i, &name);

        if (text != NULL && json_object_set_new(object, name, json_string(text)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    if (object != NULL)
        r = command_print_json(object);
    else
        command_error("a path is no UTF-8, or memory is out");
    json_decref(object);
    return r;
}

/* What no variable does. A line end in a path would end the comment: it is printed escaped. */
static void print_comments(const struct env *env, const struct command_options *options)
{
    char copied[2048];

    printf("# apt reads files only, e.g. /etc/apt/apt.conf.d/95dived:\n"
           "#   Acquire::http::Proxy \"%s\"; Acquire::https::Proxy \"%s\";\n"
           "#   Acquire::http::Timeout \"" ENV_PATIENCE
           "\"; Acquire::https::Timeout \"" ENV_PATIENCE "\";\n",
           env->proxy, env->proxy);
    if (env->bundle[0] != '\0') {
        fputs("#   Acquire::https::CAInfo \"", stdout);
        command_print_text(env->bundle);
        puts("\";");
    }
    printf("# docker, for what its daemon pulls: /etc/docker/daemon.json\n"
           "#   {\"proxies\": {\"http-proxy\": \"%s\", \"https-proxy\": \"%s\"}}\n",
           env->proxy, env->proxy);
    if (env->certificate[0] == '\0')
        return;
    puts(command_advice(options,
                        "#   and it trusts the machine's store only: sudo divectl ca trust", copied,
                        sizeof(copied)));
    if (env->wgetrc[0] == '\0') {
        fputs("# wget: there is a ~/.wgetrc; add to it: ca_certificate = ", stdout);
        command_print_text(env->bundle);
        putchar('\n');
    }
}

int env_print(const struct env *env, const struct command_options *options, const char *shell_name)
{
    const struct env_shell *shell = shell_find(shell_name != NULL ? shell_name : "sh");
    char copied[2048];

    if (shell == NULL) {
        command_error("--shell: sh, fish or powershell, not %s", shell_name);
        return COMMAND_USAGE;
    }
    if (options->json)
        return print_json(env);
    printf("# %s\n", command_advice(options, shell->usage, copied, sizeof(copied)));
    for (size_t i = 0; i < env_count(); i++) {
        const char *name, *text = env_get(env, i, &name);

        if (text == NULL)
            continue;
        printf("%s%s%s", shell->before, name, shell->between);
        print_quoted(shell, text);
        putchar('\n');
    }
    print_comments(env, options);
    return fflush(stdout) == 0 ? COMMAND_OK : EX_IOERR;
}

int ca_env(const struct ca_context *ca)
{
    struct env env;
    int r = env_make(ca, NULL, &env);

    return r == COMMAND_OK ? env_print(&env, ca->options, NULL) : r;
}

int env_options_parse(const struct command *command, int argc, char **argv, bool shell,
                      struct env_options *out)
{
    struct command_option own[] = {
        {"certificate", true, &out->certificate, NULL, "FILE"},
        {"proxy", true, &out->proxy, NULL, "URL"},
        {"shell", true, &out->shell, NULL, "sh|fish|powershell"},
        {NULL, false, NULL},
    };
    int r;

    *out = (struct env_options){0};
    if (!shell)
        own[2] = own[3];
    r = command_parse(command, argc, argv, own, 0, 0, &out->options);
    return r != 0 ? r : command_config_or_defaults(&out->options, &out->config);
}

int env_options_make(const struct env_options *options, struct env *env)
{
    const struct config *config = options->config;
    struct ca_context ca = {.options = &options->options, .config = config};

    ca.certificate = options->certificate != NULL   ? options->certificate
                     : config->interception.enabled ? config->interception.ca_certificate
                                                    : NULL;
    return env_make(&ca, options->proxy, env);
}

int command_env(const struct command *command, int argc, char **argv)
{
    struct env_options options;
    struct env env;
    int r = env_options_parse(command, argc, argv, true, &options);

    if (r != 0)
        return r < 0 ? COMMAND_OK : r;
    if (options.shell != NULL && shell_find(options.shell) == NULL)
        r = env_print(&(struct env){0}, &options.options, options.shell);
    else
        r = env_options_make(&options, &env);
    if (r == COMMAND_OK)
        r = env_print(&env, &options.options, options.shell);
    config_unref(&options.config);
    return r;
}
