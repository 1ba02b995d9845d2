/* SPDX-License-Identifier: BSD-2-Clause
 *
 * read_file: a whole file of the configuration, bounded.
 */
#ifndef DIVED_CONFIG_READ_FILE_H
#define DIVED_CONFIG_READ_FILE_H

#include "config/problems.h"

/* *out is malloc'd, not NUL-terminated, the caller's; NULL on failure. What is wrong is reported at
 * `place`, with the path in front if that is a line, as of a file that names this one:
 * DIVE_E_NOT_FOUND when it can't be read, DIVE_E_LIMIT when it is larger than `max` bytes.
 * DIVE_E_NOMEM. Blocks, on a pipe for seconds. */
int config_read_file(const char *path, size_t max, char **out, size_t *len,
                     struct config_problems *problems, struct place place) DIVE_MUST_USE;

#endif
