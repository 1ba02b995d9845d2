/* SPDX-License-Identifier: BSD-2-Clause
 *
 * flight: see the header. Two locks, taken in this order where both are needed: the table's (which
 * flights can be joined), then a flight's (its state, its waiters, its references). Content is read
 * without either: the hold orders that by itself.
 */
#include "cache/flight.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHT_BUCKETS 1024u

struct flight {
    struct flights *table; /* NULL: never in one */
    bool listed;           /* it can be joined; the table's lock */
    LIST_ENTRY(flight) link;
    struct store_key key;

    pthread_mutex_t lock; /* what follows */
    unsigned references;
    enum flight_state state;
    TAILQ_HEAD(, flight_waiter) waiters;
    size_t followers;
    bool has_meta;
    struct object_meta meta; /* once set it stays as it is */
    struct hold *hold;       /* as well */
    struct object *object;
    struct flight_failure failure;
};

LIST_HEAD(flight_list, flight);

struct flights {
    pthread_mutex_t lock;
    struct flight_list bucket[FLIGHT_BUCKETS];
};

const char *flight_state_word(enum flight_state state)
{
    static const char *const words[] = {
#define X(id, word) [FLIGHT_##id] = word,
        FLIGHT_STATES(X)
#undef X
    };

    return words[state];
}

int flights_new(struct flights **out)
{
    struct flights *flights = calloc(1, sizeof(*flights));

    *out = flights;
    if (flights == NULL)
        return DIVE_E_NOMEM;
    pthread_mutex_init(&flights->lock, NULL);
    return 0;
}

void flights_free(struct flights **flights)
{
    struct flights *old = *flights;

    *flights = NULL;
    if (old == NULL)
        return;
    for (unsigned i = 0; i < FLIGHT_BUCKETS; i++)
        assert(LIST_EMPTY(&old->bucket[i]));
    pthread_mutex_destroy(&old->lock);
    free(old);
}

/* The key is a digest already: any of its bytes are as good as a hash. */
static struct flight_list *bucket_of(struct flights *flights, const struct store_key *key)
{
    uint32_t hash;

    memcpy(&hash, key->bytes, sizeof(hash));
    return &flights->bucket[hash % FLIGHT_BUCKETS];
}

static struct flight *flight_new(void)
{
    struct flight *flight = calloc(1, sizeof(*flight));

    if (flight == NULL)
        return NULL;
    pthread_mutex_init(&flight->lock, NULL);
    TAILQ_INIT(&flight->waiters);
    flight->references = 1;
    return flight;
}

static void flight_unref(struct flight *flight)
{
    bool last;

    pthread_mutex_lock(&flight->lock);
    last = --flight->references == 0;
    pthread_mutex_unlock(&flight->lock);
    if (!last)
        return;
    assert(TAILQ_EMPTY(&flight->waiters) && !flight->listed);
    hold_free(&flight->hold);
    object_unref(&flight->object);
    object_meta_clear(&flight->meta);
    pthread_mutex_destroy(&flight->lock);
    free(flight);
}

int flight_new_alone(struct flight **out)
{
    *out = flight_new();
    return *out != NULL ? 0 : DIVE_E_NOMEM;
}

static void flight_add_follower(struct flight *flight, struct flight_waiter *waiter)
{
    pthread_mutex_lock(&flight->lock);
    flight->references++;
    flight->followers++;
    waiter->armed = false;
    TAILQ_INSERT_TAIL(&flight->waiters, waiter, link);
    pthread_mutex_unlock(&flight->lock);
}

int flights_join(struct flights *flights, const struct store_key *key, struct flight_waiter *waiter,
                 struct flight **out)
{
    struct flight_list *bucket = bucket_of(flights, key);
    enum flight_role role = FLIGHT_LEAD;
    struct flight *flight;

    *out = NULL;
    pthread_mutex_lock(&flights->lock);
    LIST_FOREACH (flight, bucket, link) {
        if (memcmp(flight->key.bytes, key->bytes, sizeof(key->bytes)) == 0)
            break;
    }
    if (flight != NULL) {
        flight_add_follower(flight, waiter);
        role = FLIGHT_FOLLOW;
    } else if ((flight = flight_new()) != NULL) {
        flight->key = *key;
        flight->table = flights;
        flight->listed = true;
        LIST_INSERT_HEAD(bucket, flight, link);
    }
    pthread_mutex_unlock(&flights->lock);
    *out = flight;
    return flight != NULL ? (int)role : DIVE_E_NOMEM;
}

void flight_leave(struct flight **flight, struct flight_waiter *waiter)
{
    struct flight *f = *flight;

    *flight = NULL;
    if (f == NULL)
        return;
    if (waiter != NULL) {
        pthread_mutex_lock(&f->lock);
        TAILQ_REMOVE(&f->waiters, waiter, link);
        waiter->armed = false;
        f->followers--;
        pthread_mutex_unlock(&f->lock);
    }
    flight_unref(f);
}

/* Locked. */
static void flight_wake(struct flight *flight)
{
    struct flight_waiter *waiter;

    TAILQ_FOREACH (waiter, &flight->waiters, link) {
        if (!waiter->armed)
            continue;
        waiter->armed = false;
        waiter->wake(waiter);
    }
}

void flight_set_head(struct flight *flight, struct object_meta *meta, struct hold **hold)
{
    pthread_mutex_lock(&flight->lock);
    assert(flight->state == FLIGHT_PENDING);
    flight->meta = *meta;
    *meta = (struct object_meta){0};
    flight->has_meta = true;
    flight->state = FLIGHT_HELD;
    if (hold != NULL) {
        flight->hold = *hold;
        *hold = NULL;
        flight->state = FLIGHT_STREAMING;
    }
    flight_wake(flight);
    pthread_mutex_unlock(&flight->lock);
}

void flight_progress(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    flight_wake(flight);
    pthread_mutex_unlock(&flight->lock);
}

size_t flight_followers(const struct flight *flight)
{
    struct flight *f = (struct flight *)flight; /* its lock changes, nothing else */
    size_t n;

    pthread_mutex_lock(&f->lock);
    n = f->followers;
    pthread_mutex_unlock(&f->lock);
    return n;
}

bool flight_is_awaited(const struct flight *flight)
{
    struct flight *f = (struct flight *)flight;
    struct flight_waiter *waiter;
    bool awaited = false;

    pthread_mutex_lock(&f->lock);
    TAILQ_FOREACH (waiter, &f->waiters, link) {
        awaited = waiter->armed;
        if (awaited)
            break;
    }
    pthread_mutex_unlock(&f->lock);
    return awaited;
}

struct hold *flight_hold(const struct flight *flight)
{
    return flight->hold;
}

/* From here on nobody can join. */
static void flight_unlist(struct flight *flight)
{
    if (flight->table == NULL)
        return;
    pthread_mutex_lock(&flight->table->lock);
    if (flight->listed)
        LIST_REMOVE(flight, link);
    flight->listed = false;
    pthread_mutex_unlock(&flight->table->lock);
}

static bool is_end(enum flight_state state)
{
    return state == FLIGHT_DONE || state == FLIGHT_RELEASED || state == FLIGHT_FAILED;
}

static void flight_end(struct flight *flight, enum flight_state state, struct object *object,
                       const struct flight_failure *failure)
{
    flight_unlist(flight);
    pthread_mutex_lock(&flight->lock);
    assert(!is_end(flight->state));
    if (object != NULL)
        flight->object = object_ref(object);
    if (failure != NULL)
        flight->failure = *failure;
    flight->state = state;
    flight_wake(flight);
    pthread_mutex_unlock(&flight->lock);
}

void flight_done(struct flight *flight, struct object *object)
{
    flight_end(flight, FLIGHT_DONE, object, NULL);
}

void flight_release(struct flight *flight)
{
    flight_end(flight, FLIGHT_RELEASED, NULL, NULL);
}

void flight_fail(struct flight *flight, const struct flight_failure *failure)
{
    flight_end(flight, FLIGHT_FAILED, NULL, failure);
}

bool flight_has_ended(const struct flight *flight)
{
    struct flight *f = (struct flight *)flight;
    bool ended;

    pthread_mutex_lock(&f->lock);
    ended = is_end(f->state);
    pthread_mutex_unlock(&f->lock);
    return ended;
}

void flight_look(struct flight *flight, struct flight_waiter *waiter, struct flight_view *out)
{
    pthread_mutex_lock(&flight->lock);
    *out = (struct flight_view){
        .state = flight->state,
        .meta = flight->has_meta ? &flight->meta : NULL,
        .object = flight->object,
        .failure = flight->state == FLIGHT_FAILED ? &flight->failure : NULL,
        .published = flight->hold != NULL ? hold_published(flight->hold) : 0,
    };
    if (waiter != NULL)
        waiter->armed = true;
    pthread_mutex_unlock(&flight->lock);
}
