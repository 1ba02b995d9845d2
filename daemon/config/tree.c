/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tree: libyaml's events in a loop, with a stack of open collections of fixed depth (no recursion).
 *
 *      stack[0]  map          key: waiting for a key, then for its value
 *      stack[1]    list       every node is an element
 *      ...
 *
 * A key given twice keeps its first value; the second is reported, read and dropped.
 */
#include "config/tree.h"

#include <string.h>
#include <yaml.h>

struct level {
    struct node *node;
    const char *key; /* a map's: read, its value isn't yet */
    struct place key_place;
    bool drop_value; /* the key was given before, or is no scalar */
};

struct builder {
    struct arena *arena;
    const char *file;
    const char *text; /* the caller's, for the words of a syntax error */
    size_t n;
    struct config_problems *problems;
    struct node *root;
    struct level stack[TREE_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    unsigned documents;
};

static struct place place_of(const struct builder *b, yaml_mark_t mark)
{
    return (struct place){(unsigned)mark.line + 1, (unsigned)mark.column + 1, b->file};
}

bool node_is_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && node->plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcasecmp(node->text, "null") == 0);
}

struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (struct node *child = map->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

const char *node_kind_word(const struct node *node)
{
    if (node->kind == NODE_MAP)
        return "a map";
    if (node->kind == NODE_LIST)
        return "a list";
    if (node_is_null(node))
        return "null";
    return "a single value";
}

static void append(struct node *parent, struct node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->n++;
}

/* Hangs `node` where the open collection expects it. */
static int attach(struct builder *b, struct node *node)
{
    struct level *level = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;

    if (++b->nodes > TREE_NODES_MAX) {
        problems_error(b->problems, node->place, "more than %d values in one file", TREE_NODES_MAX);
        return DIVE_E_SYNTAX;
    }
    if (!level) {
        b->root = node;
    } else if (level->node->kind == NODE_MAP) {
        node->key = level->key;
        node->key_place = level->key_place;
        if (!level->drop_value)
            append(level->node, node);
        level->key = NULL;
        level->drop_value = false;
    } else if (level->node->n >= CONFIG_LIST_MAX) {
        problems_error(b->problems, node->place, "more than %d entries in one list",
                       CONFIG_LIST_MAX);
        return DIVE_E_SYNTAX;
    } else {
        append(level->node, node);
    }
    return 0;
}

static int open_collection(struct builder *b, struct node *node)
{
    int r = attach(b, node);

    if (r)
        return r;
    if (b->depth == TREE_DEPTH_MAX) {
        problems_error(b->problems, node->place, "nested more than %d deep", TREE_DEPTH_MAX);
        return DIVE_E_SYNTAX;
    }
    b->stack[b->depth++] = (struct level){.node = node};
    return 0;
}

static bool expects_key(const struct builder *b)
{
    return b->depth > 0 && b->stack[b->depth - 1].node->kind == NODE_MAP &&
           !b->stack[b->depth - 1].key;
}

static int take_key(struct builder *b, const char *text, struct place place)
{
    struct level *level = &b->stack[b->depth - 1];
    const struct node *before = node_get(level->node, text);

    level->key = text;
    level->key_place = place;
    if (before) {
        problems_error(b->problems, place, "\"%.60s\" is given twice; it stands in line %u already",
                       text, before->key_place.line);
        level->drop_value = true;
    } else if (level->node->n >= TREE_KEYS_MAX) {
        problems_error(b->problems, place, "more than %d keys in one map", TREE_KEYS_MAX);
        return DIVE_E_SYNTAX;
    }
    return 0;
}

static bool has_control(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

/* What YAML offers and a configuration doesn't take. True: reported. */
static bool refuse_extras(struct builder *b, struct place place, const yaml_char_t *anchor,
                          const yaml_char_t *tag)
{
    if (anchor)
        problems_error(b->problems, place,
                       "anchors (&) are not accepted here; write the value out");
    if (tag)
        problems_error(b->problems, place, "tags (!) are not accepted here; leave it out");
    return anchor || tag;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t n = event->data.scalar.length;
    struct place place = place_of(b, event->start_mark);
    bool refused = refuse_extras(b, place, event->data.scalar.anchor, event->data.scalar.tag);
    struct node *node = NULL;
    char *text;

    if (has_control(value, n)) {
        problems_error(b->problems, place, "a line break or control character in a value");
        refused = true;
        n = 0;
    }
    text = arena_strndup(b->arena, value, n);
    if (!text)
        return DIVE_E_NOMEM;
    if (expects_key(b)) {
        int r = take_key(b, text, place);

        b->stack[b->depth - 1].drop_value |= refused;
        return r;
    }
    node = arena_alloc(b->arena, sizeof(*node));
    if (!node)
        return DIVE_E_NOMEM;
    node->kind = refused ? NODE_REFUSED : NODE_SCALAR;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->place = place;
    node->text = text;
    return attach(b, node);
}

static int on_collection(struct builder *b, const yaml_event_t *event, enum node_kind kind)
{
    bool map = kind == NODE_MAP;
    struct place place = place_of(b, event->start_mark);
    struct node *node = arena_alloc(b->arena, sizeof(*node));

    if (!node)
        return DIVE_E_NOMEM;
    if (expects_key(b)) {
        problems_error(b->problems, place, "a key must be a word, not %s",
                       map ? "a map" : "a list");
        return DIVE_E_SYNTAX;
    }
    refuse_extras(b, place,
                  map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
                  map ? event->data.mapping_start.tag : event->data.sequence_start.tag);
    node->kind = kind;
    node->place = place;
    return open_collection(b, node);
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
    struct place place = place_of(b, event->start_mark);
    struct node *node = arena_alloc(b->arena, sizeof(*node));

    problems_error(b->problems, place,
                   "aliases (*) are not accepted here; write the value out, or "
                   "quote it if it is meant to begin with *");
    if (!node)
        return DIVE_E_NOMEM;
    if (expects_key(b))
        return DIVE_E_SYNTAX;
    node->place = place;
    return attach(b, node);
}

static int on_document(struct builder *b, const yaml_event_t *event)
{
    struct place place = place_of(b, event->start_mark);

    if (++b->documents > 1) {
        problems_error(b->problems, place, "a second document begins here; one file holds one");
        return DIVE_E_SYNTAX;
    }
    if (event->data.document_start.tag_directives.start !=
        event->data.document_start.tag_directives.end) {
        problems_error(b->problems, place, "%%TAG directives are not accepted here");
        return DIVE_E_SYNTAX;
    }
    return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return on_document(b, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_MAPPING_START_EVENT:
        return on_collection(b, event, NODE_MAP);
    case YAML_SEQUENCE_START_EVENT:
        return on_collection(b, event, NODE_LIST);
    case YAML_ALIAS_EVENT:
        return on_alias(b, event);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

/* What is read as UTF-16 has other bytes than those that were counted here: no place then. */
static struct place place_of_byte(const struct builder *b, const yaml_parser_t *parser)
{
    struct place place = {.line = 1, .column = 1, .file = b->file};

    if (parser->encoding != YAML_UTF8_ENCODING || parser->problem_offset > b->n)
        return (struct place){.file = b->file};
    for (size_t i = 0; i < parser->problem_offset; i++) {
        if (b->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)b->text[i] & 0xc0) != 0x80) { /* characters are counted */
            place.column++;
        }
    }
    return place;
}

/* What libyaml's words don't say of the commonest faults: what to do. */
static const char *syntax_advice(const struct builder *b, const yaml_parser_t *parser)
{
    const char *line = b->text, *end = b->text + b->n, *c;

    if (parser->encoding != YAML_UTF8_ENCODING)
        return "";
    for (size_t i = 0; i < parser->problem_mark.line && line < end; i++) {
        const char *next = memchr(line, '\n', (size_t)(end - line));

        line = next ? next + 1 : end;
    }
    if (line == end)
        return "; the file ends here: is it still being written?";
    for (c = line; c < end && *c == ' ';)
        c++;
    if (c < end && *c == '\t')
        return "; the line begins with a tab: indent it with spaces";
    /* A column counts characters: what is written before it here is ASCII, or there is no advice.
     */
    c = line + parser->problem_mark.column;
    if (parser->problem_mark.column < (size_t)(end - line) && *c == ':')
        return "; a value that begins with : must be in quotes";
    return "";
}

static int report_syntax(struct builder *b, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "not YAML";

    if (parser->error == YAML_MEMORY_ERROR)
        return DIVE_E_NOMEM;
    if (parser->context && strstr(parser->context, "scanning an alias"))
        problems_error(b->problems, place_of(b, parser->context_mark),
                       "a value that begins with * must be in quotes");
    else if (parser->context)
        problems_error(b->problems, place_of(b, parser->problem_mark),
                       "YAML: %s (%s that began in line %zu)%s", problem, parser->context,
                       parser->context_mark.line + 1, syntax_advice(b, parser));
    else if (parser->error == YAML_READER_ERROR)
        problems_error(b->problems, place_of_byte(b, parser), "YAML: %s at byte %zu%s", problem,
                       parser->problem_offset,
                       strstr(problem, "control") ? "" : "; write the file in UTF-8");
    else
        problems_error(b->problems, place_of(b, parser->problem_mark), "YAML: %s%s", problem,
                       syntax_advice(b, parser));
    return DIVE_E_SYNTAX;
}

int tree_parse(struct arena *arena, const char *file, const char *text, size_t n,
               struct node **root, struct config_problems *problems)
{
    struct builder b = {.arena = arena, .file = file, .text = text, .n = n, .problems = problems};
    yaml_parser_t parser;
    int r = DIVE_E_INTERNAL;
    bool end = false;

    *root = NULL;
    if (!yaml_parser_initialize(&parser))
        return DIVE_E_NOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    while (!end) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            r = report_syntax(&b, &parser);
            goto out;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        r = on_event(&b, &event);
        yaml_event_delete(&event);
        if (r)
            goto out;
    }
    *root = b.root;
    r = 0;
out:
    yaml_parser_delete(&parser);
    return r;
}
