/* SPDX-License-Identifier: BSD-2-Clause
 *
 * keeper: the processes that keep the interception CA's private key away from the one that talks to
 * the world.
 *
 *      dived                 no key; asks for certificates by name           keeper.c, signer.c
 *       `- keeper            waits for one kind of question; has the privileges of the start, since
 *           |                the key's file may be root's                    keeper_process.c
 *           `- signer        one for each loaded CA: reads the key, gives everything up, makes
 *                            certificates for hosts, and can do nothing else signer_process.c
 *
 * The keeper is forked before the daemon has a thread, a socket, or the key. A signer that doesn't
 * answer is killed by the keeper, since the daemon may not. One that is gone is replaced when the
 * next certificate is wanted; until then, and when it can't be, the handshake with the client
 * fails: nothing is passed on unseen for it. Signers end with the last use of their CA, the keeper
 * with the daemon, and both with a daemon that is killed.
 */
#ifndef DIVED_KEEPER_KEEPER_H
#define DIVED_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "core/privileges.h"
#include "tls/ca.h"

struct keeper;

/* All borrowed during keeper_start() alone. */
struct keeper_options {
    const char *ca_certificate; /* paths, ca_key maybe a pkcs11: URI; NULL: there is no CA */
    const char *ca_key;
    const struct privileges *signer; /* what a signer turns into when it has the key */
    bool seccomp;                    /* signers confine themselves */
};

/* Forks the keeper. In a process without threads, before privileges are dropped. *out is the
 * caller's. 0, or a negative DIVE_E* and a sentence in `why`. */
int keeper_start(struct keeper **out, const struct keeper_options *options, char *why,
                 size_t why_size) DIVE_MUST_USE;

/* A CA with a signer of its own, which reads the two files (or makes them, on first start) now.
 * They have to be those of the start: DIVE_E_UNSUPPORTED otherwise. *out is the caller's and has to
 * be gone before keeper_stop(). Fails as tls_ca_load_or_create() does. Blocks, at most some
 * seconds.
 */
int keeper_ca(struct keeper *keeper, const char *ca_certificate, const char *ca_key,
              struct tls_ca **out, char *why, size_t why_size) DIVE_MUST_USE;

/* Has it ended? Reaps it then. Main thread. A daemon without its keeper can't go on
 * for long. */
bool keeper_is_gone(struct keeper *keeper);

/* Ends it, waits for it, and NULLs *keeper. */
void keeper_stop(struct keeper **keeper);

#endif
