/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_name: `ID` and `ID@DOMAIN`, and lists of hashes, as keygen and sign take them.
 */
#ifndef DIVED_CMD_SIGN_NAME_H
#define DIVED_CMD_SIGN_NAME_H

#include "lib/content_digest.h"
#include "lib/domain.h"

struct sign_name {
    char key_id[DIVE_KEY_ID_MAX + 1];
    char domain[DIVE_DOMAIN_BUF]; /* normal form; "" without one */
};

/* DIVE_E_SYNTAX: no Key ID, or no domain behind the @. */
int sign_name_parse(const char *text, struct sign_name *out) DIVE_MUST_USE;

/* "sha-256,sha3-512" or "sha256,...": the names of RFC 9530 or of DNS records, separated by commas,
 * or "all", into a set of DIVE_HASH_BIT()s. DIVE_E_UNSUPPORTED: a name that is none of them. */
int sign_hashes_parse(const char *text, unsigned *out) DIVE_MUST_USE;

/* A decimal number of Unix seconds, or in seconds. DIVE_E_SYNTAX; DIVE_E_LIMIT past what a
 * structured field can hold (15 digits). */
int sign_number_parse(const char *text, int64_t *out) DIVE_MUST_USE;

#endif
