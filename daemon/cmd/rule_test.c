/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl rule-test: which rule decides about a request, why the ones before it don't, and what
 * follows: for the CONNECT and for the request in it. Asks the configuration file, not the daemon.
 *
 * One JSON object is made of the answer; the text for people is made of that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/command.h"
#include "http/path.h"
#include "http/url.h"

#define CANDIDATES_MAX 50 /* shown; the rest is counted */

struct question {
    const char *client, *user, *method, *listener, *destination, *time;
    struct http_url url;
    char *path;
    struct sockaddr_storage client_address, destination_address;
    struct config_subject subject;
};

/* "2026-11-24T13:00" or with seconds, local; with Z: UTC. -1: it isn't. */
static int64_t parse_time(const char *text)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
                                          "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"};

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, formats[i], &tm);

        if (end != NULL && *end == '\0')
            return mktime(&tm);
        if (end != NULL && strcmp(end, "Z") == 0)
            return timegm(&tm);
    }
    return -1;
}

static int take_address(const char *option, const char *text, struct sockaddr_storage *out)
{
    if (config_host_address(text, out))
        return COMMAND_OK;
    command_error("--%s %s: no IP address", option, text);
    return COMMAND_USAGE;
}

static int take_listener(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->listeners.n; i++)
        if (strcmp(config->listeners.v[i].name, name) == 0)
            return COMMAND_OK;
    command_error("--listener %s: the configuration has no such listener", name);
    return COMMAND_USAGE;
}

static int make_subject(struct question *q, const struct config *config, const char *url)
{
    if (http_url_parse(&q->url, dive_span_str(url)) != 0) {
        command_error("not an http or https URL: %s", url);
        return COMMAND_USAGE;
    }
    q->path = http_path_meaning(q->url.path);
    if (q->path == NULL) {
        command_error("out of memory");
        return EX_OSERR;
    }
    q->subject = (struct config_subject){
        .host = q->url.at.host,
        .port = q->url.at.port,
        .scheme = q->url.https ? CONFIG_SCHEME_HTTPS : CONFIG_SCHEME_HTTP,
        .client = (const struct sockaddr *)&q->client_address,
        .path = q->path,
        .method = dive_span_str(q->method),
        .user = q->user,
        .listener = q->listener != NULL ? q->listener : config->listeners.v[0].name,
        .now = q->time != NULL ? parse_time(q->time) : (int64_t)time(NULL),
    };
    if (q->subject.now <= 0) {
        command_error("--time %s: write it as 2026-11-24T13:00 (local), or with Z", q->time);
        return COMMAND_USAGE;
    }
    if (take_address("client", q->client, &q->client_address) != COMMAND_OK ||
        take_listener(config, q->subject.listener) != COMMAND_OK)
        return COMMAND_USAGE;
    if (q->destination == NULL)
        return COMMAND_OK;
    q->subject.destination = (const struct sockaddr *)&q->destination_address;
    return take_address("destination", q->destination, &q->destination_address);
}

/* ---- the answer ---- */

/* Sets a member. A NULL value stands for memory that ran out, and marks the object. */
static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        json_object_set_new(object, "incomplete", json_true());
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *place_of(const struct config_rule *rule)
{
    return rule != NULL ? json_pack("{s:s, s:i}", "file", rule->file, "line", (int)rule->line)
                        : json_null();
}

/* Rules before the answer that are about this host, or about any, with what doesn't hold. */
static void set_candidates(json_t *answer, const struct question *q, const struct config *config,
                           const struct config_rule *found)
{
    size_t end = found != NULL ? (size_t)(found - config->rules.v) : config->rules.n;
    json_t *list = json_array();
    json_int_t others = 0, more = 0;

    for (size_t i = 0; i < end; i++) {
        const struct config_rule *rule = &config->rules.v[i];
        enum config_criterion criterion = config_rule_mismatch(rule, &q->subject, NULL);
        json_t *one;

        if (criterion == CONFIG_CRITERION_HOST || criterion == CONFIG_CRITERION_HOSTS_FILE) {
            others++;
        } else if (json_array_size(list) == CANDIDATES_MAX) {
            more++;
        } else {
            one = place_of(rule);
            set(one, "criterion", json_string(config_criterion_word(criterion)));
            json_array_append_new(list, one);
        }
    }
    set(answer, "candidates", list);
    set(answer, "more_candidates", json_integer(more));
    set(answer, "of_other_hosts", json_integer(others));
}

static json_t *connect_answer(const struct question *q, const struct config *config,
                              struct config_tunnel *tunnel)
{
    struct config_subject subject = q->subject;
    const char *action = "open";
    const char *why = "nothing says otherwise";

    subject.path = NULL;
    subject.method = (struct dive_span){0};
    config_rule_tunnel(config, &subject, tunnel);
    if (!config_port_allowed(config, q->url.at.port)) {
        action = "deny";
        why = "the port is not in access.connect-ports";
    } else if (tunnel->rule != NULL && tunnel->rule->deny) {
        action = "deny";
        why = "the rule denies";
    } else if (tunnel->unseen) {
        action = "splice";
        why = !config->interception.enabled ? "interception is off"
              : tunnel->rule != NULL && tunnel->rule->splice == CONFIG_SWITCH_ON
                  ? "the rule says so"
                  : "interception.splice names it";
    } else if (tunnel->pending != NULL) {
        why = "a rule depends on the request inside";
    } else if (tunnel->rule != NULL && tunnel->rule->splice == CONFIG_SWITCH_OFF) {
        why = "the rule says so";
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "action", action, "why", why, "rule",
                     place_of(tunnel->rule), "pending", place_of(tunnel->pending));
}

static json_t *components_of(const struct config_rule *rule)
{
    json_t *list = json_array();

    for (size_t i = 0; rule != NULL && i < rule->require_components.n; i++)
        json_array_append_new(list, json_string(rule->require_components.v[i]));
    return list;
}

static json_t *request_answer(const struct config *config, const struct config_rule *rule,
                              bool allowed)
{
    static const struct config_rule none = {0};
    const struct config_rule *r = rule != NULL ? rule : &none;
    enum config_mode mode = r->mode ? r->mode : config->dive.mode;
    enum config_browsers browsers = r->browsers ? r->browsers : config->dive.browsers;
    enum config_release release = r->release ? r->release : config->hold.release;
    bool require = r->require ? r->require == CONFIG_SWITCH_ON
                              : config->dive.unsupported == CONFIG_UNSUPPORTED_BLOCK;

    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:b, s:o}", "action",
                     r->deny || !allowed ? "deny" : "pass", "mode", config_mode_word(mode),
                     "browsers", config_browsers_word(browsers), "require", require, "release",
                     config_release_word(release), "cache", r->cache != CONFIG_SWITCH_OFF,
                     "require_components", components_of(rule));
}

static json_t *make_answer(const struct question *q, const struct config *config, const char *url)
{
    const struct config_rule *rule = config_rule_match(config, &q->subject);
    bool served = config_networks_match(&config->access.clients, q->subject.client);
    json_t *answer = json_object();
    struct config_tunnel tunnel = {0};
    json_t *connect = q->url.https ? connect_answer(q, config, &tunnel) : json_null();
    bool inside = !tunnel.unseen && (tunnel.rule == NULL || !tunnel.rule->deny);
    char when[64] = "";
    time_t now = (time_t)q->subject.now;
    struct tm tm;

    if (localtime_r(&now, &tm) != NULL)
        strftime(when, sizeof(when), "%a %Y-%m-%dT%H:%M:%S%z", &tm);
    set(answer, "url", json_string(url));
    set(answer, "client", json_string(q->client));
    set(answer, "user", text_or_null(q->user));
    set(answer, "method", json_string(q->method));
    set(answer, "listener", json_string(q->subject.listener));
    set(answer, "destination", text_or_null(q->destination));
    set(answer, "time", json_string(when));
    set(answer, "served", json_boolean(served));
    set(answer, "rule", place_of(inside ? rule : tunnel.rule));
    set_candidates(answer, q, config, inside ? rule : tunnel.rule);
    set(answer, "connect", connect);
    set(answer, "request", inside ? request_answer(config, rule, served) : json_null());
    return answer;
}

/* ---- for people ---- */

static void print_place(const json_t *place)
{
    command_print_text(command_string(place, "file"));
    printf(":%lld", command_number(place, "line"));
}

static void print_candidates(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "candidates");
    long long others = command_number(answer, "of_other_hosts");
    long long more = command_number(answer, "more_candidates");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);

        fputs("  ", stdout);
        print_place(one);
        printf(" doesn't fit: %s\n", command_string(one, "criterion"));
    }
    if (more > 0)
        printf("  %lld more don't fit\n", more);
    if (others > 0)
        printf("  %lld before it are for other hosts\n", others);
}

static void print_connect(const json_t *connect)
{
    const json_t *place = json_object_get(connect, "rule");
    const json_t *pending = json_object_get(connect, "pending");
    const char *action = command_string(connect, "action");

    printf("CONNECT: %s (%s",
           strcmp(action, "splice") == 0 ? "tunnelled unseen, not verified"
           : strcmp(action, "deny") == 0 ? "refused with 403"
                                         : "TLS is opened",
           command_string(connect, "why"));
    if (strcmp(action, "open") != 0)
        pending = json_null();
    else
        place = json_null();
    if (!json_is_null(pending) || !json_is_null(place)) {
        fputs(": ", stdout);
        print_place(json_is_null(place) ? pending : place);
    }
    puts(")");
}

static void print_request(const json_t *request, bool served)
{
    const json_t *components = json_object_get(request, "require_components");

    if (strcmp(command_string(request, "action"), "deny") == 0) {
        printf("request: refused with 403%s\n",
               served ? "" : " (the client is not in access.clients)");
        return;
    }
    printf("request: mode %s, browsers %s, without a policy %s, release %s, cache %s\n",
           command_string(request, "mode"), command_string(request, "browsers"),
           json_is_true(json_object_get(request, "require")) ? "blocked" : "passes",
           command_string(request, "release"),
           json_is_true(json_object_get(request, "cache")) ? "yes" : "no");
    for (size_t i = 0; i < json_array_size(components); i++)
        printf("  signatures must cover %s\n", json_string_value(json_array_get(components, i)));
}

static void print_answer(const json_t *answer)
{
    const json_t *rule = json_object_get(answer, "rule");
    const json_t *connect = json_object_get(answer, "connect");
    const json_t *request = json_object_get(answer, "request");

    printf("%s ", command_string(answer, "method"));
    command_print_text(command_string(answer, "url"));
    printf(" by %s", command_string(answer, "client"));
    if (!json_is_null(json_object_get(answer, "user"))) {
        fputs(", user ", stdout);
        command_print_text(command_string(answer, "user"));
    }
    fputs(", listener ", stdout);
    command_print_text(command_string(answer, "listener"));
    printf(", %s\n", command_string(answer, "time"));
    print_candidates(answer);
    if (json_is_null(rule)) {
        puts("no rule fits");
    } else {
        fputs("decided by ", stdout);
        print_place(rule);
        putchar('\n');
    }
    if (!json_is_null(connect))
        print_connect(connect);
    if (!json_is_null(request))
        print_request(request, json_is_true(json_object_get(answer, "served")));
}

int command_rule_test(const struct command *command, int argc, char **argv)
{
    struct question q = {.client = "127.0.0.1", .method = "GET"};
    const struct command_option own[] = {
        {.name = "client", .takes_value = true, .value = &q.client, .placeholder = "IP"},
        {.name = "user", .takes_value = true, .value = &q.user, .placeholder = "NAME"},
        {.name = "method", .takes_value = true, .value = &q.method, .placeholder = "METHOD"},
        {.name = "listener", .takes_value = true, .value = &q.listener, .placeholder = "NAME"},
        {.name = "destination", .takes_value = true, .value = &q.destination, .placeholder = "IP"},
        {.name = "time", .takes_value = true, .value = &q.time, .placeholder = "TIME"},
        {0},
    };
    struct command_options options;
    struct config *config = NULL;
    json_t *answer = NULL;
    int r = command_parse(command, argc, argv, own, 1, 1, &options);

    if (r != COMMAND_OK)
        return r < 0 ? COMMAND_OK : r;
    r = command_config_or_defaults(&options, &config);
    if (r == COMMAND_OK)
        r = make_subject(&q, config, options.argv[0]);
    if (r != COMMAND_OK)
        goto out;
    answer = make_answer(&q, config, options.argv[0]);
    if (answer == NULL || json_object_get(answer, "incomplete") != NULL) {
        command_error("out of memory");
        r = EX_OSERR;
    } else if (options.json) {
        r = command_print_json(answer);
    } else {
        print_answer(answer);
    }
out:
    json_decref(answer);
    http_url_clear(&q.url);
    free(q.path);
    config_unref(&config);
    return r;
}
