/* SPDX-License-Identifier: BSD-2-Clause
 *
 * context: see context.h. The settings are a list of libunbound calls to be replayed for each
 * context: our defaults first, then the configuration, the free options last; what they must not
 * undo is checked at the end.
 */
#include "dns/context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unbound-event.h>
#include <unistd.h>

#include "core/log.h"
#include "dns/anchor.h"
#include "dns/message.h"
#include "dns/tls_forward.h"

#define OPERATIONS_MAX 2048
#define FORWARDERS_MAX 16
#define DNS_PORT 53
#define DNS_TLS_PORT 853

/* Answered by the context itself, without a packet (RFC 6761 section 6.4). It must be a zone that
 * is there already: one added below it would hide it from names further on (1.17.1). */
#define LOCAL_NAME "invalid."

enum kind { OPTION, FORWARD, STUB, ANCHOR, ANCHOR_AUTO, NO_LOCAL_ZONE };

struct operation {
    enum kind kind;
    char *a; /* option name with colon; address; zone; record; path; zone */
    char *b; /* option value; stub address */
};

struct context_settings {
    struct loop *loop;
    unsigned references;
    size_t relays;
    struct tls_forward *relay[FORWARDERS_MAX]; /* DNS over TLS: one a forwarder */
    size_t n;
    struct operation operation[OPERATIONS_MAX];
};

/* libunbound's own defaults are for a program that asks a question now and then. */
static const struct {
    const char *name, *shared, *fresh;
} defaults[] = {
    {"outgoing-range:", "256", "32"},
    {"outgoing-num-tcp:", "64", "4"},
    {"num-queries-per-thread:", "4096", "1024"},
    {"msg-cache-size:", "8m", "256k"},
    {"rrset-cache-size:", "16m", "512k"},
    {"key-cache-size:", "4m", "256k"},
    {"neg-cache-size:", "1m", "64k"},
};

/* What would mix our four results, or make a revocation slower than the TTL. */
static const struct {
    const char *name, *must_be, *why;
} invariants[] = {
    {"val-permissive-mode", "no", "would pass bogus answers off as insecure ones"},
    {"serve-expired", "no", "would serve records beyond their TTL"},
    {"cache-min-ttl", "0", "would keep records beyond their TTL"},
};

/* Zones that libunbound answers itself (static local zones): a stub for one needs them out of the
 * way.
 * (`local-zone: "test." nodefault` given as an option is accepted and ignored by 1.17.1.) localhost
 * is not among them: RFC 6761 section 6.3 says it must never be asked about. */
static const char *const builtin_zones[] = {"test", "invalid", "onion", "home.arpa"};

/* ---- libunbound's log ---- */

/* libunbound keeps one log stream a process, and closes the old one whenever a context is created.
 * While a context is made, the first complaint is kept: it is the reason for the failure. */
static _Thread_local char *complaint;
static _Thread_local size_t complaint_size;
static pthread_mutex_t creation = PTHREAD_MUTEX_INITIALIZER;

static ssize_t on_log(void *cookie, const char *data, size_t n)
{
    const char *error = memmem(data, n, " error: ", 8);
    int length = (int)(n > 400 ? 400 : n);

    if (length > 0 && data[length - 1] == '\n')
        length--;
    if (error) {
        error += 8;
        if (complaint && complaint[0] == '\0')
            snprintf(complaint, complaint_size, "%.*s", (int)(data + length - error), error);
    }
    log_debug("dns", "%.*s", length, data);
    return (ssize_t)n;
}

static int take_log(struct ub_ctx *ub)
{
    static const cookie_io_functions_t functions = {.write = on_log};
    FILE *stream = fopencookie(NULL, "w", functions);

    if (!stream)
        return DIVE_E_NOMEM;
    setvbuf(stream, NULL, _IOLBF, 1024);
    ub_ctx_debugout(ub, stream); /* closed by libunbound when the next context is created */
    return 0;
}

/* ---- settings ---- */

static int add(struct context_settings *s, enum kind kind, const char *a, const char *b,
               char *error, size_t error_size)
{
    struct operation *op;

    if (s->n == OPERATIONS_MAX) {
        snprintf(error, error_size, "dns: more than %d settings", OPERATIONS_MAX);
        return DIVE_E_LIMIT;
    }
    op = &s->operation[s->n];
    op->kind = kind;
    op->a = strdup(a);
    op->b = b ? strdup(b) : NULL;
    s->n++;
    if (!op->a || (b && !op->b)) {
        snprintf(error, error_size, "out of memory");
        return DIVE_E_NOMEM;
    }
    return 0;
}

struct server {
    struct sockaddr_storage address;
    socklen_t length;
    bool loopback;
};

/* "addr" or "addr@port", addr being a literal. */
static bool parse_server(const char *text, int port, struct server *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&out->address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->address;
    char host[INET6_ADDRSTRLEN];
    size_t n = text ? strcspn(text, "@") : sizeof host;

    memset(out, 0, sizeof *out);
    if (n >= sizeof host)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    if (text[n] == '@') {
        size_t digits = strspn(text + n + 1, "0123456789");

        if (digits == 0 || digits > 5 || text[n + 1 + digits] != '\0')
            return false;
        port = atoi(text + n + 1);
        if (port < 1 || port > 65535)
            return false;
    }
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        uint32_t bits = ntohl(in->sin_addr.s_addr);

        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        out->length = sizeof *in;
        out->loopback = bits >> 24 == 127 || bits >> 24 == 0;
        return true;
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        out->length = sizeof *in6;
        out->loopback =
            IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
        return true;
    }
    return false;
}

/* Is `zone` equal to or below `top`? Trailing dot and case don't matter. */
static bool zone_within(const char *zone, const char *top)
{
    size_t n = strlen(zone), t = strlen(top);

    if (n > 0 && zone[n - 1] == '.')
        n--;
    return n >= t && strncasecmp(zone + n - t, top, t) == 0 && (n == t || zone[n - t - 1] == '.');
}

static int add_stub(struct context_settings *s, const struct resolver_stub *stub, bool *loopback,
                    char *error, size_t error_size)
{
    struct server server;
    int r;

    if (!stub->zone || (strcmp(stub->zone, ".") != 0 && !dns_name_valid(stub->zone))) {
        snprintf(error, error_size, "dns.stub: '%s' is no zone name", stub->zone ? stub->zone : "");
        return DIVE_E_SYNTAX;
    }
    if (!parse_server(stub->address, DNS_PORT, &server)) {
        snprintf(error, error_size, "dns.stub: '%s' is no address (expected \"addr@port\")",
                 stub->address ? stub->address : "");
        return DIVE_E_SYNTAX;
    }
    *loopback |= server.loopback;
    for (size_t i = 0; i < sizeof builtin_zones / sizeof builtin_zones[0]; i++) {
        if (!zone_within(stub->zone, builtin_zones[i]))
            continue;
        r = add(s, NO_LOCAL_ZONE, builtin_zones[i], NULL, error, error_size);
        if (r)
            return r;
    }
    return add(s, STUB, stub->zone, stub->address, error, error_size);
}

/* One forwarder. With TLS libunbound is sent to a relay of ours on loopback. */
static int add_forward(struct context_settings *s, const struct resolver_config *config,
                       const char *address, bool *loopback, char *error, size_t error_size)
{
    struct server server;
    int r;

    if (!parse_server(address, config->forward_tls ? DNS_TLS_PORT : DNS_PORT, &server)) {
        snprintf(error, error_size, "dns.forward: '%s' is no address (expected \"addr@port\")",
                 address ? address : "");
        return DIVE_E_SYNTAX;
    }
    *loopback |= server.loopback;
    if (config->forward_tls) {
        struct tls_forward **relay = &s->relay[s->relays];

        if (s->relays == FORWARDERS_MAX) {
            snprintf(error, error_size, "dns.forward: more than %d", FORWARDERS_MAX);
            return DIVE_E_LIMIT;
        }
        r = tls_forward_new(relay, s->loop, (struct sockaddr *)&server.address, server.length,
                            config->forward_tls, config->forward_tls_ca, error, error_size);
        if (r)
            return r;
        s->relays++;
        *loopback = true;
        address = tls_forward_address(*relay);
    }
    return add(s, FORWARD, address, NULL, error, error_size);
}

static int add_servers(struct context_settings *s, const struct resolver_config *config,
                       char *error, size_t error_size)
{
    bool loopback = false;
    int r;

    if (config->forward_tls &&
        (config->forward_count == 0 || !dns_name_valid(config->forward_tls))) {
        snprintf(error, error_size, "dns.forward-tls: '%s' %s", config->forward_tls,
                 config->forward_count == 0 ? "has no dns.forward to go with"
                                            : "is no name to authenticate");
        return DIVE_E_SYNTAX;
    }
    for (size_t i = 0; i < config->forward_count; i++) {
        r = add_forward(s, config, config->forward[i], &loopback, error, error_size);
        if (r)
            return r;
    }
    if (config->forward_tls) { /* the relay speaks TCP only; stubs are asked over TCP then, too */
        r = add(s, OPTION, "tcp-upstream:", "yes", error, error_size);
        if (r)
            return r;
    }
    for (size_t i = 0; i < config->stub_count; i++) {
        r = add_stub(s, &config->stub[i], &loopback, error, error_size);
        if (r)
            return r;
    }
    /* A delegation to 127.0.0.1 that a stranger wrote must not lead to this machine; a server on
     * loopback that the administrator named must be asked. */
    return add(s, OPTION, "do-not-query-localhost:", loopback ? "no" : "yes", error, error_size);
}

static int add_anchors(struct context_settings *s, const struct resolver_config *config,
                       char *error, size_t error_size)
{
    struct anchor_list list = {0};
    char reason[300];
    int r = 0;

    if (config->trust_anchor_file) {
        r = anchor_read(config->trust_anchor_file, &list, reason, sizeof reason);
        if (r)
            snprintf(error, error_size, "dns.trust-anchor-file: %s", reason);
        for (size_t i = 0; r == 0 && i < list.n; i++)
            r = add(s, ANCHOR, list.line[i], NULL, error, error_size);
        anchor_clear(&list);
    }
    if (r == 0 && config->trust_anchor_auto) {
        if (access(config->trust_anchor_auto, R_OK | W_OK) != 0) {
            snprintf(error, error_size,
                     "dns.trust-anchor-auto: %s: %s (it must exist and be writable)",
                     config->trust_anchor_auto, strerror(errno));
            return DIVE_E_NOT_FOUND;
        }
        r = add(s, ANCHOR_AUTO, config->trust_anchor_auto, NULL, error, error_size);
    }
    return r;
}

static int add_options(struct context_settings *s, const struct resolver_config *config,
                       char *error, size_t error_size)
{
    for (size_t i = 0; i < config->option_count; i++) {
        const struct resolver_option *option = &config->option[i];
        char name[128];
        size_t n = option->name ? strlen(option->name) : 0;
        int r;

        if (n == 0 || n > sizeof name - 2 || !option->value) {
            snprintf(error, error_size, "dns.unbound: an option has no name or no value");
            return DIVE_E_SYNTAX;
        }
        snprintf(name, sizeof name, "%s%s", option->name, option->name[n - 1] == ':' ? "" : ":");
        r = add(s, OPTION, name, option->value, error, error_size);
        if (r)
            return r;
    }
    return 0;
}

int context_settings_new(struct context_settings **out, struct loop *loop,
                         const struct resolver_config *config, char *error, size_t error_size)
{
    struct context_settings *s = NULL;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(error, error_size, "out of memory");
        return DIVE_E_NOMEM;
    }
    s->loop = loop;
    s->references = 1;
    r = add_servers(s, config, error, error_size);
    if (r == 0)
        r = add_anchors(s, config, error, error_size);
    if (r == 0)
        r = add_options(s, config, error, error_size);
    if (r)
        context_settings_free(&s);
    *out = s;
    return r;
}

void context_settings_free(struct context_settings **settings)
{
    struct context_settings *s = *settings;

    *settings = NULL;
    if (!s || --s->references > 0)
        return;
    for (size_t i = 0; i < s->relays; i++)
        tls_forward_free(&s->relay[i]);
    for (size_t i = 0; i < s->n; i++) {
        free(s->operation[i].a);
        free(s->operation[i].b);
    }
    free(s);
}

struct context_settings *context_settings_hold(struct context_settings *settings)
{
    settings->references++;
    return settings;
}

/* ---- contexts ---- */

static int apply(struct ub_ctx *ub, const struct operation *op, char *error, size_t error_size)
{
    int u = UB_INITFAIL;

    switch (op->kind) {
    case OPTION:
        u = ub_ctx_set_option(ub, op->a, op->b);
        if (u)
            snprintf(error, error_size, "dns.unbound: libunbound does not take '%s %s'", op->a,
                     op->b);
        break;
    case FORWARD:
        u = ub_ctx_set_fwd(ub, op->a);
        if (u)
            snprintf(error, error_size, "dns.forward: '%s': %s", op->a, ub_strerror(u));
        break;
    case STUB:
        u = ub_ctx_set_stub(ub, op->a, op->b, 0);
        if (u)
            snprintf(error, error_size, "dns.stub: %s at %s: %s", op->a, op->b, ub_strerror(u));
        break;
    case ANCHOR:
        u = ub_ctx_add_ta(ub, op->a);
        if (u)
            snprintf(error, error_size, "dns.trust-anchor-file: '%.60s': %s", op->a,
                     ub_strerror(u));
        break;
    case ANCHOR_AUTO:
        u = ub_ctx_add_ta_autr(ub, op->a);
        if (u)
            snprintf(error, error_size, "dns.trust-anchor-auto: %s: %s", op->a, ub_strerror(u));
        break;
    case NO_LOCAL_ZONE: /* once it is finalised */
        return 0;
    }
    return u == 0 ? 0 : u == UB_NOMEM ? DIVE_E_NOMEM : DIVE_E_SYNTAX;
}

static int check_invariants(struct ub_ctx *ub, char *error, size_t error_size)
{
    char *value = NULL;
    bool validates;

    for (size_t i = 0; i < sizeof invariants / sizeof invariants[0]; i++) {
        bool met;

        if (ub_ctx_get_option(ub, invariants[i].name, &value) || !value)
            return DIVE_E_INTERNAL;
        met = strcmp(value, invariants[i].must_be) == 0;
        free(value);
        value = NULL;
        if (!met) {
            snprintf(error, error_size, "dns.unbound: %s must be '%s': anything else %s",
                     invariants[i].name, invariants[i].must_be, invariants[i].why);
            return DIVE_E_UNSUPPORTED;
        }
    }
    if (ub_ctx_get_option(ub, "module-config", &value) || !value)
        return DIVE_E_INTERNAL;
    validates = strstr(value, "validator") != NULL;
    free(value);
    if (!validates) {
        snprintf(error, error_size, "dns.unbound: module-config must contain 'validator'");
        return DIVE_E_UNSUPPORTED;
    }
    return 0;
}

static void on_local_answer(void *arg, int rcode, void *packet, int n, int sec, char *why,
                            int ratelimited)
{
    *(bool *)arg = true;
}

/* Adding a zone finalises the configuration; a question about it makes the worker. */
static int finalise(struct ub_ctx *ub, const struct context_settings *s, char *error,
                    size_t error_size)
{
    char reason[200] = "";
    bool answered = false;
    int id = 0, u;

    complaint = reason;
    complaint_size = sizeof reason;
    u = ub_ctx_zone_add(ub, LOCAL_NAME, "static");
    if (u == 0)
        u = ub_resolve_event(ub, LOCAL_NAME, DNS_TYPE_A, 1, &answered, on_local_answer, &id);
    for (size_t i = 0; u == 0 && i < s->n; i++) {
        if (s->operation[i].kind == NO_LOCAL_ZONE)
            u = ub_ctx_zone_remove(ub, s->operation[i].a);
    }
    complaint = NULL;
    if (u == 0 && answered)
        return 0;
    snprintf(error, error_size, "dns: %s%s%s", ub_strerror(u), reason[0] ? ": " : "", reason);
    return u == UB_NOMEM ? DIVE_E_NOMEM : DIVE_E_SYNTAX;
}

static int configure(struct ub_ctx *ub, const struct context_settings *s, bool fresh, char *error,
                     size_t error_size)
{
    int r;

    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        const char *value = fresh ? defaults[i].fresh : defaults[i].shared;

        if (ub_ctx_set_option(ub, defaults[i].name, value)) {
            snprintf(error, error_size, "dns: libunbound does not take '%s %s'", defaults[i].name,
                     value);
            return DIVE_E_INTERNAL;
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        r = apply(ub, &s->operation[i], error, error_size);
        if (r)
            return r;
    }
    return check_invariants(ub, error, error_size);
}

int context_create(struct ub_ctx **out, struct loop *loop, const struct context_settings *settings,
                   bool fresh, char *error, size_t error_size)
{
    struct ub_ctx *ub = NULL;
    int r = DIVE_E_INTERNAL;

    *out = NULL;
    snprintf(error, error_size, "dns: no libunbound context");
    pthread_mutex_lock(&creation);
    ub = ub_ctx_create_event(loop->base);
    if (!ub) {
        r = DIVE_E_NOMEM;
        goto out;
    }
    r = take_log(ub);
    if (r)
        goto out;
    r = configure(ub, settings, fresh, error, error_size);
    if (r)
        goto out;
    r = finalise(ub, settings, error, error_size);
    if (r)
        goto out;
    *out = ub;
    ub = NULL;
out:
    if (ub)
        ub_ctx_delete(ub);
    pthread_mutex_unlock(&creation);
    return r;
}

void context_delete(struct ub_ctx **ub)
{
    if (!*ub)
        return;
    pthread_mutex_lock(&creation);
    ub_ctx_delete(*ub);
    pthread_mutex_unlock(&creation);
    *ub = NULL;
}
