/* SPDX-License-Identifier: BSD-2-Clause
 *
 * config: one loaded, checked and immutable configuration. A reload makes another one; whoever
 * works by an old one (an exchange, a connection) holds a reference until it is done with it.
 *
 *      file -> config_load() -+-> struct config, shared by all workers: config_ref / config_unref
 *                             +-> struct config_problems: every error and warning, with its place
 *
 *      schema.c      the one table of keys: path, type, default, range, words, help
 *      tree.c        libyaml events -> nodes that know their line and column
 *      value*.c      text -> duration, size, address, glob, and what to say when it isn't one
 *      load*.c       nodes + table -> struct config
 *      check.c       what no single key can tell: contradictions, repetitions, risks
 *      match.c       the questions that the data path asks of it
 *      paths.c       the files that it names
 *      rule.h        rules: who decides about a request
 *      types.h       plain values; words.h: those that are words
 *      include.c     conf.d; read_file.c: a file, bounded
 *      reference.c   table -> docs/configuration.md
 *      arena, problems: memory that goes at once, the list of findings
 *
 * The members below are read directly, never written. Their names are the keys' names with `_` for
 * `-`; durations are in milliseconds (`_ms`), sizes in bytes. Strings and arrays belong to the
 * config and live as long as it does; a string that may be NULL says so. Paths are absolute, or
 * relative to the working directory if the file was named so.
 */
#ifndef DIVED_CONFIG_CONFIG_H
#define DIVED_CONFIG_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "config/match.h"
#include "config/rule.h"
#include "config/types.h"
#include "config/words.h"
#include "core/log.h"
#include "lib/error.h"

#define CONFIG_FILE_MAX (64 * 1024 * 1024) /* bytes of a configuration file */
#define CONFIG_PROBLEMS_MAX 20   /* errors, and as many warnings; what comes after is counted */
#define CONFIG_LIST_MAX 1000000  /* entries of one list */
#define CONFIG_RULES_MAX 1000000 /* of all files */
#define CONFIG_INCLUDES_MAX 1024 /* files */

struct config_listener {
    const char *name; /* of rules; the address's text unless given */
    struct config_address address;
    enum config_listener_mode mode;
    bool tproxy;                           /* connections come by TPROXY, not by REDIRECT */
    enum config_other_protocols other;     /* transparent: neither TLS nor HTTP */
    enum config_no_sni no_sni;             /* transparent: TLS without a name; then never UNSET */
    enum config_ech ech;                   /* transparent: TLS with encrypted_client_hello */
    struct config_networks proxy_protocol; /* who sends a PROXY header first; n == 0: nobody */
    bool authenticate;
    bool authenticate_given; /* else as access.require says */
    struct {
        const char *certificate; /* PEM with its chain; NULL: without TLS */
        const char *key;
        const char *client_ca;                             /* or NULL */
        enum config_client_certificate client_certificate; /* never UNSET with TLS */
    } tls;
};

/* A DNS server as libunbound takes it. */
struct config_dns_server {
    const char *text; /* "ip@port", the port always there: 53, or 853 under forward-tls */
};

struct config_stub {
    const char *zone;    /* lower case, with its trailing dot; "." is the root */
    const char *address; /* "ip@port" */
};

/* An option for ub_ctx_set_option(): `name` without the colon. A list in the file is several of
 * these with one name. YAML's true and false arrive as "yes" and "no". */
struct config_option {
    const char *name;
    const char *value;
};

/* What is in a custom scope. All criteria that are given must hold; several with one name: any may.
 */
struct config_scope {
    const char *name;       /* "x-packages" */
    const char *host;       /* host glob, lower case, or NULL */
    const char *path;       /* path glob, or NULL */
    const char *media_type; /* "type/subtype" or "type/" "*", any case, or NULL */
};

struct config {
    const char *file; /* the name it was loaded from */
    unsigned workers; /* 0: auto, one per CPU that we may use */

    struct {
        const char *user, *group; /* names or numbers; NULL: stay */
    } process;
    struct {
        bool seccomp, landlock;
    } sandbox;
    struct {
        struct config_listener *v; /* at least one */
        size_t n;
    } listeners;
    struct {
        const char *socket;          /* NULL: none */
        struct config_address http;  /* len 0: none */
        struct config_strings hosts; /* host globs, lower case */
    } admin;
    struct {
        bool enabled;
        const char
            *ca_certificate; /* PEM; not NULL when enabled. Made at first start when absent */
        const char *ca_key;  /* a path, or a pkcs11: URI */
        int64_t certificate_lifetime_ms; /* of a minted certificate */
        unsigned certificate_cache;      /* entries */
        struct config_strings splice;    /* host globs, lower case: tunnelled unseen */
    } interception;
    struct {
        const char *ca_file; /* NULL: OpenSSL's default locations */
        int64_t connect_timeout_ms;
        struct config_networks allow_networks; /* holes in the guard against internal addresses */
        unsigned pool_size_per_host;           /* idle connections kept, a host and worker */
        struct config_parent parent;           /* kind UNSET: none */
        const char *parent_password_file;      /* NULL: none */
        const char *parent_keytab;             /* NULL: none */
        const char *parent_principal;          /* NULL: the keytab's first */
    } origins;
    struct {
        const char *trust_anchor_file; /* at most one; none: an option in unbound names them */
        const char *trust_anchor_auto;
        struct {
            struct config_dns_server *v; /* n == 0: full recursion */
            size_t n;
        } forward;
        const char *forward_tls; /* the name to authenticate; NULL: plain DNS. Only with forward */
        struct {
            struct config_stub *v;
            size_t n;
        } stub;
        struct {
            struct config_option *v;
            size_t n;
        } unbound;
        int64_t timeout_ms; /* of one lookup, all retries included */
    } dns;
    struct {
        enum config_mode mode; /* never UNSET */
        unsigned versions;     /* set of DIVE_VERSION_BIT()s, never empty */
        enum config_unsupported unsupported;
        enum config_failure bogus;
        enum config_failure no_answer;
        enum config_https_required https_required;
        enum config_other_success other_success;
        enum config_error_bodies error_bodies;
        enum config_browsers browsers; /* never UNSET */
        enum config_reports reports;
        int64_t remember_policies_ms; /* 0: off */
        const char *user_agent;       /* in reports; NULL: the daemon's own */
        struct {
            struct config_scope *v;
            size_t n;
        } scopes;
    } dive;
    struct {
        int64_t memory; /* of one body; beyond it the file */
        const char *directory;
        int64_t max_size;  /* of one body */
        int64_t max_total; /* of all bodies held at once */
        int64_t timeout_ms;
        int64_t keepalive_ms; /* 0: no interim responses */
        enum config_release release;
        int64_t tail;                /* bytes that stay until the verdict; release: tail, trickle */
        int64_t trickle_interval_ms; /* between two pieces; release: trickle */
    } hold;
    struct {
        const char *directory; /* NULL: memory only */
        int64_t max_size;
        int64_t memory;
        int64_t max_object;
        bool whole_for_range;
        struct config_networks purge_clients;
    } cache;
    struct {
        const char *directory; /* NULL: nothing outlives the process */
    } state;
    struct {
        const char *file; /* NULL: none */
        int64_t max_size;
        int64_t max_age_ms; /* 0: no limit */
        unsigned queue;
        int64_t head_interval_ms; /* 0: at the end only */
    } audit;
    struct {
        struct config_networks clients;
        struct config_ports connect_ports;
        enum config_require require;
        const char *htpasswd;     /* NULL: no Basic */
        const char *realm;        /* printable ASCII without quotes */
        int64_t remember_ms;      /* a password that was right */
        unsigned failed_attempts; /* a minute */
        struct {
            const char *keytab; /* NULL: no Negotiate */
            const char *service;
            const char *realm; /* NULL: users are called by their whole principal */
        } negotiate;
    } access;
    struct {
        bool enabled;                /* the proxy answers requests for itself */
        struct config_strings names; /* host globs, lower case: names that are ours */
    } welcome;
    struct {
        struct config_rule *v;
        size_t n;
    } rules;                       /* of this file, then of those of `include` */
    struct config_strings include; /* file globs */
    struct {
        int64_t head_size;     /* request or response head, bytes */
        unsigned header_count; /* field lines of one head */
        int64_t url_length;
        unsigned connections;
        unsigned connections_per_client;
        int64_t request_body_size; /* 0: unlimited */
    } limits;
    struct {
        int64_t client_head_ms;
        int64_t client_idle_ms;
        int64_t client_body_ms;  /* between bytes */
        int64_t client_write_ms; /* the client takes no byte */
        int64_t tls_handshake_ms;
        int64_t origin_head_ms;
        int64_t origin_idle_ms; /* between body bytes */
        int64_t origin_pool_idle_ms;
        int64_t tunnel_idle_ms;
        int64_t drain_ms;
        int64_t upgrade_drain_ms; /* the same, of a process that has a successor */
    } timeouts;
    struct {
        const char *access; /* path, "-", or NULL: off */
        const char *error;  /* path or "-" */
        enum config_log_format format;
        enum log_level level;
        bool redact_query;
    } log;
    struct {
        unsigned entries; /* traces kept; 0: none */
    } trace;

    struct config_private *private_; /* reference count, memory, which keys were given */
};

/* One finding. `text` says what is wrong and where possible what to write instead. */
struct config_problem {
    bool warning;
    unsigned line; /* 1-based; 0: the file as a whole */
    unsigned column;
    char *file; /* NULL: config_problems' */
    char *text;
};

/* Zeroed memory is an empty list. */
struct config_problems {
    char *file;
    struct config_problem *v; /* in the order of the file */
    size_t n;
    size_t errors; /* how many there were, past CONFIG_PROBLEMS_MAX too */
    size_t warnings;
};

/* Reads and checks `path`. Relative paths in it are taken from the folder of `path`. *out is NULL
 * unless 0 is returned; it comes with one reference. `problems` (zeroed before, or
 * config_problems_free()d) gets all errors and warnings, warnings on success too, and is to be
 * freed either way. DIVE_E_NOT_FOUND: the file can't be read; DIVE_E_SYNTAX: it is wrong;
 * DIVE_E_LIMIT: it is too large; DIVE_E_NOMEM. Each of the first three leaves an error in
 * `problems`. Blocks on the file; to be called by the main thread. */
int config_load(const char *path, struct config **out,
                struct config_problems *problems) DIVE_MUST_USE;

/* The same for text in memory: `name` stands in messages, relative paths are taken from `folder`
 * (NULL: left as they are). */
int config_parse(const char *name, const char *folder, const char *text, size_t n,
                 struct config **out, struct config_problems *problems) DIVE_MUST_USE;

void config_problems_free(struct config_problems *problems);
/* `file:line:column: error: text` (or warning) into `buf`, cut to `size`, always NUL-terminated. */
void config_problem_format(const struct config_problems *problems, size_t i, char *buf,
                           size_t size);

/* Thread-safe. config_unref() sets *cfg to NULL and frees on the last reference. */
struct config *config_ref(const struct config *cfg);
void config_unref(struct config **cfg);

/* Was the key ("admin.socket") given in the file, or is its value the default? A default that can't
 * be had (a socket in a folder that isn't ours) may deserve a warning where a given value is an
 * error. */
bool config_is_given(const struct config *cfg, const char *key);

/* A path that the configuration names, for whoever opens or closes files by it. `flags`: those of
 * its key in the table (config/schema.h), SCHEMA_WRITTEN and SCHEMA_DIRECTORY. Keys are left out:
 * another process reads them. */
typedef void config_path_fn(void *arg, const char *path, unsigned flags);
/* Calls `fn` for each path that is set, those in lists' entries too. */
void config_each_path(const struct config *cfg, config_path_fn *fn, void *arg);

/* docs/configuration.md, from the table of keys; malloc'd, the caller's, NULL without memory. */
char *config_reference(void);

#endif
