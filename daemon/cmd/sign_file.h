/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_file: the digests of one file as it is, read once; and files written whole or not at all.
 */
#ifndef DIVED_CMD_SIGN_FILE_H
#define DIVED_CMD_SIGN_FILE_H

#include <stdbool.h>

#include "lib/content_digest.h"

#define SIGN_READ_BYTES 262144 /* the buffer that sign_file_digests() is given */

/* Hashes `path`, a regular file, into *out (the caller's). 0 or an exit code, with *why a static
 * text or one of strerror(): not to be kept over other calls. A file that is written to, truncated
 * or replaced meanwhile is an error: its size, times, and the inode that its name leads to are
 * compared. */
int sign_file_digests(const char *path, unsigned hashes, void *buffer, struct dive_digests **out,
                      const char **why) DIVE_MUST_USE;

/* Writes a file under a temporary name beside it, synced, then gives it its name. Without `replace`
 * an existing one is left alone: COMMAND_USAGE. 0 or an exit code, *why as above. */
int sign_file_write(const char *path, const char *text, bool replace,
                    const char **why) DIVE_MUST_USE;

#endif
