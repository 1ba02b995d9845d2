/* SPDX-License-Identifier: BSD-2-Clause
 *
 * socket: opens the addresses of the admin thread: the control socket, with its file, and the TCP
 * address.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/private.h"

#define ADMIN_BACKLOG 16

static int socket_address(struct sockaddr_un *address, const char *path, char *why, size_t why_size)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        snprintf(why, why_size,
                 "admin.socket: %s is longer than the %zu bytes that a socket's "
                 "path can have",
                 path, sizeof(address->sun_path) - 1);
        return DIVE_E_LIMIT;
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    return 0;
}

/* 0: nobody answers there. */
static int socket_is_deserted(const struct sockaddr_un *address, char *why, size_t why_size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r, error;

    if (fd < 0) {
        snprintf(why, why_size, "admin.socket: %s", strerror(errno));
        return DIVE_E_STATE;
    }
    r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    error = errno;
    close(fd);
    if (r < 0 && (error == ECONNREFUSED || error == ENOENT))
        return 0;
    /* Connected, or its queue is full (EAGAIN): somebody lives there. Else we can't tell. */
    if (r == 0 || error == EAGAIN)
        snprintf(why, why_size, "admin.socket: another process answers on %s", address->sun_path);
    else
        snprintf(why, why_size,
                 "admin.socket: %s is there already and can't be asked whose it "
                 "is: %s",
                 address->sun_path, strerror(error));
    return DIVE_E_STATE;
}

/* Removes the file that a daemon left which didn't end in order. */
static int socket_make_room(const struct sockaddr_un *address, char *why, size_t why_size)
{
    struct stat st;
    int r;

    if (lstat(address->sun_path, &st) != 0)
        return 0; /* absent, or bind() will say what is wrong */
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(why, why_size, "admin.socket: %s is there already and is no socket",
                 address->sun_path);
        return DIVE_E_STATE;
    }
    r = socket_is_deserted(address, why, why_size);
    if (r != 0)
        return r;
    if (unlink(address->sun_path) != 0 && errno != ENOENT) {
        snprintf(why, why_size, "admin.socket: can't remove the old %s: %s", address->sun_path,
                 strerror(errno));
        return DIVE_E_STATE;
    }
    return 0;
}

/* bind() makes the file with the mode of the descriptor's inode (and the umask), so that there is
 * no moment in which others could connect. */
static int socket_bind_control(int fd, const struct sockaddr_un *address, struct admin_file *file)
{
    struct stat st;

    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return -1;
    if (lstat(address->sun_path, &st) != 0 || listen(fd, ADMIN_BACKLOG) != 0) {
        int error = errno;

        unlink(address->sun_path);
        errno = error;
        return -1;
    }
    file->device = st.st_dev;
    file->inode = st.st_ino;
    return 0;
}

/* One that was handed over. Its file, if it isn't a service manager's, is still the other's. */
static int socket_take(const struct admin_hooks *hooks, const struct sockaddr *address,
                       struct admin_file *file)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)address;
    bool own = false;
    struct stat st;
    int fd = hooks->take_socket != NULL ? hooks->take_socket(hooks->arg, address, &own) : -1;

    if (fd >= 0 && own && address->sa_family == AF_UNIX && lstat(un->sun_path, &st) == 0 &&
        (file->path = strdup(un->sun_path)) != NULL) {
        file->device = st.st_dev;
        file->inode = st.st_ino;
        file->lent = true;
    }
    return fd;
}

static int socket_open_control(const struct admin_hooks *hooks, const char *path, int *out,
                               struct admin_file *file, char *why, size_t why_size)
{
    struct sockaddr_un address;
    char *copy = NULL;
    int fd = -1;
    int r = socket_address(&address, path, why, why_size);

    if (r == 0 && (*out = socket_take(hooks, (const struct sockaddr *)&address, file)) >= 0)
        return 0;
    if (r == 0)
        r = socket_make_room(&address, why, why_size);
    if (r != 0)
        return r;
    copy = strdup(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (copy == NULL || fd < 0 || socket_bind_control(fd, &address, file) != 0) {
        snprintf(why, why_size, "admin.socket: can't listen on %s: %s", path, strerror(errno));
        free(copy);
        if (fd >= 0)
            close(fd);
        return DIVE_E_STATE;
    }
    file->path = copy;
    *out = fd;
    return 0;
}

static int socket_open_http(const struct config_address *address, int *out, char *why,
                            size_t why_size)
{
    int family = address->addr.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, (const struct sockaddr *)&address->addr, address->len) != 0 ||
        listen(fd, ADMIN_BACKLOG) != 0) {
        snprintf(why, why_size, "admin.http: can't listen on %s: %s", address->text,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return DIVE_E_STATE;
    }
    *out = fd;
    return 0;
}

int admin_socket_open(const struct admin_hooks *hooks, enum admin_kind kind,
                      const struct config *config, int *fd, struct admin_file *file, char *why,
                      size_t why_size)
{
    bool is_control = kind == ADMIN_CONTROL;
    int r = 0;

    *fd = -1;
    if (is_control && config->admin.socket != NULL)
        r = socket_open_control(hooks, config->admin.socket, fd, file, why, why_size);
    else if (!is_control && config->admin.http.len > 0 &&
             (*fd = socket_take(hooks, (const struct sockaddr *)&config->admin.http.addr, file)) <
                 0)
        r = socket_open_http(&config->admin.http, fd, why, why_size);
    if (r == 0 || config_is_given(config, is_control ? "admin.socket" : "admin.http"))
        return r;
    log_warning("admin", "%s; going on without", why);
    return 0;
}

void admin_file_remove(struct admin_file *file)
{
    struct stat st;

    if (file->path == NULL)
        return;
    if (!file->lent && lstat(file->path, &st) == 0 && st.st_dev == file->device &&
        st.st_ino == file->inode)
        unlink(file->path);
    free(file->path);
    *file = (struct admin_file){0};
}
