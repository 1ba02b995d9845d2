/* SPDX-License-Identifier: BSD-2-Clause
 *
 * store_directory: whether there is a directory to work with. One that is lost, or can't be used,
 * is looked for again now and then. The thread's.
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
