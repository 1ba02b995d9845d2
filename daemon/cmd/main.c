/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl: the command line of dived. Each subcommand is a line of the table and a file of its own.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "core/log.h"

#ifndef DIVED_VERSION
#define DIVED_VERSION "unknown"
#endif

/* clang-format off */
static const struct command commands[] = {
    {"status", "", "what the running daemon is doing", command_status},
    {"top", "", "requests, verdicts, hosts and clients, live", command_top},
    {"trace", "ID", "how an exchange was judged, by its id in the access log", command_trace},
    {"reload", "", "make the daemon load its configuration anew", command_reload},
    {"upgrade", "", "have another process, of the binary that is installed now, take over", command_upgrade},
    {"cache", "stats|list|show|purge", "what the daemon has stored", command_cache},
    {"purge", "URL", "remove what is stored of a URL, a host or a key", command_purge},
    {"policies", "list|forget DOMAIN", "the domains that had a policy; let one go that has given up DNSSEC", command_policies},
    {"rule-test", "URL", "which rule decides about a request, and what follows", command_rule_test},
    {"audit", "list|show|verify|report|head", "the record of what was not plainly verified", command_audit},
    {"keygen", "FILE --keyid ID@DOMAIN", "make a key pair, print its record for the zone file", command_keygen},
    {"sign", "FILE... --key KEY --keyid ID", "make the header fields that let files be verified", command_sign},
    {"records", "DOMAIN [KEYID...]", "what DNS says about a domain, judged as the proxy would", command_records},
    {"rotate", "DOMAIN", "where a domain stands in key rotation, and the next safe step", command_rotate},
    {"explain", "[FILE]", "a recorded failure report or trace, in words", command_explain},
    {"verify", "URL", "download, verify and tell what was checked; nothing is kept", command_verify},
    {"fetch", "URL", "download a file that gets its name only once it is verified", command_fetch},
    {"env", "", "print what makes a shell's programs use the proxy and trust it", command_env},
    {"run", "[--] COMMAND...", "run a command that uses the proxy and trusts it", command_run},
    {"doctor", "[URL]", "why a client fails, and what to do", command_doctor},
    {"ca", "init|show|trust|env", "the interception CA, and how clients come to trust it", command_ca},
};
/* clang-format on */

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
    fputs("usage: divectl COMMAND [ARGUMENT...] [OPTION...]\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-9s %-28s %s\n", commands[i].name, commands[i].arguments,
                commands[i].summary);
    fputs("\nOptions of all commands:\n"
          "  -c, --config FILE   the daemon's configuration\n"
          "      --socket PATH   the daemon's control socket (admin.socket)\n"
          "      --json          print JSON\n"
          "      --version       print the version\n"
          "  -h, --help          print this, or the usage of a command\n"
          "See divectl(1).\n",
          to);
}

/* The index of the subcommand's name; 0: there is none. Options may stand before it. */
static int find_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return i;
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0 ||
            strcmp(argv[i], "--socket") == 0)
            i++;
    }
    return 0;
}

static int run(int argc, char **argv, int at)
{
    char *name = argv[at];

    /* What stood before the name goes behind it, and the program's own name goes. */
    memmove(&argv[1], &argv[0], (size_t)at * sizeof(*argv));
    argv[1] = name;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(&commands[i], argc - 1, argv + 1);
    }
    if (strcmp(name, "help") == 0) {
        print_help(stdout);
        return COMMAND_OK;
    }
    command_error("no such command: %s", name);
    print_help(stderr);
    return COMMAND_USAGE;
}

int main(int argc, char **argv)
{
    int at = find_command(argc, argv);

    log_set_level(LOG_LEVEL_WARNING);
    for (int i = 1; at == 0 && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout);
            return COMMAND_OK;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("divectl " DIVED_VERSION);
            return COMMAND_OK;
        }
    }
    if (at == 0) {
        print_help(stderr);
        return COMMAND_USAGE;
    }
    return run(argc, argv, at);
}
