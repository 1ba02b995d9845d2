/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tunnel: see tunnel.h.
 */
#include "client/tunnel_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sniff.h"
#include "client/transparent.h"
#include "core/log.h"
#include "exchange/access_log.h"
#include "exchange/audit_note.h"
#include "exchange/error_page.h"
#include "http/media.h"
#include "http/via.h"
#include "lib/domain.h"
#include "tls/accept.h"

static const char *const tunnel_state_words[] = {
#define X(id, word) [TUNNEL_##id] = word,
    TUNNEL_STATES(X)
#undef X
};

static void tunnel_on_client(void *arg, unsigned events);
static void tunnel_on_origin(void *arg, unsigned events);

void tunnel_set_state(struct tunnel *t, enum tunnel_state next)
{
    assert(t->state != TUNNEL_END && next > t->state);
    log_debug("client", "%s %s -> %s", t->id, tunnel_state_words[t->state],
              tunnel_state_words[next]);
    t->state = next;
}

static void tunnel_destroy(struct loop_node *node)
{
    struct tunnel *t = (struct tunnel *)((char *)node - offsetof(struct tunnel, node));

    assert(t->state == TUNNEL_END && t->dial == NULL && !t->relay.running &&
           !loop_timer_is_set(&t->timer));
    http_head_clear(&t->head);
    http_url_clear(&t->url);
    free(t);
}

/* `logged`: it was refused or relayed; what is intercepted logs each request instead. */
void tunnel_end(struct tunnel *t, bool logged)
{
    struct client_connection *c = t->client;

    if (t->state == TUNNEL_END)
        return;
    tunnel_set_state(t, TUNNEL_END);
    c->tunnel_start = NULL;
    dial_cancel(&t->dial);
    relay_stop(&t->relay);
    loop_timer_stop(&t->timer);
    stream_close(&t->origin.stream);
    channel_release(&t->origin);
    if (logged) {
        struct access_entry entry = {
            .started_unix_ms = t->started_unix * 1000,
            .duration_ms = loop_now_ms(&c->worker->loop) - t->started_ms,
            .exchange = t->id,
            .client = c->peer_text,
            .user = c->authentication.user,
            .method = dive_span_str("CONNECT"),
            .url = t->url.authority[0] != '\0' ? t->url.authority : NULL,
            .host = t->url.at.host[0] != '\0' ? t->url.at.host : NULL,
            .status = t->status,
            .bytes = t->relay.bytes[1],
            .verdict = t->relayed ? VERDICT_EXEMPT : VERDICT_NONE,
            .action = t->relayed ? ACTION_STREAMED : ACTION_NONE,
            .error = t->error,
            .rule = t->rule,
            .listener = c->listener,
            .port = t->url.at.port,
            .denied_by = t->denied_by,
        };

        if (t->how != NULL) { /* nobody has asked for anything: by the name, if there was one */
            http_authority_format(t->url.authority, &c->tunnel, 0);
            entry.method = (struct dive_span){0};
            entry.url = c->tunnel.host[0] != '\0' ? t->url.authority : NULL;
            entry.host = c->tunnel.host[0] != '\0' ? c->tunnel.host : NULL;
        }
        access_log_entry(&c->worker->log_line, &entry);
        audit_note_tunnel(c->worker, &entry);
    }
    loop_later(&c->worker->loop, &t->node, tunnel_destroy);
}

bool tunnel_is_untouched(const struct tunnel *t)
{
    return t->state == TUNNEL_SNIFF && t->how != NULL && !t->decided && !t->origin_spoke &&
           buffer_length(&t->client->channel.in) == 0;
}

void tunnel_abort(struct tunnel **tunnel, const char *why)
{
    struct tunnel *t = *tunnel;

    *tunnel = NULL;
    if (t == NULL)
        return;
    if (t->error[0] == '\0')
        snprintf(t->error, sizeof(t->error), "%s", why);
    tunnel_end(t, true);
}

/* Answers the CONNECT with an error and closes. */
static void __attribute__((format(printf, 4, 5)))
tunnel_refuse(struct tunnel *t, int status, const char *error_type, const char *format, ...)
{
    struct client_connection *c = t->client;
    struct error_page page = {
        .status = status,
        .error_type = error_type,
        .text = t->error,
        .host = t->url.at.host[0] != '\0' ? t->url.at.host : NULL,
        .exchange = t->id,
        .html = http_prefers_html(&t->head),
        .close = true,
        .now = worker_now(c->worker),
    };
    va_list args;
    int r;

    va_start(args, format);
    vsnprintf(t->error, sizeof(t->error), format, args);
    va_end(args);
    t->status = status;
    r = error_page_write(&c->channel.out, &c->worker->scratch, &page);
    tunnel_end(t, true);
    client_connection_finish(c, r == 0 ? EXCHANGE_LINGER : EXCHANGE_ABORT);
}

/* After 200 there is no more to say: the client sees its connection break. */
void tunnel_break(struct tunnel *t, const char *format, ...)
{
    struct client_connection *c = t->client;
    va_list args;

    va_start(args, format);
    vsnprintf(t->error, sizeof(t->error), format, args);
    va_end(args);
    log_info("client", "%s: %s to %s: %s", c->peer_text, t->how == NULL ? "tunnel" : "connection",
             t->url.authority, t->error);
    tunnel_end(t, true);
    client_connection_finish(c, EXCHANGE_ABORT);
}

void tunnel_break_denied(struct tunnel *t, const struct config_rule *rule)
{
    char place[CONFIG_RULE_PLACE];

    t->denied_by = rule;
    tunnel_break(t, "denied by the rule in %s", config_rule_place(rule, place, sizeof(place)));
}

/* ---- rules ---- */

bool tunnel_apply_rules(struct tunnel *t, const char *host)
{
    struct client_connection *c = t->client;
    struct sockaddr_storage destination;
    struct config_subject subject = {
        .host = host,
        .port = t->url.at.port,
        .scheme = CONFIG_SCHEME_HTTPS,
        .client = (const struct sockaddr *)&c->peer,
        .user = c->authentication.user,
        .listener = c->listener_name,
        .now = worker_now(c->worker),
    };
    struct config_tunnel decision;

    if (config_host_address(t->url.at.host, &destination)) /* by CONNECT, or transparent */
        subject.destination = (const struct sockaddr *)&destination;
    config_rule_tunnel(c->runtime->config, &subject, &decision);
    t->rule = decision.rule;
    t->first = decision.first;
    if (decision.denies != NULL)
        t->denies = decision.denies;
    return decision.unseen;
}

/* ---- RELAY ---- */

static void tunnel_on_relayed(void *arg, bool clean)
{
    struct tunnel *t = arg;
    struct client_connection *c = t->client;

    tunnel_end(t, true);
    client_connection_finish(c, clean ? EXCHANGE_LINGER : EXCHANGE_ABORT);
}

/* To what CONNECT named, or the client connected to; straight or through a parent proxy. */
static int tunnel_start_dial(struct tunnel *t, dial_fn *cb)
{
    struct client_connection *c = t->client;
    char *via = http_via_received(&t->head);
    struct origin_target target = {false, t->url.at.host, t->url.at.port, NULL, t->parent, via, 0};
    int r = DIVE_E_NOMEM;

    if (via != NULL)
        r = origin_dial(c->worker->origins, c->runtime, c->worker->resolver, &target, cb, t,
                        &t->dial);
    t->dialed_parent = t->parent;
    free(via);
    return r;
}

static void tunnel_on_dialed_for_relay(void *arg, const struct dial_outcome *outcome)
{
    struct tunnel *t = arg;

    t->dial = NULL;
    if (outcome->result != DIAL_OK) {
        tunnel_break(t, "%s", outcome->detail);
        return;
    }
    t->origin_peer = outcome->peer;
    stream_init(&t->origin.stream, &t->client->worker->loop, outcome->fd, tunnel_on_origin, t);
    tunnel_relay(t);
}

void tunnel_relay(struct tunnel *t)
{
    struct client_connection *c = t->client;

    if (t->failure.status != 0) {
        tunnel_break(t, "%s", t->failure.details);
        return;
    }
    if (t->denies != NULL) {
        t->rule = t->denies;
        tunnel_break_denied(t, t->rule);
        return;
    }
    if (!stream_is_open(&t->origin.stream)) {
        /* A pooled connection stood by, for TLS; this needs one of its own. */
        t->decided = true;
        stream_want(&c->channel.stream, 0);
        if (tunnel_start_dial(t, tunnel_on_dialed_for_relay) != 0)
            tunnel_break(t, "no connection could be started");
        return;
    }
    tunnel_set_state(t, TUNNEL_RELAY);
    t->relayed = true;
    loop_timer_stop(&t->timer);
    relay_start(&t->relay, &c->worker->loop, &c->channel, &t->origin,
                c->runtime->config->timeouts.tunnel_idle_ms, tunnel_on_relayed, t);
}

/* ---- INTERCEPT and PLAIN ---- */

/* Gives the connection that was dialled to the pool, where the first exchange finds it. */
static void tunnel_hand_over_origin(struct tunnel *t, bool tls)
{
    struct client_connection *c = t->client;
    struct origin_target target = {tls, c->tunnel.host, c->tunnel.port, c->route, t->parent, NULL,
                                   0};

    if (t->failure.status != 0)
        origin_note_failure(c->worker->origins, c->runtime, &target, &t->failure);
    else if (stream_is_open(&t->origin.stream))
        origin_adopt(c->worker->origins, c->runtime, &target, stream_detach(&t->origin.stream),
                     &t->origin_peer);
}

void tunnel_become_plain(struct tunnel *t)
{
    struct client_connection *c = t->client;

    if (t->how == NULL) /* else it's each request's Host that says whose connection it is */
        tunnel_hand_over_origin(t, false);
    tunnel_end(t, false);
    c->in_tunnel = t->how == NULL;
    client_connection_read_requests(c);
}

/* The name that the certificate is minted for and that requests must be for: the client's SNI, as
 * that is the host it will check the certificate against; else what CONNECT named. False: not a
 * name. */
bool tunnel_take_name(struct tunnel *t, const char *sni)
{
    struct client_connection *c = t->client;
    char name[DIVE_DOMAIN_BUF];

    /* Some clients send the address that they connect to, which RFC 6066 section 3 forbids. */
    if (sni[0] == '\0' || (c->tunnel.kind != HTTP_HOST_NAME && strcmp(sni, c->tunnel.host) == 0))
        return true;
    if (dive_domain_normalize(dive_span_str(sni), name) != 0)
        return false;
    c->tunnel.kind = HTTP_HOST_NAME;
    snprintf(c->tunnel.host, sizeof(c->tunnel.host), "%s", name);
    return true;
}

/* TLS that isn't opened for the name in its ClientHello. CONNECT named the host that is connected
 * to, and its TLS is opened: another name in it doesn't change that. */
static void tunnel_relay_unseen(struct tunnel *t)
{
    if (t->rule != NULL && t->rule->deny)
        tunnel_break_denied(t, t->rule);
    else if (t->url.at.kind == HTTP_HOST_NAME &&
             strcmp(t->url.at.host, t->client->tunnel.host) != 0)
        tunnel_break(t, "the ClientHello names %s, whose TLS isn't opened, in a tunnel to %s",
                     t->client->tunnel.host, t->url.at.host);
    else
        tunnel_relay(t);
}

void tunnel_intercept(struct tunnel *t, const struct client_hello *hello)
{
    struct client_connection *c = t->client;
    struct runtime *runtime = c->runtime;
    X509 *certificate = NULL;
    SSL *ssl = NULL;

    if (!tunnel_take_name(t, hello->sni)) {
        tunnel_break(t, "the ClientHello's server name is not a host name");
        return;
    }
    if (tunnel_apply_rules(t, c->tunnel.host)) {
        tunnel_relay_unseen(t);
        return;
    }
    if (certificate_cache_get(runtime->certificates, c->tunnel.host, (time_t)worker_now(c->worker),
                              &certificate) != 0 ||
        tls_accept_new(runtime->accept_context, c->tunnel.host, certificate, &ssl) != 0) {
        X509_free(certificate);
        tunnel_break(t, "no certificate could be made");
        return;
    }
    X509_free(certificate);
    if (stream_start_tls(&c->channel.stream, ssl, buffer_data(&c->channel.in),
                         buffer_length(&c->channel.in)) != 0) {
        SSL_free(ssl);
        tunnel_break(t, "out of memory");
        return;
    }
    buffer_release(&c->channel.in);
    tunnel_hand_over_origin(t, true);
    tunnel_end(t, false);
    c->tls = c->in_tunnel = true;
    client_connection_accept_tls(c);
}

/* ---- REPLY ---- */

static void tunnel_reply(struct tunnel *t)
{
    struct channel *client = &t->client->channel;
    static const char reply[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    int r;

    if (t->state != TUNNEL_REPLY) {
        const struct config *config = t->client->runtime->config;

        tunnel_set_state(t, TUNNEL_REPLY);
        t->status = 200;
        loop_timer_set(&t->timer, config->timeouts.tls_handshake_ms +
                                      (t->dial != NULL ? config->origins.connect_timeout_ms : 0));
        if (buffer_append(&client->out, reply, sizeof(reply) - 1, CHANNEL_IN_MAX) != 0) {
            tunnel_break(t, "out of memory");
            return;
        }
    }
    r = channel_flush(client);
    if (r == STREAM_WAIT) {
        stream_want(&client->stream, STREAM_WRITE);
        return;
    }
    if (r == STREAM_ERROR) {
        tunnel_break(t, "the client left");
        return;
    }
    if (t->spliced) {
        tunnel_relay(t);
        return;
    }
    tunnel_set_state(t, TUNNEL_SNIFF);
    tunnel_sniff(t);
}

static void tunnel_on_client(void *arg, unsigned events)
{
    struct tunnel *t = arg;

    if (t->state == TUNNEL_END)
        return;
    if (events & STREAM_GONE)
        tunnel_break(t, "the client left");
    else if (t->state == TUNNEL_REPLY)
        tunnel_reply(t);
    else if (t->state == TUNNEL_SNIFF && !t->decided)
        tunnel_sniff(t);
}

static void tunnel_on_origin(void *arg, unsigned events)
{
    struct tunnel *t = arg;

    if (t->state == TUNNEL_SNIFF && !t->decided)
        tunnel_sniff(t);
}

static void tunnel_on_timeout(void *arg)
{
    struct tunnel *t = arg;

    if (t->state != TUNNEL_END && !(t->how != NULL && transparent_on_timeout(t)))
        tunnel_break(t, "timeout (%s)", tunnel_state_words[t->state]);
}

/* ---- CHECK and DIAL ---- */

static void tunnel_on_dialed(void *arg, const struct dial_outcome *outcome)
{
    struct tunnel *t = arg;

    t->dial = NULL;
    if (outcome->result != DIAL_OK) {
        t->failure.status = dial_result_status(outcome->result);
        t->failure.error_type = dial_result_error_type(outcome->result);
        snprintf(t->failure.details, sizeof(t->failure.details), "%s", outcome->detail);
    } else {
        t->origin_peer = outcome->peer;
        stream_init(&t->origin.stream, &t->client->worker->loop, outcome->fd, tunnel_on_origin, t);
    }
    if (t->state == TUNNEL_DIAL && t->failure.status != 0) {
        tunnel_refuse(t, t->failure.status, t->failure.error_type, "%s", outcome->detail);
    } else if (t->state == TUNNEL_DIAL) {
        tunnel_reply(t);
    } else if (t->state == TUNNEL_SNIFF) {
        if (t->failure.status != 0 && !t->decided)
            loop_timer_set(&t->timer, TUNNEL_LAST_WORDS_MS);
        t->decided = false;
        tunnel_sniff(t);
    }
}

bool tunnel_dial_origin(struct tunnel *t)
{
    return tunnel_start_dial(t, tunnel_on_dialed) == 0;
}

static void tunnel_dial(struct tunnel *t)
{
    struct client_connection *c = t->client;
    struct origin_target target = {true, t->url.at.host, t->url.at.port, NULL, t->parent, NULL, 0};

    if (!t->spliced && origin_pool_has_idle(c->worker->origins, c->runtime, &target)) {
        tunnel_reply(t);
        return;
    }
    if (!tunnel_dial_origin(t)) {
        tunnel_refuse(t, 503, "proxy_internal_error", "no connection could be started");
        return;
    }
    if (t->spliced)
        tunnel_set_state(t, TUNNEL_DIAL);
    else
        tunnel_reply(t);
}

/* 0, or the status of a refusal, with its words. */
static int tunnel_check(struct tunnel *t, char *text, size_t size)
{
    struct client_connection *c = t->client;
    const struct config *config = c->runtime->config;
    const struct sockaddr *peer = (const struct sockaddr *)&c->peer;
    int r = http_url_from_request(&t->url, &t->head, true, NULL);

    if (r != 0) {
        snprintf(text, size, "%s", http_error_text(r));
        return http_error_status(r);
    }
    snprintf(text, size, "this client's address is not in access.clients");
    if (!config_networks_match(&config->access.clients, peer))
        return 403;
    snprintf(text, size, "CONNECT to this port is not allowed (access.connect-ports)");
    if (!config_port_allowed(config, t->url.at.port))
        return 403;
    t->spliced = tunnel_apply_rules(t, t->url.at.host);
    if (t->rule != NULL && t->rule->deny) {
        char place[CONFIG_RULE_PLACE];

        t->denied_by = t->rule;
        snprintf(text, size, "denied by the rule in %s",
                 config_rule_place(t->rule, place, sizeof(place)));
        return 403;
    }
    t->parent = runtime_parent(c->runtime, t->first);
    snprintf(text, size, "the connection has been here before");
    if (http_via_is_loop(&t->head))
        return 508;
    return 0;
}

struct tunnel *tunnel_new(struct client_connection *c)
{
    struct tunnel *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->client = c;
    t->origin.stream.fd = -1;
    t->started_ms = loop_now_ms(&c->worker->loop);
    t->started_unix = worker_now(c->worker);
    shared_exchange_id(c->worker->shared, t->id);
    loop_timer_init(&t->timer, &c->worker->loop, tunnel_on_timeout, t);
    c->tunnel_start = t;
    stream_set_owner(&c->channel.stream, tunnel_on_client, t);
    stream_want(&c->channel.stream, 0);
    return t;
}

void tunnel_start(struct client_connection *c, struct http_head *head)
{
    struct tunnel *t = tunnel_new(c);
    char text[sizeof(t->error)];
    int status;

    if (t == NULL) {
        http_head_clear(head);
        client_connection_close(c, "out of memory");
        return;
    }
    t->head = *head;
    *head = (struct http_head){0};
    status = tunnel_check(t, text, sizeof(text));
    if (status != 0) {
        tunnel_refuse(t, status,
                      status == 403   ? "http_request_denied"
                      : status == 508 ? "proxy_loop_detected"
                                      : "http_request_error",
                      "%s", text);
        return;
    }
    c->tunnel = t->url.at;
    snprintf(c->route, sizeof(c->route), "%s", t->url.at.host);
    tunnel_dial(t);
}
