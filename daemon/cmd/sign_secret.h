/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_secret: how keys, passphrases and PINs come in: from files that nobody else may read, from
 * open descriptors, or from the terminal. Whoever gets one wipes it (OPENSSL_cleanse).
 */
#ifndef DIVED_CMD_SIGN_SECRET_H
#define DIVED_CMD_SIGN_SECRET_H

#include "cmd/command.h"

/* All of a file into `out`; "-" is standard input. A regular file that its group or others may read
 * or write is refused (EX_NOPERM) unless `insecure_permissions`; a pipe (/dev/fd/3) has no such
 * modes that count. *n is the length; more than `size` bytes is EX_DATAERR. COMMAND_OK or an exit
 * code, told. */
int sign_secret_read(const char *path, bool insecure_permissions, char *out, size_t size,
                     size_t *n) DIVE_MUST_USE;

/* The first line of such a file, without its line end, NUL-terminated, in `size` bytes. */
int sign_secret_file(const char *path, bool insecure_permissions, char *out,
                     size_t size) DIVE_MUST_USE;

/* Asks for the secret of `what` at the terminal, without echo. EX_NOINPUT when there is none, told.
 */
int sign_secret_prompt(const char *what, char *out, size_t size) DIVE_MUST_USE;

#endif
