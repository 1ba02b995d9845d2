/* SPDX-License-Identifier: BSD-2-Clause
 *
 * match: the questions that the data path asks of a configuration, but for the one about rules
 * (rule.h). No call allocates, blocks or calls back.
 */
#ifndef DIVED_CONFIG_MATCH_H
#define DIVED_CONFIG_MATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct config;
struct config_network;
struct config_networks;
struct config_strings;

/* `glob`: "*" (anything), "*.example.com" (names below it, at any depth, not example.com itself),
 * ".example.com" (it and the names below), a name with `*` elsewhere ("cdn*.example.com"; each
 * stands for any characters, dots too), or an exact name or IP address. Case-insensitive; a
 * trailing dot of `host` and brackets of an IPv6 literal don't count. */
bool config_host_glob_match(const char *glob, const char *host);
/* Is `host` an IP literal (brackets or not)? Then *out is it, with port 0, v4-mapped as IPv4. */
bool config_host_address(const char *host, struct sockaddr_storage *out);
bool config_hosts_match(const struct config_strings *globs, const char *host);

/* Case-sensitive; each `*` matches any run of characters, "/" included. `path` is without query. */
bool config_path_glob_match(const char *glob, const char *path);

bool config_network_match(const struct config_network *network, const struct sockaddr *addr);
bool config_networks_match(const struct config_networks *networks, const struct sockaddr *addr);

/* Is a resource within custom scope `name`? `media_type` is a Content-Type field value, parameters
 * and all, or NULL. False as well when no dive.scopes entry has the name. */
bool config_scope_match(const struct config *cfg, const char *name, const char *host,
                        const char *path, const char *media_type);

bool config_port_allowed(const struct config *cfg, uint16_t port); /* access.connect-ports */

#endif
