/* SPDX-License-Identifier: BSD-2-Clause
 *
 * progress: the line on a terminal that tells how far a download is.
 */
#ifndef DIVED_CMD_PROGRESS_H
#define DIVED_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_TEXT_MAX 512

/* "1023 B", "1.0 KiB", "12.3 MiB", ... into `out`, which has at least 16 bytes. */
void progress_bytes(char *out, size_t size, uint64_t bytes);

/* One line without its end, of at most `columns` characters: how much of `total` (0: not known) is
 * there, a bar, the speed and the time that is left. `resumed` bytes were there before `elapsed_ms`
 * began. */
void progress_format(char out[PROGRESS_TEXT_MAX], unsigned columns, uint64_t done, uint64_t total,
                     uint64_t resumed, int64_t elapsed_ms);

struct progress {
    bool enabled;
    bool shown;
    int64_t started_ms, told_ms;
    uint64_t resumed;
};

/* Shown when standard error is a terminal, and not `quiet`; from the first second on, five times a
 * second. */
void progress_start(struct progress *p, bool quiet, int64_t now_ms);
void progress_show(struct progress *p, uint64_t done, uint64_t total, int64_t now_ms);
/* Takes the line away. */
void progress_end(struct progress *p);

#endif
