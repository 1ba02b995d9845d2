/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_token: a token for a parent proxy (origin/parent_kerberos.h), asked for from a loop. To
 * make one may block on the KDC: where it is made is decided by who owns the loop, and handed in.
 */
#ifndef DIVED_ORIGIN_PARENT_TOKEN_H
#define DIVED_ORIGIN_PARENT_TOKEN_H

#include "core/loop.h"
#include "lib/error.h"

struct parent_kerberos;

/* `token`: for parent_token_free(), the callback's; NULL: there is none, and `why` (one sentence of
 * printable ASCII, never NULL, valid during the call) says why. */
typedef void parent_token_fn(void *arg, char *token, const char *why);

/* One that is being made: the head of what its maker needs. */
struct parent_token {
    /* `cb` isn't called; frees `token`, perhaps later. */
    void (*cancel)(struct parent_token *token);
};

struct parent_token_maker {
    /* `cb` is called once, by the loop's thread, never before this has returned, and ends *out.
     * `kerberos` and `host` are borrowed during the call. 0, or DIVE_E_LIMIT (too many are asked
     * for), DIVE_E_NOMEM, and then `cb` isn't called. */
    int (*start)(void *arg, struct parent_kerberos *kerberos, const char *host, parent_token_fn *cb,
                 void *cb_arg, struct parent_token **out);
    void *arg;
};

/* A start() whose `arg` is a struct loop, for a program with nothing else to do: between two turns
 * of the loop, which waits for it. */
int parent_token_block(void *loop, struct parent_kerberos *kerberos, const char *host,
                       parent_token_fn *cb, void *cb_arg, struct parent_token **out) DIVE_MUST_USE;
/* NULLs *token; NULL in it is fine. */
void parent_token_cancel(struct parent_token **token);

#endif
