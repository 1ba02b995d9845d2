/* SPDX-License-Identifier: BSD-2-Clause
 *
 * command: what the subcommands of divectl share: the options that all of them take, how they find
 * the daemon, how they end.
 *
 *      main.c      the table of subcommands
 *      command.c   options, configuration, printing
 *      control.c   one question to the running daemon
 *      status.c trace.c reload.c ca.c cache.c ...   one subcommand each
 *
 * Exit codes: 0 it is so; 1 it is not (no such trace, a configuration that was turned down, a
 * download that was rejected); 2
 * wrong usage, or what is to be made exists; else sysexits.h: 69 no daemon answers, 76 it answers
 * nonsense, 77 no permission, 78 a bad configuration, 71 memory.
 */
#ifndef DIVED_CMD_COMMAND_H
#define DIVED_CMD_COMMAND_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <sysexits.h>

#include "config/config.h"

#define COMMAND_OK 0
#define COMMAND_NO 1
#define COMMAND_USAGE 2

struct command {
    const char *name;
    const char *arguments; /* after the name, in the usage line */
    const char *summary;   /* one line for `divectl --help` */
    /* argv[0] is the name. Returns the exit code. */
    int (*run)(const struct command *command, int argc, char **argv);
};

/* Options before or after the arguments of a subcommand. */
struct command_options {
    const char *config; /* -c, --config; NULL: not given */
    const char *socket; /* --socket; NULL */
    bool json;          /* --json */
    int argc;           /* the arguments that are no options */
    char **argv;
};

#define COMMAND_LIST_MAX 64
/* The arguments of an option that may be given more than once, in order. */
struct command_list {
    const char *v[COMMAND_LIST_MAX];
    size_t n;
};

/* An option of one subcommand only: `value` gets its argument, or "" if it takes none. With `list`
 * instead of `value` it may be repeated, COMMAND_LIST_MAX times at most. A name of one letter is a
 * short option. */
struct command_option {
    const char *name;
    bool takes_value;
    const char **value;
    struct command_list *list;
    const char *placeholder; /* what --help calls the argument; NULL: VALUE */
};

/* 0, or COMMAND_USAGE when that was told; -1 after --help was printed: end with 0. `own` may be
 * NULL, else ends with a NULL name: --help lists it, one option a line, and shell completion reads
 * that. `at_least` and `at_most` arguments. */
int command_parse(const struct command *command, int argc, char **argv,
                  const struct command_option *own, int at_least, int at_most,
                  struct command_options *options) DIVE_MUST_USE;

/* `text` with every "divectl " in it followed by the --config of this run, if it has one that a
 * shell takes unquoted: advice that can be copied. Into `out`, cut off at `size`; returns out. */
const char *command_advice(const struct command_options *options, const char *text, char *out,
                           size_t size);
int command_usage(const struct command *command); /* prints; COMMAND_USAGE */
/* "divectl: ..." to standard error. */
void command_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Until it is called with NULL: errors go, one behind the other, into `out` instead, as far as
 * there is room. `out` holds a string. */
void command_errors_into(char *out, size_t size);

/* The configuration file: -c, or the first that is there of dived.yaml and developer.yaml in the
 * user's dived folder (XDG_CONFIG_HOME, ~/.config), and /etc/dived/dived.yaml. malloc'd, or NULL.
 */
char *command_config_path(const struct command_options *options);
/* Loads it. *out is NULL and 0 returned when there is none and none was named. Otherwise an exit
 * code that was told. */
int command_config(const struct command_options *options, struct config **out) DIVE_MUST_USE;
/* The same, with the defaults where there is no file and none was named: *out is never NULL with
 * COMMAND_OK. */
int command_config_or_defaults(const struct command_options *options,
                               struct config **out) DIVE_MUST_USE;

/* The daemon's answer to {"command": name, "id": id} (`id` may be NULL). COMMAND_OK: *answer is the
 * caller's, its "ok" may be false. Else an exit code, and it was told why. */
int command_ask(const struct command_options *options, const char *name, const char *id,
                json_t **answer) DIVE_MUST_USE;

/* The same for any request, an object that is taken over (NULL: it could not be made). */
int command_request(const struct command_options *options, json_t *request,
                    json_t **answer) DIVE_MUST_USE;

/* Prints an object, indented, with a line end. COMMAND_OK or EX_OSERR. */
int command_print_json(const json_t *object);
/* Members of an object, "-" and 0 when they are null, absent or of another type. */
const char *command_string(const json_t *object, const char *name);
long long command_number(const json_t *object, const char *name);
/* For people: control characters of outside text can't reach the terminal. */
void command_print_text(const char *text);
/* A verification as docs/trace.md has it, for people, to standard output. */
void command_print_trace(const json_t *trace);

int command_status(const struct command *command, int argc, char **argv);
int command_top(const struct command *command, int argc, char **argv);
int command_trace(const struct command *command, int argc, char **argv);
int command_reload(const struct command *command, int argc, char **argv);
int command_upgrade(const struct command *command, int argc, char **argv);
int command_cache(const struct command *command, int argc, char **argv);
int command_purge(const struct command *command, int argc, char **argv);
int command_audit(const struct command *command, int argc, char **argv);
int command_policies(const struct command *command, int argc, char **argv);
int command_rule_test(const struct command *command, int argc, char **argv);
int command_keygen(const struct command *command, int argc, char **argv);
int command_sign(const struct command *command, int argc, char **argv);
int command_records(const struct command *command, int argc, char **argv);
int command_rotate(const struct command *command, int argc, char **argv);
int command_explain(const struct command *command, int argc, char **argv);
int command_verify(const struct command *command, int argc, char **argv);
int command_fetch(const struct command *command, int argc, char **argv);
int command_env(const struct command *command, int argc, char **argv);
int command_run(const struct command *command, int argc, char **argv);
int command_doctor(const struct command *command, int argc, char **argv);
int command_ca(const struct command *command, int argc, char **argv);

#endif
