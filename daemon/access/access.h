/* SPDX-License-Identifier: BSD-2-Clause
 *
 * access: who may use the proxy, besides the networks of access.clients. The folder:
 *
 *      access.c          one configuration's: password file, Kerberos keys, TLS of listeners
 *      authenticate.c    one request's: credentials in, a user out, or what the client is told
 *      htpasswd.c        users and hashes            negotiate.c    SPNEGO and Kerberos
 *      credentials.c     Proxy-Authorization         certificate.c  TLS listeners, certificates
 *      pool.c            threads for slow checks     text.c         what may be a name
 *      proven.c          passwords found right       attempts.c     how many may be tried
 *
 *      request head -> credentials -> proven? ---------yes--> user
 *                                       no -> attempts left? -> pool: hash or ticket -> user, or
 * 407
 */
#ifndef DIVED_ACCESS_ACCESS_H
#define DIVED_ACCESS_ACCESS_H

#include <openssl/ssl.h>

#include "access/htpasswd.h"
#include "access/negotiate.h"
#include "config/config.h"

/* Of one configuration, a part of its runtime; immutable. */
struct access {
    struct htpasswd *htpasswd;   /* NULL: no Basic */
    struct negotiate *negotiate; /* NULL: no Negotiate */
    SSL_CTX **tls;               /* in the order of the listeners; NULL: without TLS */
    size_t n_tls;
};

/* Reads the files that `config` names. 0, or a negative DIVE_E* with a sentence in `why`. */
int access_new(struct access **out, const struct config *config, char *why,
               size_t why_size) DIVE_MUST_USE;
/* NULLs *access. */
void access_free(struct access **access);

/* Of the process: what outlives a reload. Each member is thread-safe. */
struct access_process {
    struct access_pool *pool;
    struct attempts *attempts;
    struct proven *proven;
};

/* 0 or a negative DIVE_E*; *process is to be destroyed either way. Starts no thread yet. */
int access_process_init(struct access_process *process) DIVE_MUST_USE;
/* No worker may be left. */
void access_process_destroy(struct access_process *process);

#endif
