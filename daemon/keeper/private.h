/* SPDX-License-Identifier: BSD-2-Clause
 *
 * private: what the files of this folder share. See keeper.h.
 */
#ifndef DIVED_KEEPER_PRIVATE_H
#define DIVED_KEEPER_PRIVATE_H

#include "keeper/keeper.h"
#include "keeper/wire.h"

#define KEEPER_SECONDS 10 /* how long the daemon waits for a key to be loaded */
#define SIGNER_SECONDS 5  /* ... and for a certificate */

#define SIGNERS_MAX 1024 /* at a time: as many CAs were loaded and are still in use */

/* In the daemon: a signer process, from outside. */
struct signer_process {
    int fd;      /* -1: none */
    uint32_t id; /* for keeper_end_signer() */
};

/* In the daemon, any thread: a new signer and what it said first, *n bytes of `hello` in all. 0;
 * DIVE_E_STATE and `why`: the keeper is gone, or doesn't answer. out->fd is the caller's. */
int keeper_new_signer(struct keeper *keeper, struct signer_process *out, struct signer_hello *hello,
                      size_t *n, char *why, size_t why_size) DIVE_MUST_USE;
/* Closes the socket to it, and has the keeper kill it: one that hangs in its token's module would
 * never see that nobody waits. Fine when it has ended. Any thread. */
void keeper_end_signer(struct keeper *keeper, struct signer_process *signer);

/* In the daemon: asks the signer at process->fd (taken over), and for another one when it is gone.
 * `chain` is what it said that it signs for, copied. *remote is the caller's. */
int signer_new(struct tls_ca_remote *remote, struct keeper *keeper,
               const struct signer_process *process, const unsigned char *chain,
               size_t n) DIVE_MUST_USE;

/* The processes. `options` live as long as they do; they never return. */
void keeper_process(int fd, const struct keeper_options *options) __attribute__((noreturn));
void signer_process(int fd, const struct keeper_options *options) __attribute__((noreturn));

/* One conversation: answers requests at `fd` out of `ca` until the other side is gone (0), says
 * what isn't in wire.h (DIVE_E_SYNTAX), or the key can't be used any more (DIVE_E_STATE), which the
 * other side sees by the end alone. */
int signer_serve(int fd, struct tls_ca *ca) DIVE_MUST_USE;

#endif
