/* SPDX-License-Identifier: BSD-2-Clause
 *
 * wire: what goes over the sockets between the daemon, the keeper and its signers. Private to this
 * folder and its tests. All sockets are SOCK_SEQPACKET: a message is whole or not there; numbers
 * are in the machine's own order, as both ends are one program.
 *
 *      daemon -> keeper      keeper_request   "a signer, please", or "end that one"
 *      keeper -> daemon      keeper_reply     a socket to it beside it (SCM_RIGHTS), or "done"
 *      signer -> daemon      signer_hello     once: its CA's certificates, or why it has none
 *      daemon -> signer      signer_request   a name, and the key that it is to be certified for
 *      signer -> daemon      signer_reply     the certificate, or an error
 *
 * Requests have one size: what is shorter or longer ends the conversation. There is no way to ask
 * for a signature over bytes: the signer makes the certificate itself.
 */
#ifndef DIVED_KEEPER_WIRE_H
#define DIVED_KEEPER_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "tls/mint.h"

#define WIRE_MAGIC 0x64697665u
#define WIRE_CHAIN_MAX 32768 /* bytes of a CA's certificates */
#define WIRE_CERTIFICATE_MAX                                                                       \
    8192 /* bytes of a minted certificate: an RSA signature of 16384 bits */

struct keeper_request {
    uint32_t magic;
    uint32_t end; /* 0: a new signer is wanted; else the id of one that doesn't answer */
};

struct keeper_reply {
    uint32_t magic;
    int32_t result; /* 0, or a negative DIVE_E* and no socket */
    uint32_t id;    /* of the new signer, never 0, and never given again */
};

struct signer_hello {
    uint32_t magic;
    int32_t result;                      /* 0: `bytes` are certificates; else a sentence */
    unsigned char bytes[WIRE_CHAIN_MAX]; /* as many as came */
};

struct signer_request {
    uint32_t magic;
    uint32_t lifetime_hours;
    unsigned char point[TLS_MINT_POINT];
    char name[TLS_MINT_NAME_MAX + 2]; /* NUL-terminated, NULs behind it */
};

struct signer_reply {
    uint32_t magic;
    int32_t result;                            /* 0 or a negative DIVE_E* */
    unsigned char bytes[WIRE_CERTIFICATE_MAX]; /* as many as came, when it is 0 */
};

/* One whole message; interrupted calls go on. Receive: its length, 0 when the other side is gone,
 * -1 with errno (EMSGSIZE: longer than `size`). Send: 0 or -1. */
int wire_send(int fd, const void *message, size_t n) DIVE_MUST_USE;
int wire_receive(int fd, void *message, size_t size) DIVE_MUST_USE;

/* The same with a descriptor beside it. -1 in `sent`: none. *received is the caller's,
 * close-on-exec, or -1. */
int wire_send_descriptor(int fd, const void *message, size_t n, int sent) DIVE_MUST_USE;
int wire_receive_descriptor(int fd, void *message, size_t size, int *received) DIVE_MUST_USE;

#endif
