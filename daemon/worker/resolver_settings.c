/* SPDX-License-Identifier: BSD-2-Clause
 *
 * resolver_settings: see resolver_settings.h.
 */
#include "worker/resolver_settings.h"

#include <stdlib.h>

int resolver_settings_init(struct resolver_settings *out, const struct config *config)
{
    *out = (struct resolver_settings){0};
    out->forward = calloc(config->dns.forward.n + 1, sizeof(*out->forward));
    out->stubs = calloc(config->dns.stub.n + 1, sizeof(*out->stubs));
    out->options = calloc(config->dns.unbound.n + 1, sizeof(*out->options));
    if (out->forward == NULL || out->stubs == NULL || out->options == NULL) {
        resolver_settings_clear(out);
        return DIVE_E_NOMEM;
    }
    for (size_t i = 0; i < config->dns.forward.n; i++)
        out->forward[i] = config->dns.forward.v[i].text;
    for (size_t i = 0; i < config->dns.stub.n; i++)
        out->stubs[i] =
            (struct resolver_stub){config->dns.stub.v[i].zone, config->dns.stub.v[i].address};
    for (size_t i = 0; i < config->dns.unbound.n; i++)
        out->options[i] =
            (struct resolver_option){config->dns.unbound.v[i].name, config->dns.unbound.v[i].value};
    out->resolver = (struct resolver_config){
        .trust_anchor_file = config->dns.trust_anchor_file,
        .trust_anchor_auto = config->dns.trust_anchor_auto,
        .forward = out->forward,
        .forward_count = config->dns.forward.n,
        .forward_tls = config->dns.forward_tls,
        .stub = out->stubs,
        .stub_count = config->dns.stub.n,
        .option = out->options,
        .option_count = config->dns.unbound.n,
        .timeout_ms = config->dns.timeout_ms,
    };
    return 0;
}

void resolver_settings_clear(struct resolver_settings *settings)
{
    free(settings->forward);
    free(settings->stubs);
    free(settings->options);
    *settings = (struct resolver_settings){0};
}
