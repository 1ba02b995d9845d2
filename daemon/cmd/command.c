/* SPDX-License-Identifier: BSD-2-Clause
 *
 * command: see command.h.
 */
#include "cmd/command.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_OPTIONS_MAX 32
#define OWN_OPTION_FIRST 1000

static char *errors_into; /* or NULL: to standard error */
static size_t errors_size;

void command_errors_into(char *out, size_t size)
{
    errors_into = out;
    errors_size = size;
}

void command_error(const char *format, ...)
{
    va_list arguments;

    if (errors_into != NULL) {
        size_t n = strlen(errors_into);

        if (n > 0 && n + 3 < errors_size)
            n += (size_t)snprintf(errors_into + n, errors_size - n, "; ");
        va_start(arguments, format);
        vsnprintf(errors_into + n, errors_size - n, format, arguments);
        va_end(arguments);
        return;
    }
    fputs("divectl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

const char *command_advice(const struct command_options *options, const char *text, char *out,
                           size_t size)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+";
    const char *config = options->config;
    const char *at;
    size_t n = 0;

    if (config == NULL || config[0] == '-' || config[strspn(config, plain)] != '\0')
        config = NULL;
    out[0] = '\0';
    while (config != NULL && n < size && (at = strstr(text, "divectl ")) != NULL) {
        n += (size_t)snprintf(out + n, size - n, "%.*sdivectl -c %s ", (int)(at - text), text,
                              config);
        text = at + strlen("divectl ");
    }
    if (n < size)
        snprintf(out + n, size - n, "%s", text);
    return out;
}

static void print_usage(const struct command *command, FILE *to)
{
    fprintf(to, "usage: divectl %s %s%s[OPTION...]\n%s\n", command->name, command->arguments,
            command->arguments[0] != '\0' ? " " : "", command->summary);
}

static void print_options(const struct command_option *own, FILE *to)
{
    for (size_t i = 0; own != NULL && own[i].name != NULL; i++) {
        const char *argument = own[i].placeholder != NULL ? own[i].placeholder : "VALUE";
        bool is_letter = own[i].name[1] == '\0';

        fprintf(to, "%s%s%s%s%s\n", is_letter ? "  -" : "      --", own[i].name,
                own[i].takes_value ? " " : "", own[i].takes_value ? argument : "",
                own[i].list != NULL ? " (may be repeated)" : "");
    }
    fputs("  -c, --config FILE\n      --socket PATH\n      --json\n  -h, --help\n", to);
}

int command_usage(const struct command *command)
{
    print_usage(command, stderr);
    return COMMAND_USAGE;
}

/* Common options first, then `own`, numbered from OWN_OPTION_FIRST. */
static void option_table(const struct command_option *own, struct option table[])
{
    static const struct option common[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
    };
    size_t n = sizeof(common) / sizeof(common[0]);

    memcpy(table, common, sizeof(common));
    for (int i = 0; own != NULL && own[i].name != NULL; i++) {
        assert(i < OWN_OPTIONS_MAX);
        table[n++] =
            (struct option){own[i].name, own[i].takes_value ? required_argument : no_argument, NULL,
                            OWN_OPTION_FIRST + i};
    }
    table[n] = (struct option){0};
}

/* Short options: the common ones, and own ones whose name is one letter. */
static void option_letters(const struct command_option *own, char letters[])
{
    size_t n = 0;

    memcpy(letters, "c:h", 3);
    n = 3;
    for (int i = 0; own != NULL && own[i].name != NULL; i++) {
        if (own[i].name[1] != '\0')
            continue;
        letters[n++] = own[i].name[0];
        if (own[i].takes_value)
            letters[n++] = ':';
    }
    letters[n] = '\0';
}

/* getopt's result for an own option, by its letter or as a long one. */
static const struct command_option *option_find(const struct command_option *own, int option)
{
    if (option >= OWN_OPTION_FIRST)
        return &own[option - OWN_OPTION_FIRST];
    for (int i = 0; own != NULL && own[i].name != NULL; i++)
        if (own[i].name[0] == option && own[i].name[1] == '\0')
            return &own[i];
    return NULL;
}

static int option_take(const struct command_option *own, const char *value)
{
    if (own->list == NULL) {
        *own->value = value != NULL ? value : "";
        return 0;
    }
    if (own->list->n == COMMAND_LIST_MAX) {
        command_error("--%s: more than %d times", own->name, COMMAND_LIST_MAX);
        return COMMAND_USAGE;
    }
    own->list->v[own->list->n++] = value;
    return 0;
}

int command_parse(const struct command *command, int argc, char **argv,
                  const struct command_option *own, int at_least, int at_most,
                  struct command_options *options)
{
    struct option table[OWN_OPTIONS_MAX + 5];
    char letters[OWN_OPTIONS_MAX * 2 + 4];
    const struct command_option *mine;
    int option;

    *options = (struct command_options){0};
    option_table(own, table);
    option_letters(own, letters);
    optind = 1;
    while ((option = getopt_long(argc, argv, letters, table, NULL)) != -1) {
        if (option == 'c') {
            options->config = optarg;
        } else if (option == 's') {
            options->socket = optarg;
        } else if (option == 'j') {
            options->json = true;
        } else if ((mine = option_find(own, option)) != NULL) {
            if (option_take(mine, optarg) != 0)
                return COMMAND_USAGE;
        } else if (option == 'h') {
            print_usage(command, stdout);
            print_options(own, stdout);
            return -1;
        } else {
            return command_usage(command);
        }
    }
    options->argc = argc - optind;
    options->argv = argv + optind;
    if (options->argc < at_least || options->argc > at_most)
        return command_usage(command);
    return 0;
}

/* "folder/dived/name" if that can be read; malloc'd, or NULL. */
static char *config_in(const char *folder, const char *below, const char *name)
{
    char *path = NULL;

    if (folder == NULL || folder[0] == '\0')
        return NULL;
    if (asprintf(&path, "%s%s/dived/%s", folder, below, name) < 0)
        return NULL;
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *command_config_path(const struct command_options *options)
{
    static const char *const names[] = {"dived.yaml", "developer.yaml"};
    const char *xdg = getenv("XDG_CONFIG_HOME");
    char *path = NULL;

    if (options->config != NULL)
        return strdup(options->config);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && path == NULL; i++) {
        path = config_in(xdg, "", names[i]);
        if (path == NULL && (xdg == NULL || xdg[0] == '\0'))
            path = config_in(getenv("HOME"), "/.config", names[i]);
    }
    return path != NULL ? path : config_in("/etc", "", "dived.yaml");
}

int command_config(const struct command_options *options, struct config **out)
{
    struct config_problems problems = {0};
    char *path = command_config_path(options);
    char line[1024];
    int r;

    *out = NULL;
    if (path == NULL)
        return options->config == NULL ? COMMAND_OK : EX_OSERR;
    r = config_load(path, out, &problems);
    for (size_t i = 0; r != 0 && i < problems.n; i++) {
        config_problem_format(&problems, i, line, sizeof(line));
        fprintf(stderr, "%s\n", line);
    }
    if (r != 0 && problems.n == 0)
        command_error("%s: %s", path, dive_strerror(r));
    config_problems_free(&problems);
    free(path);
    return r == 0 ? COMMAND_OK : EX_CONFIG;
}

/* No file is a file that says nothing. */
int command_config_or_defaults(const struct command_options *options, struct config **out)
{
    static const char defaults[] = "version: 1\n";
    struct config_problems problems = {0};
    int r = command_config(options, out);

    if (r != COMMAND_OK || *out != NULL)
        return r;
    r = config_parse("the defaults", NULL, defaults, sizeof(defaults) - 1, out, &problems);
    config_problems_free(&problems);
    if (r == 0)
        return COMMAND_OK;
    command_error("%s", dive_strerror(r));
    return EX_OSERR;
}

int command_print_json(const json_t *object)
{
    if (json_dumpf(object, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0 || putchar('\n') == EOF ||
        fflush(stdout) != 0) {
        command_error("can't write the answer");
        return EX_OSERR;
    }
    return COMMAND_OK;
}

const char *command_string(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL ? value : "-";
}

long long command_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

void command_print_text(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        unsigned char next = (unsigned char)text[1];

        if (c < 0x20 || c == 0x7f) {
            printf("\\x%02x", c);
        } else if (c == 0xc2 && next >= 0x80 && next <= 0x9f) { /* C1 controls in UTF-8 */
            printf("\\x%02x", next);
            text++;
        } else {
            putchar(c);
        }
    }
}
