/* SPDX-License-Identifier: BSD-2-Clause
 *
 * admin: see admin.h. The thread, its two listeners, and the mailbox by which other threads reach
 * it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "admin/private.h"

#define ADMIN_PAUSE_MS 200

static void listener_on_resume(void *arg)
{
    struct admin_listener *listener = arg;

    if (listener->fd >= 0)
        (void)event_add(&listener->event, NULL);
}

/* A level-triggered listener without a descriptor to accept with would turn the loop round and
 * round. */
static void listener_pause(struct admin_listener *listener)
{
    log_warning("admin", "accepting pauses: %s", strerror(errno));
    event_del(&listener->event);
    loop_timer_set(&listener->resume, ADMIN_PAUSE_MS);
}

static void listener_on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct admin_listener *listener = arg;
    int client;

    if (atomic_load(&listener->admin->held)) {
        event_del(&listener->event);
        return;
    }
    client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0)
        admin_client_open(listener->admin, listener->kind, client);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        listener_pause(listener);
}

static void listener_close(struct admin_listener *listener)
{
    if (listener->fd < 0)
        return;
    event_del(&listener->event);
    loop_timer_stop(&listener->resume);
    close(listener->fd);
    listener->fd = -1;
}

static void listener_set(struct admin_listener *listener, int fd)
{
    if (fd == ADMIN_FD_KEEP)
        return;
    listener_close(listener);
    listener->fd = fd;
    if (fd < 0)
        return;
    event_assign(&listener->event, listener->admin->loop.base, fd, EV_READ | EV_PERSIST,
                 listener_on_connection, listener);
    if (event_add(&listener->event, NULL) != 0)
        loop_timer_set(&listener->resume, ADMIN_PAUSE_MS);
}

static void admin_on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct admin *admin = arg;
    struct config *old = NULL;
    uint64_t count;
    bool stop;

    (void)!read(fd, &count, sizeof(count));
    pthread_mutex_lock(&admin->lock);
    stop = admin->stopping;
    if (admin->next != NULL) {
        old = admin->config;
        admin->config = admin->next;
        admin->next = NULL;
        for (unsigned i = 0; i < ADMIN_KINDS; i++)
            listener_set(&admin->listener[i], admin->next_fd[i]);
    }
    pthread_mutex_unlock(&admin->lock);
    config_unref(&old);
    for (unsigned i = 0; i < ADMIN_KINDS && !atomic_load(&admin->held); i++)
        listener_on_resume(&admin->listener[i]);
    if (stop)
        loop_stop(&admin->loop);
}

static void admin_wake(struct admin *admin)
{
    uint64_t one = 1;

    (void)!write(admin->wake_fd, &one, sizeof(one));
}

static void *admin_run(void *arg)
{
    struct admin *admin = arg;

    pthread_setname_np(pthread_self(), "dived-admin");
    if (loop_run(&admin->loop) != 0)
        log_error("admin", "the event loop failed; status, metrics and control are gone");
    return NULL;
}

static bool address_is_same(enum admin_kind kind, const struct config *a, const struct config *b)
{
    const char *one = kind == ADMIN_CONTROL ? a->admin.socket : a->admin.http.text;
    const char *other = kind == ADMIN_CONTROL ? b->admin.socket : b->admin.http.text;

    return one != NULL && other != NULL && strcmp(one, other) == 0;
}

/* Opens what `config` has and `admin->latest` (may be NULL) hasn't. All or nothing. */
static int admin_open(struct admin *admin, const struct config *config, int fd[ADMIN_KINDS],
                      struct admin_file *file, char *why, size_t why_size)
{
    int r = 0;

    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++)
        fd[kind] = -1;
    for (unsigned kind = 0; kind < ADMIN_KINDS && r == 0; kind++) {
        if (admin->latest != NULL && admin->is_open[kind] &&
            address_is_same(kind, admin->latest, config))
            fd[kind] = ADMIN_FD_KEEP;
        else
            r = admin_socket_open(&admin->hooks, kind, config, &fd[kind], file, why, why_size);
    }
    if (r == 0)
        return 0;
    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++) {
        if (fd[kind] >= 0)
            close(fd[kind]);
    }
    admin_file_remove(file);
    return r;
}

/* `config` is what later reloads compare with. With the lock. */
static void admin_commit(struct admin *admin, struct config *config, const int fd[ADMIN_KINDS],
                         struct admin_file *file)
{
    if (fd[ADMIN_CONTROL] != ADMIN_FD_KEEP) {
        admin_file_remove(&admin->file);
        admin->file = *file;
    }
    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++)
        admin->is_open[kind] = fd[kind] != -1;
    config_unref(&admin->latest);
    admin->latest = config_ref(config);
}

int admin_reload(struct admin *admin, struct config *config, char *why, size_t why_size)
{
    struct admin_file file = {0};
    int fd[ADMIN_KINDS];
    int r;

    pthread_mutex_lock(&admin->lock);
    r = admin_open(admin, config, fd, &file, why, why_size);
    if (r != 0)
        goto out;
    admin_commit(admin, config, fd, &file);
    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++) {
        if (admin->next == NULL) {
            admin->next_fd[kind] = fd[kind];
        } else if (fd[kind] != ADMIN_FD_KEEP) {
            /* The reload before this one hasn't been taken out of the mailbox yet. */
            if (admin->next_fd[kind] >= 0)
                close(admin->next_fd[kind]);
            admin->next_fd[kind] = fd[kind];
        }
    }
    config_unref(&admin->next);
    admin->next = config_ref(config);
    admin_wake(admin);
out:
    pthread_mutex_unlock(&admin->lock);
    return r;
}

/* What a start that failed has made, or the ended thread leaves. */
static void admin_destroy(struct admin *admin)
{
    if (admin->loop.base != NULL) {
        for (unsigned kind = 0; kind < ADMIN_KINDS; kind++)
            listener_close(&admin->listener[kind]);
        admin_clients_close(admin);
        loop_timer_stop(&admin->sample);
        if (admin->wake_fd >= 0)
            event_del(&admin->wake_event);
        loop_destroy(&admin->loop);
    }
    assert(admin->client_count == 0);
    if (admin->wake_fd >= 0)
        close(admin->wake_fd);
    if (admin->next != NULL) {
        for (unsigned kind = 0; kind < ADMIN_KINDS; kind++) {
            if (admin->next_fd[kind] >= 0)
                close(admin->next_fd[kind]);
        }
    }
    admin_file_remove(&admin->file);
    config_unref(&admin->next);
    config_unref(&admin->latest);
    config_unref(&admin->config);
    pthread_mutex_destroy(&admin->lock);
    free(admin);
}

static struct admin *admin_new(struct config *config, struct shared *shared,
                               const struct admin_hooks *hooks)
{
    struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL)
        return NULL;
    if (pthread_mutex_init(&admin->lock, NULL) != 0) {
        free(admin);
        return NULL;
    }
    admin->shared = shared;
    admin->hooks = *hooks;
    admin->config = config_ref(config);
    admin->wake_fd = -1;
    TAILQ_INIT(&admin->clients);
    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++)
        admin->listener[kind] = (struct admin_listener){.admin = admin, .kind = kind, .fd = -1};
    return admin;
}

int64_t admin_unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void admin_on_sample(void *arg)
{
    struct admin *admin = arg;
    int connections = admin->shared->connections;

    history_add(&admin->history, admin_unix_ms(), connections > 0 ? (uint64_t)connections : 0,
                hold_account_bytes(&admin->shared->hold));
    loop_timer_set(&admin->sample, HISTORY_STEP * 1000);
}

static int admin_prepare(struct admin *admin)
{
    if (loop_init(&admin->loop) != 0)
        return -1;
    admin->started_ms = loop_now_ms(&admin->loop);
    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++)
        loop_timer_init(&admin->listener[kind].resume, &admin->loop, listener_on_resume,
                        &admin->listener[kind]);
    loop_timer_init(&admin->sample, &admin->loop, admin_on_sample, admin);
    loop_timer_set(&admin->sample, HISTORY_STEP * 1000);
    history_totals(&admin->history.last);
    admin->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (admin->wake_fd < 0)
        return -1;
    event_assign(&admin->wake_event, admin->loop.base, admin->wake_fd, EV_READ | EV_PERSIST,
                 admin_on_wake, admin);
    return event_add(&admin->wake_event, NULL);
}

static int admin_start_thread(struct admin *admin)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&admin->thread, NULL, admin_run, admin);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

int admin_start(struct admin **out, struct config *config, struct shared *shared,
                const struct admin_hooks *hooks, char *why, size_t why_size)
{
    struct admin *admin = admin_new(config, shared, hooks);
    struct admin_file file = {0};
    int fd[ADMIN_KINDS];
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    snprintf(why, why_size, "the admin thread can't be started");
    if (admin == NULL)
        return DIVE_E_NOMEM;
    if (admin_prepare(admin) != 0)
        goto out;
    r = admin_open(admin, config, fd, &file, why, why_size);
    if (r != 0)
        goto out;
    admin_commit(admin, config, fd, &file);
    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++)
        listener_set(&admin->listener[kind], fd[kind]);
    r = DIVE_E_INTERNAL;
    if (admin_start_thread(admin) != 0) {
        snprintf(why, why_size, "the admin thread can't be started");
        goto out;
    }
    *out = admin;
    r = 0;
out:
    if (r != 0)
        admin_destroy(admin);
    return r;
}

void admin_sockets(struct admin *admin, int fd[2])
{
    fd[0] = fd[1] = -1;
    pthread_mutex_lock(&admin->lock);
    for (unsigned kind = 0; kind < ADMIN_KINDS; kind++)
        if (admin->listener[kind].fd >= 0)
            fd[kind] = fcntl(admin->listener[kind].fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&admin->lock);
}

static void admin_set_lent(struct admin *admin, bool lent)
{
    pthread_mutex_lock(&admin->lock);
    admin->file.lent = lent;
    pthread_mutex_unlock(&admin->lock);
}

void admin_hold(struct admin *admin, bool held)
{
    atomic_store(&admin->held, held);
    if (!held)
        admin_wake(admin);
}

void admin_disown(struct admin *admin)
{
    admin_set_lent(admin, true);
}

void admin_adopt(struct admin *admin)
{
    admin_set_lent(admin, false);
}

void admin_stop(struct admin **admin)
{
    struct admin *a = *admin;

    if (a == NULL)
        return;
    *admin = NULL;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_mutex_unlock(&a->lock);
    admin_wake(a);
    pthread_join(a->thread, NULL);
    admin_destroy(a);
}
