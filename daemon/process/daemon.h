/* SPDX-License-Identifier: BSD-2-Clause
 *
 * daemon: the process around the workers, for this folder and main.c only.
 *
 *      load.c       a configuration file -> a runtime, and where its faults are told
 *      sockets.c    listening sockets: bound here, or inherited (core/inherit.h)
 *      contain.c    privileges, sandbox, and the process that has the CA's key
 *      start.c      start, and what outlives the process
 *      reload.c     another configuration without dropping anything
 *      upgrade.c    another binary without dropping anything: both sides of it
 *      run.c        signals, the service manager's watchdog, the end
 *
 * One thread runs all of it, the main thread; the admin thread comes in by the hooks of start.c.
 */
#ifndef DIVED_PROCESS_DAEMON_H
#define DIVED_PROCESS_DAEMON_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "admin/admin.h"
#include "core/log.h"
#include "process/contain.h"
#include "process/sockets.h"
#include "worker/worker.h"

#define DAEMON_WORKERS_MAX 64

struct daemon {
    const char *config_file;
    struct contain contain;
    bool broken; /* it ended because it couldn't go on */
    struct shared shared;
    bool has_shared;
    struct runtime *runtime;
    struct worker *workers[DAEMON_WORKERS_MAX];
    unsigned worker_count;
    struct admin *admin;
    struct sockets sockets;
    char *state_directory;       /* NULL: nothing outlives the process */
    bool state_failed;           /* told once */
    pthread_mutex_t state_lock;  /* the admin thread saves too */
    pthread_mutex_t reload_lock; /* SIGHUP and the control socket may both ask for one */
    pthread_t main_thread;
    int predecessor;       /* the channel to it; -1: there is none, or it is done with */
    _Atomic bool replaced; /* a successor has taken over: this one only finishes what it has */
    /* The main thread's alone. */
    bool stuck_told[DAEMON_WORKERS_MAX];
    int64_t fed_ms, saved_ms; /* the watchdog; the state */
};

/* Where findings go: standard error at the start, later the log; and to whoever asked for what is
 * being done: a reload, or to succeed another process. */
struct findings {
    bool to_log;
    char *lines; /* malloc'd, "\n" between them, the owner's to free; NULL: none yet */
};

/* ---- load.c ---- */
void find(struct findings *findings, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The configuration and everything made of it; NULL after a failure, which was told. `contain`
 * NULL: a check; nothing is made on disk. */
struct runtime *daemon_load_runtime(const char *file, struct contain *contain,
                                    struct findings *findings);
/* 0, or -1 and what is wrong was logged; then the old logs stay. */
int daemon_open_logs(const struct config *config) DIVE_MUST_USE;
unsigned daemon_count_workers(const struct config *config);

/* ---- start.c ---- */
/* Starts everything; daemon->sockets has what was inherited. An exit code of sysexits.h; EX_OK when
 * all runs. Otherwise what was wrong was told, and what was started is to be ended by
 * daemon_stop(). */
int daemon_start(struct daemon *daemon, struct findings *findings) DIVE_MUST_USE;
/* Writes what outlives the process. From any thread. 0 or a negative DIVE_E*. */
int daemon_save_state(struct daemon *daemon) DIVE_MUST_USE;
/* Nothing is saved from now on: another process does it. */
void daemon_forget_state(struct daemon *daemon);

/* ---- reload.c ---- */
/* From any thread. 0, or a negative DIVE_E* and then nothing has changed. */
int daemon_reload(struct daemon *daemon, struct findings *findings) DIVE_MUST_USE;

/* ---- upgrade.c ---- */
/* Has the program started once more and hands everything over to it. On success `replaced` is set
 * and the caller sees to it that daemon_run() returns. On failure everything goes on as before.
 * From any thread; blocks until it is known. 0 (*pid: the other process) or a negative DIVE_E*, and
 * `why`. */
int daemon_upgrade(struct daemon *daemon, pid_t *pid, char *why, size_t why_size) DIVE_MUST_USE;
/* In the successor, in this order; all of them do nothing without a predecessor. */
/* The configuration is good and the sockets are there: returns when the predecessor has let go of
 * what only one can have. 0, or a negative DIVE_E*: it is gone. */
int daemon_succeed_prepared(struct daemon *daemon) DIVE_MUST_USE;
/* Everything runs: returns when the predecessor has left the service to this process. */
int daemon_succeed_ready(struct daemon *daemon) DIVE_MUST_USE;
/* Or it failed, for these reasons. */
void daemon_succeed_failed(struct daemon *daemon, const char *reasons);

/* ---- run.c ---- */
/* Are the loops of all workers turning? Tells the service manager so, if it wants to know; what is
 * to be done now and then is done. Main thread. */
void daemon_tick(struct daemon *daemon);
/* Until it is to end. */
void daemon_run(struct daemon *daemon, const sigset_t *signals);
/* Drains the workers, as long as timeouts.drain (or, replaced, timeouts.upgrade-drain) allows, and
 * frees everything. */
void daemon_stop(struct daemon *daemon, const sigset_t *signals);

#endif
