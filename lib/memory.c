/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memory: a hash table of names, each of them also on the list of its group (see memory.h), which
 * is in the order of when they were seen. Groups are a table of the same kind. The largest group is
 * looked for, through all groups, only when a new name comes to a full memory.
 */
#include "memory.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "error.h"
#include "siphash.h"

struct group {
    LIST_ENTRY(group) bucket;
    LIST_ENTRY(group) all;
    TAILQ_HEAD(group_seen, seen) seen; /* head: longest ago */
    size_t n;
    char name[];
};

struct seen {
    LIST_ENTRY(seen) bucket;
    TAILQ_ENTRY(seen) link;
    struct group *group;
    int64_t value, at; /* at: Unix seconds; when it was forgotten, if it was */
    bool forgotten;    /* only a mark is left, which isn't counted in `live` */
    char name[];
};

LIST_HEAD(seen_bucket, seen);
LIST_HEAD(group_bucket, group);

struct dive_memory {
    struct dive_lock lock;
    uint64_t seed[2];
    size_t n, live, max, mask;
    struct group_bucket all;
    struct seen_bucket *names;
    struct group_bucket *groups;
};

static void lock(struct dive_memory *memory)
{
    if (memory->lock.lock)
        memory->lock.lock(memory->lock.arg);
}

static void unlock(struct dive_memory *memory)
{
    if (memory->lock.unlock)
        memory->lock.unlock(memory->lock.arg);
}

int dive_memory_new(struct dive_memory **out, size_t max_entries, const struct dive_lock *lock)
{
    struct dive_memory *memory;
    size_t buckets = 16;

    *out = NULL;
    if (max_entries == 0 || max_entries > DIVE_MEMORY_MAX)
        return DIVE_E_LIMIT;
    while (buckets < max_entries)
        buckets *= 2;
    memory = calloc(1, sizeof(*memory));
    if (!memory)
        return DIVE_E_NOMEM;
    memory->names = calloc(buckets, sizeof(*memory->names));
    memory->groups = calloc(buckets, sizeof(*memory->groups));
    if (!memory->names || !memory->groups ||
        RAND_bytes((unsigned char *)memory->seed, sizeof(memory->seed)) != 1) {
        free(memory->names);
        free(memory->groups);
        free(memory);
        return DIVE_E_NOMEM;
    }
    if (lock)
        memory->lock = *lock;
    memory->max = max_entries;
    memory->mask = buckets - 1;
    *out = memory;
    return 0;
}

static void drop_group(struct group *group)
{
    LIST_REMOVE(group, bucket);
    LIST_REMOVE(group, all);
    free(group);
}

static void drop(struct dive_memory *memory, struct seen *s)
{
    struct group *group = s->group;

    LIST_REMOVE(s, bucket);
    TAILQ_REMOVE(&group->seen, s, link);
    if (--group->n == 0)
        drop_group(group);
    memory->n--;
    memory->live -= !s->forgotten;
    free(s);
}

void dive_memory_free(struct dive_memory **memory)
{
    struct dive_memory *m = *memory;

    if (!m)
        return;
    for (size_t i = 0; i <= m->mask; i++)
        while (!LIST_EMPTY(&m->names[i]))
            drop(m, LIST_FIRST(&m->names[i]));
    free(m->names);
    free(m->groups);
    free(m);
    *memory = NULL;
}

static size_t slot(const struct dive_memory *memory, const char *name)
{
    return dive_siphash(memory->seed, name, strlen(name)) & memory->mask;
}

static struct seen *find(struct dive_memory *memory, const char *name)
{
    struct seen *s;

    LIST_FOREACH (s, &memory->names[slot(memory, name)], bucket)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

/* The last two labels of `domain`. */
static const char *group_name(const char *domain)
{
    const char *p = domain + strlen(domain);

    for (int dots = 0; p > domain; p--)
        if (p[-1] == '.' && ++dots == 2)
            break;
    return p;
}

static struct group *group_of(struct dive_memory *memory, const char *domain)
{
    const char *name = group_name(domain);
    struct group_bucket *bucket = &memory->groups[slot(memory, name)];
    size_t n = strlen(name) + 1;
    struct group *g;

    LIST_FOREACH (g, bucket, bucket)
        if (strcmp(g->name, name) == 0)
            return g;
    g = calloc(1, sizeof(*g) + n);
    if (!g)
        return NULL;
    memcpy(g->name, name, n);
    TAILQ_INIT(&g->seen);
    LIST_INSERT_HEAD(bucket, g, bucket);
    LIST_INSERT_HEAD(&memory->all, g, all);
    return g;
}

/* A group is never empty. Of those of one size, that whose oldest entry is older. */
static void make_room(struct dive_memory *memory)
{
    struct group *g, *largest = NULL;

    LIST_FOREACH (g, &memory->all, all) {
        if (!largest || g->n > largest->n ||
            (g->n == largest->n && TAILQ_FIRST(&g->seen)->at < TAILQ_FIRST(&largest->seen)->at))
            largest = g;
    }
    if (largest)
        drop(memory, TAILQ_FIRST(&largest->seen));
}

static int insert(struct dive_memory *memory, const char *name, const char *domain, int64_t value,
                  int64_t now)
{
    size_t n = strlen(name) + 1;
    struct seen *s = calloc(1, sizeof(*s) + n);

    if (!s)
        return DIVE_E_NOMEM;
    if (memory->n >= memory->max)
        make_room(memory);
    s->group = group_of(memory, domain);
    if (!s->group) {
        free(s);
        return DIVE_E_NOMEM;
    }
    memcpy(s->name, name, n);
    s->value = value;
    s->at = now;
    LIST_INSERT_HEAD(&memory->names[slot(memory, name)], s, bucket);
    TAILQ_INSERT_TAIL(&s->group->seen, s, link);
    s->group->n++;
    memory->n++;
    memory->live++;
    return 0;
}

static void touch(struct seen *s, int64_t at)
{
    s->at = at;
    TAILQ_REMOVE(&s->group->seen, s, link);
    TAILQ_INSERT_TAIL(&s->group->seen, s, link);
}

/* Forgotten in the second `now` or shortly after. A mark further ahead is of a clock that has been
 * set back since. */
static bool marked(const struct seen *s, int64_t now)
{
    return s->forgotten && now <= s->at && s->at - now <= DIVE_MEMORY_MARK_SECONDS;
}

int dive_memory_put(struct dive_memory *memory, const char *name, const char *domain, int64_t value,
                    int64_t now)
{
    struct seen *s;
    int r = 0;

    if (!*name || strlen(name) > DIVE_MEMORY_NAME_MAX || strlen(domain) > DIVE_MEMORY_NAME_MAX)
        return DIVE_E_LIMIT;
    lock(memory);
    s = find(memory, name);
    if (!s) {
        r = insert(memory, name, domain, value, now);
    } else if (!marked(s, now)) {
        memory->live += s->forgotten;
        s->forgotten = false;
        s->value = value;
        touch(s, now);
    }
    unlock(memory);
    return r;
}

bool dive_memory_get(struct dive_memory *memory, const char *name, int64_t now, int64_t lifetime,
                     int64_t *value, int64_t *seen)
{
    struct seen *s;
    bool live = false;

    lock(memory);
    if ((s = find(memory, name)) && !s->forgotten) {
        if (s->at > now)
            s->at = now;
        live = now - s->at <= lifetime;
        if (live && value)
            *value = s->value;
        if (live && seen)
            *seen = s->at;
        if (!live)
            drop(memory, s);
    }
    unlock(memory);
    return live;
}

static bool forget(struct dive_memory *memory, const char *name, int64_t at, bool whenever)
{
    struct seen *s;
    bool there;

    lock(memory);
    s = find(memory, name);
    /* No answer is on its way for so long; then the clock was set back since it was seen. */
    whenever = whenever || (s && s->at - at > DIVE_MEMORY_MARK_SECONDS);
    there = s && !s->forgotten && (whenever || s->at <= at);
    if (there) {
        s->forgotten = true;
        memory->live--;
    }
    if (there || (s && s->forgotten && at > s->at))
        touch(s, at);
    unlock(memory);
    return there;
}

bool dive_memory_forget(struct dive_memory *memory, const char *name, int64_t at)
{
    return forget(memory, name, at, true);
}

bool dive_memory_disprove(struct dive_memory *memory, const char *name, int64_t at)
{
    return forget(memory, name, at, false);
}

size_t dive_memory_entries(struct dive_memory *memory)
{
    size_t n;

    lock(memory);
    n = memory->live;
    unlock(memory);
    return n;
}

int dive_memory_each(struct dive_memory *memory,
                     int (*each)(void *arg, const char *name, const char *group, int64_t value,
                                 int64_t seen),
                     void *arg)
{
    struct group *g;
    struct seen *s;
    int r = 0;

    lock(memory);
    LIST_FOREACH (g, &memory->all, all) {
        TAILQ_FOREACH (s, &g->seen, link)
            if (!s->forgotten && (r = each(arg, s->name, g->name, s->value, s->at)))
                break;
        if (r)
            break;
    }
    unlock(memory);
    return r;
}
