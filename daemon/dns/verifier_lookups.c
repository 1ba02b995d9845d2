/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_lookups: see verifier_lookups.h.
 */
#include "dns/verifier_lookups.h"

#include <assert.h>
#include <stdlib.h>

#include "core/log.h"

struct verifier_lookup {
    struct verifier_lookups *owner;
    uint32_t id;
    struct resolver_query *query;
    TAILQ_ENTRY(verifier_lookup) link;
};

void verifier_lookups_init(struct verifier_lookups *l, struct dive_verifier *verifier,
                           struct resolver *resolver, struct loop *loop, const char *id,
                           void (*answered)(void *arg), void *arg)
{
    l->verifier = verifier;
    l->resolver = resolver;
    l->loop = loop;
    l->id = id;
    l->answered = answered;
    l->arg = arg;
    if (l->list.tqh_last == NULL)
        TAILQ_INIT(&l->list);
}

static void lookup_on_answer(void *arg, const struct dive_answer *answer)
{
    struct verifier_lookup *lookup = arg;
    struct verifier_lookups *l = lookup->owner;
    int r;

    lookup->query = NULL;
    r = dive_verifier_answer(l->verifier, lookup->id, answer, loop_unix_time(l->loop));
    if (r != 0)
        log_error("dns", "%s: DNS answer not taken: %s", l->id, dive_strerror(r));
    verifier_lookups_drain(l);
    l->answered(l->arg);
}

/* A lookup that can't even be started is an answer that never came. */
static void lookup_give_up(struct verifier_lookups *l, uint32_t id, const char *why)
{
    struct dive_answer none = {.security = DIVE_DNS_NO_ANSWER, .why = why};
    int r = dive_verifier_answer(l->verifier, id, &none, loop_unix_time(l->loop));

    log_warning("dns", "%s: DNS lookup not started: %s (%d)", l->id, why, r);
}

void verifier_lookups_drain(struct verifier_lookups *l)
{
    struct dive_want want;

    while (dive_verifier_next_want(l->verifier, &want)) {
        struct verifier_lookup *lookup = calloc(1, sizeof(*lookup));
        int r;

        if (lookup == NULL) {
            lookup_give_up(l, want.id, "out of memory");
            continue;
        }
        lookup->owner = l;
        lookup->id = want.id;
        TAILQ_INSERT_TAIL(&l->list, lookup, link);
        r = resolver_txt(l->resolver, want.name, want.fresh, lookup_on_answer, lookup,
                         &lookup->query);
        if (r != 0)
            lookup_give_up(l, want.id, dive_strerror(r));
    }
}

void verifier_lookups_stop(struct verifier_lookups *l)
{
    struct verifier_lookup *lookup;

    TAILQ_FOREACH (lookup, &l->list, link) {
        resolver_cancel(&lookup->query);
    }
}

void verifier_lookups_free(struct verifier_lookups *l)
{
    struct verifier_lookup *lookup;

    while ((lookup = TAILQ_FIRST(&l->list)) != NULL) {
        assert(lookup->query == NULL);
        TAILQ_REMOVE(&l->list, lookup, link);
        free(lookup);
    }
}
