/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sockets: see sockets.h.
 */
#include "process/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/listener.h"
#include "process/daemon.h"

static int add(struct sockets *sockets, const struct inherited *one)
{
    if (sockets->n == sockets->room) {
        size_t room = sockets->room * 2 + 16;
        struct inherited *grown = realloc(sockets->v, room * sizeof(*grown));

        if (grown == NULL)
            return DIVE_E_NOMEM;
        sockets->v = grown;
        sockets->room = room;
    }
    sockets->v[sockets->n++] = *one;
    return 0;
}

static void remove_entry(struct sockets *sockets, size_t i)
{
    close(sockets->v[i].fd);
    memmove(&sockets->v[i], &sockets->v[i + 1], (--sockets->n - i) * sizeof(sockets->v[0]));
}

int sockets_inherit(struct sockets *sockets, char *why, size_t why_size)
{
    struct inherited *all;
    size_t n;
    int r = inherit_read(&all, &n, why, why_size);

    for (size_t i = 0; r == 0 && i < n; i++) {
        r = add(sockets, &all[i]);
        if (r != 0)
            snprintf(why, why_size, "out of memory");
    }
    free(all);
    return r;
}

static int duplicate(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int keep(struct sockets *sockets, int fd)
{
    struct inherited one = {.fd = duplicate(fd), .own = true, .name = INHERIT_NAME_OWN};
    int r = DIVE_E_STATE;

    if (one.fd < 0)
        return DIVE_E_STATE;
    one.length = sizeof(one.address);
    if (getsockname(one.fd, (struct sockaddr *)&one.address, &one.length) == 0)
        r = add(sockets, &one);
    if (r != 0)
        close(one.fd);
    return r;
}

static bool is_at(const struct inherited *entry, const struct config_address *address)
{
    return inherit_is_at((const struct sockaddr *)&entry->address,
                         (const struct sockaddr *)&address->addr);
}

/* The `nth` socket at the address, from 0; NULL: there are no more. */
static struct inherited *entry_at(struct sockets *sockets, const struct config_address *address,
                                  size_t nth)
{
    for (size_t i = 0; i < sockets->n; i++)
        if (is_at(&sockets->v[i], address) && nth-- == 0)
            return &sockets->v[i];
    return NULL;
}

static size_t count_at(struct sockets *sockets, const struct config_address *address)
{
    size_t n = 0;

    while (entry_at(sockets, address, n) != NULL)
        n++;
    return n;
}

int sockets_take(struct sockets *sockets, const struct sockaddr *address, bool *own)
{
    for (size_t i = 0; i < sockets->n; i++) {
        struct inherited *entry = &sockets->v[i];

        if (inherit_is_at((const struct sockaddr *)&entry->address, address)) {
            *own = entry->own;
            return duplicate(entry->fd);
        }
    }
    return -1;
}

bool sockets_have(const struct sockets *sockets, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return false;
    for (size_t i = 0; i < sockets->n; i++)
        if (inherit_is_at((const struct sockaddr *)&sockets->v[i].address,
                          (const struct sockaddr *)&address))
            return true;
    return false;
}

/* Does the running configuration listen there already? */
static bool is_listening(const struct config *config, const struct config_address *address)
{
    for (size_t i = 0; config != NULL && i < config->listeners.n; i++)
        if (inherit_is_at((const struct sockaddr *)&config->listeners.v[i].address.addr,
                          (const struct sockaddr *)&address->addr))
            return true;
    return false;
}

/* SO_REUSEPORT would let two daemons share a port without a word: the first socket is made without.
 */
static int bind_first(const struct config_listener *how)
{
    int fd = listener_bind(how, false);

    if (fd < 0)
        return -1;
    close(fd);
    return listener_bind(how, true);
}

/* A socket of our own for one more worker; what the process keeps is a duplicate. */
static int bind_one(struct sockets *sockets, const struct config_listener *how, bool first)
{
    int fd = first ? bind_first(how) : listener_bind(how, true);

    if (fd >= 0 && keep(sockets, fd) != 0) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    return fd;
}

/* One column of the plan. -1 with errno set. */
static int open_column(struct sockets *sockets, const struct config_listener *how, unsigned workers,
                       struct sockets_plan *plan, size_t column)
{
    const struct config_address *address = &how->address;
    size_t there = count_at(sockets, address);
    size_t n = there > workers ? there : workers;

    for (size_t i = 0; i < n; i++) {
        struct inherited *entry = entry_at(sockets, address, there > 0 ? i % there : 0);
        int *fd = &plan->fd[((i % workers) * plan->rows + i / workers) * plan->columns + column];

        if (there == 0 || (i >= there && entry->own))
            *fd = bind_one(sockets, how, i == 0);
        else
            *fd = duplicate(entry->fd);
        if (*fd < 0)
            return -1;
    }
    return 0;
}

static int plan_new(struct sockets *sockets, const struct config *config, unsigned workers,
                    struct sockets_plan *plan)
{
    size_t n;

    *plan = (struct sockets_plan){.rows = 1, .columns = config->listeners.n};
    for (size_t i = 0; i < config->listeners.n; i++) {
        n = count_at(sockets, &config->listeners.v[i].address);
        if ((n + workers - 1) / workers > plan->rows)
            plan->rows = (n + workers - 1) / workers;
    }
    n = workers * plan->rows * plan->columns;
    plan->fd = calloc(n + 1, sizeof(*plan->fd));
    if (plan->fd == NULL)
        return DIVE_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        plan->fd[i] = -1;
    plan->workers = workers;
    plan->bound_from = sockets->n;
    return 0;
}

int sockets_open(struct sockets *sockets, const struct config *config, const struct config *old,
                 unsigned workers, struct sockets_plan *plan, struct findings *findings)
{
    int r = plan_new(sockets, config, workers, plan);

    for (size_t i = 0; r == 0 && i < config->listeners.n; i++) {
        const struct config_listener *how = &config->listeners.v[i];

        if (is_listening(old, &how->address) || open_column(sockets, how, workers, plan, i) == 0)
            continue;
        find(findings, LOG_LEVEL_ERROR, "cannot listen on %s: %s%s", how->address.text,
             strerror(errno), how->tproxy && errno == EPERM ? " (tproxy needs CAP_NET_ADMIN)" : "");
        r = DIVE_E_STATE;
    }
    if (r != 0)
        sockets_abandon(sockets, plan);
    return r;
}

const int *sockets_of_worker(const struct sockets_plan *plan, unsigned worker)
{
    return plan->fd + worker * plan->rows * plan->columns;
}

void sockets_commit(struct sockets *sockets, const struct config *config, struct sockets_plan *plan)
{
    free(plan->fd);
    plan->fd = NULL;
    for (size_t i = 0; i < sockets->n;) {
        const struct inherited *entry = &sockets->v[i];
        bool wanted = !entry->own;

        for (size_t j = 0; j < config->listeners.n && !wanted; j++)
            wanted = is_at(entry, &config->listeners.v[j].address);
        if (wanted)
            i++;
        else
            remove_entry(sockets, i);
    }
}

void sockets_abandon(struct sockets *sockets, struct sockets_plan *plan)
{
    for (size_t i = 0; plan->fd != NULL && i < plan->workers * plan->rows * plan->columns; i++)
        if (plan->fd[i] >= 0)
            close(plan->fd[i]);
    free(plan->fd);
    plan->fd = NULL;
    while (sockets->n > plan->bound_from)
        remove_entry(sockets, sockets->n - 1);
}

static bool is_in(const struct inherited *entry, const struct config *config)
{
    struct sockaddr_un control = {.sun_family = AF_UNIX};
    const struct sockaddr *address = (const struct sockaddr *)&entry->address;

    for (size_t i = 0; i < config->listeners.n; i++)
        if (is_at(entry, &config->listeners.v[i].address))
            return true;
    if (config->admin.http.len > 0 && is_at(entry, &config->admin.http))
        return true;
    if (config->admin.socket == NULL || strlen(config->admin.socket) >= sizeof(control.sun_path))
        return false;
    memcpy(control.sun_path, config->admin.socket, strlen(config->admin.socket) + 1);
    return inherit_is_at(address, (const struct sockaddr *)&control);
}

bool sockets_find_strangers(const struct sockets *sockets, const struct config *config,
                            struct findings *findings)
{
    bool found = false;

    for (size_t i = 0; i < sockets->n; i++) {
        const struct inherited *one = &sockets->v[i];
        char text[INHERIT_ADDRESS_TEXT];

        if (one->own || is_in(&sockets->v[i], config))
            continue;
        inherit_address_text(&one->address, one->length, text);
        find(findings, LOG_LEVEL_ERROR,
             "the socket %s that was handed over (LISTEN_FDS%s%s%s) is none of the addresses in "
             "listeners and admin",
             text, one->name[0] != '\0' ? ", \"" : "", one->name, one->name[0] != '\0' ? "\"" : "");
        found = true;
    }
    return found;
}

void sockets_close(struct sockets *sockets)
{
    while (sockets->n > 0)
        remove_entry(sockets, sockets->n - 1);
    free(sockets->v);
    *sockets = (struct sockets){0};
}
