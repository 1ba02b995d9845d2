/* SPDX-License-Identifier: BSD-2-Clause
 *
 * hold_file: the unlinked file behind a hold. It has no name from its first moment on (or, on file
 * systems without O_TMPFILE, from a moment later), so nothing is left behind however the process
 * ends.
 */
#ifndef DIVED_HOLD_HOLD_FILE_H
#define DIVED_HOLD_HOLD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

/* A descriptor, read and write, mode 0600, or -1 with errno. `linkable`: it may be given a name
 * later. */
int hold_file_open(const char *directory, bool linkable) DIVE_MUST_USE;
/* What hold_file_open() falls back to where there is no O_TMPFILE. */
int hold_file_open_by_name(const char *directory) DIVE_MUST_USE;

/* Writes all `n` bytes at `position`: 0, or an errno. Starts write-back of what lies far enough
 * behind, so that a large body neither piles up dirty pages nor makes a disk work for one that is
 * soon gone. */
int hold_file_write(int fd, const void *data, size_t n, uint64_t position) DIVE_MUST_USE;

/* Reads exactly `n` bytes at `position`: 0, or an errno (EIO when the file ends before). */
int hold_file_read(int fd, void *data, size_t n, uint64_t position) DIVE_MUST_USE;

/* Bytes before `position` won't be needed soon. `*forgotten` says how far that was said before. */
void hold_file_forget(int fd, uint64_t position, uint64_t *forgotten);

#endif
