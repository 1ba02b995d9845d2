/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parent_token: see parent_token.h.
 */
#include "origin/parent_token.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "origin/parent_kerberos.h"

struct blocking {
    struct parent_token token; /* first */
    struct loop *loop;
    struct loop_node node;
    struct parent_kerberos *kerberos;
    char *host;
    parent_token_fn *cb;
    void *arg;
};

static void blocking_free(struct blocking *b)
{
    parent_kerberos_unref(&b->kerberos);
    free(b->host);
    free(b);
}

static void blocking_cancel(struct parent_token *token)
{
    struct blocking *b = (struct blocking *)token;

    loop_cancel(b->loop, &b->node);
    blocking_free(b);
}

static void blocking_make(struct loop_node *node)
{
    struct blocking *b = (struct blocking *)((char *)node - offsetof(struct blocking, node));
    char why[PARENT_KERBEROS_WHY_SIZE], *made;

    if (parent_kerberos_token(b->kerberos, b->host, &made, why, sizeof(why)) != 0)
        made = NULL;
    b->cb(b->arg, made, why);
    blocking_free(b);
}

int parent_token_block(void *loop, struct parent_kerberos *kerberos, const char *host,
                       parent_token_fn *cb, void *cb_arg, struct parent_token **out)
{
    struct blocking *b = calloc(1, sizeof(*b));

    *out = NULL;
    if (b == NULL)
        return DIVE_E_NOMEM;
    b->host = strdup(host);
    if (b->host == NULL) {
        free(b);
        return DIVE_E_NOMEM;
    }
    b->token.cancel = blocking_cancel;
    b->loop = loop;
    b->kerberos = parent_kerberos_ref(kerberos);
    b->cb = cb;
    b->arg = cb_arg;
    loop_later(b->loop, &b->node, blocking_make);
    *out = &b->token;
    return 0;
}

void parent_token_cancel(struct parent_token **token)
{
    struct parent_token *t = *token;

    *token = NULL;
    if (t != NULL)
        t->cancel(t);
}
