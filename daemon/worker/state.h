/* SPDX-License-Identifier: BSD-2-Clause
 *
 * state: what outlives the process, in one file: the record cache with the times at which its
 * entries end, and the memory of seen policies.
 *
 * A file is believed whole or not at all: it must be a regular file of ours that nobody else may
 * write, of this version, and match its checksum. It is written beside the old one, synced and
 * renamed, so a crash leaves one of the two.
 */
#ifndef DIVED_WORKER_STATE_H
#define DIVED_WORKER_STATE_H

#include "worker/shared.h"

#define STATE_FILE "state"
#define STATE_BYTES_MAX (256u << 20)
#define STATE_SAVE_SECONDS 300

/* Both block on the disk. One call at a time (the caller's lock). 0 or a negative DIVE_E* with a
 * sentence in `why`; DIVE_E_NOT_FOUND from load without a file, which is no failure. Entries whose
 * time is over or lies in the future are left out by what they are loaded into. save makes
 * `directory` (0700) if it isn't there. */
int state_load(struct shared *shared, const char *directory, int64_t now, char *why,
               size_t why_size) DIVE_MUST_USE;
int state_save(struct shared *shared, const char *directory, int64_t now, char *why,
               size_t why_size) DIVE_MUST_USE;

#endif
