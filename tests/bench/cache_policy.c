/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_policy: is the index (daemon/cache/index.c, used as the store uses it) a good judge of what
 * to keep? Hit ratios on generated traces, beside LRU and the best that are known; then the memory
 * that a million entries take, and what a start with as many objects takes.
 *
 *     cache_policy [--quick] [--only policy,start] [--objects N] [--directory DIR]
 *
 * The traces: 100,000 objects by Zipf's law, sizes from 512 B to 4 MiB (median about 16 KiB), and a
 * fifth of the requests in scans of things that are asked for once. In "steady" a rank is an
 * object's for good, in "drifting" a tenth of the ranks change hands every tenth of the trace.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index.h"
#include "tests/bench/cache_policy.h"

#define HOT 100000u
#define REQUESTS 2000000u
#define SCAN 2000u /* requests of one scan; each starts after four times as many others */
#define PHASES 10u

uint64_t chance(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL) {
        fputs("cache_policy: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* ---- traces ---- */

static double uniform(uint64_t *seed)
{
    return ((double)(chance(seed) >> 11) + 0.5) / 9007199254740992.0;
}

static uint32_t some_size(uint64_t *seed)
{
    double normal = sqrt(-2 * log(uniform(seed))) * cos(6.283185307179586 * uniform(seed));
    double size = exp(log(16384.0) + 1.5 * normal);

    return size < 512 ? 512 : size > (4 << 20) ? 4 << 20 : (uint32_t)size;
}

/* The rank that the share `u` of all requests falls to. */
static uint32_t rank_of(const double *share, double u)
{
    uint32_t low = 0, high = HOT - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (share[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void drift(uint32_t *object_of, uint64_t *seed)
{
    for (uint32_t i = 0; i < HOT / 20; i++) {
        uint32_t a = (uint32_t)(chance(seed) % HOT), b = (uint32_t)(chance(seed) % HOT);
        uint32_t object = object_of[a];

        object_of[a] = object_of[b];
        object_of[b] = object;
    }
}

static void trace_look_ahead(struct trace *trace)
{
    uint32_t *when = zeroed(trace->objects + 1, sizeof(*when));

    for (size_t i = trace->n; i-- > 0;) {
        uint32_t id = trace->request[i];

        trace->next[i] = when[id] != 0 ? when[id] : UINT32_MAX;
        if (when[id] == 0)
            trace->footprint += trace->size[id];
        when[id] = (uint32_t)i;
    }
    free(when);
}

static void trace_make(struct trace *trace, const char *name, size_t n, double skew, bool drifts)
{
    double *share = zeroed(HOT, sizeof(*share)), sum = 0;
    uint32_t *object_of = zeroed(HOT, sizeof(*object_of));
    uint64_t seed = 20250101;

    *trace = (struct trace){.name = name, .n = n, .objects = HOT + (uint32_t)(n / 5) + SCAN};
    trace->request = zeroed(n, sizeof(*trace->request));
    trace->next = zeroed(n, sizeof(*trace->next));
    trace->size = zeroed(trace->objects + 1, sizeof(*trace->size));
    for (uint32_t i = 1; i <= trace->objects; i++)
        trace->size[i] = some_size(&seed);
    for (uint32_t i = 0; i < HOT; i++) {
        sum += pow(i + 1, -skew);
        share[i] = sum;
        object_of[i] = i + 1;
    }
    for (size_t i = 0, once = HOT; i < n; i++) {
        if (drifts && i > 0 && i % (n / PHASES) == 0)
            drift(object_of, &seed);
        if (i % (5 * SCAN) >= 4 * SCAN)
            trace->request[i] = (uint32_t)++once;
        else
            trace->request[i] = object_of[rank_of(share, uniform(&seed) * sum)];
    }
    trace_look_ahead(trace);
    free(share);
    free(object_of);
}

static void trace_free(struct trace *trace)
{
    free(trace->request);
    free(trace->next);
    free(trace->size);
}

/* ---- ours ---- */

static void evict(struct index *index, uint32_t *entry, const uint32_t *object_of)
{
    while (index_is_full(index, INDEX_DISK, 0)) {
        uint32_t id = index_victim(index, INDEX_DISK);

        index_leave(index, INDEX_DISK, id, true);
        entry[object_of[id]] = 0;
        index_remove(index, id);
    }
}

static void policy_ours(struct hits *hits, const struct trace *trace, uint64_t capacity)
{
    uint64_t budget[INDEX_TIERS] = {[INDEX_DISK] = capacity};
    uint32_t *entry = zeroed(trace->objects + 1, sizeof(*entry));
    uint32_t *object_of = zeroed(trace->objects + 2, sizeof(*object_of));
    struct index *index;

    if (index_new(&index, budget) != 0)
        exit(1);
    for (size_t i = 0; i < trace->n; i++) {
        uint32_t id = trace->request[i];
        uint64_t seed = id;
        struct store_key key = {0};

        if (entry[id] != 0) {
            hits->objects++;
            hits->bytes += trace->size[id];
            index_touch(index, entry[id]);
            continue;
        }
        seed = chance(&seed);
        memcpy(key.bytes, &seed, sizeof(seed));
        entry[id] = index_add(index, &key, 0);
        if (entry[id] == 0)
            exit(1);
        object_of[entry[id]] = id;
        index_enter(index, INDEX_DISK, entry[id], trace->size[id]);
        evict(index, entry, object_of);
    }
    index_free(&index);
    free(entry);
    free(object_of);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    policy_fn *run;
    bool compared; /* with ours: online, and for objects and bytes alike */
} policies[] = {
    {"dived (S3-FIFO)", policy_ours, true},
    {"LRU", policy_lru, true},
    {"W-TinyLFU", policy_tinylfu, true},
    {"GDSF (prefers small)", policy_gdsf, false},
    {"Belady (offline)", policy_belady, false},
    {"Belady x size (offline)", policy_belady_size, false},
};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

static void compare(const struct trace *trace, unsigned percent)
{
    double objects[POLICIES], best = 0;
    uint64_t bytes = 0;

    for (size_t i = 0; i < trace->n; i++)
        bytes += trace->size[trace->request[i]];
    for (size_t k = 0; k < POLICIES; k++) {
        struct hits hits = {0};

        policies[k].run(&hits, trace, trace->footprint / 1000 * percent);
        objects[k] = 100.0 * (double)hits.objects / (double)trace->n;
        if (policies[k].compared && objects[k] > best)
            best = objects[k];
        printf("%-9s %5.1f %% of all bytes  %-24s objects %5.2f %%  bytes %5.2f %%\n", trace->name,
               percent / 10.0, policies[k].name, objects[k],
               100.0 * (double)hits.bytes / (double)bytes);
    }
    printf("%-9s %5.1f %% of all bytes  of the best of LRU and W-TinyLFU: %.1f %%%s\n", trace->name,
           percent / 10.0, 100 * objects[0] / best,
           objects[0] >= 0.97 * best && objects[0] > objects[1] ? "" : "  MISSED");
    fflush(stdout);
}

static void measure_policy(bool quick)
{
    static const unsigned permille[] = {3, 10, 30, 100};
    size_t n = quick ? REQUESTS / 4 : REQUESTS;
    struct trace trace;

    for (int drifts = 0; drifts < 2; drifts++) {
        trace_make(&trace, drifts ? "drifting" : "steady", n, 0.9, drifts);
        for (size_t i = 0; i < sizeof(permille) / sizeof(permille[0]); i++)
            compare(&trace, permille[i]);
        trace_free(&trace);
    }
}

int main(int argc, char **argv)
{
    const char *only = "policy,start", *directory = "build/bench-objects";
    uint32_t objects = 0;
    bool quick = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--objects") == 0 && i + 1 < argc)
            objects = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--directory") == 0 && i + 1 < argc)
            directory = argv[++i];
        else
            return 2;
    }
    if (strstr(only, "policy") != NULL)
        measure_policy(quick);
    if (objects == 0)
        objects = quick ? 100000 : 1000000;
    return strstr(only, "start") != NULL ? measure_start(objects, directory) : 0;
}
