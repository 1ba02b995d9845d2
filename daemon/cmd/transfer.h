/* SPDX-License-Identifier: BSD-2-Clause
 *
 * transfer: what `divectl verify` and `divectl fetch` share: their options, the runtime that a
 * download works with, and the account of what came of it.
 */
#ifndef DIVED_CMD_TRANSFER_H
#define DIVED_CMD_TRANSFER_H

#include "cmd/command.h"
#include "cmd/download.h"

#define TRANSFER_REDIRECTS 10 /* followed unless --max-redirects says otherwise */

struct transfer {
    struct command_options common;
    struct download_options download; /* points into argv and `fields` */
    struct dive_field fields[DOWNLOAD_FIELDS_MAX];
    struct runtime *runtime;
    bool require;       /* --require: what nothing vouches for is refused */
    bool quiet;         /* --quiet */
    const char *output; /* -o, --output (fetch); NULL */
    bool force;         /* --force (fetch) */
    bool no_resume;     /* --no-resume (fetch) */
};

/* Reads the command line and makes the runtime. `is_fetch`: with the options of fetch. 0, an exit
 * code that was told, or -1: end with 0. To be cleared whatever became of it. */
int transfer_open(struct transfer *t, const struct command *command, int argc, char **argv,
                  bool is_fetch) DIVE_MUST_USE;
void transfer_clear(struct transfer *t);

/* The exit code of a result; 0 also means that the content may be delivered. */
int transfer_exit(const struct transfer *t, const struct download_result *result);

/* The result as an object: the trace's members (docs/trace.md) and those of divectl(1); the
 * caller's, NULL without memory. `file` may be NULL. */
json_t *transfer_json(const struct transfer *t, const struct download_result *result,
                      const char *file);
/* One line for people: what came of it. */
void transfer_print_decision(FILE *to, const struct transfer *t,
                             const struct download_result *result);
/* The whole account, to standard output. */
void transfer_print(const struct transfer *t, const struct download_result *result);

#endif
