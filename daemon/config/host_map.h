/* SPDX-License-Identifier: BSD-2-Clause
 *
 * host_map: numbers by key, where a key is a host name of which all suffixes are asked for at once,
 * or any other bytes. Open addressing, at most half full, never changed once it is made: any number
 * of threads may read it.
 */
#ifndef DIVED_CONFIG_HOST_MAP_H
#define DIVED_CONFIG_HOST_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "config/arena.h"
#include "lib/domain.h"

#define HOST_MAP_NONE 0 /* the number of what isn't there */

struct host_map_slot {
    const char *key; /* borrowed; NULL: free */
    uint32_t hash;
    uint32_t n;     /* bytes of the key */
    uint32_t exact; /* for the name itself */
    uint32_t below; /* for the names below it */
};

/* Zeroed memory is an empty map. */
struct host_map {
    struct host_map_slot *slots;
    size_t mask; /* slots - 1 */
};

/* Room for `max` keys, in `arena`. False: no memory. */
bool host_map_init(struct host_map *map, struct arena *arena, size_t max);
/* The slot of a key, a new one (both numbers NONE) when it wasn't there. The bytes are borrowed for
 * the life of the map. No more than `max` times with different keys. */
struct host_map_slot *host_map_put(struct host_map *map, const char *key, size_t n);
/* NULL: it isn't there. */
const struct host_map_slot *host_map_get(const struct host_map *map, const char *key, size_t n);

/* A host name, made ready to be asked for. */
struct host_name {
    char text[DIVE_DOMAIN_BUF]; /* lower case, no trailing dot */
    size_t n;
    size_t labels; /* suffixes that begin at a label, the whole name first */
    struct {
        uint8_t at;
        uint32_t hash;
    } suffix[DIVE_DOMAIN_MAX / 2 + 1];
};

/* False: no host name (too long, empty, an IP literal doesn't count as such either). */
bool host_name_init(struct host_name *name, const char *host);
/* The slot of the i-th suffix, or NULL. */
const struct host_map_slot *host_map_suffix(const struct host_map *map,
                                            const struct host_name *name, size_t i);

#endif
