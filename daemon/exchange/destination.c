/* SPDX-License-Identifier: BSD-2-Clause
 *
 * destination: may the cache have a part in this exchange? On a transparent listener the client
 * chose the address and said a Host, and nothing says that they belong together. What is fetched so
 * is the client's own affair; but stored under the name it would be everybody's. So it counts as
 * the name's only when TLS has proven the name, or when our own resolver gives the address for it.
 *
 * The lookup runs beside the request. Only a stored answer waits for it, see reuse.c.
 */
#include <string.h>

#include "exchange/private.h"
#include "origin/literal.h"

enum destination_proof destination_proof(const struct exchange *x)
{
    /* The origin's certificate is verified for the name before it hears of a request. */
    if (x->destination.kind == 0 || x->url.https)
        return DESTINATION_PROVEN;
    return x->proof;
}

static void destination_on_addresses(void *arg, const struct resolver_addresses *answer)
{
    struct exchange *x = arg;
    uint8_t bytes[16];
    int family;
    size_t n = answer->family == AF_INET ? 4 : 16;

    x->destination_query = NULL;
    x->proof = DESTINATION_UNPROVEN;
    if (literal_parse(x->destination.host, &family, bytes) == 1 && family == answer->family)
        for (size_t i = 0; i < answer->n; i++)
            if (memcmp(answer->address[i], bytes, n) == 0)
                x->proof = DESTINATION_PROVEN;
    if (!x->closing)
        exchange_run(x);
}

void destination_start(struct exchange *x)
{
    int family = x->destination.kind == HTTP_HOST_IPV6 ? AF_INET6 : AF_INET;

    if (x->destination.kind == 0 || x->url.https || x->worker->shared->store == NULL)
        return;
    if (x->url.at.kind != HTTP_HOST_NAME) {
        if (strcmp(x->url.at.host, x->destination.host) == 0)
            x->proof = DESTINATION_PROVEN;
        return;
    }
    if (resolver_addresses(x->worker->resolver, x->url.at.host, family, destination_on_addresses, x,
                           &x->destination_query) == 0)
        x->proof = DESTINATION_PENDING;
}

void destination_stop(struct exchange *x)
{
    resolver_cancel(&x->destination_query);
}
