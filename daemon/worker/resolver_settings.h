/* SPDX-License-Identifier: BSD-2-Clause
 *
 * resolver_settings: `dns` of a configuration as the resolver takes it. The daemon's workers and
 * divectl's commands ask DNS by the same settings, so what divectl finds is what the proxy finds.
 */
#ifndef DIVED_WORKER_RESOLVER_SETTINGS_H
#define DIVED_WORKER_RESOLVER_SETTINGS_H

#include "config/config.h"
#include "dns/resolver.h"

/* Zeroed memory holds nothing. */
struct resolver_settings {
    struct resolver_config resolver; /* points into the configuration and the arrays below */
    const char **forward;
    struct resolver_stub *stubs;
    struct resolver_option *options;
};

/* `config` is borrowed and must outlive *out. DIVE_E_NOMEM, and *out then holds nothing. */
int resolver_settings_init(struct resolver_settings *out,
                           const struct config *config) DIVE_MUST_USE;
/* Frees what it holds and zeroes it. */
void resolver_settings_clear(struct resolver_settings *settings);

#endif
