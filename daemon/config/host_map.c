/* SPDX-License-Identifier: BSD-2-Clause
 *
 * host_map: see host_map.h. The hash runs from a key's end to its beginning, so that one pass over
 * a host name gives those of all its suffixes.
 */
#include "config/host_map.h"

#include <assert.h>
#include <string.h>

#include "config/match.h"

/* FNV-1a, 32 bits. */
#define HASH_START 2166136261u
#define HASH_PRIME 16777619u

static uint32_t hash_add(uint32_t hash, char c)
{
    return (hash ^ (unsigned char)c) * HASH_PRIME;
}

/* FNV's low bits know little of the last byte. */
static uint32_t hash_finish(uint32_t hash)
{
    hash ^= hash >> 16;
    hash *= 0x85ebca6bu;
    return hash ^ hash >> 13;
}

static uint32_t hash_of(const char *key, size_t n)
{
    uint32_t hash = HASH_START;

    for (size_t i = n; i-- > 0;)
        hash = hash_add(hash, key[i]);
    return hash_finish(hash);
}

bool host_map_init(struct host_map *map, struct arena *arena, size_t max)
{
    size_t size = 16;

    *map = (struct host_map){0};
    if (max > UINT32_MAX / 4)
        return false;
    while (size < 2 * max)
        size *= 2;
    map->slots = arena_array(arena, size, sizeof(*map->slots));
    map->mask = size - 1;
    return map->slots != NULL;
}

static struct host_map_slot *find(const struct host_map *map, uint32_t hash, const char *key,
                                  size_t n)
{
    size_t i = hash & map->mask;

    while (map->slots[i].key && (map->slots[i].hash != hash || map->slots[i].n != n ||
                                 memcmp(map->slots[i].key, key, n) != 0))
        i = (i + 1) & map->mask;
    return &map->slots[i];
}

struct host_map_slot *host_map_put(struct host_map *map, const char *key, size_t n)
{
    uint32_t hash = hash_of(key, n);
    struct host_map_slot *slot = find(map, hash, key, n);

    if (!slot->key)
        *slot = (struct host_map_slot){.key = key, .hash = hash, .n = (uint32_t)n};
    return slot;
}

const struct host_map_slot *host_map_get(const struct host_map *map, const char *key, size_t n)
{
    const struct host_map_slot *slot;

    if (!map->slots)
        return NULL;
    slot = find(map, hash_of(key, n), key, n);
    return slot->key ? slot : NULL;
}

bool host_name_init(struct host_name *name, const char *host)
{
    size_t n = strlen(host);
    uint32_t hash = HASH_START;

    name->n = name->labels = 0;
    if (n > 1 && host[n - 1] == '.')
        n--;
    if (n == 0 || n > DIVE_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        name->text[i] = match_lower(host[i]);
    name->text[n] = '\0';
    name->n = n;
    for (size_t i = n; i-- > 0;) {
        hash = hash_add(hash, name->text[i]);
        if (name->text[i] == '.' || (i > 0 && name->text[i - 1] != '.'))
            continue;
        if (name->labels == sizeof(name->suffix) / sizeof(name->suffix[0]))
            return false;
        name->suffix[name->labels].at = (uint8_t)i;
        name->suffix[name->labels++].hash = hash_finish(hash);
    }
    /* The shortest was found first. */
    for (size_t i = 0; i < name->labels / 2; i++) {
        size_t j = name->labels - 1 - i;
        uint8_t at = name->suffix[i].at;
        uint32_t other = name->suffix[i].hash;

        name->suffix[i] = name->suffix[j];
        name->suffix[j].at = at;
        name->suffix[j].hash = other;
    }
    return name->labels > 0;
}

const struct host_map_slot *host_map_suffix(const struct host_map *map,
                                            const struct host_name *name, size_t i)
{
    const struct host_map_slot *slot;
    size_t at = name->suffix[i].at;

    if (!map->slots)
        return NULL;
    slot = find(map, name->suffix[i].hash, name->text + at, name->n - at);
    return slot->key ? slot : NULL;
}
