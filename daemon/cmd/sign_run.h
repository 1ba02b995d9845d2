/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_run: signs a list of files on all cores.
 *
 *      sign.c         options, keys, what is printed
 *      sign_list.c    which files
 *      sign_run.c     the workers: sign_file.c -> lib/signer.h -> sign_format.c
 *
 * Each worker takes the next file of the list by one atomic counter, has a read buffer of its own,
 * and leaves the result in the file's item. Nothing else is shared but the keys.
 */
#ifndef DIVED_CMD_SIGN_RUN_H
#define DIVED_CMD_SIGN_RUN_H

#include "cmd/sign_format.h"
#include "cmd/sign_list.h"
#include "lib/signer.h"

#define SIGN_JOBS_MAX 256

/* What all files have in common; borrowed and not changed while workers run. */
struct sign_common {
    const struct dive_signing_key *keys;
    size_t n_keys;
    bool draft_00;
    unsigned hashes; /* of draft-00: one */
    struct dive_sign_options options;
    const char *site; /* "https://host", for ;req components; NULL: there is no request */
    enum sign_format format;
    const char *output_dir; /* HEADERS: where the files go; NULL: beside each */
    bool force;
};

struct sign_run;

/* Starts `jobs` workers (1 to SIGN_JOBS_MAX), no more than there are files. 0 or EX_OSERR, told.
 * *out is the caller's. */
int sign_run_start(const struct sign_common *common, struct sign_list *list, unsigned jobs,
                   struct sign_run **out) DIVE_MUST_USE;
/* Blocks until item `i` is done. */
void sign_run_wait(struct sign_run *run, size_t i);
/* Ends the workers after the files that they are at, waits for them and frees all. */
void sign_run_free(struct sign_run **run);

#endif
