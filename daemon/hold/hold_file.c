/* SPDX-License-Identifier: BSD-2-Clause
 *
 * hold_file: see the header.
 */
#include "hold/hold_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Write-back starts for a whole window once it is this full. A body that is smaller is usually
 * judged and dropped before the kernel would have written any of it. */
#define WRITE_BACK_WINDOW (32u * 1024 * 1024)

int hold_file_open_by_name(const char *directory)
{
    char path[4096];
    int fd, saved;

    if ((size_t)snprintf(path, sizeof path, "%s/hold.XXXXXX", directory) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC); /* 0600 */
    if (fd >= 0 && unlink(path) != 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int hold_file_open(const char *directory, bool linkable)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | (linkable ? 0 : O_EXCL) | O_CLOEXEC, 0600);

    /* Kernels and file systems without it say one of these (open(2)). */
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        return hold_file_open_by_name(directory);
    return fd;
}

static void start_write_back(int fd, uint64_t before, uint64_t after)
{
    uint64_t from = before / WRITE_BACK_WINDOW * WRITE_BACK_WINDOW;
    uint64_t to = after / WRITE_BACK_WINDOW * WRITE_BACK_WINDOW;

    /* Asynchronous, of the windows that have just been filled: their pages are clean soon, and
     * whoever is short of memory can have them. An error is the next write's. */
    if (to > from)
        (void)sync_file_range(fd, (off_t)from, (off_t)(to - from), SYNC_FILE_RANGE_WRITE);
}

int hold_file_write(int fd, const void *data, size_t n, uint64_t position)
{
    const char *p = data;
    uint64_t at = position;

    while (n > 0) {
        ssize_t written = pwrite(fd, p, n, (off_t)at);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        if (written == 0)
            return EIO;
        p += written;
        n -= (size_t)written;
        at += (uint64_t)written;
    }
    start_write_back(fd, position, at);
    return 0;
}

int hold_file_read(int fd, void *data, size_t n, uint64_t position)
{
    char *p = data;

    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t)position);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return EIO;
        p += got;
        n -= (size_t)got;
        position += (uint64_t)got;
    }
    return 0;
}

void hold_file_forget(int fd, uint64_t position, uint64_t *forgotten)
{
    uint64_t end = position / WRITE_BACK_WINDOW * WRITE_BACK_WINDOW;

    if (end <= *forgotten)
        return;
    (void)posix_fadvise(fd, (off_t)*forgotten, (off_t)(end - *forgotten), POSIX_FADV_DONTNEED);
    *forgotten = end;
}
