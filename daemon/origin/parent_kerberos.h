/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_kerberos: who we are to parent proxies that want Kerberos (SPNEGO, RFC 4178, in the form
 * of RFC 4559): a client keytab, and the tickets that came of it, which live in this process'
 * memory alone. One a configuration; thread-safe.
 */
#ifndef DIVED_ORIGIN_PARENT_KERBEROS_H
#define DIVED_ORIGIN_PARENT_KERBEROS_H

#include <stddef.h>

#include "lib/error.h"

#define PARENT_TOKEN_MAX (64 * 1024) /* of a token, as text */
#define PARENT_KERBEROS_WHY_SIZE 320

struct parent_kerberos;

/* `principal`: the one of the keytab to be; NULL: its first. Looks into the keytab; no KDC is
 * asked. `why` gets one sentence on failure: DIVE_E_NOT_FOUND (no such file, or no key of that
 * principal), DIVE_E_STATE (the Kerberos library's configuration can't be used), DIVE_E_NOMEM.
 * Blocks on the file. */
int parent_kerberos_new(struct parent_kerberos **out, const char *keytab, const char *principal,
                        char *why, size_t why_size) DIVE_MUST_USE;
struct parent_kerberos *parent_kerberos_ref(struct parent_kerberos *kerberos);
/* NULLs *kerberos; NULL in it is fine. With the last one the tickets go. From any thread. */
void parent_kerberos_unref(struct parent_kerberos **kerberos);

/* The value of Proxy-Authorization for one connection to the service HTTP at `host`: "Negotiate "
 * and a token (RFC 4559 section 4.2), which counts once. Mutual authentication isn't asked for: who
 * the parent is, is TLS's to prove. Blocks, on the KDC too where there is no ticket yet; one at a
 * time. *out is for parent_token_free(). DIVE_E_STATE and in `why` one sentence of printable ASCII:
 * there is no ticket, and a call for the same host in the second after it has the same answer at
 * once; DIVE_E_NOMEM. */
int parent_kerberos_token(struct parent_kerberos *kerberos, const char *host, char **out, char *why,
                          size_t why_size) DIVE_MUST_USE;
/* Wipes it, and NULLs *token; NULL in it is fine. */
void parent_token_free(char **token);

/* A parent didn't take a token: the next one is made of new tickets, if that hasn't been tried
 * within a minute. The service may have other keys by now. Doesn't block. */
void parent_kerberos_refused(struct parent_kerberos *kerberos);

#endif
