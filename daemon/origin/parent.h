/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent: the proxies that connections to origins may have to go through, as one configuration
 * names them: origins.parent, and what rules say instead. Immutable once made, part of a runtime,
 * shared by the workers.
 */
#ifndef DIVED_ORIGIN_PARENT_H
#define DIVED_ORIGIN_PARENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "lib/error.h"

#define PARENTS_MAX 64 /* different ones in one configuration */
#define PARENT_PASSWORD_FILE_MAX (64 * 1024)

struct parent {
    bool tls; /* https://: the connection to it is TLS, verified by origins.ca-file */
    uint16_t port;
    const char *host;    /* normal form, an IPv6 address without brackets; the config's */
    const char *user;    /* the config's; NULL: none */
    const char *name;    /* "host:port", for people and for Proxy-Status; the config's */
    char *authorization; /* Proxy-Authorization's value (RFC 7617); NULL: none */
    SSL_CTX *context;    /* the runtime's, towards origins */
    struct parent_kerberos *kerberos; /* its own reference; NULL: it isn't sent Negotiate */
};

struct parents;
struct parent_kerberos;

/* Reads origins.parent-password-file if a parent names a user, and looks into
 * origins.parent-keytab, which is for those without (origin/parent_kerberos.h). `config` and
 * `context` must outlive *out. `why` gets one sentence on failure: DIVE_E_NOT_FOUND (no such file),
 * DIVE_E_STATE (unreadable), DIVE_E_SYNTAX (no password for a user in it, or a malformed one),
 * DIVE_E_LIMIT, DIVE_E_NOMEM. Blocks on the file. */
int parents_new(struct parents **out, const struct config *config, SSL_CTX *context, char *why,
                size_t why_size) DIVE_MUST_USE;
/* NULLs *parents. Passwords are wiped. */
void parents_free(struct parents **parents);

/* The parent that `named` (one of the configuration that `parents` was made of) means; NULL: none,
 * straight to the origin. The same one for equal names: pointers may be compared. */
const struct parent *parents_find(const struct parents *parents, const struct config_parent *named);

/* What a parent that answers 407 says of us, behind its name; static. To be called for each such
 * answer: tickets that a parent refuses are made anew. */
const char *parent_refusal(const struct parent *parent);

#endif
