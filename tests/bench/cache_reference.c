/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_reference: what the index is compared with. LRU; W-TinyLFU (Einziger, Friedman, Manes,
 * "TinyLFU: A Highly Efficient Cache Admission Policy", 2017: a window of 1 %, a segmented LRU
 * behind it, admission by a count-min sketch that is halved now and then); GDSF (Cherkasova 1998),
 * which prefers small objects and so trades bytes for objects; and two that know the future:
 * Belady's, and one that evicts the largest size times distance, which is near the bound for
 * objects.
 *
 * Where the best of all has to be found (GDSF, Belady), the best of SAMPLE random ones is taken.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/cache_policy.h"

/* ---- lists of objects, oldest first; 0 is no object's number ---- */

struct list {
    uint32_t oldest, newest;
    uint64_t bytes;
};

struct lists {
    const struct trace *trace;
    uint32_t *previous, *next;
    uint8_t *where; /* 0: in none; else the list's number + 1 */
    struct list list[3];
};

static void lists_init(struct lists *l, const struct trace *trace)
{
    memset(l, 0, sizeof(*l));
    l->trace = trace;
    l->previous = zeroed(trace->objects + 1, sizeof(*l->previous));
    l->next = zeroed(trace->objects + 1, sizeof(*l->next));
    l->where = zeroed(trace->objects + 1, sizeof(*l->where));
}

static void lists_clear(struct lists *l)
{
    free(l->previous);
    free(l->next);
    free(l->where);
}

static void lists_push(struct lists *l, unsigned which, uint32_t id)
{
    struct list *list = &l->list[which];

    l->previous[id] = list->newest;
    l->next[id] = 0;
    *(list->newest != 0 ? &l->next[list->newest] : &list->oldest) = id;
    list->newest = id;
    list->bytes += l->trace->size[id];
    l->where[id] = (uint8_t)(which + 1);
}

static void lists_take(struct lists *l, uint32_t id)
{
    struct list *list = &l->list[l->where[id] - 1];

    *(l->previous[id] != 0 ? &l->next[l->previous[id]] : &list->oldest) = l->next[id];
    *(l->next[id] != 0 ? &l->previous[l->next[id]] : &list->newest) = l->previous[id];
    list->bytes -= l->trace->size[id];
    l->where[id] = 0;
}

static void lists_move(struct lists *l, unsigned which, uint32_t id)
{
    lists_take(l, id);
    lists_push(l, which, id);
}

static void count_hit(struct hits *hits, const struct trace *trace, uint32_t id)
{
    hits->objects++;
    hits->bytes += trace->size[id];
}

/* ---- LRU ---- */

void policy_lru(struct hits *hits, const struct trace *trace, uint64_t capacity)
{
    struct lists l;

    lists_init(&l, trace);
    for (size_t i = 0; i < trace->n; i++) {
        uint32_t id = trace->request[i];

        if (l.where[id] != 0) {
            count_hit(hits, trace, id);
            lists_move(&l, 0, id);
            continue;
        }
        lists_push(&l, 0, id);
        while (l.list[0].bytes > capacity)
            lists_take(&l, l.list[0].oldest);
    }
    lists_clear(&l);
}

/* ---- W-TinyLFU ---- */

#define ROWS 4
enum { WINDOW, PROBATION, PROTECTED };

struct sketch {
    uint8_t *row[ROWS]; /* counters up to 15 */
    uint32_t mask, additions, period;
};

static uint32_t sketch_at(const struct sketch *s, unsigned row, uint32_t id)
{
    uint64_t hash =
        (id + 1) * (UINT64_C(0x9e3779b97f4a7c15) + 2 * UINT64_C(0xbf58476d1ce4e5b9) * row);

    return (uint32_t)((hash ^ hash >> 29) * UINT64_C(0x94d049bb133111eb) >> 32) & s->mask;
}

static unsigned sketch_count(const struct sketch *s, uint32_t id)
{
    unsigned least = 15;

    for (unsigned k = 0; k < ROWS; k++)
        if (s->row[k][sketch_at(s, k, id)] < least)
            least = s->row[k][sketch_at(s, k, id)];
    return least;
}

static void sketch_add(struct sketch *s, uint32_t id)
{
    for (unsigned k = 0; k < ROWS; k++)
        if (s->row[k][sketch_at(s, k, id)] < 15)
            s->row[k][sketch_at(s, k, id)]++;
    if (++s->additions < s->period)
        return;
    s->additions /= 2;
    for (unsigned k = 0; k < ROWS; k++)
        for (uint32_t i = 0; i <= s->mask; i++)
            s->row[k][i] /= 2;
}

/* One leaves the window: against the oldest of the main part, one by one, until it fits. */
static void admit(struct lists *l, const struct sketch *s, uint32_t id, uint64_t main)
{
    uint64_t size = l->trace->size[id];

    lists_take(l, id);
    while (l->list[PROBATION].bytes + l->list[PROTECTED].bytes + size > main) {
        uint32_t victim = l->list[PROBATION].oldest;

        victim = victim != 0 ? victim : l->list[PROTECTED].oldest;
        if (victim == 0 || sketch_count(s, id) <= sketch_count(s, victim))
            return;
        lists_take(l, victim);
    }
    lists_push(l, PROBATION, id);
}

static void tinylfu_hit(struct lists *l, uint32_t id, uint64_t protected)
{
    bool window = l->where[id] == WINDOW + 1;

    lists_move(l, window ? WINDOW : PROTECTED, id);
    while (l->list[PROTECTED].bytes > protected)
        lists_move(l, PROBATION, l->list[PROTECTED].oldest);
}

void policy_tinylfu(struct hits *hits, const struct trace *trace, uint64_t capacity)
{
    uint64_t window = capacity / 100, main = capacity - window;
    uint64_t entries = capacity / (trace->footprint / trace->objects + 1) + 1;
    struct sketch s = {.mask = 1023};
    struct lists l;

    while (s.mask < 8 * entries)
        s.mask = s.mask * 2 + 1;
    s.period = (uint32_t)(10 * entries);
    for (unsigned k = 0; k < ROWS; k++)
        s.row[k] = zeroed(s.mask + 1u, 1);
    lists_init(&l, trace);
    for (size_t i = 0; i < trace->n; i++) {
        uint32_t id = trace->request[i];

        sketch_add(&s, id);
        if (l.where[id] != 0) {
            count_hit(hits, trace, id);
            tinylfu_hit(&l, id, main / 5 * 4);
            continue;
        }
        lists_push(&l, WINDOW, id);
        while (l.list[WINDOW].bytes > window)
            admit(&l, &s, l.list[WINDOW].oldest, main);
    }
    lists_clear(&l);
    for (unsigned k = 0; k < ROWS; k++)
        free(s.row[k]);
}

/* ---- those that evict the worst by a score, found among SAMPLE ---- */

#define SAMPLE 64

struct scored {
    const struct trace *trace;
    uint32_t *cached, *at; /* numbers of those that are there; where each stands, + 1 */
    uint32_t count;
    uint32_t *uses, *next; /* by object */
    double *value;         /* GDSF's */
    double inflation;
};

typedef double score_fn(const struct scored *s, uint32_t id, size_t now);

static double score_gdsf(const struct scored *s, uint32_t id, size_t now)
{
    return -s->value[id];
}

static double score_belady(const struct scored *s, uint32_t id, size_t now)
{
    return s->next[id];
}

static double score_belady_size(const struct scored *s, uint32_t id, size_t now)
{
    double distance = s->next[id] == UINT32_MAX ? 1e12 : (double)(s->next[id] - now);

    return distance * s->trace->size[id];
}

static void scored_remove(struct scored *s, uint32_t id)
{
    uint32_t last = s->cached[--s->count];

    s->cached[s->at[id] - 1] = last;
    s->at[last] = s->at[id];
    s->at[id] = 0;
}

static uint32_t worst_of_some(const struct scored *s, score_fn *score, size_t now, uint64_t *seed)
{
    uint32_t worst = 0;
    double most = 0;

    for (unsigned k = 0; k < SAMPLE; k++) {
        uint32_t id = s->cached[chance(seed) % s->count];
        double value = score(s, id, now);

        if (worst == 0 || value > most) {
            worst = id;
            most = value;
        }
    }
    return worst;
}

static void scored_run(struct hits *hits, const struct trace *trace, uint64_t capacity,
                       score_fn *score)
{
    size_t n = trace->objects + 1;
    struct scored s = {.trace = trace,
                       .cached = zeroed(n, sizeof(uint32_t)),
                       .at = zeroed(n, sizeof(uint32_t)),
                       .uses = zeroed(n, sizeof(uint32_t)),
                       .next = zeroed(n, sizeof(uint32_t)),
                       .value = zeroed(n, sizeof(double))};
    uint64_t bytes = 0, seed = 7;

    for (size_t i = 0; i < trace->n; i++) {
        uint32_t id = trace->request[i], victim;

        s.next[id] = trace->next[i];
        s.uses[id] = s.at[id] != 0 ? s.uses[id] + 1 : 1;
        s.value[id] = s.inflation + (double)s.uses[id] / trace->size[id];
        if (s.at[id] != 0) {
            count_hit(hits, trace, id);
            continue;
        }
        s.cached[s.count++] = id;
        s.at[id] = s.count;
        bytes += trace->size[id];
        while (bytes > capacity) {
            victim = worst_of_some(&s, score, i, &seed);
            if (s.value[victim] > s.inflation)
                s.inflation = s.value[victim];
            bytes -= trace->size[victim];
            scored_remove(&s, victim);
        }
    }
    free(s.cached);
    free(s.at);
    free(s.uses);
    free(s.next);
    free(s.value);
}

void policy_gdsf(struct hits *hits, const struct trace *trace, uint64_t capacity)
{
    scored_run(hits, trace, capacity, score_gdsf);
}

void policy_belady(struct hits *hits, const struct trace *trace, uint64_t capacity)
{
    scored_run(hits, trace, capacity, score_belady);
}

void policy_belady_size(struct hits *hits, const struct trace *trace, uint64_t capacity)
{
    scored_run(hits, trace, capacity, score_belady_size);
}
