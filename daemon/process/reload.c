/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reload: another configuration for what runs. All that can fail comes first; running exchanges
 * keep the runtime that they began with.
 */
#include <stdlib.h>

#include "core/notify.h"
#include "process/daemon.h"

/* From here on nothing fails. */
static void switch_runtime(struct daemon *daemon, struct runtime *runtime,
                           struct sockets_plan *plan, struct findings *findings)
{
    if (daemon_open_logs(runtime->config) != 0)
        find(findings, LOG_LEVEL_ERROR, "the new log files can't be opened; the old ones stay");
    if (daemon_count_workers(runtime->config) != daemon->worker_count)
        find(findings, LOG_LEVEL_WARNING, "workers: a new number takes a restart");
    if (!shared_reload(&daemon->shared, runtime->config))
        find(findings, LOG_LEVEL_WARNING,
             "cache: another directory, or a cache where there was "
             "none, takes a restart");
    if (!shared_reload_audit(&daemon->shared, runtime->config))
        find(findings, LOG_LEVEL_WARNING, "audit.file: another file takes a restart");
    for (unsigned i = 0; i < daemon->worker_count; i++)
        if (worker_reload(daemon->workers[i], runtime, sockets_of_worker(plan, i),
                          plan->rows * plan->columns) != 0)
            find(findings, LOG_LEVEL_ERROR, "out of memory: worker %u keeps the old configuration",
                 i);
    sockets_commit(&daemon->sockets, runtime->config, plan);
}

/* What can fail is done before anything changes. 0 or a negative DIVE_E*. */
static int apply_runtime(struct daemon *daemon, struct runtime *runtime, struct findings *findings)
{
    struct sockets_plan plan;
    char why[512];
    int r = sockets_open(&daemon->sockets, runtime->config, daemon->runtime->config,
                         daemon->worker_count, &plan, findings);

    if (r != 0)
        return r;
    if (daemon->admin != NULL &&
        admin_reload(daemon->admin, runtime->config, why, sizeof(why)) != 0) {
        find(findings, LOG_LEVEL_ERROR, "%s", why);
        sockets_abandon(&daemon->sockets, &plan);
        return DIVE_E_STATE;
    }
    switch_runtime(daemon, runtime, &plan, findings);
    return 0;
}

static int load_and_apply(struct daemon *daemon, struct findings *findings)
{
    struct runtime *runtime = daemon_load_runtime(daemon->config_file, &daemon->contain, findings);
    int r = DIVE_E_SYNTAX;

    if (runtime != NULL)
        r = apply_runtime(daemon, runtime, findings);
    if (r == 0) {
        runtime_unref(&daemon->runtime);
        daemon->runtime = runtime;
        log_info("config", "%s loaded", daemon->config_file);
    } else {
        runtime_unref(&runtime);
        log_error("config", "%s is not applied: the configuration that runs stays",
                  daemon->config_file);
    }
    return r;
}

int daemon_reload(struct daemon *daemon, struct findings *findings)
{
    int r = DIVE_E_STATE;

    pthread_mutex_lock(&daemon->reload_lock);
    if (atomic_load(&daemon->replaced)) {
        find(findings, LOG_LEVEL_ERROR, "another process has taken over: ask that one");
    } else if (daemon->shared.draining) {
        find(findings, LOG_LEVEL_ERROR, "the daemon is ending");
    } else {
        notify_reloading();
        r = load_and_apply(daemon, findings);
        notify_ready();
        notify_status("%s",
                      r == 0 ? "running" : "running; the last reload was refused, see the log");
    }
    pthread_mutex_unlock(&daemon->reload_lock);
    return r;
}
