/* SPDX-License-Identifier: BSD-2-Clause
 *
 * load_value: one node read as one type of the schema, into the member that the table names.
 */
#include "config/load.h"

#include <stdio.h>
#include <string.h>

#include "config/time_window.h"
#include "config/value.h"
#include "lib/policy_record.h"

struct target {
    struct loader *l;
    size_t index;
    const struct node *node;
    struct value_why why;
};

static void *no_memory(struct loader *l, void *p)
{
    if (!p)
        l->nomem = true;
    return p;
}

/* An optional or required text, copied. */
static int keep(struct target *t, const char *text, void *out)
{
    char *copy = no_memory(t->l, arena_strndup(&t->l->own->arena, text, strlen(text)));

    memcpy(out, &copy, sizeof(copy));
    return 0;
}

static int keep_path(struct target *t, const char *text, void *out)
{
    const char *folder = t->l->folder;
    char *copy;
    int r = value_path(text, &t->why);

    if (r)
        return r;
    if (!folder || text[0] == '/')
        return keep(t, text, out);
    while (strncmp(text, "./", 2) == 0)
        text += 2;
    copy = no_memory(t->l, arena_printf(&t->l->own->arena, "%s%s%s", folder,
                                        folder[strlen(folder) - 1] == '/' ? "" : "/", text));
    memcpy(out, &copy, sizeof(copy));
    return 0;
}

static int in_range(struct target *t, int64_t value)
{
    const struct schema_key *key = &schema[t->index];
    char min[32], max[32];

    if (value >= key->min && value <= key->max)
        return 0;
    if (key->type == SCHEMA_DURATION) {
        value_format_duration(key->min, min, sizeof(min));
        value_format_duration(key->max, max, sizeof(max));
    } else if (key->type == SCHEMA_SIZE) {
        value_format_size(key->min, min, sizeof(min));
        value_format_size(key->max, max, sizeof(max));
    } else {
        snprintf(min, sizeof(min), "%lld", (long long)key->min);
        snprintf(max, sizeof(max), "%lld", (long long)key->max);
    }
    return value_wrong(&t->why, "is out of range; it may be %s to %s", min, max);
}

/* Numbers are numbers: in quotes they are text. */
static int plain(struct target *t, const char *what)
{
    if (t->node->plain)
        return 0;
    return value_wrong(&t->why, "is text because of its quotes, not a %s; leave them out", what);
}

static int read_number(struct target *t, const char *text, void *out)
{
    enum schema_type type = schema[t->index].type;
    int64_t value = 0;
    unsigned narrow;
    int r = plain(t, "number");

    if (r == 0 && type == SCHEMA_WORKERS && strcmp(text, "auto") == 0)
        goto store;
    if (r == 0)
        r = value_integer(text, &value, &t->why);
    if (r == 0 && type == SCHEMA_FORMAT && value != 1)
        return value_wrong(&t->why, "is no version of the format that is known here; write 1");
    if (r == 0 && type == SCHEMA_PORT && (value < 1 || value > 65535))
        return value_wrong(&t->why, "is no port; it may be 1 to 65535");
    if (r == 0 && type != SCHEMA_PORT)
        r = in_range(t, value);
    if (r)
        return r;
store:
    narrow = (unsigned)value;
    if (type == SCHEMA_PORT)
        memcpy(out, &(uint16_t){(uint16_t)value}, sizeof(uint16_t));
    else if (type != SCHEMA_FORMAT)
        memcpy(out, &narrow, sizeof(narrow));
    return 0;
}

static int read_quantity(struct target *t, const char *text, void *out)
{
    int64_t value;
    int r = schema[t->index].type == SCHEMA_SIZE ? value_size(text, &value, &t->why)
                                                 : value_duration(text, &value, &t->why);

    if (r == 0)
        r = in_range(t, value);
    if (r == 0)
        memcpy(out, &value, sizeof(value));
    return r;
}

static int read_bool(struct target *t, const char *text, void *out)
{
    bool value;
    int r = plain(t, "boolean");

    if (r == 0)
        r = value_bool(text, &value, &t->why);
    if (r == 0)
        memcpy(out, &value, sizeof(value));
    return r;
}

static int read_switch(struct target *t, const char *text, void *out)
{
    unsigned value;
    bool on = false;
    int r = read_bool(t, text, &on);

    if (r)
        return r;
    value = on ? CONFIG_SWITCH_ON : CONFIG_SWITCH_OFF;
    memcpy(out, &value, sizeof(value));
    return 0;
}

static int read_window(struct target *t, const char *text, void *out)
{
    struct config_window window;
    int r = value_window(text, &window, &t->why);

    if (r == 0)
        memcpy(out, &window, sizeof(window));
    return r;
}

static int read_component(struct target *t, const char *text, void *out)
{
    char component[VALUE_COMPONENT_BUF];
    int r = value_component(text, component, &t->why);

    return r ? r : keep(t, component, out);
}

static int read_word(struct target *t, const char *text, void *out)
{
    unsigned value;
    int r = value_word(text, schema[t->index].words, &value, &t->why);

    if (r)
        return r;
    if (schema[t->index].type == SCHEMA_VERSION) {
        unsigned set;

        memcpy(&set, out, sizeof(set));
        if (set & DIVE_VERSION_BIT(value))
            return value_wrong(&t->why, "is listed twice");
        value = set | DIVE_VERSION_BIT(value);
    }
    memcpy(out, &value, sizeof(value));
    return 0;
}

static int read_address(struct target *t, const char *text, void *out)
{
    struct config_address address;
    int r = value_address(text, &address, &t->why);

    if (r == 0)
        r = keep(t, text, &address.text);
    if (r == 0)
        memcpy(out, &address, sizeof(address));
    return r;
}

static int read_network(struct target *t, const char *text, void *out)
{
    struct config_network network;
    int r = value_network(text, &network, &t->why);

    if (r == 0)
        memcpy(out, &network, sizeof(network));
    return r;
}

static int read_parent(struct target *t, const char *text, void *out)
{
    struct config_parent parent = {0};
    struct value_parent value;
    int r;

    if ((schema[t->index].flags & SCHEMA_OPEN) && strcmp(text, "direct") == 0) {
        parent.kind = CONFIG_PARENT_DIRECT;
        memcpy(out, &parent, sizeof(parent));
        return 0;
    }
    r = value_parent(text, &value, &t->why);
    if (r)
        return r;
    parent =
        (struct config_parent){.kind = CONFIG_PARENT_PROXY, .tls = value.tls, .port = value.port};
    (void)keep(t, value.host, &parent.host);
    if (value.user[0] != '\0')
        (void)keep(t, value.user, &parent.user);
    parent.name = no_memory(t->l, arena_printf(&t->l->own->arena,
                                               strchr(value.host, ':') ? "[%s]:%u" : "%s:%u",
                                               value.host, value.port));
    memcpy(out, &parent, sizeof(parent));
    return 0;
}

/* Names, in the form that value_net.c gives them. */
static int read_name(struct target *t, const char *text, void *out)
{
    char name[VALUE_HOST_BUF];
    int r = DIVE_E_INTERNAL;

    switch (schema[t->index].type) {
    case SCHEMA_HOST_GLOB:
        r = value_host_glob(text, name, &t->why);
        break;
    case SCHEMA_DNS_NAME:
        r = value_dns_name(text, name, &t->why);
        break;
    case SCHEMA_ZONE:
        r = value_zone(text, name, &t->why);
        break;
    case SCHEMA_DNS_SERVER:
        /* Which port is the default depends on forward-tls: check_config() puts it there. */
        r = value_dns_server(text, 0, name, &t->why);
        break;
    default:
        break;
    }
    return r ? r : keep(t, name, out);
}

static int read_text(struct target *t, const char *text, void *out)
{
    int r = DIVE_E_INTERNAL;

    switch (schema[t->index].type) {
    case SCHEMA_PATH_GLOB:
        r = value_path_glob(text, &t->why);
        break;
    case SCHEMA_NAME:
        r = value_name(text, &t->why);
        break;
    case SCHEMA_METHOD:
        r = value_method(text, &t->why);
        break;
    case SCHEMA_SCOPE_NAME:
        r = value_scope_name(text, &t->why);
        break;
    case SCHEMA_MEDIA_TYPE:
        r = value_media_type(text, &t->why);
        break;
    case SCHEMA_ACCOUNT:
        r = value_account(text, &t->why);
        break;
    case SCHEMA_LABEL:
        r = value_label(text, &t->why);
        break;
    case SCHEMA_USER_AGENT:
        r = value_user_agent(text, &t->why);
        break;
    default:
        break;
    }
    return r ? r : keep(t, text, out);
}

/* `count: 5` where text is asked for is a slip more often than a file called 5. */
static bool looks_like_other_type(const struct node *node)
{
    struct value_why why;
    int64_t number;
    bool flag;

    return node->plain && (value_integer(node->text, &number, &why) == 0 ||
                           value_bool(node->text, &flag, &why) == 0);
}

static int read_path(struct target *t, const char *text, void *out)
{
    if (looks_like_other_type(t->node))
        return value_wrong(&t->why, "is no path; quote it if a file of this name is meant");
    if (schema[t->index].type == SCHEMA_LOG_PATH && !log_target_is_known(text))
        return value_wrong(&t->why, "is no target; write journald, syslog, syslog:/dev/log, "
                                    "syslog:udp:192.0.2.1:514 or syslog:tcp:192.0.2.1:601");
    if (schema[t->index].type == SCHEMA_LOG_PATH &&
        (strcmp(text, "-") == 0 || log_target_is_remote(text)))
        return keep(t, text, out);
    return keep_path(t, text, out);
}

/* What is no path is resolved by whoever reads the key. */
static int read_key_source(struct target *t, const char *text, void *out)
{
    static const char credential[] = "credential:";
    const char *name = text + sizeof(credential) - 1;

    if (strncmp(text, "pkcs11:", 7) == 0)
        return keep(t, text, out);
    if (strncmp(text, credential, sizeof(credential) - 1) != 0)
        return read_path(t, text, out);
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
        return value_wrong(&t->why, "is no name of a credential");
    return keep(t, text, out);
}

static int read_scalar(struct target *t, void *out)
{
    const char *text = t->node->text;

    if (strlen(text) > VALUE_TEXT_MAX)
        return value_wrong(&t->why, "(cut) is longer than %d bytes", VALUE_TEXT_MAX);
    switch (schema[t->index].type) {
    case SCHEMA_FORMAT:
    case SCHEMA_INTEGER:
    case SCHEMA_WORKERS:
    case SCHEMA_PORT:
        return read_number(t, text, out);
    case SCHEMA_SIZE:
    case SCHEMA_DURATION:
        return read_quantity(t, text, out);
    case SCHEMA_BOOL:
        return read_bool(t, text, out);
    case SCHEMA_SWITCH:
        return read_switch(t, text, out);
    case SCHEMA_WINDOW:
        return read_window(t, text, out);
    case SCHEMA_COMPONENT:
        return read_component(t, text, out);
    case SCHEMA_WORD:
    case SCHEMA_VERSION:
        return read_word(t, text, out);
    case SCHEMA_PATH:
    case SCHEMA_LOG_PATH:
        return read_path(t, text, out);
    case SCHEMA_KEY_SOURCE:
        return read_key_source(t, text, out);
    case SCHEMA_ADDRESS:
        return read_address(t, text, out);
    case SCHEMA_NETWORK:
        return read_network(t, text, out);
    case SCHEMA_PARENT:
        return read_parent(t, text, out);
    case SCHEMA_HOST_GLOB:
    case SCHEMA_DNS_NAME:
    case SCHEMA_ZONE:
    case SCHEMA_DNS_SERVER:
        return read_name(t, text, out);
    default:
        if (looks_like_other_type(t->node))
            return value_wrong(&t->why, "is no text; quote it if it is meant as such");
        return read_text(t, text, out);
    }
}

/* Null for what may be "none": all of these are zeroed memory. */
static void set_null(size_t index, void *out)
{
    memset(out, 0, schema_type_size(schema[index].type));
}

static void load_one(struct loader *l, size_t index, const char *name, const struct node *node,
                     void *out)
{
    const struct schema_key *key = &schema[index];
    struct target t = {.l = l, .index = index, .node = node};

    if (node->kind == NODE_REFUSED)
        return;
    if (node->kind != NODE_SCALAR) {
        problems_error(l->problems, node->place, "%s: must be a single value (%s), not %s", name,
                       schema_type_word(key->type), node_kind_word(node));
    } else if (node_is_null(node)) {
        if (key->flags & SCHEMA_NULLABLE)
            set_null(index, out);
        else
            problems_error(l->problems, node->place,
                           "%s: must have a value (%s), null is none; leave the key out for its "
                           "default",
                           name, schema_type_word(key->type));
    } else if (read_scalar(&t, out)) {
        problems_error(l->problems, node->place, "%s: \"%.60s\" %s", name, node->text, t.why.text);
    }
}

/* A single value where a list may stand (SCHEMA_ONE). */
static void load_list_of_one(struct loader *l, size_t index, const char *name,
                             const struct node *node, void *out)
{
    size_t size = schema_type_size(schema[index].type);
    struct config_list list = {no_memory(l, arena_array(&l->own->arena, 1, size)), 1};

    if (!list.v)
        return;
    load_one(l, index, name, node, list.v);
    memcpy(out, &list, sizeof(list));
}

static void load_list(struct loader *l, size_t index, const char *name, const struct node *node,
                      void *out)
{
    const struct schema_key *key = &schema[index];
    size_t size = schema_type_size(key->type);
    struct config_list list = {NULL, node->n};

    if ((key->flags & SCHEMA_ONE) && node->kind != NODE_LIST) {
        load_list_of_one(l, index, name, node, out);
        return;
    }
    if ((key->flags & SCHEMA_ONE) && node->n == 0) {
        problems_error(l->problems, node->place,
                       "%s: is empty; name a value, or leave the key out for any", name);
        return;
    }
    if (node->kind == NODE_SCALAR && !node_is_null(node)) {
        problems_error(l->problems, node->place, "%s: must be a list of %s; write [%.60s]", name,
                       schema_type_plural(key->type), node->text);
        return;
    }
    if (node->kind != NODE_LIST) {
        problems_error(l->problems, node->place,
                       "%s: must be a list of %s, not %s; the empty one is []", name,
                       schema_type_plural(key->type), node_kind_word(node));
        return;
    }
    if (key->type == SCHEMA_VERSION)
        memset(out, 0, sizeof(unsigned)); /* a set */
    else
        list.v = no_memory(l, arena_array(&l->own->arena, list.n, size));
    if (key->type != SCHEMA_VERSION && !list.v)
        return;
    size_t i = 0;
    for (const struct node *child = node->first; child; child = child->next, i++)
        load_one(l, index, name, child,
                 key->type == SCHEMA_VERSION ? out : (char *)list.v + i * size);
    if (key->type != SCHEMA_VERSION)
        memcpy(out, &list, sizeof(list));
}

static void load_option(struct loader *l, const char *name, const struct node *node,
                        const char *option, struct config_option *out)
{
    const char *text = node->text;

    if (node->kind == NODE_REFUSED)
        return;
    if (node->kind != NODE_SCALAR || node_is_null(node)) {
        problems_error(l->problems, node->place,
                       "%s.%.60s: must be a value or a list of values, not %s", name, option,
                       node_kind_word(node));
        return;
    }
    if (node->plain && strcmp(text, "true") == 0)
        text = "yes";
    else if (node->plain && strcmp(text, "false") == 0)
        text = "no";
    out->name = no_memory(l, arena_strndup(&l->own->arena, option, strlen(option)));
    out->value = no_memory(l, arena_strndup(&l->own->arena, text, strlen(text)));
}

static void load_options(struct loader *l, const char *name, const struct node *node, void *out)
{
    struct config_list list = {0};
    struct config_option *v;
    struct value_why why;

    if (node->kind != NODE_MAP) {
        problems_error(l->problems, node->place,
                       "%s: must be a map, option: value, not %s; the empty one is {}", name,
                       node_kind_word(node));
        return;
    }
    for (const struct node *child = node->first; child; child = child->next)
        list.n += child->kind == NODE_LIST ? child->n : 1;
    list.v = v = no_memory(l, arena_array(&l->own->arena, list.n, sizeof(*v)));
    if (!v)
        return;
    for (const struct node *child = node->first; child; child = child->next) {
        if (value_option_name(child->key, &why))
            problems_error(l->problems, child->key_place, "%s: \"%.60s\" %s", name, child->key,
                           why.text);
        if (child->kind != NODE_LIST)
            load_option(l, name, child, child->key, v++);
        else
            for (const struct node *one = child->first; one; one = one->next)
                load_option(l, name, one, child->key, v++);
    }
    memcpy(out, &list, sizeof(list));
}

void load_value(struct loader *l, size_t index, const char *name, const struct node *node,
                void *target)
{
    if (node->kind == NODE_REFUSED)
        return;
    if (schema[index].type == SCHEMA_OPTIONS)
        load_options(l, name, node, target);
    else if (schema[index].flags & SCHEMA_LIST)
        load_list(l, index, name, node, target);
    else
        load_one(l, index, name, node, target);
}
