/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace_ring: see trace_ring.h. A list from the oldest to the latest; memory is taken and given
 * back outside of the lock, which workers hold for a few pointers only.
 */
#include "worker/trace_ring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct trace_entry {
    TAILQ_ENTRY(trace_entry) link;
    char *json; /* NULL: `source` makes it */
    struct trace_source source;
    size_t size; /* of this entry, all included */
    char id[TRACE_RING_ID_SIZE];
};

TAILQ_HEAD(trace_list, trace_entry);

struct trace_ring {
    pthread_mutex_t lock;
    struct trace_list entries;
    size_t count, max;
    size_t bytes;
};

int trace_ring_new(struct trace_ring **out, size_t entries)
{
    struct trace_ring *ring = calloc(1, sizeof(*ring));

    *out = NULL;
    if (ring == NULL)
        return DIVE_E_NOMEM;
    if (pthread_mutex_init(&ring->lock, NULL) != 0) {
        free(ring);
        return DIVE_E_NOMEM;
    }
    TAILQ_INIT(&ring->entries);
    ring->max = entries;
    *out = ring;
    return 0;
}

static void trace_source_free(const struct trace_source *source)
{
    if (source->arg != NULL)
        source->free(source->arg);
}

static void trace_list_free(struct trace_list *list)
{
    struct trace_entry *entry;

    while ((entry = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, entry, link);
        free(entry->json);
        trace_source_free(&entry->source);
        free(entry);
    }
}

void trace_ring_free(struct trace_ring **ring)
{
    if (*ring == NULL)
        return;
    trace_list_free(&(*ring)->entries);
    pthread_mutex_destroy(&(*ring)->lock);
    free(*ring);
    *ring = NULL;
}

static struct trace_entry *trace_entry_new(const char *id, size_t size)
{
    struct trace_entry *entry = strlen(id) < TRACE_RING_ID_SIZE ? calloc(1, sizeof(*entry)) : NULL;

    if (entry == NULL)
        return NULL;
    memcpy(entry->id, id, strlen(id) + 1);
    entry->size = sizeof(*entry) + size;
    return entry;
}

static void trace_ring_add(struct trace_ring *ring, struct trace_entry *entry)
{
    struct trace_list gone = TAILQ_HEAD_INITIALIZER(gone);

    pthread_mutex_lock(&ring->lock);
    while (ring->count == ring->max ||
           (ring->count > 0 && ring->bytes + entry->size > TRACE_RING_TOTAL_MAX)) {
        struct trace_entry *oldest = TAILQ_FIRST(&ring->entries);

        TAILQ_REMOVE(&ring->entries, oldest, link);
        TAILQ_INSERT_TAIL(&gone, oldest, link);
        ring->bytes -= oldest->size;
        ring->count--;
    }
    TAILQ_INSERT_TAIL(&ring->entries, entry, link);
    ring->bytes += entry->size;
    ring->count++;
    pthread_mutex_unlock(&ring->lock);
    trace_list_free(&gone);
}

void trace_ring_put(struct trace_ring *ring, const char *id, char *json)
{
    size_t length = strlen(json);
    struct trace_entry *entry =
        ring->max > 0 && length < TRACE_RING_BYTES_MAX ? trace_entry_new(id, length + 1) : NULL;

    if (entry == NULL) {
        free(json);
        return;
    }
    entry->json = json;
    trace_ring_add(ring, entry);
}

void trace_ring_put_source(struct trace_ring *ring, const char *id,
                           const struct trace_source *source)
{
    struct trace_entry *entry = ring->max > 0 && source->size < TRACE_RING_BYTES_MAX
                                    ? trace_entry_new(id, source->size)
                                    : NULL;

    if (entry == NULL) {
        trace_source_free(source);
        return;
    }
    entry->source = *source;
    trace_ring_add(ring, entry);
}

/* Locked. Bounded by TRACE_RING_BYTES_MAX. */
static char *trace_copy(const struct trace_entry *entry)
{
    char *json =
        entry->json != NULL ? strdup(entry->json) : entry->source.render(entry->source.arg);

    if (json != NULL && strlen(json) >= TRACE_RING_BYTES_MAX) {
        free(json);
        return NULL;
    }
    return json;
}

char *trace_ring_get(struct trace_ring *ring, const char *id)
{
    struct trace_entry *entry;
    char *copy = NULL;

    pthread_mutex_lock(&ring->lock);
    TAILQ_FOREACH_REVERSE(entry, &ring->entries, trace_list, link)
    {
        if (strcmp(entry->id, id) == 0) {
            copy = trace_copy(entry);
            break;
        }
    }
    pthread_mutex_unlock(&ring->lock);
    return copy;
}
