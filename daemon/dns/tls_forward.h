/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tls_forward: DNS over TLS (RFC 7858) to one forwarder, for libunbounds that have no TLS of their
 * own (Debian's is built without). It listens on a high port of loopback, where this worker's
 * libunbound is told to forward to over TCP, and carries each connection's bytes through TLS, the
 * server being authenticated by name (RFC 8310 section 8.1, strict profile: never in the clear).
 *
 * Any local process may connect to that port and then asks the same server as we do; answers are
 * validated by libunbound as from everywhere else. Connections are limited.
 */
#ifndef DIVED_DNS_TLS_FORWARD_H
#define DIVED_DNS_TLS_FORWARD_H

#include <stddef.h>
#include <sys/socket.h>

#include "core/loop.h"
#include "lib/error.h"

#define TLS_FORWARD_LINKS_MAX 256 /* connections of one relay */

struct tls_forward;

/* `ca_file`: PEM bundle, or NULL for the system's. Listens, connects to nobody yet. On failure
 * `error` gets a sentence. */
int tls_forward_new(struct tls_forward **out, struct loop *loop, const struct sockaddr *server,
                    socklen_t length, const char *name, const char *ca_file, char *error,
                    size_t error_size) DIVE_MUST_USE;
/* Cuts what is under way. */
void tls_forward_free(struct tls_forward **relay);

/* Where it listens, as libunbound wants it: "127.0.0.1@port". */
const char *tls_forward_address(const struct tls_forward *relay);

#endif
