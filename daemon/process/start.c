/* SPDX-License-Identifier: BSD-2-Clause
 *
 * start: everything that runs is started here, in the order in which it may fail; and what outlives
 * the process is read and written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "core/upgrade.h"
#include "process/daemon.h"
#include "worker/state.h"

static int on_admin_reload(void *arg, char **problems)
{
    struct findings findings = {.to_log = true};
    int r = daemon_reload(arg, &findings);

    *problems = findings.lines;
    return r;
}

static void on_admin_status(void *arg, struct admin_status *out)
{
    struct daemon *daemon = arg;

    pthread_mutex_lock(&daemon->reload_lock);
    out->workers = daemon->worker_count;
    if (daemon->runtime->certificates != NULL)
        snprintf(out->ca_fingerprint, sizeof(out->ca_fingerprint), "%s",
                 tls_ca_fingerprint(certificate_cache_ca(daemon->runtime->certificates)));
    pthread_mutex_unlock(&daemon->reload_lock);
}

static int on_admin_upgrade(void *arg, pid_t *pid, char **why)
{
    struct daemon *daemon = arg;
    char text[UPGRADE_MESSAGE_MAX];
    int r = daemon_upgrade(daemon, pid, text, sizeof(text));

    *why = r != 0 ? strdup(text) : NULL;
    if (r == 0)
        (void)pthread_kill(daemon->main_thread, SIGUSR2); /* daemon_run() looks around */
    return r;
}

static int on_admin_take_socket(void *arg, const struct sockaddr *address, bool *own)
{
    return sockets_take(&((struct daemon *)arg)->sockets, address, own);
}

/* ---- what outlives the process ---- */

static void load_state(struct daemon *daemon)
{
    const char *directory = daemon->runtime->config->state.directory;
    char why[512] = "";
    int r;

    if (directory == NULL)
        return;
    daemon->state_directory = strdup(directory);
    if (daemon->state_directory == NULL) {
        log_warning("state", "the state is not saved: out of memory");
        return;
    }
    r = state_load(&daemon->shared, directory, time(NULL), why, sizeof(why));
    if (r != 0 && r != DIVE_E_NOT_FOUND)
        log_warning("state", "%s/" STATE_FILE " is ignored: %s", directory, why);
}

int daemon_save_state(struct daemon *daemon)
{
    char why[512] = "";
    int r = 0;

    pthread_mutex_lock(&daemon->state_lock);
    if (daemon->state_directory != NULL)
        r = state_save(&daemon->shared, daemon->state_directory, time(NULL), why, sizeof(why));
    if (r != 0 && !daemon->state_failed)
        log_warning("state", "the state is not saved: %s", why);
    daemon->state_failed = r != 0;
    pthread_mutex_unlock(&daemon->state_lock);
    return r;
}

static int on_admin_save(void *arg)
{
    return daemon_save_state(arg);
}

void daemon_forget_state(struct daemon *daemon)
{
    pthread_mutex_lock(&daemon->state_lock);
    free(daemon->state_directory);
    daemon->state_directory = NULL;
    pthread_mutex_unlock(&daemon->state_lock);
}

/* ---- life ---- */

static int start_workers(struct daemon *daemon, const struct sockets_plan *plan,
                         struct findings *findings)
{
    char why[512] = "out of memory";
    int r = 0;

    if (log_start_writer() != 0)
        log_warning("log", "no thread for the logs: who logs writes");
    for (unsigned i = 0; i < daemon->worker_count && r == 0; i++) {
        r = worker_new(&daemon->workers[i], i, &daemon->shared, daemon->runtime, why, sizeof(why));
        if (r == 0)
            r = worker_start(daemon->workers[i], sockets_of_worker(plan, i),
                             plan->rows * plan->columns);
        if (r != 0)
            find(findings, LOG_LEVEL_ERROR, "worker %u: %s", i, why);
    }
    return r;
}

static int start_admin(struct daemon *daemon, struct findings *findings)
{
    const struct admin_hooks hooks = {
        .arg = daemon,
        .reload = on_admin_reload,
        .status = on_admin_status,
        .save = on_admin_save,
        .upgrade = on_admin_upgrade,
        .take_socket = on_admin_take_socket,
    };
    char why[512];
    int r = admin_start(&daemon->admin, daemon->runtime->config, &daemon->shared, &hooks, why,
                        sizeof(why));

    if (r != 0)
        find(findings, LOG_LEVEL_ERROR, "%s", why);
    return r;
}

/* With the sockets there: everything else. What a predecessor has to let go of first is still its
 * own until then. */
static int start_all(struct daemon *daemon, const struct sockets_plan *plan,
                     struct findings *findings)
{
    char why[512];

    if (daemon_succeed_prepared(daemon) != 0) {
        find(findings, LOG_LEVEL_ERROR, "the process that was to be succeeded is gone");
        return EX_UNAVAILABLE;
    }
    if (shared_init(&daemon->shared, daemon->runtime->config) != 0) {
        find(findings, LOG_LEVEL_ERROR, "out of memory");
        return EX_OSERR;
    }
    daemon->has_shared = true;
    if (shared_start_audit(&daemon->shared, daemon->runtime->config, daemon->predecessor >= 0, why,
                           sizeof(why)) != 0) {
        find(findings, LOG_LEVEL_ERROR, "%s", why);
        return EX_UNAVAILABLE;
    }
    load_state(daemon);
    if (start_admin(daemon, findings) != 0)
        return EX_UNAVAILABLE;
    if (start_workers(daemon, plan, findings) != 0)
        return EX_OSERR;
    daemon->shared.listening = true;
    return EX_OK;
}

int daemon_start(struct daemon *daemon, struct findings *findings)
{
    const struct config *config = daemon->runtime->config;
    struct sockets_plan plan;
    char why[512];
    int r;

    daemon->worker_count = daemon_count_workers(config);
    if (sockets_find_strangers(&daemon->sockets, config, findings))
        return EX_CONFIG;
    if (sockets_open(&daemon->sockets, config, NULL, daemon->worker_count, &plan, findings) != 0)
        return EX_UNAVAILABLE;
    if (contain_enter(&daemon->contain, config, why, sizeof(why)) != 0) {
        find(findings, LOG_LEVEL_ERROR, "%s", why);
        return EX_OSERR;
    }
    pthread_mutex_lock(&daemon->reload_lock); /* the admin thread may ask for one already */
    r = start_all(daemon, &plan, findings);
    if (r == EX_OK)
        sockets_commit(&daemon->sockets, config, &plan);
    else
        free(plan.fd); /* they go with the process, and some are a worker's */
    pthread_mutex_unlock(&daemon->reload_lock);
    if (r == EX_OK && daemon_succeed_ready(daemon) != 0) {
        find(findings, LOG_LEVEL_ERROR, "the process that was to be succeeded is gone");
        r = EX_UNAVAILABLE;
    }
    return r;
}
