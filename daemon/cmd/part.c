/* SPDX-License-Identifier: BSD-2-Clause
 *
 * part: see part.h. All files are reached through the folder's descriptor, so that a folder that is
 * moved meanwhile changes nothing. The part is locked: two runs for one destination would write
 * into the same file.
 */
#include "cmd/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/command.h"
#include "http/date.h"

#define PART_SUFFIX ".divectl-part"
#define PART_HEAD_SUFFIX PART_SUFFIX ".head"
#define PART_DATE_SECONDS 60 /* RFC 9110 section 8.8.2.2: how much older a strong date is */

struct part {
    char *destination; /* as given, for messages */
    char *name, *part_name, *head_name;
    bool to_stdout, force, locked, committed;
    int folder, fd;
    uint64_t length;
    char *stored; /* of the .head file: URL, "\n", head */
    struct dive_span url, head, validator;
    char error[512];
};

static int part_fail(struct part *p, int code, const char *what)
{
    snprintf(p->error, sizeof(p->error), "%.300s: %s: %s", p->destination, what, strerror(errno));
    return code;
}

/* The same when it isn't the system that says why. */
static int part_refuse(struct part *p, int code, const char *what)
{
    snprintf(p->error, sizeof(p->error), "%.300s: %s", p->destination, what);
    return code;
}

const char *part_error(const struct part *p)
{
    return p->error;
}

/* Of a head: an entity tag, or a date that is strong; n == 0: none. */
static struct dive_span part_validator(const struct http_head *head, int64_t now)
{
    const struct dive_span *tag = http_field_get(head, "ETag");
    const struct dive_span *modified = http_field_get(head, "Last-Modified");
    const struct dive_span *date = http_field_get(head, "Date");
    int64_t modified_at, at;

    if (head->status != 200)
        return (struct dive_span){0};
    if (tag != NULL)
        return tag->n >= 2 && tag->p[0] == '"' ? *tag : (struct dive_span){0};
    if (modified != NULL && date != NULL && http_date_parse(&modified_at, *modified, now) == 0 &&
        http_date_parse(&at, *date, now) == 0 && at - modified_at >= PART_DATE_SECONDS)
        return *modified;
    return (struct dive_span){0};
}

static void part_forget(struct part *p)
{
    free(p->stored);
    p->stored = NULL;
    p->url = p->head = p->validator = (struct dive_span){0};
}

/* ---- what an earlier run has left ---- */

static int part_read_stored(struct part *p, size_t *n)
{
    int fd = openat(p->folder, p->head_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat is;
    ssize_t got = -1;

    if (fd < 0)
        return -1;
    if (fstat(fd, &is) == 0 && S_ISREG(is.st_mode) && is.st_uid == geteuid() && is.st_size > 0 &&
        is.st_size <= PART_HEAD_MAX && (p->stored = malloc((size_t)is.st_size)) != NULL)
        got = read(fd, p->stored, (size_t)is.st_size);
    close(fd);
    *n = got > 0 ? (size_t)got : 0;
    return got > 0 && got == is.st_size ? 0 : -1;
}

/* Anything that is wrong with it means that there is nothing to go on with. */
static void part_load(struct part *p)
{
    static const struct http_limits limits = {.head = PART_HEAD_MAX, .fields = 10000};
    struct http_head head = {0};
    struct http_scan scan = {0};
    size_t n, consumed = 0;
    const char *end;

    if (part_read_stored(p, &n) != 0 || (end = memchr(p->stored, '\n', n)) == NULL)
        goto none;
    p->url = dive_span(p->stored, (size_t)(end - p->stored));
    p->head = dive_span(end + 1, n - p->url.n - 1);
    if (http_head_parse_response(&head, p->head.p, p->head.n, dive_span_str("GET"), &limits, &scan,
                                 &consumed) != HTTP_DONE)
        goto none;
    /* The validator is looked for in what stays: the parsed head owns a copy of it. */
    p->validator = part_validator(&head, 0);
    if (consumed == p->head.n && p->validator.n > 0) {
        const char *at = memmem(p->head.p, p->head.n, p->validator.p, p->validator.n);

        p->validator.p = at;
        http_head_clear(&head);
        if (at != NULL)
            return;
    }
    http_head_clear(&head);
none:
    part_forget(p);
}

/* ---- opening ---- */

static int part_check_destination(struct part *p)
{
    struct stat is;

    if (fstatat(p->folder, p->name, &is, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : part_fail(p, EX_CANTCREAT, "can't be made");
    if (!S_ISREG(is.st_mode))
        return part_refuse(p, COMMAND_USAGE, "exists and is no regular file");
    return p->force ? 0 : part_refuse(p, COMMAND_USAGE, "exists; --force replaces it");
}

/* The lock is of the file that has the name now, not of one that another run has renamed. */
static int part_lock(struct part *p)
{
    struct stat ours, named;

    if (flock(p->fd, LOCK_EX | LOCK_NB) != 0 && errno != EWOULDBLOCK)
        return part_fail(p, EX_CANTCREAT, "can't be locked");
    if (errno == EWOULDBLOCK)
        goto busy;
    if (fstat(p->fd, &ours) != 0 ||
        fstatat(p->folder, p->part_name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        ours.st_ino != named.st_ino || ours.st_dev != named.st_dev)
        goto busy;
    if (!S_ISREG(ours.st_mode) || ours.st_uid != geteuid() || ours.st_nlink != 1)
        return part_refuse(p, EX_CANTCREAT, "its " PART_SUFFIX " file isn't one of ours");
    p->length = (uint64_t)ours.st_size;
    p->locked = true;
    return 0;
busy:
    return part_refuse(p, EX_TEMPFAIL, "another divectl is fetching it");
}

static int part_open_file(struct part *p)
{
    int r = part_check_destination(p);

    if (r != 0)
        return r;
    p->fd = openat(p->folder, p->part_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (p->fd < 0)
        return part_fail(p, EX_CANTCREAT, "can't be made");
    errno = 0;
    r = part_lock(p);
    if (r == 0 && p->length > 0)
        part_load(p);
    return r;
}

static int part_open_nameless(struct part *p)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];

    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    p->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (p->fd >= 0)
        return 0;
    if (snprintf(path, sizeof(path), "%s/divectl.XXXXXX", folder) < (int)sizeof(path) &&
        (p->fd = mkostemp(path, O_CLOEXEC)) >= 0)
        unlink(path);
    return p->fd >= 0 ? 0 : part_fail(p, EX_CANTCREAT, "no temporary file can be made");
}

/* Splits the destination into folder and name. */
static int part_set_names(struct part *p)
{
    const char *slash = strrchr(p->destination, '/');
    char *folder;

    p->name = strdup(slash != NULL ? slash + 1 : p->destination);
    folder = slash == NULL             ? strdup(".")
             : slash == p->destination ? strdup("/")
                                       : strndup(p->destination, (size_t)(slash - p->destination));
    if (p->name == NULL || folder == NULL ||
        asprintf(&p->part_name, "%s" PART_SUFFIX, p->name) < 0 ||
        asprintf(&p->head_name, "%s" PART_HEAD_SUFFIX, p->name) < 0) {
        free(folder);
        return part_refuse(p, EX_OSERR, "out of memory");
    }
    p->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (p->folder < 0)
        return part_fail(p, EX_CANTCREAT, "its folder can't be opened");
    if (p->name[0] == '\0' || strcmp(p->name, ".") == 0 || strcmp(p->name, "..") == 0)
        return part_refuse(p, COMMAND_USAGE, "is a folder; a file name is needed");
    return 0;
}

int part_open(struct part **out, const char *destination, bool force)
{
    struct part *p = calloc(1, sizeof(*p));
    int r = EX_OSERR;

    *out = NULL;
    if (p == NULL || (p->destination = strdup(destination)) == NULL) {
        free(p);
        command_error("out of memory");
        return EX_OSERR;
    }
    p->fd = p->folder = -1;
    p->force = force;
    p->to_stdout = strcmp(destination, "-") == 0;
    r = p->to_stdout ? part_open_nameless(p) : part_set_names(p);
    if (r == 0 && !p->to_stdout)
        r = part_open_file(p);
    if (r != 0) {
        command_error("%s", p->error);
        part_close(&p, true);
    }
    *out = p;
    return r;
}

uint64_t part_resumable(const struct part *p, const char *url, struct dive_span *head,
                        struct dive_span *validator)
{
    *head = p->head;
    *validator = p->validator;
    return p->validator.n > 0 && dive_span_eq(p->url, url) ? p->length : 0;
}

ssize_t part_read(struct part *p, void *to, size_t n, uint64_t offset)
{
    return pread(p->fd, to, n, (off_t)offset);
}

/* ---- content ---- */

static bool write_all(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t written = write(fd, p, n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        p += written;
        n -= (size_t)written;
    }
    return true;
}

static int part_store(struct part *p, const char *url, struct dive_span raw)
{
    size_t n = strlen(url);
    bool ok;
    int fd;

    if (n + 1 + raw.n > PART_HEAD_MAX || memchr(url, '\n', n) != NULL)
        return 0;
    fd =
        openat(p->folder, p->head_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return part_fail(p, EX_CANTCREAT, "can't be made");
    p->stored = malloc(n + 1 + raw.n);
    if (p->stored != NULL) {
        memcpy(p->stored, url, n);
        p->stored[n] = '\n';
        memcpy(p->stored + n + 1, raw.p, raw.n);
    }
    ok = p->stored != NULL && write_all(fd, p->stored, n + 1 + raw.n);
    close(fd);
    if (!ok)
        return part_fail(p, EX_IOERR, "can't be written");
    p->url = dive_span(p->stored, n);
    p->head = dive_span(p->stored + n + 1, raw.n);
    return 0;
}

int part_begin(struct part *p, const char *url, struct dive_span raw, const struct http_head *head,
               int64_t now)
{
    struct dive_span validator = part_validator(head, now);
    int r = 0;

    part_forget(p);
    if (!p->to_stdout && unlinkat(p->folder, p->head_name, 0) != 0 && errno != ENOENT)
        return part_fail(p, EX_CANTCREAT, "what an earlier run left can't be removed");
    if (ftruncate(p->fd, 0) != 0)
        return part_fail(p, EX_IOERR, "can't be written");
    p->length = 0;
    if (!p->to_stdout && validator.n > 0)
        r = part_store(p, url, raw);
    if (r == 0 && p->stored != NULL)
        p->validator = validator; /* only that there is one counts from here on */
    return r;
}

int part_write(struct part *p, const void *data, size_t n)
{
    const char *from = data;

    while (n > 0) {
        ssize_t written = pwrite(p->fd, from, n, (off_t)p->length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return part_fail(p, EX_IOERR, "can't be written");
        from += written;
        n -= (size_t)written;
        p->length += (uint64_t)written;
    }
    return 0;
}

/* ---- the end ---- */

static int part_copy_out(struct part *p)
{
    char block[65536];
    uint64_t offset = 0;

    while (offset < p->length) {
        ssize_t n = pread(p->fd, block, sizeof(block), (off_t)offset);

        if (n <= 0 || !write_all(STDOUT_FILENO, block, (size_t)n))
            return part_fail(p, EX_IOERR, "standard output");
        offset += (uint64_t)n;
    }
    return 0;
}

/* As rename, but never over an existing file unless that was asked for. */
static int part_rename(const struct part *p)
{
    if (p->force)
        return renameat(p->folder, p->part_name, p->folder, p->name);
    if (renameat2(p->folder, p->part_name, p->folder, p->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(p->folder, p->part_name, p->folder, p->name, 0) != 0)
        return -1;
    return unlinkat(p->folder, p->part_name, 0);
}

int part_commit(struct part *p)
{
    mode_t mask = umask(0);

    umask(mask);
    if (p->to_stdout)
        return part_copy_out(p);
    if (fchmod(p->fd, 0666 & ~mask) != 0 || fsync(p->fd) != 0)
        return part_fail(p, EX_IOERR, "can't be written");
    if (part_rename(p) != 0) {
        bool exists = errno == EEXIST;

        return part_fail(p, exists ? COMMAND_USAGE : EX_CANTCREAT, "can't be given its name");
    }
    p->committed = true;
    unlinkat(p->folder, p->head_name, 0);
    if (fsync(p->folder) != 0 && errno != EINVAL && errno != ENOTSUP)
        return part_fail(p, EX_IOERR, "its folder can't be written");
    return 0;
}

bool part_close(struct part **part, bool keep)
{
    struct part *p = *part;
    bool left = false;

    *part = NULL;
    if (p == NULL)
        return false;
    if (p->locked && !p->committed) {
        left = keep && p->length > 0 && p->validator.n > 0;
        if (!left) {
            unlinkat(p->folder, p->head_name, 0);
            unlinkat(p->folder, p->part_name, 0);
        }
    }
    if (p->fd >= 0)
        close(p->fd);
    if (p->folder >= 0)
        close(p->folder);
    part_forget(p);
    free(p->destination);
    free(p->name);
    free(p->part_name);
    free(p->head_name);
    free(p);
    return left;
}
