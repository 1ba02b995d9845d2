/* SPDX-License-Identifier: BSD-2-Clause
 *
 * match: the questions that the data path asks of a configuration. No call allocates, blocks or
 * calls back. Rules are searched one after the other; callers see only the answer, so that an index
 * by host can take the place of the search.
 */
#ifndef DIVED_CONFIG_MATCH_H
#define DIVED_CONFIG_MATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct config;
struct config_network;
struct config_networks;
struct config_rule;
struct config_strings;

/* `glob`: "*" (anything), "*.example.com" (names below it, at any depth, not example.com itself),
 * or an exact name or IP address. Case-insensitive; a trailing dot of `host` and brackets of an
 * IPv6 literal don't count. */
bool config_host_glob_match(const char *glob, const char *host);
bool config_hosts_match(const struct config_strings *globs, const char *host);

/* Case-sensitive; each `*` matches any run of characters, "/" included. `path` is without query. */
bool config_path_glob_match(const char *glob, const char *path);

bool config_network_match(const struct config_network *network, const struct sockaddr *addr);
bool config_networks_match(const struct config_networks *networks, const struct sockaddr *addr);

/* The first rule that matches, or NULL. An argument that is NULL (a path not known yet, at CONNECT)
 * doesn't match a rule that names that criterion. */
const struct config_rule *config_rule_match(const struct config *cfg, const char *host,
                                            const struct sockaddr *client, const char *path);

/* Is a resource within custom scope `name`? `media_type` is a Content-Type field value, parameters
 * and all, or NULL. False as well when no dive.scopes entry has the name. */
bool config_scope_match(const struct config *cfg, const char *name, const char *host,
                        const char *path, const char *media_type);

bool config_port_allowed(const struct config *cfg, uint16_t port); /* access.connect-ports */

#endif
