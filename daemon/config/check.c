/* SPDX-License-Identifier: BSD-2-Clause
 *
 * check: what keys say together. Contradictions are errors, risks are warnings, and a default that
 * only another key's value makes impossible gives way without a word.
 *
 * Entries of lists that were reported already are zeroed memory here, and are passed over.
 */
#include "config/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "config/match.h"
#include "config/value.h"

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* What is compared pairwise below. */
#define LISTENERS_MAX 64
#define SERVERS_MAX 1024
#define SCOPES_MAX 1024

static bool given(const struct loader *l, const char *path)
{
    return l->own->given[schema_index(path)];
}

static struct place place_of(const struct loader *l, const char *path)
{
    return l->places[schema_index(path)];
}

static bool too_many(struct loader *l, const char *path, size_t n, size_t max)
{
    if (n > max)
        problems_error(l->problems, place_of(l, path), "%s: more than %zu entries", path, max);
    return n > max;
}

static struct place key_place(const struct node *item, const char *key)
{
    const struct node *node = node_get(item, key);

    return node ? node->place : item->place;
}

/* ---- addresses ---- */

static unsigned port_of(const struct config_address *address)
{
    if (address->addr.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->addr)->sin6_port);
    return ntohs(((const struct sockaddr_in *)&address->addr)->sin_port);
}

/* Port 0 is any free port: never the same. */
static bool same_address(const struct config_address *a, const struct config_address *b)
{
    return a->len > 0 && a->len == b->len && port_of(a) > 0 &&
           memcmp(&a->addr, &b->addr, a->len) == 0;
}

static bool is_loopback(const struct config_address *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->addr;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->addr;

    if (address->addr.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    return ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

static void check_transparent(struct loader *l, size_t i, const struct node *item)
{
    static const char *const keys[] = {"tproxy", "other", "no-sni", "ech"};
    struct config_listener *listener = &l->cfg->listeners.v[i];
    bool enforces = l->cfg->dive.mode == CONFIG_MODE_ENFORCE && l->cfg->interception.enabled;

    if (listener->no_sni == CONFIG_NO_SNI_UNSET)
        listener->no_sni = enforces ? CONFIG_NO_SNI_CLOSE : CONFIG_NO_SNI_SPLICE;
    if (listener->mode == CONFIG_LISTENER_TRANSPARENT)
        return;
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
        if (node_get(item, keys[k]))
            problems_error(l->problems, key_place(item, keys[k]),
                           "listeners[%zu].%s: says something about transparent listeners only; "
                           "write mode: transparent",
                           i, keys[k]);
}

/* TLS towards clients, and what is asked of them in it. */
static void check_listener_tls(struct loader *l, size_t i, const struct node *item)
{
    struct config_listener *listener = &l->cfg->listeners.v[i];
    const struct node *tls = node_get(item, "tls");
    enum config_client_certificate *asked = &listener->tls.client_certificate;

    if (!tls)
        return;
    if (listener->mode == CONFIG_LISTENER_TRANSPARENT)
        problems_error(l->problems, tls->place,
                       "listeners[%zu].tls: clients of a transparent listener speak TLS with the "
                       "origin, never with us; leave it out",
                       i);
    if (*asked == CONFIG_CLIENT_CERTIFICATE_UNSET)
        *asked = listener->tls.client_ca ? CONFIG_CLIENT_CERTIFICATE_REQUIRED
                                         : CONFIG_CLIENT_CERTIFICATE_NONE;
    if (*asked == CONFIG_CLIENT_CERTIFICATE_NONE && listener->tls.client_ca)
        problems_error(l->problems, key_place(tls, "client-ca"),
                       "listeners[%zu].tls: client-ca is of no use with client-certificate: none",
                       i);
    if (*asked != CONFIG_CLIENT_CERTIFICATE_NONE && !node_get(tls, "client-ca"))
        problems_error(l->problems, key_place(tls, "client-certificate"),
                       "listeners[%zu].tls: client-certificate needs a client-ca", i);
}

static void check_listener(struct loader *l, size_t i, const struct node *item)
{
    struct config_listener *listener = &l->cfg->listeners.v[i];

    if (listener->name && strlen(listener->name) > CONFIG_NAME_MAX)
        problems_error(l->problems, key_place(item, "name"),
                       "listeners[%zu].name: is longer than %d characters", i, CONFIG_NAME_MAX);
    for (size_t j = 0; j < i && listener->name; j++)
        if (l->cfg->listeners.v[j].name &&
            strcmp(listener->name, l->cfg->listeners.v[j].name) == 0 && node_get(item, "name")) {
            problems_error(l->problems, key_place(item, "name"),
                           "listeners[%zu].name: \"%s\" is that of listeners[%zu] already", i,
                           listener->name, j);
            break;
        }
    check_transparent(l, i, item);
    for (size_t j = 0; j < listener->proxy_protocol.n; j++)
        if (listener->proxy_protocol.v[j].family && listener->proxy_protocol.v[j].prefix == 0)
            problems_warning(l->problems, key_place(item, "proxy-protocol"),
                             "listeners[%zu].proxy-protocol: a network of all addresses lets every "
                             "client choose the address that it is known by",
                             i);
    for (size_t j = 0; j < i; j++)
        if (same_address(&listener->address, &l->cfg->listeners.v[j].address)) {
            problems_error(l->problems, key_place(item, "address"),
                           "listeners[%zu].address: %s is that of listeners[%zu] already", i,
                           listener->address.text, j);
            break;
        }
    check_listener_tls(l, i, item);
}

static void check_addresses(struct loader *l)
{
    const struct node *item = load_items_of(l, NULL, "listeners");
    const struct config_address *http = &l->cfg->admin.http;
    size_t n = l->cfg->listeners.n;

    if (too_many(l, "listeners", n, LISTENERS_MAX))
        return;
    if (n == 0)
        problems_error(l->problems, place_of(l, "listeners"),
                       "listeners: at least one is needed; write [{address: \"127.0.0.1:3128\"}]");
    for (size_t i = 0; item && i < n; i++, item = item->next)
        check_listener(l, i, item);
    for (size_t i = 0; i < n; i++)
        if (!l->cfg->listeners.v[i].name)
            l->cfg->listeners.v[i].name = l->cfg->listeners.v[i].address.text;
    for (size_t i = 0; i < n; i++)
        if (same_address(http, &l->cfg->listeners.v[i].address))
            problems_error(l->problems, place_of(l, "admin.http"),
                           "admin.http: %s is that of listeners[%zu] already", http->text, i);
    if (l->cfg->admin.socket && strlen(l->cfg->admin.socket) > SOCKET_PATH_MAX)
        problems_error(
            l->problems, place_of(l, "admin.socket"),
            "admin.socket: is %zu bytes long with its folder; a Unix socket's path may be "
            "%zu",
            strlen(l->cfg->admin.socket), SOCKET_PATH_MAX);
    if (http->len > 0 && !is_loopback(http))
        problems_warning(
            l->problems, place_of(l, "admin.http"),
            "admin.http: %s is no loopback address, and nobody is asked for a password "
            "there",
            http->text);
}

/* ---- interception, origins ---- */

static void check_interception(struct loader *l)
{
    const char *certificate = l->cfg->interception.ca_certificate;
    const char *key = l->cfg->interception.ca_key;
    bool certificate_given = given(l, "interception.ca-certificate");
    struct place place =
        place_of(l, certificate_given ? "interception.ca-certificate" : "interception.ca-key");

    if (certificate_given != given(l, "interception.ca-key")) {
        problems_error(l->problems, place,
                       "interception: ca-certificate and ca-key belong together; only %s is given",
                       certificate_given ? "ca-certificate" : "ca-key");
        return;
    }
    if (certificate && key && strcmp(certificate, key) == 0)
        problems_error(l->problems, place,
                       "interception: ca-certificate and ca-key are one file; they must be two");
    if (!l->cfg->interception.enabled)
        return;
    if (!certificate || !key)
        problems_error(l->problems, place,
                       "interception: enabled without %s; give both ca-certificate and ca-key, or "
                       "write enabled: false",
                       certificate ? "ca-key"
                       : key       ? "ca-certificate"
                                   : "ca-certificate and ca-key");
    for (size_t i = 0; i < l->cfg->interception.splice.n; i++) {
        const char *glob = l->cfg->interception.splice.v[i];

        if (glob && strcmp(glob, "*") == 0)
            problems_warning(l->problems, place_of(l, "interception.splice"),
                             "interception.splice: \"*\" leaves all TLS unseen and unverified; "
                             "enabled: false says the same");
    }
}

void check_parent_name(struct loader *l, const struct config_parent *parent, struct place place,
                       const char *what)
{
    struct sockaddr_storage address;

    if (l->cfg->origins.parent_keytab && parent->kind == CONFIG_PARENT_PROXY && !parent->user &&
        parent->host && config_host_address(parent->host, &address))
        problems_error(l->problems, place,
                       "%s: %s is an address, and Kerberos (origins.parent-keytab) needs the "
                       "proxy's name",
                       what, parent->host);
}

static void check_origins(struct loader *l)
{
    if (l->cfg->origins.parent.user && !l->cfg->origins.parent_password_file)
        problems_error(l->problems, place_of(l, "origins.parent"),
                       "origins.parent: names a user, whose password is to be in "
                       "origins.parent-password-file");
    if (l->cfg->origins.parent_principal && !l->cfg->origins.parent_keytab)
        problems_error(l->problems, place_of(l, "origins.parent-principal"),
                       "origins.parent-principal: needs origins.parent-keytab, which has its key");
    check_parent_name(l, &l->cfg->origins.parent, place_of(l, "origins.parent"), "origins.parent");
    for (size_t i = 0; i < l->cfg->origins.allow_networks.n; i++) {
        const struct config_network *network = &l->cfg->origins.allow_networks.v[i];

        if (network->family && network->prefix == 0)
            problems_warning(
                l->problems, place_of(l, "origins.allow-networks"),
                "origins.allow-networks: a network of all addresses opens the way into "
                "the internal network");
    }
}

/* ---- dns ---- */

static const char *with_port(struct loader *l, const char *server, unsigned port)
{
    char *text;

    if (!server || strchr(server, '@'))
        return server;
    text = arena_printf(&l->own->arena, "%s@%u", server, port);
    if (!text)
        l->nomem = true;
    return text;
}

/* Anchors may also be given as libunbound's own options (labs do). */
static bool anchors_in_options(const struct loader *l)
{
    static const char *const names[] = {"trust-anchor", "trust-anchor-file", "trusted-keys-file",
                                        "auto-trust-anchor-file"};

    for (size_t i = 0; i < l->cfg->dns.unbound.n; i++)
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
            if (l->cfg->dns.unbound.v[i].name &&
                strcmp(l->cfg->dns.unbound.v[i].name, names[j]) == 0)
                return true;
    return false;
}

static void check_anchors(struct loader *l)
{
    bool automatic = l->cfg->dns.trust_anchor_auto;

    if (automatic && !given(l, "dns.trust-anchor-file"))
        l->cfg->dns.trust_anchor_file = NULL;
    if (automatic && l->cfg->dns.trust_anchor_file)
        problems_error(l->problems, place_of(l, "dns.trust-anchor-auto"),
                       "dns: trust-anchor-file and trust-anchor-auto exclude each other; give one");
    if (!automatic && !l->cfg->dns.trust_anchor_file && !anchors_in_options(l))
        problems_error(
            l->problems, place_of(l, "dns.trust-anchor-file"),
            "dns: without trust-anchor-file or trust-anchor-auto nothing can be validated");
}

static void check_forward(struct loader *l)
{
    unsigned port = l->cfg->dns.forward_tls ? 853 : 53;
    size_t n = l->cfg->dns.forward.n;

    if (l->cfg->dns.forward_tls && n == 0)
        problems_error(l->problems, place_of(l, "dns.forward-tls"),
                       "dns.forward-tls: needs servers in dns.forward");
    if (too_many(l, "dns.forward", n, SERVERS_MAX))
        return;
    for (size_t i = 0; i < n; i++) {
        struct config_dns_server *server = &l->cfg->dns.forward.v[i];

        server->text = with_port(l, server->text, port);
        for (size_t j = 0; j < i && server->text; j++)
            if (l->cfg->dns.forward.v[j].text &&
                strcmp(server->text, l->cfg->dns.forward.v[j].text) == 0)
                problems_error(l->problems, place_of(l, "dns.forward"),
                               "dns.forward: %s is listed twice", server->text);
    }
}

static void check_stubs(struct loader *l)
{
    const struct node *item = load_items_of(l, "dns", "stub");
    size_t n = l->cfg->dns.stub.n;

    if (too_many(l, "dns.stub", n, SERVERS_MAX))
        return;
    for (size_t i = 0; item && i < n; i++, item = item->next) {
        struct config_stub *stub = &l->cfg->dns.stub.v[i];

        stub->address = with_port(l, stub->address, 53);
        if (!stub->zone || !stub->address)
            continue;
        if (l->cfg->dns.forward.n > 0 && strcmp(stub->zone, ".") == 0)
            problems_error(
                l->problems, key_place(item, "zone"),
                "dns.stub[%zu].zone: the root is what dns.forward is for; give one of the "
                "two",
                i);
        for (size_t j = 0; j < i; j++) {
            const struct config_stub *other = &l->cfg->dns.stub.v[j];

            if (other->zone && other->address && strcmp(stub->zone, other->zone) == 0 &&
                strcmp(stub->address, other->address) == 0)
                problems_error(l->problems, item->place, "dns.stub[%zu]: the same as dns.stub[%zu]",
                               i, j);
        }
    }
}

/* Options by which the resolver would no longer do what the drafts build on. */
static void check_unbound(struct loader *l)
{
    static const char *const risky[] = {"module-config", "val-permissive-mode", "domain-insecure",
                                        "val-override-date", "ignore-cd-flag"};
    const struct node *options = node_get(node_get(l->root, "dns"), "unbound");

    for (size_t i = 0; i < sizeof(risky) / sizeof(risky[0]); i++) {
        const struct node *option = node_get(options, risky[i]);

        if (option)
            problems_warning(l->problems, option->key_place,
                             "dns.unbound.%s: changes what DNSSEC validation means", risky[i]);
    }
}

/* ---- dive ---- */

static void check_scopes(struct loader *l)
{
    const struct node *item = load_items_of(l, "dive", "scopes");
    size_t n = l->cfg->dive.scopes.n;

    if (l->cfg->dive.versions == 0 && l->problems->errors == 0)
        problems_error(
            l->problems, place_of(l, "dive.versions"),
            "dive.versions: at least one is needed; dive.mode: off turns verification off");
    if (too_many(l, "dive.scopes", n, SCOPES_MAX))
        return;
    for (size_t i = 0; item && i < n; i++, item = item->next)
        if (item->kind == NODE_MAP && !node_get(item, "host") && !node_get(item, "path") &&
            !node_get(item, "media-type"))
            problems_error(
                l->problems, item->place,
                "dive.scopes[%zu]: needs a host, a path or a media-type; write host: \"*\" "
                "for everything",
                i);
}

/* ---- quantities ---- */

/* `small` may not be larger than `large`; a default of it gives way. */
static void check_order(struct loader *l, const char *small_key, int64_t *small,
                        const char *large_key, int64_t large, bool size)
{
    char a[32], b[32];

    if (*small <= large)
        return;
    if (!given(l, small_key)) {
        *small = large;
        return;
    }
    if (size) {
        value_format_size(*small, a, sizeof(a));
        value_format_size(large, b, sizeof(b));
    } else {
        value_format_duration(*small, a, sizeof(a));
        value_format_duration(large, b, sizeof(b));
    }
    problems_error(l->problems, place_of(l, small_key), "%s: %s is more than %s, which is %s%s",
                   small_key, a, large_key, b, given(l, large_key) ? "" : " by default");
}

static void check_hold(struct loader *l)
{
    struct config *cfg = l->cfg;

    if (!given(l, "hold.max-total") && cfg->hold.max_size > cfg->hold.max_total)
        cfg->hold.max_total = cfg->hold.max_size;
    check_order(l, "hold.max-size", &cfg->hold.max_size, "hold.max-total", cfg->hold.max_total,
                true);
    check_order(l, "hold.memory", &cfg->hold.memory, "hold.max-size", cfg->hold.max_size, true);
    check_order(l, "hold.keepalive", &cfg->hold.keepalive_ms, "hold.timeout", cfg->hold.timeout_ms,
                false);
}

static void check_limits(struct loader *l)
{
    struct config *cfg = l->cfg;

    check_order(l, "limits.url-length", &cfg->limits.url_length, "limits.head-size",
                cfg->limits.head_size, true);
    if (cfg->limits.connections_per_client <= cfg->limits.connections)
        return;
    if (given(l, "limits.connections-per-client"))
        problems_error(
            l->problems, place_of(l, "limits.connections-per-client"),
            "limits.connections-per-client: %u is more than limits.connections, which is "
            "%u%s",
            cfg->limits.connections_per_client, cfg->limits.connections,
            given(l, "limits.connections") ? "" : " by default");
    else
        cfg->limits.connections_per_client = cfg->limits.connections;
}

/* ---- access, log ---- */

static void check_access(struct loader *l)
{
    uint8_t seen[65536 / 8] = {0};

    if (l->cfg->access.clients.n == 0)
        problems_warning(l->problems, place_of(l, "access.clients"),
                         "access.clients: is empty; no client will be served");
    for (size_t i = 0; i < l->cfg->access.clients.n; i++) {
        const struct config_network *network = &l->cfg->access.clients.v[i];

        if (network->family && network->prefix == 0)
            problems_warning(l->problems, place_of(l, "access.clients"),
                             "access.clients: a network of all addresses makes this an open proxy, "
                             "unless a firewall says otherwise");
    }
    for (size_t i = 0; i < l->cfg->access.connect_ports.n; i++) {
        unsigned port = l->cfg->access.connect_ports.v[i];

        if (port > 0 && (seen[port / 8] & 1u << port % 8))
            problems_error(l->problems, place_of(l, "access.connect-ports"),
                           "access.connect-ports: %u is listed twice", port);
        seen[port / 8] |= (uint8_t)(1u << port % 8);
    }
}

/* Can clients of this listener say who they are? */
static bool can_authenticate(const struct config *cfg, const struct config_listener *listener)
{
    return cfg->access.htpasswd || cfg->access.negotiate.keytab || listener->tls.client_ca;
}

/* Why clients must: the key, or what it follows from. */
static struct place place_of_require(const struct loader *l)
{
    if (given(l, "access.require"))
        return place_of(l, "access.require");
    return place_of(l, l->cfg->access.htpasswd ? "access.htpasswd" : "access.negotiate.keytab");
}

/* Who must say who they are has to have a way to. */
static void check_authentication(struct loader *l)
{
    const struct node *item = load_items_of(l, NULL, "listeners");
    struct config *cfg = l->cfg;
    bool by_nobody = true;

    if (!given(l, "access.require") && (cfg->access.htpasswd || cfg->access.negotiate.keytab))
        cfg->access.require = CONFIG_REQUIRE_ANY;
    for (size_t i = 0; i < cfg->listeners.n; i++, item = item ? item->next : NULL) {
        struct config_listener *listener = &cfg->listeners.v[i];
        const struct node *node = node_get(item, "authenticate");
        struct place place = node ? node->place : place_of_require(l);
        bool wanted = cfg->access.require == CONFIG_REQUIRE_ANY;

        listener->authenticate_given = node != NULL;
        if (node)
            wanted = listener->authenticate;
        by_nobody = by_nobody && !wanted;
        if (wanted && listener->mode == CONFIG_LISTENER_TRANSPARENT)
            problems_error(l->problems, place,
                           "listeners[%zu]: clients of a transparent listener don't know of a "
                           "proxy and can't say who they are; write authenticate: false there",
                           i);
        else if (wanted && !can_authenticate(cfg, listener))
            problems_error(l->problems, place,
                           "listeners[%zu]: clients must say who they are and have no way to; give "
                           "access.htpasswd, access.negotiate or, on this listener, tls.client-ca",
                           i);
    }
    if (by_nobody && (cfg->access.htpasswd || cfg->access.negotiate.keytab))
        problems_warning(l->problems, place_of(l, "access.require"),
                         "access.require: none lets in who says nothing, although passwords or "
                         "Kerberos are set up; write any, or leave it out");
}

/* A file that the daemon will open for writing. Its folder may be made by whoever starts it, so one
 * that is absent is a warning. */
static void check_written(struct loader *l, const char *key, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    char *folder = slash > path ? strndup(path, (size_t)(slash - path)) : NULL;
    struct stat st;

    if (!path || !given(l, key))
        goto out;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        problems_error(l->problems, place_of(l, key), "%s: %s is a folder; name a file in it", key,
                       path);
    else if (folder && stat(folder, &st) != 0 && errno == ENOENT)
        problems_warning(l->problems, place_of(l, key),
                         "%s: there is no folder %s; it must be there when dived starts", key,
                         folder);
out:
    free(folder);
}

static bool is_file(const char *log)
{
    return log && strcmp(log, "-") != 0 && !log_target_is_remote(log);
}

static void check_log(struct loader *l)
{
    const char *access_log = l->cfg->log.access;
    const char *error_log = l->cfg->log.error;

    if (access_log && error_log && strcmp(access_log, "-") != 0 &&
        !log_target_is_remote(access_log) && strcmp(access_log, error_log) == 0)
        problems_error(l->problems, place_of(l, "log.error"),
                       "log: access and error are one file; they must be two, or \"-\"");
    if (is_file(access_log))
        check_written(l, "log.access", access_log);
    if (is_file(error_log))
        check_written(l, "log.error", error_log);
    check_written(l, "audit.file", l->cfg->audit.file);
}

void check_config(struct loader *l)
{
    check_addresses(l);
    check_interception(l);
    check_origins(l);
    check_anchors(l);
    check_forward(l);
    check_stubs(l);
    check_unbound(l);
    check_scopes(l);
    rule_check(l);
    check_hold(l);
    check_limits(l);
    check_access(l);
    check_authentication(l);
    check_log(l);
}
