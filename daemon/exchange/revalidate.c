/* SPDX-License-Identifier: BSD-2-Clause
 *
 * revalidate: an exchange without a client, that asks the origin whether a stored response is still
 * good while a client has already got it stale (RFC 5861 section 3). It takes the same way as any
 * other request; what the client's connection would have lent it is its own.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "exchange/private.h"

/* What an exchange borrows from its client's connection. */
struct background {
    struct sockaddr_storage peer;
    struct http_authority fixed;
    char route[HTTP_HOST_MAX];
    char listener_name[CONFIG_NAME_MAX + 1];
};

static void revalidate_over(void *arg, enum exchange_fate fate)
{
    /* There is no connection that would go on. */
}

/* The client's conditions and wishes are answered already. */
static void revalidate_strip(struct http_head *head)
{
    static const char *const names[] = {"Cache-Control", "Pragma"};

    for (size_t i = 0; validate_drop[i] != NULL; i++)
        http_head_remove(head, validate_drop[i]);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        http_head_remove(head, names[i]);
}

void revalidate_in_background(struct exchange *x)
{
    struct background *own = calloc(1, sizeof(*own));
    struct http_head head = {0};
    struct exchange *started = NULL;
    struct exchange_start start = {
        .worker = x->worker,
        .runtime = x->runtime,
        .head = &head,
        .peer_text = x->peer_text,
        .user = x->user,
        .listener = x->listener,
        .tls = x->tls,
        .destination = x->destination.kind != 0 ? &x->destination : NULL,
        .done = revalidate_over,
    };

    if (own == NULL || x->peer == NULL || http_head_copy(&head, &x->request) != 0)
        goto out;
    revalidate_strip(&head);
    own->peer = *x->peer;
    start.peer = &own->peer;
    if (x->fixed != NULL) {
        own->fixed = *x->fixed;
        start.fixed = &own->fixed;
    }
    if (x->route != NULL) {
        snprintf(own->route, sizeof(own->route), "%s", x->route);
        start.route = own->route;
    }
    if (x->listener_name != NULL) {
        snprintf(own->listener_name, sizeof(own->listener_name), "%s", x->listener_name);
        start.listener_name = own->listener_name;
    }
    if (exchange_start(&started, &start) == 0) {
        started->background = own;
        own = NULL;
    }
out:
    if (started == NULL)
        log_debug("cache", "%s: no revalidation in the background: out of memory", x->id);
    http_head_clear(&head);
    free(own);
}
