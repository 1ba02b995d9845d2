/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ca: what the actions of `divectl ca` share.
 */
#ifndef DIVED_CMD_CA_H
#define DIVED_CMD_CA_H

#include <openssl/x509.h>

#include "cmd/command.h"

/* Where the CA is. Everything lives until the action ends. */
struct ca_context {
    const struct command_options *options;
    const struct config *config; /* the defaults when there is no file */
    const char *certificate;     /* path */
    const char *key;             /* path */
    bool remove;                 /* trust: undo it */
};

/* The certificate alone: the key is the daemon's, and most people can't read it. COMMAND_OK and
 * *out is the caller's, or an exit code that was told. */
int ca_read(const struct ca_context *ca, X509 **out) DIVE_MUST_USE;

/* Each returns the exit code. */
int ca_init(const struct ca_context *ca);
int ca_show(const struct ca_context *ca);
int ca_trust(const struct ca_context *ca);
int ca_env(const struct ca_context *ca);

#endif
