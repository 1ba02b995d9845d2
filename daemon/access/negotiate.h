/* SPDX-License-Identifier: BSD-2-Clause
 *
 * negotiate: SPNEGO with Kerberos (RFC 4178, RFC 4121, in the form of RFC 4559) by way of GSSAPI:
 * a token of the client's in, a user's name or another token out. Only Kerberos is negotiated,
 * whatever other mechanisms the system has.
 */
#ifndef DIVED_ACCESS_NEGOTIATE_H
#define DIVED_ACCESS_NEGOTIATE_H

#include <stdbool.h>

#include "access/text.h"
#include "lib/error.h"

#define NEGOTIATE_ROUNDS 4 /* tokens of one negotiation; Kerberos needs one or two */
#define NEGOTIATE_WHY_SIZE 200

struct negotiate;   /* our keys; immutable, thread-safe */
struct negotiation; /* one client's, between two of its tokens */

enum negotiate_result {
    NEGOTIATE_FAILED = 0,
    NEGOTIATE_CONTINUE, /* the reply goes to the client, on this connection */
    NEGOTIATE_DONE,
};

struct negotiate_step {
    enum negotiate_result result;
    char user[ACCESS_USER_SIZE];  /* DONE */
    int64_t seconds;              /* DONE: how long the ticket is good */
    char *reply;                  /* base64, malloc'd, the caller's; or NULL */
    char why[NEGOTIATE_WHY_SIZE]; /* FAILED: for the log, one printable line */
};

/* `keytab`: a file with keys of SERVICE/any host. `realm` NULL: a user is called by its whole
 * principal; else only users of that realm are let in, by their name alone. DIVE_E_NOT_FOUND with a
 * sentence in `why`, or DIVE_E_NOMEM. Reads the file. */
int negotiate_new(struct negotiate **out, const char *keytab, const char *service,
                  const char *realm, char *why, size_t why_size) DIVE_MUST_USE;
void negotiate_free(struct negotiate **negotiate);

/* Takes one token. *negotiation is NULL for a client's first one; it is made, moved on and, unless
 * the result is CONTINUE, freed. May wait for the disk (the replay cache): not for a worker's
 * thread. Any thread, one at a time for each negotiation. `step` is cleared first. */
void negotiate_accept(const struct negotiate *negotiate, struct negotiation **negotiation,
                      const void *token, size_t n, struct negotiate_step *step);
void negotiation_free(struct negotiation **negotiation);

#endif
