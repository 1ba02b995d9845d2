/* SPDX-License-Identifier: BSD-2-Clause
 *
 * schema: the table. A new key is one line here and one member in config.h; docs/configuration.md
 * is then written anew with `dived --config-reference` (a test compares them).
 */
#include "config/schema.h"

#include <assert.h>
#include <string.h>

#include "config/config.h"
#include "lib/policy_record.h"

#define X(id, word) word,
static const char *const listener_modes[] = {CONFIG_LISTENER_MODES(X) NULL};
static const char *const other_protocols[] = {CONFIG_OTHER_PROTOCOLS(X) NULL};
static const char *const no_sni[] = {CONFIG_NO_SNI(X) NULL};
static const char *const ech[] = {CONFIG_ECH(X) NULL};
static const char *const client_certificates[] = {CONFIG_CLIENT_CERTIFICATES(X) NULL};
static const char *const requires[] = {CONFIG_REQUIRES(X) NULL};
static const char *const modes[] = {CONFIG_MODES(X) NULL};
static const char *const browsers[] = {CONFIG_BROWSERS(X) NULL};
static const char *const failures[] = {CONFIG_FAILURES(X) NULL};
static const char *const unsupported[] = {CONFIG_UNSUPPORTED(X) NULL};
static const char *const https_required[] = {CONFIG_HTTPS_REQUIRED(X) NULL};
static const char *const other_success[] = {CONFIG_OTHER_SUCCESS(X) NULL};
static const char *const error_bodies[] = {CONFIG_ERROR_BODIES(X) NULL};
static const char *const reports[] = {CONFIG_REPORTS(X) NULL};
static const char *const release[] = {CONFIG_RELEASE(X) NULL};
static const char *const log_formats[] = {CONFIG_LOG_FORMATS(X) NULL};
static const char *const schemes[] = {CONFIG_SCHEMES(X) NULL};
#undef X
#define X(id, token, cap) token,
static const char *const versions[] = {DIVE_VERSIONS(X) NULL};
#undef X
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

/* Words are stored as an unsigned; so every enumeration must be one in memory. */
static_assert(sizeof(enum config_mode) == sizeof(unsigned), "enums are words of 4 bytes");
static_assert(sizeof(struct config_dns_server) == sizeof(char *),
              "a list of these is one of texts");

#define KIB 1024LL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define LIST SCHEMA_LIST
#define NULLABLE SCHEMA_NULLABLE
#define REQUIRED SCHEMA_REQUIRED
#define OPEN SCHEMA_OPEN
#define WRITTEN SCHEMA_WRITTEN
#define DIRECTORY SCHEMA_DIRECTORY
#define SOME (SCHEMA_OPEN | SCHEMA_LIST | SCHEMA_ONE) /* one value or a list of them */

#define AT(member) offsetof(struct config, member)
#define SECTION(path, help)                                                                        \
    {                                                                                              \
        path, SCHEMA_SECTION, 0, 0, 0, NULL, NULL, 0, 0, help                                      \
    }
#define FORMAT(path, help)                                                                         \
    {                                                                                              \
        path, SCHEMA_FORMAT, REQUIRED, 0, 0, NULL, NULL, 1, 1, help                                \
    }
#define ITEMS(path, member, item, standard, help)                                                  \
    {                                                                                              \
        path, SCHEMA_ITEMS, LIST, AT(member), sizeof(struct item), standard, NULL, 0, 0, help      \
    }
#define KEY(path, type, flags, member, standard, help)                                             \
    {                                                                                              \
        path, SCHEMA_##type, flags, AT(member), 0, standard, NULL, 0, 0, help                      \
    }
#define WORD(path, member, words, standard, help)                                                  \
    {                                                                                              \
        path, SCHEMA_WORD, 0, AT(member), 0, standard, words, 0, 0, help                           \
    }
#define VERSIONS(path, member, standard, help)                                                     \
    {                                                                                              \
        path, SCHEMA_VERSION, LIST, AT(member), 0, standard, versions, 0, 0, help                  \
    }
#define NUMBER(path, type, flags, member, standard, min, max, help)                                \
    {                                                                                              \
        path, SCHEMA_##type, flags, AT(member), 0, standard, NULL, min, max, help                  \
    }
/* Of a list's entry: absent unless given, so without defaults. */
#define ITEM(path, type, flags, item, member, words, help)                                         \
    {                                                                                              \
        path, SCHEMA_##type, flags, offsetof(struct item, member), 0, NULL, words, 0, 0, help      \
    }

/* clang-format off */
const struct schema_key schema[] = {
FORMAT("version", "The version of this file's format: 1."),
NUMBER("workers", WORKERS, 0, workers, "auto", 1, 256,
    "Worker threads; `auto`: one for each CPU that the process may use."),

SECTION("process", "What the process is and may do; see [hardening](hardening.md). Changes take a restart."),
KEY("process.user", ACCOUNT, NULLABLE, process.user, "null",
    "User to become once the configuration is read, when started as root; a name or a number in quotes. null: none."),
KEY("process.group", ACCOUNT, NULLABLE, process.group, "null", "Group to become; null: that of `user`."),

SECTION("sandbox", "What the process forbids itself before it accepts connections. Changes take a restart."),
KEY("sandbox.seccomp", BOOL, 0, sandbox.seccomp, "true",
    "System calls: only those that are needed. Starting a program, for one, ends the process."),
KEY("sandbox.landlock", BOOL, 0, sandbox.landlock, "true",
    "Files: only what this configuration and the system's libraries need (Linux 5.19 and later; otherwise a warning)."),

ITEMS("listeners", listeners, config_listener, "[{address: \"127.0.0.1:3128\", mode: explicit}]",
    "Where clients connect. At least one."),
ITEM("listeners[].address", ADDRESS, REQUIRED, config_listener, address, NULL,
    "Address and port to listen on."),
ITEM("listeners[].name", NAME, OPEN, config_listener, name, NULL,
    "What rules call it by; when absent the address as written here."),
ITEM("listeners[].mode", WORD, 0, config_listener, mode, listener_modes,
    "`explicit` (when absent): clients are told to use a proxy. `transparent`: a firewall sends connections here that were meant for others (nft REDIRECT or TPROXY)."),
ITEM("listeners[].tproxy", BOOL, 0, config_listener, tproxy, NULL,
    "Of a transparent listener: `true` for TPROXY, which needs CAP_NET_ADMIN; `false` (when absent) for REDIRECT."),
ITEM("listeners[].other", WORD, 0, config_listener, other, other_protocols,
    "Of a transparent listener: what is neither TLS nor HTTP; `pass` (when absent) it on unseen, or `close` it."),
ITEM("listeners[].no-sni", WORD, 0, config_listener, no_sni, no_sni,
    "Of a transparent listener: TLS that doesn't say for which host; `splice` (tunnel it unseen and unverified) or `close`. When absent: `close` where `dive.mode` is `enforce` and TLS is intercepted, else `splice`."),
ITEM("listeners[].ech", WORD, 0, config_listener, ech, ech,
    "Of a transparent listener: TLS with an encrypted_client_hello extension. `intercept` (when absent): by the server name that can be seen, as if the extension weren't there. `splice` and `close` also hit every client that sends a decoy (GREASE), as all current browsers do."),
ITEM("listeners[].proxy-protocol", NETWORK, LIST, config_listener, proxy_protocol, NULL,
    "Networks of load balancers that begin each connection with a PROXY protocol header (v1 or v2), which says who the client is. They must send it; connections from elsewhere to this listener are closed."),
ITEM("listeners[].authenticate", BOOL, 0, config_listener, authenticate, NULL,
    "Whether clients of this listener must say who they are; as `access.require` says when absent."),
SECTION("listeners[].tls", "TLS towards clients (an `https://` proxy); when absent it is spoken in the clear."),
ITEM("listeners[].tls.certificate", PATH, REQUIRED, config_listener, tls.certificate, NULL,
    "Certificate that clients are shown, with its chain, PEM. Read again at each reload."),
ITEM("listeners[].tls.key", PATH, REQUIRED, config_listener, tls.key, NULL, "Its private key, PEM without a passphrase."),
ITEM("listeners[].tls.client-ca", PATH, 0, config_listener, tls.client_ca, NULL,
    "CA certificates that client certificates are checked against, PEM."),
ITEM("listeners[].tls.client-certificate", WORD, 0, config_listener, tls.client_certificate, client_certificates,
    "`required`: only clients with a certificate of `client-ca` get in (when absent and there is a `client-ca`). `optional`: they may have one. `none`: they aren't asked. The certificate names the user: its first e-mail address, else its first URI, else the subject's common name."),

SECTION("admin", "For `divectl` and for monitoring."),
KEY("admin.socket", PATH, NULLABLE | WRITTEN, admin.socket, "/run/dived/control.sock",
    "Unix socket for `divectl`; null: none."),
KEY("admin.http", ADDRESS, NULLABLE, admin.http, "\"127.0.0.1:9128\"",
    "Address of the admin page, `/metrics`, `/healthz` and `/readyz`; null: none. It asks for no password: keep it on loopback."),
KEY("admin.hosts", HOST_GLOB, LIST, admin.hosts, "[]",
    "Names under which browsers may ask for the admin page, besides `localhost`, this machine's name and any address."),

SECTION("interception", "Looking into TLS: DIVE's header fields are inside of it."),
KEY("interception.enabled", BOOL, 0, interception.enabled, "true",
    "Whether TLS inside of CONNECT is opened, by certificates of a CA of our own. Without it such connections are tunnelled and not verified."),
KEY("interception.ca-certificate", PATH, NULLABLE, interception.ca_certificate, "/var/lib/dived/ca.crt",
    "The CA's certificate, PEM. Made at first start when it is absent. To be given together with `ca-key`."),
KEY("interception.ca-key", KEY_SOURCE, NULLABLE, interception.ca_key, "/var/lib/dived/ca.key",
    "The CA's private key: a PEM file; `credential:NAME`, one of systemd's `LoadCredential=`; or a `pkcs11:` URI with `pin-source=file:PATH` in it. A process of its own has it, see [hardening](hardening.md). Another place takes a restart."),
NUMBER("interception.certificate-lifetime", DURATION, 0, interception.certificate_lifetime_ms, "168h", HOUR, 365 * DAY,
    "How long a certificate that is made for a host is valid."),
NUMBER("interception.certificate-cache", INTEGER, 0, interception.certificate_cache, "4096", 16, 1000000,
    "How many of these are kept."),
KEY("interception.splice", HOST_GLOB, LIST, interception.splice, "[]",
    "Hosts whose TLS is tunnelled unseen, and therefore not verified."),

SECTION("origins", "Connections to origin servers."),
KEY("origins.ca-file", PATH, NULLABLE, origins.ca_file, "/etc/ssl/certs/ca-certificates.crt",
    "CA certificates that origins are checked against, PEM; null: OpenSSL's default."),
NUMBER("origins.connect-timeout", DURATION, 0, origins.connect_timeout_ms, "10s", 100, 10 * MINUTE,
    "For the TCP connection, over all addresses of the host."),
KEY("origins.allow-networks", NETWORK, LIST, origins.allow_networks, "[]",
    "Connections to loopback, private, link-local and multicast addresses and to those of the proxy itself are refused, except into these networks."),
NUMBER("origins.pool-size-per-host", INTEGER, 0, origins.pool_size_per_host, "32", 0, 10000,
    "Idle connections that are kept, for each host and worker; 0: none."),
KEY("origins.parent", PARENT, NULLABLE, origins.parent, "null",
    "A proxy to go through, `http://user@host:port` or `https://user@host:port`; null: straight to the origins. The parent's own address may be in any network."),
KEY("origins.parent-password-file", PATH, NULLABLE, origins.parent_password_file, "null",
    "The passwords of parents that name a user (Basic). A line `user@host:port password` for each; a single line of another form is the password of `parent`'s user."),
KEY("origins.parent-keytab", PATH, NULLABLE, origins.parent_keytab, "null",
    "A client keytab: parents without a user are sent Negotiate (Kerberos) for the service HTTP at their host. See [parent proxies](parent.md)."),
KEY("origins.parent-principal", LABEL, NULLABLE, origins.parent_principal, "null",
    "Who to be by `parent-keytab`, such as `dived@CORP.EXAMPLE`; null: the first principal in it."),

SECTION("dns", "The embedded, validating resolver (libunbound)."),
KEY("dns.trust-anchor-file", PATH, NULLABLE, dns.trust_anchor_file, "/usr/share/dns/root.key",
    "Trust anchors for DNSSEC, zone-file format, read only. Instead of `trust-anchor-auto`. Null only when `unbound` names anchors."),
KEY("dns.trust-anchor-auto", PATH, NULLABLE | WRITTEN, dns.trust_anchor_auto, "null",
    "Trust anchors that are kept up to date in this file (RFC 5011); it must be writable."),
KEY("dns.forward", DNS_SERVER, LIST, dns.forward, "[]",
    "Resolvers to send queries to; empty: full recursion from the root. The port is 53 when absent (853 with `forward-tls`). Their answers are validated here all the same."),
KEY("dns.forward-tls", DNS_NAME, NULLABLE, dns.forward_tls, "null",
    "DNS over TLS to the servers of `forward`, authenticated by this name."),
ITEMS("dns.stub", dns.stub, config_stub, "[]",
    "Zones that are asked of certain name servers. Several entries for one zone are several servers."),
ITEM("dns.stub[].zone", ZONE, REQUIRED, config_stub, zone, NULL, "The zone, with or without trailing dot."),
ITEM("dns.stub[].address", DNS_SERVER, REQUIRED, config_stub, address, NULL, "An authoritative server of it."),
KEY("dns.unbound", OPTIONS, 0, dns.unbound, "{}",
    "Any further option of libunbound (those of `server:` in unbound.conf), as `name: value`, or `name: [value, value]` for options that may be repeated."),
NUMBER("dns.timeout", DURATION, 0, dns.timeout_ms, "10s", 100, 5 * MINUTE,
    "Of one lookup, all its retries included. After it there is no answer (see `dive.no-answer`)."),

SECTION("dive", "What is verified, and what follows from a verdict."),
WORD("dive.mode", dive.mode, modes, "enforce",
    "`enforce`: what fails is blocked. `report-only`: nothing is blocked or held back, failures are logged and reported. `off`: nothing is verified."),
VERSIONS("dive.versions", dive.versions, "[dive-draft-00, dive-draft-01]",
    "Versions of policy records that are accepted."),
WORD("dive.unsupported", dive.unsupported, unsupported, "allow",
    "Hosts without a policy: `allow` or `block`."),
WORD("dive.bogus", dive.bogus, failures, "block",
    "A policy answer that fails DNSSEC validation: `block` the host, or `ignore` it as if there were none."),
WORD("dive.no-answer", dive.no_answer, failures, "block",
    "No answer about the policy, and the zone isn't known to be unsigned: `block` the host, or `ignore` it."),
WORD("dive.https-required", dive.https_required, https_required, "upgrade",
    "A plain http request where the policy requires https: `upgrade` it, or `refuse` it."),
WORD("dive.other-success", dive.other_success, other_success, "block",
    "A 2xx response with content other than 200 from a covered host: the drafts don't cover it. `block` or `pass`."),
WORD("dive.error-bodies", dive.error_bodies, error_bodies, "pass",
    "Content of 3xx, 4xx and 5xx responses from a covered host: `pass` or `strip`."),
WORD("dive.browsers", dive.browsers, browsers, "exempt",
    "Requests of browsers (those with Sec-Fetch-Mode), for which the drafts forbid enforcement: `exempt`, `report-only` or `enforce`."),
WORD("dive.reports", dive.reports, reports, "send",
    "Failure reports to where the policy wants them: `send`, `log` only, or `off`."),
NUMBER("dive.remember-policies", DURATION, 0, dive.remember_policies_ms, "720h", 0, 365 * DAY,
    "How long a domain that had a policy is refused when its policy disappears without a validated proof (DNSSEC was stripped or given up); counted from when the policy was seen last. `divectl policies forget` lets one go. 0s: off."),
KEY("dive.user-agent", USER_AGENT, NULLABLE, dive.user_agent, "null",
    "`client.user-agent` in reports; null: `dived` and its version."),
ITEMS("dive.scopes", dive.scopes, config_scope, "[]",
    "What is in custom scopes (`x-*`). Each entry names at least one criterion, all that it names must hold; with several entries of one name, any of them. A custom scope without an entry is ignored, as the drafts say."),
ITEM("dive.scopes[].name", SCOPE_NAME, REQUIRED, config_scope, name, NULL, "The scope's name as policies have it."),
ITEM("dive.scopes[].host", HOST_GLOB, OPEN, config_scope, host, NULL, "Hosts."),
ITEM("dive.scopes[].path", PATH_GLOB, OPEN, config_scope, path, NULL, "Paths of URLs, without query, decoded and without `//`, `/./` and `/../`: `/%61//b/../c` is `/a/c`."),
ITEM("dive.scopes[].media-type", MEDIA_TYPE, OPEN, config_scope, media_type, NULL,
    "Media type of the response, `type/subtype` or `type/*`."),

SECTION("hold", "Content that is kept back until its verdict."),
NUMBER("hold.memory", SIZE, 0, hold.memory, "256KiB", 0, GIB,
    "What of one body is kept in memory; the rest goes into a file."),
KEY("hold.directory", PATH, DIRECTORY, hold.directory, "/var/cache/dived/hold",
    "Where these files are; they have no name and vanish with the process."),
NUMBER("hold.max-size", SIZE, 0, hold.max_size, "16GiB", 1, 64 * TIB,
    "Of one body; a larger one is refused. When absent no more than `max-total`."),
NUMBER("hold.max-total", SIZE, 0, hold.max_total, "64GiB", 1, 1024 * TIB,
    "Of all bodies held at one time. When absent no less than `max-size`."),
NUMBER("hold.timeout", DURATION, 0, hold.timeout_ms, "1h", SECOND, 7 * DAY,
    "How long one body may be held."),
NUMBER("hold.keepalive", DURATION, 0, hold.keepalive_ms, "0s", 0, HOUR,
    "While a body is held: send a `100 Continue` interim response this often, for clients whose read timeout is short; 0s: never. HTTP/1.0 clients and apt, which fails on one, get none. docs/clients.md says which clients it helps."),
WORD("hold.release", hold.release, release, "verdict",
    "`verdict`: not one byte before it. `tail`: all but the last `tail` bytes go out as they come, once policy, key and signature are verified and only the content is left to be; if it fails, the connection is broken off. `trickle`: the same, but only 1 KiB each `trickle-interval`. Both hand out unverified bytes: see the threat model."),
NUMBER("hold.tail", SIZE, 0, hold.tail, "64KiB", 1, GIB,
    "With `tail` and `trickle`: how much of the end of what has arrived stays until the verdict; what is not larger never leaves before it."),
NUMBER("hold.trickle-interval", DURATION, 0, hold.trickle_interval_ms, "5s", 100, HOUR,
    "With `trickle`: how often 1 KiB goes out; for the first time after as long."),

SECTION("cache", "The cache of verified responses (RFC 9111)."),
KEY("cache.directory", PATH, NULLABLE | DIRECTORY, cache.directory, "/var/cache/dived/objects",
    "Where objects are stored; null: in memory only. Another directory needs a restart."),
NUMBER("cache.max-size", SIZE, 0, cache.max_size, "10GiB", 0, 1024 * TIB,
    "Of all stored objects on disk; 0: in memory only."),
NUMBER("cache.memory", SIZE, 0, cache.memory, "256MiB", 0, TIB,
    "Memory for objects that are small or asked for often. With `max-size` 0 too: nothing is stored."),
NUMBER("cache.max-object", SIZE, 0, cache.max_object, "4GiB", 0, 64 * TIB,
    "Of the content of one stored object; a larger one passes and isn't stored."),
KEY("cache.whole-for-range", BOOL, 0, cache.whole_for_range, "false",
    "Fetch the whole when a client asks for a part of something that isn't stored, also where no policy covers it."),
KEY("cache.purge-clients", NETWORK, LIST, cache.purge_clients, "[127.0.0.0/8, \"::1/128\"]",
    "Networks whose clients may remove a stored object with the method PURGE."),

SECTION("state", "What is remembered over a restart: validated DNS records until they expire, and domains that had a policy."),
KEY("state.directory", PATH, NULLABLE | DIRECTORY, state.directory, "/var/lib/dived",
    "Where the file `state` is written, every five minutes and at the end; null: nothing is kept. Takes a restart."),

SECTION("audit", "The durable record of what wasn't plainly verified, for `divectl audit`."),
KEY("audit.file", PATH, NULLABLE | WRITTEN, audit.file, "null",
    "The database, `/var/lib/dived/audit.db` for example; null: none. Its folder must be writable: other files are made beside it. One daemon a file. Another file takes a restart."),
NUMBER("audit.max-size", SIZE, 0, audit.max_size, "1GiB", MIB, 1024 * TIB,
    "Of the database; beyond it the oldest rows go."),
NUMBER("audit.max-age", DURATION, 0, audit.max_age_ms, "2160h", 0, 3650 * DAY,
    "Older rows go; 0s: as old as `max-size` lets them become."),
NUMBER("audit.queue", INTEGER, 0, audit.queue, "8192", 16, 1000000,
    "Events that may wait for the disk; what comes when there are as many is lost, counted and logged."),
NUMBER("audit.head-interval", DURATION, 0, audit.head_interval_ms, "10m", 0, DAY,
    "How often the head of the hash chain is logged when it has changed; 0s: at the end only."),

SECTION("access", "Who may use the proxy, and for what."),
KEY("access.clients", NETWORK, LIST, access.clients, "[127.0.0.0/8, \"::1/128\"]",
    "Networks whose clients are served; all others get a 403."),
KEY("access.connect-ports", PORT, LIST, access.connect_ports, "[443]",
    "Ports that CONNECT may name."),
WORD("access.require", access.require, requires, "none",
    "`any`: clients must say who they are, in any of the ways that are offered: a password, Kerberos, a client certificate (when absent and there is `htpasswd` or `negotiate`). `none`: they may. Networks of `clients` count either way."),
KEY("access.htpasswd", PATH, NULLABLE, access.htpasswd, "null",
    "Users and their passwords for Basic, as htpasswd(1) writes them, by bcrypt, yescrypt or sha512crypt. Read again at each reload."),
KEY("access.realm", LABEL, 0, access.realm, "dived", "What clients show when they ask for a password."),
NUMBER("access.remember", DURATION, 0, access.remember_ms, "5m", 0, DAY,
    "How long a password that was right isn't hashed again; 0s: each request pays for the hash."),
NUMBER("access.failed-attempts", INTEGER, 0, access.failed_attempts, "20", 1, 100000,
    "Wrong passwords a minute that one client address may try; four times as many for one user name from all addresses. More get a 429."),
SECTION("access.negotiate", "Kerberos, by SPNEGO."),
KEY("access.negotiate.keytab", PATH, NULLABLE, access.negotiate.keytab, "null",
    "Keytab with the key of `service`/HOST; null: Kerberos isn't offered."),
KEY("access.negotiate.service", LABEL, 0, access.negotiate.service, "HTTP", "The service's name; clients ask for HTTP."),
KEY("access.negotiate.realm", LABEL, NULLABLE, access.negotiate.realm, "null",
    "Only principals of this realm are let in, and are called by their name without it; null: every realm that the KDC vouches for, by the whole principal."),

SECTION("welcome", "What the proxy says when it is asked for itself (`http://127.0.0.1:3128/`): how to use it, its CA, a PAC file."),
KEY("welcome.enabled", BOOL, 0, welcome.enabled, "true",
    "Whether it does, for those who are in `access.clients`."),
KEY("welcome.names", HOST_GLOB, LIST, welcome.names, "[]",
    "Names by which clients may ask for it, beside `localhost` and the address that they are connected to."),

ITEMS("rules", rules, config_rule, "[]",
    "Exceptions for some requests. The first one that fits counts, and no other. Each names at least one criterion (`host` to `time`), all that it names must hold, of several values any; and at least one action (`mode` to `cache`). See docs/rules.md."),
ITEM("rules[].host", HOST_GLOB, SOME, config_rule, host, NULL, "Hosts."),
ITEM("rules[].hosts-file", PATH, SOME, config_rule, hosts_file, NULL,
    "Files with one host a line (`example.com`, `*.example.com`, or `.example.com` for both), of any length. With `host` too, both must hold."),
ITEM("rules[].client", NETWORK, SOME, config_rule, client, NULL, "The client's network."),
ITEM("rules[].destination", NETWORK, SOME, config_rule, destination, NULL,
    "The network of the address that the client connects to: known in transparent mode, and where a URL has an address for a host."),
ITEM("rules[].port", PORT, SOME, config_rule, port, NULL, "The origin's port."),
ITEM("rules[].scheme", WORD, SOME, config_rule, scheme, schemes, "The URL's scheme; CONNECT counts as https."),
ITEM("rules[].path", PATH_GLOB, SOME, config_rule, path, NULL, "Paths of URLs, without query, decoded and without `//`, `/./` and `/../`: `/%61//b/../c` is `/a/c`."),
ITEM("rules[].method", METHOD, SOME, config_rule, method, NULL, "Methods of requests, in upper case as they come."),
ITEM("rules[].user", NAME, SOME, config_rule, user, NULL,
    "Names of authenticated users; `\"*\"`: any."),
ITEM("rules[].listener", NAME, SOME, config_rule, listener, NULL, "Names of listeners (`listeners[].name`)."),
ITEM("rules[].time", WINDOW, SOME, config_rule, time, NULL,
    "Hours of local time: `mon-fri 08:00-18:00`, `sat`, `22:00-06:00` (into the next day)."),
ITEM("rules[].mode", WORD, OPEN, config_rule, mode, modes, "Instead of `dive.mode`."),
ITEM("rules[].browsers", WORD, OPEN, config_rule, browsers, browsers, "Instead of `dive.browsers`."),
ITEM("rules[].deny", BOOL, OPEN, config_rule, deny, NULL,
    "`true`: the request is refused with a 403. `false`: an exception from a later rule that denies."),
ITEM("rules[].splice", SWITCH, OPEN, config_rule, splice, NULL,
    "`true`: TLS is tunnelled unseen, and therefore not verified. `false`: it is opened, whatever `interception.splice` says."),
ITEM("rules[].require", SWITCH, OPEN, config_rule, require, NULL,
    "`true`: what no DIVE policy covers is blocked, as by `dive.unsupported: block`. `false`: it is let through."),
ITEM("rules[].require-components", COMPONENT, SOME, config_rule, require_components, NULL,
    "Components (RFC 9421) that a signature must cover to count: `\"@path\";req` and `\"@authority\";req` bind it to its URL. DIVE-Sig signatures (draft 00) cover the content alone and don't count then."),
ITEM("rules[].release", WORD, OPEN, config_rule, release, release, "Instead of `hold.release`."),
ITEM("rules[].cache", SWITCH, OPEN, config_rule, cache, NULL,
    "`false`: neither stored nor served from what is stored."),
ITEM("rules[].parent", PARENT, OPEN, config_rule, parent, NULL,
    "Instead of `origins.parent`: another proxy to go through, or `direct`."),

KEY("include", PATH, LIST, include, "[]",
    "More files with `rules`, as file globs: `[conf.d/*.yaml]`. In the order of this list, those of one glob in that of their names; their rules come after the ones above."),

SECTION("limits", "Bounds on what peers may use."),
NUMBER("limits.head-size", SIZE, 0, limits.head_size, "64KiB", KIB, 16 * MIB,
    "Of the head of a request or response."),
NUMBER("limits.header-count", INTEGER, 0, limits.header_count, "128", 8, 10000, "Field lines in one head."),
NUMBER("limits.url-length", SIZE, 0, limits.url_length, "16KiB", 64, 16 * MIB,
    "Of a request's URL. When absent no more than `head-size`."),
NUMBER("limits.connections", INTEGER, 0, limits.connections, "20000", 1, 10000000,
    "Client connections at one time."),
NUMBER("limits.connections-per-client", INTEGER, 0, limits.connections_per_client, "2000", 1, 10000000,
    "The same from one address. When absent no more than `connections`."),
NUMBER("limits.request-body-size", SIZE, 0, limits.request_body_size, "0", 0, 1024 * TIB,
    "Of the content of a request; 0: unlimited."),

SECTION("timeouts", "How long peers may take."),
NUMBER("timeouts.client-head", DURATION, 0, timeouts.client_head_ms, "30s", 100, HOUR,
    "For a request's head, from its first byte to its last."),
NUMBER("timeouts.client-idle", DURATION, 0, timeouts.client_idle_ms, "120s", 100, DAY,
    "Between requests of one connection."),
NUMBER("timeouts.client-body", DURATION, 0, timeouts.client_body_ms, "60s", 100, DAY,
    "Between bytes of a request's content."),
NUMBER("timeouts.client-write", DURATION, 0, timeouts.client_write_ms, "120s", 100, DAY,
    "While the client takes no byte of the response."),
NUMBER("timeouts.tls-handshake", DURATION, 0, timeouts.tls_handshake_ms, "15s", 100, HOUR,
    "Of either side."),
NUMBER("timeouts.origin-head", DURATION, 0, timeouts.origin_head_ms, "60s", 100, DAY,
    "From the end of the request to the end of the response's head."),
NUMBER("timeouts.origin-idle", DURATION, 0, timeouts.origin_idle_ms, "60s", 100, DAY,
    "Between bytes of a response's content."),
NUMBER("timeouts.origin-pool-idle", DURATION, 0, timeouts.origin_pool_idle_ms, "60s", SECOND, DAY,
    "How long an unused connection to an origin is kept."),
NUMBER("timeouts.tunnel-idle", DURATION, 0, timeouts.tunnel_idle_ms, "15m", SECOND, 7 * DAY,
    "Of a tunnel without a byte in either direction."),
NUMBER("timeouts.drain", DURATION, 0, timeouts.drain_ms, "30s", 0, DAY,
    "How long transfers may go on after SIGTERM."),
NUMBER("timeouts.upgrade-drain", DURATION, 0, timeouts.upgrade_drain_ms, "1h", 0, 7 * DAY,
    "How long they may go on in the old process after another one has taken over (SIGUSR2, `divectl upgrade`)."),

SECTION("log", "Both logs are reopened on SIGUSR1."),
KEY("log.access", LOG_PATH, NULLABLE | WRITTEN, log.access, "\"-\"",
    "The access log: a file; \"-\": standard output; `journald`, with a field for each value; `syslog`, `syslog:/dev/log`, `syslog:udp:IP:PORT` or `syslog:tcp:IP:PORT` (RFC 5424); null: none."),
KEY("log.error", LOG_PATH, WRITTEN, log.error, "\"-\"", "The error log; \"-\": standard error; or as `access`."),
WORD("log.format", log.format, log_formats, "json", "Of the access log: `json`, one object a line."),
WORD("log.level", log.level, log_levels, "info", "Of the error log: `error`, `warning`, `info` or `debug`."),
KEY("log.redact-query", BOOL, 0, log.redact_query, "true",
    "Whether query strings are left out of logs and traces; they often hold secrets."),

SECTION("trace", "What `divectl trace` can tell."),
NUMBER("trace.entries", INTEGER, 0, trace.entries, "1024", 0, 100000,
    "How many traces of verdicts are kept, the latest; 0: none."),
};
/* clang-format on */

const size_t schema_count = sizeof(schema) / sizeof(schema[0]);
static_assert(sizeof(schema) / sizeof(schema[0]) <= SCHEMA_KEYS_MAX, "raise SCHEMA_KEYS_MAX");

const char *schema_leaf(const struct schema_key *key, const char *prefix)
{
    size_t n = strlen(prefix);
    const char *leaf = key->path + n;

    return strncmp(key->path, prefix, n) == 0 && *leaf && !strpbrk(leaf, ".[") ? leaf : NULL;
}

int schema_find(const char *prefix, const char *name)
{
    for (size_t i = 0; i < schema_count; i++) {
        const char *leaf = schema_leaf(&schema[i], prefix);

        if (leaf && strcmp(leaf, name) == 0)
            return (int)i;
    }
    return -1;
}

size_t schema_index(const char *path)
{
    for (size_t i = 0; i < schema_count; i++)
        if (strcmp(schema[i].path, path) == 0)
            return i;
    assert(!"a key that the table has");
    return 0;
}

const char *schema_type_word(enum schema_type type)
{
    static const char *const words[] = {
#define X(id, word, plural, size) word,
        SCHEMA_TYPES(X)
#undef X
    };

    return words[type];
}

const char *schema_type_plural(enum schema_type type)
{
    static const char *const words[] = {
#define X(id, word, plural, size) plural,
        SCHEMA_TYPES(X)
#undef X
    };

    return words[type];
}

size_t schema_type_size(enum schema_type type)
{
    static const size_t sizes[] = {
#define X(id, word, plural, size) size,
        SCHEMA_TYPES(X)
#undef X
    };

    return sizes[type];
}
