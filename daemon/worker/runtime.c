/* SPDX-License-Identifier: BSD-2-Clause
 *
 * runtime: see runtime.h.
 */
#include "worker/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tls/accept.h"
#include "tls/ca_key.h"
#include "tls/connect.h"

#define MS_PER_HOUR (3600 * 1000)

static int runtime_make_guard(struct runtime *runtime)
{
    const struct config *config = runtime->config;
    size_t n_allow = config->origins.allow_networks.n, n_listen = config->listeners.n;
    struct guard_network *allow = calloc(n_allow + 1, sizeof(*allow));
    struct sockaddr_storage *listen = calloc(n_listen + 1, sizeof(*listen));
    int r = DIVE_E_NOMEM;

    if (allow == NULL || listen == NULL)
        goto out;
    for (size_t i = 0; i < n_allow; i++) {
        const struct config_network *network = &config->origins.allow_networks.v[i];

        allow[i].family = network->family;
        allow[i].prefix = (uint8_t)network->prefix;
        memcpy(allow[i].address, network->bytes, sizeof(allow[i].address));
    }
    for (size_t i = 0; i < n_listen; i++)
        listen[i] = config->listeners.v[i].address.addr;
    if (config->admin.http.len > 0)
        listen[n_listen++] = config->admin.http.addr;
    r = guard_new(&runtime->guard, allow, n_allow, listen, n_listen);
out:
    free(allow);
    free(listen);
    return r;
}

/* A check reads the key itself: it ends with that. 0 and no *ca: it would be made at the first
 * start, or is given to the service alone. */
static int runtime_check_ca(struct tls_ca **ca, const struct config *config, char *why,
                            size_t why_size)
{
    const char *certificate = config->interception.ca_certificate;
    const char *key = config->interception.ca_key;
    int r;

    *ca = NULL;
    if (ca_key_is_out_of_reach(key))
        return 0;
    r = tls_ca_load(ca, certificate, key, time(NULL), why, why_size);
    return r == DIVE_E_NOT_FOUND && ca_key_is_file(key) && access(certificate, F_OK) != 0 &&
                   access(key, F_OK) != 0
               ? 0
               : r;
}

/* The CA, what it mints, and the server side of TLS. */
static int runtime_make_interception(struct runtime *runtime, struct keeper *keeper, char *why,
                                     size_t why_size)
{
    const struct config *config = runtime->config;
    unsigned hours = (unsigned)(config->interception.certificate_lifetime_ms / MS_PER_HOUR);
    struct tls_ca *ca = NULL;
    int r;

    if (!config->interception.enabled)
        return 0;
    if (keeper == NULL)
        r = runtime_check_ca(&ca, config, why, why_size);
    else
        r = keeper_ca(keeper, config->interception.ca_certificate, config->interception.ca_key, &ca,
                      why, why_size);
    if (r != 0 || ca == NULL)
        return r;
    r = certificate_cache_new(&runtime->certificates, ca, hours > 0 ? hours : 1,
                              config->interception.certificate_cache);
    tls_ca_free(&ca);
    if (r != 0) {
        snprintf(why, why_size, "interception: %s", dive_strerror(r));
        return r;
    }
    return tls_accept_context_new(&runtime->accept_context, runtime->certificates, why, why_size);
}

int runtime_new_outgoing(struct runtime **out, struct config *config, char *why, size_t why_size)
{
    struct runtime *runtime = calloc(1, sizeof(*runtime));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "out of memory");
    if (runtime == NULL) {
        config_unref(&config);
        return DIVE_E_NOMEM;
    }
    runtime->references = 1;
    runtime->config = config;
    runtime->http_limits = (struct http_limits){
        .head = (size_t)config->limits.head_size,
        .target = (size_t)config->limits.url_length,
        .fields = config->limits.header_count,
    };
    runtime->hold_limits = (struct hold_limits){
        .memory = (size_t)config->hold.memory,
        .max_size = (uint64_t)config->hold.max_size,
        .directory = config->hold.directory,
    };
    runtime->keep_limits = runtime->hold_limits;
    if (config->cache.directory != NULL && config->cache.max_size > 0) {
        runtime->keep_limits.directory = config->cache.directory;
        runtime->keep_limits.linkable = true;
    }
    runtime->object_max = (uint64_t)config->cache.max_object;
    snprintf(runtime->user_agent, sizeof(runtime->user_agent), "%s",
             config->dive.user_agent != NULL ? config->dive.user_agent : "dived/" DIVED_VERSION);
    if ((r = runtime_make_guard(runtime)) != 0 ||
        (r = resolver_settings_init(&runtime->resolver, config)) != 0)
        goto out;
    r = tls_connect_context_new(&runtime->connect_context, config->origins.ca_file, why, why_size);
    if (r != 0)
        goto out;
    r = parents_new(&runtime->parents, config, runtime->connect_context, why, why_size);
    if (r != 0)
        goto out;
    *out = runtime;
    runtime = NULL;
    why[0] = '\0';
out:
    runtime_unref(&runtime);
    return r;
}

int runtime_new(struct runtime **out, struct config *config, struct keeper *keeper, char *why,
                size_t why_size)
{
    int r = runtime_new_outgoing(out, config, why, why_size);

    if (r != 0)
        return r;
    r = runtime_make_interception(*out, keeper, why, why_size);
    if (r == 0)
        r = access_new(&(*out)->access, (*out)->config, why, why_size);
    if (r == 0 && keeper != NULL && !hold_check_directory(config->hold.directory, why, why_size))
        r = DIVE_E_STATE;
    if (r != 0)
        runtime_unref(out);
    return r;
}

const struct parent *runtime_parent(const struct runtime *runtime, const struct config_rule *rule)
{
    if (rule != NULL && rule->parent.kind != CONFIG_PARENT_UNSET)
        return parents_find(runtime->parents, &rule->parent);
    return parents_find(runtime->parents, &runtime->config->origins.parent);
}

const struct parent *runtime_parent_of_url(const struct runtime *runtime,
                                           const struct http_url *url)
{
    struct config_subject subject = {
        .host = url->at.host,
        .port = url->at.port,
        .scheme = url->https ? CONFIG_SCHEME_HTTPS : CONFIG_SCHEME_HTTP,
        .now = (int64_t)time(NULL),
    };

    return runtime_parent(runtime, config_rule_match(runtime->config, &subject));
}

struct runtime *runtime_ref(struct runtime *runtime)
{
    atomic_fetch_add_explicit(&runtime->references, 1, memory_order_relaxed);
    return runtime;
}

static void runtime_free(struct runtime *r)
{
    parents_free(&r->parents);
    access_free(&r->access);
    SSL_CTX_free(r->accept_context);
    SSL_CTX_free(r->connect_context);
    certificate_cache_free(&r->certificates);
    guard_free(&r->guard);
    resolver_settings_clear(&r->resolver);
    config_unref(&r->config);
    free(r);
}

static _Atomic bool runtime_frees_deferred;
static struct runtime *_Atomic runtime_dead;

void runtime_defer_frees(void)
{
    atomic_store(&runtime_frees_deferred, true);
}

void runtime_reap(void)
{
    struct runtime *r = atomic_exchange(&runtime_dead, NULL), *next;

    for (; r != NULL; r = next) {
        next = r->next_dead;
        runtime_free(r);
    }
}

void runtime_unref(struct runtime **runtime)
{
    struct runtime *r = *runtime;

    *runtime = NULL;
    if (r == NULL || atomic_fetch_sub_explicit(&r->references, 1, memory_order_acq_rel) > 1)
        return;
    if (!atomic_load_explicit(&runtime_frees_deferred, memory_order_relaxed)) {
        runtime_free(r);
        return;
    }
    r->next_dead = atomic_load(&runtime_dead);
    while (!atomic_compare_exchange_weak(&runtime_dead, &r->next_dead, r)) {
    }
}
