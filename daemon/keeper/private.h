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

/* In the daemon, any thread: the socket to a new signer and what it said first, *n bytes of `hello`
 * in all. 0; DIVE_E_STATE and `why`: the keeper is gone, or doesn't answer. *fd is the caller's. */
int keeper_new_signer(struct keeper *keeper, int *fd, struct signer_hello *hello, size_t *n,
                      char *why, size_t why_size) DIVE_MUST_USE;

/* In the daemon: asks the signer at `fd` (taken over), and for another one when it is gone.
 * `chain` is what it said that it signs for, copied. *remote is the caller's. */
int signer_new(struct tls_ca_remote *remote, struct keeper *keeper, int fd,
               const unsigned char *chain, size_t n) DIVE_MUST_USE;

/* The processes. `options` live as long as they do; they never return. */
void keeper_process(int fd, const struct keeper_options *options) __attribute__((noreturn));
void signer_process(int fd, const struct keeper_options *options) __attribute__((noreturn));

/* One conversation: answers requests at `fd` out of `ca` until the other side is gone (0) or says
 * what isn't in wire.h (DIVE_E_SYNTAX). */
int signer_serve(int fd, struct tls_ca *ca) DIVE_MUST_USE;

#endif
