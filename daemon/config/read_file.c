/* SPDX-License-Identifier: BSD-2-Clause
 *
 * read_file: see read_file.h.
 */
#include "config/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_WAIT_MS 5000 /* for a file that turns out to be a pipe */
#define FIRST_SIZE (64 * 1024)

static int open_file(const char *path, int *fd, size_t *size, struct config_problems *problems,
                     struct place place)
{
    const char *separator = place.line > 0 ? ": " : "";
    const char *named = place.line > 0 ? path : "";
    struct stat st;

    /* Nonblocking: a pipe without a writer, named by mistake, must not stop a reload for good. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &st)) {
        problems_error(problems, place, "%s%scannot be opened: %s", named, separator,
                       strerror(errno));
        return DIVE_E_NOT_FOUND;
    }
    if (S_ISDIR(st.st_mode)) {
        problems_error(problems, place, "%s%sis a folder; name the file in it", named, separator);
        return DIVE_E_NOT_FOUND;
    }
    *size = st.st_size > 0 ? (size_t)st.st_size : 0;
    return 0;
}

/* Room for one byte more than there are; at most max + 1. */
static int grow(char **buf, size_t *size, size_t n, size_t max)
{
    size_t larger = *size < max / 2 ? *size * 2 : max + 1;
    char *p;

    if (n < *size)
        return 0;
    p = realloc(*buf, larger);
    if (!p)
        return DIVE_E_NOMEM;
    *buf = p;
    *size = larger;
    return 0;
}

int config_read_file(const char *path, size_t max, char **out, size_t *len,
                     struct config_problems *problems, struct place place)
{
    char *buf = NULL;
    size_t n = 0, size = 0;
    int fd = -1, r = DIVE_E_INTERNAL;

    *out = NULL;
    *len = 0;
    r = open_file(path, &fd, &size, problems, place);
    if (r)
        goto out;
    size = size > max ? max + 1 : size + FIRST_SIZE;
    buf = malloc(size);
    if (!buf) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    for (;;) {
        ssize_t got;

        r = grow(&buf, &size, n, max);
        if (r)
            goto out;
        got = read(fd, buf + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN &&
            poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PIPE_WAIT_MS) > 0)
            continue;
        if (got < 0) {
            problems_error(problems, place, "%s%scannot be read: %s", place.line > 0 ? path : "",
                           place.line > 0 ? ": " : "", strerror(errno));
            r = DIVE_E_NOT_FOUND;
            goto out;
        }
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max) {
            problems_error(problems, place, "%s%sis larger than %zu bytes",
                           place.line > 0 ? path : "", place.line > 0 ? ": " : "", max);
            r = DIVE_E_LIMIT;
            goto out;
        }
    }
    *out = buf;
    *len = n;
    buf = NULL;
    r = 0;
out:
    free(buf);
    if (fd >= 0)
        close(fd);
    return r;
}
