/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tops: see tops.h.
 */
#include "audit/tops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t tops_hash(const char *name)
{
    uint64_t hash = 14695981039346656037u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash != 0 ? hash : 1;
}

static void tops_halve(struct tops *tops, int64_t now_ms)
{
    if (now_ms - tops->halved_ms < TOPS_HALF_MS)
        return;
    tops->halved_ms = now_ms;
    for (size_t i = 0; i < TOPS_ENTRIES; i++)
        tops->entry[i].weight /= 2;
}

/* The name's place: its own, a free one, or the lightest's. */
static size_t tops_place(struct tops *tops, uint64_t hash, const char *name)
{
    size_t least = 0;

    for (size_t i = 0; i < TOPS_ENTRIES; i++)
        if (tops->hash[i] == hash && strncmp(tops->entry[i].name, name, TOPS_NAME - 1) == 0)
            return i;
    for (size_t i = 0; i < TOPS_ENTRIES; i++) {
        if (tops->hash[i] == 0)
            return i;
        if (tops->entry[i].weight < tops->entry[least].weight)
            least = i;
    }
    return least;
}

void tops_add(struct tops *tops, const char *name, uint64_t bytes, int failed, int64_t now_ms)
{
    struct tops_entry *entry;
    uint64_t hash;
    size_t i;

    if (name == NULL || *name == '\0')
        return;
    tops_halve(tops, now_ms);
    hash = tops_hash(name);
    i = tops_place(tops, hash, name);
    entry = &tops->entry[i];
    if (tops->hash[i] != hash || strncmp(entry->name, name, TOPS_NAME - 1) != 0) {
        *entry = (struct tops_entry){.weight = entry->weight};
        snprintf(entry->name, sizeof(entry->name), "%s", name);
        tops->hash[i] = hash;
    }
    entry->weight++;
    entry->requests++;
    entry->bytes += bytes;
    entry->failed += failed != 0;
}

static int tops_compare(const void *a, const void *b)
{
    const struct tops_entry *const *x = a, *const *y = b;

    if ((*x)->weight != (*y)->weight)
        return (*x)->weight < (*y)->weight ? 1 : -1;
    return strcmp((*x)->name, (*y)->name);
}

size_t tops_list(const struct tops *tops, struct tops_entry *out, size_t n)
{
    const struct tops_entry *sorted[TOPS_ENTRIES] = {NULL};
    size_t used = 0;

    for (size_t i = 0; i < TOPS_ENTRIES; i++)
        if (tops->hash[i] != 0)
            sorted[used++] = &tops->entry[i];
    qsort(sorted, used, sizeof(sorted[0]), tops_compare);
    if (n > used)
        n = used;
    for (size_t i = 0; i < n; i++)
        out[i] = *sorted[i];
    return n;
}
