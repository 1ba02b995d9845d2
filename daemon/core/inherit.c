/* SPDX-License-Identifier: BSD-2-Clause
 *
 * inherit: see inherit.h.
 */
#include "core/inherit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3

static int __attribute__((format(printf, 3, 4)))
fail(char *why, size_t why_size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return DIVE_E_STATE;
}

/* The whole text as a number; -1: it isn't one. */
static long read_number(const char *text)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && n >= 0 ? n : -1;
}

bool inherit_is_at(const struct sockaddr *a, const struct sockaddr *b)
{
    const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
    const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
    const struct sockaddr_un *au = (const void *)a, *bu = (const void *)b;

    if (a->sa_family != b->sa_family)
        return false;
    switch (a->sa_family) {
    case AF_INET:
        return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    case AF_INET6:
        return a6->sin6_port == b6->sin6_port && a6->sin6_scope_id == b6->sin6_scope_id &&
               memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
    case AF_UNIX:
        return au->sun_path[0] != '\0' &&
               strncmp(au->sun_path, bu->sun_path, sizeof(au->sun_path)) == 0;
    default:
        return false;
    }
}

void inherit_address_text(const struct sockaddr_storage *address, socklen_t length,
                          char out[INHERIT_ADDRESS_TEXT])
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    const struct sockaddr_un *un = (const void *)address;
    char text[INET6_ADDRSTRLEN] = "?";

    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
        snprintf(out, INHERIT_ADDRESS_TEXT, "%s:%u", text, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
        snprintf(out, INHERIT_ADDRESS_TEXT, "[%s]:%u", text, ntohs(v6->sin6_port));
    } else if (address->ss_family == AF_UNIX && un->sun_path[0] != '\0') {
        snprintf(out, INHERIT_ADDRESS_TEXT, "%.*s", (int)sizeof(un->sun_path), un->sun_path);
    } else {
        snprintf(out, INHERIT_ADDRESS_TEXT, "an address of family %d", (int)address->ss_family);
    }
}

static int read_one(struct inherited *one, char *why, size_t why_size)
{
    int type = 0, listening = 0, flags = fcntl(one->fd, F_GETFL);
    socklen_t type_size = sizeof(type), listening_size = sizeof(listening);

    one->length = sizeof(one->address);
    if (flags < 0)
        return fail(why, why_size, "descriptor %d, which LISTEN_FDS announces, isn't open",
                    one->fd);
    if (getsockopt(one->fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_STREAM ||
        getsockopt(one->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_size) != 0 ||
        !listening || getsockname(one->fd, (struct sockaddr *)&one->address, &one->length) != 0)
        return fail(why, why_size,
                    "descriptor %d%s%s%s, which was handed over by LISTEN_FDS, is no listening "
                    "stream socket",
                    one->fd, one->name[0] != '\0' ? " (\"" : "", one->name,
                    one->name[0] != '\0' ? "\")" : "");
    if (fcntl(one->fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(one->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return fail(why, why_size, "descriptor %d: %s", one->fd, strerror(errno));
    return 0;
}

/* The `i`-th of the names that colons separate. */
static void take_name(struct inherited *one, const char *names, size_t i)
{
    for (; names != NULL && i > 0; i--) {
        names = strchr(names, ':');
        names = names != NULL ? names + 1 : NULL;
    }
    if (names != NULL)
        snprintf(one->name, sizeof(one->name), "%.*s", (int)strcspn(names, ":"), names);
    one->own = strcmp(one->name, INHERIT_NAME_OWN) == 0;
}

static int read_all(struct inherited **out, size_t *n, char *why, size_t why_size)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    long count;
    int r = 0;

    if (fds == NULL || (pid != NULL && read_number(pid) != (long)getpid()))
        return 0; /* sd_listen_fds(3): meant for another process */
    count = read_number(fds);
    if (count < 0 || count > INHERIT_MAX)
        return fail(why, why_size, "LISTEN_FDS is \"%s\", not a number up to %d", fds, INHERIT_MAX);
    *out = calloc((size_t)count + 1, sizeof(**out));
    if (*out == NULL) {
        snprintf(why, why_size, "out of memory");
        return DIVE_E_NOMEM;
    }
    for (long i = 0; i < count; i++) {
        struct inherited *one = &(*out)[i];
        int failed;

        one->fd = FIRST_FD + (int)i;
        take_name(one, names, (size_t)i);
        failed = r == 0 ? read_one(one, why, why_size) : 0;
        r = r == 0 ? failed : r;
    }
    *n = (size_t)count;
    return r;
}

int inherit_read(struct inherited **out, size_t *n, char *why, size_t why_size)
{
    int r;

    *out = NULL;
    *n = 0;
    r = read_all(out, n, why, why_size);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (r == 0)
        return 0;
    for (size_t i = 0; i < *n; i++)
        close((*out)[i].fd);
    free(*out);
    *out = NULL;
    *n = 0;
    return r;
}
