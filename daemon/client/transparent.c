/* SPDX-License-Identifier: BSD-2-Clause
 *
 * transparent: see transparent.h.
 */
#include "client/transparent.h"

#include <stdio.h>
#include <string.h>

#include "client/original_destination.h"
#include "client/tunnel_private.h"
#include "core/log.h"
#include "origin/literal.h"

/* How long a client may be silent before its origin is connected to, which may be the one to speak
 * first. Clients that speak first do so with the last packet of TCP's handshake, or right behind
 * it.
 */
#define TRANSPARENT_SILENCE_MS 150

static const struct config *transparent_config(const struct tunnel *t)
{
    return t->client->runtime->config;
}

/* `name`: what the client says that it wants, or the address that it connected to. */
static const struct config_rule *transparent_rule(const struct tunnel *t, const char *name)
{
    const struct client_connection *c = t->client;
    struct sockaddr_storage destination;
    struct config_subject subject = {
        .host = name,
        .port = t->url.at.port,
        .client = (const struct sockaddr *)&c->peer,
        .listener = c->listener_name,
        .now = worker_now(c->worker),
    };

    if (literal_address(t->url.at.host, t->url.at.port, &destination))
        subject.destination = (const struct sockaddr *)&destination;
    return config_rule_match(transparent_config(t), &subject);
}

/* Nothing is known but the address. */
static bool transparent_is_denied(struct tunnel *t)
{
    const struct config_rule *rule = transparent_rule(t, t->url.at.host);

    if (rule != NULL && rule->deny)
        t->denied_by = rule;
    t->parent = runtime_parent(t->client->runtime, rule);
    return t->denied_by != NULL;
}

/* The name may have another way out than the address, through which there may be a connection. */
static void transparent_take_parent(struct tunnel *t)
{
    t->parent = runtime_parent(t->client->runtime, t->first);
    if (t->parent == t->dialed_parent)
        return;
    if (stream_is_open(&t->origin.stream))
        stream_close(&t->origin.stream);
    t->failure = (struct origin_failure){0};
}

static bool transparent_is_client(const struct tunnel *t)
{
    return config_networks_match(&transparent_config(t)->access.clients,
                                 (const struct sockaddr *)&t->client->peer);
}

/* Unseen, to the address that the client chose. */
static void transparent_relay(struct tunnel *t)
{
    const struct config *config = transparent_config(t);

    loop_timer_set(&t->timer, config->origins.connect_timeout_ms + config->timeouts.client_head_ms);
    tunnel_relay(t);
}

/* TLS is taken up when the origin's connection stands or has failed, as for CONNECT: why it can't
 * be had is then told inside. */
static void transparent_intercept(struct tunnel *t, const struct client_hello *hello)
{
    struct client_connection *c = t->client;
    struct origin_target target = {true, c->tunnel.host, c->tunnel.port, c->route, t->parent, NULL,
                                   0};

    if (t->failure.status == 0 && !stream_is_open(&t->origin.stream) &&
        !origin_pool_has_idle(c->worker->origins, c->runtime, &target)) {
        loop_timer_set(&t->timer, transparent_config(t)->origins.connect_timeout_ms +
                                      transparent_config(t)->timeouts.client_head_ms);
        t->decided = true;
        stream_want(&c->channel.stream, 0);
        if (!tunnel_dial_origin(t))
            tunnel_break(t, "no connection could be started");
        return;
    }
    tunnel_intercept(t, hello);
}

/* Is it a host's name that the client sends (RFC 6066 section 3 forbids addresses)? */
static bool transparent_has_name(const struct client_hello *hello)
{
    uint8_t bytes[16];
    int family;

    return hello->sni[0] != '\0' && literal_parse(hello->sni, &family, bytes) == 0;
}

/* By a rule, or by the name or the address in interception.splice. */
static bool transparent_is_spliced(struct tunnel *t)
{
    const struct config_strings *splice = &transparent_config(t)->interception.splice;

    if (tunnel_apply_rules(t, t->client->tunnel.host))
        return true;
    return (t->rule == NULL || t->rule->splice != CONFIG_SWITCH_OFF) &&
           config_hosts_match(splice, t->url.at.host);
}

static void transparent_tls(struct tunnel *t, const struct client_hello *hello)
{
    bool has_name = transparent_has_name(hello), spliced;

    if (has_name && !tunnel_take_name(t, hello->sni)) {
        tunnel_break(t, "the ClientHello's server name is not a host name");
        return;
    }
    spliced = transparent_is_spliced(t);
    if (t->rule != NULL && t->rule->deny) {
        tunnel_break_denied(t, t->rule);
        return;
    }
    transparent_take_parent(t);
    if (!spliced && !has_name && t->how->no_sni != CONFIG_NO_SNI_SPLICE)
        tunnel_break(t, "the ClientHello has no server name (listeners[].no-sni: close)");
    else if (!spliced && has_name && hello->has_ech && t->how->ech == CONFIG_ECH_CLOSE)
        tunnel_break(t, "the ClientHello has encrypted_client_hello (listeners[].ech: close)");
    else if (spliced || !has_name || (hello->has_ech && t->how->ech == CONFIG_ECH_SPLICE))
        transparent_relay(t);
    else
        transparent_intercept(t, hello);
}

void transparent_decide(struct tunnel *t, enum sniff_result kind, const struct client_hello *hello)
{
    t->silent = false;
    if (kind == SNIFF_HTTP) {
        tunnel_become_plain(t); /* the exchange says who may ask, and says so in a page */
        return;
    }
    if (!transparent_is_client(t))
        tunnel_break(t, "this client's address is not in access.clients");
    else if (kind == SNIFF_TLS)
        transparent_tls(t, hello);
    else if (t->how->other == CONFIG_OTHER_CLOSE)
        tunnel_break(t, "the client speaks neither TLS nor HTTP (listeners[].other: close)");
    else if (transparent_is_denied(t))
        tunnel_break_denied(t, t->denied_by);
    else
        transparent_relay(t);
}

/* What is left of timeouts.client-head, for the client's first words. */
static void transparent_wait_on(struct tunnel *t)
{
    int64_t since = loop_now_ms(&t->client->worker->loop) - t->started_ms;
    int64_t left = transparent_config(t)->timeouts.client_head_ms - since;

    t->silent = false;
    loop_timer_set(&t->timer, left > 1 ? left : 1);
}

void transparent_client_spoke(struct tunnel *t)
{
    if (t->silent)
        transparent_wait_on(t);
}

bool transparent_on_timeout(struct tunnel *t)
{
    if (!t->silent)
        return false;
    transparent_wait_on(t);
    if (!tunnel_dial_origin(t))
        tunnel_break(t, "no connection could be started");
    return true;
}

/* Who connects to the listener itself has no other destination: connecting on would lead back here,
 * and again. */
static bool transparent_is_loop(const struct tunnel *t, const struct sockaddr_storage *destination)
{
    return guard_check(t->client->runtime->guard, (const struct sockaddr *)destination) ==
           GUARD_OWN_LISTENER;
}

/* Begins to listen to the client. */
static void transparent_listen(struct tunnel *t)
{
    struct client_connection *c = t->client;
    int64_t patience = transparent_config(t)->timeouts.client_head_ms;

    tunnel_set_state(t, TUNNEL_SNIFF);
    t->silent =
        t->how->other == CONFIG_OTHER_PASS && transparent_is_client(t) && !transparent_is_denied(t);
    if (t->silent && patience > TRANSPARENT_SILENCE_MS)
        patience = TRANSPARENT_SILENCE_MS;
    loop_timer_set(&t->timer, patience);
    if (buffer_length(&c->channel.in) > 0)
        tunnel_sniff(t); /* it came behind a PROXY header */
    else
        stream_want(&c->channel.stream, STREAM_READ);
}

void transparent_start(struct client_connection *c, const struct sockaddr_storage *destination)
{
    struct sockaddr_storage asked;
    struct tunnel *t = tunnel_new(c);

    if (t == NULL) {
        client_connection_close(c, "out of memory");
        return;
    }
    t->how = &c->runtime->config->listeners.v[c->listener];
    if (destination == NULL) {
        destination = &asked;
        if (!original_destination(c->channel.stream.fd, t->how->tproxy, &asked)) {
            tunnel_break(t, "the client left");
            return;
        }
    }
    if (!original_destination_authority(destination, &t->url.at)) {
        tunnel_break(t, "the connection has no destination");
        return;
    }
    t->url.form = HTTP_TARGET_AUTHORITY;
    http_authority_format(t->url.authority, &t->url.at, 0);
    c->transparent = true;
    c->tunnel = t->url.at;
    snprintf(c->route, sizeof(c->route), "%s", t->url.at.host);
    log_debug("client", "%s: %s connected to %s", t->id, c->peer_text, t->url.authority);
    if (transparent_is_loop(t, destination))
        tunnel_break(t, "a loop: the client connected to this transparent listener itself; only "
                        "what a REDIRECT or TPROXY rule sends here has another destination");
    else
        transparent_listen(t);
}
