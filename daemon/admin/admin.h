/* SPDX-License-Identifier: BSD-2-Clause
 *
 * admin: what an operator asks a running daemon, answered by one thread of its own, so that a slow
 * scraper or a reload never stands in the way of a download.
 *
 *      admin thread -+- control socket (admin.socket): one JSON object a line, one answer a line
 *                    +- HTTP (admin.http): GET / (a page), /api/status.json, /metrics, /healthz,
 * /readyz
 *                    `- mailbox: other addresses after a reload, the end
 *
 * Control requests and their answers; an answer always has "ok", and "error" when that is false:
 *
 *      {"command":"status"}               version pid uptime_s workers connections held_bytes
 *                                         record_cache_entries log_lines_lost config ca_fingerprint
 *      {"command":"top"}                  top: counters, busiest hosts and clients (overview.c)
 *      {"command":"trace","id":"..."}     trace: the object of dive_verifier_trace()
 *      {"command":"reload"}               problems: a list of lines; ok false: nothing has changed
 *      {"command":"upgrade"}              pid: of the process that has taken over. ok false:
 * nothing has changed, error says why
 *      {"command":"policies"}             policies: domain, seen, report_only of each that is
 *                                         remembered; more: they were too many for one answer
 *      {"command":"policies","id":"..."}  forgets that domain; saved: not even a crash of the
 * daemon brings it back
 *
 * Who may open the socket (mode 0600, the daemon's user) may do all of it.
 */
#ifndef DIVED_ADMIN_ADMIN_H
#define DIVED_ADMIN_ADMIN_H

#include "config/config.h"
#include "lib/error.h"
#include "tls/ca.h"
#include "worker/shared.h"

#define ADMIN_CLIENTS_MAX 32 /* of both kinds together; one more is closed at once */
#define ADMIN_LINE_MAX                                                                             \
    (16 * 1024) /* bytes of a control request; a longer one ends the connection */
#define ADMIN_ANSWER_MAX (4 << 20) /* bytes */
#define ADMIN_IDLE_MS 30000        /* without a whole request, or with an answer that isn't taken */

/* What only main knows. */
struct admin_status {
    unsigned workers;
    char ca_fingerprint[TLS_CA_FINGERPRINT_BUF]; /* "": no interception */
};

/* Called on the admin thread; may block (nothing but administration waits for it). */
struct admin_hooks {
    void *arg; /* borrowed until admin_stop() has returned */
    /* Does what SIGHUP does. 0, or a negative DIVE_E* and then nothing has changed. *problems: NULL
     * or malloc'd lines, "\n" between them, as config_problem_format() makes them; warnings on
     * success too. May call admin_reload(). */
    int (*reload)(void *arg, char **problems);
    void (*status)(void *arg, struct admin_status *out); /* *out is zeroed before */
    /* Writes what outlives the process to the disk. 0 (also when nothing is to outlive it) or a
     * negative DIVE_E*. NULL: nothing outlives it. */
    int (*save)(void *arg);
    /* Does what SIGUSR2 does: another process takes over. 0, or a negative DIVE_E* and *why
     * (malloc'd), and then nothing has changed. *pid: the other's. NULL: it can't be asked for. */
    int (*upgrade)(void *arg, pid_t *pid, char **why);
    /* A listening socket at that address that another process handed over, the caller's, or -1.
     * *own: its file is ours. NULL: nothing was handed over. */
    int (*take_socket)(void *arg, const struct sockaddr *address, bool *own);
};

struct admin;

/* Opens the addresses in `config` (so before privileges are dropped) and starts the thread, which
 * blocks all signals. Takes its own reference of `config`; `shared` is borrowed until admin_stop();
 * `hooks` is copied. Without any address there is still a thread, for a later reload.
 *
 * An address that was given in the file and can't be had is an error; one that is only the default
 * is logged as a warning and left out. A socket file that nobody answers on is replaced; one that
 * somebody answers on, and what isn't a socket, is an error. *out is NULL on failure and `why` has
 * a sentence. 0 or a negative DIVE_E*. */
int admin_start(struct admin **out, struct config *config, struct shared *shared,
                const struct admin_hooks *hooks, char *why, size_t why_size) DIVE_MUST_USE;

/* From any thread, from within hooks.reload too: opens what is new in `config` before it returns,
 * and lets the admin thread switch to it later; running requests end under the old one. On failure
 * nothing has changed. Errors as admin_start(). */
int admin_reload(struct admin *admin, struct config *config, char *why,
                 size_t why_size) DIVE_MUST_USE;

/* From any thread, for a process that takes over: duplicates of the listening sockets, the
 * caller's; -1: there is none. */
void admin_sockets(struct admin *admin, int fd[2]);
/* From another thread than its own, or in one of its hooks: accept no connections; they wait in the
 * sockets for that process. Or accept again. */
void admin_hold(struct admin *admin, bool held);
/* That process has the control socket's file from now on: it stays when this one ends. And in that
 * process: it is ours now. Until then one that was handed over isn't. */
void admin_disown(struct admin *admin);
void admin_adopt(struct admin *admin);

/* Ends the thread, waits for it (for a running hook too), removes the socket file. Fine with NULL
 * in *admin, which becomes NULL. Not from the admin thread. */
void admin_stop(struct admin **admin);

#endif
