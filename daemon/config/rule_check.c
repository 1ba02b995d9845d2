/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule_check: what a rule says that can't be (an error), and what will never happen (a warning).
 */
#include "config/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/host_map.h"
#include "config/rule_index.h"
#include "config/value.h"
#include "lib/sf.h"
#include "lib/signature_input.h"

#define ACTION_KEYS                                                                                \
    "mode", "browsers", "deny", "splice", "require", "require-components", "release", "cache",     \
        "parent"

static const char *const criterion_keys[] = {
#define X(id, key) key,
    CONFIG_CRITERIA(X)
#undef X
};
static const char *const action_keys[] = {ACTION_KEYS};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct node *first_of(const struct node *item, const char *const *keys, size_t n)
{
    for (const struct node *child = item->first; child; child = child->next)
        for (size_t i = 0; i < n; i++)
            if (strcmp(child->key, keys[i]) == 0)
                return child;
    return NULL;
}

/* An action that what else the rule says leaves nothing to do for. */
static void exclude(struct loader *l, size_t i, const struct node *item, const char *key,
                    const char *const *others, size_t n, const char *why)
{
    const struct node *other = first_of(item, others, n);

    if (other)
        problems_error(l->problems, node_get(item, key)->place,
                       "rules[%zu]: %s; leave out %s, or %s", i, why, key, other->key);
}

static void check_actions(struct loader *l, size_t i, const struct node *item,
                          const struct config_rule *rule)
{
    static const char *const denied[] = {
        "mode",    "browsers", "splice", "require", "require-components",
        "release", "cache",    "parent"};
    static const char *const spliced[] = {"mode",    "browsers",           "require",
                                          "release", "require-components", "cache"};
    static const char *const off[] = {"require", "require-components", "release"};
    static const char *const inside[] = {"path", "method"};

    if (rule->deny)
        exclude(l, i, item, "deny", denied, COUNT(denied), "what is denied is not verified");
    if (rule->splice == CONFIG_SWITCH_ON) {
        exclude(l, i, item, "splice", spliced, COUNT(spliced),
                "what is tunnelled unseen is not verified or stored");
        exclude(l, i, item, "splice", inside, COUNT(inside),
                "what is tunnelled unseen has no path or method that could be looked at");
    }
    if (rule->mode == CONFIG_MODE_OFF)
        exclude(l, i, item, "mode", off, COUNT(off), "with mode: off nothing is verified or held");
}

static void check_listeners(struct loader *l, size_t i, const struct node *item,
                            const struct config_rule *rule)
{
    const char *names[64];
    size_t n = 0;

    for (size_t j = 0; j < l->cfg->listeners.n && n < COUNT(names); j++)
        if (l->cfg->listeners.v[j].name)
            names[n++] = l->cfg->listeners.v[j].name;
    for (size_t j = 0; j < rule->listener.n; j++) {
        const char *name = rule->listener.v[j];
        const char *closest;
        size_t k = 0;

        while (name && k < n && strcmp(names[k], name) != 0)
            k++;
        if (!name || k < n)
            continue;
        closest = value_closest(name, names, n);
        if (!closest && n > 0)
            closest = names[0];
        problems_error(l->problems, node_get(item, "listener")->place,
                       "rules[%zu].listener: there is no listener \"%.60s\"%s%s%s", i, name,
                       closest ? "; did you mean \"" : "", closest ? closest : "",
                       closest ? "\"?" : "");
    }
}

/* As the verifier takes them: one inner list. */
static void parse_components(struct loader *l, struct config_rule *rule)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    if (!f) {
        l->nomem = true;
        return;
    }
    for (size_t i = 0; i < rule->require_components.n; i++)
        fprintf(f, "%s%s", i == 0 ? "(" : " ", rule->require_components.v[i]);
    fprintf(f, ")");
    if (fclose(f) != 0 ||
        dive_sf_parse(&rule->components, DIVE_SF_LIST, dive_span(text, n), 0, NULL) != 0)
        l->nomem = true; /* each was parsed before */
    free(text);
}

static void check_components(struct loader *l, struct config_rule *rule, size_t i,
                             const struct node *item)
{
    const struct config_strings *list = &rule->require_components;

    for (size_t j = 0; j < list->n; j++)
        if (!list->v[j])
            return; /* reported */
    if (list->n > DIVE_COMPONENTS_MAX)
        problems_error(l->problems, node_get(item, "require-components")->place,
                       "rules[%zu].require-components: more than %d", i, DIVE_COMPONENTS_MAX);
    else if (list->n > 0)
        parse_components(l, rule);
}

/* A rule that no request can fit, or that can do nothing to those that do. */
static void check_vain(struct loader *l, const struct config_rule *rule, size_t i,
                       const struct node *item)
{
    bool says_who = l->cfg->access.htpasswd || l->cfg->access.negotiate.keytab;

    for (size_t j = 0; j < l->cfg->listeners.n; j++)
        says_who = says_who || l->cfg->listeners.v[j].tls.client_ca;
    if (rule->user.n > 0 && !says_who)
        problems_warning(l->problems, node_get(item, "user")->place,
                         "rules[%zu].user: never fits, as no client can say who it is; give "
                         "access.htpasswd, access.negotiate or a listener's tls.client-ca",
                         i);
    if (rule->splice == CONFIG_SWITCH_ON && rule->scheme.n == 1 &&
        rule->scheme.v[0] == CONFIG_SCHEME_HTTP)
        problems_warning(l->problems, node_get(item, "splice")->place,
                         "rules[%zu].splice: does nothing to http, which has no TLS; leave out "
                         "scheme, or write https",
                         i);
}

static void check_rule(struct loader *l, struct config_rule *rule, size_t i,
                       const struct node *item)
{
    if (item->kind != NODE_MAP)
        return;
    if (!first_of(item, criterion_keys, COUNT(criterion_keys)))
        problems_error(l->problems, item->place,
                       "rules[%zu]: needs a criterion, such as a host, a client or a path; write "
                       "host: \"*\" for everything",
                       i);
    if (!first_of(item, action_keys, COUNT(action_keys)))
        problems_error(l->problems, item->place,
                       "rules[%zu]: does nothing; give a mode, deny, splice or another action", i);
    check_actions(l, i, item, rule);
    if (rule->parent.user && !l->cfg->origins.parent_password_file)
        problems_error(l->problems, node_get(item, "parent")->place,
                       "rules[%zu].parent: names a user, whose password is to be in "
                       "origins.parent-password-file",
                       i);
    if (rule->parent.kind == CONFIG_PARENT_PROXY) {
        char what[64];

        snprintf(what, sizeof(what), "rules[%zu].parent", i);
        check_parent_name(l, &rule->parent, node_get(item, "parent")->place, what);
    }
    check_listeners(l, i, item, rule);
    check_components(l, rule, i, item);
    check_vain(l, rule, i, item);
}

/* ---- rules in vain ---- */

static void never_reached(struct loader *l, const struct config_rule *rule,
                          const struct config_rule *earlier, const char *why)
{
    const char *file = rule->file == l->cfg->file ? NULL : rule->file;
    char place[CONFIG_RULE_PLACE];

    problems_warning(l->problems, (struct place){rule->line, rule->column, file},
                     "this rule is never reached: the rule in %s %s",
                     config_rule_place(earlier, place, sizeof(place)), why);
}

static int compare_strings(const struct config_strings *a, const struct config_strings *b)
{
    int c = (a->n > b->n) - (a->n < b->n);

    for (size_t i = 0; c == 0 && i < a->n; i++)
        c = strcmp(a->v[i] ? a->v[i] : "", b->v[i] ? b->v[i] : "");
    return c;
}

static int compare_bytes(const void *a, size_t an, const void *b, size_t bn, size_t size)
{
    if (an != bn)
        return an > bn ? 1 : -1;
    return an > 0 ? memcmp(a, b, an * size) : 0;
}

static int compare_criteria(const struct config_rule *x, const struct config_rule *y)
{
#define STRINGS(member) compare_strings(&x->member, &y->member)
#define BYTES(member)                                                                              \
    compare_bytes(x->member.v, x->member.n, y->member.v, y->member.n, sizeof(*x->member.v))
    int c = STRINGS(host);

    c = c ? c : STRINGS(path);
    c = c ? c : STRINGS(hosts_file);
    c = c ? c : STRINGS(method);
    c = c ? c : STRINGS(user);
    c = c ? c : STRINGS(listener);
    c = c ? c : BYTES(client);
    c = c ? c : BYTES(destination);
    c = c ? c : BYTES(port);
    c = c ? c : BYTES(scheme);
    return c ? c : BYTES(time);
#undef STRINGS
#undef BYTES
}

static int compare_rules(const void *a, const void *b)
{
    const struct config_rule *x = *(struct config_rule *const *)a;
    const struct config_rule *y = *(struct config_rule *const *)b;
    int c = compare_criteria(x, y);

    return c ? c : (x > y) - (x < y); /* in their order */
}

/* First match wins: a rule with the criteria of an earlier one can't be reached. Sorted, since
 * there may be very many. */
static void check_repeated(struct loader *l)
{
    size_t n = l->cfg->rules.n;
    const struct config_rule **sorted = calloc(n, sizeof(*sorted));

    if (!sorted) {
        l->nomem |= n > 0;
        return;
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = &l->cfg->rules.v[i];
    qsort(sorted, n, sizeof(*sorted), compare_rules);
    for (size_t i = 1; i < n; i++)
        if (compare_criteria(sorted[i - 1], sorted[i]) == 0)
            never_reached(l, sorted[i], sorted[i - 1], "has the same criteria");
    free(sorted);
}

/* Hosts of rules that name nothing but hosts, with the first such rule of each (its index + 1). */
struct covers {
    struct host_map map;
    const struct config_rule *rules;
};

/* The first rule all of whose criteria hold for every host that `glob` matches, of the suffixes of
 * `key` (a name, or what all of its hosts end in). */
static const struct config_rule *covering(const struct covers *covers, const char *glob)
{
    bool suffix = glob[0] == '.' || strncmp(glob, "*.", 2) == 0;
    bool star = strchr(glob, '*') && (!suffix || strchr(glob + 1, '*'));
    const char *key = star ? rule_index_star_suffix(glob) : suffix ? strchr(glob, '.') + 1 : glob;
    uint32_t first = 0;
    struct host_name name;

    if (!key || !host_name_init(&name, key))
        return NULL;
    for (size_t i = 0; i < name.labels; i++) {
        const struct host_map_slot *slot = host_map_suffix(&covers->map, &name, i);
        bool itself = i == 0 && !star && (!suffix || glob[0] == '.'); /* key is among its hosts */
        bool below = i > 0 || star || suffix;                         /* and so are names below */
        uint32_t rule;

        if (!slot || (itself && !slot->exact) || (below && !slot->below))
            continue;
        rule = itself && slot->exact > slot->below ? slot->exact : 0;
        rule = below && slot->below > rule ? slot->below : rule;
        if (itself && !below)
            rule = slot->exact;
        if (first == 0 || rule < first)
            first = rule;
    }
    return first ? &covers->rules[first - 1] : NULL;
}

/* Every host of it? Then the last of the rules that it takes. */
static const struct config_rule *covering_all(const struct covers *covers,
                                              const struct config_rule *rule)
{
    const struct config_rule *last = NULL;

    for (size_t i = 0; i < rule->host.n; i++) {
        const struct config_rule *one = covering(covers, rule->host.v[i]);

        if (!one)
            return NULL;
        if (!last || one > last)
            last = one;
    }
    return last;
}

static void add_cover(struct covers *covers, const struct config_rule *rule)
{
    uint32_t number = (uint32_t)(rule - covers->rules) + 1;

    for (size_t i = 0; i < rule->host.n; i++) {
        const char *glob = rule->host.v[i];
        bool suffix = glob[0] == '.' || strncmp(glob, "*.", 2) == 0;
        const char *key = suffix ? strchr(glob, '.') + 1 : glob;
        struct host_map_slot *slot;

        if (strchr(key, '*'))
            continue;
        slot = host_map_put(&covers->map, key, strlen(key));
        if (glob[0] != '*' && slot->exact == HOST_MAP_NONE)
            slot->exact = number;
        if (suffix && slot->below == HOST_MAP_NONE)
            slot->below = number;
    }
}

static bool names_hosts_alone(const struct config_rule *rule)
{
    return rule->host.n > 0 && rule->hosts_file.n + rule->client.n + rule->destination.n +
                                       rule->port.n + rule->scheme.n + rule->path.n +
                                       rule->method.n + rule->user.n + rule->listener.n +
                                       rule->time.n ==
                                   0;
}

/* Rules whose hosts belong to earlier rules that ask for nothing else. */
static void check_covered(struct loader *l)
{
    struct covers covers = {.rules = l->cfg->rules.v};
    struct arena arena = {0};
    size_t keys = 0;

    for (size_t i = 0; i < l->cfg->rules.n; i++)
        keys += l->cfg->rules.v[i].host.n;
    if (!host_map_init(&covers.map, &arena, keys)) {
        l->nomem = true;
        return;
    }
    for (size_t i = 0; i < l->cfg->rules.n; i++) {
        const struct config_rule *rule = &l->cfg->rules.v[i];
        const struct config_rule *earlier = covering_all(&covers, rule);

        if (earlier && compare_criteria(earlier, rule) != 0) /* else that is said already */
            never_reached(l, rule, earlier, "has all of its hosts");
        if (names_hosts_alone(rule))
            add_cover(&covers, rule);
    }
    arena_free(&arena);
}

static bool matches_everything(const struct config_rule *rule, const struct node *item)
{
    return rule->host.n == 1 && rule->host.v[0] && strcmp(rule->host.v[0], "*") == 0 &&
           !first_of(item, criterion_keys + 1, COUNT(criterion_keys) - 1);
}

void rule_check(struct loader *l)
{
    const struct config_rule *catch_all = NULL;

    for (size_t i = 0; i < l->n_sources; i++) {
        const struct node *item = l->sources[i].items;

        for (size_t j = 0; item && j < l->sources[i].n; j++, item = item->next) {
            struct config_rule *rule = &l->cfg->rules.v[l->sources[i].first + j];

            check_rule(l, rule, j, item);
            if (catch_all)
                never_reached(l, rule, catch_all, "matches everything");
            else if (matches_everything(rule, item))
                catch_all = rule;
        }
    }
    if (!catch_all && l->problems->errors == 0) {
        check_repeated(l);
        check_covered(l);
    }
}
