/* SPDX-License-Identifier: BSD-2-Clause
 *
 * census: see census.h. A hash table of chains; an entry lives while its count isn't 0, so there
 * are never more entries than connections.
 */
#include "client/census.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CENSUS_BUCKETS 4096

struct census_entry {
    struct census_entry *next;
    uint8_t key[9]; /* family, then 4 or 8 bytes of the address */
    _Atomic unsigned count;
};

static struct census_entry *census_bucket[CENSUS_BUCKETS];
static pthread_mutex_t census_lock = PTHREAD_MUTEX_INITIALIZER;

static void census_key(uint8_t key[9], const struct sockaddr *client)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)client;

    memset(key, 0, 9);
    if (client->sa_family == AF_INET) {
        key[0] = 4;
        memcpy(key + 1, &((const struct sockaddr_in *)client)->sin_addr, 4);
    } else if (memcmp(&v6->sin6_addr, mapped, sizeof(mapped)) == 0) {
        key[0] = 4;
        memcpy(key + 1, (const uint8_t *)&v6->sin6_addr + 12, 4);
    } else {
        key[0] = 6;
        memcpy(key + 1, &v6->sin6_addr, 8);
    }
}

/* Where the entry of `key` is linked, or where a new one goes. */
static struct census_entry **census_find(const uint8_t key[9])
{
    uint32_t hash = 2166136261u;
    struct census_entry **entry;

    for (int i = 0; i < 9; i++)
        hash = (hash ^ key[i]) * 16777619u;
    entry = &census_bucket[hash % CENSUS_BUCKETS];
    while (*entry != NULL && memcmp((*entry)->key, key, 9) != 0)
        entry = &(*entry)->next;
    return entry;
}

bool census_enter(const struct sockaddr *client, unsigned max)
{
    struct census_entry **entry;
    uint8_t key[9];
    bool entered = false;

    census_key(key, client);
    pthread_mutex_lock(&census_lock);
    entry = census_find(key);
    if (*entry == NULL && max > 0) {
        *entry = calloc(1, sizeof(**entry));
        if (*entry != NULL)
            memcpy((*entry)->key, key, 9);
    }
    if (*entry != NULL && (*entry)->count < max) {
        (*entry)->count++;
        entered = true;
    }
    pthread_mutex_unlock(&census_lock);
    return entered;
}

void census_leave(const struct sockaddr *client)
{
    struct census_entry **entry, *gone;
    uint8_t key[9];

    census_key(key, client);
    pthread_mutex_lock(&census_lock);
    entry = census_find(key);
    gone = *entry;
    if (gone != NULL && --gone->count == 0) {
        *entry = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&census_lock);
}

const _Atomic unsigned *census_count(const struct sockaddr *client)
{
    const struct census_entry *entry;
    uint8_t key[9];

    census_key(key, client);
    pthread_mutex_lock(&census_lock);
    entry = *census_find(key);
    pthread_mutex_unlock(&census_lock);
    return entry != NULL ? &entry->count : NULL;
}
