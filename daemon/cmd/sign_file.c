/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sign_file: see sign_file.h.
 */
#include "cmd/sign_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/command.h"

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Reads to the end; -1 with errno, or 0. */
static int hash_all(int fd, struct dive_digests *digests, void *buffer, off_t *total)
{
    ssize_t n;

    *total = 0;
    while ((n = read(fd, buffer, SIGN_READ_BYTES)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        *total += n;
        errno = ENOMEM;
        if (dive_digests_update(digests, buffer, (size_t)n) != 0)
            return -1;
    }
    errno = ENOMEM;
    return dive_digests_finish(digests) == 0 ? 0 : -1;
}

static int failed(const char **why, int code)
{
    *why = strerror(errno);
    return errno == EACCES || errno == EPERM ? EX_NOPERM : code;
}

int sign_file_digests(const char *path, unsigned hashes, void *buffer, struct dive_digests **out,
                      const char **why)
{
    struct stat before, after, named;
    off_t total;
    /* Not to hang on a FIFO; of no effect on what is accepted below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int r = EX_OSERR;

    *out = NULL;
    *why = "no memory";
    if (fd < 0)
        return failed(why, EX_NOINPUT);
    if (fstat(fd, &before) != 0) {
        r = failed(why, EX_NOINPUT);
    } else if (!S_ISREG(before.st_mode)) {
        *why = "not a regular file";
        r = EX_NOINPUT;
    } else if (dive_digests_new(out, hashes) == 0) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        if (hash_all(fd, *out, buffer, &total) != 0) {
            r = failed(why, EX_IOERR);
        } else if (fstat(fd, &after) != 0 || stat(path, &named) != 0 || total != before.st_size ||
                   !same_state(&before, &after) || !same_state(&before, &named)) {
            *why = "it changed while it was read; nothing was signed";
            r = COMMAND_NO;
        } else {
            r = COMMAND_OK;
        }
    }
    close(fd);
    if (r != COMMAND_OK)
        dive_digests_free(out);
    return r;
}

static int write_all(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t put = write(fd, text, n);

        if (put < 0 && errno != EINTR)
            return -1;
        text += put > 0 ? put : 0;
        n -= put > 0 ? (size_t)put : 0;
    }
    return fsync(fd);
}

/* link(2) fails where rename(2) replaces. */
static int give_name(const char *temporary, const char *path, bool replace)
{
    if (replace)
        return rename(temporary, path);
    if (link(temporary, path) != 0)
        return -1;
    unlink(temporary);
    return 0;
}

/* mkostemp() makes 0600; a web server is somebody else. The umask can't be read without setting it,
 * which other threads would see: so the plain mode of published files. */
#define PUBLISHED_MODE 0644

int sign_file_write(const char *path, const char *text, bool replace, const char **why)
{
    char *temporary = NULL;
    int fd;
    int r = EX_CANTCREAT;

    *why = "no memory";
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return EX_OSERR;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        r = failed(why, EX_CANTCREAT);
        free(temporary);
        return r;
    }
    if (write_all(fd, text) == 0 && fchmod(fd, PUBLISHED_MODE) == 0 &&
        give_name(temporary, path, replace) == 0) {
        r = COMMAND_OK;
    } else if (errno == EEXIST) {
        *why = "exists already (--force replaces it)";
        r = COMMAND_USAGE;
    } else {
        r = failed(why, EX_IOERR);
    }
    if (r != COMMAND_OK)
        unlink(temporary);
    close(fd);
    free(temporary);
    return r;
}
