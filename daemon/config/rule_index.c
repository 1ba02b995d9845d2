/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule_index: see rule_index.h. One map holds both kinds of keys: a host name, or the bytes of
 * `struct network_key`, which begin with a byte that no name has. A number is the first of a chain
 * of entries, plus one.
 */
#include "config/rule_index.h"

#include <arpa/inet.h>
#include <string.h>

#include "config/host_map.h"
#include "config/match.h"

struct network_key {
    uint8_t mark; /* 1 */
    uint8_t family;
    uint8_t prefix;
    uint8_t bytes[16];
};

struct entry {
    uint32_t rule;
    uint32_t next; /* plus one; 0: the last */
};

struct rule_index {
    struct arena *arena; /* while it is built */
    struct host_map map;
    struct entry *entries;
    size_t used;
    uint32_t rest; /* the chain of rules that no key leads to */
    bool prefixes4[33], prefixes6[129];
};

const char *rule_index_star_suffix(const char *glob)
{
    const char *dot = strchr(strrchr(glob, '*'), '.');

    return dot ? dot + 1 : NULL;
}

static bool is_suffix_glob(const char *glob)
{
    return glob[0] == '.' || (strncmp(glob, "*.", 2) == 0 && !strchr(glob + 1, '*'));
}

/* Has every host of the rule something to look it up by? */
static bool hosts_are_keys(const struct config_rule *rule)
{
    for (size_t i = 0; i < rule->host.n; i++)
        if (strchr(rule->host.v[i], '*') && !is_suffix_glob(rule->host.v[i]) &&
            !rule_index_star_suffix(rule->host.v[i]))
            return false;
    return rule->host.n > 0;
}

static void chain(struct rule_index *index, uint32_t *head, size_t rule)
{
    if (*head > 0 && index->entries[*head - 1].rule == rule)
        return; /* two of its hosts lead here */
    index->entries[index->used] = (struct entry){(uint32_t)rule, *head};
    *head = (uint32_t)++index->used;
}

static bool add_host(struct rule_index *index, const char *glob, size_t rule)
{
    struct sockaddr_storage addr;
    struct host_map_slot *slot;
    char ip[INET6_ADDRSTRLEN];
    const char *key = glob;

    if (is_suffix_glob(glob))
        key = strchr(glob, '.') + 1;
    else if (strchr(glob, '*'))
        key = rule_index_star_suffix(glob);
    else if (config_host_address(glob, &addr))
        key = arena_strndup(index->arena, ip, match_address_text(&addr, ip));
    if (!key)
        return false;
    slot = host_map_put(&index->map, key, strlen(key));
    if (glob[0] == '.' || !strchr(glob, '*'))
        chain(index, &slot->exact, rule);
    if (glob[0] == '.' || strchr(glob, '*'))
        chain(index, &slot->below, rule);
    return true;
}

static struct network_key key_of(const struct config_network *network)
{
    struct network_key key = {1, network->family == AF_INET ? 4 : 6, (uint8_t)network->prefix, {0}};

    memcpy(key.bytes, network->bytes, sizeof(key.bytes));
    return key;
}

static bool add_network(struct rule_index *index, const struct config_network *network, size_t rule)
{
    struct network_key *key = arena_alloc(index->arena, sizeof(*key));

    if (!key)
        return false;
    *key = key_of(network);
    if (network->family == AF_INET)
        index->prefixes4[network->prefix] = true;
    else
        index->prefixes6[network->prefix] = true;
    chain(index, &host_map_put(&index->map, (const char *)key, sizeof(*key))->exact, rule);
    return true;
}

static bool add_rule(struct rule_index *index, const struct config_rule *rule, size_t i)
{
    bool by_host = hosts_are_keys(rule);

    if (!by_host && rule->client.n == 0)
        chain(index, &index->rest, i);
    for (size_t j = 0; by_host && j < rule->host.n; j++)
        if (!add_host(index, rule->host.v[j], i))
            return false;
    for (size_t j = 0; !by_host && j < rule->client.n; j++)
        if (!add_network(index, &rule->client.v[j], i))
            return false;
    return true;
}

/* From the last rule to the first: a chain grows at its front. */
bool rule_index_new(struct rule_index **out, struct arena *arena, const struct config_rule *rules,
                    size_t n)
{
    struct rule_index *index = arena_alloc(arena, sizeof(*index));
    size_t keys = 0, entries = n;

    *out = NULL;
    for (size_t i = 0; i < n; i++) {
        keys += rules[i].host.n + rules[i].client.n;
        entries += 2 * rules[i].host.n + rules[i].client.n;
    }
    if (!index || entries > UINT32_MAX / 2 || !host_map_init(&index->map, arena, keys))
        return false;
    index->arena = arena;
    index->entries = arena_array(arena, entries, sizeof(*index->entries));
    if (!index->entries)
        return false;
    for (size_t i = n; i-- > 0;)
        if (!add_rule(index, &rules[i], i))
            return false;
    index->arena = NULL;
    *out = index;
    return true;
}

static void walk_chain(const struct rule_index *index, uint32_t head, rule_index_visit *visit,
                       void *arg)
{
    while (head > 0 && visit(arg, index->entries[head - 1].rule))
        head = index->entries[head - 1].next;
}

static void walk_host(const struct rule_index *index, const char *host, rule_index_visit *visit,
                      void *arg)
{
    const struct host_map_slot *slot;
    struct sockaddr_storage addr;
    struct host_name name;
    char ip[INET6_ADDRSTRLEN];

    if (config_host_address(host, &addr)) {
        slot = host_map_get(&index->map, ip, match_address_text(&addr, ip));
        if (slot)
            walk_chain(index, slot->exact, visit, arg);
        return;
    }
    if (!host_name_init(&name, host))
        return;
    for (size_t i = 0; i < name.labels; i++) {
        slot = host_map_suffix(&index->map, &name, i);
        if (slot)
            walk_chain(index, i == 0 ? slot->exact : slot->below, visit, arg);
    }
}

static void walk_client(const struct rule_index *index, const struct sockaddr *client,
                        rule_index_visit *visit, void *arg)
{
    struct config_network network;
    const bool *prefixes;

    if (!match_address_network(client, &network))
        return;
    prefixes = network.family == AF_INET ? index->prefixes4 : index->prefixes6;
    for (unsigned prefix = network.prefix + 1; prefix-- > 0;) {
        const struct host_map_slot *slot;
        struct network_key key;

        if (!prefixes[prefix])
            continue;
        match_mask(network.bytes, sizeof(network.bytes), prefix);
        network.prefix = prefix;
        key = key_of(&network);
        slot = host_map_get(&index->map, (const char *)&key, sizeof(key));
        if (slot)
            walk_chain(index, slot->exact, visit, arg);
    }
}

void rule_index_walk(const struct rule_index *index, const struct config_subject *subject,
                     rule_index_visit *visit, void *arg)
{
    if (subject->host)
        walk_host(index, subject->host, visit, arg);
    if (subject->client)
        walk_client(index, subject->client, visit, arg);
    walk_chain(index, index->rest, visit, arg);
}
