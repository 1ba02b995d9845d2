/* SPDX-License-Identifier: BSD-2-Clause
 *
 * problems: collecting what is wrong with a configuration (struct config_problems, config.h).
 */
#ifndef DIVED_CONFIG_PROBLEMS_H
#define DIVED_CONFIG_PROBLEMS_H

#include "config/config.h"

/* A place in the file; line 0 is the file as a whole. */
struct place {
    unsigned line;
    unsigned column;
    const char *file; /* NULL: that of the whole; copied */
};

/* Past CONFIG_PROBLEMS_MAX of a kind, and without memory, the finding is counted, not kept: an
 * error is never lost as a reason to refuse. */
void problems_error(struct config_problems *problems, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void problems_warning(struct config_problems *problems, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Into the order of the file. */
void problems_sort(struct config_problems *problems);

#endif
