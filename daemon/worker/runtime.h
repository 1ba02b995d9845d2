/* SPDX-License-Identifier: BSD-2-Clause
 *
 * runtime: one configuration and all that is made from it and shared by the workers: guard, TLS
 * contexts, interception CA. Immutable; a reload makes another one. Connections and exchanges hold
 * a reference to the one that they began with.
 */
#ifndef DIVED_WORKER_RUNTIME_H
#define DIVED_WORKER_RUNTIME_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "access/access.h"
#include "config/config.h"
#include "hold/hold.h"
#include "http/head.h"
#include "http/url.h"
#include "keeper/keeper.h"
#include "origin/guard.h"
#include "origin/parent.h"
#include "tls/certificate_cache.h"
#include "worker/resolver_settings.h"

struct runtime {
    _Atomic unsigned references;
    struct runtime *next_dead; /* while it waits for runtime_reap() */
    struct config *config;
    struct guard *guard;
    SSL_CTX *connect_context;               /* towards origins */
    struct parents *parents;                /* proxies towards origins */
    SSL_CTX *accept_context;                /* towards clients; NULL when interception is off */
    struct certificate_cache *certificates; /* NULL when interception is off */
    struct access *access; /* who may use the proxy; NULL in a runtime that only goes out */
    struct http_limits http_limits;
    struct hold_limits hold_limits;
    struct hold_limits keep_limits;    /* of what may be stored: on the disk of the store */
    uint64_t object_max;               /* bytes of a stored content */
    struct resolver_settings resolver; /* points into `config` */
    char user_agent[256];              /* in reports */
};

/* Takes over `config`'s reference, on failure too. `keeper` has the CA's key, and has to outlive
 * the runtime; NULL: only a check, and nothing is made on disk. `why` gets one sentence on failure.
 * 0 or a negative DIVE_E*. */
int runtime_new(struct runtime **out, struct config *config, struct keeper *keeper, char *why,
                size_t why_size) DIVE_MUST_USE;
/* The same for a program that only goes out to origins: guard, resolver's settings and TLS towards
 * origins; no interception, no hold. Reads no key and makes nothing on disk. */
int runtime_new_outgoing(struct runtime **out, struct config *config, char *why,
                         size_t why_size) DIVE_MUST_USE;
/* The parent proxy for what `rule` (NULL: none) matched; NULL: straight to the origin. */
const struct parent *runtime_parent(const struct runtime *runtime, const struct config_rule *rule);
/* The same for a request of our own, without a client: rules that name one don't match. */
const struct parent *runtime_parent_of_url(const struct runtime *runtime,
                                           const struct http_url *url);
struct runtime *runtime_ref(struct runtime *runtime);
/* Thread-safe; NULLs *runtime. After runtime_defer_frees() the last one only lays it aside. */
void runtime_unref(struct runtime **runtime);
/* A large configuration takes its time to be freed, and the last reference may be a worker's, whose
 * clients would wait for it: from now on runtime_reap() frees, which the main thread calls now and
 * then, and once more at the end. */
void runtime_defer_frees(void);
void runtime_reap(void);

#endif
