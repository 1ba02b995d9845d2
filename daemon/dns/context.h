/* SPDX-License-Identifier: BSD-2-Clause
 *
 * context: turns the resolver's configuration into libunbound contexts, any number of times. All of
 * libunbound's process-wide state is dealt with here: creation is serialised, its log goes to ours.
 *
 * Why fresh answers need contexts of their own: libunbound can't flush one name, and cache-max-ttl
 * is no way around it: the cap is a global of the process that every finalised context sets anew,
 * so a second context with a cap of 0 takes the cache away from all others (seen with 1.17.1: the
 * TTLs that the first context gave afterwards were 0). A new, empty context costs 2 to 5 ms and 1
 * MiB, and does no harm.
 */
#ifndef DIVED_DNS_CONTEXT_H
#define DIVED_DNS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <unbound.h>

#include "core/loop.h"
#include "dns/resolver.h"

struct context_settings;

/* Copies `config`, reads the trust anchors, checks what can be checked without libunbound. On
 * failure `error` gets a sentence that names the key of the configuration. */
int context_settings_new(struct context_settings **out, struct loop *loop,
                         const struct resolver_config *config, char *error,
                         size_t error_size) DIVE_MUST_USE;
/* One more owner: the settings hold the relays for DNS over TLS, which contexts made of them need
 * as long as they live. */
struct context_settings *context_settings_hold(struct context_settings *settings);
/* One owner less. */
void context_settings_free(struct context_settings **settings);

/* A finalised context on the loop's base: later calls can't fail for the configuration's sake.
 * `fresh`: a small one, to be thrown away soon. Takes some ms; sends nothing. */
int context_create(struct ub_ctx **out, struct loop *loop, const struct context_settings *settings,
                   bool fresh, char *error, size_t error_size) DIVE_MUST_USE;
/* Not from within a callback of libunbound. Callbacks still owed don't run. */
void context_delete(struct ub_ctx **ub);

#endif
