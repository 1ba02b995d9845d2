/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_directory: whether there is a directory to work with. One that is lost, or can't be used,
 * is looked for again now and then; the thread's. And it can be handed to another process, by the
 * thread's owner.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cache/store_private.h"
#include "core/log.h"

#define RETRY_SECONDS 30

void store_check_directory(struct store *store)
{
    bool there = store->disk != NULL && disk_is_there(store->disk);

    pthread_mutex_lock(&store->lock);
    if (store->disk_usable && !there)
        log_warning("cache", "the directory %s is gone: what is stored stays in memory",
                    store->directory);
    store->disk_usable = store->disk_usable && there;
    if (!there)
        store->retry_at = time(NULL) + RETRY_SECONDS;
    pthread_mutex_unlock(&store->lock);
}

static void directory_unusable(struct store *store, int error)
{
    pthread_mutex_lock(&store->lock);
    store->retry_at = time(NULL) + RETRY_SECONDS;
    pthread_mutex_unlock(&store->lock);
    log_warning("cache", "%s can't be used, what is stored stays in memory: %s", store->directory,
                error == EEXIST        ? "it has files in it and isn't a cache directory of dived"
                : error == EWOULDBLOCK ? "another dived is using it"
                                       : strerror(error));
}

void store_open_directory(struct store *store)
{
    struct disk *disk = NULL;
    /* The one we have may be back: it is still locked, by ourselves. */
    bool same = store->disk != NULL && disk_is_there(store->disk);
    int error = same ? 0 : disk_open(&disk, store->directory);

    if (error != 0) {
        directory_unusable(store, error);
        return;
    }
    pthread_mutex_lock(&store->lock);
    if (!same) {
        disk_close(&store->disk); /* whoever reads from it has a reference */
        store->disk = disk;
    }
    store->disk_usable = store->indexing = true;
    store->indexed = 0;
    pthread_mutex_unlock(&store->lock);
    store->scanned = 0;
    store->scan_incomplete = false;
    if (!same)
        store_end_index(store); /* of another directory */
}

bool store_wants_directory(struct store *store)
{
    bool wants;

    if (store->directory == NULL || store->disk_usable)
        return false;
    pthread_mutex_lock(&store->lock);
    wants = time(NULL) >= store->retry_at;
    pthread_mutex_unlock(&store->lock);
    return wants;
}

/* ---- to another process and back ---- */

/* Locked. Nothing is listed any more; no file is touched, since `released` is set. */
static void forget_all(struct store *store)
{
    for (uint32_t id = 1; id < index_limit(store->index); id++)
        if (index_at(store->index, id) != NULL)
            store_unlist(store, id);
    for (uint32_t id = 1; id < contents_limit(store->contents); id++)
        if (contents_at(store->contents, id) != NULL)
            contents_remove(store->contents, id);
    index_set_shared(store->index, INDEX_DISK, store->shared = 0);
}

void store_release(struct store *store)
{
    store_stop_thread(store);
    pthread_mutex_lock(&store->lock);
    store->released = true;
    store_drop_jobs(store);
    forget_all(store);
    store->disk_usable = store->indexing = false;
    if (store->disk != NULL)
        disk_unlock(store->disk); /* somebody may still hold a reference */
    disk_close(&store->disk);
    pthread_mutex_unlock(&store->lock);
}

bool store_is_released(struct store *store)
{
    bool released;

    pthread_mutex_lock(&store->lock);
    released = store->released;
    pthread_mutex_unlock(&store->lock);
    return released;
}

int store_resume(struct store *store)
{
    int r;

    pthread_mutex_lock(&store->lock);
    forget_all(store); /* what is on disk is older, and must not be hidden by it */
    store->released = store->stopping = false;
    pthread_mutex_unlock(&store->lock);
    store->index_read = false;
    r = store_start_thread(store);
    if (r != 0) {
        pthread_mutex_lock(&store->lock);
        store->released = true;
        pthread_mutex_unlock(&store->lock);
    }
    return r;
}
