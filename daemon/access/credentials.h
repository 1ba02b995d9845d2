/* SPDX-License-Identifier: BSD-2-Clause
 *
 * credentials: the value of one Proxy-Authorization field (RFC 9110 section 11.4), read strictly.
 * A pure function over bytes; nothing is looked up.
 */
#ifndef DIVED_ACCESS_CREDENTIALS_H
#define DIVED_ACCESS_CREDENTIALS_H

#include "access/text.h"
#include "lib/error.h"

#define CREDENTIALS_TOKEN_MAX (48 * 1024) /* decoded bytes: Kerberos tickets carry group lists */

enum credentials_scheme {
    CREDENTIALS_NONE = 0,
    CREDENTIALS_BASIC,     /* RFC 7617 */
    CREDENTIALS_NEGOTIATE, /* RFC 4559 */
    CREDENTIALS_OTHER,     /* a scheme that nobody here speaks; nothing of it is kept */
};

/* Secrets: the memory is overwritten by credentials_clear(). */
struct credentials {
    enum credentials_scheme scheme;
    char *bytes; /* the decoded token, with a NUL behind it; owned */
    size_t n;
    const char *user, *password; /* BASIC: strings within `bytes`; the password may be empty */
};

/* *out is cleared first, and is to be cleared after success. DIVE_E_SYNTAX: not the grammar;
 * DIVE_E_LIMIT: longer than is looked at; DIVE_E_TYPE: what is inside of Basic is no user and
 * password (no colon, no user, control characters, not UTF-8); DIVE_E_NOMEM. */
int credentials_parse(struct credentials *out, struct dive_span value) DIVE_MUST_USE;
/* Fine on zeroed memory. */
void credentials_clear(struct credentials *credentials);

#endif
