/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The objects of the admin thread, for this folder only.
 *
 *      admin -+- listener (control), listener (HTTP)
 *             `- client ...                            either kind, one request at a time
 *
 *   admin.c    thread, listeners, mailbox      client.c   bytes in, answers out, limits
 *   socket.c   opening the addresses           control.c, cache.c, http.c   one request to one
 *   history.c  the last hour's counters                                     answer
 *   page.c     the page for browsers           overview.c   what the daemon is doing, as JSON
 */
#ifndef DIVED_ADMIN_PRIVATE_H
#define DIVED_ADMIN_PRIVATE_H

#include <jansson.h>

#include "admin/admin.h"
#include "admin/history.h"
#include "core/channel.h"
#include "http/head.h"

enum admin_kind { ADMIN_CONTROL, ADMIN_HTTP, ADMIN_KINDS };

/* A control socket's file, known again by its inode: another daemon's is never removed. */
struct admin_file {
    char *path; /* owned; NULL: none */
    dev_t device;
    ino_t inode;
    bool lent; /* another process's: it stays */
};

struct admin_listener {
    struct admin *admin;
    enum admin_kind kind;
    int fd; /* -1: none */
    struct event event;
    struct loop_timer resume; /* set: no descriptor was left, accepting pauses */
};

TAILQ_HEAD(admin_clients, admin_client);

struct admin {
    struct loop loop;
    pthread_t thread;
    struct config *config;
    struct shared *shared;
    struct admin_hooks hooks;
    int64_t started_ms;
    struct admin_listener listener[ADMIN_KINDS];
    struct admin_clients clients;
    unsigned client_count;
    struct history history;
    struct loop_timer sample; /* the next look at the counters */

    _Atomic bool held; /* accepts nothing */
    int wake_fd;
    struct event wake_event;
    pthread_mutex_t lock;      /* of all that follows */
    struct config *latest;     /* what admin_reload() compares with */
    bool is_open[ADMIN_KINDS]; /* under `latest` */
    struct admin_file file;    /* under `latest` */
    struct config *next;       /* mailbox: to be switched to, or NULL */
    int next_fd[ADMIN_KINDS];  /* with it: listening, -1 for none, ADMIN_FD_KEEP */
    bool stopping;
};

#define ADMIN_FD_KEEP -2

/* A listening socket for the address of that kind in `config`, or -1: there is none, or it is only
 * the default and can't be had (logged). `file` is filled in for a control socket. 0 or negative
 * and `why`. */
int admin_socket_open(const struct admin_hooks *hooks, enum admin_kind kind,
                      const struct config *config, int *fd, struct admin_file *file, char *why,
                      size_t why_size) DIVE_MUST_USE;
/* Removes the file if it is still ours; clears *file. */
void admin_file_remove(struct admin_file *file);

/* Takes over `fd`. Closed at once past ADMIN_CLIENTS_MAX. */
void admin_client_open(struct admin *admin, enum admin_kind kind, int fd);
void admin_clients_close(struct admin *admin);

/* What a step has made of the bytes in `in`. */
enum admin_step {
    ADMIN_STEP_MORE,   /* no whole request yet */
    ADMIN_STEP_ANSWER, /* the answer was put into `out` */
    ADMIN_STEP_LAST,   /* the same, and the connection ends after it */
    ADMIN_STEP_FAILED, /* the connection ends now */
};

enum admin_step admin_control_step(struct admin *admin, struct buffer *in, struct buffer *out);
enum admin_step admin_http_step(struct admin *admin, struct http_scan *scan, struct buffer *in,
                                struct buffer *out);

/* Unix milliseconds. */
int64_t admin_unix_ms(void);
/* Why no new work should be sent here, a static sentence, or NULL: it is ready. */
const char *admin_not_ready(const struct admin *admin);
/* What the daemon is doing; `whole`: with recent events and the last hour. A new object, or NULL.
 */
json_t *admin_overview(struct admin *admin, bool whole);

/* Answers to one request each: a new object, or NULL without memory. */
json_t *admin_control_failed(const char *error);
json_t *admin_cache_stats(struct admin *admin, const json_t *request);
json_t *admin_cache_list(struct admin *admin, const json_t *request);
json_t *admin_cache_show(struct admin *admin, const json_t *request);
json_t *admin_cache_purge(struct admin *admin, const json_t *request);

#endif
