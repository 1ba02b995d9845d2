/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_writer: the store's thread. It alone writes and links files and removes content files, one
 * job after the other, so that no two of them ever race for a name; between jobs it goes on
 * indexing the directory, and looks whether one that was lost is back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/object_file.h"
#include "cache/store_private.h"
#include "core/log.h"
#include "hold/hold_file.h"

#define INDEX_AT_ONCE (1024 * 1024) /* bytes of an index file: ten thousand objects */
#define STOP_SECONDS 5              /* for what is queued at the end */
#define PIECE (256 * 1024)
#define FULL_SECONDS 5     /* without a write, when the disk is full in spite of all */
#define WARNING_SECONDS 10 /* between two log lines of writes that fail */

/* ---- jobs ---- */

static struct store_job *job_new(enum job_kind kind)
{
    struct store_job *job = calloc(1, sizeof(*job));

    if (job != NULL)
        job->kind = kind;
    return job;
}

static void job_queue(struct store *store, struct store_job *job)
{
    STAILQ_INSERT_TAIL(&store->jobs, job, link);
    pthread_cond_signal(&store->wake);
}

static uint64_t job_bytes(const struct store_job *job)
{
    return job->object != NULL && job->object->memory != NULL ? job->object->meta.size : 0;
}

bool store_queue_write(struct store *store, struct object *object)
{
    struct store_job *job;
    uint64_t bytes = object->memory != NULL ? object->meta.size : 0;

    if (store->stopping || store->queued >= STORE_QUEUE_MAX ||
        store->queued_bytes + bytes > STORE_QUEUE_BYTES ||
        (object->fd >= 0 && store->queued_files >= STORE_QUEUE_FILES) ||
        (job = job_new(JOB_WRITE)) == NULL)
        return false;
    job->object = object_ref(object);
    store->queued++;
    store->queued_files += object->fd >= 0;
    store->queued_bytes += bytes;
    job_queue(store, job);
    return true;
}

void store_queue_removal(struct store *store, const uint8_t name[CONTENT_NAME])
{
    struct store_job *job = store->released ? NULL : job_new(JOB_REMOVE_CONTENT);

    if (job == NULL)
        return; /* the walk of the next start removes it */
    memcpy(job->content, name, CONTENT_NAME);
    job_queue(store, job);
}

/* ---- removing ---- */

bool store_knows_contents(const struct store *store)
{
    return !store->indexing || store->indexed >= STORE_FOLDERS;
}

static void remove_content(struct store *store, const uint8_t name[CONTENT_NAME])
{
    struct content *content;
    bool gone;
    uint32_t id;

    pthread_mutex_lock(&store->lock);
    id = contents_find(store->contents, name);
    content = contents_at(store->contents, id);
    gone = content != NULL && content->references == 0;
    if (gone)
        contents_remove(store->contents, id);
    gone = gone && store_knows_contents(store);
    pthread_mutex_unlock(&store->lock);
    if (gone && store->disk != NULL)
        (void)disk_remove_content(store->disk, name);
}

/* ---- writing ---- */

/* Locked. Is the object still the one that its entry has? */
static struct index_entry *current_entry(struct store *store, const struct object *object)
{
    struct index_entry *e = index_at(store->index, object->entry);

    return e != NULL && e->generation == object->generation ? e : NULL;
}

/* A new file with the content: what is in memory, or a copy of the object's own file. */
static int new_content_file(struct store *store, const struct object *object, int *fd)
{
    uint64_t size = object->meta.size, at = 0;
    char *piece = NULL;
    int error;

    *fd = disk_temporary(store->disk);
    if (*fd < 0)
        return errno;
    if (object->memory != NULL) {
        error = hold_file_write(*fd, object->memory, (size_t)size, 0);
    } else {
        piece = malloc(PIECE);
        error = piece == NULL ? ENOMEM : 0;
    }
    while (piece != NULL && error == 0 && at < size) {
        size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

        error = hold_file_read(object->fd, piece, n, at);
        if (error == 0)
            error = hold_file_write(*fd, piece, n, at);
        at += n;
    }
    free(piece);
    if (error != 0) {
        close(*fd);
        *fd = -1;
    }
    return error;
}

static int content_file(struct store *store, const struct object *object, int *fd)
{
    if (object->fd < 0)
        return new_content_file(store, object, fd);
    *fd = dup(object->fd);
    return *fd >= 0 ? 0 : errno;
}

/* For the time after a crash: the digests of a verdict are of use only to who verifies. */
static void note_checksum(struct store *store, struct object *object, uint64_t value)
{
    pthread_mutex_lock(&store->lock); /* store_update() copies it */
    object->checksum = value;
    object->has_checksum = true;
    pthread_mutex_unlock(&store->lock);
}

static int checksum_content(struct store *store, struct object *object, int fd)
{
    struct object_check *check = object_check_new();
    char *piece = malloc(PIECE);
    uint64_t at = 0;
    int error = check == NULL || piece == NULL ? ENOMEM : 0;

    while (error == 0 && at < object->meta.size) {
        uint64_t left = object->meta.size - at;
        size_t n = left < PIECE ? (size_t)left : PIECE;

        error = hold_file_read(fd, piece, n, at);
        if (error == 0)
            object_check_update(check, piece, n);
        at += n;
    }
    if (check != NULL) {
        uint64_t value = object_check_value(&check);

        if (error == 0)
            note_checksum(store, object, value);
    }
    free(piece);
    return error;
}

/* Has the object's content its file already? One that came while this object waited is shared. */
static bool has_content(struct store *store, const struct object *object)
{
    struct index_entry *e;
    bool there;

    pthread_mutex_lock(&store->lock);
    e = current_entry(store, object);
    if (e != NULL && e->content == 0) {
        store_ref_content(store, e, store_find_content(store, object));
        if (e->content != 0 && !object->is_update)
            store->count.deduplicated++;
    }
    there = e != NULL && e->content != 0;
    pthread_mutex_unlock(&store->lock);
    return there;
}

static int link_content(struct store *store, const struct object *object, int fd)
{
    int error = disk_link_content(store->disk, fd, object->content_name);

    /* What has the name is from before a crash, or was changed: it isn't known to be intact. */
    return error == EEXIST ? disk_replace_content(store->disk, fd, object->content_name) : error;
}

/* Gives the content its name on disk, if no other object has it there. *st: of the file. */
static int write_content(struct store *store, struct object *object, struct stat *st)
{
    bool there = has_content(store, object);
    int fd = -1, error;

    if (object->memory != NULL && !object->has_checksum)
        note_checksum(store, object, object_checksum(object->memory, (size_t)object->meta.size));
    if (there && object->has_checksum)
        return 0;
    error = content_file(store, object, &fd);
    if (error == 0 && !object->has_checksum)
        error = checksum_content(store, object, fd);
    if (there) {
        if (fd >= 0)
            close(fd);
        return error;
    }
    if (error == 0)
        error = link_content(store, object, fd);
    if (error == ENOENT && object->fd >= 0) {
        /* It had its name and lost it: such a file can't have one again. */
        close(fd);
        error = new_content_file(store, object, &fd);
        if (error == 0)
            error = link_content(store, object, fd);
    }
    if (error == 0 && fstat(fd, st) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    store->linked |= error == 0;
    return error;
}

/* Locked. The content file that was just linked for the entry. */
static void content_written(struct store *store, struct index_entry *e, const struct object *object,
                            const struct stat *st)
{
    uint32_t id = contents_find(store->contents, object->content_name);

    if (id == 0)
        id = contents_add(store->contents, object->content_name, object->meta.size);
    store_ref_content(store, e, id);
    if (id != 0 && object_is_checked(object))
        content_note(contents_at(store->contents, id), st);
}

/* Locked. The object file has come to its name. */
static void written(struct store *store, struct index_entry *e, struct object *object,
                    const struct stat *st, size_t bytes)
{
    e->queued = false;
    e->on_disk = true;
    if (object->has_content_file && e->content == 0)
        content_written(store, e, object, st);
    store_enter_disk(store, object->entry, bytes, INDEX_NOWHERE, 0);
    if (e->tier[INDEX_MEMORY].queue == INDEX_NOWHERE)
        store_forget_object(store, e);
    store_evict(store);
}

/* 0, or an errno; a content file may be left on disk that nothing refers to. */
static int write_object(struct store *store, struct object *object)
{
    bool inlined = !object->has_content_file;
    struct disk_stage stage;
    struct index_entry *e;
    struct stat st = {0};
    char *bytes = NULL;
    size_t n;
    int error = inlined ? 0 : write_content(store, object, &st);

    if (error != 0)
        return error;
    bytes = object_file_encode(object, inlined, &n);
    if (bytes == NULL)
        return ENOMEM;
    error = disk_stage(store->disk, bytes, n, &stage);
    free(bytes);
    if (error != 0)
        return error;
    pthread_mutex_lock(&store->lock);
    e = current_entry(store, object);
    if (e == NULL) {
        disk_drop_stage(store->disk, &stage);
    } else {
        error = disk_commit_object(store->disk, &stage, &object->meta.key, object->meta.variant);
        if (error == 0)
            written(store, e, object, &st, n);
    }
    pthread_mutex_unlock(&store->lock);
    return error;
}

/* A content file that was linked for an object which didn't get there, or is there no more. */
static void unlink_unreferenced(struct store *store, const struct object *object)
{
    bool nobodys;

    if (!object->has_content_file)
        return;
    pthread_mutex_lock(&store->lock);
    nobodys =
        store_knows_contents(store) && contents_find(store->contents, object->content_name) == 0;
    pthread_mutex_unlock(&store->lock);
    if (nobodys)
        (void)disk_remove_content(store->disk, object->content_name);
}

/* Removes what is queued to be removed. */
static void run_removals(struct store *store)
{
    struct store_job *job, *next;

    pthread_mutex_lock(&store->lock);
    for (job = STAILQ_FIRST(&store->jobs); job != NULL; job = next) {
        next = STAILQ_NEXT(job, link);
        if (job->kind != JOB_REMOVE_CONTENT)
            continue;
        STAILQ_REMOVE(&store->jobs, job, store_job, link);
        pthread_mutex_unlock(&store->lock);
        remove_content(store, job->content);
        free(job);
        pthread_mutex_lock(&store->lock);
        next = STAILQ_FIRST(&store->jobs); /* it may be another list by now */
    }
    pthread_mutex_unlock(&store->lock);
}

/* The disk is full, though the budget isn't used up: makes room for `bytes` and a bit more. */
static void make_room(struct store *store, uint64_t bytes)
{
    uint64_t used, target;

    pthread_mutex_lock(&store->lock);
    used = index_bytes_in(store->index, INDEX_DISK);
    target = bytes + used / 20;
    target = used > target ? used - target : 0;
    while (index_bytes_in(store->index, INDEX_DISK) > target && store_evict_from_disk(store)) {
    }
    pthread_mutex_unlock(&store->lock);
    run_removals(store);
}

/* Locked. It stays in memory, if it is there for its own sake. */
static void write_failed(struct store *store, struct object *object)
{
    struct index_entry *e = current_entry(store, object);

    if (e == NULL)
        return;
    if (store->disk != NULL) /* an older one of the same name must not come back */
        (void)disk_remove_object(store->disk, &object->meta.key, object->meta.variant);
    e->queued = false;
    /* A file without a name is in nobody's budget. */
    if (object->fd >= 0 || e->tier[INDEX_MEMORY].queue == INDEX_NOWHERE)
        store_remove(store, object->entry);
    store_evict(store);
}

/* A disk in trouble doesn't fill the log as well. */
static void warn_of_write(struct store *store, const struct object *object, int error)
{
    time_t now = time(NULL);
    unsigned more = store->not_warned;

    if (now >= store->warned && now < store->warned + WARNING_SECONDS) {
        store->not_warned++;
        return;
    }
    store->warned = now;
    store->not_warned = 0;
    log_warning("cache", "%s: not stored in %s: %s%s", object->meta.url, store->directory,
                strerror(error), more > 0 ? " (others before it weren't either)" : "");
}

static bool is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

/* Also when the disk is full: 0, or an errno. */
static int write_somehow(struct store *store, struct object *object)
{
    int error;

    if (!store->disk_usable)
        return ENODEV;
    if (time(NULL) < store->full_until) /* its own write: the thread reads it without the lock */
        return ENOSPC;
    error = write_object(store, object);
    if (!is_full(error))
        return error;
    make_room(store, object->meta.size);
    error = write_object(store, object);
    if (!is_full(error))
        return error;
    pthread_mutex_lock(&store->lock);
    store->full_until = time(NULL) + FULL_SECONDS; /* or it would evict everything for nothing */
    pthread_mutex_unlock(&store->lock);
    return error;
}

static bool is_current(struct store *store, const struct object *object)
{
    bool current;

    pthread_mutex_lock(&store->lock);
    current = current_entry(store, object) != NULL;
    pthread_mutex_unlock(&store->lock);
    return current;
}

static void run_write(struct store *store, struct object *object)
{
    int error;

    if (!is_current(store, object))
        return;
    error = write_somehow(store, object);
    if (store->disk != NULL && (error != 0 || !is_current(store, object)))
        unlink_unreferenced(store, object);
    if (error == 0)
        return;
    pthread_mutex_lock(&store->lock);
    store->count.write_errors++;
    write_failed(store, object);
    pthread_mutex_unlock(&store->lock);
    if (error != ENODEV) {
        warn_of_write(store, object, error);
        store_check_directory(store);
    }
}

/* ---- the thread ---- */

/* Locked. The next job, or NULL after a while without one; *rest: there is something else to do. */
static struct store_job *next_job(struct store *store, bool has_other_work)
{
    struct store_job *job;
    struct timespec until;

    if (STAILQ_EMPTY(&store->jobs) && !store->stopping && !has_other_work) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&store->wake, &store->lock, &until);
    }
    job = STAILQ_FIRST(&store->jobs);
    if (job == NULL)
        return NULL;
    STAILQ_REMOVE_HEAD(&store->jobs, link);
    if (job->kind == JOB_WRITE) {
        store->queued--;
        store->queued_bytes -= job_bytes(job);
        store->queued_files -= job->object->fd >= 0;
    }
    return job;
}

static void run_job(struct store *store, struct store_job *job)
{
    if (job->kind == JOB_WRITE) {
        run_write(store, job->object);
        object_unref(&job->object);
    } else {
        remove_content(store, job->content);
    }
    free(job);
}

/* At the end, for want of time. What the object was to replace is gone all the same. */
static void give_up_write(struct store *store, struct store_job *job)
{
    pthread_mutex_lock(&store->lock);
    write_failed(store, job->object);
    pthread_mutex_unlock(&store->lock);
    object_unref(&job->object);
    free(job);
}

static void *store_thread(void *arg)
{
    struct store *store = arg;
    time_t deadline = 0;

    for (;;) {
        struct store_job *job;
        bool stopping, scanning;

        if (store_wants_directory(store))
            store_open_directory(store);
        scanning = store->disk_usable && store->indexing;
        pthread_mutex_lock(&store->lock);
        job = next_job(store, scanning);
        stopping = store->stopping;
        pthread_mutex_unlock(&store->lock);
        if (stopping && deadline == 0)
            deadline = time(NULL) + STOP_SECONDS;
        if (job != NULL && (!stopping || time(NULL) < deadline || job->kind != JOB_WRITE)) {
            run_job(store, job);
            continue;
        }
        if (job != NULL) {
            give_up_write(store, job);
            continue;
        }
        if (stopping)
            break;
        if (scanning && !store_read_index(store) && !store_scan_step(store)) {
            pthread_mutex_lock(&store->lock);
            store->indexing = false;
            pthread_mutex_unlock(&store->lock);
        }
    }
    while (store->disk_usable && store_read_index(store)) {
    }
    store_end_index(store);
    if (store->disk_usable)
        store_write_index(store);
    return NULL;
}

int store_start_thread(struct store *store)
{
    if (store->directory == NULL)
        return 0;
    /* Opened before anything is asked: what it holds is served from the first moment on. A small
     * index is read at once too, a large one while requests are served. */
    store_open_directory(store);
    if (store->disk_usable && disk_index_size(store->disk) <= INDEX_AT_ONCE)
        while (store_read_index(store)) {
        }
    store->has_thread = pthread_create(&store->thread, NULL, store_thread, store) == 0;
    return store->has_thread ? 0 : DIVE_E_NOMEM;
}

void store_stop_thread(struct store *store)
{
    if (!store->has_thread)
        return;
    pthread_mutex_lock(&store->lock);
    store->stopping = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    store->has_thread = false;
}

/* Locked. What came too late for the thread: it is somebody else's directory by now. */
void store_drop_jobs(struct store *store)
{
    struct store_job *job;

    while ((job = STAILQ_FIRST(&store->jobs)) != NULL) {
        STAILQ_REMOVE_HEAD(&store->jobs, link);
        object_unref(&job->object);
        free(job);
    }
    store->queued = store->queued_bytes = store->queued_files = 0;
}
