/* SPDX-License-Identifier: BSD-2-Clause
 *
 * access: see access.h.
 */
#include "access/access.h"

#include <stdio.h>
#include <stdlib.h>

#include "access/attempts.h"
#include "access/certificate.h"
#include "access/pool.h"
#include "access/proven.h"

static int access_make_tls(struct access *access, const struct config *config, char *why,
                           size_t why_size)
{
    access->tls = calloc(config->listeners.n + 1, sizeof(*access->tls));
    if (access->tls == NULL)
        return DIVE_E_NOMEM;
    access->n_tls = config->listeners.n;
    for (size_t i = 0; i < config->listeners.n; i++) {
        const struct config_listener *listener = &config->listeners.v[i];
        int r = listener->tls.certificate != NULL
                    ? certificate_context_new(&access->tls[i], listener, why, why_size)
                    : 0;

        if (r != 0)
            return r;
    }
    return 0;
}

int access_new(struct access **out, const struct config *config, char *why, size_t why_size)
{
    struct access *access = calloc(1, sizeof(*access));
    int r = DIVE_E_NOMEM;

    *out = NULL;
    snprintf(why, why_size, "access: out of memory");
    if (access == NULL)
        return r;
    r = access_make_tls(access, config, why, why_size);
    if (r == 0 && config->access.htpasswd != NULL)
        r = htpasswd_load(&access->htpasswd, config->access.htpasswd, why, why_size);
    if (r == 0 && config->access.negotiate.keytab != NULL)
        r = negotiate_new(&access->negotiate, config->access.negotiate.keytab,
                          config->access.negotiate.service, config->access.negotiate.realm, why,
                          why_size);
    if (r != 0)
        access_free(&access);
    *out = access;
    return r;
}

void access_free(struct access **freed)
{
    struct access *access = *freed;

    *freed = NULL;
    if (access == NULL)
        return;
    for (size_t i = 0; i < access->n_tls; i++)
        SSL_CTX_free(access->tls[i]);
    free(access->tls);
    htpasswd_free(&access->htpasswd);
    negotiate_free(&access->negotiate);
    free(access);
}

int access_process_init(struct access_process *process)
{
    int r;

    *process = (struct access_process){0};
    if ((r = access_pool_new(&process->pool)) != 0 || (r = attempts_new(&process->attempts)) != 0 ||
        (r = proven_new(&process->proven)) != 0)
        return r;
    return 0;
}

void access_process_destroy(struct access_process *process)
{
    access_pool_free(&process->pool);
    attempts_free(&process->attempts);
    proven_free(&process->proven);
}
