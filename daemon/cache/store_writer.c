/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_writer: the store's thread. It alone writes and links files and removes content files, one
 * job after the other, so that no two of them ever race for a name; between jobs it goes on
 * indexing the directory, and now and then looks whether a directory that was lost is back.
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

#define RETRY_SECONDS 30
#define STOP_SECONDS 5 /* for what is queued at the end */
#define PIECE (256 * 1024)

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
        store->queued_bytes + bytes > STORE_QUEUE_BYTES || (job = job_new(JOB_WRITE)) == NULL)
        return false;
    job->object = object_ref(object);
    store->queued++;
    store->queued_bytes += bytes;
    job_queue(store, job);
    return true;
}

void store_queue_removal(struct store *store, const uint8_t name[CONTENT_NAME])
{
    struct store_job *job = job_new(JOB_REMOVE_CONTENT);

    if (job == NULL)
        return; /* the walk of the next start removes it */
    memcpy(job->content, name, CONTENT_NAME);
    job_queue(store, job);
}

/* ---- removing ---- */

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

/* A file with the content: the object's own, or one that is made of what is in memory. */
static int content_file(struct store *store, struct object *object, int *fd)
{
    int error;

    if (object->fd >= 0) {
        *fd = dup(object->fd);
        return *fd >= 0 ? 0 : errno;
    }
    *fd = disk_temporary(store->disk);
    if (*fd < 0)
        return errno;
    error = hold_file_write(*fd, object->memory, (size_t)object->meta.size, 0);
    if (error != 0)
        close(*fd);
    return error;
}

/* What no digest vouches for gets a checksum, for the time after a crash. */
static int checksum_content(struct object *object, int fd)
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
        object->checksum = object_check_value(&check);
        object->has_checksum = error == 0;
    }
    free(piece);
    return error;
}

/* Gives the content its name on disk, if no other object has it there. *st: of the file. */
static int write_content(struct store *store, struct object *object, struct stat *st)
{
    struct index_entry *e;
    bool there;
    int fd = -1, error;

    pthread_mutex_lock(&store->lock);
    e = current_entry(store, object);
    there = e != NULL && e->content != 0;
    pthread_mutex_unlock(&store->lock);
    if (there)
        return 0;
    error = content_file(store, object, &fd);
    if (error != 0)
        return error;
    if (object->meta.verdict.n_digests == 0 && !object->has_checksum)
        error = checksum_content(object, fd);
    if (error == 0)
        error = disk_link_content(store->disk, fd, object->content_name);
    if (error == EEXIST) {
        /* From before the start, and not known to be intact: ours is. */
        (void)disk_remove_content(store->disk, object->content_name);
        error = disk_link_content(store->disk, fd, object->content_name);
    }
    if (error == 0 && fstat(fd, st) != 0)
        error = errno;
    close(fd);
    return error;
}

/* Locked. The object file has come to its name. */
static void written(struct store *store, struct index_entry *e, struct object *object,
                    const struct stat *st, size_t bytes)
{
    e->queued = false;
    e->on_disk = true;
    if (object->has_content_file && e->content == 0) {
        e->content = contents_find(store->contents, object->content_name);
        if (e->content != 0)
            contents_at(store->contents, e->content)->references++;
        else
            e->content = contents_add(store->contents, object->content_name, object->meta.size);
        if (e->content != 0)
            content_note(contents_at(store->contents, e->content), st);
    }
    /* Content that several share is in the weight of each: whichever goes first, the budget holds.
     */
    index_enter(store->index, INDEX_DISK, object->entry,
                store_disk_weight(bytes, object->has_content_file ? object->meta.size : 0));
    if (e->tier[INDEX_MEMORY].queue == INDEX_NOWHERE)
        store_forget_object(store, e);
    store_evict(store);
}

/* A content file that was linked for an object which didn't get there. */
static void unlink_unreferenced(struct store *store, const struct object *object)
{
    uint32_t id;

    if (!object->has_content_file)
        return;
    pthread_mutex_lock(&store->lock);
    id = contents_find(store->contents, object->content_name);
    pthread_mutex_unlock(&store->lock);
    if (id == 0)
        (void)disk_remove_content(store->disk, object->content_name);
}

/* 0, or an errno: nothing of it is left on disk. */
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
    if (e == NULL) /* dropped or replaced meanwhile */
        unlink_unreferenced(store, object);
    return error;
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
    while (index_bytes_in(store->index, INDEX_DISK) > target) {
        uint32_t id = index_victim(store->index, INDEX_DISK);

        if (id == 0)
            break;
        index_leave(store->index, INDEX_DISK, id, true);
        store->count.evicted++;
        store_remove(store, id);
    }
    pthread_mutex_unlock(&store->lock);
    run_removals(store);
}

/* Locked. It stays in memory, if it is there for its own sake. */
static void write_failed(struct store *store, struct object *object)
{
    struct index_entry *e = current_entry(store, object);

    store->count.write_errors++;
    if (e == NULL)
        return;
    if (store->disk != NULL) /* an older one of the same name must not come back */
        (void)disk_remove_object(store->disk, &object->meta.key, object->meta.variant);
    e->queued = false;
    if (e->tier[INDEX_MEMORY].queue == INDEX_NOWHERE)
        store_remove(store, object->entry);
    store_evict(store);
}

static void check_directory(struct store *store)
{
    bool there = store->disk != NULL && disk_is_there(store->disk);

    pthread_mutex_lock(&store->lock);
    if (store->disk_usable && !there)
        log_warning("cache", "the directory %s is gone: what is stored stays in memory",
                    store->directory);
    store->disk_usable = store->disk_usable && there;
    pthread_mutex_unlock(&store->lock);
    if (!there)
        store->retry_at = time(NULL) + RETRY_SECONDS;
}

static void run_write(struct store *store, struct object *object)
{
    int error = store->disk_usable ? write_object(store, object) : ENODEV;

    if (error == ENOSPC || error == EDQUOT) {
        make_room(store, object->meta.size);
        error = write_object(store, object);
    }
    if (error == 0)
        return;
    if (store->disk != NULL)
        unlink_unreferenced(store, object);
    pthread_mutex_lock(&store->lock);
    write_failed(store, object);
    pthread_mutex_unlock(&store->lock);
    if (error == ENODEV)
        return;
    log_warning("cache", "%s: not stored in %s: %s", object->meta.url, store->directory,
                strerror(error));
    check_directory(store);
}

/* ---- the thread ---- */

static void open_directory(struct store *store)
{
    struct disk *disk = NULL;
    int error = disk_open(&disk, store->directory);

    store->retry_at = time(NULL) + RETRY_SECONDS;
    if (error != 0) {
        log_warning("cache", "%s can't be used, what is stored stays in memory: %s",
                    store->directory,
                    error == EEXIST ? "it has files in it and isn't a cache directory of dived"
                    : error == EWOULDBLOCK ? "another dived is using it"
                                           : strerror(error));
        return;
    }
    pthread_mutex_lock(&store->lock);
    disk_close(&store->retired); /* gone for half a minute at least: nobody reads from it now */
    store->retired = store->disk;
    store->disk = disk;
    store->disk_usable = store->indexing = true;
    pthread_mutex_unlock(&store->lock);
    store->started = time(NULL);
    store->scanned = 0;
    if (!store->index_read)
        store_read_index(store);
    store->index_read = true;
}

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

static void *store_thread(void *arg)
{
    struct store *store = arg;
    time_t deadline = 0;

    for (;;) {
        struct store_job *job;
        bool stopping, scanning;

        if (store->directory != NULL && !store->disk_usable && time(NULL) >= store->retry_at)
            open_directory(store);
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
            object_unref(&job->object);
            free(job);
            continue;
        }
        if (stopping)
            break;
        if (scanning && !store_scan_step(store)) {
            pthread_mutex_lock(&store->lock);
            store->indexing = false;
            pthread_mutex_unlock(&store->lock);
        }
    }
    if (store->disk_usable)
        store_write_index(store);
    return NULL;
}

int store_start_thread(struct store *store)
{
    if (store->directory == NULL)
        return 0;
    /* Opened before anything is asked: what it holds is served from the first moment on. */
    open_directory(store);
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
