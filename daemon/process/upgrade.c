/* SPDX-License-Identifier: BSD-2-Clause
 *
 * upgrade: another binary takes this one's place, and nothing is dropped. Both processes run this
 * file, each in its version, so the words that they exchange don't change lightly:
 *
 *      running daemon                                successor
 *      --------------                                ---------
 *      has it started, with all listening            reads the configuration, makes a runtime of
 *      sockets (core/upgrade.h)                      it, takes the sockets
 *                             <----- "prepared" -----
 *      stops accepting; saves the state;
 *      lets go of the directory of the store
 *                             ------- "go" -------->
 *                                                    opens the store, loads the state, starts its
 *                                                    workers and its admin thread: both accept
 *                             <----- "ready PID" ----
 *      tells the service manager who is
 *      the service now
 *                             ------ "yours" ------>
 *      finishes what it has, for                     says that it is ready, and starts to save
 *      timeouts.upgrade-drain                        the state
 *
 * Sockets are shared, not opened anew: connections wait in them until the successor accepts.
 * "failed WHY" instead of an answer, or the channel's end, and the running daemon takes the store
 * back and goes on accepting.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/notify.h"
#include "core/upgrade.h"
#include "process/daemon.h"

#define START_SECONDS 60 /* for the other side to read its configuration */
#define READY_SECONDS 15 /* and to start with it: nobody accepts meanwhile */
#define HOLD_SECONDS 5   /* for workers to stop accepting */

/* ---- the running daemon ---- */

struct handover {
    int *fd; /* borrowed, but for the last two */
    char *names;
    size_t n, borrowed;
};

static void handover_free(struct handover *handover)
{
    for (size_t i = handover->borrowed; i < handover->n; i++)
        close(handover->fd[i]);
    free(handover->fd);
    free(handover->names);
}

static void handover_add(struct handover *handover, int fd, bool own)
{
    if (handover->n > 0)
        strcat(handover->names, ":");
    strcat(handover->names, own ? INHERIT_NAME_OWN : "activated");
    handover->fd[handover->n++] = fd;
}

/* All listening sockets, each once. */
static int handover_collect(struct daemon *daemon, struct handover *out)
{
    const struct sockets *sockets = &daemon->sockets;
    int admin[2] = {-1, -1};

    *out = (struct handover){.fd = calloc(sockets->n + 2, sizeof(int)),
                             .names = calloc(sockets->n + 2, sizeof(":activated"))};
    if (out->fd == NULL || out->names == NULL)
        return DIVE_E_NOMEM;
    for (size_t i = 0; i < sockets->n; i++)
        handover_add(out, sockets->v[i].fd, sockets->v[i].own);
    out->borrowed = out->n;
    admin_sockets(daemon->admin, admin);
    for (size_t i = 0; i < 2; i++) {
        if (admin[i] >= 0 && !sockets_have(sockets, admin[i]))
            handover_add(out, admin[i], true);
        else if (admin[i] >= 0)
            close(admin[i]); /* a service manager's */
    }
    return 0;
}

/* As upgrade_receive(), with the main thread's other duties done meanwhile. */
static int receive(struct daemon *daemon, int channel, unsigned seconds,
                   char out[UPGRADE_MESSAGE_MAX])
{
    bool is_main = pthread_equal(pthread_self(), daemon->main_thread);
    int n = -1;

    for (unsigned i = 0; i < 2 * seconds && n < 0; i++) {
        n = upgrade_receive(channel, out, 500);
        if (is_main)
            daemon_tick(daemon);
    }
    return n;
}

/* The next word of the successor. 0, or a negative DIVE_E* and what it said instead. */
static int expect(struct daemon *daemon, int channel, const char *word, unsigned seconds,
                  char said[UPGRADE_MESSAGE_MAX], char *why, size_t why_size)
{
    static const char failed[] = "failed ";
    int n = receive(daemon, channel, seconds, said);

    if (n > 0 && strncmp(said, word, strlen(word)) == 0)
        return 0;
    if (n < 0)
        snprintf(why, why_size, "the new process took longer than %u s", seconds);
    else if (n == 0)
        snprintf(why, why_size, "the new process ended; what it printed is where this one prints");
    else
        snprintf(why, why_size, "%s",
                 strncmp(said, failed, sizeof(failed) - 1) == 0 ? said + sizeof(failed) - 1 : said);
    return DIVE_E_STATE;
}

/* Nobody accepts, or all do again. DIVE_E_STATE: a worker hangs. */
static int hold(struct daemon *daemon, bool held)
{
    unsigned waited = 0, n = 0;

    admin_hold(daemon->admin, held);
    for (unsigned i = 0; i < daemon->worker_count; i++)
        worker_hold(daemon->workers[i], held);
    while (held && n < daemon->worker_count) {
        if (worker_is_held(daemon->workers[n])) {
            n++;
            continue;
        }
        if (waited++ >= HOLD_SECONDS * 1000)
            return DIVE_E_STATE;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return 0;
}

/* From "yours" on the state is the successor's to save. */
static int hand_over(struct daemon *daemon, int channel, pid_t pid, char *why, size_t why_size)
{
    int r;

    notify_main_pid(pid); /* before the other says anything to the service manager */
    pthread_mutex_lock(&daemon->state_lock);
    r = upgrade_send(channel, "yours");
    if (r == 0) {
        free(daemon->state_directory);
        daemon->state_directory = NULL;
    }
    pthread_mutex_unlock(&daemon->state_lock);
    if (r != 0) {
        notify_main_pid(getpid());
        snprintf(why, why_size, "the new process ended when it had just started");
        return DIVE_E_STATE;
    }
    atomic_store(&daemon->replaced, true);
    admin_disown(daemon->admin);
    log_info("upgrade", "process %ld has taken over; this one finishes what it has", (long)pid);
    return 0;
}

static int converse(struct daemon *daemon, int channel, pid_t *pid, char *why, size_t why_size)
{
    char said[UPGRADE_MESSAGE_MAX];
    int r = expect(daemon, channel, "prepared", START_SECONDS, said, why, why_size);

    if (r != 0)
        return r;
    if (hold(daemon, true) != 0) {
        snprintf(why, why_size, "the loop of a worker doesn't turn");
        return DIVE_E_STATE;
    }
    if (daemon_save_state(daemon) != 0) {
        snprintf(why, why_size,
                 "the state can't be saved, and the new process would know less of "
                 "which domains are covered: see the log, and state.directory");
        return DIVE_E_STATE;
    }
    if (daemon->shared.store != NULL)
        store_release(daemon->shared.store);
    if (upgrade_send(channel, "go") != 0)
        return DIVE_E_STATE;
    r = expect(daemon, channel, "ready ", READY_SECONDS, said, why, why_size);
    if (r == 0)
        r = hand_over(daemon, channel, *pid = (pid_t)atol(said + strlen("ready ")), why, why_size);
    return r;
}

static int try_upgrade(struct daemon *daemon, pid_t *pid, char *why, size_t why_size)
{
    struct handover handover;
    int channel = -1;
    int r = handover_collect(daemon, &handover);

    snprintf(why, why_size, "out of memory");
    if (r == 0)
        r = upgrade_launch(handover.fd, handover.n, handover.names, &channel, why, why_size);
    if (r == 0) {
        snprintf(why, why_size, "the new process ended");
        r = converse(daemon, channel, pid, why, why_size);
        close(channel); /* if it lives in spite of all: the sign that it isn't wanted */
        if (r != 0 && daemon->shared.store != NULL && store_is_released(daemon->shared.store) &&
            store_resume(daemon->shared.store) != 0)
            log_error("cache", "out of memory: what is stored stays in memory");
        if (r != 0)
            (void)!hold(daemon, false);
    }
    handover_free(&handover);
    return r;
}

int daemon_upgrade(struct daemon *daemon, pid_t *pid, char *why, size_t why_size)
{
    int r = DIVE_E_STATE;

    *pid = 0;
    pthread_mutex_lock(&daemon->reload_lock);
    if (atomic_load(&daemon->replaced)) {
        snprintf(why, why_size, "another process has taken over already: ask that one");
    } else if (daemon->shared.draining) {
        snprintf(why, why_size, "the daemon is ending");
    } else {
        log_info("upgrade", "starting another process to take over");
        r = try_upgrade(daemon, pid, why, why_size);
        if (r != 0)
            log_error("upgrade", "this process goes on: %s", why);
    }
    pthread_mutex_unlock(&daemon->reload_lock);
    return r;
}

/* ---- the successor ---- */

/* 0, or the channel is gone and closed. */
static int await(struct daemon *daemon, const char *word)
{
    char said[UPGRADE_MESSAGE_MAX];

    if (upgrade_receive(daemon->predecessor, said, START_SECONDS * 1000) > 0 &&
        strcmp(said, word) == 0)
        return 0;
    close(daemon->predecessor);
    daemon->predecessor = -1;
    return DIVE_E_STATE;
}

int daemon_succeed_prepared(struct daemon *daemon)
{
    if (daemon->predecessor < 0)
        return 0;
    (void)upgrade_send(daemon->predecessor, "prepared");
    return await(daemon, "go");
}

int daemon_succeed_ready(struct daemon *daemon)
{
    int r;

    if (daemon->predecessor < 0)
        return 0;
    (void)upgrade_send(daemon->predecessor, "ready %ld", (long)getpid());
    r = await(daemon, "yours");
    if (r != 0)
        return r;
    admin_adopt(daemon->admin);
    close(daemon->predecessor);
    daemon->predecessor = -1;
    return 0;
}

void daemon_succeed_failed(struct daemon *daemon, const char *reasons)
{
    if (daemon->predecessor < 0)
        return;
    (void)upgrade_send(daemon->predecessor, "failed %s",
                       reasons != NULL ? reasons : "the new process could not start");
    close(daemon->predecessor);
    daemon->predecessor = -1;
}
