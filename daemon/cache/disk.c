/* SPDX-License-Identifier: BSD-2-Clause
 *
 * disk: see the header. All by descriptors of the folders: a directory that is renamed or replaced
 * while we run isn't followed anywhere.
 */
#include "cache/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cache/object_file.h"

#define MARKER "dived-cache"
#define MARKER_TEXT "dived cache 1\n"
#define INDEX_MAX ((size_t)8 << 30)
#define NAME_MAX_OURS 80

struct disk {
    _Atomic unsigned references;
    int directory, objects, contents, temporaries, marker;
    char *path;
    dev_t device;
    ino_t inode;
    uint64_t next; /* names in t/; one thread writes */
};

/* ---- names ---- */

static void hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unhex(uint8_t *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);

        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* "xx/KEY-VARIANT" */
static void object_name(char out[NAME_MAX_OURS], const struct store_key *key, uint64_t variant)
{
    char text[2 * sizeof(key->bytes) + 1];

    hex(text, key->bytes, sizeof(key->bytes));
    snprintf(out, NAME_MAX_OURS, "%.2s/%s-%016" PRIx64, text, text, variant);
}

static bool object_parse(const char *name, struct store_key *key, uint64_t *variant)
{
    uint8_t bytes[8];

    if (strlen(name) != 32 + 1 + 16 || name[32] != '-' ||
        !unhex(key->bytes, name, sizeof(key->bytes)) || !unhex(bytes, name + 33, sizeof(bytes)))
        return false;
    *variant = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *variant = *variant << 8 | bytes[i];
    return true;
}

/* "xx/NAME", xx being the second byte: the first is the kind. */
static void content_name(char out[NAME_MAX_OURS], const uint8_t name[CONTENT_NAME])
{
    char text[2 * CONTENT_NAME + 1];

    hex(text, name, CONTENT_NAME);
    snprintf(out, NAME_MAX_OURS, "%.2s/%s", text + 2, text);
}

static bool content_parse(const char *name, uint8_t out[CONTENT_NAME])
{
    return strlen(name) == 2 * CONTENT_NAME && unhex(out, name, CONTENT_NAME);
}

/* ---- opening ---- */

static int open_folder(int at, const char *name)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int make_folders(int at)
{
    for (unsigned i = 0; i < 256; i++) {
        char name[3];

        snprintf(name, sizeof(name), "%02x", i);
        if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
            return errno;
    }
    return 0;
}

/* Nothing in it but what a file system puts there. */
static bool is_empty(int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    bool empty = dir != NULL;

    while (empty && (entry = readdir(dir)) != NULL)
        empty = entry->d_name[0] == '.' || strcmp(entry->d_name, "lost+found") == 0;
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return empty;
}

/* The marker: ours, and locked. */
static int claim(struct disk *disk)
{
    char text[sizeof(MARKER_TEXT)] = "";
    ssize_t n;

    disk->marker = openat(disk->directory, MARKER, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (disk->marker < 0 && errno == ENOENT) {
        if (!is_empty(disk->directory))
            return EEXIST;
        disk->marker = openat(disk->directory, MARKER, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (disk->marker >= 0 &&
            write(disk->marker, MARKER_TEXT, strlen(MARKER_TEXT)) != (ssize_t)strlen(MARKER_TEXT))
            return errno != 0 ? errno : EIO;
    }
    if (disk->marker < 0)
        return errno;
    if (flock(disk->marker, LOCK_EX | LOCK_NB) != 0)
        return errno;
    n = pread(disk->marker, text, sizeof(text) - 1, 0);
    if (n == 0) /* killed between making and writing it */
        return pwrite(disk->marker, MARKER_TEXT, strlen(MARKER_TEXT), 0) > 0 ? 0 : errno;
    return n == (ssize_t)strlen(MARKER_TEXT) && strcmp(text, MARKER_TEXT) == 0 ? 0 : EEXIST;
}

static void empty_temporaries(struct disk *disk)
{
    int fd = openat(disk->temporaries, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            (void)unlinkat(disk->temporaries, entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

int disk_open(struct disk **out, const char *directory)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    struct stat st;
    int error = ENOMEM;

    *out = NULL;
    if (disk == NULL)
        return ENOMEM;
    atomic_init(&disk->references, 1);
    disk->directory = disk->objects = disk->contents = disk->temporaries = disk->marker = -1;
    disk->path = strdup(directory);
    if (disk->path == NULL)
        goto out;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        error = errno;
        goto out;
    }
    disk->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->directory < 0 || fstat(disk->directory, &st) != 0) {
        error = errno;
        goto out;
    }
    disk->device = st.st_dev;
    disk->inode = st.st_ino;
    error = claim(disk);
    if (error != 0)
        goto out;
    disk->objects = open_folder(disk->directory, "o");
    disk->contents = open_folder(disk->directory, "c");
    disk->temporaries = open_folder(disk->directory, "t");
    if (disk->objects < 0 || disk->contents < 0 || disk->temporaries < 0) {
        error = errno;
        goto out;
    }
    if ((error = make_folders(disk->objects)) != 0 || (error = make_folders(disk->contents)) != 0)
        goto out;
    empty_temporaries(disk);
    *out = disk;
    disk = NULL;
    error = 0;
out:
    disk_close(&disk);
    return error;
}

struct disk *disk_ref(struct disk *disk)
{
    atomic_fetch_add_explicit(&disk->references, 1, memory_order_relaxed);
    return disk;
}

void disk_close(struct disk **disk)
{
    struct disk *old = *disk;
    int fds[5];

    *disk = NULL;
    if (old == NULL || atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel) > 1)
        return;
    memcpy(fds,
           &(int[]){old->directory, old->objects, old->contents, old->temporaries, old->marker},
           sizeof(fds));
    for (size_t i = 0; i < 5; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(old->path);
    free(old);
}

void disk_unlock(struct disk *disk)
{
    (void)flock(disk->marker, LOCK_UN);
}

bool disk_is_there(const struct disk *disk)
{
    struct stat st;

    return stat(disk->path, &st) == 0 && st.st_dev == disk->device && st.st_ino == disk->inode;
}

int disk_temporary(struct disk *disk)
{
    return openat(disk->temporaries, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* ---- object files ---- */

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? errno : EIO;
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

int disk_stage(struct disk *disk, const char *bytes, size_t n, struct disk_stage *out)
{
    int fd, error;

    snprintf(out->name, sizeof(out->name), "%" PRIu64, disk->next++);
    fd = openat(disk->temporaries, out->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0)
        return errno;
    error = write_all(fd, bytes, n);
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error != 0)
        disk_drop_stage(disk, out);
    return error;
}

void disk_drop_stage(struct disk *disk, const struct disk_stage *stage)
{
    (void)unlinkat(disk->temporaries, stage->name, 0);
}

static int commit(struct disk *disk, const struct disk_stage *stage, int at, const char *to)
{
    int error;

    if (renameat(disk->temporaries, stage->name, at, to) == 0)
        return 0;
    error = errno;
    disk_drop_stage(disk, stage);
    return error;
}

int disk_commit_object(struct disk *disk, const struct disk_stage *stage,
                       const struct store_key *key, uint64_t variant)
{
    char name[NAME_MAX_OURS];

    object_name(name, key, variant);
    return commit(disk, stage, disk->objects, name);
}

static int read_all(int fd, size_t max, char **bytes, size_t *n)
{
    struct stat st;
    size_t done = 0;
    char *p;

    if (fstat(fd, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max)
        return EFBIG;
    p = malloc((size_t)st.st_size + 1);
    if (p == NULL)
        return ENOMEM;
    while (done < (size_t)st.st_size) {
        ssize_t got = pread(fd, p + done, (size_t)st.st_size - done, (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            int error = got < 0 ? errno : EIO;

            free(p);
            return error;
        }
        done += (size_t)got;
    }
    *bytes = p;
    *n = done;
    return 0;
}

int disk_read_object(struct disk *disk, const struct store_key *key, uint64_t variant, char **bytes,
                     size_t *n)
{
    char name[NAME_MAX_OURS];
    int fd, error;

    *bytes = NULL;
    *n = 0;
    object_name(name, key, variant);
    fd = openat(disk->objects, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP || errno == ENXIO ? EFBIG : errno; /* a symbolic link, a socket */
    error = read_all(fd, OBJECT_FILE_MAX, bytes, n);
    close(fd);
    return error;
}

int disk_remove_object(struct disk *disk, const struct store_key *key, uint64_t variant)
{
    char name[NAME_MAX_OURS];

    object_name(name, key, variant);
    return unlinkat(disk->objects, name, 0) == 0 ? 0 : errno;
}

/* ---- content files ---- */

int disk_link_content(struct disk *disk, int fd, const uint8_t name[CONTENT_NAME])
{
    char from[64], to[NAME_MAX_OURS];

    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    content_name(to, name);
    return linkat(AT_FDCWD, from, disk->contents, to, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int disk_replace_content(struct disk *disk, int fd, const uint8_t name[CONTENT_NAME])
{
    char from[64], to[NAME_MAX_OURS];
    struct disk_stage stage;
    int error;

    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    content_name(to, name);
    snprintf(stage.name, sizeof(stage.name), "%" PRIu64, disk->next++);
    if (linkat(AT_FDCWD, from, disk->temporaries, stage.name, AT_SYMLINK_FOLLOW) != 0)
        return errno;
    error = commit(disk, &stage, disk->contents, to);
    if (error != 0)
        return error;
    disk_drop_stage(disk, &stage); /* a rename between two names of one file leaves both */
    return 0;
}

int disk_open_content(struct disk *disk, const uint8_t name[CONTENT_NAME], int *fd, struct stat *st)
{
    char path[NAME_MAX_OURS];
    int error;

    content_name(path, name);
    *fd = openat(disk->contents, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0)
        return errno == ELOOP || errno == ENXIO ? EFBIG : errno;
    if (fstat(*fd, st) != 0)
        error = errno;
    else if (S_ISREG(st->st_mode))
        return 0;
    else
        error = EFBIG;
    close(*fd);
    *fd = -1;
    return error;
}

int disk_remove_content(struct disk *disk, const uint8_t name[CONTENT_NAME])
{
    char path[NAME_MAX_OURS];

    content_name(path, name);
    return unlinkat(disk->contents, path, 0) == 0 ? 0 : errno;
}

/* ---- the index ---- */

uint64_t disk_index_size(const struct disk *disk)
{
    struct stat st;

    return fstatat(disk->directory, "index", &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size
                                                                            : 0;
}

int disk_take_index(struct disk *disk, char **bytes, size_t *n)
{
    int fd = openat(disk->directory, "index", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int error;

    *bytes = NULL;
    *n = 0;
    if (fd < 0)
        return errno;
    error = read_all(fd, INDEX_MAX, bytes, n);
    close(fd);
    /* From now on it would tell of a past: an end that isn't in order leaves none. */
    if ((unlinkat(disk->directory, "index", 0) != 0 || fsync(disk->directory) != 0) && error == 0)
        error = errno;
    if (error != 0) {
        free(*bytes);
        *bytes = NULL;
    }
    return error;
}

int disk_sync(struct disk *disk)
{
    return syncfs(disk->directory) == 0 ? 0 : errno;
}

int disk_write_index(struct disk *disk, const char *bytes, size_t n)
{
    struct disk_stage stage;
    int error = disk_stage(disk, bytes, n, &stage);

    return error != 0 ? error : commit(disk, &stage, disk->directory, "index");
}

/* ---- walking ---- */

struct walk {
    DIR *dir;
    int folder; /* of `dir` */
};

static int walk_open(struct walk *walk, int at, unsigned folder)
{
    char name[3];

    snprintf(name, sizeof(name), "%02x", folder);
    walk->folder = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (walk->folder < 0)
        return errno;
    walk->dir = fdopendir(walk->folder);
    if (walk->dir != NULL)
        return 0;
    close(walk->folder);
    return ENOMEM;
}

static const char *walk_next(struct walk *walk)
{
    const struct dirent *entry;

    while ((entry = readdir(walk->dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    return NULL;
}

/* Something that isn't ours, in a folder that is. A folder stays where it is. */
static void walk_remove(struct walk *walk, const char *name, unsigned *removed)
{
    if (unlinkat(walk->folder, name, 0) == 0)
        ++*removed;
}

int disk_each_object(struct disk *disk, unsigned folder, disk_object_fn *fn, void *arg,
                     unsigned *removed)
{
    struct walk walk;
    int error = walk_open(&walk, disk->objects, folder);
    const char *name;

    if (error != 0)
        return error;
    while ((name = walk_next(&walk)) != NULL) {
        struct store_key key;
        uint64_t variant;

        if (!object_parse(name, &key, &variant) || key.bytes[0] != folder)
            walk_remove(&walk, name, removed);
        else if (!fn(arg, &key, variant))
            break;
    }
    closedir(walk.dir);
    return 0;
}

int disk_each_content(struct disk *disk, unsigned folder, disk_content_fn *fn, void *arg,
                      unsigned *removed)
{
    struct walk walk;
    int error = walk_open(&walk, disk->contents, folder);
    const char *name;

    if (error != 0)
        return error;
    while ((name = walk_next(&walk)) != NULL) {
        uint8_t content[CONTENT_NAME];

        if (!content_parse(name, content) || content[1] != folder)
            walk_remove(&walk, name, removed);
        else if (!fn(arg, content))
            break;
    }
    closedir(walk.dir);
    return 0;
}
