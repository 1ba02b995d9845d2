/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rule_check: what a rule says that can't be (an error), and what will never happen (a warning).
 */
#include "config/load.h"

#include <stdlib.h>
#include <string.h>

#include "config/value.h"

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

static void check_rule(struct loader *l, size_t i, const struct node *item)
{
    struct config_rule *rule = &l->cfg->rules.v[i];

    rule->file = l->cfg->file;
    rule->line = item->place.line;
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
    check_listeners(l, i, item, rule);
}

/* ---- rules in vain ---- */

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
            problems_warning(
                l->problems, (struct place){sorted[i]->line, 1},
                "rules[%zu]: is never reached: the rule in line %u has the same criteria",
                (size_t)(sorted[i] - l->cfg->rules.v), sorted[i - 1]->line);
    free(sorted);
}

static bool matches_everything(const struct config_rule *rule, const struct node *item)
{
    return rule->host.n == 1 && rule->host.v[0] && strcmp(rule->host.v[0], "*") == 0 &&
           !first_of(item, criterion_keys + 1, COUNT(criterion_keys) - 1);
}

void rule_check(struct loader *l)
{
    const struct node *item = load_items_of(l, NULL, "rules");
    size_t n = l->cfg->rules.n;
    unsigned catch_all = 0; /* the line */

    for (size_t i = 0; item && i < n; i++, item = item->next) {
        check_rule(l, i, item);
        if (catch_all > 0)
            problems_warning(l->problems, item->place,
                             "rules[%zu]: is never reached: the rule in line %u matches everything",
                             i, catch_all);
        else if (matches_everything(&l->cfg->rules.v[i], item))
            catch_all = item->place.line;
    }
    if (catch_all == 0 && l->problems->errors == 0)
        check_repeated(l);
}
