/* SPDX-License-Identifier: BSD-2-Clause
 *
 * run: what the main thread does while the workers work: signals, the state's file now and then,
 * the service manager's watchdog; and the end.
 *
 * The sign of life that the watchdog wants is sent only while the loop of every worker is seen to
 * turn: a worker that hangs has its clients hang, and the service manager is right to start anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/notify.h"
#include "process/daemon.h"
#include "worker/state.h"

#define TICK_MS 1000
#define STUCK_MS 5000 /* a worker that hasn't turned for so long is worth a line in the log */
#define DRAIN_POLL_MS 20

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- now and then ---- */

/* The longest that a worker hasn't been seen to turn; each that stops turning is told once. */
static int64_t find_stuck(struct daemon *daemon)
{
    int64_t longest = 0;

    for (unsigned i = 0; i < daemon->worker_count; i++) {
        int64_t stuck = worker_stuck_ms(daemon->workers[i]);

        if (stuck >= STUCK_MS && !daemon->stuck_told[i])
            log_error("worker", "the loop of worker %u hasn't turned for %lld s", i,
                      (long long)(stuck / 1000));
        else if (stuck < STUCK_MS && daemon->stuck_told[i])
            log_warning("worker", "the loop of worker %u turns again", i);
        daemon->stuck_told[i] = stuck >= STUCK_MS;
        if (stuck > longest)
            longest = stuck;
    }
    return longest;
}

static void feed_watchdog(struct daemon *daemon, int64_t stuck_ms)
{
    int64_t every = notify_watchdog_ms(), now = now_ms();
    int64_t tolerated = every / 2 > 2 * TICK_MS ? every / 2 : 2 * TICK_MS;

    if (every == 0 || stuck_ms > tolerated || now - daemon->fed_ms < every / 4)
        return;
    notify_alive();
    daemon->fed_ms = now;
}

static void save_now_and_then(struct daemon *daemon)
{
    int64_t now = now_ms();

    if (now - daemon->saved_ms < (int64_t)STATE_SAVE_SECONDS * 1000)
        return;
    (void)!daemon_save_state(daemon);
    daemon->saved_ms = now;
}

void daemon_tick(struct daemon *daemon)
{
    feed_watchdog(daemon, find_stuck(daemon));
    save_now_and_then(daemon);
    runtime_reap();
}

/* ---- signals ---- */

static int tick_ms(void)
{
    int64_t every = notify_watchdog_ms() / 4;

    return every > 0 && every < TICK_MS ? (int)every : TICK_MS;
}

static int next_signal(const sigset_t *signals, int within_ms)
{
    const struct timespec wait = {within_ms / 1000, within_ms % 1000 * 1000000L};

    return sigtimedwait(signals, NULL, &wait);
}

/* Another thread reloads or upgrades, which may take long, and the watchdog wants its sign of life
 * meanwhile: signals that would have to wait for it stay pending. */
static bool is_busy(struct daemon *daemon)
{
    if (pthread_mutex_trylock(&daemon->reload_lock) != 0)
        return true;
    pthread_mutex_unlock(&daemon->reload_lock);
    return false;
}

static int next_duty(struct daemon *daemon, const sigset_t *signals, int within_ms)
{
    sigset_t now = *signals;
    int number;

    if (is_busy(daemon)) {
        sigdelset(&now, SIGHUP);
        sigdelset(&now, SIGUSR2);
    }
    number = next_signal(&now, within_ms);
    if ((number == SIGHUP || number == SIGUSR2) && is_busy(daemon)) {
        (void)pthread_kill(pthread_self(), number);
        return 0;
    }
    return number;
}

static void reopen_logs(void)
{
    if (log_reopen() != 0)
        log_error("log", "reopening failed: %s", strerror(errno));
}

void daemon_run(struct daemon *daemon, const sigset_t *signals)
{
    int wait_ms = tick_ms();

    daemon->saved_ms = now_ms();
    while (!atomic_load(&daemon->replaced)) {
        int number = next_duty(daemon, signals, wait_ms);
        struct findings findings = {.to_log = true};
        char why[1024];
        pid_t pid;

        if (number == SIGHUP) {
            (void)!daemon_reload(daemon, &findings);
            free(findings.lines);
        } else if (number == SIGUSR1) {
            reopen_logs();
        } else if (number == SIGUSR2 && !atomic_load(&daemon->replaced)) {
            (void)!daemon_upgrade(daemon, &pid, why, sizeof(why));
        } else if (number == SIGTERM || number == SIGINT) {
            return;
        }
        daemon_tick(daemon);
        daemon->broken = contain_is_broken(&daemon->contain);
        if (daemon->broken)
            return;
    }
}

/* ---- the end ---- */

static void drain(struct daemon *daemon, bool patient)
{
    const struct config *config = daemon->runtime != NULL ? daemon->runtime->config : NULL;
    int64_t within_ms = 0;

    if (config != NULL)
        within_ms = patient ? config->timeouts.upgrade_drain_ms : config->timeouts.drain_ms;
    for (unsigned i = 0; i < daemon->worker_count; i++)
        if (daemon->workers[i] != NULL)
            worker_drain(daemon->workers[i], patient, within_ms);
}

static bool have_ended(const struct daemon *daemon)
{
    for (unsigned i = 0; i < daemon->worker_count; i++)
        if (daemon->workers[i] != NULL && daemon->workers[i]->thread != 0 &&
            !worker_has_ended(daemon->workers[i]))
            return false;
    return true;
}

/* Who has left the service to another process is asked once to hurry; after that, and otherwise at
 * once, a further signal ends the process. */
static void await_workers(struct daemon *daemon, const sigset_t *signals)
{
    bool patient = atomic_load(&daemon->replaced);
    sigset_t deadly;

    sigemptyset(&deadly);
    sigaddset(&deadly, SIGTERM);
    sigaddset(&deadly, SIGINT);
    while (!have_ended(daemon)) {
        int number = next_signal(signals, DRAIN_POLL_MS);

        if (number == SIGUSR1) {
            reopen_logs();
        } else if ((number == SIGTERM || number == SIGINT) && patient) {
            patient = false;
            drain(daemon, false);
        } else if (number == SIGTERM || number == SIGINT) {
            pthread_sigmask(SIG_UNBLOCK, &deadly, NULL);
            raise(number);
        }
    }
}

void daemon_stop(struct daemon *daemon, const sigset_t *signals)
{
    bool replaced;

    pthread_mutex_lock(&daemon->reload_lock);
    daemon->shared.draining = true;
    replaced = atomic_load(&daemon->replaced); /* an upgrade may just have been under way */
    pthread_mutex_unlock(&daemon->reload_lock);
    if (!replaced)
        notify_stopping();
    else
        admin_stop(&daemon->admin); /* the successor answers */
    sockets_close(&daemon->sockets);
    drain(daemon, replaced);
    await_workers(daemon, signals);
    for (unsigned i = 0; i < daemon->worker_count; i++)
        worker_join(&daemon->workers[i]);
    admin_stop(&daemon->admin); /* so long, whoever asks is told of the end */
    (void)!daemon_save_state(daemon);
    daemon_forget_state(daemon);
    runtime_unref(&daemon->runtime);
    runtime_reap();
    contain_end(&daemon->contain);
    if (daemon->has_shared)
        shared_destroy(&daemon->shared);
}
