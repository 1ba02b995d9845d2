/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ring's bounds: entries, bytes of one and of all.
 */
#include "worker/trace_ring.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct trace_ring *ring_make(size_t entries)
{
    struct trace_ring *ring = NULL;

    cr_assert_eq(trace_ring_new(&ring, entries), 0);
    return ring;
}

static bool ring_has(struct trace_ring *ring, const char *id, const char *json)
{
    char *copy = trace_ring_get(ring, id);
    bool has = copy != NULL && (json == NULL || strcmp(copy, json) == 0);

    free(copy);
    return has;
}

static char *text_of(size_t length)
{
    char *text = malloc(length + 1);

    cr_assert_not_null(text);
    memset(text, 'x', length);
    text[length] = '\0';
    return text;
}

Test(trace_ring, keeps_the_latest)
{
    struct trace_ring *ring = ring_make(3);
    char id[8];

    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof(id), "%d", i);
        trace_ring_put(ring, id, strdup(id));
    }
    cr_assert_not(ring_has(ring, "0", NULL));
    cr_assert_not(ring_has(ring, "1", NULL));
    cr_assert(ring_has(ring, "2", "2"));
    cr_assert(ring_has(ring, "3", "3"));
    cr_assert(ring_has(ring, "4", "4"));
    trace_ring_put(ring, "3", strdup("again"));
    cr_assert(ring_has(ring, "3", "again"), "the latest of an id");
    trace_ring_free(&ring);
    cr_assert_null(ring);
}

static char *source_render(void *arg)
{
    return strdup(arg);
}

static unsigned sources_freed;

static void source_free(void *arg)
{
    sources_freed++;
    free(arg);
}

static void put_source(struct trace_ring *ring, const char *id, char *text, size_t size)
{
    const struct trace_source source = {source_render, source_free, text, size};

    trace_ring_put_source(ring, id, &source);
}

Test(trace_ring, a_source_is_rendered_when_it_is_asked_for)
{
    struct trace_ring *ring = ring_make(2);

    sources_freed = 0;
    put_source(ring, "a", strdup("{1}"), 100);
    cr_assert(ring_has(ring, "a", "{1}"));
    cr_assert(ring_has(ring, "a", "{1}"), "and again");
    put_source(ring, "long", text_of(TRACE_RING_BYTES_MAX), 100);
    cr_assert_null(trace_ring_get(ring, "long"));
    cr_assert_eq(sources_freed, 0);
    put_source(ring, "large", strdup("{2}"), TRACE_RING_BYTES_MAX);
    cr_assert_null(trace_ring_get(ring, "large"));
    cr_assert_eq(sources_freed, 1, "it isn't kept, and is given back at once");
    trace_ring_put(ring, "b", strdup("{3}"));
    cr_assert_null(trace_ring_get(ring, "a"), "the oldest has gone");
    cr_assert_eq(sources_freed, 2);
    trace_ring_free(&ring);
    cr_assert_eq(sources_freed, 3);
}

Test(trace_ring, zero_entries_keep_nothing)
{
    struct trace_ring *ring = ring_make(0);

    trace_ring_put(ring, "a", strdup("{}"));
    cr_assert_not(ring_has(ring, "a", NULL));
    trace_ring_free(&ring);
}

Test(trace_ring, one_trace_has_a_limit)
{
    struct trace_ring *ring = ring_make(4);

    trace_ring_put(ring, "fits", text_of(TRACE_RING_BYTES_MAX - 1));
    trace_ring_put(ring, "too long", text_of(TRACE_RING_BYTES_MAX));
    cr_assert(ring_has(ring, "fits", NULL));
    cr_assert_not(ring_has(ring, "too long", NULL));
    trace_ring_free(&ring);
}

Test(trace_ring, an_id_has_a_limit)
{
    struct trace_ring *ring = ring_make(4);
    char *fits = text_of(TRACE_RING_ID_SIZE - 1), *too_long = text_of(TRACE_RING_ID_SIZE);

    trace_ring_put(ring, fits, strdup("1"));
    trace_ring_put(ring, too_long, strdup("2"));
    cr_assert(ring_has(ring, fits, "1"));
    cr_assert_not(ring_has(ring, too_long, NULL));
    free(fits);
    free(too_long);
    trace_ring_free(&ring);
}

Test(trace_ring, all_traces_have_a_limit)
{
    struct trace_ring *ring = ring_make(100000);
    size_t most = TRACE_RING_TOTAL_MAX / TRACE_RING_BYTES_MAX, kept = 0;
    char id[16];

    for (size_t i = 0; i < 2 * most; i++) {
        snprintf(id, sizeof(id), "%zu", i);
        trace_ring_put(ring, id, text_of(TRACE_RING_BYTES_MAX - 1));
    }
    for (size_t i = 0; i < 2 * most; i++) {
        snprintf(id, sizeof(id), "%zu", i);
        kept += ring_has(ring, id, NULL);
    }
    cr_assert_leq(kept, most);
    cr_assert_geq(kept, most - 1);
    cr_assert(ring_has(ring, id, NULL), "the last one is there");
    trace_ring_free(&ring);
}

static void *put_many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%d", i % 50);
        trace_ring_put(arg, id, strdup(id));
    }
    return NULL;
}

Test(trace_ring, several_threads)
{
    struct trace_ring *ring = ring_make(16);
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, put_many, ring), 0);
    for (int i = 0; i < 2000; i++) {
        char *copy = trace_ring_get(ring, "49");

        cr_assert(copy == NULL || strcmp(copy, "49") == 0);
        free(copy);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    cr_assert(ring_has(ring, "49", "49"));
    trace_ring_free(&ring);
}
