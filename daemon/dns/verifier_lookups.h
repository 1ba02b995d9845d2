/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier_lookups: the TXT lookups of one verification: what its verifier wants goes to the
 * resolver, what the resolver answers goes to the verifier, until nothing is wanted any more. Used
 * by exchanges of the proxy and by divectl, so that both ask DNS in the same way.
 *
 * A lookup stays on the list until verifier_lookups_free(); its query is NULL once it has been
 * answered or cancelled. The object is embedded in its owner.
 */
#ifndef DIVED_DNS_VERIFIER_LOOKUPS_H
#define DIVED_DNS_VERIFIER_LOOKUPS_H

#include <sys/queue.h>

#include "dns/resolver.h"
#include "lib/verifier.h"

struct verifier_lookup;

struct verifier_lookups {
    struct dive_verifier *verifier;
    struct resolver *resolver;
    struct loop *loop;
    const char *id; /* in the log */
    void (*answered)(void *arg);
    void *arg;
    TAILQ_HEAD(verifier_lookup_list, verifier_lookup) list;
};

/* Everything is borrowed until verifier_lookups_stop(). `answered` is called when an answer was
 * given to the verifier and what it then wanted has been asked; from the loop only, and not after
 * verifier_lookups_stop(). Starts nothing. May be called again after that, for another verifier;
 * the object is zeroed before the first time. */
void verifier_lookups_init(struct verifier_lookups *l, struct dive_verifier *verifier,
                           struct resolver *resolver, struct loop *loop, const char *id,
                           void (*answered)(void *arg), void *arg);

/* Starts what the verifier wants now; to be called after every call that gives it input. A lookup
 * that can't be started (memory, limits) is answered as NO_ANSWER at once. */
void verifier_lookups_drain(struct verifier_lookups *l);

/* Cancels what is under way: the verifier is not touched any more. Idempotent; zeroed memory is
 * fine, here and below. */
void verifier_lookups_stop(struct verifier_lookups *l);

/* Frees the lookups; none may be under way (asserted). Not from within `answered`. */
void verifier_lookups_free(struct verifier_lookups *l);

#endif
